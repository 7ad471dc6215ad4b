/*
 * Goal: recorded clips are read whole or refused; synthetic ones have the shape that was asked for;
 * what is committed in bench/data can be used.
 * Method: clips built byte by byte, every truncation of one; the committed files; synthetic clips
 * cut by the packetiser.
 */
#include "load/clip.h"

#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "base/err.h"
#include "rtp/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t write_clip(uint8_t *dst, size_t size, uint16_t codec, bool has_key)
{
    struct wr w = wr_init(dst, size);
    wr_bytes(&w, "TKCLIP1", 8);
    wr_u16be(&w, codec);
    wr_u16be(&w, 320);
    wr_u16be(&w, 180);
    wr_u16be(&w, 0);
    wr_u32be(&w, 33333);
    wr_u32be(&w, 2);
    wr_u32be(&w, 3 | (has_key ? 0x80000000u : 0));
    wr_bytes(&w, "abc", 3);
    wr_u32be(&w, 5);
    wr_bytes(&w, "defgh", 5);
    assert_false(w.is_bad);
    return wr_size(&w);
}

/* In memory of its own, which is the clip's when it is good. */
static int parse(const uint8_t *bytes, size_t size, struct load_clip *ret_clip)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int err = load_clip_parse(copy, size, ret_clip);
    if (err < 0)
        free(copy);
    return err;
}

static void test_reads_frames(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct load_clip clip;
    size_t size = write_clip(bytes, sizeof(bytes), 1, true);
    assert_int_equal(parse(bytes, size, &clip), 0);
    assert_int_equal(clip.codec, RTP_CODEC_VP8);
    assert_int_equal(clip.width, 320);
    assert_int_equal(clip.height, 180);
    assert_int_equal(clip.frame_us, 33333);
    assert_int_equal(clip.frame_count, 2);
    assert_true(clip.frames[0].is_keyframe);
    assert_false(clip.frames[1].is_keyframe);
    assert_int_equal(clip.frames[1].size, 5);
    assert_memory_equal(clip.frames[1].data, "defgh", 5);
    assert_int_equal(clip.bitrate_bps, (uint64_t)8 * 8 * 1000000 / (2 * 33333));
    assert_int_equal(load_clip_next_keyframe(&clip, 0), 0);
    assert_int_equal(load_clip_next_keyframe(&clip, 1), 0); /* around the end */
    load_clip_fini(&clip);
}

static void test_refuses_what_is_broken(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct load_clip clip;
    size_t size = write_clip(bytes, sizeof(bytes), 1, true);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(parse(bytes, cut, &clip), ERR_MALFORMED);
    assert_int_equal(parse(bytes, size + 1, &clip), ERR_MALFORMED); /* something behind the end */
    bytes[0] ^= 1;
    assert_int_equal(parse(bytes, size, &clip), ERR_MALFORMED);
    size = write_clip(bytes, sizeof(bytes), 9, true); /* unknown codec */
    assert_int_equal(parse(bytes, size, &clip), ERR_MALFORMED);
    size = write_clip(bytes, sizeof(bytes), 1, false); /* no keyframe at the beginning */
    assert_int_equal(parse(bytes, size, &clip), ERR_MALFORMED);
    size = write_clip(bytes, sizeof(bytes), 1, true);
    put_u32be(bytes + 20, LOAD_CLIP_FRAMES_MAX + 1);
    assert_int_equal(parse(bytes, size, &clip), ERR_LIMIT);
    assert_int_equal(load_clip_open("bench/data/no-such.clip", &clip), -ENOENT);
}

static void test_committed_clips(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum rtp_codec codec;
        uint32_t kbit_min, kbit_max;
    } files[] = {
        {"bench/data/vp8-low.clip", RTP_CODEC_VP8, 120, 180},
        {"bench/data/vp8-mid.clip", RTP_CODEC_VP8, 400, 600},
        {"bench/data/vp8-high.clip", RTP_CODEC_VP8, 1200, 1800},
        {"bench/data/h264.clip", RTP_CODEC_H264, 1200, 1800},
        {"bench/data/opus.clip", RTP_CODEC_OPUS, 24, 40},
    };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        struct load_clip clip;
        assert_int_equal(load_clip_open(files[i].path, &clip), 0);
        assert_int_equal(clip.codec, files[i].codec);
        assert_in_range(clip.bitrate_bps / 1000, files[i].kbit_min, files[i].kbit_max);
        for (size_t k = 0; k < clip.frame_count; k++) {
            struct rtp_pack p;
            assert_int_equal(rtp_pack_init(&p, clip.codec, clip.frames[k].data, clip.frames[k].size,
                                           clip.payload_max),
                             0);
        }
        load_clip_fini(&clip);
    }
}

/* The packets that a frame is cut into, all of `size` payload bytes. */
static size_t count_packets(const struct load_clip *clip, size_t frame, size_t size)
{
    struct rtp_pack p;
    uint8_t body[1400];
    bool is_last = false;
    size_t count = 0;
    int n;
    assert_int_equal(rtp_pack_init(&p, clip->codec, clip->frames[frame].data,
                                   clip->frames[frame].size, clip->payload_max),
                     0);
    p.has_picture_id = true;
    while ((n = rtp_pack_next(&p, body, sizeof(body), &is_last)) > 0) {
        assert_int_equal(n, size);
        count++;
    }
    return count;
}

static void test_synthetic_shapes(void **state)
{
    (void)state;
    static const struct load_shape shapes[] = {
        {200, 15, 1, 60}, {1250, 60, 8, 60}, {700, 30, 3, 10}};
    for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
        const struct load_shape *s = &shapes[i];
        struct load_clip clip;
        assert_int_equal(load_clip_synthesise(s, &clip), 0);
        size_t payload = s->packet_size - 12 - 8; /* RTP header, stamp */
        assert_true(clip.frames[0].is_keyframe);
        assert_int_equal(count_packets(&clip, 0, payload), s->keyframe_packets);
        assert_int_equal(count_packets(&clip, 1, payload), s->frame_packets);
        assert_int_equal(clip.frame_us, 1000000 / s->frame_rate);
        load_clip_fini(&clip);
    }
    struct load_clip clip;
    assert_int_equal(load_clip_synthesise(&(struct load_shape){1300, 30, 1, 1}, &clip), -EINVAL);
    assert_int_equal(load_clip_synthesise(&(struct load_shape){60, 30, 1, 1}, &clip), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_frames),
        cmocka_unit_test(test_refuses_what_is_broken),
        cmocka_unit_test(test_committed_clips),
        cmocka_unit_test(test_synthetic_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
