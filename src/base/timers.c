#include "base/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void timers_init(struct timers *ts)
{
    memset(ts, 0, sizeof(*ts));
}

void timers_fini(struct timers *ts)
{
    for (size_t i = 0; i < ts->count; i++)
        ts->heap[i]->slot = 0;
    free(ts->heap);
    memset(ts, 0, sizeof(*ts));
}

static void place(struct timers *ts, size_t i, struct timer *t)
{
    ts->heap[i] = t;
    t->slot = i + 1;
}

static void sift_up(struct timers *ts, size_t i, struct timer *t)
{
    while (i > 0 && ts->heap[(i - 1) / 2]->at > t->at) {
        place(ts, i, ts->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(ts, i, t);
}

static void sift_down(struct timers *ts, size_t i, struct timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= ts->count)
            break;
        if (child + 1 < ts->count && ts->heap[child + 1]->at < ts->heap[child]->at)
            child++;
        if (ts->heap[child]->at >= t->at)
            break;
        place(ts, i, ts->heap[child]);
        i = child;
    }
    place(ts, i, t);
}

int timers_reserve(struct timers *ts, size_t count)
{
    if (count <= ts->capacity)
        return 0;
    size_t capacity = ts->capacity == 0 ? 64 : ts->capacity;
    while (capacity < count)
        capacity *= 2;
    struct timer **heap = realloc(ts->heap, capacity * sizeof(struct timer *));
    if (heap == NULL)
        return -ENOMEM;
    ts->heap = heap;
    ts->capacity = capacity;
    return 0;
}

int timers_set(struct timers *ts, struct timer *t, mono_us at)
{
    if (t->slot != 0 && t->at == at)
        return 0;
    timers_cancel(ts, t);
    if (at == MONO_NEVER)
        return 0;
    int err = timers_reserve(ts, ts->count + 1);
    if (err < 0)
        return err;
    t->at = at;
    sift_up(ts, ts->count++, t);
    return 0;
}

void timers_cancel(struct timers *ts, struct timer *t)
{
    if (t->slot == 0)
        return;
    size_t i = t->slot - 1;
    t->slot = 0;
    struct timer *last = ts->heap[--ts->count];
    if (last == t)
        return;
    if (i > 0 && ts->heap[(i - 1) / 2]->at > last->at)
        sift_up(ts, i, last);
    else
        sift_down(ts, i, last);
}

mono_us timers_next(const struct timers *ts)
{
    return ts->count > 0 ? ts->heap[0]->at : MONO_NEVER;
}

struct timer *timers_pop_due(struct timers *ts, mono_us now)
{
    if (ts->count == 0 || ts->heap[0]->at > now)
        return NULL;
    struct timer *t = ts->heap[0];
    timers_cancel(ts, t);
    return t;
}
