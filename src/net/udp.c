#include "net/udp.h"

#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define DATAGRAM_SIZE_MAX 1500
#define IN_MESSAGES_MAX   32
#define IN_MESSAGE_SIZE   65535 /* GRO joins datagrams up to the largest UDP payload */
#define OUT_MESSAGES_MAX  256
#define OUT_BYTES_MAX     (1u << 20)
#define OUT_RUN_MAX       64    /* segments of one GSO message (kernel's UDP_MAX_SEGMENTS) */
#define OUT_RUN_BYTES_MAX 65000 /* and their sum must fit one UDP length field */
#define CONTROL_SIZE      128
#define SOCKET_BUFFER     (4 << 20)

struct in_message {
    struct sockaddr_storage from;
    _Alignas(8) uint8_t control[CONTROL_SIZE];
};

struct out_message {
    struct addr from, to;
    size_t offset; /* in out_bytes */
    size_t size;
    size_t segment_size; /* of every datagram but the last */
    size_t segments;
    bool is_closed; /* a shorter datagram ended the run */
};

struct udp_socket {
    int fd;
    bool is_v6;
    bool has_gso;
    uint16_t port;

    /* The batch being read: message `in_at` from byte `in_offset`. */
    struct mmsghdr in_headers[IN_MESSAGES_MAX];
    struct iovec in_vectors[IN_MESSAGES_MAX];
    struct in_message in_messages[IN_MESSAGES_MAX];
    uint8_t *in_bytes;
    int in_count, in_at;
    size_t in_offset;
    struct addr in_from, in_to;
    size_t in_segment;

    /* The batch being written. */
    struct out_message out_messages[OUT_MESSAGES_MAX];
    struct mmsghdr out_headers[OUT_MESSAGES_MAX];
    struct iovec out_vectors[OUT_MESSAGES_MAX];
    struct sockaddr_storage out_to[OUT_MESSAGES_MAX];
    _Alignas(8) uint8_t out_control[OUT_MESSAGES_MAX][CONTROL_SIZE];
    uint8_t *out_bytes;
    size_t out_count, out_size;
    struct addr reserved_from, reserved_to;

    struct udp_stats stats;
};

static int open_bound(struct udp_socket *s, const struct addr *ip, uint16_t port)
{
    int on = 1, off = 0, buffer = SOCKET_BUFFER;
    int family = s->is_v6 ? AF_INET6 : AF_INET;
    s->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    if (s->is_v6) {
        if (setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
            setsockopt(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
            return -errno;
    } else if (setsockopt(s->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0) {
        return -errno;
    }
    /* Larger buffers and GRO are wishes: without them the socket works, only less well. */
    IGNORE(setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)));
    IGNORE(setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)));
    IGNORE(setsockopt(s->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)));

    struct addr bound = *ip;
    bound.port = port;
    struct sockaddr_storage sa;
    socklen_t size = sockaddr_from_addr(&bound, s->is_v6, &sa);
    if (bind(s->fd, (struct sockaddr *)&sa, size) < 0)
        return -errno;
    size = sizeof(sa);
    if (getsockname(s->fd, (struct sockaddr *)&sa, &size) < 0)
        return -errno;
    sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_UDP, &bound);
    s->port = bound.port;
    return 0;
}

int udp_open(const struct addr *ip, uint16_t port, struct udp_socket **ret_socket)
{
    int err = -ENOMEM;
    struct udp_socket *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err;
    s->fd = -1;
    s->has_gso = true;
    s->in_bytes = malloc((size_t)IN_MESSAGES_MAX * IN_MESSAGE_SIZE);
    s->out_bytes = malloc(OUT_BYTES_MAX);
    if (s->in_bytes == NULL || s->out_bytes == NULL)
        goto out;
    s->is_v6 = true;
    err = open_bound(s, ip, port);
    if (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL) { /* a machine without IPv6 */
        if (s->fd >= 0)
            close(s->fd);
        s->is_v6 = false;
        err = open_bound(s, ip, port);
    }
out:
    if (err < 0) {
        udp_close(s);
        return err;
    }
    *ret_socket = s;
    return 0;
}

void udp_close(struct udp_socket *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0)
        close(s->fd);
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

int udp_receive(struct udp_socket *s)
{
    for (int i = 0; i < IN_MESSAGES_MAX; i++) {
        s->in_vectors[i] =
            (struct iovec){s->in_bytes + (size_t)i * IN_MESSAGE_SIZE, IN_MESSAGE_SIZE};
        s->in_headers[i].msg_hdr = (struct msghdr){
            .msg_name = &s->in_messages[i].from,
            .msg_namelen = sizeof(s->in_messages[i].from),
            .msg_iov = &s->in_vectors[i],
            .msg_iovlen = 1,
            .msg_control = s->in_messages[i].control,
            .msg_controllen = CONTROL_SIZE,
        };
    }
    int n = recvmmsg(s->fd, s->in_headers, IN_MESSAGES_MAX, 0, NULL);
    s->stats.recv_calls++;
    s->in_count = n > 0 ? n : 0;
    s->in_at = -1;
    s->in_offset = 0;
    return s->in_count;
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
        .data = s->in_bytes + (size_t)s->in_at * IN_MESSAGE_SIZE + s->in_offset,
        .size = size,
    };
    s->in_offset += size;
    s->stats.datagrams_in++;
    s->stats.bytes_in += size;
    return true;
}

uint8_t *udp_reserve(struct udp_socket *s, const struct addr *from, const struct addr *to,
                     size_t size_max)
{
    CHECK(size_max <= DATAGRAM_SIZE_MAX);
    if (s->out_count == OUT_MESSAGES_MAX || s->out_size + size_max > OUT_BYTES_MAX)
        udp_flush(s);
    s->reserved_from = *from;
    s->reserved_to = *to;
    return s->out_bytes + s->out_size;
}

static bool extends_run(const struct udp_socket *s, const struct out_message *m, size_t size)
{
    return s->has_gso && !m->is_closed && size <= m->segment_size && m->segments < OUT_RUN_MAX &&
           m->size + size <= OUT_RUN_BYTES_MAX && addr_equal(&m->to, &s->reserved_to) &&
           addr_equal(&m->from, &s->reserved_from);
}

void udp_commit(struct udp_socket *s, size_t size)
{
    if (size == 0)
        return;
    struct out_message *m = s->out_count > 0 ? &s->out_messages[s->out_count - 1] : NULL;
    if (m != NULL && extends_run(s, m, size)) {
        m->size += size;
        m->segments++;
        m->is_closed = size < m->segment_size;
    } else {
        s->out_messages[s->out_count++] = (struct out_message){
            .from = s->reserved_from,
            .to = s->reserved_to,
            .offset = s->out_size,
            .size = size,
            .segment_size = size,
            .segments = 1,
        };
    }
    s->out_size += size;
    s->stats.datagrams_out++;
    s->stats.bytes_out += size;
}

static void add_control(struct msghdr *h, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *c = (void *)((uint8_t *)h->msg_control + h->msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    h->msg_controllen += CMSG_SPACE(size);
}

/* The source address is pinned, so that answers leave from where the client sent to. */
static void add_source(const struct udp_socket *s, struct msghdr *h, const struct addr *from)
{
    if (from->family == ADDR_FAMILY_NONE)
        return;
    if (s->is_v6) {
        struct in6_pktinfo info = {0};
        in6_from_addr(from, &info.ipi6_addr);
        add_control(h, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    } else {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, from->ip, 4);
        add_control(h, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    }
}

static void fill_header(struct udp_socket *s, size_t i)
{
    struct out_message *m = &s->out_messages[i];
    struct msghdr *h = &s->out_headers[i].msg_hdr;
    s->out_vectors[i] = (struct iovec){s->out_bytes + m->offset, m->size};
    *h = (struct msghdr){
        .msg_name = &s->out_to[i],
        .msg_namelen = sockaddr_from_addr(&m->to, s->is_v6, &s->out_to[i]),
        .msg_iov = &s->out_vectors[i],
        .msg_iovlen = 1,
        .msg_control = s->out_control[i],
        .msg_controllen = 0,
    };
    memset(s->out_control[i], 0, CONTROL_SIZE);
    add_source(s, h, &m->from);
    if (m->segments > 1) {
        uint16_t segment = (uint16_t)m->segment_size;
        add_control(h, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
    }
    if (h->msg_controllen == 0)
        h->msg_control = NULL;
}

/* The kernel or the device will not cut this message: send its datagrams one by one. */
static void send_segments(struct udp_socket *s, size_t i)
{
    struct out_message m = s->out_messages[i];
    for (size_t at = 0; at < m.size; at += m.segment_size) {
        s->out_messages[i] = m;
        s->out_messages[i].offset = m.offset + at;
        s->out_messages[i].size = TK_MIN(m.segment_size, m.size - at);
        s->out_messages[i].segments = 1;
        fill_header(s, i);
        s->stats.send_calls++;
        if (sendmsg(s->fd, &s->out_headers[i].msg_hdr, 0) < 0)
            s->stats.send_drops++;
    }
}

void udp_flush(struct udp_socket *s)
{
    for (size_t i = 0; i < s->out_count; i++)
        fill_header(s, i);
    size_t at = 0;
    while (at < s->out_count) {
        int n = sendmmsg(s->fd, s->out_headers + at, (unsigned)(s->out_count - at), 0);
        s->stats.send_calls++;
        if (n > 0) {
            s->stats.messages_out += (size_t)n;
            at += (size_t)n;
            continue;
        }
        bool is_run = s->out_messages[at].segments > 1;
        if (is_run && (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP)) {
            s->has_gso = errno == EINVAL; /* EINVAL is about this message's sizes only */
            send_segments(s, at);
        } else if (errno != EINTR) {
            s->stats.send_drops += s->out_messages[at].segments;
        } else {
            continue;
        }
        at++;
    }
    s->out_count = 0;
    s->out_size = 0;
}

void udp_stats(const struct udp_socket *s, struct udp_stats *ret_stats)
{
    *ret_stats = s->stats;
}
