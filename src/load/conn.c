/* One connection: its socket, ICE, DTLS and keys. What travels over it is in conn_media.c. */
#include "load/load_internal.h"

#include "base/err.h"
#include "base/id.h"
#include "net/sockaddr.h"
#include "secure/cert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UFRAG_LENGTH 8
#define PWD_LENGTH   24

static void on_ready(struct load_fd *f, bool is_readable, bool is_writable UNUSED, mono_us now)
{
    struct load_conn *conn = CONTAINER_OF(f, struct load_conn, fd);
    if (is_readable)
        load__io_receive(conn->client->run, conn, now);
}

/* ---- the peer ---- */

static void take_keys(struct load_conn *conn, mono_us now)
{
    if (conn->send != NULL)
        return;
    conn->send = peer_srtp_send(conn->peer);
    conn->receive = peer_srtp_receive(conn->peer);
    conn->tag_size = (uint8_t)sec_srtp_rtp_growth(conn->receive);
    conn->is_up = true;
    load__conn_hurry(conn, now);
    load__client_up(conn->client, conn, now);
}

static void drain(struct load_conn *conn, mono_us now)
{
    struct peer_out out;
    struct peer_event event;
    while (peer_poll_transmit(conn->peer, &out) == 1)
        load__io_send(conn, &out.to, out.data, out.size);
    while (peer_poll_event(conn->peer, &event) == 1) {
        struct addr from;
        if (event.kind == PEER_EVENT_CONNECTED) {
            peer_media_path(conn->peer, &from, &conn->remote);
            take_keys(conn, now);
        } else if (event.kind == PEER_EVENT_ADDR_CHANGED) {
            conn->remote = event.addr;
            load__client_reached(conn->client, LOAD_STEP_PATH, now);
        } else if (event.kind == PEER_EVENT_FAILED || event.kind == PEER_EVENT_DISCONNECTED) {
            conn->is_up = false;
            load__client_fail(conn->client, "media connection lost: %s",
                              event.err != 0 ? err_text(event.err) : "nothing heard for 10 s");
        }
    }
    while (peer_poll_transmit(conn->peer, &out) == 1)
        load__io_send(conn, &out.to, out.data, out.size);
    load__timer_set(conn->client->run, &conn->timer, peer_next_timeout(conn->peer));
}

static void on_timer(struct load_timer *t, mono_us now)
{
    struct load_conn *conn = CONTAINER_OF(t, struct load_conn, timer);
    peer_handle_timeout(conn->peer, now);
    drain(conn, now);
}

/* RFC 7983: what the first byte says. */
void load__conn_datagram(struct load_conn *conn, uint8_t *data, size_t size,
                         const struct addr *from, mono_us arrived, mono_us now)
{
    struct load_run *run = conn->client->run;
    run->m.datagram_bytes += size;
    run->m.site_bytes += conn->client->is_site ? size : 0;
    if (size == 0)
        return;
    if (data[0] >= 128 && data[0] <= 191) {
        bool is_rtcp = rtp_looks_like_rtcp(data, size);
        if (conn->receive == NULL)
            return; /* ahead of the keys */
        if (!is_rtcp && conn->client->is_lossy &&
            rng_unit(&run->rng) * 100 < run->options->loss_percent) {
            run->m.dropped++;
            return;
        }
        enum load_plain kind = is_rtcp                                 ? LOAD_RTCP
                               : load__conn_may_hide(conn, data, size) ? LOAD_RTP_HIDDEN
                                                                       : LOAD_RTP;
        load__io_job(run, conn, data, size, kind, arrived);
    } else if (conn->peer != NULL) {
        if (data[0] <= 3)
            IGNORE(peer_handle_stun(conn->peer, data, size, from, &conn->local, now));
        else if (data[0] >= 20 && data[0] <= 63)
            IGNORE(peer_handle_dtls(conn->peer, data, size, from, now)); /* FAILED tells */
        drain(conn, now);
    }
}

/* ---- life ---- */

/* Who publishes has a socket of its own in any case: a frame goes out in one call. */
static int open_way(struct load_conn *conn, uint16_t port)
{
    struct load_run *run = conn->client->run;
    if (run->shared.media.fd >= 0 && !conn->client->publishes)
        return load__shared_add(run, conn);
    int err = load__io_open_udp(&run->options->bind, port, false, &conn->fd.fd);
    return err == 0 ? load__io_add(run, &conn->fd, false) : err;
}

int load__conn_create(struct load_client *c, uint16_t port, struct load_conn **ret_conn)
{
    struct load_run *run = c->run;
    struct load_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return -ENOMEM;
    *conn = (struct load_conn){
        .fd = {.fd = -1, .is_edge = true, .ready = on_ready},
        .client = c,
        .timer = {.fire = on_timer},
        .media_timer = {.fire = load__conn_media_timer},
        .local = run->options->bind,
        .sdp_session_id = rng_u64(&run->rng) >> 2,
        .sender_ssrc = rng_u32(&run->rng) | 1,
        .report_at = MONO_NEVER,
    };
    list_push_back(&run->conns, &conn->in_run);
    id_random_text(&run->rng, conn->ufrag, UFRAG_LENGTH);
    id_random_text(&run->rng, conn->pwd, PWD_LENGTH);
    int err = open_way(conn, port);
    if (err < 0) {
        load__conn_destroy(conn);
        return err;
    }
    *ret_conn = conn;
    return 0;
}

void load__conn_destroy(struct load_conn *conn)
{
    if (conn == NULL)
        return;
    struct load_run *run = conn->client->run;
    load__timer_cancel(run, &conn->timer);
    load__timer_cancel(run, &conn->media_timer);
    load__io_remove(run, &conn->fd);
    load__shared_remove(run, conn);
    list_remove(&conn->in_run);
    for (size_t i = 0; i < conn->rx_count; i++) {
        load__rx_fini(conn->rxs[i]);
        free(conn->rxs[i]);
    }
    free(conn->rxs);
    free(conn->twcc);
    if (conn->owns_srtp) {
        sec_srtp_destroy(conn->send);
        sec_srtp_destroy(conn->receive);
    }
    peer_destroy(conn->peer);
    free(conn);
}

/* Our address on the way to `to`: the kernel's routing says, by a connected socket. */
static int find_route(struct load_run *run, const struct addr *to, struct addr *ret_from)
{
    struct sockaddr_storage sa;
    bool is_v6 = to->family == ADDR_FAMILY_V6;
    socklen_t size = sockaddr_from_addr(to, is_v6, &sa);
    if (run->route_to.family != ADDR_FAMILY_NONE && addr_equal(&run->route_to, to)) {
        *ret_from = run->route_from;
        return 0;
    }
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = connect(fd, (struct sockaddr *)&sa, size) < 0 ? -errno : 0;
    size = sizeof(sa);
    if (err == 0 && getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
        err = -errno;
    close(fd);
    if (err < 0)
        return err;
    sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_UDP, ret_from);
    run->route_to = *to;
    run->route_from = *ret_from;
    return 0;
}

static uint16_t own_port(const struct load_conn *conn)
{
    struct sockaddr_storage sa;
    struct addr local = {0};
    socklen_t size = sizeof(sa);
    if (getsockname(conn->fd.fd, (struct sockaddr *)&sa, &size) == 0)
        sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_UDP, &local);
    return local.port;
}

static int set_local(struct load_conn *conn, const struct addr *to)
{
    struct load_run *run = conn->client->run;
    if (conn->is_shared)
        return 0; /* it has its address from the beginning */
    if (run->options->bind.family == ADDR_FAMILY_NONE) {
        int err = find_route(run, to, &conn->local);
        if (err < 0)
            return err;
    }
    conn->local.proto = ADDR_PROTO_UDP;
    conn->local.port = own_port(conn);
    return 0;
}

int load__conn_use_keys(struct load_conn *conn, const struct sec_srtp_keys *send,
                        const struct sec_srtp_keys *receive, const struct addr *remote, mono_us now)
{
    conn->owns_srtp = true;
    conn->remote = *remote;
    int err = set_local(conn, remote);
    if (err == 0)
        err = sec_srtp_create(send, SEC_SEND, &conn->send);
    if (err == 0)
        err = sec_srtp_create(receive, SEC_RECEIVE, &conn->receive);
    if (err < 0)
        return err;
    conn->tag_size = (uint8_t)sec_srtp_rtp_growth(conn->receive);
    conn->is_up = true;
    load__client_up(conn->client, conn, now);
    return 0;
}

static int make_peer(struct load_conn *conn, bool is_dtls_client, mono_us now)
{
    struct load_run *run = conn->client->run;
    struct peer_config config = {
        .is_controlling = true,
        .dtls_role = is_dtls_client ? PEER_DTLS_CLIENT : PEER_DTLS_SERVER,
        .srtp = run->options->srtp,
        .cert = run->cert,
        .rng = &run->rng,
    };
    memcpy(config.local_ufrag, conn->ufrag, sizeof(config.local_ufrag));
    memcpy(config.local_pwd, conn->pwd, sizeof(config.local_pwd));
    return peer_create(&config, now, &conn->peer);
}

/* Only UDP, and only of our socket's family. A way that we do not have is no error. */
static int add_candidate(struct load_conn *conn, const struct sdp_candidate *candidate, mono_us now)
{
    bool is_v6 = conn->client->run->options->bind.family == ADDR_FAMILY_V6;
    if (candidate->addr.proto != ADDR_PROTO_UDP ||
        (candidate->addr.family == ADDR_FAMILY_V6) != is_v6 ||
        set_local(conn, &candidate->addr) < 0)
        return 0;
    int err = peer_add_local_addr(conn->peer, &conn->local);
    if (err < 0 && err != ERR_EXISTS)
        return err;
    err = peer_add_remote_candidate(conn->peer, &candidate->addr, candidate->priority, now);
    return err == ERR_EXISTS ? 0 : err;
}

static int add_candidates(struct load_conn *conn, const struct sdp_session *remote, mono_us now)
{
    int err = 0;
    for (size_t i = 0; i < remote->section_count && err == 0; i++)
        for (size_t k = 0; k < remote->sections[i].candidate_count && err == 0; k++)
            err = add_candidate(conn, &remote->sections[i].candidates[k], now);
    return err;
}

int load__conn_set_remote(struct load_conn *conn, const struct sdp_session *remote,
                          bool is_dtls_client, mono_us now)
{
    struct sdp_transport transport;
    int err = sdp_get_transport(remote, &transport, NULL);
    load__client_reached(conn->client, LOAD_STEP_DESCRIPTION, now);
    bool is_new = conn->peer == NULL;
    if (err == 0 && is_new)
        err = make_peer(conn, is_dtls_client, now);
    if (err < 0)
        return err;
    struct peer_remote r = {0};
    memcpy(r.ufrag, transport.ufrag, sizeof(r.ufrag));
    memcpy(r.pwd, transport.pwd, sizeof(r.pwd));
    memcpy(r.fingerprint_sha256, transport.fingerprint_sha256, sizeof(r.fingerprint_sha256));
    sdp_get_exts(remote, &conn->exts);
    conn->has_twcc = sdp_has_twcc(remote);
    for (size_t i = 0; i < remote->section_count; i++)
        conn->has_rsize = conn->has_rsize || remote->sections[i].has_rtcp_rsize;
    err = peer_set_remote(conn->peer, &r, now);
    if (err == 0 && is_new)
        err = add_candidates(conn, remote, now);
    drain(conn, now);
    return err;
}

int load__conn_find_local(struct load_conn *conn, const char *url)
{
    struct addr to = {0};
    int err = load__wire_resolve(url, &to);
    return err == 0 ? set_local(conn, &to) : err;
}

void load__conn_add_candidate(struct load_conn *conn, const char *text, mono_us now)
{
    struct sdp_candidate candidate;
    if (conn->peer == NULL || sdp_parse_candidate(text, &candidate) < 0)
        return;
    IGNORE(add_candidate(conn, &candidate, now)); /* one of several */
    drain(conn, now);
}

struct sdp_local load__conn_local(struct load_conn *conn)
{
    return (struct sdp_local){
        .ufrag = conn->ufrag,
        .pwd = conn->pwd,
        .fingerprint_sha256 = sec_cert_fingerprint(conn->client->run->cert),
        .session_id = conn->sdp_session_id,
        .version = ++conn->sdp_version,
        .candidates = &conn->local,
        .candidate_count = conn->local.port != 0 ? 1 : 0,
    };
}
