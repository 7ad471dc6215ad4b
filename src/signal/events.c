/* What the media workers report. */

#include "base/err.h"
#include "base/pkt.h"
#include "signal/signal_internal.h"

#include <string.h>

/* The primary connection makes a participant active: the publisher's with one, else the other. */
static void on_connected(struct signal_transport *t)
{
    struct signal_participant *p = t->participant;
    t->is_connected = true;
    t->was_connected = true;
    if (p->whip != NULL)
        p->whip->lost_at = MONO_NEVER;
    if (t->dc != NULL)
        signal__dc_connected(t->dc);
    if (t == p->subscriber) {
        signal__subs_attach_agreed(t);
        signal__participant_set_active(p);
    }
}

/* A line that was lost is resumed, the session kept; whatever else failed needs a new connection.
 */
static void on_failed(struct signal_transport *t, int err)
{
    struct signal_participant *p = t->participant;
    bool is_fatal = err != ERR_TIMEOUT;
    t->is_connected = false;
    signal__quality_lost(p);
    if (p->session == NULL && !is_fatal)
        return; /* the hold for a resume runs already */
    if (p->whip != NULL && !is_fatal) {
        signal__whip_lost(p->whip);
        return;
    }
    signal__send_leave(p,
                       is_fatal ? LIVEKIT__DISCONNECT_REASON__MEDIA_FAILURE
                                : LIVEKIT__DISCONNECT_REASON__CONNECTION_TIMEOUT,
                       is_fatal ? LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT
                                : LIVEKIT__LEAVE_REQUEST__ACTION__RESUME);
    signal__session_dismiss(p->session, 1000);
    if (is_fatal)
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__MEDIA_FAILURE, false);
    else
        signal__participant_lost(p);
}

static void on_layer_started(struct signal *s, const struct sfu_event *e)
{
    struct signal_track *track = idmap_get(&s->tracks, e->track);
    if (track == NULL)
        return;
    signal__track_set_codec(track, e->codec);
    if (e->layer >= 0 && e->layer < RTP_LAYERS_MAX)
        track->layers[e->layer].ssrc = e->ssrc;
}

static void on_audio_window(struct signal *s, const struct sfu_event *e)
{
    struct signal_track *track = idmap_get(&s->tracks, e->track);
    if (track != NULL)
        signal__speakers_window(track, e->level_dbov, e->active_percent);
}

static void on_keyframe_wanted(struct signal *s, uint8_t worker, const struct sfu_event *e)
{
    struct signal_track *track = idmap_get(&s->tracks, e->track);
    if (track == NULL || track->transport == NULL || track->transport->worker == worker)
        return;
    struct media_command command = {.kind = MEDIA_TRACK_KEYFRAME,
                                    .worker = track->transport->worker,
                                    .peer = track->transport->id,
                                    .track = track->id};
    command.u.layer = e->layer;
    signal__command(s, &command);
}

static void on_layer_wanted(struct signal *s, uint8_t worker, const struct sfu_event *e)
{
    struct signal_track *track = idmap_get(&s->tracks, e->track);
    if (track == NULL || worker >= SFU_WORKERS_MAX)
        return;
    track->wanted[worker] = e->layer;
    track->has_wanted[worker] = true;
    signal__dynacast_update(track);
}

static void on_stream_state(struct signal *s, const struct sfu_event *e)
{
    struct signal_sub *sub = idmap_get(&s->subs, e->sub);
    if (sub == NULL || sub->is_paused == e->is_paused)
        return;
    sub->is_paused = e->is_paused;
    Livekit__StreamStateInfo info = LIVEKIT__STREAM_STATE_INFO__INIT;
    Livekit__StreamStateInfo *list[] = {&info};
    info.participant_sid = sub->track->participant->sid;
    info.track_sid = sub->track->sid;
    info.state = e->is_paused ? LIVEKIT__STREAM_STATE__PAUSED : LIVEKIT__STREAM_STATE__ACTIVE;
    Livekit__StreamStateUpdate update = LIVEKIT__STREAM_STATE_UPDATE__INIT;
    update.stream_states = list;
    update.n_stream_states = 1;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_STREAM_STATE_UPDATE;
    response.stream_state_update = &update;
    signal__send(sub->viewer, &response);
}

static void on_sfu(struct signal *s, uint8_t worker, const struct sfu_event *e)
{
    struct signal_transport *t;
    switch (e->kind) {
    case SFU_EVENT_LAYER_STARTED:
        on_layer_started(s, e);
        break;
    case SFU_EVENT_AUDIO_WINDOW:
        on_audio_window(s, e);
        break;
    case SFU_EVENT_KEYFRAME_WANTED:
        on_keyframe_wanted(s, worker, e);
        break;
    case SFU_EVENT_LAYER_WANTED:
        on_layer_wanted(s, worker, e);
        break;
    case SFU_EVENT_STREAM_STATE:
        on_stream_state(s, e);
        break;
    case SFU_EVENT_PEER_QUALITY:
        t = idmap_get(&s->transports, e->peer);
        if (t != NULL)
            signal__handle_quality(t->participant, e);
        break;
    case SFU_EVENT_BYE: /* the offer that follows ends the publication */
    case SFU_EVENT_KIND_COUNT_:
        break;
    }
}

static void on_peer(struct signal_transport *t, const struct media_event *event)
{
    switch (event->kind) {
    case MEDIA_EVENT_PEER_CONNECTED:
        on_connected(t);
        break;
    case MEDIA_EVENT_PEER_DISCONNECTED:
        t->is_connected = false;
        signal__quality_lost(t->participant);
        break;
    case MEDIA_EVENT_PEER_FAILED:
        on_failed(t, event->err);
        break;
    case MEDIA_EVENT_PEER_SCTP:
        if (t->dc != NULL && event->sctp != NULL)
            signal__dc_handle_sctp(t->dc, event->sctp->data, event->sctp->size);
        break;
    case MEDIA_EVENT_SFU:
    case MEDIA_EVENT_KIND_COUNT_:
        break;
    }
}

void signal_handle_event(struct signal *s, const struct media_event *event, mono_us now,
                         wall_ms wall)
{
    signal__enter(s, now, wall);
    if (event->kind == MEDIA_EVENT_SFU) {
        on_sfu(s, event->worker, &event->sfu);
    } else {
        struct signal_transport *t = idmap_get(&s->transports, event->peer);
        if (t != NULL)
            on_peer(t, event);
    }
    pkt_unref(event->sctp);
    signal__finish(s);
}
