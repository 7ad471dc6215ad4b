#ifndef TK_NET_SOCKADDR_H
#define TK_NET_SOCKADDR_H

/*
 * struct addr to and from the system's socket addresses. Our TCP sockets are dual-stack IPv6 where
 * the machine has it, so IPv4 goes in and out as mapped addresses (RFC 4291, 2.5.5.2); UDP has
 * sockets of each family.
 */

#include "base/addr.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* Unmaps IPv4-mapped addresses. `proto` is an enum addr_proto. */
void sockaddr_to_addr(const struct sockaddr *sa, uint8_t proto, struct addr *ret_addr);

/* The port a socket is bound to. Negative errno. */
MUST_CHECK int sockaddr_bound_port(int fd, uint16_t *ret_port);

/* For a dual-stack socket (`is_v6`) or an IPv4 one. Returns the length. */
socklen_t sockaddr_from_addr(const struct addr *a, bool is_v6, struct sockaddr_storage *ret_sa);

void in6_to_addr(const struct in6_addr *ip, struct addr *ret_addr);
void in6_from_addr(const struct addr *a, struct in6_addr *ret_ip);

/*
 * Lists this machine's addresses that a client could reach: no link-local ones, loopback only if
 * asked. Returns the number filled, or negative errno.
 */
MUST_CHECK int net_list_addrs(bool has_loopback, struct addr *ret_addrs, size_t addrs_max,
                              char (*ret_names)[16]);

#endif
