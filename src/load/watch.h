#ifndef TK_LOAD_WATCH_H
#define TK_LOAD_WATCH_H

/*
 * What a process costs, from /proc: processor time by nanoseconds of the scheduler and by ticks,
 * context switches and memory; at two moments, and the difference. Threads that come or go between
 * are counted as far as their process is.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define LOAD_WATCH_THREADS 64 /* looked at one by one; of more, the first */

struct load_watch_thread {
    int id;
    char name[16];
    uint64_t run_ns, wait_ns;
};

struct load_watch {
    mono_us at;
    bool is_read;
    uint64_t user_us, system_us; /* ticks of utime and stime, all threads, also ended ones */
    uint64_t run_ns;             /* of all living threads; 0 where the kernel has no schedstat */
    uint64_t wait_ns;            /* the same threads ready to run, but without a processor */
    uint64_t switches_voluntary, switches_forced;
    uint64_t rss_kib, pss_kib; /* pss 0 = may not be read */
    uint32_t threads;
    struct load_watch_thread each[LOAD_WATCH_THREADS];
};

struct load_watch_span {
    struct load_watch begin, end;
};

/* Negative errno, with nothing written: no such process, or not ours to read. */
MUST_CHECK int load_watch_read(int pid, mono_us now, struct load_watch *ret_watch);

/* Processor time between the two, by the scheduler where it is there, else by ticks. */
double load_watch_cpu_us(const struct load_watch_span *span);

/*
 * The thread that had least time to spare between the two: the share of it in which it ran or was
 * ready to run, 0 to about 1, and its name. 0 and "" where the kernel has no schedstat.
 */
double load_watch_busiest(const struct load_watch_span *span, char ret_name[16]);

/* Time of all processors since the start of the machine, in ticks of the kernel. */
struct load_watch_machine {
    uint64_t all, stolen; /* stolen: they were ready, but the host ran something else */
};

/* All zero where the kernel does not tell. */
struct load_watch_machine load_watch_machine(void);

/* The share of the processors' time that the host took between the two, 0 to 1. A machine of its
 * own loses nothing; a virtual one loses milliseconds at a time, and every delay is longer by them.
 */
double load_watch_stolen(const struct load_watch_machine *begin,
                         const struct load_watch_machine *end);

#endif
