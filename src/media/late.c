/* What is left out when this machine decodes and encodes more slowly than real time: the sound
 * always goes on, the picture loses its rate and not its place in time. */
#include "media/media_internal.h"

/* Late by more than this: the decoder leaves out pictures that no other one needs. */
#define SKIP_UNUSED MONO_MS(200)
/* By more than this: it begins again at the next keyframe. */
#define SKIP_TO_KEY MONO_MS(700)
/* When late, a picture is shown this often, or less. */
#define SHOWN_EVERY MONO_MS(500)

static mono_us lateness(const struct media_video *v, mono_us pts)
{
    mono_us due = atomic_load_explicit(&v->source->due, memory_order_relaxed);
    return due != MONO_NEVER ? due - pts : 0;
}

/* It counts for the file's length like one that was shown. */
static void leave_out(struct media_video *v, mono_us pts)
{
    struct media_source *s = v->source;
    atomic_fetch_add_explicit(&s->left_out, 1, memory_order_relaxed);
    s->end = TK_MAX(s->end, pts + MONO_S(1) / s->config.fps_max);
    s->round_frames++;
}

bool media__late_takes_packet(struct media_video *v, const AVPacket *packet)
{
    if (packet->dts == AV_NOPTS_VALUE)
        return true;
    mono_us pts = media__time(v->source, v->stream, packet->dts);
    mono_us late = lateness(v, pts);
    if ((packet->flags & AV_PKT_FLAG_KEY) != 0)
        v->is_waiting_for_key = false;
    else if (late > SKIP_TO_KEY)
        v->is_waiting_for_key = true;
    v->decoder->skip_frame = late > SKIP_UNUSED ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    if (v->is_waiting_for_key)
        leave_out(v, pts);
    return !v->is_waiting_for_key;
}

bool media__late_takes_picture(struct media_video *v, mono_us pts)
{
    mono_us late = lateness(v, pts);
    mono_us gap = TK_MAX(SHOWN_EVERY, 2 * late); /* so that the slowest encoder catches up */
    if (late > 0 && v->shown_last != MONO_NEVER && pts - v->shown_last < gap) {
        leave_out(v, pts);
        return false;
    }
    v->shown_last = pts;
    return true;
}
