/*
 * Goal: what is forwarded, in which order and under which numbers: fan-out, the choice of layers,
 * temporal layers, where a stream may start, RED for those who take only Opus.
 * Method: packets made by hand go into one node; what comes out is compared field by field, the
 * choice of layers by a table.
 */
#include "unit/sfu/bench.h"

#include "rtp/payload.h"
#include "rtp/red.h"
#include "sfu/limits.h"

#include <string.h>

enum { ALICE = 1, BOB, CAROL };
enum { VIDEO = 1, AUDIO = 2 };

static struct bench *room(uint8_t layers)
{
    struct bench *b = bench_create(0);
    for (sfu_peer_id p = ALICE; p <= CAROL; p++)
        bench_peer(b, p);
    bench_video(b, VIDEO, ALICE, layers);
    bench_audio(b, AUDIO, ALICE);
    return b;
}

static void send_key(struct bench *b, uint8_t layer, uint16_t seq, uint32_t ts)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .layer = layer,
                                      .seq = seq,
                                      .ts = ts,
                                      .is_key = true,
                                      .is_marker = true,
                                      .picture = seq});
}

static void send_delta(struct bench *b, uint8_t layer, uint16_t seq, uint32_t ts)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .layer = layer,
                                      .seq = seq,
                                      .ts = ts,
                                      .is_marker = true,
                                      .picture = seq});
}

/* A batch of three packets to two subscribers comes out subscriber by subscriber. */
static void test_order(void **state)
{
    (void)state;
    struct bench *b = room(1);
    bench_sub(b, 21, VIDEO, BOB, 0);
    bench_sub(b, 22, VIDEO, CAROL, 0);
    send_key(b, 0, 10, 1000);
    bench_clear(b);
    for (uint16_t i = 0; i < 3; i++)
        bench_send(b, ALICE,
                   &(struct bench_packet){.track = VIDEO,
                                          .seq = 11 + i,
                                          .ts = 4000,
                                          .is_middle = i > 0,
                                          .is_marker = i == 2,
                                          .picture = 11,
                                          .is_batched = true});
    bench_drain(b);
    assert_int_equal(b->out_count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(b->out[i].peer, i < 3 ? BOB : CAROL);
        assert_int_equal(b->out[i].is_marker, i % 3 == 2);
        assert_int_equal(b->out[i].pt, 100);
        if (i % 3 > 0)
            assert_int_equal(b->out[i].seq, (uint16_t)(b->out[i - 1].seq + 1));
    }
    assert_ptr_equal(b->out[0].pkt, b->out[3].pkt); /* one payload for both */
    bench_destroy(b);
}

/* Nobody gets anything before a keyframe, and the numbers are the subscription's own. */
static void test_start(void **state)
{
    (void)state;
    struct bench *b = room(1);
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_delta(b, 0, 10, 1000);
    assert_int_equal(bench_count(b, 21), 0);
    send_key(b, 0, 11, 4000);
    send_delta(b, 0, 12, 7000);
    send_delta(b, 0, 14, 13000);
    send_delta(b, 0, 13, 10000);
    const struct bench_out *o[4];
    for (size_t i = 0; i < 4; i++) {
        o[i] = bench_rtp(b, 21, i);
        assert_non_null(o[i]);
    }
    static const uint16_t seqs[4] = {0, 1, 3, 2};
    for (size_t i = 0; i < 4; i++) {
        struct rtp_payload_info info, first;
        assert_int_equal((uint16_t)(o[i]->seq - o[0]->seq), seqs[i]);
        assert_int_equal(o[i]->ts - o[0]->ts, seqs[i] * 3000u);
        assert_int_equal(
            rtp_payload_inspect(RTP_CODEC_VP8, o[i]->payload, o[i]->payload_size, NULL, &info), 0);
        assert_int_equal(
            rtp_payload_inspect(RTP_CODEC_VP8, o[0]->payload, o[0]->payload_size, NULL, &first), 0);
        assert_int_equal((info.picture_id - first.picture_id) & 0x7fff, seqs[i]);
    }
    send_delta(b, 0, 13, 10000); /* a duplicate */
    assert_int_equal(bench_count(b, 21), 4);
    assert_int_equal(bench_stats(b).drop_duplicate, 1);
    bench_destroy(b);
}

/* What goes out: for each of target, layers that flow (bit mask), and keyframes (bit mask). */
static void test_layer_choice(void **state)
{
    (void)state;
    static const struct {
        int8_t target;
        uint8_t flowing, keys;
        int8_t expected;
    } cases[] = {
        {2, 7, 7, 2}, {1, 7, 7, 1},  {0, 7, 7, 0},  {-1, 7, 7, -1}, {2, 3, 3, 1},
        {1, 5, 5, 0}, {0, 6, 6, -1}, {2, 7, 0, -1}, {2, 7, 4, 2},   {2, 0, 0, -1},
    };
    for (size_t c = 0; c < ARRAY_COUNT(cases); c++) {
        struct bench *b = room(3);
        bench_sub(b, 21, VIDEO, BOB, cases[c].target);
        for (uint16_t n = 0; n < 20; n++) {
            for (uint8_t layer = 0; layer < 3; layer++) {
                if ((cases[c].flowing >> layer & 1) == 0)
                    continue;
                if (n == 5 && (cases[c].keys >> layer & 1) != 0)
                    send_key(b, layer, 100 + n, n * 3000u);
                else
                    send_delta(b, layer, 100 + n, n * 3000u);
            }
            bench_wait(b, MONO_MS(100));
        }
        bench_clear(b);
        for (uint8_t layer = 0; layer < 3; layer++)
            if ((cases[c].flowing >> layer & 1) != 0)
                send_delta(b, layer, 120, 60000);
        const struct bench_out *o = bench_rtp(b, 21, 0);
        int got = o != NULL ? (int)(o->pkt->data[11] - 1000 % 256) : -1; /* last byte of the SSRC */
        if (got != cases[c].expected || bench_count(b, 21) > 1)
            fail_msg("case %zu: layer %d, expected %d", c, got, cases[c].expected);
        bench_destroy(b);
    }
}

/* A switch waits for the other layer's keyframe and goes on with the next number. */
static void test_switch(void **state)
{
    (void)state;
    struct bench *b = room(2);
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_key(b, 0, 10, 1000);
    send_delta(b, 1, 500, 90000);
    bench_wait(b, MONO_MS(33));
    bench_target(b, 21, 1, SFU_TEMPORAL_ALL);
    send_delta(b, 0, 11, 4000);
    send_delta(b, 1, 501, 93000);
    assert_int_equal(bench_count(b, 21), 2); /* still layer 0 */
    bench_wait(b, MONO_MS(33));
    send_key(b, 1, 502, 96000);
    send_delta(b, 0, 12, 7000);
    send_delta(b, 1, 503, 99000);
    assert_int_equal(bench_count(b, 21), 4);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal((uint16_t)(bench_rtp(b, 21, i)->seq - bench_rtp(b, 21, i - 1)->seq), 1);
    assert_int_equal(bench_rtp(b, 21, 3)->ts - bench_rtp(b, 21, 2)->ts, 3000);
    uint32_t step = bench_rtp(b, 21, 2)->ts - bench_rtp(b, 21, 1)->ts;
    assert_in_range(step, 1, 33 * 90 + 45000);
    assert_int_equal(bench_stats(b).layer_switches, 1);
    bench_destroy(b);
}

/* The first packet of a keyframe comes last: what came before it follows from the ring. */
static void test_late_keyframe(void **state)
{
    (void)state;
    struct bench *b = room(1);
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_delta(b, 0, 9, 1000);
    for (uint16_t i = 1; i < 3; i++)
        bench_send(b, ALICE,
                   &(struct bench_packet){.track = VIDEO,
                                          .seq = 10 + i,
                                          .ts = 4000,
                                          .is_middle = true,
                                          .is_marker = i == 2,
                                          .picture = 10});
    assert_int_equal(bench_count(b, 21), 0);
    send_key(b, 0, 10, 4000);
    assert_int_equal(bench_count(b, 21), 3);
    bench_destroy(b);
}

/* It comes after packets behind it have left the ring: no start, there would be a gap that nobody
 * could fill. The next keyframe is one. */
static void test_outlived_keyframe(void **state)
{
    (void)state;
    struct bench *b = room(1);
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_delta(b, 0, 11, 4000);
    bench_wait(b, SFU_RING_AGE / 2);
    send_delta(b, 0, 12, 7000);
    bench_wait(b, SFU_RING_AGE / 2 + MONO_MS(1));
    send_delta(b, 0, 13, 10000); /* 11 leaves */
    send_key(b, 0, 10, 1000);
    assert_int_equal(bench_count(b, 21), 0);
    bench_clear(b);
    bench_wait(b, MONO_S(1));
    assert_true(bench_requests(b, 1000 * VIDEO) > 0);
    send_key(b, 0, 14, 13000);
    send_delta(b, 0, 15, 16000);
    assert_int_equal(bench_count(b, 21), 2);
    bench_destroy(b);
}

/* ---- temporal layers ---- */

static void send_temporal(struct bench *b, uint16_t seq, uint8_t temporal, bool is_sync)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .seq = seq,
                                      .ts = seq * 3000u,
                                      .is_marker = true,
                                      .temporal = temporal,
                                      .is_sync = is_sync,
                                      .picture = seq,
                                      .tl0 = (uint8_t)(seq / 4)});
}

static void test_temporal(void **state)
{
    (void)state;
    struct bench *b = room(1);
    bench_sub(b, 21, VIDEO, BOB, 0);
    bench_target(b, 21, 0, 0);
    send_key(b, 0, 100, 300000);
    static const uint8_t pattern[4] = {0, 2, 1, 2};
    for (uint16_t i = 1; i <= 12; i++)
        send_temporal(b, 100 + i, pattern[i % 4], i % 4 == 1 || i % 4 == 2);
    assert_int_equal(bench_count(b, 21), 1 + 3);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal((uint16_t)(bench_rtp(b, 21, i)->seq - bench_rtp(b, 21, 0)->seq), i);
    /* Up: layer 1 from its next sync, then layer 2. */
    bench_target(b, 21, 0, 2);
    bench_clear(b);
    send_temporal(b, 113, 2, true);
    send_temporal(b, 114, 1, true);
    send_temporal(b, 115, 2, false);
    send_temporal(b, 116, 0, false);
    send_temporal(b, 117, 2, true);
    assert_int_equal(bench_count(b, 21), 3); /* 114, 116, 117 */
    bench_destroy(b);
}

/* A step down while a frame is on its way: its late first packet still goes out. */
static void test_temporal_whole_frames(void **state)
{
    (void)state;
    struct bench *b = room(1);
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_key(b, 0, 100, 1000);
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .seq = 102,
                                      .ts = 4000,
                                      .is_middle = true,
                                      .is_marker = true,
                                      .temporal = 2,
                                      .picture = 101});
    bench_target(b, 21, 0, 0);
    send_temporal(b, 103, 0, false);
    bench_clear(b);
    bench_send(b, ALICE,
               &(struct bench_packet){
                   .track = VIDEO, .seq = 101, .ts = 4000, .temporal = 2, .picture = 101});
    assert_int_equal(bench_count(b, 21), 1);
    send_temporal(b, 104, 2, false);
    assert_int_equal(bench_count(b, 21), 1);
    bench_destroy(b);
}

/* Down and up again before it comes: the frame it belongs to was let through. And the other way
 * round: of a frame that was left out, nothing is sent. */
static void test_temporal_two_steps(void **state)
{
    (void)state;
    struct bench *b = room(1);
    struct bench_packet middle = {.track = VIDEO,
                                  .seq = 102,
                                  .ts = 303000,
                                  .is_middle = true,
                                  .is_marker = true,
                                  .temporal = 1,
                                  .picture = 101};
    struct bench_packet first = {
        .track = VIDEO, .seq = 101, .ts = 303000, .temporal = 1, .picture = 101};
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_key(b, 0, 100, 300000);
    bench_send(b, ALICE, &middle);
    bench_target(b, 21, 0, 0);
    send_temporal(b, 103, 0, false);
    middle.seq = 105;
    middle.ts = first.ts = 312000;
    middle.picture = first.picture = 104;
    bench_send(b, ALICE, &middle); /* left out */
    bench_target(b, 21, 0, 1);
    send_temporal(b, 106, 1, true);
    bench_target(b, 21, 0, 0);
    send_temporal(b, 107, 0, false);
    bench_target(b, 21, 0, 1);
    send_temporal(b, 108, 1, true);
    assert_int_equal(bench_count(b, 21), 6); /* 100, 102, 103, 106 to 108 */
    bench_clear(b);
    first.seq = 104;
    bench_send(b, ALICE, &first);
    assert_int_equal(bench_count(b, 21), 0);
    first.seq = 101;
    first.ts = 303000;
    first.picture = 101;
    bench_send(b, ALICE, &first);
    assert_int_equal(bench_count(b, 21), 1);
    bench_destroy(b);
}

/* ---- H.264 ---- */

static const uint8_t stap_a[] = {0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 2, 0x68, 0xce};
static const uint8_t idr_start[] = {0x7c, 0x85, 0x88, 1, 2, 3};
static const uint8_t idr_end[] = {0x7c, 0x45, 4, 5, 6};
static const uint8_t slice[] = {0x41, 0x9a, 1};

static void send_h264(struct bench *b, uint16_t seq, uint32_t ts, const uint8_t *payload,
                      size_t size)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .seq = seq,
                                      .ts = ts,
                                      .pt = 98,
                                      .payload = payload,
                                      .payload_size = size});
}

/* A picture without the parameter sets in front of it is no start, unless it never has any. */
static void test_h264_start(void **state)
{
    (void)state;
    struct bench *b = room(1);
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_h264(b, 10, 1000, slice, sizeof(slice));
    send_h264(b, 12, 4000, idr_start, sizeof(idr_start)); /* 11 is missing */
    send_h264(b, 13, 4000, idr_end, sizeof(idr_end));
    assert_int_equal(bench_count(b, 21), 0);
    send_h264(b, 11, 4000, stap_a, sizeof(stap_a));
    assert_int_equal(bench_count(b, 21), 3);
    assert_int_equal(bench_rtp(b, 21, 0)->pt, 102);
    /* The sets went by long before this subscriber was there. */
    send_h264(b, 14, 7000, stap_a, sizeof(stap_a));
    bench_wait(b, SFU_RING_AGE - SFU_START_MARGIN + MONO_MS(1));
    bench_sub(b, 22, VIDEO, CAROL, 0);
    send_h264(b, 15, 7000, idr_start, sizeof(idr_start));
    assert_int_equal(bench_count(b, 22), 0);
    /* An encoder that sends them out of band. */
    send_h264(b, 16, 10000, slice, sizeof(slice));
    send_h264(b, 17, 13000, idr_start, sizeof(idr_start));
    assert_int_equal(bench_count(b, 22), 1);
    bench_destroy(b);
}

/* ---- sound ---- */

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

/* Sound does not start behind what has been received already: that would be a gap for nothing. */
static void test_audio_start(void **state)
{
    (void)state;
    struct bench *b = room(1);
    send_audio(b, 10);
    send_audio(b, 12);
    bench_sub(b, 31, AUDIO, BOB, 0);
    send_audio(b, 11);
    assert_int_equal(bench_count(b, 31), 0);
    send_audio(b, 13);
    send_audio(b, 14);
    assert_int_equal(bench_count(b, 31), 2);
    assert_int_equal(bench_rtp(b, 31, 0)->pt, 109);
    bench_destroy(b);
}

static void test_red_stripped(void **state)
{
    (void)state;
    static const uint8_t old[] = {9, 9, 9}, fresh[] = {0x78, 4, 5, 6, 7};
    const struct rtp_red_block blocks[2] = {
        {.pt = 111, .ts_offset = 960, .size = sizeof(old), .data = old},
        {.pt = 111, .size = sizeof(fresh), .data = fresh}};
    uint8_t red[64];
    int size = rtp_red_build(blocks, 2, red, sizeof(red));
    assert_true(size > 0);
    struct bench *b = room(1);
    bench_sub(b, 31, AUDIO, BOB, 0); /* takes no RED */
    const struct sfu_sub_config with_red = {.sub = 32,
                                            .track = AUDIO,
                                            .peer = CAROL,
                                            .ssrc = 32,
                                            .pt_count = 1,
                                            .pts = {{.pt = 64, .codec = RTP_CODEC_RED}}};
    assert_int_equal(sfu_node_add_sub(b->node, &with_red, b->now), 0);
    bench_send(b, ALICE,
               &(struct bench_packet){.track = AUDIO,
                                      .seq = 1,
                                      .ts = 960,
                                      .pt = 63,
                                      .level = 20,
                                      .payload = red,
                                      .payload_size = (size_t)size});
    const struct bench_out *plain = bench_rtp(b, 31, 0), *whole = bench_rtp(b, 32, 0);
    assert_non_null(plain);
    assert_non_null(whole);
    assert_int_equal(plain->pt, 109);
    assert_int_equal(plain->payload_size, sizeof(fresh));
    assert_memory_equal(plain->payload, fresh, sizeof(fresh));
    assert_int_equal(whole->pt, 64);
    assert_int_equal(whole->payload_size, size);
    assert_memory_equal(whole->payload, red, (size_t)size);
    bench_destroy(b);
}

/* Extensions that leave no room in the header of a subscriber are left out, not their packets: a
 * number that is taken and not used would be a step for SRTP that it does not see. */
static void test_large_extension(void **state)
{
    (void)state;
    static const uint8_t opus[] = {0x78, 1, 2, 3};
    struct bench *b = room(1);
    bench_sub(b, 31, AUDIO, BOB, 0);
    for (uint16_t size = 1; size <= RTP_EXT_BYTES_MAX - 2; size++) {
        bench_clear(b);
        bench_send(b, ALICE,
                   &(struct bench_packet){.track = AUDIO,
                                          .seq = size,
                                          .ts = size * 960u,
                                          .level = 20,
                                          .level_size = (uint8_t)size,
                                          .payload = opus,
                                          .payload_size = sizeof(opus)});
        const struct bench_out *out = bench_rtp(b, 31, 0);
        assert_non_null(out);
        assert_int_equal(out->payload_size, sizeof(opus));
        bool is_passed = out->size > RTP_HEADER_SIZE + sizeof(opus) + size;
        assert_true(size < 180 ? is_passed : size < 220 || !is_passed);
    }
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_layer_choice),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_late_keyframe),
        cmocka_unit_test(test_outlived_keyframe),
        cmocka_unit_test(test_temporal),
        cmocka_unit_test(test_temporal_whole_frames),
        cmocka_unit_test(test_temporal_two_steps),
        cmocka_unit_test(test_h264_start),
        cmocka_unit_test(test_audio_start),
        cmocka_unit_test(test_large_extension),
        cmocka_unit_test(test_red_stripped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
