/*
 * Goal: whatever the lines and the participants do, subscribers get streams that decode, nobody is
 * stuck once the lines are good again, nobody gets what he may not have, publishers are asked for
 * keyframes neither too often nor too seldom, and memory stays bounded and comes back.
 * Method: a room on a simulated network in virtual time, everything drawn from a seed (sim.h); what
 * each part must do is checked at every packet. At the end the counts of all runs must show that
 * the difficult things have happened at all.
 *
 *     test_sim [--first N] [--count N]       seeds N, N + 1, …
 *     test_sim --seed N [--verbose]          one seed again
 */
#include "sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILURES_MAX    5
#define COUNTS_SEEN_FOR 100 /* so many seeds show everything */

struct options {
    uint64_t first, count;
    bool is_verbose;
};

static bool read_options(int argc, char **argv, struct options *ret)
{
    *ret = (struct options){.first = 1, .count = 100};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            ret->is_verbose = true;
            continue;
        }
        char *end = NULL;
        uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], &end, 10) : 0;
        if (end == NULL || *end != '\0' || end == argv[i + 1])
            return false;
        if (strcmp(argv[i], "--seed") == 0)
            *ret = (struct options){.first = value, .count = 1, .is_verbose = ret->is_verbose};
        else if (strcmp(argv[i], "--first") == 0)
            ret->first = value;
        else if (strcmp(argv[i], "--count") == 0)
            ret->count = value;
        else
            return false;
        i++;
    }
    return true;
}

static void print_totals(const struct sim_totals *t)
{
    printf("%" PRIu64 " seeds, %" PRIu64 " s of virtual time\n", t->seeds, t->seconds);
    printf("  packets in %" PRIu64 ", out %" PRIu64 ", relayed %" PRIu64 ", frames decoded %" PRIu64
           "\n",
           t->packets_in, t->packets_out, t->relays, t->frames);
    printf("  lost on uplinks %" PRIu64 ", retransmitted %" PRIu64 " up and %" PRIu64
           " down, gaps given up %" PRIu64 "\n",
           t->uplink_lost, t->uplink_repaired, t->repeats, t->skipped);
    printf("  layer switches %" PRIu64 ", keyframes wished %" PRIu64 " and asked for %" PRIu64
           ", new encoders %" PRIu64 ", lines cut %" PRIu64 ", pauses %" PRIu64
           ", large audiences for %" PRIu64 " s\n",
           t->switches, t->plis, t->keyframes, t->restarts, t->cuts, t->pauses, t->audiences / 10);
}

/* A simulation in which nothing happens would find nothing. */
static bool has_happened(const struct sim_totals *t)
{
    if (t->seeds < COUNTS_SEEN_FOR)
        return true;
    const struct {
        const char *what;
        uint64_t count, least;
    } counts[] = {{"frames", t->frames, 1000 * t->seeds},
                  {"layer switches", t->switches, 5 * t->seeds},
                  {"retransmissions up", t->uplink_repaired, t->uplink_lost / 8},
                  {"retransmissions down", t->repeats, 10 * t->seeds},
                  {"requests", t->keyframes, 5 * t->seeds},
                  {"relays", t->relays, 100 * t->seeds},
                  {"new encoders", t->restarts, t->seeds / 4},
                  {"cut lines", t->cuts, t->seeds / 10},
                  {"large audiences", t->audiences, t->seeds / 10},
                  {"pauses", t->pauses, 1}};
    bool is_good = true;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        if (counts[i].count >= counts[i].least)
            continue;
        printf("only %" PRIu64 " %s in all runs, at least %" PRIu64 " are expected\n",
               counts[i].count, counts[i].what, counts[i].least);
        is_good = false;
    }
    return is_good;
}

int main(int argc, char **argv)
{
    struct options options;
    struct sim_totals totals = {0};
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr, "usage: test_sim [--first N] [--count N] | --seed N [--verbose]\n");
        return 2;
    }
    int failures = 0;
    for (uint64_t i = 0; i < options.count && failures < FAILURES_MAX; i++)
        failures += !sim_run(options.first + i, options.is_verbose, &totals);
    print_totals(&totals);
    if (failures > 0)
        printf("%d seeds failed\n", failures);
    return failures == 0 && has_happened(&totals) ? 0 : 1;
}
