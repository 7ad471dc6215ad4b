/*
 * Goal: what comes back every half second for each of hundreds of peers costs few wake-ups, and
 * none where media flows, but is never later than its slack.
 * Method: a room of 300 in virtual time; the wake-ups that the node asks for are counted, quality
 * events tell that every peer had its ticks.
 */
#include "unit/fanout/room.h"

#define VIEWERS 300

static size_t quality_events(struct room *r)
{
    struct sfu_out outs[16];
    struct sfu_event event;
    size_t count = 0;
    while (sfu_node_poll_transmits(r->node, outs, 16) > 0) {
    }
    while (sfu_node_poll_event(r->node, &event) == 1)
        count += event.kind == SFU_EVENT_PEER_QUALITY;
    return count;
}

/* Viewers who came one after another. */
static struct room *full_room(void)
{
    struct room *r = room_new();
    for (sfu_peer_id peer = 2; peer < 2 + VIEWERS; peer++) {
        room_join(r, peer, ROOM_AUDIO);
        room_pass(r, 1700);
    }
    return r;
}

/* Ten seconds, with a packet of sound every `sound_every` if not 0. The wake-ups that were only for
 * the node, and the quality events in them. */
static size_t play(struct room *r, mono_us sound_every, size_t *ret_events)
{
    mono_us end = r->now + MONO_S(10);
    mono_us sound = sound_every > 0 ? r->now : MONO_NEVER;
    size_t wakes = 0;
    *ret_events = 0;
    while (r->now < end) {
        mono_us next = sfu_node_next_timeout(r->node);
        r->now = TK_MAX(r->now, TK_MIN(next, sound));
        if (sound <= r->now) {
            room_packet(r, ROOM_AUDIO, r->seq++, true, true, true);
            r->ts += 960;
            sound += sound_every;
            *ret_events += quality_events(r);
        } else {
            wakes++;
            assert_true(sfu_node_is_due(r->node, r->now));
        }
        if (sfu_node_is_due(r->node, r->now))
            sfu_node_handle_timeout(r->node, r->now);
        *ret_events += quality_events(r);
        assert_false(sfu_node_is_due(r->node, r->now));
    }
    return wakes;
}

static void test_idle_peers_wake_together(void **state)
{
    (void)state;
    struct room *r = full_room();
    size_t events;
    size_t wakes = play(r, 0, &events);
    assert_in_range(wakes, 1, MONO_S(10) / SFU_TICK_SLACK);
    assert_in_range(events, VIEWERS + 1, 2 * (VIEWERS + 1)); /* every 5 s, a bit late */
    room_free(r);
}

static void test_sound_takes_the_ticks_along(void **state)
{
    (void)state;
    struct room *r = full_room();
    size_t events;
    IGNORE(play(r, MONO_MS(20), &events)); /* the first reports are urgent */
    assert_int_equal(play(r, MONO_MS(20), &events), 0);
    assert_in_range(events, VIEWERS + 1, 2 * (VIEWERS + 1));
    room_free(r);
}

/* A tick is due at its time, and asked for when its slack is over. */
static void test_a_tick_has_its_slack(void **state)
{
    (void)state;
    struct room *r = room_new(); /* a peer and two tracks, as old as the room */
    mono_us next = sfu_node_next_timeout(r->node);
    assert_false(sfu_node_is_due(r->node, next - SFU_TICK_SLACK - 1));
    assert_true(sfu_node_is_due(r->node, next - SFU_TICK_SLACK));
    room_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_peers_wake_together),
        cmocka_unit_test(test_sound_takes_the_ticks_along),
        cmocka_unit_test(test_a_tick_has_its_slack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
