/*
 * Goal: the progress bar tells how much of a phase is over, and who is there, and never more or
 * less than there can be.
 * Method: the text of runs made by hand, at chosen times.
 */
#include "load/load_internal.h"
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 30
#define START MONO_S(100)

static struct load_options options;
static struct load_run *run;

static int set_up(void **state)
{
    (void)state;
    options = load_options_default();
    options.warm_up_s = 4;
    options.duration_s = 10;
    run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->options = &options;
    run->phase_at = START;
    run->client_count = 40;
    run->lates = 10;
    run->begun = 12;
    run->joined = 9;
    run->failed = 2;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(run);
    return 0;
}

/* The text with `filled` of the bar done. */
static void check(enum load_phase phase, mono_us at, int filled, const char *rest)
{
    char text[LOAD_PROGRESS_SIZE], bar[WIDTH + 1];
    run->phase = phase;
    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[WIDTH] = '\0';
    assert_ptr_equal(load__progress_bar(run, START + at, text, sizeof(text)), text);
    assert_int_equal(text[0], '[');
    assert_memory_equal(text + 1, bar, WIDTH);
    assert_string_equal(text + 1 + WIDTH, rest);
}

/* While they join: who has everything, of those who are to come before it is measured. */
static void test_joining(void **state)
{
    (void)state;
    check(LOAD_PHASE_PUBLISHERS, MONO_S(50), 0,
          "]   0% publishers join  9 of 12 joined, 2 failed ");
    run->complete = 3;
    check(LOAD_PHASE_PUBLISHERS, 0, 3, "]  10% publishers join  9 of 12 joined, 2 failed ");
    run->complete = 29;
    check(LOAD_PHASE_SUBSCRIBERS, 0, 29, "]  97% subscribers join 9 of 12 joined, 2 failed ");
    run->complete = run->begun = run->joined = 30;
    check(LOAD_PHASE_SUBSCRIBERS, 0, 30, "] 100% subscribers join 30 of 30 joined, 2 failed ");
    run->client_count = run->lates; /* nobody but those who come later */
    run->complete = 0;
    check(LOAD_PHASE_SUBSCRIBERS, 0, 0, "]   0% subscribers join 30 of 30 joined, 2 failed ");
}

/* Then: how much of the time is over. */
static void test_times(void **state)
{
    (void)state;
    static const struct {
        enum load_phase phase;
        mono_us at;
        int filled;
        const char *rest;
    } rows[] = {
        {LOAD_PHASE_WARM_UP, 0, 0, "]   0% warm-up          9 of 12 joined, 2 failed "},
        {LOAD_PHASE_WARM_UP, MONO_S(1), 7, "]  25% warm-up          9 of 12 joined, 2 failed "},
        {LOAD_PHASE_WARM_UP, MONO_S(4), 30, "] 100% warm-up          9 of 12 joined, 2 failed "},
        {LOAD_PHASE_MEASURE, 0, 0, "]   0% measuring        9 of 12 joined, 2 failed "},
        {LOAD_PHASE_MEASURE, MONO_MS(9999), 29,
         "] 100% measuring        9 of 12 joined, 2 failed "},
        {LOAD_PHASE_MEASURE, MONO_S(10), 30, "] 100% measuring        9 of 12 joined, 2 failed "},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        check(rows[i].phase, rows[i].at, rows[i].filled, rows[i].rest);
}

/* A phase is looked at late, or (after memory maps were read) as of before it began. */
static void test_bounds(void **state)
{
    (void)state;
    check(LOAD_PHASE_MEASURE, MONO_S(60), 30, "] 100% measuring        9 of 12 joined, 2 failed ");
    check(LOAD_PHASE_MEASURE, -MONO_MS(40), 0, "]   0% measuring        9 of 12 joined, 2 failed ");
    options.warm_up_s = 0;
    check(LOAD_PHASE_WARM_UP, 0, 30, "] 100% warm-up          9 of 12 joined, 2 failed ");
    run->complete = 35; /* of those who came meanwhile, too */
    check(LOAD_PHASE_OVER, 0, 30, "] 100% over             9 of 12 joined, 2 failed ");
}

/* The largest run fits. */
static void test_large(void **state)
{
    (void)state;
    run->client_count = run->begun = run->joined = run->complete = LOAD_CLIENTS_MAX;
    run->lates = run->failed = 0;
    check(LOAD_PHASE_SUBSCRIBERS, 0, 30,
          "] 100% subscribers join 20000 of 20000 joined, 0 failed ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_joining, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
