/* Sockets: one epoll, receive buffers that all sockets share, kernel time stamps, GRO and GSO. */
#include "load/load_internal.h"

#include "base/err.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define CONTROL_SIZE     128
#define DATAGRAM_MAX     1500
#define REALTIME_PERIOD  MONO_S(1)
#define PROTECTED_GROWTH 32

int load__io_init(struct load_io *io)
{
    *io = (struct load_io){.has_gso = true};
    io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (io->epoll_fd < 0)
        return -errno;
    io->slots = malloc((size_t)LOAD_IN_SLOTS * LOAD_IN_SLOT_SIZE);
    io->out = malloc(LOAD_OUT_SIZE);
    if (io->slots != NULL && io->out != NULL)
        return 0;
    load__io_fini(io);
    return -ENOMEM;
}

void load__io_fini(struct load_io *io)
{
    if (io->epoll_fd >= 0)
        close(io->epoll_fd);
    io->epoll_fd = -1;
    free(io->slots);
    free(io->out);
    io->slots = io->out = NULL;
}

static int control(struct load_run *run, int op, struct load_fd *f, bool wants_write)
{
    struct epoll_event ev = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0u), .data.ptr = f};
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

/* ---- in ---- */

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
    int n = epoll_pwait2(run->io.epoll_fd, events, LOAD_READY_MAX, &ts, NULL);
    if (n < 0 && errno == ENOSYS) /* before Linux 5.11 */
        n = epoll_wait(run->io.epoll_fd, events, LOAD_READY_MAX, (int)((wait + 999) / 1000));
    now = mono_now();
    follow_realtime(&run->io, now);
    for (int i = 0; i < n; i++) {
        struct load_fd *f = events[i].data.ptr;
        bool is_readable = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
        if (f->fd >= 0)
            f->ready(f, is_readable, (events[i].events & EPOLLOUT) != 0, now);
    }
    load__io_flush_jobs(run);
    run->io.slot_next = 0;
}

struct incoming {
    struct mmsghdr headers[LOAD_IN_MESSAGES];
    struct iovec vectors[LOAD_IN_MESSAGES];
    struct sockaddr_storage from[LOAD_IN_MESSAGES];
    _Alignas(8) uint8_t control[LOAD_IN_MESSAGES][CONTROL_SIZE];
};

static uint8_t *take_slots(struct load_run *run)
{
    if (run->io.slot_next + LOAD_IN_MESSAGES > LOAD_IN_SLOTS) {
        load__io_flush_jobs(run); /* nothing points into the buffers any more */
        run->io.slot_next = 0;
    }
    return run->io.slots + run->io.slot_next * LOAD_IN_SLOT_SIZE;
}

static int receive_batch(struct load_conn *conn, struct incoming *in, uint8_t *slots)
{
    for (size_t i = 0; i < LOAD_IN_MESSAGES; i++) {
        in->vectors[i] = (struct iovec){slots + i * LOAD_IN_SLOT_SIZE, LOAD_IN_SLOT_SIZE};
        in->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &in->from[i],
            .msg_namelen = sizeof(in->from[i]),
            .msg_iov = &in->vectors[i],
            .msg_iovlen = 1,
            .msg_control = in->control[i],
            .msg_controllen = CONTROL_SIZE,
        };
    }
    return recvmmsg(conn->fd.fd, in->headers, LOAD_IN_MESSAGES, MSG_DONTWAIT, NULL);
}

struct meaning {
    size_t segment;
    mono_us arrived;
};

/* The ancillary data: size of the joined datagrams, time of receipt, drops so far. */
static void read_control(struct load_run *run, struct load_conn *conn, struct msghdr *h,
                         struct meaning *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof(segment));
            if (segment > 0)
                ret->segment = (size_t)segment;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec ts;
            memcpy(&ts, CMSG_DATA(c), sizeof(ts));
            ret->arrived = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 - run->io.realtime_us;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t drops;
            memcpy(&drops, CMSG_DATA(c), sizeof(drops));
            run->m.kernel_drops += drops - conn->kernel_drops;
            conn->kernel_drops = drops;
        }
    }
}

static void walk_message(struct load_run *run, struct load_conn *conn, struct mmsghdr *h,
                         mono_us now)
{
    struct meaning meaning = {.segment = h->msg_len, .arrived = now};
    struct addr from;
    read_control(run, conn, &h->msg_hdr, &meaning);
    sockaddr_to_addr(h->msg_hdr.msg_name, ADDR_PROTO_UDP, &from);
    for (size_t at = 0; at < h->msg_len; at += meaning.segment) {
        size_t size = TK_MIN(meaning.segment, h->msg_len - at);
        uint8_t *data = h->msg_hdr.msg_iov->iov_base;
        load__conn_datagram(conn, data + at, size, &from, meaning.arrived, now);
    }
}

void load__io_receive(struct load_run *run, struct load_conn *conn, mono_us now)
{
    struct incoming in;
    int n = LOAD_IN_MESSAGES;
    while (n == LOAD_IN_MESSAGES && conn->fd.fd >= 0) {
        n = receive_batch(conn, &in, take_slots(run));
        if (n <= 0)
            return;
        run->io.slot_next += (size_t)n;
        for (int i = 0; i < n; i++)
            walk_message(run, conn, &in.headers[i], now);
    }
}

void load__io_job(struct load_run *run, struct load_conn *conn, uint8_t *data, size_t size,
                  bool is_rtcp, mono_us arrived)
{
    struct load_io *io = &run->io;
    if (size > DATAGRAM_MAX) {
        run->m.malformed++;
        return;
    }
    io->arrivals[io->job_count] = (struct load_arrival){conn, arrived};
    io->jobs[io->job_count++] = (struct sec_srtp_job){
        .srtp = conn->receive,
        .src = data,
        .dst = data,
        .dst_size = size,
        .head_size = (uint16_t)size,
        .is_rtcp = is_rtcp,
    };
    if (io->job_count == LOAD_JOBS_MAX)
        load__io_flush_jobs(run);
}

void load__io_flush_jobs(struct load_run *run)
{
    struct load_io *io = &run->io;
    size_t count = io->job_count;
    if (count > 0) {
        sec_srtp_unprotect_batch(io->jobs, count);
        io->job_count = 0;
        for (size_t i = 0; i < count; i++)
            load__conn_plain(io->arrivals[i].conn, io->jobs[i].dst, io->jobs[i].result,
                             io->jobs[i].is_rtcp, io->arrivals[i].at);
    }
}

/* ---- out ---- */

static void set_option(int fd, int level, int name, int value)
{
    IGNORE(setsockopt(fd, level, name, &value, sizeof(value))); /* each only helps */
}

int load__io_open_udp(const struct addr *ip, uint16_t port, int *ret_fd)
{
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
    if (bind(fd, (struct sockaddr *)&sa, size) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, LOAD_SOCKET_BUFFER);
    set_option(fd, SOL_SOCKET, SO_RCVBUF, LOAD_SOCKET_BUFFER);
    set_option(fd, SOL_SOCKET, SO_SNDBUF, LOAD_SOCKET_BUFFER);
    set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set_option(fd, IPPROTO_UDP, UDP_GRO, 1);
    *ret_fd = fd;
    return 0;
}

void load__io_send(struct load_conn *conn, const struct addr *to, const uint8_t *data, size_t size)
{
    struct sockaddr_storage sa;
    socklen_t sa_size = sockaddr_from_addr(to, conn->local.family == ADDR_FAMILY_V6, &sa);
    if (sendto(conn->fd.fd, data, size, MSG_DONTWAIT, (struct sockaddr *)&sa, sa_size) < 0)
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

/* ---- timers ---- */

void load__timer_set(struct load_run *run, struct load_timer *t, mono_us at)
{
    int err = timers_set(&run->timers, &t->timer, at);
    CHECK(err == 0); /* out of memory for a pointer: nothing sensible can go on */
}

void load__timer_cancel(struct load_run *run, struct load_timer *t)
{
    timers_cancel(&run->timers, &t->timer);
}
