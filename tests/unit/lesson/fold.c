/*
 * Goal: the fold gives the state that the shared vectors name, and retries, repeats and stale
 * events never change it. Method: every file of tests/vectors/lesson; seeded random logs folded
 * once straight and once with repeats in between.
 */
#include "unit/cmocka_all.h"

#include "base/rng.h"
#include "lesson/json.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define VECTORS "tests/vectors/lesson"

static void run_vector(const char *path)
{
    json_error_t error;
    json_t *v = json_load_file(path, 0, &error);
    if (v == NULL)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    struct lesson_state s;
    lesson_state_init(&s, 1);
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(v, "events"), i, item)
    {
        struct lesson_event e;
        assert_int_equal(lesson_event_from_json(item, &e), 0);
        assert_true(lesson_state_apply(&s, &e) >= 0);
    }
    json_t *got = lesson_state_to_json(&s);
    if (!json_equal(got, json_object_get(v, "state"))) {
        char *text = json_dumps(got, JSON_INDENT(1) | JSON_SORT_KEYS);
        fail_msg("%s: the state is\n%s", path, text);
    }
    json_decref(got);
    json_decref(v);
    lesson_state_fini(&s);
}

static void test_vectors(void **state)
{
    (void)state;
    DIR *dir = opendir(VECTORS);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strstr(e->d_name, ".json") == NULL)
            continue;
        char path[512];
        snprintf(path, sizeof(path), VECTORS "/%s", e->d_name);
        run_vector(path);
        count++;
    }
    closedir(dir);
    assert_true(count > 0);
}

static struct lesson_event random_event(struct rng *rng, uint64_t seq)
{
    struct lesson_event e = {.seq = seq};
    uint32_t pick = rng_below(rng, 100);
    if (pick < 25) {
        e.type = LESSON_EVENT_SITE_JOINED;
        e.role = 1 + rng_below(rng, 3);
    } else if (pick < 97) {
        e.type = LESSON_EVENT_SITE_LEFT + rng_below(rng, 9);
    } else if (pick < 99) {
        e.type = LESSON_EVENT_UNKNOWN;
    } else {
        e.type = rng_below(rng, 4) == 0 ? LESSON_EVENT_LESSON_ENDED : LESSON_EVENT_LESSON_OPENED;
    }
    snprintf(e.site, sizeof(e.site), "site-%u", rng_below(rng, 12));
    return e;
}

static void check_invariants(const struct lesson_state *s)
{
    size_t floor = 0, stage = 0, cursor = 0;
    for (struct lesson_site *site; (site = strmap_next(&s->sites, &cursor, NULL)) != NULL;) {
        floor += site->has_floor;
        stage += site->is_on_stage;
    }
    assert_int_equal(floor, s->floor_count);
    assert_int_equal(stage, s->stage_count);
    assert_true(stage <= LESSON_STAGE_MAX);
}

static void test_repeats_change_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rng rng;
        rng_init_seeded(&rng, seed);
        struct lesson_event log[100];
        struct lesson_state once, twice;
        lesson_state_init(&once, 1);
        lesson_state_init(&twice, 2);
        for (size_t i = 0; i < ARRAY_COUNT(log); i++) {
            log[i] = random_event(&rng, i + 1 + i / 7); /* with gaps */
            assert_true(lesson_state_apply(&once, &log[i]) >= 0);
            assert_true(lesson_state_apply(&twice, &log[i]) >= 0);
            for (uint32_t n = rng_below(&rng, 4); n > 0; n--) {
                struct lesson_event *old = &log[rng_below(&rng, (uint32_t)i + 1)];
                assert_int_equal(lesson_state_apply(&twice, old), 0);
            }
            check_invariants(&once);
        }
        json_t *a = lesson_state_to_json(&once);
        json_t *b = lesson_state_to_json(&twice);
        if (!json_equal(a, b))
            fail_msg("seed %lu: the states differ", (unsigned long)seed);
        json_decref(a);
        json_decref(b);
        lesson_state_fini(&once);
        lesson_state_fini(&twice);
    }
}

static void test_event_json_round_trip(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 7);
    for (uint64_t seq = 1; seq <= 200; seq++) {
        struct lesson_event e = random_event(&rng, seq), back;
        e.at = 1700000000000 + (wall_ms)seq;
        if (e.type == LESSON_EVENT_SITE_JOINED)
            snprintf(e.school, sizeof(e.school), "石桥教学点");
        else
            e.role = LESSON_ROLE_NONE;
        json_t *o = lesson_event_to_json(&e);
        assert_int_equal(lesson_event_from_json(o, &back), 0);
        assert_memory_equal(&e, &back, sizeof(e));
        json_decref(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_repeats_change_nothing),
        cmocka_unit_test(test_event_json_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
