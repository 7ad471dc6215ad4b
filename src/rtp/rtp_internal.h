#ifndef TK_RTP_RTP_INTERNAL_H
#define TK_RTP_RTP_INTERNAL_H

/*
 * What the files of rtp/ share among themselves: one transport-wide feedback packet before it is
 * written (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1), and H.264 unit types.
 */

#include "base/bytes.h"
#include "rtp/twcc.h"

/* Every symbol may cost 2 bits of a chunk and a delta of 2 bytes. */
#define TWCC__SYMBOLS_MAX  400
#define TWCC__HEADER_SIZE  20
#define TWCC__REFERENCE_US 64000

_Static_assert(TWCC__HEADER_SIZE + 2 + (TWCC__SYMBOLS_MAX + 6) / 7 * 2 + TWCC__SYMBOLS_MAX * 2 +
                       3 <=
                   RTP_TWCC_PACKET_MAX,
               "the longest feedback packet fits");

enum { TWCC__MISSING, TWCC__SMALL, TWCC__LARGE, TWCC__RESERVED };

struct twcc__report {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
    uint16_t base_seq;
    uint16_t leading_missing; /* before the first symbol; below 8,192 */
    int32_t reference_time;
    uint8_t feedback_count;
    uint16_t symbol_count;
    uint16_t delta_count;
    uint8_t symbols[TWCC__SYMBOLS_MAX];
    int16_t deltas[TWCC__SYMBOLS_MAX];
};

/* Appends the packet; the caller made sure of RTP_TWCC_PACKET_MAX bytes. */
void twcc__put(struct wr *w, const struct twcc__report *report);

/* NAL unit types (RFC 6184, 5.2; ISO/IEC 14496-10, table 7-1). */
enum {
    H264__SLICE = 1,
    H264__IDR = 5,
    H264__SEI = 6,
    H264__SPS = 7,
    H264__PPS = 8,
    H264__AUD = 9,
    H264__STAP_A = 24,
    H264__FU_A = 28
};

/* VP8 key frame header (RFC 6386, 9.1); true and the size if `payload` begins one. */
bool vp8__is_keyframe(const uint8_t *payload, size_t size, uint16_t *ret_width,
                      uint16_t *ret_height);

#endif
