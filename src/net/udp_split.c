#include "net/net_internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>

/*
 * One port, two sockets for each address family: the kernel looks at the first bytes of a datagram
 * (RFC 7983, RFC 5761 4) and puts what can wait (STUN, RTCP) into one, everything else into the
 * other. Both are in one SO_REUSEPORT group, whose program chooses by the index of their binding.
 *
 * A port in such a group is open to every other socket of the same user that asks for
 * SO_REUSEPORT: the kernel goes by the first socket on the port that it finds. Two guards keep it
 * shut, one bound before and one after the two, so that a guard is found first wherever the kernel
 * puts new sockets. They have left the group, and listen on a network interface that does not
 * exist: nothing ever reaches them.
 */

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

#define NO_INTERFACE INT_MAX /* the kernel counts them from 1 */

enum { PROMPT, PATIENT }; /* by their order of binding */

/* A load beyond the end would end the program with 0; it asks for the length all the same. */
static const struct sock_filter chooser[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 2, 0, 7), /* too short for either */
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 3, 0, 6), /* 0..3: STUN */
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xc0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x80, 0, 3), /* 128..191: RTP or RTCP */
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xe0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xc0, 1, 0), /* 192..223: RTCP */
    BPF_STMT(BPF_RET | BPF_K, PROMPT),
    BPF_STMT(BPF_RET | BPF_K, PATIENT),
};

static int set(int fd, int option, int value)
{
    return setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int open_shared(const struct udp_socket *s, int family, const struct addr *ip, int *ret_fd)
{
    *ret_fd = udp__open_bound(family, ip, s->port, true);
    return TK_MIN(*ret_fd, 0);
}

/* Also takes it out of the group; where a kernel leaves it there, it is last and never chosen. */
static int make_deaf(int guard)
{
    return set(guard, SO_BINDTOIFINDEX, NO_INTERFACE);
}

static int attach_chooser(int fd)
{
    const struct sock_fprog program = {ARRAY_COUNT(chooser), (struct sock_filter *)chooser};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0
               ? -errno
               : 0;
}

static int split(struct udp_socket *s, int family, const struct addr *ip)
{
    struct udp_family *f = &s->families[family];
    int *guards = f->guard_fds;
    guards[0] = f->fd; /* bound exclusively: the port was free */
    f->fd = -1;
    int err = make_deaf(guards[0]);
    if (err == 0)
        err = set(guards[0], SO_REUSEPORT, 1);
    if (err == 0)
        err = open_shared(s, family, ip, &f->fd);
    if (err == 0)
        err = open_shared(s, family, ip, &f->patient_fd);
    if (err == 0)
        err = open_shared(s, family, ip, &guards[1]);
    if (err == 0)
        err = make_deaf(guards[1]);
    if (err == 0)
        err = attach_chooser(f->fd);
    for (size_t i = 0; i < 2 && err == 0; i++)
        err = set(guards[i], SO_REUSEPORT, 0);
    return err;
}

int udp__split(struct udp_socket *s, const struct addr *ip)
{
    int err = 0;
    for (int family = 0; family < UDP_FAMILIES && err == 0; family++)
        if (s->families[family].fd >= 0)
            err = split(s, family, ip);
    return err;
}
