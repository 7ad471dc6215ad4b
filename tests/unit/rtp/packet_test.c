/*
 * Goal: RTP headers and header extensions are read and written as RFC 3550, 5.1 and RFC 8285 say.
 * Method: packets in hex with the expected fields or the refusal; the extension example of RFC
 * 8285, 4.2; values written by our writer are read back, in both forms.
 */
#include "base/encode.h"
#include "base/err.h"
#include "rtp/ext.h"
#include "rtp/rtx.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

struct parse_case {
    const char *name;
    const char *hex;
    int result;
    uint16_t header_size, payload_size, ext_size;
    uint8_t padding_size;
};

static const struct parse_case parse_cases[] = {
    {"plain", "80e0123400000001000000020a0b", 0, 12, 2, 0, 0},
    {"no payload", "806012340000000100000002", 0, 12, 0, 0, 0},
    {"two CSRCs", "826012340000000100000002aaaaaaaabbbbbbbbff", 0, 20, 1, 0, 0},
    {"extension", "906012340000000100000002bede000110ff0000cc", 0, 20, 1, 4, 0},
    {"empty extension", "906012340000000100000002bede0000cc", 0, 16, 1, 0, 0},
    {"padding", "a06012340000000100000002aa0003", 0, 12, 0, 0, 3},
    {"padding and payload", "a06012340000000100000002aabb0002", 0, 12, 2, 0, 2},
    {"padding only", "a0601234000000010000000200000004", 0, 12, 0, 0, 4},
    {"version 1", "406012340000000100000002", ERR_RTP_HEADER, 0, 0, 0, 0},
    {"eleven bytes", "8060123400000001000000", ERR_RTP_HEADER, 0, 0, 0, 0},
    {"CSRC cut off", "816012340000000100000002aaaaaa", ERR_RTP_HEADER, 0, 0, 0, 0},
    {"extension header cut off", "906012340000000100000002bede", ERR_RTP_HEADER, 0, 0, 0, 0},
    {"extension cut off", "906012340000000100000002bede000210ff0000", ERR_RTP_HEADER, 0, 0, 0, 0},
    {"extension of 1,024 bytes", "906012340000000100000002bede010010ff0000", ERR_RTP_HEADER, 0, 0,
     0, 0},
    {"zero padding", "a06012340000000100000002aa00", ERR_RTP_HEADER, 0, 0, 0, 0},
    {"padding beyond the payload", "a06012340000000100000002aa03", ERR_RTP_HEADER, 0, 0, 0, 0},
    {"padding without a byte", "a06012340000000100000002", ERR_RTP_HEADER, 0, 0, 0, 0},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(parse_cases); i++) {
        const struct parse_case *c = &parse_cases[i];
        uint8_t data[128];
        int size = hex_decode(c->hex, data, sizeof(data));
        struct rtp_view v = {0};
        int result = rtp_parse(data, (size_t)size, &v);
        if (result != c->result)
            fail_msg("%s: %d instead of %d", c->name, result, c->result);
        if (result < 0)
            continue;
        assert_int_equal(v.header_size, c->header_size);
        assert_int_equal(v.payload_size, c->payload_size);
        assert_int_equal(v.ext_size, c->ext_size);
        assert_int_equal(v.padding_size, c->padding_size);
        assert_int_equal(v.pt, 0x60);
        assert_int_equal(v.seq, 0x1234);
        assert_int_equal(v.ts, 1);
        assert_int_equal(v.ssrc, 2);
        assert_ptr_equal(v.payload, data + c->header_size);
    }
}

static void test_demultiplexing(void **state)
{
    (void)state;
    static const struct {
        uint8_t first, second;
        bool is_rtp, is_rtcp;
    } cases[] = {
        {0x80, 0x60, true, false},  {0x90, 0xe0, true, false},  {0x80, 200, false, true},
        {0x81, 205, false, true},   {0xa0, 192, false, true},   {0xbf, 223, false, true},
        {0x80, 191, true, false},   {0x80, 224, true, false},   {0x00, 0x01, false, false},
        {0x16, 0xfe, false, false}, {0xc0, 0x60, false, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t data[12] = {cases[i].first, cases[i].second};
        assert_int_equal(rtp_looks_like_rtp(data, 12), cases[i].is_rtp);
        assert_int_equal(rtp_looks_like_rtcp(data, 12), cases[i].is_rtcp);
        assert_false(rtp_looks_like_rtp(data, 11));
        assert_false(rtp_looks_like_rtcp(data, 7));
    }
}

static void test_uris(void **state)
{
    (void)state;
    for (int i = RTP_EXT_NONE + 1; i < RTP_EXT_COUNT_; i++) {
        const char *uri = rtp_ext_uri((enum rtp_ext)i);
        assert_non_null(uri);
        assert_int_equal(rtp_ext_from_uri(uri, strlen(uri)), i);
        assert_int_equal(rtp_ext_from_uri(uri, strlen(uri) - 1), RTP_EXT_NONE);
    }
    assert_null(rtp_ext_uri(RTP_EXT_NONE));
    assert_null(rtp_ext_uri(RTP_EXT_COUNT_));
}

static void parse_hex(const char *hex, uint8_t *data, size_t data_size, struct rtp_view *v)
{
    int size = hex_decode(hex, data, data_size);
    assert_true(size > 0);
    assert_int_equal(rtp_parse(data, (size_t)size, v), 0);
}

/* The layouts drawn in RFC 8285: 4.2 (one-byte: L=0, L=1 with padding behind, L=3) and 4.3
 * (two-byte: L=0, L=1 with padding behind, L=4), with our ids. */
static void test_read_examples(void **state)
{
    (void)state;
    const struct rtp_ext_ids ids = {
        .id = {[RTP_EXT_AUDIO_LEVEL] = 1, [RTP_EXT_TWCC] = 2, [RTP_EXT_ABS_CAPTURE_TIME] = 3}};
    uint8_t data[64];
    struct rtp_view v;
    struct rtp_ext_set set;
    uint8_t level;
    uint16_t wide;
    bool is_voice;

    parse_hex("906000010000000100000002"
              "bede0003"
              "10b2"
              "21abcd"
              "0000"
              "3301020304",
              data, sizeof(data), &v);
    rtp_ext_read(&v, &ids, &set);
    assert_true(rtp_ext_get_audio_level(&set, &level, &is_voice));
    assert_int_equal(level, 0x32);
    assert_true(is_voice);
    assert_true(rtp_ext_get_twcc(&set, &wide));
    assert_int_equal(wide, 0xabcd);
    assert_int_equal(set.value[RTP_EXT_ABS_CAPTURE_TIME].size, 4);
    assert_memory_equal(set.value[RTP_EXT_ABS_CAPTURE_TIME].data, "\x01\x02\x03\x04", 4);

    parse_hex("906000010000000100000002"
              "10000003"
              "0100"
              "02011200"
              "030401020304",
              data, sizeof(data), &v);
    rtp_ext_read(&v, &ids, &set);
    assert_false(rtp_ext_get_audio_level(&set, &level, &is_voice));
    assert_non_null(rtp_ext_find(&set, RTP_EXT_AUDIO_LEVEL));
    assert_int_equal(set.value[RTP_EXT_AUDIO_LEVEL].size, 0);
    assert_false(rtp_ext_get_twcc(&set, &wide)); /* one byte is too short */
    assert_int_equal(set.value[RTP_EXT_ABS_CAPTURE_TIME].size, 4);
}

static void test_read_malformed(void **state)
{
    (void)state;
    const struct rtp_ext_ids ids = {.id = {[RTP_EXT_MID] = 1, [RTP_EXT_TWCC] = 2}};
    static const struct {
        const char *name, *hex;
        bool has_mid, has_twcc;
    } cases[] = {
        {"id 15 ends the block",
         "bede0002"
         "1030f000"
         "21abcd00",
         true, false},
        {"id 0 with a length ends the block",
         "bede0002"
         "1030"
         "0100"
         "21abcd00",
         true, false},
        {"an element over the end",
         "bede0001"
         "10302aff",
         true, false},
        {"two-byte element over the end",
         "10000001"
         "0105aabb",
         false, false},
        {"two-byte id without length",
         "10000001"
         "00000001",
         false, false},
        {"an unknown profile",
         "abcd0001"
         "103021ab",
         false, false},
        {"appbits are ignored",
         "10050002"
         "01013000"
         "0202abcd",
         true, true},
        {"the first of two wins",
         "bede0001"
         "10301031",
         true, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char hex[128] = "906000010000000100000002";
        strcat(hex, cases[i].hex);
        uint8_t data[64];
        struct rtp_view v;
        struct rtp_ext_set set;
        char mid[RTP_MID_SIZE] = "";
        uint16_t wide;
        parse_hex(hex, data, sizeof(data), &v);
        rtp_ext_read(&v, &ids, &set);
        bool has_mid = rtp_ext_get_text(&set, RTP_EXT_MID, mid, sizeof(mid));
        bool has_twcc = rtp_ext_get_twcc(&set, &wide);
        if (has_mid != cases[i].has_mid || has_twcc != cases[i].has_twcc)
            fail_msg("%s: mid %d, twcc %d", cases[i].name, has_mid, has_twcc);
        if (has_mid)
            assert_string_equal(mid, "0");
    }
}

static void test_text_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint8_t size;
        bool is_good;
    } cases[] = {
        {"q", 1, true},
        {"a-b_C.9", 7, true},
        {"", 0, false},
        {"a b", 3, false},
        {"a\0b", 3, false},
        {"\xff", 1, false},
        {"0123456789abcdef", 16, true},
        {"0123456789abcdefg", 17, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rtp_ext_set set = {0};
        rtp_ext_add(&set, RTP_EXT_RID, (const uint8_t *)cases[i].text, cases[i].size);
        char text[RTP_RID_SIZE];
        assert_int_equal(rtp_ext_get_text(&set, RTP_EXT_RID, text, sizeof(text)), cases[i].is_good);
    }
}

static void test_writer(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t mid_id, twcc_id;
        const char *mid;
        int result;
        uint16_t profile;
    } cases[] = {
        {"one-byte", 4, 3, "12", 12 + 4 + 8, RTP_EXT_ONE_BYTE},
        {"only one negotiated", 4, 0, "abc", 12 + 4 + 4, RTP_EXT_ONE_BYTE},
        {"none negotiated", 0, 0, "abc", 12, 0},
        {"a high id asks for two bytes", 4, 15, "12", 12 + 4 + 8, RTP_EXT_TWO_BYTE},
        {"a long value asks for two bytes", 4, 3, "0123456789abcdefg", 12 + 4 + 24,
         RTP_EXT_TWO_BYTE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct rtp_ext_ids ids = {
            .id = {[RTP_EXT_MID] = cases[i].mid_id, [RTP_EXT_TWCC] = cases[i].twcc_id}};
        const struct rtp_header header = {
            .is_marker = true, .pt = 96, .seq = 7, .ts = 8, .ssrc = 9};
        uint8_t dst[64], wide[2] = {0xab, 0xcd};
        struct rtp_ext_writer w;
        rtp_ext_writer_init(&w, dst, sizeof(dst), &header, &ids);
        rtp_ext_put(&w, RTP_EXT_MID, cases[i].mid, (uint8_t)strlen(cases[i].mid));
        rtp_ext_put(&w, RTP_EXT_TWCC, wide, 2);
        int size = rtp_ext_writer_finish(&w);
        if (size != cases[i].result)
            fail_msg("%s: %d instead of %d", cases[i].name, size, cases[i].result);

        struct rtp_view v;
        struct rtp_ext_set set;
        assert_int_equal(rtp_parse(dst, (size_t)size, &v), 0);
        assert_true(v.is_marker);
        assert_int_equal(v.pt, 96);
        assert_int_equal(v.seq, 7);
        assert_int_equal(v.ts, 8);
        assert_int_equal(v.ssrc, 9);
        assert_int_equal(v.ext_profile, cases[i].profile);
        rtp_ext_read(&v, &ids, &set);
        assert_int_equal(rtp_ext_find(&set, RTP_EXT_MID) != NULL, cases[i].mid_id != 0);
        assert_int_equal(rtp_ext_find(&set, RTP_EXT_TWCC) != NULL, cases[i].twcc_id != 0);
        if (cases[i].mid_id != 0)
            assert_memory_equal(set.value[RTP_EXT_MID].data, cases[i].mid, strlen(cases[i].mid));
    }
}

static void test_writer_without_room(void **state)
{
    (void)state;
    const struct rtp_ext_ids ids = {.id = {[RTP_EXT_MID] = 1}};
    const struct rtp_header header = {.pt = 96};
    for (size_t room = RTP_HEADER_SIZE; room < RTP_HEADER_SIZE + 8; room++) {
        uint8_t dst[32];
        struct rtp_ext_writer w;
        rtp_ext_writer_init(&w, dst, room, &header, &ids);
        rtp_ext_put(&w, RTP_EXT_MID, "0", 1);
        assert_int_equal(rtp_ext_writer_finish(&w), ERR_NO_SPACE);
    }
}

static void test_rtx_round_trip(void **state)
{
    (void)state;
    uint8_t original[64], rtx[64];
    int size = hex_decode("b0e0fffe0000000100000002bede000110ff0000aabbcc000003", original,
                          sizeof(original));
    int rtx_size = rtp_rtx_encapsulate(original, (size_t)size, 0x77, 97, 42, rtx, sizeof(rtx));
    assert_int_equal(rtx_size, 12 + 2 + 3);
    struct rtp_view v;
    assert_int_equal(rtp_parse(rtx, (size_t)rtx_size, &v), 0);
    assert_int_equal(v.ssrc, 0x77);
    assert_int_equal(v.pt, 97);
    assert_int_equal(v.seq, 42);
    assert_memory_equal(v.payload, "\xff\xfe\xaa\xbb\xcc", 5);

    int back = rtp_rtx_decapsulate(rtx, (size_t)rtx_size, 2, 0x60);
    assert_int_equal(back, 12 + 3);
    assert_int_equal(rtp_parse(rtx, (size_t)back, &v), 0);
    assert_int_equal(v.ssrc, 2);
    assert_int_equal(v.pt, 0x60);
    assert_int_equal(v.seq, 0xfffe);
    assert_true(v.is_marker);
    assert_memory_equal(v.payload, "\xaa\xbb\xcc", 3);
}

static void test_rtx_refused(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        int result;
    } cases[] = {
        {"806112340000000100000002", 0},                           /* empty */
        {"a0611234000000010000000200000004", 0},                   /* padding for probing */
        {"806112340000000100000002aa", ERR_RTP_HEADER},            /* half an OSN */
        {"a06112340000000100000002aabb0002", 12 + 2},              /* OSN, no payload, padding */
        {"906112340000000100000002bede000110ff0000aabbcc", 20 + 1} /* extensions stay */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t data[64];
        int size = hex_decode(cases[i].hex, data, sizeof(data));
        assert_int_equal(rtp_rtx_decapsulate(data, (size_t)size, 5, 96), cases[i].result);
    }
    uint8_t dst[14];
    const uint8_t original[13] = {0x80, 96};
    assert_int_equal(rtp_rtx_encapsulate(original, 13, 1, 2, 3, dst, sizeof(dst)), ERR_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),          cmocka_unit_test(test_demultiplexing),
        cmocka_unit_test(test_uris),           cmocka_unit_test(test_read_examples),
        cmocka_unit_test(test_read_malformed), cmocka_unit_test(test_text_is_checked),
        cmocka_unit_test(test_writer),         cmocka_unit_test(test_writer_without_room),
        cmocka_unit_test(test_rtx_round_trip), cmocka_unit_test(test_rtx_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
