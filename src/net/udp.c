#include "net/udp.h"

#include "base/pages.h"
#include "net/net_internal.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_BUFFER (4 << 20)

static int set_options(const struct udp_socket *s, int fd, bool is_shared)
{
    int on = 1, off = 0, buffer = SOCKET_BUFFER;
    if (s->is_v6) {
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
            return -errno;
    } else if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0) {
        return -errno;
    }
    if (is_shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
        return -errno;
    /* Larger buffers and GRO are wishes: without them the socket works, only less well. */
    IGNORE(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)));
    IGNORE(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)));
    IGNORE(setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)));
    return 0;
}

static int bind_to(struct udp_socket *s, int fd, const struct addr *ip, uint16_t port)
{
    struct addr bound = *ip;
    bound.port = port;
    struct sockaddr_storage sa;
    socklen_t size = sockaddr_from_addr(&bound, s->is_v6, &sa);
    if (bind(fd, (struct sockaddr *)&sa, size) < 0)
        return -errno;
    size = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
        return -errno;
    sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_UDP, &bound);
    s->port = bound.port;
    return 0;
}

int udp__open_bound(struct udp_socket *s, const struct addr *ip, uint16_t port, bool is_shared)
{
    int fd = socket(s->is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = set_options(s, fd, is_shared);
    if (err == 0)
        err = bind_to(s, fd, ip, port);
    if (err < 0) {
        close(fd);
        return err;
    }
    return fd;
}

int udp_open(const struct addr *ip, uint16_t port, struct udp_socket **ret_socket)
{
    struct udp_socket *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->fd = s->guard_fds[0] = s->guard_fds[1] = -1;
    s->patient_fd = -ENOTSUP;
    s->has_gso = true;
    s->in_bytes = malloc((size_t)UDP_IN_MESSAGES_MAX * UDP_IN_MESSAGE_SIZE);
    s->out_bytes = malloc(UDP_OUT_BYTES_MAX);
    int err = s->in_bytes == NULL || s->out_bytes == NULL ? -ENOMEM : 0;
    if (err == 0) {
        s->is_v6 = true;
        s->fd = udp__open_bound(s, ip, port, false);
        if (s->fd == -EAFNOSUPPORT || s->fd == -EADDRNOTAVAIL) { /* a machine without IPv6 */
            s->is_v6 = false;
            s->fd = udp__open_bound(s, ip, port, false);
        }
        err = TK_MIN(s->fd, 0);
    }
    if (err < 0) {
        udp_close(s);
        return err;
    }
    *ret_socket = s;
    return 0;
}

void udp__close_fds(struct udp_socket *s)
{
    int *fds[] = {&s->fd, &s->patient_fd, &s->guard_fds[0], &s->guard_fds[1]};
    for (size_t i = 0; i < ARRAY_COUNT(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

void udp_close(struct udp_socket *s)
{
    if (s == NULL)
        return;
    udp__close_fds(s);
    free(s->in_bytes);
    free(s->out_bytes);
    free(s);
}

int udp_fd(const struct udp_socket *s)
{
    return s->fd;
}

uint16_t udp_port(const struct udp_socket *s)
{
    return s->port;
}

static int receive(struct udp_socket *s, int fd)
{
    for (int i = 0; i < UDP_IN_MESSAGES_MAX; i++) {
        s->in_vectors[i] =
            (struct iovec){s->in_bytes + (size_t)i * UDP_IN_MESSAGE_SIZE, UDP_IN_MESSAGE_SIZE};
        s->in_headers[i].msg_hdr = (struct msghdr){
            .msg_name = &s->in_messages[i].from,
            .msg_namelen = sizeof(s->in_messages[i].from),
            .msg_iov = &s->in_vectors[i],
            .msg_iovlen = 1,
            .msg_control = s->in_messages[i].control,
            .msg_controllen = UDP_CONTROL_SIZE,
        };
    }
    int n = recvmmsg(fd, s->in_headers, UDP_IN_MESSAGES_MAX, 0, NULL);
    s->stats.recv_calls++;
    s->in_count = n > 0 ? n : 0;
    s->in_at = -1;
    s->in_offset = 0;
    return s->in_count;
}

int udp_receive(struct udp_socket *s)
{
    return receive(s, s->fd);
}

int udp_receive_patient(struct udp_socket *s)
{
    return receive(s, s->patient_fd);
}

/* Reads the addresses and the GRO segment size of message `in_at`. */
static void begin_message(struct udp_socket *s)
{
    struct msghdr *h = &s->in_headers[s->in_at].msg_hdr;
    sockaddr_to_addr(h->msg_name, ADDR_PROTO_UDP, &s->in_from);
    s->in_to = (struct addr){.proto = ADDR_PROTO_UDP};
    s->in_segment = s->in_headers[s->in_at].msg_len;
    s->in_offset = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof(segment));
            if (segment > 0)
                s->in_segment = (size_t)segment;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            in6_to_addr(&info.ipi6_addr, &s->in_to);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            s->in_to.family = ADDR_FAMILY_V4;
            memcpy(s->in_to.ip, &info.ipi_addr, 4);
        }
    }
    s->in_to.port = s->port;
}

bool udp_next(struct udp_socket *s, struct udp_datagram *ret_datagram)
{
    while (s->in_at < 0 || s->in_offset >= s->in_headers[s->in_at].msg_len) {
        if (s->in_at + 1 >= s->in_count)
            return false;
        s->in_at++;
        begin_message(s);
    }
    size_t left = s->in_headers[s->in_at].msg_len - s->in_offset;
    size_t size = TK_MIN(left, s->in_segment);
    *ret_datagram = (struct udp_datagram){
        .from = s->in_from,
        .to = s->in_to,
        .data = s->in_bytes + (size_t)s->in_at * UDP_IN_MESSAGE_SIZE + s->in_offset,
        .size = size,
    };
    s->in_offset += size;
    s->stats.datagrams_in++;
    s->stats.bytes_in += size;
    return true;
}

void udp_trim(struct udp_socket *s)
{
    s->in_count = 0;
    s->in_at = -1;
    pages_give_back(s->in_bytes, (size_t)UDP_IN_MESSAGES_MAX * UDP_IN_MESSAGE_SIZE);
}

void udp_stats(const struct udp_socket *s, struct udp_stats *ret_stats)
{
    *ret_stats = s->stats;
}
