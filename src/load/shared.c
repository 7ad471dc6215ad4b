/* One port for many connections, told apart by the address that a datagram was sent to. */
#include "load/load_internal.h"

#include "base/bytes.h"
#include "base/err.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Two sockets have the port: what joins and keeps a connection (STUN, DTLS) is not to wait behind
 * the media of thousands. The kernel chooses by the first byte (RFC 7983), by the order in which
 * the sockets were bound.
 */
enum { CALLS, MEDIA };

#define BUDGET_US MONO_MS(2) /* of reading, before something else gets its turn */

static const struct sock_filter chooser[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1, 0, 2), /* empty */
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 128, 1, 0), /* RTP or RTCP */
    BPF_STMT(BPF_RET | BPF_K, CALLS),
    BPF_STMT(BPF_RET | BPF_K, MEDIA),
};

static bool receive_calls(struct load_run *run)
{
    return load__io_receive_shared(run, &run->shared.calls, &run->shared.calls_drops);
}

/* Calls again before each batch of media: the keys of a connection come before its media. */
static void receive_all(struct load_run *run)
{
    mono_us until = mono_now() + BUDGET_US;
    bool has_more = true;
    while (has_more && mono_now() < until) {
        has_more = receive_calls(run);
        has_more |= load__io_receive_shared(run, &run->shared.media, &run->shared.media_drops);
    }
    run->shared.read_at = mono_now();
}

static void on_calls(struct load_fd *f, bool is_readable, bool is_writable UNUSED,
                     mono_us now UNUSED)
{
    if (is_readable)
        receive_all(CONTAINER_OF(f, struct load_run, shared.calls));
}

static void on_media(struct load_fd *f, bool is_readable, bool is_writable UNUSED,
                     mono_us now UNUSED)
{
    if (is_readable)
        receive_all(CONTAINER_OF(f, struct load_run, shared.media));
}

void load__shared_keep_up(struct load_run *run)
{
    if (run->shared.media.fd >= 0 && mono_now() - run->shared.read_at > MONO_MS(1))
        receive_all(run);
}

/* A small buffer is no failure: what is lost by it is counted and told at the end. */
static void tell_small_buffer(int fd)
{
    int size = 0;
    socklen_t length = sizeof(size);
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length) == 0 && size < LOAD_SHARED_BUFFER_MIN)
        fprintf(stderr,
                "tongke load: the socket of all subscribers has a buffer of only %d KiB: "
                "net.core.rmem_max is small, and we may not go beyond it\n",
                size >> 10);
}

static int open_one(struct load_run *run, struct load_fd *f)
{
    int one = 1;
    int err = load__io_open_udp(&(struct addr){0}, run->shared.port, true, &f->fd);
    if (err == 0 && setsockopt(f->fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) < 0)
        err = -errno;
    return err == 0 ? load__io_add(run, f, false) : err;
}

static int open_both(struct load_run *run)
{
    struct load_shared *s = &run->shared;
    const struct sock_fprog program = {ARRAY_COUNT(chooser), (struct sock_filter *)chooser};
    int err = open_one(run, &s->calls);
    if (err == 0)
        err = sockaddr_bound_port(s->calls.fd, &s->port);
    if (err == 0)
        err = open_one(run, &s->media);
    if (err == 0 && setsockopt(s->media.fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                               sizeof(program)) < 0)
        err = -errno;
    return err;
}

int load__shared_open(struct load_run *run)
{
    const struct load_options *o = run->options;
    struct load_shared *s = &run->shared;
    *s = (struct load_shared){
        .calls = {.fd = -1, .ready = on_calls},
        .media = {.fd = -1, .ready = on_media},
    };
    if (o->network.family == ADDR_FAMILY_NONE)
        return 0;
    uint32_t addresses = 1u << (32 - o->network_bits);
    s->network = get_u32be(o->network.ip) & ~(addresses - 1);
    s->room = TK_MIN(addresses - 2, (uint32_t)LOAD_SHARED_MAX); /* without the first and last */
    s->conns = calloc(s->room, sizeof(struct load_conn *));
    if (s->conns == NULL)
        return -ENOMEM;
    int err = open_both(run);
    if (err < 0)
        return err;
    tell_small_buffer(s->media.fd);
    return 0;
}

void load__shared_close(struct load_run *run)
{
    load__io_remove(run, &run->shared.calls);
    load__io_remove(run, &run->shared.media);
    free(run->shared.conns);
    run->shared.conns = NULL;
    run->shared.used = 0;
}

int load__shared_add(struct load_run *run, struct load_conn *conn)
{
    struct load_shared *s = &run->shared;
    if (s->used == s->room)
        return ERR_LIMIT;
    conn->is_shared = true;
    conn->local = (struct addr){.family = ADDR_FAMILY_V4, .port = s->port};
    put_u32be(conn->local.ip, s->network + 1 + s->used);
    s->conns[s->used++] = conn;
    return 0;
}

static struct load_conn **place_of(const struct load_run *run, uint32_t ip)
{
    uint32_t index = get_u32be((const uint8_t *)&ip) - run->shared.network - 1;
    return index < run->shared.used ? &run->shared.conns[index] : NULL;
}

struct load_conn *load__shared_find(const struct load_run *run, uint32_t ip)
{
    struct load_conn **place = place_of(run, ip);
    return place != NULL ? *place : NULL;
}

void load__shared_remove(struct load_run *run, struct load_conn *conn)
{
    uint32_t ip;
    memcpy(&ip, conn->local.ip, sizeof(ip));
    struct load_conn **place = place_of(run, ip);
    if (place != NULL && *place == conn)
        *place = NULL; /* an address is not given twice: late packets would reach the wrong one */
}
