#include "rtp/sr.h"

#include "base/err.h"

#define NTP_SECOND ((int64_t)1 << 32)
/* Two layers report every few seconds; more than this apart, one of them is stale. */
#define DELTA_NTP_MAX (60 * NTP_SECOND)

static ntp_time ntp_from_us(mono_us us)
{
    return (ntp_time)(us / 1000000) << 32 | (ntp_time)((us % 1000000 * NTP_SECOND) / 1000000);
}

static uint32_t ticks_from_us(mono_us us, uint32_t clock_hz)
{
    return (uint32_t)(us / 1000000 * clock_hz + us % 1000000 * clock_hz / 1000000);
}

int rtp_sr_translate(const struct rtp_sr_ref *ref, uint32_t ts_offset, uint32_t clock_hz,
                     mono_us now, ntp_time *ret_ntp, uint32_t *ret_rtp_ts)
{
    if (!ref->is_set || now < ref->arrived)
        return ERR_STATE;
    mono_us passed = now - ref->arrived;
    *ret_ntp = ref->ntp + ntp_from_us(passed);
    *ret_rtp_ts = ref->rtp_ts + ticks_from_us(passed, clock_hz) + ts_offset;
    return 0;
}

int rtp_sr_delta(const struct rtp_sr_ref *from, const struct rtp_sr_ref *to, uint32_t clock_hz,
                 uint32_t *ret_delta)
{
    if (!from->is_set || !to->is_set)
        return ERR_STATE;
    int64_t apart = (int64_t)(to->ntp - from->ntp);
    if (apart > DELTA_NTP_MAX || apart < -DELTA_NTP_MAX)
        return ERR_STATE;
    int64_t half = apart < 0 ? -NTP_SECOND / 2 : NTP_SECOND / 2;
    int64_t ticks = (apart * (int64_t)clock_hz + half) / NTP_SECOND;
    *ret_delta = from->rtp_ts + (uint32_t)ticks - to->rtp_ts;
    return 0;
}

void rtp_sr_log_add(struct rtp_sr_log *log, ntp_time ntp, mono_us now)
{
    log->mids[log->next] = rtp_ntp_mid(ntp);
    log->sent_at[log->next] = now;
    log->next = (uint8_t)((log->next + 1) % RTP_SR_LOG_SIZE);
}

int rtp_sr_log_rtt(const struct rtp_sr_log *log, uint32_t lsr, uint32_t dlsr, mono_us now,
                   mono_us *ret_rtt)
{
    for (int i = 0; i < RTP_SR_LOG_SIZE && lsr != 0; i++) {
        if (log->mids[i] != lsr)
            continue;
        mono_us held = (mono_us)((uint64_t)dlsr * 1000000 / 65536);
        mono_us rtt = now - log->sent_at[i] - held;
        if (rtt < -MONO_MS(1)) /* DLSR is cut to 1/65536 s, clocks may drift a little */
            return ERR_MALFORMED;
        *ret_rtt = rtt < 0 ? 0 : rtt;
        return 0;
    }
    return ERR_NOT_FOUND;
}
