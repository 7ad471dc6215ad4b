#ifndef TK_BASE_ADDR_H
#define TK_BASE_ADDR_H

/*
 * A transport address: IPv4 or IPv6, port, and UDP or TCP. A plain value, compared byte by byte,
 * with no dependence on the system's socket headers, so that sans-IO modules can hold it.
 */

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum addr_family { ADDR_FAMILY_NONE, ADDR_FAMILY_V4, ADDR_FAMILY_V6 };
enum addr_proto { ADDR_PROTO_UDP, ADDR_PROTO_TCP };

struct addr {
    uint8_t family; /* enum addr_family */
    uint8_t proto;  /* enum addr_proto */
    uint16_t port;  /* host byte order */
    uint32_t conn;  /* TCP: identifies the connection within its worker; 0 for UDP */
    uint8_t ip[16]; /* network byte order; IPv4 uses the first four, the rest are zero */
};

#define ADDR_TEXT_SIZE 64 /* "[v6]:port" with the terminating zero */

bool addr_equal(const struct addr *a, const struct addr *b);
uint32_t addr_hash(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
bool addr_is_link_local(const struct addr *a);

/* Parses an IP literal without a port into `ret_addr` (port and proto stay zero). ERR_MALFORMED. */
MUST_CHECK int addr_parse_ip(const char *text, struct addr *ret_addr);

/* Writes "1.2.3.4:5" or "[::1]:5", always terminated; returns `buf`. */
const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_SIZE]);

/* Writes the IP literal only, always terminated; returns `buf`. */
const char *addr_format_ip(const struct addr *a, char buf[ADDR_TEXT_SIZE]);

#endif
