/*
 * Goal: WHIP and WHEP as HTTP (RFC 9725): addresses, headers both ways, statuses, preflights.
 * Method: a real server before a fake signalling (fake_signal.c) whose answers name what came in.
 */
#include "fixture.h"
#include "unit/cmocka_all.h"

#include "base/attrs.h"

#include <stdlib.h>
#include <string.h>

static struct fixture fx;

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fx, (struct http_config){.signal = fake_signal}, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fx);
    return 0;
}

#define SDP  "Content-Type: application/sdp\r\n"
#define FRAG "Content-Type: application/trickle-ice-sdpfrag\r\n"

static void ask(const char *method, const char *target, const char *extra, const char *body,
                struct response *ret)
{
    request(fx.port, method, target, extra, body, body != NULL ? strlen(body) : 0, ret);
}

static void statuses(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *extra, *body;
        int status;
        const char *answer; /* the whole body, or NULL */
    } rows[] = {
        {"POST", "/whip/r1", SDP "Authorization: Bearer t\r\n", "v=0", 201,
         "viewer=0 room=r1 participant= Bearer t size=3"},
        {"POST", "/whip", SDP, "v=0", 201, "viewer=0 room= participant= - size=3"},
        {"POST", "/whip/a%20b", "content-type: Application/SDP; charset=utf-8\r\n", "v", 201,
         "viewer=0 room=a b participant= - size=1"},
        {"POST", "/whep/r1?participant=%E8%80%81%E5%B8%88", SDP, "v=0", 201,
         "viewer=1 room=r1 participant=\xe8\x80\x81\xe5\xb8\x88 - size=3"},
        {"POST", "/whep", SDP, "", 201, "viewer=1 room= participant= - size=0"},
        {"POST", "/whip/r1?status=503", SDP, "v=0", 503,
         "viewer=0 room=r1 participant= - size=3 asked"},
        {"POST", "/whip/r1", "", "v=0", 415, NULL},
        {"POST", "/whip/r1", "Content-Type: application/sdpx\r\n", "v=0", 415, NULL},
        {"POST", "/whip/r1", FRAG, "v=0", 415, NULL},
        {"POST", "/whip/r1/x", SDP, "v=0", 404, NULL},
        {"POST", "/whip/sessions/s", SDP, "v=0", 405, NULL},
        {"GET", "/whip/r1", "", NULL, 405, NULL},
        {"PUT", "/whep/r1", SDP, "v=0", 405, NULL},
        {"PATCH", "/whip/sessions/s1", FRAG "If-Match: \"e\"\r\n", "a=x", 412,
         "id=s1 match=\"e\" - size=3"},
        {"PATCH", "/whep/sessions/s1", FRAG "If-Match: *\r\n", "a=x", 200,
         "id=s1 match=* - size=3"},
        {"PATCH", "/whip/sessions/s1", FRAG "Authorization: Bearer t\r\n", "a=x", 428,
         "id=s1 match= Bearer t size=3"},
        {"PATCH", "/whep/sessions/s1", FRAG "Authorization: Bearer t\r\n", "a=x", 428,
         "id=s1 match= Bearer t size=3"},
        {"PATCH", "/whip/sessions/s1", SDP, "a=x", 415, NULL},
        {"DELETE", "/whip/sessions/session1", "", NULL, 200, ""},
        {"DELETE", "/whep/sessions/session1", "", NULL, 200, ""},
        {"DELETE", "/whip/sessions/session1", "Authorization: Bearer t\r\n", NULL, 200, ""},
        {"DELETE", "/whip/sessions/session1", "Authorization: Bearer x\r\n", NULL, 401, "Bearer x"},
        {"DELETE", "/whep/sessions/session1", "Authorization: Basic eA==\r\n", NULL, 401,
         "Basic eA=="},
        {"DELETE", "/whip/sessions/s1", "", NULL, 404, NULL},
        {"DELETE", "/whip/r1", "", NULL, 405, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        ask(rows[i].method, rows[i].target, rows[i].extra, rows[i].body, &r);
        if (r.status != rows[i].status)
            fail_msg("%s %s: %d, not %d", rows[i].method, rows[i].target, r.status, rows[i].status);
        if (rows[i].answer != NULL)
            assert_string_equal(r.body, rows[i].answer);
        response_free(&r);
    }
}

static void headers(void **state)
{
    (void)state;
    struct response r;
    ask("POST", "/whip/r1", SDP, "v=0", &r);
    assert_string_equal(response_header(&r, "location"), "/whip/sessions/session1");
    assert_string_equal(response_header(&r, "etag"), "\"first\"");
    assert_string_equal(response_header(&r, "content-type"), "application/sdp");
    assert_string_equal(response_header(&r, "access-control-expose-headers"),
                        "location, etag, link");
    assert_non_null(strstr(r.head, "link: <stun:stun.example.org>; rel=\"ice-server\"\r\n"));
    assert_non_null(strstr(r.head, "link: <turn:turn.example.org>; rel=\"ice-server\"; "
                                   "username=\"a\\\"b\"; credential=\"c\\\\d\"; "
                                   "credential-type=\"password\"\r\n"));
    response_free(&r);
    ask("POST", "/whep/r1", SDP, "v=0", &r);
    assert_string_equal(response_header(&r, "location"), "/whep/sessions/session1");
    response_free(&r);
    ask("PATCH", "/whip/sessions/s1", FRAG "If-Match: *\r\n", "a=x", &r);
    assert_string_equal(response_header(&r, "etag"), "\"second\"");
    assert_string_equal(response_header(&r, "content-type"), "application/trickle-ice-sdpfrag");
    response_free(&r);
    ask("POST", "/whip/r1?status=401", SDP, "v=0", &r);
    assert_string_equal(response_header(&r, "www-authenticate"), "Bearer");
    assert_string_equal(response_header(&r, "content-type"), "text/plain; charset=utf-8");
    assert_null(response_header(&r, "location"));
    response_free(&r);
    ask("DELETE", "/whep/sessions/session1", "Authorization: Bearer x\r\n", NULL, &r);
    assert_string_equal(response_header(&r, "www-authenticate"), "Bearer");
    response_free(&r);
    ask("POST", "/whip/r1?status=503", SDP, "v=0", &r);
    assert_string_equal(response_header(&r, "retry-after"), "2");
    response_free(&r);
    ask("POST", "/whip/r1", "Content-Type: text/plain\r\n", "v=0", &r);
    assert_string_equal(response_header(&r, "accept-post"), "application/sdp");
    response_free(&r);
}

static void preflights(void **state)
{
    (void)state;
    static const char *const targets[] = {"/whip/r1", "/whep", "/whip/sessions/s1"};
    for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
        struct response r;
        ask("OPTIONS", targets[i], "Access-Control-Request-Headers: if-match\r\n", NULL, &r);
        assert_int_equal(r.status, 204);
        assert_string_equal(response_header(&r, "accept-post"), "application/sdp");
        assert_string_equal(response_header(&r, "accept-patch"), "application/trickle-ice-sdpfrag");
        assert_string_equal(response_header(&r, "access-control-allow-origin"), "*");
        assert_string_equal(response_header(&r, "access-control-allow-headers"), "if-match");
        assert_non_null(strstr(response_header(&r, "access-control-allow-methods"), "PATCH"));
        response_free(&r);
    }
    struct response r;
    ask("OPTIONS", "/api/v1/lessons", "", NULL, &r);
    assert_null(response_header(&r, "accept-post"));
    response_free(&r);
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *extra;
        size_t size;
        int status;
    } rows[] = {
        {"POST", "/whip/r1", SDP, 64u << 10, 201},
        {"POST", "/whip/r1", SDP, (64u << 10) + 1, 413},
        {"PATCH", "/whip/sessions/s1", FRAG, 16u << 10, 428},
        {"PATCH", "/whip/sessions/s1", FRAG, (16u << 10) + 1, 413},
    };
    char *body = malloc(1 << 17);
    assert_non_null(body);
    memset(body, 'x', 1 << 17);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        request(fx.port, rows[i].method, rows[i].target, rows[i].extra, body, rows[i].size, &r);
        assert_int_equal(r.status, rows[i].status);
        response_free(&r);
    }
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(headers),
        cmocka_unit_test(preflights),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
