/*
 * Goal: transport-wide feedback says exactly which packets arrived and when, in the format of
 * draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1, in bounded packets.
 * Method: packets laid out by hand from the draft's figures for the parser and the writer; then
 * seeded runs over a reordering, lossy, duplicating network with wraps, where the parsed feedback
 * is compared with what happened.
 */
#include "base/encode.h"
#include "base/err.h"
#include "base/rng.h"
#include "rtp/twcc.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static struct rtp_twcc twcc;

static struct rtcp_packet read_one(const uint8_t *data, size_t size)
{
    struct rtcp_reader r = rtcp_reader_init(data, size);
    struct rtcp_packet p;
    assert_int_equal(rtcp_next(&r, &p), 1);
    return p;
}

struct parse_case {
    const char *name;
    const char *hex;    /* from the base sequence number on */
    int result;         /* statuses or an error */
    const char *states; /* one character per status: . missing, or the index of a time */
    int64_t times[4];   /* us */
};

/* 3.1.3 run length chunk; 3.1.4 status vector chunks; 3.1.5 deltas. */
static const struct parse_case parse_cases[] = {
    {"a run of three small",
     "00050003"
     "00000107"
     "2003"
     "04080000",
     3,
     "012",
     {65000, 67000, 67000}},
    {"large and negative deltas",
     "00050002"
     "00000107"
     "4002"
     "0400ffff00000000",
     2,
     "01",
     {64000 + 256000, 64000 + 255750}},
    {"a missing run, then one",
     "ffff0004"
     "00000100"
     "0003"
     "2001"
     "04000000",
     4,
     "...0",
     {65000}},
    {"one-bit vector",
     "00000005"
     "00000100"
     "b400"
     "04040400",
     5,
     "01.2.",
     {65000, 66000, 67000}},
    {"two-bit vector",
     "00000004"
     "00000100"
     "d200"
     "04040400",
     4,
     "0.1.",
     {65000, 322000}},
    {"negative reference time",
     "00000001"
     "ffffff00"
     "2001"
     "04000000",
     1,
     "0",
     {-63000}},
    {"reserved symbol",
     "00000001"
     "00000100"
     "6001"
     "0000",
     ERR_MALFORMED,
     "",
     {0}},
    {"deltas cut off",
     "00000009"
     "00000100"
     "2009"
     "0404",
     ERR_MALFORMED,
     "",
     {0}},
    {"chunks cut off",
     "00000100"
     "00000100"
     "2001"
     "0000",
     ERR_MALFORMED,
     "",
     {0}},
    {"empty runs",
     "00000001"
     "00000100"
     "0000"
     "0000"
     "2001"
     "0404",
     1,
     "0",
     {65000}},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(parse_cases); i++) {
        const struct parse_case *c = &parse_cases[i];
        uint8_t data[64] = {0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2};
        int size = hex_decode(c->hex, data + 12, sizeof(data) - 12);
        size = (size + 3) / 4 * 4;
        data[3] = (uint8_t)((12 + size) / 4 - 1);
        struct rtcp_packet p = read_one(data, (size_t)size + 12);
        struct rtp_twcc_feedback f;
        struct rtp_twcc_status statuses[300];
        int result = rtp_twcc_parse(&p, &f, statuses, 300);
        if (result != c->result)
            fail_msg("%s: %d instead of %d", c->name, result, c->result);
        for (int k = 0; k < result && c->states[k] != '\0'; k++) {
            bool is_received = c->states[k] != '.';
            if (statuses[k].is_received != is_received)
                fail_msg("%s: status %d", c->name, k);
            assert_int_equal(statuses[k].seq, (uint16_t)(f.base_seq + k));
            int64_t at = is_received ? c->times[c->states[k] - '0'] : 0;
            if (is_received && statuses[k].arrived_us != at)
                fail_msg("%s: status %d at %lld", c->name, k, (long long)statuses[k].arrived_us);
        }
    }
}

static void test_vector_bits(void **state)
{
    (void)state;
    uint8_t data[64] = {0x8f, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2};
    /* 1 0 | 0 1 1 0 1 …: symbols 1, 2 and 4 arrived */
    int size = hex_decode("00000005"
                          "00000100"
                          "9a00"
                          "04040400"
                          "0000",
                          data + 12, 52);
    assert_int_equal(size, 16);
    struct rtcp_packet p = read_one(data, 28);
    struct rtp_twcc_feedback f;
    struct rtp_twcc_status s[8];
    assert_int_equal(rtp_twcc_parse(&p, &f, s, 8), 5);
    static const bool expected[5] = {false, true, true, false, true};
    for (int i = 0; i < 5; i++)
        assert_int_equal(s[i].is_received, expected[i]);
    assert_int_equal(rtp_twcc_parse(&p, &f, s, 2), 2); /* cut */
}

static int poll(mono_us now, uint8_t *buf, size_t buf_size, size_t *ret_size)
{
    struct wr w = wr_init(buf, buf_size);
    int result = rtp_twcc_poll(&twcc, 1, 2, now, &w);
    *ret_size = wr_size(&w);
    assert_false(w.is_bad);
    return result;
}

static void test_write(void **state)
{
    (void)state;
    uint8_t buf[2000];
    size_t size;
    rtp_twcc_init(&twcc, MONO_MS(50));
    assert_int_equal(rtp_twcc_next_at(&twcc), MONO_NEVER);
    rtp_twcc_packet(&twcc, 0xfffe, 64000 * 16 + 1000);
    rtp_twcc_packet(&twcc, 0xffff, 64000 * 16 + 2000);
    rtp_twcc_packet(&twcc, 2, 64000 * 16 + 2500);
    rtp_twcc_packet(&twcc, 1, 64000 * 16 + 3500); /* reordered */
    rtp_twcc_packet(&twcc, 1, 64000 * 16 + 9000); /* duplicate */
    mono_us due = rtp_twcc_next_at(&twcc);
    assert_int_equal(due, 64000 * 16 + 1000 + MONO_MS(50));
    assert_int_equal(poll(due - 1, buf, sizeof(buf), &size), 0);
    assert_int_equal(poll(due, buf, sizeof(buf), &size), 1);
    /* Base fffe, 5 statuses, reference 16, report 0; symbols 1 1 0 1 2 in one 2-bit chunk; deltas
     * +4 +4 +6 and, large, -4; one byte of padding. */
    uint8_t expected[64];
    int expected_size = hex_decode("afcd00060000000100000002fffe000500001000"
                                   "d460040406fffc01",
                                   expected, sizeof(expected));
    assert_int_equal(size, expected_size);
    assert_memory_equal(buf, expected, size);
    struct rtcp_packet p = read_one(buf, size);
    struct rtp_twcc_feedback f;
    struct rtp_twcc_status s[16];
    assert_int_equal(rtp_twcc_parse(&p, &f, s, 16), 5);
    assert_int_equal(f.base_seq, 0xfffe);
    assert_int_equal(f.reference_time, 16);
    static const int64_t at[5] = {1000, 2000, -1, 3500, 2500};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(s[i].is_received, at[i] >= 0);
        if (at[i] >= 0)
            assert_int_equal(s[i].arrived_us, 64000 * 16 + at[i]);
    }
    assert_int_equal(rtp_twcc_next_at(&twcc), MONO_NEVER);
    struct wr w = wr_init(buf, 100);
    rtp_twcc_packet(&twcc, 3, due + 1);
    assert_int_equal(rtp_twcc_poll(&twcc, 1, 2, due + MONO_S(1), &w), ERR_NO_SPACE);
}

/* A number reported as missing comes late: the next report goes back to it. */
static void test_late(void **state)
{
    (void)state;
    uint8_t buf[2000];
    size_t size;
    rtp_twcc_init(&twcc, MONO_MS(50));
    rtp_twcc_packet(&twcc, 10, MONO_S(1));
    rtp_twcc_packet(&twcc, 12, MONO_S(1));
    assert_int_equal(poll(MONO_S(2), buf, sizeof(buf), &size), 1);
    rtp_twcc_packet(&twcc, 11, MONO_S(2));
    assert_int_equal(poll(MONO_S(3), buf, sizeof(buf), &size), 1);
    struct rtcp_packet p = read_one(buf, size);
    struct rtp_twcc_feedback f;
    struct rtp_twcc_status s[16];
    assert_int_equal(rtp_twcc_parse(&p, &f, s, 16), 2);
    assert_int_equal(f.base_seq, 11);
    assert_int_equal(f.feedback_count, 1);
    assert_true(s[0].is_received && s[1].is_received);
    assert_int_equal(s[0].arrived_us, MONO_S(2));
    assert_int_equal(s[1].arrived_us, MONO_S(1));
}

static void test_jumps_are_bounded(void **state)
{
    (void)state;
    uint8_t buf[2000];
    size_t size;
    rtp_twcc_init(&twcc, MONO_MS(50));
    rtp_twcc_packet(&twcc, 10, MONO_S(1));
    rtp_twcc_packet(&twcc, 30000, MONO_S(1)); /* starts anew */
    assert_int_equal(poll(MONO_S(2), buf, sizeof(buf), &size), 1);
    struct rtcp_packet p = read_one(buf, size);
    struct rtp_twcc_feedback f;
    struct rtp_twcc_status s[16];
    assert_int_equal(rtp_twcc_parse(&p, &f, s, 16), 1);
    assert_int_equal(f.base_seq, 30000);
    assert_int_equal(poll(MONO_S(3), buf, sizeof(buf), &size), 0);
    /* 2,047 missing: one packet with a run */
    rtp_twcc_packet(&twcc, (uint16_t)(30000 + RTP_TWCC_WINDOW - 1), MONO_S(4));
    assert_int_equal(poll(MONO_S(5), buf, sizeof(buf), &size), 1);
    assert_true(size <= 32);
    assert_int_equal(poll(MONO_S(5), buf, sizeof(buf), &size), 0);
}

/* ---- seeded runs ---- */

#define COUNT 12000

static struct {
    mono_us arrived[COUNT]; /* 0 = not (yet) */
    bool is_reported[COUNT];
} run;

static void check_report(const uint8_t *buf, size_t size, uint16_t first, uint64_t newest,
                         uint8_t *expected_count)
{
    assert_true(size <= RTP_TWCC_PACKET_MAX);
    struct rtcp_packet p = read_one(buf, size);
    struct rtp_twcc_feedback f;
    static struct rtp_twcc_status s[4096];
    int n = rtp_twcc_parse(&p, &f, s, 4096);
    assert_true(n > 0);
    assert_int_equal(f.feedback_count, (*expected_count)++);
    for (int k = 0; k < n; k++) {
        uint16_t ahead = (uint16_t)(s[k].seq - (uint16_t)(first + newest));
        size_t i = (size_t)(newest + (uint64_t)(int64_t)(int16_t)ahead);
        assert_true(i < COUNT);
        assert_int_equal(s[k].is_received, run.arrived[i] != 0);
        if (!s[k].is_received)
            continue;
        int64_t off = s[k].arrived_us - run.arrived[i];
        assert_in_range(off + 250, 0, 500);
        run.is_reported[i] = true;
    }
}

static void run_seed(uint64_t seed)
{
    struct rng rng;
    rng_init_seeded(&rng, seed);
    memset(&run, 0, sizeof(run));
    rtp_twcc_init(&twcc, MONO_MS(50 + rng_below(&rng, 51)));
    uint16_t first = (uint16_t)rng_u32(&rng);
    uint32_t loss = rng_below(&rng, 40), late = rng_below(&rng, 20);
    uint8_t expected_count = 0;
    mono_us now = MONO_S(1);
    size_t held[32], held_count = 0, newest = 0;
    for (size_t i = 0; i < COUNT; i++) {
        now += rng_below(&rng, 3000) == 0 ? MONO_S(10) : rng_below(&rng, 2000);
        size_t arriving = i;
        if (i > 0 && rng_below(&rng, 100) < loss)
            continue;
        if (i > 0 && held_count < 32 && rng_below(&rng, 100) < late) {
            held[held_count++] = i;
            continue;
        }
        if (held_count > 0 && rng_below(&rng, 4) == 0) {
            size_t pick = rng_below(&rng, (uint32_t)held_count);
            size_t k = held[pick];
            held[pick] = held[--held_count];
            if (newest - k < RTP_TWCC_WINDOW) {
                rtp_twcc_packet(&twcc, (uint16_t)(first + k), now);
                run.arrived[k] = now;
            }
        }
        rtp_twcc_packet(&twcc, (uint16_t)(first + arriving), now);
        run.arrived[arriving] = now;
        newest = arriving;
        if (rng_below(&rng, 50) == 0)
            rtp_twcc_packet(&twcc, (uint16_t)(first + arriving), now + 5); /* duplicate */
        uint8_t buf[RTP_TWCC_PACKET_MAX];
        size_t size;
        while (poll(now, buf, sizeof(buf), &size) == 1)
            check_report(buf, size, first, newest, &expected_count);
        assert_true(rtp_twcc_next_at(&twcc) > now);
    }
    uint8_t buf[RTP_TWCC_PACKET_MAX];
    size_t size;
    while (poll(now + MONO_S(1), buf, sizeof(buf), &size) == 1)
        check_report(buf, size, first, newest, &expected_count);
    for (size_t i = 0; i < COUNT; i++)
        if (run.is_reported[i] != (run.arrived[i] != 0))
            fail_msg("seed %llu: packet %zu", (unsigned long long)seed, i);
}

static void test_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_vector_bits),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_jumps_are_bounded),
        cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
