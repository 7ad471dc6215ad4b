/*
 * Goal: frames cut by the packetisers come back whole from the depacketisers, in packets that keep
 * to RFC 7741 and RFC 6184; a lost packet costs exactly the frames it touches.
 * Method: small frames with the expected payloads byte by byte; seeded random frames there and
 * back, with and without loss.
 */
#include "base/encode.h"
#include "base/err.h"
#include "base/rng.h"
#include "rtp/depack.h"
#include "rtp/pack.h"
#include "rtp/payload.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define FRAME_MAX   40000
#define PAYLOAD_MAX 200

static uint8_t depack_buf[FRAME_MAX + 4096];

static void test_h264_bytes(void **state)
{
    (void)state;
    /* AUD, SPS, PPS and a slice, with 3- and 4-byte start codes and a trailing zero. */
    uint8_t frame[64], payload[64];
    int size = hex_decode("0000000109f0"
                          "000000016742aa"
                          "00000168ce"
                          "0000016588bb00",
                          frame, 64);
    struct rtp_pack p;
    bool is_last = false;
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_H264, frame, (size_t)size, 64), 0);
    int n = rtp_pack_next(&p, payload, sizeof(payload), &is_last);
    uint8_t expected[64];
    int expected_size = hex_decode("7800036742aa000268ce", expected, 64);
    assert_int_equal(n, expected_size);
    assert_memory_equal(payload, expected, (size_t)n);
    assert_false(is_last);
    n = rtp_pack_next(&p, payload, sizeof(payload), &is_last);
    assert_int_equal(n, 3);
    assert_memory_equal(payload, "\x65\x88\xbb", 3);
    assert_true(is_last);
    assert_int_equal(rtp_pack_next(&p, payload, sizeof(payload), &is_last), 0);
}

static void test_h264_fragments(void **state)
{
    (void)state;
    uint8_t frame[200] = {0, 0, 1, 0x65};
    memset(frame + 4, 0x77, sizeof(frame) - 4);
    struct rtp_pack p;
    bool is_last = false;
    uint8_t payload[64];
    static const uint8_t heads[4] = {0x85, 0x05, 0x05, 0x45}; /* S, -, -, E */
    static const int sizes[4] = {64, 64, 64, 2 + 196 - 3 * 62};
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_H264, frame, sizeof(frame), 64), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rtp_pack_next(&p, payload, sizeof(payload), &is_last), sizes[i]);
        assert_int_equal(payload[0], 0x7c);
        assert_int_equal(payload[1], heads[i]);
        assert_int_equal(is_last, i == 3);
    }
}

static void test_vp8_descriptor(void **state)
{
    (void)state;
    uint8_t frame[100] = {0x50}, payload[64];
    struct rtp_pack p;
    bool is_last;
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_VP8, frame, sizeof(frame), 64), 0);
    p.has_picture_id = true;
    p.picture_id = 0x7ffe;
    p.tl0 = 9;
    p.temporal_id = 1;
    p.is_layer_sync = true;
    assert_int_equal(rtp_pack_next(&p, payload, sizeof(payload), &is_last), 56);
    assert_memory_equal(payload, "\x90\xe0\xff\xfe\x09\x60\x50", 7);
    assert_int_equal(rtp_pack_next(&p, payload, sizeof(payload), &is_last), 56);
    assert_memory_equal(payload, "\x80\xe0\xff\xfe\x09\x60\x00", 7);
    assert_true(is_last);
}

static void test_refusals(void **state)
{
    (void)state;
    uint8_t frame[100] = {0};
    uint8_t payload[64];
    struct rtp_pack p;
    bool is_last;
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_VP9, frame, 100, 64), ERR_UNSUPPORTED);
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_RED, frame, 100, 64), ERR_UNSUPPORTED);
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_VP8, frame, 0, 64), ERR_MALFORMED);
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_VP8, frame, 100, 63), ERR_MALFORMED);
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_H264, frame, 100, 64), ERR_MALFORMED);
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_OPUS, frame, 100, 64), 0);
    assert_int_equal(rtp_pack_next(&p, payload, 64, &is_last), ERR_LIMIT);
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_VP8, frame, 100, 64), 0);
    assert_int_equal(rtp_pack_next(&p, payload, 63, &is_last), ERR_NO_SPACE);
    struct rtp_depack d;
    assert_int_equal(rtp_depack_init(&d, RTP_CODEC_AV1, payload, 64), ERR_UNSUPPORTED);
}

/* ---- seeded frames there and back ---- */

/* Annex B without bytes that look like start codes; SPS and PPS in front of an IDR. */
static size_t make_h264(struct rng *rng, uint8_t *dst, bool is_keyframe)
{
    static const uint8_t key_types[] = {0x67, 0x68, 0x65, 0x65}, other_types[] = {0x41, 0x41};
    const uint8_t *types = is_keyframe ? key_types : other_types;
    size_t count = is_keyframe ? sizeof(key_types) : sizeof(other_types);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(dst + size, "\0\0\0\1", 4);
        dst[size + 4] = types[i];
        bool is_slice = (types[i] & 0x1f) == 1 || (types[i] & 0x1f) == 5;
        size_t body = 1 + rng_below(rng, is_slice ? 3000 : 30);
        for (size_t k = 0; k < body; k++)
            dst[size + 5 + k] = (uint8_t)(1 + rng_below(rng, 255));
        bool is_first_slice = !is_keyframe ? i == 0 : i == 2;
        if (is_slice) /* first_mb_in_slice */
            dst[size + 5] = is_first_slice ? 0x88 : 0x48;
        size += 5 + body;
    }
    return size;
}

static size_t make_vp8(struct rng *rng, uint8_t *dst, bool is_keyframe)
{
    size_t size = 1 + rng_below(rng, 5000);
    rng_fill(rng, dst, size);
    dst[0] = (uint8_t)((dst[0] & 0xfe) | !is_keyframe);
    return size;
}

struct pipe {
    enum rtp_codec codec;
    struct rng rng;
    struct rtp_depack depack;
    uint16_t seq;
    uint32_t loss_percent;
    uint8_t frame[FRAME_MAX];
    size_t size;
    uint32_t ts;
    int whole, sent;
};

static void receive(struct pipe *p, const uint8_t *packet, size_t size, bool is_keyframe)
{
    struct rtp_view v;
    struct rtp_frame f;
    assert_int_equal(rtp_parse(packet, size, &v), 0);
    int result = rtp_depack_push(&p->depack, &v, &f);
    assert_true(result >= 0);
    if (result == 0)
        return;
    p->whole++;
    assert_int_equal(f.ts, p->ts);
    assert_int_equal(f.size, p->size);
    assert_memory_equal(f.data, p->frame, p->size);
    assert_int_equal(f.is_keyframe, is_keyframe);
}

static void send_frame(struct pipe *p, bool is_keyframe)
{
    p->ts += 3000;
    p->sent++;
    p->size = p->codec == RTP_CODEC_VP8 ? make_vp8(&p->rng, p->frame, is_keyframe)
                                        : make_h264(&p->rng, p->frame, is_keyframe);
    struct rtp_pack pack;
    assert_int_equal(rtp_pack_init(&pack, p->codec, p->frame, p->size, PAYLOAD_MAX), 0);
    bool is_last = false, is_lost = false;
    /* H.264 does not say where a frame begins when its parameter sets or first units are lost. */
    bool may_lose = p->codec == RTP_CODEC_VP8;
    int before = p->whole;
    uint8_t packet[RTP_HEADER_SIZE + PAYLOAD_MAX];
    int n;
    while ((n = rtp_pack_next(&pack, packet + RTP_HEADER_SIZE, PAYLOAD_MAX, &is_last)) > 0) {
        assert_true(n <= PAYLOAD_MAX);
        const struct rtp_header h = {.is_marker = is_last, .pt = 96, .seq = p->seq++, .ts = p->ts};
        rtp_header_write(packet, &h);
        if (may_lose && rng_below(&p->rng, 100) < p->loss_percent)
            is_lost = true;
        else
            receive(p, packet, RTP_HEADER_SIZE + (size_t)n, is_keyframe);
        may_lose = true;
    }
    assert_int_equal(n, 0);
    assert_true(is_last);
    assert_int_equal(p->whole - before, !is_lost);
}

static void test_round_trips(void **state)
{
    (void)state;
    static struct pipe p;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        memset(&p, 0, sizeof(p));
        rng_init_seeded(&p.rng, seed);
        p.codec = seed % 2 == 0 ? RTP_CODEC_VP8 : RTP_CODEC_H264;
        p.loss_percent = seed > 20 ? 3 : 0;
        p.seq = (uint16_t)rng_u32(&p.rng);
        assert_int_equal(rtp_depack_init(&p.depack, p.codec, depack_buf, sizeof(depack_buf)), 0);
        for (int i = 0; i < 40; i++)
            send_frame(&p, i % 10 == 0);
        assert_true(p.loss_percent > 0 || p.whole == p.sent);
        assert_true(p.whole > 0);
    }
}

static void test_audio(void **state)
{
    (void)state;
    const uint8_t frame[] = {0x78, 1, 2, 3};
    uint8_t packet[RTP_HEADER_SIZE + 64];
    struct rtp_pack p;
    struct rtp_depack d;
    struct rtp_view v;
    struct rtp_frame f;
    bool is_last = false;
    assert_int_equal(rtp_pack_init(&p, RTP_CODEC_OPUS, frame, sizeof(frame), 64), 0);
    assert_int_equal(rtp_pack_next(&p, packet + RTP_HEADER_SIZE, 64, &is_last), sizeof(frame));
    assert_true(is_last);
    const struct rtp_header h = {.pt = 111, .seq = 1, .ts = 960};
    rtp_header_write(packet, &h);
    assert_int_equal(rtp_depack_init(&d, RTP_CODEC_OPUS, depack_buf, sizeof(depack_buf)), 0);
    assert_int_equal(rtp_parse(packet, RTP_HEADER_SIZE + sizeof(frame), &v), 0);
    assert_int_equal(rtp_depack_push(&d, &v, &f), 1);
    assert_int_equal(f.size, sizeof(frame));
    assert_memory_equal(f.data, frame, sizeof(frame));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h264_bytes),     cmocka_unit_test(test_h264_fragments),
        cmocka_unit_test(test_vp8_descriptor), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_round_trips),    cmocka_unit_test(test_audio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
