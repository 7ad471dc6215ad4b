/*
 * Goal: publishers are asked for keyframes once per interval and layer however many subscribers
 * ask, again until one comes, and not when nobody waits.
 * Method: requests are counted at the publisher's end while time passes in a node without a
 * network.
 */
#include "unit/sfu/bench.h"

enum { ALICE = 1, BOB, CAROL };
enum { VIDEO = 1 };

static struct bench *room(void)
{
    struct bench *b = bench_create(0);
    for (sfu_peer_id p = ALICE; p <= CAROL; p++)
        bench_peer(b, p);
    bench_video(b, VIDEO, ALICE, 3);
    return b;
}

static void send_frame(struct bench *b, uint8_t layer, uint16_t seq, bool is_key)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .layer = layer,
                                      .seq = seq,
                                      .ts = seq * 3000u,
                                      .is_key = is_key,
                                      .is_marker = true,
                                      .picture = seq});
}

/* Nothing but delta frames for three seconds: the requests per layer. */
static void test_throttle(void **state)
{
    (void)state;
    static const struct {
        int8_t layer;
        size_t least, most;
    } cases[] = {{0, 6, 7}, {1, 3, 4}, {2, 3, 4}};
    for (size_t c = 0; c < ARRAY_COUNT(cases); c++) {
        struct bench *b = room();
        uint16_t seq = 100;
        for (uint8_t layer = 0; layer < 3; layer++)
            send_frame(b, layer, seq, false);
        bench_clear(b);
        bench_sub(b, 21, VIDEO, BOB, cases[c].layer);
        bench_sub(b, 22, VIDEO, CAROL, cases[c].layer);
        for (int i = 0; i < 30; i++) {
            seq++;
            for (uint8_t layer = 0; layer < 3; layer++)
                send_frame(b, layer, seq, false);
            bench_wait(b, MONO_MS(100));
        }
        for (uint32_t layer = 0; layer < 3; layer++) {
            size_t count = bench_requests(b, 1000 * VIDEO + layer);
            if ((int8_t)layer == cases[c].layer)
                assert_in_range(count, cases[c].least, cases[c].most);
            else
                assert_int_equal(count, 0);
        }
        bench_destroy(b);
    }
}

/* Forty requests from two subscribers within a second, and nothing more once a keyframe came. */
static void test_coalesced(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 1);
    bench_sub(b, 22, VIDEO, CAROL, 1);
    send_frame(b, 1, 10, true);
    bench_wait(b, MONO_S(2));
    bench_clear(b);
    for (int i = 0; i < 20; i++) {
        bench_pli(b, BOB, 21);
        bench_pli(b, CAROL, 22);
        bench_wait(b, MONO_MS(40));
    }
    assert_int_equal(bench_requests(b, 1001), 1);
    send_frame(b, 1, 11, true);
    bench_clear(b);
    for (uint16_t i = 0; i < 30; i++) {
        send_frame(b, 1, 12 + i, false);
        bench_wait(b, MONO_MS(100));
    }
    assert_int_equal(bench_requests(b, 1001), 0);
    bench_pli(b, BOB, 21);
    assert_int_equal(bench_requests(b, 1001), 1); /* at once after a pause */
    bench_destroy(b);
}

/* The waiting subscriber leaves: no more requests. */
static void test_nobody_waits(void **state)
{
    (void)state;
    struct bench *b = room();
    send_frame(b, 0, 10, false);
    bench_sub(b, 21, VIDEO, BOB, 0);
    assert_int_equal(bench_requests(b, 1000), 1);
    sfu_node_remove_sub(b->node, 21);
    bench_clear(b);
    bench_wait(b, MONO_S(3));
    assert_int_equal(bench_requests(b, 1000), 0);
    bench_destroy(b);
}

/* A publisher that negotiated no PLI gets FIR, with a new number each time. */
static void test_fir(void **state)
{
    (void)state;
    struct bench *b = room();
    const struct sfu_track_config c = {.track = 5,
                                       .source_peer = ALICE,
                                       .kind = RTP_KIND_VIDEO,
                                       .pt_count = 1,
                                       .pts = {{.pt = 96, .codec = RTP_CODEC_VP8}},
                                       .mid = "w",
                                       .layer_count = 1,
                                       .ssrcs = {5000}};
    assert_int_equal(sfu_node_add_track(b->node, &c), 0);
    bench_sub(b, 21, 5, BOB, 0);
    bench_wait(b, MONO_MS(700));
    assert_int_equal(bench_requests(b, 5000), 2);
    uint8_t numbers[2];
    size_t found = 0;
    for (size_t i = 0; i < b->out_count && found < 2; i++) {
        struct rtcp_reader reader = rtcp_reader_init(b->out[i].data, b->out[i].size);
        struct rtcp_packet p;
        uint32_t ssrc;
        while (b->out[i].is_rtcp && rtcp_next(&reader, &p) > 0)
            if (p.type == RTCP_PSFB && p.count == RTCP_PSFB_FIR)
                assert_int_equal(rtcp_get_fir(&p, 0, &ssrc, &numbers[found++]), 0);
    }
    assert_int_equal(found, 2);
    assert_int_equal(numbers[1], (uint8_t)(numbers[0] + 1));
    bench_destroy(b);
}

/* A publisher that is not connected hears of a wish when it is again: the wait until the next
 * request counts from then. */
static void test_written_later(void **state)
{
    (void)state;
    struct bench *b = room();
    send_frame(b, 0, 10, false);
    sfu_node_set_connected(b->node, ALICE, false, b->now);
    bench_sub(b, 21, VIDEO, BOB, 0);
    bench_wait(b, MONO_MS(400));
    bench_clear(b);
    sfu_node_set_connected(b->node, ALICE, true, b->now);
    bench_drain(b);
    assert_int_equal(bench_requests(b, 1000), 1);
    bench_wait(b, MONO_MS(450));
    assert_int_equal(bench_requests(b, 1000), 1);
    bench_wait(b, MONO_MS(100));
    assert_int_equal(bench_requests(b, 1000), 2);
    bench_destroy(b);
}

/* On a node that gets the track as relay, the wish goes to the control thread; on the source's
 * node it is repeated for three seconds without being wished again. */
static void test_relayed(void **state)
{
    (void)state;
    struct bench *far = bench_create(1);
    bench_peer(far, BOB);
    bench_video(far, VIDEO, 0, 3);
    bench_sub(far, 21, VIDEO, BOB, 0);
    assert_non_null(bench_event(far, SFU_EVENT_KEYFRAME_WANTED, 0));
    assert_int_equal(bench_event(far, SFU_EVENT_KEYFRAME_WANTED, 0)->layer, 0);
    bench_clear(far);
    bench_wait(far, MONO_S(2));
    size_t count = 0;
    while (bench_event(far, SFU_EVENT_KEYFRAME_WANTED, count) != NULL)
        count++;
    assert_in_range(count, 3, 4);
    bench_destroy(far);

    struct bench *near = room();
    send_frame(near, 0, 10, false);
    bench_clear(near);
    sfu_node_handle_keyframe_wanted(near->node, VIDEO, 0, near->now);
    bench_drain(near);
    assert_int_equal(bench_requests(near, 1000), 1);
    bench_wait(near, MONO_S(10));
    assert_in_range(bench_requests(near, 1000), 5, 7);
    sfu_node_handle_keyframe_wanted(near->node, 77, 0, near->now); /* unknown: nothing */
    bench_destroy(near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_throttle),      cmocka_unit_test(test_coalesced),
        cmocka_unit_test(test_nobody_waits),  cmocka_unit_test(test_fir),
        cmocka_unit_test(test_written_later), cmocka_unit_test(test_relayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
