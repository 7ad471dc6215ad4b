/*
 * Goal: a whole lesson over the real network path: one lecture site and twenty remote sites, each
 * getting exactly what the rules give it; and a room without rules, where everyone gets everyone.
 * Method: our own client against the server program, in real time.
 */
#include "integration/site.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

#define REMOTES 20

static struct it_world world;

static struct {
    struct it_site *lecture;
    struct it_site *remotes[REMOTES];
    uint64_t packets;
} lesson;

static int clean(void **state)
{
    (void)state;
    return it_world_clean(&world);
}

static void create_lesson(const char *id)
{
    char body[256], reply[1024];
    snprintf(body, sizeof(body), "{\"id\":\"%s\",\"title\":\"Lesson\",\"kind\":\"class\"}", id);
    int status = it_http(&world.server, "POST", "/api/v1/lessons", it_admin_token(), body, reply,
                         sizeof(reply));
    if (status != 201)
        fail_msg("creating a lesson: %d %s", status, reply);
}

static bool all_active(void *user)
{
    (void)user;
    for (size_t i = 0; i < REMOTES; i++)
        if (!it_is_active(lesson.remotes[i]))
            return false;
    return it_is_active(lesson.lecture);
}

/* Every remote site has sound and a picture of the lecture, the lecture a picture of all. */
static bool all_see(void *user)
{
    (void)user;
    for (size_t i = 0; i < REMOTES; i++) {
        struct it_site *s = lesson.remotes[i];
        const struct client_remote *video = it_remote(s, lesson.lecture, RTP_KIND_VIDEO);
        const struct client_remote *audio = it_remote(s, lesson.lecture, RTP_KIND_AUDIO);
        const struct client_remote *wall = it_remote(lesson.lecture, s, RTP_KIND_VIDEO);
        if (video == NULL || video->keyframes == 0 || video->packets < lesson.packets)
            return false;
        if (audio == NULL || audio->packets < lesson.packets)
            return false;
        if (wall == NULL || wall->keyframes == 0 || wall->packets < lesson.packets / 2)
            return false;
    }
    return true;
}

static void check_rules(void)
{
    for (size_t i = 0; i < REMOTES; i++) {
        struct it_site *s = lesson.remotes[i];
        size_t count = 0;
        struct client_remote *r;
        while ((r = client_remote_at(s->client, count)) != NULL) {
            assert_string_equal(r->participant_sid, lesson.lecture->sid);
            count++;
        }
        assert_int_equal(count, 2); /* does not grow with the number of sites */
        r = it_remote(s, lesson.lecture, RTP_KIND_VIDEO);
        assert_int_equal(r->width, 1280); /* the lecture in full */
        assert_int_equal(r->height, 720);
        r = it_remote(lesson.lecture, s, RTP_KIND_VIDEO);
        assert_int_equal(r->width, 640); /* the wall at the lowest of two layers */
        assert_null(it_remote(lesson.lecture, s, RTP_KIND_AUDIO)); /* nobody has the floor */
        assert_int_equal(s->rtp_in_unknown, 0);
        assert_int_equal(s->rejoined + s->closed, 0);
    }
    assert_int_equal(lesson.lecture->rejoined + lesson.lecture->closed, 0);
}

static void test_lecture_and_twenty(void **state)
{
    (void)state;
    memset(&lesson, 0, sizeof(lesson));
    it_world_start(&world);
    create_lesson("integration");
    struct client_config config = it_site_config();
    config.video_sections = REMOTES;
    lesson.lecture = it_site_join(&world, "integration", "centre", "lecture", &config);
    it_site_camera(lesson.lecture, 3);
    it_site_microphone(lesson.lecture);
    for (size_t i = 0; i < REMOTES; i++) {
        char identity[16];
        snprintf(identity, sizeof(identity), "school-%02zu", i);
        lesson.remotes[i] = it_site_join(&world, "integration", identity, "remote", NULL);
        it_site_camera(lesson.remotes[i], 2);
        it_site_microphone(lesson.remotes[i]);
    }
    assert_true(it_run(&world, all_active, NULL, MONO_S(60)));
    lesson.packets = 40;
    assert_true(it_run(&world, all_see, NULL, MONO_S(60)));
    check_rules();
    /* And it goes on. */
    it_pass(&world, MONO_S(5));
    lesson.packets = 100;
    assert_true(it_run(&world, all_see, NULL, MONO_S(20)));
    check_rules();
    it_world_stop(&world);
}

/* ---- a room without rules ---- */

static struct it_site *sites[3];

static bool everyone_gets_everyone(void *user)
{
    const uint64_t *packets = user;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            if (i == k)
                continue;
            const struct client_remote *video = it_remote(sites[i], sites[k], RTP_KIND_VIDEO);
            const struct client_remote *audio = it_remote(sites[i], sites[k], RTP_KIND_AUDIO);
            if (video == NULL || video->packets < *packets || video->keyframes == 0 ||
                audio == NULL || audio->packets < *packets)
                return false;
        }
    return true;
}

static bool has_unsubscribed(void *user)
{
    const struct it_site *s = user;
    return s->unsubscribed > 0;
}

static bool has_data(void *user)
{
    const struct it_site *s = user;
    return s->data > 0;
}

static void test_room_without_rules(void **state)
{
    (void)state;
    static const char *const names[3] = {"a", "b", "c"};
    it_world_start(&world);
    for (size_t i = 0; i < 3; i++) {
        sites[i] = it_site_join(&world, "plain", names[i], NULL, NULL);
        it_site_camera(sites[i], 3);
        it_site_microphone(sites[i]);
    }
    uint64_t packets = 60;
    assert_true(it_run(&world, everyone_gets_everyone, &packets, MONO_S(40)));
    assert_int_equal(client_send_data(sites[0]->client, true, "hello", 5, "t"), 0);
    assert_true(it_run(&world, has_data, sites[1], MONO_S(5)));
    assert_true(it_run(&world, has_data, sites[2], MONO_S(5)));
    assert_string_equal(sites[2]->last_data, "hello");
    assert_int_equal(sites[0]->data, 0);

    assert_int_equal(client_unpublish(sites[0]->client, sites[0]->camera), 0);
    sites[0]->has_camera = false;
    assert_true(it_run(&world, has_unsubscribed, sites[1], MONO_S(10)));
    assert_null(it_remote(sites[1], sites[0], RTP_KIND_VIDEO));
    assert_non_null(it_remote(sites[1], sites[0], RTP_KIND_AUDIO));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sites[i]->rejoined + sites[i]->closed, 0);
    it_world_stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_room_without_rules, clean),
        cmocka_unit_test_teardown(test_lecture_and_twenty, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
