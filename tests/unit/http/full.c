/*
 * Goal: a full server answers whoever asks to come in with 503 and the reason, on every way there
 * is: both kinds of WebSocket, WHIP and WHEP, into a room that is there and into a new one; the
 * same requests are taken while it is not full.
 * Method: the real signalling module behind a real server; it is told to be full before it starts.
 */
#include "fixture.h"
#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "signal/signal.h"
#include "signal/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM "here"
#define FINGERPRINT                                    \
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:" \
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"

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
                                      .fingerprint_sha256 = FINGERPRINT,
                                      .rng = &rng,
                                      .version = "1.13.5"};
static struct fixture fx;

static void drain(void *user)
{
    struct media_command command;
    (void)user;
    while (signal_poll_command(real, &command) == 1)
        if (command.kind == MEDIA_PEER_SCTP)
            pkt_unref(command.u.sctp);
}

static void sign(const char *room, const char *identity, char ret_token[1024])
{
    struct token_claims claims;
    char *token;
    token_claims_init(&claims);
    strcpy(claims.grants.key, "devkey");
    strcpy(claims.grants.room, room);
    strcpy(claims.grants.identity, identity);
    claims.grants.room_join = claims.grants.room_create = true;
    assert_int_equal(token_sign(config.keys, 1, &claims, 600, wall_now(), &token), 0);
    assert_true(strlen(token) < 1024);
    strcpy(ret_token, token);
    token_claims_fini(&claims);
    free(token);
}

/* The room is there before the server is full. */
static void make_room(void)
{
    static const char body[] = "{\"name\":\"" ROOM "\"}";
    char token[1024], authorization[1100];
    struct signal_reply reply = {0};
    sign("", "admin", token);
    snprintf(authorization, sizeof(authorization), "Bearer %s", token);
    signal_twirp(real, "livekit.RoomService", "CreateRoom", "application/json", authorization, body,
                 sizeof(body) - 1, mono_now(), wall_now(), &reply);
    assert_int_equal(reply.status, 200);
    free(reply.body);
}

static void start(enum signal_admission admission)
{
    static const uint16_t loads[1] = {0};
    rng_init_seeded(&rng, 5);
    assert_int_equal(pkt_pool_create(64, &config.sctp_pool), 0);
    assert_int_equal(signal_create(&config, mono_now(), wall_now(), &real), 0);
    make_room();
    signal_set_load(real, loads, admission);
    fixture_start(&fx, (struct http_config){.signal = real, .on_signal_input = drain}, NULL);
}

static int set_up_open(void **state)
{
    (void)state;
    start(SIGNAL_ADMITS_ALL);
    return 0;
}

static int set_up_no_rooms(void **state)
{
    (void)state;
    start(SIGNAL_ADMITS_NO_ROOMS);
    return 0;
}

static int set_up_full(void **state)
{
    (void)state;
    start(SIGNAL_ADMITS_NOBODY);
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

static void check(const struct response *r, const char *way, const char *room, int status)
{
    if (r->status != status)
        fail_msg("%s into room %s: %d instead of %d, %s", way, room, r->status, status, r->body);
    if (status == 503)
        assert_string_equal(r->body, "server is full, try again in a minute");
}

static void join_by_socket(const char *path, const char *room, int status)
{
    char token[1024], target[2048];
    struct response r;
    sign(room, path + 1, token);
    snprintf(target, sizeof(target), "%s?join_request=%s&access_token=%s", path,
             "EhkKEQgBEgYyLjIzLjAYEWACagECEgQIARAB", token);
    int fd = ws_connect(fx.port, target, &r);
    check(&r, path, room, status == 200 ? 101 : status);
    response_free(&r);
    close(fd);
}

static void join_by_offer(const char *path, const char *room, int status)
{
    char token[1024], extra[1200], target[64], offer[1024];
    struct response r;
    bool is_viewer = strcmp(path, "/whep") == 0;
    sign(room, path + 1, token);
    snprintf(extra, sizeof(extra), "Content-Type: application/sdp\r\nAuthorization: Bearer %s\r\n",
             token);
    snprintf(target, sizeof(target), "%s/%s", path, room);
    snprintf(offer, sizeof(offer),
             "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
             "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=%s\r\n"
             "a=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n"
             "a=fingerprint:sha-256 " FINGERPRINT "\r\na=setup:actpass\r\n"
             "a=rtpmap:111 opus/48000/2\r\n",
             is_viewer ? "recvonly" : "sendonly");
    request(fx.port, "POST", target, extra, offer, strlen(offer), &r);
    check(&r, path, room, status == 200 ? 201 : status);
    if (status == 503)
        assert_non_null(response_header(&r, "retry-after"));
    response_free(&r);
}

static void join_every_way(const char *room, int status)
{
    join_by_socket("/rtc", room, status);
    join_by_socket("/rtc/v1", room, status);
    join_by_offer("/whip", room, status);
    join_by_offer("/whep", room, status);
}

static void test_open(void **state)
{
    (void)state;
    join_every_way(ROOM, 200);
    join_every_way("new", 200);
}

static void test_no_rooms(void **state)
{
    (void)state;
    join_every_way(ROOM, 200);
    join_every_way("new", 503);
}

static void test_full(void **state)
{
    (void)state;
    join_every_way(ROOM, 503);
    join_every_way("new", 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open, set_up_open, tear_down),
        cmocka_unit_test_setup_teardown(test_no_rooms, set_up_no_rooms, tear_down),
        cmocka_unit_test_setup_teardown(test_full, set_up_full, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
