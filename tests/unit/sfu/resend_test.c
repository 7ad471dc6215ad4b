/*
 * Goal: packets that a subscriber misses are sent again from the ring, as RTX where negotiated,
 * within the limits; what the publisher lost is asked for and takes the place that was kept.
 * Method: NACKs by hand against one node in virtual time.
 */
#include "unit/sfu/bench.h"

#include "base/bytes.h"
#include "sfu/limits.h"

#include <string.h>

enum { ALICE = 1, BOB };
enum { VIDEO = 1 };

static void send_frame(struct bench *b, uint16_t seq, bool is_key, bool is_rtx)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .seq = seq,
                                      .ts = seq * 3000u,
                                      .is_key = is_key,
                                      .is_marker = true,
                                      .picture = seq,
                                      .is_rtx = is_rtx});
}

static struct bench *room(void)
{
    struct bench *b = bench_create(0);
    bench_peer(b, ALICE);
    bench_peer(b, BOB);
    bench_video(b, VIDEO, ALICE, 1);
    return b;
}

static void test_rtx(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 10, true, false);
    send_frame(b, 11, false, false);
    struct bench_out first = *bench_rtp(b, 21, 0), second = *bench_rtp(b, 21, 1);
    bench_clear(b);
    const uint16_t seqs[2] = {first.seq, second.seq};
    bench_nack(b, BOB, 21, seqs, 2);
    assert_int_equal(bench_count(b, 10021), 2);
    for (size_t i = 0; i < 2; i++) {
        const struct bench_out *o = bench_rtp(b, 10021, i);
        const struct bench_out *was = i == 0 ? &first : &second;
        assert_int_equal(o->pt, 101);
        assert_int_equal(o->ts, was->ts);
        assert_true(o->is_marker);
        assert_int_equal(get_u16be(o->payload), was->seq);
        size_t size = was->payload_size;
        assert_int_equal(o->payload_size, size + 2);
        assert_memory_equal(o->payload + 2, was->data + (was->size - size), size);
    }
    assert_int_equal((uint16_t)(bench_rtp(b, 10021, 1)->seq - bench_rtp(b, 10021, 0)->seq), 1);
    assert_int_equal(bench_stats(b).rtx_out, 2);
    bench_destroy(b);
}

/* Without RTX the packet itself goes out again under its number. */
static void test_plain(void **state)
{
    (void)state;
    struct bench *b = room();
    const struct sfu_sub_config c = {.sub = 21,
                                     .track = VIDEO,
                                     .peer = BOB,
                                     .ssrc = 21,
                                     .pt_count = 1,
                                     .pts = {{.pt = 100, .codec = RTP_CODEC_VP8}},
                                     .has_nack = true};
    assert_int_equal(sfu_node_add_sub(b->node, &c, b->now), 0);
    bench_target(b, 21, 0, SFU_TEMPORAL_ALL);
    send_frame(b, 10, true, false);
    struct bench_out first = *bench_rtp(b, 21, 0);
    bench_clear(b);
    bench_nack(b, BOB, 21, &first.seq, 1);
    assert_int_equal(bench_count(b, 21), 1);
    assert_int_equal(bench_rtp(b, 21, 0)->size, first.size);
    assert_memory_equal(bench_rtp(b, 21, 0)->data, first.data, first.size);
    bench_destroy(b);
}

/* Asked every 10 ms: at most ten answers, not two within half a round trip (5 ms at least). */
static void test_limits(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 10, true, false);
    uint16_t seq = bench_rtp(b, 21, 0)->seq;
    bench_clear(b);
    bench_nack(b, BOB, 21, &seq, 1);
    bench_nack(b, BOB, 21, &seq, 1);
    assert_int_equal(bench_count(b, 10021), 1);
    for (int i = 0; i < 30; i++) {
        bench_wait(b, MONO_MS(10));
        bench_nack(b, BOB, 21, &seq, 1);
    }
    assert_int_equal(bench_count(b, 10021), 10);
    bench_clear(b);
    const uint16_t unknown[3] = {(uint16_t)(seq - 1), (uint16_t)(seq + 1), (uint16_t)(seq + 9999)};
    bench_nack(b, BOB, 21, unknown, 3);
    bench_nack(b, BOB, 99, &seq, 1); /* an SSRC that is not his */
    assert_int_equal(bench_count(b, 10021), 0);
    assert_int_equal(bench_stats(b).nacks_missed, 3);
    bench_destroy(b);
}

/* One compound packet in which many NACKs name the same numbers: each is answered once. */
static void test_repeated_in_compound(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    uint16_t seqs[40];
    for (uint16_t i = 0; i < ARRAY_COUNT(seqs); i++) {
        send_frame(b, 10 + i, i == 0, false);
        seqs[i] = bench_rtp(b, 21, i)->seq;
    }
    uint8_t buf[1200];
    struct wr w = wr_init(buf, sizeof(buf));
    for (int i = 0; i < 30; i++)
        rtcp_put_nack(&w, 1, 21, seqs, ARRAY_COUNT(seqs));
    bench_clear(b);
    bench_rtcp(b, BOB, &w);
    assert_int_equal(bench_count(b, 10021), ARRAY_COUNT(seqs));
    assert_int_equal(bench_stats(b).nacks_answered, ARRAY_COUNT(seqs));
    bench_destroy(b);
}

/* Asks for `count` numbers from `first` on; nothing is answered until the node is drained. */
static void nack_run(struct bench *b, uint32_t ssrc, uint16_t first, uint16_t count)
{
    for (uint16_t at = 0; at < count; at += SFU_NACKS_MAX) {
        uint16_t seqs[SFU_NACKS_MAX], n = TK_MIN((uint16_t)(count - at), SFU_NACKS_MAX);
        for (uint16_t i = 0; i < n; i++)
            seqs[i] = (uint16_t)(first + at + i);
        uint8_t buf[600];
        struct wr w = wr_init(buf, sizeof(buf));
        rtcp_put_nack(&w, 1, ssrc, seqs, n);
        sfu_node_handle_rtcp(b->node, BOB, buf, wr_size(&w), b->now);
    }
}

static size_t drain_uncounted(struct bench *b)
{
    struct sfu_out outs[64];
    size_t sum = 0;
    for (size_t n; (n = sfu_node_poll_transmits(b->node, outs, ARRAY_COUNT(outs))) > 0;)
        sum += n;
    bench_drain(b);
    return sum;
}

/* More is asked for at once than the queue holds: the rest is counted, and may be asked for again.
 */
static void test_full(void **state)
{
    (void)state;
    enum { FRAMES = 400, VIEWERS = 11, WAITING = FRAMES * VIEWERS };
    struct bench *b = bench_create_sized(0, 1024);
    bench_peer(b, ALICE);
    bench_peer(b, BOB);
    bench_video(b, VIDEO, ALICE, 1);
    uint16_t first[VIEWERS];
    for (uint32_t i = 0; i < VIEWERS; i++)
        bench_sub(b, 21 + i, VIDEO, BOB, 0);
    for (uint16_t i = 0; i < FRAMES; i++) {
        send_frame(b, 10 + i, i == 0, false);
        for (uint32_t n = 0; n < VIEWERS && i == 0; n++)
            first[n] = bench_rtp(b, 21 + n, 0)->seq;
        bench_clear(b);
    }
    for (uint32_t i = 0; i < VIEWERS; i++)
        nack_run(b, 21 + i, first[i], FRAMES);
    assert_int_equal(bench_stats(b).nacks_dropped, WAITING - SFU_RESENDS_MAX);
    assert_int_equal(drain_uncounted(b), SFU_RESENDS_MAX);
    nack_run(b, 21 + VIEWERS - 1, first[VIEWERS - 1], FRAMES);
    assert_int_equal(drain_uncounted(b), WAITING - SFU_RESENDS_MAX);
    assert_int_equal(bench_stats(b).nacks_missed, 0);
    bench_destroy(b);
}

/* The ring holds 64 packets here, and two seconds. */
static void test_gone(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 10, true, false);
    uint16_t seq = bench_rtp(b, 21, 0)->seq;
    for (uint16_t i = 1; i <= 64; i++)
        send_frame(b, 10 + i, false, false);
    bench_clear(b);
    bench_nack(b, BOB, 21, &seq, 1);
    assert_int_equal(bench_count(b, 10021), 0);
    uint16_t newest = (uint16_t)(seq + 64);
    bench_wait(b, MONO_MS(2600));
    bench_nack(b, BOB, 21, &newest, 1);
    assert_int_equal(bench_count(b, 10021), 0);
    assert_int_equal(pkt_pool_used(b->pool), 0);
    bench_destroy(b);
}

/* A packet lost by the publisher: NACK upwards after 10 ms, its RTX fills the place. */
static void test_uplink(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 10, true, false);
    send_frame(b, 12, false, false);
    bench_wait(b, MONO_MS(30));
    struct rtcp_packet p;
    uint16_t seqs[8];
    uint32_t ssrc;
    assert_true(bench_find_rtcp(b, ALICE, RTCP_RTPFB, RTCP_RTPFB_NACK, &p));
    assert_int_equal(rtcp_get_media_ssrc(&p, &ssrc), 0);
    assert_int_equal(ssrc, 1000);
    assert_int_equal(rtcp_get_nack(&p, seqs, 8), 1);
    assert_int_equal(seqs[0], 11);
    uint16_t kept = (uint16_t)(bench_rtp(b, 21, 0)->seq + 1);
    assert_int_equal(bench_rtp(b, 21, 1)->seq, (uint16_t)(kept + 1));
    bench_nack(b, BOB, 21, &kept, 1); /* not there yet */
    send_frame(b, 11, false, true);
    assert_int_equal(bench_count(b, 21), 3);
    assert_int_equal(bench_rtp(b, 21, 2)->seq, kept);
    assert_int_equal(bench_stats(b).rtx_in, 1);
    bench_clear(b);
    bench_wait(b, MONO_S(2));
    assert_false(bench_find_rtcp(b, ALICE, RTCP_RTPFB, RTCP_RTPFB_NACK, &p));
    bench_destroy(b);
}

/* A number kept for a packet that came late and was left out: an empty packet closes the gap. */
static void test_hole(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    bench_target(b, 21, 0, 0);
    send_frame(b, 10, true, false);
    send_frame(b, 12, false, false);
    uint16_t kept = (uint16_t)(bench_rtp(b, 21, 0)->seq + 1);
    bench_send(b, ALICE,
               &(struct bench_packet){
                   .track = VIDEO, .seq = 11, .ts = 33000, .temporal = 1, .picture = 11});
    bench_clear(b);
    bench_nack(b, BOB, 21, &kept, 1);
    assert_int_equal(bench_count(b, 21), 1);
    assert_int_equal(bench_rtp(b, 21, 0)->seq, kept);
    assert_int_equal(bench_rtp(b, 21, 0)->payload_size, 0);
    bench_destroy(b);
}

/* A packet that came only after the subscriber had stopped the layer goes to him no more. */
static void test_withheld(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 10, true, false);
    send_frame(b, 12, false, false);
    uint16_t kept = (uint16_t)(bench_rtp(b, 21, 0)->seq + 1);
    bench_target(b, 21, SFU_LAYER_NONE, SFU_TEMPORAL_ALL);
    send_frame(b, 11, false, false);
    bench_nack(b, BOB, 21, &kept, 1);
    assert_int_equal(bench_count(b, 21), 2);
    assert_int_equal(bench_count(b, 10021), 0);
    assert_int_equal(bench_stats(b).nacks_missed, 1);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rtx),      cmocka_unit_test(test_plain),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_gone),
        cmocka_unit_test(test_uplink),   cmocka_unit_test(test_hole),
        cmocka_unit_test(test_withheld), cmocka_unit_test(test_repeated_in_compound),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
