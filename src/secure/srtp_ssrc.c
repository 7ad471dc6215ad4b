#include "base/err.h"
#include "secure/secure_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SSRCS_CAPACITY_FIRST 4
#define SEQ_HALF             32768 /* RFC 3711, 3.3.1 */
#define ROC_MAX              UINT32_MAX

_Static_assert(SEC_SRTP_REPLAY_PACKETS % 64 == 0 && SEC_SRTP_REPLAY_RTCP % 64 == 0,
               "windows are whole words");

void sec__ssrcs_init(struct sec__ssrcs *t, size_t window_packets)
{
    *t = (struct sec__ssrcs){.window_words = window_packets / 64};
}

void sec__ssrcs_fini(struct sec__ssrcs *t)
{
    free(t->slots);
    free(t->windows);
    *t = (struct sec__ssrcs){0};
}

static size_t home_of(uint32_t ssrc)
{
    size_t at = (size_t)(ssrc * 2654435761u); /* Knuth's multiplicative hash */
    return at ^ at >> 15;
}

static struct sec__ssrc *probe(const struct sec__ssrcs *t, uint32_t ssrc)
{
    for (size_t at = home_of(ssrc);; at++) {
        struct sec__ssrc *slot = &t->slots[at & (t->capacity - 1)];
        if (!slot->is_used || slot->ssrc == ssrc)
            return slot;
    }
}

struct sec__ssrc *sec__ssrcs_find(struct sec__ssrcs *t, uint32_t ssrc)
{
    if (t->recent != NULL && t->recent->ssrc == ssrc)
        return t->recent;
    if (t->capacity == 0)
        return NULL;
    struct sec__ssrc *slot = probe(t, ssrc);
    if (!slot->is_used)
        return NULL;
    t->recent = slot;
    return slot;
}

bool sec__ssrcs_is_full(const struct sec__ssrcs *t)
{
    return t->count >= SEC_SRTP_SSRCS_MAX;
}

static uint64_t *window_of(const struct sec__ssrcs *t, const struct sec__ssrc *slot)
{
    return t->windows + (size_t)(slot - t->slots) * t->window_words;
}

static int grow(struct sec__ssrcs *t)
{
    struct sec__ssrcs bigger = *t;
    bigger.recent = NULL; /* the slots move */
    bigger.capacity = t->capacity == 0 ? SSRCS_CAPACITY_FIRST : 2 * t->capacity;
    bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
    bigger.windows = t->window_words == 0
                         ? NULL
                         : calloc(bigger.capacity, t->window_words * sizeof(*bigger.windows));
    if (bigger.slots == NULL || (t->window_words != 0 && bigger.windows == NULL)) {
        free(bigger.slots);
        free(bigger.windows);
        return -ENOMEM;
    }
    for (size_t i = 0; i < t->capacity; i++) {
        if (!t->slots[i].is_used)
            continue;
        struct sec__ssrc *slot = probe(&bigger, t->slots[i].ssrc);
        *slot = t->slots[i];
        if (t->window_words != 0)
            memcpy(window_of(&bigger, slot), window_of(t, &t->slots[i]),
                   t->window_words * sizeof(*t->windows));
    }
    free(t->slots);
    free(t->windows);
    *t = bigger;
    return 0;
}

int sec__ssrcs_add(struct sec__ssrcs *t, uint32_t ssrc, uint64_t index, struct sec__ssrc **ret_slot)
{
    struct sec__ssrc *slot = sec__ssrcs_find(t, ssrc);
    if (slot == NULL) {
        if (sec__ssrcs_is_full(t))
            return ERR_LIMIT;
        if (4 * (t->count + 1) > 3 * t->capacity) {
            int err = grow(t);
            if (err < 0)
                return err;
        }
        slot = probe(t, ssrc);
        *slot = (struct sec__ssrc){.ssrc = ssrc, .is_used = true, .index_max = index};
        t->count++;
    }
    *ret_slot = slot;
    return 0;
}

/* The hole is filled with what was pushed past it, and so on to the end of the run. */
void sec__ssrcs_remove(struct sec__ssrcs *t, uint32_t ssrc)
{
    DCHECK(t->window_words == 0);
    const struct sec__ssrc *slot = sec__ssrcs_find(t, ssrc);
    if (slot == NULL)
        return;
    size_t mask = t->capacity - 1, hole = (size_t)(slot - t->slots);
    for (size_t at = (hole + 1) & mask; t->slots[at].is_used; at = (at + 1) & mask) {
        size_t pushed = (at - home_of(t->slots[at].ssrc)) & mask;
        if (pushed < ((at - hole) & mask))
            continue; /* its home is behind the hole */
        t->slots[hole] = t->slots[at];
        hole = at;
    }
    t->slots[hole] = (struct sec__ssrc){0};
    t->recent = NULL;
    t->count--;
}

static bool bit_get(const uint64_t *window, uint64_t bit)
{
    return (window[bit / 64] >> (bit % 64) & 1) != 0;
}

int sec__replay_check(const struct sec__ssrcs *t, const struct sec__ssrc *slot, uint64_t index)
{
    uint64_t packets = t->window_words * 64;
    if (index > slot->index_max)
        return 0;
    if (slot->index_max - index >= packets)
        return ERR_SEC_REPLAY;
    return bit_get(window_of(t, slot), index % packets) ? ERR_SEC_REPLAY : 0;
}

void sec__replay_mark(struct sec__ssrcs *t, struct sec__ssrc *slot, uint64_t index)
{
    uint64_t *window = window_of(t, slot);
    uint64_t packets = t->window_words * 64;
    if (index > slot->index_max) {
        if (index - slot->index_max >= packets) {
            memset(window, 0, t->window_words * sizeof(*window));
        } else {
            for (uint64_t i = slot->index_max + 1; i < index; i++)
                window[i % packets / 64] &= ~(1ULL << (i % 64));
        }
        slot->index_max = index;
    }
    window[index % packets / 64] |= 1ULL << (index % 64);
}

int sec__index_estimate(const struct sec__ssrc *slot, uint16_t seq, uint64_t *ret_index)
{
    uint32_t roc = slot != NULL ? (uint32_t)(slot->index_max >> 16) : 0;
    int seq_max = slot != NULL ? (uint16_t)slot->index_max : seq;
    if (seq_max < SEQ_HALF && seq - seq_max > SEQ_HALF) {
        if (roc == 0)
            return ERR_SEC_REPLAY;
        roc--;
    } else if (seq_max >= SEQ_HALF && seq_max - SEQ_HALF > seq) {
        if (roc == ROC_MAX)
            return ERR_SEC_KEY_LIMIT;
        roc++;
    }
    *ret_index = (uint64_t)roc << 16 | seq;
    return 0;
}
