#include "sfu/sfu_internal.h"

#include <errno.h>
#include <stdlib.h>

int sfu__ring_init(struct sfu_ring *r, uint32_t count, uint32_t count_max)
{
    *r = (struct sfu_ring){.mask = count - 1, .mask_max = count_max - 1};
    r->slots = calloc(count, sizeof(r->slots[0]));
    return r->slots != NULL ? 0 : -ENOMEM;
}

static struct sfu_packet *slot(const struct sfu_ring *r, uint64_t seq)
{
    return &r->slots[seq & r->mask];
}

/* Empties the first slot of the window. */
static void release_first(struct sfu_ring *r)
{
    struct sfu_packet *p = slot(r, r->begin++);
    if (p->pkt == NULL)
        return;
    r->gone_end = TK_MAX(r->gone_end, r->begin);
    pkt_unref(p->pkt);
    p->pkt = NULL;
}

void sfu__ring_clear(struct sfu_ring *r)
{
    while (r->begin < r->end)
        release_first(r);
    r->begin = 0;
    r->end = 0;
}

void sfu__ring_fini(struct sfu_ring *r)
{
    if (r->slots == NULL)
        return;
    sfu__ring_clear(r);
    free(r->slots);
    r->slots = NULL;
}

bool sfu__ring_is_jump(const struct sfu_ring *r, uint64_t seq)
{
    return r->end != 0 && seq > r->end + r->mask;
}

void sfu__ring_grow(struct sfu_ring *r)
{
    struct sfu_ring bigger = *r;
    r->is_tight = false;
    bigger.mask = 2 * r->mask + 1;
    bigger.slots = r->mask < r->mask_max ? calloc(bigger.mask + 1, sizeof(r->slots[0])) : NULL;
    if (bigger.slots == NULL)
        return;
    for (uint64_t seq = r->begin; seq < r->end; seq++) {
        struct sfu_packet *p = slot(&bigger, seq);
        *p = *slot(r, seq);
        if (p->pkt != NULL && p->is_pending && p->next_pending != NULL)
            p->next_pending = slot(&bigger, p->next_pending->in.seq);
    }
    free(r->slots);
    bigger.is_tight = false;
    *r = bigger;
}

bool sfu__ring_is_short(const struct sfu_ring *r, uint64_t seq)
{
    return r->begin != r->end && r->mask < r->mask_max && seq > r->begin + r->mask &&
           seq <= r->end + r->mask_max;
}

/* Moves the window on so that `seq` becomes its last number; false if a pending packet is in the
 * way. */
static bool advance(struct sfu_ring *r, uint64_t seq)
{
    while (r->begin < r->end && r->begin + r->mask < seq) {
        if (slot(r, r->begin)->is_pending)
            return false;
        release_first(r);
    }
    if (r->begin == r->end)
        r->begin = seq;
    r->end = seq + 1;
    if (r->end - r->begin > (r->mask + UINT64_C(1)) / 4 * 3)
        r->is_tight = r->mask < r->mask_max;
    return true;
}

struct sfu_packet *sfu__ring_put(struct sfu_ring *r, uint64_t seq)
{
    if (sfu__ring_is_jump(r, seq))
        sfu__ring_clear(r);
    if (r->end == 0) {
        r->begin = seq;
        r->end = seq;
    }
    if (seq >= r->end) {
        if (!advance(r, seq))
            return NULL;
    } else if (seq < r->begin) {
        if (r->end - seq > (uint64_t)r->mask + 1)
            return NULL;
        r->begin = seq;
    }
    struct sfu_packet *p = slot(r, seq);
    if (p->pkt != NULL)
        return NULL;
    *p = (struct sfu_packet){.in.seq = seq};
    return p;
}

struct sfu_packet *sfu__ring_get(const struct sfu_ring *r, uint64_t seq)
{
    if (seq < r->begin || seq >= r->end)
        return NULL;
    struct sfu_packet *p = slot(r, seq);
    return p->pkt != NULL ? p : NULL;
}

void sfu__ring_trim(struct sfu_ring *r, mono_us oldest)
{
    while (r->begin < r->end) {
        struct sfu_packet *p = slot(r, r->begin);
        if (p->pkt != NULL && (p->is_pending || p->arrived >= oldest))
            return;
        release_first(r);
    }
}
