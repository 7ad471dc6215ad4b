/*
 * Goal: the signalling client reads responses and frames however they are cut, answers pings,
 * tells refusals in words, and comes to an end with whatever a server sends.
 * Method: a pair of sockets instead of a server; every answer in one piece and byte by byte; then
 * answers with random bytes changed, from a printed seed.
 */
#include "load/load_internal.h"
#include "unit/cmocka_all.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UPGRADE "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

static struct load_options options;
static struct load_run *run;
static struct load_wire *wire;
static int server;

static struct {
    unsigned opened, messages, responses, closed;
    unsigned status;
    char location[64], body[256], why[256];
} seen;

static void on_open(void *user, mono_us now)
{
    (void)user;
    (void)now;
    seen.opened++;
}

static void on_message(void *user, uint8_t *data, size_t size, mono_us now)
{
    (void)user;
    (void)now;
    seen.messages++;
    snprintf(seen.body, sizeof(seen.body), "%.*s", (int)size, (const char *)data);
}

static void on_response(void *user, unsigned status, const char *location, char *body, mono_us now)
{
    (void)user;
    (void)now;
    seen.responses++;
    seen.status = status;
    snprintf(seen.location, sizeof(seen.location), "%s", location);
    snprintf(seen.body, sizeof(seen.body), "%s", body);
}

static void on_closed(void *user, const char *why, mono_us now)
{
    (void)user;
    (void)now;
    seen.closed++;
    snprintf(seen.why, sizeof(seen.why), "%s", why);
}

static int set_up(void **state)
{
    (void)state;
    options = load_options_default();
    run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->options = &options;
    timers_init(&run->timers);
    timers_init(&run->frames);
    list_init(&run->wires);
    rng_init_seeded(&run->rng, 3);
    return load__io_init(&run->io);
}

static int tear_down(void **state)
{
    (void)state;
    load__wires_destroy(run);
    load__io_fini(&run->io);
    timers_fini(&run->timers);
    timers_fini(&run->frames);
    free(run);
    return 0;
}

static void begin(const char *method)
{
    int fds[2];
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    server = fds[1];
    struct load_wire_config config = {.run = run,
                                      .url = "ws://example:1",
                                      .path = "/x",
                                      .method = method,
                                      .body = method != NULL ? "hello" : NULL,
                                      .bearer = "token",
                                      .on_open = on_open,
                                      .on_message = on_message,
                                      .on_response = on_response,
                                      .on_closed = on_closed};
    assert_int_equal(load__wire_adopt(&config, fds[0], &wire), 0);
    load__io_wait(run, 0);
}

static void end(void)
{
    char heard[4096];
    while (recv(server, heard, sizeof(heard), 0) > 0)
        continue; /* else closing would be a reset */
    close(server);
    for (int i = 0; i < 4; i++)
        load__io_wait(run, 0);
    assert_int_equal(seen.closed, 1); /* told once, and always */
    load__wire_destroy(wire);
}

/* What the server says, `piece` bytes at a time. */
static void say(const char *data, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece) {
        size_t n = TK_MIN(piece, size - at);
        if (send(server, data + at, n, MSG_NOSIGNAL) < 0)
            return; /* the client has had enough */
        load__io_wait(run, 0);
    }
}

static size_t hear(char *dst, size_t size)
{
    ssize_t n = recv(server, dst, size - 1, 0);
    dst[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static void test_request_and_response(void **state)
{
    (void)state;
    static const char plain[] = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n"
                                "LOCATION: /whip/sessions/1\r\n\r\nv=0\r\n";
    static const char chunked[] = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n"
                                  "Location: /whip/sessions/1\r\n\r\n2\r\nv=\r\n3\r\n0\r\n\r\n"
                                  "0\r\n\r\n";
    const char *const answers[] = {plain, chunked};
    for (size_t i = 0; i < 4; i++) {
        char request[1024];
        const char *answer = answers[i / 2];
        begin("POST");
        hear(request, sizeof(request));
        assert_non_null(strstr(request, "POST /x HTTP/1.1\r\nHost: example:1\r\n"));
        assert_non_null(strstr(request, "\r\nAuthorization: Bearer token\r\n"));
        assert_non_null(strstr(request, "\r\nContent-Length: 5\r\n\r\nhello"));
        say(answer, strlen(answer), i % 2 == 0 ? 1 : 4096);
        assert_int_equal(seen.responses, 1);
        assert_int_equal(seen.status, 201);
        assert_string_equal(seen.location, "/whip/sessions/1");
        assert_string_equal(seen.body, "v=0\r\n");
        end();
    }
}

static void test_messages(void **state)
{
    (void)state;
    static const char frames[] = UPGRADE "\x82\x02hi"          /* binary */
                                         "\x01\x02he\x00\x01l" /* text in three fragments */
                                         "\x80\x02lo";
    for (size_t piece = 1; piece < sizeof(frames); piece += 7) {
        begin(NULL);
        say(frames, sizeof(frames) - 1, piece);
        assert_int_equal(seen.opened, 1);
        assert_int_equal(seen.messages, 2);
        assert_string_equal(seen.body, "hello");
        end();
        assert_string_equal(seen.why, "the server closed the connection");
    }
}

static void test_answers_pings_and_masks(void **state)
{
    (void)state;
    char heard[1024];
    begin(NULL);
    hear(heard, sizeof(heard));
    assert_int_equal(load__wire_send(wire, true, "early", 5), ERR_STATE); /* not upgraded yet */
    say(UPGRADE "\x89\x02pp", sizeof(UPGRADE "\x89\x02pp") - 1, 4096);
    size_t n = hear(heard, sizeof(heard));
    assert_int_equal(n, 2 + 4 + 2);
    assert_int_equal((uint8_t)heard[0], 0x8a); /* pong */
    assert_int_equal((uint8_t)heard[1], 0x82);
    assert_int_equal(heard[6] ^ heard[2], 'p');
    assert_int_equal(load__wire_send(wire, true, "hello", 5), 0);
    n = hear(heard, sizeof(heard));
    assert_int_equal(n, 2 + 4 + 5);
    assert_int_equal((uint8_t)heard[0], 0x81);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(heard[6 + i] ^ heard[2 + i % 4], "hello"[i]);
    end();
}

static void test_refusals(void **state)
{
    (void)state;
    static const char refusal[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nbad";
    begin(NULL);
    say(refusal, sizeof(refusal) - 1, 4096);
    assert_int_equal(seen.opened, 0);
    assert_string_equal(seen.why, "refused: HTTP/1.1 401 Unauthorized: bad");
    end();
    begin("POST");
    say("SSH-2.0-x\r\n\r\n", 13, 4096);
    assert_string_equal(seen.why, "not an HTTP response");
    end();
    begin(NULL);
    say(UPGRADE "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        sizeof(UPGRADE "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff") - 1, 4096);
    assert_string_equal(seen.why, "message too large");
    end();
}

static void test_random_bytes(void **state)
{
    (void)state;
    static const char chunked[] = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "2\r\nv=\r\n3\r\n0\r\n\r\n0\r\n\r\n";
    static const char frames[] = UPGRADE "\x82\x02hi\x01\x02he\x80\x02lo\x89\x01p\x88\x00";
    printf("seed 5\n");
    struct rng rng;
    rng_init_seeded(&rng, 5);
    for (int turn = 0; turn < 3000; turn++) {
        char text[256];
        bool is_http = turn % 2 == 0;
        size_t size = is_http ? sizeof(chunked) - 1 : sizeof(frames) - 1;
        memcpy(text, is_http ? chunked : frames, size);
        for (uint32_t k = rng_below(&rng, 4); k > 0; k--)
            text[rng_below(&rng, (uint32_t)size)] = (char)rng_u32(&rng);
        begin(is_http ? "POST" : NULL);
        say(text, size, 1 + rng_below(&rng, (uint32_t)size));
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_and_response, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers_pings_and_masks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random_bytes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
