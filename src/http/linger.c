/*
 * A refusal that the client can read. Closing a socket that has unread input, or that the client
 * still writes to, resets the connection, and the answer may be lost with it (RFC 9112, 9.6). A
 * second descriptor therefore keeps the socket after the library has sent the answer, shut its side
 * and closed its own: what still comes is thrown away until the client is done, too.
 */

#include "http/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LINGER_US       MONO_S(2)
#define LINGER_SIZE_MAX (HTTP_BODY_SIZE_MAX + (1u << 20)) /* a whole body is on its way at most */
#define READS_MAX       16

static void end(struct http__linger *l)
{
    close(l->fd);
    l->fd = -1;
}

void http__linger_init(struct http__loop *loop)
{
    for (size_t i = 0; i < HTTP__LINGERING_MAX; i++)
        loop->lingering[i].fd = -1;
}

void http__linger_fini(struct http__loop *loop)
{
    for (size_t i = 0; i < HTTP__LINGERING_MAX; i++)
        if (loop->lingering[i].fd >= 0)
            end(&loop->lingering[i]);
}

void http__linger(struct http__loop *loop, int fd)
{
    struct http__linger *l = loop->lingering;
    while (l < loop->lingering + HTTP__LINGERING_MAX && l->fd >= 0)
        l++;
    if (l == loop->lingering + HTTP__LINGERING_MAX)
        return;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = l};
    if (copy < 0)
        return;
    *l =
        (struct http__linger){.fd = copy, .until = mono_now() + LINGER_US, .left = LINGER_SIZE_MAX};
    /* The first one's place in the epoll instance would outlive it now, as the socket does. */
    IGNORE(epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL));
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, copy, &ev) != 0)
        end(l);
}

void http__linger_read(struct http__linger *l)
{
    uint8_t waste[16384];
    for (int i = 0; i < READS_MAX && l->fd >= 0; i++) {
        ssize_t n = read(l->fd, waste, sizeof(waste));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0 || (size_t)n >= l->left)
            end(l);
        else
            l->left -= (size_t)n;
    }
}

void http__linger_tick(struct http__loop *loop, mono_us now)
{
    for (size_t i = 0; i < HTTP__LINGERING_MAX; i++)
        if (loop->lingering[i].fd >= 0 && now >= loop->lingering[i].until)
            end(&loop->lingering[i]);
}
