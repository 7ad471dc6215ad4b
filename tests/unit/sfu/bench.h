#ifndef TK_TESTS_UNIT_SFU_BENCH_H
#define TK_TESTS_UNIT_SFU_BENCH_H

/*
 * One or two nodes on a bench: packets are made by hand, go in at a time that the test sets, and
 * everything that comes out is kept for the test to look at.
 */

#include "unit/cmocka_all.h"

#include "base/pkt.h"
#include "rtp/rtcp.h"
#include "sfu/node.h"

#define BENCH_OUT_MAX   2000
#define BENCH_EVENT_MAX 200

/* One packet that came out, as bytes, with its header read. */
struct bench_out {
    sfu_peer_id peer;
    bool is_rtcp;
    uint16_t size;
    uint8_t data[1500];
    bool is_marker;
    uint8_t pt;
    uint16_t seq;
    uint32_t ts, ssrc;
    const uint8_t *payload;
    uint16_t payload_size;
    const struct pkt *pkt;
};

struct bench {
    mono_us now;
    struct pkt_pool *pool;
    struct sfu_node *node;
    struct bench_out out[BENCH_OUT_MAX];
    size_t out_count;
    struct sfu_event events[BENCH_EVENT_MAX];
    size_t event_count;
    struct sfu_relay relays[BENCH_OUT_MAX];
    size_t relay_count;
};

/* Worker 0; relays go to worker 1. */
struct bench *bench_create(uint8_t worker); /* rings of 64 packets */
struct bench *bench_create_sized(uint8_t worker, uint32_t ring_packets);
void bench_destroy(struct bench *b); /* checks that every packet came back */

/* Forgets what came out so far. */
void bench_clear(struct bench *b);
/* Takes everything out of the node. */
void bench_drain(struct bench *b);
/* Lets time pass; the node's timers run when they are due. */
void bench_wait(struct bench *b, mono_us time);

/* Peers get extension ids mid 1, rid 2, audio level 3, twcc 4. */
void bench_peer(struct bench *b, sfu_peer_id peer);

/* VP8 pt 96 with RTX 97, H.264 98 with 99; or Opus 111, RED 63. SSRCs: 1000 * track + layer, RTX
 * 500 more. `source` 0: relayed. */
void bench_video(struct bench *b, sfu_track_id track, sfu_peer_id source, uint8_t layers);
void bench_audio(struct bench *b, sfu_track_id track, sfu_peer_id source);

/* The subscriber's payload types: VP8 100 with RTX 101, H.264 102 with 103; Opus 109 and no RED.
 * SSRC: the sub's id, RTX 10000 more. Video gets `layer_max` as target. */
void bench_sub(struct bench *b, sfu_sub_id sub, sfu_track_id track, sfu_peer_id peer,
               int8_t layer_max);
void bench_target(struct bench *b, sfu_sub_id sub, int8_t layer_max, uint8_t temporal_max);

/* A packet to make. */
struct bench_packet {
    sfu_track_id track;
    uint8_t layer;
    uint16_t seq;
    uint32_t ts;
    bool is_key;    /* first packet of a keyframe */
    bool is_middle; /* not the first packet of its frame */
    bool is_marker;
    uint8_t temporal; /* VP8 */
    bool is_sync;
    uint16_t picture;
    uint8_t tl0;
    bool is_rtx;
    uint8_t level;          /* audio: written when not 0 */
    uint8_t level_size;     /* how long that extension is: 0 = the one byte of its standard */
    uint8_t pt;             /* 0: VP8 or Opus */
    const uint8_t *payload; /* instead of the one that is made */
    size_t payload_size;
    bool is_batched; /* the node is not drained afterwards */
    uint32_t ssrc;   /* instead of the announced one */
    bool has_mid;
};
void bench_send(struct bench *b, sfu_peer_id peer, const struct bench_packet *p);

void bench_rtcp(struct bench *b, sfu_peer_id peer, const struct wr *w);
void bench_nack(struct bench *b, sfu_peer_id peer, uint32_t ssrc, const uint16_t *seqs,
                size_t count);
void bench_pli(struct bench *b, sfu_peer_id peer, uint32_t ssrc);

/* RTP that came out for `ssrc`, number `index`; NULL when there are fewer. */
const struct bench_out *bench_rtp(const struct bench *b, uint32_t ssrc, size_t index);
size_t bench_count(const struct bench *b, uint32_t ssrc);
/* Keyframe requests (PLI or FIR) that came out for a publisher's SSRC. */
size_t bench_requests(const struct bench *b, uint32_t ssrc);
/* The RTCP packet of a type and count field that came out to `peer`; false if none. */
bool bench_find_rtcp(const struct bench *b, sfu_peer_id peer, uint8_t type, int count,
                     struct rtcp_packet *ret_packet);
const struct sfu_event *bench_event(const struct bench *b, enum sfu_event_kind kind, size_t index);
struct sfu_node_stats bench_stats(const struct bench *b);

#endif
