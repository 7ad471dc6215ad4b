#include "net/tcp.h"

#include "base/bytes.h"
#include "base/err.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_BYTES_MAX (16 << 10)
#define BACKLOG      128

/* The other side may vanish without a word, behind a NAT that forgot it or a line that was cut. A
 * silent connection is asked after KEEPALIVE_IDLE_S, then every KEEPALIVE_EVERY_S; one whose bytes,
 * or questions, nobody has acknowledged for UNACKED_MS is closed. A client that comes back opens
 * another one. */
#define KEEPALIVE_IDLE_S  15
#define KEEPALIVE_EVERY_S 5
#define UNACKED_MS        30000

struct tcp_conn {
    int fd;
    struct addr local, remote;
    uint8_t in[IN_BYTES_MAX];
    size_t in_size; /* bytes in `in` */
    size_t in_at;   /* start of the next frame */
    uint8_t *out;
    size_t out_size, out_at, out_capacity;
    bool is_broken;
};

static int open_socket(const struct addr *ip, bool *ret_is_v6)
{
    int off = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *ret_is_v6 = true;
    if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0 && ip->family != ADDR_FAMILY_V6) { /* a machine without IPv6 */
        *ret_is_v6 = false;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    return fd < 0 ? -errno : fd;
}

int tcp_listen(const struct addr *ip, uint16_t port, uint16_t *ret_port)
{
    bool is_v6;
    int fd = open_socket(ip, &is_v6);
    if (fd < 0)
        return fd;
    int on = 1;
    IGNORE(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))); /* only delays a restart */
    struct addr bound = *ip;
    bound.port = port;
    struct sockaddr_storage sa;
    socklen_t size = sockaddr_from_addr(&bound, is_v6, &sa);
    bool is_open = bind(fd, (struct sockaddr *)&sa, size) == 0 && listen(fd, BACKLOG) == 0;
    int err = is_open ? sockaddr_bound_port(fd, ret_port) : -errno;
    if (err < 0) {
        close(fd);
        return err;
    }
    return fd;
}

int tcp_accept(int listen_fd)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int tcp_connect(const struct addr *to)
{
    bool is_v6;
    int fd = open_socket(to, &is_v6);
    if (fd < 0)
        return fd;
    struct sockaddr_storage sa;
    socklen_t size = sockaddr_from_addr(to, is_v6, &sa);
    if (connect(fd, (struct sockaddr *)&sa, size) < 0 && errno != EINPROGRESS) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

/* Without these options the connection works, and is only closed later. */
static void watch_silence(int fd)
{
    int on = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_EVERY_S;
    unsigned unacked = UNACKED_MS;
    IGNORE(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
    IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)));
    IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every)));
    IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof(unacked)));
}

int tcp_conn_create(int fd, uint32_t id, struct tcp_conn **ret_conn)
{
    struct tcp_conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    c->fd = fd;
    int on = 1;
    IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))); /* works without, slower */
    watch_silence(fd);
    struct sockaddr_storage sa;
    socklen_t size = sizeof(sa);
    if (getpeername(fd, (struct sockaddr *)&sa, &size) == 0)
        sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_TCP, &c->remote);
    size = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &size) == 0)
        sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_TCP, &c->local);
    c->remote.conn = id;
    c->local.conn = id;
    *ret_conn = c;
    return 0;
}

void tcp_conn_destroy(struct tcp_conn *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0)
        close(c->fd);
    free(c->out);
    free(c);
}

int tcp_conn_fd(const struct tcp_conn *c)
{
    return c->fd;
}

const struct addr *tcp_conn_remote(const struct tcp_conn *c)
{
    return &c->remote;
}

const struct addr *tcp_conn_local(const struct tcp_conn *c)
{
    return &c->local;
}

int tcp_conn_receive(struct tcp_conn *c)
{
    if (c->in_at > 0) {
        memmove(c->in, c->in + c->in_at, c->in_size - c->in_at);
        c->in_size -= c->in_at;
        c->in_at = 0;
    }
    ssize_t got = read(c->fd, c->in + c->in_size, IN_BYTES_MAX - c->in_size);
    if (got == 0)
        return ERR_CLOSED;
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    c->in_size += (size_t)got;
    if (c->in_size >= 2 && get_u16be(c->in) > TCP_FRAME_MAX)
        return ERR_MALFORMED;
    return 0;
}

bool tcp_conn_peek(const struct tcp_conn *c, const uint8_t **ret_data, size_t *ret_size)
{
    size_t left = c->in_size - c->in_at;
    if (left < 2)
        return false;
    size_t size = get_u16be(c->in + c->in_at);
    if (size > TCP_FRAME_MAX || left - 2 < size)
        return false;
    *ret_data = c->in + c->in_at + 2;
    *ret_size = size;
    return true;
}

bool tcp_conn_next(struct tcp_conn *c, const uint8_t **ret_data, size_t *ret_size)
{
    if (!tcp_conn_peek(c, ret_data, ret_size))
        return false;
    c->in_at += 2 + *ret_size;
    return true;
}

void tcp_conn_flush(struct tcp_conn *c)
{
    while (c->out_at < c->out_size && !c->is_broken) {
        ssize_t sent = send(c->fd, c->out + c->out_at, c->out_size - c->out_at, MSG_NOSIGNAL);
        if (sent > 0) {
            c->out_at += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN) {
            return;
        } else if (errno != EINTR) {
            c->is_broken = true;
        }
    }
    c->out_at = 0;
    c->out_size = 0;
}

static bool make_room(struct tcp_conn *c, size_t extra)
{
    if (c->out_at > 0) {
        memmove(c->out, c->out + c->out_at, c->out_size - c->out_at);
        c->out_size -= c->out_at;
        c->out_at = 0;
    }
    if (c->out_size + extra > TCP_OUT_BYTES_MAX)
        return false;
    if (c->out_size + extra <= c->out_capacity)
        return true;
    size_t capacity = TK_MAX(c->out_size + extra, TK_MAX(c->out_capacity * 2, (size_t)8192));
    uint8_t *out = realloc(c->out, capacity);
    if (out == NULL)
        return false;
    c->out = out;
    c->out_capacity = capacity;
    return true;
}

bool tcp_conn_send(struct tcp_conn *c, const uint8_t *data, size_t size)
{
    if (c->is_broken || size > TCP_FRAME_MAX || !make_room(c, size + 2))
        return false;
    put_u16be(c->out + c->out_size, (uint16_t)size);
    memcpy(c->out + c->out_size + 2, data, size);
    c->out_size += size + 2;
    tcp_conn_flush(c);
    return true;
}

bool tcp_conn_wants_write(const struct tcp_conn *c)
{
    return c->out_at < c->out_size && !c->is_broken;
}

int tcp_conn_release(struct tcp_conn *c, uint8_t *ret_bytes, size_t bytes_max, size_t *ret_size)
{
    size_t left = c->in_size - c->in_at;
    *ret_size = TK_MIN(left, bytes_max);
    memcpy(ret_bytes, c->in + c->in_at, *ret_size);
    int fd = c->fd;
    c->fd = -1;
    tcp_conn_destroy(c);
    return fd;
}

int tcp_conn_preload(struct tcp_conn *c, const uint8_t *bytes, size_t size)
{
    if (c->in_size + size > IN_BYTES_MAX)
        return ERR_LIMIT;
    memcpy(c->in + c->in_size, bytes, size);
    c->in_size += size;
    return 0;
}
