/* One stream that is sent: frames into packets with stamps, and packets sent again. */
#include "load/load_internal.h"
#include "load/stamp.h"

#include "base/err.h"
#include "rtp/ext.h"
#include "rtp/pack.h"
#include "rtp/rtx.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX      1400
#define HEAD_MAX      64
#define AUDIO_LEVEL   30 /* dBov below full scale: somebody speaks */
#define NAL_STAP_A    24 /* RFC 6184, 5.7.1 */
#define NAL_FILLER    12
#define NAL_PREFIX    3 /* size and type of the unit that carries the stamp in a STAP-A */
#define NAL_TYPE_MASK 0x1f

struct load_sent {
    bool is_used, is_marker;
    uint16_t seq, size;
    uint32_t ts;
    uint8_t body[BODY_MAX];
};

static int write_head(struct load_tx *tx, struct load_tx_stream *s, const struct rtp_header *header,
                      bool is_rtx, uint8_t *head)
{
    struct rtp_ext_writer w;
    uint8_t twcc[2], level = 0x80 | AUDIO_LEVEL;
    rtp_ext_writer_init(&w, head, HEAD_MAX, header, &tx->conn->exts);
    if (!s->is_known && s->mid[0] != '\0')
        rtp_ext_put(&w, RTP_EXT_MID, s->mid, (uint8_t)strlen(s->mid));
    if (!s->is_known && s->rid[0] != '\0')
        rtp_ext_put(&w, is_rtx ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID, s->rid,
                    (uint8_t)strlen(s->rid));
    if (s->clip->codec == RTP_CODEC_OPUS)
        rtp_ext_put(&w, RTP_EXT_AUDIO_LEVEL, &level, 1);
    if (tx->has_twcc) {
        put_u16be(twcc, tx->twcc_seq++);
        rtp_ext_put(&w, RTP_EXT_TWCC, twcc, sizeof(twcc));
    }
    return rtp_ext_writer_finish(&w);
}

/* Audio is not kept: nobody asks for it again. */
static void keep(struct load_tx_stream *s, const struct rtp_header *h, const uint8_t *body,
                 size_t size)
{
    if (s->rtx_pt == 0 || s->clip->codec == RTP_CODEC_OPUS)
        return;
    if (s->history == NULL)
        s->history = calloc(LOAD_HISTORY, sizeof(*s->history));
    if (s->history == NULL)
        return;
    struct load_sent *sent = &s->history[h->seq & (LOAD_HISTORY - 1)];
    *sent = (struct load_sent){true, h->is_marker, h->seq, (uint16_t)size, h->ts, {0}};
    memcpy(sent->body, body, size);
}

/* The stamp goes behind the payload; inside an aggregation it has to be a unit of its own. */
static size_t add_stamp(const struct load_tx_stream *s, uint8_t *body, size_t size, mono_us now)
{
    if (s->clip->codec == RTP_CODEC_H264 && (body[0] & NAL_TYPE_MASK) == NAL_STAP_A) {
        put_u16be(body + size, LOAD_STAMP_SIZE + 1);
        body[size + 2] = NAL_FILLER;
        size += NAL_PREFIX;
    }
    load_stamp_write(body + size, now);
    return size + LOAD_STAMP_SIZE;
}

static void send_packet(struct load_tx *tx, struct load_tx_stream *s, uint32_t ts, uint8_t *body,
                        size_t size, bool is_last)
{
    uint8_t head[HEAD_MAX];
    struct rtp_header header = {
        .is_marker = is_last && s->clip->codec != RTP_CODEC_OPUS,
        .pt = s->pt,
        .seq = s->seq++,
        .ts = ts,
        .ssrc = s->ssrc,
    };
    size = add_stamp(s, body, size, mono_now());
    keep(s, &header, body, size);
    int head_size = write_head(tx, s, &header, false, head);
    if (head_size < 0)
        return;
    s->packets++;
    s->octets += (uint32_t)size;
    load__io_put(tx->conn, head, (size_t)head_size, body, size);
}

void load__tx_frame(struct load_tx *tx, struct load_tx_stream *s, uint32_t ts, mono_us now UNUSED)
{
    struct load_measure *m = &tx->conn->client->run->m;
    if (s->is_keyframe_wanted && s->clip->codec != RTP_CODEC_OPUS)
        s->frame = load_clip_next_keyframe(s->clip, s->frame);
    s->is_keyframe_wanted = false;
    const struct load_frame *f = &s->clip->frames[s->frame];
    struct rtp_pack p;
    uint8_t body[BODY_MAX];
    bool is_last = false;
    int n;
    s->frame = (s->frame + 1) % s->clip->frame_count;
    s->newest_ts = ts;
    if (rtp_pack_init(&p, s->clip->codec, f->data, f->size, s->clip->payload_max) < 0)
        return;
    p.has_picture_id = true;
    p.picture_id = s->picture_id;
    p.tl0 = s->tl0++;
    s->picture_id = (uint16_t)((s->picture_id + 1) & 0x7fff);
    while ((n = rtp_pack_next(&p, body, sizeof(body) - LOAD_STAMP_SIZE - NAL_PREFIX, &is_last)) > 0)
        send_packet(tx, s, ts, body, (size_t)n, is_last);
    m->sent_frames++;
    m->keyframes_sent += f->is_keyframe && s->clip->codec != RTP_CODEC_OPUS;
}

/* ---- retransmission ---- */

static void send_again(struct load_tx *tx, struct load_tx_stream *s, const struct load_sent *sent)
{
    uint8_t head[HEAD_MAX], body[BODY_MAX + RTP_RTX_PREFIX_SIZE];
    struct rtp_header header = {
        .is_marker = sent->is_marker,
        .pt = s->rtx_pt,
        .seq = s->rtx_seq++,
        .ts = sent->ts,
        .ssrc = s->rtx_ssrc,
    };
    int head_size = write_head(tx, s, &header, true, head);
    if (head_size < 0)
        return;
    rtp_rtx_prefix(sent->seq, body);
    memcpy(body + RTP_RTX_PREFIX_SIZE, sent->body, sent->size);
    load__io_put(tx->conn, head, (size_t)head_size, body, sent->size + RTP_RTX_PREFIX_SIZE);
    tx->conn->client->run->m.resent++;
}

static struct load_tx_stream *stream_of(struct load_tx *tx, uint32_t ssrc)
{
    if (tx->audio.clip != NULL && tx->audio.ssrc == ssrc)
        return &tx->audio;
    for (size_t i = 0; i < tx->layer_count; i++)
        if (tx->video[i].ssrc == ssrc)
            return &tx->video[i];
    return NULL;
}

void load__tx_nack(struct load_tx *tx, uint32_t ssrc, const uint16_t *seqs, size_t count)
{
    struct load_tx_stream *s = stream_of(tx, ssrc);
    if (s == NULL || s->history == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct load_sent *sent = &s->history[seqs[i] & (LOAD_HISTORY - 1)];
        if (sent->is_used && sent->seq == seqs[i])
            send_again(tx, s, sent);
    }
    load__io_send_frame(tx->conn);
}

static void take_feedback(struct load_tx *tx, const struct rtcp_packet *p)
{
    struct load_measure *m = &tx->conn->client->run->m;
    uint16_t seqs[256];
    uint32_t ssrc;
    if (rtcp_get_media_ssrc(p, &ssrc) < 0)
        return;
    struct load_tx_stream *s = stream_of(tx, ssrc);
    if (p->type == RTCP_RTPFB && p->count == RTCP_RTPFB_NACK) {
        int n = rtcp_get_nack(p, seqs, ARRAY_COUNT(seqs));
        m->nacks_got++;
        if (n > 0)
            load__tx_nack(tx, ssrc, seqs, (size_t)n);
    } else if (p->type == RTCP_PSFB && p->count == RTCP_PSFB_PLI && s != NULL) {
        m->plis_got++;
        s->is_keyframe_wanted = true;
    }
}

static void take_fir(struct load_tx *tx, const struct rtcp_packet *p)
{
    uint32_t ssrc;
    uint8_t seq;
    for (size_t i = 0; rtcp_get_fir(p, i, &ssrc, &seq) == 0; i++) {
        struct load_tx_stream *s = stream_of(tx, ssrc);
        if (s == NULL)
            continue;
        tx->conn->client->run->m.plis_got++;
        s->is_keyframe_wanted = true;
    }
}

void load__tx_rtcp(struct load_tx *tx, const struct rtcp_packet *p)
{
    struct rtcp_report report;
    for (size_t i = 0;
         (p->type == RTCP_RR || p->type == RTCP_SR) && rtcp_get_report(p, i, &report) == 0; i++) {
        struct load_tx_stream *s = stream_of(tx, report.ssrc);
        if (s != NULL)
            s->is_known = true;
    }
    if (p->type == RTCP_PSFB && p->count == RTCP_PSFB_FIR)
        take_fir(tx, p);
    else if (p->type == RTCP_RTPFB || p->type == RTCP_PSFB)
        take_feedback(tx, p);
}
