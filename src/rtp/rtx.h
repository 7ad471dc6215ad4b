#ifndef TK_RTP_RTX_H
#define TK_RTP_RTX_H

/*
 * Retransmission payload (RFC 4588, 4): the original sequence number (OSN) in two bytes, then the
 * original payload, in a stream with its own SSRC and payload type. Sans-IO.
 */

#include "base/attrs.h"
#include "rtp/packet.h"

#define RTP_RTX_PREFIX_SIZE 2

/*
 * Turns a received RTX packet back into the original one, in the same buffer: `data` of `size`
 * bytes gets the given SSRC and payload type and the OSN as its sequence number, the payload moves
 * up by two bytes. Header extensions stay. Returns the new size; 0 if the packet carries nothing
 * (padding used for probing); ERR_RTP_HEADER.
 */
MUST_CHECK int rtp_rtx_decapsulate(uint8_t *data, size_t size, uint32_t ssrc, uint8_t pt);

/* The two bytes that go before the original payload. */
void rtp_rtx_prefix(uint16_t original_seq, uint8_t ret_prefix[RTP_RTX_PREFIX_SIZE]);

/*
 * Writes a whole RTX packet of an original one; keeps marker and timestamp, drops extensions and
 * padding. Returns its size; ERR_RTP_HEADER, ERR_NO_SPACE.
 */
MUST_CHECK int rtp_rtx_encapsulate(const uint8_t *original, size_t size, uint32_t rtx_ssrc,
                                   uint8_t rtx_pt, uint16_t rtx_seq, uint8_t *dst, size_t dst_size);

#endif
