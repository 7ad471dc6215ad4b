#ifndef TK_RTP_SR_H
#define TK_RTP_SR_H

/*
 * Sender reports through a forwarder: the publisher's pairs of NTP and RTP time are carried over to
 * the outgoing timestamps, so that a subscriber can still align sound and picture (RFC 3550,
 * 6.4.1); the clock difference of two layers; round-trip time from receiver reports. Sans-IO.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

/* The last sender report of one source stream. */
struct rtp_sr_ref {
    bool is_set;
    ntp_time ntp;
    uint32_t rtp_ts;
    mono_us arrived;
};

/*
 * NTP and RTP time for a report sent `now`: both are moved on by the time since the publisher's
 * report came, then `ts_offset` (outgoing minus source) is added. The NTP time stays on the
 * publisher's clock, the same for all its tracks. ERR_STATE if there is no report yet.
 */
MUST_CHECK int rtp_sr_translate(const struct rtp_sr_ref *ref, uint32_t ts_offset, uint32_t clock_hz,
                                mono_us now, ntp_time *ret_ntp, uint32_t *ret_rtp_ts);

/*
 * What to add to timestamps of stream `to` to bring them onto the clock of stream `from`, two
 * layers of one track with one NTP clock. ERR_STATE if one of them has no report yet or the two
 * reports lie more than a minute apart.
 */
MUST_CHECK int rtp_sr_delta(const struct rtp_sr_ref *from, const struct rtp_sr_ref *to,
                            uint32_t clock_hz, uint32_t *ret_delta);

/* The middle 32 bits of an NTP time, as in LSR. */
static inline uint32_t rtp_ntp_mid(ntp_time t)
{
    return (uint32_t)(t >> 16);
}

#define RTP_SR_LOG_SIZE 8

/* Which reports we sent when: the NTP time in them is not our own clock. */
struct rtp_sr_log {
    uint32_t mids[RTP_SR_LOG_SIZE];
    mono_us sent_at[RTP_SR_LOG_SIZE];
    uint8_t next;
};

void rtp_sr_log_add(struct rtp_sr_log *log, ntp_time ntp, mono_us now);

/* Round-trip time from a report block's LSR and DLSR (RFC 3550, 6.4.1). ERR_NOT_FOUND for a report
 * we did not send or no longer remember, ERR_MALFORMED for a DLSR longer than the time passed. */
MUST_CHECK int rtp_sr_log_rtt(const struct rtp_sr_log *log, uint32_t lsr, uint32_t dlsr,
                              mono_us now, mono_us *ret_rtt);

#endif
