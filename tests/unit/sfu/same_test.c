/*
 * Goal: no sequence number goes out twice with different bytes, whatever is negotiated anew or sent
 * again in between: SRTP would encrypt two texts with one nonce (RFC 3711, 9.1; RFC 7714, 8.1).
 * Method: viewers without RTX ask for what they have; every packet is compared with all before.
 */
#include "unit/sfu/bench.h"

#include "sfu/limits.h"

#include <string.h>

enum { ALICE = 1, BOB };
enum { VIDEO = 1, AUDIO };
enum { SUB = 21 };

/* The same number, the same packet. */
static void check_same(const struct bench *b)
{
    for (size_t i = 0; i < b->out_count; i++) {
        const struct bench_out *o = &b->out[i];
        for (size_t j = 0; j < i && !o->is_rtcp; j++) {
            const struct bench_out *was = &b->out[j];
            if (was->is_rtcp || was->ssrc != o->ssrc || was->seq != o->seq)
                continue;
            assert_int_equal(o->size, was->size);
            assert_memory_equal(o->data, was->data, was->size);
        }
    }
}

static struct bench *room(void)
{
    struct bench *b = bench_create(0);
    bench_peer(b, ALICE);
    bench_peer(b, BOB);
    bench_video(b, VIDEO, ALICE, 1);
    bench_audio(b, AUDIO, ALICE);
    return b;
}

/* A subscription to which repeated packets go under their own number. */
static void add_plain(struct bench *b, sfu_track_id track)
{
    const struct sfu_sub_config c = {.sub = SUB,
                                     .track = track,
                                     .peer = BOB,
                                     .ssrc = SUB,
                                     .pt_count = 3,
                                     .pts = {{.pt = 100, .codec = RTP_CODEC_VP8},
                                             {.pt = 102, .codec = RTP_CODEC_H264},
                                             {.pt = 109, .codec = RTP_CODEC_OPUS}},
                                     .has_nack = true};
    assert_int_equal(sfu_node_add_sub(b->node, &c, b->now), 0);
    bench_drain(b);
    bench_target(b, SUB, 0, SFU_TEMPORAL_ALL);
}

static void send_audio(struct bench *b, uint16_t seq)
{
    static const uint8_t opus[] = {0x78, 1, 2, 3};
    bench_send(b, ALICE,
               &(struct bench_packet){.track = AUDIO,
                                      .seq = seq,
                                      .ts = seq * 960u,
                                      .level = 20,
                                      .payload = opus,
                                      .payload_size = sizeof(opus)});
}

static void send_frame(struct bench *b, uint16_t seq, uint8_t tl0, bool is_key, bool is_rtx)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .seq = seq,
                                      .ts = seq * 3000u,
                                      .is_key = is_key,
                                      .is_marker = true,
                                      .picture = seq,
                                      .tl0 = tl0,
                                      .is_rtx = is_rtx});
}

static void ask_again(struct bench *b, size_t index)
{
    uint16_t seq = bench_rtp(b, SUB, index)->seq;
    bench_nack(b, BOB, SUB, &seq, 1);
}

/* The subscriber's audio level gets another id: what went out before is not written anew. */
static void test_extension_ids(void **state)
{
    (void)state;
    struct bench *b = room();
    add_plain(b, AUDIO);
    send_audio(b, 10);
    struct sfu_peer_config c = {.peer = BOB, .exts = {.id = {[RTP_EXT_AUDIO_LEVEL] = 3}}};
    c.exts.id[RTP_EXT_MID] = 1;
    c.exts.id[RTP_EXT_RID] = 2;
    c.exts.id[RTP_EXT_TWCC] = 4;
    assert_int_equal(sfu_node_set_peer(b->node, &c), 0); /* nothing changes: it is answered */
    ask_again(b, 0);
    assert_int_equal(bench_count(b, SUB), 2);
    c.exts.id[RTP_EXT_AUDIO_LEVEL] = 7;
    assert_int_equal(sfu_node_set_peer(b->node, &c), 0);
    bench_wait(b, MONO_MS(200));
    ask_again(b, 0);
    assert_int_equal(bench_count(b, SUB), 2);
    send_audio(b, 11);
    ask_again(b, 2); /* what comes afterwards is answered */
    assert_int_equal(bench_count(b, SUB), 4);
    check_same(b);
    bench_destroy(b);
}

static struct sfu_track_config video_config(void)
{
    return (struct sfu_track_config){.track = VIDEO,
                                     .kind = RTP_KIND_VIDEO,
                                     .pt_count = 2,
                                     .pts = {{.pt = 96, .rtx_pt = 97, .codec = RTP_CODEC_VP8},
                                             {.pt = 98, .rtx_pt = 99, .codec = RTP_CODEC_H264}},
                                     .mid = "v",
                                     .layer_count = 1,
                                     .ssrcs = {1000 * VIDEO},
                                     .rtx_ssrcs = {1000 * VIDEO + 500},
                                     .has_nack = true,
                                     .has_pli = true};
}

/* The publisher's payload types change places: a packet of before is not sent as another codec. */
static void test_payload_types(void **state)
{
    (void)state;
    struct bench *b = room();
    add_plain(b, VIDEO);
    send_frame(b, 10, 1, true, false);
    struct sfu_track_config c = video_config();
    assert_int_equal(sfu_node_set_track(b->node, &c), 0); /* nothing changes: it is answered */
    bench_drain(b);
    ask_again(b, 0);
    assert_int_equal(bench_count(b, SUB), 2);
    struct rtp_pt first = c.pts[0];
    c.pts[0] = c.pts[1];
    c.pts[1] = first;
    assert_int_equal(sfu_node_set_track(b->node, &c), 0);
    bench_drain(b);
    bench_wait(b, MONO_MS(200));
    ask_again(b, 0);
    assert_int_equal(bench_count(b, SUB), 2);
    send_frame(b, 11, 2, false, false);
    assert_int_equal(bench_count(b, SUB), 3);
    assert_int_equal(bench_rtp(b, SUB, 2)->pt, 100);
    check_same(b);
    bench_destroy(b);
}

/* Who reads the ring when the payload types change starts anew with the next keyframe. */
static void test_payload_types_while_reading(void **state)
{
    (void)state;
    struct bench *b = room();
    for (uint16_t i = 0; i < 40; i++)
        send_frame(b, 10 + i, 1, i == 0, false);
    add_plain(b, VIDEO);
    assert_int_equal(bench_count(b, SUB), SFU_START_BURST);
    struct sfu_track_config c = video_config();
    c.pts[1].rtx_pt = 0;
    assert_int_equal(sfu_node_set_track(b->node, &c), 0);
    bench_drain(b);
    bench_wait(b, MONO_MS(100));
    assert_int_equal(bench_requests(b, 1000 * VIDEO), 1);
    send_frame(b, 50, 1, false, false);
    assert_int_equal(bench_count(b, SUB), SFU_START_BURST);
    send_frame(b, 51, 1, true, false);
    send_frame(b, 52, 1, false, false);
    assert_int_equal(bench_count(b, SUB), SFU_START_BURST + 2);
    bench_destroy(b);
}

/* A publisher repeats what has left the ring, with another text, as RTX or by itself. */
static void test_repeated_by_publisher(void **state)
{
    (void)state;
    for (int is_rtx = 0; is_rtx < 2; is_rtx++) {
        struct bench *b = room();
        add_plain(b, VIDEO);
        for (uint16_t i = 0; i < 20; i++) {
            send_frame(b, 10 + i, 1, i == 0, false);
            bench_wait(b, MONO_MS(50));
        }
        send_frame(b, 12, 7, false, is_rtx);
        assert_int_equal(bench_stats(b).drop_duplicate, 1);
        ask_again(b, 2);
        assert_int_equal(bench_count(b, SUB), 20);
        check_same(b);
        bench_destroy(b);
    }
}

/* What was lost takes its place even when those around it have left the ring; the places that this
 * opens again are not for others. */
static void test_lost_long_ago(void **state)
{
    (void)state;
    struct bench *b = room();
    add_plain(b, VIDEO);
    for (uint16_t i = 0; i < 20; i++) {
        if (i != 3)
            send_frame(b, 10 + i, 1, i == 0, false);
        bench_wait(b, MONO_MS(45));
    }
    send_frame(b, 13, 1, false, true);
    assert_int_equal(bench_count(b, SUB), 20);
    assert_int_equal((uint16_t)(bench_rtp(b, SUB, 19)->seq - bench_rtp(b, SUB, 0)->seq), 3);
    send_frame(b, 14, 7, false, true);
    assert_int_equal(bench_stats(b).drop_duplicate, 1);
    ask_again(b, 3);
    assert_int_equal(bench_count(b, SUB), 20);
    check_same(b);
    bench_destroy(b);
}

/* While no NACK was agreed on, nobody noted what came: it does not count as missing later. */
static void test_nack_agreed_later(void **state)
{
    (void)state;
    struct bench *b = room();
    add_plain(b, VIDEO);
    struct sfu_track_config c = video_config();
    for (uint16_t i = 0; i < 20; i++) {
        c.has_nack = i < 3 || i > 10;
        assert_int_equal(sfu_node_set_track(b->node, &c), 0);
        bench_drain(b);
        send_frame(b, 10 + i, 1, i == 0, false);
        bench_wait(b, MONO_MS(45));
    }
    send_frame(b, 14, 7, false, true);
    ask_again(b, 4);
    assert_int_equal(bench_count(b, SUB), 20);
    check_same(b);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extension_ids),
        cmocka_unit_test(test_payload_types),
        cmocka_unit_test(test_payload_types_while_reading),
        cmocka_unit_test(test_repeated_by_publisher),
        cmocka_unit_test(test_lost_long_ago),
        cmocka_unit_test(test_nack_agreed_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
