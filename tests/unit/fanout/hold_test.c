/*
 * Goal: a frame for many leaves as one, and never waits for its end longer than SFU_HOLD; whatever
 * gains nothing by waiting leaves at once. Method: a node in virtual time.
 */
#include "room.h"

#define MANY (SFU_MANY + 2)

static struct room *room_with(sfu_peer_id viewers)
{
    struct room *r = room_new();
    for (sfu_peer_id peer = 10; peer < 10 + viewers; peer++)
        room_join(r, peer, ROOM_VIDEO);
    room_frame(r, 3, true);
    room_pass(r, MONO_MS(100));
    assert_int_equal(r->out_count, 3 * viewers);
    r->out_count = 0;
    return r;
}

static void test_frame_leaves_together(void **state)
{
    (void)state;
    struct room *r = room_with(MANY);
    room_packet(r, ROOM_VIDEO, r->seq, true, false, false);
    room_drain(r);
    room_packet(r, ROOM_VIDEO, (uint16_t)(r->seq + 1), false, false, false);
    room_drain(r);
    assert_int_equal(r->out_count, 0);
    r->now += 300;
    room_packet(r, ROOM_VIDEO, (uint16_t)(r->seq + 2), false, false, true);
    room_drain(r);
    assert_int_equal(r->out_count, 3 * MANY);
    for (size_t i = 0; i < r->out_count; i++) {
        assert_int_equal(r->outs[i].peer, 10 + i / 3); /* one subscriber's packets together */
        assert_int_equal(r->outs[i].is_marker, i % 3 == 2);
    }
    for (sfu_peer_id peer = 10; peer < 10 + MANY; peer++)
        room_check_order(r, peer);
    room_free(r);
}

static void test_never_longer_than_the_bound(void **state)
{
    (void)state;
    struct room *r = room_with(MANY);
    mono_us began = r->now;
    room_packet(r, ROOM_VIDEO, r->seq, true, false, false);
    room_drain(r);
    r->now += SFU_HOLD / 2;
    room_packet(r, ROOM_VIDEO, (uint16_t)(r->seq + 1), false, false, false);
    room_drain(r);
    assert_int_equal(r->out_count, 0);
    assert_int_equal(sfu_node_next_timeout(r->node), began + SFU_HOLD);
    room_pass(r, SFU_HOLD);
    assert_int_equal(r->out_count, 2 * MANY);
    for (size_t i = 0; i < r->out_count; i++)
        assert_int_equal(r->outs[i].at, began + SFU_HOLD);
    room_free(r);
}

/* Who hands in batch after batch, and has no time for timeouts, lets go what is overdue. */
static void test_released_between_batches(void **state)
{
    (void)state;
    struct room *r = room_with(MANY);
    mono_us began = r->now;
    room_packet(r, ROOM_VIDEO, r->seq, true, false, false);
    for (mono_us passed = 0; passed < SFU_HOLD; passed += SFU_HOLD / 4) {
        r->now = began + passed;
        sfu_node_release(r->node, r->now);
        room_drain(r);
        assert_int_equal(r->out_count, 0);
    }
    r->now = began + SFU_HOLD;
    room_packet(r, ROOM_VIDEO, (uint16_t)(r->seq + 1), false, false, false);
    sfu_node_release(r->node, r->now);
    room_drain(r);
    assert_int_equal(r->out_count, 2 * MANY); /* with what has come meanwhile */
    for (size_t i = 0; i < r->out_count; i++)
        assert_int_equal(r->outs[i].peer, 10 + i / 2);
    room_packet(r, ROOM_VIDEO, (uint16_t)(r->seq + 2), false, false, false);
    sfu_node_release(r->node, r->now); /* waits anew */
    room_drain(r);
    assert_int_equal(r->out_count, 2 * MANY);
    room_free(r);
}

/* What is lost at the end of a frame does not tie it to the next one. */
static void test_lost_marker(void **state)
{
    (void)state;
    struct room *r = room_with(MANY);
    for (int frame = 0; frame < 50; frame++) {
        mono_us began = r->now;
        size_t before = r->out_count;
        room_packet(r, ROOM_VIDEO, r->seq, true, false, false);
        r->seq = (uint16_t)(r->seq + 2);
        room_drain(r);
        room_pass(r, MONO_MS(33));
        assert_int_equal(r->out_count - before, MANY);
        assert_true(r->outs[before].at - began <= SFU_HOLD);
    }
    room_free(r);
}

static void test_late_packet_leaves_at_once(void **state)
{
    (void)state;
    struct room *r = room_with(MANY);
    uint16_t missing = r->seq;
    r->seq++;
    room_frame(r, 2, false);
    size_t before = r->out_count;
    room_packet(r, ROOM_VIDEO, r->seq++, true, false, false);
    room_drain(r);
    assert_int_equal(r->out_count, before);
    room_packet(r, ROOM_VIDEO, missing, false, false, false);
    room_drain(r);
    assert_int_equal(r->out_count, before + 2 * MANY); /* and what was held goes with it */
    room_free(r);
}

static void test_few_and_audio_leave_at_once(void **state)
{
    (void)state;
    struct room *r = room_with(SFU_MANY - 1);
    room_packet(r, ROOM_VIDEO, r->seq++, true, false, false);
    room_drain(r);
    assert_int_equal(r->out_count, SFU_MANY - 1);
    for (sfu_peer_id peer = 100; peer < 100 + MANY; peer++)
        room_join(r, peer, ROOM_AUDIO);
    for (uint16_t seq = 0; seq < 5; seq++) {
        r->out_count = 0;
        room_packet(r, ROOM_AUDIO, seq, false, false, false);
        room_drain(r);
        assert_int_equal(r->out_count, MANY);
    }
    room_free(r);
}

/* Who leaves, or pauses, while a frame is held gets nothing of it; the others do. */
static void test_leaving_during_hold(void **state)
{
    (void)state;
    struct room *r = room_with(MANY);
    room_packet(r, ROOM_VIDEO, r->seq++, true, false, false);
    room_drain(r);
    sfu_node_remove_peer(r->node, 10);
    room_drain(r);
    room_target(r, 11, SFU_LAYER_NONE);
    room_pass(r, MONO_MS(2));
    assert_int_equal(r->out_count, MANY - 2);
    sfu_node_remove_track(r->node, ROOM_VIDEO);
    room_pass(r, MONO_MS(2));
    room_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_leaves_together),
        cmocka_unit_test(test_never_longer_than_the_bound),
        cmocka_unit_test(test_released_between_batches),
        cmocka_unit_test(test_lost_marker),
        cmocka_unit_test(test_late_packet_leaves_at_once),
        cmocka_unit_test(test_few_and_audio_leave_at_once),
        cmocka_unit_test(test_leaving_during_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
