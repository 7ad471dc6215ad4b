#ifndef TK_SERVER_WORKER_PATIENCE_H
#define TK_SERVER_WORKER_PATIENCE_H

/*
 * When a worker looks at what can wait: the checks (STUN) and reports (RTCP) of its peers. Each of
 * them comes alone, and a wake-up for one costs several times what handling it does. So after some
 * have been read their queue rests: what comes meanwhile does not wake the worker and is read
 * together, at the end of the rest or in any turn before it, which is awake anyway. A queue in
 * which nothing came for a whole rest wakes the worker again, so that who comes into a quiet room
 * does not wait. Pure: time comes in as an argument.
 */

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

/* Rest (us) for each peer: the more speak, the more there is to collect. With 100 peers, each of
 * which says something that can wait once or twice a second, 2 to 5 messages share a wake-up. */
#define PATIENCE_PER_PEER 250
/* A shorter rest is none: below 20 peers there is hardly anything to collect. */
#define PATIENCE_MIN MONO_MS(5)
/* What a check, a report or a request for a lost packet waits at most, from 100 peers on. A packet
 * of sound (20 ms) and a bit: where sound flows, it wakes the worker before a rest is over. A lost
 * packet is still asked for and sent again well within a jitter buffer. */
#define PATIENCE_MAX MONO_MS(25)
/* And while somebody joins, which takes several checks one after another. */
#define PATIENCE_JOINING MONO_MS(5)

_Static_assert(PATIENCE_JOINING >= PATIENCE_MIN && PATIENCE_JOINING <= PATIENCE_MAX, "a rest");

struct worker_patience {
    bool is_resting; /* the queue does not wake the worker */
    mono_us until;   /* end of the rest */
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
