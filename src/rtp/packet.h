#ifndef TK_RTP_PACKET_H
#define TK_RTP_PACKET_H

/*
 * The RTP header (RFC 3550, 5.1), parsed in place and written. Sans-IO; a view points into the
 * caller's bytes.
 *
 *   0                   1                   2                   3
 *   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   |                           timestamp                           |
 *   |                              SSRC                             |
 *   |                          CSRC (0 to 15)                       |
 *   |      extension profile        |   length in 32-bit words      |  if X
 *   |                   header extension elements                   |
 */

#include "base/attrs.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_VERSION       2
#define RTP_HEADER_SIZE   12
#define RTP_HEADER_X      0x10 /* in the first byte: an extension block follows */
#define RTP_CSRCS_MAX     15
#define RTP_EXT_ONE_BYTE  0xBEDE /* RFC 8285, 4.2 */
#define RTP_EXT_TWO_BYTE  0x1000 /* RFC 8285, 4.3; the low four bits are "appbits" */
#define RTP_EXT_BYTES_MAX 256    /* longer extension blocks are refused */

struct rtp_view {
    bool is_marker;
    uint8_t pt;
    uint16_t seq;
    uint32_t ts;
    uint32_t ssrc;
    uint8_t csrc_count;
    uint16_t ext_profile; /* 0 = no header extension */
    uint16_t ext_size;    /* bytes of extension elements, after the 4-byte extension header */
    uint16_t header_size; /* everything before the payload */
    uint16_t payload_size;
    uint8_t padding_size;
    const uint8_t *ext; /* extension elements, or NULL */
    const uint8_t *payload;
    const uint8_t *data; /* the whole packet */
};

/*
 * Parses a decrypted packet of at most 65,535 bytes; checks version, CSRC count, extension length
 * and padding. ERR_RTP_HEADER. A packet may have an empty payload (padding only).
 */
MUST_CHECK int rtp_parse(const uint8_t *data, size_t size, struct rtp_view *ret_view);

/* Demultiplexing on one port (RFC 7983 and RFC 5761, 4): what a datagram's first bytes look like.
 */
bool rtp_looks_like_rtp(const uint8_t *data, size_t size);
bool rtp_looks_like_rtcp(const uint8_t *data, size_t size);

/* The fields of a header to be written; no CSRCs. */
struct rtp_header {
    bool is_marker;
    uint8_t pt; /* 0..127 */
    uint16_t seq;
    uint32_t ts;
    uint32_t ssrc;
};

/* Writes the fixed header, X bit clear; `dst` holds RTP_HEADER_SIZE. */
static inline void rtp_header_write(uint8_t *dst, const struct rtp_header *header)
{
    dst[0] = RTP_VERSION << 6;
    dst[1] = (uint8_t)((header->is_marker ? 0x80 : 0) | (header->pt & 0x7f));
    put_u16be(dst + 2, header->seq);
    put_u32be(dst + 4, header->ts);
    put_u32be(dst + 8, header->ssrc);
}

#endif
