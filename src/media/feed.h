#ifndef TK_MEDIA_FEED_H
#define TK_MEDIA_FEED_H

/*
 * A source read ahead on its own thread: the reader decodes and encodes up to MEDIA_FEED_AHEAD
 * beyond what was taken, into one bounded queue for sound and one for picture; the taker never
 * blocks. One taking thread.
 */

#include "media/source.h"

struct media_feed;

#define MEDIA_FEED_AHEAD      MONO_MS(400)
#define MEDIA_FEED_FRAMES_MAX 1024 /* per kind */

/* Takes over the source (also on failure). -ENOMEM, -EAGAIN. */
MUST_CHECK int media_feed_start(struct media_source *source, struct media_feed **ret_feed);
/* Interrupts the source, joins the thread, closes the source. NULL is a no-op. */
void media_feed_stop(struct media_feed *f);

/* The next frame of a kind without taking it; NULL = none yet, or at the end. */
const struct media_frame *media_feed_peek(struct media_feed *f, enum rtp_kind kind);
/* Takes it; the memory is the caller's. False: none. */
bool media_feed_take(struct media_feed *f, enum rtp_kind kind, struct media_frame *ret_frame);

/* 1 = the source has ended and everything was taken, 0 = goes on, negative = broke off with
 * `ret_error`, after everything was taken. */
int media_feed_state(struct media_feed *f, struct media_error *ret_error);

void media_feed_want_keyframe(struct media_feed *f);
/* media_source_set_due(), media_source_left_out(). */
void media_feed_set_due(struct media_feed *f, mono_us pts);
uint64_t media_feed_left_out(const struct media_feed *f);

#endif
