#include "signal/token.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/token_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void token_claims_init(struct token_claims *claims)
{
    memset(claims, 0, sizeof(*claims));
    claims->grants.can_publish = true;
    claims->grants.can_subscribe = true;
    claims->grants.can_publish_data = true;
}

void token_claims_fini(struct token_claims *claims)
{
    for (size_t i = 0; i < claims->attribute_count; i++) {
        free(claims->attributes[i].key);
        free(claims->attributes[i].value);
    }
    free(claims->attributes);
    free(claims->metadata);
    free(claims->room_config);
    memset(claims, 0, sizeof(*claims));
}

static size_t attributes_size(const struct token_claims *claims)
{
    size_t size = 0;
    for (size_t i = 0; i < claims->attribute_count; i++)
        size += strlen(claims->attributes[i].key) + strlen(claims->attributes[i].value);
    return size;
}

int token_claims_add_attribute(struct token_claims *claims, const char *key, const char *value)
{
    if (claims->attribute_count >= TOKEN__ATTRIBUTE_COUNT_MAX ||
        attributes_size(claims) + strlen(key) + strlen(value) > TOKEN_ATTRIBUTES_MAX)
        return ERR_LIMIT;
    struct token_attribute *grown =
        realloc(claims->attributes, (claims->attribute_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    claims->attributes = grown;
    struct token_attribute *added = &grown[claims->attribute_count];
    added->key = strdup(key);
    added->value = strdup(value);
    if (added->key == NULL || added->value == NULL) {
        free(added->key);
        free(added->value);
        return -ENOMEM;
    }
    claims->attribute_count++;
    return 0;
}

const struct signal_key *token__find_key(const struct signal_key *keys, size_t key_count,
                                         const char *name)
{
    for (size_t i = 0; i < key_count; i++) {
        if (name[0] != '\0' && strcmp(keys[i].key, name) == 0)
            return &keys[i];
    }
    return NULL;
}
