#ifndef TK_RTP_PAYLOAD_H
#define TK_RTP_PAYLOAD_H

/*
 * What a forwarder needs to know of a media payload, for every codec in one struct. The payloads
 * are end-to-end data of an authenticated but untrusted sender: everything is checked, work per
 * packet is bounded. Sans-IO.
 *
 *   VP8  RFC 7741, 4.2-4.3      VP9  RFC 9628, 4.2      H.264  RFC 6184, 5
 *   AV1  RTP payload format for AV1 1.0.0, 4.4, and its dependency descriptor (appendix A)
 */

#include "base/attrs.h"
#include "rtp/ext.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtp_payload_info {
    bool is_frame_start; /* first packet of a frame (of a layer frame in VP9) */
    bool is_keyframe;    /* this packet begins (or, H.264: carries SPS or IDR of) a keyframe */
    bool has_parameters; /* H.264: the packet carries an SPS */
    uint8_t temporal_id; /* 0 when the codec does not say */
    uint8_t spatial_id;  /* VP9, AV1 */
    bool is_layer_sync;  /* VP8 Y, VP9 U: a subscriber may move up to this temporal layer here */
    bool has_temporal_id;
    uint16_t width, height; /* from a keyframe's header; 0 = not in this packet */

    /* VP8: what the mapper rewrites. */
    bool has_picture_id;
    bool is_short_picture_id;
    uint16_t picture_id;
    bool has_tl0;
    uint8_t tl0;
    uint8_t descriptor_size; /* bytes before the VP8 payload header */
};

/*
 * Inspects one payload; `exts` may be NULL (AV1 looks at the dependency descriptor when present).
 * Opus, PCMU and other audio: every packet is a frame start and a keyframe. Returns 0;
 * ERR_MALFORMED; ERR_UNSUPPORTED for codecs without a parser.
 */
MUST_CHECK int rtp_payload_inspect(enum rtp_codec codec, const uint8_t *payload, size_t size,
                                   const struct rtp_ext_set *exts,
                                   struct rtp_payload_info *ret_info);

/*
 * VP8: writes new picture id and TL0PICIDX into a copy of the descriptor; the widths stay as they
 * are. `payload` must have been inspected into `info`; `descriptor` gets info->descriptor_size
 * bytes (at most RTP_VP8_DESCRIPTOR_MAX) that replace as many bytes of the payload.
 */
#define RTP_VP8_DESCRIPTOR_MAX 6
void rtp_vp8_rewrite(const uint8_t *payload, const struct rtp_payload_info *info,
                     uint16_t picture_id, uint8_t tl0, uint8_t *descriptor);

#endif
