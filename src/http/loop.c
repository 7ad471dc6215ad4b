/*
 * The control thread's loop: one epoll instance tells which connections have something, and
 * libwebsockets serves just those. Left alone, libwebsockets polls every connection twice in every
 * turn, which would be most of a large lesson's work on this thread. Its own turn, which looks at
 * all of them and runs its timers, still happens once a second and when it asks for one.
 */

#include "base/log.h"
#include "http/http_internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LIBRARY_TURN_US MONO_S(1)   /* between two turns of the library: its timers count seconds */
#define UNREAD_TURN_US  MONO_MS(50) /* sooner, for input that the library did not read when told */
#define EVENTS_MAX      64
#define READS_MAX       16 /* of one connection in one turn */
#define FLUSHES_MAX     16 /* writable turns of one connection in one turn */

int http__loop_open(struct http__loop *loop)
{
    list_init(&loop->wanting);
    list_init(&loop->ended);
    http__linger_init(loop);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0)
        return -errno;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = &loop->wake_fd};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &ev) == 0 ? 0 : -errno;
}

static void free_ended(struct http__loop *loop)
{
    for (struct list *it = list_pop_front(&loop->ended); it != NULL;
         it = list_pop_front(&loop->ended))
        free(CONTAINER_OF(it, struct http__conn, link));
}

void http__loop_close(struct http__loop *loop)
{
    if (loop->epoll_fd < 0)
        return; /* never opened */
    free_ended(loop);
    http__linger_fini(loop);
    close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
}

int http__loop_add_listener(struct http__loop *loop, int *listener)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = listener};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, *listener, &ev) == 0 ? 0 : -errno;
}

/* Edge-triggered, in both directions: what is not read or written at once is asked for again, and a
 * connection that the library does not want to hear now does not keep the loop awake. */
static int arm(struct http__loop *loop, int op, struct http__conn *conn)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = conn};
    return epoll_ctl(loop->epoll_fd, op, conn->fd, &ev) == 0 ? 0 : -errno;
}

int http__loop_add(struct http__loop *loop, struct http__conn *conn)
{
    return arm(loop, EPOLL_CTL_ADD, conn);
}

void http__loop_end(struct http__loop *loop, struct http__conn *conn)
{
    conn->is_ended = true;
    list_remove(&conn->link);
    list_remove(&conn->wanting);
    list_push_back(&loop->ended, &conn->link);
}

void http__loop_want_writable(struct http__loop *loop, struct http__conn *conn)
{
    if (list_is_empty(&conn->wanting) && !conn->is_ended)
        list_push_back(&loop->wanting, &conn->wanting);
}

void http__loop_wake(struct http__loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof(one));
    (void)n; /* only fails when it is already awake 2^64 times over */
}

/* ---- one connection ---- */

static void serve(struct http__conn *conn, short events)
{
    struct lws_pollfd fd = {.fd = conn->fd, .events = events, .revents = events};
    IGNORE(lws_service_fd(conn->server->context, &fd)); /* that it has ended, the callbacks tell */
}

/* False also makes the socket report when it has room again (EPOLLOUT). */
static bool has_room(const struct http__conn *conn)
{
    struct pollfd fd = {.fd = conn->fd, .events = POLLOUT};
    return poll(&fd, 1, 0) == 1;
}

/* Sends what the library or we have, as far as the socket takes it. Of a large frame the library
 * writes a part in each turn and keeps the rest; our own turn comes when that is out. */
static void serve_output(struct http__conn *conn)
{
    for (int i = 0; i < FLUSHES_MAX; i++) {
        bool had_rest = lws_partial_buffered(conn->wsi) != 0;
        serve(conn, POLLOUT);
        if (conn->is_ended)
            return;
        bool has_rest = lws_partial_buffered(conn->wsi) != 0;
        if (!had_rest && !has_rest)
            return;
        if (has_rest && !has_room(conn))
            return;
    }
    http__loop_want_writable(&conn->server->loop, conn);
}

static int unread(const struct http__conn *conn)
{
    int size = 0;
    return ioctl(conn->fd, FIONREAD, &size) == 0 ? size : 0;
}

static void serve_input(struct http__loop *loop, struct http__conn *conn, bool is_over)
{
    int before = 0, left = INT_MAX; /* not asked before the first turn: mostly that reads it all */
    for (int i = 0; i < READS_MAX && left > 0 && left != before; i++) {
        before = left;
        serve(conn, POLLIN);
        if (conn->is_ended)
            return;
        left = unread(conn);
    }
    if (left == 0) {
        if (is_over)
            serve(conn, POLLIN); /* reads the end behind the data */
        return;
    }
    bool is_reading = left != before;
    if (!is_reading || arm(loop, EPOLL_CTL_MOD, conn) != 0)
        loop->library_due = TK_MIN(loop->library_due, mono_now() + UNREAD_TURN_US);
}

static void serve_conn(struct http__loop *loop, struct http__conn *conn, uint32_t events)
{
    if (conn->is_ended)
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        serve_input(loop, conn, (events & EPOLLRDHUP) != 0);
    if (!conn->is_ended)
        serve_output(conn);
}

/* ---- turns ---- */

static void serve_wanting(struct http__loop *loop)
{
    struct list now;
    list_init(&now);
    for (struct list *it = list_pop_front(&loop->wanting); it != NULL;
         it = list_pop_front(&loop->wanting))
        list_push_back(&now, it);
    for (struct list *it = list_pop_front(&now); it != NULL; it = list_pop_front(&now))
        serve_output(CONTAINER_OF(it, struct http__conn, wanting));
}

static int wait_ms(const struct http__loop *loop, mono_us timeout)
{
    mono_us wait = TK_MIN(timeout, loop->library_due - mono_now());
    if (wait <= 0 || !list_is_empty(&loop->wanting))
        return 0;
    return (int)((wait + MONO_MS(1) - 1) / MONO_MS(1));
}

static void handle(struct http_server *h, const struct epoll_event *ev)
{
    int *fd = ev->data.ptr;
    struct http__linger *lingering = ev->data.ptr;
    uint64_t count;
    if (fd == &h->loop.wake_fd)
        IGNORE(read(*fd, &count, sizeof(count)) < 0); /* awake is awake */
    else if (fd >= h->listeners && fd < h->listeners + HTTP_BIND_MAX)
        http__accept(h, *fd);
    else if (lingering >= h->loop.lingering && lingering < h->loop.lingering + HTTP__LINGERING_MAX)
        http__linger_read(lingering);
    else
        serve_conn(&h->loop, ev->data.ptr, ev->events);
}

void http__loop_run(struct http_server *h, mono_us timeout)
{
    struct http__loop *loop = &h->loop;
    struct epoll_event events[EVENTS_MAX];
    serve_wanting(loop);
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop, timeout));
    for (int i = 0; i < n; i++)
        handle(h, &events[i]);
    mono_us now = mono_now();
    if (now >= loop->library_due || lws_service_adjust_timeout(h->context, 1, 0) == 0) {
        loop->library_due = mono_grid_after(now, LIBRARY_TURN_US);
        http__liveness_tick(h, now);
        http__linger_tick(loop, now);
        IGNORE(lws_service(h->context, -1)); /* negative only after its destruction */
    }
    free_ended(loop);
}
