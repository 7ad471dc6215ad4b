/* A subscription on its way: into a section, to the worker, over other workers, and out again. */

#include "base/err.h"
#include "signal/signal_internal.h"

#include <string.h>

static void sub_command(struct signal_sub *sub, enum media_command_kind kind)
{
    struct media_command command = {.kind = kind,
                                    .worker = sub->transport->worker,
                                    .peer = sub->transport->id,
                                    .track = sub->track->id,
                                    .sub = sub->id};
    const struct signal_section *section = &sub->transport->sections[sub->section];
    if (kind == MEDIA_SUB_ADD) {
        struct sfu_sub_config *c = &command.u.sub_config;
        c->sub = sub->id;
        c->track = sub->track->id;
        c->peer = sub->transport->id;
        c->ssrc = section->ssrc;
        c->pt_count = section->pt_count;
        c->has_nack = section->has_nack;
        c->is_kept_ssrc = sub->viewer->whip != NULL;
        memcpy(c->pts, section->pts, sizeof(c->pts));
        memcpy(c->mid, section->mid, sizeof(c->mid));
        strncpy(c->cname, sub->track->participant->sid, sizeof(c->cname) - 1);
        for (size_t i = 0; i < section->pt_count; i++)
            if (section->pts[i].rtx_pt != 0)
                c->rtx_ssrc = section->rtx_ssrc;
    } else if (kind == MEDIA_SUB_REMOVE && sub->viewer->whip == NULL) {
        command.u.sub_remove.ssrc = section->ssrc;
        command.u.sub_remove.rtx_ssrc = section->rtx_ssrc;
    } else if (kind == MEDIA_SUB_TARGET) {
        command.u.sub_target = sub->target;
    }
    signal__command(sub->viewer->room->signal, &command);
}

static struct sfu_sub_target make_target(const struct signal_sub *sub)
{
    return (struct sfu_sub_target){.sub = sub->id,
                                   .layer_max = signal__layer_for(sub),
                                   .temporal_max = signal__temporal_for(sub),
                                   .may_pause = sub->viewer->may_pause &&
                                                sub->track->kind == RTP_KIND_VIDEO};
}

void signal__sub_update_target(struct signal_sub *sub)
{
    if (sub->state != SIGNAL_SUB_ATTACHED)
        return;
    struct sfu_sub_target target = make_target(sub);
    bool is_same = target.layer_max == sub->target.layer_max &&
                   target.temporal_max == sub->target.temporal_max &&
                   target.may_pause == sub->target.may_pause;
    if (is_same)
        return;
    sub->target = target;
    sub_command(sub, MEDIA_SUB_TARGET);
    /* The worker says what it wants now; until then our own word counts. */
    sub->track->has_wanted[sub->transport->worker] = false;
    signal__dynacast_update(sub->track);
}

/* The first subscription on a worker brings the track there; the last one takes it away. */
static void count_sub(struct signal_track *track, uint8_t worker, int delta)
{
    track->sub_counts[worker] += (uint32_t)delta;
    if (worker == track->transport->worker)
        return;
    uint32_t bit = UINT32_C(1) << worker;
    bool has_subs = track->sub_counts[worker] > 0;
    if (has_subs == ((track->relay_mask & bit) != 0))
        return;
    if (has_subs)
        signal__track_command(track, MEDIA_TRACK_ADD, worker);
    else
        signal__track_command(track, MEDIA_TRACK_REMOVE, worker);
    track->relay_mask ^= bit;
    signal__track_command(track, MEDIA_TRACK_RELAY, track->transport->worker);
}

static bool can_receive(const struct signal_section *section, uint8_t codec)
{
    for (size_t i = 0; i < section->pt_count; i++) {
        uint8_t has = section->pts[i].codec;
        if (codec == RTP_CODEC_NONE || has == codec ||
            (codec == RTP_CODEC_RED && has == RTP_CODEC_OPUS))
            return true;
    }
    return false;
}

static void tell_subscribed(struct signal_track *track)
{
    if (track->was_subscribed)
        return;
    track->was_subscribed = true;
    Livekit__TrackSubscribed body = LIVEKIT__TRACK_SUBSCRIBED__INIT;
    body.track_sid = track->sid;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_SUBSCRIBED;
    response.track_subscribed = &body;
    signal__send(track->participant, &response);
}

void signal__sub_agreed(struct signal_sub *sub)
{
    if (sub->transport->was_connected)
        signal__sub_attach(sub);
    else
        sub->state = SIGNAL_SUB_AGREED;
}

void signal__subs_attach_agreed(struct signal_transport *t)
{
    for (size_t i = 0; i < t->section_count; i++) {
        struct signal_sub *sub = t->sections[i].sub;
        if (sub != NULL && sub->state == SIGNAL_SUB_AGREED)
            signal__sub_attach(sub);
    }
}

void signal__sub_attach(struct signal_sub *sub)
{
    struct signal *s = sub->viewer->room->signal;
    struct signal_track *track = sub->track;
    const struct signal_section *section = &sub->transport->sections[sub->section];
    sub->id = signal__id(s);
    bool is_usable = can_receive(section, track->codec) && track->transport != NULL &&
                     idmap_put(&s->subs, sub->id, sub) == 0;
    if (!is_usable) {
        signal__sub_refuse(sub);
        return;
    }
    sub->state = SIGNAL_SUB_ATTACHED;
    count_sub(track, sub->transport->worker, 1);
    sub->target = make_target(sub);
    sub_command(sub, MEDIA_SUB_ADD);
    sub_command(sub, MEDIA_SUB_TARGET);
    track->has_wanted[sub->transport->worker] = false;
    tell_subscribed(track);
    signal__dynacast_update(track);
}

void signal__sub_detach(struct signal_sub *sub)
{
    if (sub->state == SIGNAL_SUB_ATTACHED) {
        uint8_t worker = sub->transport->worker;
        sub_command(sub, MEDIA_SUB_REMOVE);
        idmap_take(&sub->viewer->room->signal->subs, sub->id);
        count_sub(sub->track, worker, -1);
        sub->track->has_wanted[worker] = false;
    }
    if (sub->state >= SIGNAL_SUB_OFFERED) {
        struct signal_section *section = &sub->transport->sections[sub->section];
        section->sub = NULL;
        section->has_stale_sub = true;
        signal__negotiation_due(sub->viewer);
    }
    bool was_attached = sub->state == SIGNAL_SUB_ATTACHED;
    sub->state = SIGNAL_SUB_IDLE;
    sub->transport = NULL;
    sub->is_paused = false;
    if (was_attached)
        signal__dynacast_update(sub->track);
}

void signal__send_subscription_error(struct signal_participant *p, const char *track_sid,
                                     Livekit__SubscriptionError error)
{
    Livekit__SubscriptionResponse body = LIVEKIT__SUBSCRIPTION_RESPONSE__INIT;
    body.track_sid = (char *)(uintptr_t)track_sid;
    body.err = error;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_RESPONSE;
    response.subscription_response = &body;
    signal__send(p, &response);
}

void signal__sub_refuse(struct signal_sub *sub)
{
    bool is_other_codec = sub->track->codec != RTP_CODEC_NONE;
    signal__sub_detach(sub);
    sub->is_refused = true;
    if (is_other_codec && signal__backup_ask(sub->track))
        return; /* it will get that one */
    signal__send_subscription_error(sub->viewer, sub->track->sid,
                                    LIVEKIT__SUBSCRIPTION_ERROR__SE_CODEC_UNSUPPORTED);
}
