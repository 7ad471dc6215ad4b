#ifndef TK_RTP_PACK_H
#define TK_RTP_PACK_H

/*
 * Packetisers: one encoded frame into RTP payloads of at most `payload_max` bytes. VP8 (RFC 7741)
 * with 15-bit picture ids and TL0PICIDX; H.264 (RFC 6184, packetization-mode 1) from an Annex B
 * access unit, parameter sets aggregated into STAP-A, large units cut into FU-A; Opus (RFC 7587)
 * and other audio as it is. Sans-IO; the frame stays the caller's and must live until done.
 *
 *     rtp_pack_init(&p, RTP_CODEC_VP8, frame, size, 1180);
 *     while ((n = rtp_pack_next(&p, dst, sizeof(dst), &is_last)) > 0) …marker = is_last for video
 */

#include "base/attrs.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtp_pack {
    enum rtp_codec codec;
    const uint8_t *at;
    const uint8_t *end;
    size_t payload_max;
    bool is_first;

    /* VP8; set after init if used. */
    bool has_picture_id;
    uint16_t picture_id; /* 15 bits */
    uint8_t tl0;
    uint8_t temporal_id;
    bool is_layer_sync;

    /* H.264: the unit being cut. */
    const uint8_t *nal;
    size_t nal_size;
    size_t nal_offset;
};

/* `payload_max` at least 64. ERR_UNSUPPORTED codec, ERR_MALFORMED empty frame or no start code. */
MUST_CHECK int rtp_pack_init(struct rtp_pack *p, enum rtp_codec codec, const uint8_t *frame,
                             size_t size, size_t payload_max);

/* Writes the next payload. Returns its size, 0 after the last; ERR_NO_SPACE (dst smaller than
 * payload_max), ERR_LIMIT (an audio frame that does not fit). */
MUST_CHECK int rtp_pack_next(struct rtp_pack *p, uint8_t *dst, size_t dst_size, bool *ret_is_last);

#endif
