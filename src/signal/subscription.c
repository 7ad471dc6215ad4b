/*
 * Who is subscribed to what. A pair of viewer and track should flow when the track is announced,
 * the viewer takes tracks and has heard of the publisher, rights, rules and the publisher's
 * permission allow it, and the viewer wishes it (by default or expressly). reconcile() brings a
 * pair there. What is there when a client joins stands in its first description: it knows the SSRCs
 * before anything can flow, and need not be asked for another description once it is connected.
 */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <stdlib.h>
#include <string.h>

struct signal_sub *signal__sub_find(struct signal_participant *viewer,
                                    const struct signal_track *track)
{
    /* Both lists have it: walked side by side, the shorter one ends the search. */
    const struct list *of_viewer = viewer->subs.next, *of_track = track->subs.next;
    for (; of_viewer != &viewer->subs && of_track != &track->subs;
         of_viewer = of_viewer->next, of_track = of_track->next) {
        struct signal_sub *sub = CONTAINER_OF(of_viewer, struct signal_sub, viewer_link);
        if (sub->track == track)
            return sub;
        sub = CONTAINER_OF(of_track, struct signal_sub, track_link);
        if (sub->viewer == viewer)
            return sub;
    }
    return NULL;
}

static struct signal_sub *find_or_create(struct signal_participant *viewer,
                                         struct signal_track *track)
{
    struct signal_sub *sub = signal__sub_find(viewer, track);
    if (sub != NULL || viewer->sub_count >= SIGNAL_SUBS_MAX)
        return sub;
    sub = calloc(1, sizeof(*sub));
    if (sub == NULL)
        return NULL;
    sub->viewer = viewer;
    sub->track = track;
    sub->quality = LIVEKIT__VIDEO_QUALITY__HIGH;
    list_push_back(&viewer->subs, &sub->viewer_link);
    list_push_back(&track->subs, &sub->track_link);
    viewer->sub_count++;
    return sub;
}

int signal__policy_layer(const struct signal_participant *viewer, const struct signal_track *track)
{
    const struct signal_room *room = viewer->room;
    const struct signal *s = room->signal;
    if (!room->is_ruled || s->policy.layer_for == NULL)
        return RTP_LAYERS_MAX - 1;
    return s->policy.layer_for(s->policy.user, room->name, viewer->claims.grants.identity,
                               track->participant->claims.grants.identity,
                               (enum signal_source)track->source);
}

/* Whether it may flow at all, wishes apart; the publisher's permission is looked at by itself. */
static bool is_possible(const struct signal_participant *viewer, const struct signal_track *track)
{
    return track->is_announced && viewer->takes_tracks && viewer != track->participant &&
           viewer->claims.grants.can_subscribe &&
           signal__bits_has(&viewer->known, track->participant->slot) &&
           signal__policy_layer(viewer, track) >= 0;
}

static bool is_wished(const struct signal_participant *viewer, const struct signal_track *track,
                      const struct signal_sub *sub)
{
    if (viewer->whip != NULL && !signal__whip_wants(viewer->whip, track))
        return false;
    if (sub == NULL || sub->wish == SIGNAL_WISH_NONE)
        return viewer->has_auto_subscribe;
    return sub->wish == SIGNAL_WISH_YES;
}

static void tell_permission(const struct signal_sub *sub)
{
    Livekit__SubscriptionPermissionUpdate body = LIVEKIT__SUBSCRIPTION_PERMISSION_UPDATE__INIT;
    body.participant_sid = sub->track->participant->sid;
    body.track_sid = sub->track->sid;
    body.allowed = !sub->is_denied;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_PERMISSION_UPDATE;
    response.subscription_permission_update = &body;
    signal__send(sub->viewer, &response);
}

static bool is_empty(const struct signal_sub *sub)
{
    return sub->state == SIGNAL_SUB_IDLE && sub->wish == SIGNAL_WISH_NONE && !sub->is_denied &&
           !sub->has_settings && !sub->is_disabled;
}

static void set_denied(struct signal_sub *sub, bool is_denied)
{
    if (sub->is_denied == is_denied)
        return;
    sub->is_denied = is_denied;
    tell_permission(sub);
}

void signal__reconcile(struct signal_participant *viewer, struct signal_track *track)
{
    struct signal_sub *sub = signal__sub_find(viewer, track);
    bool should_flow = is_possible(viewer, track) && is_wished(viewer, track, sub);
    if (sub == NULL && should_flow)
        sub = find_or_create(viewer, track);
    if (sub == NULL)
        return;
    if (should_flow) {
        bool is_permitted = signal__is_permitted(viewer, track);
        if (viewer->was_active) /* before, it is not told: it may not know the publisher yet */
            set_denied(sub, !is_permitted);
        should_flow = is_permitted && !sub->is_refused;
    }
    if (should_flow && sub->state == SIGNAL_SUB_IDLE) {
        sub->state = SIGNAL_SUB_WAITING;
        signal__negotiation_due(viewer);
    } else if (!should_flow && sub->state != SIGNAL_SUB_IDLE) {
        signal__sub_detach(sub);
    } else if (should_flow) {
        signal__sub_update_target(sub);
    }
    if (is_empty(sub))
        signal__sub_free(sub);
}

void signal__reconcile_viewer(struct signal_participant *viewer)
{
    LIST_FOR_EACH(it, &viewer->room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        LIST_FOR_EACH(t, &p->tracks)
        if (p != viewer)
            signal__reconcile(viewer, CONTAINER_OF(t, struct signal_track, link));
    }
    if (!viewer->room->is_ruled)
        return;
    LIST_FOR_EACH(it, &viewer->room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        LIST_FOR_EACH(t, &p->tracks)
        signal__track_receiver_changed(CONTAINER_OF(t, struct signal_track, link), viewer);
    }
}

void signal__reconcile_track(struct signal_track *track)
{
    LIST_FOR_EACH(it, &track->participant->room->participants)
    {
        struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        if (viewer != track->participant)
            signal__reconcile(viewer, track);
    }
    signal__track_update_block(track);
}

void signal__reconcile_room(struct signal_room *room)
{
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        LIST_FOR_EACH(t, &p->tracks)
        signal__reconcile_track(CONTAINER_OF(t, struct signal_track, link));
    }
}

void signal__sub_free(struct signal_sub *sub)
{
    signal__sub_detach(sub);
    list_remove(&sub->viewer_link);
    list_remove(&sub->track_link);
    sub->viewer->sub_count--;
    free(sub);
}

void signal__set_wish(struct signal_participant *p, const char *track_sid, bool is_subscribe)
{
    struct signal_track *track = signal__room_track(p->room, track_sid);
    bool is_known = track != NULL && signal__bits_has(&p->known, track->participant->slot);
    if (!is_known) {
        if (is_subscribe)
            signal__send_subscription_error(p, track_sid,
                                            LIVEKIT__SUBSCRIPTION_ERROR__SE_TRACK_NOTFOUND);
        return;
    }
    struct signal_sub *sub = find_or_create(p, track);
    if (sub == NULL) {
        p->room->signal->stats.over_limit++;
        return;
    }
    sub->wish = is_subscribe ? SIGNAL_WISH_YES : SIGNAL_WISH_NO;
    sub->is_refused = false;
    signal__reconcile(p, track);
}

void signal__update_subscription(struct signal_participant *p,
                                 const Livekit__UpdateSubscription *request)
{
    for (size_t i = 0; i < request->n_track_sids; i++)
        signal__set_wish(p, request->track_sids[i], request->subscribe);
    for (size_t i = 0; i < request->n_participant_tracks; i++) {
        const Livekit__ParticipantTracks *tracks = request->participant_tracks[i];
        for (size_t k = 0; k < tracks->n_track_sids; k++)
            signal__set_wish(p, tracks->track_sids[k], request->subscribe);
    }
}

void signal__track_settings(struct signal_participant *p,
                            const Livekit__UpdateTrackSettings *request)
{
    for (size_t i = 0; i < request->n_track_sids; i++) {
        struct signal_track *track = signal__room_track(p->room, request->track_sids[i]);
        if (track == NULL || track->participant == p)
            continue;
        struct signal_sub *sub = find_or_create(p, track);
        if (sub == NULL)
            continue;
        sub->has_settings = true;
        sub->is_disabled = request->disabled;
        sub->quality = (uint8_t)TK_MIN((uint32_t)request->quality, 3u);
        sub->width = request->width;
        sub->height = request->height;
        sub->fps = request->fps;
        if (sub->quality == LIVEKIT__VIDEO_QUALITY__OFF)
            sub->is_disabled = true;
        signal__sub_update_target(sub);
    }
}
