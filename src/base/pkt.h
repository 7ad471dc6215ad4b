#ifndef TK_BASE_PKT_H
#define TK_BASE_PKT_H

/*
 * Packet buffers: reference-counted, from a fixed pool per worker, handed between workers by
 * reference. A pool belongs to one thread, which alone takes from it; the last reference may be
 * dropped on any thread, and the buffer then goes back to its pool through a lock-free list.
 * No allocation after pkt_pool_create(). An exhausted pool answers NULL: the packet is dropped and
 * counted. Buffers come in a few sizes: a packet of sound takes a sixth of one of a picture.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_SIZE_MAX 1500 /* the Internet's path MTU; longer datagrams are dropped */

struct pkt_pool;

struct pkt {
    /* Set when taken; read-only once the packet is shared. */
    mono_us arrived;
    uint16_t size; /* bytes used of data */

    /* The pool's own fields. */
    uint8_t size_class;
    _Atomic uint32_t refs;
    struct pkt *next_free;
    struct pkt_pool *pool; /* parent */

    /* Plaintext; 16-byte aligned for the ciphers. As long as pkt_take() was asked for. */
    _Alignas(16) uint8_t data[];
};

/* Allocates `count` buffers at once, whatever the sizes that are taken: address space for as many
 * of each size, of which memory is touched only as far as they are used. -ENOMEM. */
MUST_CHECK int pkt_pool_create(size_t count, struct pkt_pool **ret_pool);

/* Every buffer must have come back. NULL is a no-op. */
void pkt_pool_destroy(struct pkt_pool *pool);

/* A buffer for `room` bytes, PKT_SIZE_MAX at most, with one reference, size 0, or NULL when the
 * pool is empty. Owner thread only. */
struct pkt *pkt_take(struct pkt_pool *pool, size_t room);

/* Gives the memory back to the system if no buffer is out. Owner thread only. */
void pkt_pool_trim(struct pkt_pool *pool);

/* Buffers that are out now, for tests and statistics. Owner thread only; exact when no other thread
 * is dropping references. */
size_t pkt_pool_used(struct pkt_pool *pool);

static inline struct pkt *pkt_ref(struct pkt *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

/* Drops one reference; any thread. NULL is a no-op. */
void pkt_unref(struct pkt *p);

#endif
