#ifndef TK_TESTS_FANOUT_ROOM_H
#define TK_TESTS_FANOUT_ROOM_H

/*
 * A forwarding node in virtual time with one publisher: VP8 frames of several packets, or Opus. Its
 * outputs are kept, so that a test can say what each subscriber got.
 */

#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "rtp/packet.h"
#include "sfu/limits.h"
#include "sfu/node.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_OUTS_MAX (1 << 18)
#define ROOM_VIDEO    1u /* track ids */
#define ROOM_AUDIO    2u
#define ROOM_PEER     1u /* the publisher */
#define ROOM_PAYLOAD  200

struct room_out {
    sfu_peer_id peer;
    mono_us at;
    uint16_t seq;
    uint32_t ts;
    bool is_marker;
};

struct room {
    struct pkt_pool *pool;
    struct sfu_node *node;
    mono_us now;
    uint16_t seq, picture;
    uint32_t ts;
    struct room_out outs[ROOM_OUTS_MAX];
    size_t out_count;
};

static inline void room_drain(struct room *r)
{
    struct sfu_out outs[16];
    struct sfu_event event;
    struct rtp_view v;
    for (size_t n; (n = sfu_node_poll_transmits(r->node, outs, 16)) > 0;)
        for (size_t i = 0; i < n && !outs[i].is_rtcp; i++) {
            assert_int_equal(rtp_parse(outs[i].head, outs[i].head_size, &v), 0);
            assert_true(r->out_count < ROOM_OUTS_MAX);
            r->outs[r->out_count++] = (struct room_out){.peer = outs[i].peer,
                                                        .at = r->now,
                                                        .seq = v.seq,
                                                        .ts = v.ts,
                                                        .is_marker = v.is_marker};
        }
    while (sfu_node_poll_event(r->node, &event) == 1) {
    }
}

static inline void room_pass(struct room *r, mono_us step)
{
    mono_us end = r->now + step;
    while (sfu_node_next_timeout(r->node) <= end) {
        r->now = TK_MAX(r->now, sfu_node_next_timeout(r->node));
        sfu_node_handle_timeout(r->node, r->now);
        room_drain(r);
    }
    r->now = end;
}

static inline void room_add_peer(struct room *r, sfu_peer_id peer)
{
    const struct sfu_peer_config config = {.peer = peer};
    assert_int_equal(sfu_node_add_peer(r->node, &config), 0);
    sfu_node_set_connected(r->node, peer, true, r->now);
    room_drain(r);
}

static inline void room_add_track(struct room *r, sfu_track_id track)
{
    bool is_video = track == ROOM_VIDEO;
    const struct sfu_track_config config = {
        .track = track,
        .source_peer = ROOM_PEER,
        .kind = is_video ? RTP_KIND_VIDEO : RTP_KIND_AUDIO,
        .pt_count = 1,
        .pts = {{.pt = is_video ? 96 : 111, .codec = is_video ? RTP_CODEC_VP8 : RTP_CODEC_OPUS}},
        .layer_count = 1,
        .ssrcs = {track},
        .has_nack = is_video,
        .has_pli = is_video};
    assert_int_equal(sfu_node_add_track(r->node, &config), 0);
}

static inline struct room *room_new(void)
{
    struct room *r = calloc(1, sizeof(*r));
    const struct sfu_node_config config = {
        .seed = 7, .ring_packets = 1024, .ring_age_max = MONO_S(2) + MONO_MS(200)};
    assert_non_null(r);
    r->now = MONO_S(1000);
    r->seq = 65500; /* rolls over soon */
    assert_int_equal(pkt_pool_create(4096, &r->pool), 0);
    assert_int_equal(sfu_node_create(&config, &r->node), 0);
    room_add_peer(r, ROOM_PEER);
    room_add_track(r, ROOM_VIDEO);
    room_add_track(r, ROOM_AUDIO);
    return r;
}

static inline void room_free(struct room *r)
{
    sfu_node_destroy(r->node);
    pkt_pool_destroy(r->pool);
    free(r);
}

static inline void room_target(struct room *r, sfu_sub_id sub, int8_t layer_max)
{
    const struct sfu_sub_target target = {
        .sub = sub, .layer_max = layer_max, .temporal_max = SFU_TEMPORAL_ALL};
    sfu_node_set_sub_target(r->node, &target, r->now);
    room_drain(r);
}

/* A peer with a subscription; peer and subscription have the same number. */
static inline void room_join(struct room *r, sfu_peer_id peer, sfu_track_id track)
{
    bool is_video = track == ROOM_VIDEO;
    const struct sfu_sub_config config = {
        .sub = peer,
        .track = track,
        .peer = peer,
        .ssrc = 1000 + peer,
        .pt_count = 1,
        .pts = {{.pt = is_video ? 96 : 111, .codec = is_video ? RTP_CODEC_VP8 : RTP_CODEC_OPUS}},
        .has_nack = true};
    room_add_peer(r, peer);
    assert_int_equal(sfu_node_add_sub(r->node, &config, r->now), 0);
    room_drain(r);
    room_target(r, peer, 0);
}

/* One packet of the publisher, without polling. */
static inline void room_packet(struct room *r, sfu_track_id track, uint16_t seq, bool is_start,
                               bool is_key, bool is_marker)
{
    struct pkt *p = pkt_take(r->pool, 12 + ROOM_PAYLOAD);
    assert_non_null(p);
    uint8_t *d = p->data;
    d[0] = 0x80;
    d[1] = (uint8_t)((track == ROOM_VIDEO ? 96 : 111) | (is_marker ? 0x80 : 0));
    put_u16be(d + 2, seq);
    put_u32be(d + 4, r->ts);
    put_u32be(d + 8, track);
    memset(d + 12, 0, ROOM_PAYLOAD);
    if (track == ROOM_VIDEO) {
        d[12] = (uint8_t)(0x80 | (is_start ? 0x10 : 0));
        d[13] = 0x80;
        put_u16be(d + 14, 0x8000 | r->picture);
        d[16] = is_key ? 0 : 1;
    }
    p->size = 12 + ROOM_PAYLOAD;
    sfu_node_handle_rtp(r->node, ROOM_PEER, p, r->now);
    pkt_unref(p);
}

/* A whole frame that arrives at once, and 33 ms. */
static inline void room_frame(struct room *r, size_t packets, bool is_key)
{
    for (size_t i = 0; i < packets; i++)
        room_packet(r, ROOM_VIDEO, r->seq++, i == 0, is_key, i + 1 == packets);
    room_drain(r);
    r->ts += 3000;
    r->picture = (uint16_t)((r->picture + 1) & 0x7fff);
    room_pass(r, MONO_MS(33));
}

static inline size_t room_count(const struct room *r, sfu_peer_id peer)
{
    size_t count = 0;
    for (size_t i = 0; i < r->out_count; i++)
        count += r->outs[i].peer == peer;
    return count;
}

/* Sequence numbers without gap or repetition, and time that never goes back. */
static inline void room_check_order(const struct room *r, sfu_peer_id peer)
{
    const struct room_out *before = NULL;
    for (size_t i = 0; i < r->out_count; i++) {
        const struct room_out *o = &r->outs[i];
        if (o->peer != peer)
            continue;
        if (before != NULL) {
            assert_int_equal(o->seq, (uint16_t)(before->seq + 1));
            assert_true((int32_t)(o->ts - before->ts) >= 0);
        }
        before = o;
    }
}

static inline uint64_t room_keyframes_asked(const struct room *r)
{
    struct sfu_node_stats stats;
    sfu_node_stats(r->node, &stats);
    return stats.keyframes_requested;
}

#endif
