/*
 * Goal: the report says truly which side was at its limit, and how much was checked.
 * Method: measurements made by hand.
 */
#include "load/load_internal.h"
#include "unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 10

static struct load_options options;
static struct load_run *run;

static int set_up(void **state)
{
    (void)state;
    options = load_options_default();
    run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->options = &options;
    run->measured_us = MONO_S(SECONDS);
    run->self.begin.run_ns = run->server.begin.run_ns = 1;
    run->self.begin.is_read = run->self.end.is_read = true;
    run->m.sent_frames = 1000;
    for (int i = 0; i < 1000; i++)
        load_hist_add(&run->m.backlog, MONO_MS(1));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(run);
    return 0;
}

/* In percent of the time. */
static void set_self(unsigned ran, unsigned waited)
{
    run->self.end.run_ns = 1 + (uint64_t)ran * SECONDS * 10000000;
    run->self.end.wait_ns = (uint64_t)waited * SECONDS * 10000000;
}

static bool is_limited_by(const char *text)
{
    load__judge_generator(run);
    return run->is_limited && strstr(run->limits, text) != NULL;
}

static void test_time_to_spare(void **state)
{
    (void)state;
    set_self(50, 40); /* the kernel's reception has the core before us; there is time left */
    load__judge_generator(run);
    assert_false(run->is_limited);
    assert_string_equal(run->limits, "");
}

static void test_busy(void **state)
{
    (void)state;
    set_self(91, 0);
    assert_true(is_limited_by("it used 91 % of one core"));
}

static void test_full_core(void **state)
{
    (void)state;
    set_self(58, 41);
    assert_true(is_limited_by("it ran 58 % of the time and waited 41 %"));
}

static void test_backlog(void **state)
{
    (void)state;
    set_self(10, 10);
    for (int i = 0; i < 20; i++)
        load_hist_add(&run->m.backlog, MONO_MS(80));
    assert_true(is_limited_by("of what came, 1 % waited more than 80 ms"));
}

static void test_drops_and_late_frames(void **state)
{
    (void)state;
    run->m.kernel_drops = 3;
    run->m.late_frames = 2;
    for (int i = 0; i < 1000; i++)
        load_hist_add(&run->m.lateness, i < 2 ? MONO_MS(9) : 0);
    assert_true(is_limited_by("3 "));
    assert_non_null(strstr(run->limits, "2 of 1000 frames left more than 5 ms late"));
}

static void set_thread(struct load_watch *w, size_t i, const char *name, uint64_t run_ns,
                       uint64_t wait_ns)
{
    w->each[i] = (struct load_watch_thread){.id = (int)i + 1, .run_ns = run_ns, .wait_ns = wait_ns};
    snprintf(w->each[i].name, sizeof(w->each[i].name), "%s", name);
    w->threads = (uint32_t)i + 1;
}

static void test_server(void **state)
{
    (void)state;
    double share = 1;
    char name[16] = "x";
    assert_false(load__server_is_limit(run, &share, name)); /* not watched */
    assert_string_equal(name, "");
    run->server.begin.is_read = run->server.end.is_read = true;
    run->server.end.at = MONO_S(SECONDS);
    set_thread(&run->server.begin, 0, "tongke", 1000, 0);
    set_thread(&run->server.end, 0, "tongke", 5000000000, 0);
    set_thread(&run->server.begin, 1, "worker-0", 2000000000, 0);
    set_thread(&run->server.end, 1, "worker-0", 9000000000, 1000000000);
    assert_false(load__server_is_limit(run, &share, name));
    assert_string_equal(name, "worker-0");
    assert_true(share > 0.79 && share < 0.81);
    set_thread(&run->server.end, 1, "worker-0", 9000000000, 2700000000);
    assert_true(load__server_is_limit(run, &share, name));
}

static void test_checked_share(void **state)
{
    (void)state;
    assert_true(load__checked_share(run) == 1);
    run->m.packets = 1000;
    assert_true(load__checked_share(run) == 1);
    run->m.hidden = 900;
    assert_true(load__checked_share(run) > 0.099 && load__checked_share(run) < 0.101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_time_to_spare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_busy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_core, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_backlog, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drops_and_late_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checked_share, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
