/*
 * Goal: when a publisher's encoder is replaced by one with other SSRCs, what still comes of the old
 * one changes nothing: neither its packets nor its retransmissions are taken for the new one's.
 * Method: an encoder that is announced, then one that names itself by mid; packets made by hand.
 */
#include "unit/sfu/bench.h"

#include "sfu/limits.h"

enum { ALICE = 1, BOB };
enum { VIDEO = 1 };
enum { OLD = 1000, OLD_RTX = 1500, NEW = 7000, NEW_RTX = 7500 };

static void send(struct bench *b, uint32_t ssrc, uint16_t seq, bool is_key, bool has_mid)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .ssrc = ssrc,
                                      .seq = seq,
                                      .ts = seq * 3000u,
                                      .is_key = is_key,
                                      .is_marker = true,
                                      .picture = seq,
                                      .is_rtx = ssrc == OLD_RTX || ssrc == NEW_RTX,
                                      .has_mid = has_mid});
}

/* Two packets of the old encoder, one of the new. */
static struct bench *room(void)
{
    struct bench *b = bench_create(0);
    bench_peer(b, ALICE);
    bench_peer(b, BOB);
    bench_video(b, VIDEO, ALICE, 1);
    bench_sub(b, 21, VIDEO, BOB, 0);
    send(b, OLD, 10, true, true);
    send(b, OLD, 12, false, true);
    bench_wait(b, MONO_MS(100));
    send(b, NEW, 500, true, true);
    assert_int_equal(bench_count(b, 21), 3);
    return b;
}

/* The new encoder says only at its beginning where it belongs. */
static void test_late_media(void **state)
{
    (void)state;
    struct bench *b = room();
    send(b, OLD, 11, false, true);
    assert_int_equal(bench_count(b, 21), 3);
    assert_int_equal(bench_stats(b).drop_unknown_ssrc, 1);
    send(b, NEW, 501, false, false);
    assert_int_equal(bench_count(b, 21), 4);
    bench_destroy(b);
}

static void test_late_rtx(void **state)
{
    (void)state;
    struct bench *b = room();
    send(b, OLD_RTX, 502, false, false);
    send(b, OLD_RTX, 503, false, true);
    assert_int_equal(bench_count(b, 21), 3);
    assert_int_equal(bench_stats(b).rtx_in, 0);
    send(b, NEW, 502, false, false);
    send(b, NEW_RTX, 501, false, true);
    assert_int_equal(bench_count(b, 21), 5);
    assert_int_equal((uint16_t)(bench_rtp(b, 21, 3)->seq - bench_rtp(b, 21, 4)->seq), 1);
    bench_destroy(b);
}

/* Later it is no late packet but an encoder that comes back. */
static void test_return(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_wait(b, SFU_SSRC_LATE);
    send(b, OLD, 20, true, true);
    assert_int_equal(bench_count(b, 21), 4);
    bench_destroy(b);
}

/* The old SSRCs are agreed on again: that counts at once. */
static void test_negotiated(void **state)
{
    (void)state;
    struct bench *b = room();
    const struct sfu_track_config c = {.track = VIDEO,
                                       .kind = RTP_KIND_VIDEO,
                                       .pt_count = 1,
                                       .pts = {{.pt = 96, .rtx_pt = 97, .codec = RTP_CODEC_VP8}},
                                       .mid = "v",
                                       .layer_count = 1,
                                       .ssrcs = {OLD},
                                       .rtx_ssrcs = {OLD_RTX},
                                       .has_nack = true};
    assert_int_equal(sfu_node_set_track(b->node, &c), 0);
    bench_drain(b);
    send(b, OLD, 20, true, false);
    send(b, OLD, 22, false, false);
    send(b, OLD_RTX, 21, false, false);
    assert_int_equal(bench_count(b, 21), 6);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_media),
        cmocka_unit_test(test_late_rtx),
        cmocka_unit_test(test_return),
        cmocka_unit_test(test_negotiated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
