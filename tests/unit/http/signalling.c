/*
 * Goal: server and signalling work together: a client joins over the socket, is answered, is seen
 * by the server API and is sent away by it. Method: the real signalling module behind a real
 * server; media commands are drained, no media flows.
 */
#include "fixture.h"
#include "livekit.pb-c.h"
#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "signal/signal.h"
#include "signal/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct signal *real;
static struct rng rng;
static struct signal_config config = {.keys = {{"devkey", "secret"}},
                                      .key_count = 1,
                                      .worker_count = 1,
                                      .is_auto_create = true,
                                      .room_count_max = 8,
                                      .empty_timeout = MONO_S(300),
                                      .departure_timeout = MONO_S(20),
                                      .resume_timeout = MONO_S(60),
                                      .fingerprint_sha256 = "AB",
                                      .rng = &rng,
                                      .version = "1.13.5"};
static struct fixture fx;

static void drain(void *user)
{
    struct media_command command;
    (void)user;
    while (signal_poll_command(real, &command) == 1) {
        if (command.kind == MEDIA_PEER_SCTP)
            pkt_unref(command.u.sctp);
    }
}

static int set_up(void **state)
{
    (void)state;
    rng_init_seeded(&rng, 3);
    assert_int_equal(pkt_pool_create(64, &config.sctp_pool), 0);
    assert_int_equal(signal_create(&config, mono_now(), wall_now(), &real), 0);
    fixture_start(&fx, (struct http_config){.signal = real, .on_signal_input = drain}, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fx);
    signal_destroy(real);
    pkt_pool_destroy(config.sctp_pool);
    return 0;
}

static void sign(bool is_admin, char ret_token[1024])
{
    struct token_claims claims;
    char *token;
    token_claims_init(&claims);
    strcpy(claims.grants.key, "devkey");
    strcpy(claims.grants.room, "r1");
    strcpy(claims.grants.identity, "anna");
    claims.grants.room_join = !is_admin;
    claims.grants.room_admin = claims.grants.room_list = is_admin;
    assert_int_equal(token_sign(config.keys, 1, &claims, 600, wall_now(), &token), 0);
    assert_true(strlen(token) < 1024);
    strcpy(ret_token, token);
    token_claims_fini(&claims);
    free(token);
}

/* The next message of the wanted kind; others are skipped. */
static Livekit__SignalResponse *expect(int fd, Livekit__SignalResponse__MessageCase wanted)
{
    for (;;) {
        char *data;
        size_t size;
        int opcode = ws_read(fd, &data, &size);
        assert_int_equal(opcode, 0x82);
        Livekit__SignalResponse *m =
            livekit__signal_response__unpack(NULL, size, (const uint8_t *)data);
        free(data);
        assert_non_null(m);
        if (m->message_case == wanted)
            return m;
        livekit__signal_response__free_unpacked(m, NULL);
    }
}

static void api(const char *method, const char *body, int status, struct response *ret)
{
    char token[1024], target[128], extra[1200];
    sign(true, token);
    snprintf(target, sizeof(target), "/twirp/livekit.RoomService/%s", method);
    snprintf(extra, sizeof(extra), "Content-Type: application/json\r\nAuthorization: Bearer %s\r\n",
             token);
    request(fx.port, "POST", target, extra, body, strlen(body), ret);
    assert_int_equal(ret->status, status);
    assert_string_equal(response_header(ret, "content-type"), "application/json");
}

static int join(const char *path)
{
    char token[1024], target[2048];
    struct response r;
    sign(false, token);
    snprintf(target, sizeof(target), "%s?join_request=%s&access_token=%s", path,
             "EhkKEQgBEgYyLjIzLjAYEWACagECEgQIARAB", token);
    int fd = ws_connect(fx.port, target, &r);
    assert_int_equal(r.status, 101);
    response_free(&r);
    return fd;
}

static void test_life(void **state)
{
    (void)state;
    struct response r;
    int fd = join("/rtc/v1");
    Livekit__SignalResponse *m = expect(fd, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
    assert_string_equal(m->join->room->name, "r1");
    assert_string_equal(m->join->participant->identity, "anna");
    livekit__signal_response__free_unpacked(m, NULL);

    /* ping_req {timestamp 1700000000000, rtt 12} */
    ws_send(fd, 0x82, "\x82\x01\x09\x08\x80\xd0\x95\xff\xbc\x31\x10\x0c", 12);
    m = expect(fd, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP);
    assert_true(m->pong_resp->last_ping_timestamp == 1700000000000);
    livekit__signal_response__free_unpacked(m, NULL);

    api("ListParticipants", "{\"room\":\"r1\"}", 200, &r);
    assert_non_null(strstr(r.body, "\"identity\":\"anna\""));
    response_free(&r);
    api("RemoveParticipant", "{\"room\":\"r1\",\"identity\":\"anna\"}", 200, &r);
    assert_string_equal(r.body, "{}");
    response_free(&r);
    m = expect(fd, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE);
    assert_int_equal(m->leave->reason, LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED);
    livekit__signal_response__free_unpacked(m, NULL);
    assert_int_equal(ws_read_close(fd), 1000);
    close(fd);
    api("GetParticipant", "{\"room\":\"r1\",\"identity\":\"anna\"}", 404, &r);
    response_free(&r);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        int status;
    } rows[] = {
        {"/rtc/v1", 401},
        {"/rtc/v1?access_token=x", 401},
        {"/rtc?access_token=a.b.c", 401},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct response r;
        char validate[256];
        int fd = ws_connect(fx.port, rows[i].target, &r);
        assert_int_equal(r.status, rows[i].status);
        response_free(&r);
        close(fd);
        size_t path = strcspn(rows[i].target, "?");
        snprintf(validate, sizeof(validate), "%.*s/validate%s", (int)path, rows[i].target,
                 rows[i].target + path);
        request(fx.port, "GET", validate, "", NULL, 0, &r);
        assert_int_equal(r.status, rows[i].status);
        assert_string_equal(response_header(&r, "access-control-allow-origin"), "*");
        response_free(&r);
    }
    char token[1024], target[2048];
    struct response r;
    sign(false, token);
    snprintf(target, sizeof(target), "/rtc/v1/validate?access_token=%s&join_request=*", token);
    request(fx.port, "GET", target, "", NULL, 0, &r);
    assert_int_equal(r.status, 400);
    response_free(&r);
    snprintf(target, sizeof(target), "/rtc/validate?access_token=%s", token);
    request(fx.port, "GET", target, "", NULL, 0, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "success");
    response_free(&r);
}

/* Sockets that are open when the server ends. */
static void test_left_open(void **state)
{
    (void)state;
    int fd = join("/rtc");
    Livekit__SignalResponse *m = expect(fd, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
    livekit__signal_response__free_unpacked(m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_left_open),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
