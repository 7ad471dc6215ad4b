/*
 * Goal: WebSockets carry signalling and the lessons' frames both ways within their limits, and
 * every session that was opened is closed again, however the connection ends. Method: a real
 * server, a client that writes frames by hand, the fake signalling's counters.
 */
#include "fixture.h"
#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct fixture fx;

/* ---- a route of another module: echoes, closes when asked ---- */

#define POUR_COUNT 400
#define POUR_SIZE  40000 /* one fills the queue */

struct echo {
    struct http_ws *ws;
    int pour_left;
};

static _Atomic int echoes_open;

static int echo_open(void *user, const struct http_request *r, struct http_ws *ws, void **ret_conn)
{
    (void)user;
    if (strcmp(r->params[0], "closed") == 0)
        return ERR_CLOSED;
    struct echo *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    e->ws = ws;
    *ret_conn = e;
    atomic_fetch_add(&echoes_open, 1);
    return http_ws_send(ws, r->params[0], strlen(r->params[0]), true);
}

static void pour(struct echo *e)
{
    static const char block[POUR_SIZE];
    while (e->pour_left > 0 && http_ws_send(e->ws, block, sizeof(block), false) == 0)
        e->pour_left--;
}

static void echo_receive(void *conn, const void *data, size_t size, bool is_text)
{
    struct echo *e = conn;
    if (size == 4 && memcmp(data, "stop", 4) == 0) {
        http_ws_close(e->ws, 4001, "asked to");
        assert_int_equal(http_ws_send(e->ws, "x", 1, true), ERR_CLOSED);
    } else if (size == 4 && memcmp(data, "pour", 4) == 0) {
        e->pour_left = POUR_COUNT;
        pour(e);
    } else if (size == 5 && memcmp(data, "flood", 5) == 0) {
        int rc = 0;
        char text[16];
        char block[1000] = {0};
        while (rc == 0)
            rc = http_ws_send(e->ws, block, sizeof(block), false);
        snprintf(text, sizeof(text), "%zu", http_ws_queued(e->ws));
        assert_int_equal(rc, ERR_LIMIT);
        assert_int_equal(http_ws_send(e->ws, text, strlen(text), true), 0);
    } else {
        assert_int_equal(http_ws_send(e->ws, data, size, is_text), 0);
    }
}

static void echo_writable(void *conn)
{
    pour(conn);
}

static void echo_closed(void *conn)
{
    free(conn);
    atomic_fetch_sub(&echoes_open, 1);
}

static void add_routes(struct http_server *h)
{
    struct http_ws_route route = {.pattern = "/api/v1/lessons/{id}/log",
                                  .message_size_max = 16384,
                                  .queue_size_max = 50100,
                                  .open = echo_open,
                                  .receive = echo_receive,
                                  .writable = echo_writable,
                                  .closed = echo_closed};
    assert_int_equal(http_server_add_ws_route(h, &route), 0);
}

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fx, (struct http_config){0}, add_routes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fx);
    assert_int_equal(fake_sessions_open, 0);
    assert_int_equal(echoes_open, 0);
    return 0;
}

static void wait_for(_Atomic int *value, int wanted)
{
    for (int i = 0; i < 500 && atomic_load(value) != wanted; i++)
        usleep(10000);
    assert_int_equal(atomic_load(value), wanted);
}

static void expect_frame(int fd, int opcode, const char *text, size_t size)
{
    char *data;
    size_t got;
    assert_int_equal(ws_read(fd, &data, &got), opcode);
    assert_int_equal(got, size);
    assert_memory_equal(data, text, size);
    free(data);
}

static int join(const char *target)
{
    struct response r;
    int fd = ws_connect(fx.port, target, &r);
    assert_int_equal(r.status, 101);
    assert_string_equal(response_header(&r, "sec-websocket-accept"),
                        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_null(response_header(&r, "sec-websocket-extensions"));
    response_free(&r);
    expect_frame(fd, 0x82, "hello", 5);
    return fd;
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        int status;
        const char *body;
    } rows[] = {
        {"/rtc?status=401", 401, "refused by the fake"},
        {"/rtc/v1?status=400", 400, "refused by the fake"},
        {"/rtc/v1?status=404", 404, "refused by the fake"},
        {"/rtc/v1?status=503", 503, "refused by the fake"},
        {"/nothing", 404, "not found\n"},
        {"/rtc/validate", 404, "not found\n"},
        {"/api/v1/lessons/closed/log", 410,
         "{\"error\":{\"code\":\"closed\",\"message\":\"closed\"}}"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        int fd = ws_connect(fx.port, rows[i].target, &r);
        assert_int_equal(r.status, rows[i].status);
        assert_string_equal(r.body, rows[i].body);
        assert_string_equal(response_header(&r, "access-control-allow-origin"), "*");
        response_free(&r);
        close(fd);
    }
    assert_int_equal(fake_sessions_open, 0);
}

static void test_frames(void **state)
{
    (void)state;
    static const char *const targets[] = {"/rtc", "/rtc/v1?join_request=x", "//rtc/v1"};
    for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
        int fd = join(targets[i]);
        ws_send(fd, 0x82, "\x01\x00\x02", 3);
        expect_frame(fd, 0x82, "\x01\x00\x02", 3);
        ws_send(fd, 0x81, "{}", 2);
        expect_frame(fd, 0x81, "{}", 2);
        ws_send(fd, 0x82, "", 0);
        expect_frame(fd, 0x82, "", 0);
        /* In parts, with a ping between them. */
        ws_send(fd, 0x02, "abc", 3);
        ws_send(fd, 0x89, "p", 1);
        ws_send(fd, 0x00, "def", 3);
        ws_send(fd, 0x80, "g", 1);
        expect_frame(fd, 0x8a, "p", 1);
        expect_frame(fd, 0x82, "abcdefg", 7);
        int closed = fake_sessions_closed;
        close(fd);
        wait_for(&fake_sessions_closed, closed + 1);
    }
}

static void test_many_frames(void **state)
{
    (void)state;
    int fd = join("/rtc/v1");
    ws_send(fd, 0x82, "burst", 5);
    for (int i = 0; i < 100; i++)
        expect_frame(fd, 0x82, &(char){(char)i}, 1);
    ws_send(fd, 0x82, "big", 3);
    char *data;
    size_t size;
    assert_int_equal(ws_read(fd, &data, &size), 0x82);
    assert_int_equal(size, 1 << 20);
    free(data);
    close(fd);
    wait_for(&fake_sessions_open, 0);
}

static void test_size_limit(void **state)
{
    (void)state;
    size_t limit = (size_t)2 << 20;
    char *data = calloc(1, limit + 1), *back;
    size_t size;
    assert_non_null(data);
    int fd = join("/rtc/v1");
    ws_send(fd, 0x82, data, limit);
    assert_int_equal(ws_read(fd, &back, &size), 0x82);
    assert_int_equal(size, limit);
    free(back);
    ws_send(fd, 0x82, data, limit + 1);
    assert_int_equal(ws_read_close(fd), 1009);
    close(fd);
    /* In parts, too. */
    fd = join("/rtc/v1");
    ws_send(fd, 0x02, data, limit);
    ws_send(fd, 0x80, data, 1);
    assert_int_equal(ws_read_close(fd), 1009);
    close(fd);
    free(data);
    wait_for(&fake_sessions_open, 0);
}

static void test_closing(void **state)
{
    (void)state;
    /* By the server: the session is gone with its last frame. */
    int closed = fake_sessions_closed;
    int fd = join("/rtc");
    ws_send(fd, 0x81, "close", 5);
    assert_int_equal(ws_read_close(fd), 1000);
    close(fd);
    wait_for(&fake_sessions_open, 0);
    assert_int_equal(fake_sessions_closed, closed);
    /* By the client, politely. */
    fd = join("/rtc");
    ws_send(fd, 0x88, "\x03\xe8", 2);
    assert_int_equal(ws_read_close(fd), 1000);
    close(fd);
    wait_for(&fake_sessions_closed, closed + 1);
    /* Broken protocol: text that is not UTF-8, a reserved opcode. */
    fd = join("/rtc");
    ws_send(fd, 0x81, "\xff\xfe", 2);
    IGNORE(ws_read_close(fd)); /* some code or none; it must end */
    close(fd);
    fd = join("/rtc");
    ws_send(fd, 0x83, "x", 1);
    IGNORE(ws_read_close(fd));
    close(fd);
    wait_for(&fake_sessions_open, 0);
}

/* An upgrade that the library refuses after signalling has accepted it leaves nothing behind. */
static void test_half_upgrades(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Protocol: nonsense\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        int fd = client_connect(fx.port);
        client_puts(fd, rows[i]);
        client_read(fd, false, &r);
        assert_int_not_equal(r.status, 101);
        response_free(&r);
        close(fd);
    }
    wait_for(&fake_sessions_open, 0);
}

static void test_route(void **state)
{
    (void)state;
    struct response r;
    int fd = ws_connect(fx.port, "/api/v1/lessons/demo/log?after=0", &r);
    assert_int_equal(r.status, 101);
    response_free(&r);
    expect_frame(fd, 0x81, "demo", 4);
    ws_send(fd, 0x81, "{\"cmd\":1}", 9);
    expect_frame(fd, 0x81, "{\"cmd\":1}", 9);
    /* The queue has an end, and takes more once it is sent. */
    ws_send(fd, 0x81, "flood", 5);
    for (int i = 0; i < 50; i++) {
        char *data;
        size_t size;
        assert_int_equal(ws_read(fd, &data, &size), 0x82);
        assert_int_equal(size, 1000);
        free(data);
    }
    expect_frame(fd, 0x81, "50000", 5);
    ws_send(fd, 0x81, "stop", 4);
    assert_int_equal(ws_read_close(fd), 4001);
    close(fd);
    wait_for(&echoes_open, 0);

    char big[16385] = {0};
    fd = ws_connect(fx.port, "/api/v1/lessons/demo/log", &r);
    response_free(&r);
    ws_send(fd, 0x82, big, sizeof(big));
    assert_int_equal(ws_read_close(fd), 1009);
    close(fd);
    wait_for(&echoes_open, 0);
}

/* A reader that is slow enough for the socket to fill up: who sends is told each time that its
 * queue is out, and all comes in the end. */
static void test_slow_reader(void **state)
{
    (void)state;
    struct response r;
    int fd = ws_connect(fx.port, "/api/v1/lessons/demo/log", &r);
    assert_int_equal(r.status, 101);
    response_free(&r);
    expect_frame(fd, 0x81, "demo", 4);
    ws_send(fd, 0x81, "pour", 4);
    for (int i = 0; i < POUR_COUNT; i++) {
        char *data;
        size_t size;
        if (i % 100 == 0)
            usleep(50000);
        assert_int_equal(ws_read(fd, &data, &size), 0x82);
        assert_int_equal(size, POUR_SIZE);
        free(data);
    }
    close(fd);
    wait_for(&echoes_open, 0);
}

/* Also at the moment when the server ends. */
static void test_left_open(void **state)
{
    (void)state;
    struct response r;
    for (int i = 0; i < 5; i++) {
        IGNORE(join("/rtc/v1")); /* the server closes them */
        IGNORE(ws_connect(fx.port, "/api/v1/lessons/demo/log", &r));
        response_free(&r);
    }
    assert_int_equal(fake_sessions_open, 5);
}

/* The server pings a client that has been silent for 12 s, and not one that talks; after 30 s
 * without a pong it is gone. */
static void test_ping(void **state)
{
    (void)state;
    struct timespec from, to;
    int fd = join("/rtc/v1"), talking = join("/rtc/v1");
    char *data;
    size_t size;
    clock_gettime(CLOCK_MONOTONIC, &from);
    sleep(6);
    ws_send(talking, 0x82, "hello", 5);
    assert_int_equal(ws_read(talking, &data, &size), 0x82);
    free(data);
    assert_int_equal(ws_read(fd, &data, &size), 0x89);
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_in_range(to.tv_sec - from.tv_sec, 10, 15);
    free(data);
    sleep(2);
    assert_int_equal(recv(talking, &(char){0}, 1, MSG_DONTWAIT), -1);
    close(talking);
    sleep(6);
    /* No pong comes: it is dropped. */
    assert_int_equal(recv(fd, &(char){0}, 1, 0), 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_in_range(to.tv_sec - from.tv_sec, 28, 34);
    close(fd);
    wait_for(&fake_sessions_open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_frames),
        cmocka_unit_test(test_many_frames), cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_closing),     cmocka_unit_test(test_half_upgrades),
        cmocka_unit_test(test_route),       cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_ping),        cmocka_unit_test(test_left_open),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
