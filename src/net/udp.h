#ifndef TK_NET_UDP_H
#define TK_NET_UDP_H

/*
 * UDP in batches. In: recvmmsg with GRO; a batch is read into the socket's own buffers and its
 * datagrams are walked in place. Out: the caller reserves room, writes one datagram, commits;
 * consecutive datagrams of equal size to one destination become one GSO message, a shorter last one
 * closes the run; flush sends everything in one sendmmsg. Where the kernel refuses GSO the
 * datagrams leave one by one. One thread per socket. Dual-stack where the machine has IPv6.
 */

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udp_socket;

struct udp_datagram {
    struct addr from;
    struct addr to; /* our address it was sent to */
    const uint8_t *data;
    size_t size;
};

struct udp_stats {
    uint64_t datagrams_in, bytes_in, recv_calls;
    uint64_t datagrams_out, bytes_out, messages_out, send_calls;
    uint64_t send_drops; /* the socket buffer was full, or the destination unreachable */
};

/*
 * Opens and binds a socket; `ip` may be family NONE for all addresses. `port` 0 picks one. Negative
 * errno.
 */
MUST_CHECK int udp_open(const struct addr *ip, uint16_t port, struct udp_socket **ret_socket);
void udp_close(struct udp_socket *s); /* NULL is a no-op */
int udp_fd(const struct udp_socket *s);
uint16_t udp_port(const struct udp_socket *s);

/* Reads one batch. Returns the number of kernel messages, 0 if nothing waits. */
int udp_receive(struct udp_socket *s);
/* The next datagram of the batch; false at its end. Its data stays valid until the next
 * udp_receive(). */
bool udp_next(struct udp_socket *s, struct udp_datagram *ret_datagram);

/*
 * Room for one datagram of at most `size_max` (≤ 1500) bytes from our address `from` (family NONE:
 * the kernel chooses) to `to`. Never NULL: a full batch is flushed first.
 */
uint8_t *udp_reserve(struct udp_socket *s, const struct addr *from, const struct addr *to,
                     size_t size_max);
/* `size` 0 takes the reservation back. */
void udp_commit(struct udp_socket *s, size_t size);
void udp_flush(struct udp_socket *s);

void udp_stats(const struct udp_socket *s, struct udp_stats *ret_stats);

#endif
