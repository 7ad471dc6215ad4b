#include "server/load.h"

#include "base/log.h"
#include "server/config.h"
#include "server/worker_meter.h"
#include "signal/signal.h"

_Static_assert(ADMISSION_WORKERS_MAX == WORKERS_MAX, "one load per worker");
_Static_assert((int)ADMISSION_OPEN == (int)SIGNAL_ADMITS_ALL &&
                   (int)ADMISSION_NO_ROOMS == (int)SIGNAL_ADMITS_NO_ROOMS &&
                   (int)ADMISSION_FULL == (int)SIGNAL_ADMITS_NOBODY,
               "levels are handed on as numbers");

static void read_workers(const struct load *l, struct admission_reading *ret_readings)
{
    for (size_t i = 0; i < l->admission.config.worker_count; i++) {
        struct admission_reading *r = &ret_readings[i];
        worker_usage(l->workers[i], &r->cpu_us, &r->busy_us, &r->packets, &r->joining);
        r->peers = signal_worker_peers(l->signal, i, NULL);
    }
}

static bool is_calm(const struct admission *a)
{
    for (size_t i = 0; i < a->config.worker_count; i++)
        if (a->expected[i] >= ADMISSION_CALM)
            return false;
    return a->level == ADMISSION_OPEN;
}

void load_init(struct load *l, const struct config *c, struct worker *const *workers,
               size_t worker_count, struct signal *signal, mono_us now)
{
    struct admission_config config = {
        .worker_count = (uint8_t)worker_count,
        .rooms_percent = (uint8_t)c->limits_load_rooms_percent,
        .participants_percent = (uint8_t)c->limits_load_participants_percent,
        .packets_per_s = (uint32_t)c->limits_worker_packets_per_s,
    };
    l->workers = workers;
    l->signal = signal;
    l->next_at = now + ADMISSION_INTERVAL;
    admission_init(&l->admission, &config, now);
}

static void tell(struct load *l, enum admission_level before)
{
    static const char *const names[] = {"open", "no_rooms", "full"};
    const struct admission *a = &l->admission;
    signal_set_load(l->signal, a->expected, (enum signal_admission)a->level);
    if (a->level != before)
        LOG_WARN("server", "admission", "level=%s was=%s load_permille=%u expected_permille=%u",
                 names[a->level], names[before], a->load[0], a->expected[0]);
}

void load_handle_timeout(struct load *l, mono_us now)
{
    if (now < l->next_at)
        return;
    struct admission *a = &l->admission;
    struct admission_reading readings[ADMISSION_WORKERS_MAX] = {0};
    enum admission_level before = a->level;
    read_workers(l, readings);
    admission_update(a, readings, now);
    l->next_at =
        is_calm(a) ? mono_grid_after(now, ADMISSION_INTERVAL_CALM) : now + ADMISSION_INTERVAL;
    tell(l, before);
}

void load_note_joins(struct load *l, mono_us now)
{
    struct admission *a = &l->admission;
    enum admission_level before = a->level;
    bool has_joined = false;
    for (size_t i = 0; i < a->config.worker_count; i++) {
        uint64_t ever;
        IGNORE(signal_worker_peers(l->signal, i, &ever)); /* only who came matters here */
        if (ever == l->joined[i])
            continue;
        admission_add(a, i, (uint32_t)(ever - l->joined[i]));
        l->joined[i] = ever;
        has_joined = true;
    }
    if (!has_joined)
        return;
    if (!is_calm(a))
        l->next_at = TK_MIN(l->next_at, now + ADMISSION_INTERVAL);
    tell(l, before);
}
