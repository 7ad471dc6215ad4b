#include "load/clip.h"

#include "load/stamp.h"

#include "base/bytes.h"
#include "base/err.h"
#include "rtp/packet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC            "TKCLIP1"
#define PAYLOAD_MAX      1180 /* as browsers cut: 1,200 bytes with the RTP header */
#define VP8_DESCRIPTOR   6    /* that rtp/pack writes with picture id and TL0PICIDX */
#define VP8_KEY_HEADER   10
#define SYNTHETIC_WIDTH  1280
#define SYNTHETIC_HEIGHT 720

static const enum rtp_codec codecs[] = {RTP_CODEC_NONE, RTP_CODEC_VP8, RTP_CODEC_H264,
                                        RTP_CODEC_OPUS};

static int read_head(struct rd *r, struct load_clip *clip)
{
    const uint8_t *magic = rd_bytes(r, sizeof(MAGIC));
    if (magic == NULL || memcmp(magic, MAGIC, sizeof(MAGIC)) != 0)
        return ERR_MALFORMED;
    uint16_t codec = rd_u16be(r);
    clip->width = rd_u16be(r);
    clip->height = rd_u16be(r);
    rd_u16be(r);
    clip->frame_us = rd_u32be(r);
    clip->frame_count = rd_u32be(r);
    if (r->is_bad || codec == 0 || codec >= ARRAY_COUNT(codecs) || clip->frame_us == 0 ||
        clip->frame_us > 1000000 || clip->frame_count == 0)
        return ERR_MALFORMED;
    clip->codec = codecs[codec];
    clip->payload_max = PAYLOAD_MAX;
    return clip->frame_count > LOAD_CLIP_FRAMES_MAX ? ERR_LIMIT : 0;
}

static int read_frames(struct rd *r, struct load_clip *clip)
{
    uint64_t total = 0;
    for (size_t i = 0; i < clip->frame_count; i++) {
        uint32_t head = rd_u32be(r);
        struct load_frame *f = &clip->frames[i];
        f->is_keyframe = (head & 0x80000000u) != 0;
        f->size = head & 0x7fffffffu;
        f->data = rd_bytes(r, f->size);
        if (f->data == NULL || f->size == 0 || f->size > LOAD_FRAME_SIZE_MAX)
            return ERR_MALFORMED;
        total += f->size;
    }
    clip->bitrate_bps =
        (uint32_t)(total * 8 * 1000000 / ((uint64_t)clip->frame_us * clip->frame_count));
    return rd_left(r) == 0 && clip->frames[0].is_keyframe ? 0 : ERR_MALFORMED;
}

int load_clip_parse(uint8_t *bytes, size_t size, struct load_clip *ret_clip)
{
    struct load_clip clip = {0};
    struct rd r = rd_init(bytes, size);
    int err = read_head(&r, &clip);
    if (err < 0)
        return err;
    clip.frames = calloc(clip.frame_count, sizeof(*clip.frames));
    if (clip.frames == NULL)
        return -ENOMEM;
    err = read_frames(&r, &clip);
    if (err < 0) {
        free(clip.frames);
        return err;
    }
    clip.bytes = bytes;
    *ret_clip = clip;
    return 0;
}

static int read_file(FILE *f, uint8_t **ret_bytes, size_t *ret_size)
{
    if (fseek(f, 0, SEEK_END) != 0)
        return -EIO;
    long size = ftell(f);
    if (size <= 0 || (unsigned long)size > LOAD_CLIP_BYTES_MAX)
        return size == 0 ? ERR_MALFORMED : ERR_LIMIT;
    rewind(f);
    uint8_t *bytes = malloc((size_t)size);
    if (bytes == NULL)
        return -ENOMEM;
    if (fread(bytes, 1, (size_t)size, f) != (size_t)size) {
        free(bytes);
        return -EIO;
    }
    *ret_bytes = bytes;
    *ret_size = (size_t)size;
    return 0;
}

int load_clip_open(const char *path, struct load_clip *ret_clip)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return -errno;
    int err = read_file(f, &bytes, &size);
    fclose(f);
    if (err == 0)
        err = load_clip_parse(bytes, size, ret_clip);
    if (err < 0)
        free(bytes);
    return err;
}

/* A VP8 payload header that says key or not, version 0, shown (RFC 6386, 9.1), then noise. */
static void write_vp8(uint8_t *at, size_t size, bool is_keyframe)
{
    static const uint8_t key[VP8_KEY_HEADER] = {0x10,
                                                0x02,
                                                0x00,
                                                0x9d,
                                                0x01,
                                                0x2a,
                                                SYNTHETIC_WIDTH & 0xff,
                                                SYNTHETIC_WIDTH >> 8,
                                                SYNTHETIC_HEIGHT & 0xff,
                                                SYNTHETIC_HEIGHT >> 8};
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(i * 2654435761u >> 13);
    memcpy(at, key, TK_MIN(size, sizeof(key)));
    if (!is_keyframe)
        at[0] |= 1;
}

int load_clip_synthesise(const struct load_shape *shape, struct load_clip *ret_clip)
{
    const size_t overhead = RTP_HEADER_SIZE + VP8_DESCRIPTOR + LOAD_STAMP_SIZE;
    if (shape->packet_size < overhead + 64 || shape->packet_size > 1250 || shape->frame_rate == 0 ||
        shape->frame_rate > 1000 || shape->frame_packets == 0 || shape->frame_packets > 500 ||
        shape->keyframe_packets == 0 || shape->keyframe_packets > 500)
        return -EINVAL;
    size_t piece = shape->packet_size - overhead;
    size_t key_size = piece * shape->keyframe_packets, size = piece * shape->frame_packets;
    size_t count = (size_t)shape->frame_rate * 4; /* as the recorded ones: a keyframe every 4 s */
    struct load_clip clip = {
        .codec = RTP_CODEC_VP8,
        .width = SYNTHETIC_WIDTH,
        .height = SYNTHETIC_HEIGHT,
        .frame_us = 1000000 / shape->frame_rate,
        .payload_max = (uint32_t)(shape->packet_size - RTP_HEADER_SIZE - LOAD_STAMP_SIZE),
        .bitrate_bps = (uint32_t)(size * 8 * shape->frame_rate),
        .frame_count = count,
        .frames = calloc(count, sizeof(*clip.frames)),
        .bytes = malloc(key_size + size),
    };
    if (clip.frames == NULL || clip.bytes == NULL) {
        load_clip_fini(&clip);
        return -ENOMEM;
    }
    write_vp8(clip.bytes, key_size, true);
    write_vp8(clip.bytes + key_size, size, false);
    for (size_t i = 0; i < count; i++)
        clip.frames[i] = (struct load_frame){.data = clip.bytes + key_size, .size = (uint32_t)size};
    clip.frames[0] =
        (struct load_frame){.data = clip.bytes, .size = (uint32_t)key_size, .is_keyframe = true};
    *ret_clip = clip;
    return 0;
}

void load_clip_fini(struct load_clip *clip)
{
    free(clip->frames);
    free(clip->bytes);
    *clip = (struct load_clip){0};
}

size_t load_clip_next_keyframe(const struct load_clip *clip, size_t frame)
{
    for (size_t i = 0; i < clip->frame_count; i++) {
        size_t at = (frame + i) % clip->frame_count;
        if (clip->frames[at].is_keyframe)
            return at;
    }
    return 0;
}
