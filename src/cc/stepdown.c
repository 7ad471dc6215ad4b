#include "cc/stepdown.h"

#define WINDOW              MONO_S(1)
#define GOOD_Q8             5  /* 2 % of 256 */
#define BAD_Q8              26 /* 10 % */
#define AWFUL_Q8            64 /* 25 % */
#define BAD_WINDOWS_MAX     2
#define AWFUL_WINDOWS_MAX   4
#define STEP_WAIT           MONO_S(2)
#define UP_WAIT_MIN         MONO_S(8)
#define UP_WAIT_MAX         MONO_S(64)
#define UP_FAILED_WITHIN    MONO_S(10)
#define UP_WAIT_RESET_AFTER MONO_S(60)
#define REMB_AGE_MAX        MONO_S(5)
#define REMB_LOW_MAX        MONO_S(3)
#define AUDIO_BPS           64000

void cc_stepdown_init(struct cc_stepdown *s, mono_us now)
{
    *s = (struct cc_stepdown){
        .cap = RTP_LAYERS_MAX - 1, .window_at = now, .changed_at = now, .up_wait = UP_WAIT_MIN};
}

void cc_stepdown_loss(struct cc_stepdown *s, uint8_t fraction_lost)
{
    s->loss_sum += fraction_lost;
    s->loss_count++;
}

void cc_stepdown_remb(struct cc_stepdown *s, uint64_t bps, mono_us now)
{
    s->has_remb = true;
    s->remb_bps = bps;
    s->remb_at = now;
}

/* The next available layer above or below `layer`, or CC_LAYER_PAUSED. */
static int8_t next_layer(const struct cc_layers *layers, int layer, int step)
{
    for (int i = layer + step; i >= 0 && i < RTP_LAYERS_MAX; i += step)
        if (i < layers->count && layers->bps[i] > 0)
            return (int8_t)i;
    return CC_LAYER_PAUSED;
}

static void close_window(struct cc_stepdown *s, mono_us now)
{
    if (now - s->window_at < WINDOW)
        return;
    s->window_at = now;
    if (s->loss_count == 0)
        return;
    uint32_t mean = s->loss_sum / s->loss_count;
    s->loss_sum = 0;
    s->loss_count = 0;
    s->bad_windows = mean > BAD_Q8 ? (uint8_t)TK_MIN(s->bad_windows + 1, 100) : 0;
    s->awful_windows = mean > AWFUL_Q8 ? (uint8_t)TK_MIN(s->awful_windows + 1, 100) : 0;
    if (mean < GOOD_Q8 && !s->is_good)
        s->good_since = now;
    s->is_good = mean < GOOD_Q8;
}

static void lower(struct cc_stepdown *s, int8_t cap, mono_us now)
{
    if (s->has_raised && now - s->raised_at < UP_FAILED_WITHIN)
        s->up_wait = TK_MIN(s->up_wait * 2, UP_WAIT_MAX);
    s->has_raised = false;
    s->cap = cap;
    s->changed_at = now;
    s->bad_windows = 0;
    s->awful_windows = 0;
    s->is_good = false;
}

static void raise_to(struct cc_stepdown *s, int8_t cap, mono_us now)
{
    s->has_raised = true;
    s->raised_at = now;
    s->cap = cap;
    s->changed_at = now;
    s->bad_windows = 0;
    s->awful_windows = 0;
    s->good_since = now;
}

/* What REMB leaves for video; UINT64_MAX without one. */
static uint64_t remb_room(const struct cc_stepdown *s, mono_us now)
{
    if (!s->has_remb || now - s->remb_at > REMB_AGE_MAX)
        return UINT64_MAX;
    return s->remb_bps > AUDIO_BPS ? s->remb_bps - AUDIO_BPS : 0;
}

static bool step_down_by_remb(struct cc_stepdown *s, const struct cc_layers *layers, int8_t current,
                              mono_us now)
{
    uint64_t room = remb_room(s, now);
    int8_t fitting = current;
    while (fitting != CC_LAYER_PAUSED && layers->bps[fitting] > room)
        fitting = next_layer(layers, fitting, -1);
    if (fitting == current) {
        s->is_remb_low = false;
        return false;
    }
    int8_t lowest = next_layer(layers, -1, 1);
    if (fitting != CC_LAYER_PAUSED || current != lowest) {
        lower(s, fitting != CC_LAYER_PAUSED ? fitting : lowest, now);
        return true;
    }
    if (!s->is_remb_low)
        s->remb_low_since = now;
    s->is_remb_low = true;
    if (now - s->remb_low_since < REMB_LOW_MAX)
        return false;
    s->is_remb_low = false;
    lower(s, CC_LAYER_PAUSED, now);
    return true;
}

static bool step_down_by_loss(struct cc_stepdown *s, const struct cc_layers *layers, int8_t current,
                              mono_us now)
{
    if (s->bad_windows < BAD_WINDOWS_MAX || now - s->changed_at < STEP_WAIT)
        return false;
    int8_t below = next_layer(layers, current, -1);
    if (below == CC_LAYER_PAUSED && s->awful_windows < AWFUL_WINDOWS_MAX)
        return false;
    lower(s, below, now);
    return true;
}

static bool step_up(struct cc_stepdown *s, const struct cc_layers *layers, mono_us now)
{
    bool is_paused = s->cap == CC_LAYER_PAUSED;
    if (now - s->changed_at < s->up_wait)
        return false;
    if (!is_paused && (!s->is_good || now - s->good_since < s->up_wait))
        return false;
    int8_t above = next_layer(layers, s->cap, 1);
    if (above == CC_LAYER_PAUSED)
        return false;
    uint64_t needed = layers->bps[above] + (uint64_t)layers->bps[above] / 5;
    if (needed > remb_room(s, now))
        return false;
    raise_to(s, above, now);
    return true;
}

bool cc_stepdown_update(struct cc_stepdown *s, const struct cc_layers *layers, mono_us now)
{
    close_window(s, now);
    if (s->has_raised && now - s->raised_at >= UP_WAIT_RESET_AFTER)
        s->up_wait = UP_WAIT_MIN;
    if (s->cap == CC_LAYER_PAUSED)
        return step_up(s, layers, now);
    /* The cap may stand above what there is: the layer that really flows counts. */
    int8_t current = next_layer(layers, s->cap + 1, -1);
    if (current == CC_LAYER_PAUSED)
        return false;
    return step_down_by_remb(s, layers, current, now) ||
           step_down_by_loss(s, layers, current, now) || step_up(s, layers, now);
}
