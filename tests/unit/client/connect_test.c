/*
 * Goal: a client that cannot get in says so in words and in time: bad URLs, nobody listening, a
 * refusal by HTTP, something that is no WebSocket server, a server that never answers.
 * Method: a thread plays the other side of one TCP connection after another; the client is polled
 * until it is closed.
 */
#include "unit/cmocka_all.h"

#include "base/err.h"
#include "client/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct client_hub *hub;

/* Answers every connection with `reply` after its request; NULL = never says a word. */
struct fake_server {
    int fd;
    uint16_t port;
    const char *reply;
    _Atomic bool is_stopping;
    pthread_t thread;
};

static void *serve(void *user)
{
    struct fake_server *s = user;
    char request[8192];
    int held[16];
    size_t held_count = 0;
    while (!atomic_load(&s->is_stopping) && held_count < 16) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            break;
        if (s->reply == NULL) {
            held[held_count++] = fd;
            continue;
        }
        if (read(fd, request, sizeof(request)) > 0 && write(fd, s->reply, strlen(s->reply)) < 0)
            perror("write");
        close(fd);
    }
    while (held_count > 0)
        close(held[--held_count]);
    return NULL;
}

static void start_server(struct fake_server *s, const char *reply)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(sa);
    *s = (struct fake_server){.reply = reply};
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&sa, &size), 0);
    s->port = ntohs(sa.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop_server(struct fake_server *s)
{
    atomic_store(&s->is_stopping, true);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static struct client *connect_to(uint16_t port)
{
    char url[64];
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", port);
    struct client_config config = {.url = url, .token = "a.b.c", .may_reconnect = true};
    struct client *c = NULL;
    assert_int_equal(client_create(hub, &config, &c), 0);
    return c;
}

/* Polls until the client is closed; how long it took. */
static mono_us wait_closed(struct client *c, mono_us limit)
{
    mono_us begin = mono_now();
    while (client_state(c) != CLIENT_STATE_CLOSED && mono_now() - begin < limit)
        client_hub_poll(hub, MONO_MS(5));
    assert_int_equal(client_state(c), CLIENT_STATE_CLOSED);
    return mono_now() - begin;
}

static void expect_closed_event(struct client *c)
{
    struct client_event e;
    assert_int_equal(client_poll_event(c, &e), 1);
    assert_int_equal(e.kind, CLIENT_EVENT_CLOSED);
    assert_string_equal(e.text, client_reason(c));
    assert_int_equal(client_poll_event(c, &e), 0);
}

static void refuses_bad_urls(void **state)
{
    (void)state;
    static const char *const urls[] = {"",           "localhost:7880", "ftp://x",  "ws://",
                                       "ws://:7880", "ws://h:0",       "ws://h:x", "ws://h:70000",
                                       "ws://[::1",  "ws://h:80x"};
    for (size_t i = 0; i < ARRAY_COUNT(urls); i++) {
        struct client_config config = {.url = urls[i], .token = ""};
        struct client *c = NULL;
        if (client_create(hub, &config, &c) != ERR_MALFORMED)
            fail_msg("accepted: %s", urls[i]);
        assert_null(c);
    }
}

static void tells_that_nobody_listens(void **state)
{
    (void)state;
    struct fake_server s;
    start_server(&s, "");
    uint16_t port = s.port;
    stop_server(&s); /* the port is free again */
    struct client *c = connect_to(port);
    assert_true(wait_closed(c, MONO_S(10)) < MONO_S(7));
    expect_closed_event(c);
    client_destroy(c);
}

static const struct reply_case {
    const char *reply;
    const char *reason;
} reply_cases[] = {
    {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", "401"},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "404"},
    {"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", "500"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", ""},
    {"SSH-2.0-OpenSSH_9\r\n\r\n", ""},
    {"", ""},
};

static void tells_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(reply_cases); i++) {
        struct fake_server s;
        start_server(&s, reply_cases[i].reply);
        struct client *c = connect_to(s.port);
        assert_true(wait_closed(c, MONO_S(10)) < MONO_S(7));
        if (strstr(client_reason(c), reply_cases[i].reason) == NULL || *client_reason(c) == '\0')
            fail_msg("case %zu: \"%s\"", i, client_reason(c));
        expect_closed_event(c);
        client_destroy(c);
        stop_server(&s);
    }
}

static void does_not_wait_for_ever(void **state)
{
    (void)state;
    struct fake_server s;
    start_server(&s, NULL);
    struct client *c = connect_to(s.port);
    assert_true(wait_closed(c, MONO_S(10)) < MONO_S(7));
    client_destroy(c);
    stop_server(&s);
}

static void leaves_while_connecting(void **state)
{
    (void)state;
    struct fake_server s;
    struct client_event e;
    start_server(&s, NULL);
    struct client *c = connect_to(s.port);
    for (int i = 0; i < 5; i++)
        client_hub_poll(hub, MONO_MS(5));
    client_leave(c);
    assert_int_equal(client_state(c), CLIENT_STATE_CLOSED);
    assert_int_equal(client_poll_event(c, &e), 1);
    assert_int_equal(e.value, 1); /* by ourselves */
    client_destroy(c);
    struct client *other = connect_to(s.port);
    client_destroy(other); /* at once, with the socket half open */
    client_hub_poll(hub, MONO_MS(5));
    stop_server(&s);
}

static int make_hub(void **state)
{
    (void)state;
    return client_hub_create(&hub);
}

static int end_hub(void **state)
{
    (void)state;
    client_hub_destroy(hub);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_urls),        cmocka_unit_test(tells_that_nobody_listens),
        cmocka_unit_test(tells_refusals),          cmocka_unit_test(does_not_wait_for_ever),
        cmocka_unit_test(leaves_while_connecting),
    };
    return cmocka_run_group_tests(tests, make_hub, end_hub);
}
