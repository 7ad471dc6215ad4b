/*
 * Goal: the server takes the SRTP back end that its configuration names, or the fastest one that
 * the machine has, says so in its log and in /metrics, and media of both profiles goes through it.
 * Method: a server for each choice; two sites that offer one profile only, first AES-GCM and then
 * AES-CM, send to each other. That it really was another profile shows in the size of the packets
 * of sound.
 */
#include "integration/site.h"

#include "base/err.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

#define AUDIO_MIN 75 /* packets: 1.5 s */
#define VIDEO_MIN 20

#define TAG_DIFFERENCE (16 - 10) /* bytes: RFC 7714, 12; RFC 3711, 5.2 */

static struct it_world world;
static struct it_site *pair[2];
static size_t size_max; /* of the packets of sound that the first site has sent */

static int clean(void **state)
{
    (void)state;
    return it_world_clean(&world);
}

static void on_datagram_out(void *user, struct client *c, const uint8_t *data, size_t size)
{
    (void)c;
    bool is_rtp = size > 12 && data[0] >> 6 == 2 && (data[1] < 192 || data[1] > 223);
    if (user == pair[0] && is_rtp)
        size_max = TK_MAX(size_max, size);
}

static bool is_flowing(void *user)
{
    (void)user;
    return it_is_active(pair[0]) && it_is_active(pair[1]) && pair[0]->audio_in >= AUDIO_MIN &&
           pair[0]->video_in >= VIDEO_MIN && pair[1]->audio_in >= AUDIO_MIN;
}

/* Returns the size of a packet of sound. */
static size_t run_media(const char *room, enum sec_profile profile)
{
    struct client_config config = it_site_config();
    config.srtp = profile;
    config.on_datagram_out = on_datagram_out;
    pair[0] = pair[1] = NULL;
    size_max = 0;
    pair[0] = it_site_join(&world, room, "first", NULL, &config);
    pair[1] = it_site_join(&world, room, "second", NULL, &config);
    it_site_microphone(pair[0]);
    it_site_microphone(pair[1]);
    it_site_camera(pair[1], 2);
    if (!it_run(&world, is_flowing, NULL, MONO_S(40)))
        fail_msg("%s: audio %llu and %llu, video %llu", room, (unsigned long long)pair[0]->audio_in,
                 (unsigned long long)pair[1]->audio_in, (unsigned long long)pair[0]->video_in);
    for (int i = 0; i < 2; i++) {
        struct client_stats stats;
        client_stats(pair[i]->client, &stats);
        assert_int_equal(stats.unprotect_failures, 0);
        assert_int_equal(pair[i]->rtp_in_unknown, 0);
        assert_int_equal(pair[i]->rejoined + pair[i]->closed + pair[i]->reconnecting, 0);
    }
    it_site_leave(pair[0]);
    it_site_leave(pair[1]);
    return size_max;
}

/* What the log and /metrics say is what was wanted. */
static void check_name(const char *name, const char *wanted)
{
    static char metrics[65536];
    char line[96], label[64];
    snprintf(line, sizeof(line), " server srtp_backend name=%s wanted=%s\n", name, wanted);
    snprintf(label, sizeof(label), "srtp=\"%s\"} 1\n", name);
    assert_true(it_server_log_has(&world.server, line));
    assert_int_equal(
        it_http(&world.server, "GET", "/metrics", NULL, NULL, metrics, sizeof(metrics)), 200);
    const char *info = strstr(metrics, "\ntongke_build_info{");
    assert_non_null(info);
    const char *found = strstr(info, label);
    assert_non_null(found);
    assert_true(found < strchr(info + 1, '\n')); /* on the same line */
}

static void run_server(const char *keys, const char *name, const char *wanted)
{
    it_world_start_with(&world, keys, 2);
    check_name(name, wanted);
    size_t gcm = run_media("gcm", SEC_PROFILE_AEAD_AES_128_GCM);
    size_t cm = run_media("cm", SEC_PROFILE_AES128_CM_HMAC_SHA1_80);
    assert_true(cm > 0);
    assert_int_equal(gcm - cm, TAG_DIFFERENCE);
    it_world_stop(&world);
}

static void test_openssl_forced(void **state)
{
    (void)state;
    run_server("media: {srtp_backend: openssl}\n", "openssl", "openssl");
}

/* This process sees the same machine. */
static void test_default(void **state)
{
    (void)state;
    assert_int_equal(sec_srtp_select_backend(SEC_SRTP_BACKEND_AUTO), 0);
    run_server("", sec_srtp_backend_name(), "auto");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_openssl_forced, clean),
        cmocka_unit_test_teardown(test_default, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
