/* The media transport of one client: UDP or ICE-TCP sockets, the peer, the data channels. */
#include "base/err.h"
#include "base/id.h"
#include "base/strbuf.h"
#include "client/client_internal.h"
#include "dchan/dchan.h"
#include "net/sockaddr.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "rtp/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UFRAG_LENGTH 8
#define PWD_LENGTH   24

void client__link_new_credentials(struct client *c)
{
    id_random_text(&c->hub->rng, c->link.ufrag, UFRAG_LENGTH);
    id_random_text(&c->hub->rng, c->link.pwd, PWD_LENGTH);
}

static int open_udp(struct client *c, struct udp_socket **ret_udp, struct client_fd *fd)
{
    struct udp_socket *udp = NULL;
    int err = udp_open(&(struct addr){0}, 0, &udp);
    if (err < 0)
        return err;
    *fd = (struct client_fd){.client = c};
    err = loop_add(&c->hub->loop, udp_fd(udp), false, fd);
    if (err < 0) {
        udp_close(udp);
        return err;
    }
    *ret_udp = udp;
    return 0;
}

static void close_udp(struct client *c, struct udp_socket **udp)
{
    if (*udp == NULL)
        return;
    loop_remove(&c->hub->loop, udp_fd(*udp));
    udp_close(*udp);
    *udp = NULL;
}

int client__link_open(struct client *c)
{
    struct client_link *l = &c->link;
    memset(l, 0, sizeof(*l));
    l->client = c;
    client__link_new_credentials(c);
    return c->config.is_tcp_only ? 0 : open_udp(c, &l->udp, &l->udp_fd);
}

static void drop_tcp(struct client_link *l, struct client_fd *fd)
{
    if (fd->tcp == NULL)
        return;
    loop_remove(&l->client->hub->loop, tcp_conn_fd(fd->tcp));
    tcp_conn_destroy(fd->tcp);
    fd->tcp = NULL;
}

void client__link_close(struct client *c)
{
    struct client_link *l = &c->link;
    dchan_assoc_destroy(l->dchan);
    peer_destroy(l->peer);
    for (size_t i = 0; i < l->tcp_count; i++)
        drop_tcp(l, &l->tcps[i]);
    close_udp(c, &l->udp);
    memset(l, 0, sizeof(*l));
    l->client = c;
}

/* ---- addresses ---- */

/* Our address on the way to `to`: the kernel's routing says, by a connected socket. */
static int local_addr_for(const struct addr *to, uint16_t port, struct addr *ret_local)
{
    struct sockaddr_storage sa;
    bool is_v6 = to->family == ADDR_FAMILY_V6;
    socklen_t size = sockaddr_from_addr(to, is_v6, &sa);
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = 0;
    if (connect(fd, (struct sockaddr *)&sa, size) < 0)
        err = -errno;
    size = sizeof(sa);
    if (err == 0 && getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
        err = -errno;
    close(fd);
    if (err < 0)
        return err;
    sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_UDP, ret_local);
    ret_local->port = port;
    return 0;
}

/* A way to the candidate that we do not have is no error: there may be others. */
static int add_udp_candidate(struct client *c, const struct addr *candidate, uint32_t priority,
                             mono_us now)
{
    struct addr local;
    if (local_addr_for(candidate, udp_port(c->link.udp), &local) < 0)
        return 0;
    int err = peer_add_local_addr(c->link.peer, &local);
    if (err < 0 && err != ERR_EXISTS)
        return err;
    err = peer_add_remote_candidate(c->link.peer, candidate, priority, now);
    return err == ERR_EXISTS ? 0 : err;
}

static int add_tcp_candidate(struct client *c, const struct addr *candidate, uint32_t priority,
                             mono_us now)
{
    struct client_link *l = &c->link;
    if (l->tcp_count == CLIENT_TCP_MAX)
        return 0;
    int fd = tcp_connect(candidate);
    if (fd < 0)
        return 0;
    struct client_fd *slot = &l->tcps[l->tcp_count];
    *slot = (struct client_fd){.client = c};
    int err = tcp_conn_create(fd, (uint32_t)l->tcp_count + 1, &slot->tcp);
    if (err < 0) {
        close(fd);
        return err;
    }
    err = loop_add(&c->hub->loop, fd, true, slot);
    if (err < 0) {
        tcp_conn_destroy(slot->tcp);
        slot->tcp = NULL;
        return err;
    }
    l->tcp_count++;
    err = peer_add_local_addr(l->peer, tcp_conn_local(slot->tcp));
    if (err == 0 || err == ERR_EXISTS)
        err = peer_add_remote_candidate(l->peer, tcp_conn_remote(slot->tcp), priority, now);
    return err == ERR_EXISTS ? 0 : err;
}

static bool is_known(const struct client_link *l, const struct addr *candidate)
{
    for (size_t i = 0; i < l->candidate_count; i++)
        if (addr_equal(&l->candidates[i], candidate))
            return true;
    return false;
}

static int add_candidates(struct client *c, const struct sdp_session *answer, mono_us now)
{
    struct client_link *l = &c->link;
    int err = 0;
    for (size_t i = 0; i < answer->section_count && err == 0; i++) {
        const struct sdp_section *m = &answer->sections[i];
        for (size_t k = 0; k < m->candidate_count && err == 0; k++) {
            const struct sdp_candidate *candidate = &m->candidates[k];
            bool is_tcp = candidate->addr.proto == ADDR_PROTO_TCP;
            if (is_tcp != c->config.is_tcp_only || is_known(l, &candidate->addr) ||
                l->candidate_count == SDP_CANDIDATES_MAX)
                continue;
            l->candidates[l->candidate_count++] = candidate->addr;
            err = is_tcp ? add_tcp_candidate(c, &candidate->addr, candidate->priority, now)
                         : add_udp_candidate(c, &candidate->addr, candidate->priority, now);
        }
    }
    return err;
}

/* ---- the peer ---- */

static int make_peer(struct client *c, const struct sdp_transport *remote, mono_us now)
{
    struct client_link *l = &c->link;
    bool is_dtls_client = remote->setup != SDP_SETUP_ACTIVE;
    struct peer_config config = {
        .is_controlling = true,
        .dtls_role = is_dtls_client ? PEER_DTLS_CLIENT : PEER_DTLS_SERVER,
        .cert = c->hub->cert,
        .rng = &c->hub->rng,
        .srtp = c->config.srtp,
    };
    memcpy(config.local_ufrag, l->ufrag, sizeof(config.local_ufrag));
    memcpy(config.local_pwd, l->pwd, sizeof(config.local_pwd));
    int err = peer_create(&config, now, &l->peer);
    if (err < 0 || !c->config.has_data)
        return err;
    err = dchan_assoc_create(&(struct dchan_config){.is_dtls_client = is_dtls_client}, &l->dchan);
    if (err == 0)
        err = dchan_assoc_open(l->dchan, "_reliable", true, DCHAN_RETRANSMITS_FULL,
                               &l->reliable_stream);
    if (err == 0)
        err = dchan_assoc_open(l->dchan, "_lossy", false, 0, &l->lossy_stream);
    l->has_channels = err == 0;
    return err;
}

int client__link_set_remote(struct client *c, const struct sdp_session *answer, mono_us now)
{
    struct client_link *l = &c->link;
    struct sdp_transport transport;
    int err = sdp_get_transport(answer, &transport, NULL);
    if (err == 0 && l->peer == NULL)
        err = make_peer(c, &transport, now);
    if (err < 0)
        return err;
    struct peer_remote remote = {0};
    memcpy(remote.ufrag, transport.ufrag, sizeof(remote.ufrag));
    memcpy(remote.pwd, transport.pwd, sizeof(remote.pwd));
    memcpy(remote.fingerprint_sha256, transport.fingerprint_sha256,
           sizeof(remote.fingerprint_sha256));
    if (c->config.has_fault_ice_pwd)
        remote.pwd[0] = remote.pwd[0] == 'x' ? 'y' : 'x';
    err = peer_set_remote(l->peer, &remote, now);
    if (err == 0)
        err = add_candidates(c, answer, now);
    client__link_drain(c, now);
    return err;
}

/* ---- in ---- */

static void handle_rtp(struct client *c, const uint8_t *data, size_t size, mono_us now)
{
    uint8_t plain[2048];
    bool is_rtcp = rtp_looks_like_rtcp(data, size);
    int result = is_rtcp ? peer_unprotect_rtcp(c->link.peer, data, size, plain, sizeof(plain), now)
                         : peer_unprotect_rtp(c->link.peer, data, size, plain, sizeof(plain), now);
    if (result < 0) {
        c->stats.unprotect_failures++;
        return;
    }
    if (!is_rtcp) {
        c->stats.rtp_in++;
        client__remotes_rtp(c, plain, (size_t)result, now);
        return;
    }
    c->stats.rtcp_in++;
    client__remotes_rtcp(c, plain, (size_t)result, now);
    client__tracks_feedback(c, plain, (size_t)result, now);
}

/* RFC 7983: what the first byte says. */
static void handle_datagram(struct client *c, const uint8_t *data, size_t size,
                            const struct addr *from, const struct addr *to, mono_us now)
{
    struct peer *p = c->link.peer;
    if (p == NULL || size == 0)
        return;
    if (data[0] <= 3)
        IGNORE(peer_handle_stun(p, data, size, from, to, now)); /* drops what is not authentic */
    else if (data[0] >= 20 && data[0] <= 63)
        IGNORE(peer_handle_dtls(p, data, size, from, now)); /* the peer's FAILED event tells */
    else if (data[0] >= 128 && data[0] <= 191)
        handle_rtp(c, data, size, now);
    client__link_drain(c, now);
}

static void receive_udp(struct client *c, struct udp_socket *udp, mono_us now)
{
    struct udp_datagram d;
    while (udp_receive(udp) > 0)
        while (udp_next(udp, &d))
            handle_datagram(c, d.data, d.size, &d.from, &d.to, now);
}

static void receive_tcp(struct client_fd *fd, mono_us now)
{
    struct client *c = fd->client;
    const uint8_t *data = NULL;
    size_t size = 0;
    tcp_conn_flush(fd->tcp);
    IGNORE(loop_set(&c->hub->loop, tcp_conn_fd(fd->tcp), tcp_conn_wants_write(fd->tcp), fd));
    int err = tcp_conn_receive(fd->tcp);
    while (fd->tcp != NULL && tcp_conn_next(fd->tcp, &data, &size))
        handle_datagram(c, data, size, tcp_conn_remote(fd->tcp), tcp_conn_local(fd->tcp), now);
    if (err < 0 && fd->tcp != NULL)
        drop_tcp(&c->link, fd);
}

void client__link_ready(struct client_fd *fd, mono_us now)
{
    struct client *c = fd->client;
    struct client_link *l = &c->link;
    if (fd == &l->udp_fd && l->udp != NULL)
        receive_udp(c, l->udp, now);
    else if (fd->tcp != NULL)
        receive_tcp(fd, now);
}

/* ---- out ---- */

static void send_datagram(struct client *c, const struct addr *from, const struct addr *to,
                          const uint8_t *data, size_t size)
{
    struct client_link *l = &c->link;
    if (to->proto == ADDR_PROTO_TCP) {
        for (size_t i = 0; i < l->tcp_count; i++) {
            struct client_fd *fd = &l->tcps[i];
            if (fd->tcp == NULL || tcp_conn_remote(fd->tcp)->conn != to->conn)
                continue;
            tcp_conn_send(fd->tcp, data, size);
            IGNORE(
                loop_set(&c->hub->loop, tcp_conn_fd(fd->tcp), tcp_conn_wants_write(fd->tcp), fd));
        }
        return;
    }
    struct udp_socket *udp = l->udp;
    if (udp == NULL || size > PEER_DATAGRAM_MAX)
        return;
    memcpy(udp_reserve(udp, from, to, size), data, size);
    udp_commit(udp, size);
    udp_flush(udp);
}

static void drain_transmit(struct client *c)
{
    struct peer_out out;
    while (c->link.peer != NULL && peer_poll_transmit(c->link.peer, &out) == 1)
        send_datagram(c, &out.from, &out.to, out.data, out.size);
}

static void drain_dchan(struct client *c)
{
    struct client_link *l = &c->link;
    struct dchan_event event;
    uint8_t packet[DCHAN_PACKET_MAX];
    if (l->dchan == NULL)
        return;
    while (dchan_assoc_poll_event(l->dchan, &event) == 1) {
        if (event.kind == DCHAN_EVENT_OPEN && event.is_ours) {
            l->is_reliable_open = l->is_reliable_open || event.stream == l->reliable_stream;
            l->is_lossy_open = l->is_lossy_open || event.stream == l->lossy_stream;
        } else if (event.kind == DCHAN_EVENT_MESSAGE) {
            client__on_data(c, event.stream == l->reliable_stream, event.data, event.size);
        }
    }
    int size = 0;
    while ((size = dchan_assoc_poll_transmit(l->dchan, packet, sizeof(packet))) > 0)
        IGNORE(peer_send_sctp(l->peer, packet, (size_t)size)); /* SCTP sends again what is lost */
}

static void handle_event(struct client *c, const struct peer_event *event)
{
    struct client_link *l = &c->link;
    switch (event->kind) {
    case PEER_EVENT_CONNECTED:
        l->is_connected = true;
        if (l->dchan != NULL)
            IGNORE(dchan_assoc_start(l->dchan)); /* again is harmless */
        client__on_media_up(c);
        break;
    case PEER_EVENT_SCTP:
        if (l->dchan != NULL)
            IGNORE(dchan_assoc_handle_packet(l->dchan, event->data, event->size)); /* as lost */
        break;
    case PEER_EVENT_DISCONNECTED:
        l->is_connected = false;
        client__lost(c, false, "media connection is silent");
        break;
    case PEER_EVENT_FAILED:
        l->is_connected = false;
        client__lost(c, true, err_text(event->err));
        break;
    default:
        break; /* addresses are the server's business */
    }
}

void client__link_drain(struct client *c, mono_us now UNUSED)
{
    struct peer_event event;
    drain_transmit(c);
    while (c->link.peer != NULL && peer_poll_event(c->link.peer, &event) == 1)
        handle_event(c, &event);
    drain_dchan(c);
    drain_transmit(c);
}

void client__link_tick(struct client *c, mono_us now)
{
    if (c->link.peer == NULL)
        return;
    if (now >= peer_next_timeout(c->link.peer))
        peer_handle_timeout(c->link.peer, now);
    client__link_drain(c, now);
}

static int send_protected(struct client *c, const uint8_t *data, int size)
{
    struct addr from, to;
    if (size < 0)
        return size;
    peer_media_path(c->link.peer, &from, &to);
    if (to.family == ADDR_FAMILY_NONE)
        return ERR_STATE;
    if (c->config.on_datagram_out != NULL)
        c->config.on_datagram_out(c->config.user, c, data, (size_t)size);
    c->stats.bytes_out += (uint64_t)size;
    send_datagram(c, &from, &to, data, (size_t)size);
    return 0;
}

int client__link_send_rtp(struct client *c, const uint8_t *head, size_t head_size,
                          const uint8_t *body, size_t body_size)
{
    uint8_t packet[PEER_DATAGRAM_MAX];
    if (!c->link.is_connected)
        return ERR_STATE;
    int size =
        peer_protect_rtp(c->link.peer, head, head_size, 0, body, body_size, packet, sizeof(packet));
    return send_protected(c, packet, size);
}

int client__link_send_rtcp(struct client *c, const uint8_t *data, size_t size)
{
    uint8_t packet[PEER_DATAGRAM_MAX];
    if (!c->link.is_connected)
        return ERR_STATE;
    c->stats.rtcp_out++;
    return send_protected(c, packet,
                          peer_protect_rtcp(c->link.peer, data, size, packet, sizeof(packet)));
}

int client__link_send_raw(struct client *c, const uint8_t *data, size_t size)
{
    struct addr from, to;
    if (!c->link.is_connected)
        return ERR_STATE;
    peer_media_path(c->link.peer, &from, &to);
    if (to.family == ADDR_FAMILY_NONE)
        return ERR_STATE;
    send_datagram(c, &from, &to, data, size);
    return 0;
}

int client_move(struct client *c)
{
    struct client_link *l = &c->link;
    if (l->peer == NULL || l->udp == NULL)
        return ERR_STATE;
    close_udp(c, &l->udp);
    int err = open_udp(c, &l->udp, &l->udp_fd);
    for (size_t i = 0; i < l->candidate_count && err >= 0; i++) {
        struct addr local;
        if (local_addr_for(&l->candidates[i], udp_port(l->udp), &local) == 0)
            err = peer_add_local_addr(l->peer, &local);
        if (err == ERR_EXISTS)
            err = 0;
    }
    client__link_drain(c, mono_now());
    return err;
}
