#include "rtp/depack.h"

#include "base/bytes.h"
#include "base/err.h"
#include "rtp/payload.h"
#include "rtp/rtp_internal.h"

#include <string.h>

static const uint8_t start_code[4] = {0, 0, 0, 1};

int rtp_depack_init(struct rtp_depack *d, enum rtp_codec codec, uint8_t *buf, size_t buf_size)
{
    bool is_video = rtp_codec_kind(codec) == RTP_KIND_VIDEO;
    if (codec == RTP_CODEC_NONE || codec == RTP_CODEC_RED ||
        (is_video && codec != RTP_CODEC_VP8 && codec != RTP_CODEC_H264))
        return ERR_UNSUPPORTED;
    *d = (struct rtp_depack){.codec = codec, .buf = buf, .buf_size = buf_size};
    return 0;
}

static int append(struct rtp_depack *d, const uint8_t *data, size_t size)
{
    if (d->buf_size - d->size < size)
        return ERR_NO_SPACE;
    if (size > 0)
        memcpy(d->buf + d->size, data, size);
    d->size += size;
    return 0;
}

static int append_nal(struct rtp_depack *d, const uint8_t *nal, size_t size)
{
    uint8_t type = nal[0] & 0x1f;
    if (type == H264__IDR)
        d->is_keyframe = true;
    int err = append(d, start_code, sizeof(start_code));
    return err < 0 ? err : append(d, nal, size);
}

static int push_stap_a(struct rtp_depack *d, const uint8_t *payload, size_t size)
{
    struct rd r = rd_init(payload + 1, size - 1);
    while (rd_left(&r) > 0) {
        uint16_t nal_size = rd_u16be(&r);
        const uint8_t *nal = rd_bytes(&r, nal_size);
        if (nal == NULL || nal_size == 0)
            return ERR_MALFORMED;
        int err = append_nal(d, nal, nal_size);
        if (err < 0)
            return err;
    }
    return 0;
}

static int push_fu_a(struct rtp_depack *d, const uint8_t *payload, size_t size)
{
    if (size < 2)
        return ERR_MALFORMED;
    bool is_start = (payload[1] & 0x80) != 0, is_end = (payload[1] & 0x40) != 0;
    if (is_start == d->is_fu_open)
        return ERR_MALFORMED;
    if (is_start) {
        uint8_t nal = (uint8_t)((payload[0] & 0xe0) | (payload[1] & 0x1f));
        int err = append_nal(d, &nal, 1);
        if (err < 0)
            return err;
    }
    d->is_fu_open = !is_end;
    return append(d, payload + 2, size - 2);
}

static int push_h264(struct rtp_depack *d, const uint8_t *payload, size_t size)
{
    uint8_t type = payload[0] & 0x1f;
    if (type == H264__FU_A)
        return push_fu_a(d, payload, size);
    if (d->is_fu_open)
        return ERR_MALFORMED;
    if (type == H264__STAP_A)
        return push_stap_a(d, payload, size);
    if (type == 0 || type > H264__STAP_A)
        return ERR_MALFORMED;
    return append_nal(d, payload, size);
}

static int push_vp8(struct rtp_depack *d, const uint8_t *payload, size_t size)
{
    struct rtp_payload_info info;
    int err = rtp_payload_inspect(RTP_CODEC_VP8, payload, size, NULL, &info);
    if (err < 0)
        return err;
    bool is_frame_empty = d->size == 0;
    if (info.is_frame_start != is_frame_empty)
        return ERR_MALFORMED;
    if (info.is_frame_start)
        d->is_keyframe = info.is_keyframe;
    return append(d, payload + info.descriptor_size, size - info.descriptor_size);
}

static void throw_away(struct rtp_depack *d)
{
    if (d->is_open && !d->is_broken)
        d->broken_frames++;
    d->size = 0;
    d->is_fu_open = false;
    d->is_broken = true;
}

/* Video: a new timestamp begins a new frame. */
static void begin_frame(struct rtp_depack *d, uint32_t ts)
{
    if (d->is_open && d->size > 0)
        throw_away(d); /* its end never came */
    d->ts = ts;
    d->size = 0;
    d->is_open = true;
    d->is_broken = false;
    d->is_fu_open = false;
    d->is_keyframe = false;
}

static int push_piece(struct rtp_depack *d, const struct rtp_view *packet)
{
    switch (d->codec) {
    case RTP_CODEC_VP8:
        return push_vp8(d, packet->payload, packet->payload_size);
    case RTP_CODEC_H264:
        return push_h264(d, packet->payload, packet->payload_size);
    default:
        d->is_keyframe = true;
        return append(d, packet->payload, packet->payload_size);
    }
}

/* A gap breaks the frame it falls into: the open one, or, in front of a packet that does not begin
 * a frame, the one that this packet belongs to. */
static void handle_gap(struct rtp_depack *d, const struct rtp_view *packet)
{
    bool is_gap = d->has_seq && packet->seq != d->next_seq;
    d->has_seq = true;
    d->next_seq = (uint16_t)(packet->seq + 1);
    if (is_gap)
        throw_away(d);
    bool is_audio = rtp_codec_kind(d->codec) == RTP_KIND_AUDIO;
    if (!d->is_open || packet->ts != d->ts || is_audio) {
        begin_frame(d, packet->ts);
        struct rtp_payload_info info;
        if (is_gap && !is_audio &&
            (rtp_payload_inspect(d->codec, packet->payload, packet->payload_size, NULL, &info) <
                 0 ||
             !info.is_frame_start))
            throw_away(d);
    }
}

int rtp_depack_push(struct rtp_depack *d, const struct rtp_view *packet,
                    struct rtp_frame *ret_frame)
{
    if (packet->payload_size == 0) { /* padding keeps the sequence */
        if (d->has_seq && packet->seq == d->next_seq)
            d->next_seq++;
        return 0;
    }
    handle_gap(d, packet);
    bool is_end = packet->is_marker || rtp_codec_kind(d->codec) == RTP_KIND_AUDIO;
    int err = d->is_broken ? 0 : push_piece(d, packet);
    if (err < 0)
        throw_away(d);
    if (!is_end)
        return err;
    d->is_open = false;
    if (d->is_broken || d->size == 0 || d->is_fu_open)
        return err;
    *ret_frame = (struct rtp_frame){
        .data = d->buf, .size = d->size, .ts = d->ts, .is_keyframe = d->is_keyframe};
    d->frames++;
    d->size = 0;
    return 1;
}
