#ifndef TK_LOAD_CLIP_H
#define TK_LOAD_CLIP_H

/*
 * Recorded encoder output that loops: a few seconds of frames that begin with a keyframe. Made by
 * scripts/make-load-data.sh; all numbers big-endian:
 *
 *     "TKCLIP1" and a zero byte
 *     u16 codec (1 VP8, 2 H.264 Annex B, 3 Opus), u16 width, u16 height, u16 zero
 *     u32 microseconds per frame, u32 frames
 *     each frame: u32 size, highest bit set for a keyframe, then the bytes
 *
 * Read-only after loading.
 */

#include "base/attrs.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_CLIP_BYTES_MAX  (64u << 20)
#define LOAD_CLIP_FRAMES_MAX 36000
#define LOAD_FRAME_SIZE_MAX  (1u << 20)

struct load_frame {
    const uint8_t *data; /* in the clip */
    uint32_t size;
    bool is_keyframe;
};

struct load_clip {
    enum rtp_codec codec;
    uint16_t width, height;
    uint32_t frame_us;
    uint32_t bitrate_bps;
    uint32_t payload_max; /* of the packets that its frames are cut into */
    size_t frame_count;
    struct load_frame *frames;
    uint8_t *bytes;
};

/* Takes a clip out of memory; `bytes` is the clip's on success. ERR_MALFORMED, ERR_LIMIT, -ENOMEM.
 */
MUST_CHECK int load_clip_parse(uint8_t *bytes, size_t size, struct load_clip *ret_clip);

/* The same from a file. Negative errno too. */
MUST_CHECK int load_clip_open(const char *path, struct load_clip *ret_clip);

/*
 * A synthetic one: VP8 whose frames fill `frame_packets` (a keyframe: `keyframe_packets`) RTP
 * packets of `packet_size` bytes, header extensions not counted. -EINVAL, -ENOMEM.
 */
struct load_shape {
    uint32_t packet_size, frame_rate, frame_packets, keyframe_packets;
};
MUST_CHECK int load_clip_synthesise(const struct load_shape *shape, struct load_clip *ret_clip);

void load_clip_fini(struct load_clip *clip);

/* The next keyframe at or after `frame`, around the end if necessary. */
size_t load_clip_next_keyframe(const struct load_clip *clip, size_t frame);

#endif
