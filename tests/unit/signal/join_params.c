/*
 * Goal: every way a client may say how it joins is understood, and nothing else. Method: tables of
 * query strings; the protocol library's own join_request vector; gzip made here with zlib, among
 * it one that inflates beyond the limit.
 */
#include "signal/join_params.h"

#include "unit/cmocka_all.h"

#include "base/encode.h"
#include "base/err.h"
#include "signal/signal.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define JS_REQUEST "EhkKEQgBEgYyLjIzLjAYEWACagECEgQIARAB"

static int parse(bool is_v1, const char *query, struct join_params *params)
{
    const char *reason = NULL;
    struct signal_join_request request = {.is_v1 = is_v1, .query = query};
    int rc = join_params_parse(&request, params, &reason);
    assert_true(rc == 0 || (reason != NULL && reason[0] != '\0'));
    return rc;
}

static void test_token(void **state)
{
    (void)state;
    static const struct {
        const char *authorization, *query;
        int rc;
        const char *token;
    } rows[] = {
        {NULL, NULL, ERR_TOKEN_MISSING, NULL},
        {"", "", ERR_TOKEN_MISSING, NULL},
        {NULL, "access_token=", ERR_TOKEN_MISSING, NULL},
        {NULL, "access_token=a.b.c", 0, "a.b.c"},
        {NULL, "x=1&access_token=a%2Eb&y", 0, "a.b"},
        {"Bearer h.h.h", "access_token=q.q.q", 0, "h.h.h"},
        {"bearer h", NULL, 0, "h"},
        {"Basic eA==", "access_token=q.q.q", ERR_TOKEN, NULL},
        {"h.h.h", NULL, ERR_TOKEN, NULL},
        {NULL, "access_token=%zz", ERR_TOKEN, NULL},
        {NULL, "access_token=a%00b", ERR_TOKEN, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct signal_join_request request = {.authorization = rows[i].authorization,
                                              .query = rows[i].query};
        char *token = NULL;
        assert_int_equal(join_params_token(&request, &token), rows[i].rc);
        if (rows[i].rc == 0)
            assert_string_equal(token, rows[i].token);
        free(token);
    }
}

static void check_js(const struct join_params *params)
{
    const Livekit__JoinRequest *request = params->request;
    assert_true(params->is_single_pc);
    assert_int_equal(request->client_info->sdk, LIVEKIT__CLIENT_INFO__SDK__JS);
    assert_string_equal(request->client_info->version, "2.23.0");
    assert_int_equal(request->client_info->protocol, 17);
    assert_int_equal(request->client_info->client_protocol, 2);
    assert_int_equal(request->client_info->n_capabilities, 1);
    assert_true(request->connection_settings->auto_subscribe);
    assert_true(request->connection_settings->adaptive_stream);
}

static void test_v1(void **state)
{
    (void)state;
    static const struct {
        bool is_v1;
        const char *query;
        int rc;
    } rows[] = {
        {true, "join_request=" JS_REQUEST, 0},
        {true, "access_token=x&join_request=" JS_REQUEST, 0},
        {false, "join_request=" JS_REQUEST, 0}, /* single connection on the old path, too */
        {true, "", ERR_MALFORMED},
        {true, "join_request=", ERR_MALFORMED},
        {true, "join_request=*", ERR_MALFORMED},
        {true, "join_request=%", ERR_MALFORMED},
        {true, "join_request=_____w", ERR_MALFORMED},
        {true, "join_request=EhkKEQgBEgYyLjIzLjAYEWACagECEgQIARA", ERR_MALFORMED},
        {true, "join_request=CAI%3D", ERR_MALFORMED}, /* compression 2 */
        {true, "join_request=CAE%3D", ERR_MALFORMED}, /* gzip of nothing */
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct join_params params;
        int rc = parse(rows[i].is_v1, rows[i].query, &params);
        if (rc != rows[i].rc)
            fail_msg("row %zu: %d", i, rc);
        if (rc != 0)
            continue;
        check_js(&params);
        join_params_fini(&params);
    }
}

/* A wrapper with an inner request, gzip or not, as a query; free() it. */
static char *make_query(const uint8_t *inner, size_t size, bool is_gzip, bool is_url,
                        bool is_padded)
{
    Livekit__WrappedJoinRequest wrapped = LIVEKIT__WRAPPED_JOIN_REQUEST__INIT;
    uint8_t *packed = malloc(size + 1024);
    if (is_gzip) {
        z_stream z = {0};
        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + 15, 9, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (Bytef *)inner;
        z.avail_in = (uInt)size;
        z.next_out = packed;
        z.avail_out = (uInt)(size + 1024);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        wrapped.join_request.len = z.total_out;
        wrapped.compression = LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__GZIP;
        deflateEnd(&z);
    } else {
        memcpy(packed, inner, size);
        wrapped.join_request.len = size;
    }
    wrapped.join_request.data = packed;
    size_t wire_size = livekit__wrapped_join_request__get_packed_size(&wrapped);
    uint8_t *wire = malloc(wire_size + 1);
    livekit__wrapped_join_request__pack(&wrapped, wire);
    char *query = malloc(BASE64_SIZE(wire_size) + 32);
    strcpy(query, "join_request=");
    if (is_url)
        base64url_encode(wire, wire_size, query + strlen(query));
    else
        base64_encode(wire, wire_size, query + strlen(query));
    while (is_url && is_padded && (strlen(query) - strlen("join_request=")) % 4 != 0)
        strcat(query, "=");
    free(packed);
    free(wire);
    return query;
}

static void test_encodings(void **state)
{
    (void)state;
    /* Metadata whose base64 has both letters that differ between the alphabets. */
    Livekit__JoinRequest inner = LIVEKIT__JOIN_REQUEST__INIT;
    inner.metadata = "\xc3\xbf\xc3\xbe?>~~\xef\xbf\xbd? ? ?>>>";
    uint8_t wire[64];
    size_t size = livekit__join_request__pack(&inner, wire);
    for (int bits = 0; bits < 8; bits++) {
        struct join_params params;
        char *query = make_query(wire, size, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0);
        assert_int_equal(parse(true, query, &params), 0);
        assert_string_equal(params.request->metadata, inner.metadata);
        assert_non_null(params.request->client_info);
        assert_non_null(params.request->connection_settings);
        join_params_fini(&params);
        free(query);
    }
}

static void test_inflate_limit(void **state)
{
    (void)state;
    static const struct {
        size_t metadata_size;
        int rc;
    } rows[] = {
        {JOIN_REQUEST_SIZE_MAX - 4, 0},
        {JOIN_REQUEST_SIZE_MAX - 3, ERR_LIMIT},
        {(size_t)64 << 20, ERR_LIMIT},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        Livekit__JoinRequest inner = LIVEKIT__JOIN_REQUEST__INIT;
        struct join_params params;
        inner.metadata = malloc(rows[i].metadata_size + 1);
        assert_non_null(inner.metadata);
        memset(inner.metadata, 'x', rows[i].metadata_size);
        inner.metadata[rows[i].metadata_size] = '\0';
        size_t size = livekit__join_request__get_packed_size(&inner);
        uint8_t *wire = malloc(size);
        assert_non_null(wire);
        livekit__join_request__pack(&inner, wire);
        char *query = make_query(wire, size, true, true, false);
        assert_true(strlen(query) < 200000); /* small on the wire */
        assert_int_equal(parse(true, query, &params), rows[i].rc);
        if (rows[i].rc == 0)
            join_params_fini(&params);
        free(query);
        free(wire);
        free(inner.metadata);
    }
}

/* A gzip stream that is cut or spoiled anywhere is refused, never read past. */
static void test_broken_gzip(void **state)
{
    (void)state;
    uint8_t wire[64];
    Livekit__JoinRequest inner = LIVEKIT__JOIN_REQUEST__INIT;
    inner.metadata = "some metadata, some metadata";
    char *query = make_query(wire, livekit__join_request__pack(&inner, wire), true, true, false);
    size_t length = strlen(query);
    for (size_t cut = strlen("join_request=") + 1; cut < length; cut++) {
        struct join_params params;
        char saved = query[cut];
        query[cut] = '\0';
        assert_int_equal(parse(true, query, &params), ERR_MALFORMED);
        query[cut] = saved;
    }
    free(query);
}

static void test_v0(void **state)
{
    (void)state;
    struct join_params params;
    assert_int_equal(
        parse(false,
              "access_token=t&auto_subscribe=0&adaptive_stream=1&subscriber_allow_pause=true&"
              "sdk=go&version=2.1&protocol=17&client_protocol=1&os=linux&os_version=12&"
              "device_model=a%20b&browser=&network=wifi&reconnect=1&sid=PA_x&reconnect_reason=2&"
              "capabilities=CAP_PACKET_TRAILER,NEW_ONE,CAP_COMPRESSION_DEFLATE_RAW&"
              "attributes=eyJhIjoiYiJ9&publish=screen&sdk=js",
              &params),
        0);
    const Livekit__JoinRequest *r = params.request;
    assert_false(params.is_single_pc);
    assert_false(r->connection_settings->auto_subscribe);
    assert_true(r->connection_settings->adaptive_stream);
    assert_true(r->connection_settings->subscriber_allow_pause);
    assert_false(r->connection_settings->disable_ice_lite);
    assert_int_equal(r->client_info->sdk, LIVEKIT__CLIENT_INFO__SDK__GO);
    assert_string_equal(r->client_info->version, "2.1");
    assert_int_equal(r->client_info->protocol, 17);
    assert_string_equal(r->client_info->device_model, "a b");
    assert_string_equal(r->client_info->browser, "");
    assert_int_equal(r->client_info->n_capabilities, 2);
    assert_true(r->reconnect);
    assert_string_equal(r->participant_sid, "PA_x");
    assert_int_equal(r->reconnect_reason, LIVEKIT__RECONNECT_REASON__RR_PUBLISHER_FAILED);
    assert_int_equal(r->n_participant_attributes, 1);
    assert_string_equal(r->participant_attributes[0]->key, "a");
    assert_string_equal(r->participant_attributes[0]->value, "b");
    assert_string_equal(params.publish, "screen");
    join_params_fini(&params);

    assert_int_equal(parse(false, NULL, &params), 0);
    assert_true(params.request->connection_settings->auto_subscribe);
    join_params_fini(&params);
}

static void test_v0_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "protocol=x",   "protocol=-1",    "protocol=99999999999999999999",
        "attributes=*", "attributes=W10", "attributes=eyJhIjoxfQ",
        "version=%f",   "version=a%00b",  "client_protocol=1x",
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct join_params params;
        assert_int_equal(parse(false, rows[i], &params), ERR_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),       cmocka_unit_test(test_v1),
        cmocka_unit_test(test_encodings),   cmocka_unit_test(test_inflate_limit),
        cmocka_unit_test(test_broken_gzip), cmocka_unit_test(test_v0),
        cmocka_unit_test(test_v0_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
