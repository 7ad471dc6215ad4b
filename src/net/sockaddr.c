#include "net/sockaddr.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

void in6_to_addr(const struct in6_addr *ip, struct addr *ret_addr)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        ret_addr->family = ADDR_FAMILY_V4;
        memset(ret_addr->ip, 0, sizeof(ret_addr->ip));
        memcpy(ret_addr->ip, ip->s6_addr + 12, 4);
        return;
    }
    ret_addr->family = ADDR_FAMILY_V6;
    memcpy(ret_addr->ip, ip->s6_addr, 16);
}

void in6_from_addr(const struct addr *a, struct in6_addr *ret_ip)
{
    memset(ret_ip, 0, sizeof(*ret_ip));
    if (a->family == ADDR_FAMILY_V4) {
        ret_ip->s6_addr[10] = 0xff;
        ret_ip->s6_addr[11] = 0xff;
        memcpy(ret_ip->s6_addr + 12, a->ip, 4);
        return;
    }
    memcpy(ret_ip->s6_addr, a->ip, 16);
}

void sockaddr_to_addr(const struct sockaddr *sa, uint8_t proto, struct addr *ret_addr)
{
    memset(ret_addr, 0, sizeof(*ret_addr));
    ret_addr->proto = proto;
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        ret_addr->family = ADDR_FAMILY_V4;
        ret_addr->port = ntohs(in->sin_port);
        memcpy(ret_addr->ip, &in->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;
        in6_to_addr(&in6->sin6_addr, ret_addr);
        ret_addr->port = ntohs(in6->sin6_port);
    }
}

socklen_t sockaddr_from_addr(const struct addr *a, bool is_v6, struct sockaddr_storage *ret_sa)
{
    memset(ret_sa, 0, sizeof(*ret_sa));
    if (!is_v6) {
        struct sockaddr_in *in = (void *)ret_sa;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (void *)ret_sa;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    if (a->family != ADDR_FAMILY_NONE)
        in6_from_addr(a, &in6->sin6_addr);
    return sizeof(*in6);
}

int sockaddr_bound_port(int fd, uint16_t *ret_port)
{
    struct sockaddr_storage sa;
    socklen_t size = sizeof(sa);
    struct addr bound;
    if (getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
        return -errno;
    sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_UDP, &bound);
    *ret_port = bound.port;
    return 0;
}

int net_list_addrs(bool has_loopback, struct addr *ret_addrs, size_t addrs_max,
                   char (*ret_names)[16])
{
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0)
        return -errno;
    size_t count = 0;
    for (struct ifaddrs *i = all; i != NULL && count < addrs_max; i = i->ifa_next) {
        if (i->ifa_addr == NULL || !(i->ifa_flags & IFF_UP))
            continue;
        struct addr a;
        sockaddr_to_addr(i->ifa_addr, ADDR_PROTO_UDP, &a);
        if (a.family == ADDR_FAMILY_NONE || addr_is_link_local(&a))
            continue;
        if (addr_is_loopback(&a) && !has_loopback)
            continue;
        if (ret_names != NULL)
            snprintf(ret_names[count], 16, "%.15s", i->ifa_name);
        ret_addrs[count++] = a;
    }
    freeifaddrs(all);
    return (int)count;
}
