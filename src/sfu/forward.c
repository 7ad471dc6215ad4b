#include "base/bytes.h"
#include "rtp/seq.h"
#include "sfu/sfu_internal.h"

#include <string.h>

/*
 * One packet for one subscription: whether it goes out, under which numbers, and its header.
 *
 * Read from the end: sfu__sub_forward() decides, write_packet() writes.
 */

/* ---- writing ---- */

/* The mid is written until the subscriber has reported on the stream (RFC 8843, 9.2). Whether a
 * number carries it never changes: a repeated packet is the same packet. */
static bool has_mid(const struct sfu_sub *s, uint16_t seq)
{
    return s->mid_size > 0 && rtp_seq_expand(seq, s->mapper.out_next) < s->mid_end;
}

/* The extensions that are passed through stay with the packet as they are written here. */
static void keep_block(struct sfu_packet *p, const struct sfu_sub *s, const uint8_t *head, int size)
{
    int block_size = size - RTP_HEADER_SIZE;
    p->block_size = block_size > 0 && block_size <= SFU_BLOCK_MAX ? (uint8_t)block_size : 0;
    p->block_ids = s->exts;
    memcpy(p->block, head + RTP_HEADER_SIZE, p->block_size);
}

static bool has_block(const struct sfu_packet *p, const struct sfu_sub *s)
{
    return p->block_size > 0 && memcmp(&p->block_ids, &s->exts, sizeof(s->exts)) == 0;
}

/* The fixed header, then the extensions; the size of both. */
static int write_head(const struct sfu_sub *s, struct sfu_packet *p,
                      const struct rtp_header *header, struct sfu_out *out)
{
    bool with_mid = has_mid(s, header->seq);
    if (!with_mid && p->ext_count == 0) {
        rtp_header_write(out->head, header);
        return RTP_HEADER_SIZE;
    }
    if (!with_mid && has_block(p, s)) {
        rtp_header_write(out->head, header);
        out->head[0] |= RTP_HEADER_X;
        memcpy(out->head + RTP_HEADER_SIZE, p->block, SFU_BLOCK_MAX);
        return RTP_HEADER_SIZE + p->block_size;
    }
    struct rtp_ext_writer w;
    rtp_ext_writer_init(&w, out->head, SFU_HEAD_EXT_MAX, header, &s->exts);
    if (with_mid)
        rtp_ext_put(&w, RTP_EXT_MID, s->config.mid, s->mid_size);
    for (size_t i = 0; i < p->ext_count; i++)
        rtp_ext_put(&w, p->exts[i].ext, p->pkt->data + p->exts[i].at, p->exts[i].size);
    int size = rtp_ext_writer_finish(&w);
    if (!with_mid)
        keep_block(p, s, out->head, size);
    return size;
}

/* The codec's payload descriptor with the subscription's own numbers; its size. */
static uint8_t write_descriptor(const struct sfu_packet *p, uint16_t picture_id, uint8_t tl0,
                                uint8_t *dst)
{
    if (p->descriptor_size == 0)
        return 0;
    const struct rtp_payload_info info = {.descriptor_size = p->descriptor_size,
                                          .has_picture_id = p->src.has_picture,
                                          .is_short_picture_id = p->src.is_short_picture,
                                          .has_tl0 = p->src.has_tl0};
    rtp_vp8_rewrite(p->pkt->data + p->payload_at, &info, picture_id, tl0, dst);
    return p->descriptor_size;
}

/* What is shared by all subscribers: the rest of the payload, in place. */
static size_t finish(struct sfu_sub *s, const struct sfu_packet *p, struct sfu_out *out)
{
    bool is_stripped = s->routes[p->pt_index].is_red_stripped;
    uint16_t at = is_stripped ? p->opus_at : p->payload_at;
    uint16_t size = is_stripped ? p->opus_size : p->payload_size;
    out->peer = s->peer_id;
    out->is_rtcp = false;
    out->pkt = p->pkt;
    out->body = p->pkt->data + at + p->descriptor_size;
    out->body_size = (uint16_t)(size - p->descriptor_size);
    s->bytes_out += (uint64_t)out->head_size + out->prefix_size + out->body_size;
    return 1;
}

/* The packet under given numbers, or as RTX around them (RFC 4588, 4). Callers count what they
 * send: a repetition as RTX belongs to another SSRC than the stream. */
static inline size_t write_packet(struct sfu_sub *s, struct sfu_packet *p,
                                  const struct rtp_mapper_out *numbers, bool is_rtx,
                                  struct sfu_out *out)
{
    const struct sfu_route *route = &s->routes[p->pt_index];
    const struct rtp_header header = {.is_marker = p->is_marker,
                                      .pt = is_rtx ? route->rtx_pt : route->pt,
                                      .seq = numbers->seq, /* also of RTX: decides about the mid */
                                      .ts = numbers->ts,
                                      .ssrc = is_rtx ? s->config.rtx_ssrc : s->ssrc};
    int size = write_head(s, p, &header, out);
    if (size < 0) {
        s->track->node->stats.drop_malformed++;
        return 0;
    }
    out->head_size = (uint8_t)size;
    uint8_t *prefix = out->head + size;
    uint8_t prefix_size = 0;
    if (is_rtx) {
        put_u16be(out->head + 2, s->rtx_seq++);
        rtp_rtx_prefix(numbers->seq, prefix);
        prefix_size = RTP_RTX_PREFIX_SIZE;
    }
    prefix_size += write_descriptor(p, numbers->picture_id, numbers->tl0, prefix + prefix_size);
    out->prefix_size = prefix_size;
    return finish(s, p, out);
}

static void count_packet(struct sfu_sub *s, const struct sfu_packet *p)
{
    s->packets++;
    s->octets += p->payload_size;
}

size_t sfu__sub_write_resend(struct sfu_sub *s, struct sfu_packet *p, uint16_t seq,
                             const struct rtp_mapper_entry *e, struct sfu_out *ret_out)
{
    bool is_rtx = s->routes[p->pt_index].rtx_pt != 0;
    const struct rtp_mapper_out numbers = {
        .seq = seq, .ts = e->out_ts, .picture_id = e->out_picture_id, .tl0 = e->out_tl0};
    if (write_packet(s, p, &numbers, is_rtx, ret_out) == 0)
        return 0;
    if (is_rtx)
        s->track->node->stats.rtx_out++;
    else
        count_packet(s, p);
    return 1;
}

size_t sfu__sub_write_empty(struct sfu_sub *s, uint16_t seq, struct rtp_mapper_entry *e,
                            struct sfu_out *ret_out)
{
    if (e->out_ts == 0)
        e->out_ts = s->mapper.ts_newest; /* the same in every repetition */
    const struct rtp_header header = {
        .pt = s->routes[0].pt, .seq = seq, .ts = e->out_ts, .ssrc = s->ssrc};
    rtp_header_write(ret_out->head, &header);
    ret_out->peer = s->peer_id;
    ret_out->is_rtcp = false;
    ret_out->head_size = RTP_HEADER_SIZE;
    ret_out->prefix_size = 0;
    ret_out->pkt = NULL;
    ret_out->body = NULL;
    ret_out->body_size = 0;
    return 1;
}

/* ---- deciding ---- */

/* The frame at `seq` is the first after a step. */
static void note_step(struct sfu_sub *s, uint64_t seq)
{
    if (s->step_count == SFU_STEPS_MAX) {
        s->step_count--;
        memmove(s->steps, s->steps + 1, s->step_count * sizeof(s->steps[0]));
    }
    s->steps[s->step_count++] = (struct sfu_step){.since = seq, .before = s->temporal_now};
    s->temporal_since = seq;
}

static uint8_t temporal_at(const struct sfu_sub *s, uint64_t seq)
{
    uint8_t temporal = s->temporal_now;
    for (size_t i = s->step_count; i > 0 && seq < s->steps[i - 1].since; i--)
        temporal = s->steps[i - 1].before;
    return temporal;
}

/* VP8: a step down counts from the next frame; a step up waits for a frame that needs nothing of
 * the layer that was left out, and goes one layer at a time. */
static void step_temporal(struct sfu_sub *s, const struct sfu_packet *p)
{
    uint8_t target = s->temporal_max, next = s->temporal_now;
    if (p->is_keyframe || target < s->temporal_now)
        next = target;
    else if (target > s->temporal_now && p->is_layer_sync && p->temporal_id == s->temporal_now + 1)
        next = p->temporal_id;
    if (p->is_frame_start && p->src.seq > s->mapper.src_newest && next != s->temporal_now) {
        note_step(s, p->src.seq);
        s->temporal_now = next;
    }
}

/* A late packet of a frame before a step is judged as its frame was, so that no frame is sent in
 * part. */
static bool passes_temporal(struct sfu_sub *s, const struct sfu_packet *p)
{
    if (!p->has_temporal)
        return true;
    if (s->temporal_max != s->temporal_now)
        step_temporal(s, p);
    bool is_before = p->src.seq < s->temporal_since;
    return p->temporal_id <= (is_before ? temporal_at(s, p->src.seq) : s->temporal_now);
}

size_t sfu__sub_forward(struct sfu_sub *s, struct sfu_packet *p, mono_us now,
                        struct sfu_out *ret_out)
{
    if (p->payload_size == 0 || !s->routes[p->pt_index].is_usable || !passes_temporal(s, p)) {
        rtp_mapper_drop(&s->mapper, &p->src);
        return 0;
    }
    struct rtp_mapper_out numbers;
    if (rtp_mapper_forward(&s->mapper, &p->src, now, &numbers) == 0)
        return 0;
    if (p->is_keyframe)
        s->needs_keyframe = false;
    if (write_packet(s, p, &numbers, false, ret_out) == 0)
        return 0;
    count_packet(s, p);
    return 1;
}
