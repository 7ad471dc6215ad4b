/*
 * Goal: a frame that falls due while sockets are read leaves before the next socket is read; what
 * else is due waits until all are.
 * Method: two sockets with something to read; reading one makes a frame and a timer due.
 */
#include "load/load_internal.h"
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS 2

static struct load_run *run;
static struct load_fd fds[SOCKETS];
static int peers[SOCKETS];
static struct load_timer frame, other;
static int reads, frames_before_second, others_before_second, frames, others;

static void on_frame(struct load_timer *t UNUSED, mono_us now UNUSED)
{
    frames++;
}

static void on_other(struct load_timer *t UNUSED, mono_us now UNUSED)
{
    others++;
}

static void on_ready(struct load_fd *f, bool is_readable, bool is_writable UNUSED, mono_us now)
{
    char byte;
    assert_true(is_readable);
    assert_int_equal(read(f->fd, &byte, 1), 1);
    if (reads++ == 0) {
        load__frame_timer_set(run, &frame, now);
        load__timer_set(run, &other, now);
        return;
    }
    frames_before_second = frames;
    others_before_second = others;
}

static int set_up(void **state)
{
    (void)state;
    run = calloc(1, sizeof(*run));
    assert_non_null(run);
    timers_init(&run->timers);
    timers_init(&run->frames);
    frame.fire = on_frame;
    other.fire = on_other;
    assert_int_equal(load__io_init(&run->io), 0);
    run->shared.media.fd = -1;
    for (int i = 0; i < SOCKETS; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
        fds[i] = (struct load_fd){.fd = pair[0], .ready = on_ready};
        peers[i] = pair[1];
        assert_int_equal(load__io_add(run, &fds[i], false), 0);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < SOCKETS; i++) {
        load__io_remove(run, &fds[i]);
        close(peers[i]);
    }
    load__io_fini(&run->io);
    timers_fini(&run->timers);
    timers_fini(&run->frames);
    free(run);
    return 0;
}

static void test_frame_between_sockets(void **state)
{
    (void)state;
    for (int i = 0; i < SOCKETS; i++)
        assert_int_equal(write(peers[i], "x", 1), 1);
    load__io_wait(run, mono_now() + MONO_S(1));
    assert_int_equal(reads, SOCKETS);
    assert_int_equal(frames_before_second, 1);
    assert_int_equal(others_before_second, 0);
    load__fire_timers(run);
    assert_int_equal(frames, 1); /* once */
    assert_int_equal(others, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frame_between_sockets, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
