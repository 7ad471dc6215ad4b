/*
 * Active speakers: every 400 ms each participant's loudest audio window becomes a level of 0 to 1,
 * smoothed over two windows and quantised to eighths; each viewer hears of changes of itself and of
 * those whose sound it receives.
 */

#include "signal/signal_internal.h"

#include <math.h>

#define ACTIVE_PERCENT 40   /* share of a window above the worker's threshold of -35 dBov */
#define SMOOTHING      0.5f /* weight of the newest of about two windows */
#define STEPS          8
#define SILENT_BELOW   0.02f
#define SPEAKERS_MAX \
    64 /* changes told at once, one bit each; the rest follows in the next window */
#define SIMULATED_LEVEL 0.9f

/* The loudest fresh window of a participant, 0 if nobody speaks. */
static float window_level(const struct signal_participant *p, mono_us now)
{
    float best = 0;
    if (now < p->simulated_speaker_until)
        return SIMULATED_LEVEL;
    LIST_FOR_EACH(it, &p->tracks)
    {
        const struct signal_track *t = CONTAINER_OF(it, struct signal_track, link);
        bool is_fresh = t->kind == RTP_KIND_AUDIO && !t->is_blocked &&
                        now - t->level_at < 2 * SIGNAL_SPEAKERS_US;
        if (is_fresh && t->active_percent >= ACTIVE_PERCENT)
            best = fmaxf(best, powf(10.0f, -(float)t->level_dbov / 20.0f));
    }
    return best;
}

/* True if what was told of the participant is no longer so. */
static bool update_level(struct signal_participant *p, mono_us now)
{
    float level = window_level(p, now);
    p->speaker_level += (level - p->speaker_level) * SMOOTHING;
    if (level <= 0 && p->speaker_level < SILENT_BELOW)
        p->speaker_level = 0;
    uint8_t step = (uint8_t)ceilf(fminf(p->speaker_level, 1.0f) * STEPS);
    bool is_speaking = step > 0;
    bool has_changed = step != p->speaker_step || is_speaking != p->is_speaking;
    p->speaker_step = step;
    p->is_speaking = is_speaking;
    return has_changed;
}

static bool hears(struct signal_participant *viewer, struct signal_participant *p)
{
    if (viewer == p)
        return true;
    LIST_FOR_EACH(it, &p->tracks)
    {
        const struct signal_track *t = CONTAINER_OF(it, struct signal_track, link);
        if (t->kind != RTP_KIND_AUDIO)
            continue;
        const struct signal_sub *sub = signal__sub_find(viewer, t);
        if (sub != NULL && sub->state == SIGNAL_SUB_ATTACHED)
            return true;
    }
    return false;
}

/* One bit for each changed participant that the viewer hears. */
static uint64_t heard_of(struct signal_participant *viewer,
                         struct signal_participant *const *changed, size_t count)
{
    uint64_t heard = 0;
    for (size_t i = 0; i < count; i++)
        heard |= (uint64_t)hears(viewer, changed[i]) << i;
    return heard;
}

/* The message about those of `changed` whose bit is set in `heard`; NULL without memory. */
static struct signal_frame *speakers_frame(struct signal_participant *const *changed, size_t count,
                                           uint64_t heard)
{
    Livekit__SpeakerInfo infos[SPEAKERS_MAX];
    Livekit__SpeakerInfo *list[SPEAKERS_MAX];
    Livekit__SpeakersChanged body = LIVEKIT__SPEAKERS_CHANGED__INIT;
    body.speakers = list;
    for (size_t i = 0; i < count; i++) {
        if ((heard >> i & 1u) == 0)
            continue;
        Livekit__SpeakerInfo *info = &infos[body.n_speakers];
        livekit__speaker_info__init(info);
        info->sid = changed[i]->sid;
        info->level = (float)changed[i]->speaker_step / STEPS;
        info->active = changed[i]->is_speaking;
        list[body.n_speakers++] = info;
    }
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SPEAKERS_CHANGED;
    response.speakers_changed = &body;
    return signal__frame_pack(&response);
}

/* In a lesson nearly everyone hears the same: a frame is packed anew only when the next viewer
 * hears others than the one before. */
static void tell_viewers(struct signal_room *room, struct signal_participant *const *changed,
                         size_t count)
{
    struct signal_frame *frame = NULL;
    uint64_t packed = 0;
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        uint64_t heard = viewer->session != NULL ? heard_of(viewer, changed, count) : 0;
        if (heard == 0)
            continue;
        if (heard != packed) {
            signal__frame_unref(frame);
            frame = speakers_frame(changed, count, heard);
            packed = heard;
        }
        signal__session_push(viewer->session, frame);
    }
    signal__frame_unref(frame);
}

void signal__speakers_tick(struct signal_room *room)
{
    mono_us now = room->signal->now;
    room->speakers_at = now;
    struct signal_participant *changed[SPEAKERS_MAX];
    size_t count = 0;
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        if (count < SPEAKERS_MAX && update_level(p, now))
            changed[count++] = p;
    }
    if (count > 0)
        tell_viewers(room, changed, count);
}
