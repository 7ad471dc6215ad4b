#include "base/addrmap.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct addrmap_slot {
    struct addr key;
    void *value; /* NULL: free or dead */
    bool is_dead;
};

#define CAPACITY_MIN 64

void addrmap_init(struct addrmap *m, size_t count_max)
{
    memset(m, 0, sizeof(*m));
    m->count_max = count_max;
}

void addrmap_fini(struct addrmap *m)
{
    free(m->slots);
    memset(m, 0, sizeof(*m));
}

static struct addrmap_slot *find(const struct addrmap *m, const struct addr *key)
{
    if (m->capacity == 0)
        return NULL;
    size_t mask = m->capacity - 1;
    size_t i = addr_hash(key) & mask;
    for (size_t tries = 0; tries < m->capacity; i = (i + 1) & mask, tries++) {
        struct addrmap_slot *slot = &m->slots[i];
        if (slot->value != NULL && addr_equal(&slot->key, key))
            return slot;
        if (slot->value == NULL && !slot->is_dead)
            return NULL;
    }
    return NULL;
}

static void place(struct addrmap *m, const struct addr *key, void *value)
{
    size_t mask = m->capacity - 1;
    size_t i = addr_hash(key) & mask;
    while (m->slots[i].value != NULL)
        i = (i + 1) & mask;
    m->used += !m->slots[i].is_dead;
    m->slots[i] = (struct addrmap_slot){.key = *key, .value = value};
}

static int rebuild(struct addrmap *m)
{
    size_t capacity = m->capacity;
    if (capacity == 0)
        capacity = CAPACITY_MIN;
    else if (m->count * 2 >= capacity)
        capacity *= 2;
    struct addrmap_slot *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    struct addrmap old = *m;
    m->slots = slots;
    m->capacity = capacity;
    m->used = 0;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].value != NULL)
            place(m, &old.slots[i].key, old.slots[i].value);
    free(old.slots);
    return 0;
}

int addrmap_set(struct addrmap *m, const struct addr *key, void *value)
{
    CHECK(value != NULL);
    struct addrmap_slot *slot = find(m, key);
    if (slot != NULL) {
        slot->value = value;
        return 0;
    }
    if (m->count >= m->count_max)
        return ERR_LIMIT;
    if ((m->used + 1) * 4 > m->capacity * 3) {
        int err = rebuild(m);
        if (err < 0)
            return err;
    }
    place(m, key, value);
    m->count++;
    return 0;
}

void *addrmap_get(const struct addrmap *m, const struct addr *key)
{
    struct addrmap_slot *slot = find(m, key);
    return slot != NULL ? slot->value : NULL;
}

void addrmap_remove(struct addrmap *m, const struct addr *key, const void *value)
{
    struct addrmap_slot *slot = find(m, key);
    if (slot == NULL || slot->value != value)
        return;
    slot->value = NULL;
    slot->is_dead = true;
    if (--m->count > 0 || m->capacity == CAPACITY_MIN)
        return;
    free(m->slots); /* empty: a large table gives its memory back */
    m->slots = NULL;
    m->capacity = 0;
    m->used = 0;
}
