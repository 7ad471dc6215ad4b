#include "sfu/sfu_internal.h"

/* Packets and sender reports of a track to the other workers that have subscriptions to it. */

static struct sfu_relay *push(struct sfu_node *node)
{
    if (node->relay_count == SFU_RELAYS_MAX) {
        node->stats.drop_no_buffer++;
        return NULL;
    }
    return &node->relays[(node->relay_first + node->relay_count++) % SFU_RELAYS_MAX];
}

void sfu__relay_packet(struct sfu_layer *l, struct pkt *pkt, uint64_t seq)
{
    struct sfu_track *t = l->track;
    struct sfu_relay *r = t->relay_mask != 0 && t->peer != NULL ? push(t->node) : NULL;
    if (r == NULL)
        return;
    *r = (struct sfu_relay){.kind = SFU_RELAY_PACKET,
                            .worker_mask = t->relay_mask,
                            .track = t->config.track,
                            .layer = (int8_t)l->index,
                            .seq = seq,
                            .pkt = pkt,
                            .exts = t->peer->config.exts};
    for (uint32_t mask = t->relay_mask; mask != 0; mask &= mask - 1)
        pkt_ref(pkt);
}

void sfu__relay_report(struct sfu_layer *l)
{
    struct sfu_track *t = l->track;
    struct sfu_relay *r = t->relay_mask != 0 && t->peer != NULL ? push(t->node) : NULL;
    if (r == NULL)
        return;
    *r = (struct sfu_relay){.kind = SFU_RELAY_SENDER_REPORT,
                            .worker_mask = t->relay_mask,
                            .track = t->config.track,
                            .layer = (int8_t)l->index,
                            .sr_ntp = l->sr.ntp,
                            .sr_rtp = l->sr.rtp_ts,
                            .sr_arrived = l->sr.arrived};
}

void sfu__layer_set_report(struct sfu_layer *l, const struct rtp_sr_ref *sr)
{
    bool is_first = !l->sr.is_set;
    l->sr = *sr;
    if (!is_first)
        return;
    LIST_FOR_EACH(it, &l->track->subs) /* who is being sent to waits for the first one */
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, track_link);
        if (s->current != (int8_t)l->index)
            continue;
        s->report_at = l->track->node->now;
        sfu__peer_due(s->peer);
    }
}

static void handle_packet(struct sfu_layer *l, const struct sfu_relay *relay, mono_us now)
{
    struct sfu_arrival a = {.pkt = relay->pkt, .relay_seq = relay->seq};
    if (rtp_parse(relay->pkt->data, relay->pkt->size, &a.view) < 0) {
        l->track->node->stats.drop_malformed++;
        return;
    }
    rtp_ext_read(&a.view, &relay->exts, &a.exts);
    sfu__layer_receive(l, &a, now);
}

void sfu_node_handle_relay(struct sfu_node *node, const struct sfu_relay *relay, mono_us now)
{
    sfu__enter(node, now);
    node->stats.relay_in++;
    struct sfu_track *t = idmap_get(&node->tracks, relay->track);
    bool is_ours = t != NULL && t->peer == NULL && relay->layer >= 0 &&
                   relay->layer < (int8_t)t->config.layer_count;
    if (!is_ours) {
        pkt_unref(relay->pkt); /* crossed a removal */
        return;
    }
    struct sfu_layer *l = &t->layers[relay->layer];
    if (relay->kind == SFU_RELAY_SENDER_REPORT) {
        const struct rtp_sr_ref sr = {.is_set = true,
                                      .ntp = relay->sr_ntp,
                                      .rtp_ts = relay->sr_rtp,
                                      .arrived = relay->sr_arrived};
        sfu__layer_set_report(l, &sr);
        return;
    }
    handle_packet(l, relay, now);
    pkt_unref(relay->pkt); /* the ring has its own reference */
}
