#include "load/hist.h"

#include "base/attrs.h"

static size_t bucket_of(uint64_t us)
{
    if (us < LOAD_HIST_STEPS)
        return (size_t)us;
    int power = 63 - __builtin_clzll(us); /* 6 or more */
    size_t step = (size_t)(us >> (power - 6)) & (LOAD_HIST_STEPS - 1);
    size_t bucket = (size_t)(power - 5) * LOAD_HIST_STEPS + step;
    return TK_MIN(bucket, (size_t)LOAD_HIST_BUCKETS - 1);
}

static uint64_t upper_end(size_t bucket)
{
    if (bucket < LOAD_HIST_STEPS)
        return bucket;
    int shift = (int)(bucket / LOAD_HIST_STEPS) - 1;
    uint64_t step = LOAD_HIST_STEPS + bucket % LOAD_HIST_STEPS;
    return ((step + 1) << shift) - 1;
}

void load_hist_add(struct load_hist *h, int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    h->count++;
    h->sum += value;
    h->max = TK_MAX(h->max, value);
    h->buckets[bucket_of(value)]++;
}

uint64_t load_hist_percentile(const struct load_hist *h, uint32_t permille_tenths)
{
    uint64_t wanted = (h->count * permille_tenths + 9999) / 10000;
    uint64_t seen = 0;
    if (h->count == 0)
        return 0;
    wanted = TK_MAX(wanted, 1u);
    for (size_t i = 0; i < LOAD_HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= wanted)
            return TK_MIN(upper_end(i), h->max);
    }
    return h->max;
}
