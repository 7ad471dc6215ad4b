#include "base/pkt.h"

#include "base/pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* How long the buffers of each class are. */
static const uint16_t room_of[] = {
    224,          /* sound: 40 ms of Opus at 32 kbit/s, 20 ms at 64, with extensions and tag */
    608,          /* the lowest layer, the last packet of a picture, sound with redundancy */
    1280,         /* what pictures are cut into: 1,200 bytes and what is added; IPv6's least MTU */
    PKT_SIZE_MAX, /* the rest */
};

#define CLASSES    ARRAY_COUNT(room_of)
#define STRIDE(c)  (sizeof(struct pkt) + ((room_of[c] + 15u) & ~15u))
#define STRIDE_SUM (STRIDE(0) + STRIDE(1) + STRIDE(2) + STRIDE(3))

_Static_assert(CLASSES == 4, "STRIDE_SUM has all of them");
_Static_assert(_Alignof(struct pkt) == 16, "each buffer begins aligned");

/*
 * Two kinds of free lists: the `local` ones are touched by the owner only; `returned` is a stack
 * that any thread pushes to and the owner empties in one exchange, so that there is no ABA problem.
 */
struct pkt_pool {
    uint8_t *memory; /* `count` buffers of the first class, then of the second, and so on */
    size_t count;    /* so many may be out, of all classes together */
    size_t used;     /* out, or in `returned` */
    struct pkt *local[CLASSES];
    size_t fresh_count[CLASSES]; /* at the end: never taken, so that idle memory is not touched */
    uint8_t *end[CLASSES];
    _Atomic(struct pkt *) returned;
};

static void reset(struct pkt_pool *pool)
{
    uint8_t *end = pool->memory;
    for (size_t c = 0; c < CLASSES; c++) {
        end += pool->count * STRIDE(c);
        pool->local[c] = NULL;
        pool->fresh_count[c] = pool->count;
        pool->end[c] = end;
    }
}

int pkt_pool_create(size_t count, struct pkt_pool **ret_pool)
{
    struct pkt_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return -ENOMEM;
    pool->memory = aligned_alloc(_Alignof(struct pkt), count * STRIDE_SUM);
    if (pool->memory == NULL) {
        free(pool);
        return -ENOMEM;
    }
    pool->count = count;
    reset(pool);
    atomic_init(&pool->returned, NULL);
    *ret_pool = pool;
    return 0;
}

static void collect_returned(struct pkt_pool *pool)
{
    /* acquire: pairs with the release in pkt_unref(), so that the last user's reads are over */
    struct pkt *p = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    while (p != NULL) {
        struct pkt *next = p->next_free;
        p->next_free = pool->local[p->size_class];
        pool->local[p->size_class] = p;
        pool->used--;
        p = next;
    }
}

size_t pkt_pool_used(struct pkt_pool *pool)
{
    collect_returned(pool);
    return pool->used;
}

static bool is_fresh(const struct pkt_pool *pool)
{
    for (size_t c = 0; c < CLASSES; c++)
        if (pool->fresh_count[c] < pool->count)
            return false;
    return true;
}

void pkt_pool_trim(struct pkt_pool *pool)
{
    if (pkt_pool_used(pool) > 0 || is_fresh(pool))
        return;
    pages_give_back(pool->memory, pool->count * STRIDE_SUM);
    reset(pool);
}

void pkt_pool_destroy(struct pkt_pool *pool)
{
    if (pool == NULL)
        return;
    CHECK(pkt_pool_used(pool) == 0);
    free(pool->memory);
    free(pool);
}

static uint8_t class_for(size_t room)
{
    return (uint8_t)((room > room_of[0]) + (room > room_of[1]) + (room > room_of[2]));
}

/* Each class has room for all that may be out: it never lacks one while `used` is below `count`. */
static struct pkt *make_fresh(struct pkt_pool *pool, uint8_t c)
{
    DCHECK(pool->fresh_count[c] > 0);
    size_t before_end = STRIDE(c) * pool->fresh_count[c]--;
    struct pkt *p = (struct pkt *)(void *)(pool->end[c] - before_end);
    p->next_free = NULL;
    p->pool = pool;
    p->size_class = c;
    atomic_init(&p->refs, 0);
    return p;
}

/* Sees to it that the class has a buffer to take; false if too many are out. */
static bool refill(struct pkt_pool *pool, uint8_t c)
{
    collect_returned(pool);
    if (pool->used == pool->count)
        return false;
    if (pool->local[c] == NULL)
        pool->local[c] = make_fresh(pool, c);
    return true;
}

struct pkt *pkt_take(struct pkt_pool *pool, size_t room)
{
    DCHECK(room <= PKT_SIZE_MAX);
    uint8_t c = class_for(room);
    if ((pool->local[c] == NULL || pool->used == pool->count) && !refill(pool, c))
        return NULL;
    struct pkt *p = pool->local[c];
    pool->local[c] = p->next_free;
    pool->used++;
    p->size = 0;
    atomic_store_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void pkt_unref(struct pkt *p)
{
    if (p == NULL)
        return;
    DCHECK(p->size <= room_of[p->size_class]);
    /* acq_rel: the thread that drops the last reference must see all other users' accesses done */
    uint32_t before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    DCHECK(before > 0);
    if (before != 1)
        return;
    struct pkt_pool *pool = p->pool;
    struct pkt *head = atomic_load_explicit(&pool->returned, memory_order_relaxed);
    do {
        p->next_free = head;
        /* release: publishes next_free to the owner's acquire exchange */
    } while (!atomic_compare_exchange_weak_explicit(&pool->returned, &head, p, memory_order_release,
                                                    memory_order_relaxed));
}
