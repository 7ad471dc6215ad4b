#include "unit/sfu/bench.h"

#include "base/bytes.h"
#include "rtp/ext.h"
#include "rtp/rtx.h"

#include <stdlib.h>
#include <string.h>

struct bench *bench_create(uint8_t worker)
{
    return bench_create_sized(worker, 64);
}

struct bench *bench_create_sized(uint8_t worker, uint32_t ring_packets)
{
    struct bench *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    b->now = MONO_S(100);
    const struct sfu_node_config config = {
        .worker = worker, .seed = 1, .ring_packets = ring_packets, .ring_age_max = MONO_S(2)};
    assert_int_equal(pkt_pool_create(4096, &b->pool), 0);
    assert_int_equal(sfu_node_create(&config, &b->node), 0);
    return b;
}

void bench_destroy(struct bench *b)
{
    sfu_node_destroy(b->node);
    for (size_t i = 0; i < b->relay_count; i++)
        pkt_unref(b->relays[i].pkt);
    assert_int_equal(pkt_pool_used(b->pool), 0);
    pkt_pool_destroy(b->pool);
    free(b);
}

void bench_clear(struct bench *b)
{
    for (size_t i = 0; i < b->relay_count; i++)
        pkt_unref(b->relays[i].pkt);
    b->out_count = b->event_count = b->relay_count = 0;
}

static void keep(struct bench *b, const struct sfu_out *out)
{
    assert_in_range(b->out_count, 0, BENCH_OUT_MAX - 1);
    struct bench_out *o = &b->out[b->out_count++];
    *o = (struct bench_out){.peer = out->peer, .is_rtcp = out->is_rtcp, .pkt = out->pkt};
    if (out->is_rtcp) {
        o->size = out->rtcp_size;
        memcpy(o->data, out->rtcp, out->rtcp_size);
        return;
    }
    size_t front = (size_t)out->head_size + out->prefix_size;
    memcpy(o->data, out->head, front);
    if (out->body_size > 0)
        memcpy(o->data + front, out->body, out->body_size);
    o->size = (uint16_t)(front + out->body_size);
    struct rtp_view v;
    assert_int_equal(rtp_parse(o->data, o->size, &v), 0);
    o->is_marker = v.is_marker;
    o->pt = v.pt;
    o->seq = v.seq;
    o->ts = v.ts;
    o->ssrc = v.ssrc;
    o->payload = v.payload;
    o->payload_size = v.payload_size;
}

void bench_drain(struct bench *b)
{
    struct sfu_out out;
    while (sfu_node_poll_transmit(b->node, &out) == 1)
        keep(b, &out);
    struct sfu_event e;
    while (sfu_node_poll_event(b->node, &e) == 1) {
        assert_in_range(b->event_count, 0, BENCH_EVENT_MAX - 1);
        b->events[b->event_count++] = e;
    }
    struct sfu_relay r;
    while (sfu_node_poll_relay(b->node, &r) == 1) {
        assert_in_range(b->relay_count, 0, BENCH_OUT_MAX - 1);
        b->relays[b->relay_count++] = r;
    }
}

void bench_wait(struct bench *b, mono_us time)
{
    mono_us until = b->now + time;
    for (mono_us next; (next = sfu_node_next_timeout(b->node)) <= until;) {
        b->now = TK_MAX(b->now, next);
        sfu_node_handle_timeout(b->node, b->now);
        bench_drain(b);
    }
    b->now = until;
    if (sfu_node_is_due(b->node, b->now)) { /* awake now, like a worker when something comes */
        sfu_node_handle_timeout(b->node, b->now);
        bench_drain(b);
    }
}

/* ---- who and what ---- */

static const struct rtp_ext_ids ids = {
    .id = {[RTP_EXT_MID] = 1, [RTP_EXT_RID] = 2, [RTP_EXT_AUDIO_LEVEL] = 3, [RTP_EXT_TWCC] = 4}};

void bench_peer(struct bench *b, sfu_peer_id peer)
{
    const struct sfu_peer_config config = {.peer = peer, .exts = ids};
    assert_int_equal(sfu_node_add_peer(b->node, &config), 0);
    sfu_node_set_connected(b->node, peer, true, b->now);
    bench_drain(b);
}

static void add_track(struct bench *b, const struct sfu_track_config *config)
{
    assert_int_equal(sfu_node_add_track(b->node, config), 0);
    bench_drain(b);
}

void bench_video(struct bench *b, sfu_track_id track, sfu_peer_id source, uint8_t layers)
{
    struct sfu_track_config c = {.track = track,
                                 .source_peer = source,
                                 .kind = RTP_KIND_VIDEO,
                                 .pt_count = 2,
                                 .pts = {{.pt = 96, .rtx_pt = 97, .codec = RTP_CODEC_VP8},
                                         {.pt = 98, .rtx_pt = 99, .codec = RTP_CODEC_H264}},
                                 .mid = "v",
                                 .layer_count = layers,
                                 .has_nack = true,
                                 .has_pli = true};
    for (uint32_t i = 0; i < layers; i++) {
        c.ssrcs[i] = 1000 * track + i;
        c.rtx_ssrcs[i] = 1000 * track + 500 + i;
    }
    add_track(b, &c);
}

void bench_audio(struct bench *b, sfu_track_id track, sfu_peer_id source)
{
    const struct sfu_track_config c = {
        .track = track,
        .source_peer = source,
        .kind = RTP_KIND_AUDIO,
        .pt_count = 2,
        .pts = {{.pt = 111, .codec = RTP_CODEC_OPUS}, {.pt = 63, .codec = RTP_CODEC_RED}},
        .mid = "a",
        .layer_count = 1,
        .ssrcs = {1000 * track}};
    add_track(b, &c);
}

void bench_sub(struct bench *b, sfu_sub_id sub, sfu_track_id track, sfu_peer_id peer,
               int8_t layer_max)
{
    const struct sfu_sub_config c = {.sub = sub,
                                     .track = track,
                                     .peer = peer,
                                     .ssrc = sub,
                                     .rtx_ssrc = sub + 10000,
                                     .pt_count = 3,
                                     .pts = {{.pt = 100, .rtx_pt = 101, .codec = RTP_CODEC_VP8},
                                             {.pt = 102, .rtx_pt = 103, .codec = RTP_CODEC_H264},
                                             {.pt = 109, .codec = RTP_CODEC_OPUS}},
                                     .mid = "m",
                                     .has_nack = true,
                                     .cname = "somebody"};
    assert_int_equal(sfu_node_add_sub(b->node, &c, b->now), 0);
    bench_drain(b);
    bench_target(b, sub, layer_max, SFU_TEMPORAL_ALL);
}

void bench_target(struct bench *b, sfu_sub_id sub, int8_t layer_max, uint8_t temporal_max)
{
    const struct sfu_sub_target target = {
        .sub = sub, .layer_max = layer_max, .temporal_max = temporal_max, .may_pause = true};
    sfu_node_set_sub_target(b->node, &target, b->now);
    bench_drain(b);
}

/* ---- packets ---- */

static size_t make_vp8(const struct bench_packet *p, uint8_t *dst)
{
    const uint8_t descriptor[6] = {(uint8_t)(0x80 | (p->is_middle ? 0 : 0x10)),
                                   0xe0,
                                   (uint8_t)(0x80 | p->picture >> 8),
                                   (uint8_t)p->picture,
                                   p->tl0,
                                   (uint8_t)(p->temporal << 6 | (p->is_sync ? 0x20 : 0))};
    memcpy(dst, descriptor, sizeof(descriptor));
    dst[6] = p->is_key && !p->is_middle ? 0 : 1; /* the frame tag's first bit */
    put_u16be(dst + 7, p->seq);
    return 9;
}

void bench_send(struct bench *b, sfu_peer_id peer, const struct bench_packet *p)
{
    struct pkt *pkt = pkt_take(b->pool, PKT_SIZE_MAX);
    assert_non_null(pkt);
    uint8_t pt = p->pt != 0 ? p->pt : p->level != 0 ? 111 : 96;
    const struct rtp_header header = {
        .is_marker = p->is_marker,
        .pt = p->is_rtx ? pt + 1 : pt,
        .seq = p->seq,
        .ts = p->ts,
        .ssrc = p->ssrc != 0 ? p->ssrc : 1000 * p->track + p->layer + (p->is_rtx ? 500 : 0)};
    struct rtp_ext_writer w;
    rtp_ext_writer_init(&w, pkt->data, PKT_SIZE_MAX, &header, &ids);
    if (p->has_mid)
        rtp_ext_put(&w, RTP_EXT_MID, "v", 1);
    uint8_t level[UINT8_MAX] = {p->level};
    if (p->level != 0)
        rtp_ext_put(&w, RTP_EXT_AUDIO_LEVEL, level, p->level_size != 0 ? p->level_size : 1);
    int head = rtp_ext_writer_finish(&w);
    assert_true(head > 0);
    uint8_t *at = pkt->data + head;
    if (p->is_rtx) {
        rtp_rtx_prefix(p->seq, at);
        at += RTP_RTX_PREFIX_SIZE;
    }
    if (p->payload != NULL)
        memcpy(at, p->payload, p->payload_size);
    size_t size = p->payload != NULL ? p->payload_size : make_vp8(p, at);
    pkt->size = (uint16_t)((size_t)(at - pkt->data) + size);
    pkt->arrived = b->now;
    sfu_node_handle_rtp(b->node, peer, pkt, b->now);
    pkt_unref(pkt);
    if (!p->is_batched)
        bench_drain(b);
}

void bench_rtcp(struct bench *b, sfu_peer_id peer, const struct wr *w)
{
    assert_false(w->is_bad);
    sfu_node_handle_rtcp(b->node, peer, w->start, wr_size(w), b->now);
    bench_drain(b);
}

void bench_nack(struct bench *b, sfu_peer_id peer, uint32_t ssrc, const uint16_t *seqs,
                size_t count)
{
    uint8_t buf[600];
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_nack(&w, 1, ssrc, seqs, count);
    bench_rtcp(b, peer, &w);
}

void bench_pli(struct bench *b, sfu_peer_id peer, uint32_t ssrc)
{
    uint8_t buf[32];
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_pli(&w, 1, ssrc);
    bench_rtcp(b, peer, &w);
}

/* ---- looking ---- */

const struct bench_out *bench_rtp(const struct bench *b, uint32_t ssrc, size_t index)
{
    for (size_t i = 0; i < b->out_count; i++)
        if (!b->out[i].is_rtcp && b->out[i].ssrc == ssrc && index-- == 0)
            return &b->out[i];
    return NULL;
}

size_t bench_count(const struct bench *b, uint32_t ssrc)
{
    size_t count = 0;
    while (bench_rtp(b, ssrc, count) != NULL)
        count++;
    return count;
}

size_t bench_requests(const struct bench *b, uint32_t ssrc)
{
    size_t count = 0;
    for (size_t i = 0; i < b->out_count; i++) {
        if (!b->out[i].is_rtcp)
            continue;
        struct rtcp_reader reader = rtcp_reader_init(b->out[i].data, b->out[i].size);
        struct rtcp_packet p;
        uint32_t media = 0;
        uint8_t seq;
        while (rtcp_next(&reader, &p) > 0) {
            if (p.type != RTCP_PSFB)
                continue;
            int err = p.count == RTCP_PSFB_FIR ? rtcp_get_fir(&p, 0, &media, &seq)
                                               : rtcp_get_media_ssrc(&p, &media);
            count += err == 0 && media == ssrc;
        }
    }
    return count;
}

bool bench_find_rtcp(const struct bench *b, sfu_peer_id peer, uint8_t type, int count,
                     struct rtcp_packet *ret_packet)
{
    for (size_t i = 0; i < b->out_count; i++) {
        if (!b->out[i].is_rtcp || b->out[i].peer != peer)
            continue;
        struct rtcp_reader reader = rtcp_reader_init(b->out[i].data, b->out[i].size);
        while (rtcp_next(&reader, ret_packet) > 0)
            if (ret_packet->type == type && (count < 0 || ret_packet->count == count))
                return true;
    }
    return false;
}

const struct sfu_event *bench_event(const struct bench *b, enum sfu_event_kind kind, size_t index)
{
    for (size_t i = 0; i < b->event_count; i++)
        if (b->events[i].kind == kind && index-- == 0)
            return &b->events[i];
    return NULL;
}

struct sfu_node_stats bench_stats(const struct bench *b)
{
    struct sfu_node_stats stats;
    sfu_node_stats(b->node, &stats);
    return stats;
}
