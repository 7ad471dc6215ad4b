#ifndef TK_BASE_ADDRMAP_H
#define TK_BASE_ADDRMAP_H

/*
 * A table from transport addresses to pointers: which peer a datagram belongs to. Open addressing;
 * grows by doubling up to a maximum. Lookups never allocate. One thread per table.
 */

#include "base/addr.h"

#include <stddef.h>

struct addrmap_slot;

struct addrmap {
    struct addrmap_slot *slots;
    size_t capacity;
    size_t count;
    size_t used; /* live and dead slots */
    size_t count_max;
};

void addrmap_init(struct addrmap *m, size_t count_max);
void addrmap_fini(struct addrmap *m);

/* Stores or replaces. ERR_LIMIT, -ENOMEM. */
MUST_CHECK int addrmap_set(struct addrmap *m, const struct addr *key, void *value);
void *addrmap_get(const struct addrmap *m, const struct addr *key);

/* Takes the entry out if it maps to `value`; harmless otherwise. */
void addrmap_remove(struct addrmap *m, const struct addr *key, const void *value);

#endif
