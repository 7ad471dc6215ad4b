/* One socket for many connections, told apart by the address that a datagram was sent to. */
#include "load/load_internal.h"

#include "base/bytes.h"
#include "base/err.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_ready(struct load_fd *f, bool is_readable, bool is_writable UNUSED,
                     mono_us now UNUSED)
{
    struct load_run *run = CONTAINER_OF(f, struct load_run, shared.fd);
    if (is_readable)
        load__io_receive_shared(run);
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

static int find_port(struct load_shared *s)
{
    struct sockaddr_storage sa;
    struct addr local = {0};
    socklen_t size = sizeof(sa);
    if (getsockname(s->fd.fd, (struct sockaddr *)&sa, &size) < 0)
        return -errno;
    sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_UDP, &local);
    s->port = local.port;
    return 0;
}

int load__shared_open(struct load_run *run)
{
    const struct load_options *o = run->options;
    struct load_shared *s = &run->shared;
    int one = 1;
    *s = (struct load_shared){.fd = {.fd = -1, .ready = on_ready}};
    if (o->network.family == ADDR_FAMILY_NONE)
        return 0;
    uint32_t addresses = 1u << (32 - o->network_bits);
    s->network = get_u32be(o->network.ip) & ~(addresses - 1);
    s->room = TK_MIN(addresses - 2, (uint32_t)LOAD_SHARED_MAX); /* without the first and last */
    s->conns = calloc(s->room, sizeof(struct load_conn *));
    if (s->conns == NULL)
        return -ENOMEM;
    int err = load__io_open_udp(&(struct addr){0}, 0, LOAD_SHARED_BUFFER, &s->fd.fd);
    if (err == 0 && setsockopt(s->fd.fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) < 0)
        err = -errno;
    if (err == 0)
        err = find_port(s);
    if (err == 0)
        err = load__io_add(run, &s->fd, false);
    if (err < 0)
        return err;
    tell_small_buffer(s->fd.fd);
    return 0;
}

void load__shared_close(struct load_run *run)
{
    load__io_remove(run, &run->shared.fd);
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
