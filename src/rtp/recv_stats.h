#ifndef TK_RTP_RECV_STATS_H
#define TK_RTP_RECV_STATS_H

/*
 * Receive statistics of one RTP stream and its reception report block (RFC 3550, 6.4.1, A.3, A.8).
 * Sans-IO, a plain value.
 */

#include "base/time.h"
#include "rtp/rtcp.h"
#include "rtp/seq.h"

#include <stdbool.h>
#include <stdint.h>

struct rtp_recv_stats {
    uint32_t clock_hz;
    uint64_t base;   /* first extended sequence number */
    uint64_t newest; /* 0 = nothing yet */
    uint64_t packets;
    uint64_t bytes; /* payload */
    uint64_t expected_prior, packets_prior;
    uint32_t jitter_q4; /* timestamp units times 16 (A.8) */
    bool has_transit;
    uint32_t transit;
    uint32_t sr_ntp_mid; /* middle 32 bits of the last sender report's NTP time */
    mono_us sr_at;       /* its arrival; 0 = none */
};

void rtp_recv_stats_init(struct rtp_recv_stats *s, uint32_t clock_hz);

/* One received packet: extended number and result from rtp_seq_ext_update(). Retransmissions count
 * as received (they lower the loss) but `is_rtx` keeps them out of the jitter. */
void rtp_recv_stats_packet(struct rtp_recv_stats *s, uint64_t seq_ext, enum rtp_seq_result result,
                           uint32_t ts, size_t payload_size, bool is_rtx, mono_us arrived);

void rtp_recv_stats_sr(struct rtp_recv_stats *s, ntp_time ntp, mono_us arrived);

/* Jitter in microseconds. */
uint32_t rtp_recv_stats_jitter_us(const struct rtp_recv_stats *s);

/* Fills a block for `ssrc` and starts the next interval; false if nothing was received yet. */
bool rtp_recv_stats_report(struct rtp_recv_stats *s, uint32_t ssrc, mono_us now,
                           struct rtcp_report *ret_report);

#endif
