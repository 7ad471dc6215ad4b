/*
 * Goal: DCEP messages are read and written as RFC 8832 says, and nothing else is taken for one.
 * Method: tables of bytes; every message cut at every place.
 */
#include "unit/cmocka_all.h"

#include "base/err.h"
#include "dchan/dchan_internal.h"

#include <string.h>

#define OPEN(type, r3, label_size, protocol_size) \
    "\x03" type "\x01\x00"                        \
    "\x00\x00\x00" r3 "\x00" label_size "\x00" protocol_size

static const struct {
    const char *bytes;
    size_t size;
    bool is_ordered, is_lossy, is_timed;
    uint32_t reliability;
    const char *label;
} good[] = {
    {OPEN("\x00", "\x00", "\x09", "\x00") "_reliable", 21, true, false, false, 0, "_reliable"},
    {OPEN("\x81", "\x00", "\x06", "\x00") "_lossy", 18, false, true, false, 0, "_lossy"},
    {OPEN("\x01", "\x05", "\x01", "\x02") "xpq", 15, true, true, false, 5, "x"},
    {OPEN("\x82", "\x64", "\x00", "\x00"), 12, false, true, true, 100, ""},
    {OPEN("\x80", "\x07", "\x00", "\x00"), 12, false, false, false, 0, ""},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        enum dchan__dcep_kind kind = DCHAN__DCEP_ACK;
        struct dchan__open open;
        const uint8_t *bytes = (const uint8_t *)good[i].bytes;
        assert_int_equal(dchan__dcep_parse(bytes, good[i].size, &kind, &open), 0);
        assert_int_equal(kind, DCHAN__DCEP_OPEN);
        assert_int_equal(open.is_ordered, good[i].is_ordered);
        assert_int_equal(open.is_lossy, good[i].is_lossy);
        assert_int_equal(open.is_timed, good[i].is_timed);
        assert_int_equal(open.reliability, good[i].reliability);
        assert_string_equal(open.label, good[i].label);
        for (size_t n = 0; n < good[i].size; n++)
            assert_int_equal(dchan__dcep_parse(bytes, n, &kind, &open), ERR_MALFORMED);
    }
}

static void test_print_gives_what_parse_reads(void **state)
{
    (void)state;
    uint8_t out[DCHAN__OPEN_SIZE_MAX];
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        enum dchan__dcep_kind kind;
        struct dchan__open open, again;
        memset(&open, 0, sizeof(open));
        memset(&again, 0, sizeof(again));
        assert_int_equal(
            dchan__dcep_parse((const uint8_t *)good[i].bytes, good[i].size, &kind, &open), 0);
        size_t size = dchan__dcep_print_open(&open, out);
        assert_int_equal(dchan__dcep_parse(out, size, &kind, &again), 0);
        assert_memory_equal(&open, &again, sizeof(open));
    }
    assert_int_equal(out[0], 3);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"", 0},
        {"\x00", 1},
        {"\x04", 1},
        {OPEN("\x03", "\x00", "\x00", "\x00"), 12},       /* unknown type */
        {OPEN("\x00", "\x00", "\x02", "\x00") "abc", 15}, /* bytes left over */
        {OPEN("\x00", "\x00", "\x02", "\x00") "a\0", 14}, /* zero in the label */
        {OPEN("\x00", "\x00", "\xff", "\x00") "a", 13},
    };
    enum dchan__dcep_kind kind;
    struct dchan__open open;
    uint8_t long_label[12 + DCHAN_LABEL_SIZE] = {3};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(
            dchan__dcep_parse((const uint8_t *)bad[i].bytes, bad[i].size, &kind, &open),
            ERR_MALFORMED);
    memset(long_label + 12, 'a', DCHAN_LABEL_SIZE);
    long_label[9] = DCHAN_LABEL_SIZE;
    assert_int_equal(dchan__dcep_parse(long_label, sizeof(long_label), &kind, &open),
                     ERR_MALFORMED);
    long_label[9]--;
    assert_int_equal(dchan__dcep_parse(long_label, sizeof(long_label) - 1, &kind, &open), 0);
    assert_int_equal(strlen(open.label), DCHAN_LABEL_SIZE - 1);
    assert_int_equal(dchan__dcep_parse((const uint8_t *)"\x02", 1, &kind, &open), 0);
    assert_int_equal(kind, DCHAN__DCEP_ACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_print_gives_what_parse_reads),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
