/*
 * Goal: processor time, switches and memory of a process are read, and of no other; what a host
 * takes from the machine is a share of its time.
 * Method: our own process burns a known time; a number that is no process; counts of our own.
 */
#include "load/watch.h"

#include "unit/cmocka_all.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#define BURN_US 60000

static int64_t cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void test_own_process(void **state)
{
    (void)state;
    struct load_watch_span span;
    assert_int_equal(load_watch_read(getpid(), mono_now(), &span.begin), 0);
    int64_t begin = cpu_us();
    while (cpu_us() - begin < BURN_US) {
    }
    assert_int_equal(load_watch_read(getpid(), mono_now(), &span.end), 0);
    double burnt = load_watch_cpu_us(&span);
    /* Ticks are 10 ms; reading itself costs, more so with sanitizers. */
    assert_true(burnt >= BURN_US - 20000 && burnt <= BURN_US + 100000);
    assert_true(span.end.rss_kib > 500);
    assert_true(span.end.threads >= 1);
    assert_true(span.end.at > span.begin.at);
    char name[16];
    double busiest = load_watch_busiest(&span, name); /* it did nothing else */
    assert_true(busiest > 0.3 && busiest < 1.2);
    assert_string_not_equal(name, "");
}

static void test_no_process(void **state)
{
    (void)state;
    struct load_watch w = {.rss_kib = 7};
    assert_int_equal(load_watch_read(0x3fffffff, mono_now(), &w), -ENOENT);
    assert_int_equal(w.rss_kib, 7); /* untouched */
}

/* Of the machine: time goes on, and what the host took is a part of it. */
static void test_machine(void **state)
{
    (void)state;
    struct load_watch_machine begin = load_watch_machine();
    assert_true(begin.all > 0);
    assert_true(begin.stolen <= begin.all);
    struct load_watch_machine end = {begin.all + 2000, begin.stolen + 5};
    assert_float_equal(load_watch_stolen(&begin, &end), 0.0025, 1e-9);
    assert_float_equal(load_watch_stolen(&begin, &begin), 0, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_process),
        cmocka_unit_test(test_no_process),
        cmocka_unit_test(test_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
