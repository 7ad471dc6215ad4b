#include "net/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READY_MAX 64

int loop_init(struct loop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return l->epoll_fd < 0 ? -errno : 0;
}

void loop_fini(struct loop *l)
{
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    l->epoll_fd = -1;
}

static int control(struct loop *l, int op, int fd, uint32_t events, void *user)
{
    struct epoll_event ev = {.events = events, .data.ptr = user};
    return epoll_ctl(l->epoll_fd, op, fd, &ev) < 0 ? -errno : 0;
}

static uint32_t interest(bool wants_write)
{
    return EPOLLIN | (wants_write ? EPOLLOUT : 0u);
}

int loop_add(struct loop *l, int fd, bool wants_write, void *user)
{
    return control(l, EPOLL_CTL_ADD, fd, interest(wants_write), user);
}

int loop_set(struct loop *l, int fd, bool wants_write, void *user)
{
    return control(l, EPOLL_CTL_MOD, fd, interest(wants_write), user);
}

int loop_pause(struct loop *l, int fd, void *user)
{
    return control(l, EPOLL_CTL_MOD, fd, 0, user);
}

void loop_remove(struct loop *l, int fd)
{
    IGNORE(epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL)); /* closing the fd removes it anyway */
}

size_t loop_wait(struct loop *l, mono_us timeout_us, struct loop_ready *ret_ready, size_t ready_max)
{
    struct epoll_event events[READY_MAX];
    int max = (int)TK_MIN(ready_max, (size_t)READY_MAX);
    struct timespec ts = {.tv_sec = (time_t)(timeout_us / 1000000),
                          .tv_nsec = (long)(timeout_us % 1000000) * 1000};
    int n = epoll_pwait2(l->epoll_fd, events, max, timeout_us == MONO_NEVER ? NULL : &ts, NULL);
    if (n < 0 && errno == ENOSYS) { /* before Linux 5.11: whole milliseconds, rounded up */
        int ms = timeout_us == MONO_NEVER ? -1 : (int)TK_MIN((timeout_us + 999) / 1000, 60000);
        n = epoll_wait(l->epoll_fd, events, max, ms);
    }
    for (int i = 0; i < n; i++)
        ret_ready[i] = (struct loop_ready){
            .user = events[i].data.ptr,
            .is_readable = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
            .is_writable = (events[i].events & EPOLLOUT) != 0,
        };
    return n > 0 ? (size_t)n : 0;
}
