/*
 * Goal: what the store reports as done is there after a kill, in order, exactly once; what fails is
 * not. Method: a temporary database; a child process that writes and is killed with SIGKILL in a
 * loop.
 */
#include "unit/cmocka_all.h"

#include "base/err.h"
#include "store/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char path[128];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/tk-store-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/t.db", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[256];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static struct store_write event_write(uint64_t seq, enum lesson_event_type type)
{
    struct store_write w = {.lesson = "demo", .has_event = true};
    w.has_lesson = seq == 1;
    w.event = (struct lesson_event){.seq = seq, .type = type, .at = 1000 + (wall_ms)seq};
    snprintf(w.event.site, sizeof(w.event.site), "site");
    return w;
}

static int write_and_wait(struct store *s, const struct store_write *w)
{
    uint64_t ticket;
    struct store_done done;
    assert_int_equal(store_write(s, w, &ticket), 0);
    while (!store_poll_done(s, &done))
        usleep(200);
    assert_int_equal(done.ticket, ticket);
    return done.err;
}

static bool count_event(void *user, const struct lesson_event *e)
{
    uint64_t *expected = user;
    assert_int_equal(e->seq, *expected);
    (*expected)++;
    return true;
}

static bool count_lesson(void *user, const struct store_lesson *l)
{
    assert_string_equal(l->id, "demo");
    (*(int *)user)++;
    return true;
}

static void test_write_read(void **state)
{
    (void)state;
    struct store *s;
    assert_int_equal(store_open(path, NULL, NULL, &s), 0);
    struct store_write w = event_write(1, LESSON_EVENT_LESSON_OPENED);
    snprintf(w.event.title, sizeof(w.event.title), "音乐");
    assert_int_equal(write_and_wait(s, &w), 0);
    for (uint64_t seq = 2; seq <= 20; seq++) {
        w = event_write(seq, LESSON_EVENT_HAND_RAISED);
        snprintf(w.cmd_site, sizeof(w.cmd_site), "site");
        snprintf(w.cmd_id, sizeof(w.cmd_id), "cmd-%d", (int)seq);
        w.cmd_seq = seq;
        assert_int_equal(write_and_wait(s, &w), 0);
    }
    store_close(s);

    assert_int_equal(store_open(path, NULL, NULL, &s), 0);
    uint64_t expected = 6;
    assert_int_equal(store_each_event(s, "demo", 5, 10, count_event, &expected), 0);
    assert_int_equal(expected, 16);
    uint64_t seq = 0;
    assert_int_equal(store_get_command(s, "demo", "site", "cmd-7", &seq), 0);
    assert_int_equal(seq, 7);
    assert_int_equal(store_get_command(s, "demo", "other", "cmd-7", &seq), ERR_NOT_FOUND);
    struct store_lesson l;
    assert_int_equal(store_get_lesson(s, "demo", &l), 0);
    assert_string_equal(l.title, "音乐");
    assert_false(l.is_ended);
    assert_int_equal(store_get_lesson(s, "none", &l), ERR_NOT_FOUND);
    w = event_write(21, LESSON_EVENT_LESSON_ENDED);
    assert_int_equal(write_and_wait(s, &w), 0);
    assert_int_equal(store_get_lesson(s, "demo", &l), 0);
    assert_true(l.is_ended);
    int count = 0;
    assert_int_equal(store_each_lesson(s, count_lesson, &count), 0);
    assert_int_equal(count, 1);
    store_close(s);
}

static void test_failed_item_leaves_nothing(void **state)
{
    (void)state;
    struct store *s;
    assert_int_equal(store_open(path, NULL, NULL, &s), 0);
    struct store_write w = event_write(1, LESSON_EVENT_LESSON_OPENED);
    assert_int_equal(write_and_wait(s, &w), 0);
    w = event_write(1, LESSON_EVENT_HAND_RAISED); /* the number is taken */
    w.has_lesson = false;
    snprintf(w.cmd_site, sizeof(w.cmd_site), "site");
    snprintf(w.cmd_id, sizeof(w.cmd_id), "c");
    assert_int_equal(write_and_wait(s, &w), ERR_STORE);
    uint64_t seq;
    assert_int_equal(store_get_command(s, "demo", "site", "c", &seq), ERR_NOT_FOUND);
    w = event_write(2, LESSON_EVENT_HAND_RAISED);
    assert_int_equal(write_and_wait(s, &w), 0); /* and the store goes on */
    store_close(s);
}

/* Writes from `first` on and tells the parent each number that is durable. */
static void write_until_killed(uint64_t first, int report_fd)
{
    struct store *s;
    if (store_open(path, NULL, NULL, &s) < 0)
        _exit(1);
    for (uint64_t seq = first;; seq++) {
        struct store_write w =
            event_write(seq, seq == 1 ? LESSON_EVENT_LESSON_OPENED : LESSON_EVENT_CHAT);
        uint64_t ticket;
        struct store_done done;
        if (store_write(s, &w, &ticket) < 0)
            _exit(2);
        while (!store_poll_done(s, &done))
            usleep(50);
        if (done.err < 0 || write(report_fd, &seq, sizeof(seq)) != sizeof(seq))
            _exit(3);
    }
}

static bool last_event(void *user, const struct lesson_event *e)
{
    uint64_t *last = user;
    assert_int_equal(e->seq, *last + 1);
    *last = e->seq;
    return true;
}

static void test_kill_in_a_loop(void **state)
{
    (void)state;
    uint64_t durable = 0;
    for (int round = 0; round < 20; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        uint64_t in_db = 0;
        if (round > 0) {
            struct store *s;
            assert_int_equal(store_open(path, NULL, NULL, &s), 0);
            assert_int_equal(store_each_event(s, "demo", 0, 1000000, last_event, &in_db), 0);
            store_close(s);
            assert_true(in_db >= durable);     /* nothing that was reported is lost */
            assert_true(in_db <= durable + 1); /* at most the one in flight is more */
        }
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            write_until_killed(in_db + 1, fds[1]);
        }
        close(fds[1]);
        durable = in_db;
        for (int i = 0; i < 3 + round; i++)
            assert_int_equal(read(fds[0], &durable, sizeof(durable)), sizeof(durable));
        kill(child, SIGKILL);
        while (read(fds[0], &durable, sizeof(durable)) == sizeof(durable))
            ; /* what it had reported before it died */
        close(fds[0]);
        waitpid(child, NULL, 0);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_write_read),
        TEST(test_failed_item_leaves_nothing),
        TEST(test_kill_in_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
