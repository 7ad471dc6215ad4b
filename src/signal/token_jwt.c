#include "base/encode.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "signal/token_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* {"alg":"HS256","typ":"JWT"} in base64url. */
static const char JWT_HEADER[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/* The JSON object in one base64url part; NULL if it is none. */
static json_t *load_part(const char *part, size_t length)
{
    uint8_t *bytes = malloc(length + 1);
    if (bytes == NULL)
        return NULL;
    int size = base64_decode(part, length, bytes, length + 1);
    json_t *object = NULL;
    if (size > 0)
        object = json_loadb((const char *)bytes, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
    free(bytes);
    if (object != NULL && !json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static bool is_hs256(const char *part, size_t length)
{
    json_t *header = load_part(part, length);
    const char *alg = json_string_value(json_object_get(header, "alg"));
    bool is_ok = alg != NULL && strcmp(alg, "HS256") == 0;
    json_decref(header);
    return is_ok;
}

static bool is_signed_by(const struct signal_key *key, const char *token, const char *end,
                         const char *signature)
{
    uint8_t mac[TOKEN__MAC_SIZE], given[TOKEN__MAC_SIZE];
    if (base64_decode(signature, strlen(signature), given, sizeof(given)) != sizeof(given))
        return false;
    return token__mac(key->secret, token, (size_t)(end - token), mac) &&
           mem_equal_ct(mac, given, sizeof(mac));
}

/* Times are NumericDates: seconds, perhaps with a fraction (RFC 7519, 2). */
static int check_times(const json_t *payload, wall_ms wall, int64_t *ret_expires_s)
{
    const json_t *exp = json_object_get(payload, "exp");
    const json_t *nbf = json_object_get(payload, "nbf");
    double now_s = (double)wall / 1000.0;
    if (!json_is_number(exp) || (nbf != NULL && !json_is_number(nbf)))
        return ERR_TOKEN;
    double exp_s = json_number_value(exp);
    if (!(exp_s > 0 && exp_s < 1e15))
        return ERR_TOKEN;
    if (now_s >= exp_s + TOKEN_LEEWAY_S)
        return ERR_TOKEN_EXPIRED;
    if (nbf != NULL && !(now_s >= json_number_value(nbf) - TOKEN_LEEWAY_S))
        return ERR_TOKEN;
    *ret_expires_s = (int64_t)exp_s;
    return 0;
}

/* The signature is right for the key that the payload names; reads the rest. */
static int verify_payload(const struct signal_key *keys, size_t key_count, const json_t *payload,
                          const char *token, const char *signed_end, wall_ms wall,
                          struct token_claims *claims)
{
    const char *issuer = json_string_value(json_object_get(payload, "iss"));
    const struct signal_key *key = NULL;
    if (issuer != NULL)
        key = token__find_key(keys, key_count, issuer);
    if (key == NULL)
        return ERR_TOKEN_KEY;
    if (!is_signed_by(key, token, signed_end, signed_end + 1))
        return ERR_TOKEN;
    int rc = check_times(payload, wall, &claims->expires_s);
    return rc != 0 ? rc : token__read_claims(payload, claims);
}

int token_verify(const struct signal_key *keys, size_t key_count, const char *token, wall_ms wall,
                 struct token_claims *ret_claims)
{
    size_t length = strnlen(token, TOKEN_SIZE_MAX + 1);
    if (length == 0)
        return ERR_TOKEN_MISSING;
    const char *dot1 = strchr(token, '.');
    const char *dot2 = dot1 != NULL ? strchr(dot1 + 1, '.') : NULL;
    if (length > TOKEN_SIZE_MAX || dot2 == NULL || strchr(dot2 + 1, '.') != NULL)
        return ERR_TOKEN;
    if (!is_hs256(token, (size_t)(dot1 - token)))
        return ERR_TOKEN;
    json_t *payload = load_part(dot1 + 1, (size_t)(dot2 - dot1 - 1));
    if (payload == NULL)
        return ERR_TOKEN;
    struct token_claims claims;
    token_claims_init(&claims);
    int rc = verify_payload(keys, key_count, payload, token, dot2, wall, &claims);
    json_decref(payload);
    if (rc == 0)
        *ret_claims = claims;
    else
        token_claims_fini(&claims);
    return rc;
}

/* Appends base64url of `size` bytes. */
static int append_base64url(struct strbuf *b, const void *data, size_t size)
{
    char *text = malloc(BASE64_SIZE(size) + 1);
    if (text == NULL)
        return -ENOMEM;
    base64url_encode(data, size, text);
    strbuf_puts(b, text);
    free(text);
    return b->err;
}

static int sign_payload(const char *secret, const char *payload, struct strbuf *token)
{
    uint8_t mac[TOKEN__MAC_SIZE];
    strbuf_printf(token, "%s.", JWT_HEADER);
    int rc = append_base64url(token, payload, strlen(payload));
    if (rc == 0 && !token__mac(secret, strbuf_text(token), token->size, mac))
        rc = ERR_SEC_CRYPTO;
    if (rc != 0)
        return rc;
    strbuf_puts(token, ".");
    return append_base64url(token, mac, sizeof(mac));
}

int token_sign(const struct signal_key *keys, size_t key_count, const struct token_claims *claims,
               int64_t ttl_s, wall_ms wall, char **ret_token)
{
    const struct signal_key *key = token__find_key(keys, key_count, claims->grants.key);
    if (key == NULL)
        return ERR_TOKEN_KEY;
    json_t *payload = token__write_claims(claims);
    int64_t now_s = wall / 1000;
    char *text = NULL;
    if (payload != NULL && json_object_set_new(payload, "iat", json_integer(now_s)) == 0 &&
        json_object_set_new(payload, "nbf", json_integer(now_s)) == 0 &&
        json_object_set_new(payload, "exp", json_integer(now_s + ttl_s)) == 0)
        text = json_dumps(payload, JSON_COMPACT);
    json_decref(payload);
    if (text == NULL)
        return -ENOMEM;
    struct strbuf token;
    strbuf_init(&token, (size_t)2 << 20);
    int rc = sign_payload(key->secret, text, &token);
    free(text);
    if (rc == 0)
        *ret_token = strbuf_take(&token);
    strbuf_fini(&token);
    return rc;
}
