#include "net/net_internal.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

/*
 * Sending. Datagrams are written one behind the other into one buffer; those of one size to one
 * path become one message, which the kernel cuts (GSO); all messages leave in one sendmmsg.
 */

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof(((struct udp_path *)0)->to), "room");
_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= sizeof(((struct udp_path *)0)->control),
               "room");
_Static_assert(sizeof(((struct udp_path *)0)->control) + CMSG_SPACE(sizeof(uint16_t)) <=
                   UDP_OUT_CONTROL_SIZE,
               "room");
_Static_assert(sizeof(((struct udp_path *)0)->to) ==
                   sizeof(((struct udp_out_address *)0)->to),
               "all of it is copied");
_Static_assert(UDP_ROOM_MAX <= UDP_OUT_BYTES_MAX, "room");

/* ---- paths ---- */

static size_t write_control(void *dst, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *c = dst;
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    return CMSG_SPACE(size);
}

void udp_path_init(const struct udp_socket *s, const struct addr *from, const struct addr *to,
                   struct udp_path *ret_path)
{
    struct sockaddr_storage sa;
    memset(ret_path, 0, sizeof(*ret_path));
    ret_path->to_size = (uint8_t)sockaddr_from_addr(to, s->is_v6, &sa);
    memcpy(ret_path->to, &sa, ret_path->to_size);
    if (from->family == ADDR_FAMILY_NONE)
        return;
    /* The source address is pinned, so that answers leave from where the client sent to. */
    if (s->is_v6) {
        struct in6_pktinfo info = {0};
        in6_from_addr(from, &info.ipi6_addr);
        ret_path->control_size = (uint8_t)write_control(ret_path->control, IPPROTO_IPV6,
                                                        IPV6_PKTINFO, &info, sizeof(info));
    } else {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, from->ip, 4);
        ret_path->control_size =
            (uint8_t)write_control(ret_path->control, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    }
}

/* ---- sending ---- */

static void fill_header(struct udp_socket *s, size_t i, const struct udp_out_message *m)
{
    struct msghdr *h = &s->out_headers[i].msg_hdr;
    s->out_vectors[i] = (struct iovec){(void *)m->data, m->size};
    struct udp_out_address *a = &s->out_addresses[i];
    h->msg_name = a->to;
    h->msg_namelen = m->to_size;
    h->msg_iov = &s->out_vectors[i];
    h->msg_iovlen = 1;
    h->msg_control = a->control;
    h->msg_controllen = m->control_size;
    if (m->segments > 1)
        h->msg_controllen += write_control(a->control + m->control_size, IPPROTO_UDP, UDP_SEGMENT,
                                           &m->segment_size, sizeof(m->segment_size));
}

/* The kernel or the device will not cut this message: send its datagrams one by one. */
static void send_segments(struct udp_socket *s, size_t i)
{
    struct udp_out_message m = s->out_messages[i];
    for (size_t at = 0; at < m.size; at += m.segment_size) {
        struct udp_out_message one = m;
        one.data = m.data + at;
        one.size = (uint32_t)TK_MIN((size_t)m.segment_size, m.size - at);
        one.segments = 1;
        fill_header(s, i, &one);
        s->stats.send_calls++;
        if (sendmsg(s->fd, &s->out_headers[i].msg_hdr, 0) < 0)
            s->stats.send_drops++;
    }
}

static void send_messages(struct udp_socket *s)
{
    for (size_t i = 0; i < s->out_count; i++)
        fill_header(s, i, &s->out_messages[i]);
    size_t at = 0;
    while (at < s->out_count) {
        int n = sendmmsg(s->fd, s->out_headers + at, (unsigned)(s->out_count - at), 0);
        s->stats.send_calls++;
        if (n > 0) {
            s->stats.messages_out += (size_t)n;
            at += (size_t)n;
            continue;
        }
        bool is_run = s->out_messages[at].segments > 1;
        if (is_run && (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP)) {
            s->has_gso = errno == EINVAL; /* EINVAL is about this message's sizes only */
            send_segments(s, at);
        } else if (errno != EINTR) {
            s->stats.send_drops += s->out_messages[at].segments;
        } else {
            continue;
        }
        at++;
    }
    s->out_count = 0;
}

void udp_flush(struct udp_socket *s)
{
    send_messages(s);
    s->out_size = 0;
    s->own_count = 0;
}

/* ---- collecting ---- */

uint8_t *udp_room(struct udp_socket *s, size_t size_max)
{
    CHECK(size_max <= UDP_ROOM_MAX);
    if (s->out_size + size_max > UDP_OUT_BYTES_MAX)
        udp_flush(s);
    return s->out_bytes + s->out_size;
}

static bool extends_run(const struct udp_socket *s, const struct udp_out_message *m,
                        const struct udp_path *path, const uint8_t *data, size_t size)
{
    return m->path == path && !m->is_closed && m->data + m->size == data &&
           size <= m->segment_size && m->segments < UDP_OUT_RUN_MAX &&
           m->size + size <= UDP_OUT_RUN_BYTES && s->has_gso;
}

void udp_append(struct udp_socket *s, const struct udp_path *path, const uint8_t *data, size_t size)
{
    struct udp_out_message *m = &s->out_messages[s->out_count];
    if (s->out_count > 0 && extends_run(s, m - 1, path, data, size)) {
        m--;
        m->size += (uint32_t)size;
        m->segments++;
        m->is_closed = size < m->segment_size;
    } else {
        if (s->out_count == UDP_OUT_MESSAGES_MAX) {
            send_messages(s); /* the room that was given out stays where it is */
            m = s->out_messages;
        }
        *m = (struct udp_out_message){.path = path,
                                      .to_size = path->to_size,
                                      .control_size = path->control_size,
                                      .data = data,
                                      .size = (uint32_t)size,
                                      .segment_size = (uint16_t)size,
                                      .segments = 1};
        memcpy(s->out_addresses[s->out_count].to, path->to, sizeof(path->to));
        memcpy(s->out_addresses[s->out_count].control, path->control, sizeof(path->control));
        s->out_count++;
    }
    s->out_size = (size_t)(data + size - s->out_bytes);
    s->stats.datagrams_out++;
    s->stats.bytes_out += size;
}

uint8_t *udp_reserve(struct udp_socket *s, const struct addr *from, const struct addr *to,
                     size_t size_max)
{
    CHECK(size_max <= UDP_DATAGRAM_MAX);
    if (s->out_count == UDP_OUT_MESSAGES_MAX || s->own_count == UDP_OUT_MESSAGES_MAX)
        udp_flush(s);
    uint8_t *room = udp_room(s, size_max);
    bool is_same =
        s->own_count > 0 && addr_equal(&s->reserved_to, to) && addr_equal(&s->reserved_from, from);
    if (!is_same) {
        udp_path_init(s, from, to, &s->own_paths[s->own_count++]);
        s->reserved_from = *from;
        s->reserved_to = *to;
    }
    return room;
}

void udp_commit(struct udp_socket *s, size_t size)
{
    if (size > 0)
        udp_append(s, &s->own_paths[s->own_count - 1], s->out_bytes + s->out_size, size);
}
