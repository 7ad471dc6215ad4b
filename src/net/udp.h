#ifndef TK_NET_UDP_H
#define TK_NET_UDP_H

/*
 * UDP in batches. In: recvmmsg with GRO; a batch is read into the socket's own buffers and its
 * datagrams are walked in place. Out: the caller takes room, writes datagrams, appends them;
 * consecutive datagrams of equal size to one destination become one GSO message, a shorter last one
 * closes the run; flush sends everything in one sendmmsg. A run that the kernel refuses leaves one
 * by one: one whose datagrams are longer than its path takes whole, or every run from then on where
 * the device cannot cut. One thread per socket.
 *
 * One port in both address families where the machine has them, each with sockets of its own: IPv4
 * through an IPv6 socket costs 0.1 us more per message, of 1.3 to 1.9.
 */

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP_IN_MESSAGES_MAX 32   /* kernel messages read at once */
#define UDP_DATAGRAM_MAX    1500 /* that we send */
#define UDP_ROOM_MAX        (128 << 10)
#define UDP_SOCKET_BUFFER   (4 << 20) /* bytes asked of the kernel, each way */

struct udp_socket;

struct udp_datagram {
    struct addr from;
    struct addr to; /* our address it was sent to */
    const uint8_t *data;
    size_t size;
};

/*
 * A way to somebody: where to, and from which of our addresses, prepared once and used for many
 * datagrams. A path must neither change nor vanish while datagrams to it wait: udp_flush() first.
 */
struct udp_path {
    _Alignas(8) uint8_t to[32];      /* a socket address */
    _Alignas(8) uint8_t control[40]; /* the control message that pins our address */
    uint8_t family;
    uint8_t to_size, control_size; /* the latter 0: the kernel chooses */
};

struct udp_stats {
    uint64_t datagrams_in, bytes_in, recv_calls;
    uint64_t datagrams_out, bytes_out, messages_out, send_calls;
    uint64_t runs_refused; /* by the kernel: their datagrams left one by one */
    uint64_t send_drops;   /* the socket buffer was full, or the destination unreachable */
};

/* What waits in the kernel's queues, and what was dropped because they were full. */
struct udp_backlog {
    uint64_t in_bytes, out_bytes, drops;
};

/*
 * Opens and binds a socket; `ip` may be family NONE (or "::") for all addresses of both families.
 * `port` 0 picks one. Negative errno.
 */
MUST_CHECK int udp_open(const struct addr *ip, uint16_t port, struct udp_socket **ret_socket);
/*
 * The same with a second queue for what can wait: STUN and RTCP, told by their first bytes. The
 * split is a hint about urgency only: datagrams that the kernel joined share the queue of their
 * first. Where the kernel refuses it (Linux before 5.7 without privileges, a sandbox), the socket
 * has one queue, and udp_patient_fd() says why.
 */
MUST_CHECK int udp_open_split(const struct addr *ip, uint16_t port, struct udp_socket **ret_socket);
void udp_close(struct udp_socket *s); /* NULL is a no-op */
/* Readable when something waits: to be watched, and nothing else. */
int udp_fd(const struct udp_socket *s);
/* The queue of what can wait. Negative errno: there is none, and why. */
int udp_patient_fd(const struct udp_socket *s);
/* Whether the kernel cuts (GSO) and joins (GRO) runs of datagrams: 0, or why not, negative errno.
 * The socket works without, only less well. */
int udp_gso(const struct udp_socket *s);
int udp_gro(const struct udp_socket *s);
uint16_t udp_port(const struct udp_socket *s);

/* Reads one batch. Returns the number of kernel messages; below UDP_IN_MESSAGES_MAX nothing waits
 * any more. */
int udp_receive(struct udp_socket *s);
/* The same from the queue of what can wait, which must be there. */
int udp_receive_patient(struct udp_socket *s);
/* The next datagram of the batch; false at its end. Its data stays valid until the next
 * udp_receive() or udp_receive_patient(). */
bool udp_next(struct udp_socket *s, struct udp_datagram *ret_datagram);

/* `from` of family NONE: the kernel chooses. */
void udp_path_init(const struct addr *from, const struct addr *to, struct udp_path *ret_path);

/*
 * Sending a batch that is written in place: room for `size_max` (at most UDP_ROOM_MAX) bytes, never
 * NULL: a full batch is flushed first. The caller writes datagrams into it, one behind the other,
 * and appends each in this order; one that is left out is simply not appended. Only what is
 * appended is sent.
 */
uint8_t *udp_room(struct udp_socket *s, size_t size_max);
void udp_append(struct udp_socket *s, const struct udp_path *path, const uint8_t *data,
                size_t size);

/*
 * Sending one datagram: room for at most `size_max` (at most UDP_DATAGRAM_MAX) bytes from our
 * address `from` (family NONE: the kernel chooses) to `to`. Never NULL.
 */
uint8_t *udp_reserve(struct udp_socket *s, const struct addr *from, const struct addr *to,
                     size_t size_max);
/* `size` 0 takes the reservation back. */
void udp_commit(struct udp_socket *s, size_t size);
void udp_flush(struct udp_socket *s);
/* Gives the receive buffer's memory back; no datagram that was read may still be in use. */
void udp_trim(struct udp_socket *s);

void udp_stats(const struct udp_socket *s, struct udp_stats *ret_stats);
/* Of all queues of the socket. Any thread, while the socket is open. False where the kernel does
 * not tell. */
bool udp_backlog(const struct udp_socket *s, struct udp_backlog *ret_backlog);
/* The bytes that the kernel granted of UDP_SOCKET_BUFFER; the least of all queues. False where it
 * does not tell. */
bool udp_buffers(const struct udp_socket *s, size_t *ret_in, size_t *ret_out);

#endif
