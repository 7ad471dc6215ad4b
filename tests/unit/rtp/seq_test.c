/*
 * Goal: sequence numbers are compared on the circle and extended over wraps; a jump is believed
 * only when the next packet follows it (RFC 3550, A.1).
 * Method: tables of received numbers with the expected result and extended number.
 */
#include "base/attrs.h"
#include "rtp/seq.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

static void test_newer(void **state)
{
    (void)state;
    assert_true(rtp_seq_newer(1, 0));
    assert_true(rtp_seq_newer(0, 65535));
    assert_false(rtp_seq_newer(65535, 0));
    assert_false(rtp_seq_newer(5, 5));
    assert_true(rtp_seq_newer(0x7fff, 0));
    assert_true(rtp_ts_newer(0, 0xffffffff));
    assert_false(rtp_ts_newer(0xffffffff, 0));
}

static void test_expand(void **state)
{
    (void)state;
    static const struct {
        uint16_t seq;
        uint64_t near, ext;
    } cases[] = {
        {5, 65536 + 3, 65536 + 5},
        {65535, 65536 * 2, 65536 * 2 - 1},
        {0, 65536 * 2 - 1, 65536 * 2},
        {0x8000, 65536 * 4, 65536 * 4 - 0x8000},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_int_equal(rtp_seq_expand(cases[i].seq, cases[i].near), cases[i].ext);
}

struct step {
    uint16_t seq;
    enum rtp_seq_result result;
    uint64_t ext; /* minus 65536; unused for a jump */
};

static void run(const struct step *steps, size_t count)
{
    struct rtp_seq_ext s;
    rtp_seq_ext_init(&s);
    for (size_t i = 0; i < count; i++) {
        uint64_t ext = 0;
        enum rtp_seq_result result = rtp_seq_ext_update(&s, steps[i].seq, &ext);
        if (result != steps[i].result)
            fail_msg("step %zu: result %d", i, result);
        if (result != RTP_SEQ_JUMP)
            assert_int_equal(ext, steps[i].ext + 65536);
    }
}

static void test_update(void **state)
{
    (void)state;
    static const struct step wraps[] = {
        {65534, RTP_SEQ_NEWEST, 65534}, {65535, RTP_SEQ_NEWEST, 65535}, {1, RTP_SEQ_NEWEST, 65537},
        {0, RTP_SEQ_LATE, 65536},       {65535, RTP_SEQ_LATE, 65535},   {1, RTP_SEQ_LATE, 65537},
        {3001, RTP_SEQ_NEWEST, 68537},
    };
    static const struct step jumps[] = {
        {100, RTP_SEQ_NEWEST, 100}, {30000, RTP_SEQ_JUMP, 0},       {101, RTP_SEQ_NEWEST, 101},
        {30001, RTP_SEQ_JUMP, 0},   {30002, RTP_SEQ_RESYNC, 30002}, {30003, RTP_SEQ_NEWEST, 30003},
        {101, RTP_SEQ_JUMP, 0},     {102, RTP_SEQ_RESYNC, 65638},
    };
    static const struct step before_first[] = {
        {0, RTP_SEQ_NEWEST, 0},
        {65535, RTP_SEQ_LATE, (uint64_t)-1},
    };
    run(wraps, ARRAY_COUNT(wraps));
    run(jumps, ARRAY_COUNT(jumps));
    run(before_first, ARRAY_COUNT(before_first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newer),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
