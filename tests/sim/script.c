#include "sim/sim.h"

#include "sfu/limits.h"

/* What happens in a run, drawn from its seed, and what must hold meanwhile and at the end. */

#define CHECK_EVERY   MONO_MS(100)
#define REQUEST_MAX   MONO_MS(2500) /* a wish for a keyframe is passed on, again and again */
#define RECOVERED_FOR MONO_MS(400)

static uint32_t pick(struct sim *sim, uint32_t bound)
{
    return rng_below(&sim->rng, bound);
}

static struct source *any_source(struct sim *sim)
{
    return sim->sources[pick(sim, SIM_SOURCES_MAX)];
}

static struct receiver *any_receiver(struct sim *sim)
{
    for (size_t i = 0, at = pick(sim, SIM_RECEIVERS_MAX); i < SIM_RECEIVERS_MAX; i++) {
        struct receiver *r = sim->receivers[(at + i) % SIM_RECEIVERS_MAX];
        if (r != NULL)
            return r;
    }
    return NULL;
}

static struct sim_peer *any_peer(struct sim *sim)
{
    struct sim_peer *p = &sim->peers[pick(sim, SIM_PEERS_MAX)];
    return p->id != 0 ? p : NULL;
}

/* ---- steps ---- */

static void change_target(struct sim *sim)
{
    static const uint8_t temporal[4] = {0, 1, 2, SFU_TEMPORAL_ALL};
    struct receiver *r = any_receiver(sim);
    if (r != NULL && r->source->kind == RTP_KIND_VIDEO)
        room_set_target(r, (int8_t)sim_between(&sim->rng, -1, 2), temporal[pick(sim, 4)]);
}

static void subscribe_all(struct sim *sim, struct sim_peer *p)
{
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] != NULL && sim_chance(&sim->rng, 0.85))
            room_subscribe(sim, p, sim->sources[i]);
}

static void join(struct sim *sim)
{
    struct sim_peer *p = room_join(sim);
    if (p != NULL)
        subscribe_all(sim, p);
}

static void leave(struct sim *sim)
{
    struct sim_peer *p = any_peer(sim);
    if (p != NULL)
        room_leave(sim, p);
}

static void publish(struct sim *sim)
{
    struct sim_peer *p = any_peer(sim);
    enum rtp_kind kind = sim_chance(&sim->rng, 0.6) ? RTP_KIND_VIDEO : RTP_KIND_AUDIO;
    struct source *s = p != NULL ? room_publish(sim, p, kind) : NULL;
    for (size_t i = 0; i < SIM_PEERS_MAX && s != NULL; i++)
        if (sim->peers[i].id != 0 && sim_chance(&sim->rng, 0.8))
            room_subscribe(sim, &sim->peers[i], s);
}

static void unpublish(struct sim *sim)
{
    struct source *s = any_source(sim);
    if (s != NULL)
        room_unpublish(sim, s);
}

static void mute(struct sim *sim)
{
    struct source *s = any_source(sim);
    if (s == NULL)
        return;
    s->is_muted = !s->is_muted;
    s->live_since = sim->now;
    sim_trace(sim, "track %u is %s", s->track, s->is_muted ? "muted" : "open");
    if (s->is_blocked || sim_chance(&sim->rng, 0.5))
        room_set_blocked(s, s->is_muted);
}

static void restart(struct sim *sim)
{
    struct source *s = any_source(sim);
    if (s == NULL)
        return;
    source_restart(s);
    sim_trace(sim, "track %u starts anew", s->track);
    if (s->is_announced)
        room_negotiate(s);
}

static void negotiate(struct sim *sim)
{
    struct source *s = any_source(sim);
    if (s != NULL)
        room_negotiate(s);
}

static void cut(struct sim *sim)
{
    struct sim_peer *p = any_peer(sim);
    if (p == NULL)
        return;
    p->up.is_cut = !p->up.is_cut;
    p->down.is_cut = p->up.is_cut;
    p->path_changed_at = sim->now;
    sim->totals.cuts += p->up.is_cut;
    sim_trace(sim, "peer %u: line %s", p->id, p->up.is_cut ? "cut" : "back");
    if (!p->is_connected || sim_chance(&sim->rng, 0.4))
        room_set_connected(p, !p->is_connected);
}

static void fill_relay(struct sim *sim)
{
    struct sim_node *n = &sim->nodes[pick(sim, sim->node_count)];
    n->is_relay_full = !n->is_relay_full;
    sim_trace(sim, "mailbox of node %u %s", (unsigned)(n - sim->nodes),
              n->is_relay_full ? "is full" : "has room");
}

static void change_subscription(struct sim *sim)
{
    struct receiver *r = any_receiver(sim);
    struct sim_peer *p = any_peer(sim);
    struct source *s = any_source(sim);
    if (r != NULL && sim_chance(&sim->rng, 0.5)) {
        room_unsubscribe(sim, r);
        return;
    }
    if (p == NULL || s == NULL)
        return;
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++)
        if (sim->receivers[i] != NULL && sim->receivers[i]->peer == p &&
            sim->receivers[i]->source == s)
            return;
    room_subscribe(sim, p, s);
}

void script_begin(struct sim *sim)
{
    uint32_t publishers = 1 + pick(sim, 2), others = 2 + pick(sim, 3);
    if (sim_chance(&sim->rng, 0.15)) /* so many that frames are held for them */
        others += SFU_MANY;
    for (uint32_t i = 0; i < publishers; i++) {
        struct sim_peer *p = room_join(sim);
        room_publish(sim, p, RTP_KIND_VIDEO);
        room_publish(sim, p, RTP_KIND_AUDIO);
        subscribe_all(sim, p);
    }
    for (uint32_t i = 0; i < others; i++)
        join(sim);
}

void script_step(struct sim *sim)
{
    static const struct {
        uint32_t weight;
        void (*run)(struct sim *sim);
    } steps[] = {{70, change_target},
                 {5, join},
                 {3, leave},
                 {4, publish},
                 {2, unpublish},
                 {8, mute},
                 {6, restart},
                 {4, negotiate},
                 {5, cut},
                 {3, fill_relay},
                 {12, change_subscription}};
    uint32_t total = 0;
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++)
        total += steps[i].weight;
    uint32_t at = pick(sim, total);
    for (size_t i = 0; i < ARRAY_COUNT(steps); at -= steps[i++].weight)
        if (at < steps[i].weight) {
            steps[i].run(sim);
            break;
        }
    sim->script_at = sim->now + sim_between(&sim->rng, 10000, 250000);
}

/* ---- what holds all the time ---- */

static bool may_flow(const struct receiver *r)
{
    const struct source *s = r->source;
    return r->target.layer_max != SFU_LAYER_NONE && r->peer->is_connected &&
           s->peer->is_connected && !r->peer->up.is_cut && !s->peer->up.is_cut && !s->is_blocked &&
           !s->is_muted;
}

static mono_us flowing_since(const struct receiver *r)
{
    const struct source *s = r->source;
    mono_us line = TK_MAX(r->peer->path_changed_at, s->peer->path_changed_at);
    return TK_MAX(TK_MAX(line, r->wished_at), TK_MAX(s->changed_at, s->live_since));
}

static void check_keyframe_wish(struct sim *sim, const struct receiver *r)
{
    if (r->source->kind != RTP_KIND_VIDEO || r->key_wish_at == MONO_NEVER || r->is_paused ||
        r->is_clean || !may_flow(r)) /* clean: it has decoded a keyframe on its way */
        return;
    mono_us since = TK_MAX(TK_MAX(flowing_since(r), r->resumed_at), r->key_wish_at);
    for (size_t i = 0; i < r->source->layer_count; i++)
        since = TK_MAX(since, r->source->layers[i].asked_at);
    if (sim->now - since > REQUEST_MAX)
        sim_fail(sim, "sub %u: waits for a keyframe, and nobody has asked for one in %lld ms",
                 r->config.sub, (long long)((sim->now - since) / 1000));
}

/* No more packets are held than fit the rings of the tracks that came in on this node. */
static void check_memory(struct sim *sim, uint8_t node)
{
    size_t most = 0;
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++) {
        const struct source *s = sim->sources[i];
        if (s == NULL || s->peer->node != node)
            continue;
        size_t ring = s->kind == RTP_KIND_VIDEO ? sim->ring_packets : SFU_RING_AUDIO;
        most += s->layer_count * ring * sim->node_count;
    }
    for (uint8_t n = 0; n < sim->node_count; n++)
        most += sim->nodes[n].relays;
    size_t used = pkt_pool_used(sim->nodes[node].pool);
    if (used > most)
        sim_fail(sim, "node %u: holds %zu packets, at most %zu fit its rings", node, used, most);
}

/* For the totals: tracks that so many receive of one node that their frames may be held. */
static void count_audiences(struct sim *sim)
{
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++) {
        uint32_t count[SIM_NODES_MAX] = {0};
        for (size_t k = 0; k < SIM_RECEIVERS_MAX; k++) {
            const struct receiver *r = sim->receivers[k];
            if (r != NULL && r->source == sim->sources[i] && r->source->kind == RTP_KIND_VIDEO &&
                r->tap.layer == 0 && r->target.layer_max >= 0)
                count[r->peer->node]++;
        }
        for (uint8_t n = 0; n < sim->node_count; n++)
            sim->totals.audiences += count[n] >= SFU_MANY;
    }
}

void check_always(struct sim *sim)
{
    sim->check_at = sim->now + CHECK_EVERY;
    count_audiences(sim);
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++)
        if (sim->receivers[i] != NULL)
            check_keyframe_wish(sim, sim->receivers[i]);
    for (uint8_t n = 0; n < sim->node_count; n++)
        check_memory(sim, n);
}

/* ---- what holds at the end ---- */

bool check_recovered(struct sim *sim, bool is_final)
{
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++) {
        const struct receiver *r = sim->receivers[i];
        if (r == NULL || !may_flow(r))
            continue;
        bool is_decoding = r->decoded_at > sim->now - RECOVERED_FOR && r->decoded_at > 0 &&
                           (r->is_clean || r->source->kind == RTP_KIND_AUDIO);
        if (is_decoding)
            continue;
        if (is_final)
            sim_fail(sim,
                     "sub %u of track %u is stuck: target %d, %s, last frame %lld ms ago of %llu, "
                     "layer %d",
                     r->config.sub, r->source->track, r->target.layer_max,
                     r->is_paused ? "paused" : "not paused",
                     (long long)((sim->now - r->decoded_at) / 1000), (unsigned long long)r->frames,
                     r->tap.layer);
        return false;
    }
    return true;
}
