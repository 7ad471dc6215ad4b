#include "media/feed.h"

#include "base/err.h"
#include "base/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define KINDS 2

struct media_feed {
    struct media_source *source; /* the reader's; the flags inside are any thread's */
    pthread_t thread;
    struct ring rings[KINDS]; /* of struct media_frame, by kind */

    /* The taker's. */
    struct media_frame heads[KINDS];
    bool has_head[KINDS];

    /* The reader's. */
    struct media_info info;
    mono_us pushed_pts[KINDS];

    /* Both. */
    _Atomic mono_us taken_pts[KINDS];
    _Atomic bool is_stopping;
    _Atomic int state; /* 0 = goes on, 1 = ended, negative = error; written once, last */
    struct media_error error;
};

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 4000000}, NULL);
}

static bool wants_kind(const struct media_feed *f, int kind)
{
    return kind == RTP_KIND_AUDIO ? f->info.has_audio : f->info.has_video;
}

/* Reading goes on while any kind is short: a badly interleaved file fills the other queue. */
static bool is_far_enough(struct media_feed *f)
{
    for (int kind = 0; kind < KINDS; kind++) {
        mono_us ahead = f->pushed_pts[kind] - atomic_load(&f->taken_pts[kind]);
        if (wants_kind(f, kind) && ahead < MEDIA_FEED_AHEAD)
            return false;
    }
    return true;
}

/* False: asked to stop; the frame is given back. */
static bool push(struct media_feed *f, struct media_frame *frame)
{
    int kind = (int)frame->kind;
    while (!ring_push(&f->rings[kind], frame)) {
        if (atomic_load(&f->is_stopping)) {
            media_frame_fini(frame);
            return false;
        }
        rest();
    }
    f->pushed_pts[kind] = frame->pts;
    return true;
}

static void *run(void *user)
{
    struct media_feed *f = user;
    int result = 0;
    while (!atomic_load(&f->is_stopping)) {
        if (is_far_enough(f)) {
            rest();
            continue;
        }
        struct media_frame frame;
        result = media_source_next(f->source, &frame, &f->error);
        if (result <= 0 || !push(f, &frame))
            break;
    }
    atomic_store(&f->state, result < 0 ? result : 1);
    return NULL;
}

int media_feed_start(struct media_source *source, struct media_feed **ret_feed)
{
    struct media_feed *f = calloc(1, sizeof(*f));
    int err = f != NULL ? 0 : -ENOMEM;
    if (err == 0) {
        f->source = source;
        media_source_info(source, &f->info);
        for (int kind = 0; kind < KINDS && err == 0; kind++)
            err = ring_init(&f->rings[kind], sizeof(struct media_frame), MEDIA_FEED_FRAMES_MAX);
    }
    if (err == 0)
        err = -pthread_create(&f->thread, NULL, run, f);
    if (err < 0) {
        for (int kind = 0; kind < KINDS && f != NULL; kind++)
            ring_fini(&f->rings[kind]);
        media_source_close(source);
        free(f);
        return err;
    }
    *ret_feed = f;
    return 0;
}

void media_feed_stop(struct media_feed *f)
{
    if (f == NULL)
        return;
    atomic_store(&f->is_stopping, true);
    media_source_interrupt(f->source);
    pthread_join(f->thread, NULL);
    struct media_frame frame;
    for (int kind = 0; kind < KINDS; kind++) {
        while (media_feed_take(f, (enum rtp_kind)kind, &frame))
            media_frame_fini(&frame);
        ring_fini(&f->rings[kind]);
    }
    media_source_close(f->source);
    free(f);
}

const struct media_frame *media_feed_peek(struct media_feed *f, enum rtp_kind kind)
{
    if (!f->has_head[kind])
        f->has_head[kind] = ring_pop(&f->rings[kind], &f->heads[kind]);
    return f->has_head[kind] ? &f->heads[kind] : NULL;
}

bool media_feed_take(struct media_feed *f, enum rtp_kind kind, struct media_frame *ret_frame)
{
    const struct media_frame *head = media_feed_peek(f, kind);
    if (head == NULL)
        return false;
    *ret_frame = *head;
    f->has_head[kind] = false;
    atomic_store(&f->taken_pts[kind], ret_frame->pts);
    return true;
}

int media_feed_state(struct media_feed *f, struct media_error *ret_error)
{
    int state = atomic_load(&f->state);
    if (state == 0 || media_feed_peek(f, RTP_KIND_AUDIO) != NULL ||
        media_feed_peek(f, RTP_KIND_VIDEO) != NULL)
        return 0;
    if (state < 0 && ret_error != NULL)
        *ret_error = f->error;
    return state;
}

void media_feed_want_keyframe(struct media_feed *f)
{
    media_source_want_keyframe(f->source);
}

void media_feed_set_due(struct media_feed *f, mono_us pts)
{
    media_source_set_due(f->source, pts);
}

uint64_t media_feed_left_out(const struct media_feed *f)
{
    return media_source_left_out(f->source);
}
