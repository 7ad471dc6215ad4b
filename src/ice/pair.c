#include "ice/ice_internal.h"

#include <stdlib.h>
#include <string.h>

#define LOCAL_PREFERENCE_UDP 60000 /* RFC 8445, 5.1.2.1 */
#define LOCAL_PREFERENCE_TCP 20000

struct ice__pair *ice__pair_find(struct ice_agent *a, const struct addr *local,
                                 const struct addr *remote)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (p->is_used && !p->is_dead && addr_equal(&p->remote, remote) &&
            addr_equal(&p->local, local))
            return p;
    }
    return NULL;
}

int ice__pair_index(const struct ice_agent *a, const struct ice__pair *p)
{
    return (int)(p - a->pairs);
}

static struct ice__pair *find_free(struct ice_agent *a)
{
    for (size_t i = 0; i < a->pair_slots; i++)
        if (!a->pairs[i].is_used)
            return &a->pairs[i];
    return NULL;
}

/* Lite: the first of some more places; NULL if there are enough, or no memory. */
static struct ice__pair *grow(struct ice_agent *a)
{
    size_t slots = TK_MIN(2 * a->pair_slots, (size_t)ICE__LITE_SLOTS);
    if (!a->is_lite || slots == a->pair_slots)
        return NULL;
    struct ice__pair *pairs = realloc(a->pairs, slots * sizeof(*pairs));
    if (pairs == NULL)
        return NULL;
    struct ice__pair *first = &pairs[a->pair_slots];
    memset(first, 0, (slots - a->pair_slots) * sizeof(*first));
    a->pairs = pairs;
    a->pair_slots = slots;
    return first;
}

static size_t count_alive(const struct ice_agent *a)
{
    size_t count = 0;
    for (size_t i = 0; i < a->pair_slots; i++)
        count += a->pairs[i].is_used && !a->pairs[i].is_dead;
    return count;
}

/* Drops the pair that was not heard for the longest time, never the selected one; on the full side
 * only one that failed. */
static void make_room(struct ice_agent *a)
{
    struct ice__pair *oldest = NULL;
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (!p->is_used || p->is_dead || (int)i == a->selected ||
            (!a->is_lite && p->state != ICE__PAIR_FAILED))
            continue;
        if (oldest == NULL || p->heard_at < oldest->heard_at)
            oldest = p;
    }
    if (oldest != NULL)
        ice__pair_drop(a, oldest);
}

struct ice__pair *ice__pair_add(struct ice_agent *a, const struct addr *local,
                                const struct addr *remote)
{
    if (count_alive(a) >= (a->is_lite ? ICE_LITE_PAIRS_MAX : ICE_PAIRS_MAX))
        make_room(a);
    struct ice__pair *p = find_free(a);
    if (p == NULL)
        p = grow(a);
    if (p == NULL)
        return NULL;
    *p = (struct ice__pair){.is_used = true, .local = *local, .remote = *remote};
    p->state = a->is_lite ? ICE__PAIR_SUCCEEDED : ICE__PAIR_WAITING;
    return p;
}

void ice__pair_drop(struct ice_agent *a, struct ice__pair *p)
{
    if (a->selected == ice__pair_index(a, p))
        a->selected = ICE__NO_PAIR;
    if (p->is_announced)
        p->is_dead = true;
    else
        p->is_used = false;
    p->check.is_active = false;
}

uint32_t ice__local_priority(const struct ice_agent *a, const struct addr *local,
                             unsigned type_preference)
{
    unsigned preference =
        local->proto == ADDR_PROTO_UDP ? LOCAL_PREFERENCE_UDP : LOCAL_PREFERENCE_TCP;
    for (unsigned i = 0; i < a->local_count; i++)
        if (addr_equal(&a->full->locals[i], local))
            preference += i; /* the newest is preferred */
    return type_preference << 24 | preference << 8 | 255;
}

/* RFC 8445, 6.1.2.3: 2^32 * min(G, D) + 2 * max(G, D) + (G > D), G of the controlling side. */
void ice__pair_prioritise(const struct ice_agent *a, struct ice__pair *p)
{
    uint64_t g = a->is_controlling ? p->local_priority : p->remote_priority;
    uint64_t d = a->is_controlling ? p->remote_priority : p->local_priority;
    p->priority = (TK_MIN(g, d) << 32) + 2 * TK_MAX(g, d) + (g > d);
}

void ice__pairs_forget(struct ice_agent *a, mono_us now)
{
    for (size_t i = 0; a->is_lite && i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (p->is_used && !p->is_dead && (int)i != a->selected &&
            now - p->heard_at >= ICE_PAIR_FORGET_US)
            ice__pair_drop(a, p);
    }
}

mono_us ice__pairs_next_forget(const struct ice_agent *a)
{
    mono_us next = MONO_NEVER;
    for (size_t i = 0; a->is_lite && i < a->pair_slots; i++) {
        const struct ice__pair *p = &a->pairs[i];
        if (p->is_used && !p->is_dead && (int)i != a->selected)
            next = TK_MIN(next, p->heard_at + ICE_PAIR_FORGET_US);
    }
    return next;
}
