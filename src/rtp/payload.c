#include "rtp/payload.h"

#include "base/bytes.h"
#include "base/err.h"
#include "rtp/rtp_internal.h"

/* ---- VP8 (RFC 7741) ---- */

/*
 *   |X|R|N|S|R| PID |      required
 *   |I|L|T|K|  RSV  |      if X
 *   |M| PictureID   |      if I; 15 bits if M
 *   |   TL0PICIDX   |      if L
 *   |TID|Y| KEYIDX  |      if T or K
 */
static void read_vp8_extension(struct rd *r, struct rtp_payload_info *info)
{
    uint8_t flags = rd_u8(r);
    if ((flags & 0x80) != 0) {
        uint8_t first = rd_u8(r);
        info->has_picture_id = true;
        info->is_short_picture_id = (first & 0x80) == 0;
        info->picture_id = first & 0x7f;
        if (!info->is_short_picture_id)
            info->picture_id = (uint16_t)(info->picture_id << 8 | rd_u8(r));
    }
    if ((flags & 0x40) != 0) {
        info->has_tl0 = true;
        info->tl0 = rd_u8(r);
    }
    if ((flags & 0x30) != 0) {
        uint8_t tid = rd_u8(r);
        info->has_temporal_id = (flags & 0x20) != 0;
        info->temporal_id = info->has_temporal_id ? tid >> 6 : 0;
        info->is_layer_sync = info->has_temporal_id && (tid & 0x20) != 0;
    }
}

/* RFC 6386, 9.1: frame tag of 3 bytes, start code, 14 bits of width and of height. */
bool vp8__is_keyframe(const uint8_t *payload, size_t size, uint16_t *ret_width,
                      uint16_t *ret_height)
{
    if (size < 1 || (payload[0] & 0x01) != 0)
        return false;
    bool has_size = size >= 10 && payload[3] == 0x9d && payload[4] == 0x01 && payload[5] == 0x2a;
    *ret_width = has_size ? (uint16_t)((payload[6] | payload[7] << 8) & 0x3fff) : 0;
    *ret_height = has_size ? (uint16_t)((payload[8] | payload[9] << 8) & 0x3fff) : 0;
    return true;
}

static int inspect_vp8(struct rd *r, struct rtp_payload_info *info)
{
    const uint8_t *start = r->at;
    uint8_t first = rd_u8(r);
    if ((first & 0x80) != 0)
        read_vp8_extension(r, info);
    if (r->is_bad || rd_left(r) == 0)
        return ERR_MALFORMED;
    info->descriptor_size = (uint8_t)(r->at - start);
    info->is_frame_start = (first & 0x17) == 0x10; /* S, partition 0 */
    if (info->is_frame_start)
        info->is_keyframe = vp8__is_keyframe(r->at, rd_left(r), &info->width, &info->height);
    return 0;
}

void rtp_vp8_rewrite(const uint8_t *payload, const struct rtp_payload_info *info,
                     uint16_t picture_id, uint8_t tl0, uint8_t *descriptor)
{
    DCHECK(info->descriptor_size <= RTP_VP8_DESCRIPTOR_MAX);
    memcpy(descriptor, payload, info->descriptor_size);
    uint8_t *at = descriptor + 2;
    if (info->has_picture_id && info->is_short_picture_id) {
        *at++ = picture_id & 0x7f;
    } else if (info->has_picture_id) {
        put_u16be(at, (uint16_t)(0x8000 | picture_id));
        at += 2;
    }
    if (info->has_tl0)
        *at = tl0;
}

/* ---- VP9 (RFC 9628, 4.2) ---- */

/* N_S, Y, G, then the sizes of the spatial layers; the highest one counts. */
static void read_vp9_structure(struct rd *r, struct rtp_payload_info *info)
{
    uint8_t head = rd_u8(r);
    if ((head & 0x10) == 0)
        return;
    for (int layer = 0; layer <= head >> 5; layer++) {
        info->width = rd_u16be(r);
        info->height = rd_u16be(r);
    }
}

/* |I|P|L|F|B|E|V|Z| */
static int inspect_vp9(struct rd *r, struct rtp_payload_info *info)
{
    uint8_t flags = rd_u8(r);
    bool is_flexible = (flags & 0x10) != 0, is_inter = (flags & 0x40) != 0;
    if ((flags & 0x80) != 0 && (rd_u8(r) & 0x80) != 0) /* PictureID of 7 or 15 bits */
        (void)rd_u8(r);
    if ((flags & 0x20) != 0) {
        uint8_t layers = rd_u8(r);
        info->has_temporal_id = true;
        info->temporal_id = layers >> 5;
        info->is_layer_sync = (layers & 0x10) != 0;
        info->spatial_id = layers >> 1 & 7;
        if (!is_flexible)
            (void)rd_u8(r); /* TL0PICIDX */
    }
    if (is_flexible && is_inter)
        for (int i = 0; i < 3 && (rd_u8(r) & 1) != 0; i++)
            ; /* up to three P_DIFF, the last has N = 0 */
    if ((flags & 0x02) != 0)
        read_vp9_structure(r, info);
    if (r->is_bad)
        return ERR_MALFORMED;
    info->is_frame_start = (flags & 0x08) != 0;
    info->is_keyframe = info->is_frame_start && !is_inter && info->spatial_id == 0;
    return 0;
}

/* ---- H.264 (RFC 6184) ---- */

/* One unit without its header byte: does it begin a frame, and which kind? first_mb_in_slice == 0
 * is a first bit of 1 (ISO/IEC 14496-10, 7.3.3). */
static void note_nal(uint8_t type, const uint8_t *rest, size_t size, struct rtp_payload_info *info)
{
    bool is_slice = type >= H264__SLICE && type <= H264__IDR;
    bool is_first_slice = is_slice && size > 0 && (rest[0] & 0x80) != 0;
    if (is_first_slice || (type >= H264__SEI && type <= H264__AUD))
        info->is_frame_start = true;
    if (type == H264__IDR || type == H264__SPS)
        info->is_keyframe = true;
    if (type == H264__SPS)
        info->has_parameters = true;
}

static int inspect_stap_a(struct rd *r, struct rtp_payload_info *info)
{
    while (rd_left(r) > 0) {
        uint16_t size = rd_u16be(r);
        const uint8_t *nal = rd_bytes(r, size);
        if (nal == NULL || size == 0)
            return ERR_MALFORMED;
        note_nal(nal[0] & 0x1f, nal + 1, size - 1u, info);
    }
    return 0;
}

static int inspect_h264(struct rd *r, struct rtp_payload_info *info)
{
    uint8_t type = rd_u8(r) & 0x1f;
    if (r->is_bad)
        return ERR_MALFORMED;
    if (type == H264__STAP_A)
        return inspect_stap_a(r, info);
    if (type == H264__FU_A) {
        uint8_t fu = rd_u8(r);
        if (r->is_bad)
            return ERR_MALFORMED;
        if ((fu & 0x80) != 0) /* S */
            note_nal(fu & 0x1f, r->at, rd_left(r), info);
        return 0;
    }
    if (type >= H264__SLICE && type < H264__STAP_A)
        note_nal(type, r->at, rd_left(r), info);
    return 0;
}

/* ---- AV1 ---- */

/* Aggregation header |Z|Y|W W|N|-|-|-|: N = first packet of a coded video sequence. */
static int inspect_av1(struct rd *r, const struct rtp_ext_set *exts, struct rtp_payload_info *info)
{
    uint8_t head = rd_u8(r);
    if (r->is_bad)
        return ERR_MALFORMED;
    info->is_frame_start = (head & 0x80) == 0;
    info->is_keyframe = (head & 0x88) == 0x08;
    const struct rtp_ext_value *dd =
        exts != NULL ? rtp_ext_find(exts, RTP_EXT_DEPENDENCY_DESCRIPTOR) : NULL;
    if (dd == NULL || dd->size < 3)
        return 0;
    /* |start|end|template id (6)| frame number (16) | structure present | … */
    info->is_frame_start = (dd->data[0] & 0x80) != 0;
    if (info->is_frame_start && dd->size > 3 && (dd->data[3] & 0x80) != 0)
        info->is_keyframe = true;
    return 0;
}

int rtp_payload_inspect(enum rtp_codec codec, const uint8_t *payload, size_t size,
                        const struct rtp_ext_set *exts, struct rtp_payload_info *ret_info)
{
    struct rtp_payload_info info = {0};
    struct rd r = rd_init(payload, size);
    int err = 0;
    switch (codec) {
    case RTP_CODEC_VP8:
        err = inspect_vp8(&r, &info);
        break;
    case RTP_CODEC_VP9:
        err = inspect_vp9(&r, &info);
        break;
    case RTP_CODEC_H264:
        err = inspect_h264(&r, &info);
        break;
    case RTP_CODEC_AV1:
        err = inspect_av1(&r, exts, &info);
        break;
    case RTP_CODEC_OPUS:
    case RTP_CODEC_RED:
    case RTP_CODEC_PCMU:
    case RTP_CODEC_PCMA:
    case RTP_CODEC_G722:
        info.is_frame_start = true;
        info.is_keyframe = true;
        break;
    default:
        return ERR_UNSUPPORTED;
    }
    if (err == 0)
        *ret_info = info;
    return err;
}
