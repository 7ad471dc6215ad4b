#include "base/pages.h"
#include "net/net_internal.h"
#include "net/sockaddr.h"

#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <string.h>

/* Receiving, in batches over both address families; and what the socket tells of itself. */

static void prepare_receive(struct udp_socket *s)
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
    s->in_count = 0;
    s->in_at = -1;
    s->in_offset = 0;
}

static void receive_from(struct udp_socket *s, int fd)
{
    if (fd < 0 || s->in_count == UDP_IN_MESSAGES_MAX)
        return;
    int n = recvmmsg(fd, s->in_headers + s->in_count, (unsigned)(UDP_IN_MESSAGES_MAX - s->in_count),
                     0, NULL);
    s->stats.recv_calls++;
    s->in_count += TK_MAX(n, 0);
}

/* The families take turns in being first: a flood in one does not shut out the other. */
static int receive(struct udp_socket *s, bool is_patient)
{
    prepare_receive(s);
    for (int i = 0; i < UDP_FAMILIES; i++) {
        const struct udp_family *f = &s->families[(s->in_first + i) % UDP_FAMILIES];
        receive_from(s, is_patient ? f->patient_fd : f->fd);
    }
    s->in_first = (s->in_first + 1) % UDP_FAMILIES;
    return s->in_count;
}

int udp_receive(struct udp_socket *s)
{
    return receive(s, false);
}

int udp_receive_patient(struct udp_socket *s)
{
    return receive(s, true);
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

static bool add_backlog(int fd, struct udp_backlog *b)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(info);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0)
        return false;
    b->in_bytes += info[SK_MEMINFO_RMEM_ALLOC];
    b->out_bytes += info[SK_MEMINFO_WMEM_ALLOC];
    b->drops += info[SK_MEMINFO_DROPS];
    return true;
}

bool udp_backlog(const struct udp_socket *s, struct udp_backlog *ret_backlog)
{
    bool is_told = false;
    *ret_backlog = (struct udp_backlog){0};
    for (int i = 0; i < UDP_FAMILIES; i++) {
        is_told = add_backlog(s->families[i].fd, ret_backlog) || is_told;
        is_told = add_backlog(s->families[i].patient_fd, ret_backlog) || is_told;
    }
    return is_told;
}

/* The kernel doubles what it grants, for its own bookkeeping (socket(7)). */
static bool read_buffer(int fd, int option, size_t *least)
{
    int bytes = 0;
    socklen_t size = sizeof(bytes);
    if (fd < 0)
        return true;
    if (getsockopt(fd, SOL_SOCKET, option, &bytes, &size) < 0)
        return false;
    *least = TK_MIN(*least, (size_t)bytes / 2);
    return true;
}

bool udp_buffers(const struct udp_socket *s, size_t *ret_in, size_t *ret_out)
{
    size_t in = SIZE_MAX, out = SIZE_MAX;
    for (int i = 0; i < UDP_FAMILIES; i++)
        if (!read_buffer(s->families[i].fd, SO_RCVBUF, &in) ||
            !read_buffer(s->families[i].patient_fd, SO_RCVBUF, &in) ||
            !read_buffer(s->families[i].fd, SO_SNDBUF, &out))
            return false;
    *ret_in = in;
    *ret_out = out;
    return true;
}
