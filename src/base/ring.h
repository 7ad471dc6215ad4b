#ifndef TK_BASE_RING_H
#define TK_BASE_RING_H

/*
 * A bounded single-producer, single-consumer ring of fixed-size messages, copied in and out: the
 * body of every mailbox between two threads. Capacity is a power of two. Waking the consumer is not
 * its business (net/mailbox does that).
 */

#include "base/attrs.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    /* Set at creation, read-only afterwards; both threads. */
    uint8_t *slots;
    size_t item_size;
    size_t mask;

    /* Each index is written by one side only; padded so that they do not share a cache line. */
    _Alignas(64) _Atomic size_t head; /* consumer */
    _Alignas(64) _Atomic size_t tail; /* producer */
};

/* `capacity` is rounded up to a power of two. -ENOMEM. */
MUST_CHECK int ring_init(struct ring *r, size_t item_size, size_t capacity);
void ring_fini(struct ring *r);

/* Producer: copies one item in; false if the ring is full. */
bool ring_push(struct ring *r, const void *item);

/* Consumer: copies one item out; false if the ring is empty. */
bool ring_pop(struct ring *r, void *ret_item);

/* Producer: gives the memory of an empty ring back to the system; it comes again with use. */
void ring_trim(struct ring *r);

/* Items waiting now; either side, a snapshot. */
size_t ring_count(const struct ring *r);

#endif
