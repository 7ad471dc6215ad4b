#include "base/addr.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && a->proto == b->proto && a->port == b->port &&
           a->conn == b->conn && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

uint32_t addr_hash(const struct addr *a)
{
    uint32_t h = 2166136261u;
    const uint8_t head[] = {a->family, a->proto, (uint8_t)(a->port >> 8), (uint8_t)a->port};
    for (size_t i = 0; i < sizeof(head); i++)
        h = (h ^ head[i]) * 16777619u;
    for (size_t i = 0; i < sizeof(a->ip); i++)
        h = (h ^ a->ip[i]) * 16777619u;
    return h ^ a->conn * 2654435761u;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};
    if (a->family == ADDR_FAMILY_V4)
        return a->ip[0] == 127;
    return a->family == ADDR_FAMILY_V6 && memcmp(a->ip, v6_loopback, 16) == 0;
}

bool addr_is_link_local(const struct addr *a)
{
    if (a->family == ADDR_FAMILY_V4)
        return a->ip[0] == 169 && a->ip[1] == 254;
    return a->family == ADDR_FAMILY_V6 && a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

int addr_parse_ip(const char *text, struct addr *ret_addr)
{
    struct addr a = {0};
    if (inet_pton(AF_INET, text, a.ip) == 1)
        a.family = ADDR_FAMILY_V4;
    else if (inet_pton(AF_INET6, text, a.ip) == 1)
        a.family = ADDR_FAMILY_V6;
    else
        return ERR_MALFORMED;
    *ret_addr = a;
    return 0;
}

const char *addr_format_ip(const struct addr *a, char buf[ADDR_TEXT_SIZE])
{
    int family = a->family == ADDR_FAMILY_V6 ? AF_INET6 : AF_INET;
    if (a->family == ADDR_FAMILY_NONE || inet_ntop(family, a->ip, buf, ADDR_TEXT_SIZE) == NULL)
        snprintf(buf, ADDR_TEXT_SIZE, "none");
    return buf;
}

const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_SIZE])
{
    char ip[ADDR_TEXT_SIZE];
    addr_format_ip(a, ip);
    if (a->family == ADDR_FAMILY_V6)
        snprintf(buf, ADDR_TEXT_SIZE, "[%.45s]:%u", ip, a->port);
    else
        snprintf(buf, ADDR_TEXT_SIZE, "%.45s:%u", ip, a->port);
    return buf;
}
