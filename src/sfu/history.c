#include "sfu/sfu_internal.h"

#include <stdlib.h>

/*
 * How many outgoing numbers the subscriptions remember. What is asked for again can be answered as
 * long as the ring has the packet, SFU_RING_AGE at least; a history that reaches further back is
 * memory for nothing, and a server holds two of them for each viewer. So it follows the layer: it
 * grows as soon as what it would forget is young, and shrinks when a quarter of it would do for
 * SFU_HISTORY_LOW. A start from the ring sends much at once and gets room for that, for a while.
 */

#define CHECK_EVERY  16 /* packets between two looks at whether it is long enough */
#define CHECK_MARGIN 48 /* it is too short when what it forgets so many packets later is young */
#define START_KEEP   MONO_MS(800)
#define PAUSE_KEEP   MONO_S(2)

_Static_assert(CHECK_EVERY < CHECK_MARGIN, "in time");
_Static_assert(SFU_HISTORY_FIRST > CHECK_MARGIN && SFU_RING_AUDIO > CHECK_MARGIN, "room to look");
_Static_assert(START_KEEP > SFU_RING_AGE && PAUSE_KEEP > SFU_RING_AGE, "no longer of use");

static uint32_t history_max(const struct sfu_layer *l)
{
    return l->track->config.kind == RTP_KIND_VIDEO ? SFU_HISTORY_MAX : SFU_RING_AUDIO;
}

void sfu__history_init(struct sfu_layer *l)
{
    l->history = TK_MIN(history_max(l), (uint32_t)SFU_HISTORY_FIRST);
    l->history_low_at = MONO_NEVER;
}

/* False without memory: what there is stays. */
static bool resize(struct sfu_sub *s, uint32_t count)
{
    struct rtp_mapper_entry *entries = NULL;
    if (count > 0) {
        entries = malloc(count * sizeof(*entries));
        if (entries == NULL)
            return false;
    }
    free(rtp_mapper_move(&s->mapper, entries, count));
    return true;
}

void sfu__history_fini(struct sfu_sub *s)
{
    IGNORE(resize(s, 0)); /* takes no memory */
}

bool sfu__history_start(struct sfu_sub *s, const struct sfu_layer *l, uint64_t seq, mono_us now)
{
    uint64_t wanted = TK_MAX(l->history, l->seqs.newest - seq + CHECK_MARGIN);
    if (now < s->history_until)
        wanted += s->mapper.count; /* these may still be asked for */
    else if (s->current != SFU_LAYER_NONE)
        wanted += s->track->layers[s->current].history;
    uint32_t count = l->history;
    while (count < wanted && count < history_max(l))
        count *= 2;
    s->history_until = now + START_KEEP;
    return count <= s->mapper.count || resize(s, count) || s->mapper.count > 0;
}

/* True if one of the packets [first, end) may still be asked for; one that came late counts too. */
static bool has_young(const struct sfu_layer *l, uint64_t first, uint64_t end, mono_us now)
{
    for (uint64_t seq = TK_MAX(first, l->ring.begin); seq < end; seq++) {
        const struct sfu_packet *p = sfu__ring_get(&l->ring, seq);
        if (p != NULL && now - p->arrived < SFU_RING_AGE)
            return true;
    }
    return false;
}

static void grow(struct sfu_layer *l)
{
    l->history *= 2;
    LIST_FOR_EACH(it, &l->track->subs)
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, track_link);
        if (s->current == (int8_t)l->index && s->mapper.count < l->history)
            IGNORE(resize(s, l->history)); /* no memory: it stays short */
    }
}

/* The first number that is kept for sure, whatever comes until the next look. */
static uint64_t kept_from(const struct sfu_layer *l)
{
    return l->seqs.newest - TK_MIN(l->history - CHECK_MARGIN, l->seqs.newest);
}

/* The first number that has to be remembered because of packet `seq`: its own when it is late, or
 * those of a gap in front of it, which may still be filled. */
static uint64_t oldest_of(struct sfu_layer *l, uint64_t seq)
{
    uint64_t before = l->history_newest;
    l->history_newest = l->seqs.newest;
    return seq > before && seq - before <= RTP_MAPPER_GAP_MAX ? before : seq;
}

void sfu__history_ensure(struct sfu_layer *l, uint64_t seq, mono_us now)
{
    uint64_t oldest = oldest_of(l, seq), max = history_max(l);
    bool is_due = kept_from(l) >= l->history_checked + CHECK_EVERY || oldest < kept_from(l);
    if (l->history == max || !is_due)
        return;
    while (l->history < max &&
           (oldest < kept_from(l) || has_young(l, l->history_checked, kept_from(l), now)))
        grow(l);
    l->history_checked = kept_from(l);
}

static void lower(struct sfu_layer *l, mono_us now)
{
    if (l->history <= SFU_HISTORY_FIRST)
        return;
    uint64_t newest = l->seqs.newest, end = newest - TK_MIN(l->history / 4, newest);
    if (has_young(l, newest - TK_MIN(SFU_HISTORY_MAX, newest), end, now))
        l->history_low_at = MONO_NEVER;
    else if (l->history_low_at == MONO_NEVER)
        l->history_low_at = now + SFU_HISTORY_LOW;
    if (now < l->history_low_at)
        return;
    l->history /= 2;
    l->history_checked = 0;
    l->history_low_at = MONO_NEVER;
}

void sfu__history_tick(struct sfu_track *t, mono_us now)
{
    for (size_t i = 0; i < RTP_LAYERS_MAX; i++)
        lower(&t->layers[i], now);
    LIST_FOR_EACH(it, &t->subs)
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, track_link);
        bool is_flowing = s->current != SFU_LAYER_NONE;
        if (!is_flowing && s->mapper.count > 0 && now - s->mapper.newest_at > PAUSE_KEEP)
            sfu__history_fini(s);
        else if (is_flowing && s->mapper.count > t->layers[s->current].history &&
                 now >= s->history_until)
            IGNORE(resize(s, t->layers[s->current].history)); /* no memory: it stays long */
    }
}
