#ifndef TK_RTP_SEQ_H
#define TK_RTP_SEQ_H

/*
 * Sequence number arithmetic modulo 2^16 and 2^32, and the extension of 16-bit sequence numbers to
 * 64 bits (RFC 3550, A.1, with its limits on jumps and misordering). Sans-IO, plain values.
 */

#include <stdbool.h>
#include <stdint.h>

/* True if `a` comes after `b` on the circle (RFC 1982); false for equal ones. */
static inline bool rtp_seq_newer(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(a - b) > 0;
}

static inline bool rtp_ts_newer(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

/* The 64-bit number that is congruent to `seq` and nearest to `near`. */
static inline uint64_t rtp_seq_expand(uint16_t seq, uint64_t near)
{
    return near + (uint64_t)(int64_t)(int16_t)(uint16_t)(seq - (uint16_t)near);
}

/* RFC 3550, A.1: "MAX_DROPOUT" and "MAX_MISORDER"; the second is wider here, because
 * retransmissions come through the same door. */
#define RTP_SEQ_DROPOUT_MAX  3000
#define RTP_SEQ_MISORDER_MAX 2000

enum rtp_seq_result {
    RTP_SEQ_NEWEST, /* above all before, at most RTP_SEQ_DROPOUT_MAX further on; also the first */
    RTP_SEQ_LATE,   /* below or equal to the newest: reordered, retransmitted or duplicate */
    RTP_SEQ_JUMP,   /* too far away: drop it; two in a row in sequence will be believed */
    RTP_SEQ_RESYNC  /* the second of such a pair: the stream goes on from here, forget gaps */
};

/* Extended numbers start at 2^16 + seq, so that late packets before the first stay positive. */
struct rtp_seq_ext {
    uint64_t newest; /* 0 = nothing received yet */
    uint32_t bad_next;
};

void rtp_seq_ext_init(struct rtp_seq_ext *s);

/* Extends one received number; `ret_ext` is written except for RTP_SEQ_JUMP. Constant time. After
 * RTP_SEQ_RESYNC the extended numbers still grow. */
enum rtp_seq_result rtp_seq_ext_update(struct rtp_seq_ext *s, uint16_t seq, uint64_t *ret_ext);

#endif
