#include "rtp/twcc.h"

#include "base/err.h"
#include "rtp/rtp_internal.h"
#include "rtp/seq.h"

#include <string.h>

#define WINDOW_MASK (RTP_TWCC_WINDOW - 1)

/* Deltas are signed 16-bit numbers of 250 us. */
#define DELTA_US 250

void rtp_twcc_init(struct rtp_twcc *t, mono_us interval)
{
    memset(t, 0, sizeof(*t));
    t->interval = interval;
}

static void restart(struct rtp_twcc *t, uint64_t seq)
{
    memset(t->arrivals, 0, sizeof(t->arrivals));
    t->begin = seq;
    t->newest = seq;
}

/* Moves the window up to `seq` and forgets what falls out of it. */
static void advance(struct rtp_twcc *t, uint64_t seq)
{
    for (uint64_t s = t->newest + 1; s <= seq; s++)
        t->arrivals[s & WINDOW_MASK] = 0;
    t->newest = seq;
    if (t->newest - t->begin >= RTP_TWCC_WINDOW)
        t->begin = t->newest - RTP_TWCC_WINDOW + 1;
}

/* The next number above the newest that is congruent to `seq`. */
static uint64_t next_congruent(const struct rtp_twcc *t, uint16_t seq)
{
    return t->newest + (uint16_t)(seq - (uint16_t)t->newest);
}

void rtp_twcc_packet(struct rtp_twcc *t, uint16_t seq, mono_us arrived)
{
    if (t->newest == 0) {
        restart(t, 65536u + seq);
        t->last_at = arrived;
    }
    uint64_t ext = rtp_seq_expand(seq, t->newest);
    if (ext > t->newest && ext - t->newest < RTP_TWCC_WINDOW) {
        advance(t, ext);
    } else if (ext > t->newest || t->newest - ext >= RTP_TWCC_WINDOW) {
        t->too_old += ext < t->newest;
        ext = next_congruent(t, seq);
        restart(t, ext);
    }
    mono_us *slot = &t->arrivals[ext & WINDOW_MASK];
    if (*slot != 0)
        return;
    *slot = arrived != 0 ? arrived : 1;
    if (ext < t->begin)
        t->begin = ext; /* late: reported as missing before, reported again as received */
    if (!t->is_pending)
        t->last_at = TK_MAX(t->last_at, arrived - t->interval);
    t->is_pending = true;
}

static mono_us arrival(const struct rtp_twcc *t, uint64_t seq)
{
    return t->arrivals[seq & WINDOW_MASK];
}

/* Collects the symbols and deltas of one packet; returns the first number that is not in it. */
static uint64_t collect(const struct rtp_twcc *t, uint64_t first, struct twcc__report *report)
{
    mono_us at = arrival(t, first) / TWCC__REFERENCE_US * TWCC__REFERENCE_US;
    report->reference_time = (int32_t)(at / TWCC__REFERENCE_US);
    uint64_t seq = first;
    for (; seq <= t->newest && report->symbol_count < TWCC__SYMBOLS_MAX; seq++) {
        mono_us arrived = arrival(t, seq);
        if (arrived == 0) {
            report->symbols[report->symbol_count++] = TWCC__MISSING;
            continue;
        }
        int64_t delta = (arrived - at) / DELTA_US;
        if (delta < INT16_MIN || delta > INT16_MAX)
            break; /* the next packet gets a reference time of its own */
        at += delta * DELTA_US;
        report->deltas[report->delta_count++] = (int16_t)delta;
        bool is_small = delta >= 0 && delta <= UINT8_MAX;
        report->symbols[report->symbol_count++] = is_small ? TWCC__SMALL : TWCC__LARGE;
    }
    return seq;
}

int rtp_twcc_poll(struct rtp_twcc *t, uint32_t sender_ssrc, uint32_t media_ssrc, mono_us now,
                  struct wr *w)
{
    if (!t->is_pending || now < t->last_at + t->interval)
        return 0;
    if (w->is_bad || w->end - w->at < RTP_TWCC_PACKET_MAX)
        return ERR_NO_SPACE;
    uint64_t first = t->begin;
    while (first < t->newest && arrival(t, first) == 0)
        first++;
    struct twcc__report report = {
        .sender_ssrc = sender_ssrc,
        .media_ssrc = media_ssrc,
        .base_seq = (uint16_t)t->begin,
        .leading_missing = (uint16_t)(first - t->begin),
        .feedback_count = t->feedback_count++,
    };
    t->begin = collect(t, first, &report);
    twcc__put(w, &report);
    if (t->begin > t->newest) {
        t->is_pending = false;
        t->last_at = now;
    }
    return 1;
}

mono_us rtp_twcc_next_at(const struct rtp_twcc *t)
{
    return t->is_pending ? t->last_at + t->interval : MONO_NEVER;
}
