#include "sfu/node.h"

#include "sfu/sfu_internal.h"

#include <errno.h>
#include <stdlib.h>

void sfu__enter(struct sfu_node *node, mono_us now)
{
    DCHECK(node->fan_layer == NULL); /* polled until empty */
    node->now = TK_MAX(node->now, now);
}

void sfu__arm(struct timers *timers, struct timer *t, mono_us at)
{
    int err = timers_set(timers, t, at);
    CHECK(err == 0); /* the heap has held this timer before */
}

void sfu__arm_earlier(struct timers *timers, struct timer *t, mono_us at)
{
    if (t->slot == 0 || at < t->at)
        sfu__arm(timers, t, at);
}

void sfu__push_event(struct sfu_node *node, const struct sfu_event *event)
{
    bool is_periodic = sfu_event_is_periodic(event->kind);
    size_t limit = is_periodic ? SFU_EVENTS_MAX - SFU_EVENTS_FREE : SFU_EVENTS_MAX;
    if (node->event_count >= limit) {
        node->stats.drop_no_buffer++;
        return;
    }
    node->events[(node->event_first + node->event_count++) % SFU_EVENTS_MAX] = *event;
}

static bool is_ring_size(uint32_t count)
{
    return count >= SFU_RING_MIN && count <= SFU_RING_MAX && (count & (count - 1)) == 0;
}

int sfu_node_create(const struct sfu_node_config *config, struct sfu_node **ret_node)
{
    CHECK(is_ring_size(config->ring_packets));
    struct sfu_node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return -ENOMEM;
    node->config = *config;
    rng_init_seeded(&node->rng, config->seed);
    node->rtcp_ssrc = rng_u32(&node->rng) | 1;
    idmap_init(&node->peers, SFU_PEERS_MAX);
    idmap_init(&node->tracks, SFU_TRACKS_MAX);
    idmap_init(&node->subs, SFU_SUBS_MAX);
    idmap_init(&node->binds, 2 * RTP_LAYERS_MAX * (size_t)SFU_TRACKS_MAX);
    idmap_init(&node->sub_ssrcs, SFU_SUBS_MAX);
    timers_init(&node->peer_timers);
    timers_init(&node->peer_ticks);
    timers_init(&node->track_timers);
    list_init(&node->ready);
    list_init(&node->held);
    list_init(&node->catching_up);
    list_init(&node->resting);
    node->rest_until = MONO_NEVER;
    list_init(&node->due_peers);
    node->events = calloc(SFU_EVENTS_MAX, sizeof(node->events[0]));
    node->relays = calloc(SFU_RELAYS_MAX, sizeof(node->relays[0]));
    node->resends = calloc(SFU_RESENDS_MAX, sizeof(node->resends[0]));
    if (node->events == NULL || node->relays == NULL || node->resends == NULL) {
        sfu_node_destroy(node);
        return -ENOMEM;
    }
    *ret_node = node;
    return 0;
}

static void drop_relays(struct sfu_node *node)
{
    struct sfu_relay r;
    while (sfu_node_poll_relay(node, &r) == 1)
        for (uint32_t mask = r.worker_mask; mask != 0; mask &= mask - 1)
            pkt_unref(r.pkt);
}

void sfu_node_destroy(struct sfu_node *node)
{
    if (node == NULL)
        return;
    uint64_t id;
    for (size_t cursor = 0; idmap_next(&node->peers, &cursor, &id) != NULL;)
        sfu_node_remove_peer(node, (sfu_peer_id)id);
    for (size_t cursor = 0; idmap_next(&node->tracks, &cursor, &id) != NULL;)
        sfu_node_remove_track(node, (sfu_track_id)id);
    if (node->relays != NULL)
        drop_relays(node);
    idmap_fini(&node->peers);
    idmap_fini(&node->tracks);
    idmap_fini(&node->subs);
    idmap_fini(&node->binds);
    idmap_fini(&node->sub_ssrcs);
    timers_fini(&node->peer_timers);
    timers_fini(&node->peer_ticks);
    timers_fini(&node->track_timers);
    free(node->events);
    free(node->relays);
    free(node->resends);
    free(node);
}

void sfu_node_release(struct sfu_node *node, mono_us now)
{
    sfu__enter(node, now);
    sfu__held_release(node, now);
}

void sfu_node_handle_timeout(struct sfu_node *node, mono_us now)
{
    sfu__enter(node, now);
    struct timer *t;
    while ((t = timers_pop_due(&node->track_timers, now)) != NULL)
        sfu__track_tick(CONTAINER_OF(t, struct sfu_track, timer), now);
    while ((t = timers_pop_due(&node->peer_ticks, now)) != NULL)
        sfu__peer_tick(CONTAINER_OF(t, struct sfu_peer, tick), now);
    while ((t = timers_pop_due(&node->peer_timers, now)) != NULL)
        sfu__peer_timeout(CONTAINER_OF(t, struct sfu_peer, timer), now);
    sfu__held_release(node, now);
    sfu__catch_up_tick(node, now);
}

static mono_us next_tick(const struct sfu_node *node)
{
    return TK_MIN(timers_next(&node->peer_ticks), timers_next(&node->track_timers));
}

static mono_us next_urgent(const struct sfu_node *node)
{
    mono_us media = TK_MIN(sfu__held_next(node), node->rest_until);
    return TK_MIN(media, timers_next(&node->peer_timers));
}

mono_us sfu_node_next_timeout(const struct sfu_node *node)
{
    mono_us tick = next_tick(node);
    return TK_MIN(next_urgent(node), tick == MONO_NEVER ? tick : tick + SFU_TICK_SLACK);
}

bool sfu_node_is_due(const struct sfu_node *node, mono_us now)
{
    return TK_MIN(next_urgent(node), next_tick(node)) <= now;
}

static size_t poll_rtcp(struct sfu_node *node, struct sfu_out *ret_out)
{
    while (!list_is_empty(&node->due_peers)) {
        struct sfu_peer *p = CONTAINER_OF(node->due_peers.next, struct sfu_peer, due_link);
        size_t size = p->is_connected ? sfu__peer_write_rtcp(p, node->now) : 0;
        if (size == 0) {
            list_remove(&p->due_link);
            continue;
        }
        node->stats.rtcp_out++;
        ret_out->peer = p->config.peer;
        ret_out->is_rtcp = true;
        ret_out->head_size = 0;
        ret_out->prefix_size = 0;
        ret_out->body = NULL;
        ret_out->body_size = 0;
        ret_out->pkt = NULL;
        ret_out->rtcp = node->rtcp;
        ret_out->rtcp_size = (uint16_t)size;
        return 1;
    }
    return 0;
}

size_t sfu_node_poll_transmits(struct sfu_node *node, struct sfu_out *outs, size_t max)
{
    size_t count = sfu__fanout_poll(node, outs, max);
    count += sfu__resend_poll(node, outs + count, max - count);
    count += sfu__catch_up_poll(node, outs + count, max - count);
    node->stats.rtp_out += count;
    return count > 0 ? count : poll_rtcp(node, outs);
}

int sfu_node_poll_transmit(struct sfu_node *node, struct sfu_out *ret_out)
{
    return (int)sfu_node_poll_transmits(node, ret_out, 1);
}

int sfu_node_poll_relay(struct sfu_node *node, struct sfu_relay *ret_relay)
{
    if (node->relay_count == 0)
        return 0;
    *ret_relay = node->relays[node->relay_first];
    node->relay_first = (node->relay_first + 1) % SFU_RELAYS_MAX;
    node->relay_count--;
    node->stats.relay_out++;
    return 1;
}

int sfu_node_poll_event(struct sfu_node *node, struct sfu_event *ret_event)
{
    if (node->event_count == 0)
        return 0;
    *ret_event = node->events[node->event_first];
    node->event_first = (node->event_first + 1) % SFU_EVENTS_MAX;
    node->event_count--;
    return 1;
}

void sfu_node_stats(const struct sfu_node *node, struct sfu_node_stats *ret_stats)
{
    *ret_stats = node->stats;
    ret_stats->peers = (uint32_t)node->peers.count;
    ret_stats->tracks = (uint32_t)node->tracks.count;
    ret_stats->subs = (uint32_t)node->subs.count;
}
