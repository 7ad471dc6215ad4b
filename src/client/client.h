#ifndef TK_CLIENT_CLIENT_H
#define TK_CLIENT_CLIENT_H

/*
 * Our own participant: LiveKit signalling as a client (protocol 17, single connection), the
 * controlling side of ICE, DTLS, SRTP, data channels. Used by `tongke publish` and the integration
 * tests (thousands at once are load/'s business). A hub drives any number of clients on one thread
 * (one hub per process: the SCTP stack is global); everything here belongs to that thread. Nothing
 * blocks but client_hub_poll().
 */

#include "base/addr.h"
#include "base/time.h"
#include "rtp/nack.h"
#include "rtp/packet.h"
#include "rtp/recv_stats.h"
#include "rtp/seq.h"
#include "rtp/sr.h"
#include "rtp/types.h"
#include "secure/srtp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_hub;
struct client;

#define CLIENT_TRACKS_MAX  8    /* published by one client */
#define CLIENT_REMOTES_MAX 192  /* received by one client */
#define CLIENT_EVENTS_MAX  1024 /* waiting to be polled; further ones are dropped and counted */
#define CLIENT_TEXT_SIZE   260  /* identities, names, reasons, with the zero */
#define CLIENT_SID_SIZE    32
#define CLIENT_MESSAGE_MAX (2u << 20) /* one signalling message */
#define CLIENT_PAYLOAD_MAX 1180       /* RTP payload bytes of one packet */
#define CLIENT_DATA_MAX    15000      /* bytes of one user data packet */
#define CLIENT_HISTORY     512        /* packets kept for retransmission per layer; power of two */

/* ---- hub ---- */

MUST_CHECK int client_hub_create(struct client_hub **ret_hub);
/* Every client must be destroyed before. NULL is a no-op. */
void client_hub_destroy(struct client_hub *hub);
/* Waits at most `timeout` for something to happen and does everything that is due. */
void client_hub_poll(struct client_hub *hub, mono_us timeout);

/* ---- what is received ---- */

/* One track that the server sends us. Read-only for the user; lives until its UNSUBSCRIBED event
 * was polled. */
struct client_remote {
    char sid[CLIENT_SID_SIZE];             /* TR_… */
    char participant_sid[CLIENT_SID_SIZE]; /* PA_… */
    char mid[RTP_MID_SIZE];
    enum rtp_kind kind;
    uint32_t ssrc, rtx_ssrc;
    uint8_t pt_count;
    struct rtp_pt pts[RTP_PTS_MAX];

    /* Statistics. */
    uint8_t codec; /* enum rtp_codec of the newest packet */
    uint64_t packets, bytes, rtx_packets, duplicates, keyframes, frames;
    uint64_t nacks_sent, plis_sent, lost; /* lost: given up after all NACKs */
    uint16_t width, height;               /* of the newest keyframe */
    mono_us first_at, newest_at, keyframe_at;
    uint32_t newest_ts;
    struct rtp_sr_ref sr; /* newest sender report */

    /* Private. */
    struct rtp_seq_ext seq;
    struct rtp_nack nack;
    struct rtp_recv_stats recv;
    mono_us pli_at;
    bool has_keyframe;
    bool is_gone;
};

/* ---- client ---- */

struct client_config {
    const char *url;   /* "ws://host:port", "wss://…", "http(s)://…" */
    const char *token; /* the newest refresh token replaces it */
    bool has_auto_subscribe;
    bool has_adaptive_stream;
    uint8_t audio_sections; /* recvonly sections offered at once; 3 as browsers do, 0 to publish */
    uint8_t video_sections;
    bool has_data;         /* open the data channels */
    bool is_tcp_only;      /* ICE-TCP */
    enum sec_profile srtp; /* offered alone; NONE: both, as browsers do */
    bool is_insecure;      /* wss: accept any certificate */
    bool may_reconnect;    /* resume, or join anew, after a lost connection */
    mono_us reconnect_max; /* give up after this; 0 = never */

    /* Faults, for tests. */
    const char *fault_fingerprint; /* announced instead of our certificate's; NULL = none */
    bool has_fault_ice_pwd;        /* checks are made with a wrong password */

    /* Called from inside client_hub_poll(); must not destroy the client. NULL = nobody listens. */
    void *user;
    void (*on_rtp)(void *user, struct client *c, const struct client_remote *remote,
                   const struct rtp_view *packet, mono_us now); /* decrypted, RTX undone */
    void (*on_datagram_out)(void *user, struct client *c, const uint8_t *data, size_t size);
};

enum client_state {
    CLIENT_STATE_CONNECTING, /* signalling, first time */
    CLIENT_STATE_JOINED,     /* signalling is up, media not yet */
    CLIENT_STATE_ACTIVE,     /* media is up */
    CLIENT_STATE_WAITING,    /* lost; tries again by itself */
    CLIENT_STATE_CLOSED      /* for good: client_reason() */
};

enum client_event_kind {
    CLIENT_EVENT_JOINED, /* sid: our participant */
    CLIENT_EVENT_ACTIVE, /* media is up (again) */
    CLIENT_EVENT_RECONNECTING,
    CLIENT_EVENT_RESUMED,      /* same participant, media continues */
    CLIENT_EVENT_REJOINED,     /* new participant; everything was published again */
    CLIENT_EVENT_CLOSED,       /* text: why; value: LiveKit DisconnectReason or 0 */
    CLIENT_EVENT_PUBLISHED,    /* track: ours; sid: TR_… */
    CLIENT_EVENT_UNPUBLISHED,  /* sid: the server took our track away */
    CLIENT_EVENT_MUTED,        /* sid: ours; value: muted by the server */
    CLIENT_EVENT_SUBSCRIBED,   /* remote */
    CLIENT_EVENT_UNSUBSCRIBED, /* remote: valid until the next client_poll_event() */
    CLIENT_EVENT_PARTICIPANT,  /* sid, text: identity; value: LiveKit state */
    CLIENT_EVENT_TRACK,        /* sid: TR_… of participant text; value: source; is_muted */
    CLIENT_EVENT_SPEAKERS,     /* one per speaker: sid: PA_…; value: level in 1/1000; is_active */
    CLIENT_EVENT_QUALITY,      /* sid: PA_…; value: ConnectionQuality */
    CLIENT_EVENT_QUALITY_WANTED, /* sid: ours; value: bit q set = VideoQuality q is wanted */
    CLIENT_EVENT_STREAM_STATE,   /* sid: TR_…; is_active */
    CLIENT_EVENT_DATA,           /* data, text: sender's identity; is_reliable */
    CLIENT_EVENT_ERROR           /* text: a refusal that does not end the session */
};

struct client_event {
    enum client_event_kind kind;
    char sid[CLIENT_SID_SIZE];
    char text[CLIENT_TEXT_SIZE];
    int64_t value;
    uint32_t track;
    struct client_remote *remote;
    bool is_muted, is_active, is_reliable;
    uint8_t *data; /* DATA: valid until the next client_poll_event() */
    size_t size;
};

struct client_stats {
    uint64_t rtp_out, rtx_out, bytes_out, rtp_in, rtcp_in, rtcp_out;
    uint64_t nacks_in, plis_in, unprotect_failures, unknown_ssrc, event_drops;
    uint64_t resumes, rejoins;
};

/* Starts to connect. ERR_MALFORMED (url), ERR_LIMIT, -ENOMEM. Texts are copied. */
MUST_CHECK int client_create(struct client_hub *hub, const struct client_config *config,
                             struct client **ret_client);
/* Goes away at once and says nothing; NULL is a no-op. */
void client_destroy(struct client *c);
/* Says goodbye; CLOSED follows. */
void client_leave(struct client *c);

enum client_state client_state(const struct client *c);
const char *client_sid(const struct client *c);
const char *client_reason(const struct client *c); /* why it is CLOSED, in words */
int client_poll_event(struct client *c, struct client_event *ret_event); /* 1, 0 = empty */
void client_stats(const struct client *c, struct client_stats *ret_stats);

/* ---- publishing ---- */

struct client_track_config {
    enum rtp_kind kind;
    enum rtp_codec codec; /* OPUS, VP8, H264 */
    uint8_t source;       /* LiveKit TrackSource: 1 camera, 2 microphone, 3 screen, 4 its sound */
    const char *name;
    uint8_t layer_count;    /* 1; 2 or 3: simulcast with rids q, h, f */
    uint16_t width, height; /* of the highest layer */
    uint32_t bitrate_bps;
    bool is_stereo;
    const char *h264_profile_level_id; /* NULL: 42e01f */
};

/* Announces a track, now or as soon as it is joined, and again after each rejoin. ERR_LIMIT. */
MUST_CHECK int client_publish(struct client *c, const struct client_track_config *config,
                              uint32_t *ret_track);
MUST_CHECK int client_unpublish(struct client *c, uint32_t track);
MUST_CHECK int client_mute(struct client *c, uint32_t track, bool is_muted);

/*
 * Sends one encoded frame that was captured at `captured`, on the monotonic clock; frames of all
 * tracks share that clock, which makes them synchronous at the receiver. H.264 as Annex B. The
 * level is for audio: 0 (loudest) .. 127. ERR_STATE while media is not up or not agreed.
 */
struct client_frame {
    const uint8_t *data;
    size_t size;
    mono_us captured;
    uint8_t layer;
    uint8_t level_dbov;
    bool is_keyframe;
};
MUST_CHECK int client_send_frame(struct client *c, uint32_t track,
                                 const struct client_frame *frame);

/* True once after the server asked for a keyframe of this layer. */
bool client_take_keyframe_wanted(struct client *c, uint32_t track, uint8_t layer);

/* ---- the rest ---- */

void client_subscribe(struct client *c, const char *track_sid, bool is_wanted);
/* `quality` 0 low .. 2 high. */
void client_set_remote(struct client *c, const char *track_sid, bool is_disabled, uint8_t quality);
/* A user packet on `_reliable` or `_lossy`. ERR_STATE, ERR_LIMIT. */
MUST_CHECK int client_send_data(struct client *c, bool is_reliable, const void *data, size_t size,
                                const char *topic);
/* The n-th track that is received now; NULL past the end. */
struct client_remote *client_remote_at(struct client *c, size_t index);
/* Asks the publisher of a track for a keyframe. */
void client_request_keyframe(struct client *c, struct client_remote *remote);

/* New ICE credentials by a new offer. ERR_STATE. */
MUST_CHECK int client_restart_ice(struct client *c);
/* From now on from another port, as when a laptop changes networks. Negative errno, ERR_STATE. */
MUST_CHECK int client_move(struct client *c);
/* Cuts the signalling connection without a word; the client then resumes. */
void client_cut_signalling(struct client *c);
/* Sends bytes as they are to where media goes (replay, corruption). ERR_STATE. */
MUST_CHECK int client_inject(struct client *c, const uint8_t *data, size_t size);

#endif
