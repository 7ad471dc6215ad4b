#include "sfu/sfu_internal.h"

/*
 * Where packets begin to flow to a subscription, and where they cease.
 *
 * A subscription starts with a keyframe: the one that comes, or the newest one in the ring if that
 * is recent and all packets since are there, so that whoever joins sees a picture without a new
 * keyframe from the publisher. From a keyframe of the past it catches up in bursts: it reads the
 * ring until it stands where the layer does, and only then receives what comes.
 */

/* ---- flowing ---- */

/* Removing the subscription at which the fan-out stands moves the fan-out to the next one. */
static void leave_layer(struct sfu_sub *s)
{
    struct sfu_layer *l = &s->track->layers[s->current];
    struct sfu_node *node = s->track->node;
    if (node->fan_layer == l && node->fan_sub == &s->flow_link) {
        node->fan_sub = s->flow_link.next;
        node->fan_packet = l->pending_first;
    }
    l->sub_count--;
    list_remove(&s->flow_link);
}

static bool is_catching_up(const struct sfu_sub *s)
{
    return s->catch_up_next != 0;
}

void sfu__sub_stop(struct sfu_sub *s)
{
    if (s->current == SFU_LAYER_NONE)
        return;
    if (is_catching_up(s))
        list_remove(&s->flow_link);
    else
        leave_layer(s);
    s->catch_up_next = 0;
    s->current = SFU_LAYER_NONE;
}

void sfu__sub_stop_reading(struct sfu_sub *s)
{
    if (!is_catching_up(s))
        return;
    sfu__sub_stop(s);
    s->waiting_since = s->track->node->now;
}

static void enter_layer(struct sfu_sub *s, struct sfu_layer *l)
{
    s->catch_up_next = 0;
    list_push_back(&l->subs, &s->flow_link);
    l->sub_count++;
}

static void enter_ring(struct sfu_sub *s, uint64_t seq)
{
    s->catch_up_next = seq;
    s->catch_up_left = SFU_START_BURST;
    list_push_back(&s->track->node->catching_up, &s->flow_link);
}

/* ---- starting ---- */

static void switch_mapper(struct sfu_sub *s, const struct sfu_packet *p, mono_us now)
{
    const struct sfu_track *t = s->track;
    int8_t last = s->mapper.layer;
    uint32_t delta = 0;
    bool has_delta = last == (int8_t)p->src.layer;
    if (last >= 0 && !has_delta)
        has_delta = rtp_sr_delta(&t->layers[last].sr, &t->layers[p->src.layer].sr, t->clock_hz,
                                 &delta) == 0;
    rtp_mapper_switch(&s->mapper, &p->src, has_delta ? &delta : NULL, now);
}

static void start(struct sfu_sub *s, const struct sfu_packet *p, mono_us now)
{
    struct sfu_layer *l = &s->track->layers[p->src.layer];
    if (!sfu__history_start(s, l, p->src.seq, now))
        return; /* it goes on waiting */
    switch_mapper(s, p, now);
    if (s->current != SFU_LAYER_NONE)
        s->track->node->stats.layer_switches++;
    sfu__sub_stop(s);
    s->current = (int8_t)p->src.layer;
    if (s->current == s->wanted)
        list_remove(&s->wait_link);
    s->temporal_now = s->temporal_max;
    s->temporal_since = p->src.seq;
    s->step_count = 0;
    s->needs_keyframe = false;
    /* The layer's receivers are about to get `p`, or it has gone by. */
    bool is_next = p->src.seq == l->arriving && p->src.seq == l->seqs.newest;
    if (is_next || !s->is_video)
        enter_layer(s, l);
    else
        enter_ring(s, p->src.seq);
    s->report_at = now; /* tells the receiver what the new timestamps mean */
    sfu__arm_earlier(&s->track->node->peer_timers, &s->peer->timer, now + MONO_MS(20));
}

/* H.264: the parameter sets of an IDR picture may come in the packets in front of it. When those
 * have not come, or began the picture themselves, the picture alone is no place to start. */
static bool is_start_missing(const struct sfu_layer *l, const struct sfu_packet *p)
{
    if (!p->is_bare_idr)
        return false;
    for (uint64_t back = 1; back <= SFU_PARAMETERS_MAX; back++) {
        const struct sfu_packet *before = sfu__ring_get(&l->ring, p->src.seq - back);
        if (before == NULL)
            return true;
        if (before->src.ts != p->src.ts)
            return false;
        if (before->is_keyframe)
            return true;
    }
    return false;
}

/* Sound can start anywhere, but not behind what has been received and will not be sent. */
static bool is_start(const struct sfu_layer *l, const struct sfu_packet *p)
{
    bool is_late_sound = l->track->config.kind == RTP_KIND_AUDIO && p->src.seq < l->seqs.newest;
    return p->is_keyframe && !is_late_sound && !is_start_missing(l, p);
}

/* The layer that is wanted; something is better than nothing while its keyframe is on its way. */
static bool is_welcome(const struct sfu_sub *s, int8_t layer, mono_us now)
{
    return layer == s->wanted || (s->current == SFU_LAYER_NONE && layer < s->wanted &&
                                  now - s->waiting_since > SFU_START_WAIT);
}

/* A keyframe that comes so late that packets behind it have left the ring: whoever started there
 * would ask for these, and nobody could answer. */
static bool is_outlived(const struct sfu_layer *l, const struct sfu_packet *p)
{
    return p->src.seq < l->ring.gone_end;
}

void sfu__start_waiting(struct sfu_layer *l, const struct sfu_packet *p, mono_us now)
{
    if (!is_start(l, p) || is_outlived(l, p))
        return;
    LIST_FOR_EACH(it, &l->track->waiting)
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, wait_link);
        if (is_welcome(s, (int8_t)l->index, now) && s->routes[p->pt_index].is_usable)
            start(s, p, now);
    }
}

/* ---- the keyframe in the ring ---- */

void sfu__start_note(struct sfu_layer *l, const struct sfu_packet *p)
{
    if (p->src.seq < l->start_seq)
        return;
    l->start_count++;
    if (!is_start(l, p) || l->seqs.newest - p->src.seq >= SFU_START_PACKETS)
        return;
    l->start_seq = p->src.seq; /* its own packet may be the last to come */
    l->start_count = 1;
    for (uint64_t seq = p->src.seq + 1; seq <= l->seqs.newest; seq++)
        l->start_count += sfu__ring_get(&l->ring, seq) != NULL;
}

/* A keyframe of the past is of use only to who has seen nothing newer: time does not go back. */
static const struct sfu_packet *start_of(const struct sfu_sub *s, const struct sfu_layer *l,
                                         mono_us now)
{
    uint64_t count = l->seqs.newest - l->start_seq + 1;
    if (l->start_seq == 0 || count > SFU_START_PACKETS || l->start_count != count)
        return NULL;
    const struct sfu_packet *p = sfu__ring_get(&l->ring, l->start_seq);
    mono_us age_max = TK_MIN(SFU_START_AGE, sfu__layer_age_max(l) - SFU_START_MARGIN);
    bool is_recent = p != NULL && now - p->arrived <= age_max;
    bool is_new = is_recent && (s->mapper.layer < 0 || p->arrived > s->mapper.newest_at);
    return is_new && s->routes[p->pt_index].is_usable ? p : NULL;
}

bool sfu__start_from_ring(struct sfu_sub *s, mono_us now)
{
    for (int8_t layer = s->wanted; layer >= 0 && s->current == SFU_LAYER_NONE; layer--) {
        struct sfu_layer *l = &s->track->layers[layer];
        const struct sfu_packet *p = start_of(s, l, now);
        if (p == NULL || !is_welcome(s, layer, now))
            continue;
        sfu__layer_touch(l); /* what is read stays, whoever leaves meanwhile */
        start(s, p, now);
    }
    return s->current == s->wanted;
}

/* ---- catching up ---- */

/* Packets of the ring for one subscription, until it is there or has had its burst. */
static size_t poll_ring(struct sfu_sub *s, struct sfu_layer *l, struct sfu_out *outs, size_t max)
{
    size_t count = 0;
    while (count < max && s->catch_up_next <= l->seqs.newest && s->catch_up_left > 0) {
        struct sfu_packet *p = sfu__ring_get(&l->ring, s->catch_up_next++);
        size_t sent = p != NULL ? sfu__sub_forward(s, p, l->track->node->now, &outs[count]) : 0;
        s->catch_up_left -= (uint32_t)sent;
        count += sent;
    }
    return count;
}

size_t sfu__catch_up_poll(struct sfu_node *node, struct sfu_out *outs, size_t max)
{
    size_t count = 0;
    while (count < max && !list_is_empty(&node->catching_up)) {
        struct sfu_sub *s = CONTAINER_OF(node->catching_up.next, struct sfu_sub, flow_link);
        struct sfu_layer *l = &s->track->layers[s->current];
        count += poll_ring(s, l, outs + count, max - count);
        if (s->catch_up_next > l->seqs.newest) {
            list_remove(&s->flow_link);
            enter_layer(s, l); /* what is pending there it has: the mapper sees to that */
        } else if (s->catch_up_left == 0) {
            list_remove(&s->flow_link);
            list_push_back(&node->resting, &s->flow_link);
            node->rest_until = TK_MIN(node->rest_until, node->now + SFU_START_REST);
        }
    }
    return count;
}

void sfu__catch_up_tick(struct sfu_node *node, mono_us now)
{
    if (now < node->rest_until)
        return;
    node->rest_until = MONO_NEVER;
    for (struct list *it; (it = list_pop_front(&node->resting)) != NULL;) {
        CONTAINER_OF(it, struct sfu_sub, flow_link)->catch_up_left = SFU_START_BURST;
        list_push_back(&node->catching_up, it);
    }
}
