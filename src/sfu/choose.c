#include "sfu/sfu_internal.h"

/* Which layer each subscription should get: min(its target, what its line allows, what flows). */

/* ---- what flows ---- */

static int8_t highest_live(const struct sfu_track *t, int8_t limit)
{
    for (int i = limit; i >= 0; i--)
        if (t->layers[i].is_live)
            return (int8_t)i;
    return SFU_LAYER_NONE;
}

static int8_t limit_of(const struct sfu_sub *s, bool *ret_is_paused)
{
    *ret_is_paused = false;
    if (s->target.layer_max == SFU_LAYER_NONE)
        return SFU_LAYER_NONE;
    int top = TK_MIN(s->target.layer_max, s->track->config.layer_count - 1);
    if (!s->is_video)
        return (int8_t)top;
    if (cc_stepdown_is_paused(&s->peer->cc)) {
        *ret_is_paused = s->target.may_pause;
        return s->target.may_pause ? SFU_LAYER_NONE : 0;
    }
    return (int8_t)TK_MIN(top, s->peer->cc.cap);
}

static int8_t choose(const struct sfu_sub *s, int8_t limit)
{
    if (limit == SFU_LAYER_NONE || !s->peer->is_connected || s->track->is_blocked)
        return SFU_LAYER_NONE;
    int8_t live = highest_live(s->track, limit);
    if (live != SFU_LAYER_NONE)
        return live;
    /* Nothing flows: stay if that is allowed, so that the same stream may simply go on. */
    return s->current != SFU_LAYER_NONE && s->current <= limit ? s->current : limit;
}

static void set_paused(struct sfu_sub *s, bool is_paused)
{
    if (s->is_paused == is_paused)
        return;
    s->is_paused = is_paused;
    const struct sfu_event e = {.kind = SFU_EVENT_STREAM_STATE,
                                .peer = s->config.peer,
                                .track = s->config.track,
                                .sub = s->config.sub,
                                .is_paused = is_paused};
    sfu__push_event(s->track->node, &e);
}

void sfu__sub_choose(struct sfu_sub *s, mono_us now)
{
    bool is_paused;
    int8_t wanted = choose(s, limit_of(s, &is_paused));
    set_paused(s, is_paused);
    if (wanted == SFU_LAYER_NONE)
        sfu__sub_stop(s);
    if (s->wanted == SFU_LAYER_NONE)
        s->waiting_since = now;
    s->wanted = wanted;
    if (wanted == s->current) { /* or both are none */
        list_remove(&s->wait_link);
        return;
    }
    if (list_is_empty(&s->wait_link))
        list_push_back(&s->track->waiting, &s->wait_link);
    struct sfu_layer *l = &s->track->layers[wanted];
    if (s->is_video && !sfu__start_from_ring(s, now) && !l->keyframe.is_waiting)
        sfu__keyframe_request(l, now);
}

void sfu__track_choose(struct sfu_track *t, mono_us now)
{
    LIST_FOR_EACH(it, &t->subs)
    sfu__sub_choose(CONTAINER_OF(it, struct sfu_sub, track_link), now);
}

void sfu__peer_choose(struct sfu_peer *p, mono_us now)
{
    LIST_FOR_EACH(it, &p->subs)
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, peer_link);
        sfu__sub_choose(s, now);
        sfu__wanted_update(s->track, false, now);
    }
}

/* ---- what the line allows ---- */

/* What all video of a subscriber costs when each subscription is held to `layer`. */
static uint32_t cost_at(const struct sfu_peer *p, int8_t layer, int8_t *top)
{
    uint64_t sum = 0;
    LIST_FOR_EACH(it, &p->subs)
    {
        const struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, peer_link);
        if (!s->is_video || s->target.layer_max == SFU_LAYER_NONE)
            continue;
        int limit = TK_MIN(s->target.layer_max, s->track->config.layer_count - 1);
        *top = TK_MAX(*top, highest_live(s->track, (int8_t)limit));
        int8_t live = highest_live(s->track, (int8_t)TK_MIN(limit, layer));
        if (live != SFU_LAYER_NONE)
            sum += s->track->layers[live].bps;
    }
    return (uint32_t)TK_MIN(sum, (uint64_t)UINT32_MAX);
}

void sfu__peer_step_down(struct sfu_peer *p, mono_us now)
{
    struct cc_layers layers = {0};
    int8_t top = SFU_LAYER_NONE;
    for (int8_t i = 0; i < RTP_LAYERS_MAX; i++)
        layers.bps[i] = cost_at(p, i, &top);
    layers.count = (uint8_t)(top + 1);
    if (cc_stepdown_update(&p->cc, &layers, now))
        sfu__peer_choose(p, now);
}

/* ---- what the publisher should send (dynacast) ---- */

static int8_t highest_wanted(const struct sfu_track *t)
{
    int8_t highest = SFU_LAYER_NONE;
    LIST_FOR_EACH(it, &t->subs)
    {
        bool is_paused;
        const struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, track_link);
        highest = TK_MAX(highest, limit_of(s, &is_paused));
    }
    return highest;
}

static void report_wanted(struct sfu_track *t, int8_t layer)
{
    t->wanted_reported = layer;
    t->wanted_lower_at = MONO_NEVER;
    const struct sfu_event e = {
        .kind = SFU_EVENT_LAYER_WANTED, .track = t->config.track, .layer = layer};
    sfu__push_event(t->node, &e);
}

void sfu__wanted_update(struct sfu_track *t, bool is_asked, mono_us now)
{
    int8_t wanted = highest_wanted(t);
    if (wanted > t->wanted_reported || (is_asked && wanted == t->wanted_reported)) {
        report_wanted(t, wanted);
        return;
    }
    if (wanted == t->wanted_reported)
        t->wanted_lower_at = MONO_NEVER;
    else if (t->wanted_lower_at == MONO_NEVER)
        t->wanted_lower_at = now + SFU_WANTED_LOWER;
    else if (now >= t->wanted_lower_at)
        report_wanted(t, wanted);
    if (is_asked && t->wanted_lower_at != MONO_NEVER) {
        mono_us lower_at = t->wanted_lower_at;
        report_wanted(t, t->wanted_reported);
        t->wanted_lower_at = lower_at;
    }
}
