/* A participant: coming into being, rights and texts, what others see of it, and its end. */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OWN_CAPABILITIES_MAX 31

static uint32_t free_slot(const struct signal_room *room)
{
    uint32_t slot = 0;
    while (signal__bits_has(&room->slots, slot))
        slot++;
    return slot;
}

static void read_client(struct signal_participant *p, const Livekit__JoinRequest *request)
{
    const Livekit__ClientInfo *info = request->client_info;
    const Livekit__ConnectionSettings *settings = request->connection_settings;
    p->sdk = (uint8_t)info->sdk;
    p->client_protocol = info->client_protocol;
    for (size_t i = 0; i < info->n_capabilities; i++)
        if (info->capabilities[i] > 0 && info->capabilities[i] <= OWN_CAPABILITIES_MAX)
            p->capabilities |= 1u << info->capabilities[i];
    p->has_auto_subscribe = settings->auto_subscribe;
    p->has_adaptive_stream = settings->adaptive_stream;
    p->may_pause =
        settings->subscriber_allow_pause_presence_case != 0 && settings->subscriber_allow_pause;
    p->has_auto_subscribe_data = settings->auto_subscribe_data_track_presence_case != 0 &&
                                 settings->auto_subscribe_data_track;
}

/* The texts that a join request may bring, with the right to: checked by the caller. */
static int read_own_texts(struct signal_participant *p, const Livekit__JoinRequest *request)
{
    if (request->metadata[0] == '\0' && request->n_participant_attributes == 0)
        return 0;
    struct signal_arena arena = {0};
    struct token_attribute *attributes =
        signal__arena_alloc(&arena, (request->n_participant_attributes + 1) * sizeof(*attributes));
    if (attributes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < request->n_participant_attributes; i++) {
        attributes[i].key = request->participant_attributes[i]->key;
        attributes[i].value = request->participant_attributes[i]->value;
    }
    int err = signal__participant_set_info(p, NULL, request->metadata,
                                           request->n_participant_attributes, attributes);
    signal__arena_fini(&arena);
    return err;
}

static void init(struct signal_participant *p, struct signal_room *room, bool is_v1)
{
    struct signal *s = room->signal;
    p->room = room;
    p->is_v1 = is_v1;
    id_make(s->config.rng, "PA_", p->sid);
    p->version = 1;
    p->joined_at = s->wall;
    p->created_at = s->now;
    p->lost_at = s->now;
    p->token_due = MONO_NEVER;
    p->quality = LIVEKIT__CONNECTION_QUALITY__EXCELLENT;
    list_init(&p->link);
    list_init(&p->sounding_link);
    list_init(&p->tracks);
    list_init(&p->subs);
    list_init(&p->data_tracks);
    list_init(&p->data_subs);
    list_init(&p->held);
    p->data_at = s->now - MONO_S(10); /* a full bucket */
    p->data_told_at = s->now - MONO_S(10);
    list_init(&p->reliable.packets);
    p->slot = free_slot(room);
}

static int create_transports(struct signal_participant *p)
{
    int err = signal__transport_create(p, false, &p->publisher);
    if (err < 0)
        return err;
    if (p->is_v1) {
        p->subscriber = p->publisher;
        return 0;
    }
    return signal__transport_create(p, true, &p->subscriber);
}

static void participant_free(struct signal_participant *p)
{
    struct signal_room *room = p->room;
    while (!list_is_empty(&p->tracks))
        signal__track_remove(CONTAINER_OF(p->tracks.next, struct signal_track, link));
    while (!list_is_empty(&p->subs))
        signal__sub_free(CONTAINER_OF(p->subs.next, struct signal_sub, viewer_link));
    signal__data_tracks_free(p);
    signal__data_subs_free(p);
    signal__data_fini(p);
    if (p->subscriber != p->publisher)
        signal__transport_destroy(p->subscriber);
    signal__transport_destroy(p->publisher);
    signal__permissions_free(p);
    for (size_t i = 0; i < p->missed_count; i++)
        signal__frame_unref(p->missed[i]);
    free(p->missed);
    signal__whip_free(p->whip);
    signal__bits_fini(&p->known);
    signal__bits_remove(&room->slots, p->slot);
    token_claims_fini(&p->claims);
    list_remove(&p->sounding_link);
    timers_cancel(&room->timers, &p->timer);
    free(p);
}

int signal__participant_create(struct signal_room *room, struct token_claims *claims,
                               const Livekit__JoinRequest *request, bool is_v1,
                               struct signal_participant **ret_participant)
{
    struct signal_participant *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        token_claims_fini(claims);
        return -ENOMEM;
    }
    init(p, room, is_v1);
    p->claims = *claims;
    read_client(p, request);
    int err = signal__bits_add(&room->slots, p->slot);
    if (err < 0)
        goto out;
    err = read_own_texts(p, request);
    if (err < 0)
        goto out;
    err = create_transports(p);
    if (err < 0)
        goto out;
    err = timers_reserve(&room->timers, room->participant_count + 1u);
    if (err < 0)
        goto out;
    err = strmap_put(&room->by_identity, p->claims.grants.identity, p);
    if (err < 0)
        goto out;
    signal__remember_member(room, p->claims.grants.identity);
    list_push_back(&room->participants, &p->link);
    room->participant_count++;
    room->had_participant = true;
    room->signal->stats.participants++;
    signal__room_counts_changed(room);
    signal__participant_due(p, room->signal->now + SIGNAL_TICK_US);
    *ret_participant = p;
out:
    if (err < 0)
        participant_free(p);
    return err;
}

/* Those who stay no longer know the slot: it may be given to somebody else. */
static void forget_slot(struct signal_participant *p)
{
    LIST_FOR_EACH(it, &p->room->participants)
    signal__bits_remove(&CONTAINER_OF(it, struct signal_participant, link)->known, p->slot);
}

static void report_gone(struct signal_participant *p)
{
    struct signal_room *room = p->room;
    signal__webhook(room, p->was_active ? "participant_left" : "participant_connection_aborted", p,
                    NULL, 0);
    const struct signal *s = room->signal;
    if (p->was_active && room->is_ruled && s->policy.on_presence != NULL)
        s->policy.on_presence(s->policy.user, room->name, p->claims.grants.identity, false);
}

void signal__participant_remove(struct signal_participant *p, Livekit__DisconnectReason reason,
                                bool is_silent)
{
    struct signal_room *room = p->room;
    if (p->session != NULL && reason != LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED)
        signal__send_leave(p, reason, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    signal__session_dismiss(p->session, 1000);
    p->session = NULL;
    p->disconnect_reason = (uint8_t)reason;
    while (!list_is_empty(&p->tracks))
        signal__track_remove(CONTAINER_OF(p->tracks.next, struct signal_track, link));
    p->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
    p->version++;
    list_remove(&p->link);
    strmap_take(&room->by_identity, p->claims.grants.identity);
    room->participant_count--;
    room->signal->stats.participants--;
    signal__room_counts_changed(room);
    if (room->participant_count == 0) {
        room->emptied_at = room->signal->now;
        signal__wake(room, room->emptied_at + room->departure_timeout);
    }
    if (!is_silent)
        signal__update_gone(p);
    signal__receiver_gone(p);
    forget_slot(p);
    report_gone(p);
    participant_free(p);
}

void signal__participant_set_active(struct signal_participant *p)
{
    if (p->was_active)
        return;
    struct signal_room *room = p->room;
    p->was_active = p->takes_tracks = true;
    p->state = LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE;
    signal__changed(p, p->is_publisher);
    signal__updates_flush(room);
    signal__webhook(room, "participant_joined", p, NULL, 0);
    const struct signal *s = room->signal;
    if (room->is_ruled && s->policy.on_presence != NULL)
        s->policy.on_presence(s->policy.user, room->name, p->claims.grants.identity, true);
    signal__reconcile_viewer(p);
    signal__negotiation_due(p); /* what found no section in its first description */
    signal__data_auto_subscribe(p);
}

struct signal_track *signal__participant_track(struct signal_participant *p, const char *sid)
{
    struct signal_track *track = signal__room_track(p->room, sid);
    return track != NULL && track->participant == p ? track : NULL;
}

bool signal__may_publish(const struct signal *s, const struct token_claims *claims,
                         const char *ruled_room, enum signal_source source)
{
    if (!claims->grants.can_publish)
        return false;
    if (claims->publish_sources != 0 && (claims->publish_sources >> source & 1) == 0)
        return false;
    return ruled_room == NULL || s->policy.can_publish == NULL ||
           s->policy.can_publish(s->policy.user, ruled_room, claims->grants.identity, source);
}

bool signal__participant_may_publish(const struct signal_participant *p, enum signal_source source)
{
    return signal__may_publish(p->room->signal, &p->claims,
                               p->room->is_ruled ? p->room->name : NULL, source);
}

void signal__participant_send_token(struct signal_participant *p)
{
    struct signal *s = p->room->signal;
    p->token_due = s->now + SIGNAL_TOKEN_INTERVAL_US;
    signal__participant_due(p, p->token_due);
    int64_t left_s = p->claims.expires_s - s->wall / 1000;
    char *token;
    if (token_sign(s->config.keys, s->config.key_count, &p->claims,
                   TK_MAX(left_s, (int64_t)SIGNAL_TOKEN_TTL_S), s->wall, &token) < 0)
        return; /* the client keeps the one it has */
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
    response.refresh_token = token;
    signal__send(p, &response);
    free(token);
}
