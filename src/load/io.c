/* One epoll for all sockets, and the timers. */
#include "load/load_internal.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define REALTIME_PERIOD MONO_S(1)

int load__io_init(struct load_io *io)
{
    *io = (struct load_io){.has_gso = true};
    io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (io->epoll_fd < 0)
        return -errno;
    int err = load__inbox_create(&io->inbox);
    io->out = malloc(LOAD_OUT_SIZE);
    if (err == 0 && io->out != NULL)
        return 0;
    load__io_fini(io);
    return -ENOMEM;
}

void load__io_fini(struct load_io *io)
{
    if (io->epoll_fd >= 0)
        close(io->epoll_fd);
    io->epoll_fd = -1;
    load__inbox_destroy(io->inbox);
    io->inbox = NULL;
    free(io->out);
    io->out = NULL;
}

static int control(struct load_run *run, int op, struct load_fd *f, bool wants_write)
{
    struct epoll_event ev = {
        .events = EPOLLIN | (wants_write ? EPOLLOUT : 0u) | (f->is_edge ? EPOLLET : 0u),
        .data.ptr = f,
    };
    return epoll_ctl(run->io.epoll_fd, op, f->fd, &ev) < 0 ? -errno : 0;
}

int load__io_add(struct load_run *run, struct load_fd *f, bool wants_write)
{
    return control(run, EPOLL_CTL_ADD, f, wants_write);
}

int load__io_set(struct load_run *run, struct load_fd *f, bool wants_write)
{
    return control(run, EPOLL_CTL_MOD, f, wants_write);
}

void load__io_remove(struct load_run *run, struct load_fd *f)
{
    if (f->fd < 0)
        return;
    IGNORE(epoll_ctl(run->io.epoll_fd, EPOLL_CTL_DEL, f->fd, NULL)); /* close() removes it anyway */
    close(f->fd);
    f->fd = -1;
}

/* ---- waiting ---- */

static void follow_realtime(struct load_io *io, mono_us now)
{
    struct timespec wall, mono;
    if (io->realtime_at != 0 && now - io->realtime_at < REALTIME_PERIOD)
        return;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    io->realtime_at = now;
    io->realtime_us =
        (int64_t)(wall.tv_sec - mono.tv_sec) * 1000000 + (wall.tv_nsec - mono.tv_nsec) / 1000;
}

void load__io_wait(struct load_run *run, mono_us until)
{
    struct epoll_event events[LOAD_READY_MAX];
    mono_us now = mono_now();
    mono_us wait = until > now ? TK_MIN(until - now, MONO_MS(100)) : 0;
    struct timespec ts = {.tv_sec = (time_t)(wait / 1000000),
                          .tv_nsec = (long)(wait % 1000000) * 1000};
    int most = run->shared.media.fd >= 0 ? LOAD_READY_SHARED_MAX : LOAD_READY_MAX;
    int n = epoll_pwait2(run->io.epoll_fd, events, most, &ts, NULL);
    if (n < 0 && errno == ENOSYS) /* before Linux 5.11 */
        n = epoll_wait(run->io.epoll_fd, events, most, (int)((wait + 999) / 1000));
    now = mono_now();
    follow_realtime(&run->io, now);
    for (int i = 0; i < n; i++) {
        struct load_fd *f = events[i].data.ptr;
        bool is_readable = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
        if (f->fd >= 0)
            f->ready(f, is_readable, (events[i].events & EPOLLOUT) != 0, now);
        load__shared_keep_up(run);
        load__fire_frames(run);
    }
    load__io_flush_jobs(run);
}

/* ---- timers ---- */

static void set(struct timers *timers, struct load_timer *t, mono_us at)
{
    int err = timers_set(timers, &t->timer, at);
    CHECK(err == 0); /* out of memory for a pointer: nothing sensible can go on */
}

static void fire_due(struct timers *timers, mono_us now)
{
    for (struct timer *t; (t = timers_pop_due(timers, now)) != NULL;) {
        struct load_timer *timer = CONTAINER_OF(t, struct load_timer, timer);
        timer->fire(timer, mono_now());
    }
}

void load__timer_set(struct load_run *run, struct load_timer *t, mono_us at)
{
    set(&run->timers, t, at);
}

void load__timer_cancel(struct load_run *run, struct load_timer *t)
{
    timers_cancel(&run->timers, &t->timer);
}

void load__frame_timer_set(struct load_run *run, struct load_timer *t, mono_us at)
{
    set(&run->frames, t, at);
}

void load__frame_timer_cancel(struct load_run *run, struct load_timer *t)
{
    timers_cancel(&run->frames, &t->timer);
}

void load__fire_frames(struct load_run *run)
{
    fire_due(&run->frames, mono_now());
}

void load__fire_timers(struct load_run *run)
{
    fire_due(&run->timers, mono_now());
    load__fire_frames(run);
}
