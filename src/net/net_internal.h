#ifndef TK_NET_NET_INTERNAL_H
#define TK_NET_NET_INTERNAL_H

/* The UDP socket's own struct, shared by udp_open.c, udp_split.c (what can wait), udp.c
 * (receiving) and udp_send.c. Functions return negative errno. */

#include "net/udp.h"

#include <netinet/in.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define UDP_IN_MESSAGE_SIZE  65535       /* GRO joins datagrams up to the largest UDP payload */
#define UDP_OUT_MESSAGES_MAX 512         /* of one sendmmsg */
#define UDP_OUT_BYTES_MAX    (256 << 10) /* what the kernel reads is still in L2 */
#define UDP_OUT_RUN_MAX      64          /* segments of a GSO message (UDP_MAX_SEGMENTS) */
#define UDP_OUT_RUN_BYTES    65000       /* and their sum must fit one UDP length field */
#define UDP_CONTROL_SIZE     128         /* of a message that comes in */
#define UDP_OUT_CONTROL_SIZE 64          /* our address, and the size of segments */

struct udp_in_message {
    struct sockaddr_storage from;
    _Alignas(8) uint8_t control[UDP_CONTROL_SIZE];
};

/* Datagrams of one size to one path, one behind the other; only the last may be shorter. */
struct udp_out_message {
    const struct udp_path *path; /* only to tell it from others */
    const uint8_t *data;
    uint8_t family, to_size, control_size; /* of its address */
    uint32_t size;
    uint16_t segment_size; /* of every datagram but the last */
    uint8_t segments;
    bool is_closed; /* a shorter datagram ended the run */
};

enum { UDP_V4, UDP_V6, UDP_FAMILIES };

/* What one address family has of the port; descriptors that are negative are not there. */
struct udp_family {
    int fd;
    int patient_fd;
    int guard_fds[2]; /* with patient_fd only */
};

/* Where to and from where: a copy, as hundreds of paths are in no cache any more when the kernel
 * reads them. */
struct udp_out_address {
    _Alignas(8) uint8_t to[32];
    _Alignas(8) uint8_t control[UDP_OUT_CONTROL_SIZE];
};

struct udp_socket {
    struct udp_family families[UDP_FAMILIES];
    int either_fd;         /* readable when either family's `fd` is; negative with one family */
    int either_patient_fd; /* the same of what can wait */
    int patient_err;       /* why nothing has a `patient_fd`; 0: every family that is there has */
    int gso_err, gro_err;  /* why the kernel does not cut, or join, runs; 0: it does */
    uint16_t port;

    /* The batch being read: message `in_at` from byte `in_offset`. */
    int in_first; /* the family that is read first, in turns */
    struct mmsghdr in_headers[UDP_IN_MESSAGES_MAX];
    struct iovec in_vectors[UDP_IN_MESSAGES_MAX];
    struct udp_in_message in_messages[UDP_IN_MESSAGES_MAX];
    uint8_t *in_bytes;
    int in_count, in_at;
    size_t in_offset;
    struct addr in_from, in_to;
    size_t in_segment;

    /* The batch being written: messages point into out_bytes. */
    struct udp_out_message out_messages[UDP_OUT_MESSAGES_MAX];
    uint16_t out_order[UDP_OUT_MESSAGES_MAX]; /* the message of each header */
    struct mmsghdr out_headers[UDP_OUT_MESSAGES_MAX];
    struct iovec out_vectors[UDP_OUT_MESSAGES_MAX];
    struct udp_out_address out_addresses[UDP_OUT_MESSAGES_MAX];
    uint8_t *out_bytes;
    size_t out_count, out_size;

    /* Paths made here, for udp_reserve(): at most one per message. */
    struct udp_path own_paths[UDP_OUT_MESSAGES_MAX];
    size_t own_count;
    struct addr reserved_from, reserved_to; /* of the newest own path */

    struct udp_stats stats;
};

/* A descriptor of the family with the options that all have, bound to `ip` (to all addresses if
 * that is of another family) and `port`; is_shared: to a port that others may share. */
MUST_CHECK int udp__open_bound(int family, const struct addr *ip, uint16_t port, bool is_shared);
/* Puts guards and a second queue beside the descriptor of each family that is there. Where it fails
 * what it opened is left for closing. */
MUST_CHECK int udp__split(struct udp_socket *s, const struct addr *ip);

#endif
