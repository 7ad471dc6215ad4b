#include "net/net_internal.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

/*
 * Sending. Datagrams are written one behind the other into one buffer; those of one size to one
 * path become one message, which the kernel cuts (GSO); all messages leave in one sendmmsg per
 * address family.
 */

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof(((struct udp_path *)0)->to), "room");
_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= sizeof(((struct udp_path *)0)->control),
               "room");
_Static_assert(sizeof(((struct udp_path *)0)->control) + CMSG_SPACE(sizeof(uint16_t)) <=
                   UDP_OUT_CONTROL_SIZE,
               "room");
_Static_assert(sizeof(((struct udp_path *)0)->to) == sizeof(((struct udp_out_address *)0)->to),
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

static uint8_t write_from(uint8_t *control, const struct addr *from)
{
    if (from->family == ADDR_FAMILY_V6) {
        struct in6_pktinfo info = {0};
        in6_from_addr(from, &info.ipi6_addr);
        return (uint8_t)write_control(control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    }
    struct in_pktinfo info = {0};
    memcpy(&info.ipi_spec_dst, from->ip, 4);
    return (uint8_t)write_control(control, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

void udp_path_init(const struct addr *from, const struct addr *to, struct udp_path *ret_path)
{
    struct sockaddr_storage sa;
    bool is_v6 = to->family == ADDR_FAMILY_V6;
    memset(ret_path, 0, sizeof(*ret_path));
    ret_path->family = is_v6 ? UDP_V6 : UDP_V4;
    ret_path->to_size = (uint8_t)sockaddr_from_addr(to, is_v6, &sa);
    memcpy(ret_path->to, &sa, ret_path->to_size);
    /* The source address is pinned, so that answers leave from where the client sent to. */
    if (from->family == to->family)
        ret_path->control_size = write_from(ret_path->control, from);
}

/* ---- sending ---- */

/* Header `at`, for `m`: message `i`, or a part of it. */
static void fill_header(struct udp_socket *s, size_t at, size_t i, const struct udp_out_message *m)
{
    struct msghdr *h = &s->out_headers[at].msg_hdr;
    struct udp_out_address *a = &s->out_addresses[i];
    s->out_vectors[at] = (struct iovec){(void *)m->data, m->size};
    h->msg_name = a->to;
    h->msg_namelen = m->to_size;
    h->msg_iov = &s->out_vectors[at];
    h->msg_iovlen = 1;
    h->msg_control = a->control;
    h->msg_controllen = m->control_size;
    if (m->segments > 1)
        h->msg_controllen += write_control(a->control + m->control_size, IPPROTO_UDP, UDP_SEGMENT,
                                           &m->segment_size, sizeof(m->segment_size));
}

/* The datagrams of a message that was refused as one. */
static void send_segments(struct udp_socket *s, size_t at)
{
    struct udp_out_message m = s->out_messages[s->out_order[at]];
    for (size_t begin = 0; begin < m.size; begin += m.segment_size) {
        struct udp_out_message one = m;
        one.data = m.data + begin;
        one.size = (uint32_t)TK_MIN((size_t)m.segment_size, m.size - begin);
        one.segments = 1;
        fill_header(s, at, s->out_order[at], &one);
        s->stats.send_calls++;
        if (sendmsg(s->families[m.family].fd, &s->out_headers[at].msg_hdr, 0) < 0)
            s->stats.send_drops++;
        else
            s->stats.messages_out++;
    }
}

/* The kernel cannot cut for the device that the way leads through. It may for another one, but each
 * message that is tried in vain costs more than what that would save. */
static bool is_of_device(int err)
{
    return err == EIO || err == EOPNOTSUPP;
}

/* A datagram of the message is longer than this one path takes (EINVAL in older kernels). By
 * itself it leaves in fragments, and runs to everybody else are cut as before. */
static bool is_of_message(int err)
{
    return err == EMSGSIZE || err == EINVAL;
}

/* The kernel refused the message of header `at`. */
static void handle_refusal(struct udp_socket *s, size_t at, int err)
{
    uint8_t segments = s->out_messages[s->out_order[at]].segments;
    if (segments > 1 && (is_of_device(err) || is_of_message(err))) {
        if (is_of_device(err))
            s->gso_err = -err;
        s->stats.runs_refused++;
        send_segments(s, at);
    } else {
        s->stats.send_drops += segments;
    }
}

static size_t fill_headers(struct udp_socket *s, int family)
{
    size_t count = 0;
    for (size_t i = 0; i < s->out_count; i++) {
        if (s->out_messages[i].family != family)
            continue;
        s->out_order[count] = (uint16_t)i;
        fill_header(s, count++, i, &s->out_messages[i]);
    }
    return count;
}

static void send_family(struct udp_socket *s, int family)
{
    size_t count = fill_headers(s, family), at = 0;
    while (at < count) {
        int n = sendmmsg(s->families[family].fd, s->out_headers + at, (unsigned)(count - at), 0);
        s->stats.send_calls++;
        if (n > 0) {
            s->stats.messages_out += (size_t)n;
            at += (size_t)n;
        } else if (errno != EINTR) {
            handle_refusal(s, at++, errno);
        }
    }
}

static void send_messages(struct udp_socket *s)
{
    for (int family = 0; family < UDP_FAMILIES; family++)
        send_family(s, family);
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
           m->size + size <= UDP_OUT_RUN_BYTES && s->gso_err == 0;
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
                                      .family = path->family,
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
        udp_path_init(from, to, &s->own_paths[s->own_count++]);
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
