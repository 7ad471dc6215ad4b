#ifndef TK_SIGNAL_SIGNAL_INTERNAL_H
#define TK_SIGNAL_SIGNAL_INTERNAL_H

/*
 * What the files of signalling do for each other, over the state of state_internal.h. Nothing here
 * may be called from outside the module. Control thread only.
 */

#include "signal/state_internal.h"
#include "signal/whip_internal.h"

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

/* ---- admission.c ---- */

/* As signal_admit_room() and …_participant(), which also count. */
MUST_CHECK int signal__admit_room(const struct signal *s, const char *room);
MUST_CHECK int signal__admit_participant(const struct signal *s, const char *room,
                                         const char *identity);

/* ---- way.c ---- */

enum signal_way { SIGNAL_WAY_ANY, SIGNAL_WAY_TCP, SIGNAL_WAY_TLS, SIGNAL_WAY_COUNT_ };

/* From now on the identity may come back however full the server is. */
void signal__remember_member(struct signal_room *room, const char *identity);
/* From its next description on. */
void signal__set_way(struct signal_participant *p, enum signal_way way);
enum signal_way signal__way_of(const struct signal_participant *p);
/* Tells the client to use the relay only, where that is its way; else leaves `ret_place` alone. */
void signal__way_fill(const struct signal_participant *p, Livekit__ClientConfiguration *ret_message,
                      Livekit__ClientConfiguration **ret_place);
/* The addresses it is told of; SIGNAL_CANDIDATES_MAX at most. */
size_t signal__way_candidates(const struct signal_participant *p, uint8_t worker,
                              struct addr *candidates);

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
/* Everyone is told how many are in the room, at most each SIGNAL_ROOM_COUNTS_US. */
void signal__room_counts_changed(struct signal_room *room);
void signal__room_tick(struct signal_room *room);
struct signal_participant *signal__room_participant(struct signal_room *room, const char *identity);
struct signal_participant *signal__room_participant_sid(struct signal_room *room, const char *sid);
struct signal_track *signal__room_track(struct signal_room *room, const char *track_sid);

/* ---- due.c ---- */

/* The participant has something to do at `at`, a tick (SIGNAL_TICK_US) later at the most. */
void signal__participant_due(struct signal_participant *p, mono_us at);
/* All those for whom something is due. */
void signal__participants_tick(struct signal_room *room);

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
/* What a token and the room's rules allow, before there is a participant; `ruled_room` NULL: a room
 * without rules. */
bool signal__may_publish(const struct signal *s, const struct token_claims *claims,
                         const char *ruled_room, enum signal_source source);
bool signal__participant_may_publish(const struct signal_participant *p, enum signal_source source);
void signal__participant_send_token(struct signal_participant *p);

/* ---- update.c: who is told what about whom ---- */

/* Something about `p` changed: its version grows; sent at the end of the call, or a little later.
 */
void signal__changed(struct signal_participant *p, bool is_immediate);
void signal__updates_flush(struct signal_room *room);
/* True if the viewer may hear of `p` at all (hidden, policy). */
bool signal__is_visible(const struct signal_participant *viewer,
                        const struct signal_participant *p);
/* Participants that the viewer may see, and marks them as known; for join and resume. */
MUST_CHECK int signal__visible_fill(struct signal_participant *viewer, struct signal_arena *arena,
                                    size_t *ret_count, Livekit__ParticipantInfo ***ret_infos);
/* The same for a client that is told nothing: they only count as known. -ENOMEM. */
MUST_CHECK int signal__visible_mark(struct signal_participant *viewer);
void signal__update_gone(struct signal_participant *p);
void signal__visibility_changed(struct signal_room *room);
/* The same for one participant: who sees it, and whom it sees. */
void signal__visibility_of(struct signal_participant *p);

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
/* The same once more, after a change of t->remote. */
void signal__transport_send_remote(struct signal_transport *t);
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
MUST_CHECK int signal__answer_parsed(struct signal_participant *p, const struct sdp_session *offer,
                                     uint32_t id, struct sdp_error *ret_error);
/* The same for a running session: what cannot be used ends it, with a message. */
void signal__handle_offer(struct signal_participant *p, const Livekit__SessionDescription *offer);
/* Copies what was agreed for one section. */
void signal__section_read(struct signal_section *section, const struct sdp_section *agreed);
/* SSRCs that this connection has never used, and never will again for another section. */
void signal__section_make_ssrcs(struct signal_transport *t, struct signal_section *section);
/* The subscription will be sent in this section, from fresh SSRCs unless a WHEP answer has named
 * them. */
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
/* When what the client owes us is no longer waited for; MONO_NEVER: it owes nothing. */
mono_us signal__patience_due(const struct signal_participant *p);
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
/* The same after the rules for one viewer changed: a question or two instead of one per member. */
void signal__track_receiver_changed(struct signal_track *track,
                                    const struct signal_participant *viewer);
/* `p` is leaving: tracks that flowed for it alone are blocked. */
void signal__receiver_gone(const struct signal_participant *p);
MUST_CHECK int signal__track_fill(const struct signal_track *track, struct signal_arena *arena,
                                  Livekit__TrackInfo *ret_message);
void signal__handle_audio_features(struct signal_participant *p,
                                   const Livekit__UpdateLocalAudioTrack *request);
void signal__handle_video_size(struct signal_participant *p,
                               const Livekit__UpdateLocalVideoTrack *request);

/* ---- backup.c ---- */

/* Remembers the codec that could be sent besides the first. */
void signal__backup_announce(struct signal_track *track, const Livekit__AddTrackRequest *request);
/* Asks the publisher for the backup codec; false if there is none. */
bool signal__backup_ask(struct signal_track *track);
/* The request that answers it; NULL if it does not. */
struct signal_track *signal__backup_add(struct signal_participant *p,
                                        const Livekit__AddTrackRequest *request);
/* The track whose backup comes under `cid`, taken out of its old section; NULL if none. */
struct signal_track *signal__backup_match(struct signal_participant *p, const char *cid);
/* Once bound: true if it has just moved; its viewers have to be reconciled. */
bool signal__backup_arrived(struct signal_track *track);

/* ---- layers.c ---- */

/* From "vp8" or "video/VP8"; NONE unless it is video that we carry. */
uint8_t signal__codec_from_text(const char *text);
/* What the publisher should send, at once. */
void signal__dynacast_tell(struct signal_track *track, int8_t wanted);

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
/* Its section is agreed: it flows now, or when the connection is up for the first time. */
void signal__sub_agreed(struct signal_sub *sub);
void signal__subs_attach_agreed(struct signal_transport *t);
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

/* Something was heard of the participant: it is followed until it has been silent for a while. */
void signal__speakers_heard(struct signal_participant *p);
/* A window of an audio track. */
void signal__speakers_window(struct signal_track *track, uint8_t level_dbov,
                             uint8_t active_percent);
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
/* When signal__data_tick() has work; MONO_NEVER: nothing is kept. */
mono_us signal__data_due(const struct signal_participant *p);

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
