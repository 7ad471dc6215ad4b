/*
 * Goal: what is not authentic gets nowhere: a client whose certificate is not the announced one, or
 * whose connectivity checks carry a wrong MESSAGE-INTEGRITY, never gets media up; replayed and
 * corrupted SRTP reaches nobody; an unauthenticated sender gets no byte in reply. Others in the
 * same room are not disturbed.
 * Method: the faults built into our client; captured datagrams sent again; plain sockets.
 */
#include "integration/site.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CAPTURED_MAX 64

static struct it_world world;
static struct it_site *sender, *viewer;

static struct {
    size_t count;
    size_t sizes[CAPTURED_MAX];
    uint8_t data[CAPTURED_MAX][1500];
} captured;

static int clean(void **state)
{
    (void)state;
    return it_world_clean(&world);
}

/* Keeps the newest SRTP packets that the sender lets out. */
static void on_datagram_out(void *user, struct client *c, const uint8_t *data, size_t size)
{
    (void)user;
    (void)c;
    if (!rtp_looks_like_rtp(data, size) || size > sizeof(captured.data[0]))
        return;
    size_t slot = captured.count++ % CAPTURED_MAX;
    memcpy(captured.data[slot], data, size);
    captured.sizes[slot] = size;
}

struct goal {
    uint64_t audio, video;
};

static bool viewer_has(void *user)
{
    const struct goal *g = user;
    return viewer->audio_in >= g->audio && viewer->video_in >= g->video;
}

static void must_flow(uint64_t audio, uint64_t video, mono_us limit)
{
    struct goal g = {viewer->audio_in + audio, viewer->video_in + video};
    assert_true(it_run(&world, viewer_has, &g, limit));
}

static void start(void)
{
    memset(&captured, 0, sizeof(captured));
    it_world_start(&world);
    struct client_config config = it_site_config();
    config.on_datagram_out = on_datagram_out;
    sender = it_site_join(&world, "hostile", "sender", NULL, &config);
    it_site_camera(sender, 1);
    it_site_microphone(sender);
    viewer = it_site_join(&world, "hostile", "viewer", NULL, NULL);
    must_flow(50, 20, MONO_S(40));
}

/* ---- clients with a fault ---- */

static void must_stay_out(const struct client_config *config, const char *identity)
{
    struct it_site *s = it_site_join(&world, "hostile", identity, NULL, config);
    it_site_microphone(s);
    uint64_t before = viewer->audio_in;
    assert_false(it_run(&world, it_is_active, s, MONO_S(8)));
    assert_int_equal(s->active, 0);
    assert_int_equal(s->rtp_in, 0);
    assert_true(viewer->audio_in > before + 100); /* undisturbed */
    const struct client_remote *r = it_remote(viewer, s, RTP_KIND_AUDIO);
    assert_true(r == NULL || r->packets == 0);
    it_site_vanish(s);
}

static void test_wrong_fingerprint(void **state)
{
    (void)state;
    start();
    struct client_config config = it_site_config();
    config.may_reconnect = false;
    config.fault_fingerprint =
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:"
        "DD:EE:FF";
    must_stay_out(&config, "impostor");
    it_world_stop(&world);
}

static void test_wrong_message_integrity(void **state)
{
    (void)state;
    start();
    struct client_config config = it_site_config();
    config.may_reconnect = false;
    config.has_fault_ice_pwd = true;
    must_stay_out(&config, "guesser");
    it_world_stop(&world);
}

/* ---- SRTP ---- */

static void inject_all(void (*change)(uint8_t *data, size_t size, size_t round))
{
    size_t count = captured.count < CAPTURED_MAX ? captured.count : CAPTURED_MAX;
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < count; i++) {
            uint8_t copy[1500];
            memcpy(copy, captured.data[i], captured.sizes[i]);
            change(copy, captured.sizes[i], round);
            assert_true(client_inject(sender->client, copy, captured.sizes[i]) >= 0);
        }
}

static void change_nothing(uint8_t *data, size_t size, size_t round)
{
    (void)data;
    (void)size;
    (void)round;
}

static void flip_a_bit(uint8_t *data, size_t size, size_t round)
{
    data[12 + (size - 13) * (round + 1) / 4] ^= 0x10;
}

/* Numbers that have not been used yet, with the tag of another packet. */
static void move_on(uint8_t *data, size_t size, size_t round)
{
    (void)size;
    data[2] = (uint8_t)(data[2] + 1 + round);
}

static void test_replayed_and_corrupted_srtp(void **state)
{
    (void)state;
    static void (*const changes[])(uint8_t *, size_t, size_t) = {change_nothing, flip_a_bit,
                                                                 move_on};
    start();
    it_pass(&world, MONO_S(2));
    assert_true(captured.count > CAPTURED_MAX);
    sender->has_camera = sender->has_microphone = false; /* silence: nothing else may arrive */
    it_pass(&world, MONO_S(2));
    uint64_t before = viewer->rtp_in;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        inject_all(changes[i]);
        it_pass(&world, MONO_MS(500));
        assert_int_equal(viewer->rtp_in, before);
    }
    sender->has_camera = sender->has_microphone = true;
    must_flow(100, 40, MONO_S(10)); /* the stream itself took no harm */
    assert_int_equal(viewer->rtp_in_unknown, 0);
    assert_int_equal(sender->rejoined + viewer->rejoined, 0);
    it_world_stop(&world);
}

/* ---- strangers ---- */

static const uint8_t stun_plain[20] = {0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42, 1,  2,
                                       3,    4,    5,    6,    7,    8,    9,    10,   11, 12};
/* USERNAME "a:b", MESSAGE-INTEGRITY of zeros */
static const uint8_t stun_forged[52] = {
    0x00, 0x01, 0x00, 0x20, 0x21, 0x12, 0xa4, 0x42, 1,   2,   3,   4, 5, 6, 7, 8,
    9,    10,   11,   12,   0x00, 0x06, 0x00, 0x03, 'a', ':', 'b', 0, 0, 8, 0, 20};
static const uint8_t dtls_hello[60] = {0x16, 0xfe, 0xff, 0,  0,    0, 0, 0, 0,
                                       0,    0,    0,    47, 0x01, 0, 0, 35};
static const uint8_t rtp[40] = {0x80, 0x60, 0x12, 0x34};
static const uint8_t rtcp[32] = {0x80, 0xc9, 0x00, 0x01};
static const uint8_t garbage[33] = {0xff, 0x00, 0xff};

static const struct {
    const uint8_t *data;
    size_t size;
} strange[] = {
    {stun_plain, sizeof(stun_plain)},
    {stun_forged, sizeof(stun_forged)},
    {dtls_hello, sizeof(dtls_hello)},
    {rtp, sizeof(rtp)},
    {rtcp, sizeof(rtcp)},
    {garbage, sizeof(garbage)},
};

static int connect_to(int type, uint16_t port)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Bytes that come back within 400 ms; 0 for none or a closed connection. */
static ssize_t reply_size(int fd)
{
    uint8_t reply[2048];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 400) <= 0)
        return 0;
    ssize_t n = recv(fd, reply, sizeof(reply), 0);
    return n < 0 ? 0 : n;
}

static void test_strangers_get_no_reply(void **state)
{
    (void)state;
    start();
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        int fd = connect_to(SOCK_DGRAM, world.server.udp_port);
        assert_int_equal(send(fd, strange[i].data, strange[i].size, 0), strange[i].size);
        assert_int_equal(reply_size(fd), 0);
        close(fd);

        uint8_t framed[64] = {0, (uint8_t)strange[i].size}; /* RFC 4571 */
        memcpy(framed + 2, strange[i].data, strange[i].size);
        fd = connect_to(SOCK_STREAM, world.server.tcp_port);
        assert_int_equal(send(fd, framed, 2 + strange[i].size, MSG_NOSIGNAL), 2 + strange[i].size);
        assert_int_equal(reply_size(fd), 0);
        close(fd);
    }
    must_flow(50, 20, MONO_S(10));
    it_world_stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_wrong_fingerprint, clean),
        cmocka_unit_test_teardown(test_wrong_message_integrity, clean),
        cmocka_unit_test_teardown(test_replayed_and_corrupted_srtp, clean),
        cmocka_unit_test_teardown(test_strangers_get_no_reply, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
