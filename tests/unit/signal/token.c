/*
 * Goal: only rightly signed, timely HS256 tokens of a known key are accepted, and their claims are
 * read and written without loss. Method: a token signed by hand elsewhere (the form of RFC 7515,
 * appendix A.1), a table of tokens that must be refused, round trips through sign and verify.
 */
#include "signal/token.h"

#include "unit/cmocka_all.h"

#include "base/encode.h"
#include "base/err.h"
#include "signal/token_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1700000000000 /* ms */

#define KNOWN_TOKEN                                                                    \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJkZXZrZXkiLCJzdWIiOiJhbm5hIiwibmJ" \
    "mIjoxNjk5OTk5MDAwLCJleHAiOjE3MDAwMDM2MDAsInZpZGVvIjp7InJvb20iOiJkZW1vIiwicm9vbUp" \
    "vaW4iOnRydWV9fQ.w8tRWpK1CJl0fdbRIC0qAryiBjfvUBVOaosX5LBQXxA"

static const struct signal_key keys[] = {{"devkey", "secret"}, {"other", "a longer secret"}};

/* Signs any header and payload, so that wrong tokens can be made. */
static char *make_token(const char *header, const char *payload, const char *secret)
{
    static char token[8192];
    uint8_t mac[TOKEN__MAC_SIZE];
    char part[4096];
    base64url_encode(header, strlen(header), part);
    int n = snprintf(token, sizeof(token), "%s.", part);
    base64url_encode(payload, strlen(payload), part);
    n += snprintf(token + n, sizeof(token) - (size_t)n, "%s", part);
    assert_true(token__mac(secret, token, (size_t)n, mac));
    base64url_encode(mac, sizeof(mac), part);
    snprintf(token + n, sizeof(token) - (size_t)n, ".%s", part);
    return token;
}

static int verify(const char *token, struct token_claims *claims)
{
    return token_verify(keys, ARRAY_COUNT(keys), token, NOW, claims);
}

/* RFC 7515 A.1 signs with a binary key; RFC 4231 case 2 has a text key and the same algorithm. */
static void test_mac_known_answer(void **state)
{
    (void)state;
    uint8_t mac[TOKEN__MAC_SIZE];
    char hex[2 * TOKEN__MAC_SIZE + 1];
    const char *data = "what do ya want for nothing?";
    assert_true(token__mac("Jefe", data, strlen(data), mac));
    hex_encode(mac, sizeof(mac), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* Signed with another implementation (Python's hmac): iss devkey, sub anna, exp 1700003600. */
static void test_known_token(void **state)
{
    (void)state;
    struct token_claims claims;
    assert_int_equal(verify(KNOWN_TOKEN, &claims), 0);
    assert_string_equal(claims.grants.key, "devkey");
    assert_string_equal(claims.grants.identity, "anna");
    assert_string_equal(claims.grants.room, "demo");
    assert_true(claims.grants.room_join);
    assert_true(claims.grants.can_publish);
    assert_int_equal(claims.expires_s, 1700003600);
    token_claims_fini(&claims);
}

static void test_bad_tokens(void **state)
{
    (void)state;
    static const char *const hs256 = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    static const char *const good =
        "{\"iss\":\"devkey\",\"sub\":\"a\",\"exp\":1700000100,\"video\":{\"roomJoin\":true}}";
    const struct {
        const char *header, *payload, *secret;
        int rc;
    } rows[] = {
        {hs256, good, "secret", 0},
        {"{\"alg\":\"HS256\"}", good, "secret", 0},
        {hs256, good, "wrong", ERR_TOKEN},
        {"{\"alg\":\"none\"}", good, "secret", ERR_TOKEN},
        {"{\"alg\":\"HS384\"}", good, "secret", ERR_TOKEN},
        {"{\"alg\":\"hs256\"}", good, "secret", ERR_TOKEN},
        {"{\"alg\":1}", good, "secret", ERR_TOKEN},
        {"{}", good, "secret", ERR_TOKEN},
        {"[]", good, "secret", ERR_TOKEN},
        {hs256, "[]", "secret", ERR_TOKEN},
        {hs256, "{", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"nobody\",\"exp\":1700000100}", "secret", ERR_TOKEN_KEY},
        {hs256, "{\"iss\":\"\",\"exp\":1700000100}", "secret", ERR_TOKEN_KEY},
        {hs256, "{\"exp\":1700000100}", "secret", ERR_TOKEN_KEY},
        {hs256, "{\"iss\":\"other\",\"exp\":1700000100}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"other\",\"exp\":1700000100}", "a longer secret", 0},
        {hs256, "{\"iss\":\"devkey\"}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":\"1700000100\"}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":-1}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1e300}", "secret", ERR_TOKEN},
        /* 60 s of leeway on both sides. */
        {hs256, "{\"iss\":\"devkey\",\"exp\":1699999941}", "secret", 0},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1699999940}", "secret", ERR_TOKEN_EXPIRED},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"nbf\":1700000060}", "secret", 0},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"nbf\":1700000061}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100.5,\"nbf\":1.5}", "secret", 0},
        /* Types. */
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"video\":1}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"video\":{\"roomJoin\":\"yes\"}}",
         "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"sub\":7}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"attributes\":{\"a\":1}}", "secret",
         ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"metadata\":{}}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"lesson\":\"x\"}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"exp\":1900000000}", "secret", ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"sub\":\"a\\u0000b\"}", "secret",
         ERR_TOKEN},
        {hs256, "{\"iss\":\"devkey\",\"exp\":1700000100,\"unknown\":[{}],\"video\":null}", "secret",
         0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct token_claims claims;
        int rc = verify(make_token(rows[i].header, rows[i].payload, rows[i].secret), &claims);
        if (rc != rows[i].rc)
            fail_msg("row %zu: %d, not %d", i, rc, rows[i].rc);
        if (rc == 0)
            token_claims_fini(&claims);
    }
}

static void test_bad_form(void **state)
{
    (void)state;
    static const struct {
        const char *token;
        int rc;
    } rows[] = {
        {"", ERR_TOKEN_MISSING}, {"x", ERR_TOKEN},        {".", ERR_TOKEN},
        {"..", ERR_TOKEN},       {"...", ERR_TOKEN},      {"a.b", ERR_TOKEN},
        {"a.b.c.d", ERR_TOKEN},  {"e30.e30.", ERR_TOKEN}, {"\xff\xfe.\x01.\x02", ERR_TOKEN},
    };
    struct token_claims claims;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        assert_int_equal(verify(rows[i].token, &claims), rows[i].rc);

    /* Any one changed character of a good token spoils it. */
    char token[sizeof(KNOWN_TOKEN)];
    for (size_t i = 0; i + 2 < sizeof(token); i++) {
        memcpy(token, KNOWN_TOKEN, sizeof(token));
        token[i] = token[i] == 'A' ? 'B' : 'A';
        int rc = verify(token, &claims);
        assert_true(rc < 0);
    }
    /* A token without end is not looked at. */
    char *huge = malloc(TOKEN_SIZE_MAX + 2);
    assert_non_null(huge);
    memset(huge, 'a', TOKEN_SIZE_MAX + 1);
    huge[TOKEN_SIZE_MAX + 1] = '\0';
    assert_int_equal(verify(huge, &claims), ERR_TOKEN);
    free(huge);
}

static void test_long_identity(void **state)
{
    (void)state;
    char identity[300], payload[512];
    struct token_claims claims;
    for (size_t length = 255; length <= 257; length++) {
        memset(identity, 'x', length);
        identity[length] = '\0';
        snprintf(payload, sizeof(payload), "{\"iss\":\"devkey\",\"exp\":1700000100,\"sub\":\"%s\"}",
                 identity);
        int rc = verify(make_token("{\"alg\":\"HS256\"}", payload, "secret"), &claims);
        assert_int_equal(rc, length <= 256 ? 0 : ERR_MALFORMED);
        if (rc == 0)
            token_claims_fini(&claims);
    }
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *video;
        bool can_publish, can_subscribe, can_publish_data;
        uint32_t sources;
    } rows[] = {
        {"{}", true, true, true, 0},
        {"{\"canPublish\":false}", false, true, false, 0},
        {"{\"canPublish\":false,\"canPublishData\":true}", false, true, true, 0},
        {"{\"canPublish\":null,\"canSubscribe\":false}", true, false, true, 0},
        {"{\"canPublishSources\":[\"CAMERA\",\"screen_share\"]}", true, true, true, 2 | 8},
        {"{\"canPublishSources\":[\"telescope\"]}", true, true, true, 1},
        {"{\"canPublishSources\":[]}", true, true, true, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char payload[512];
        struct token_claims claims;
        snprintf(payload, sizeof(payload),
                 "{\"iss\":\"devkey\",\"exp\":1700000100,\"jti\":\"old\",\"video\":%s}",
                 rows[i].video);
        assert_int_equal(verify(make_token("{\"alg\":\"HS256\"}", payload, "secret"), &claims), 0);
        assert_int_equal(claims.grants.can_publish, rows[i].can_publish);
        assert_int_equal(claims.grants.can_subscribe, rows[i].can_subscribe);
        assert_int_equal(claims.grants.can_publish_data, rows[i].can_publish_data);
        assert_int_equal(claims.publish_sources, rows[i].sources);
        assert_string_equal(claims.grants.identity, "old");
        token_claims_fini(&claims);
    }
}

static void fill_claims(struct token_claims *claims)
{
    token_claims_init(claims);
    strcpy(claims->grants.key, "other");
    strcpy(claims->grants.identity, "shiqiao");
    strcpy(claims->grants.name, "三年级");
    strcpy(claims->grants.room, "demo");
    strcpy(claims->grants.lesson_id, "demo");
    strcpy(claims->grants.lesson_role, "remote");
    strcpy(claims->grants.lesson_school, "石桥教学点");
    claims->grants.room_join = claims->grants.hidden = true;
    claims->grants.can_publish = false;
    claims->can_update_own_metadata = true;
    claims->publish_sources = 2 | 4;
    claims->kind = 4;
    claims->kind_details = 1;
    claims->metadata = strdup("{\"a\":1}");
    claims->room_config = strdup("{\"emptyTimeout\":30}");
    assert_int_equal(token_claims_add_attribute(claims, "seat", "12"), 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct token_claims in, out;
    char *token;
    fill_claims(&in);
    assert_int_equal(token_sign(keys, ARRAY_COUNT(keys), &in, 600, NOW, &token), 0);
    assert_int_equal(verify(token, &out), 0);
    assert_memory_equal(&in.grants, &out.grants, sizeof(in.grants));
    assert_int_equal(out.expires_s, NOW / 1000 + 600);
    assert_int_equal(out.publish_sources, in.publish_sources);
    assert_int_equal(out.kind, in.kind);
    assert_int_equal(out.kind_details, in.kind_details);
    assert_true(out.can_update_own_metadata);
    assert_false(out.recorder);
    assert_string_equal(out.metadata, in.metadata);
    assert_string_equal(out.room_config, in.room_config);
    assert_int_equal(out.attribute_count, 1);
    assert_string_equal(out.attributes[0].key, "seat");
    assert_string_equal(out.attributes[0].value, "12");
    free(token);
    strcpy(in.grants.key, "gone");
    assert_int_equal(token_sign(keys, ARRAY_COUNT(keys), &in, 600, NOW, &token), ERR_TOKEN_KEY);
    token_claims_fini(&in);
    token_claims_fini(&out);
}

static void test_attribute_limits(void **state)
{
    (void)state;
    struct token_claims claims;
    char *big = malloc(TOKEN_ATTRIBUTES_MAX + 1);
    assert_non_null(big);
    memset(big, 'v', TOKEN_ATTRIBUTES_MAX);
    big[TOKEN_ATTRIBUTES_MAX] = '\0';
    token_claims_init(&claims);
    assert_int_equal(token_claims_add_attribute(&claims, "k", big), ERR_LIMIT);
    assert_int_equal(token_claims_add_attribute(&claims, "k", big + 1), 0);
    assert_int_equal(token_claims_add_attribute(&claims, "", "x"), ERR_LIMIT);
    token_claims_fini(&claims);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mac_known_answer), cmocka_unit_test(test_known_token),
        cmocka_unit_test(test_bad_tokens),       cmocka_unit_test(test_bad_form),
        cmocka_unit_test(test_long_identity),    cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_attribute_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
