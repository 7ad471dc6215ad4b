/* LiveKit's signalling messages as a client: one table row for each that we act on. */
#include "base/err.h"
#include "base/strbuf.h"
#include "client/client_internal.h"
#include "signal/join_params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL_VERSION 17

/* Generated structs want plain char pointers for texts that they do not change. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* ---- out ---- */

void client__send_request(struct client *c, const Livekit__SignalRequest *request)
{
    size_t size = livekit__signal_request__get_packed_size(request);
    uint8_t *packed = malloc(size > 0 ? size : 1);
    if (packed == NULL)
        return;
    livekit__signal_request__pack(request, packed);
    IGNORE(client__ws_send(&c->ws, packed, size)); /* a lost socket is noticed by its closing */
    free(packed);
}

void client__send_offer(struct client *c, const char *sdp)
{
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    offer.type = text_of("offer");
    offer.sdp = text_of(sdp);
    offer.id = c->offer_id;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER;
    request.offer = &offer;
    client__send_request(c, &request);
}

void client__send_add_track(struct client *c, const struct client_track *t)
{
    Livekit__AddTrackRequest add = LIVEKIT__ADD_TRACK_REQUEST__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__VideoLayer layers[RTP_LAYERS_MAX];
    Livekit__VideoLayer *pointers[RTP_LAYERS_MAX];
    bool is_video = t->config.kind == RTP_KIND_VIDEO;
    for (uint8_t i = 0; i < t->layer_count; i++) {
        livekit__video_layer__init(&layers[i]);
        unsigned shift = (unsigned)(t->layer_count - 1 - i);
        layers[i].quality =
            t->layer_count == 1 ? LIVEKIT__VIDEO_QUALITY__HIGH : (Livekit__VideoQuality)i;
        layers[i].width = (uint32_t)t->config.width >> shift;
        layers[i].height = (uint32_t)t->config.height >> shift;
        layers[i].bitrate = t->config.bitrate_bps >> (2 * shift);
        layers[i].rid = text_of(t->layers[i].rid);
        pointers[i] = &layers[i];
    }
    add.cid = text_of(t->cid);
    add.name = text_of(t->name);
    add.type = is_video ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    add.source = (Livekit__TrackSource)t->config.source;
    add.muted = t->is_muted;
    add.disable_red = true; /* a file's sound comes without gaps */
    add.stereo = t->config.is_stereo;
    if (is_video) {
        add.width = t->config.width;
        add.height = t->config.height;
        add.n_layers = t->layer_count;
        add.layers = pointers;
    }
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
    request.add_track = &add;
    client__send_request(c, &request);
}

void client__send_leave(struct client *c)
{
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    leave.reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    request.leave = &leave;
    client__send_request(c, &request);
}

void client__send_ping(struct client *c, mono_us now)
{
    Livekit__Ping ping = LIVEKIT__PING__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    ping.timestamp = wall_now();
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ;
    request.ping_req = &ping;
    client__send_request(c, &request);
    c->ping_at = now + c->ping_interval;
}

/* What the server has to know again after a resume. */
static void send_sync_state(struct client *c)
{
    Livekit__SyncState sync = LIVEKIT__SYNC_STATE__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__UpdateSubscription subscription = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    Livekit__TrackPublishedResponse published[CLIENT_TRACKS_MAX];
    Livekit__TrackPublishedResponse *pointers[CLIENT_TRACKS_MAX];
    Livekit__TrackInfo infos[CLIENT_TRACKS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < CLIENT_TRACKS_MAX; i++) {
        const struct client_track *t = &c->tracks[i];
        if (!t->is_used || t->is_stopped || t->sid[0] == '\0')
            continue;
        livekit__track_published_response__init(&published[count]);
        livekit__track_info__init(&infos[count]);
        infos[count].sid = text_of(t->sid);
        published[count].cid = text_of(t->cid);
        published[count].track = &infos[count];
        pointers[count] = &published[count];
        count++;
    }
    subscription.subscribe = !c->config.has_auto_subscribe;
    sync.subscription = &subscription;
    sync.n_publish_tracks = count;
    sync.publish_tracks = pointers;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE;
    request.sync_state = &sync;
    client__send_request(c, &request);
}

void client_subscribe(struct client *c, const char *track_sid, bool is_wanted)
{
    Livekit__UpdateSubscription update = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    char *sids[1] = {text_of(track_sid)};
    update.n_track_sids = 1;
    update.track_sids = sids;
    update.subscribe = is_wanted;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
    request.subscription = &update;
    client__send_request(c, &request);
}

void client_set_remote(struct client *c, const char *track_sid, bool is_disabled, uint8_t quality)
{
    Livekit__UpdateTrackSettings update = LIVEKIT__UPDATE_TRACK_SETTINGS__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    char *sids[1] = {text_of(track_sid)};
    update.n_track_sids = 1;
    update.track_sids = sids;
    update.disabled = is_disabled;
    update.quality = (Livekit__VideoQuality)quality;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
    request.track_setting = &update;
    client__send_request(c, &request);
}

char *client__join_path(const struct client *c, bool is_question)
{
    Livekit__JoinRequest join = LIVEKIT__JOIN_REQUEST__INIT;
    Livekit__ClientInfo info = LIVEKIT__CLIENT_INFO__INIT;
    Livekit__ConnectionSettings settings = LIVEKIT__CONNECTION_SETTINGS__INIT;
    info.sdk = LIVEKIT__CLIENT_INFO__SDK__CPP;
    info.version = text_of("0.1.0");
    info.protocol = PROTOCOL_VERSION;
    info.os = text_of("linux");
    settings.auto_subscribe = c->config.has_auto_subscribe;
    settings.adaptive_stream = c->config.has_adaptive_stream;
    join.client_info = &info;
    join.connection_settings = &settings;
    if (c->is_resuming) {
        join.reconnect = true;
        join.reconnect_reason = LIVEKIT__RECONNECT_REASON__RR_SIGNAL_DISCONNECTED;
        join.participant_sid = text_of(c->sid);
    }
    char *encoded = join_params_wrap(&join);
    if (encoded == NULL)
        return NULL;
    struct strbuf path;
    strbuf_init(&path, 64 << 10);
    strbuf_printf(&path, "%s/rtc/v1%s?access_token=%s&join_request=%s", c->prefix,
                  is_question ? "/validate" : "", c->token, encoded);
    free(encoded);
    return strbuf_take(&path);
}

/* ---- in ---- */

static void copy_text(char *dst, size_t size, const char *text)
{
    snprintf(dst, size, "%s", text != NULL ? text : "");
}

static void tell_participant(struct client *c, const Livekit__ParticipantInfo *info)
{
    struct client_event *e = client__event(c, CLIENT_EVENT_PARTICIPANT);
    if (e == NULL)
        return;
    copy_text(e->sid, sizeof(e->sid), info->sid);
    copy_text(e->text, sizeof(e->text), info->identity);
    e->value = info->state;
    for (size_t i = 0; i < info->n_tracks; i++) {
        const Livekit__TrackInfo *track = info->tracks[i];
        e = client__event(c, CLIENT_EVENT_TRACK);
        if (e == NULL)
            return;
        copy_text(e->sid, sizeof(e->sid), track->sid);
        copy_text(e->text, sizeof(e->text), info->identity);
        e->value = track->source;
        e->is_muted = track->muted;
    }
}

static void on_join(struct client *c, const Livekit__SignalResponse *m)
{
    const Livekit__JoinResponse *join = m->join;
    if (join->participant == NULL) {
        client__closed(c, 0, "the server's join answer names no participant");
        return;
    }
    if (join->ping_interval > 0)
        c->ping_interval = MONO_S(join->ping_interval);
    if (join->ping_timeout > 0)
        c->ping_timeout = MONO_S(join->ping_timeout);
    client__on_joined(c, join->participant->sid);
    for (size_t i = 0; i < join->n_other_participants; i++)
        tell_participant(c, join->other_participants[i]);
}

static void on_reconnect(struct client *c, const Livekit__SignalResponse *m UNUSED)
{
    client__on_resumed(c);
    send_sync_state(c);
}

static void on_answer(struct client *c, const Livekit__SignalResponse *m)
{
    client__handle_answer(c, m->answer, mono_now());
}

static void on_update(struct client *c, const Livekit__SignalResponse *m)
{
    for (size_t i = 0; i < m->update->n_participants; i++)
        tell_participant(c, m->update->participants[i]);
}

static void on_track_published(struct client *c, const Livekit__SignalResponse *m)
{
    const Livekit__TrackPublishedResponse *p = m->track_published;
    for (uint32_t i = 0; i < CLIENT_TRACKS_MAX && p->track != NULL; i++) {
        struct client_track *t = &c->tracks[i];
        if (!t->is_used || strcmp(t->cid, p->cid) != 0)
            continue;
        copy_text(t->sid, sizeof(t->sid), p->track->sid);
        struct client_event *e = client__event(c, CLIENT_EVENT_PUBLISHED);
        if (e == NULL)
            return;
        e->track = i;
        copy_text(e->sid, sizeof(e->sid), t->sid);
    }
}

static void on_track_unpublished(struct client *c, const Livekit__SignalResponse *m)
{
    struct client_event *e = client__event(c, CLIENT_EVENT_UNPUBLISHED);
    if (e != NULL)
        copy_text(e->sid, sizeof(e->sid), m->track_unpublished->track_sid);
}

static void on_mute(struct client *c, const Livekit__SignalResponse *m)
{
    for (uint32_t i = 0; i < CLIENT_TRACKS_MAX; i++) {
        struct client_track *t = &c->tracks[i];
        if (!t->is_used || strcmp(t->sid, m->mute->sid) != 0)
            continue;
        t->is_muted = m->mute->muted;
        struct client_event *e = client__event(c, CLIENT_EVENT_MUTED);
        if (e == NULL)
            return;
        e->track = i;
        e->value = t->is_muted;
        copy_text(e->sid, sizeof(e->sid), t->sid);
    }
}

static void on_leave(struct client *c, const Livekit__SignalResponse *m)
{
    const Livekit__LeaveRequest *leave = m->leave;
    switch (leave->action) {
    case LIVEKIT__LEAVE_REQUEST__ACTION__RESUME:
        client__lost(c, false, "the server asks to resume");
        break;
    case LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT:
        client__lost(c, true, "the server asks to join again");
        break;
    default:
        client__closed(c, (int)leave->reason, "the server ended the session (reason %d)",
                       (int)leave->reason);
        break;
    }
}

static void on_requirement(struct client *c, const Livekit__SignalResponse *m)
{
    const Livekit__MediaSectionsRequirement *r = m->media_sections_requirement;
    int err = 0;
    for (uint32_t i = 0; i < r->num_audios && err == 0; i++)
        err = client__sections_add(c, SDP_KIND_AUDIO, -1);
    for (uint32_t i = 0; i < r->num_videos && err == 0; i++)
        err = client__sections_add(c, SDP_KIND_VIDEO, -1);
    c->is_offer_wanted = true; /* at the limit: with what there is */
}

static void on_refresh_token(struct client *c, const Livekit__SignalResponse *m)
{
    char *token = strdup(m->refresh_token);
    if (token == NULL)
        return;
    free(c->token);
    c->token = token;
}

static void on_speakers(struct client *c, const Livekit__SignalResponse *m)
{
    for (size_t i = 0; i < m->speakers_changed->n_speakers; i++) {
        const Livekit__SpeakerInfo *s = m->speakers_changed->speakers[i];
        struct client_event *e = client__event(c, CLIENT_EVENT_SPEAKERS);
        if (e == NULL)
            return;
        copy_text(e->sid, sizeof(e->sid), s->sid);
        e->value = (int64_t)(s->level * 1000);
        e->is_active = s->active;
    }
}

static void on_quality(struct client *c, const Livekit__SignalResponse *m)
{
    for (size_t i = 0; i < m->connection_quality->n_updates; i++) {
        struct client_event *e = client__event(c, CLIENT_EVENT_QUALITY);
        if (e == NULL)
            return;
        copy_text(e->sid, sizeof(e->sid), m->connection_quality->updates[i]->participant_sid);
        e->value = m->connection_quality->updates[i]->quality;
    }
}

static void on_quality_wanted(struct client *c, const Livekit__SignalResponse *m)
{
    const Livekit__SubscribedQualityUpdate *update = m->subscribed_quality_update;
    struct client_event *e = client__event(c, CLIENT_EVENT_QUALITY_WANTED);
    if (e == NULL)
        return;
    copy_text(e->sid, sizeof(e->sid), update->track_sid);
    for (size_t i = 0; i < update->n_subscribed_qualities; i++)
        if (update->subscribed_qualities[i]->enabled)
            e->value |= INT64_C(1) << (update->subscribed_qualities[i]->quality & 3);
}

static void on_stream_state(struct client *c, const Livekit__SignalResponse *m)
{
    for (size_t i = 0; i < m->stream_state_update->n_stream_states; i++) {
        const Livekit__StreamStateInfo *s = m->stream_state_update->stream_states[i];
        struct client_event *e = client__event(c, CLIENT_EVENT_STREAM_STATE);
        if (e == NULL)
            return;
        copy_text(e->sid, sizeof(e->sid), s->track_sid);
        e->is_active = s->state == LIVEKIT__STREAM_STATE__ACTIVE;
    }
}

static void on_request_response(struct client *c, const Livekit__SignalResponse *m)
{
    const Livekit__RequestResponse *r = m->request_response;
    if (r->reason == 0)
        return;
    struct client_event *e = client__event(c, CLIENT_EVENT_ERROR);
    if (e == NULL)
        return;
    e->value = r->reason;
    copy_text(e->text, sizeof(e->text), r->message);
}

static const struct row {
    Livekit__SignalResponse__MessageCase kind;
    bool is_first; /* may come before join */
    void (*handle)(struct client *c, const Livekit__SignalResponse *m);
} rows[] = {
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN, true, on_join},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT, true, on_reconnect},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE, true, on_leave},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER, false, on_answer},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE, false, on_update},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED, false, on_track_published},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_UNPUBLISHED, false, on_track_unpublished},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MUTE, false, on_mute},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT, false, on_requirement},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN, false, on_refresh_token},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SPEAKERS_CHANGED, false, on_speakers},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_CONNECTION_QUALITY, false, on_quality},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIBED_QUALITY_UPDATE, false, on_quality_wanted},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_STREAM_STATE_UPDATE, false, on_stream_state},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE, false, on_request_response},
};

void client__on_message(struct client *c, const uint8_t *data, size_t size)
{
    Livekit__SignalResponse *m = livekit__signal_response__unpack(NULL, size, data);
    if (m == NULL)
        return;
    c->heard_at = mono_now();
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].kind != m->message_case || (!rows[i].is_first && !c->is_in_room))
            continue;
        rows[i].handle(c, m);
        break;
    }
    livekit__signal_response__free_unpacked(m, NULL);
}
