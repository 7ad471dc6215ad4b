#include "base/pkt.h"

#include "base/pages.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Two free lists: `local` is touched by the owner only; `returned` is a stack that any thread
 * pushes to and the owner empties in one exchange, so that there is no ABA problem.
 */
struct pkt_pool {
    struct pkt *pkts;
    size_t count;
    size_t local_count;
    size_t fresh_count; /* at the end of pkts: never taken, so that idle memory is not touched */
    struct pkt *local;
    _Atomic(struct pkt *) returned;
};

int pkt_pool_create(size_t count, struct pkt_pool **ret_pool)
{
    struct pkt_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return -ENOMEM;
    pool->pkts = aligned_alloc(_Alignof(struct pkt), count * sizeof(struct pkt));
    if (pool->pkts == NULL) {
        free(pool);
        return -ENOMEM;
    }
    pool->count = count;
    pool->fresh_count = count;
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
        p->next_free = pool->local;
        pool->local = p;
        pool->local_count++;
        p = next;
    }
}

size_t pkt_pool_used(struct pkt_pool *pool)
{
    collect_returned(pool);
    return pool->count - pool->local_count - pool->fresh_count;
}

void pkt_pool_trim(struct pkt_pool *pool)
{
    if (pkt_pool_used(pool) > 0 || pool->fresh_count == pool->count)
        return;
    pages_give_back(pool->pkts, pool->count * sizeof(*pool->pkts));
    pool->local = NULL;
    pool->local_count = 0;
    pool->fresh_count = pool->count;
}

void pkt_pool_destroy(struct pkt_pool *pool)
{
    if (pool == NULL)
        return;
    CHECK(pkt_pool_used(pool) == 0);
    free(pool->pkts);
    free(pool);
}

static struct pkt *take_fresh(struct pkt_pool *pool)
{
    if (pool->fresh_count == 0)
        return NULL;
    struct pkt *p = &pool->pkts[pool->count - pool->fresh_count--];
    p->pool = pool;
    atomic_init(&p->refs, 0);
    return p;
}

static struct pkt *take_local(struct pkt_pool *pool)
{
    if (pool->local == NULL)
        collect_returned(pool);
    struct pkt *p = pool->local;
    if (p == NULL)
        return NULL;
    pool->local = p->next_free;
    pool->local_count--;
    return p;
}

struct pkt *pkt_take(struct pkt_pool *pool)
{
    struct pkt *p = take_local(pool);
    if (p == NULL)
        p = take_fresh(pool);
    if (p == NULL)
        return NULL;
    p->next_free = NULL;
    p->size = 0;
    atomic_store_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void pkt_unref(struct pkt *p)
{
    if (p == NULL)
        return;
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
