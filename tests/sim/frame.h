#ifndef TK_TESTS_SIM_FRAME_H
#define TK_TESTS_SIM_FRAME_H

/*
 * Encoded frames that say what they are: behind the least that the codec's payload format needs
 * come the numbers of the frame and a filling that follows from them, so that a receiver can tell
 * whether every byte arrived, and what the frame needs to be decoded.
 */

#include "base/time.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_FRAME_MAX 12000
#define SIM_REF_NONE  UINT32_MAX

struct sim_frame {
    uint32_t track;
    uint32_t ssrc; /* which encoder: changes when the publisher starts anew */
    uint8_t layer;
    uint8_t temporal_id;
    bool is_keyframe;
    uint32_t number; /* of this encoder, from 0 */
    uint32_t ref;    /* the frame that this one needs, or SIM_REF_NONE */
    mono_us captured;
    uint16_t filling; /* bytes behind the numbers */
};

/* Writes the encoded frame, at most SIM_FRAME_MAX bytes; returns its size. H.264 as Annex B. */
size_t sim_frame_write(enum rtp_codec codec, const struct sim_frame *f, uint8_t *dst);

/* False if a byte is not as sim_frame_write() wrote it. */
bool sim_frame_read(enum rtp_codec codec, const uint8_t *data, size_t size,
                    struct sim_frame *ret_frame);

#endif
