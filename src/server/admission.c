#include "server/admission.h"

#include "base/attrs.h"

#include <stdbool.h>
#include <string.h>

void admission_init(struct admission *a, const struct admission_config *config, mono_us now)
{
    CHECK(config->worker_count > 0 && config->worker_count <= ADMISSION_WORKERS_MAX);
    memset(a, 0, sizeof(*a));
    a->config = *config;
    a->read_at = now;
    for (size_t i = 0; i < config->worker_count; i++)
        a->price[i].cost = ADMISSION_COST_GUESS;
}

static uint64_t permille(uint64_t part, uint64_t whole)
{
    return whole > 0 ? TK_MIN(part * 1000 / whole, (uint64_t)ADMISSION_LOAD_MAX) : 0;
}

/* The worker's load between two readings. */
static int64_t share_of(const struct admission *a, const struct admission_reading *from,
                        const struct admission_reading *to, mono_us time)
{
    uint64_t cpu = permille(to->cpu_us - from->cpu_us, (uint64_t)time);
    uint64_t busy = permille(to->busy_us - from->busy_us, (uint64_t)time);
    uint64_t allowed = (uint64_t)a->config.packets_per_s * (uint64_t)time / 1000000;
    uint64_t packets = permille(to->packets - from->packets, allowed);
    return (int64_t)TK_MAX(TK_MAX(cpu, busy), packets);
}

/* In millionths, so that the last steps towards a steady share are not rounded away. */
static int64_t smooth(int64_t load, int64_t share, mono_us time)
{
    mono_us constant = share > load ? ADMISSION_RISE_US : ADMISSION_FALL_US;
    return load + (share - load) * time / (constant + time);
}

static int64_t reserved(const struct admission_reserve *r)
{
    return r->arriving + r->settling;
}

/* Of those on the way `joining` still are: what the others were reserved follows the smoothing. */
static void settle(struct admission_reserve *r, uint32_t joining, mono_us time)
{
    uint32_t still = TK_MIN(joining, r->on_way);
    int64_t arrived = r->on_way > 0 ? r->arriving * (r->on_way - still) / r->on_way : 0;
    r->settling -= r->settling * time / (ADMISSION_RISE_US + time);
    r->settling += arrived;
    r->arriving -= arrived;
    r->on_way = still;
}

/* What is there and what is expected, shared among all who are there: while newcomers settle, the
 * price of the next one does not change with how much of them is visible. */
static void set_price(struct admission_price *p, int64_t share, int64_t expected, uint32_t peers,
                      mono_us time)
{
    int64_t count = (int64_t)peers * 1000;
    p->work += (share - p->work) * time / (ADMISSION_RISE_US + time);
    p->peers = TK_MAX(count, p->peers + (count - p->peers) * time / (ADMISSION_RISE_US + time));
    int64_t all = p->work + expected + (int64_t)ADMISSION_COST_GUESS * ADMISSION_GUESS_COUNT;
    int64_t cost = all * 1000 / (p->peers + (int64_t)ADMISSION_GUESS_COUNT * 1000);
    p->cost = TK_MIN(cost, (int64_t)ADMISSION_COST_MAX);
}

/* True if the limit holds: reached, or reached before and not yet clearly left. */
static bool is_over(uint16_t load, uint8_t limit_percent, bool was_over)
{
    int limit = limit_percent * 10;
    int slack = was_over ? TK_MIN(ADMISSION_HYSTERESIS, limit / 2) : 0;
    return limit > 0 && load >= limit - slack;
}

static void decide(struct admission *a)
{
    uint16_t least = UINT16_MAX;
    for (size_t i = 0; i < a->config.worker_count; i++) {
        int64_t expected = (a->smoothed[i] + reserved(&a->reserve[i])) / 1000;
        a->expected[i] = (uint16_t)TK_MIN(expected, (int64_t)UINT16_MAX);
        least = TK_MIN(least, a->expected[i]);
    }
    if (is_over(least, a->config.participants_percent, a->level == ADMISSION_FULL))
        a->level = ADMISSION_FULL;
    else if (is_over(least, a->config.rooms_percent, a->level != ADMISSION_OPEN))
        a->level = ADMISSION_NO_ROOMS;
    else
        a->level = ADMISSION_OPEN;
}

void admission_update(struct admission *a, const struct admission_reading *readings, mono_us now)
{
    mono_us time = now - a->read_at;
    if (time <= 0)
        return;
    for (size_t i = 0; i < a->config.worker_count; i++) {
        int64_t share = share_of(a, &a->last[i], &readings[i], time) * 1000;
        a->smoothed[i] = smooth(a->smoothed[i], share, time);
        a->load[i] = (uint16_t)(a->smoothed[i] / 1000);
        a->last[i] = readings[i];
        settle(&a->reserve[i], readings[i].joining, time);
        set_price(&a->price[i], share, reserved(&a->reserve[i]), readings[i].peers, time);
    }
    a->read_at = now;
    decide(a);
}

void admission_add(struct admission *a, size_t worker, uint32_t count)
{
    CHECK(worker < a->config.worker_count);
    struct admission_reserve *r = &a->reserve[worker];
    int64_t room = (int64_t)ADMISSION_LOAD_MAX * 1000 - reserved(r);
    r->arriving += TK_MIN(a->price[worker].cost * count, TK_MAX(room, (int64_t)0));
    r->on_way = count > UINT32_MAX - r->on_way ? UINT32_MAX : r->on_way + count;
    decide(a);
}
