/* The phases of a run: who joins in which, when it is measured, and how that ends. */
#include "load/load_internal.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STORM_DELAY MONO_MS(500) /* into the measuring */

static void enter(struct load_run *run, enum load_phase phase, mono_us now)
{
    run->phase = phase;
    run->phase_at = now;
    run->next_join_at = now + (phase == LOAD_PHASE_MEASURE ? STORM_DELAY : 0);
}

static void watch(struct load_run *run, bool is_end, mono_us now)
{
    struct load_watch *self = is_end ? &run->self.end : &run->self.begin;
    struct load_watch *server = is_end ? &run->server.end : &run->server.begin;
    *(is_end ? &run->machine_end : &run->machine_begin) = load_watch_machine();
    int err = load_watch_read(getpid(), now, self);
    if (err < 0)
        fprintf(stderr, "tongke load: own process: %s\n", err_text(err));
    if (run->options->server_pid == 0)
        return;
    err = load_watch_read(run->options->server_pid, now, server);
    if (err < 0)
        fprintf(stderr, "tongke load: --server-pid %d: %s\n", run->options->server_pid,
                err_text(err));
}

static void begin_measuring(struct load_run *run, mono_us now)
{
    memset(&run->m, 0, sizeof(run->m));
    enter(run, LOAD_PHASE_MEASURE, now);
    watch(run, false, now);
    run->phase_at = mono_now(); /* reading memory maps takes its time */
}

/* What began inside the window and is not over at its end. */
static void count_open_ends(struct load_run *run, mono_us now)
{
    LIST_FOR_EACH(it, &run->conns)
    {
        const struct load_conn *conn = CONTAINER_OF(it, struct load_conn, in_run);
        for (size_t i = 0; i < conn->rx_count; i++) {
            const struct load_rx *rx = conn->rxs[i];
            uint64_t missing = load__rx_missing(rx);
            run->m.lost += missing;
            run->m.lost_video += rx->kind == RTP_KIND_VIDEO ? missing : 0;
            if (rx->kind != RTP_KIND_VIDEO || rx->frame_at == 0 ||
                now - rx->frame_at <= LOAD_FREEZE_US)
                continue;
            run->m.freezes++;
            run->m.freeze_us += (uint64_t)(now - rx->frame_at);
        }
    }
}

static void end_measuring(struct load_run *run, mono_us now)
{
    run->measured_us = now - run->phase_at;
    watch(run, true, now);
    count_open_ends(run, now);
    run->phase = LOAD_PHASE_OVER;
}

static void step(struct load_run *run, mono_us now)
{
    const struct load_options *o = run->options;
    uint32_t regular = run->client_count - run->lates;
    bool is_separate = o->target != LOAD_FLOOR && !o->is_gallery && !o->is_lesson;
    if (run->trouble[0] != '\0') {
        enter(run, LOAD_PHASE_OVER, now);
    } else if (run->lessons_missing > 0) {
        enter(run, LOAD_PHASE_PUBLISHERS, now);
    } else if (run->phase == LOAD_PHASE_PUBLISHERS) {
        uint32_t until = is_separate ? run->publisher_count : regular;
        load__join_due(run, until, o->join_rate, now);
        if (load__join_is_over(run, until, now)) {
            enter(run, run->failed == until ? LOAD_PHASE_OVER : LOAD_PHASE_SUBSCRIBERS, now);
        }
    } else if (run->phase == LOAD_PHASE_SUBSCRIBERS) {
        load__join_due(run, regular, o->join_rate, now);
        if (load__join_is_over(run, regular, now)) {
            bool has_receivers = run->joined > (is_separate ? run->publisher_count : 0);
            bool needs_none = regular == run->publisher_count;
            enter(run, has_receivers || needs_none ? LOAD_PHASE_WARM_UP : LOAD_PHASE_OVER, now);
        }
    } else if (run->phase == LOAD_PHASE_WARM_UP) {
        if (now - run->phase_at >= MONO_S(o->warm_up_s))
            begin_measuring(run, now);
    } else if (run->phase == LOAD_PHASE_MEASURE) {
        load__join_due(run, run->client_count, o->storm_joins / TK_MAX(o->storm_s, 0.001), now);
        if (now - run->phase_at >= MONO_S(o->duration_s)) {
            load__join_tell_incomplete(run, run->client_count);
            end_measuring(run, now);
        }
    }
}

static mono_us next_step(const struct load_run *run, mono_us now)
{
    mono_us next = TK_MIN(timers_next(&run->timers), timers_next(&run->frames));
    next = TK_MIN(next, now + MONO_MS(20));
    if (run->begun < run->client_count)
        next = TK_MIN(next, TK_MAX(run->next_join_at, now));
    return next;
}

void load__drive(struct load_run *run)
{
    enter(run, LOAD_PHASE_PUBLISHERS, mono_now());
    while (run->phase != LOAD_PHASE_OVER && !*run->is_stopping) {
        mono_us now = mono_now();
        load__fire_timers(run);
        step(run, now);
        load__progress_show(run, now);
        if (run->phase != LOAD_PHASE_OVER)
            load__io_wait(run, next_step(run, mono_now()));
    }
    if (run->phase == LOAD_PHASE_MEASURE)
        end_measuring(run, mono_now()); /* stopped: what there is */
    run->phase = LOAD_PHASE_OVER;
    load__progress_clear(run);
}
