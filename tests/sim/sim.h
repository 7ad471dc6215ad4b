#ifndef TK_TESTS_SIM_SIM_H
#define TK_TESTS_SIM_SIM_H

/*
 * One run: one or two forwarding nodes, publishers and subscribers on a simulated network, and a
 * script of things that happen, all from one seed and in virtual time.
 *
 *   source ──link──▶ node ──relay──▶ node ──link──▶ receiver        media
 *      ▲                                                │
 *      └────────────── RTCP over the links ─────────────┘           feedback
 *
 * Three watchers judge the run: the tap sees every packet that enters and leaves a node, the
 * receiver decodes what arrives, the room compares what subscribers get with what they should.
 */

#include "sim/frame.h"
#include "sim/simnet.h"

#include "base/pkt.h"
#include "rtp/depack.h"
#include "rtp/nack.h"
#include "rtp/recv_stats.h"
#include "rtp/rtcp.h"
#include "sfu/node.h"

#define SIM_NODES_MAX     2
#define SIM_PEERS_MAX     16
#define SIM_SOURCES_MAX   12
#define SIM_RECEIVERS_MAX 128
#define SIM_STORE         256  /* sent packets that a source keeps, per layer */
#define SIM_HELD          512  /* packets that a receiver holds back behind a gap */
#define SIM_LOG           1024 /* packets that the tap remembers, per subscription */
#define SIM_TRACE         48   /* lines shown when a run fails */
#define SIM_RELAYS_MAX    2048 /* on their way between two nodes */
#define SIM_EPOCH_US      INT64_C(1790000000000000) /* civil time at virtual time 0 */
#define SIM_TICK          MONO_MS(25)               /* receivers look at their gaps */
#define SIM_GAP_MAX       MONO_MS(700)              /* a receiver waits for a missing packet */

struct sim;

enum sim_dest { SIM_TO_NODE, SIM_TO_PEER, SIM_TO_RELAY, SIM_TO_CONTROL };

/* ---- a participant's transport ---- */

struct sim_peer {
    struct sim *sim;
    sfu_peer_id id; /* 0 = free slot */
    uint8_t node;
    bool is_connected; /* as the node was told */
    mono_us path_changed_at;
    mono_us good_at; /* both lines were healed, and nothing of before is on its way any more */
    struct simnet_link up, down;
    struct rtp_ext_ids exts;
    uint16_t twcc_seq;
    uint32_t remb_bps; /* 0 = sends none */
};

/* ---- what a participant publishes ---- */

struct sim_sent {
    uint16_t seq, size;
    uint8_t *data;
};

struct source_layer {
    uint32_t ssrc, rtx_ssrc;
    uint16_t seq, rtx_seq; /* next */
    uint32_t ts_base;
    uint32_t number; /* of the next frame */
    uint16_t picture_id;
    uint8_t tl0, phase;
    uint32_t newest_of[3]; /* newest frame of each temporal layer, SIM_REF_NONE before */
    bool is_active, wants_key, has_reported;
    mono_us key_at, report_at;
    uint32_t packets, octets;
    struct sim_sent store[SIM_STORE];

    /* Kept by the tap. */
    uint8_t *seen[SIM_NODES_MAX]; /* by sequence number: whether the node took it in, and how */
    bool has_newest[SIM_NODES_MAX];
    uint16_t newest[SIM_NODES_MAX];
    mono_us asked_at; /* the last request for a keyframe on its way to us */
};

struct source {
    struct sim *sim;
    struct sim_peer *peer;
    sfu_track_id track;
    enum rtp_kind kind;
    enum rtp_codec codec;
    struct rtp_pt pt; /* in use */
    char mid[4];
    uint8_t layer_count, temporal_count;
    bool is_announced; /* the SSRCs are part of the negotiation */
    bool has_exts_always, is_muted, is_blocked, has_dynacast, has_pli;
    int8_t wanted[SIM_NODES_MAX];
    mono_us interval, next_at, live_since;
    mono_us changed_at;      /* the last change that explains silence, or an early request */
    uint8_t last_frame[200]; /* audio: redundancy for RED */
    size_t last_size;
    struct source_layer layers[RTP_LAYERS_MAX];
    uint64_t lost_up, lost_up_repaired;
};

struct source *source_create(struct sim *sim, struct sim_peer *peer, sfu_track_id track,
                             enum rtp_kind kind);
void source_destroy(struct source *s);
void source_config(const struct source *s, bool is_relayed, struct sfu_track_config *ret_config);
/* New SSRCs, as after a page was loaded anew or an encoder was replaced. */
void source_restart(struct source *s);
/* The highest layer that is to be sent, SFU_LAYER_NONE for none. */
void source_set_wanted(struct source *s, uint8_t node, int8_t layer);
mono_us source_next(const struct source *s);
void source_tick(struct source *s);
void source_handle_rtcp(struct source *s, const struct rtcp_packet *p);
struct source_layer *source_layer_of(struct source *s, uint32_t ssrc, bool *ret_is_rtx);

/* ---- tap: what one subscription was sent ---- */

struct tap_entry {
    bool is_used, is_empty, was_asked;
    uint8_t repeats;
    uint16_t seq, src_seq;
    uint32_t src_ssrc, stretch;
    mono_us arrived; /* at the first node */
};

struct tap {
    struct tap_entry log[SIM_LOG];
    bool has_newest;
    uint64_t newest; /* extended */
    uint32_t src_ssrc, ts_offset, ts_newest, stretch;
    uint64_t src_newest; /* extended within the stretch */
    mono_us newest_at, started_at;
    int8_t layer;
    uint64_t packets;
};

/* ---- what a subscriber receives ---- */

struct held {
    uint64_t seq;
    mono_us at;
    uint16_t size;
    uint8_t *data;
};

struct receiver {
    struct sim *sim;
    struct source *source;
    struct sim_peer *peer;
    struct sfu_sub_config config;
    struct sfu_sub_target target;
    bool is_paused;      /* the node says so */
    mono_us resumed_at;  /* when its last pause ended */
    mono_us wished_at;   /* since when this target has stood */
    mono_us key_wish_at; /* a keyframe is waited for since then; MONO_NEVER = no */
    struct tap tap;

    /* The jitter buffer. */
    struct rtp_seq_ext seqs;
    struct rtp_nack nack;
    struct rtp_recv_stats stats;
    struct held held[SIM_HELD];
    uint64_t next; /* to be released; 0 before the first packet */
    mono_us gap_at;
    bool is_clean; /* nothing was skipped since the last keyframe */
    bool has_first_packet;
    uint32_t empties; /* empty packets since the last picture id */

    /* The decoder. */
    struct rtp_depack depack;
    uint8_t buffer[SIM_FRAME_MAX];
    uint32_t ssrc, newest_of[3]; /* what has been decoded of this encoder */
    uint32_t stretch;            /* of the newest frame that was decoded */
    uint8_t layer;
    bool has_picture;
    uint16_t picture_id;
    uint8_t tl0;
    uint32_t ts_newest;
    mono_us decoded_at, pli_at, report_at, stretch_at;
    mono_us frame_interval_max;
    uint64_t frames, skipped, plis;

    /* Sender reports. */
    bool has_sr;
    ntp_time sr_ntp;
    uint32_t sr_ts;
    mono_us sr_at;
};

struct receiver *receiver_create(struct sim *sim, struct source *source, struct sim_peer *peer);
void receiver_destroy(struct receiver *r);
void receiver_handle_rtp(struct receiver *r, const uint8_t *data, size_t size, bool is_rtx);
void receiver_handle_sr(struct receiver *r, const struct rtcp_packet *p);
void receiver_tick(struct receiver *r);

/* ---- tap.c ---- */

/* The node took this packet (RTX is turned into the original by then). */
void tap_taken(struct sim *sim, uint8_t node, const uint8_t *data, size_t size);
/* Feedback that goes into a node now. */
void tap_rtcp_in(struct sim *sim, const struct sim_peer *peer, const uint8_t *data, size_t size);
/* The node was drained: what was asked for must have gone out. */
void tap_settle(struct sim *sim, uint8_t node);
/* One packet that the node sends to `peer`, as it goes onto the network. */
void tap_rtp_out(struct sim *sim, struct sim_peer *peer, const struct sfu_out *out,
                 const uint8_t *data, size_t size);
void tap_rtcp_out(struct sim *sim, struct sim_peer *peer, const uint8_t *data, size_t size);

/* ---- the run ---- */

struct sim_node {
    struct sfu_node *node;
    struct pkt_pool *pool;
    uint32_t relays;    /* on their way to this node */
    mono_us control_at; /* when its newest event reaches the control thread */
    bool is_relay_full;
    bool is_dirty; /* inputs were handled since it was drained */
};

struct sim_mark {
    uint8_t node;
    struct source_layer *layer;
    uint16_t seq;
};

struct sim_due {
    uint8_t node;
    struct receiver *receiver;
    uint16_t seq;
};

struct sim_totals {
    uint64_t seeds, packets_in, packets_out, frames, switches, keyframes, repeats, uplink_lost,
        uplink_repaired, restarts, audiences, cuts, relays, skipped, pauses, plis, seconds;
};

struct sim {
    uint64_t seed;
    struct rng rng;
    mono_us now;
    bool is_verbose, is_failed, is_healed;
    mono_us good_at; /* healed, and the last line of all is empty of what came before */
    mono_us batch;   /* the nodes read their sockets this often; 0 = at once */
    bool has_loss, has_dynacast;
    uint32_t ring_packets;
    struct simnet net;
    uint8_t node_count;
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_peer peers[SIM_PEERS_MAX];
    struct source *sources[SIM_SOURCES_MAX];
    struct receiver *receivers[SIM_RECEIVERS_MAX];
    uint32_t next_id;
    mono_us script_at, check_at, tick_at;

    struct sim_mark marks[4096]; /* what the nodes took in since they were drained */
    size_t mark_count;
    struct sim_due due[512]; /* answers to NACKs that the node owes */
    size_t due_count;
    struct sim_totals totals;

    char failure[256];
    char trace[SIM_TRACE][120];
    uint64_t trace_count;
};

/* Runs one seed; returns false after printing what went wrong. Adds to `totals`. */
bool sim_run(uint64_t seed, bool is_verbose, struct sim_totals *totals);

/* The first failure counts; the run ends at the next event. */
void sim_fail(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);
void sim_trace(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);

/* room.c: participants come and go, and what the control thread does. */
void room_init(struct sim *sim);
void room_fini(struct sim *sim);
struct sim_peer *room_peer(struct sim *sim, sfu_peer_id id);
struct source *room_source(struct sim *sim, sfu_track_id track);
struct receiver *room_receiver(struct sim *sim, sfu_peer_id peer, uint32_t ssrc, bool *ret_is_rtx);
struct sim_peer *room_join(struct sim *sim);
void room_leave(struct sim *sim, struct sim_peer *peer);
struct source *room_publish(struct sim *sim, struct sim_peer *peer, enum rtp_kind kind);
void room_unpublish(struct sim *sim, struct source *s);
void room_subscribe(struct sim *sim, struct sim_peer *peer, struct source *s);
void room_unsubscribe(struct sim *sim, struct receiver *r);
void room_set_target(struct receiver *r, int8_t layer, uint8_t temporal);
void room_set_connected(struct sim_peer *peer, bool is_connected);
void room_negotiate(struct source *s);
void room_set_blocked(struct source *s, bool is_blocked);
void room_heal(struct sim *sim);
void room_settle(struct sim *sim, uint8_t node); /* takes every output of a node */
void room_deliver(struct sim *sim, struct simnet_delivery *d);
/* Participants hand a packet to their line. */
void room_send(struct sim_peer *peer, const uint8_t *data, size_t size);

/* script.c: what happens, and what has to hold all the time and at the end. */
void script_begin(struct sim *sim);
void script_step(struct sim *sim);
void check_always(struct sim *sim);
/* True when everybody who should decodes; otherwise, if `is_final`, fails and names who does not.
 */
bool check_recovered(struct sim *sim, bool is_final);

#endif
