/*
 * Goal: `tongke load` against the real server: in both modes everything arrives whole and right;
 * what is lost on purpose is asked for and comes again; who cannot join makes it fail, with words.
 * Method: server and load generator as child processes, the figures from its JSON.
 */
#include "integration/generator.h"
#include "integration/process.h"

#include "base/attrs.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct it_server server;

static int start_server(void **state)
{
    (void)state;
    it_server_start(&server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    it_server_stop(&server);
    return 0;
}

static json_t *run_load(const char *const *more)
{
    return it_load_run(&server, more);
}

static int run_badly(const char *const *more)
{
    return it_load_wait(it_load_start(&server, more));
}

static void check_counts(const json_t *report, json_int_t subscribers)
{
    static const char *const zeros[] = {"auth_failures", "replays",       "malformed",
                                        "lost",          "duplicates",    "unknown_ssrc",
                                        "unstamped",     "frames_broken", "send_failures"};
    for (size_t i = 0; i < ARRAY_COUNT(zeros); i++)
        if (it_load_figure(report, "media", zeros[i]) != 0)
            fail_msg("%s is %lld", zeros[i], (long long)it_load_figure(report, "media", zeros[i]));
    double seconds = json_real_value(json_object_get(report, "measured_s"));
    double frames = (double)it_load_figure(report, "media", "frames");
    assert_int_equal(it_load_figure(report, "join", "joined"), subscribers + 1);
    /* Nothing is lost or broken; of 30 a second to each, a busy machine may send some late. */
    assert_true(frames > 15.0 * seconds * (double)subscribers);
    assert_true(frames < 40.0 * seconds * (double)subscribers);
}

static void check_clean(const json_t *report, json_int_t subscribers)
{
    check_counts(report, subscribers);
    const json_t *delay = json_object_get(json_object_get(report, "media"), "delay");
    assert_int_equal(json_integer_value(json_object_get(delay, "count")),
                     it_load_figure(report, "media", "delivered"));
}

static void test_single(void **state)
{
    (void)state;
    json_t *report = run_load(
        (const char *const[]){"--subscribers", "20", "--duration", "3", "--room", "one", NULL});
    check_clean(report, 20);
    json_decref(report);
}

static void test_dual(void **state)
{
    (void)state;
    json_t *report = run_load((const char *const[]){
        "--subscribers", "20", "--duration", "3", "--dual", "--srtp", "cm", "--room", "two", NULL});
    check_clean(report, 20);
    json_decref(report);
}

static double mean(const json_t *hist)
{
    return json_real_value(json_object_get(hist, "mean_us"));
}

/* Each of those who came has been through every step, and these add up to its joining. */
static void check_steps(const json_t *report, json_int_t joins)
{
    static const char *const names[] = {"description", "path", "keys", "packet", "picture"};
    const json_t *join = json_object_get(report, "join");
    const json_t *steps = json_object_get(join, "steps_while_measured");
    double whole = mean(json_object_get(join, "time_while_measured")), sum = 0;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const json_t *step = json_object_get(steps, names[i]);
        assert_int_equal(json_integer_value(json_object_get(step, "count")), joins);
        sum += mean(step);
    }
    /* A packet's time is the kernel's, the others are the loop's, and nothing is below zero. */
    assert_true(sum > 0.99 * whole && sum < 1.1 * whole + 1000);
}

/* Who comes into a running lesson knows the streams before they begin, and sees the picture from
 * the keyframe that the server keeps: nobody asks for one. */
static void test_storm(void **state)
{
    (void)state;
    json_t *report = run_load((const char *const[]){"--subscribers", "10", "--join-storm", "30",
                                                    "--storm-seconds", "1", "--duration", "3",
                                                    "--room", "storm", NULL});
    assert_int_equal(it_load_figure(report, "join", "joined"), 41);
    assert_int_equal(it_load_figure(report, "media", "unknown_ssrc"), 0);
    assert_int_equal(it_load_figure(report, "media", "plis_sent"), 0);
    assert_int_equal(it_load_figure(report, "media", "lost"), 0);
    check_steps(report, 30);
    json_decref(report);
}

/* Thousands share a socket, and of most packets only the header is looked at: what is counted is
 * the same, and the report says what was not checked. */
static void test_shared_and_sampled(void **state)
{
    (void)state;
    json_t *report =
        run_load((const char *const[]){"--subscribers", "20", "--duration", "3", "--bind",
                                       "127.16.0.0/16", "--check", "10", "--room", "many", NULL});
    double share = json_real_value(json_object_get(report, "checked_share"));
    json_int_t delivered = it_load_figure(report, "media", "delivered");
    json_int_t hidden = it_load_figure(report, "media", "hidden");
    assert_true(share > 0.08 && share < 0.13);
    assert_true(hidden > delivered * 85 / 100 && hidden < delivered * 92 / 100);
    check_counts(report, 20);
    const json_t *delay = json_object_get(json_object_get(report, "media"), "delay");
    assert_int_equal(json_integer_value(json_object_get(delay, "count")), delivered - hidden);
    json_decref(report);
}

/* Each lost packet is seen and asked for, checked or not. */
static void test_loss_of_hidden_is_repaired(void **state)
{
    (void)state;
    json_t *report = run_load((const char *const[]){
        "--subscribers", "6", "--duration", "3", "--video", "--loss", "3", "--dual", "--bind",
        "127.16.0.0/16", "--check", "10", "--room", "lossy-many", NULL});
    json_int_t dropped = it_load_figure(report, "media", "dropped_on_purpose");
    assert_true(dropped > 20);
    assert_true(it_load_figure(report, "media", "hidden") > 100);
    assert_true(it_load_figure(report, "media", "recovered") > dropped * 7 / 10);
    assert_true(it_load_figure(report, "media", "lost") <= dropped * 3 / 10);
    json_decref(report);
}

static void test_loss_is_repaired(void **state)
{
    (void)state;
    json_t *report =
        run_load((const char *const[]){"--subscribers", "6", "--duration", "3", "--video", "--loss",
                                       "3", "--lossy-share", "50", "--room", "lossy", NULL});
    json_int_t dropped = it_load_figure(report, "media", "dropped_on_purpose");
    json_int_t recovered = it_load_figure(report, "media", "recovered");
    assert_true(dropped > 10);
    assert_true(it_load_figure(report, "media", "nacks_sent") > 5);
    /* Nearly all come again; some of the last are still on their way at the end. */
    assert_true(recovered > dropped * 7 / 10);
    assert_true(it_load_figure(report, "media", "lost") <= dropped * 3 / 10);
    json_decref(report);
}

static void test_lesson(void **state)
{
    (void)state;
    json_t *report = run_load((const char *const[]){"--lesson", "2", "--duration", "1", NULL});
    const json_t *media = json_object_get(report, "media");
    double bps = json_real_value(json_object_get(media, "site_downlink_bps"));
    assert_int_equal(it_load_figure(report, "join", "joined"), 3);
    assert_int_equal(it_load_figure(report, "media", "lost"), 0);
    assert_true(bps > 1000000 && bps < 2500000); /* the lecture in full, and nothing else */
    json_decref(report);
}

static void test_refusal_is_told(void **state)
{
    (void)state;
    char text[512];
    assert_int_equal(run_badly((const char *const[]){"--secret", "wrong", NULL}), 1);
    it_load_error(&server, text, sizeof(text));
    assert_non_null(strstr(text, "publisher-0 in room load: signalling: refused: HTTP/1.1 401"));
    assert_int_equal(run_badly((const char *const[]){"--url", "ws://127.0.0.1:1", NULL}), 1);
    assert_int_equal(run_badly((const char *const[]){"--layers", "4", NULL}), 2);
    assert_int_equal(run_badly((const char *const[]){"--check", "0", NULL}), 2);
    assert_int_equal(run_badly((const char *const[]){"--bind", "127.16.0.0/31", NULL}), 2);
}

static void test_stop_reports(void **state)
{
    (void)state;
    pid_t pid =
        it_load_start(&server, (const char *const[]){"--subscribers", "1", "--warm-up", "0",
                                                     "--duration", "60", "--room", "stop", NULL});
    sleep(4);
    kill(pid, SIGINT);
    assert_int_equal(it_load_wait(pid), 0);
    json_t *report = it_load_report(&server);
    assert_true(it_load_figure(report, "media", "delivered") > 0);
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_dual),
        cmocka_unit_test(test_shared_and_sampled),
        cmocka_unit_test(test_loss_of_hidden_is_repaired),
        cmocka_unit_test(test_loss_is_repaired),
        cmocka_unit_test(test_lesson),
        cmocka_unit_test(test_refusal_is_told),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_stop_reports),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
