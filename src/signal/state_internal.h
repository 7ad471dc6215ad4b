#ifndef TK_SIGNAL_STATE_INTERNAL_H
#define TK_SIGNAL_STATE_INTERNAL_H

/*
 * The state behind signal.h. A tree: signal -> room -> participant -> transport -> section,
 * participant -> track (publication), participant -> sub. A sub hangs in two lists, its viewer's
 * and its track's, and is owned by the viewer. Control thread only. The time of the call that is
 * being handled stands in signal->now and signal->wall.
 */

#include "livekit.pb-c.h"

#include "base/hash.h"
#include "base/id.h"
#include "base/list.h"
#include "base/timers.h"
#include "sdp/negotiate.h"
#include "signal/signal.h"
#include "signal/token.h"

#define SIGNAL_TRACKS_MAX       64   /* publications of one participant, pending ones included */
#define SIGNAL_PENDING_MAX      20   /* of them not yet matched with an SDP section */
#define SIGNAL_SUBS_MAX         4096 /* subscriptions and wishes of one participant */
#define SIGNAL_DATA_TRACKS_MAX  64
#define SIGNAL_CID_SIZE         257
#define SIGNAL_CIDS_MAX         3 /* codecs announced for one track */
#define SIGNAL_FEATURES_MAX     16
#define SIGNAL_PARTICIPANTS_MAX 10000      /* per room, over and above config and room limits */
#define SIGNAL_FRAMES_SIZE_MAX  (8u << 20) /* bytes waiting for one socket; beyond: it is lost */
#define SIGNAL_COMMANDS_MAX     (1u << 20)
#define SIGNAL_WEBHOOKS_MAX     200
#define SIGNAL_MISSED_MAX       256  /* departures kept for a participant without a socket */
#define SIGNAL_PERMISSIONS_MAX  1024 /* rows of a SubscriptionPermission */

#define SIGNAL_PING_INTERVAL_S   5
#define SIGNAL_PING_TIMEOUT_S    15
#define SIGNAL_PING_ROOM         30 /* members; those who come later ping less often */
#define SIGNAL_PING_MANY_S       10
#define SIGNAL_PING_MANY_TIMEOUT 20 /* seconds; as long after a ping as with fewer members */
#define SIGNAL_SILENT_US         MONO_S(30)
#define SIGNAL_JOIN_TIMEOUT_US   MONO_S(60) /* until the first transport is connected */
#define SIGNAL_OFFER_TIMEOUT_US  MONO_S(15) /* for the client's answer to our offer */
#define SIGNAL_SECTIONS_WAIT_US  MONO_S(5)  /* for sections that we asked the client for */
#define SIGNAL_COALESCE_US       MONO_MS(10)
#define SIGNAL_TICK_US           MONO_MS(100)
#define SIGNAL_BATCH_US          MONO_MS(100) /* updates of those who only subscribe, at least */
#define SIGNAL_BATCH_EACH_US     150          /* and for each member who is told */
#define SIGNAL_BATCH_MAX_US      MONO_MS(2500)
#define SIGNAL_SPEAKERS_US       MONO_MS(400)
#define SIGNAL_DYNACAST_LOWER_US MONO_S(5)
#define SIGNAL_TOKEN_INTERVAL_US MONO_S(300)
#define SIGNAL_TOKEN_TTL_S       600
#define SIGNAL_ROOM_COUNTS_US    MONO_S(5)

/* ---- small tools ---- */

/* Memory for building one message; everything is freed at once. Zero it, then use it. */
struct signal_arena_chunk;
struct signal_arena {
    struct signal_arena_chunk *chunks;
};
/* Zeroed memory; NULL when there is none. */
void *signal__arena_alloc(struct signal_arena *a, size_t size);
void signal__arena_fini(struct signal_arena *a);

/* One encoded SignalResponse, shared by all the sessions it waits for. */
struct signal_frame {
    uint32_t refs;
    size_t size;
    uint8_t data[];
};
/* NULL when there is no memory. The caller holds one reference. */
struct signal_frame *signal__frame_pack(const Livekit__SignalResponse *response);
struct signal_frame *signal__frame_alloc(size_t size);
void signal__frame_unref(struct signal_frame *f);

/* A growing set of small integers (participant slots). */
struct signal_bits {
    uint64_t *words;
    size_t word_count;
};
bool signal__bits_has(const struct signal_bits *b, uint32_t index);
MUST_CHECK int signal__bits_add(struct signal_bits *b, uint32_t index);
void signal__bits_remove(struct signal_bits *b, uint32_t index);
void signal__bits_fini(struct signal_bits *b);

/* ---- the tree ---- */

struct signal_room;
struct signal_participant;
struct signal_transport;
struct signal_track;
struct signal_sub;
struct signal_dc;

struct signal {
    /* Set at creation. */
    struct signal_config config;

    struct signal_policy policy;
    bool has_policy;
    bool (*is_ruled)(void *user, const char *room);

    mono_us now;
    wall_ms wall;
    mono_us due;    /* the earliest room->due, or earlier */
    unsigned depth; /* of public calls: callbacks may call back */
    bool is_finish_due;

    struct strmap rooms;
    struct list room_list;
    struct idmap transports; /* sfu_peer_id */
    struct idmap tracks;     /* sfu_track_id */
    struct idmap subs;       /* sfu_sub_id */
    struct strmap whips;     /* WHIP and WHEP sessions by their id */
    double whip_tokens;      /* of the rate limit on their offers */
    mono_us whip_opened_at;
    uint32_t id_next;
    uint32_t transport_counts[SFU_WORKERS_MAX]; /* by worker */
    uint64_t transports_ever[SFU_WORKERS_MAX];  /* the same since the start */
    uint16_t worker_loads[SFU_WORKERS_MAX];     /* permille, with what newcomers will cost */
    enum signal_admission admission;

    struct list sessions; /* all */
    struct list writable;

    struct media_command *commands; /* a ring of command_capacity */
    size_t command_capacity, command_head, command_count;

    struct list dcs, dirty_dcs;
    mono_us dcs_due;

    struct list webhooks;
    size_t webhook_count;
    uint32_t webhooks_dropped;

    struct list rpcs; /* calls of the server API that wait for a participant */
    size_t rpc_count;
    uint64_t rpc_ticket;
    mono_us rpcs_due;

    struct signal_stats stats;
};

struct signal_session {
    struct list link;                       /* signal->sessions */
    struct list writable_link;              /* signal->writable; alone when not listed */
    struct signal *signal;                  /* parent */
    struct signal_participant *participant; /* NULL once replaced or dismissed */
    void *user;
    struct signal_frame **frames; /* a ring */
    size_t frame_capacity, frame_head, frame_count, frame_bytes;
    void *current; /* the bytes handed out last */
    struct signal_frame *current_frame;
    bool is_text;
    bool is_mute;    /* stands for a client without a socket (WHIP): it is told nothing */
    bool is_closing; /* -1 after the last frame */
    int close_code;
    mono_us heard_at;
    double request_tokens; /* of the rate limit */
    bool was_told_limit;
};

/* One m= section as it was last agreed. */
struct signal_section {
    char mid[RTP_MID_SIZE];
    uint8_t kind;      /* enum sdp_kind */
    bool is_sending;   /* the client sends */
    bool is_receiving; /* the client is ready to receive */
    bool has_nack, has_pli;
    uint8_t pt_count;
    struct rtp_pt pts[RTP_PTS_MAX];
    uint8_t rid_count;
    char rids[RTP_LAYERS_MAX][RTP_RID_SIZE];
    uint32_t client_ssrcs[RTP_LAYERS_MAX], client_rtx_ssrcs[RTP_LAYERS_MAX];
    char cid[SIGNAL_CID_SIZE];  /* the client's a=msid track id */
    struct signal_track *track; /* what the client publishes here */
    struct signal_sub *sub;     /* what we send here */
    bool has_stale_sub;         /* the last description still has one that is gone */
    bool is_retired;            /* what came here comes elsewhere now: it is not matched again */
    uint32_t ssrc, rtx_ssrc;
};

/* One PeerConnection of a client. */
struct signal_transport {
    struct signal_participant *participant; /* parent */
    sfu_peer_id id;
    uint8_t worker;
    bool is_offerer;   /* we offer (subscriber side of a dual connection) */
    bool is_added;     /* the worker knows it */
    bool is_connected; /* now */
    bool was_connected;
    enum peer_dtls_role dtls_role;
    char ufrag[PEER_UFRAG_SIZE], pwd[PEER_PWD_SIZE];
    /* As the worker was told last. */
    struct peer_remote remote;
    struct rtp_ext_ids exts;
    bool has_twcc;
    uint64_t sdp_id, sdp_version;
    struct signal_section *sections;
    size_t section_count, section_capacity;
    uint32_t ssrc_newest; /* the last one that a section was given */
    bool has_application;
    struct signal_dc *dc; /* NULL before the application section is agreed */

    /* Client offers: what we have asked for. */
    bool is_offer_asked;
    uint32_t asked_audio, asked_video;
    mono_us asked_at;

    /* Our offers. */
    uint32_t offer_id;
    bool is_restart_due;
    bool is_offer_out;
    mono_us offered_at;
};

enum signal_wish { SIGNAL_WISH_NONE, SIGNAL_WISH_YES, SIGNAL_WISH_NO };
enum signal_sub_state {
    SIGNAL_SUB_IDLE,    /* only remembers a wish or settings */
    SIGNAL_SUB_WAITING, /* for a section */
    SIGNAL_SUB_OFFERED, /* in a section of our description, not yet agreed */
    SIGNAL_SUB_AGREED,  /* and agreed, before the connection is up */
    SIGNAL_SUB_ATTACHED /* the worker forwards */
};

struct signal_sub {
    struct list viewer_link, track_link;
    struct signal_participant *viewer; /* parent */
    struct signal_track *track;
    sfu_sub_id id; /* new for each attachment */
    enum signal_wish wish;
    enum signal_sub_state state;
    bool is_denied; /* the publisher's SubscriptionPermission; told to the viewer */
    bool is_paused;
    bool is_refused;                    /* the client cannot take the codec: not tried again */
    struct signal_transport *transport; /* from OFFERED on */
    size_t section;

    /* UpdateTrackSettings. */
    bool has_settings, is_disabled;
    uint8_t quality;
    uint32_t width, height, fps;
    struct sfu_sub_target target; /* sent last */
};

/* A publication. */
struct signal_track {
    struct list link;                       /* participant->tracks */
    struct signal_participant *participant; /* parent */
    sfu_track_id id;
    char sid[ID_SIZE];
    struct list subs;
    uint32_t sub_counts[SFU_WORKERS_MAX]; /* attached, by worker */
    uint32_t relay_mask;

    /* AddTrackRequest. */
    char cids[SIGNAL_CIDS_MAX][SIGNAL_CID_SIZE];
    size_t cid_count;
    char name[SIGNAL_TEXT_MAX];
    char stream[SIGNAL_TEXT_MAX];
    uint8_t kind;   /* enum rtp_kind */
    uint8_t source; /* enum signal_source, same numbers as TrackSource */
    uint32_t width, height;
    size_t layer_count; /* announced, lowest first; at least 1 for video */
    struct {
        uint8_t quality;
        uint32_t width, height, bitrate, ssrc;
        char rid[RTP_RID_SIZE];
    } layers[RTP_LAYERS_MAX];
    uint8_t encryption, backup_codec_policy;
    bool has_disable_dtx, is_stereo, has_disable_red;
    uint8_t features[SIGNAL_FEATURES_MAX];
    size_t feature_count;
    uint8_t trailer_features[SIGNAL_FEATURES_MAX];
    size_t trailer_feature_count;

    /* State. */
    bool is_muted;
    bool is_matched;      /* has a section */
    bool is_announced;    /* others know it */
    bool is_blocked;      /* told to the worker */
    bool was_subscribed;  /* track_subscribed sent */
    uint8_t codec;        /* enum rtp_codec, once negotiated */
    uint8_t codec_wanted; /* as announced; NONE: as offered */

    /* Backup codec (backup.c); NONE = none. */
    uint8_t codec_backup; /* announced */
    uint8_t codec_before; /* what it was before it moved to the backup */
    bool is_backup_asked;
    bool is_moved; /* to a section that is not agreed yet */
    char backup_cid[SIGNAL_CID_SIZE];

    struct signal_transport *transport;
    size_t section;
    struct sfu_track_config config; /* as told to the source worker */
    uint32_t version_ticks;

    /* Dynacast: what each worker's subscriptions want, and what the publisher was told. */
    int8_t wanted[SFU_WORKERS_MAX];
    bool has_wanted[SFU_WORKERS_MAX];
    int8_t told_layer; /* RTP_LAYERS_MAX: nothing told yet, i.e. all are sent */
    mono_us lower_at;  /* MONO_NEVER: no lowering pending */

    /* Speakers: the last window. */
    uint8_t level_dbov, active_percent;
    mono_us level_at;

    /* Somebody whom the rules let have it, as was found last; compared, never followed. */
    const struct signal_participant *receiver;
};

struct signal_data_track {
    struct list link;                       /* participant->data_tracks */
    struct signal_participant *participant; /* parent */
    uint16_t handle;
    char sid[ID_SIZE];
    char name[SIGNAL_TEXT_MAX];
    Livekit__PublishDataTrackRequest *request; /* encryption, encoding and schema are copied on */
};

/* A data track that a participant receives, under its own handle. */
struct signal_data_sub {
    struct list link;
    struct signal_data_track *track;
    uint16_t handle;
};

/* One row of a SubscriptionPermission. */
struct signal_permission_row {
    char sid[ID_SIZE];
    char identity[SIGNAL_TEXT_MAX];
    bool has_all;
    char (*track_sids)[ID_SIZE];
    size_t track_count;
};

struct signal_reliable_state {
    uint32_t last_sequence; /* received from this participant */
    struct list packets;    /* of the last 2 s, for those who come back */
    size_t packet_bytes;
};

struct signal_participant {
    struct list link;               /* room->participants */
    struct timer timer;             /* in room->timers: when it has something to do (due.c) */
    struct signal_room *room;       /* parent */
    uint32_t slot;                  /* index in the room's bit sets */
    struct signal_session *session; /* NULL while the line is lost */
    struct signal_whip *whip;       /* a WHIP or WHEP session; NULL: a LiveKit client */
    char sid[ID_SIZE];
    struct token_claims claims; /* identity, name, metadata, attributes, rights: the live ones */
    uint8_t state;              /* Livekit__ParticipantInfo__State */
    uint8_t disconnect_reason;
    uint32_t version;
    wall_ms joined_at;
    mono_us created_at, lost_at;
    bool is_v1, is_publisher, was_active;
    bool takes_tracks;     /* subscriptions get sections: from its first description on */
    uint8_t cut_on_resume; /* simulated: 1 = before, 2 = after the first frame */
    uint8_t sdk;
    int32_t client_protocol;
    uint32_t capabilities; /* bit 1 << Capability */
    bool has_auto_subscribe, has_auto_subscribe_data, has_adaptive_stream, may_pause;

    struct signal_bits known;     /* slots of participants it has been told of */
    struct signal_frame **missed; /* departures while the line was lost */
    size_t missed_count;

    bool is_dirty;      /* others have to be told about it */
    bool is_policy_due; /* the rules for it have changed */

    struct signal_transport *publisher;
    struct signal_transport *subscriber; /* == publisher with a single connection */
    struct list tracks;
    size_t track_count;
    struct list subs;
    size_t sub_count;
    bool is_negotiation_due; /* subscriptions wait for a section, or sections for cleaning */
    mono_us negotiation_at;

    struct list data_tracks, data_subs;
    size_t data_sub_count;
    uint16_t data_handle_next;
    struct list held; /* reliable packets until its channel takes them */
    size_t held_size;
    struct signal_reliable_state reliable;
    double data_tokens; /* bytes */
    mono_us data_at, data_told_at;

    bool is_permission_restricted; /* SubscriptionPermission without all_participants */
    struct signal_permission_row *permissions;
    size_t permission_count;

    mono_us token_due;
    uint8_t quality; /* Livekit__ConnectionQuality */
    bool has_quality;
    float quality_score;
    struct list sounding_link; /* room->sounding; alone while it is silent */
    float speaker_level;       /* smoothed */
    uint8_t speaker_step;      /* the same, 0..8 */
    uint8_t told_step;         /* what others were told last */
    mono_us simulated_speaker_until;
};

struct signal_room {
    struct list link;      /* signal->room_list */
    struct signal *signal; /* parent */
    char sid[ID_SIZE];
    char name[SIGNAL_TEXT_MAX];
    char *metadata;
    uint32_t participant_count_max;
    mono_us empty_timeout, departure_timeout;
    mono_us created_at, emptied_at;
    wall_ms created_wall;
    bool had_participant, is_ruled, is_closing;
    struct list participants;
    struct strmap by_identity, by_track_sid;
    struct strmap members;    /* identities that have been in it, to their way (way.c) */
    struct signal_bits slots; /* in use */
    uint32_t participant_count;
    struct timers timers; /* of the participants */
    struct list sounding; /* participants who speak, or have not faded out yet */
    mono_us due;          /* when signal__room_tick() has work */
    mono_us speakers_at, counts_at;
    bool has_counts_changed;
    bool is_policy_due, is_close_due; /* asked for from within a callback */
    bool has_policy_subjects;         /* is_policy_due of some participants */
    mono_us updates_due;              /* when others are told of those who are dirty */
};

#endif
