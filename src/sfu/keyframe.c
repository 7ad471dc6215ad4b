#include "sfu/sfu_internal.h"

/*
 * Requests for keyframes, one stream of them per layer: however many subscribers ask, the publisher
 * hears one request per interval, and hears it again until a keyframe comes or nobody waits.
 */

static mono_us interval(const struct sfu_layer *l)
{
    return l->index == 0 ? SFU_KEYFRAME_WAIT_LOW : SFU_KEYFRAME_WAIT_HIGH;
}

mono_us sfu__keyframe_next(const struct sfu_layer *l)
{
    if (!l->keyframe.is_waiting)
        return MONO_NEVER;
    return l->keyframe.has_sent ? l->keyframe.sent_at + interval(l) : 0;
}

static void ask(struct sfu_layer *l)
{
    struct sfu_track *t = l->track;
    if (t->peer != NULL) {
        l->keyframe.is_due = true;
        sfu__peer_due(t->peer);
        return;
    }
    const struct sfu_event e = {
        .kind = SFU_EVENT_KEYFRAME_WANTED, .track = t->config.track, .layer = (int8_t)l->index};
    sfu__push_event(t->node, &e);
}

static void send_if_due(struct sfu_layer *l, mono_us now)
{
    struct sfu_track *t = l->track;
    if (t->is_blocked)
        return;
    if (now < sfu__keyframe_next(l)) {
        sfu__arm_earlier(&t->node->track_timers, &t->timer, sfu__keyframe_next(l));
        return;
    }
    l->keyframe.has_sent = true;
    l->keyframe.sent_at = now;
    t->node->stats.keyframes_requested++;
    ask(l);
    sfu__arm_earlier(&t->node->track_timers, &t->timer, now + interval(l));
}

void sfu__keyframe_request(struct sfu_layer *l, mono_us now)
{
    if (l->track->config.kind != RTP_KIND_VIDEO)
        return;
    l->keyframe.is_waiting = true;
    send_if_due(l, now);
}

void sfu__keyframe_arrived(struct sfu_layer *l)
{
    l->keyframe.is_waiting = false;
    l->keyframe.is_due = false;
    l->keyframe.external_until = 0;
}

static bool has_waiter(const struct sfu_layer *l, mono_us now)
{
    if (now < l->keyframe.external_until)
        return true;
    LIST_FOR_EACH(it, &l->track->subs)
    {
        const struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, track_link);
        bool is_switching = s->wanted == (int8_t)l->index && s->current != s->wanted;
        bool has_asked = s->current == (int8_t)l->index && s->needs_keyframe;
        if (is_switching || has_asked)
            return true;
    }
    return false;
}

void sfu__keyframe_tick(struct sfu_layer *l, mono_us now)
{
    if (!l->keyframe.is_waiting && l->uplink != NULL && l->uplink->nack.is_overflown) {
        /* What was lost for good can only be repaired by a keyframe, if somebody watches. */
        bool is_watched = l->track->relay_mask != 0 || !list_is_empty(&l->track->subs);
        if (rtp_nack_take_lost(&l->uplink->nack) && is_watched && l->is_live) {
            l->keyframe.external_until = now + SFU_KEYFRAME_EXTERNAL;
            sfu__keyframe_request(l, now);
        }
    }
    if (!l->keyframe.is_waiting)
        return;
    if (has_waiter(l, now))
        send_if_due(l, now);
    else
        l->keyframe.is_waiting = false;
}

void sfu_node_handle_keyframe_wanted(struct sfu_node *node, sfu_track_id track, int8_t layer,
                                     mono_us now)
{
    sfu__enter(node, now);
    struct sfu_track *t = idmap_get(&node->tracks, track);
    if (t == NULL || t->config.kind != RTP_KIND_VIDEO)
        return;
    for (uint8_t i = 0; i < t->config.layer_count; i++) {
        if (layer >= 0 && i != layer)
            continue;
        t->layers[i].keyframe.external_until = now + SFU_KEYFRAME_EXTERNAL;
        sfu__keyframe_request(&t->layers[i], now);
    }
}
