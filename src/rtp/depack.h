#ifndef TK_RTP_DEPACK_H
#define TK_RTP_DEPACK_H

/*
 * Depacketisers: frames out of RTP packets that come in order, for VP8 (RFC 7741), H.264 (RFC 6184;
 * written as Annex B), Opus and other audio. A gap throws away the frame it falls into and is told.
 * Sans-IO; the frame buffer is the caller's.
 */

#include "base/attrs.h"
#include "rtp/packet.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtp_depack {
    enum rtp_codec codec;
    uint8_t *buf;
    size_t buf_size;
    size_t size;
    bool is_open;   /* a frame has begun */
    bool is_broken; /* skip until the next frame starts */
    bool has_seq;
    bool is_fu_open; /* H.264: inside a fragmented unit */
    uint16_t next_seq;
    uint32_t ts;
    bool is_keyframe;
    uint64_t frames, broken_frames; /* statistics */
};

struct rtp_frame {
    const uint8_t *data; /* inside the caller's buffer, until the next push */
    size_t size;
    uint32_t ts;
    bool is_keyframe;
};

/* ERR_UNSUPPORTED. */
MUST_CHECK int rtp_depack_init(struct rtp_depack *d, enum rtp_codec codec, uint8_t *buf,
                               size_t buf_size);

/* One packet. Returns 1 and a frame when it completed one, 0 if not yet; ERR_MALFORMED,
 * ERR_NO_SPACE (the frame is thrown away). */
MUST_CHECK int rtp_depack_push(struct rtp_depack *d, const struct rtp_view *packet,
                               struct rtp_frame *ret_frame);

#endif
