#ifndef TK_RTP_RED_H
#define TK_RTP_RED_H

/*
 * Redundant audio (RFC 2198): older blocks with 4-byte headers, then the primary block with a
 * 1-byte header. Sans-IO; blocks point into the payload.
 *
 *   |F=1| block PT | timestamp offset (14) | block length (10) |     redundant, oldest first
 *   |F=0| block PT |                                                 primary
 */

#include "base/attrs.h"

#include <stddef.h>
#include <stdint.h>

#define RTP_RED_BLOCKS_MAX 8

struct rtp_red_block {
    uint8_t pt;
    uint16_t ts_offset; /* before the packet's timestamp; 0 for the primary */
    uint16_t size;
    const uint8_t *data;
};

/* Parses all blocks, the primary last. Returns their number (at least 1); ERR_MALFORMED,
 * ERR_LIMIT. */
MUST_CHECK int rtp_red_parse(const uint8_t *payload, size_t size,
                             struct rtp_red_block ret_blocks[RTP_RED_BLOCKS_MAX]);

/* Only the primary block, in place. ERR_MALFORMED, ERR_LIMIT. */
MUST_CHECK int rtp_red_primary(const uint8_t *payload, size_t size,
                               struct rtp_red_block *ret_primary);

/* Writes blocks (the primary last, offset 0) as one payload. Returns its size; ERR_NO_SPACE,
 * ERR_LIMIT if an offset or a size does not fit its field. */
MUST_CHECK int rtp_red_build(const struct rtp_red_block *blocks, size_t count, uint8_t *dst,
                             size_t dst_size);

#endif
