#include "net/net_internal.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * Opening and closing: one port, a descriptor in each address family that the machine has, and
 * where two queues are wanted, those (udp_split.c).
 */

#define PORT_ROUNDS_MAX 16 /* a port that is free in one family may be taken in the other */

static const int families[UDP_FAMILIES] = {[UDP_V4] = AF_INET, [UDP_V6] = AF_INET6};

/* ---- opening ---- */

static int set_on(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int set_options(int fd, int family, bool is_shared)
{
    int buffer = UDP_SOCKET_BUFFER, err;
    if (family == UDP_V6) {
        err = set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
        if (err == 0)
            err = set_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    } else {
        err = set_on(fd, IPPROTO_IP, IP_PKTINFO);
    }
    if (err == 0 && is_shared)
        err = set_on(fd, SOL_SOCKET, SO_REUSEPORT);
    /* Larger buffers are a wish: without them the socket works, only less well. */
    IGNORE(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)));
    IGNORE(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)));
    return err;
}

static int bind_to(int fd, int family, const struct addr *ip, uint16_t port)
{
    bool is_v6 = family == UDP_V6, is_of_family = (ip->family == ADDR_FAMILY_V6) == is_v6;
    struct addr bound = {.port = port};
    if (is_of_family)
        memcpy(bound.ip, ip->ip, sizeof(bound.ip));
    bound.family = is_v6 ? ADDR_FAMILY_V6 : ADDR_FAMILY_V4;
    struct sockaddr_storage sa;
    socklen_t size = sockaddr_from_addr(&bound, is_v6, &sa);
    return bind(fd, (struct sockaddr *)&sa, size) < 0 ? -errno : 0;
}

int udp__open_bound(int family, const struct addr *ip, uint16_t port, bool is_shared)
{
    int fd = socket(families[family], SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = set_options(fd, family, is_shared);
    if (err == 0)
        err = bind_to(fd, family, ip, port);
    if (err < 0) {
        close(fd);
        return err;
    }
    return fd;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_fds(struct udp_socket *s)
{
    for (int i = 0; i < UDP_FAMILIES; i++) {
        close_fd(&s->families[i].fd);
        close_fd(&s->families[i].patient_fd);
        close_fd(&s->families[i].guard_fds[0]);
        close_fd(&s->families[i].guard_fds[1]);
    }
    close_fd(&s->either_fd);
    close_fd(&s->either_patient_fd);
}

/* The machine does not have the family. */
static bool is_absent(int err)
{
    return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL;
}

/* One descriptor for each family that `ip` means and the machine has, all on one port. */
static int open_families(struct udp_socket *s, const struct addr *ip, uint16_t port)
{
    static const struct addr v6_any = {.family = ADDR_FAMILY_V6};
    bool is_both = ip->family == ADDR_FAMILY_NONE ||
                   (ip->family == ADDR_FAMILY_V6 && memcmp(ip->ip, v6_any.ip, 16) == 0);
    int err = 0;
    s->port = port;
    for (int family = 0; family < UDP_FAMILIES; family++) {
        if (!is_both && (ip->family == ADDR_FAMILY_V6) != (family == UDP_V6))
            continue;
        int fd = udp__open_bound(family, ip, s->port, false);
        if (fd < 0 && !(is_both && is_absent(fd)))
            return fd;
        s->families[family].fd = fd;
        err = fd < 0 ? fd : sockaddr_bound_port(fd, &s->port);
    }
    return s->families[UDP_V4].fd >= 0 || s->families[UDP_V6].fd >= 0 ? 0 : err;
}

/* A descriptor that is readable when one of two is. */
static int watch_both(int a, int b, int *ret_fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    *ret_fd = epoll_create1(EPOLL_CLOEXEC);
    if (*ret_fd < 0 || epoll_ctl(*ret_fd, EPOLL_CTL_ADD, a, &event) < 0 ||
        epoll_ctl(*ret_fd, EPOLL_CTL_ADD, b, &event) < 0)
        return -errno;
    return 0;
}

static int watch_families(struct udp_socket *s)
{
    const struct udp_family *v4 = &s->families[UDP_V4], *v6 = &s->families[UDP_V6];
    int err = 0;
    if (v4->fd >= 0 && v6->fd >= 0)
        err = watch_both(v4->fd, v6->fd, &s->either_fd);
    if (err == 0 && v4->patient_fd >= 0 && v6->patient_fd >= 0)
        err = watch_both(v4->patient_fd, v6->patient_fd, &s->either_patient_fd);
    return err;
}

static int open_fds(struct udp_socket *s, const struct addr *ip, uint16_t port, bool is_split)
{
    int err, rounds = 0;
    do {
        close_fds(s);
        err = open_families(s, ip, port);
    } while (err == -EADDRINUSE && port == 0 && ++rounds < PORT_ROUNDS_MAX);
    if (err == 0 && is_split)
        err = udp__split(s, ip);
    if (err == 0)
        err = watch_families(s);
    if (err < 0)
        close_fds(s);
    return err;
}

static int create(struct udp_socket **ret_socket)
{
    struct udp_socket *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    for (int i = 0; i < UDP_FAMILIES; i++)
        s->families[i] = (struct udp_family){-1, -1, {-1, -1}};
    s->either_fd = s->either_patient_fd = -1;
    s->patient_err = -ENOTSUP;
    s->in_bytes = malloc((size_t)UDP_IN_MESSAGES_MAX * UDP_IN_MESSAGE_SIZE);
    s->out_bytes = malloc(UDP_OUT_BYTES_MAX);
    if (s->in_bytes == NULL || s->out_bytes == NULL) {
        udp_close(s);
        return -ENOMEM;
    }
    *ret_socket = s;
    return 0;
}

/*
 * Runs of datagrams. A kernel that does not know UDP_SEGMENT (before 4.18) must not be tried: it
 * takes no notice of it and sends the run as one datagram. Before 5.0 it does not know UDP_GRO.
 */
static void ask_for_runs(struct udp_socket *s, int fd)
{
    int segment;
    socklen_t size = sizeof(segment);
    if (fd < 0)
        return;
    if (getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, &size) < 0)
        s->gso_err = -errno;
    int err = set_on(fd, IPPROTO_UDP, UDP_GRO);
    if (err < 0)
        s->gro_err = err;
}

static int finish(struct udp_socket *s, int err, struct udp_socket **ret_socket)
{
    if (err < 0) {
        udp_close(s);
        return err;
    }
    for (int i = 0; i < UDP_FAMILIES; i++) {
        ask_for_runs(s, s->families[i].fd);
        ask_for_runs(s, s->families[i].patient_fd);
    }
    *ret_socket = s;
    return 0;
}

int udp_open(const struct addr *ip, uint16_t port, struct udp_socket **ret_socket)
{
    struct udp_socket *s;
    int err = create(&s);
    return err < 0 ? err : finish(s, open_fds(s, ip, port, false), ret_socket);
}

int udp_open_split(const struct addr *ip, uint16_t port, struct udp_socket **ret_socket)
{
    struct udp_socket *s;
    int err = create(&s);
    if (err < 0)
        return err;
    err = s->patient_err = open_fds(s, ip, port, true);
    if (err < 0)
        err = open_fds(s, ip, port, false);
    return finish(s, err, ret_socket);
}

void udp_close(struct udp_socket *s)
{
    if (s == NULL)
        return;
    close_fds(s);
    free(s->in_bytes);
    free(s->out_bytes);
    free(s);
}

/* Of a socket that has one family only. */
static const struct udp_family *only_family(const struct udp_socket *s)
{
    return &s->families[s->families[UDP_V4].fd >= 0 ? UDP_V4 : UDP_V6];
}

int udp_fd(const struct udp_socket *s)
{
    return s->either_fd >= 0 ? s->either_fd : only_family(s)->fd;
}

int udp_patient_fd(const struct udp_socket *s)
{
    if (s->patient_err < 0)
        return s->patient_err;
    return s->either_patient_fd >= 0 ? s->either_patient_fd : only_family(s)->patient_fd;
}

int udp_gso(const struct udp_socket *s)
{
    return s->gso_err;
}

int udp_gro(const struct udp_socket *s)
{
    return s->gro_err;
}

uint16_t udp_port(const struct udp_socket *s)
{
    return s->port;
}
