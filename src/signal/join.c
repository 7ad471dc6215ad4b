/* Joining: the checks that validate and join share, admission, and the first frames. */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/admission_internal.h"
#include "signal/join_params.h"
#include "signal/pbjson.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_PROTOCOL 17

int join__refuse(struct joining *j, int err, int status, const char *reason)
{
    j->status = status;
    snprintf(j->reason, sizeof(j->reason), "%s", reason);
    return err;
}

int join__check_token(struct signal *s, const struct signal_join_request *request, wall_ms wall,
                      struct joining *j)
{
    char *token;
    int err = join_params_token(request, &token);
    if (err < 0)
        return join__refuse(j, err, err_http_status(err), err_text(err));
    err = token_verify(s->config.keys, s->config.key_count, token, wall, &j->claims);
    free(token);
    if (err < 0)
        return join__refuse(j, err, err_http_status(err), err_text(err));
    j->has_claims = true;
    const struct signal_grants *g = &j->claims.grants;
    if (!g->room_join)
        return join__refuse(j, ERR_NOT_ALLOWED, 401, "no permissions to access the room");
    if (g->identity[0] == '\0')
        return join__refuse(j, ERR_MALFORMED, 400, "identity cannot be empty");
    if (g->room[0] == '\0')
        return join__refuse(j, ERR_MALFORMED, 400, "room name cannot be empty");
    return 0;
}

/* A legacy publish-only companion: "identity#suffix". */
static int append_suffix(char identity[SIGNAL_TEXT_MAX], const char *suffix)
{
    size_t used = strlen(identity), more = strlen(suffix);
    if (used + 1 + more >= SIGNAL_TEXT_MAX)
        return ERR_LIMIT;
    identity[used] = '#';
    memcpy(identity + used + 1, suffix, more + 1);
    return 0;
}

static int check_params(const struct signal_join_request *request, struct joining *j)
{
    const char *reason = "malformed join request";
    int err = join_params_parse(request, &j->params, &reason);
    if (err < 0)
        return join__refuse(j, err, err == -ENOMEM ? 503 : 400, reason);
    j->has_params = true;
    const Livekit__JoinRequest *r = j->params.request;
    bool has_texts = r->metadata[0] != '\0' || r->n_participant_attributes > 0;
    if (has_texts && !j->claims.can_update_own_metadata)
        return join__refuse(j, ERR_NOT_ALLOWED, 401, "permissions denied");
    if (j->params.publish[0] == '\0')
        return 0;
    if (!j->claims.grants.can_publish)
        return join__refuse(j, ERR_NOT_ALLOWED, 401, "permissions denied");
    return append_suffix(j->claims.grants.identity, j->params.publish) == 0
               ? 0
               : join__refuse(j, ERR_LIMIT, 400, "identity is too long");
}

static uint32_t counted(const struct signal_room *room)
{
    uint32_t count = 0;
    LIST_FOR_EACH(it, &room->participants)
    {
        const struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        count += p->claims.kind != LIVEKIT__PARTICIPANT_INFO__KIND__AGENT &&
                 p->claims.kind != LIVEKIT__PARTICIPANT_INFO__KIND__EGRESS;
    }
    return count;
}

static bool is_full(struct signal_room *room, const char *identity)
{
    if (signal__room_participant(room, identity) != NULL)
        return false; /* takes its own place */
    return (room->participant_count_max > 0 && counted(room) >= room->participant_count_max) ||
           room->participant_count >= SIGNAL_PARTICIPANTS_MAX;
}

static int check_policy(struct signal *s, struct joining *j)
{
    const struct signal_grants *g = &j->claims.grants;
    if (s->policy.on_join == NULL)
        return 0;
    bool is_ruled = signal__is_ruled(s, g->room);
    if (!is_ruled && g->lesson_id[0] != '\0') /* else it would be in a room without rules */
        return join__refuse(j, ERR_ROOM_NOT_FOUND, 404, "there is no such lesson");
    if (!is_ruled)
        return 0;
    int err = s->policy.on_join(s->policy.user, g);
    if (err == ERR_NOT_FOUND || err == ERR_ROOM_NOT_FOUND)
        return join__refuse(j, ERR_ROOM_NOT_FOUND, 404, err_text(ERR_ROOM_NOT_FOUND));
    if (err < 0)
        return join__refuse(j, err, err == ERR_CLOSED ? 403 : err_http_status(err), err_text(err));
    return 0;
}

int join__check_room(struct signal *s, struct joining *j)
{
    const struct signal_grants *g = &j->claims.grants;
    /* Before the policy, which takes note of who comes. A resume takes a place that is held. */
    bool is_resume = j->has_params && j->params.request->reconnect;
    int err = is_resume ? 0 : signal_admit_participant(s, g->room, g->identity);
    if (err < 0)
        return join__refuse(j, err, err_http_status(err), err_text(err));
    err = check_policy(s, j);
    if (err < 0)
        return err;
    struct signal_room *room = signal__room_find(s, g->room);
    if (room == NULL && !s->config.is_auto_create)
        return join__refuse(j, ERR_ROOM_NOT_FOUND, 404, err_text(ERR_ROOM_NOT_FOUND));
    if (room == NULL && s->rooms.count >= s->config.room_count_max)
        return join__refuse(j, ERR_LIMIT, 503, "limit of rooms reached");
    if (room != NULL && is_full(room, g->identity))
        return join__refuse(j, ERR_ROOM_FULL, 500, err_text(ERR_ROOM_FULL));
    return 0;
}

static int check(struct signal *s, const struct signal_join_request *request, wall_ms wall,
                 struct joining *j)
{
    int err = join__check_token(s, request, wall, j);
    if (err < 0)
        return err;
    err = check_params(request, j);
    if (err < 0)
        return err;
    return join__check_room(s, j);
}

void joining_fini(struct joining *j)
{
    if (j->has_params)
        join_params_fini(&j->params);
    if (j->has_claims)
        token_claims_fini(&j->claims);
}

void join__fill_reply(struct signal_reply *reply, int status, const char *text)
{
    *reply = (struct signal_reply){
        .status = status, .content_type = "text/plain; charset=utf-8", .body = strdup(text)};
    reply->size = reply->body != NULL ? strlen(reply->body) : 0;
}

void signal_validate(struct signal *s, const struct signal_join_request *request, wall_ms wall,
                     struct signal_reply *ret_reply)
{
    struct joining j = {0};
    if (check(s, request, wall, &j) < 0)
        join__fill_reply(ret_reply, j.status, j.reason);
    else
        join__fill_reply(ret_reply, 200, "success");
    joining_fini(&j);
}

static int fill_codecs(struct signal_arena *arena, Livekit__JoinResponse *join)
{
    /* The first is the one that clients prefer. */
    static const char *const mimes[] = {"video/VP8",  "video/H264", "video/VP9",
                                        "video/AV1",  "audio/opus", "audio/red",
                                        "audio/PCMU", "audio/PCMA", "audio/G722"};
    join->enabled_publish_codecs =
        signal__arena_alloc(arena, ARRAY_COUNT(mimes) * sizeof(Livekit__Codec *));
    Livekit__Codec *codecs = signal__arena_alloc(arena, ARRAY_COUNT(mimes) * sizeof(*codecs));
    if (join->enabled_publish_codecs == NULL || codecs == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_COUNT(mimes); i++) {
        livekit__codec__init(&codecs[i]);
        codecs[i].mime = (char *)(uintptr_t)mimes[i];
        join->enabled_publish_codecs[i] = &codecs[i];
    }
    join->n_enabled_publish_codecs = ARRAY_COUNT(mimes);
    return 0;
}

void signal__server_info(struct signal *s, Livekit__ServerInfo *ret_info)
{
    livekit__server_info__init(ret_info);
    ret_info->version = s->config.version;
    ret_info->protocol = SERVER_PROTOCOL;
    ret_info->node_id = (char *)(uintptr_t) "ND_tongke";
}

static int send_join(struct signal_participant *p)
{
    struct signal *s = p->room->signal;
    struct signal_arena arena = {0};
    Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
    Livekit__Room room;
    Livekit__ParticipantInfo self;
    Livekit__ServerInfo info;
    signal__room_fill(p->room, &room);
    signal__server_info(s, &info);
    join.room = &room;
    join.participant = &self;
    join.server_info = &info;
    Livekit__ClientConfiguration client;
    signal__way_fill(p, &client, &join.client_configuration);
    join.server_version = info.version;
    join.subscriber_primary = !p->is_v1;
    bool is_one_of_many = p->room->participant_count > SIGNAL_PING_ROOM;
    join.ping_interval = is_one_of_many ? SIGNAL_PING_MANY_S : SIGNAL_PING_INTERVAL_S;
    join.ping_timeout = is_one_of_many ? SIGNAL_PING_MANY_TIMEOUT : SIGNAL_PING_TIMEOUT_S;
    int err = signal__participant_fill(p, &arena, &self);
    if (err == 0)
        err = signal__visible_fill(p, &arena, &join.n_other_participants, &join.other_participants);
    if (err == 0)
        err = signal__ice_servers_fill(p, &arena, &join.n_ice_servers, &join.ice_servers);
    if (err == 0)
        err = fill_codecs(&arena, &join);
    if (err == 0) {
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN;
        response.join = &join;
        signal__send(p, &response);
    }
    signal__arena_fini(&arena);
    return err;
}

/* What follows the join frame: announced tracks, the first description, a fresh token. */
static int start(struct signal_participant *p, const Livekit__JoinRequest *request,
                 struct joining *j)
{
    p->state = LIVEKIT__PARTICIPANT_INFO__STATE__JOINED;
    int err = send_join(p);
    if (err < 0)
        return join__refuse(j, err, 503, err_text(err));
    for (size_t i = 0; i < request->n_add_track_requests; i++)
        signal__add_track(p, request->add_track_requests[i]);
    p->takes_tracks = true;
    signal__reconcile_viewer(p);
    if (request->publisher_offer != NULL) {
        struct sdp_error error = {0};
        err = signal__answer_offer(p, request->publisher_offer, &error);
        if (err < 0)
            return join__refuse(j, err, 400, error.text[0] != '\0' ? error.text : err_text(err));
    }
    signal__participant_send_token(p);
    if (!p->is_v1)
        signal__negotiate_offering(p);
    signal__changed(p, false);
    return 0;
}

static void evict(struct signal_room *room, const char *identity)
{
    struct signal_participant *old = signal__room_participant(room, identity);
    if (old != NULL)
        signal__participant_remove(old, LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY, true);
}

static int apply_room_config(struct signal *s, struct joining *j, struct signal_room **ret_room)
{
    Livekit__CreateRoomRequest config = LIVEKIT__CREATE_ROOM_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    if (j->claims.room_config != NULL &&
        pbjson_parse(&livekit__room_configuration__descriptor, j->claims.room_config,
                     strlen(j->claims.room_config), &message) < 0)
        message = NULL; /* a token with a configuration that we cannot read still joins */
    const Livekit__RoomConfiguration *own = (const Livekit__RoomConfiguration *)message;
    config.max_participants = s->config.participant_count_max;
    if (own != NULL) {
        config.empty_timeout = own->empty_timeout;
        config.departure_timeout = own->departure_timeout;
        config.metadata = own->metadata;
        if (own->max_participants > 0)
            config.max_participants = own->max_participants;
    }
    int err = signal__room_open(s, j->claims.grants.room, &config, ret_room);
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, NULL);
    return err;
}

int join__make_participant(struct signal *s, struct joining *j, const Livekit__JoinRequest *request,
                           bool is_v1, struct signal_participant **ret_participant)
{
    struct signal_room *room;
    int err = apply_room_config(s, j, &room);
    if (err < 0)
        return join__refuse(j, err, 503, err_text(err));
    evict(room, j->claims.grants.identity);
    j->has_claims = false; /* moved into the participant, or freed */
    err = signal__participant_create(room, &j->claims, request, is_v1, ret_participant);
    if (err < 0)
        return join__refuse(j, err, err == ERR_LIMIT ? 400 : 503, err_text(err));
    return 0;
}

static int admit(struct signal *s, struct joining *j, struct signal_session *session)
{
    struct signal_participant *p;
    int err = join__make_participant(s, j, j->params.request, j->params.is_single_pc, &p);
    if (err < 0)
        return err;
    p->session = session;
    session->participant = p;
    err = start(p, j->params.request, j);
    if (err < 0) {
        /* The session goes back to the caller, unused. */
        p->session = NULL;
        session->participant = NULL;
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE, true);
        return err;
    }
    s->stats.joins++;
    return 0;
}

/* A resume of a participant that is still held, or word that it is not. */
static void resume(struct signal *s, struct joining *j, struct signal_session *session)
{
    const struct signal_grants *g = &j->claims.grants;
    struct signal_room *room = signal__room_find(s, g->room);
    struct signal_participant *p =
        room != NULL ? signal__room_participant(room, g->identity) : NULL;
    if (p != NULL && strcmp(p->sid, j->params.request->participant_sid) == 0) {
        signal__resume(p, session);
        if (j->params.request->sync_state != NULL)
            signal__sync_state(p, j->params.request->sync_state);
        return;
    }
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    leave.reason = LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH;
    leave.action = LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT;
    leave.can_reconnect = true;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE;
    response.leave = &leave;
    struct signal_frame *frame = signal__frame_pack(&response);
    signal__session_push(session, frame);
    signal__frame_unref(frame);
    signal__session_dismiss(session, 1000);
}

int signal_session_open(struct signal *s, const struct signal_join_request *request, mono_us now,
                        wall_ms wall, struct signal_session **ret_session,
                        struct signal_reply *ret_reply)
{
    struct joining j = {0};
    struct signal_session *session = NULL;
    signal__enter(s, now, wall);
    int err = check(s, request, wall, &j);
    if (err == 0 || (j.has_params && err == ERR_ROOM_NOT_FOUND && j.params.request->reconnect)) {
        err = signal__session_create(s, &session);
        if (err < 0)
            err = join__refuse(&j, err, 503, err_text(err));
        else if (j.params.request->reconnect)
            resume(s, &j, session);
        else
            err = admit(s, &j, session);
    }
    if (err < 0) {
        s->stats.refused++;
        join__fill_reply(ret_reply, j.status, j.reason);
        if (session != NULL)
            signal__session_free(session);
    } else {
        *ret_session = session;
    }
    joining_fini(&j);
    signal__finish(s);
    return err;
}
