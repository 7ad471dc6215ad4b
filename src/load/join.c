/* Who begins when, and who has taken too long. */
#include "load/load_internal.h"

#define BEHIND_US   MONO_MS(60) /* what comes waits this long: our core is full */
#define BEHIND_AGE  MONO_MS(100)
#define BEHIND_STEP MONO_MS(200) /* between two joins then: a few go on, whatever happens */
#define HOLD        MONO_MS(2)
#define JOINING_MIN 32 /* at once, however small the rate */

/* Is the core too busy with those who are there already? */
static bool is_behind(const struct load_run *run, mono_us now)
{
    return run->io.backlog_us > BEHIND_US && now - run->io.backlog_at < BEHIND_AGE;
}

/*
 * No more than a second's share waits for its connection at once: a side that cannot follow the
 * rate is given as many as it can. Once somebody has waited in vain, the rest is not held back: a
 * server that does not answer would take the whole time for each share.
 */
static bool is_held(const struct load_run *run, double rate)
{
    uint32_t most = (uint32_t)TK_MAX(rate, (double)JOINING_MIN);
    return run->timed_out == 0 && run->joining >= most;
}

void load__join_due(struct load_run *run, uint32_t until, double rate, mono_us now)
{
    /* What comes while it is measured comes at the rate that was asked for: it is the measure. */
    bool is_paced = run->phase != LOAD_PHASE_MEASURE;
    while (run->begun < until && now >= run->next_join_at) {
        if (is_paced && is_held(run, rate)) {
            run->next_join_at = now + HOLD;
            return;
        }
        load__client_begin(&run->clients[run->begun++], now);
        run->next_join_at += (mono_us)(1e6 / rate);
        if (is_paced && is_behind(run, now))
            run->next_join_at = TK_MAX(run->next_join_at, now + BEHIND_STEP);
    }
}

static void fail_late(struct load_client *c)
{
    c->run->timed_out++;
    if (c->step_at[LOAD_STEP_KEYS] == 0)
        load__client_fail(c, "no media connection within the time (--join-timeout)");
    else
        load__client_fail(c, "%u of %u tracks came within the time (--join-timeout)",
                          c->streams_seen, c->streams_wanted);
}

void load__join_tell_incomplete(struct load_run *run, uint32_t until)
{
    for (uint32_t i = 0; i < until; i++) {
        struct load_client *c = &run->clients[i];
        if (!c->is_complete && c->state != LOAD_FAILED)
            fail_late(c);
    }
}

/* When the time of this client began: its own join; where it waits for those who come later, and
 * with the floor program for the publishers, theirs. */
static mono_us time_of(const struct load_run *run, const struct load_client *c)
{
    const struct load_options *o = run->options;
    bool waits_for_all = o->is_gallery || o->is_lesson || o->target == LOAD_FLOOR;
    return waits_for_all ? run->clients[run->begun - 1].join_at : c->join_at;
}

bool load__join_is_over(struct load_run *run, uint32_t until, mono_us now)
{
    mono_us limit = MONO_S(run->options->join_timeout_s);
    for (; run->settled < TK_MIN(run->begun, until); run->settled++) {
        struct load_client *c = &run->clients[run->settled];
        if (c->is_complete || c->state == LOAD_FAILED)
            continue;
        if (now - time_of(run, c) <= limit)
            break;
        fail_late(c);
    }
    return run->settled >= until;
}
