#include "sfu/sfu_internal.h"

#include <stddef.h>

/*
 * The hot loop: layers with pending packets, the subscriptions that receive them, and for each of
 * these the packets.
 *
 * A frame for many receivers is held until its last packet has come, at most SFU_HOLD, so that its
 * packets leave together to each of them. Everything else is ready at once: audio, small audiences,
 * and packets that come late, which take along what is held.
 */

static bool may_hold(const struct sfu_layer *l, const struct sfu_packet *p, bool is_newest)
{
    return l->sub_count >= SFU_MANY && l->pending_count < SFU_HOLD_PACKETS &&
           l->track->config.kind == RTP_KIND_VIDEO && is_newest && !p->is_marker;
}

static void move_to(struct sfu_layer *l, struct list *queue)
{
    list_remove(&l->fan_link);
    list_push_back(queue, &l->fan_link);
}

void sfu__pending_add(struct sfu_layer *l, struct sfu_packet *p, bool is_newest, mono_us now)
{
    struct sfu_node *node = l->track->node;
    if (l->sub_count == 0)
        return;
    p->is_pending = true;
    p->next_pending = NULL;
    if (l->pending_last != NULL)
        l->pending_last->next_pending = p;
    else
        l->pending_first = p;
    l->pending_last = p;
    l->pending_count++;
    if (!may_hold(l, p, is_newest)) {
        move_to(l, &node->ready);
    } else if (list_is_empty(&l->fan_link)) {
        l->held_until = now + SFU_HOLD;
        list_push_back(&node->held, &l->fan_link);
    }
}

void sfu__pending_purge(struct sfu_layer *l)
{
    struct sfu_node *node = l->track->node;
    for (struct sfu_packet *p = l->pending_first; p != NULL; p = p->next_pending)
        p->is_pending = false;
    l->pending_first = NULL;
    l->pending_last = NULL;
    l->pending_count = 0;
    list_remove(&l->fan_link);
    if (node->fan_layer == l)
        node->fan_layer = NULL;
}

static struct sfu_layer *first_of(const struct list *queue)
{
    return CONTAINER_OF(queue->next, struct sfu_layer, fan_link);
}

void sfu__held_release(struct sfu_node *node, mono_us now)
{
    while (!list_is_empty(&node->held) && first_of(&node->held)->held_until <= now)
        move_to(first_of(&node->held), &node->ready);
}

mono_us sfu__held_next(const struct sfu_node *node)
{
    return list_is_empty(&node->held) ? MONO_NEVER : first_of(&node->held)->held_until;
}

/* What forwarding touches of a subscription, up to the frames that were left out: with hundreds of
 * them it is in no cache any more. Asked for two subscriptions ahead, as one sound packet for one
 * of them is done before memory answers. */
#define LINE      64
#define LAST_LINE (4 * LINE) /* at least _Alignof(max_align_t) bytes from there are in the line */

_Static_assert(offsetof(struct sfu_sub, mapper) + offsetof(struct rtp_mapper, drops) <=
                   LAST_LINE + _Alignof(max_align_t),
               "in the lines that are asked for");

static void prefetch_sub(const struct list *at)
{
    const char *s = (const char *)CONTAINER_OF(at, struct sfu_sub, flow_link);
    PREFETCH(s);
    PREFETCH(s + LINE);
    PREFETCH(s + 2 * LINE);
    PREFETCH(s + 3 * LINE);
    PREFETCH(s + LAST_LINE);
}

static void prefetch_ahead(const struct sfu_layer *l, const struct list *at)
{
    if (at->next != &l->subs)
        rtp_mapper_prefetch(&CONTAINER_OF(at->next, struct sfu_sub, flow_link)->mapper);
    prefetch_sub(at->next->next); /* the head is no subscription, and no harm */
}

/* Goes on where the cursor stands, until the layer is done or `max` outputs are written. */
static size_t poll_layer(struct sfu_node *node, struct sfu_layer *l, struct sfu_out *outs,
                         size_t max)
{
    size_t count = 0;
    struct list *at = node->fan_sub;
    struct sfu_packet *p = node->fan_packet;
    while (at != &l->subs && count < max) {
        struct sfu_sub *s = CONTAINER_OF(at, struct sfu_sub, flow_link);
        if (p == l->pending_first)
            prefetch_ahead(l, at);
        for (; p != NULL && count < max; p = p->next_pending)
            count += sfu__sub_forward(s, p, node->now, &outs[count]);
        if (p == NULL) {
            at = at->next;
            p = l->pending_first;
        }
    }
    node->fan_sub = at;
    node->fan_packet = p;
    return count;
}

size_t sfu__fanout_poll(struct sfu_node *node, struct sfu_out *outs, size_t max)
{
    size_t count = 0;
    while (count < max && !list_is_empty(&node->ready)) {
        struct sfu_layer *l = first_of(&node->ready);
        if (node->fan_layer != l) {
            node->fan_layer = l;
            node->fan_sub = l->subs.next;
            node->fan_packet = l->pending_first;
            prefetch_sub(l->subs.next);
            prefetch_sub(l->subs.next->next);
        }
        count += poll_layer(node, l, outs + count, max - count);
        if (node->fan_sub == &l->subs)
            sfu__pending_purge(l);
    }
    return count;
}
