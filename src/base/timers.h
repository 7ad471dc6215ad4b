#ifndef TK_BASE_TIMERS_H
#define TK_BASE_TIMERS_H

/*
 * The timers of one thread: a binary heap of intrusive timers, so that setting, moving and
 * cancelling cost O(log n) and asking for the next one O(1). Pure: time comes in as an argument.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stddef.h>

struct timer {
    mono_us at;
    size_t slot; /* 1 + index in the heap; 0 = not set */
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t capacity;
};

void timers_init(struct timers *ts);
void timers_fini(struct timers *ts); /* the timers themselves belong to their owners */

/* Makes room: up to `count` timers at once, timers_set() does not fail. -ENOMEM. */
MUST_CHECK int timers_reserve(struct timers *ts, size_t count);

/* Sets or moves a timer; MONO_NEVER cancels it. -ENOMEM leaves it unset. */
MUST_CHECK int timers_set(struct timers *ts, struct timer *t, mono_us at);

/* Harmless if the timer is not set. */
void timers_cancel(struct timers *ts, struct timer *t);

/* When the earliest is due; MONO_NEVER if none is set. */
mono_us timers_next(const struct timers *ts);

/* Takes out one timer that is due at `now`; NULL if there is none. */
struct timer *timers_pop_due(struct timers *ts, mono_us now);

#endif
