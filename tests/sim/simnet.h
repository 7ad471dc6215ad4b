#ifndef TK_TESTS_SIM_SIMNET_H
#define TK_TESTS_SIM_SIMNET_H

/*
 * A network in virtual time: one-way links with delay, jitter, reordering, duplication, bursts of
 * loss (Gilbert and Elliott's two states) and a rate limit with a bounded queue. Every decision
 * comes from one seeded generator, so that a run can be repeated. Messages that are not packets of
 * a link (relays and events between threads) travel through the same queue of deliveries.
 */

#include "base/attrs.h"
#include "base/rng.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct simnet_params {
    mono_us delay, jitter;
    double loss_good, loss_bad; /* in the two states */
    double to_bad, to_good;     /* chance to change the state, per packet */
    double duplicate, reorder;  /* per packet */
    mono_us reorder_by;         /* extra delay of a reordered packet */
    uint32_t rate_bps;          /* 0 = no limit */
    uint32_t queue_bytes;       /* what waits for the rate limit at most */
};

struct simnet_link {
    struct simnet_params params;
    bool is_bad, is_cut;
    mono_us free_at; /* when the rate limit lets the next packet begin */
    mono_us last_at; /* arrival of the newest packet that kept its order */
    uint64_t sent, lost, duplicated, reordered;
};

/* Where a delivery goes. */
struct simnet_dest {
    uint8_t kind;
    uint32_t id;
};

struct simnet_delivery {
    mono_us at;
    uint64_t order; /* of posting, so that equal times keep their order */
    struct simnet_dest dest;
    uint16_t size;
    uint8_t data[];
};

struct simnet {
    struct rng *rng; /* the run's */
    struct simnet_delivery **heap;
    size_t count, capacity;
    uint64_t posted;
};

void simnet_init(struct simnet *net, struct rng *rng);
void simnet_fini(struct simnet *net);

/* True if at least one copy is on its way. */
bool simnet_send(struct simnet *net, struct simnet_link *link, struct simnet_dest dest,
                 const void *data, size_t size, mono_us now);

/* When all that the link was sent so far has arrived, with what waits for its rate limit. */
mono_us simnet_link_empty_at(const struct simnet_link *link, mono_us now);

/* Delivers exactly at `at`, whatever the network does. */
void simnet_post(struct simnet *net, mono_us at, struct simnet_dest dest, const void *data,
                 size_t size);

/* The next delivery without taking it; NULL if none. */
const struct simnet_delivery *simnet_peek(const struct simnet *net);

/* Takes it out; the caller frees it. */
struct simnet_delivery *simnet_take(struct simnet *net);

/* True with probability `p`. */
bool sim_chance(struct rng *rng, double p);
/* Uniform in [low, high]. */
int64_t sim_between(struct rng *rng, int64_t low, int64_t high);

#endif
