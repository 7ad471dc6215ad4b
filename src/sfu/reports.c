#include "base/bytes.h"
#include "rtp/rtcp.h"
#include "sfu/sfu_internal.h"

#include <string.h>

/* What has to be told by RTCP: sender reports to subscribers; receiver reports, NACK, requests for
 * keyframes and transport-wide feedback to publishers. */

#define SR_ROOM   (28 + 8 + 2 + SFU_CNAME_SIZE + 4) /* with its SDES */
#define RR_ROOM   (8 + 24)
#define NACK_ROOM (12 + 4 * SFU_NACKS_MAX)
#define FIR_ROOM  20

static size_t room(const struct wr *w)
{
    return (size_t)(w->end - w->at);
}

/* ---- to subscribers ---- */

/* False while the source's clock is not known. */
static bool put_sender_report(struct sfu_sub *s, struct wr *w, mono_us now)
{
    const struct sfu_layer *l = &s->track->layers[s->current];
    struct rtcp_sender_info info = {
        .ssrc = s->config.ssrc, .packet_count = s->packets, .octet_count = s->octets};
    if (rtp_sr_translate(&l->sr, s->mapper.ts_offset, s->track->clock_hz, now, &info.ntp,
                         &info.rtp_ts) < 0)
        return false;
    rtcp_put_sr(w, &info, NULL, 0);
    rtcp_put_sdes_cname(w, s->config.ssrc, s->config.cname);
    rtp_sr_log_add(&s->sr_log, info.ntp, now);
    return true;
}

static bool is_report_due(const struct sfu_peer *p, mono_us now)
{
    LIST_FOR_EACH(it, &p->subs)
    {
        const struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, peer_link);
        if (now >= s->report_at && s->current != SFU_LAYER_NONE)
            return true;
    }
    return false;
}

/* Where one is due, those that would be soon go along: one packet for a viewer's sound and picture
 * costs half of one each, and they stay together from then on. */
static void put_sender_reports(struct sfu_peer *p, struct wr *w, mono_us now)
{
    if (!is_report_due(p, now))
        return;
    LIST_FOR_EACH(it, &p->subs)
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, peer_link);
        if (now < s->report_at - SFU_SR_EVERY / 2 || s->current == SFU_LAYER_NONE)
            continue;
        if (room(w) < SR_ROOM)
            return;
        s->report_at = now + (put_sender_report(s, w, now) ? SFU_SR_EVERY : SFU_SR_AGAIN);
    }
}

/* ---- to publishers ---- */

typedef void layer_fn(struct sfu_peer *p, struct sfu_layer *l, struct wr *w, mono_us now);

static void for_each_layer(struct sfu_peer *p, layer_fn *fn, struct wr *w, mono_us now)
{
    LIST_FOR_EACH(it, &p->tracks)
    {
        struct sfu_track *t = CONTAINER_OF(it, struct sfu_track, peer_link);
        for (size_t i = 0; i < t->config.layer_count; i++)
            if (t->layers[i].uplink != NULL && t->layers[i].media.ssrc != 0)
                fn(p, &t->layers[i], w, now);
    }
}

static void put_receiver_report(struct sfu_peer *p, struct sfu_layer *l, struct wr *w, mono_us now)
{
    struct rtcp_report r;
    if (now < l->uplink->report_at || room(w) < RR_ROOM)
        return;
    l->uplink->report_at = now + SFU_RR_EVERY;
    if (!l->is_live || !rtp_recv_stats_report(&l->uplink->stats, l->media.ssrc, now, &r))
        return;
    p->up_loss_sum += r.fraction_lost;
    p->up_loss_count++;
    rtcp_put_rr(w, p->node->rtcp_ssrc, &r, 1);
}

static void put_nack(struct sfu_peer *p, struct sfu_layer *l, struct wr *w, mono_us now)
{
    uint16_t seqs[SFU_NACKS_MAX];
    if (!l->track->config.has_nack || l->track->is_blocked || room(w) < NACK_ROOM)
        return;
    size_t count = rtp_nack_poll(&l->uplink->nack, now, seqs, SFU_NACKS_MAX);
    if (count == 0)
        return;
    rtcp_put_nack(w, p->node->rtcp_ssrc, l->media.ssrc, seqs, count);
    p->node->stats.nacks_sent += count;
}

static void put_keyframe_request(struct sfu_peer *p, struct sfu_layer *l, struct wr *w, mono_us now)
{
    if (!l->keyframe.is_due || room(w) < FIR_ROOM)
        return;
    l->keyframe.is_due = false;
    l->keyframe.sent_at = now; /* who was not connected hears of it later than it was decided */
    if (l->track->config.has_pli)
        rtcp_put_pli(w, p->node->rtcp_ssrc, l->media.ssrc);
    else
        rtcp_put_fir(w, p->node->rtcp_ssrc, l->media.ssrc, l->keyframe.fir_seq++);
}

/* A sender looks only at feedback that names one of its own SSRCs, whichever it is. */
static uint32_t any_ssrc(const struct sfu_peer *p)
{
    LIST_FOR_EACH(it, &p->tracks)
    {
        const struct sfu_track *t = CONTAINER_OF(it, struct sfu_track, peer_link);
        for (size_t i = 0; i < t->config.layer_count; i++)
            if (t->layers[i].media.ssrc != 0)
                return t->layers[i].media.ssrc;
    }
    return 0;
}

size_t sfu__peer_write_rtcp(struct sfu_peer *p, mono_us now)
{
    struct wr w = wr_init(p->node->rtcp, sizeof(p->node->rtcp));
    for_each_layer(p, put_keyframe_request, &w, now);
    for_each_layer(p, put_nack, &w, now);
    for_each_layer(p, put_receiver_report, &w, now);
    put_sender_reports(p, &w, now);
    /* Feedback on the transport fills a packet of its own. */
    if (wr_size(&w) == 0 && p->twcc != NULL)
        IGNORE(rtp_twcc_poll(p->twcc, p->node->rtcp_ssrc, any_ssrc(p), now,
                             &w)); /* the room is there */
    DCHECK(!w.is_bad);
    return wr_size(&w);
}

/* ---- to the control thread ---- */

static uint8_t percent(uint32_t sum, uint32_t count)
{
    return count > 0 ? (uint8_t)((uint64_t)sum * 100 / ((uint64_t)count * 256)) : 0;
}

static uint32_t rate(uint64_t bytes, mono_us passed)
{
    uint64_t bps = passed > 0 ? bytes * 8 * 1000000 / (uint64_t)passed : 0;
    return (uint32_t)TK_MIN(bps, (uint64_t)UINT32_MAX);
}

static uint64_t take_bytes_out(struct sfu_peer *p)
{
    uint64_t sum = 0;
    LIST_FOR_EACH(it, &p->subs)
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, peer_link);
        sum += s->bytes_out;
        s->bytes_out = 0;
    }
    return sum;
}

void sfu__peer_quality(struct sfu_peer *p, mono_us now)
{
    mono_us passed = now - p->quality_from;
    const struct sfu_event e = {.kind = SFU_EVENT_PEER_QUALITY,
                                .peer = p->config.peer,
                                .up_loss_percent = percent(p->up_loss_sum, p->up_loss_count),
                                .down_loss_percent = percent(p->down_loss_sum, p->down_loss_count),
                                .rtt_us = (uint32_t)TK_MIN(p->rtt, (mono_us)UINT32_MAX),
                                .up_bps = rate(p->bytes_in, passed),
                                .down_bps = rate(take_bytes_out(p), passed)};
    p->up_loss_sum = p->up_loss_count = p->down_loss_sum = p->down_loss_count = 0;
    p->bytes_in = 0;
    p->quality_from = now;
    p->quality_at = now + SFU_QUALITY;
    if (p->is_connected)
        sfu__push_event(p->node, &e);
}
