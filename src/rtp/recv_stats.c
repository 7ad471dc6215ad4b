#include "rtp/recv_stats.h"

#include "rtp/sr.h"

void rtp_recv_stats_init(struct rtp_recv_stats *s, uint32_t clock_hz)
{
    *s = (struct rtp_recv_stats){.clock_hz = clock_hz};
}

static void restart(struct rtp_recv_stats *s, uint64_t seq_ext)
{
    s->base = seq_ext;
    s->newest = seq_ext;
    s->packets = 0;
    s->expected_prior = 0;
    s->packets_prior = 0;
    s->has_transit = false;
}

/* RFC 3550, A.8, in integers: J += |D| - (J + 8) / 16, with J times 16. */
static void update_jitter(struct rtp_recv_stats *s, uint32_t ts, mono_us arrived)
{
    int64_t arrived_ts =
        arrived / 1000000 * s->clock_hz + arrived % 1000000 * s->clock_hz / 1000000;
    uint32_t transit = (uint32_t)arrived_ts - ts;
    int32_t d = (int32_t)(transit - s->transit);
    s->transit = transit;
    if (!s->has_transit) {
        s->has_transit = true;
        return;
    }
    int64_t distance = d < 0 ? -(int64_t)d : d;
    if (distance > 5 * (int64_t)s->clock_hz)
        return; /* the sender's clock was set anew, which is no jitter */
    int64_t jitter = (int64_t)s->jitter_q4 + distance - ((s->jitter_q4 + 8) >> 4);
    s->jitter_q4 = (uint32_t)jitter;
}

void rtp_recv_stats_packet(struct rtp_recv_stats *s, uint64_t seq_ext, enum rtp_seq_result result,
                           uint32_t ts, size_t payload_size, bool is_rtx, mono_us arrived)
{
    if (result == RTP_SEQ_JUMP)
        return;
    if (s->newest == 0 || result == RTP_SEQ_RESYNC)
        restart(s, seq_ext);
    if (seq_ext > s->newest)
        s->newest = seq_ext;
    s->packets++;
    s->bytes += payload_size;
    if (result != RTP_SEQ_LATE && !is_rtx)
        update_jitter(s, ts, arrived);
}

void rtp_recv_stats_sr(struct rtp_recv_stats *s, ntp_time ntp, mono_us arrived)
{
    s->sr_ntp_mid = rtp_ntp_mid(ntp);
    s->sr_at = arrived;
}

uint32_t rtp_recv_stats_jitter_us(const struct rtp_recv_stats *s)
{
    return (uint32_t)((uint64_t)(s->jitter_q4 >> 4) * 1000000 / s->clock_hz);
}

static int32_t clamp_24_bits(int64_t v)
{
    if (v > 0x7fffff)
        return 0x7fffff;
    return v < -0x800000 ? -0x800000 : (int32_t)v;
}

/* RFC 3550, A.3. */
static uint8_t take_fraction(struct rtp_recv_stats *s, uint64_t expected)
{
    int64_t expected_interval = (int64_t)(expected - s->expected_prior);
    int64_t received_interval = (int64_t)(s->packets - s->packets_prior);
    s->expected_prior = expected;
    s->packets_prior = s->packets;
    int64_t lost = expected_interval - received_interval;
    if (expected_interval <= 0 || lost <= 0)
        return 0;
    int64_t fraction = lost * 256 / expected_interval;
    return fraction > 255 ? 255 : (uint8_t)fraction;
}

static uint32_t delay_since_sr(const struct rtp_recv_stats *s, mono_us now)
{
    if (s->sr_at == 0 || now < s->sr_at)
        return 0;
    mono_us passed = now - s->sr_at;
    if (passed >= MONO_S(65536))
        return UINT32_MAX;
    return (uint32_t)(passed * 65536 / 1000000);
}

bool rtp_recv_stats_report(struct rtp_recv_stats *s, uint32_t ssrc, mono_us now,
                           struct rtcp_report *ret_report)
{
    if (s->newest == 0)
        return false;
    uint64_t expected = s->newest - s->base + 1;
    *ret_report = (struct rtcp_report){
        .ssrc = ssrc,
        .lost = clamp_24_bits((int64_t)(expected - s->packets)),
        .fraction_lost = take_fraction(s, expected),
        .highest_seq = (uint32_t)(s->newest - 65536), /* cycles count from zero on the wire */
        .jitter = s->jitter_q4 >> 4,
        .lsr = s->sr_at != 0 ? s->sr_ntp_mid : 0,
        .dlsr = delay_since_sr(s, now),
    };
    return true;
}
