#include "rtp/rtcp.h"
#include "sfu/sfu_internal.h"

/* RTCP from peers: as publishers they send SR, SDES and BYE; as subscribers RR and feedback. */

static struct sfu_layer *layer_of_ssrc(const struct sfu_peer *p, uint32_t ssrc)
{
    const struct sfu_bind *b = idmap_get(&p->node->binds, sfu__ssrc_key(p->config.peer, ssrc));
    return b != NULL && !b->is_rtx ? b->layer : NULL;
}

static struct sfu_sub *sub_of_ssrc(const struct sfu_peer *p, uint32_t ssrc)
{
    return idmap_get(&p->node->sub_ssrcs, sfu__ssrc_key(p->config.peer, ssrc));
}

static void set_rtt(struct sfu_peer *p, mono_us rtt)
{
    p->rtt = p->rtt == 0 ? rtt : (p->rtt * 7 + rtt) / 8;
    LIST_FOR_EACH(it, &p->tracks)
    {
        struct sfu_track *t = CONTAINER_OF(it, struct sfu_track, peer_link);
        for (size_t i = 0; i < RTP_LAYERS_MAX; i++)
            if (t->layers[i].uplink != NULL)
                rtp_nack_set_rtt(&t->layers[i].uplink->nack, p->rtt);
    }
}

static void handle_reports(struct sfu_peer *p, const struct rtcp_packet *packet, mono_us now)
{
    struct rtcp_report r;
    for (size_t i = 0; rtcp_get_report(packet, i, &r) == 0; i++) {
        struct sfu_sub *s = sub_of_ssrc(p, r.ssrc);
        if (s == NULL)
            continue;
        if (s->mid_end == UINT64_MAX)
            s->mid_end = s->mapper.out_next;
        p->down_loss_sum += r.fraction_lost;
        p->down_loss_count++;
        if (s->is_video)
            cc_stepdown_loss(&p->cc, r.fraction_lost);
        mono_us rtt;
        if (rtp_sr_log_rtt(&s->sr_log, r.lsr, r.dlsr, now, &rtt) == 0)
            set_rtt(p, rtt);
    }
}

static void handle_sr(struct sfu_peer *p, const struct rtcp_packet *packet, mono_us now)
{
    struct rtcp_sender_info info;
    if (rtcp_get_sender_info(packet, &info) == 0) {
        struct sfu_layer *l = layer_of_ssrc(p, info.ssrc);
        if (l != NULL) {
            const struct rtp_sr_ref sr = {
                .is_set = true, .ntp = info.ntp, .rtp_ts = info.rtp_ts, .arrived = now};
            rtp_recv_stats_sr(&l->uplink->stats, info.ntp, now);
            sfu__layer_set_report(l, &sr);
            sfu__relay_report(l);
        }
    }
    handle_reports(p, packet, now);
}

static void handle_bye(struct sfu_peer *p, const struct rtcp_packet *packet, mono_us now)
{
    uint32_t ssrc;
    for (size_t i = 0; rtcp_get_bye(packet, i, &ssrc) == 0; i++) {
        struct sfu_layer *l = layer_of_ssrc(p, ssrc);
        if (l == NULL)
            continue;
        l->is_live = false;
        const struct sfu_event e = {.kind = SFU_EVENT_BYE,
                                    .peer = p->config.peer,
                                    .track = l->track->config.track,
                                    .layer = (int8_t)l->index,
                                    .ssrc = ssrc};
        sfu__push_event(p->node, &e);
        sfu__track_choose(l->track, now);
    }
}

static void handle_nack(struct sfu_peer *p, const struct rtcp_packet *packet, mono_us now)
{
    uint32_t ssrc;
    uint16_t seqs[SFU_NACKS_MAX];
    if (rtcp_get_media_ssrc(packet, &ssrc) < 0)
        return;
    struct sfu_sub *s = sub_of_ssrc(p, ssrc);
    int count = s != NULL && s->config.has_nack ? rtcp_get_nack(packet, seqs, SFU_NACKS_MAX) : 0;
    if (count > 0)
        sfu__sub_handle_nack(s, seqs, (size_t)count, now);
}

static void handle_wish(struct sfu_peer *p, uint32_t ssrc, mono_us now)
{
    struct sfu_sub *s = sub_of_ssrc(p, ssrc);
    if (s == NULL || !s->is_video)
        return;
    int8_t layer = s->current != SFU_LAYER_NONE ? s->current : s->wanted;
    if (layer == SFU_LAYER_NONE)
        return;
    s->needs_keyframe = true;
    sfu__keyframe_request(&s->track->layers[layer], now);
}

static void handle_psfb(struct sfu_peer *p, const struct rtcp_packet *packet, mono_us now)
{
    uint32_t ssrc;
    uint8_t seq;
    struct rtcp_remb remb;
    if (packet->count == RTCP_PSFB_PLI && rtcp_get_media_ssrc(packet, &ssrc) == 0)
        handle_wish(p, ssrc, now);
    for (size_t i = 0; packet->count == RTCP_PSFB_FIR && rtcp_get_fir(packet, i, &ssrc, &seq) == 0;
         i++)
        handle_wish(p, ssrc, now);
    if (packet->count == RTCP_PSFB_AFB && rtcp_get_remb(packet, &remb) == 0)
        cc_stepdown_remb(&p->cc, remb.bitrate_bps, now);
}

static void handle_one(struct sfu_peer *p, const struct rtcp_packet *packet, mono_us now)
{
    switch (packet->type) {
    case RTCP_SR:
        handle_sr(p, packet, now);
        break;
    case RTCP_RR:
        handle_reports(p, packet, now);
        break;
    case RTCP_BYE:
        handle_bye(p, packet, now);
        break;
    case RTCP_RTPFB:
        if (packet->count == RTCP_RTPFB_NACK)
            handle_nack(p, packet, now);
        break;
    case RTCP_PSFB:
        handle_psfb(p, packet, now);
        break;
    default: /* SDES, APP, XR: nothing in them for us */
        break;
    }
}

void sfu_node_handle_rtcp(struct sfu_node *node, sfu_peer_id peer, const uint8_t *data, size_t size,
                          mono_us now)
{
    sfu__enter(node, now);
    node->stats.rtcp_in++;
    struct sfu_peer *p = idmap_get(&node->peers, peer);
    if (p == NULL) {
        node->stats.drop_unknown_peer++;
        return;
    }
    struct rtcp_reader reader = rtcp_reader_init(data, size);
    struct rtcp_packet packet;
    int err;
    while ((err = rtcp_next(&reader, &packet)) > 0)
        handle_one(p, &packet, now);
    if (err < 0)
        node->stats.drop_malformed++;
}
