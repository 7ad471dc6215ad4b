#ifndef TK_SERVER_ADMISSION_H
#define TK_SERVER_ADMISSION_H

/*
 * How loaded the workers are, and what the server still takes. A pure value: readings and time come
 * in as arguments. A worker's load is the largest of three shares: processor time, time spent in
 * turns of its loop (which grows, too, when somebody else takes the processor), and packets against
 * the configured limit. It is smoothed, quick to rise and slow to fall. Newcomers go to the least
 * loaded worker, so the server is as full as that one; a limit that was reached is given up only
 * ADMISSION_HYSTERESIS below it.
 *
 * A newcomer costs nothing at first, so a burst would be let in on a load that knows nothing of it.
 * Each is therefore reserved what a connection costs on this worker: in full until its media
 * connection is up, and then as long as the smoothing takes to contain it. What decides is both
 * together.
 */

#include "base/time.h"

#include <stddef.h>
#include <stdint.h>

#define ADMISSION_WORKERS_MAX   16
#define ADMISSION_INTERVAL      MONO_MS(250) /* between two readings */
#define ADMISSION_INTERVAL_CALM MONO_S(1)    /* the same while every worker has little to do */
#define ADMISSION_CALM          250       /* permille; from here on a worker has something to do */
#define ADMISSION_RISE_US       MONO_S(1) /* time constants of the smoothing */
#define ADMISSION_FALL_US       MONO_S(5)
#define ADMISSION_HYSTERESIS    100  /* permille */
#define ADMISSION_LOAD_MAX      4000 /* permille; more than that says nothing more */
/* What a connection costs, in millionths of a worker, before there is enough to measure: a worker
 * that holds 1,000. It counts as much as this number of measured ones. */
#define ADMISSION_COST_GUESS  1000
#define ADMISSION_GUESS_COUNT 4
#define ADMISSION_COST_MAX    50000 /* who fills a worker alone says nothing of others */

struct admission_config {
    uint8_t worker_count;
    /* Load from which new rooms, and new participants, are refused; 0 = never. */
    uint8_t rooms_percent, participants_percent;
    uint32_t packets_per_s; /* in and out that one worker may be offered; 0 = no such limit */
};

/* What one worker has used since it began. */
struct admission_reading {
    uint64_t cpu_us;  /* its thread's processor time */
    uint64_t busy_us; /* its turns, from waking up to sleeping */
    uint64_t packets; /* received and sent */
    uint32_t peers;   /* connections that it has now */
    uint32_t joining; /* those of them that are not up yet */
};

/* What newcomers will cost and the load does not show yet, in millionths. */
struct admission_reserve {
    int64_t arriving; /* their connections are not up: their work has not begun */
    int64_t settling; /* it has, but the smoothed load still lags */
    uint32_t on_way;  /* how many are arriving */
};

enum admission_level { ADMISSION_OPEN, ADMISSION_NO_ROOMS, ADMISSION_FULL };

/* What a worker's connections cost. Both fall at the same speed when they leave, so that those who
 * come next are not priced by work of those who have gone. */
struct admission_price {
    int64_t work;  /* load in millionths, up and down alike smoothed by ADMISSION_RISE_US */
    int64_t peers; /* connections that it is shared among, in thousandths */
    int64_t cost;  /* of one more connection, in millionths of a worker */
};

struct admission {
    struct admission_config config;
    mono_us read_at;
    struct admission_reading last[ADMISSION_WORKERS_MAX];
    int64_t smoothed[ADMISSION_WORKERS_MAX]; /* load in millionths */
    struct admission_price price[ADMISSION_WORKERS_MAX];
    struct admission_reserve reserve[ADMISSION_WORKERS_MAX];
    uint16_t load[ADMISSION_WORKERS_MAX];     /* measured and smoothed, in permille */
    uint16_t expected[ADMISSION_WORKERS_MAX]; /* the same with the reserve; what decides */
    enum admission_level level;
};

void admission_init(struct admission *a, const struct admission_config *config, mono_us now);
/* One reading of every worker, in their order. Readings never fall. */
void admission_update(struct admission *a, const struct admission_reading *readings, mono_us now);
/* So many newcomers were given to this worker. The level follows at once: of a burst, at most the
 * last one is over the limit. */
void admission_add(struct admission *a, size_t worker, uint32_t count);

#endif
