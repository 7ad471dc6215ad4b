#include "sfu/sfu_internal.h"

/* The hot loop: tracks with pending packets, their subscriptions, and for each the packets. */

void sfu__pending_add(struct sfu_track *t, struct sfu_packet *p)
{
    if (list_is_empty(&t->subs))
        return;
    p->is_pending = true;
    p->next_pending = NULL;
    if (t->pending_last != NULL)
        t->pending_last->next_pending = p;
    else
        t->pending_first = p;
    t->pending_last = p;
    if (list_is_empty(&t->fan_link))
        list_push_back(&t->node->fan_tracks, &t->fan_link);
}

void sfu__pending_purge(struct sfu_track *t, int layer)
{
    struct sfu_packet *p = t->pending_first;
    t->pending_first = NULL;
    t->pending_last = NULL;
    while (p != NULL) {
        struct sfu_packet *next = p->next_pending;
        p->is_pending = false;
        p->next_pending = NULL;
        if (layer != SFU_LAYER_NONE && p->layer != layer)
            sfu__pending_add(t, p);
        p = next;
    }
    if (t->pending_first != NULL)
        return;
    list_remove(&t->fan_link);
    if (t->node->fan_track == t) {
        t->node->fan_track = NULL;
        t->node->fan_sub = NULL;
        t->node->fan_packet = NULL;
    }
}

void sfu__fanout_forget_sub(struct sfu_node *node, struct sfu_sub *s)
{
    if (node->fan_sub != &s->track_link)
        return;
    node->fan_sub = s->track_link.next;
    node->fan_packet = s->track->pending_first;
}

/* What was received after a keyframe's first packet that came late is in the ring already. */
static int replay(struct sfu_sub *s, mono_us now, struct sfu_out *ret_out)
{
    while (s->replay_next < s->replay_end) {
        const struct sfu_packet *p =
            s->current != SFU_LAYER_NONE
                ? sfu__ring_get(&s->track->layers[s->current].ring, s->replay_next)
                : NULL;
        s->replay_next++;
        if (p != NULL && sfu__sub_forward(s, p, now, ret_out) == 1)
            return 1;
    }
    return 0;
}

static int next_of_sub(struct sfu_node *node, struct sfu_sub *s, struct sfu_out *ret_out)
{
    if (replay(s, node->now, ret_out) == 1)
        return 1;
    while (node->fan_packet != NULL) {
        const struct sfu_packet *p = node->fan_packet;
        node->fan_packet = p->next_pending;
        if (sfu__sub_forward(s, p, node->now, ret_out) == 1)
            return 1;
        if (s->replay_next < s->replay_end && replay(s, node->now, ret_out) == 1)
            return 1;
    }
    return replay(s, node->now, ret_out);
}

static bool is_idle(const struct sfu_sub *s)
{
    return s->current == SFU_LAYER_NONE && s->wanted == SFU_LAYER_NONE;
}

static int next_of_track(struct sfu_node *node, struct sfu_track *t, struct sfu_out *ret_out)
{
    while (node->fan_sub != &t->subs) {
        struct sfu_sub *s = CONTAINER_OF(node->fan_sub, struct sfu_sub, track_link);
        if (!is_idle(s) && next_of_sub(node, s, ret_out) == 1)
            return 1;
        node->fan_sub = node->fan_sub->next;
        node->fan_packet = t->pending_first;
    }
    return 0;
}

int sfu__fanout_poll(struct sfu_node *node, struct sfu_out *ret_out)
{
    while (!list_is_empty(&node->fan_tracks)) {
        struct sfu_track *t = CONTAINER_OF(node->fan_tracks.next, struct sfu_track, fan_link);
        if (node->fan_track != t) {
            node->fan_track = t;
            node->fan_sub = t->subs.next;
            node->fan_packet = t->pending_first;
        }
        if (next_of_track(node, t, ret_out) == 1)
            return 1;
        sfu__pending_purge(t, SFU_LAYER_NONE);
    }
    return 0;
}
