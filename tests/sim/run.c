#include "sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The loop of one run: always the next event first, the clock jumps to it. */

#define SCRIPT_TIME MONO_S(14)
#define RECOVER_MIN MONO_S(4)     /* a good line for so long, whatever else */
#define RECOVER_MAX MONO_S(15)    /* everybody decodes by then */
#define PAUSE_MAX   MONO_S(90)    /* a video that stood back for sound is tried again */
#define SILENCE     MONO_MS(2600) /* after which no ring holds a packet */

/* ---- telling ---- */

void sim_trace(struct sim *sim, const char *format, ...)
{
    char *line = sim->trace[sim->trace_count++ % SIM_TRACE];
    int n = snprintf(line, sizeof(sim->trace[0]), "%9.3f ms  ", (double)sim->now / 1000);
    va_list args;
    va_start(args, format);
    vsnprintf(line + n, sizeof(sim->trace[0]) - (size_t)n, format, args);
    va_end(args);
    if (sim->is_verbose)
        puts(line);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->is_failed)
        return;
    sim->is_failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(sim->failure, sizeof(sim->failure), format, args);
    va_end(args);
    sim_trace(sim, "FAILED: %s", sim->failure);
}

static void print_failure(const struct sim *sim)
{
    printf("seed %" PRIu64 " failed: %s\n", sim->seed, sim->failure);
    uint64_t first = sim->trace_count > SIM_TRACE ? sim->trace_count - SIM_TRACE : 0;
    for (uint64_t i = first; i < sim->trace_count && !sim->is_verbose; i++)
        printf("  %s\n", sim->trace[i % SIM_TRACE]);
    printf("again: test_sim --seed %" PRIu64 " --verbose\n", sim->seed);
    fflush(stdout);
}

/* ---- time ---- */

static mono_us next_event(const struct sim *sim, mono_us until)
{
    mono_us next = TK_MIN(until, sim->check_at);
    const struct simnet_delivery *d = simnet_peek(&sim->net);
    if (d != NULL)
        next = TK_MIN(next, d->at);
    for (uint8_t n = 0; n < sim->node_count; n++)
        next = TK_MIN(next, sfu_node_next_timeout(sim->nodes[n].node));
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] != NULL)
            next = TK_MIN(next, source_next(sim->sources[i]));
    next = TK_MIN(next, sim->tick_at);
    return sim->is_healed ? next : TK_MIN(next, sim->script_at);
}

static void step_participants(struct sim *sim)
{
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] != NULL)
            source_tick(sim->sources[i]);
    if (sim->now < sim->tick_at)
        return;
    sim->tick_at = sim->now + SIM_TICK;
    for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++)
        if (sim->receivers[i] != NULL)
            receiver_tick(sim->receivers[i]);
}

static void step_nodes(struct sim *sim)
{
    for (uint8_t n = 0; n < sim->node_count; n++) {
        if (sim->nodes[n].is_dirty)
            room_settle(sim, n);
        if (!sfu_node_is_due(sim->nodes[n].node, sim->now))
            continue;
        sfu_node_handle_timeout(sim->nodes[n].node, sim->now);
        room_settle(sim, n);
        if (sfu_node_is_due(sim->nodes[n].node, sim->now))
            sim_fail(sim, "node %u: its timer does not move on", n);
    }
}

/* Runs until `until`, or until something is wrong. */
static void run_until(struct sim *sim, mono_us until)
{
    while (sim->now < until && !sim->is_failed) {
        mono_us next = next_event(sim, until);
        if (sim->batch > 0)
            next = (next + sim->batch - 1) / sim->batch * sim->batch;
        sim->now = TK_MAX(sim->now, next);
        for (const struct simnet_delivery *d;
             (d = simnet_peek(&sim->net)) != NULL && d->at <= sim->now && !sim->is_failed;)
            room_deliver(sim, simnet_take(&sim->net));
        step_nodes(sim);
        step_participants(sim);
        if (!sim->is_healed && sim->now >= sim->script_at)
            script_step(sim);
        if (sim->now >= sim->check_at)
            check_always(sim);
    }
}

static void recover(struct sim *sim)
{
    room_heal(sim);
    run_until(sim, sim->good_at + RECOVER_MIN);
    for (;;) {
        if (sim->is_failed || check_recovered(sim, false))
            return;
        bool has_paused = false;
        for (size_t i = 0; i < SIM_RECEIVERS_MAX; i++)
            has_paused = has_paused || (sim->receivers[i] != NULL && sim->receivers[i]->is_paused);
        if (sim->now - sim->good_at > (has_paused ? PAUSE_MAX : RECOVER_MAX)) {
            check_recovered(sim, true);
            return;
        }
        run_until(sim, sim->now + MONO_MS(200));
    }
}

/* When nobody sends any more, the rings give everything back. */
static void fall_silent(struct sim *sim)
{
    for (size_t i = 0; i < SIM_SOURCES_MAX; i++)
        if (sim->sources[i] != NULL)
            sim->sources[i]->is_muted = true;
    run_until(sim, sim->now + SILENCE);
    for (uint8_t n = 0; n < sim->node_count && !sim->is_failed; n++)
        if (pkt_pool_used(sim->nodes[n].pool) != 0)
            sim_fail(sim, "node %u: still holds %zu packets in silence", n,
                     pkt_pool_used(sim->nodes[n].pool));
}

static void begin(struct sim *sim, uint64_t seed, bool is_verbose)
{
    sim->seed = seed;
    sim->is_verbose = is_verbose;
    rng_init_seeded(&sim->rng, seed);
    simnet_init(&sim->net, &sim->rng);
    sim->now = MONO_S(1);
    sim->check_at = sim->now;
    sim->script_at = sim->now + MONO_MS(300);
    sim->node_count = (uint8_t)(1 + rng_below(&sim->rng, 2));
    sim->batch = sim_chance(&sim->rng, 0.5) ? sim_between(&sim->rng, 1, 20) * 250 : 0;
    sim->has_loss = sim_chance(&sim->rng, 0.8);
    sim->has_dynacast = sim_chance(&sim->rng, 0.5);
    sim->ring_packets = 256u << rng_below(&sim->rng, 3);
}

bool sim_run(uint64_t seed, bool is_verbose, struct sim_totals *totals)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    CHECK(sim != NULL);
    begin(sim, seed, is_verbose);
    sim->totals = *totals;
    room_init(sim);
    script_begin(sim);
    run_until(sim, sim->now + SCRIPT_TIME);
    if (!sim->is_failed)
        recover(sim);
    if (!sim->is_failed)
        fall_silent(sim);
    sim->totals.seconds += (uint64_t)(sim->now / 1000000);
    sim->totals.seeds++;
    bool is_good = !sim->is_failed;
    if (!is_good)
        print_failure(sim);
    room_fini(sim);
    if (is_good && sim->is_failed) {
        print_failure(sim);
        is_good = false;
    }
    *totals = sim->totals;
    free(sim);
    return is_good;
}
