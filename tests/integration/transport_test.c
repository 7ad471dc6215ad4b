/*
 * Goal: the lesson survives what happens to lines: no UDP at all, a new address in mid-lesson, an
 * ICE restart, a cut signalling connection; the participant stays the same one.
 * Method: two sites that send and receive; the fault; then both directions must go on, without a
 * new join.
 */
#include "integration/site.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static struct it_world world;
static struct it_site *pair[2];

static int clean(void **state)
{
    (void)state;
    return it_world_clean(&world);
}

struct goal {
    uint64_t audio[2], video[2];
};

static bool is_reached(void *user)
{
    const struct goal *g = user;
    for (int i = 0; i < 2; i++)
        if (!it_is_active(pair[i]) || pair[i]->audio_in < g->audio[i] ||
            pair[i]->video_in < g->video[i])
            return false;
    return true;
}

/* Both directions go on: so many more packets of sound and picture within the time. */
static void must_flow(uint64_t audio, uint64_t video, mono_us limit)
{
    struct goal g;
    for (int i = 0; i < 2; i++) {
        g.audio[i] = pair[i]->audio_in + audio;
        g.video[i] = pair[i]->video_in + video;
    }
    if (!it_run(&world, is_reached, &g, limit))
        fail_msg("media stopped: audio %llu/%llu, video %llu/%llu of the goal",
                 (unsigned long long)pair[0]->audio_in, (unsigned long long)pair[1]->audio_in,
                 (unsigned long long)pair[0]->video_in, (unsigned long long)pair[1]->video_in);
}

static void start_pair(bool is_tcp_only)
{
    static const char *const names[2] = {"first", "second"};
    it_world_start(&world);
    struct client_config config = it_site_config();
    config.is_tcp_only = is_tcp_only;
    for (int i = 0; i < 2; i++) {
        pair[i] = it_site_join(&world, "transport", names[i], NULL, i == 0 ? &config : NULL);
        it_site_camera(pair[i], 2);
        it_site_microphone(pair[i]);
    }
    must_flow(50, 40, MONO_S(40));
}

static void must_be_the_same(void)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pair[i]->rejoined, 0);
        assert_int_equal(pair[i]->closed, 0);
        assert_int_equal(pair[i]->rtp_in_unknown, 0);
        assert_string_equal(client_sid(pair[i]->client), pair[i]->sid);
    }
}

/* The first site has no UDP, the second no TCP. */
static void test_tcp_only(void **state)
{
    (void)state;
    start_pair(true);
    must_flow(150, 100, MONO_S(15));
    must_be_the_same();
    it_world_stop(&world);
}

static void test_address_change(void **state)
{
    (void)state;
    start_pair(false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_move(pair[0]->client), 0);
        must_flow(100, 60, MONO_S(10));
    }
    must_be_the_same();
    assert_int_equal(pair[0]->reconnecting, 0);
    it_world_stop(&world);
}

static void test_ice_restart(void **state)
{
    (void)state;
    start_pair(false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_restart_ice(pair[0]->client), 0);
        must_flow(100, 60, MONO_S(10));
    }
    must_be_the_same();
    it_world_stop(&world);
}

static bool has_resumed(void *user)
{
    const struct it_site *s = user;
    return s->resumed > 0 && it_is_active(user);
}

static void test_signalling_is_cut(void **state)
{
    (void)state;
    start_pair(false);
    client_cut_signalling(pair[0]->client);
    must_flow(20, 10, MONO_S(3)); /* media does not need it */
    assert_true(it_run(&world, has_resumed, pair[0], MONO_S(15)));
    must_flow(100, 60, MONO_S(10));
    must_be_the_same();
    assert_int_equal(pair[1]->unsubscribed, 0); /* the other one noticed nothing */
    it_world_stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_tcp_only, clean),
        cmocka_unit_test_teardown(test_address_change, clean),
        cmocka_unit_test_teardown(test_ice_restart, clean),
        cmocka_unit_test_teardown(test_signalling_is_cut, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
