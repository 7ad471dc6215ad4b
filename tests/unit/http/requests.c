/*
 * Goal: every kind of request gets the status, headers and body it should, also the bad ones.
 * Method: a real server on a free port, a client that sends raw bytes, tables of requests.
 */
#include "fixture.h"
#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fixture fx;

/* ---- routes of another module ---- */

static void show(void *user, const struct http_request *r, struct http_exchange *ex)
{
    char text[512], token[64] = "-", x[64] = "-";
    if (http_request_token(r, token, sizeof(token)) != 0)
        strcpy(token, "-");
    if (http_query_get(r->query, "x", x, sizeof(x)) != 0)
        strcpy(x, "-");
    int n = snprintf(text, sizeof(text), "%s [%s] [%s] token=%s x=%s body=%.*s", (const char *)user,
                     r->params[0], r->params[1], token, x, (int)TK_MIN(r->body_size, (size_t)32),
                     (const char *)r->body);
    http_reply_header(ex, "x-extra", "1");
    http_reply(ex, 200, "text/plain", text, (size_t)n);
}

static struct http_exchange *kept;

static void keep(void *user, const struct http_request *r, struct http_exchange *ex)
{
    (void)user;
    (void)r;
    kept = ex;
}

/* Answers the kept request; asked for by another one. */
static void release(void *user, const struct http_request *r, struct http_exchange *ex)
{
    (void)user;
    (void)r;
    if (kept != NULL)
        http_reply_json(kept, 201, strdup("{\"late\":true}"));
    kept = NULL;
    http_reply(ex, 204, NULL, NULL, 0);
}

static void answer_expired(void *user, const struct http_request *r, struct http_exchange *ex)
{
    (void)user;
    (void)r;
    http_reply_error(ex, ERR_TOKEN_EXPIRED, NULL);
}

static void add_routes(struct http_server *h)
{
    static const struct http_route routes[] = {
        {HTTP_METHOD_GET, "/api/v1/lessons/{id}", "one", show},
        {HTTP_METHOD_GET, "/api/v1/lessons/special", "special", show},
        {HTTP_METHOD_GET, "/api/v1/lessons/{id}/log/{part}", "log", show},
        {HTTP_METHOD_POST, "/api/v1/lessons", "create", show},
        {HTTP_METHOD_PUT, "/api/v1/lessons/{id}", "put", show},
        {HTTP_METHOD_DELETE, "/api/v1/lessons/{id}", "delete", show},
        {HTTP_METHOD_GET, "/api/v1/keep", NULL, keep},
        {HTTP_METHOD_GET, "/api/v1/release", NULL, release},
        {HTTP_METHOD_GET, "/api/v1/fail", NULL, answer_expired},
    };
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++)
        assert_int_equal(http_server_add_route(h, &routes[i]), 0);
    static const char *const bad[] = {
        "", "x", "/a{b}", "/{}", "/{a", "/{a}b", "/{a}/{b}/{c}/{d}/{e}"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct http_route route = {HTTP_METHOD_GET, bad[i], NULL, show};
        assert_int_equal(http_server_add_route(h, &route), ERR_MALFORMED);
    }
}

static int set_up(void **state)
{
    char web[128], link[128];
    (void)state;
    fixture_make_folder(&fx);
    fixture_write(&fx, "secret.txt", "secret");
    fixture_write(&fx, "web/index.html", "<title>app</title>");
    fixture_write(&fx, "web/plain.txt", "plain");
    fixture_write(&fx, "web/.hidden", "hidden");
    fixture_write(&fx, "web/assets/a-1234.js", "let a = 1;");
    fixture_write(&fx, "web/assets/a-1234.js.gz", "gzipped");
    fixture_write(&fx, "web/assets/a-1234.js.br", "brotli");
    snprintf(web, sizeof(web), "%s/web", fx.folder);
    snprintf(link, sizeof(link), "%s/web/link.txt", fx.folder);
    assert_int_equal(symlink("../secret.txt", link), 0);
    fixture_start(&fx, (struct http_config){.web_root = web, .signal = fake_signal}, add_routes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fx);
    fixture_remove_folder(&fx);
    return 0;
}

#define HTML "Accept: text/html\r\n"

static void test_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *extra, *body;
        int status;
        const char *answer; /* the whole body, or NULL */
    } rows[] = {
        {"GET", "/", "", NULL, 200, "OK"},
        {"HEAD", "/", "", NULL, 200, NULL},
        {"HEAD", "/", HTML, NULL, 200, NULL},
        {"GET", "/", HTML, NULL, 200, "<title>app</title>"},
        /* Signalling. */
        {"GET", "/rtc", "", NULL, 404, NULL},
        {"GET", "/rtc/v1?join_request=x", "", NULL, 404, NULL},
        {"GET", "/rtc/validate", "", NULL, 200, "v0 - query=0"},
        {"GET", "//rtc/v1/validate?status=200", "", NULL, 200, "v1 - query=10"},
        {"GET", "/rtc/v1/validate?status=401", "Authorization: Bearer t\r\n", NULL, 401,
         "v1 Bearer t query=10"},
        {"GET", "/rtc/v1/validate?status=404&a=%26%3D%25+%2B", "", NULL, 404, "v1 - query=28"},
        {"POST", "/twirp/livekit.RoomService/ListRooms", "Content-Type: application/json\r\n", "{}",
         200, "livekit.RoomService ListRooms application/json 2"},
        {"POST", "/twirp/livekit.RoomService/ListRooms", "", "", 200,
         "livekit.RoomService ListRooms  0"},
        {"GET", "/twirp/livekit.RoomService/ListRooms", "", NULL, 404, NULL},
        {"POST", "/twirp/x", "", "{}", 404, NULL},
        {"POST", "/twirp/a/b/c", "", "{}", 404, NULL},
        /* Registered routes. */
        {"GET", "/api/v1/lessons/demo", "", NULL, 200, "one [demo] [] token=- x=- body="},
        {"GET", "/api/v1/lessons/special?x=1", "", NULL, 200, "special [] [] token=- x=1 body="},
        {"GET", "/api/v1/lessons/a%20b/log/7?access_token=q&x=%E5%90%8C", "", NULL, 200,
         "log [a b] [7] token=q x=\xe5\x90\x8c body="},
        {"GET", "/api/v1/lessons/demo?access_token=q", "Authorization: Bearer h\r\n", NULL, 200,
         "one [demo] [] token=h x=- body="},
        {"GET", "/api/v1/lessons/demo?access_token=q", "Authorization: Basic h\r\n", NULL, 200,
         "one [demo] [] token=- x=- body="},
        {"POST", "/api/v1/lessons", "", "{\"title\":1}", 200,
         "create [] [] token=- x=- body={\"title\":1}"},
        {"PUT", "/api/v1/lessons/demo", "", "abc", 200, "put [demo] [] token=- x=- body=abc"},
        {"PUT", "/api/v1/lessons/demo", "", "", 200, "put [demo] [] token=- x=- body="},
        {"DELETE", "/api/v1/lessons/demo", "", NULL, 200, "delete [demo] [] token=- x=- body="},
        {"POST", "/api/v1/lessons/demo", "", "{}", 405, NULL},
        {"GET", "/api/v1/lessons/", "", NULL, 404, NULL},
        {"GET", "/api/v1/lessons/a/b", "", NULL, 404, NULL},
        {"GET", "/api/v1/nothing", "", NULL, 404,
         "{\"error\":{\"code\":\"not_found\",\"message\":\"not found\"}}"},
        {"GET", "/api/v1/fail", "", NULL, 401,
         "{\"error\":{\"code\":\"token_expired\",\"message\":\"invalid authorization token: token "
         "is expired\"}}"},
        /* Pages. */
        {"GET", "/index.html", "", NULL, 200, "<title>app</title>"},
        {"GET", "/plain.txt", "", NULL, 200, "plain"},
        {"GET", "/lesson/demo", HTML, NULL, 200, "<title>app</title>"},
        {"GET", "/lesson/demo", "", NULL, 404, NULL},
        {"GET", "/missing.js", HTML, NULL, 404, NULL},
        {"GET", "/assets", "", NULL, 404, NULL},
        {"POST", "/plain.txt", "", "x", 404, NULL},
        /* Nothing outside the folder has a name. */
        {"GET", "/../secret.txt", "", NULL, 404, NULL},
        {"GET", "/assets/../../secret.txt", "", NULL, 404, NULL},
        {"GET", "/%2e%2e/secret.txt", "", NULL, 404, NULL},
        {"GET", "/..%2fsecret.txt", "", NULL, 404, NULL},
        {"GET", "/assets/..%2f..%2fsecret.txt", "", NULL, 404, NULL},
        {"GET", "/assets/%2e%2e%2f%2e%2e%2fsecret.txt", "", NULL, 404, NULL},
        {"GET", "/..%5csecret.txt", "", NULL, 404, NULL},
        {"GET", "/link.txt", "", NULL, 404, NULL},
        {"GET", "/.hidden", "", NULL, 404, NULL},
        {"GET", "/assets/%2e", "", NULL, 404, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        request(fx.port, rows[i].method, rows[i].target, rows[i].extra, rows[i].body,
                rows[i].body != NULL ? strlen(rows[i].body) : 0, &r);
        if (r.status != rows[i].status ||
            (rows[i].answer != NULL && strcmp(r.body, rows[i].answer) != 0))
            fail_msg("%s %s: %d \"%s\"", rows[i].method, rows[i].target, r.status, r.body);
        assert_string_equal(response_header(&r, "access-control-allow-origin"), "*");
        assert_null(strstr(r.body, "secret"));
        response_free(&r);
    }
}

static void test_static_headers(void **state)
{
    (void)state;
    static const struct {
        const char *target, *extra, *type, *encoding, *cache, *body;
    } rows[] = {
        {"/assets/a-1234.js", "", "text/javascript; charset=utf-8", NULL,
         "public, max-age=31536000, immutable", "let a = 1;"},
        {"/assets/a-1234.js", "Accept-Encoding: gzip, deflate\r\n",
         "text/javascript; charset=utf-8", "gzip", "public, max-age=31536000, immutable",
         "gzipped"},
        {"/assets/a-1234.js", "Accept-Encoding: gzip, br;q=1.0\r\n",
         "text/javascript; charset=utf-8", "br", "public, max-age=31536000, immutable", "brotli"},
        {"/assets/a-1234.js", "Accept-Encoding: br;q=0, gzip;q=0.0\r\n",
         "text/javascript; charset=utf-8", NULL, "public, max-age=31536000, immutable",
         "let a = 1;"},
        {"/", HTML "Accept-Encoding: br\r\n", "text/html; charset=utf-8", NULL, "no-cache",
         "<title>app</title>"},
        {"/plain.txt", "", "text/plain; charset=utf-8", NULL, "no-cache", "plain"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        char etag[128], extra[512];
        request(fx.port, "GET", rows[i].target, rows[i].extra, NULL, 0, &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body, rows[i].body);
        assert_string_equal(response_header(&r, "content-type"), rows[i].type);
        assert_string_equal(response_header(&r, "cache-control"), rows[i].cache);
        const char *encoding = response_header(&r, "content-encoding");
        assert_string_equal(encoding != NULL ? encoding : "",
                            rows[i].encoding != NULL ? rows[i].encoding : "");
        assert_non_null(
            strstr(response_header(&r, "content-security-policy"), "object-src 'none'"));
        assert_string_equal(response_header(&r, "x-content-type-options"), "nosniff");
        assert_string_equal(response_header(&r, "referrer-policy"), "no-referrer");
        snprintf(etag, sizeof(etag), "%s", response_header(&r, "etag"));
        response_free(&r);

        snprintf(extra, sizeof(extra), "%sIf-None-Match: %s\r\n", rows[i].extra, etag);
        request(fx.port, "GET", rows[i].target, extra, NULL, 0, &r);
        assert_int_equal(r.status, 304);
        assert_string_equal(response_header(&r, "etag"), etag);
        response_free(&r);
    }
}

static void test_preflight(void **state)
{
    (void)state;
    static const char *const targets[] = {"/", "/rtc/v1/validate", "/twirp/a/b", "/api/v1/x"};
    for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
        struct response r;
        request(fx.port, "OPTIONS", targets[i],
                "Origin: http://x\r\nAccess-Control-Request-Method: POST\r\n"
                "Access-Control-Request-Headers: authorization,content-type\r\n",
                NULL, 0, &r);
        assert_int_equal(r.status, 204);
        assert_string_equal(response_header(&r, "access-control-allow-origin"), "*");
        assert_non_null(strstr(response_header(&r, "access-control-allow-methods"), "PATCH"));
        assert_string_equal(response_header(&r, "access-control-allow-headers"),
                            "authorization,content-type");
        assert_string_equal(response_header(&r, "access-control-max-age"), "86400");
        response_free(&r);
    }
}

/* A target of `size` characters. */
static char *long_target(size_t size)
{
    char *target = malloc(size + 1);
    assert_non_null(target);
    memset(target, 'a', size);
    memcpy(target, "/rtc/validate?q=", 16);
    target[size] = '\0';
    return target;
}

static void test_long_lines(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        int status;
    } rows[] = {{2500, 200},  {16384, 200}, {60000, 200},
                {64000, 200}, {70000, 414}, {1000000, 414}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        char *target = long_target(rows[i].size);
        request(fx.port, "GET", target, "", NULL, 0, &r);
        if (r.status != rows[i].status)
            fail_msg("%zu characters: %d", rows[i].size, r.status);
        response_free(&r);
        free(target);
    }
    struct response r;
    char path[2100];
    memset(path, 'p', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    request(fx.port, "GET", path, "", NULL, 0, &r);
    assert_int_equal(r.status, 414);
    response_free(&r);
}

static void test_body_limits(void **state)
{
    (void)state;
    struct response r;
    size_t limit = HTTP_BODY_SIZE_MAX;
    char *body = calloc(1, limit + 1);
    assert_non_null(body);
    memset(body, 'b', limit);
    request(fx.port, "POST", "/twirp/a/b", "Content-Type: x\r\n", body, limit, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "a b x 10485760");
    response_free(&r);
    request(fx.port, "POST", "/twirp/a/b", "", body, limit + 1, &r);
    assert_int_equal(r.status, 413);
    assert_string_equal(response_header(&r, "access-control-allow-origin"), "*");
    response_free(&r);
    free(body);

    static const struct {
        const char *extra;
        int status;
    } rows[] = {
        {"", 411},
        {"Transfer-Encoding: chunked\r\n", 411},
        {"Content-Length: 99999999999\r\n", 413},
        {"Content-Length: 999999999999999999999999\r\n", 413},
        {"Content-Length: -5\r\n", 400},
        {"Content-Length: 5x\r\n", 400},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        request(fx.port, "POST", "/twirp/a/b", rows[i].extra, NULL, 0, &r);
        if (r.status != rows[i].status)
            fail_msg("%s: %d", rows[i].extra, r.status);
        response_free(&r);
    }
}

/* A body that goes on coming, a byte now and then, is not waited for without end. */
static void test_trickling_body(void **state)
{
    (void)state;
    static struct fixture f;
    struct response r;
    fixture_start(&f, (struct http_config){.body_time_max_s = 1}, NULL);
    int fd = client_connect(f.port);
    client_puts(fd, "POST /twirp/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 6; i++) {
        client_puts(fd, "x");
        usleep(200000);
    }
    assert_true(client_read(fd, false, &r));
    assert_int_equal(r.status, 408);
    response_free(&r);
    close(fd);
    fixture_stop(&f);
}

/* The answer is read although the server takes no more of the body, which goes on coming. */
static void test_refusal_is_heard(void **state)
{
    (void)state;
    static char part[65536];
    for (int i = 0; i < 20; i++) {
        struct response r;
        int fd = client_connect(fx.port);
        client_puts(fd, "POST /twirp/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
        for (int k = 0; k < 8; k++) {
            assert_true(send(fd, part, sizeof(part), MSG_NOSIGNAL) > 0);
            usleep(2000);
        }
        assert_true(client_read(fd, false, &r));
        assert_int_equal(r.status, 413);
        response_free(&r);
        close(fd);
    }
}

/* What is no HTTP ends the connection and nothing else. */
static void test_garbage(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "\r\n\r\n",
        "GARBAGE\r\n\r\n",
        "GET\r\n\r\n",
        "GET  \r\n\r\n",
        "FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET relative HTTP/1.1\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "POST /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        int fd = client_connect(fx.port);
        client_puts(fd, rows[i]);
        if (client_read(fd, false, &r) && r.status < 400)
            fail_msg("%s: %d", rows[i], r.status);
        response_free(&r);
        close(fd);
        request(fx.port, "GET", "/", "", NULL, 0, &r);
        assert_int_equal(r.status, 200);
        response_free(&r);
    }
}

static void test_keep_alive(void **state)
{
    (void)state;
    struct response r;
    int fd = client_connect(fx.port);
    for (int i = 0; i < 3; i++) {
        client_puts(fd, "GET /plain.txt HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(client_read(fd, false, &r));
        assert_string_equal(r.body, "plain");
        response_free(&r);
        client_puts(fd, "POST /api/v1/lessons HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        assert_true(client_read(fd, false, &r));
        assert_string_equal(r.body, "create [] [] token=- x=- body=abc");
        response_free(&r);
    }
    /* Two at once. */
    client_puts(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /plain.txt HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(client_read(fd, false, &r));
    assert_string_equal(r.body, "OK");
    response_free(&r);
    assert_true(client_read(fd, false, &r));
    assert_string_equal(r.body, "plain");
    response_free(&r);
    /* A body that nobody reads does not spoil the next request. */
    client_puts(fd, "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    assert_true(client_read(fd, false, &r));
    assert_int_equal(r.status, 404);
    response_free(&r);
    client_puts(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(client_read(fd, false, &r));
    assert_string_equal(r.body, "OK");
    response_free(&r);
    close(fd);
}

static void test_late_answer(void **state)
{
    (void)state;
    struct response r;
    int fd = client_connect(fx.port);
    client_puts(fd, "GET /api/v1/keep HTTP/1.1\r\nHost: x\r\n\r\n");
    usleep(100000);
    request(fx.port, "GET", "/api/v1/release", "", NULL, 0, &r);
    assert_int_equal(r.status, 204);
    response_free(&r);
    assert_true(client_read(fd, false, &r));
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body, "{\"late\":true}");
    response_free(&r);
    close(fd);

    /* The client has gone before its answer. */
    fd = client_connect(fx.port);
    client_puts(fd, "GET /api/v1/keep HTTP/1.1\r\nHost: x\r\n\r\n");
    usleep(100000);
    close(fd);
    usleep(100000);
    request(fx.port, "GET", "/api/v1/release", "", NULL, 0, &r);
    assert_int_equal(r.status, 204);
    response_free(&r);
}

/* Signalling, too, may answer later; to a client that has gone as well. */
static void test_late_signalling(void **state)
{
    (void)state;
    for (int is_gone = 0; is_gone < 2; is_gone++) {
        struct response r;
        int fd = client_connect(fx.port);
        client_puts(fd, "POST /twirp/a/Late HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        usleep(100000);
        if (is_gone)
            close(fd);
        usleep(100000);
        request(fx.port, "POST", "/twirp/a/Release", "", "", 0, &r);
        assert_int_equal(r.status, 200);
        response_free(&r);
        if (is_gone)
            continue;
        assert_true(client_read(fd, false, &r));
        assert_string_equal(r.body, "late");
        response_free(&r);
        close(fd);
    }
    /* One that is never answered, at the end. */
    int fd = client_connect(fx.port);
    client_puts(fd, "POST /twirp/a/Late HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    usleep(50000);
}

static void test_slow_request(void **state)
{
    (void)state;
    static const char text[] =
        "POST /api/v1/lessons HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    struct response r;
    int fd = client_connect(fx.port);
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        client_send(fd, text + i, 1);
        usleep(1000);
    }
    assert_true(client_read(fd, false, &r));
    assert_string_equal(r.body, "create [] [] token=- x=- body=abc");
    response_free(&r);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),         cmocka_unit_test(test_static_headers),
        cmocka_unit_test(test_preflight),        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_body_limits),      cmocka_unit_test(test_trickling_body),
        cmocka_unit_test(test_refusal_is_heard), cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_keep_alive),       cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_slow_request),     cmocka_unit_test(test_late_signalling),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
