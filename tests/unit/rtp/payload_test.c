/*
 * Goal: what the forwarder reads from payloads (keyframe, layers, picture ids) is what RFC 7741,
 * 9628, 6184 and the AV1 payload format say, for good and for malformed payloads.
 * Method: tables of payloads laid out from the RFCs' figures.
 */
#include "base/encode.h"
#include "base/err.h"
#include "rtp/payload.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

struct inspect_case {
    const char *name;
    enum rtp_codec codec;
    const char *hex;
    int result;
    bool is_start, is_key;
    uint8_t temporal, spatial;
    bool is_sync;
    uint16_t width, height;
};

#define BAD .result = ERR_MALFORMED

static const struct inspect_case cases[] = {
    {"vp8: key, no extension", RTP_CODEC_VP8,
     "10"
     "500500"
     "9d012a"
     "80026801",
     .is_start = true, .is_key = true, .width = 640, .height = 360},
    {"vp8: scaling bits are no size", RTP_CODEC_VP8,
     "10"
     "500500"
     "9d012a"
     "80426881",
     .is_start = true, .is_key = true, .width = 640, .height = 360},
    {"vp8: key cut before its size", RTP_CODEC_VP8,
     "10"
     "5005",
     .is_start = true, .is_key = true},
    {"vp8: inter", RTP_CODEC_VP8,
     "10"
     "51",
     .is_start = true},
    {"vp8: second packet of a key", RTP_CODEC_VP8,
     "00"
     "500500",
     .is_start = false},
    {"vp8: second partition", RTP_CODEC_VP8,
     "11"
     "50",
     .is_start = false},
    {"vp8: long picture id, tl0, tid 2, sync", RTP_CODEC_VP8,
     "90"
     "e0"
     "8123"
     "07"
     "a0"
     "51",
     .is_start = true, .temporal = 2, .is_sync = true},
    {"vp8: only a key index", RTP_CODEC_VP8,
     "90"
     "10"
     "df"
     "51",
     .is_start = true},
    {"vp8: empty", RTP_CODEC_VP8, "", BAD},
    {"vp8: descriptor only", RTP_CODEC_VP8, "10", BAD},
    {"vp8: extension cut off", RTP_CODEC_VP8,
     "90"
     "e0"
     "81",
     BAD},

    {"vp9: key, non-flexible", RTP_CODEC_VP9,
     "a8"
     "8001"
     "00"
     "05"
     "82",
     .is_start = true, .is_key = true},
    {"vp9: key with structure", RTP_CODEC_VP9,
     "8a"
     "01"
     "30"
     "014000b4"
     "02800168"
     "82",
     .is_start = true, .is_key = true, .width = 640, .height = 360},
    {"vp9: upper spatial layer of a key", RTP_CODEC_VP9,
     "a8"
     "8001"
     "03"
     "05"
     "82",
     .is_start = true, .spatial = 1},
    {"vp9: inter, tid 1, switch point", RTP_CODEC_VP9,
     "e8"
     "01"
     "30"
     "05"
     "86",
     .is_start = true, .temporal = 1, .is_sync = true},
    {"vp9: flexible inter, two references", RTP_CODEC_VP9,
     "f8"
     "01"
     "20"
     "03"
     "04"
     "86",
     .is_start = true, .temporal = 1},
    {"vp9: middle of a key", RTP_CODEC_VP9,
     "a0"
     "01"
     "00"
     "05"
     "82",
     .is_start = false},
    {"vp9: references cut off", RTP_CODEC_VP9,
     "f8"
     "01"
     "20"
     "03",
     BAD},
    {"vp9: structure cut off", RTP_CODEC_VP9,
     "8a"
     "01"
     "30"
     "0140",
     BAD},

    {"h264: IDR", RTP_CODEC_H264,
     "65"
     "88",
     .is_start = true, .is_key = true},
    {"h264: SPS", RTP_CODEC_H264,
     "67"
     "42",
     .is_start = true, .is_key = true},
    {"h264: slice", RTP_CODEC_H264,
     "41"
     "9a",
     .is_start = true},
    {"h264: later slice of a picture", RTP_CODEC_H264,
     "41"
     "5a",
     .is_start = false},
    {"h264: STAP-A of SPS and PPS", RTP_CODEC_H264,
     "78"
     "0002"
     "6742"
     "0002"
     "68ce",
     .is_start = true, .is_key = true},
    {"h264: STAP-A of SEI and slice", RTP_CODEC_H264,
     "78"
     "0002"
     "0605"
     "0002"
     "419a",
     .is_start = true},
    {"h264: FU-A start of an IDR", RTP_CODEC_H264,
     "7c"
     "85"
     "88",
     .is_start = true, .is_key = true},
    {"h264: FU-A middle of an IDR", RTP_CODEC_H264,
     "7c"
     "05"
     "88",
     .is_start = false},
    {"h264: FU-A start of a slice", RTP_CODEC_H264,
     "5c"
     "81"
     "9a",
     .is_start = true},
    {"h264: empty", RTP_CODEC_H264, "", BAD},
    {"h264: STAP-A beyond the end", RTP_CODEC_H264,
     "78"
     "0003"
     "6742",
     BAD},
    {"h264: STAP-A with an empty unit", RTP_CODEC_H264,
     "78"
     "0000",
     BAD},
    {"h264: FU-A without its header", RTP_CODEC_H264, "7c", BAD},

    {"av1: new sequence", RTP_CODEC_AV1,
     "18"
     "0a",
     .is_start = true, .is_key = true},
    {"av1: inter", RTP_CODEC_AV1,
     "10"
     "32",
     .is_start = true},
    {"av1: continued", RTP_CODEC_AV1,
     "90"
     "32",
     .is_start = false},
    {"av1: empty", RTP_CODEC_AV1, "", BAD},

    {"opus", RTP_CODEC_OPUS, "78", .is_start = true, .is_key = true},
    {"opus, silence", RTP_CODEC_OPUS, "", .is_start = true, .is_key = true},
    {"none", RTP_CODEC_NONE, "00", .result = ERR_UNSUPPORTED},
};

static void test_inspect(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct inspect_case *c = &cases[i];
        uint8_t data[64];
        int size = hex_decode(c->hex, data, sizeof(data));
        struct rtp_payload_info info = {0};
        int result = rtp_payload_inspect(c->codec, data, (size_t)size, NULL, &info);
        if (result != c->result || info.is_frame_start != c->is_start ||
            info.is_keyframe != c->is_key || info.temporal_id != c->temporal ||
            info.spatial_id != c->spatial || info.is_layer_sync != c->is_sync ||
            info.width != c->width || info.height != c->height)
            fail_msg("%s: %d start %d key %d tid %d sid %d sync %d %ux%u", c->name, result,
                     info.is_frame_start, info.is_keyframe, info.temporal_id, info.spatial_id,
                     info.is_layer_sync, info.width, info.height);
    }
}

static void test_dependency_descriptor(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        bool is_start, is_key;
    } dds[] = {
        {"800001"
         "80",
         true, true},            /* start of frame, structure present */
        {"800001", true, false}, /* mandatory fields only */
        {"000001"
         "80",
         false, false},
        {"c00001"
         "40",
         true, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(dds); i++) {
        uint8_t data[8];
        struct rtp_ext_set exts = {0};
        size_t size = hex_decode(dds[i].hex, data, sizeof(data));
        rtp_ext_add(&exts, RTP_EXT_DEPENDENCY_DESCRIPTOR, data, (uint8_t)size);
        struct rtp_payload_info info;
        assert_int_equal(
            rtp_payload_inspect(RTP_CODEC_AV1, (const uint8_t *)"\x10", 1, &exts, &info), 0);
        assert_int_equal(info.is_frame_start, dds[i].is_start);
        assert_int_equal(info.is_keyframe, dds[i].is_key);
    }
}

static void test_vp8_rewrite(void **state)
{
    (void)state;
    static const struct {
        const char *name, *before, *after;
    } rows[] = {
        {"nothing to write", "1051", "10"},
        {"long id, tl0, tid",
         "90e081230720"
         "51",
         "90e0b210ee20"},
        {"short id stays short", "90802351", "908010"},
        {"tl0 without id", "9040072051", "9040ee"},
        {"id without tl0", "9080812351", "9080b210"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        uint8_t data[16], expected[16], descriptor[RTP_VP8_DESCRIPTOR_MAX];
        int size = hex_decode(rows[i].before, data, sizeof(data));
        int expected_size = hex_decode(rows[i].after, expected, sizeof(expected));
        struct rtp_payload_info info;
        assert_int_equal(rtp_payload_inspect(RTP_CODEC_VP8, data, (size_t)size, NULL, &info), 0);
        assert_int_equal(info.descriptor_size, expected_size);
        rtp_vp8_rewrite(data, &info, 0x3210, 0xee, descriptor);
        if (memcmp(descriptor, expected, (size_t)expected_size) != 0)
            fail_msg("%s", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_dependency_descriptor),
        cmocka_unit_test(test_vp8_rewrite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
