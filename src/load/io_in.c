/*
 * What comes in: batches with kernel time stamps and GRO, read into buffers that all sockets share,
 * queued in order and decrypted together.
 */
#include "load/load_internal.h"

#include "base/err.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define SLOTS        64    /* kernel messages read by one system call, at most */
#define OWN_MESSAGES 4     /* the same from a socket that has one connection */
#define SLOT_SIZE    65536 /* GRO joins datagrams up to the largest UDP payload */
/* Beginnings of buffers that lie powers of two apart would share a few lines of the cache. */
#define SLOT_STRIDE  (SLOT_SIZE + 8192)
#define HUGE_PAGE    (2u << 20)
#define CONTROL_SIZE 160
#define DATAGRAM_MAX 1500

struct load_inbox {
    uint8_t *data;
    size_t next; /* slots before it hold packets that are not handled yet */
    struct mmsghdr headers[SLOTS];
    struct iovec vectors[SLOTS];
    struct sockaddr_storage from[SLOTS];
    _Alignas(8) uint8_t control[SLOTS][CONTROL_SIZE];
};

/* What the kernel says besides of one message. */
struct meaning {
    size_t segment;
    mono_us arrived;
    uint32_t to; /* our address, network byte order; 0 = not told */
};

int load__inbox_create(struct load_inbox **ret_inbox)
{
    struct load_inbox *inbox = calloc(1, sizeof(*inbox));
    void *data = NULL;
    if (inbox == NULL)
        return -ENOMEM;
    if (posix_memalign(&data, HUGE_PAGE, (size_t)SLOTS * SLOT_STRIDE) != 0) {
        free(inbox);
        return -ENOMEM;
    }
    IGNORE(madvise(data, (size_t)SLOTS * SLOT_STRIDE, MADV_HUGEPAGE)); /* only faster */
    inbox->data = data;
    for (size_t i = 0; i < SLOTS; i++) {
        inbox->vectors[i] = (struct iovec){inbox->data + i * SLOT_STRIDE, SLOT_SIZE};
        inbox->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &inbox->from[i],
            .msg_iov = &inbox->vectors[i],
            .msg_iovlen = 1,
            .msg_control = inbox->control[i],
        };
    }
    *ret_inbox = inbox;
    return 0;
}

void load__inbox_destroy(struct load_inbox *inbox)
{
    if (inbox == NULL)
        return;
    free(inbox->data);
    free(inbox);
}

/* ---- reading ---- */

/* Up to `count` messages; returns how many, 0 if nothing waits. */
static size_t read_messages(struct load_run *run, int fd, size_t count, struct mmsghdr **ret)
{
    struct load_inbox *in = run->io.inbox;
    if (run->io.arrival_count == 0)
        in->next = 0;
    if (in->next + count > SLOTS) {
        load__io_flush_jobs(run);
        in->next = 0;
    }
    struct mmsghdr *headers = in->headers + in->next;
    for (size_t i = 0; i < count; i++) {
        headers[i].msg_hdr.msg_namelen = sizeof(in->from[0]);
        headers[i].msg_hdr.msg_controllen = CONTROL_SIZE;
    }
    int n = recvmmsg(fd, headers, (unsigned)count, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    in->next += (size_t)n;
    *ret = headers;
    return (size_t)n;
}

static void note_drops(struct load_run *run, uint32_t *drops, const struct cmsghdr *c)
{
    uint32_t now;
    memcpy(&now, CMSG_DATA(c), sizeof(now));
    run->m.kernel_drops += now - *drops;
    *drops = now;
}

static mono_us arrival(const struct load_run *run, const struct cmsghdr *c)
{
    struct timespec ts;
    memcpy(&ts, CMSG_DATA(c), sizeof(ts));
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 - run->io.realtime_us;
}

/* `drops`: the socket's count so far. */
static struct meaning read_control(struct load_run *run, struct mmsghdr *h, uint32_t *drops,
                                   mono_us now)
{
    struct meaning meaning = {.segment = h->msg_len, .arrived = now};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h->msg_hdr); c != NULL;
         c = CMSG_NXTHDR(&h->msg_hdr, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof(segment));
            if (segment > 0)
                meaning.segment = (size_t)segment;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            meaning.to = info.ipi_addr.s_addr;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            meaning.arrived = arrival(run, c);
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            note_drops(run, drops, c);
        }
    }
    return meaning;
}

static void note_backlog(struct load_run *run, mono_us arrived, mono_us now)
{
    run->io.backlog_us = TK_MAX(now - arrived, 0);
    run->io.backlog_at = now;
    load_hist_add(&run->m.backlog, run->io.backlog_us);
}

static void walk_message(struct load_conn *conn, struct mmsghdr *h, const struct meaning *meaning,
                         mono_us now)
{
    struct addr from;
    uint8_t *data = h->msg_hdr.msg_iov->iov_base;
    sockaddr_to_addr(h->msg_hdr.msg_name, ADDR_PROTO_UDP, &from);
    for (size_t at = 0; at < h->msg_len; at += meaning->segment) {
        size_t size = TK_MIN(meaning->segment, h->msg_len - at);
        load__conn_datagram(conn, data + at, size, &from, meaning->arrived, now);
    }
}

void load__io_receive(struct load_run *run, struct load_conn *conn, mono_us now)
{
    struct mmsghdr *headers = NULL;
    size_t n = OWN_MESSAGES;
    while (n == OWN_MESSAGES && conn->fd.fd >= 0) {
        n = read_messages(run, conn->fd.fd, OWN_MESSAGES, &headers);
        for (size_t i = 0; i < n; i++) {
            struct meaning meaning = read_control(run, &headers[i], &conn->kernel_drops, now);
            note_backlog(run, meaning.arrived, now);
            walk_message(conn, &headers[i], &meaning, now);
        }
    }
}

/* ---- the shared socket ---- */

struct owned {
    struct load_conn *conn;
    struct mmsghdr *header;
    struct meaning meaning;
};

/* Returns how many messages are of a connection. */
static size_t find_owners(struct load_run *run, struct mmsghdr *headers, size_t n, uint32_t *drops,
                          mono_us now, struct owned *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct owned *o = &ret[count];
        o->header = &headers[i];
        o->meaning = read_control(run, &headers[i], drops, now);
        o->conn = load__shared_find(run, o->meaning.to);
        if (o->conn == NULL)
            continue; /* to somebody who has gone */
        PREFETCH(o->conn);
        PREFETCH((char *)o->conn + 64);
        count++;
    }
    return count;
}

/* Each message is somebody else's, whose state is in no cache: it is asked for in steps, as each
 * step says where the next one lies. */
static void fetch_ahead(const struct owned *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PREFETCH(all[i].conn->client);
        PREFETCH(all[i].conn->rxs);
        if (all[i].conn->receive != NULL)
            sec_srtp_prefetch(all[i].conn->receive);
    }
    for (size_t i = 0; i < count; i++) {
        const struct load_conn *conn = all[i].conn;
        const char *rx = conn->rx_count > 0 ? (const char *)conn->rxs[conn->rx_last] : NULL;
        for (size_t line = 0; rx != NULL && line < LOAD_RX_HOT_SIZE; line += 64)
            PREFETCH(rx + line);
        if (conn->receive != NULL)
            sec_srtp_prefetch_ssrc(conn->receive);
    }
}

bool load__io_receive_shared(struct load_run *run, const struct load_fd *f, uint32_t *drops)
{
    struct owned all[SLOTS];
    struct mmsghdr *headers = NULL;
    size_t n = read_messages(run, f->fd, SLOTS, &headers);
    mono_us now = mono_now();
    size_t count = find_owners(run, headers, n, drops, now, all);
    fetch_ahead(all, count);
    for (size_t i = 0; i < count; i++) {
        note_backlog(run, all[i].meaning.arrived, now);
        walk_message(all[i].conn, all[i].header, &all[i].meaning, now);
    }
    return n == SLOTS;
}

/* ---- decrypting ---- */

void load__io_job(struct load_run *run, struct load_conn *conn, uint8_t *data, size_t size,
                  enum load_plain kind, mono_us arrived)
{
    struct load_io *io = &run->io;
    if (size > DATAGRAM_MAX) {
        run->m.malformed++;
        return;
    }
    io->arrivals[io->arrival_count++] = (struct load_arrival){
        .conn = conn,
        .at = arrived,
        .data = data,
        .size = (uint16_t)size,
        .job = (uint16_t)io->job_count,
        .kind = kind,
    };
    if (kind != LOAD_RTP_HIDDEN)
        io->jobs[io->job_count++] = (struct sec_srtp_job){
            .srtp = conn->receive,
            .src = data,
            .dst = data,
            .dst_size = size,
            .head_size = (uint16_t)size,
            .is_rtcp = kind == LOAD_RTCP,
        };
    if (io->arrival_count == LOAD_JOBS_MAX)
        load__io_flush_jobs(run);
}

void load__io_flush_jobs(struct load_run *run)
{
    struct load_io *io = &run->io;
    size_t count = io->arrival_count;
    if (io->job_count > 0)
        sec_srtp_unprotect_batch(io->jobs, io->job_count);
    io->job_count = io->arrival_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct load_arrival *a = &io->arrivals[i];
        int result =
            a->kind == LOAD_RTP_HIDDEN ? (int)a->size - a->conn->tag_size : io->jobs[a->job].result;
        load__conn_plain(a->conn, a->data, result, a->kind, a->at);
    }
}

/* ---- sockets ---- */

static void set_option(int fd, int level, int name, int value)
{
    IGNORE(setsockopt(fd, level, name, &value, sizeof(value))); /* each only helps */
}

int load__io_open_udp(const struct addr *ip, uint16_t port, bool is_shared, int *ret_fd)
{
    int buffer = is_shared ? LOAD_SHARED_BUFFER : LOAD_SOCKET_BUFFER;
    bool is_v6 = ip->family == ADDR_FAMILY_V6;
    struct addr local = *ip;
    struct sockaddr_storage sa = {.ss_family = AF_INET};
    if (local.family == ADDR_FAMILY_NONE)
        local.family = ADDR_FAMILY_V4;
    local.port = port;
    socklen_t size = sockaddr_from_addr(&local, is_v6, &sa);
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (is_shared)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (bind(fd, (struct sockaddr *)&sa, size) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    set_option(fd, SOL_SOCKET, SO_RCVBUF, buffer);
    set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, buffer);
    set_option(fd, SOL_SOCKET, SO_SNDBUF, LOAD_SOCKET_BUFFER);
    if (is_shared)
        set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, LOAD_SHARED_SEND_BUFFER);
    set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set_option(fd, IPPROTO_UDP, UDP_GRO, 1);
    *ret_fd = fd;
    return 0;
}
