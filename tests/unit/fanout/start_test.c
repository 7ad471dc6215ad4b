/*
 * Goal: whoever joins sees a picture from the newest keyframe in the ring, without a new one from
 * the publisher; where that cannot be, one request serves all. Method: a node in virtual time.
 */
#include "room.h"

#define KEY_PACKETS   20
#define FRAME_PACKETS 3

static void play(struct room *r, int frames)
{
    for (int i = 0; i < frames; i++)
        room_frame(r, FRAME_PACKETS, false);
}

/* Many viewers are there, and their request was answered. */
static struct room *lesson(void)
{
    struct room *r = room_new();
    for (sfu_peer_id peer = 10; peer < 10 + SFU_MANY; peer++)
        room_join(r, peer, ROOM_VIDEO);
    play(r, 3);
    room_frame(r, KEY_PACKETS, true);
    assert_int_equal(room_count(r, 10), KEY_PACKETS);
    return r;
}

static void test_joins_from_the_ring(void **state)
{
    (void)state;
    struct room *r = lesson();
    play(r, 30);
    uint64_t asked = room_keyframes_asked(r);
    mono_us joined = r->now;
    room_join(r, 20, ROOM_VIDEO);
    room_pass(r, MONO_MS(30));
    assert_int_equal(room_count(r, 20), KEY_PACKETS + 30 * FRAME_PACKETS);
    play(r, 30);
    assert_int_equal(room_count(r, 20), KEY_PACKETS + 60 * FRAME_PACKETS);
    room_check_order(r, 20);
    assert_int_equal(room_keyframes_asked(r), asked);
    size_t burst = 0; /* what left within one rest */
    for (size_t i = 0; i < r->out_count; i++)
        burst += r->outs[i].peer == 20 && r->outs[i].at - joined < SFU_START_REST;
    assert_int_equal(burst, SFU_START_BURST);
    room_free(r);
}

/* The publisher goes on while somebody catches up, by one packet more than is read at a time. */
static void test_catches_up_with_a_moving_end(void **state)
{
    (void)state;
    struct room *r = lesson();
    play(r, 50);
    room_join(r, 20, ROOM_VIDEO);
    for (int i = 0; i < 40; i++) {
        for (int k = 0; k < 10; k++)
            room_packet(r, ROOM_VIDEO, r->seq++, k == 0, false, k == 9);
        room_drain(r);
        r->picture++;
        r->ts += 450;
        room_pass(r, MONO_MS(5));
    }
    assert_int_equal(room_count(r, 20), KEY_PACKETS + 50 * FRAME_PACKETS + 40 * 10);
    room_check_order(r, 20);
    room_free(r);
}

static void test_old_keyframe_is_not_used(void **state)
{
    (void)state;
    struct room *r = lesson();
    play(r, 70); /* 2.3 s */
    uint64_t asked = room_keyframes_asked(r);
    room_join(r, 20, ROOM_VIDEO);
    room_pass(r, MONO_MS(30));
    assert_int_equal(room_count(r, 20), 0);
    assert_int_equal(room_keyframes_asked(r), asked + 1);
    room_frame(r, KEY_PACKETS, true);
    assert_int_equal(room_count(r, 20), KEY_PACKETS);
    room_free(r);
}

/* The ring of a layer that few watch is short; so is then the way back to a keyframe. */
static void test_few_keep_little(void **state)
{
    (void)state;
    struct room *r = room_new();
    room_join(r, 10, ROOM_VIDEO);
    room_frame(r, KEY_PACKETS, true);
    play(r, 10);
    uint64_t asked = room_keyframes_asked(r);
    room_join(r, 20, ROOM_VIDEO);
    room_pass(r, MONO_MS(30));
    assert_int_equal(room_count(r, 20), KEY_PACKETS + 10 * FRAME_PACKETS);
    play(r, 20);
    assert_true(pkt_pool_used(r->pool) < SFU_RING_AGE / MONO_MS(33) * FRAME_PACKETS + 5);
    room_join(r, 21, ROOM_VIDEO);
    room_pass(r, MONO_MS(30));
    assert_int_equal(room_count(r, 21), 0);
    assert_int_equal(room_keyframes_asked(r), asked + 1);
    room_free(r);
}

/* A ring begins small; a fast stream makes it grow before what is needed has left it. */
static void test_ring_grows(void **state)
{
    (void)state;
    struct room *r = lesson();
    play(r, 10);
    for (int i = 0; i < 10; i++)
        room_frame(r, 32, false);
    room_join(r, 20, ROOM_VIDEO);
    room_pass(r, MONO_MS(100));
    assert_int_equal(room_count(r, 20), KEY_PACKETS + 10 * FRAME_PACKETS + 10 * 32);
    room_check_order(r, 20);
    room_free(r);
}

static void test_too_many_packets(void **state)
{
    (void)state;
    struct room *r = lesson();
    for (int i = 0; i < 20; i++)
        room_frame(r, SFU_START_PACKETS / 20, false);
    uint64_t asked = room_keyframes_asked(r);
    room_join(r, 20, ROOM_VIDEO);
    assert_int_equal(room_count(r, 20), 0);
    assert_int_equal(room_keyframes_asked(r), asked + 1);
    room_free(r);
}

/* With a hole it is not used; once the hole is filled, it is. */
static void test_hole(void **state)
{
    (void)state;
    struct room *r = lesson();
    uint16_t missing = r->seq++;
    uint32_t missing_ts = r->ts;
    play(r, 5);
    room_join(r, 20, ROOM_VIDEO);
    assert_int_equal(room_count(r, 20), 0);
    uint32_t ts = r->ts;
    r->ts = missing_ts;
    room_packet(r, ROOM_VIDEO, missing, false, false, false);
    r->ts = ts;
    room_drain(r);
    room_join(r, 21, ROOM_VIDEO);
    room_pass(r, MONO_MS(10));
    assert_int_equal(room_count(r, 21), KEY_PACKETS + 1 + 5 * FRAME_PACKETS);
    room_check_order(r, 21);
    room_pass(r, MONO_MS(300)); /* who waited is served as well */
    assert_int_equal(room_count(r, 20), KEY_PACKETS + 1 + 5 * FRAME_PACKETS);
    room_free(r);
}

/* The keyframe's first packet comes after the others: whoever waits starts with it all the same. */
static void test_first_packet_comes_last(void **state)
{
    (void)state;
    struct room *r = room_new();
    room_join(r, 10, ROOM_VIDEO);
    play(r, 2);
    uint16_t first = r->seq++;
    for (int i = 1; i < 5; i++)
        room_packet(r, ROOM_VIDEO, r->seq++, false, true, i == 4);
    room_drain(r);
    assert_int_equal(room_count(r, 10), 0);
    room_packet(r, ROOM_VIDEO, first, true, true, false);
    room_drain(r);
    assert_int_equal(room_count(r, 10), 5);
    room_check_order(r, 10);
    room_free(r);
}

/* After a pause, time does not go back: a keyframe from before it is of no use. */
static void test_pause(void **state)
{
    (void)state;
    struct room *r = lesson();
    play(r, 3);
    room_target(r, 10, SFU_LAYER_NONE);
    play(r, 3);
    size_t before = room_count(r, 10);
    room_target(r, 10, 0);
    room_pass(r, MONO_MS(10));
    assert_int_equal(room_count(r, 10), before);
    room_target(r, 10, SFU_LAYER_NONE);
    room_frame(r, KEY_PACKETS, true);
    play(r, 3);
    room_target(r, 10, 0); /* this one came during the pause */
    room_pass(r, MONO_MS(10));
    assert_int_equal(room_count(r, 10), before + KEY_PACKETS + 3 * FRAME_PACKETS);
    room_check_order(r, 10);
    room_free(r);
}

/* 300 join in 3 s; the publisher answers each request after 150 ms, and has no keyframes else. */
static void test_join_storm(void **state)
{
    (void)state;
    struct room *r = lesson();
    uint64_t asked = room_keyframes_asked(r), answered = asked;
    mono_us answer_at = MONO_NEVER, began = r->now;
    mono_us joined[300];
    play(r, 70);
    for (sfu_peer_id i = 0; r->now < began + MONO_S(6); r->now += 0) {
        for (int k = 0; k < 4 && i < 300; k++, i++) {
            joined[i] = r->now;
            room_join(r, 100 + i, ROOM_VIDEO);
        }
        if (room_keyframes_asked(r) > answered && answer_at == MONO_NEVER)
            answer_at = r->now + MONO_MS(150);
        bool is_key = r->now >= answer_at;
        if (is_key) {
            answered = room_keyframes_asked(r);
            answer_at = MONO_NEVER;
        }
        room_frame(r, is_key ? 10 : 2, is_key);
    }
    assert_true(room_keyframes_asked(r) - asked <= 4);
    for (sfu_peer_id i = 0; i < 300; i++) {
        const struct room_out *first = NULL;
        for (size_t k = 0; k < r->out_count && first == NULL; k++)
            first = r->outs[k].peer == 100 + i ? &r->outs[k] : NULL;
        assert_non_null(first);
        assert_true(first->at - joined[i] <= MONO_MS(500));
        room_check_order(r, 100 + i);
    }
    room_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joins_from_the_ring),
        cmocka_unit_test(test_catches_up_with_a_moving_end),
        cmocka_unit_test(test_old_keyframe_is_not_used),
        cmocka_unit_test(test_few_keep_little),
        cmocka_unit_test(test_ring_grows),
        cmocka_unit_test(test_too_many_packets),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_first_packet_comes_last),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_join_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
