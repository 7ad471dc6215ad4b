#ifndef TK_NET_TCP_H
#define TK_NET_TCP_H

/*
 * Framed TCP for ICE (RFC 4571, RFC 6544): every packet is preceded by its length in two bytes. A
 * connection reads whole frames and queues whole frames; both buffers have a maximum. One thread
 * per object.
 */

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_FRAME_MAX     1500        /* larger frames close the connection */
#define TCP_OUT_BYTES_MAX (512 << 10) /* a frame that does not fit is dropped, as UDP would */

struct tcp_conn;

/* A listening socket, dual-stack; `port` 0 picks one. Returns the fd or negative errno. */
MUST_CHECK int tcp_listen(const struct addr *ip, uint16_t port, uint16_t *ret_port);
/* Accepts one connection: its fd, or -EAGAIN, or another negative errno. */
MUST_CHECK int tcp_accept(int listen_fd);
/* Begins to connect (non-blocking): the fd or negative errno. */
MUST_CHECK int tcp_connect(const struct addr *to);

/* Takes over the fd; `id` becomes the `conn` of its addresses. -ENOMEM. */
MUST_CHECK int tcp_conn_create(int fd, uint32_t id, struct tcp_conn **ret_conn);
void tcp_conn_destroy(struct tcp_conn *c); /* NULL is a no-op; closes the fd */
int tcp_conn_fd(const struct tcp_conn *c);
const struct addr *tcp_conn_remote(const struct tcp_conn *c);
const struct addr *tcp_conn_local(const struct tcp_conn *c);

/* Reads what is there. 0, or ERR_CLOSED / ERR_MALFORMED / negative errno: destroy it. */
MUST_CHECK int tcp_conn_receive(struct tcp_conn *c);
/* The next whole frame, valid until the next receive; false = none. */
bool tcp_conn_next(struct tcp_conn *c, const uint8_t **ret_data, size_t *ret_size);
/* The same without taking it out. */
bool tcp_conn_peek(const struct tcp_conn *c, const uint8_t **ret_data, size_t *ret_size);
/* Queues one frame and tries to send. False: dropped because the queue is full or the connection
 * broken. */
bool tcp_conn_send(struct tcp_conn *c, const uint8_t *data, size_t size);
/* Sends what is queued, when writable. */
void tcp_conn_flush(struct tcp_conn *c);
bool tcp_conn_wants_write(const struct tcp_conn *c);

/*
 * Hands the connection to another thread: gives up the fd and copies the bytes read so far (at most
 * TCP_FRAME_MAX + 2 of them) for tcp_conn_preload() over there. The object is destroyed.
 */
int tcp_conn_release(struct tcp_conn *c, uint8_t *ret_bytes, size_t bytes_max, size_t *ret_size);
/* Puts back bytes that were read before the hand-over. ERR_LIMIT. */
MUST_CHECK int tcp_conn_preload(struct tcp_conn *c, const uint8_t *bytes, size_t size);

#endif
