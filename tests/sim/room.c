#include "sim/sim.h"

#include "base/bytes.h"
#include "rtp/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Participants, their tracks and subscriptions; what the control thread and the workers' mailboxes
 * do between the nodes; and the way of packets between network and nodes. */

#define POOL_COUNT    20000
#define RING_AGE_MAX  MONO_S(2)
#define RELAY_DELAY   200 /* microseconds in a mailbox, at most */
#define CONTROL_DELAY MONO_MS(30)

/* ---- who is there ---- */

struct sim_peer *room_peer(struct sim *sim, sfu_peer_id id)
{
    for (size_t i = 0; i < SIM_PEERS_MAX; i++)
        if (sim->peers[i].id == id && id != 0)
            return &sim->peers[i];
    return NULL;
}

struct source *room_source(struct sim *sim, sfu_track_id track)
{
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] != NULL && sim->sources[i]->track == track)
            return sim->sources[i];
    return NULL;
}

struct receiver *room_receiver(struct sim *sim, sfu_peer_id peer, uint32_t ssrc, bool *ret_is_rtx)
{
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++) {
        struct receiver *r = sim->receivers[i];
        if (r == NULL || r->peer->id != peer)
            continue;
        *ret_is_rtx = r->config.rtx_ssrc == ssrc && ssrc != 0;
        if (r->config.ssrc == ssrc || *ret_is_rtx)
            return r;
    }
    return NULL;
}

static struct receiver *receiver_of_sub(struct sim *sim, sfu_sub_id sub)
{
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++)
        if (sim->receivers[i] != NULL && sim->receivers[i]->config.sub == sub)
            return sim->receivers[i];
    return NULL;
}

static void must(struct sim *sim, int err, const char *what)
{
    if (err < 0)
        sim_fail(sim, "%s answers %d", what, err);
}

static void settle_all(struct sim *sim)
{
    for (uint8_t n = 0; n < sim->node_count; n++)
        room_settle(sim, n);
}

/* ---- out of the nodes ---- */

static void handle_event(struct sim *sim, uint8_t node, const struct sfu_event *e)
{
    struct receiver *r;
    struct sim_node *n = &sim->nodes[node];
    mono_us at;
    switch (e->kind) {
    case SFU_EVENT_KEYFRAME_WANTED:
    case SFU_EVENT_LAYER_WANTED:
        /* One after the other, as through a mailbox. */
        at = sim->now + sim_between(&sim->rng, 1000, CONTROL_DELAY);
        n->control_at = TK_MAX(n->control_at, at);
        simnet_post(&sim->net, n->control_at, (struct simnet_dest){SIM_TO_CONTROL, node}, e,
                    sizeof(*e));
        break;
    case SFU_EVENT_STREAM_STATE:
        r = receiver_of_sub(sim, e->sub);
        if (r == NULL) {
            sim_fail(sim, "node %u: stream state of sub %u, which is not there", node, e->sub);
        } else {
            r->is_paused = e->is_paused;
            if (!e->is_paused)
                r->resumed_at = sim->now;
        }
        sim->totals.pauses += e->is_paused;
        sim_trace(sim, "sub %u is %s", e->sub, e->is_paused ? "paused" : "going on");
        break;
    default:
        break;
    }
}

static void pass_relay(struct sim *sim, const struct sfu_relay *relay)
{
    for (uint8_t n = 0; n < sim->node_count; n++) {
        struct sim_node *to = &sim->nodes[n];
        if ((relay->worker_mask >> n & 1) == 0)
            continue;
        if (to->is_relay_full || to->relays >= SIM_RELAYS_MAX) {
            pkt_unref(relay->pkt);
            continue;
        }
        to->relays++;
        sim->totals.relays++;
        simnet_post(&sim->net, sim->now + RELAY_DELAY, (struct simnet_dest){SIM_TO_RELAY, n}, relay,
                    sizeof(*relay));
    }
}

static void send_out(struct sim *sim, const struct sfu_out *out)
{
    uint8_t bytes[PKT_SIZE_MAX + SFU_HEAD_MAX];
    const uint8_t *data = out->rtcp;
    size_t size = out->rtcp_size;
    struct sim_peer *peer = room_peer(sim, out->peer);
    if (peer == NULL) {
        sim_fail(sim, "a packet to peer %u, which has left", out->peer);
        return;
    }
    if (!out->is_rtcp) {
        size_t front = (size_t)out->head_size + out->prefix_size;
        size = front + out->body_size;
        CHECK(size <= sizeof(bytes));
        memcpy(bytes, out->head, front);
        if (out->body_size > 0)
            memcpy(bytes + front, out->body, out->body_size);
        data = bytes;
        tap_rtp_out(sim, peer, out, data, size);
    } else {
        tap_rtcp_out(sim, peer, data, size);
    }
    simnet_send(&sim->net, &peer->down, (struct simnet_dest){SIM_TO_PEER, peer->id}, data, size,
                sim->now);
}

void room_settle(struct sim *sim, uint8_t node)
{
    struct sim_node *n = &sim->nodes[node];
    struct sfu_event event;
    struct sfu_relay relay;
    struct sfu_out out;
    while (sfu_node_poll_event(n->node, &event) == 1)
        handle_event(sim, node, &event);
    while (sfu_node_poll_transmit(n->node, &out) == 1)
        send_out(sim, &out);
    while (sfu_node_poll_relay(n->node, &relay) == 1)
        pass_relay(sim, &relay);
    n->is_dirty = false;
    tap_settle(sim, node);
}

/* ---- into the nodes ---- */

static bool was_taken(const struct sfu_node_stats *before, const struct sfu_node_stats *after)
{
    return before->drop_malformed == after->drop_malformed &&
           before->drop_unknown_ssrc == after->drop_unknown_ssrc &&
           before->drop_unknown_peer == after->drop_unknown_peer &&
           before->drop_duplicate == after->drop_duplicate;
}

static bool is_of_blocked(struct sim *sim, const uint8_t *data)
{
    bool is_rtx;
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] != NULL &&
            source_layer_of(sim->sources[i], get_u32be(data + 8), &is_rtx) != NULL)
            return sim->sources[i]->is_blocked;
    return false;
}

static void rtp_to_node(struct sim *sim, const struct sim_peer *peer, const uint8_t *data,
                        size_t size)
{
    struct sim_node *n = &sim->nodes[peer->node];
    struct sfu_node_stats before, after;
    struct pkt *pkt = pkt_take(n->pool, size);
    if (pkt == NULL) {
        sim_fail(sim, "node %u: the pool is empty", peer->node);
        return;
    }
    memcpy(pkt->data, data, size);
    pkt->size = (uint16_t)size;
    pkt->arrived = sim->now;
    sfu_node_stats(n->node, &before);
    sfu_node_handle_rtp(n->node, peer->id, pkt, sim->now);
    sfu_node_stats(n->node, &after);
    if (was_taken(&before, &after) && !is_of_blocked(sim, pkt->data))
        tap_taken(sim, peer->node, pkt->data, pkt->size);
    pkt_unref(pkt);
    sim->totals.packets_in++;
}

static void deliver_to_node(struct sim *sim, const struct simnet_delivery *d)
{
    const struct sim_peer *peer = room_peer(sim, d->dest.id);
    if (peer == NULL)
        return;
    struct sim_node *n = &sim->nodes[peer->node];
    if (rtp_looks_like_rtcp(d->data, d->size)) {
        tap_rtcp_in(sim, peer, d->data, d->size);
        sfu_node_handle_rtcp(n->node, peer->id, d->data, d->size, sim->now);
    } else {
        rtp_to_node(sim, peer, d->data, d->size);
    }
    n->is_dirty = true;
}

static void deliver_relay(struct sim *sim, const struct simnet_delivery *d)
{
    struct sim_node *n = &sim->nodes[d->dest.id];
    struct sfu_relay relay;
    struct sfu_node_stats before, after;
    uint8_t copy[PKT_SIZE_MAX];
    uint16_t size = 0;
    memcpy(&relay, d->data, sizeof(relay));
    if (relay.kind == SFU_RELAY_PACKET) {
        size = relay.pkt->size;
        memcpy(copy, relay.pkt->data, size);
    }
    n->relays--;
    sfu_node_stats(n->node, &before);
    sfu_node_handle_relay(n->node, &relay, sim->now);
    sfu_node_stats(n->node, &after);
    if (size > 0 && was_taken(&before, &after) && !is_of_blocked(sim, copy))
        tap_taken(sim, (uint8_t)d->dest.id, copy, size);
    n->is_dirty = true;
}

static void deliver_to_peer(struct sim *sim, const struct simnet_delivery *d)
{
    struct sim_peer *peer = room_peer(sim, d->dest.id);
    bool is_rtx;
    if (peer == NULL)
        return;
    if (!rtp_looks_like_rtcp(d->data, d->size)) {
        struct receiver *r = room_receiver(sim, peer->id, get_u32be(d->data + 8), &is_rtx);
        if (r != NULL)
            receiver_handle_rtp(r, d->data, d->size, is_rtx);
        return;
    }
    struct rtcp_reader reader = rtcp_reader_init(d->data, d->size);
    struct rtcp_packet p;
    while (rtcp_next(&reader, &p) > 0) {
        struct receiver *r = room_receiver(sim, peer->id, p.ssrc, &is_rtx);
        if (p.type == RTCP_SR && r != NULL)
            receiver_handle_sr(r, &p);
        for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
            if (sim->sources[i] != NULL && sim->sources[i]->peer == peer)
                source_handle_rtcp(sim->sources[i], &p);
    }
}

static void deliver_control(struct sim *sim, const struct simnet_delivery *d)
{
    struct sfu_event e;
    memcpy(&e, d->data, sizeof(e));
    struct source *s = room_source(sim, e.track);
    if (s == NULL)
        return;
    if (e.kind == SFU_EVENT_LAYER_WANTED) {
        source_set_wanted(s, (uint8_t)d->dest.id, e.layer);
        return;
    }
    settle_all(sim);
    sfu_node_handle_keyframe_wanted(sim->nodes[s->peer->node].node, e.track, e.layer, sim->now);
    sim->nodes[s->peer->node].is_dirty = true;
}

void room_deliver(struct sim *sim, struct simnet_delivery *d)
{
    switch (d->dest.kind) {
    case SIM_TO_NODE:
        deliver_to_node(sim, d);
        break;
    case SIM_TO_RELAY:
        deliver_relay(sim, d);
        break;
    case SIM_TO_PEER:
        deliver_to_peer(sim, d);
        break;
    default:
        deliver_control(sim, d);
        break;
    }
    free(d);
}

void room_send(struct sim_peer *peer, const uint8_t *data, size_t size)
{
    struct sim *sim = peer->sim;
    bool is_sent = simnet_send(&sim->net, &peer->up, (struct simnet_dest){SIM_TO_NODE, peer->id},
                               data, size, sim->now);
    sim->totals.uplink_lost += !is_sent && rtp_looks_like_rtp(data, size);
}

/* ---- life ---- */

void room_init(struct sim *sim)
{
    sim->next_id = 1;
    for (uint8_t n = 0; n < sim->node_count; n++) {
        const struct sfu_node_config config = {.worker = n,
                                               .seed = rng_u64(&sim->rng),
                                               .ring_packets = sim->ring_packets,
                                               .ring_age_max = RING_AGE_MAX};
        must(sim, pkt_pool_create(POOL_COUNT, &sim->nodes[n].pool), "the pool");
        must(sim, sfu_node_create(&config, &sim->nodes[n].node), "the node");
    }
}

static void drop_deliveries(struct sim *sim)
{
    for (struct simnet_delivery *d; (d = simnet_take(&sim->net)) != NULL; free(d)) {
        struct sfu_relay relay;
        if (d->dest.kind != SIM_TO_RELAY)
            continue;
        memcpy(&relay, d->data, sizeof(relay));
        pkt_unref(relay.pkt);
    }
}

/* Removes everything; every packet must have come back then. */
void room_fini(struct sim *sim)
{
    for (size_t i = 0; i < SIM_PEERS_MAX; i++)
        if (sim->peers[i].id != 0)
            room_leave(sim, &sim->peers[i]);
    drop_deliveries(sim);
    for (uint8_t n = 0; n < sim->node_count; n++) {
        struct sfu_node_stats stats;
        sfu_node_stats(sim->nodes[n].node, &stats);
        sim->totals.uplink_repaired += stats.rtx_in;
        if (stats.peers + stats.tracks + stats.subs != 0)
            sim_fail(sim, "node %u: %u peers, %u tracks, %u subs are left", n, stats.peers,
                     stats.tracks, stats.subs);
        if (sfu_node_next_timeout(sim->nodes[n].node) != MONO_NEVER)
            sim_fail(sim, "node %u: a timer is left", n);
    }
    for (uint8_t n = 0; n < sim->node_count; n++) {
        size_t used = pkt_pool_used(sim->nodes[n].pool);
        if (used != 0)
            sim_fail(sim, "node %u: %zu packets were never given back", n, used);
    }
    for (uint8_t n = 0; n < sim->node_count; n++)
        sfu_node_destroy(sim->nodes[n].node);
    for (uint8_t n = 0; n < sim->node_count; n++)
        if (pkt_pool_used(sim->nodes[n].pool) == 0)
            pkt_pool_destroy(sim->nodes[n].pool); /* else it leaks, after the failure is told */
    simnet_fini(&sim->net);
}

/* ---- participants ---- */

static struct simnet_params any_params(struct sim *sim)
{
    struct rng *rng = &sim->rng;
    struct simnet_params p = {.delay = sim_between(rng, 1000, 120000),
                              .jitter = sim_between(rng, 0, 20000)};
    if (!sim->has_loss || sim_chance(rng, 0.3))
        return p;
    p.loss_good = sim_chance(rng, 0.06) ? 0.3 + rng_unit(rng) * 0.3 : rng_unit(rng) * 0.03;
    p.loss_bad = rng_unit(rng) * 0.6;
    p.to_bad = rng_unit(rng) * 0.02;
    p.to_good = 0.05 + rng_unit(rng) * 0.3;
    p.duplicate = sim_chance(rng, 0.5) ? rng_unit(rng) * 0.03 : 0;
    p.reorder = sim_chance(rng, 0.5) ? rng_unit(rng) * 0.05 : 0;
    p.reorder_by = sim_between(rng, 1000, 90000);
    if (sim_chance(rng, 0.2)) {
        p.rate_bps = (uint32_t)sim_between(rng, 300000, 3000000);
        p.queue_bytes = (uint32_t)sim_between(rng, 10000, 60000);
    }
    return p;
}

struct sim_peer *room_join(struct sim *sim)
{
    struct sim_peer *p = NULL;
    for (size_t i = 0; i < SIM_PEERS_MAX && p == NULL; i++)
        if (sim->peers[i].id == 0)
            p = &sim->peers[i];
    if (p == NULL)
        return NULL;
    *p = (struct sim_peer){.sim = sim,
                           .id = sim->next_id++,
                           .node = (uint8_t)rng_below(&sim->rng, sim->node_count),
                           .path_changed_at = sim->now,
                           .twcc_seq = (uint16_t)rng_u32(&sim->rng)};
    p->up.params = any_params(sim);
    p->down.params = any_params(sim);
    if (p->down.params.rate_bps > 0 && sim_chance(&sim->rng, 0.3))
        p->down.params.rate_bps = (uint32_t)sim_between(&sim->rng, 64000, 300000); /* sound only */
    if (sim_chance(&sim->rng, 0.1))
        p->remb_bps = (uint32_t)sim_between(&sim->rng, 50000, 2000000);
    for (uint8_t i = 1; i < RTP_EXT_COUNT_; i++)
        p->exts.id[i] = (uint8_t)(1 + (i + p->id) % 13);
    const struct sfu_peer_config config = {
        .peer = p->id, .exts = p->exts, .has_twcc = sim_chance(&sim->rng, 0.5)};
    settle_all(sim);
    must(sim, sfu_node_add_peer(sim->nodes[p->node].node, &config), "add_peer");
    room_set_connected(p, true);
    sim_trace(sim, "peer %u joins node %u", p->id, p->node);
    return p;
}

void room_leave(struct sim *sim, struct sim_peer *peer)
{
    sim_trace(sim, "peer %u leaves", peer->id);
    settle_all(sim);
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++)
        if (sim->receivers[i] != NULL && sim->receivers[i]->peer == peer)
            room_unsubscribe(sim, sim->receivers[i]);
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] != NULL && sim->sources[i]->peer == peer)
            room_unpublish(sim, sim->sources[i]);
    sfu_node_remove_peer(sim->nodes[peer->node].node, peer->id);
    settle_all(sim);
    peer->id = 0;
}

void room_set_connected(struct sim_peer *peer, bool is_connected)
{
    struct sim *sim = peer->sim;
    settle_all(sim);
    peer->is_connected = is_connected;
    peer->path_changed_at = sim->now;
    sfu_node_set_connected(sim->nodes[peer->node].node, peer->id, is_connected, sim->now);
    settle_all(sim);
    sim_trace(sim, "peer %u is %s", peer->id, is_connected ? "connected" : "cut off");
}

/* ---- tracks ---- */

static void each_node_set_track(struct source *s)
{
    struct sfu_track_config config;
    struct sim *sim = s->sim;
    settle_all(sim);
    for (uint8_t n = 0; n < sim->node_count; n++) {
        source_config(s, n != s->peer->node, &config);
        must(sim, sfu_node_set_track(sim->nodes[n].node, &config), "set_track");
    }
    s->changed_at = sim->now;
    settle_all(sim);
}

struct source *room_publish(struct sim *sim, struct sim_peer *peer, enum rtp_kind kind)
{
    struct sfu_track_config config;
    size_t at = 0;
    while (at < SIM_SOURCES_MAX && sim->sources[at] != NULL)
        at++;
    if (at == SIM_SOURCES_MAX)
        return NULL;
    struct source *s = source_create(sim, peer, sim->next_id++, kind);
    sim->sources[at] = s;
    settle_all(sim);
    for (uint8_t n = 0; n < sim->node_count; n++) {
        source_config(s, n != peer->node, &config);
        must(sim, sfu_node_add_track(sim->nodes[n].node, &config), "add_track");
    }
    sfu_node_set_relay_targets(sim->nodes[peer->node].node, s->track, (1u << sim->node_count) - 1u);
    sim_trace(sim, "peer %u publishes track %u, codec %d, %u layers, %u temporal", peer->id,
              s->track, s->codec, s->layer_count, s->temporal_count);
    return s;
}

void room_unpublish(struct sim *sim, struct source *s)
{
    sim_trace(sim, "track %u is removed", s->track);
    settle_all(sim);
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++) {
        struct receiver *r = sim->receivers[i];
        if (r == NULL || r->source != s)
            continue;
        receiver_destroy(r); /* the node removes the subscriptions with the track */
        sim->receivers[i] = NULL;
    }
    for (uint8_t n = 0; n < sim->node_count; n++)
        sfu_node_remove_track(sim->nodes[n].node, s->track);
    settle_all(sim);
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] == s)
            sim->sources[i] = NULL;
    source_destroy(s);
}

void room_negotiate(struct source *s)
{
    if (s->kind == RTP_KIND_VIDEO) {
        s->pt.pt ^= 4; /* 96, 97 and 100, 101 */
        s->pt.rtx_pt ^= 4;
    }
    sim_trace(s->sim, "track %u: payload type %u, ssrc %u", s->track, s->pt.pt, s->layers[0].ssrc);
    each_node_set_track(s);
}

void room_set_blocked(struct source *s, bool is_blocked)
{
    settle_all(s->sim);
    s->is_blocked = is_blocked;
    s->changed_at = s->sim->now;
    for (uint8_t n = 0; n < s->sim->node_count; n++)
        sfu_node_set_track_blocked(s->sim->nodes[n].node, s->track, is_blocked);
    settle_all(s->sim);
    sim_trace(s->sim, "track %u is %s", s->track, is_blocked ? "blocked" : "let through");
}

/* ---- subscriptions ---- */

static void set_pts(struct receiver *r)
{
    const struct source *s = r->source;
    struct sfu_sub_config *c = &r->config;
    if (s->kind == RTP_KIND_VIDEO) {
        c->pts[c->pt_count++] = (struct rtp_pt){
            .pt = 104, .rtx_pt = 105, .codec = (uint8_t)s->codec, .h264_mode = s->pt.h264_mode};
        return;
    }
    if (s->codec == RTP_CODEC_RED && sim_chance(&s->sim->rng, 0.5))
        c->pts[c->pt_count++] = (struct rtp_pt){.pt = 63, .codec = RTP_CODEC_RED};
    c->pts[c->pt_count++] = (struct rtp_pt){.pt = 109, .codec = RTP_CODEC_OPUS};
}

void room_subscribe(struct sim *sim, struct sim_peer *peer, struct source *s)
{
    size_t at = 0;
    while (at < SIM_RECEIVERS_MAX && sim->receivers[at] != NULL)
        at++;
    if (at == SIM_RECEIVERS_MAX || s->peer == peer)
        return;
    struct receiver *r = receiver_create(sim, s, peer);
    bool has_rtx = s->kind == RTP_KIND_VIDEO && sim_chance(&sim->rng, 0.85);
    r->config =
        (struct sfu_sub_config){.sub = sim->next_id++,
                                .track = s->track,
                                .peer = peer->id,
                                .ssrc = rng_u32(&sim->rng) | 1,
                                .rtx_ssrc = has_rtx ? rng_u32(&sim->rng) | 1 : 0,
                                .has_nack = s->kind == RTP_KIND_VIDEO || sim_chance(&sim->rng, 0.5),
                                .cname = "source"};
    r->config.mid[0] = (char)('A' + r->config.sub % 26);
    set_pts(r);
    sim->receivers[at] = r;
    settle_all(sim);
    must(sim, sfu_node_add_sub(sim->nodes[peer->node].node, &r->config, sim->now), "add_sub");
    settle_all(sim);
    sim_trace(sim, "peer %u subscribes to track %u: sub %u", peer->id, s->track, r->config.sub);
    r->wished_at = sim->now;
    if (s->kind == RTP_KIND_VIDEO) {
        r->target.layer_max = SFU_LAYER_NONE;
        room_set_target(r, (int8_t)sim_between(&sim->rng, -1, 2),
                        (uint8_t)(sim_chance(&sim->rng, 0.7) ? SFU_TEMPORAL_ALL : 1));
    }
}

void room_unsubscribe(struct sim *sim, struct receiver *r)
{
    sim_trace(sim, "sub %u is removed", r->config.sub);
    settle_all(sim);
    sfu_node_remove_sub(sim->nodes[r->peer->node].node, r->config.sub);
    settle_all(sim);
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++)
        if (sim->receivers[i] == r)
            sim->receivers[i] = NULL;
    receiver_destroy(r);
}

void room_set_target(struct receiver *r, int8_t layer, uint8_t temporal)
{
    struct sim *sim = r->sim;
    settle_all(sim);
    if (r->target.layer_max == SFU_LAYER_NONE && layer != SFU_LAYER_NONE)
        r->key_wish_at = sim->now;
    if (layer == SFU_LAYER_NONE)
        r->key_wish_at = MONO_NEVER;
    r->target = (struct sfu_sub_target){.sub = r->config.sub,
                                        .layer_max = layer,
                                        .temporal_max = temporal,
                                        .may_pause = r->config.sub % 2 == 0};
    r->wished_at = sim->now;
    sim_trace(sim, "sub %u wants layer %d, temporal %u", r->config.sub, layer, temporal);
    sfu_node_set_sub_target(sim->nodes[r->peer->node].node, &r->target, sim->now);
    settle_all(sim);
}

void room_heal(struct sim *sim)
{
    for (size_t i = 0; i < SIM_PEERS_MAX; i++) {
        struct sim_peer *p = &sim->peers[i];
        if (p->id == 0)
            continue;
        struct simnet_params up = p->up.params, down = p->down.params;
        p->good_at = TK_MAX(simnet_link_empty_at(&p->up, sim->now),
                            simnet_link_empty_at(&p->down, sim->now));
        sim->good_at = TK_MAX(sim->good_at, p->good_at);
        p->up.params = (struct simnet_params){.delay = up.delay, .jitter = up.jitter};
        p->down.params = (struct simnet_params){.delay = down.delay, .jitter = down.jitter};
        p->up.is_cut = p->down.is_cut = false;
        p->remb_bps = 0;
        if (!p->is_connected)
            room_set_connected(p, true);
    }
    for (uint8_t n = 0; n < sim->node_count; n++)
        sim->nodes[n].is_relay_full = false;
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++) {
        struct source *s = sim->sources[i];
        if (s == NULL)
            continue;
        s->is_muted = false;
        if (s->is_blocked)
            room_set_blocked(s, false);
        s->live_since = TK_MAX(s->live_since, sim->now);
    }
    sim->is_healed = true;
    sim_trace(sim, "everything is well again");
}
