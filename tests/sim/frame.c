#include "sim/frame.h"

#include "base/attrs.h"

#include <string.h>

/* The numbers go as nibbles with a bit set, so that no start code of H.264 can appear in them. */
#define NIBBLE 0x40

static const uint8_t vp8_key[10] = {0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00};
static const uint8_t vp8_delta[3] = {0x01, 0x00, 0x00};
static const uint8_t h264_key[] = {0, 0,    0,    1,    0x67, 0x42, 0xe0, 0x1f, 0, 0,    0,
                                   1, 0x68, 0xce, 0x3c, 0x80, 0,    0,    0,    1, 0x65, 0x88};
static const uint8_t h264_delta[] = {0, 0, 0, 1, 0x41, 0x9a};
static const uint8_t opus_head[] = {0x78};

struct head {
    const uint8_t *data;
    size_t size;
};

static struct head head_of(enum rtp_codec codec, bool is_keyframe)
{
    if (codec == RTP_CODEC_VP8)
        return is_keyframe ? (struct head){vp8_key, sizeof(vp8_key)}
                           : (struct head){vp8_delta, sizeof(vp8_delta)};
    if (codec == RTP_CODEC_H264)
        return is_keyframe ? (struct head){h264_key, sizeof(h264_key)}
                           : (struct head){h264_delta, sizeof(h264_delta)};
    return (struct head){opus_head, sizeof(opus_head)};
}

static uint8_t *put(uint8_t *at, uint64_t value, int bytes)
{
    for (int shift = bytes * 8 - 4; shift >= 0; shift -= 4)
        *at++ = (uint8_t)(NIBBLE | (value >> shift & 0x0f));
    return at;
}

static const uint8_t *get(const uint8_t *at, uint64_t *ret_value, int bytes)
{
    *ret_value = 0;
    for (int i = 0; i < bytes * 2; i++)
        *ret_value = *ret_value << 4 | (*at++ & 0x0f);
    return at;
}

#define NUMBERS_SIZE (2 * (4 + 4 + 1 + 1 + 1 + 4 + 4 + 8 + 2))

static uint8_t *put_numbers(uint8_t *at, const struct sim_frame *f)
{
    at = put(at, f->track, 4);
    at = put(at, f->ssrc, 4);
    at = put(at, f->layer, 1);
    at = put(at, f->temporal_id, 1);
    at = put(at, f->is_keyframe, 1);
    at = put(at, f->number, 4);
    at = put(at, f->ref, 4);
    at = put(at, (uint64_t)f->captured, 8);
    return put(at, f->filling, 2);
}

size_t sim_frame_write(enum rtp_codec codec, const struct sim_frame *f, uint8_t *dst)
{
    struct head head = head_of(codec, f->is_keyframe);
    CHECK(head.size + NUMBERS_SIZE + f->filling <= SIM_FRAME_MAX);
    memcpy(dst, head.data, head.size);
    uint8_t *at = put_numbers(dst + head.size, f);
    for (uint32_t i = 0, x = f->ssrc + f->number; i < f->filling; i++) {
        x = x * 1664525u + 1013904223u;
        *at++ = (uint8_t)(NIBBLE | x >> 26);
    }
    return (size_t)(at - dst);
}

static const uint8_t *get_numbers(const uint8_t *at, struct sim_frame *f)
{
    uint64_t v[9];
    static const int sizes[9] = {4, 4, 1, 1, 1, 4, 4, 8, 2};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
        at = get(at, &v[i], sizes[i]);
    *f = (struct sim_frame){.track = (uint32_t)v[0],
                            .ssrc = (uint32_t)v[1],
                            .layer = (uint8_t)v[2],
                            .temporal_id = (uint8_t)v[3],
                            .is_keyframe = v[4] != 0,
                            .number = (uint32_t)v[5],
                            .ref = (uint32_t)v[6],
                            .captured = (mono_us)v[7],
                            .filling = (uint16_t)v[8]};
    return at;
}

bool sim_frame_read(enum rtp_codec codec, const uint8_t *data, size_t size,
                    struct sim_frame *ret_frame)
{
    for (int is_keyframe = 0; is_keyframe < 2; is_keyframe++) {
        struct head head = head_of(codec, is_keyframe != 0);
        if (size < head.size + NUMBERS_SIZE || memcmp(data, head.data, head.size) != 0)
            continue;
        get_numbers(data + head.size, ret_frame);
        static uint8_t expected[SIM_FRAME_MAX];
        if (ret_frame->filling + head.size + NUMBERS_SIZE == size && size <= SIM_FRAME_MAX &&
            sim_frame_write(codec, ret_frame, expected) == size &&
            memcmp(expected, data, size) == 0)
            return true;
    }
    return false;
}
