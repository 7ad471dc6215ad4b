/* What goes out: single datagrams, and frames as GSO messages in one system call. */
#include "load/load_internal.h"

#include "base/err.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define PROTECTED_GROWTH 32

/* From the connection's address, over the socket that it shares. */
static ssize_t send_shared(struct load_conn *conn, struct sockaddr_storage *to, socklen_t to_size,
                           const uint8_t *data, size_t size)
{
    _Alignas(8) uint8_t control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
    struct in_pktinfo from = {0};
    struct iovec vector = {(uint8_t *)(uintptr_t)data, size};
    struct msghdr h = {
        .msg_name = to,
        .msg_namelen = to_size,
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(from));
    memcpy(&from.ipi_spec_dst, conn->local.ip, sizeof(from.ipi_spec_dst));
    memcpy(CMSG_DATA(c), &from, sizeof(from));
    return sendmsg(conn->client->run->shared.calls.fd, &h, MSG_DONTWAIT);
}

void load__io_send(struct load_conn *conn, const struct addr *to, const uint8_t *data, size_t size)
{
    struct sockaddr_storage sa;
    socklen_t sa_size = sockaddr_from_addr(to, conn->local.family == ADDR_FAMILY_V6, &sa);
    ssize_t n = conn->is_shared ? send_shared(conn, &sa, sa_size, data, size)
                                : sendto(conn->fd.fd, data, size, MSG_DONTWAIT,
                                         (struct sockaddr *)&sa, sa_size);
    if (n < 0)
        conn->client->run->m.send_failures++;
}

void load__io_put(struct load_conn *conn, const uint8_t *head, size_t head_size,
                  const uint8_t *body, size_t body_size)
{
    struct load_run *run = conn->client->run;
    struct load_io *io = &run->io;
    size_t need = head_size + body_size + PROTECTED_GROWTH;
    if (io->out_count == LOAD_OUT_MAX || io->out_size + need > LOAD_OUT_SIZE)
        load__io_send_frame(conn);
    int size = sec_srtp_protect(conn->send, head, head_size, 0, body, body_size,
                                io->out + io->out_size, need);
    if (size < 0) {
        run->m.send_failures++;
        return;
    }
    io->out_sizes[io->out_count++] = (uint16_t)size;
    io->out_size += (size_t)size;
    run->m.sent_packets++;
    run->m.sent_bytes += head_size + body_size;
}

/* How many packets from `first` on form one GSO message: equal sizes, the last may be shorter. */
static size_t run_length(const struct load_io *io, size_t first)
{
    size_t count = 1, bytes = io->out_sizes[first];
    while (io->has_gso && first + count < io->out_count && count < LOAD_OUT_RUN_MAX &&
           io->out_sizes[first + count] <= io->out_sizes[first] &&
           bytes + io->out_sizes[first + count] < 65000) {
        bytes += io->out_sizes[first + count++];
        if (io->out_sizes[first + count - 1] < io->out_sizes[first])
            break;
    }
    return count;
}

struct outgoing {
    struct mmsghdr headers[LOAD_OUT_MAX];
    struct iovec vectors[LOAD_OUT_MAX];
    _Alignas(8) uint8_t control[LOAD_OUT_MAX][CMSG_SPACE(sizeof(uint16_t))];
};

static void add_segment(struct msghdr *h, uint8_t *room, uint16_t segment)
{
    h->msg_control = room;
    h->msg_controllen = CMSG_SPACE(sizeof(segment));
    struct cmsghdr *c = CMSG_FIRSTHDR(h);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(c), &segment, sizeof(segment));
}

static size_t build_messages(struct load_io *io, struct outgoing *out, struct sockaddr_storage *to,
                             socklen_t to_size)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < io->out_count;) {
        size_t run = run_length(io, i), bytes = 0;
        for (size_t k = 0; k < run; k++)
            bytes += io->out_sizes[i + k];
        out->vectors[count] = (struct iovec){io->out + at, bytes};
        out->headers[count].msg_hdr = (struct msghdr){
            .msg_name = to,
            .msg_namelen = to_size,
            .msg_iov = &out->vectors[count],
            .msg_iovlen = 1,
        };
        if (run > 1)
            add_segment(&out->headers[count].msg_hdr, out->control[count], io->out_sizes[i]);
        at += bytes;
        i += run;
        count++;
    }
    return count;
}

void load__io_send_frame(struct load_conn *conn)
{
    static struct outgoing out; /* large, and only one thread sends */
    struct load_run *run = conn->client->run;
    struct load_io *io = &run->io;
    struct sockaddr_storage sa;
    socklen_t size = sockaddr_from_addr(&conn->remote, conn->local.family == ADDR_FAMILY_V6, &sa);
    size_t count = build_messages(io, &out, &sa, size);
    for (size_t at = 0; at < count;) {
        int n = sendmmsg(conn->fd.fd, out.headers + at, (unsigned)(count - at), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            run->m.send_failures++;
        at += n > 0 ? (size_t)n : 1;
    }
    io->out_count = 0;
    io->out_size = 0;
}
