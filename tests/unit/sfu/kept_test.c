/*
 * Goal: subscriptions that follow each other under one SSRC are one stream to the receiver:
 * sequence numbers go on by one, timestamps by the time that passed, and no SRTP index is used
 * twice. Method: a node with two publishers and one viewer, whose outputs are parsed.
 */

#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "rtp/packet.h"
#include "sfu/limits.h"
#include "sfu/node.h"

#include <string.h>

#define VIEWER 1
#define SSRC   4711u

static struct sfu_node *node;
static struct pkt_pool *pool;
static mono_us now;

static void set_up(void)
{
    const struct sfu_node_config config = {
        .seed = 5, .ring_packets = 64, .ring_age_max = MONO_S(2)};
    now = MONO_S(100);
    assert_int_equal(pkt_pool_create(256, &pool), 0);
    assert_int_equal(sfu_node_create(&config, &node), 0);
    for (sfu_peer_id peer = VIEWER; peer <= 3; peer++) {
        const struct sfu_peer_config p = {.peer = peer};
        assert_int_equal(sfu_node_add_peer(node, &p), 0);
        sfu_node_set_connected(node, peer, true, now);
    }
    for (sfu_track_id track = 2; track <= 3; track++) { /* of the peer with the same number */
        struct sfu_track_config t = {.track = track,
                                     .source_peer = track,
                                     .kind = RTP_KIND_AUDIO,
                                     .pt_count = 1,
                                     .pts = {{.pt = 111, .codec = RTP_CODEC_OPUS}},
                                     .layer_count = 1,
                                     .ssrcs = {track * 1000}};
        assert_int_equal(sfu_node_add_track(node, &t), 0);
    }
}

static void tear_down(void)
{
    sfu_node_destroy(node);
    pkt_pool_destroy(pool);
}

static int subscribe(sfu_sub_id sub, sfu_track_id track, uint32_t ssrc, bool is_kept)
{
    struct sfu_sub_config s = {.sub = sub,
                               .track = track,
                               .peer = VIEWER,
                               .ssrc = ssrc,
                               .pt_count = 1,
                               .pts = {{.pt = 96, .codec = RTP_CODEC_OPUS}},
                               .is_kept_ssrc = is_kept};
    return sfu_node_add_sub(node, &s, now);
}

/* One packet of a track; the viewer's RTP packet, or seq -1. */
struct got {
    int seq;
    uint32_t ts, ssrc;
};

static struct got send(sfu_track_id track, uint16_t seq, uint32_t ts)
{
    const struct rtp_header header = {.pt = 111, .seq = seq, .ts = ts, .ssrc = track * 1000};
    struct pkt *p = pkt_take(pool, RTP_HEADER_SIZE + 20);
    struct sfu_out out;
    struct got got = {.seq = -1};
    assert_non_null(p);
    rtp_header_write(p->data, &header);
    memset(p->data + RTP_HEADER_SIZE, 7, 20);
    p->size = RTP_HEADER_SIZE + 20;
    p->arrived = now;
    sfu_node_handle_rtp(node, track, p, now);
    while (sfu_node_poll_transmit(node, &out) == 1) {
        if (out.is_rtcp || out.peer != VIEWER)
            continue;
        assert_int_equal(got.seq, -1);
        got = (struct got){.seq = get_u16be(out.head + 2),
                           .ts = get_u32be(out.head + 4),
                           .ssrc = get_u32be(out.head + 8)};
    }
    pkt_unref(p);
    now += MONO_MS(20);
    return got;
}

static void numbers_go_on(void **state)
{
    (void)state;
    set_up();
    assert_int_equal(subscribe(11, 2, SSRC, true), 0);
    struct got last = {0};
    for (uint16_t i = 0; i < 50; i++) {
        struct got got = send(2, (uint16_t)(60000 + i), 5000 + 960u * i);
        assert_int_not_equal(got.seq, -1);
        if (i > 0)
            assert_int_equal(got.seq, (uint16_t)(last.seq + 1));
        last = got;
    }
    sfu_node_remove_sub(node, 11);
    now += MONO_S(5); /* nothing to show for a while */
    assert_int_equal(subscribe(12, 3, SSRC, true), 0);
    struct got got = send(3, 17, 400000);
    assert_int_equal(got.ssrc, SSRC);
    assert_int_equal(got.seq, (uint16_t)(last.seq + 1));
    assert_int_equal(got.ts - last.ts, 48000 * 5 + 960);
    last = got;
    got = send(3, 18, 400960);
    assert_int_equal(got.seq, (uint16_t)(last.seq + 1));
    assert_int_equal(got.ts - last.ts, 960);
    /* One that ends before its first packet changes nothing. */
    sfu_node_remove_sub(node, 12);
    last = got;
    assert_int_equal(subscribe(13, 2, SSRC, true), 0);
    sfu_node_remove_sub(node, 13);
    assert_int_equal(subscribe(14, 2, SSRC, true), 0);
    got = send(2, 60050, 53000);
    assert_int_equal(got.seq, (uint16_t)(last.seq + 1));
    /* Neither does the end of the track. */
    last = got;
    sfu_node_remove_track(node, 2);
    assert_int_equal(subscribe(15, 3, SSRC, true), 0);
    got = send(3, 19, 401920);
    assert_int_equal(got.seq, (uint16_t)(last.seq + 1));
    tear_down();
}

static void kept_ssrcs_are_bounded(void **state)
{
    (void)state;
    set_up();
    for (uint32_t i = 0; i < SFU_KEPT_MAX; i++) {
        assert_int_equal(subscribe(20 + i, 2, SSRC + i, true), 0);
        sfu_node_remove_sub(node, 20 + i);
    }
    assert_int_equal(subscribe(900, 2, SSRC, true), 0); /* known */
    assert_true(subscribe(901, 2, SSRC + SFU_KEPT_MAX, true) < 0);
    assert_int_equal(subscribe(902, 2, SSRC + SFU_KEPT_MAX, false), 0);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_go_on),
        cmocka_unit_test(kept_ssrcs_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
