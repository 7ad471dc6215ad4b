/*
 * A client comes back on a new socket to the session that was kept for it: it is told the state
 * anew, says what it believes, and restarts ICE by an offer of its own (or by ours, dual).
 */

#include "signal/signal_internal.h"

#include <stdlib.h>
#include <string.h>

static int send_reconnect(struct signal_participant *p)
{
    struct signal_arena arena = {0};
    Livekit__ServerInfo info;
    Livekit__ReconnectResponse body = LIVEKIT__RECONNECT_RESPONSE__INIT;
    signal__server_info(p->room->signal, &info);
    body.server_info = &info;
    Livekit__ClientConfiguration client;
    signal__way_fill(p, &client, &body.client_configuration);
    body.last_message_seq = p->reliable.last_sequence;
    int err = signal__ice_servers_fill(p, &arena, &body.n_ice_servers, &body.ice_servers);
    if (err == 0) {
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT;
        response.reconnect = &body;
        signal__send(p, &response);
    }
    signal__arena_fini(&arena);
    return err;
}

static void send_missed(struct signal_participant *p)
{
    for (size_t i = 0; i < p->missed_count; i++) {
        signal__session_push(p->session, p->missed[i]);
        signal__frame_unref(p->missed[i]);
    }
    p->missed_count = 0;
}

/* Everyone it may see, and itself. */
static void send_everyone(struct signal_participant *p)
{
    struct signal_arena arena = {0};
    Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;
    Livekit__ParticipantInfo self;
    int err = signal__visible_fill(p, &arena, &update.n_participants, &update.participants);
    if (err == 0)
        err = signal__participant_fill(p, &arena, &self);
    if (err == 0) {
        update.participants[update.n_participants++] = &self; /* the list has one place more */
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE;
        response.update = &update;
        signal__send(p, &response);
    }
    signal__arena_fini(&arena);
}

static void send_room(struct signal_participant *p)
{
    Livekit__Room room;
    signal__room_fill(p->room, &room);
    Livekit__RoomUpdate update = LIVEKIT__ROOM_UPDATE__INIT;
    update.room = &room;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_UPDATE;
    response.room_update = &update;
    signal__send(p, &response);
}

static void restart_transports(struct signal_participant *p)
{
    struct signal_transport *t = p->publisher;
    t->is_offer_asked = false; /* a request may have been lost with the line */
    t->asked_audio = 0;
    t->asked_video = 0;
    signal__negotiation_due(p);
    if (p->is_v1)
        return;
    t = p->subscriber;
    t->is_offer_out = false;
    t->is_restart_due = true;
    if (t->is_added)
        signal__transport_restart(t);
    signal__negotiate_offering(p);
}

void signal__resume(struct signal_participant *p, struct signal_session *session)
{
    signal__session_dismiss(p->session, 1000); /* silently: no leave on the old socket */
    p->session = session;
    session->participant = p;
    signal__participant_due(p, p->room->signal->now + SIGNAL_TICK_US); /* silence counts anew */
    p->room->signal->stats.resumes++;
    uint8_t cut = p->cut_on_resume;
    p->cut_on_resume = 0;
    if (cut == 1 || send_reconnect(p) < 0 || cut == 2) {
        signal__session_dismiss(session, 1011);
        signal__participant_lost(p);
        return;
    }
    send_missed(p);
    send_everyone(p);
    send_room(p);
    signal__participant_send_token(p);
    signal__data_tracks_tell(p);
    restart_transports(p);
    signal__reconcile_viewer(p); /* what was announced meanwhile */
}

static bool knows_published(struct signal_participant *p, const Livekit__SyncState *state)
{
    for (size_t i = 0; i < state->n_publish_tracks; i++) {
        const Livekit__TrackInfo *info = state->publish_tracks[i]->track;
        if (info != NULL && signal__participant_track(p, info->sid) == NULL)
            return false;
    }
    return true;
}

void signal__sync_state(struct signal_participant *p, const Livekit__SyncState *state)
{
    if (!knows_published(p, state)) {
        signal__send_leave(p, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH,
                           LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        signal__session_dismiss(p->session, 1000);
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH, false);
        return;
    }
    if (state->subscription != NULL)
        signal__update_subscription(p, state->subscription);
    for (size_t i = 0; i < state->n_track_sids_disabled; i++) {
        Livekit__UpdateTrackSettings settings = LIVEKIT__UPDATE_TRACK_SETTINGS__INIT;
        settings.track_sids = &state->track_sids_disabled[i];
        settings.n_track_sids = 1;
        settings.disabled = true;
        settings.quality = LIVEKIT__VIDEO_QUALITY__HIGH;
        signal__track_settings(p, &settings);
    }
    if (state->data_subscription != NULL)
        signal__data_subscribe(p, state->data_subscription);
    signal__data_replay(p, state->n_datachannel_receive_states, state->datachannel_receive_states);
}
