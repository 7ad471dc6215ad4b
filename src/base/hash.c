#include "base/hash.h"

#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * Linear probing. A slot is free (value NULL, not dead), live, or dead (a tombstone). Tombstones
 * keep an iteration stable while entries are taken out; they are swept when the table is rebuilt.
 */

#define CAPACITY_MIN 16
#define KEEP_MAX     64 /* slots that an empty table keeps; a larger one gives them all back */

struct idmap_slot {
    uint64_t key;
    void *value;
    bool is_dead;
};

static uint64_t mix64(uint64_t x)
{
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* Twice the size when at least half is live; the same size when it is mostly tombstones. */
static size_t capacity_next(size_t capacity, size_t count)
{
    if (capacity == 0)
        return CAPACITY_MIN;
    return count * 2 >= capacity ? capacity * 2 : capacity;
}

void idmap_init(struct idmap *m, size_t count_max)
{
    memset(m, 0, sizeof(*m));
    m->count_max = count_max;
}

/* Without slots an iteration just ends. */
static void idmap_clear(struct idmap *m)
{
    free(m->slots);
    m->slots = NULL;
    m->capacity = 0;
    m->used = 0;
}

void idmap_fini(struct idmap *m)
{
    free(m->slots);
    memset(m, 0, sizeof(*m));
}

static struct idmap_slot *idmap_find(const struct idmap *m, uint64_t key)
{
    if (m->capacity == 0)
        return NULL;
    size_t mask = m->capacity - 1;
    for (size_t i = mix64(key) & mask, tries = 0; tries < m->capacity;
         i = (i + 1) & mask, tries++) {
        struct idmap_slot *slot = &m->slots[i];
        if (slot->value != NULL && slot->key == key)
            return slot;
        if (slot->value == NULL && !slot->is_dead)
            return NULL;
    }
    return NULL;
}

static void idmap_place(struct idmap *m, uint64_t key, void *value)
{
    size_t mask = m->capacity - 1;
    size_t i = mix64(key) & mask;
    while (m->slots[i].value != NULL)
        i = (i + 1) & mask;
    m->used += !m->slots[i].is_dead;
    m->slots[i] = (struct idmap_slot){.key = key, .value = value};
}

static int idmap_rebuild(struct idmap *m, size_t capacity)
{
    struct idmap_slot *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    struct idmap old = *m;
    m->slots = slots;
    m->capacity = capacity;
    m->used = 0;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].value != NULL)
            idmap_place(m, old.slots[i].key, old.slots[i].value);
    free(old.slots);
    return 0;
}

int idmap_put(struct idmap *m, uint64_t key, void *value)
{
    CHECK(value != NULL);
    if (m->count >= m->count_max)
        return ERR_LIMIT;
    if (idmap_find(m, key) != NULL)
        return ERR_EXISTS;
    if ((m->used + 1) * 4 > m->capacity * 3) {
        int err = idmap_rebuild(m, capacity_next(m->capacity, m->count));
        if (err < 0)
            return err;
    }
    idmap_place(m, key, value);
    m->count++;
    return 0;
}

void *idmap_get(const struct idmap *m, uint64_t key)
{
    struct idmap_slot *slot = idmap_find(m, key);
    return slot != NULL ? slot->value : NULL;
}

void *idmap_take(struct idmap *m, uint64_t key)
{
    struct idmap_slot *slot = idmap_find(m, key);
    if (slot == NULL)
        return NULL;
    void *value = slot->value;
    slot->value = NULL;
    slot->is_dead = true;
    if (--m->count == 0 && m->capacity > KEEP_MAX)
        idmap_clear(m);
    return value;
}

void *idmap_next(const struct idmap *m, size_t *cursor, uint64_t *ret_key)
{
    while (*cursor < m->capacity) {
        struct idmap_slot *slot = &m->slots[(*cursor)++];
        if (slot->value != NULL) {
            if (ret_key != NULL)
                *ret_key = slot->key;
            return slot->value;
        }
    }
    return NULL;
}

/* strmap: the same with string keys, which it owns. */

struct strmap_slot {
    char *key;
    void *value;
    bool is_dead;
};

static uint64_t str_hash(uint64_t seed, const char *s)
{
    uint64_t h = seed ^ 0xcbf29ce484222325u;
    for (; *s != '\0'; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3u;
    return mix64(h);
}

void strmap_init(struct strmap *m, size_t count_max, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    m->count_max = count_max;
    m->seed = seed;
}

void strmap_fini(struct strmap *m)
{
    for (size_t i = 0; i < m->capacity; i++)
        free(m->slots[i].key);
    free(m->slots);
    memset(m, 0, sizeof(*m));
}

/* Every key is gone already. */
static void strmap_clear(struct strmap *m)
{
    free(m->slots);
    m->slots = NULL;
    m->capacity = 0;
    m->used = 0;
}

static struct strmap_slot *strmap_find(const struct strmap *m, const char *key)
{
    if (m->capacity == 0)
        return NULL;
    size_t mask = m->capacity - 1;
    size_t i = str_hash(m->seed, key) & mask;
    for (size_t tries = 0; tries < m->capacity; i = (i + 1) & mask, tries++) {
        struct strmap_slot *slot = &m->slots[i];
        if (slot->value != NULL && strcmp(slot->key, key) == 0)
            return slot;
        if (slot->value == NULL && !slot->is_dead)
            return NULL;
    }
    return NULL;
}

static void strmap_place(struct strmap *m, char *key, void *value)
{
    size_t mask = m->capacity - 1;
    size_t i = str_hash(m->seed, key) & mask;
    while (m->slots[i].value != NULL)
        i = (i + 1) & mask;
    m->used += !m->slots[i].is_dead;
    m->slots[i] = (struct strmap_slot){.key = key, .value = value};
}

static int strmap_rebuild(struct strmap *m, size_t capacity)
{
    struct strmap_slot *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    struct strmap old = *m;
    m->slots = slots;
    m->capacity = capacity;
    m->used = 0;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].value != NULL)
            strmap_place(m, old.slots[i].key, old.slots[i].value);
    free(old.slots);
    return 0;
}

int strmap_put(struct strmap *m, const char *key, void *value)
{
    CHECK(value != NULL);
    if (m->count >= m->count_max)
        return ERR_LIMIT;
    if (strmap_find(m, key) != NULL)
        return ERR_EXISTS;
    char *copy = strdup(key);
    if (copy == NULL)
        return -ENOMEM;
    int err = 0;
    if ((m->used + 1) * 4 > m->capacity * 3)
        err = strmap_rebuild(m, capacity_next(m->capacity, m->count));
    if (err < 0) {
        free(copy);
        return err;
    }
    strmap_place(m, copy, value);
    m->count++;
    return 0;
}

void *strmap_get(const struct strmap *m, const char *key)
{
    struct strmap_slot *slot = strmap_find(m, key);
    return slot != NULL ? slot->value : NULL;
}

void *strmap_take(struct strmap *m, const char *key)
{
    struct strmap_slot *slot = strmap_find(m, key);
    if (slot == NULL)
        return NULL;
    void *value = slot->value;
    free(slot->key);
    slot->key = NULL;
    slot->value = NULL;
    slot->is_dead = true;
    if (--m->count == 0 && m->capacity > KEEP_MAX)
        strmap_clear(m);
    return value;
}

void *strmap_next(const struct strmap *m, size_t *cursor, const char **ret_key)
{
    while (*cursor < m->capacity) {
        struct strmap_slot *slot = &m->slots[(*cursor)++];
        if (slot->value != NULL) {
            if (ret_key != NULL)
                *ret_key = slot->key;
            return slot->value;
        }
    }
    return NULL;
}
