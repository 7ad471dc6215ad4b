#include "sfu/sfu_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- chunks ---- */

static struct sfu_chunk *chunk_take(struct sfu_spare *spare)
{
    struct sfu_chunk *c = spare->first;
    if (c == NULL)
        return calloc(1, sizeof(*c));
    spare->first = c->next_spare;
    spare->count--;
    return c;
}

static void chunk_give(struct sfu_spare *spare, struct sfu_chunk *c)
{
    if (spare->count >= SFU_SPARE_MAX) {
        free(c);
        return;
    }
    c->next_spare = spare->first;
    spare->first = c;
    spare->count++;
}

void sfu__spare_fini(struct sfu_spare *spare)
{
    for (struct sfu_chunk *c; (c = spare->first) != NULL;) {
        spare->first = c->next_spare;
        free(c);
    }
    spare->count = 0;
}

/* Where the table has the chunk of a number; NULL in it = none of its packets is there. */
static struct sfu_chunk **place_of(const struct sfu_ring *r, uint64_t seq)
{
    return &r->chunks[(seq & r->mask) / SFU_CHUNK];
}

static struct sfu_chunk *chunk_for(struct sfu_ring *r, uint64_t seq)
{
    struct sfu_chunk **place = place_of(r, seq);
    if (*place == NULL)
        *place = chunk_take(r->spare);
    return *place;
}

static struct sfu_packet *find(const struct sfu_ring *r, uint64_t seq)
{
    struct sfu_chunk *c = *place_of(r, seq);
    if (c == NULL)
        return NULL;
    struct sfu_packet *p = &c->slots[seq % SFU_CHUNK];
    return p->pkt != NULL ? p : NULL;
}

static inline void empty(struct sfu_ring *r, struct sfu_packet *p)
{
    struct sfu_chunk **place = place_of(r, p->src.seq);
    pkt_unref(p->pkt);
    p->pkt = NULL;
    if (--(*place)->used > 0)
        return;
    chunk_give(r->spare, *place);
    *place = NULL;
}

/* ---- the window ---- */

int sfu__ring_init(struct sfu_ring *r, uint32_t count, struct sfu_spare *spare)
{
    DCHECK(count >= SFU_CHUNK && (count & (count - 1)) == 0);
    *r = (struct sfu_ring){.mask = count - 1, .spare = spare};
    r->chunks = calloc(count / SFU_CHUNK, sizeof(r->chunks[0]));
    return r->chunks != NULL ? 0 : -ENOMEM;
}

/* Moves the window's beginning on by one; `p` is what is there, or NULL. */
static inline void release_first(struct sfu_ring *r, struct sfu_packet *p)
{
    r->begin++;
    if (p == NULL)
        return;
    r->gone_end = TK_MAX(r->gone_end, r->begin);
    empty(r, p);
}

void sfu__ring_clear(struct sfu_ring *r)
{
    while (r->begin < r->end)
        release_first(r, find(r, r->begin));
    r->begin = 0;
    r->end = 0;
}

void sfu__ring_fini(struct sfu_ring *r)
{
    if (r->chunks == NULL)
        return;
    sfu__ring_clear(r);
    free(r->chunks);
    r->chunks = NULL;
}

bool sfu__ring_is_jump(const struct sfu_ring *r, uint64_t seq)
{
    return r->end != 0 && seq > r->end + r->mask;
}

/* Moves the window on so that `seq` becomes its last number; false if a pending packet is in the
 * way. */
static bool advance(struct sfu_ring *r, uint64_t seq)
{
    while (r->begin < r->end && r->begin + r->mask < seq) {
        struct sfu_packet *p = find(r, r->begin);
        if (p != NULL && p->is_pending)
            return false;
        release_first(r, p);
    }
    if (r->begin == r->end)
        r->begin = seq;
    r->end = seq + 1;
    return true;
}

/* True when the window reaches to `seq`. */
static bool reach(struct sfu_ring *r, uint64_t seq)
{
    if (sfu__ring_is_jump(r, seq))
        sfu__ring_clear(r);
    if (r->end == 0) {
        r->begin = seq;
        r->end = seq;
    }
    if (seq >= r->end)
        return advance(r, seq);
    if (seq < r->begin) {
        if (r->end - seq > (uint64_t)r->mask + 1)
            return false;
        r->begin = seq;
    }
    return true;
}

struct sfu_packet *sfu__ring_put(struct sfu_ring *r, uint64_t seq, struct pkt *pkt)
{
    if (!reach(r, seq))
        return NULL;
    struct sfu_chunk *c = chunk_for(r, seq);
    if (c == NULL)
        return NULL;
    struct sfu_packet *p = &c->slots[seq % SFU_CHUNK];
    if (p->pkt != NULL)
        return NULL;
    c->used++;
    *p = (struct sfu_packet){.pkt = pkt_ref(pkt), .src.seq = seq};
    return p;
}

bool sfu__ring_is_wanted(const struct sfu_ring *r, uint64_t seq)
{
    return seq >= r->end || (seq >= r->begin && find(r, seq) == NULL);
}

void sfu__ring_drop(struct sfu_ring *r, struct sfu_packet *p)
{
    empty(r, p);
}

struct sfu_packet *sfu__ring_get(const struct sfu_ring *r, uint64_t seq)
{
    return seq >= r->begin && seq < r->end ? find(r, seq) : NULL;
}

void sfu__ring_trim(struct sfu_ring *r, mono_us oldest)
{
    while (r->begin < r->end) {
        struct sfu_packet *p = find(r, r->begin);
        if (p != NULL && (p->is_pending || p->arrived >= oldest))
            return;
        release_first(r, p);
    }
}
