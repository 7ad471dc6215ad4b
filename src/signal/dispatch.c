/* What each request from a client does: one row per message. */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <string.h>

void signal__send_request_response(struct signal_participant *p, uint32_t request_id,
                                   Livekit__RequestResponse__Reason reason, const char *message)
{
    Livekit__RequestResponse body = LIVEKIT__REQUEST_RESPONSE__INIT;
    body.request_id = request_id;
    body.reason = reason;
    body.message = (char *)(uintptr_t)message;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE;
    response.request_response = &body;
    signal__send(p, &response);
}

static void on_offer(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__handle_offer(p, r->offer);
}

static void on_answer(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__handle_answer(p, r->answer);
}

/* We are ICE-lite: addresses are learned from authenticated checks, never from candidates. */
static void on_trickle(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    (void)p;
    (void)r;
}

static void on_add_track(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__add_track(p, r->add_track);
}

static void on_mute(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    struct signal_track *track = signal__participant_track(p, r->mute->sid);
    if (track != NULL)
        signal__track_set_muted(track, r->mute->muted, false);
}

static void on_subscription(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__update_subscription(p, r->subscription);
}

static void on_track_setting(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__track_settings(p, r->track_setting);
}

static void on_leave(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    (void)r;
    signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED, false);
}

static void on_permission(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__set_subscription_permission(p, r->subscription_permission);
}

static void on_sync_state(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__sync_state(p, r->sync_state);
}

static void on_simulate(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__simulate(p, r->simulate);
}

static void on_ping(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    (void)r;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG;
    response.pong = p->room->signal->wall;
    signal__send(p, &response);
}

static void on_ping_req(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    Livekit__Pong pong = LIVEKIT__PONG__INIT;
    pong.last_ping_timestamp = r->ping_req->timestamp;
    pong.timestamp = p->room->signal->wall;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP;
    response.pong_resp = &pong;
    signal__send(p, &response);
}

static void on_metadata(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    const Livekit__UpdateParticipantMetadata *m = r->update_metadata;
    if (!p->claims.can_update_own_metadata) {
        signal__send_request_response(p, m->request_id,
                                      LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED,
                                      "does not have permission to update own metadata");
        return;
    }
    struct signal_arena arena = {0};
    struct token_attribute *attributes =
        signal__arena_alloc(&arena, (m->n_attributes + 1) * sizeof(*attributes));
    for (size_t i = 0; attributes != NULL && i < m->n_attributes; i++)
        attributes[i] = (struct token_attribute){m->attributes[i]->key, m->attributes[i]->value};
    int err = attributes != NULL ? signal__participant_set_info(p, m->name, m->metadata,
                                                                m->n_attributes, attributes)
                                 : ERR_LIMIT;
    signal__arena_fini(&arena);
    if (err < 0) {
        p->room->signal->stats.over_limit++;
        signal__send_request_response(p, m->request_id,
                                      LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED,
                                      "metadata, name or attributes are too long");
        return;
    }
    signal__send_request_response(p, m->request_id, LIVEKIT__REQUEST_RESPONSE__REASON__OK, "");
    signal__changed(p, true);
    signal__participant_send_token(p);
}

static void on_audio_track(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__handle_audio_features(p, r->update_audio_track);
}

static void on_video_track(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__handle_video_size(p, r->update_video_track);
}

static void on_publish_data(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__data_track_publish(p, r->publish_data_track_request);
}

static void on_unpublish_data(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__data_track_unpublish(p, r->unpublish_data_track_request->pub_handle);
}

static void on_data_subscription(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__data_subscribe(p, r->update_data_subscription);
}

static void on_store_blob(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__send_request_response(p, r->store_data_blob_request->request_id,
                                  LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED,
                                  "data blobs are not kept here");
}

static void on_get_blob(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    signal__send_request_response(p, r->get_data_blob_request->request_id,
                                  LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED,
                                  "data blobs are not kept here");
}

/* Deprecated: says what the SDP and the settings say better. */
static void on_update_layers(struct signal_participant *p, const Livekit__SignalRequest *r)
{
    (void)p;
    (void)r;
}

#define ROW(name, handler)                               \
    {                                                    \
        LIVEKIT__SIGNAL_REQUEST__MESSAGE_##name, handler \
    }

static const struct {
    Livekit__SignalRequest__MessageCase type;
    void (*handle)(struct signal_participant *p, const Livekit__SignalRequest *request);
} rows[] = {
    ROW(OFFER, on_offer),
    ROW(ANSWER, on_answer),
    ROW(TRICKLE, on_trickle),
    ROW(ADD_TRACK, on_add_track),
    ROW(MUTE, on_mute),
    ROW(SUBSCRIPTION, on_subscription),
    ROW(TRACK_SETTING, on_track_setting),
    ROW(LEAVE, on_leave),
    ROW(UPDATE_LAYERS, on_update_layers),
    ROW(SUBSCRIPTION_PERMISSION, on_permission),
    ROW(SYNC_STATE, on_sync_state),
    ROW(SIMULATE, on_simulate),
    ROW(PING, on_ping),
    ROW(PING_REQ, on_ping_req),
    ROW(UPDATE_METADATA, on_metadata),
    ROW(UPDATE_AUDIO_TRACK, on_audio_track),
    ROW(UPDATE_VIDEO_TRACK, on_video_track),
    ROW(PUBLISH_DATA_TRACK_REQUEST, on_publish_data),
    ROW(UNPUBLISH_DATA_TRACK_REQUEST, on_unpublish_data),
    ROW(UPDATE_DATA_SUBSCRIPTION, on_data_subscription),
    ROW(STORE_DATA_BLOB_REQUEST, on_store_blob),
    ROW(GET_DATA_BLOB_REQUEST, on_get_blob),
};

void signal__dispatch(struct signal_participant *p, const Livekit__SignalRequest *request)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].type == request->message_case) {
            rows[i].handle(p, request);
            return;
        }
    }
    p->room->signal->stats.malformed++; /* empty, or newer than we are */
}
