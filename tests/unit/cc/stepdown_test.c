/*
 * Goal: the layer cap follows the picture in cc/stepdown.h.
 * Method: scripts of phases (so many seconds with this loss and REMB), run second by second in
 * virtual time; after each phase the cap is compared. Then a line that is bad only with the higher
 * layer on it: the step up must be tried more and more seldom.
 */
#include "cc/stepdown.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define PAUSED CC_LAYER_PAUSED

struct phase {
    int seconds;        /* 0 ends the script */
    int loss_percent;   /* -1: no receiver reports */
    uint32_t remb_kbps; /* 0: none */
    int cap;
};

struct script {
    const char *name;
    struct cc_layers layers;
    struct phase phases[8];
};

#define THREE                        \
    {                                \
        {150000, 500000, 1700000}, 3 \
    }
#define ONE         \
    {               \
        {800000}, 1 \
    }
#define GAP                     \
    {                           \
        {150000, 0, 1700000}, 3 \
    }

static const struct script scripts[] = {
    {"a clean line keeps everything", THREE, {{60, 0, 0, 2}}},
    {"a little loss changes nothing", THREE, {{60, 5, 0, 2}}},
    {"one bad second is forgiven", THREE, {{5, 0, 0, 2}, {1, 30, 0, 2}, {5, 0, 0, 2}}},
    {"two bad seconds cost one layer", THREE, {{5, 0, 0, 2}, {2, 15, 0, 1}}},
    {"loss takes layer after layer, the lowest stays", THREE, {{20, 15, 0, 0}}},
    {"awful loss pauses the video", THREE, {{20, 40, 0, PAUSED}}},
    {"hysteresis: 5 % does not bring the layer back", THREE, {{2, 15, 0, 1}, {60, 5, 0, 1}}},
    {"back after eight good seconds", THREE, {{2, 15, 0, 1}, {8, 0, 0, 1}, {2, 0, 0, 2}}},
    {"one layer: loss cannot lower it", ONE, {{30, 15, 0, 2}}},
    {"one layer: awful loss pauses it", ONE, {{10, 40, 0, PAUSED}}},
    {"a paused video is tried again", ONE, {{5, 40, 0, PAUSED}, {9, -1, 0, 0}}},
    {"a missing layer is stepped over", GAP, {{2, 15, 0, 0}, {10, 0, 0, 2}}},
    {"REMB picks the layer at once", THREE, {{1, 0, 700, 1}}},
    {"REMB below the lowest: first the lowest, then pause",
     THREE,
     {{1, 0, 100, 0}, {5, 0, 100, PAUSED}}},
    {"REMB keeps a paused video paused", THREE, {{6, 0, 100, PAUSED}, {60, -1, 100, PAUSED}}},
    {"REMB without headroom: no step up", THREE, {{1, 0, 700, 1}, {60, 0, 1800, 1}}},
    {"REMB with headroom: up", THREE, {{1, 0, 700, 1}, {12, 0, 2500, 2}}},
    {"an old REMB is void", THREE, {{1, 0, 700, 1}, {20, 0, 0, 2}}},
    {"no reports, no change", THREE, {{60, -1, 0, 2}}},
};

static void run_phase(struct cc_stepdown *s, const struct script *script, const struct phase *phase,
                      mono_us *now)
{
    for (int i = 0; i < phase->seconds; i++) {
        *now += MONO_S(1);
        if (phase->loss_percent >= 0)
            cc_stepdown_loss(s, (uint8_t)(phase->loss_percent * 256 / 100));
        if (phase->remb_kbps > 0)
            cc_stepdown_remb(s, (uint64_t)phase->remb_kbps * 1000, *now);
        int8_t before = s->cap;
        bool is_changed = cc_stepdown_update(s, &script->layers, *now);
        assert_int_equal(is_changed, s->cap != before);
    }
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(scripts); i++) {
        struct cc_stepdown s;
        mono_us now = MONO_S(1000);
        cc_stepdown_init(&s, now);
        for (const struct phase *p = scripts[i].phases; p->seconds > 0; p++) {
            run_phase(&s, &scripts[i], p, &now);
            if (s.cap != p->cap)
                fail_msg("%s, phase %d: cap %d instead of %d", scripts[i].name,
                         (int)(p - scripts[i].phases), s.cap, p->cap);
            assert_int_equal(cc_stepdown_is_paused(&s), p->cap == PAUSED);
        }
    }
}

/* Loss of 20 % whenever layer 2 flows, none otherwise, for ten minutes. */
static void test_backs_off(void **state)
{
    (void)state;
    const struct cc_layers layers = THREE;
    struct cc_stepdown s;
    mono_us now = MONO_S(1000);
    cc_stepdown_init(&s, now);
    int raises = 0, seconds_bad = 0;
    for (int i = 0; i < 600; i++) {
        now += MONO_S(1);
        cc_stepdown_loss(&s, s.cap == 2 ? 51 : 0);
        seconds_bad += s.cap == 2;
        int8_t before = s.cap;
        if (cc_stepdown_update(&s, &layers, now) && s.cap > before)
            raises++;
        assert_true(s.cap >= 1);
    }
    assert_in_range(raises, 5, 15);
    assert_true(seconds_bad < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_backs_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
