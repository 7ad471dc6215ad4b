#include "rtp/red.h"
#include "rtp/rtx.h"
#include "sfu/sfu_internal.h"

/*
 * The way of a packet from its publisher, or from another worker, into the ring of its layer.
 *
 * Read from the end: sfu_node_handle_rtp() finds the layer, sfu__layer_receive() does the rest.
 */

void sfu__layer_forget(struct sfu_layer *l)
{
    sfu__pending_purge(l);
    sfu__ring_clear(&l->ring);
    l->start_seq = 0;
}

void sfu__layer_forget_missing(struct sfu_layer *l)
{
    if (l->uplink == NULL)
        return;
    struct rtp_nack_config nack = l->uplink->nack.config;
    rtp_nack_fini(&l->uplink->nack);
    rtp_nack_init(&l->uplink->nack, &nack);
}

/* A new SSRC on the same layer: another encoder. The extended numbers go on growing, so that
 * nothing that is remembered of the old stream is taken for the new one. */
static void restart(struct sfu_layer *l, const struct rtp_view *v, mono_us now)
{
    struct sfu_track *t = l->track;
    l->ssrc = v->ssrc;
    l->sr = (struct rtp_sr_ref){0};
    if (l->seqs.newest == 0)
        return;
    l->seqs.newest = (((l->seqs.newest >> 16) + 2) << 16) + (uint16_t)(v->seq - 1);
    sfu__layer_forget(l);
    sfu__layer_forget_missing(l);
    if (l->uplink != NULL)
        rtp_recv_stats_init(&l->uplink->stats, t->clock_hz);
    LIST_FOR_EACH(it, &t->subs)
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, track_link);
        if (s->current != l->index)
            continue;
        sfu__sub_stop(s);
        s->waiting_since = now;
        sfu__sub_choose(s, now);
    }
}

/* ---- the description of a packet ---- */

/* Those that are passed through. */
#define PASSED_EXTS                                                                \
    (RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL) | RTP_EXT_BIT(RTP_EXT_ABS_CAPTURE_TIME) |    \
     RTP_EXT_BIT(RTP_EXT_PLAYOUT_DELAY) | RTP_EXT_BIT(RTP_EXT_VIDEO_ORIENTATION) | \
     RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR))

_Static_assert(__builtin_popcount(PASSED_EXTS) <= SFU_EXTS_MAX, "room for each in sfu_packet.exts");

/* What they may take together, behind the fixed header, the block's own, our mid and up to its
 * padding. The header of a packet that has its number can always be written. */
#define PASSED_EXTS_ROOM (SFU_HEAD_EXT_MAX - RTP_HEADER_SIZE - 4 - (2 + RTP_MID_SIZE - 1) - 3)

/* One that does not fit any more is not passed through. */
static void note_exts(struct sfu_packet *p, const struct sfu_arrival *a)
{
    uint8_t count = 0;
    size_t room = PASSED_EXTS_ROOM;
    for (uint32_t left = a->exts.present & PASSED_EXTS; left != 0; left &= left - 1) {
        uint8_t ext = (uint8_t)__builtin_ctz(left);
        const struct rtp_ext_value *value = &a->exts.value[ext];
        if (room < 2u + value->size)
            continue;
        room -= 2u + value->size;
        p->exts[count].ext = ext;
        p->exts[count].size = value->size;
        p->exts[count].at = (uint16_t)(value->data - a->pkt->data);
        count++;
    }
    p->ext_count = count;
}

static int note_red(struct sfu_packet *p, const struct rtp_view *v)
{
    struct rtp_red_block primary;
    int err = rtp_red_primary(v->payload, v->payload_size, &primary);
    if (err < 0)
        return err;
    p->opus_at = (uint16_t)(primary.data - v->data);
    p->opus_size = primary.size;
    return 0;
}

static int describe(struct sfu_packet *p, uint8_t codec, const struct sfu_arrival *a)
{
    const struct rtp_view *v = &a->view;
    struct rtp_payload_info info;
    p->src.ts = v->ts;
    p->is_marker = v->is_marker;
    p->payload_at = v->header_size;
    p->payload_size = v->payload_size;
    if (v->payload_size == 0)
        return 0;
    int err = rtp_payload_inspect(codec, v->payload, v->payload_size, &a->exts, &info);
    if (err == 0 && codec == RTP_CODEC_RED)
        err = note_red(p, v);
    if (err < 0)
        return err;
    p->is_frame_start = info.is_frame_start;
    p->is_keyframe = info.is_keyframe && info.is_frame_start;
    p->is_bare_idr = codec == RTP_CODEC_H264 && p->is_keyframe && !info.has_parameters;
    if (codec == RTP_CODEC_VP8) {
        if (info.has_picture_id || info.has_tl0)
            p->descriptor_size = info.descriptor_size;
        p->has_temporal = info.has_temporal_id;
        p->temporal_id = info.temporal_id;
        p->is_layer_sync = info.is_layer_sync;
        p->src.has_picture = info.has_picture_id;
        p->src.is_short_picture = info.is_short_picture_id;
        p->src.picture_id = info.picture_id;
        p->src.has_tl0 = info.has_tl0;
        p->src.tl0 = info.tl0;
    }
    note_exts(p, a);
    return 0;
}

/* ---- what a packet means for its layer ---- */

static void report_start(const struct sfu_layer *l)
{
    const struct sfu_track *t = l->track;
    const struct sfu_event e = {.kind = SFU_EVENT_LAYER_STARTED,
                                .peer = t->peer->config.peer,
                                .track = t->config.track,
                                .layer = (int8_t)l->index,
                                .codec = l->codec,
                                .ssrc = l->ssrc};
    sfu__push_event(t->node, &e);
}

static void set_codec(struct sfu_layer *l, uint8_t codec)
{
    if (l->has_started && l->codec == codec)
        return;
    l->has_started = true;
    l->codec = codec;
    if (l->track->peer != NULL)
        report_start(l);
}

/* The layer flows, for the first time or again: subscriptions may choose it, and start from what
 * the ring has. */
static void wake(struct sfu_layer *l, mono_us now)
{
    l->is_live = true;
    sfu__track_choose(l->track, now);
}

mono_us sfu__layer_age_max(const struct sfu_layer *l)
{
    const struct sfu_node *node = l->track->node;
    mono_us age_max = node->config.ring_age_max;
    if (l->sub_count >= SFU_MANY || node->now < l->many_until)
        return age_max;
    bool is_used = l->sub_count > 0 || node->now < l->used_until;
    return TK_MIN(age_max, is_used ? SFU_RING_AGE : SFU_RING_AGE_IDLE);
}

void sfu__layer_touch(struct sfu_layer *l)
{
    mono_us now = l->track->node->now;
    if (l->sub_count >= SFU_MANY) /* who has just started from an old keyframe is still reading */
        l->many_until = now + SFU_START_MARGIN;
    if (l->sub_count > 0) /* who leaves the layer may still ask for its last packets */
        l->used_until = now + SFU_RING_AGE;
}

void sfu__layer_trim(struct sfu_layer *l)
{
    sfu__layer_touch(l);
    sfu__ring_trim(&l->ring, l->track->node->now - sfu__layer_age_max(l));
}

/* What the ring did not take: it has that packet, or what came long behind it; else there was no
 * memory, or packets that are still pending are in the way. */
static void count_refused(struct sfu_layer *l, uint64_t seq)
{
    struct sfu_node_stats *stats = &l->track->node->stats;
    if (sfu__ring_is_wanted(&l->ring, seq))
        stats->drop_no_buffer++;
    else
        stats->drop_duplicate++;
}

static struct sfu_packet *store(struct sfu_layer *l, uint64_t seq, const struct sfu_arrival *a,
                                uint8_t pt_index, mono_us now)
{
    struct sfu_node *node = l->track->node;
    if (sfu__ring_is_jump(&l->ring, seq))
        sfu__pending_purge(l);
    struct sfu_packet *p = sfu__ring_put(&l->ring, seq, a->pkt);
    if (p == NULL) {
        count_refused(l, seq);
        return NULL;
    }
    p->src.layer = l->index;
    p->pt_index = pt_index;
    p->arrived = now;
    if (describe(p, l->track->config.pts[pt_index].codec, a) < 0) {
        node->stats.drop_malformed++;
        sfu__ring_drop(&l->ring, p);
        return NULL;
    }
    if (l->track->config.kind == RTP_KIND_VIDEO)
        sfu__start_note(l, p);
    sfu__layer_trim(l);
    return p;
}

/* Only at the node that has the publisher: statistics, and what to ask for again. */
static void note_uplink(struct sfu_layer *l, uint64_t seq, enum rtp_seq_result result,
                        const struct sfu_arrival *a, mono_us now)
{
    struct sfu_uplink *up = l->uplink;
    rtp_recv_stats_packet(&up->stats, seq, result, a->view.ts, a->view.payload_size, a->is_rtx,
                          now);
    if (!l->track->config.has_nack)
        return;
    rtp_nack_packet(&up->nack, seq, result, now);
    if (up->nack.missing_count > 0)
        sfu__arm_earlier(&l->track->node->peer_timers, &l->track->peer->timer,
                         now + up->nack.config.reorder_wait);
}

/* A late packet may take a place that the ring has given back. If the place was that of a packet
 * which has been sent on, nothing may be answered with this one: it may have other bytes, and the
 * SRTP key would meet one packet index with two texts. */
static bool may_have_been_sent(const struct sfu_layer *l, uint64_t seq)
{
    return seq < l->ring.gone_end && !rtp_nack_is_missing(&l->uplink->nack, seq);
}

/* The packet's extended number; false if it is not wanted. Another node's number is taken as it is:
 * a jump has been judged there, and what this node has not been given in between does not matter.
 */
static bool number(struct sfu_layer *l, const struct sfu_arrival *a, mono_us now, uint64_t *ret_seq)
{
    struct sfu_node_stats *stats = &l->track->node->stats;
    if (l->uplink == NULL) {
        *ret_seq = a->relay_seq;
        l->seqs.newest = TK_MAX(l->seqs.newest, a->relay_seq);
        return true;
    }
    enum rtp_seq_result result = rtp_seq_ext_update(&l->seqs, a->view.seq, ret_seq);
    if (result == RTP_SEQ_JUMP) {
        stats->drop_malformed++;
        return false;
    }
    if (result == RTP_SEQ_LATE && may_have_been_sent(l, *ret_seq)) {
        stats->drop_duplicate++;
        return false;
    }
    note_uplink(l, *ret_seq, result, a, now);
    return true;
}

/*
 * The order of the second half is what keeps numbers and packets together:
 *
 *   arriving     who starts while the packet is in the ring and not yet pending has to know that it
 *                is about to be handed out: either to the layer's receivers, or read from the ring
 *   history      is long enough before anyone is sent this packet, and before the starters, who
 * take theirs as long as the layer says starters     are in layer->subs before the packet is
 * pending: so they get it like all others pending      only when there are receivers; from now on
 * the ring must not let go of it relay        last: what another worker gets has been taken here,
 * with its final number
 */
void sfu__layer_receive(struct sfu_layer *l, const struct sfu_arrival *a, mono_us now)
{
    struct sfu_track *t = l->track;
    uint8_t pt_index = t->pt_index[a->view.pt];
    if (pt_index & SFU_PT_RTX) { /* or unknown */
        t->node->stats.drop_malformed++;
        return;
    }
    if (l->ssrc != a->view.ssrc)
        restart(l, &a->view, now);
    uint64_t seq;
    if (!number(l, a, now, &seq) || t->is_blocked)
        return;
    struct sfu_packet *p = store(l, seq, a, pt_index, now);
    if (p == NULL)
        return;
    l->arriving = seq;
    l->last_at = now;
    l->bytes += a->pkt->size;
    set_codec(l, t->config.pts[pt_index].codec);
    if (!l->is_live)
        wake(l, now);
    if (p->is_keyframe)
        sfu__keyframe_arrived(l);
    sfu__history_ensure(l, seq, now);
    if (t->config.kind == RTP_KIND_AUDIO && t->peer != NULL && p->payload_size > 0)
        sfu__speaker_packet(t, a, now);
    if (p->is_keyframe && !list_is_empty(&t->waiting))
        sfu__start_waiting(l, p, now);
    l->arriving = 0;
    sfu__pending_add(l, p, seq == l->seqs.newest, now);
    sfu__relay_packet(l, a->pkt, seq);
}

/* ---- from the publisher ---- */

static void note_twcc(struct sfu_peer *p, const struct rtp_ext_set *exts, mono_us arrived)
{
    uint16_t seq;
    if (p->twcc == NULL || !rtp_ext_get_twcc(exts, &seq))
        return;
    rtp_twcc_packet(p->twcc, seq, arrived);
    sfu__arm_earlier(&p->node->peer_timers, &p->timer, rtp_twcc_next_at(p->twcc));
}

/* Turns RTX into the original packet (RFC 4588); false when there is nothing in it. */
static bool restore(struct sfu_layer *l, struct sfu_arrival *a)
{
    struct sfu_track *t = l->track;
    uint8_t index = t->pt_index[a->view.pt];
    t->node->stats.rtx_in++;
    if (index == SFU_PT_UNKNOWN || !(index & SFU_PT_RTX) || l->media.ssrc == 0)
        return false;
    int size = rtp_rtx_decapsulate(a->pkt->data, a->pkt->size, l->media.ssrc,
                                   t->config.pts[index & ~SFU_PT_RTX].pt);
    if (size <= 0)
        return false;
    a->pkt->size = (uint16_t)size;
    a->is_rtx = true;
    return rtp_parse(a->pkt->data, a->pkt->size, &a->view) == 0;
}

void sfu_node_handle_rtp(struct sfu_node *node, sfu_peer_id peer, struct pkt *pkt, mono_us now)
{
    sfu__enter(node, now);
    node->stats.rtp_in++;
    struct sfu_peer *p = idmap_get(&node->peers, peer);
    if (p == NULL) {
        node->stats.drop_unknown_peer++;
        return;
    }
    struct sfu_arrival a; /* the rest is written by parsing */
    a.pkt = pkt;
    a.is_rtx = false;
    if (rtp_parse(pkt->data, pkt->size, &a.view) < 0) {
        node->stats.drop_malformed++;
        return;
    }
    p->bytes_in += pkt->size;
    rtp_ext_read(&a.view, &p->config.exts, &a.exts);
    note_twcc(p, &a.exts, now);
    struct sfu_bind *b = sfu__bind_find(p, &a.view, &a.exts);
    if (b == NULL) {
        node->stats.drop_unknown_ssrc++;
        return;
    }
    if (!b->is_rtx || restore(b->layer, &a))
        sfu__layer_receive(b->layer, &a, now);
}
