#include "rtp/rtx.h"
#include "rtp/seq.h"
#include "sfu/sfu_internal.h"

/* One packet for one subscription: whether it goes out, under which numbers, and its header. */

/* ---- writing ---- */

/* The mid is written until the subscriber has reported on the stream (RFC 8843, 9.2). Whether a
 * number carries it never changes: a repeated packet is the same packet. */
static bool has_mid(const struct sfu_sub *s, uint16_t seq)
{
    return s->mid_size > 0 && rtp_seq_expand(seq, s->mapper.out_next) < s->mid_end;
}

static int write_head(const struct sfu_sub *s, const struct sfu_packet *p,
                      const struct rtp_header *header, bool with_mid, uint8_t *dst)
{
    if (!with_mid && (p == NULL || p->ext_count == 0)) {
        rtp_header_write(dst, header);
        return RTP_HEADER_SIZE;
    }
    struct rtp_ext_writer w;
    rtp_ext_writer_init(&w, dst, SFU_HEAD_MAX - RTP_RTX_PREFIX_SIZE - RTP_VP8_DESCRIPTOR_MAX,
                        header, &s->peer->config.exts);
    if (with_mid)
        rtp_ext_put(&w, RTP_EXT_MID, s->config.mid, s->mid_size);
    for (size_t i = 0; p != NULL && i < p->ext_count; i++)
        rtp_ext_put(&w, p->exts[i].ext, p->pkt->data + p->exts[i].at, p->exts[i].size);
    return rtp_ext_writer_finish(&w);
}

/* The codec's payload descriptor with the subscription's own numbers; its size. */
static uint8_t write_descriptor(const struct sfu_packet *p, uint16_t picture_id, uint8_t tl0,
                                uint8_t *dst)
{
    if (!p->has_picture && !p->has_tl0)
        return 0;
    const struct rtp_payload_info info = {.descriptor_size = p->descriptor_size,
                                          .has_picture_id = p->has_picture,
                                          .is_short_picture_id = p->is_short_picture,
                                          .has_tl0 = p->has_tl0};
    rtp_vp8_rewrite(p->pkt->data + p->payload_at, &info, picture_id, tl0, dst);
    return p->descriptor_size;
}

static int finish(struct sfu_sub *s, const struct sfu_packet *p, struct sfu_out *out)
{
    bool is_stripped = s->routes[p->pt_index].is_red_stripped;
    uint16_t at = is_stripped ? p->opus_at : p->payload_at;
    uint16_t size = is_stripped ? p->opus_size : p->payload_size;
    uint16_t descriptor_size = p->has_picture || p->has_tl0 ? p->descriptor_size : 0;
    out->peer = s->config.peer;
    out->is_rtcp = false;
    out->pkt = p->pkt;
    out->body = p->pkt->data + at + descriptor_size;
    out->body_size = (uint16_t)(size - descriptor_size);
    out->rtcp = NULL;
    out->rtcp_size = 0;
    s->peer->bytes_out += (uint64_t)out->head_size + out->prefix_size + out->body_size;
    return 1;
}

static int write_packet(struct sfu_sub *s, const struct sfu_packet *p,
                        const struct rtp_mapper_out *numbers, struct sfu_out *out)
{
    const struct rtp_header header = {.is_marker = p->is_marker,
                                      .pt = s->routes[p->pt_index].pt,
                                      .seq = numbers->seq,
                                      .ts = numbers->ts,
                                      .ssrc = s->config.ssrc};
    int size = write_head(s, p, &header, has_mid(s, numbers->seq), out->head);
    if (size < 0) {
        s->track->node->stats.drop_malformed++;
        return 0;
    }
    out->head_size = (uint8_t)size;
    out->prefix_size = write_descriptor(p, numbers->picture_id, numbers->tl0, out->head + size);
    s->packets++;
    s->octets += p->payload_size;
    return finish(s, p, out);
}

int sfu__sub_write_resend(struct sfu_sub *s, const struct sfu_packet *p,
                          const struct rtp_mapper_entry *e, struct sfu_out *ret_out)
{
    const struct sfu_route *route = &s->routes[p->pt_index];
    const struct rtp_mapper_out numbers = {
        .seq = e->out_seq, .ts = e->out_ts, .picture_id = e->out_picture_id, .tl0 = e->out_tl0};
    if (route->rtx_pt == 0)
        return write_packet(s, p, &numbers, ret_out);
    const struct rtp_header header = {.is_marker = p->is_marker,
                                      .pt = route->rtx_pt,
                                      .seq = s->rtx_seq,
                                      .ts = e->out_ts,
                                      .ssrc = s->config.rtx_ssrc};
    int size = write_head(s, p, &header, has_mid(s, e->out_seq), ret_out->head);
    if (size < 0)
        return 0;
    s->rtx_seq++;
    s->track->node->stats.rtx_out++;
    uint8_t *prefix = ret_out->head + size;
    rtp_rtx_prefix(e->out_seq, prefix);
    ret_out->head_size = (uint8_t)size;
    ret_out->prefix_size =
        (uint8_t)(RTP_RTX_PREFIX_SIZE +
                  write_descriptor(p, e->out_picture_id, e->out_tl0, prefix + RTP_RTX_PREFIX_SIZE));
    return finish(s, p, ret_out);
}

int sfu__sub_write_empty(struct sfu_sub *s, struct rtp_mapper_entry *e, struct sfu_out *ret_out)
{
    if (e->out_ts == 0)
        e->out_ts = s->mapper.ts_newest; /* the same in every repetition */
    const struct rtp_header header = {
        .pt = s->routes[0].pt, .seq = e->out_seq, .ts = e->out_ts, .ssrc = s->config.ssrc};
    *ret_out = (struct sfu_out){.peer = s->config.peer, .head_size = RTP_HEADER_SIZE};
    rtp_header_write(ret_out->head, &header);
    return 1;
}

/* ---- deciding ---- */

static struct rtp_mapper_in mapper_in(const struct sfu_packet *p)
{
    return (struct rtp_mapper_in){.layer = p->layer,
                                  .seq = p->seq,
                                  .ts = p->ts,
                                  .has_picture = p->has_picture,
                                  .picture_id = p->picture_id,
                                  .is_short_picture = p->is_short_picture,
                                  .has_tl0 = p->has_tl0,
                                  .tl0 = p->tl0};
}

static bool may_switch(const struct sfu_sub *s, const struct sfu_packet *p, mono_us now)
{
    if (!p->is_keyframe || s->wanted == SFU_LAYER_NONE)
        return false;
    if (p->layer == s->wanted)
        return true;
    /* Something is better than nothing while the wanted layer's keyframe is on its way. */
    return s->current == SFU_LAYER_NONE && p->layer < s->wanted &&
           now - s->waiting_since > SFU_START_WAIT;
}

static void switch_layer(struct sfu_sub *s, const struct sfu_packet *p,
                         const struct rtp_mapper_in *in, mono_us now)
{
    const struct sfu_layer *to = &s->track->layers[p->layer];
    int8_t last = s->mapper.layer;
    uint32_t delta = 0;
    bool has_delta = last == (int8_t)p->layer;
    if (last >= 0 && !has_delta)
        has_delta =
            rtp_sr_delta(&s->track->layers[last].sr, &to->sr, s->track->clock_hz, &delta) == 0;
    rtp_mapper_switch(&s->mapper, in, has_delta ? &delta : NULL, now);
    if (s->current != SFU_LAYER_NONE)
        s->track->node->stats.layer_switches++;
    s->current = (int8_t)p->layer;
    s->temporal_now = s->target.temporal_max;
    s->needs_keyframe = false;
    s->replay_next = p->seq + 1;
    s->replay_end = s->replay_next;
    if (to->seqs.newest > p->seq && s->is_video)
        s->replay_end = to->seqs.newest + 1;
    s->report_at = now; /* tells the receiver what the new timestamps mean */
    sfu__arm_earlier(&s->track->node->peer_timers, &s->peer->timer, now + MONO_MS(20));
}

/* VP8: a step down counts from the next frame; a step up waits for a frame that needs nothing of
 * the layer that was left out, and goes one layer at a time. */
static bool passes_temporal(struct sfu_sub *s, const struct sfu_packet *p)
{
    if (!p->has_temporal)
        return true;
    if (p->is_frame_start && p->seq > s->mapper.src_newest) {
        uint8_t target = s->target.temporal_max;
        if (p->is_keyframe || target < s->temporal_now)
            s->temporal_now = target;
        else if (target > s->temporal_now && p->is_layer_sync &&
                 p->temporal_id == s->temporal_now + 1)
            s->temporal_now++;
    }
    return p->temporal_id <= s->temporal_now;
}

static void drop(struct sfu_sub *s, const struct sfu_packet *p, const struct rtp_mapper_in *in)
{
    if (p->payload_size == 0 || !p->has_picture)
        rtp_mapper_drop_padding(&s->mapper, p->layer, p->seq);
    else
        rtp_mapper_drop(&s->mapper, in);
}

int sfu__sub_forward(struct sfu_sub *s, const struct sfu_packet *p, mono_us now,
                     struct sfu_out *ret_out)
{
    struct rtp_mapper_in in = mapper_in(p);
    if (s->current != (int8_t)p->layer) {
        if (!may_switch(s, p, now) || !s->routes[p->pt_index].is_usable)
            return 0;
        switch_layer(s, p, &in, now);
    }
    if (p->payload_size == 0 || !s->routes[p->pt_index].is_usable || !passes_temporal(s, p)) {
        drop(s, p, &in);
        return 0;
    }
    struct rtp_mapper_out numbers;
    if (rtp_mapper_forward(&s->mapper, &in, now, &numbers) == 0)
        return 0;
    if (p->is_keyframe)
        s->needs_keyframe = false;
    return write_packet(s, p, &numbers, ret_out);
}
