/*
 * Goal: what can wait is read at once in a small or a quiet room, together in a large one, never
 * later than a rest, and never forgotten.
 * Method: messages at made-up times, a worker that does what worker.c's loop does, virtual time.
 */
#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "base/rng.h"
#include "server/worker_patience.h"

static void test_rests(void **state)
{
    (void)state;
    assert_int_equal(worker_patience_rest(0, 0), 0);
    assert_int_equal(worker_patience_rest(PATIENCE_PEERS_MIN - 1, 0), 0);
    assert_int_equal(worker_patience_rest(PATIENCE_PEERS_MIN - 1, 5), 0);
    assert_int_equal(worker_patience_rest(PATIENCE_PEERS_MIN, 0), PATIENCE_REST);
    assert_int_equal(worker_patience_rest(PATIENCE_PEERS_MIN, 1), PATIENCE_REST_JOINING);
    assert_int_equal(worker_patience_rest(UINT32_MAX, 0), PATIENCE_REST);
}

#define MESSAGES 4000

struct room {
    mono_us came[MESSAGES];
    size_t count, read; /* messages in all; of these, read */
    mono_us waited_max;
    size_t wakes; /* for these messages, not for media */
};

/* `peers` each say something once a second for `time`; media comes every `media_every`, if not 0.
 */
static void play(struct room *r, uint32_t peers, mono_us time, mono_us media_every)
{
    struct worker_patience p = {0};
    mono_us rest = worker_patience_rest(peers, 0), now = 0;
    mono_us media = media_every > 0 ? media_every : MONO_NEVER;
    while (now < time || r->read < r->count) {
        mono_us message = r->read < r->count ? r->came[r->read] : MONO_NEVER;
        mono_us wake = TK_MIN(worker_patience_next(&p), p.is_resting ? MONO_NEVER : message);
        bool is_media = media <= wake;
        now = TK_MAX(now, TK_MIN(wake, media));
        if (now == MONO_NEVER)
            break;
        if (is_media)
            media += media_every;
        else
            r->wakes++;
        if (!worker_patience_wants(&p, !p.is_resting && message <= now))
            continue;
        int count = 0;
        for (; r->read < r->count && r->came[r->read] <= now; r->read++, count++)
            r->waited_max = TK_MAX(r->waited_max, now - r->came[r->read]);
        worker_patience_read(&p, count, false, rest, now);
    }
}

static void fill(struct room *r, uint32_t peers, mono_us time)
{
    struct rng rng;
    rng_init_seeded(&rng, 7);
    *r = (struct room){0};
    mono_us at = 0;
    while (r->count < MESSAGES && at < time) {
        at += (mono_us)rng_below(&rng, 2 * 1000000 / peers + 1);
        r->came[r->count++] = at;
    }
}

static void test_a_small_room_waits_for_nothing(void **state)
{
    (void)state;
    static struct room r;
    fill(&r, 19, MONO_S(10));
    play(&r, 19, MONO_S(10), 0);
    assert_int_equal(r.read, r.count);
    assert_int_equal(r.waited_max, 0);
}

static void test_a_large_room_is_read_together(void **state)
{
    (void)state;
    static struct room r;
    fill(&r, 300, MONO_S(10));
    assert_true(r.count > 2000);
    play(&r, 300, MONO_S(10), 0);
    assert_int_equal(r.read, r.count);
    assert_in_range(r.waited_max, 1, PATIENCE_REST);
    assert_in_range(r.wakes, 1, (size_t)(MONO_S(10) / PATIENCE_REST) + 50);
}

/* Sound every 20 ms: its wake-ups are enough, in whatever room rests at all. */
static void test_media_takes_it_along(void **state)
{
    (void)state;
    static const uint32_t peers[] = {20, 40, 100, 300};
    static struct room r;
    for (size_t i = 0; i < ARRAY_COUNT(peers); i++) {
        fill(&r, peers[i], MONO_S(10));
        play(&r, peers[i], MONO_S(10), MONO_MS(20));
        assert_int_equal(r.read, r.count);
        assert_in_range(r.waited_max, 1, MONO_MS(20));
        assert_in_range(r.wakes, 0, 10); /* until two have come close together */
    }
}

/* Without media, a rest that ends in vain costs a wake-up more: few of them. */
static void test_a_thin_stream_costs_little_more(void **state)
{
    (void)state;
    static struct room r;
    fill(&r, 20, MONO_S(60));
    play(&r, 20, MONO_S(60), 0);
    assert_int_equal(r.read, r.count);
    assert_in_range(r.waited_max, 0, PATIENCE_REST);
    assert_in_range(r.wakes, 1, r.count + r.count / 4);
}

/* Resting since two messages came within a rest of each other; the second at `now`. */
static struct worker_patience resting(mono_us rest, mono_us now)
{
    struct worker_patience p = {0};
    worker_patience_read(&p, 1, false, rest, now - 1000);
    assert_false(p.is_resting); /* one alone is no reason */
    assert_true(worker_patience_wants(&p, true));
    assert_false(worker_patience_wants(&p, false));
    worker_patience_read(&p, 1, false, rest, now);
    assert_true(p.is_resting);
    assert_true(worker_patience_wants(&p, false));
    assert_int_equal(worker_patience_next(&p), now + rest);
    return p;
}

/* A look that happens anyway begins the rest anew, even if it was in vain; one at the end of a rest
 * that was in vain is the last: who comes now is heard at once. */
static void test_a_quiet_queue_is_armed_again(void **state)
{
    (void)state;
    mono_us rest = worker_patience_rest(300, 0), now = MONO_S(1);
    struct worker_patience p = resting(rest, now);
    now += rest - 1;
    worker_patience_read(&p, 0, false, rest, now);
    assert_int_equal(worker_patience_next(&p), now + rest);
    now += rest;
    worker_patience_read(&p, 0, false, rest, now);
    assert_false(p.is_resting);
    assert_int_equal(worker_patience_next(&p), MONO_NEVER);
}

static void test_more_than_a_turn_reads_goes_on_at_once(void **state)
{
    (void)state;
    mono_us rest = worker_patience_rest(300, 0), now = MONO_S(1);
    struct worker_patience p = resting(rest, now);
    worker_patience_read(&p, 128, true, rest, now + 50);
    assert_int_equal(worker_patience_next(&p), now + 50);
    worker_patience_read(&p, 3, false, rest, now + 100);
    assert_int_equal(worker_patience_next(&p), now + 100 + rest);
}

/* The room empties during a rest: the queue is armed, whatever was in it. */
static void test_a_room_that_empties_ends_the_rest(void **state)
{
    (void)state;
    struct worker_patience p = resting(worker_patience_rest(300, 0), MONO_S(1));
    worker_patience_read(&p, 5, false, worker_patience_rest(3, 0), MONO_S(1) + 10);
    assert_false(p.is_resting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rests),
        cmocka_unit_test(test_a_small_room_waits_for_nothing),
        cmocka_unit_test(test_a_large_room_is_read_together),
        cmocka_unit_test(test_media_takes_it_along),
        cmocka_unit_test(test_a_thin_stream_costs_little_more),
        cmocka_unit_test(test_a_quiet_queue_is_armed_again),
        cmocka_unit_test(test_more_than_a_turn_reads_goes_on_at_once),
        cmocka_unit_test(test_a_room_that_empties_ends_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
