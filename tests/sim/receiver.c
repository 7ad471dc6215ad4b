#include "sim/sim.h"

#include "base/bytes.h"
#include "base/err.h"
#include "rtp/payload.h"
#include "rtp/red.h"
#include "rtp/rtx.h"

#include <stdlib.h>
#include <string.h>

/* A subscriber's end of one track: jitter buffer with NACK, decoder, requests for keyframes,
 * receiver reports; and what a decoder relies on is checked as it decodes. */

#define PLI_EVERY    MONO_MS(500)
#define REPORT_EVERY MONO_S(1)
#define SYNC_MAX_US  3000          /* sound against picture by sender reports */
#define SR_SETTLE    MONO_MS(1500) /* after a new source: its report was on the way */
#define NACKS_MAX    100
#define LOSS_SETTLE  MONO_MS(500) /* longer than a source pauses between frames that all get */

struct receiver *receiver_create(struct sim *sim, struct source *source, struct sim_peer *peer)
{
    struct receiver *r = calloc(1, sizeof(*r));
    CHECK(r != NULL);
    r->sim = sim;
    r->source = source;
    r->peer = peer;
    r->key_wish_at = MONO_NEVER;
    r->tap.layer = SFU_LAYER_NONE;
    r->report_at = sim->now + sim_between(&sim->rng, 200000, 1200000);
    rtp_seq_ext_init(&r->seqs);
    struct rtp_nack_config nack = rtp_nack_config_default();
    rtp_nack_init(&r->nack, &nack);
    rtp_recv_stats_init(&r->stats, source->kind == RTP_KIND_VIDEO ? 90000 : 48000);
    enum rtp_codec codec = source->codec == RTP_CODEC_RED ? RTP_CODEC_OPUS : source->codec;
    int err = rtp_depack_init(&r->depack, codec, r->buffer, sizeof(r->buffer));
    CHECK(err == 0);
    return r;
}

void receiver_destroy(struct receiver *r)
{
    for (size_t i = 0; i < SIM_HELD; i++)
        free(r->held[i].data);
    rtp_nack_fini(&r->nack);
    free(r);
}

static bool is_video(const struct receiver *r)
{
    return r->source->kind == RTP_KIND_VIDEO;
}

/* ---- the decoder ---- */

/* The clock that the sender reports give must be the one that the picture was taken by. */
static void check_sync(struct receiver *r, const struct sim_frame *f, uint32_t ts)
{
    mono_us since = TK_MAX(r->stretch_at, r->peer->path_changed_at) + SR_SETTLE;
    bool is_of_newest = r->stretch == r->tap.stretch; /* else the report may be of a newer one */
    if (!r->has_sr || r->sr_at < since || !is_of_newest)
        return;
    int64_t hz = is_video(r) ? 90000 : 48000;
    int64_t said = ntp_to_unix_us(r->sr_ntp) + (int64_t)(int32_t)(ts - r->sr_ts) * 1000000 / hz;
    int64_t apart = said - (SIM_EPOCH_US + f->captured);
    if (apart > SYNC_MAX_US || apart < -SYNC_MAX_US)
        sim_fail(r->sim, "sub %u: sender reports are %lld us off", r->config.sub, (long long)apart);
}

static bool has_reference(const struct receiver *r, const struct sim_frame *f)
{
    if (f->is_keyframe)
        return true;
    if (r->ssrc != f->ssrc || r->layer != f->layer)
        return false;
    for (size_t i = 0; i < 3; i++)
        if (r->newest_of[i] == f->ref && f->ref != SIM_REF_NONE)
            return true;
    return false;
}

static void decode(struct receiver *r, const struct sim_frame *f, uint32_t ts, uint32_t stretch)
{
    struct sim *sim = r->sim;
    if (f->track != r->source->track)
        sim_fail(sim, "sub %u: got a frame of track %u", r->config.sub, f->track);
    if (!has_reference(r, f)) {
        if (r->is_clean)
            sim_fail(sim, "sub %u: frame %u of layer %d needs %u, which never came", r->config.sub,
                     f->number, f->layer, f->ref);
        return;
    }
    if (f->is_keyframe) {
        r->is_clean = true;
        for (size_t i = 0; i < 3; i++)
            r->newest_of[i] = SIM_REF_NONE;
    }
    if (r->stretch != stretch)
        r->stretch_at = sim->now;
    r->stretch = stretch;
    if (r->frames > 0 && !rtp_ts_newer(ts, r->ts_newest))
        sim_fail(sim, "sub %u: timestamp %u after %u", r->config.sub, ts, r->ts_newest);
    r->ssrc = f->ssrc;
    r->layer = f->layer;
    r->newest_of[f->temporal_id] = f->number;
    r->ts_newest = ts;
    if (r->decoded_at > 0 && sim->is_healed)
        r->frame_interval_max = TK_MAX(r->frame_interval_max, sim->now - r->decoded_at);
    r->decoded_at = sim->now;
    r->frames++;
    sim->totals.frames++;
    check_sync(r, f, ts);
}

/* VP8: picture ids and TL0PICIDX go on without a gap, as long as the packets do. */
static void check_picture(struct receiver *r, const struct rtp_view *v)
{
    struct rtp_payload_info info;
    if (r->source->codec != RTP_CODEC_VP8)
        return;
    if (rtp_payload_inspect(RTP_CODEC_VP8, v->payload, v->payload_size, NULL, &info) < 0) {
        sim_fail(r->sim, "sub %u: seq %u is no VP8", r->config.sub, v->seq);
        return;
    }
    uint16_t step = (info.picture_id - r->picture_id) & 0x7fff;
    uint8_t tl0_step = (uint8_t)(info.tl0 - r->tl0);
    bool is_next = info.is_frame_start && step >= 1 && step <= 1 + r->empties;
    bool is_tl0_next = tl0_step == (info.temporal_id == 0 && step != 0);
    if (r->has_picture && !((is_next || (step == 0 && !info.is_frame_start)) && is_tl0_next))
        sim_fail(r->sim, "sub %u: picture id %u after %u, tl0 %u after %u, seq %u, temporal %u",
                 r->config.sub, info.picture_id, r->picture_id, info.tl0, r->tl0, v->seq,
                 info.temporal_id);
    r->has_picture = true;
    r->picture_id = info.picture_id;
    r->tl0 = info.tl0;
    r->empties = 0;
}

/* Timestamps may move where the node begins a new stretch, be it with the same encoder. */
static uint32_t stretch_of(const struct receiver *r, uint16_t seq)
{
    const struct tap_entry *e = &r->tap.log[seq % SIM_LOG];
    return e->seq == seq ? e->stretch : r->stretch;
}

static void feed(struct receiver *r, const uint8_t *data, size_t size)
{
    struct rtp_view v;
    struct rtp_frame frame;
    struct sim_frame f;
    if (rtp_parse(data, size, &v) < 0) {
        sim_fail(r->sim, "sub %u: a malformed packet", r->config.sub);
        return;
    }
    if (v.payload_size == 0)
        r->empties++;
    else
        check_picture(r, &v);
    if (v.payload_size > 0 && v.pt != r->config.pts[0].pt)
        sim_fail(r->sim, "sub %u: payload type %u", r->config.sub, v.pt);
    struct rtp_red_block primary;
    if (r->config.pts[0].codec == RTP_CODEC_RED && v.payload_size > 0) {
        if (rtp_red_primary(v.payload, v.payload_size, &primary) < 0)
            sim_fail(r->sim, "sub %u: seq %u is no RED", r->config.sub, v.seq);
        v.payload = primary.data;
        v.payload_size = primary.size;
    }
    uint64_t broken = r->depack.broken_frames;
    int n = rtp_depack_push(&r->depack, &v, &frame);
    if (n < 0 && r->is_clean)
        sim_fail(r->sim, "sub %u: seq %u does not fit (%s)", r->config.sub, v.seq, err_text(n));
    if (r->depack.broken_frames > broken)
        r->sim->totals.skipped++;
    if (n != 1)
        return;
    if (sim_frame_read(r->depack.codec, frame.data, frame.size, &f))
        decode(r, &f, frame.ts, stretch_of(r, v.seq));
    else if (r->is_clean) /* else its beginning, such as H.264's parameter sets, was skipped */
        sim_fail(r->sim, "sub %u: frame at seq %u is damaged", r->config.sub, v.seq);
}

/* ---- the jitter buffer ---- */

static struct held *held_at(struct receiver *r, uint64_t seq)
{
    struct held *h = &r->held[seq % SIM_HELD];
    return h->data != NULL && h->seq == seq ? h : NULL;
}

/* True if a whole keyframe begins at `seq`. */
static bool is_keyframe_at(struct receiver *r, uint64_t seq)
{
    struct rtp_view v;
    struct rtp_payload_info info;
    struct held *h = held_at(r, seq);
    if (h == NULL || rtp_parse(h->data, h->size, &v) < 0 || v.payload_size == 0 ||
        rtp_payload_inspect(r->source->codec, v.payload, v.payload_size, NULL, &info) < 0 ||
        !info.is_keyframe || !info.is_frame_start)
        return false;
    for (uint32_t ts = v.ts; (h = held_at(r, seq)) != NULL; seq++) {
        if (rtp_parse(h->data, h->size, &v) < 0 || v.ts != ts)
            return false;
        if (v.is_marker)
            return true;
    }
    return false;
}

static void skip_to(struct receiver *r, uint64_t seq)
{
    r->skipped += seq - r->next;
    r->sim->totals.skipped++;
    for (; r->next < seq; r->next++) {
        struct held *h = held_at(r, r->next);
        if (h == NULL)
            continue;
        free(h->data);
        h->data = NULL;
    }
    r->has_picture = false;
    r->empties = 0;
    if (is_video(r))
        r->is_clean = false;
    rtp_nack_forget_before(&r->nack, r->next);
}

/*
 * Since when nothing may be missing for good. A loss is noticed by the first packet behind it, and
 * a slow line delivers that after all that waited in its queue: 60 KB at 64 kbit/s take seven
 * seconds, and the node keeps what was lost for SFU_RING_AGE. So losses count that are noticed when
 * the queues of both participants' lines are empty of what came before they were healed (requests
 * and answers wait there too), and LOSS_SETTLE later, as the packet before the first one that was
 * sent over a good line may be missing.
 */
static mono_us lossless_since(const struct receiver *r)
{
    const struct sim_peer *to = r->peer, *from = r->source->peer;
    if (!r->sim->is_healed)
        return MONO_NEVER;
    return TK_MAX(to->good_at, from->good_at) + LOSS_SETTLE;
}

/* In front of a gap: a whole keyframe behind it is as good; after a time one goes on without. */
static bool cross_gap(struct receiver *r)
{
    uint64_t first = 0;
    mono_us now = r->sim->now;
    if (r->gap_at == 0)
        r->gap_at = now;
    for (uint64_t seq = r->next + 1; seq <= r->seqs.newest; seq++) {
        if (held_at(r, seq) == NULL)
            continue;
        first = first == 0 ? seq : first;
        if (is_video(r) && is_keyframe_at(r, seq)) {
            skip_to(r, seq);
            return true;
        }
    }
    mono_us patience = is_video(r) ? SIM_GAP_MAX : MONO_MS(60);
    if (first == 0 || (now - r->gap_at < patience && r->seqs.newest - r->next < SIM_HELD / 2))
        return false;
    mono_us seen_at = held_at(r, first)->at; /* several gaps may wait one behind the other */
    if (is_video(r) && seen_at > lossless_since(r))
        sim_fail(r->sim, "sub %u: packet %u is missing on a good line", r->config.sub,
                 (unsigned)(uint16_t)r->next);
    skip_to(r, first);
    return true;
}

static void release(struct receiver *r)
{
    while (r->next <= r->seqs.newest && !r->sim->is_failed) {
        struct held *h = held_at(r, r->next);
        if (h == NULL) {
            if (!cross_gap(r))
                return;
            continue;
        }
        r->gap_at = 0;
        feed(r, h->data, h->size);
        free(h->data);
        h->data = NULL;
        r->next++;
    }
}

static void hold(struct receiver *r, uint64_t seq, const uint8_t *data, size_t size)
{
    struct held *h = &r->held[seq % SIM_HELD];
    if (seq < r->next || (h->data != NULL && h->seq == seq))
        return;
    if (seq - r->next >= SIM_HELD)
        skip_to(r, seq - SIM_HELD / 2);
    *h = (struct held){.seq = seq, .at = r->sim->now, .size = (uint16_t)size, .data = malloc(size)};
    CHECK(h->data != NULL);
    memcpy(h->data, data, size);
}

void receiver_handle_rtp(struct receiver *r, const uint8_t *data, size_t size, bool is_rtx)
{
    uint8_t plain[PKT_SIZE_MAX];
    struct rtp_view v;
    memcpy(plain, data, size);
    if (is_rtx) {
        int n = rtp_rtx_decapsulate(plain, size, r->config.ssrc, r->config.pts[0].pt);
        if (n <= 0) {
            sim_fail(r->sim, "sub %u: an empty retransmission", r->config.sub);
            return;
        }
        size = (size_t)n;
    }
    if (rtp_parse(plain, size, &v) < 0) {
        sim_fail(r->sim, "sub %u: a malformed packet", r->config.sub);
        return;
    }
    uint64_t seq;
    enum rtp_seq_result result = rtp_seq_ext_update(&r->seqs, v.seq, &seq);
    if (result == RTP_SEQ_JUMP || result == RTP_SEQ_RESYNC) {
        sim_fail(r->sim, "sub %u: seq %u is far from %u", r->config.sub, v.seq,
                 (unsigned)(uint16_t)r->seqs.newest);
        return;
    }
    rtp_recv_stats_packet(&r->stats, seq, result, v.ts, v.payload_size, is_rtx, r->sim->now);
    rtp_nack_packet(&r->nack, seq, result, r->sim->now);
    if (r->next == 0)
        r->next = seq;
    hold(r, seq, plain, size);
    release(r);
}

void receiver_handle_sr(struct receiver *r, const struct rtcp_packet *p)
{
    struct rtcp_sender_info info;
    if (rtcp_get_sender_info(p, &info) < 0)
        return;
    if (r->has_sr && (int64_t)(info.ntp - r->sr_ntp) <= 0)
        return; /* overtaken on the way */
    rtp_recv_stats_sr(&r->stats, info.ntp, r->sim->now);
    r->has_sr = true;
    r->sr_ntp = info.ntp;
    r->sr_ts = info.rtp_ts;
    r->sr_at = r->sim->now;
}

/* ---- feedback ---- */

static void ask(struct receiver *r)
{
    uint8_t packet[800];
    struct wr w = wr_init(packet, sizeof(packet));
    struct rtcp_report report;
    uint16_t seqs[NACKS_MAX];
    mono_us now = r->sim->now;
    if (now >= r->report_at && rtp_recv_stats_report(&r->stats, r->config.ssrc, now, &report)) {
        r->report_at = now + REPORT_EVERY;
        rtcp_put_rr(&w, 1, &report, 1);
        if (r->peer->remb_bps > 0)
            rtcp_put_remb(&w, 1, r->peer->remb_bps, &r->config.ssrc, 1);
    }
    size_t count = r->config.has_nack ? rtp_nack_poll(&r->nack, now, seqs, NACKS_MAX) : 0;
    if (count > 0)
        rtcp_put_nack(&w, 1, r->config.ssrc, seqs, count);
    bool needs_keyframe = is_video(r) && r->next != 0 && !r->is_clean;
    if (needs_keyframe && now - r->pli_at >= PLI_EVERY) {
        r->pli_at = now;
        r->plis++;
        r->sim->totals.plis++;
        rtcp_put_pli(&w, 1, r->config.ssrc);
    }
    CHECK(!w.is_bad);
    if (wr_size(&w) > 0)
        room_send(r->peer, packet, wr_size(&w));
}

void receiver_tick(struct receiver *r)
{
    if (r->next != 0)
        release(r);
    ask(r);
}
