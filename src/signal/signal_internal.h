#ifndef TK_SIGNAL_SIGNAL_INTERNAL_H
#define TK_SIGNAL_SIGNAL_INTERNAL_H

/*
 * The state behind signal.h and the functions its files share. A tree: signal -> room ->
 * participant -> transport -> section, participant -> track (publication), participant -> sub. A
 * sub hangs in two lists, its viewer's and its track's, and is owned by the viewer. Control thread
 * only. The time of the call that is being handled stands in signal->now and signal->wall.
 */

#include "livekit.pb-c.h"

#include "base/hash.h"
#include "base/id.h"
#include "base/list.h"
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
#define SIGNAL_SILENT_US         MONO_S(2 * SIGNAL_PING_TIMEOUT_S)
#define SIGNAL_JOIN_TIMEOUT_US   MONO_S(60) /* until the first transport is connected */
#define SIGNAL_OFFER_TIMEOUT_US  MONO_S(15) /* for the client's answer to our offer */
#define SIGNAL_SECTIONS_WAIT_US  MONO_S(5)  /* for sections that we asked the client for */
#define SIGNAL_COALESCE_US       MONO_MS(10)
#define SIGNAL_TICK_US           MONO_MS(100)
#define SIGNAL_BATCH_US          MONO_MS(2500) /* updates of those who only subscribe */
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
    uint32_t id_next;
    uint32_t worker_load[SFU_WORKERS_MAX];

    struct list sessions; /* all */
    struct list writable;

    struct media_command *commands; /* a ring of command_capacity */
    size_t command_capacity, command_head, command_count;

    struct list dcs, dirty_dcs;
    mono_us dcs_due;
    bool has_dchan; /* the library was begun here */

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
    char remote_ufrag[PEER_UFRAG_SIZE];
    uint64_t sdp_id, sdp_version;
    struct signal_section *sections;
    size_t section_count, section_capacity;
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
    SIGNAL_SUB_OFFERED, /* in a section of our offer, not yet answered */
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
    struct signal_transport *transport; /* OFFERED, ATTACHED */
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
    struct signal_room *room;       /* parent */
    uint32_t slot;                  /* index in the room's bit sets */
    struct signal_session *session; /* NULL while the line is lost */
    char sid[ID_SIZE];
    struct token_claims claims; /* identity, name, metadata, attributes, rights: the live ones */
    uint8_t state;              /* Livekit__ParticipantInfo__State */
    uint8_t disconnect_reason;
    uint32_t version;
    wall_ms joined_at;
    mono_us created_at, lost_at;
    bool is_v1, is_publisher, was_active;
    uint8_t cut_on_resume; /* simulated: 1 = before, 2 = after the first frame */
    uint8_t sdk;
    int32_t client_protocol;
    uint32_t capabilities; /* bit 1 << Capability */
    bool has_auto_subscribe, has_auto_subscribe_data, has_adaptive_stream, may_pause;

    struct signal_bits known;     /* slots of participants it has been told of */
    struct signal_frame **missed; /* departures while the line was lost */
    size_t missed_count;

    /* Updates to send about it. */
    bool is_dirty;
    mono_us dirty_due;

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
    float speaker_level;  /* smoothed */
    uint8_t speaker_step; /* 0..8, as told */
    bool is_speaking;
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
    struct signal_bits slots; /* in use */
    uint32_t participant_count;
    mono_us due; /* when signal__room_tick() has work */
    mono_us speakers_at, counts_at;
    bool has_audio_windows, has_counts_changed;
    bool is_policy_due, is_close_due; /* asked for from within a callback */
    bool is_update_due;               /* participants to be told about at the end of this call */
};

/* ---- signal.c ---- */

/* Appends a copy; counts and drops at SIGNAL_COMMANDS_MAX. */
void signal__command(struct signal *s, const struct media_command *command);
uint32_t signal__id(struct signal *s);
/* The room looks at itself at `at` at the latest. */
void signal__wake(struct signal_room *room, mono_us at);
bool signal__is_ruled(const struct signal *s, const char *room);
/* Every public call that hands something in begins and ends with these; wall 0 = not given. */
void signal__enter(struct signal *s, mono_us now, wall_ms wall);
void signal__finish(struct signal *s);

/* The first character of an ICE user fragment names the worker. */
#define SIGNAL_WORKER_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEF"
_Static_assert(sizeof(SIGNAL_WORKER_LETTERS) == SFU_WORKERS_MAX + 1, "one letter per worker");

/* ---- room.c ---- */

struct signal_room *signal__room_find(struct signal *s, const char *name);
/* Finds or makes a room; `config` (may be NULL) applies to a new one only. ERR_LIMIT,
 * ERR_MALFORMED (empty or long name), -ENOMEM. */
MUST_CHECK int signal__room_open(struct signal *s, const char *name,
                                 const Livekit__CreateRoomRequest *config,
                                 struct signal_room **ret_room);
/* Sends everyone away with `reason`, reports room_finished, frees the room. */
void signal__room_destroy(struct signal_room *room, Livekit__DisconnectReason reason,
                          Livekit__RoomEndReason end_reason);
void signal__room_fill(struct signal_room *room, Livekit__Room *ret_message);
/* New metadata (copied): room_update to all. ERR_LIMIT, -ENOMEM. */
MUST_CHECK int signal__room_set_metadata(struct signal_room *room, const char *metadata);
void signal__room_send_update(struct signal_room *room);
void signal__room_tick(struct signal_room *room);
struct signal_participant *signal__room_participant(struct signal_room *room, const char *identity);
struct signal_participant *signal__room_participant_sid(struct signal_room *room, const char *sid);
struct signal_track *signal__room_track(struct signal_room *room, const char *track_sid);

/* ---- participant.c ---- */

/* Takes over `claims` (moved out, also on failure). */
MUST_CHECK int signal__participant_create(struct signal_room *room, struct token_claims *claims,
                                          const Livekit__JoinRequest *request, bool is_v1,
                                          struct signal_participant **ret_participant);
/* Says leave to its socket (unless it left by itself), tells the others, frees it. */
void signal__participant_remove(struct signal_participant *p, Livekit__DisconnectReason reason,
                                bool is_silent);
void signal__participant_set_active(struct signal_participant *p);
/* Fills `ret_message` with pointers into `p` and into `arena`. -ENOMEM. */
MUST_CHECK int signal__participant_fill(const struct signal_participant *p,
                                        struct signal_arena *arena,
                                        Livekit__ParticipantInfo *ret_message);
struct signal_track *signal__participant_track(struct signal_participant *p, const char *sid);
/* Empty or NULL name and metadata mean unchanged; attributes are merged, "" deletes. Sends nothing:
 * call signal__changed(). ERR_LIMIT, -ENOMEM. */
MUST_CHECK int signal__participant_set_info(struct signal_participant *p, const char *name,
                                            const char *metadata, size_t attribute_count,
                                            const struct token_attribute *attributes);
/* Replaces the rights: forbidden tracks are unpublished, subscriptions looked at anew, everyone and
 * the participant are told. */
void signal__participant_set_permission(struct signal_participant *p,
                                        const Livekit__ParticipantPermission *permission);
bool signal__participant_may_publish(const struct signal_participant *p, enum signal_source source);
void signal__participant_send_token(struct signal_participant *p);

/* ---- update.c: who is told what about whom ---- */

/* Something about `p` changed: its version grows; sent at the end of the call, or within 3 s. */
void signal__changed(struct signal_participant *p, bool is_immediate);
void signal__updates_flush(struct signal_room *room);
/* True if the viewer may hear of `p` at all (hidden, policy). */
bool signal__is_visible(const struct signal_participant *viewer,
                        const struct signal_participant *p);
/* Participants that the viewer may see, and marks them as known; for join and resume. */
MUST_CHECK int signal__visible_fill(struct signal_participant *viewer, struct signal_arena *arena,
                                    size_t *ret_count, Livekit__ParticipantInfo ***ret_infos);
void signal__update_gone(struct signal_participant *p);
void signal__visibility_changed(struct signal_room *room);

/* ---- session.c ---- */

/* Queues a frame; a NULL session or frame is a no-op. */
void signal__session_push(struct signal_session *session, struct signal_frame *frame);
/* Encodes and queues for the participant; a lost line is a no-op. */
void signal__send(struct signal_participant *p, const Livekit__SignalResponse *response);
void signal__send_leave(struct signal_participant *p, Livekit__DisconnectReason reason,
                        Livekit__LeaveRequest__Action action);
/* Closes the socket after the frames that wait; the participant is no longer its. NULL is a
 * no-op. */
void signal__session_dismiss(struct signal_session *session, int close_code);
MUST_CHECK int signal__session_create(struct signal *s, struct signal_session **ret_session);
void signal__session_free(struct signal_session *session);
/* The line is gone: the participant is held for a resume; the next tick removes one that never was
 * connected. */
void signal__participant_lost(struct signal_participant *p);

/* ---- join.c, ice_servers.c ---- */

void signal__server_info(struct signal *s, Livekit__ServerInfo *ret_info);
MUST_CHECK int signal__ice_servers_fill(const struct signal_participant *p,
                                        struct signal_arena *arena, size_t *ret_count,
                                        Livekit__ICEServer ***ret_servers);

/* ---- dispatch.c ---- */

void signal__dispatch(struct signal_participant *p, const Livekit__SignalRequest *request);
void signal__send_request_response(struct signal_participant *p, uint32_t request_id,
                                   Livekit__RequestResponse__Reason reason, const char *message);

/* ---- resume.c ---- */

void signal__resume(struct signal_participant *p, struct signal_session *session);
void signal__sync_state(struct signal_participant *p, const Livekit__SyncState *state);

/* ---- transport.c ---- */

MUST_CHECK int signal__transport_create(struct signal_participant *p, bool is_offerer,
                                        struct signal_transport **ret_transport);
void signal__transport_destroy(struct signal_transport *t);
/* Fresh credentials and, once the worker knows the transport, the command. */
void signal__transport_restart(struct signal_transport *t);
/* The worker is told what the remote description says. */
void signal__transport_set_remote(struct signal_transport *t, const struct sdp_transport *remote,
                                  const struct rtp_ext_ids *exts, bool has_twcc);
void signal__transport_local(struct signal_transport *t, struct sdp_local *ret_local,
                             struct addr *candidates);
MUST_CHECK int signal__transport_add_section(struct signal_transport *t,
                                             struct signal_section **ret_section);
void signal__transport_command(struct signal_transport *t, enum media_command_kind kind);

/* ---- negotiate.c: the client offers ---- */

/* Answers; ERR_SDP_SYNTAX, ERR_SDP_UNUSABLE, … with `ret_error`: the session has to end. */
MUST_CHECK int signal__answer_offer(struct signal_participant *p,
                                    const Livekit__SessionDescription *offer,
                                    struct sdp_error *ret_error);
/* The same for a running session: what cannot be used ends it, with a message. */
void signal__handle_offer(struct signal_participant *p, const Livekit__SessionDescription *offer);
/* Copies what was agreed for one section. */
void signal__section_read(struct signal_section *section, const struct sdp_section *agreed);
/* The subscription will be sent in this section, from fresh SSRCs. */
void signal__section_assign(struct signal_transport *t, struct signal_section *section,
                            struct signal_sub *sub);
MUST_CHECK int signal__section_send(struct signal_arena *arena,
                                    const struct signal_section *section,
                                    struct sdp_send *ret_send);
/* Prints and sends with the map of mids. */
MUST_CHECK int signal__send_description(struct signal_transport *t, const struct sdp_session *sdp,
                                        uint32_t id, bool is_offer);
void signal__unusable_sdp(struct signal_participant *p, const struct sdp_error *error);

/* ---- ask.c, offer.c: getting a new description agreed ---- */

void signal__negotiation_due(struct signal_participant *p);
/* Sends media_sections_requirement or our offer if one is due. False when that took too long and
 * the participant was removed. */
bool signal__negotiate(struct signal_participant *p);
void signal__negotiate_asking(struct signal_participant *p);
void signal__negotiate_offering(struct signal_participant *p);
void signal__handle_answer(struct signal_participant *p, const Livekit__SessionDescription *answer);
/* A section that can carry the subscription now, or NULL. */
struct signal_section *signal__free_section(struct signal_transport *t, uint8_t kind);

/* ---- publication.c, track_info.c ---- */

void signal__add_track(struct signal_participant *p, const Livekit__AddTrackRequest *request);
struct signal_track *signal__match_track(struct signal_participant *p, const char *cid,
                                         uint8_t kind);
/* Binds a track to a section that the client sends in, or refreshes it after an answer. */
MUST_CHECK bool signal__track_bind(struct signal_track *track, struct signal_transport *t,
                                   size_t section); /* true: others do not know it yet */
/* The publication ends: subscriptions, section, worker; frees it. Call signal__changed(). */
void signal__track_remove(struct signal_track *track);
/* Others hear of it: update, webhook. Reconcile it after the update was flushed. */
void signal__track_announce(struct signal_track *track);
/* The encoding that arrives is not the one that stands first in the answer. */
void signal__track_set_codec(struct signal_track *track, uint8_t codec);
/* The command for every worker that has the track. */
void signal__track_command(struct signal_track *track, enum media_command_kind kind,
                           uint8_t worker);
void signal__track_set_muted(struct signal_track *track, bool is_muted, bool is_by_server);
/* Looks whether anybody may receive it, and tells the worker when that changed. */
void signal__track_update_block(struct signal_track *track);
MUST_CHECK int signal__track_fill(const struct signal_track *track, struct signal_arena *arena,
                                  Livekit__TrackInfo *ret_message);
void signal__handle_audio_features(struct signal_participant *p,
                                   const Livekit__UpdateLocalAudioTrack *request);
void signal__handle_video_size(struct signal_participant *p,
                               const Livekit__UpdateLocalVideoTrack *request);

/* ---- layers.c ---- */

/* The spatial layer that a subscription should get now: 0..2 or SFU_LAYER_NONE. */
int8_t signal__layer_for(const struct signal_sub *sub);
uint8_t signal__temporal_for(const struct signal_sub *sub);
/* "vp8", "opus", …; "" for NONE. */
const char *signal__codec_short(uint8_t codec);
/* What all subscriptions of a track want at most. */
int8_t signal__track_wanted(const struct signal_track *track);
void signal__dynacast_update(struct signal_track *track);
void signal__dynacast_tick(struct signal_track *track);

/* ---- subscription.c ---- */

/* Brings one pair, or all pairs of a participant or a track, to what they should be. */
void signal__reconcile(struct signal_participant *viewer, struct signal_track *track);
void signal__reconcile_viewer(struct signal_participant *viewer);
void signal__reconcile_track(struct signal_track *track);
void signal__reconcile_room(struct signal_room *room);
struct signal_sub *signal__sub_find(struct signal_participant *viewer,
                                    const struct signal_track *track);
/* Sections, worker and publisher learn that it flows. */
void signal__sub_attach(struct signal_sub *sub);
void signal__sub_detach(struct signal_sub *sub);
/* The client cannot take it: subscription_response, no further try. */
void signal__sub_refuse(struct signal_sub *sub);
void signal__send_subscription_error(struct signal_participant *p, const char *track_sid,
                                     Livekit__SubscriptionError error);
void signal__sub_free(struct signal_sub *sub);
void signal__sub_update_target(struct signal_sub *sub);
void signal__set_wish(struct signal_participant *p, const char *track_sid, bool is_subscribe);
void signal__update_subscription(struct signal_participant *p,
                                 const Livekit__UpdateSubscription *request);
void signal__track_settings(struct signal_participant *p,
                            const Livekit__UpdateTrackSettings *request);
/* The highest layer that the room's rules give; everything without rules. */
int signal__policy_layer(const struct signal_participant *viewer, const struct signal_track *track);

/* ---- permission.c ---- */

void signal__set_subscription_permission(struct signal_participant *p,
                                         const Livekit__SubscriptionPermission *request);
bool signal__is_permitted(const struct signal_participant *viewer,
                          const struct signal_track *track);
void signal__permissions_free(struct signal_participant *p);

/* ---- speakers.c, quality.c, events.c, simulate.c ---- */

void signal__speakers_tick(struct signal_room *room);
void signal__handle_quality(struct signal_participant *p, const struct sfu_event *event);
void signal__quality_lost(struct signal_participant *p);
void signal__simulate(struct signal_participant *p, const Livekit__SimulateScenario *scenario);

/* ---- data.c, data_track.c, data_channel.c ---- */

enum signal_label {
    SIGNAL_LABEL_RELIABLE,
    SIGNAL_LABEL_LOSSY,
    SIGNAL_LABEL_TRACK,
    SIGNAL_LABEL_COUNT_
};

MUST_CHECK int signal__dc_create(struct signal_transport *t, struct signal_dc **ret_dc);
void signal__dc_destroy(struct signal_dc *dc);
/* DTLS is up. */
void signal__dc_connected(struct signal_dc *dc);
void signal__dc_handle_sctp(struct signal_dc *dc, const uint8_t *data, size_t size);
/* ERR_STATE while the channel is not open; ERR_LIMIT when its queue is full. */
MUST_CHECK int signal__dc_send(struct signal_dc *dc, enum signal_label label, const uint8_t *data,
                               size_t size);
bool signal__dc_is_open(const struct signal_dc *dc, enum signal_label label);
/* All of them: at the end of each call, and by the timer. */
MUST_CHECK int signal__dcs_init(struct signal *s);
void signal__dcs_fini(struct signal *s);
void signal__dcs_finish(struct signal *s);
void signal__dcs_tick(struct signal *s);

/* A message from a client's channel. */
void signal__data_receive(struct signal_participant *p, enum signal_label label,
                          const uint8_t *data, size_t size);
/* A DataPacket of the server itself, to `identities` or, with none, to all. */
void signal__data_send(struct signal_room *room, bool is_reliable, const uint8_t *packet,
                       size_t size);
void signal__data_flush(struct signal_participant *p);
void signal__data_replay(struct signal_participant *p, size_t count,
                         Livekit__DataChannelReceiveState **states);
void signal__data_fini(struct signal_participant *p);
void signal__data_tick(struct signal_participant *p);

void signal__data_track_publish(struct signal_participant *p,
                                const Livekit__PublishDataTrackRequest *request);
void signal__data_track_unpublish(struct signal_participant *p, uint32_t handle);
void signal__data_track_fill(const struct signal_data_track *track,
                             Livekit__DataTrackInfo *ret_message);
void signal__data_subscribe(struct signal_participant *p,
                            const Livekit__UpdateDataSubscription *request);
/* The full map of its handles. */
void signal__data_tracks_tell(struct signal_participant *viewer);
void signal__data_auto_subscribe(struct signal_participant *viewer);
void signal__data_track_packet(struct signal_participant *p, const uint8_t *data, size_t size);
void signal__data_tracks_free(struct signal_participant *p);
void signal__data_subs_free(struct signal_participant *p);

/* ---- webhook.c ---- */

/* Queues an event; participant and track may be NULL. */
void signal__webhook(struct signal_room *room, const char *event,
                     const struct signal_participant *p, const struct signal_track *track,
                     Livekit__RoomEndReason end_reason);

/* ---- roomservice.c ---- */

/* The room admin's wish for a participant's subscriptions is the same as its own:
 * signal__update_subscription(). */

#endif
