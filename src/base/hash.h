#ifndef TK_BASE_HASH_H
#define TK_BASE_HASH_H

/*
 * Two open-addressing tables that map to pointers: `idmap` from 64-bit keys and `strmap` from
 * strings (the key is copied). They grow by doubling up to a maximum given at init; a full table
 * answers ERR_LIMIT. Lookups never allocate. One thread per table.
 */

#include "base/attrs.h"

#include <stddef.h>
#include <stdint.h>

struct idmap_slot;

struct idmap {
    struct idmap_slot *slots;
    size_t capacity; /* power of two or 0 */
    size_t count;
    size_t used; /* live and dead slots */
    size_t count_max;
};

void idmap_init(struct idmap *m, size_t count_max);
void idmap_fini(struct idmap *m);

/* Stores a non-NULL value under a new key. ERR_EXISTS, ERR_LIMIT, -ENOMEM. */
MUST_CHECK int idmap_put(struct idmap *m, uint64_t key, void *value);
void *idmap_get(const struct idmap *m, uint64_t key);

/* Takes the value out; NULL if there was none. */
void *idmap_take(struct idmap *m, uint64_t key);

/* Iterates: start with *cursor = 0; returns NULL at the end. The table may not grow meanwhile, and
 * taking entries out is allowed only for the value just returned. */
void *idmap_next(const struct idmap *m, size_t *cursor, uint64_t *ret_key);

struct strmap_slot;

struct strmap {
    struct strmap_slot *slots;
    size_t capacity;
    size_t count;
    size_t used;
    size_t count_max;
    uint64_t seed; /* against chosen collisions */
};

void strmap_init(struct strmap *m, size_t count_max, uint64_t seed);
void strmap_fini(struct strmap *m);
MUST_CHECK int strmap_put(struct strmap *m, const char *key, void *value);
void *strmap_get(const struct strmap *m, const char *key);
void *strmap_take(struct strmap *m, const char *key);
void *strmap_next(const struct strmap *m, size_t *cursor, const char **ret_key);

#endif
