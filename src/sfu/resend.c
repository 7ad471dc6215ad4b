#include "sfu/sfu_internal.h"

/* Answers to a subscriber's NACK from the ring that all subscribers share (RFC 4585, 6.2.1). */

static uint16_t ms_of(mono_us now)
{
    return (uint16_t)(now / 1000);
}

/* A packet is sent again at most once in half a round trip and SFU_RESENT_MAX times. */
static bool may_resend(const struct sfu_sub *s, const struct rtp_mapper_entry *e, mono_us now)
{
    if (e->resent_count == 0)
        return true;
    mono_us pause = TK_MAX(s->peer->rtt / 2, MONO_MS(5));
    return e->resent_count < SFU_RESENT_MAX &&
           (uint16_t)(ms_of(now) - e->resent_ms) >= TK_MIN(pause, MONO_MS(200)) / 1000;
}

/* Counts when it queues: one compound packet may name the same number in many NACKs, and what the
 * queue holds of one subscriber is then no more than its history. */
static void queue(struct sfu_sub *s, uint16_t seq, mono_us now)
{
    struct sfu_node *node = s->track->node;
    struct rtp_mapper_entry *e = rtp_mapper_find(&s->mapper, seq);
    if (e == NULL) {
        node->stats.nacks_missed++;
        return;
    }
    if (!may_resend(s, e, now))
        return;
    if (node->resend_count == SFU_RESENDS_MAX) {
        node->stats.nacks_dropped++;
        return;
    }
    e->resent_ms = ms_of(now);
    e->resent_count++;
    size_t at = (node->resend_first + node->resend_count++) % SFU_RESENDS_MAX;
    node->resends[at] = (struct sfu_resend){.sub = s->config.sub, .seq = seq};
}

void sfu__sub_handle_nack(struct sfu_sub *s, const uint16_t *seqs, size_t count, mono_us now)
{
    for (size_t i = 0; i < count; i++)
        queue(s, seqs[i], now);
}

static struct sfu_packet *source_of(const struct sfu_sub *s, const struct rtp_mapper_entry *e)
{
    if (e->layer >= RTP_LAYERS_MAX || s->track->layers[e->layer].ring.chunks == NULL)
        return NULL;
    const struct sfu_layer *l = &s->track->layers[e->layer];
    return sfu__ring_get(&l->ring, rtp_mapper_source(e, l->seqs.newest));
}

static size_t answer(struct sfu_sub *s, uint16_t seq, mono_us now, struct sfu_out *ret_out)
{
    struct rtp_mapper_entry *e = rtp_mapper_find(&s->mapper, seq);
    if (e == NULL)
        return 0;
    if (e->state == RTP_MAPPER_HOLE)
        return sfu__sub_write_empty(s, seq, e, ret_out);
    /* What has not gone out yet goes only to who still receives that layer. */
    bool is_withheld = e->state == RTP_MAPPER_RESERVED && s->current != (int8_t)e->layer;
    struct sfu_packet *p = is_withheld ? NULL : source_of(s, e);
    if (p == NULL) {
        e->resent_count--; /* it may still come from the publisher */
        s->track->node->stats.nacks_missed++;
        return 0;
    }
    if (e->state == RTP_MAPPER_RESERVED)
        return sfu__sub_forward(s, p, now, ret_out);
    if (!s->routes[p->pt_index].is_usable)
        return 0;
    return sfu__sub_write_resend(s, p, seq, e, ret_out);
}

size_t sfu__resend_poll(struct sfu_node *node, struct sfu_out *outs, size_t max)
{
    size_t count = 0;
    while (count < max && node->resend_count > 0) {
        struct sfu_resend r = node->resends[node->resend_first];
        node->resend_first = (node->resend_first + 1) % SFU_RESENDS_MAX;
        node->resend_count--;
        struct sfu_sub *s = idmap_get(&node->subs, r.sub);
        if (s != NULL && s->peer->is_connected)
            count += answer(s, r.seq, node->now, &outs[count]);
    }
    node->stats.nacks_answered += count;
    return count;
}
