#ifndef TK_SERVER_WORKER_METER_H
#define TK_SERVER_WORKER_METER_H

/*
 * What a worker measures of itself, once a turn of its loop and never per packet: the time its
 * turns take, the delay of the packets it sends, and copies of the counters that its cores keep.
 * Written by the worker as relaxed atomics; any thread reads. The rest of what an operator wants to
 * know (processor time, queues, the socket) is looked up by the reader and costs the worker
 * nothing.
 */

#include "net/udp.h"
#include "server/worker.h"
#include "sfu/node.h"

#define WORKER_DELAY_BUCKETS 13

/* Upper bounds of the buckets in microseconds; one more bucket has no bound. */
extern const uint32_t worker_delay_bounds_us[WORKER_DELAY_BUCKETS];

/* The cores' counters, copied as whole words. */
struct worker_core_stats {
    struct sfu_node_stats node;
    struct udp_stats udp;
};

#define WORKER_CORE_WORDS ((sizeof(struct worker_core_stats) + 7) / 8)

struct worker_meter {
    /* Owned by the worker's thread. */
    mono_us turn_begin, turn_end; /* of the last turn */
    mono_us relay_arrived;        /* the oldest packet that another worker handed over this turn */
    uint64_t rtp_out;             /* counted so far */

    /* Written by the worker, read anywhere: relaxed atomics, statistics only. */
    _Atomic uint64_t turns, busy_us, delay_sum_us, buffers_used;
    _Atomic uint32_t joining; /* connections that are not up yet */
    _Atomic uint64_t delay_counts[WORKER_DELAY_BUCKETS + 1];
    _Atomic uint64_t core[WORKER_CORE_WORDS];
};

/* The worker's thread: a packet comes from another worker; the turn is over, its packets are sent.
 */
void worker__meter_relay(struct worker *w, const struct sfu_relay *relay);
void worker__meter_turn(struct worker *w);

/* A snapshot for metrics and admission. */
struct worker_gauges {
    uint64_t cpu_us; /* processor time of the thread */
    uint64_t turns, busy_us, delay_sum_us;
    uint64_t delay_counts[WORKER_DELAY_BUCKETS + 1]; /* packets sent, not cumulative */
    struct worker_core_stats core;
    uint64_t buffers_used; /* packet buffers, after the last turn */

    size_t commands_queued, events_queued, relays_queued, handovers_queued;
    bool has_socket; /* the kernel has told the following */
    struct udp_backlog backlog;
};

/* Any thread but the worker's own, while the worker runs. */
void worker_gauges(const struct worker *w, struct worker_gauges *ret_gauges);
/* The cheap part of it: processor time, turns, packets, connections that are not up yet. */
void worker_usage(const struct worker *w, uint64_t *ret_cpu_us, uint64_t *ret_busy_us,
                  uint64_t *ret_packets, uint32_t *ret_joining);

#endif
