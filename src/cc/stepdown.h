#ifndef TK_CC_STEPDOWN_H
#define TK_CC_STEPDOWN_H

/*
 * A first, simple answer to a bad line towards one subscriber: which layer at most, and whether
 * video has to stand back for sound altogether. Driven by loss from receiver reports and, where the
 * client sends it, by REMB. A pure value; `now` is an argument. The full congestion control
 * (estimator, pacer, prober, allocator) will take its place beside it in this folder.
 *
 *   loss, mean of one second
 *   100 % ─┬───────────────────────────────────────────────────────────────
 *          │ lowest layer: pause after 4 such seconds    ┐ one layer down
 *    25 % ─┤                                             │ after 2 seconds,
 *          │ keep the lowest layer                       ┘ 2 s between steps
 *    10 % ─┤ ────────────────────────────────────────────────────────────────
 *          │ stay as it is (hysteresis)
 *     2 % ─┤ ────────────────────────────────────────────────────────────────
 *          │ one layer up after `up_wait` good seconds: 8 s, doubled (up to 64 s) each time a step
 *     0 % ─┘ up had to be taken back within 10 s, 8 s again when one has held for a minute
 *
 *   REMB:  down to the highest layer with  bps <= remb - 64 kbit/s (kept for sound); not even the
 *          lowest for 3 s: pause. Up only with bps * 1.2 <= remb - 64 kbit/s. Older than 5 s: void.
 *   Paused: the lowest layer is tried again after `up_wait`.
 */

#include "base/attrs.h"
#include "base/time.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stdint.h>

#define CC_LAYER_PAUSED (-1)

struct cc_stepdown {
    int8_t cap; /* highest layer allowed, or CC_LAYER_PAUSED */

    /* The second being measured. */
    mono_us window_at;
    uint32_t loss_sum, loss_count;

    /* Whole seconds in a row, and since when. */
    uint8_t bad_windows, awful_windows;
    bool is_good;
    mono_us good_since;

    mono_us changed_at;
    mono_us raised_at;
    bool has_raised;
    mono_us up_wait;

    bool has_remb;
    uint64_t remb_bps;
    mono_us remb_at;
    bool is_remb_low;
    mono_us remb_low_since;
};

/*
 * What the subscriber's video costs when it is held to each layer: measured bits per second, lowest
 * layer first, 0 = not available now. For one subscription or as a sum over all of a subscriber's.
 */
struct cc_layers {
    uint32_t bps[RTP_LAYERS_MAX];
    uint8_t count;
};

/* Everything allowed. */
void cc_stepdown_init(struct cc_stepdown *s, mono_us now);

/* One receiver report block about this subscriber's video: fraction lost of 256. */
void cc_stepdown_loss(struct cc_stepdown *s, uint8_t fraction_lost);

/* One REMB message. */
void cc_stepdown_remb(struct cc_stepdown *s, uint64_t bps, mono_us now);

/* Decides anew; call it every 200 ms to 1 s. Returns true if the cap changed. */
bool cc_stepdown_update(struct cc_stepdown *s, const struct cc_layers *layers, mono_us now);

static inline bool cc_stepdown_is_paused(const struct cc_stepdown *s)
{
    return s->cap == CC_LAYER_PAUSED;
}

#endif
