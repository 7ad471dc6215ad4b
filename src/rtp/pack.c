#include "rtp/pack.h"

#include "base/bytes.h"
#include "base/err.h"
#include "rtp/rtp_internal.h"

#include <string.h>

#define PAYLOAD_MAX_MIN 64

/* ---- Annex B ---- */

/* The next 00 00 01 at or after `at`, or `end`. */
static const uint8_t *find_start_code(const uint8_t *at, const uint8_t *end)
{
    for (; end - at >= 3; at++)
        if (at[0] == 0 && at[1] == 0 && at[2] == 1)
            return at;
    return end;
}

/* Loads the next unit into p->nal; false at the end. Access unit delimiters are left out: the
 * marker bit says the same. */
static bool next_nal(struct rtp_pack *p)
{
    while (p->at < p->end) {
        const uint8_t *start = p->at + 3; /* p->at stands on a start code */
        const uint8_t *next = find_start_code(start, p->end);
        const uint8_t *tail = next;
        while (tail > start && tail[-1] == 0)
            tail--; /* zero byte of a long start code, trailing zeros */
        p->at = next;
        if (tail == start || (start[0] & 0x1f) == H264__AUD)
            continue;
        p->nal = start;
        p->nal_size = (size_t)(tail - start);
        p->nal_offset = 0;
        return true;
    }
    p->nal = NULL;
    return false;
}

static bool is_parameter_nal(const struct rtp_pack *p)
{
    uint8_t type = p->nal[0] & 0x1f;
    return type == H264__SPS || type == H264__PPS || type == H264__SEI;
}

/* Aggregates this and the following small parameter units (RFC 6184, 5.7.1). */
static int put_stap_a(struct rtp_pack *p, struct wr *w)
{
    uint8_t nri = 0;
    uint8_t *head = wr_reserve(w, 1);
    if (head == NULL)
        return ERR_NO_SPACE;
    do {
        nri = TK_MAX(nri, p->nal[0] & 0x60);
        wr_u16be(w, (uint16_t)p->nal_size);
        wr_bytes(w, p->nal, p->nal_size);
    } while (next_nal(p) && is_parameter_nal(p) && wr_size(w) + 2 + p->nal_size <= p->payload_max);
    *head = nri | H264__STAP_A;
    return 0;
}

/* The next piece of a unit that is too long (RFC 6184, 5.8). */
static void put_fu_a(struct rtp_pack *p, struct wr *w)
{
    bool is_start = p->nal_offset == 0;
    if (is_start)
        p->nal_offset = 1; /* the header byte travels in the two FU bytes */
    size_t left = p->nal_size - p->nal_offset;
    size_t piece = TK_MIN(left, p->payload_max - 2);
    wr_u8(w, (p->nal[0] & 0xe0) | H264__FU_A);
    wr_u8(w, (uint8_t)((is_start ? 0x80 : 0) | (piece == left ? 0x40 : 0) | (p->nal[0] & 0x1f)));
    wr_bytes(w, p->nal + p->nal_offset, piece);
    p->nal_offset += piece;
    if (piece == left)
        next_nal(p);
}

static int next_h264(struct rtp_pack *p, struct wr *w)
{
    if (p->nal == NULL)
        return 0;
    if (p->nal_offset > 0 || p->nal_size > p->payload_max) {
        put_fu_a(p, w);
        return 0;
    }
    if (is_parameter_nal(p) && p->nal_size + 3 <= p->payload_max)
        return put_stap_a(p, w);
    wr_bytes(w, p->nal, p->nal_size);
    next_nal(p);
    return 0;
}

/* ---- VP8 ---- */

static void put_vp8_descriptor(const struct rtp_pack *p, struct wr *w)
{
    wr_u8(w, (uint8_t)((p->has_picture_id ? 0x80 : 0) | (p->is_first ? 0x10 : 0)));
    if (!p->has_picture_id)
        return;
    wr_u8(w, 0xe0); /* I, L, T */
    wr_u16be(w, 0x8000 | (p->picture_id & 0x7fff));
    wr_u8(w, p->tl0);
    wr_u8(w, (uint8_t)((p->temporal_id & 3) << 6 | (p->is_layer_sync ? 0x20 : 0)));
}

/* Pieces of nearly equal size, so that no tiny packet ends the frame. */
static int next_vp8(struct rtp_pack *p, struct wr *w)
{
    size_t left = (size_t)(p->end - p->at);
    if (left == 0)
        return 0;
    put_vp8_descriptor(p, w);
    size_t room = p->payload_max - wr_size(w);
    size_t pieces = (left + room - 1) / room;
    size_t piece = (left + pieces - 1) / pieces;
    wr_bytes(w, p->at, piece);
    p->at += piece;
    p->is_first = false;
    return 0;
}

static int next_audio(struct rtp_pack *p, struct wr *w)
{
    size_t left = (size_t)(p->end - p->at);
    if (left > p->payload_max)
        return ERR_LIMIT;
    wr_bytes(w, p->at, left);
    p->at = p->end;
    return 0;
}

int rtp_pack_init(struct rtp_pack *p, enum rtp_codec codec, const uint8_t *frame, size_t size,
                  size_t payload_max)
{
    bool is_video = rtp_codec_kind(codec) == RTP_KIND_VIDEO;
    if (codec == RTP_CODEC_NONE || codec == RTP_CODEC_RED ||
        (is_video && codec != RTP_CODEC_VP8 && codec != RTP_CODEC_H264))
        return ERR_UNSUPPORTED;
    if (size == 0 || payload_max < PAYLOAD_MAX_MIN)
        return ERR_MALFORMED;
    *p = (struct rtp_pack){.codec = codec,
                           .at = frame,
                           .end = frame + size,
                           .payload_max = payload_max,
                           .is_first = true};
    if (codec != RTP_CODEC_H264)
        return 0;
    p->at = find_start_code(frame, p->end);
    return next_nal(p) ? 0 : ERR_MALFORMED;
}

static bool is_done(const struct rtp_pack *p)
{
    return p->codec == RTP_CODEC_H264 ? p->nal == NULL : p->at == p->end;
}

int rtp_pack_next(struct rtp_pack *p, uint8_t *dst, size_t dst_size, bool *ret_is_last)
{
    if (is_done(p))
        return 0;
    if (dst_size < p->payload_max)
        return ERR_NO_SPACE;
    struct wr w = wr_init(dst, p->payload_max);
    int err;
    if (p->codec == RTP_CODEC_H264)
        err = next_h264(p, &w);
    else if (p->codec == RTP_CODEC_VP8)
        err = next_vp8(p, &w);
    else
        err = next_audio(p, &w);
    if (err < 0)
        return err;
    if (w.is_bad)
        return ERR_NO_SPACE;
    *ret_is_last = is_done(p);
    return (int)wr_size(&w);
}
