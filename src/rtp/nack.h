#ifndef TK_RTP_NACK_H
#define TK_RTP_NACK_H

/*
 * Which packets of a stream to ask for again (RFC 4585, 6.2.1): gaps in the extended sequence
 * numbers wait a short time for reordered packets, are then asked for, and again after each round
 * trip, at most RTP_NACK_TRIES_MAX times and not longer than `age_max`. Sans-IO, bounded; the list
 * takes memory with the first loss, and more when it doubles.
 */

#include "base/attrs.h"
#include "base/time.h"
#include "rtp/seq.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_NACK_MISSING_MAX 256
#define RTP_NACK_TRIES_MAX   10

struct rtp_nack_config {
    mono_us reorder_wait; /* before the first NACK; default 10 ms */
    mono_us rtt_default;  /* until rtp_nack_set_rtt(); default 100 ms */
    mono_us retry_min;    /* between two NACKs; default 20 ms */
    mono_us age_max;      /* a packet is given up; default 1 s */
};

struct rtp_nack_missing {
    uint64_t seq;
    mono_us born;
    mono_us due;
    uint8_t tries;
};

struct rtp_nack {
    struct rtp_nack_config config;
    mono_us rtt;
    uint64_t newest; /* 0 = nothing yet */
    uint16_t missing_count, missing_room;
    bool is_overflown;                   /* gaps were given up unasked */
    struct rtp_nack_missing *missing;    /* ascending; NULL = nothing was ever missing */
    uint64_t asked, given_up, recovered; /* statistics */
};

struct rtp_nack_config rtp_nack_config_default(void);
void rtp_nack_init(struct rtp_nack *n, const struct rtp_nack_config *config);
void rtp_nack_fini(struct rtp_nack *n);

void rtp_nack_set_rtt(struct rtp_nack *n, mono_us rtt);

/* One received packet (original or retransmitted), with the result of rtp_seq_ext_update(). A gap
 * longer than the list can be overflows it: everything missing is given up, as without memory. */
void rtp_nack_packet(struct rtp_nack *n, uint64_t seq_ext, enum rtp_seq_result result, mono_us now);

/* True if the packet has not come and may still be asked for. */
bool rtp_nack_is_missing(const struct rtp_nack *n, uint64_t seq_ext);

/* A keyframe began at this number: what is missing before it is not needed any more. */
void rtp_nack_forget_before(struct rtp_nack *n, uint64_t seq_ext);

/*
 * Writes up to `seqs_max` sequence numbers that are due for a NACK at `now`, ascending.
 *
 * Returns the number written; call until 0, then sleep until rtp_nack_next_at().
 */
size_t rtp_nack_poll(struct rtp_nack *n, mono_us now, uint16_t *ret_seqs, size_t seqs_max);

/* MONO_NEVER if nothing is missing. */
mono_us rtp_nack_next_at(const struct rtp_nack *n);

/* True once after gaps were given up: only a keyframe helps now. */
bool rtp_nack_take_lost(struct rtp_nack *n);

#endif
