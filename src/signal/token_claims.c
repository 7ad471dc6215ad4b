#include "base/err.h"
#include "base/strbuf.h"
#include "signal/token_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CLAIM_BOOL(object, name, field)                                               \
    {                                                                                 \
        object, name, TOKEN__BOOL, offsetof(struct token_claims, field), sizeof(bool) \
    }
#define CLAIM_TEXT(object, name, field)                                  \
    {                                                                    \
        object, name, TOKEN__TEXT, offsetof(struct token_claims, field), \
            sizeof(((struct token_claims *)0)->field)                    \
    }

const struct token__claim token__claims[] = {
    CLAIM_TEXT("", "iss", grants.key),
    CLAIM_TEXT("", "sub", grants.identity),
    CLAIM_TEXT("", "name", grants.name),
    CLAIM_TEXT("", "sha256", sha256),
    CLAIM_TEXT("", "roomPreset", room_preset),
    CLAIM_TEXT("video", "room", grants.room),
    CLAIM_TEXT("video", "destinationRoom", destination_room),
    CLAIM_BOOL("video", "roomJoin", grants.room_join),
    CLAIM_BOOL("video", "roomCreate", grants.room_create),
    CLAIM_BOOL("video", "roomList", grants.room_list),
    CLAIM_BOOL("video", "roomAdmin", grants.room_admin),
    CLAIM_BOOL("video", "roomRecord", room_record),
    CLAIM_BOOL("video", "ingressAdmin", ingress_admin),
    CLAIM_BOOL("video", "hidden", grants.hidden),
    CLAIM_BOOL("video", "recorder", recorder),
    CLAIM_BOOL("video", "agent", agent),
    CLAIM_BOOL("video", "canPublish", grants.can_publish),
    CLAIM_BOOL("video", "canSubscribe", grants.can_subscribe),
    CLAIM_BOOL("video", "canPublishData", grants.can_publish_data),
    CLAIM_BOOL("video", "canUpdateOwnMetadata", can_update_own_metadata),
    CLAIM_BOOL("video", "canSubscribeMetrics", can_subscribe_metrics),
    CLAIM_BOOL("video", "canManageAgentSession", can_manage_agent_session),
    CLAIM_TEXT("lesson", "id", grants.lesson_id),
    CLAIM_TEXT("lesson", "role", grants.lesson_role),
    CLAIM_TEXT("lesson", "school", grants.lesson_school),
};
const size_t token__claim_count = ARRAY_COUNT(token__claims);

const char *const token__sources[] = {"unknown", "camera", "microphone", "screen_share",
                                      "screen_share_audio"};
const size_t token__source_count = ARRAY_COUNT(token__sources);

const char *const token__kind_details[] = {"cloud_agent",      "forwarded",   "connector_whatsapp",
                                           "connector_twilio", "bridge_rtsp", "simulation"};
const size_t token__kind_detail_count = ARRAY_COUNT(token__kind_details);

const char *const token__kinds[] = {"standard", "ingress", "egress",    "sip",   "agent",
                                    NULL,       NULL,      "connector", "bridge"};
const size_t token__kind_count = ARRAY_COUNT(token__kinds);

static int read_text(const json_t *v, char *dst, size_t size)
{
    if (!json_is_string(v))
        return ERR_TOKEN;
    return str_copy(dst, size, json_string_value(v)) != 0 ? ERR_MALFORMED : 0;
}

static int read_claim(const struct token__claim *c, const json_t *v, struct token_claims *claims)
{
    char *at = (char *)claims + c->offset;
    if (v == NULL || json_is_null(v))
        return 0;
    if (c->type == TOKEN__TEXT)
        return read_text(v, at, c->size);
    if (!json_is_boolean(v))
        return ERR_TOKEN;
    *(bool *)(void *)at = json_is_true(v);
    return 0;
}

static int read_table(const json_t *payload, struct token_claims *claims)
{
    for (size_t i = 0; i < token__claim_count; i++) {
        const struct token__claim *c = &token__claims[i];
        const json_t *object = payload;
        if (c->object[0] != '\0')
            object = json_object_get(payload, c->object);
        if (object != NULL && !json_is_null(object) && !json_is_object(object))
            return ERR_TOKEN;
        int rc = read_claim(c, json_object_get(object, c->name), claims);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* A list of names as bits; names that we do not know are left out, but an
 * unmatched list stays a restriction (bit 0). */
static int read_names(const json_t *v, const char *const *names, size_t count, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    if (v == NULL || json_is_null(v))
        return 0;
    if (!json_is_array(v))
        return ERR_TOKEN;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *name = json_string_value(json_array_get(v, i));
        if (name == NULL)
            return ERR_TOKEN;
        for (size_t k = 0; k < count; k++) {
            if (strcasecmp(name, names[k]) == 0)
                bits |= 1u << k;
        }
    }
    if (bits == 0 && json_array_size(v) > 0)
        bits = 1; /* only names unknown to us: not the same as no restriction */
    *ret_bits = bits;
    return 0;
}

static int read_kind(const json_t *v, struct token_claims *claims)
{
    if (v == NULL || json_is_null(v))
        return 0;
    if (!json_is_string(v))
        return ERR_TOKEN;
    for (size_t i = 0; i < token__kind_count; i++) {
        if (token__kinds[i] != NULL && strcmp(token__kinds[i], json_string_value(v)) == 0)
            claims->kind = (uint8_t)i;
    }
    return 0;
}

static int read_metadata(const json_t *v, struct token_claims *claims)
{
    if (v == NULL || json_is_null(v))
        return 0;
    if (!json_is_string(v))
        return ERR_TOKEN;
    if (json_string_length(v) > TOKEN_METADATA_MAX)
        return ERR_MALFORMED;
    claims->metadata = strdup(json_string_value(v));
    return claims->metadata != NULL ? 0 : -ENOMEM;
}

static int read_attributes(const json_t *v, struct token_claims *claims)
{
    const char *key;
    json_t *value;
    if (v == NULL || json_is_null(v))
        return 0;
    if (!json_is_object(v))
        return ERR_TOKEN;
    json_object_foreach((json_t *)v, key, value)
    {
        if (!json_is_string(value))
            return ERR_TOKEN;
        int rc = token_claims_add_attribute(claims, key, json_string_value(value));
        if (rc != 0)
            return rc == ERR_LIMIT ? ERR_MALFORMED : rc;
    }
    return 0;
}

static int read_room_config(const json_t *v, struct token_claims *claims)
{
    if (v == NULL || json_is_null(v))
        return 0;
    if (!json_is_object(v))
        return ERR_TOKEN;
    claims->room_config = json_dumps(v, JSON_COMPACT);
    return claims->room_config != NULL ? 0 : -ENOMEM;
}

/* Old tokens carry the identity in jti; data follows publishing where the token does not say. */
static int read_defaults(const json_t *payload, struct token_claims *claims)
{
    const json_t *video = json_object_get(payload, "video");
    const json_t *data = json_object_get(video, "canPublishData");
    const json_t *jti = json_object_get(payload, "jti");
    if (data == NULL || json_is_null(data))
        claims->grants.can_publish_data = claims->grants.can_publish;
    if (claims->grants.identity[0] == '\0' && json_is_string(jti))
        return read_text(jti, claims->grants.identity, sizeof(claims->grants.identity));
    return 0;
}

int token__read_claims(const json_t *payload, struct token_claims *claims)
{
    const json_t *video = json_object_get(payload, "video");
    int rc = read_table(payload, claims);
    if (rc == 0)
        rc = read_defaults(payload, claims);
    if (rc == 0)
        rc = read_names(json_object_get(video, "canPublishSources"), token__sources,
                        token__source_count, &claims->publish_sources);
    if (rc == 0)
        rc = read_names(json_object_get(payload, "kindDetails"), token__kind_details,
                        token__kind_detail_count, &claims->kind_details);
    if (rc == 0)
        rc = read_kind(json_object_get(payload, "kind"), claims);
    if (rc == 0)
        rc = read_metadata(json_object_get(payload, "metadata"), claims);
    if (rc == 0)
        rc = read_attributes(json_object_get(payload, "attributes"), claims);
    if (rc == 0)
        rc = read_room_config(json_object_get(payload, "roomConfig"), claims);
    return rc;
}

/* The three rights that are on unless a token says otherwise are written whenever they matter. */
static bool is_always_written(const struct token__claim *c, const struct token_claims *claims)
{
    return claims->grants.room_join &&
           (c->offset == offsetof(struct token_claims, grants.can_publish) ||
            c->offset == offsetof(struct token_claims, grants.can_subscribe) ||
            c->offset == offsetof(struct token_claims, grants.can_publish_data));
}

static bool is_default(const struct token__claim *c, const struct token_claims *claims)
{
    struct token_claims fresh;
    token_claims_init(&fresh);
    const char *at = (const char *)claims + c->offset;
    return memcmp(at, (const char *)&fresh + c->offset,
                  c->type == TOKEN__BOOL ? sizeof(bool) : 1) == 0;
}

static int write_table(json_t *payload, const struct token_claims *claims)
{
    for (size_t i = 0; i < token__claim_count; i++) {
        const struct token__claim *c = &token__claims[i];
        const char *at = (const char *)claims + c->offset;
        if (is_default(c, claims) && !is_always_written(c, claims))
            continue;
        json_t *object = payload;
        if (c->object[0] != '\0') {
            object = json_object_get(payload, c->object);
            if (object == NULL) {
                object = json_object();
                if (json_object_set_new(payload, c->object, object) != 0)
                    return -ENOMEM;
            }
        }
        json_t *value = c->type == TOKEN__BOOL ? json_boolean(*(const bool *)(const void *)at)
                                               : json_string(at);
        if (json_object_set_new(object, c->name, value) != 0)
            return -ENOMEM;
    }
    return 0;
}

/* Adds the list unless it is empty. */
static int write_names(json_t *object, const char *key, const char *const *names, size_t count,
                       uint32_t bits)
{
    json_t *list = json_array();
    int rc = list != NULL ? 0 : -ENOMEM;
    for (size_t k = 0; rc == 0 && k < count; k++) {
        if ((bits & 1u << k) != 0 && json_array_append_new(list, json_string(names[k])) != 0)
            rc = -ENOMEM;
    }
    if (rc == 0 && json_array_size(list) > 0 && json_object_set(object, key, list) != 0)
        rc = -ENOMEM;
    json_decref(list);
    return rc;
}

static int write_participant(json_t *payload, const struct token_claims *claims)
{
    if (claims->kind != 0 && claims->kind < token__kind_count &&
        token__kinds[claims->kind] != NULL &&
        json_object_set_new(payload, "kind", json_string(token__kinds[claims->kind])) != 0)
        return -ENOMEM;
    if (claims->metadata != NULL &&
        json_object_set_new(payload, "metadata", json_string(claims->metadata)) != 0)
        return -ENOMEM;
    if (claims->room_config != NULL &&
        json_object_set_new(payload, "roomConfig", json_loads(claims->room_config, 0, NULL)) != 0)
        return -ENOMEM;
    if (claims->attribute_count == 0)
        return 0;
    json_t *attributes = json_object();
    if (json_object_set_new(payload, "attributes", attributes) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < claims->attribute_count; i++) {
        if (json_object_set_new(attributes, claims->attributes[i].key,
                                json_string(claims->attributes[i].value)) != 0)
            return -ENOMEM;
    }
    return 0;
}

json_t *token__write_claims(const struct token_claims *claims)
{
    json_t *payload = json_object();
    int rc = payload != NULL ? write_table(payload, claims) : -ENOMEM;
    json_t *video = json_object_get(payload, "video");
    if (rc == 0)
        rc = write_participant(payload, claims);
    if (rc == 0)
        rc = write_names(payload, "kindDetails", token__kind_details, token__kind_detail_count,
                         claims->kind_details);
    if (rc == 0 && video != NULL)
        rc = write_names(video, "canPublishSources", token__sources, token__source_count,
                         claims->publish_sources);
    if (rc == 0)
        return payload;
    json_decref(payload);
    return NULL;
}
