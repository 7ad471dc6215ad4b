#include "server/worker_meter.h"

#include "server/worker_internal.h"

#include <string.h>
#include <time.h>

/* Less than this between two turns: the loop did not sleep, so that what was received in the second
 * may have waited since the first began. */
#define SLEPT_US 50

const uint32_t worker_delay_bounds_us[WORKER_DELAY_BUCKETS] = {
    100, 250, 500, 1000, 2000, 3000, 5000, 10000, 20000, 50000, 100000, 250000, 1000000};

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    /* One writer, so a relaxed load and store is enough and cheaper than a locked add. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void worker__meter_relay(struct worker *w, const struct sfu_relay *relay)
{
    if (relay->kind == SFU_RELAY_PACKET)
        w->meter.relay_arrived = TK_MIN(w->meter.relay_arrived, relay->pkt->arrived);
}

/* `count` packets left at `end`; the oldest of them came at `from`. */
static void count_delay(struct worker_meter *m, uint64_t count, mono_us from, mono_us end)
{
    uint64_t delay = (uint64_t)TK_MAX(end - from, 0);
    size_t bucket = 0;
    while (bucket < WORKER_DELAY_BUCKETS && delay > worker_delay_bounds_us[bucket])
        bucket++;
    add(&m->delay_counts[bucket], count);
    add(&m->delay_sum_us, count * delay);
}

static void publish(struct worker_meter *m, const struct worker_core_stats *core)
{
    uint64_t words[WORKER_CORE_WORDS] = {0};
    memcpy(words, core, sizeof(*core));
    for (size_t i = 0; i < WORKER_CORE_WORDS; i++)
        atomic_store_explicit(&m->core[i], words[i], memory_order_relaxed);
}

void worker__meter_turn(struct worker *w)
{
    struct worker_meter *m = &w->meter;
    struct worker_core_stats core;
    sfu_node_stats(w->node, &core.node);
    udp_stats(w->udp, &core.udp);
    publish(m, &core);
    atomic_store_explicit(&m->joining, w->joining_count, memory_order_relaxed);
    atomic_store_explicit(&m->buffers_used, pkt_pool_used(w->pool), memory_order_relaxed);

    mono_us end = mono_now();
    bool has_slept = w->turn_began - m->turn_end >= SLEPT_US;
    mono_us from = has_slept ? w->turn_began : m->turn_begin;
    from = TK_MIN(from, m->relay_arrived);
    uint64_t sent = core.node.rtp_out - m->rtp_out;
    if (sent > 0)
        count_delay(m, sent, from, end);
    add(&m->turns, 1);
    add(&m->busy_us, (uint64_t)(end - w->turn_began));
    m->rtp_out = core.node.rtp_out;
    m->relay_arrived = MONO_NEVER;
    m->turn_begin = w->turn_began;
    m->turn_end = end;
}

static uint64_t cpu_us(const struct worker *w)
{
    clockid_t clock;
    struct timespec t;
    if (!w->is_started || pthread_getcpuclockid(w->thread, &clock) != 0 ||
        clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void worker_usage(const struct worker *w, uint64_t *ret_cpu_us, uint64_t *ret_busy_us,
                  uint64_t *ret_packets, uint32_t *ret_joining)
{
    struct worker_stats stats;
    worker_stats(w, &stats);
    *ret_cpu_us = cpu_us(w);
    *ret_busy_us = get(&w->meter.busy_us);
    *ret_packets = stats.packets_in + stats.packets_out;
    *ret_joining = atomic_load_explicit(&w->meter.joining, memory_order_relaxed);
}

void worker_gauges(const struct worker *w, struct worker_gauges *ret_gauges)
{
    struct worker_gauges *g = ret_gauges;
    const struct worker_meter *m = &w->meter;
    memset(g, 0, sizeof(*g));
    g->cpu_us = cpu_us(w);
    g->turns = get(&m->turns);
    g->busy_us = get(&m->busy_us);
    g->delay_sum_us = get(&m->delay_sum_us);
    g->buffers_used = get(&m->buffers_used);
    for (size_t i = 0; i <= WORKER_DELAY_BUCKETS; i++)
        g->delay_counts[i] = get(&m->delay_counts[i]);
    uint64_t words[WORKER_CORE_WORDS];
    for (size_t i = 0; i < WORKER_CORE_WORDS; i++)
        words[i] = get(&m->core[i]);
    memcpy(&g->core, words, sizeof(g->core));
    g->commands_queued = ring_count(&w->commands.ring);
    g->events_queued = ring_count(&w->events);
    g->handovers_queued = ring_count(&w->handovers.ring);
    for (size_t i = 0; i < WORKERS_MAX; i++)
        if (w->others[i] != NULL)
            g->relays_queued += ring_count(&w->relays[i].ring);
    g->has_socket = udp_backlog(w->udp, &g->backlog);
}
