#ifndef TK_SFU_TYPES_H
#define TK_SFU_TYPES_H

/*
 * What the control thread tells a forwarding node and what the node tells back: plain values,
 * copied through mailboxes, no pointers except packet references in a relay. Identifiers are given
 * by the control thread, unique while the server runs, never reused, never zero.
 */

#include "base/pkt.h"
#include "base/time.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t sfu_peer_id;  /* one transport (WebRTC connection) */
typedef uint32_t sfu_track_id; /* one publication */
typedef uint32_t sfu_sub_id;   /* one subscription */

#define SFU_LAYER_NONE   (-1) /* forward nothing */
#define SFU_TEMPORAL_ALL 7    /* forward every temporal layer */
#define SFU_WORKERS_MAX  32
#define SFU_CNAME_SIZE   32

/* A transport that sends to us, receives from us, or both. */
struct sfu_peer_config {
    sfu_peer_id peer;
    struct rtp_ext_ids exts; /* one map per connection: BUNDLE forbids two meanings of one id */
    bool has_twcc;           /* send transport-cc feedback for what this peer publishes */
};

/*
 * A track as one node knows it. On the worker of the publisher's transport `source_peer` is set and
 * the node receives the packets itself; on every other worker it is 0 and packets arrive as relays.
 */
struct sfu_track_config {
    sfu_track_id track;
    sfu_peer_id source_peer; /* 0: the packets are relayed from `source_worker` */
    uint8_t source_worker;
    uint8_t kind; /* enum rtp_kind */
    uint8_t pt_count;
    struct rtp_pt pts[RTP_PTS_MAX];
    char mid[RTP_MID_SIZE];
    uint8_t layer_count;                     /* 1 without simulcast */
    char rids[RTP_LAYERS_MAX][RTP_RID_SIZE]; /* lowest quality first; "" without simulcast */
    uint32_t ssrcs[RTP_LAYERS_MAX];          /* 0: learn by mid and rid */
    uint32_t rtx_ssrcs[RTP_LAYERS_MAX];      /* 0: learn by mid and repaired-rid */
    uint16_t widths[RTP_LAYERS_MAX], heights[RTP_LAYERS_MAX]; /* as announced; 0 unknown */
    bool has_nack;
    bool has_pli;
};

/* A subscription: one track towards one transport of this worker. */
struct sfu_sub_config {
    sfu_sub_id sub;
    sfu_track_id track;
    sfu_peer_id peer;
    uint32_t ssrc;     /* of the stream we send */
    uint32_t rtx_ssrc; /* 0 = no RTX */
    uint8_t pt_count;
    struct rtp_pt pts[RTP_PTS_MAX]; /* what the subscriber accepts, by codec */
    char mid[RTP_MID_SIZE];         /* written as header extension if negotiated; "" = no */
    bool has_nack;
    bool is_kept_ssrc; /* another subscription may follow under this SSRC: it goes on counting */
    char cname[SFU_CNAME_SIZE]; /* RTCP SDES: the same for all tracks of one publisher */
};

/* What a subscription should get; everything may change at any time. */
struct sfu_sub_target {
    sfu_sub_id sub;
    int8_t
        layer_max; /* spatial layer 0..2, or SFU_LAYER_NONE: keep the subscription, send nothing */
    uint8_t temporal_max; /* highest temporal id, or SFU_TEMPORAL_ALL */
    bool may_pause;       /* the client allows us to pause the video on a bad line */
};

enum sfu_event_kind {
    SFU_EVENT_LAYER_STARTED,   /* first packet of a layer: track, layer, ssrc, codec */
    SFU_EVENT_AUDIO_WINDOW,    /* every 400 ms per audio track with packets: track, level, active */
    SFU_EVENT_KEYFRAME_WANTED, /* track, layer: for the worker that has the source */
    SFU_EVENT_LAYER_WANTED, /* track, layer: the highest layer that this node's subscriptions want
                               now */
    SFU_EVENT_STREAM_STATE, /* sub, is_paused */
    SFU_EVENT_PEER_QUALITY, /* every 5 s per peer: loss and delay both ways */
    SFU_EVENT_BYE,          /* track, layer: the publisher's RTCP BYE */
    SFU_EVENT_KIND_COUNT_
};

/* True for what is told again before long: when room is short, it goes first. */
static inline bool sfu_event_is_periodic(enum sfu_event_kind kind)
{
    return kind == SFU_EVENT_AUDIO_WINDOW || kind == SFU_EVENT_KEYFRAME_WANTED ||
           kind == SFU_EVENT_PEER_QUALITY;
}

struct sfu_event {
    enum sfu_event_kind kind;
    sfu_peer_id peer;
    sfu_track_id track;
    sfu_sub_id sub;
    int8_t layer;
    bool is_paused;
    uint8_t codec;          /* enum rtp_codec */
    uint8_t level_dbov;     /* AUDIO_WINDOW: mean of the active packets, 0 (loudest) .. 127 */
    uint8_t active_percent; /* AUDIO_WINDOW: share of the window louder than -35 dBov */
    bool is_start;          /* AUDIO_WINDOW: speech, after silence */
    uint8_t up_loss_percent, down_loss_percent; /* PEER_QUALITY */
    uint32_t rtt_us;                            /* PEER_QUALITY; 0 unknown */
    uint32_t ssrc;
    uint32_t up_bps, down_bps; /* PEER_QUALITY */
};

/* From the node that receives a track to a node that only fans it out. */
enum sfu_relay_kind { SFU_RELAY_PACKET, SFU_RELAY_SENDER_REPORT };

struct sfu_relay {
    enum sfu_relay_kind kind;
    uint32_t worker_mask; /* bit w: for worker w */
    sfu_track_id track;
    int8_t layer;
    uint64_t seq; /* PACKET: extended by the node that receives the track, and never taken back */
    struct pkt
        *pkt; /* one reference per bit, owned by the receiver of the message; NULL for reports */
    struct rtp_ext_ids exts; /* PACKET: the publisher's, to read its header extensions by */
    ntp_time sr_ntp;         /* SENDER_REPORT */
    uint32_t sr_rtp;
    mono_us sr_arrived;
};

/*
 * One RTP or RTCP packet to send. RTP: `head` holds the RTP header of `head_size` bytes
 * (authenticated, not encrypted), then `prefix_size` bytes of payload that were rewritten for this
 * subscriber, then comes `body`. The outputs of one subscription come one after another, so that a
 * frame to it can leave as one message.
 */
#define SFU_HEAD_MAX 252 /* room for a dependency descriptor with its structure */

struct sfu_out {
    sfu_peer_id peer;
    bool is_rtcp; /* RTCP: everything is in `rtcp`, head and body are unused */
    uint8_t head_size;
    uint8_t prefix_size;
    uint16_t body_size;
    const uint8_t *body; /* inside `pkt` */
    struct pkt *pkt;     /* valid until the next call into the node; no reference is handed over */
    const uint8_t *rtcp; /* valid until the next poll */
    uint16_t rtcp_size;
    uint8_t head[SFU_HEAD_MAX];
};

#endif
