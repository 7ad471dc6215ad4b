#ifndef TK_SERVER_WORKER_PATIENCE_H
#define TK_SERVER_WORKER_PATIENCE_H

/*
 * When a worker looks at what can wait: the checks (STUN) and reports (RTCP) of its peers. Each of
 * them comes alone, and a wake-up for one costs several times what handling it does. So where they
 * come one soon after the other, their queue rests: it does not wake the worker, and is read in
 * every turn that happens anyway, for media or a timer, or at the end of a rest without a turn. If
 * nothing has come by then the queue wakes the worker again, so that who comes into a quiet room
 * does not wait. Pure: time comes in as an argument.
 */

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

/* Below so many peers there is hardly anything to collect: no rest. */
#define PATIENCE_PEERS_MIN 20
/* What a check, a report or a request for a lost packet waits at most. A packet of sound (20 ms)
 * and a bit: where sound flows, it wakes the worker before a rest is over. A lost packet is still
 * asked for and sent again well within a jitter buffer. */
#define PATIENCE_REST MONO_MS(25)
/* And while somebody joins, which takes several checks one after another. */
#define PATIENCE_REST_JOINING MONO_MS(5)

struct worker_patience {
    bool is_resting;  /* the queue does not wake the worker */
    mono_us until;    /* end of the rest */
    mono_us heard_at; /* when something was last read */
};

/* How long to rest with so many peers, so many of which have not been connected yet; 0: not at all.
 */
mono_us worker_patience_rest(uint32_t peers, uint32_t joining);

/* Whether the queue is to be read in this turn; is_ready: it woke the worker. */
static inline bool worker_patience_wants(const struct worker_patience *p, bool is_ready)
{
    return is_ready || p->is_resting;
}

/* When the worker has to wake up to read the queue; MONO_NEVER: when something comes. */
static inline mono_us worker_patience_next(const struct worker_patience *p)
{
    return p->is_resting ? p->until : MONO_NEVER;
}

/* The queue has been read: `count` kernel messages, has_more if it was left before it was empty. */
void worker_patience_read(struct worker_patience *p, int count, bool has_more, mono_us rest,
                          mono_us now);

#endif
