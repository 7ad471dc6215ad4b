/*
 * Goal: missing packets are asked for after a short wait, again per round trip, at most ten times,
 * and given up by age; nothing that arrived is asked for; memory and work stay bounded.
 * Method: cases on the time axis; then seeded runs over a lossy, reordering, duplicating network
 * in which asked packets come back with luck.
 */
#include "base/rng.h"
#include "rtp/nack.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static struct rtp_nack nack;

static void init(mono_us age_max)
{
    rtp_nack_fini(&nack); /* of the test before */
    struct rtp_nack_config config = rtp_nack_config_default();
    config.age_max = age_max;
    rtp_nack_init(&nack, &config);
    rtp_nack_set_rtt(&nack, MONO_MS(50));
}

static void receive(uint64_t seq, mono_us now)
{
    rtp_nack_packet(&nack, seq, seq > nack.newest ? RTP_SEQ_NEWEST : RTP_SEQ_LATE, now);
}

static size_t poll(mono_us now, uint16_t *seqs)
{
    return rtp_nack_poll(&nack, now, seqs, 32);
}

static void test_asks_after_the_wait(void **state)
{
    (void)state;
    uint16_t seqs[32];
    init(MONO_S(1));
    receive(65535, 0);
    receive(65539, MONO_MS(1));
    assert_int_equal(rtp_nack_next_at(&nack), MONO_MS(11));
    assert_int_equal(poll(MONO_MS(10), seqs), 0);
    receive(65536, MONO_MS(10)); /* only reordered */
    assert_int_equal(poll(MONO_MS(11), seqs), 2);
    assert_int_equal(seqs[0], 1);
    assert_int_equal(seqs[1], 2);
    assert_int_equal(poll(MONO_MS(11), seqs), 0);
    assert_int_equal(rtp_nack_next_at(&nack), MONO_MS(61));
    receive(65537, MONO_MS(40));
    assert_int_equal(nack.recovered, 1);
    assert_int_equal(poll(MONO_MS(61), seqs), 1);
    assert_int_equal(seqs[0], 2);
    receive(65538, MONO_MS(70));
    assert_int_equal(rtp_nack_next_at(&nack), MONO_NEVER);
    assert_false(rtp_nack_take_lost(&nack));
}

static void test_ten_times(void **state)
{
    (void)state;
    uint16_t seqs[32];
    init(MONO_S(60));
    receive(100, 0);
    receive(102, 0);
    int asked = 0;
    for (mono_us now = 0; now < MONO_S(5); now += MONO_MS(1))
        asked += (int)poll(now, seqs);
    assert_int_equal(asked, RTP_NACK_TRIES_MAX);
    assert_int_equal(nack.missing_count, 0);
    assert_true(rtp_nack_take_lost(&nack));
    assert_false(rtp_nack_take_lost(&nack));
    assert_int_equal(nack.given_up, 1);
}

static void test_age(void **state)
{
    (void)state;
    uint16_t seqs[32];
    init(MONO_MS(200));
    receive(100, 0);
    receive(102, 0);
    int asked = 0;
    for (mono_us now = 0; now <= MONO_MS(400); now += MONO_MS(1))
        asked += (int)poll(now, seqs);
    assert_int_equal(asked, 4); /* at 10, 60, 110 and 160 ms */
    assert_int_equal(nack.missing_count, 0);
    assert_true(rtp_nack_take_lost(&nack));
}

static void test_bounds(void **state)
{
    (void)state;
    uint16_t seqs[32];
    init(MONO_S(1));
    receive(100, 0);
    receive(100 + RTP_NACK_MISSING_MAX + 1, 0);
    assert_int_equal(nack.missing_count, RTP_NACK_MISSING_MAX);
    assert_false(rtp_nack_take_lost(&nack));
    receive(100 + RTP_NACK_MISSING_MAX + 3, 0); /* one more: the old ones go */
    assert_int_equal(nack.missing_count, 1);
    assert_true(rtp_nack_take_lost(&nack));
    receive(5000, 0); /* a gap longer than the list */
    assert_int_equal(nack.missing_count, 0);
    assert_true(rtp_nack_take_lost(&nack));
    assert_int_equal(poll(MONO_MS(20), seqs), 0);
}

/* The list is as long as it has to be, and nothing before the first loss. */
static void test_memory(void **state)
{
    (void)state;
    init(MONO_S(1));
    for (uint64_t seq = 100; seq < 300; seq++)
        receive(seq, 0);
    assert_null(nack.missing);
    uint16_t room = 0;
    for (uint64_t seq = 301; nack.missing_count < RTP_NACK_MISSING_MAX; seq += 2) {
        receive(seq, 0);
        assert_in_range(nack.missing_room, nack.missing_count, TK_MAX(2 * nack.missing_count, 16));
        assert_true(nack.missing_room >= room);
        room = nack.missing_room;
    }
    for (size_t i = 0; i < RTP_NACK_MISSING_MAX; i++)
        assert_int_equal(nack.missing[i].seq, 300 + 2 * i);
    assert_false(rtp_nack_take_lost(&nack));
}

static void test_forget_and_resync(void **state)
{
    (void)state;
    uint16_t seqs[32];
    init(MONO_S(1));
    receive(100, 0);
    receive(110, 0);
    rtp_nack_forget_before(&nack, 105);
    assert_int_equal(nack.missing_count, 5);
    assert_int_equal(nack.missing[0].seq, 105);
    rtp_nack_packet(&nack, 30000, RTP_SEQ_JUMP, 0);
    assert_int_equal(nack.missing_count, 5);
    rtp_nack_packet(&nack, 30001, RTP_SEQ_RESYNC, 0);
    assert_int_equal(nack.missing_count, 0);
    assert_true(rtp_nack_take_lost(&nack));
    receive(30003, 0);
    assert_int_equal(poll(MONO_MS(20), seqs), 1);
    assert_int_equal(seqs[0], 30002);
}

/* ---- seeded runs ---- */

#define COUNT 4000
#define FIRST (65536 + 64000) /* wraps on the way */

static struct {
    bool is_received[COUNT];
    uint8_t asked[COUNT];
    mono_us last_asked[COUNT];
    mono_us due[COUNT]; /* a copy on its way; 0 = none */
} run;

static void deliver(size_t i, mono_us now)
{
    run.is_received[i] = true;
    receive(FIRST + i, now);
}

static void deliver_due(size_t sent, mono_us now)
{
    for (size_t i = sent > 400 ? sent - 400 : 0; i < sent; i++) {
        if (run.due[i] == 0 || run.due[i] > now)
            continue;
        run.due[i] = 0;
        deliver(i, now);
    }
}

static void check_asked(struct rng *rng, const uint16_t *seqs, size_t count, mono_us now)
{
    for (size_t k = 0; k < count; k++) {
        size_t i = (size_t)(rtp_seq_expand(seqs[k], nack.newest) - FIRST);
        assert_true(i < COUNT);
        assert_false(run.is_received[i]);
        assert_true(run.asked[i] == 0 || now - run.last_asked[i] >= MONO_MS(50));
        run.asked[i]++;
        run.last_asked[i] = now;
        assert_true(run.asked[i] <= RTP_NACK_TRIES_MAX);
        if (rng_below(rng, 100) < 70 && run.due[i] == 0)
            run.due[i] = now + MONO_MS(40);
    }
}

static void run_seed(uint64_t seed)
{
    struct rng rng;
    rng_init_seeded(&rng, seed);
    memset(&run, 0, sizeof(run));
    init(MONO_S(1));
    uint32_t loss = rng_below(&rng, 30);
    mono_us now = MONO_S(1);
    for (size_t i = 0; i < COUNT; i++, now += MONO_MS(4)) {
        if (i > 0 && rng_below(&rng, 100) < loss)
            ; /* lost */
        else if (i > 0 && rng_below(&rng, 100) < 5)
            run.due[i] = now + MONO_MS(4) + rng_below(&rng, 30000);
        else
            deliver(i, now);
        if (run.is_received[i] && rng_below(&rng, 100) < 3)
            deliver(i, now);
        deliver_due(i, now);
        uint16_t seqs[16];
        for (size_t n; (n = rtp_nack_poll(&nack, now, seqs, 16)) > 0;)
            check_asked(&rng, seqs, n, now);
        assert_true(nack.missing_count <= RTP_NACK_MISSING_MAX);
        assert_true(rtp_nack_next_at(&nack) > now);
    }
    /* With 70 % of the answers arriving, nearly everything old must be there. */
    size_t missing = 0;
    for (size_t i = 0; i < COUNT - 300; i++)
        missing += !run.is_received[i];
    if (missing > COUNT / 500)
        fail_msg("seed %llu: %zu packets never came", (unsigned long long)seed, missing);
}

static void test_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_after_the_wait),
        cmocka_unit_test(test_ten_times),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_forget_and_resync),
        cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
