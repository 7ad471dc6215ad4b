#include "base/ring.h"

#include "base/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ring_init(struct ring *r, size_t item_size, size_t capacity)
{
    size_t size = 2;
    while (size < capacity)
        size *= 2;
    r->slots = calloc(size, item_size);
    if (r->slots == NULL)
        return -ENOMEM;
    r->item_size = item_size;
    r->mask = size - 1;
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
    return 0;
}

void ring_fini(struct ring *r)
{
    free(r->slots);
    r->slots = NULL;
}

bool ring_push(struct ring *r, const void *item)
{
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    /* acquire: the slot's former content has been read before we overwrite it */
    size_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    if (tail - head > r->mask)
        return false;
    memcpy(r->slots + (tail & r->mask) * r->item_size, item, r->item_size);
    /* release: the consumer sees the slot's content with the index */
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return true;
}

bool ring_pop(struct ring *r, void *ret_item)
{
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire); /* pairs with ring_push */
    if (head == tail)
        return false;
    memcpy(ret_item, r->slots + (head & r->mask) * r->item_size, r->item_size);
    atomic_store_explicit(&r->head, head + 1, memory_order_release); /* frees the slot */
    return true;
}

void ring_trim(struct ring *r)
{
    /* acquire: the consumer has read all, and nobody writes but us */
    size_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    if (head != atomic_load_explicit(&r->tail, memory_order_relaxed))
        return;
    pages_give_back(r->slots, (r->mask + 1) * r->item_size);
}

size_t ring_count(const struct ring *r)
{
    return atomic_load_explicit(&r->tail, memory_order_relaxed) -
           atomic_load_explicit(&r->head, memory_order_relaxed);
}
