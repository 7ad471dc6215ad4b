#include "rtp/mapper.h"

#include "rtp/seq.h"

#include <string.h>

#define SHORT_PICTURE_BITS 7
#define LONG_PICTURE_BITS  15
#define HISTORY_MAX        32768

/* A switch moves the timestamps at most this much further than the time that passed. */
#define SWITCH_AHEAD_US MONO_MS(500)

void rtp_mapper_init(struct rtp_mapper *m, const struct rtp_mapper_config *config)
{
    memset(m, 0, sizeof(*m));
    m->clock_hz = config->clock_hz;
    m->out_next = 131072u + config->first_seq; /* so that subtracting the history stays positive */
    m->out_first = m->out_next;
    m->stretch_first = m->out_next;
    m->ts_newest = config->first_ts;
    m->layer = -1;
    m->picture_out_newest = (uint64_t)config->first_picture_id + (1u << 16);
    m->tl0_out_newest = config->first_tl0;
    m->newest_at = config->goes_on_from;
    IGNORE(rtp_mapper_move(m, config->entries, config->count) != NULL); /* there was none */
}

static struct rtp_mapper_entry *place_of(const struct rtp_mapper *m, uint64_t out)
{
    return &m->entries[out & (m->count - 1)];
}

/* Places from that of `out` to the last one. */
static uint64_t places_left(const struct rtp_mapper *m, uint64_t out)
{
    return m->count - (out & (m->count - 1));
}

struct rtp_mapper_entry *rtp_mapper_move(struct rtp_mapper *m, struct rtp_mapper_entry *entries,
                                         uint32_t count)
{
    CHECK(count <= HISTORY_MAX && (count & (count - 1)) == 0 && (entries == NULL) == (count == 0));
    const struct rtp_mapper before = *m;
    m->entries = entries;
    m->count = count;
    m->out_first = TK_MAX(m->out_first, m->out_next - TK_MIN(before.count, count));
    for (uint64_t out = m->out_first, run; out < m->out_next; out += run) {
        run = TK_MIN(places_left(m, out), places_left(&before, out));
        run = TK_MIN(run, m->out_next - out);
        memcpy(place_of(m, out), place_of(&before, out), run * sizeof(*entries));
    }
    return before.entries;
}

/* ---- sequence numbers ---- */

static void push_entry(struct rtp_mapper *m, uint64_t src_seq, enum rtp_mapper_state state)
{
    struct rtp_mapper_entry *e = place_of(m, m->out_next);
    *e = (struct rtp_mapper_entry){
        .src_seq = (uint32_t)src_seq, .layer = (uint8_t)m->layer, .state = (uint8_t)state};
    m->out_next++;
}

/* Goes on to the source number `seq`, above the newest. What lies between keeps its places, or,
 * when it is long, one place for all of it that nothing fills: the receiver has to see that
 * something is missing. It stands under a number of the gap, so that the order holds. */
static void advance(struct rtp_mapper *m, uint64_t seq)
{
    uint64_t first = m->src_newest + 1, gap = seq - first;
    if (gap > RTP_MAPPER_GAP_MAX)
        push_entry(m, first + gap / 2, RTP_MAPPER_LOST);
    else if (gap > 0)
        for (uint64_t s = first; s < seq; s++)
            push_entry(m, s, RTP_MAPPER_RESERVED);
    m->src_newest = seq;
}

static uint64_t history_first(const struct rtp_mapper *m)
{
    uint64_t oldest = TK_MAX(m->out_next - m->count, m->out_first);
    return TK_MAX(oldest, m->stretch_first);
}

/* The outgoing number of a source number of this stretch; 0 = none. Source order is outgoing order.
 */
static uint64_t find_source(const struct rtp_mapper *m, uint64_t seq)
{
    uint64_t low = history_first(m), high = m->out_next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (rtp_mapper_source(place_of(m, middle), m->src_newest) < seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == m->out_next || place_of(m, low)->src_seq != (uint32_t)seq)
        return 0;
    return low;
}

static bool is_of_stretch(const struct rtp_mapper *m, uint8_t layer, uint64_t seq)
{
    return m->layer == (int8_t)layer && seq >= m->src_first;
}

/* ---- VP8 picture ids ---- */

static uint64_t picture_modulus(const struct rtp_mapper *m)
{
    return (uint64_t)1 << (m->is_short_picture ? SHORT_PICTURE_BITS : LONG_PICTURE_BITS);
}

static uint64_t expand_picture(const struct rtp_mapper *m, uint16_t picture_id)
{
    uint64_t modulus = picture_modulus(m);
    uint64_t ahead = (picture_id - m->picture_newest) & (modulus - 1);
    return ahead < modulus / 2 ? m->picture_newest + ahead : m->picture_newest + ahead - modulus;
}

static bool is_left_out(const struct rtp_mapper *m, uint64_t picture)
{
    for (size_t i = m->drop_count; i > 0 && m->drops[i - 1] >= picture; i--)
        if (m->drops[i - 1] == picture)
            return true;
    return false;
}

static uint64_t left_out_before(const struct rtp_mapper *m, uint64_t picture)
{
    size_t i = m->drop_count;
    while (i > 0 && m->drops[i - 1] >= picture)
        i--;
    return i;
}

/* Notes a frame above all that were sent; the oldest note goes into the offset when full. */
static void leave_out_picture(struct rtp_mapper *m, uint64_t picture)
{
    if (picture <= m->picture_newest || is_left_out(m, picture))
        return;
    if (m->drop_count == RTP_MAPPER_DROPS_MAX) {
        m->picture_floor = m->drops[0];
        m->picture_offset--;
        m->drop_count--;
        memmove(m->drops, m->drops + 1, m->drop_count * sizeof(m->drops[0]));
    }
    size_t at = left_out_before(m, picture);
    memmove(m->drops + at + 1, m->drops + at, (m->drop_count - at) * sizeof(m->drops[0]));
    m->drops[at] = picture;
    m->drop_count++;
}

static void switch_picture(struct rtp_mapper *m, const struct rtp_mapper_in *first)
{
    m->has_picture = first->has_picture;
    m->is_short_picture = first->is_short_picture;
    m->drop_count = 0;
    m->picture_floor = 0;
    if (!first->has_picture)
        return;
    m->picture_newest = ((uint64_t)1 << 32) + first->picture_id;
    m->picture_offset = m->picture_out_newest + 1 - m->picture_newest;
    m->picture_newest--; /* so that the first frame counts as new */
    m->tl0_offset = (uint8_t)(m->tl0_out_newest + 1 - first->tl0);
}

/* False if the frame was left out, or is older than what is remembered. */
static bool map_picture(struct rtp_mapper *m, const struct rtp_mapper_in *in,
                        struct rtp_mapper_out *out)
{
    out->tl0 = (uint8_t)(in->tl0 + m->tl0_offset);
    /* Nearly every packet belongs to the newest frame, which is never one that was left out. */
    if (((in->picture_id ^ m->picture_newest) & (picture_modulus(m) - 1)) == 0) {
        out->picture_id = (uint16_t)(m->picture_out_newest & 0x7fff);
        return true;
    }
    uint64_t picture = expand_picture(m, in->picture_id);
    if (picture <= m->picture_floor || is_left_out(m, picture))
        return false;
    uint64_t out_picture = picture + m->picture_offset - left_out_before(m, picture);
    out->picture_id = (uint16_t)(out_picture & 0x7fff);
    if (picture <= m->picture_newest)
        return true;
    m->picture_newest = picture;
    m->picture_out_newest = out_picture;
    if (in->has_tl0)
        m->tl0_out_newest = out->tl0;
    return true;
}

/* ---- timestamps ---- */

static int64_t ticks(const struct rtp_mapper *m, mono_us us)
{
    return us / 1000000 * m->clock_hz + us % 1000000 * m->clock_hz / 1000000;
}

static void switch_ts(struct rtp_mapper *m, uint32_t src_ts, const uint32_t *ts_delta, mono_us now)
{
    if (m->layer < 0 && m->newest_at == 0) {
        m->ts_offset = m->ts_newest - src_ts;
        return;
    }
    mono_us passed = TK_MAX(now - m->newest_at, 0);
    int64_t ahead = ticks(m, passed);
    if (ts_delta != NULL) {
        int64_t wanted = (int32_t)(src_ts + *ts_delta + m->ts_offset - m->ts_newest);
        if (wanted <= ticks(m, passed + SWITCH_AHEAD_US) && wanted >= -ticks(m, SWITCH_AHEAD_US))
            ahead = wanted;
    }
    m->ts_newest += (uint32_t)TK_MAX(ahead, 1);
    m->ts_offset = m->ts_newest - src_ts;
}

static uint32_t map_ts(struct rtp_mapper *m, uint32_t src_ts, mono_us now)
{
    uint32_t ts = src_ts + m->ts_offset;
    if (rtp_ts_newer(ts, m->ts_newest))
        m->ts_newest = ts;
    m->newest_at = now;
    return ts;
}

/* ---- public ---- */

void rtp_mapper_switch(struct rtp_mapper *m, const struct rtp_mapper_in *first,
                       const uint32_t *ts_delta, mono_us now)
{
    switch_ts(m, first->ts, ts_delta, now);
    switch_picture(m, first);
    m->layer = (int8_t)first->layer;
    m->stretch_first = m->out_next;
    m->src_first = first->seq;
    m->src_newest = first->seq - 1;
    m->newest_at = now;
}

/* The number that a packet gets: the next one, or the one that is reserved for it; 0 = none. */
static uint64_t take_place(struct rtp_mapper *m, uint64_t seq)
{
    if (seq > m->src_newest) {
        advance(m, seq);
        push_entry(m, seq, RTP_MAPPER_RESERVED);
        return m->out_next - 1;
    }
    uint64_t number = find_source(m, seq);
    return number != 0 && place_of(m, number)->state == RTP_MAPPER_RESERVED ? number : 0;
}

/* A packet of the stretch that is not sent gets no number, or leaves empty what was kept for it. */
static void drop_seq(struct rtp_mapper *m, uint64_t seq)
{
    if (seq > m->src_newest) {
        advance(m, seq);
        return;
    }
    uint64_t number = find_source(m, seq);
    if (number != 0 && place_of(m, number)->state == RTP_MAPPER_RESERVED)
        place_of(m, number)->state = RTP_MAPPER_HOLE;
}

int rtp_mapper_forward(struct rtp_mapper *m, const struct rtp_mapper_in *in, mono_us now,
                       struct rtp_mapper_out *ret_out)
{
    if (!is_of_stretch(m, in->layer, in->seq))
        return 0;
    struct rtp_mapper_out out = {0};
    if (in->has_picture && m->has_picture && !map_picture(m, in, &out)) {
        drop_seq(m, in->seq);
        return 0;
    }
    uint64_t number = take_place(m, in->seq);
    if (number == 0)
        return 0;
    struct rtp_mapper_entry *e = place_of(m, number);
    out.seq = (uint16_t)number;
    out.ts = map_ts(m, in->ts, now);
    e->state = RTP_MAPPER_SENT;
    e->out_ts = out.ts;
    e->out_picture_id = out.picture_id;
    e->out_tl0 = out.tl0;
    *ret_out = out;
    return 1;
}

void rtp_mapper_drop(struct rtp_mapper *m, const struct rtp_mapper_in *in)
{
    if (!is_of_stretch(m, in->layer, in->seq))
        return;
    if (m->has_picture && in->has_picture)
        leave_out_picture(m, expand_picture(m, in->picture_id));
    drop_seq(m, in->seq);
}

void rtp_mapper_forget(struct rtp_mapper *m)
{
    m->out_first = m->out_next;
}

struct rtp_mapper_entry *rtp_mapper_find(struct rtp_mapper *m, uint16_t out_seq)
{
    uint64_t ext = rtp_seq_expand(out_seq, m->out_next - 1);
    if (ext >= m->out_next || ext < m->out_first || m->out_next - ext > m->count)
        return NULL;
    struct rtp_mapper_entry *e = place_of(m, ext);
    return e->state != RTP_MAPPER_LOST ? e : NULL;
}
