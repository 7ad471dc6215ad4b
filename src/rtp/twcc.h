#ifndef TK_RTP_TWCC_H
#define TK_RTP_TWCC_H

/*
 * Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01,
 * 3.1): the receiver that records arrivals and says when to report them, and the parser for the
 * other side. Sans-IO, bounded memory, no allocation.
 */

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/time.h"
#include "rtp/rtcp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_TWCC_WINDOW     2048 /* arrivals kept; a power of two */
#define RTP_TWCC_PACKET_MAX 1000 /* bytes of one feedback packet at most */

struct rtp_twcc {
    uint64_t begin;  /* first extended number of the next report */
    uint64_t newest; /* 0 = nothing yet */
    mono_us last_at; /* last report, or the first arrival */
    mono_us interval;
    uint8_t feedback_count;
    bool is_pending;
    mono_us arrivals[RTP_TWCC_WINDOW]; /* by extended number; 0 = not arrived */
    uint64_t too_old;                  /* statistics: arrivals outside the window */
};

/* `interval` between two reports, 50 to 100 ms. */
void rtp_twcc_init(struct rtp_twcc *t, mono_us interval);

/* One packet with the wide sequence number `seq` arrived; duplicates keep the first time. A jump
 * beyond the window starts anew from there. Constant time, except that a gap clears its slots. */
void rtp_twcc_packet(struct rtp_twcc *t, uint16_t seq, mono_us arrived);

/*
 * Appends one feedback packet if one is due. Returns 1 if it did (call again, a report may need
 * several packets), 0 if nothing is due, ERR_NO_SPACE if `w` has less than RTP_TWCC_PACKET_MAX
 * left.
 */
MUST_CHECK int rtp_twcc_poll(struct rtp_twcc *t, uint32_t sender_ssrc, uint32_t media_ssrc,
                             mono_us now, struct wr *w);

/* When rtp_twcc_poll() has something; MONO_NEVER while nothing arrives. */
mono_us rtp_twcc_next_at(const struct rtp_twcc *t);

/* ---- the sender's side ---- */

struct rtp_twcc_status {
    uint16_t seq;
    bool is_received;
    int64_t arrived_us; /* on the receiver's clock, from its 24-bit reference time of 64 ms units */
};

struct rtp_twcc_feedback {
    uint16_t base_seq;
    uint16_t status_count;
    int32_t reference_time; /* signed 24 bits, units of 64 ms */
    uint8_t feedback_count;
};

/*
 * Parses a feedback packet (RTPFB, 15). Returns the number of statuses written, at most
 * `statuses_max` (the rest is cut); ERR_RTCP_HEADER, ERR_MALFORMED.
 */
MUST_CHECK int rtp_twcc_parse(const struct rtcp_packet *p, struct rtp_twcc_feedback *ret_feedback,
                              struct rtp_twcc_status *ret_statuses, size_t statuses_max);

#endif
