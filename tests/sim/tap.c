#include "sim/sim.h"

#include "base/bytes.h"
#include "rtp/ext.h"
#include "rtp/payload.h"
#include "rtp/rtx.h"
#include "rtp/seq.h"
#include "sfu/limits.h"

#include <string.h>

/*
 * Every packet that a node sends, held against what the node was given: numbers continue, order is
 * the source's, what is missing is what has not come, nothing goes out twice, what a subscriber
 * asks for again is sent again, publishers are asked for keyframes neither too often nor too
 * seldom.
 */

#define AHEAD_US     MONO_MS(501) /* a switch moves timestamps this far beyond the time passed */
#define GAP_MAX      256          /* a longer gap is not reserved */
#define REPEATS_MAX  SFU_RESENT_MAX
#define ASKED_MARGIN MONO_MS(50)
#define ABOVE_MAX    MONO_S(4) /* a layer above the target goes on until the other one's keyframe */

static struct source_layer *layer_of(const struct sim *sim, uint32_t ssrc)
{
    bool is_rtx;
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++) {
        struct source_layer *l =
            sim->sources[i] != NULL ? source_layer_of(sim->sources[i], ssrc, &is_rtx) : NULL;
        if (l != NULL && !is_rtx)
            return l;
    }
    return NULL;
}

/* ---- in ---- */

enum seen { SEEN_NOT, SEEN_IN_ORDER, SEEN_LATE };

void tap_taken(struct sim *sim, uint8_t node, const uint8_t *data, size_t size)
{
    struct rtp_view v;
    if (rtp_parse(data, size, &v) < 0)
        return;
    struct source_layer *l = layer_of(sim, v.ssrc);
    if (l == NULL || l->seen[node][v.seq] != SEEN_NOT)
        return;
    bool is_late = l->has_newest[node] && rtp_seq_newer(l->newest[node], v.seq);
    if (sim->mark_count < ARRAY_COUNT(sim->marks))
        sim->marks[sim->mark_count++] = (struct sim_mark){.node = node, .layer = l, .seq = v.seq};
    l->seen[node][v.seq] = is_late ? SEEN_LATE : SEEN_IN_ORDER;
    if (!is_late)
        l->newest[node] = v.seq;
    l->has_newest[node] = true;
}

/* A node answers for what came within the age of its rings, as long as they have room for it and
 * the subscription remembers the number (sfu/limits.h). */
static bool is_kept(const struct sim *sim, const struct receiver *r, const struct tap_entry *e)
{
    const struct source_layer *l = layer_of(sim, e->src_ssrc);
    if (l == NULL || sim->now - e->arrived >= SFU_RING_AGE)
        return false;
    bool is_video = r->source->kind == RTP_KIND_VIDEO;
    uint32_t ring = is_video ? sim->ring_packets : SFU_RING_AUDIO;
    uint32_t history = is_video ? SFU_HISTORY_MAX : SFU_RING_AUDIO;
    return (uint16_t)(l->seq - e->src_seq) < ring &&
           (uint16_t)((uint16_t)r->tap.newest - e->seq) < history;
}

static void owe(struct sim *sim, struct receiver *r, uint16_t seq)
{
    struct tap_entry *e = &r->tap.log[seq % SIM_LOG];
    if (!r->tap.has_newest || e->seq != seq)
        return;
    e->was_asked = true;
    bool is_owed = e->is_used && !e->is_empty && e->repeats == 0 && r->peer->is_connected &&
                   !r->source->is_blocked && sim->now - r->source->changed_at > SFU_RING_AGE &&
                   is_kept(sim, r, e);
    if (is_owed && sim->due_count < ARRAY_COUNT(sim->due))
        sim->due[sim->due_count++] =
            (struct sim_due){.node = r->peer->node, .receiver = r, .seq = seq};
}

static void nack_in(struct sim *sim, struct receiver *r, const struct rtcp_packet *p)
{
    uint16_t seqs[128];
    int count = rtcp_get_nack(p, seqs, ARRAY_COUNT(seqs));
    for (int i = 0; i < count && r->config.has_nack; i++)
        owe(sim, r, seqs[i]);
}

void tap_rtcp_in(struct sim *sim, const struct sim_peer *peer, const uint8_t *data, size_t size)
{
    struct rtcp_reader reader = rtcp_reader_init(data, size);
    struct rtcp_packet p;
    uint32_t ssrc;
    bool is_rtx;
    while (rtcp_next(&reader, &p) > 0) {
        bool is_feedback = p.type == RTCP_RTPFB || p.type == RTCP_PSFB;
        if (!is_feedback || rtcp_get_media_ssrc(&p, &ssrc) < 0)
            continue;
        struct receiver *r = room_receiver(sim, peer->id, ssrc, &is_rtx);
        if (r == NULL || is_rtx)
            continue;
        if (p.type == RTCP_RTPFB && p.count == RTCP_RTPFB_NACK)
            nack_in(sim, r, &p);
        if (p.type == RTCP_PSFB && p.count == RTCP_PSFB_PLI)
            r->key_wish_at = TK_MIN(r->key_wish_at, sim->now);
    }
}

void tap_settle(struct sim *sim, uint8_t node)
{
    size_t kept = 0;
    for (size_t i = 0; i < sim->due_count; i++) {
        const struct sim_due *due = &sim->due[i];
        if (due->node != node) {
            sim->due[kept++] = *due;
            continue;
        }
        const struct tap_entry *e = &due->receiver->tap.log[due->seq % SIM_LOG];
        if (e->seq == due->seq && e->repeats == 0)
            sim_fail(sim, "sub %u: asked again for seq %u, got no answer",
                     due->receiver->config.sub, due->seq);
    }
    sim->due_count = kept;
    kept = 0;
    for (size_t i = 0; i < sim->mark_count; i++)
        if (sim->marks[i].node != node)
            sim->marks[kept++] = sim->marks[i];
    sim->mark_count = kept;
}

/* ---- out: numbers ---- */

/* How many numbers between two of the source have not come to the node; `ret_late` of the others
 * came after newer ones, or in this batch, perhaps after the packet that is looked at: the place
 * of such a packet was kept, and stays empty if it was left out on purpose. */
static unsigned missing_between(struct sim *sim, struct source_layer *l, uint8_t node,
                                uint64_t from, uint64_t to, unsigned *ret_late)
{
    unsigned missing = 0;
    *ret_late = 0;
    for (uint64_t seq = from + 1; seq < to; seq++) {
        missing += l->seen[node][(uint16_t)seq] == SEEN_NOT;
        *ret_late += l->seen[node][(uint16_t)seq] == SEEN_LATE;
    }
    for (size_t i = 0; i < sim->mark_count; i++) {
        uint64_t seq = rtp_seq_expand(sim->marks[i].seq, from);
        *ret_late +=
            sim->marks[i].node == node && sim->marks[i].layer == l && seq > from && seq < to;
    }
    return missing;
}

static void check_gap(struct sim *sim, struct receiver *r, uint64_t seq, uint64_t src,
                      uint32_t src_ssrc)
{
    struct tap *t = &r->tap;
    uint64_t gap = seq - t->newest - 1, src_gap = src - t->src_newest - 1;
    unsigned late = 0, missing = 0;
    bool is_rtx;
    struct source_layer *l = source_layer_of(r->source, src_ssrc, &is_rtx);
    if (gap > src_gap) {
        sim_fail(sim, "sub %u: %u numbers left out where the source left out %u", r->config.sub,
                 (unsigned)gap, (unsigned)src_gap);
        return;
    }
    if (l == NULL || src_gap == 0 || src_gap > GAP_MAX)
        return;
    missing = missing_between(sim, l, r->peer->node, t->src_newest, src, &late);
    if (gap < missing || gap > missing + late)
        sim_fail(sim, "sub %u: %u numbers left out at seq %u, but %u of the source have not come",
                 r->config.sub, (unsigned)gap, (unsigned)(uint16_t)seq, missing);
}

/* Numbers in front of a switch that were kept for packets of the source before, which were missing
 * when one behind them was left out on purpose. */
static unsigned kept_in_front(struct sim *sim, struct receiver *r)
{
    struct tap *t = &r->tap;
    uint8_t node = r->peer->node;
    bool is_rtx;
    unsigned late;
    struct source_layer *l = source_layer_of(r->source, t->src_ssrc, &is_rtx);
    if (l == NULL) /* a new encoder: nothing is known of the old one */
        return GAP_MAX;
    uint64_t newest = rtp_seq_expand(l->newest[node], t->src_newest);
    return missing_between(sim, l, node, t->src_newest, newest, &late) + late;
}

static void begin_stretch(struct sim *sim, struct receiver *r, const struct rtp_view *v,
                          const struct rtp_view *src, bool is_keyframe, uint64_t seq)
{
    struct tap *t = &r->tap;
    if (!is_keyframe && r->source->kind == RTP_KIND_VIDEO)
        sim_fail(sim, "sub %u: starts at seq %u without a keyframe", r->config.sub, v->seq);
    if (t->has_newest && seq != t->newest + 1 && seq - t->newest - 1 > kept_in_front(sim, r))
        sim_fail(sim, "sub %u: seq %u after %u at a switch", r->config.sub, v->seq,
                 (unsigned)(uint16_t)t->newest);
    uint32_t hz = r->source->kind == RTP_KIND_VIDEO ? 90 : 48;
    int32_t ahead = (int32_t)(v->ts - t->ts_newest);
    mono_us passed = sim->now - t->newest_at;
    if (t->has_newest && (ahead < 1 || ahead > (passed + AHEAD_US) * hz / 1000 + 1))
        sim_fail(sim, "sub %u: timestamp moves by %d after %lld us", r->config.sub, ahead,
                 (long long)passed);
    t->stretch++;
    t->src_ssrc = src->ssrc;
    t->src_newest = 131072u + src->seq;
    t->ts_offset = v->ts - src->ts;
    t->started_at = sim->now;
}

static struct tap_entry *entry_at(struct tap *t, uint64_t seq)
{
    struct tap_entry *e = &t->log[seq % SIM_LOG];
    return e->seq == (uint16_t)seq && e->is_used && !e->is_empty ? e : NULL;
}

/* A number below the newest: it lies between its neighbours in the source's order. */
static void check_late(struct sim *sim, struct receiver *r, uint64_t seq, uint16_t src_seq)
{
    struct tap *t = &r->tap;
    for (int step = -1; step <= 1; step += 2) {
        for (uint64_t other = seq + (uint64_t)step, i = 0; i < 64 && other <= t->newest;
             other += (uint64_t)step, i++) {
            const struct tap_entry *e = entry_at(t, other);
            if (e == NULL || e->stretch != t->stretch)
                continue;
            if (rtp_seq_newer(e->src_seq, src_seq) != (step > 0))
                sim_fail(sim, "sub %u: seq %u is out of the source's order", r->config.sub,
                         (unsigned)(uint16_t)seq);
            break;
        }
    }
}

static void note_number(struct tap *t, uint64_t seq, const struct rtp_view *src, mono_us arrived)
{
    if (!t->has_newest || seq > t->newest) {
        for (uint64_t gap = t->has_newest ? t->newest + 1 : seq; gap < seq; gap++)
            t->log[gap % SIM_LOG] = (struct tap_entry){.seq = (uint16_t)gap};
        t->newest = seq;
        t->has_newest = true;
        t->log[seq % SIM_LOG] = (struct tap_entry){.seq = (uint16_t)seq};
    }
    struct tap_entry *e = &t->log[seq % SIM_LOG];
    *e = (struct tap_entry){.is_used = true,
                            .is_empty = src == NULL,
                            .was_asked = e->was_asked,
                            .repeats = e->was_asked,
                            .seq = (uint16_t)seq,
                            .src_seq = src != NULL ? src->seq : 0,
                            .src_ssrc = src != NULL ? src->ssrc : 0,
                            .stretch = t->stretch,
                            .arrived = arrived};
    t->packets++;
}

/* A keyframe of the same encoder may begin a new stretch, after a pause: then nothing is kept free
 * for what was not forwarded meanwhile. */
static bool begins_again(struct sim *sim, struct receiver *r, uint64_t gap, uint64_t src_seq)
{
    const struct tap *t = &r->tap;
    bool is_rtx;
    unsigned late;
    struct source_layer *l = source_layer_of(r->source, t->src_ssrc, &is_rtx);
    if (src_seq <= t->src_newest)
        return true;
    if (l == NULL)
        return false;
    if (src_seq - t->src_newest - 1 > GAP_MAX)
        return gap == 0;
    return gap < missing_between(sim, l, r->peer->node, t->src_newest, src_seq, &late);
}

static void check_numbers(struct sim *sim, struct receiver *r, const struct rtp_view *v,
                          const struct rtp_view *src, bool is_keyframe, mono_us arrived)
{
    struct tap *t = &r->tap;
    uint64_t seq = t->has_newest ? rtp_seq_expand(v->seq, t->newest) : 65536u + v->seq;
    uint64_t src_seq = rtp_seq_expand(src->seq, t->src_newest);
    bool is_ahead = !t->has_newest || seq > t->newest;
    bool is_other = !t->has_newest || src->ssrc != t->src_ssrc;
    bool is_again =
        is_keyframe && is_ahead && !is_other &&
        (v->ts - src->ts != t->ts_offset || begins_again(sim, r, seq - t->newest - 1, src_seq));
    if (is_ahead && (is_other || is_again)) {
        begin_stretch(sim, r, v, src, is_keyframe, seq);
    } else if (is_ahead) {
        if (src_seq <= t->src_newest)
            sim_fail(sim, "sub %u: source goes back at seq %u", r->config.sub, v->seq);
        else
            check_gap(sim, r, seq, src_seq, src->ssrc);
        t->src_newest = src_seq;
    } else if (is_other) {
        sim_fail(sim, "sub %u: seq %u of another source is late", r->config.sub, v->seq);
    } else {
        check_late(sim, r, seq, src->seq);
    }
    if (v->ts - src->ts != t->ts_offset)
        sim_fail(sim, "sub %u: the timestamp offset changes at seq %u", r->config.sub, v->seq);
    if (is_ahead || rtp_ts_newer(v->ts, t->ts_newest))
        t->ts_newest = v->ts;
    t->newest_at = sim->now;
    note_number(t, seq, src, arrived);
}

/* ---- out: what may go to whom ---- */

static void check_entitled(struct sim *sim, struct receiver *r, int8_t layer)
{
    const struct source *s = r->source;
    if (r->target.layer_max == SFU_LAYER_NONE)
        sim_fail(sim, "sub %u: gets packets that it does not want", r->config.sub);
    if (s->is_blocked)
        sim_fail(sim, "sub %u: gets packets of a blocked track", r->config.sub);
    if (r->is_paused)
        sim_fail(sim, "sub %u: gets packets while it is paused", r->config.sub);
    mono_us line = TK_MAX(s->live_since, s->peer->good_at); /* requests wait in its queue */
    mono_us since = TK_MAX(TK_MAX(r->wished_at, s->changed_at), line);
    if (layer > r->target.layer_max && sim->is_healed && sim->now - since > ABOVE_MAX &&
        s->layers[r->target.layer_max].is_active)
        sim_fail(sim, "sub %u: gets layer %d, above its target %d", r->config.sub, layer,
                 r->target.layer_max);
}

static void check_mid(struct sim *sim, struct receiver *r, const struct rtp_view *v)
{
    struct rtp_ext_set exts;
    char mid[RTP_MID_SIZE] = "";
    if (r->tap.packets > 0 || r->peer->exts.id[RTP_EXT_MID] == 0)
        return;
    rtp_ext_read(v, &r->peer->exts, &exts);
    if (!rtp_ext_get_text(&exts, RTP_EXT_MID, mid, sizeof(mid)) || strcmp(mid, r->config.mid) != 0)
        sim_fail(sim, "sub %u: the first packet says mid '%s'", r->config.sub, mid);
}

static bool is_keyframe(const struct source *s, const struct rtp_view *src)
{
    struct rtp_payload_info info;
    return s->kind == RTP_KIND_AUDIO ||
           (rtp_payload_inspect(s->codec, src->payload, src->payload_size, NULL, &info) == 0 &&
            info.is_keyframe && info.is_frame_start);
}

static void check_forwarded(struct sim *sim, struct receiver *r, const struct rtp_view *v,
                            const struct rtp_view *src, mono_us arrived)
{
    bool is_rtx;
    struct tap_entry *e = &r->tap.log[v->seq % SIM_LOG];
    if (r->tap.has_newest && e->seq == v->seq && e->is_used) {
        bool is_answer = e->was_asked && r->config.rtx_ssrc == 0 && e->src_seq == src->seq;
        if (!is_answer)
            sim_fail(sim, "sub %u: seq %u is sent twice", r->config.sub, v->seq);
        e->repeats++;
        sim->totals.repeats++;
        return;
    }
    const struct source_layer *l = source_layer_of(r->source, src->ssrc, &is_rtx);
    int8_t layer = l != NULL ? (int8_t)(l - r->source->layers) : SFU_LAYER_NONE;
    check_entitled(sim, r, layer);
    check_mid(sim, r, v);
    bool is_key = is_keyframe(r->source, src);
    check_numbers(sim, r, v, src, is_key, arrived);
    if (is_key)
        r->key_wish_at = MONO_NEVER;
    if (layer != SFU_LAYER_NONE && r->tap.layer != layer) {
        sim->totals.switches += r->tap.layer != SFU_LAYER_NONE;
        r->tap.layer = layer;
    }
}

static void check_repeat(struct sim *sim, struct receiver *r, const struct rtp_view *v,
                         const struct rtp_view *src)
{
    uint16_t seq = v->payload_size >= 2 ? get_u16be(v->payload) : 0;
    struct tap_entry *e = &r->tap.log[seq % SIM_LOG];
    bool is_known = e->seq == seq && e->is_used && e->was_asked;
    if (v->payload_size <= 2 || !is_known || e->src_seq != src->seq)
        sim_fail(sim, "sub %u: seq %u is repeated, which was not asked for or is another packet",
                 r->config.sub, seq);
    if (e->repeats++ > REPEATS_MAX)
        sim_fail(sim, "sub %u: seq %u is repeated too often", r->config.sub, seq);
    sim->totals.repeats++;
}

static void check_empty(struct sim *sim, struct receiver *r, const struct rtp_view *v)
{
    struct tap_entry *e = &r->tap.log[v->seq % SIM_LOG];
    if (e->seq != v->seq || !e->was_asked || (e->is_used && !e->is_empty)) {
        sim_fail(sim, "sub %u: an empty packet %u that nobody asked for", r->config.sub, v->seq);
        return;
    }
    e->is_used = e->is_empty = true;
    e->repeats++;
}

void tap_rtp_out(struct sim *sim, struct sim_peer *peer, const struct sfu_out *out,
                 const uint8_t *data, size_t size)
{
    struct rtp_view v, src;
    bool is_rtx = false;
    sim->totals.packets_out++;
    if (rtp_parse(data, size, &v) < 0) {
        sim_fail(sim, "peer %u: a malformed packet", peer->id);
        return;
    }
    struct receiver *r = room_receiver(sim, peer->id, v.ssrc, &is_rtx);
    if (r == NULL || !peer->is_connected) {
        sim_fail(sim, "peer %u: gets ssrc %u, which it may not", peer->id, v.ssrc);
        return;
    }
    if (v.payload_size == 0) {
        check_empty(sim, r, &v);
        return;
    }
    if (out->pkt == NULL || rtp_parse(out->pkt->data, out->pkt->size, &src) < 0) {
        sim_fail(sim, "sub %u: seq %u comes from nowhere", r->config.sub, v.seq);
        return;
    }
    if (v.is_marker != src.is_marker)
        sim_fail(sim, "sub %u: the marker of seq %u is wrong", r->config.sub, v.seq);
    if (is_rtx)
        check_repeat(sim, r, &v, &src);
    else
        check_forwarded(sim, r, &v, &src, out->pkt->arrived);
}

/* ---- out: requests to publishers ---- */

static void note_request(struct sim *sim, struct sim_peer *peer, uint32_t ssrc)
{
    struct source_layer *l = layer_of(sim, ssrc);
    if (l == NULL)
        return;
    struct source *s = NULL;
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] != NULL && l >= sim->sources[i]->layers &&
            l < sim->sources[i]->layers + RTP_LAYERS_MAX)
            s = sim->sources[i];
    sim->totals.keyframes++;
    mono_us pause = l == s->layers ? MONO_MS(500) : MONO_S(1);
    mono_us since = TK_MAX(s->changed_at, peer->path_changed_at);
    if (l->asked_at != 0 && sim->now - l->asked_at < pause - ASKED_MARGIN &&
        sim->now - TK_MAX(since, s->live_since) > MONO_S(2))
        sim_fail(sim, "track %u: layer %d was asked for a keyframe %lld us ago", s->track,
                 (int)(l - s->layers), (long long)(sim->now - l->asked_at));
    l->asked_at = sim->now;
}

void tap_rtcp_out(struct sim *sim, struct sim_peer *peer, const uint8_t *data, size_t size)
{
    struct rtcp_reader reader = rtcp_reader_init(data, size);
    struct rtcp_packet p;
    uint32_t ssrc;
    uint8_t seq;
    int n;
    while ((n = rtcp_next(&reader, &p)) > 0) {
        if (p.type != RTCP_PSFB)
            continue;
        if (p.count == RTCP_PSFB_PLI && rtcp_get_media_ssrc(&p, &ssrc) == 0)
            note_request(sim, peer, ssrc);
        if (p.count == RTCP_PSFB_FIR && rtcp_get_fir(&p, 0, &ssrc, &seq) == 0)
            note_request(sim, peer, ssrc);
    }
    if (n < 0)
        sim_fail(sim, "peer %u: malformed RTCP", peer->id);
}
