/*
 * Goal: `tongke load` drives the real server by WHIP and WHEP, in H.264, as a gallery and with
 * pictures of other shapes: everybody joins, nothing is lost, and what comes is what was asked for.
 * Method: one server, a handful of participants, a few seconds each; the figures of the report.
 */
#include "exposition.h"
#include "integration/generator.h"
#include "integration/process.h"

#include "base/attrs.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTENSIONS_MAX 16 /* bytes */

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

static const char *http_url(void)
{
    static char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.http_port);
    return url;
}

/* Nobody failed, nothing is lost or broken, and pictures came to as many receivers as there are
 * (each counts once for each publisher it sees). */
static void check_clean(const json_t *report, json_int_t clients, json_int_t receivers,
                        double frame_rate)
{
    static const char *const zeros[] = {"auth_failures", "replays",      "malformed",
                                        "lost",          "unknown_ssrc", "unstamped",
                                        "frames_broken", "send_failures"};
    for (size_t i = 0; i < ARRAY_COUNT(zeros); i++)
        if (it_load_figure(report, "media", zeros[i]) != 0)
            fail_msg("%s is %lld", zeros[i], (long long)it_load_figure(report, "media", zeros[i]));
    double seconds = json_real_value(json_object_get(report, "measured_s"));
    double frames = (double)it_load_figure(report, "media", "frames");
    double all = frame_rate * seconds * (double)receivers;
    const json_t *media = json_object_get(report, "media");
    assert_true(json_real_value(json_object_get(media, "loss")) == 0.0);
    assert_int_equal(it_load_figure(report, "join", "joined"), clients);
    assert_int_equal(it_load_figure(report, "join", "failed"), 0);
    assert_true(it_load_figure(report, "media", "delivered") >= (json_int_t)frames);
    /* None is lost; a busy machine may send some late. */
    if (frames < all / 2 || frames > all * 4 / 3)
        fail_msg("%.0f pictures of %.0f", frames, all);
}

static const char *option(const json_t *report, const char *name)
{
    return json_string_value(json_object_get(json_object_get(report, "options"), name));
}

static double participants(void)
{
    static char text[1 << 16];
    assert_int_equal(it_http(&server, "GET", "/metrics", NULL, NULL, text, sizeof(text)), 200);
    return exposition_value(text, "tongke_participants");
}

/* Each subscription is a session of its own; at the end every session is deleted, with its token:
 * nothing has to run out. */
static void test_whip(void **state)
{
    (void)state;
    json_t *report =
        it_load_run(&server, (const char *const[]){"--target", "whip", "--url", http_url(),
                                                   "--publishers", "2", "--subscribers", "3",
                                                   "--duration", "1", "--room", "whip", NULL});
    check_clean(report, 5, 2 * 3, 30);
    assert_string_equal(option(report, "target"), "whip");
    const json_t *steps = json_object_get(json_object_get(report, "join"), "steps");
    static const char *const names[] = {"description", "path", "keys", "packet", "picture"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(steps, names[i]), "count")), 3);
    assert_true(participants() == 0);
    json_decref(report);
}

/* Publishers who watch each other: two sessions more for each of three. */
static void test_whip_gallery(void **state)
{
    (void)state;
    json_t *report = it_load_run(
        &server, (const char *const[]){"--target", "whip", "--url", http_url(), "--gallery", "3",
                                       "--duration", "1", "--room", "whip-gallery", NULL});
    check_clean(report, 3, 3 * 2, 30);
    assert_true(participants() == 0);
    json_decref(report);
}

static void test_whip_refusal(void **state)
{
    (void)state;
    char text[512];
    pid_t pid =
        it_load_start(&server, (const char *const[]){"--target", "whip", "--url", http_url(),
                                                     "--secret", "wrong", NULL});
    assert_int_equal(it_load_wait(pid), 1);
    it_load_error(&server, text, sizeof(text));
    assert_non_null(strstr(text, "publisher-0 in room load: WHIP: HTTP status 401"));
}

/* The clip's keyframe comes every four seconds: one is in the time, and was known as H.264's. */
static void test_h264(void **state)
{
    (void)state;
    json_t *report =
        it_load_run(&server, (const char *const[]){"--codec", "h264", "--subscribers", "4",
                                                   "--duration", "4", "--room", "h264", NULL});
    check_clean(report, 5, 4, 30);
    assert_string_equal(option(report, "codec"), "H264");
    assert_int_equal(it_load_figure(report, "options", "layers"), 1);
    assert_true(it_load_figure(report, "media", "keyframes") >= 4);
    json_decref(report);
}

/* Everyone sees everyone: three of each of four; nobody only watches. */
static void test_gallery(void **state)
{
    (void)state;
    json_t *report = it_load_run(&server, (const char *const[]){"--gallery", "4", "--duration", "1",
                                                                "--room", "gallery", NULL});
    check_clean(report, 4, 4 * 3, 30);
    assert_int_equal(it_load_figure(report, "options", "publishers"), 4);
    assert_int_equal(it_load_figure(report, "options", "subscribers"), 0);
    json_decref(report);
}

/* Every packet has the size that was asked for; header extensions (mid, before it is known) are not
 * in it, nor are the two bytes of a packet that is sent again. */
static void check_size(json_int_t bytes, json_int_t packets, json_int_t size)
{
    if (packets == 0 || bytes < packets * size || bytes > packets * (size + EXTENSIONS_MAX))
        fail_msg("%lld bytes in %lld packets", (long long)bytes, (long long)packets);
}

/* Synthetic pictures of one layer, so that what comes is what is sent: pictures and keyframes have
 * their numbers of packets. */
static void check_shape(const json_t *report, json_int_t subscribers, json_int_t packet_size,
                        json_int_t frame_packets, json_int_t keyframe_packets)
{
    json_int_t packets = it_load_figure(report, "media", "packets");
    json_int_t again = it_load_figure(report, "media", "rtx_packets");
    json_int_t frames = it_load_figure(report, "media", "frames");
    json_int_t keyframes = it_load_figure(report, "media", "keyframes");
    json_int_t expected = frames * frame_packets + keyframes * (keyframe_packets - frame_packets);
    check_size(it_load_figure(report, "media", "bytes"), packets, packet_size);
    check_size(it_load_figure(report, "media", "sent_bytes"),
               it_load_figure(report, "media", "sent_packets"), packet_size);
    assert_true(keyframes >= subscribers);
    /* A picture may be cut by the beginning and one by the end of the time. */
    assert_in_range(packets, expected - subscribers * frame_packets,
                    expected + again + subscribers * keyframe_packets);
}

static void test_small_packets(void **state)
{
    (void)state;
    json_t *report = it_load_run(
        &server,
        (const char *const[]){"--video", "--layers", "1", "--packet-size", "200", "--frame-rate",
                              "60", "--frame-packets", "3", "--keyframe-packets", "60",
                              "--subscribers", "3", "--duration", "4", "--room", "small", NULL});
    check_clean(report, 4, 3, 60);
    check_shape(report, 3, 200, 3, 60);
    json_decref(report);
}

static void test_large_packets(void **state)
{
    (void)state;
    json_t *report =
        it_load_run(&server, (const char *const[]){"--video", "--layers", "1", "--packet-size",
                                                   "1250", "--frame-rate", "15",
                                                   "--keyframe-packets", "60", "--subscribers", "3",
                                                   "--duration", "4", "--room", "large", NULL});
    check_clean(report, 4, 3, 15);
    check_shape(report, 3, 1250, 6, 60);
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whip),          cmocka_unit_test(test_whip_gallery),
        cmocka_unit_test(test_whip_refusal),  cmocka_unit_test(test_h264),
        cmocka_unit_test(test_gallery),       cmocka_unit_test(test_small_packets),
        cmocka_unit_test(test_large_packets),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
