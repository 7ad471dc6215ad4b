#ifndef TK_SFU_SFU_INTERNAL_H
#define TK_SFU_SFU_INTERNAL_H

/*
 * The objects of a forwarding node. Everything belongs to the node's thread.
 *
 *   node ─┬─ peer ──┬─ tracks it is the source of ─ layer[0..2] ─ uplink: statistics, NACK
 *         │         └─ subscriptions it receives                 └ ring of recent packets
 *         └─ track ── subscriptions to it ─ mapper: the outgoing number space
 *
 * A received packet goes into the ring of its layer and into the layer's list of pending packets.
 * Polling for transmits walks the layers with pending packets, the subscriptions that receive the
 * layer, and for each of them the pending packets, so that the outputs of one subscription come
 * together (fanout.c). A subscription is in one of four places, by `sfu_sub.flow_link`:
 *
 *   nowhere        nothing flows, or it waits for a keyframe (then also in track->waiting)
 *   layer->subs    receives every packet of the layer
 *   node->catching_up, node->resting    reads its way through the ring from a keyframe (start.c)
 */

#include "base/hash.h"
#include "base/list.h"
#include "base/rng.h"
#include "base/timers.h"
#include "cc/stepdown.h"
#include "rtp/ext.h"
#include "rtp/mapper.h"
#include "rtp/nack.h"
#include "rtp/packet.h"
#include "rtp/payload.h"
#include "rtp/recv_stats.h"
#include "rtp/rtx.h"
#include "rtp/sr.h"
#include "rtp/twcc.h"
#include "sfu/limits.h"
#include "sfu/node.h"

struct sfu_layer;
struct sfu_peer;
struct sfu_sub;
struct sfu_track;

/* ---- ring.c ---- */

/* A received packet with all that forwarding needs to know of it. */
struct sfu_packet {
    struct pkt *pkt; /* NULL = the slot is empty */
    struct sfu_packet *next_pending;
    mono_us arrived;
    struct rtp_mapper_in src;          /* its numbers, as every subscription's mapper wants them */
    uint16_t payload_at, payload_size; /* inside pkt->data; size 0 = padding only */
    uint16_t opus_at, opus_size;       /* the primary block of RED */
    uint8_t descriptor_size;           /* of VP8's, if its numbers have to be rewritten, else 0 */
    uint8_t temporal_id;
    uint8_t pt_index; /* into the track's payload types */
    uint8_t ext_count;
    bool is_marker : 1;
    bool is_keyframe : 1; /* the first packet of a keyframe; every packet of audio */
    bool is_frame_start : 1;
    bool is_bare_idr : 1; /* H.264: a keyframe whose parameter sets are not in this packet */
    bool is_layer_sync : 1;
    bool has_temporal : 1; /* VP8: temporal layers may be left out */
    bool is_pending : 1;
    struct {
        uint8_t ext; /* enum rtp_ext */
        uint8_t size;
        uint16_t at;
    } exts[SFU_EXTS_MAX];

    /* The extensions as they were written last: most subscribers have negotiated the same ids. */
    struct rtp_ext_ids block_ids;
    uint8_t block_size; /* 0 = none, or too long to be kept */
    uint8_t block[SFU_BLOCK_MAX];
};

/* Slots for packets come and go in chunks, so that a layer has about as many as it has packets. */
struct sfu_chunk {
    struct sfu_chunk *next_spare;
    uint32_t used; /* slots that hold a packet; never 0 in a ring */
    struct sfu_packet slots[SFU_CHUNK];
};

/* Chunks that no ring of the node has a use for now: taken and given back without the heap. */
struct sfu_spare {
    struct sfu_chunk *first;
    uint32_t count; /* SFU_SPARE_MAX at most */
};

/* The recent packets of one layer by extended sequence number: [begin, end), at most mask + 1. */
struct sfu_ring {
    struct sfu_chunk **chunks; /* (mask + 1) / SFU_CHUNK; NULL where no packet is */
    struct sfu_spare *spare;   /* the node's */
    uint32_t mask;
    uint64_t begin, end;
    uint64_t gone_end; /* all packets that were given back are below; 0 = none was */
};

/* `count`: a power of two, SFU_CHUNK at least. -ENOMEM. */
MUST_CHECK int sfu__ring_init(struct sfu_ring *r, uint32_t count, struct sfu_spare *spare);
void sfu__ring_fini(struct sfu_ring *r);
void sfu__ring_clear(struct sfu_ring *r);
/* True if `seq` is so far ahead that everything in the ring would be thrown away. */
bool sfu__ring_is_jump(const struct sfu_ring *r, uint64_t seq);
/* A slot for `seq` with a reference to `pkt`, otherwise empty; it stays where it is. NULL for a
 * duplicate, a packet older than the ring, when one that it would push out is still pending, or
 * without memory. */
struct sfu_packet *sfu__ring_put(struct sfu_ring *r, uint64_t seq, struct pkt *pkt);
/* True if `seq` belongs into the ring, or behind all that is in it, and is not there. */
bool sfu__ring_is_wanted(const struct sfu_ring *r, uint64_t seq);
/* Gives one packet back. */
void sfu__ring_drop(struct sfu_ring *r, struct sfu_packet *p);
struct sfu_packet *sfu__ring_get(const struct sfu_ring *r, uint64_t seq);
/* Gives back what arrived before `oldest`. */
void sfu__ring_trim(struct sfu_ring *r, mono_us oldest);
void sfu__spare_fini(struct sfu_spare *spare);

/* ---- layers ---- */

/* An SSRC of a publisher. */
struct sfu_bind {
    struct sfu_layer *layer; /* parent */
    uint32_t ssrc;           /* 0 = not known yet */
    uint32_t ssrc_before;    /* of the encoder before, 0 = none; and until when it stays out */
    mono_us before_until;
    bool is_rtx;
};

/* What only the node has that receives a layer from its publisher. */
struct sfu_uplink {
    struct rtp_recv_stats stats;
    struct rtp_nack nack;
    mono_us report_at;
};

struct sfu_keyframe {
    bool is_waiting; /* somebody wants one and it has not come */
    bool is_due;     /* a request has to go into the next RTCP to the publisher */
    bool has_sent;
    uint8_t fir_seq;
    mono_us sent_at;
    mono_us external_until; /* another worker or the control thread wants one */
};

struct sfu_layer {
    /* Set at creation. */
    struct sfu_track *track; /* parent */
    uint8_t index;
    struct sfu_bind media, rtx; /* entries of the node's SSRC table, source node only */
    struct sfu_uplink *uplink;  /* NULL where packets come as relays */

    struct sfu_ring ring;
    struct rtp_seq_ext seqs;
    uint64_t arriving; /* the packet that was stored and is not pending yet; 0 = none */
    uint32_t ssrc;     /* of the packets in the ring; 0 before the first */
    uint8_t codec;
    bool has_started;
    bool is_live; /* packets came within SFU_LAYER_SILENT */
    mono_us last_at;
    struct rtp_sr_ref sr;
    struct sfu_keyframe keyframe;

    /* The newest keyframe in the ring, where a subscription can start (start.c). */
    uint64_t start_seq;   /* of its first packet; 0 = none */
    uint64_t start_count; /* packets in the ring from there on */

    /* Fan-out (fanout.c). */
    struct list subs; /* sfu_sub.flow_link: who receives every packet */
    uint32_t sub_count;
    mono_us many_until;   /* packets are kept for SFU_MANY receivers */
    mono_us used_until;   /* packets are kept for a receiver */
    struct list fan_link; /* in node->held or node->ready while something is pending */
    mono_us held_until;
    struct sfu_packet *pending_first, *pending_last;
    uint32_t pending_count;

    /* Numbers that the subscriptions remember (history.c). */
    uint32_t history;
    uint64_t history_newest;  /* of the packets that came so far */
    uint64_t history_checked; /* up to here it was seen to be long enough */
    mono_us history_low_at;   /* MONO_NEVER = it is not too long */

    /* Rate. */
    uint64_t bytes, bytes_before;
    uint32_t bps;
};

/* ---- tracks ---- */

struct sfu_speaker {
    mono_us window_at; /* 0 = no packets yet */
    uint32_t packets;
    uint32_t active_packets, level_sum;
    uint32_t active_ticks; /* of the audio clock */
    uint32_t last_ts;
    bool is_speech; /* the last window was */
};

#define SFU_PT_UNKNOWN 0xff
#define SFU_PT_RTX     0x80 /* flag in sfu_track.pt_index */

struct sfu_track {
    /* Set at creation. */
    struct sfu_track_config config;
    struct sfu_node *node; /* parent */
    struct sfu_peer *peer; /* NULL where packets come as relays */
    uint32_t clock_hz;
    uint8_t pt_index[128]; /* by payload type: index into config.pts, with SFU_PT_RTX for RTX */

    struct list peer_link; /* in peer->tracks */
    struct list subs;      /* sfu_sub.track_link: all of them */
    struct list waiting;   /* sfu_sub.wait_link: those that want another layer than they have */
    struct timer timer;
    uint32_t relay_mask;
    bool is_blocked;
    struct sfu_layer layers[RTP_LAYERS_MAX];
    struct sfu_speaker speaker;
    mono_us rate_at;

    /* Dynacast. */
    int8_t wanted_reported;
    mono_us wanted_lower_at; /* MONO_NEVER = the report is what is wanted */
};

/* ---- peers ---- */

/* Where a stream stands between two subscriptions under one SSRC. Numbers never go back: the SRTP
 * key would meet the same packet index twice (RFC 3711, 9.1). */
struct sfu_kept {
    uint32_t ssrc;
    bool was_sent;
    uint16_t next_seq, next_rtx_seq;
    uint32_t ts_newest;
    mono_us newest_at;
    uint16_t picture_id;
    uint8_t tl0;
    uint32_t packets, octets;
};

struct sfu_peer {
    /* Set at creation. */
    struct sfu_peer_config config;
    struct sfu_node *node; /* parent */

    bool is_connected;
    struct list tracks;       /* sfu_track.peer_link */
    struct list subs;         /* sfu_sub.peer_link */
    struct timer timer, tick; /* what cannot wait: feedback, NACK; the rest */
    struct list due_link;     /* in node->due_peers while RTCP has to be written */
    struct rtp_twcc *twcc;    /* NULL if not negotiated */
    struct sfu_kept *kept;    /* one per SSRC with is_kept_ssrc that ever was */
    size_t kept_count;
    struct cc_stepdown cc;
    mono_us rtt; /* 0 = unknown */

    /* Since the last PEER_QUALITY event. */
    mono_us quality_at, quality_from;
    uint32_t up_loss_sum, up_loss_count, down_loss_sum, down_loss_count; /* 1/256 */
    uint64_t bytes_in;
};

/* ---- subscriptions ---- */

/* How packets of one of the track's payload types leave. */
struct sfu_route {
    bool is_usable;
    bool is_red_stripped;
    uint8_t pt;
    uint8_t rtx_pt; /* 0 = no RTX */
};

/* Another number of temporal layers. */
struct sfu_step {
    uint64_t since; /* the first frame behind it */
    uint8_t before; /* temporal_now in front of it */
};

struct sfu_sub {
    /* What every forwarded packet needs, together: sfu__fanout_poll() asks memory for it ahead. */
    struct list flow_link;   /* see the head of this file */
    struct sfu_track *track; /* parent */
    sfu_peer_id peer_id;
    uint32_t ssrc;
    struct sfu_route routes[RTP_PTS_MAX];
    struct rtp_ext_ids exts; /* the peer's */
    bool is_video;
    bool needs_keyframe; /* the subscriber asked for one on the current layer */
    uint8_t mid_size;
    int8_t current;          /* layer being forwarded, or SFU_LAYER_NONE */
    int8_t wanted;           /* layer to be forwarded as soon as its keyframe comes */
    uint8_t temporal_now;    /* highest id sent */
    uint8_t temporal_max;    /* the target's */
    uint64_t temporal_since; /* the frame from which temporal_now counts */
    uint16_t rtx_seq;
    uint32_t packets, octets;
    uint64_t mid_end;   /* extended outgoing number from which the mid is left out */
    uint64_t bytes_out; /* since the last PEER_QUALITY event */
    struct rtp_mapper mapper;

    /* The rest. */
    struct sfu_sub_config config; /* set at creation, or by a new negotiation */
    struct sfu_peer *peer;
    struct list track_link, peer_link, wait_link;
    struct sfu_sub_target target;
    bool is_paused; /* as told in the last STREAM_STATE event */
    mono_us waiting_since;
    struct sfu_step steps[SFU_STEPS_MAX]; /* since the start, the newest last */
    uint8_t step_count;
    uint64_t catch_up_next; /* while catching up: the next number to take from the ring */
    uint32_t catch_up_left; /* packets that may still leave before the next rest */
    mono_us report_at;      /* MONO_NEVER = nothing to report yet */
    mono_us history_until;  /* so long the mapper's history may be longer than its layer wants */
    struct rtp_sr_log sr_log;
};

/* The record of the subscription's SSRC, made when there is none. ERR_LIMIT, -ENOMEM. */
MUST_CHECK int sfu__kept_reserve(struct sfu_peer *p, uint32_t ssrc);
/* Goes on where the SSRC stands; nothing to do for one that was never sent. */
void sfu__kept_resume(struct sfu_sub *s, struct rtp_mapper_config *mapper);
/* The subscription ends: notes where its SSRC stands. */
void sfu__kept_note(struct sfu_sub *s);

/* ---- the node ---- */

struct sfu_resend {
    sfu_sub_id sub;
    uint16_t seq;
};

struct sfu_node {
    struct sfu_node_config config;
    struct rng rng;
    mono_us now; /* of the latest call */
    struct sfu_node_stats stats;
    uint32_t rtcp_ssrc; /* sender of our feedback */

    struct idmap peers, tracks, subs;
    struct sfu_spare spare;                 /* of the layers' rings */
    struct idmap binds;                     /* sfu_bind by peer and SSRC */
    struct idmap sub_ssrcs;                 /* sfu_sub by peer and SSRC */
    struct timers peer_timers;              /* sfu_peer.timer */
    struct timers peer_ticks, track_timers; /* these can wait for SFU_TICK_SLACK */

    /* Outputs. */
    struct list ready, held;     /* sfu_layer.fan_link; `held` in the order of held_until */
    struct sfu_layer *fan_layer; /* the cursor; NULL between batches */
    struct list *fan_sub;
    struct sfu_packet *fan_packet;
    struct list catching_up, resting; /* sfu_sub.flow_link */
    mono_us rest_until;               /* MONO_NEVER while nobody rests */
    struct list due_peers;
    uint8_t rtcp[SFU_RTCP_SIZE];
    struct sfu_event *events; /* three rings: next to read, number waiting */
    struct sfu_relay *relays;
    struct sfu_resend *resends;
    size_t event_first, event_count, relay_first, relay_count, resend_first, resend_count;
};

static inline uint64_t sfu__ssrc_key(sfu_peer_id peer, uint32_t ssrc)
{
    return (uint64_t)peer << 32 | ssrc;
}

/* node.c */
void sfu__enter(struct sfu_node *node, mono_us now);
/* Moves a timer that was set at creation; it never fails, the heap keeps its room. */
void sfu__arm(struct timers *timers, struct timer *t, mono_us at);
void sfu__arm_earlier(struct timers *timers, struct timer *t, mono_us at);
void sfu__push_event(struct sfu_node *node, const struct sfu_event *event);

/* peer.c */
void sfu__peer_due(struct sfu_peer *p);
void sfu__peer_timeout(struct sfu_peer *p, mono_us now);
void sfu__peer_tick(struct sfu_peer *p, mono_us now);

/* track.c */
void sfu__track_tick(struct sfu_track *t, mono_us now);
void sfu__track_destroy(struct sfu_track *t);
struct sfu_bind *sfu__bind_find(struct sfu_peer *p, const struct rtp_view *v,
                                const struct rtp_ext_set *exts);

/* peer.c */
int sfu__peer_open_twcc(struct sfu_peer *p);

/* receive.c */
/* Lets go of all packets of the layer. */
void sfu__layer_forget(struct sfu_layer *l);
/* And of what has to be asked for again. */
void sfu__layer_forget_missing(struct sfu_layer *l);
/* How old a packet may grow in the layer's ring. */
mono_us sfu__layer_age_max(const struct sfu_layer *l);
/* The layer is received now: its packets are kept for a while even if the receivers leave. */
void sfu__layer_touch(struct sfu_layer *l);
/* Touches it, and gives back what is older. */
void sfu__layer_trim(struct sfu_layer *l);
struct sfu_arrival {
    struct pkt *pkt;
    struct rtp_view view;
    struct rtp_ext_set exts;
    bool is_rtx;
    uint64_t relay_seq; /* of a relay: its extended number */
};
void sfu__layer_receive(struct sfu_layer *l, const struct sfu_arrival *a, mono_us now);

/* fanout.c */
void sfu__pending_add(struct sfu_layer *l, struct sfu_packet *p, bool is_newest, mono_us now);
void sfu__pending_purge(struct sfu_layer *l);
/* Lets go the frames that have waited long enough for their end. */
void sfu__held_release(struct sfu_node *node, mono_us now);
mono_us sfu__held_next(const struct sfu_node *node);
/* Writes at most `max` outputs; their number. So do the others called poll. */
size_t sfu__fanout_poll(struct sfu_node *node, struct sfu_out *outs, size_t max);

/* start.c */
/* Takes the subscription out of wherever packets flow to it. */
void sfu__sub_stop(struct sfu_sub *s);
/* Stops it if it reads the ring: what it would read next is gone. */
void sfu__sub_stop_reading(struct sfu_sub *s);
/* A keyframe came: whoever waits for it starts. */
void sfu__start_waiting(struct sfu_layer *l, const struct sfu_packet *p, mono_us now);
/* True if a keyframe in the ring is recent enough, and the subscription has started there. */
bool sfu__start_from_ring(struct sfu_sub *s, mono_us now);
/* Notes a packet that went into the ring. */
void sfu__start_note(struct sfu_layer *l, const struct sfu_packet *p);
size_t sfu__catch_up_poll(struct sfu_node *node, struct sfu_out *outs, size_t max);
void sfu__catch_up_tick(struct sfu_node *node, mono_us now);

/* sub.c */
void sfu__sub_destroy(struct sfu_sub *s);
void sfu__sub_set_routes(struct sfu_sub *s);
void sfu__sub_set_exts(struct sfu_sub *s);

/* The header with its extensions leaves room for what is written behind it. */
#define SFU_HEAD_EXT_MAX (SFU_HEAD_MAX - RTP_RTX_PREFIX_SIZE - RTP_VP8_DESCRIPTOR_MAX)

/* forward.c */
/* 1 = `ret_out` holds what goes to the subscriber, else 0. So for those below. */
size_t sfu__sub_forward(struct sfu_sub *s, struct sfu_packet *p, mono_us now,
                        struct sfu_out *ret_out);
/* Outputs with given numbers: as RTX or under the same number; and an empty packet. */
size_t sfu__sub_write_resend(struct sfu_sub *s, struct sfu_packet *p, uint16_t seq,
                             const struct rtp_mapper_entry *e, struct sfu_out *ret_out);
size_t sfu__sub_write_empty(struct sfu_sub *s, uint16_t seq, struct rtp_mapper_entry *e,
                            struct sfu_out *ret_out);

/* history.c */
void sfu__history_init(struct sfu_layer *l);
void sfu__history_fini(struct sfu_sub *s);
/* Room for a start at `seq` of the layer. False if there is no memory at all: nothing can start. */
MUST_CHECK bool sfu__history_start(struct sfu_sub *s, const struct sfu_layer *l, uint64_t seq,
                                   mono_us now);
/* Room to remember packet `seq`, which has come and is about to be forwarded. */
void sfu__history_ensure(struct sfu_layer *l, uint64_t seq, mono_us now);
/* Video: takes back what is no longer of use. */
void sfu__history_tick(struct sfu_track *t, mono_us now);

/* resend.c */
void sfu__sub_handle_nack(struct sfu_sub *s, const uint16_t *seqs, size_t count, mono_us now);
size_t sfu__resend_poll(struct sfu_node *node, struct sfu_out *outs, size_t max);

/* choose.c */
void sfu__sub_choose(struct sfu_sub *s, mono_us now);
void sfu__track_choose(struct sfu_track *t, mono_us now);
void sfu__peer_choose(struct sfu_peer *p, mono_us now);
void sfu__peer_step_down(struct sfu_peer *p, mono_us now);
/* Reports the highest wanted layer: at once when it rises or `is_asked`, later when it falls. */
void sfu__wanted_update(struct sfu_track *t, bool is_asked, mono_us now);

/* keyframe.c */
void sfu__keyframe_request(struct sfu_layer *l, mono_us now);
void sfu__keyframe_arrived(struct sfu_layer *l);
void sfu__keyframe_tick(struct sfu_layer *l, mono_us now);
mono_us sfu__keyframe_next(const struct sfu_layer *l);

/* speakers.c */
void sfu__speaker_packet(struct sfu_track *t, const struct sfu_arrival *a, mono_us now);
void sfu__speaker_tick(struct sfu_track *t, mono_us now);

/* relay.c */
void sfu__relay_packet(struct sfu_layer *l, struct pkt *pkt, uint64_t seq);
void sfu__relay_report(struct sfu_layer *l);
void sfu__layer_set_report(struct sfu_layer *l, const struct rtp_sr_ref *sr);

/* reports.c */
/* Writes one compound packet into node->rtcp; its size, 0 when nothing is due. */
size_t sfu__peer_write_rtcp(struct sfu_peer *p, mono_us now);
void sfu__peer_quality(struct sfu_peer *p, mono_us now);

#endif
