#ifndef TK_LOAD_HIST_H
#define TK_LOAD_HIST_H

/*
 * A histogram of microseconds: exact below 64, then 64 steps per power of two, which keeps every
 * percentile within 1.6 %. Constant memory, constant time per sample.
 */

#include <stddef.h>
#include <stdint.h>

#define LOAD_HIST_STEPS   64
#define LOAD_HIST_POWERS  27 /* up to 2^32 us; larger samples count as that */
#define LOAD_HIST_BUCKETS (LOAD_HIST_STEPS * (LOAD_HIST_POWERS + 1))

struct load_hist {
    uint64_t count, sum;
    uint64_t max;
    uint64_t buckets[LOAD_HIST_BUCKETS];
};

/* Negative samples (clocks are read at different places) count as 0. */
void load_hist_add(struct load_hist *h, int64_t us);

/* The smallest value that at least `permille_tenths` / 10,000 of the samples do not exceed (upper
 * end of its bucket, at most the maximum); 0 without samples. 9,990 is p99.9. */
uint64_t load_hist_percentile(const struct load_hist *h, uint32_t permille_tenths);

#endif
