#ifndef TK_SERVER_LOAD_H
#define TK_SERVER_LOAD_H

/*
 * The control thread's side of admission: reads how busy the workers are four times a second (once
 * while they have little to do), sees who came in between, tells signalling what the server still
 * takes, and logs when that changes.
 */

#include "server/admission.h"

#include <stddef.h>

struct config;
struct signal;
struct worker;

struct load {
    struct admission admission;
    struct worker *const *workers;
    struct signal *signal;
    uint64_t joined[ADMISSION_WORKERS_MAX]; /* connections ever given to each worker, so far */
    mono_us next_at;
};

void load_init(struct load *l, const struct config *config, struct worker *const *workers,
               size_t worker_count, struct signal *signal, mono_us now);
void load_handle_timeout(struct load *l, mono_us now);
/* After every call of signalling that may have let somebody in: what newcomers will cost counts
 * before the next one is asked about. */
void load_note_joins(struct load *l, mono_us now);
static inline mono_us load_next_timeout(const struct load *l)
{
    return l->next_at;
}

#endif
