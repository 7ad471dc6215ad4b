/*
 * Active speakers: every 400 ms the loudest audio window of each participant who is heard becomes a
 * level of 0 to 1, smoothed over two windows and quantised to eighths. Each viewer hears of changes
 * of itself and of those whose sound it receives: at once when somebody starts or stops to speak,
 * else when a level has moved by two eighths, or when the louder of two is no longer the one that
 * was told louder.
 */

#include "sfu/limits.h"
#include "signal/signal_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SMOOTHING    0.5f /* weight of the newest of about two windows */
#define STEPS        8
#define STEPS_TOLD   2 /* a level moves on a meter from here on */
#define SILENT_BELOW 0.02f
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
        if (is_fresh && t->active_percent >= SFU_AUDIO_SPEECH)
            best = fmaxf(best, powf(10.0f, -(float)t->level_dbov / 20.0f));
    }
    return best;
}

void signal__speakers_heard(struct signal_participant *p)
{
    struct signal_room *room = p->room;
    if (list_is_empty(&p->sounding_link))
        list_push_back(&room->sounding, &p->sounding_link);
    signal__wake(room, TK_MAX(room->speakers_at + SIGNAL_SPEAKERS_US, room->signal->now));
}

void signal__speakers_window(struct signal_track *track, uint8_t level_dbov, uint8_t active_percent)
{
    track->level_dbov = level_dbov;
    track->active_percent = active_percent;
    track->level_at = track->participant->room->signal->now;
    if (active_percent >= SFU_AUDIO_SPEECH)
        signal__speakers_heard(track->participant);
}

static void follow_level(struct signal_participant *p, mono_us now)
{
    float level = window_level(p, now);
    p->speaker_level += (level - p->speaker_level) * SMOOTHING;
    if (level <= 0 && p->speaker_level < SILENT_BELOW)
        p->speaker_level = 0;
    p->speaker_step = (uint8_t)ceilf(fminf(p->speaker_level, 1.0f) * STEPS);
}

/* True if what was told of the participant is no longer so. */
static bool is_news(const struct signal_participant *p)
{
    if ((p->speaker_step > 0) != (p->told_step > 0))
        return true;
    return abs(p->speaker_step - p->told_step) >= STEPS_TOLD;
}

static uint8_t step_after_news(const struct signal_participant *p)
{
    return is_news(p) ? p->speaker_step : p->told_step;
}

/* Whether clients, who sort by level, find the louder before the less loud. */
static bool is_order_told(const struct signal_room *room)
{
    uint8_t low[STEPS + 1], high[STEPS + 1] = {0}; /* told, of those at each step */
    memset(low, STEPS + 1, sizeof(low));
    LIST_FOR_EACH(it, &room->sounding)
    {
        const struct signal_participant *p =
            CONTAINER_OF(it, struct signal_participant, sounding_link);
        uint8_t told = step_after_news(p);
        low[p->speaker_step] = TK_MIN(low[p->speaker_step], told);
        high[p->speaker_step] = TK_MAX(high[p->speaker_step], told);
    }
    uint8_t below = 0;
    for (size_t step = 1; step <= STEPS; step++) {
        if (low[step] <= below)
            return false;
        below = TK_MAX(below, high[step]);
    }
    return true;
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
        info->level = (float)changed[i]->told_step / STEPS;
        info->active = changed[i]->told_step > 0;
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

/* Those to tell of, SPEAKERS_MAX at most; the others have their turn in the next window. */
static size_t take_news(struct signal_room *room, struct signal_participant **changed)
{
    bool is_order_news = !is_order_told(room);
    size_t count = 0;
    LIST_FOR_EACH(it, &room->sounding)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, sounding_link);
        bool is_due = is_news(p) || (is_order_news && p->speaker_step != p->told_step);
        if (!is_due || count == SPEAKERS_MAX)
            continue;
        p->told_step = p->speaker_step;
        changed[count++] = p;
    }
    return count;
}

/* Who has faded out is no longer looked at, once that is told. */
static void forget_silent(struct signal_room *room)
{
    LIST_FOR_EACH(it, &room->sounding)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, sounding_link);
        if (p->speaker_level <= 0 && p->told_step == 0)
            list_remove(&p->sounding_link);
    }
}

void signal__speakers_tick(struct signal_room *room)
{
    struct signal_participant *changed[SPEAKERS_MAX];
    room->speakers_at = room->signal->now;
    LIST_FOR_EACH(it, &room->sounding)
    follow_level(CONTAINER_OF(it, struct signal_participant, sounding_link), room->signal->now);
    size_t count = take_news(room, changed);
    forget_silent(room);
    if (count > 0)
        tell_viewers(room, changed, count);
}
