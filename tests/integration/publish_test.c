/*
 * Goal: `tongke publish` brings a file into a room over the real path: sound and picture arrive,
 * belong together in time, go on over the loop; Ctrl-C ends it with 0, a bad file or server with a
 * message and another code.
 * Method: a clip made by ffmpeg, the program as a child process, our own client as the receiver
 * that compares sender reports and arrival times.
 */
#include "integration/site.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct it_world world;
static char folder[] = "/tmp/tongke-publish-XXXXXX";
static char clip[128];

static int make_clip(void **state)
{
    (void)state;
    char command[768];
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(clip, sizeof(clip), "%s/clip.webm", folder);
    snprintf(command, sizeof(command),
             "ffmpeg -nostdin -loglevel error -y"
             " -f lavfi -i testsrc=size=320x240:rate=25:duration=3"
             " -f lavfi -i sine=frequency=440:sample_rate=48000:duration=3"
             " -c:v libvpx -g 25 -auto-alt-ref 0 -c:a libopus %s </dev/null",
             clip);
    return system(command);
}

static int remove_clip(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf -- %s", folder);
    return system(command);
}

static int clean(void **state)
{
    (void)state;
    return it_world_clean(&world);
}

static pid_t start_publish(const char *file, const char *url, const char *extra)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(IT_PROGRAM, IT_PROGRAM, "publish", file, "--room", "clip", "--identity", "clip",
              "--url", url, extra, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* The exit code, within `limit`; -1 = still running, and then killed. */
static int exit_code(pid_t pid, mono_us limit)
{
    mono_us until = mono_now() + limit;
    int status = 0;
    while (mono_now() < until) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
        usleep(10000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

static struct client_remote *find_remote(struct it_site *s, enum rtp_kind kind)
{
    struct client_remote *r = NULL;
    for (size_t i = 0; (r = client_remote_at(s->client, i)) != NULL; i++)
        if (r->kind == kind)
            return r;
    return NULL;
}

/* Five seconds of sound and picture, which is more than one round of the clip. */
static bool has_seen_enough(void *user)
{
    const struct client_remote *audio = find_remote(user, RTP_KIND_AUDIO);
    const struct client_remote *video = find_remote(user, RTP_KIND_VIDEO);
    return audio != NULL && video != NULL && audio->sr.is_set && video->sr.is_set &&
           audio->packets >= 250 && video->frames >= 110;
}

/* From capture, by the sender's clock, to arrival. */
static int64_t delay_us(const struct client_remote *r, int64_t clock_hz)
{
    int64_t since = (int32_t)(r->newest_ts - r->sr.rtp_ts);
    int64_t captured = ntp_to_unix_us(r->sr.ntp) + since * 1000000 / clock_hz;
    return wall_now() * 1000 - (mono_now() - r->newest_at) - captured;
}

static void publishes_in_sync(void **state)
{
    (void)state;
    char url[64];
    it_world_start(&world);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", world.server.http_port);
    struct it_site *viewer = it_site_join(&world, "clip", "viewer", NULL, NULL);
    pid_t pid = start_publish(clip, url, "--loop");
    bool is_seen = it_run(&world, has_seen_enough, viewer, MONO_S(40));
    if (!is_seen)
        kill(pid, SIGKILL);
    assert_true(is_seen);
    const struct client_remote *audio = find_remote(viewer, RTP_KIND_AUDIO);
    const struct client_remote *video = find_remote(viewer, RTP_KIND_VIDEO);
    int64_t apart = delay_us(audio, 48000) - delay_us(video, 90000);
    print_message("sound and picture %lld us apart\n", (long long)apart);
    assert_in_range(apart + 45000, 0, 90000);
    assert_int_equal(audio->lost + video->lost, 0);
    assert_int_equal(video->width, 320);
    assert_true(video->keyframes >= 3);
    kill(pid, SIGINT);
    assert_int_equal(exit_code(pid, MONO_S(10)), 0);
    it_world_stop(&world);
}

static void ends_with_a_reason(void **state)
{
    (void)state;
    assert_int_equal(
        exit_code(start_publish("/nonexistent.mp4", "ws://127.0.0.1:1", NULL), MONO_S(15)), 1);
    assert_int_equal(exit_code(start_publish(clip, "ws://127.0.0.1:1", NULL), MONO_S(15)), 1);
    assert_int_equal(exit_code(start_publish(clip, "ftp://x", NULL), MONO_S(15)), 1);
    assert_int_equal(exit_code(start_publish(clip, "ws://127.0.0.1:1", "--nonsense"), MONO_S(15)),
                     2);
}

/* The program ends by itself with 1 and says these words. */
static void expect_refusal(const char *options, const char *words)
{
    char command[1024], text[4096];
    snprintf(command, sizeof(command),
             "timeout 30 %s publish %s --url ws://127.0.0.1:%u --identity x %s 2>&1", IT_PROGRAM,
             clip, world.server.http_port, options);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof(text) - 1, f);
    text[size] = '\0';
    int status = pclose(f);
    assert_int_equal(WEXITSTATUS(status), 1);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in: %s", words, text);
}

/* The status and the reason come from the server. */
static void says_why_it_is_refused(void **state)
{
    (void)state;
    it_world_start_with(&world, "limits: {participants: 1}\n", 1);
    expect_refusal("--room r --api-secret of-somebody-else",
                   "refuses: HTTP 401: invalid authorization token");
    expect_refusal("--room no-lesson --role lecture", "refuses: HTTP 404: there is no such lesson");
    struct it_site *first = it_site_join(&world, "r", "first", NULL, NULL);
    assert_true(it_run(&world, it_is_active, first, MONO_S(20)));
    expect_refusal("--room r", "refuses: HTTP 503: ");
    it_world_stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(publishes_in_sync, clean),
        cmocka_unit_test(ends_with_a_reason),
        cmocka_unit_test_teardown(says_why_it_is_refused, clean),
    };
    return cmocka_run_group_tests(tests, make_clip, remove_clip);
}
