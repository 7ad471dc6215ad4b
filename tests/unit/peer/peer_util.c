/*
 * Goal: two peers in one process, as if a network lay between them, and media sent both ways.
 * Method: the earliest arrival or timer is next; loss and delay come from a seed.
 */
#include "unit/peer/peer_util.h"

#include "secure/cert.h"

#include <stdio.h>
#include <string.h>

#define SERVER_PWD "a password of the server"
#define CLIENT_PWD "a password of the client"

struct addr net_addr(const char *ip, uint16_t port)
{
    struct addr a;
    assert_int_equal(addr_parse_ip(ip, &a), 0);
    a.port = port;
    return a;
}

void net_tell(struct net *n, int index, const char *ufrag, const char *pwd, bool is_wrong)
{
    struct peer_remote r = {0};
    snprintf(r.ufrag, sizeof(r.ufrag), "%s", ufrag);
    snprintf(r.pwd, sizeof(r.pwd), "%s", pwd);
    snprintf(r.fingerprint_sha256, sizeof(r.fingerprint_sha256), "%s",
             sec_cert_fingerprint(n->certs[1 - index]));
    if (is_wrong)
        r.fingerprint_sha256[1] = r.fingerprint_sha256[1] == '0' ? '1' : '0';
    assert_int_equal(peer_set_remote(n->peers[index], &r, n->now), 0);
}

void net_init(struct net *n, const struct net_options *options)
{
    memset(n, 0, sizeof(*n));
    rng_init_seeded(&n->rng, options->seed);
    n->now = MONO_S(1000);
    n->has_own_certs = options->certs == NULL;
    n->addrs[SERVER] = net_addr("192.0.2.1", 7882);
    n->addrs[CLIENT] = net_addr("198.51.100.7", 40000);
    for (int i = 0; i < 2; i++) {
        bool is_active = (i == SERVER) == (options->server_role == PEER_DTLS_CLIENT);
        if (n->has_own_certs)
            assert_int_equal(sec_cert_create(1700000000000, &n->certs[i]), 0);
        else
            n->certs[i] = options->certs[i];
        struct peer_config c = {
            .is_controlling = i == CLIENT,
            .dtls_role = is_active ? PEER_DTLS_CLIENT : PEER_DTLS_SERVER,
            .cert = n->certs[i],
            .rng = &n->rng,
        };
        snprintf(c.local_ufrag, sizeof(c.local_ufrag), "%s", i == SERVER ? "0srv" : "clnt");
        snprintf(c.local_pwd, sizeof(c.local_pwd), "%s", i == SERVER ? SERVER_PWD : CLIENT_PWD);
        assert_int_equal(peer_create(&c, n->now, &n->peers[i]), 0);
    }
    net_tell(n, SERVER, "clnt", CLIENT_PWD, options->is_fingerprint_wrong[SERVER]);
    net_tell(n, CLIENT, "0srv", options->is_client_pwd_wrong ? "another" : SERVER_PWD,
             options->is_fingerprint_wrong[CLIENT]);
    assert_int_equal(peer_add_local_addr(n->peers[CLIENT], &n->addrs[CLIENT]), 0);
    if (!options->has_no_candidate)
        assert_int_equal(
            peer_add_remote_candidate(n->peers[CLIENT], &n->addrs[SERVER], 2130706431, n->now), 0);
}

void net_fini(struct net *n)
{
    for (int i = 0; i < 2; i++) {
        peer_destroy(n->peers[i]);
        if (n->has_own_certs)
            sec_cert_destroy(n->certs[i]);
    }
}

static void send(struct net *n, int from, const struct peer_out *out)
{
    bool is_stun = out->data[0] <= 3;
    n->seen[from].sent_stun += is_stun;
    n->seen[from].sent_dtls += !is_stun;
    if (!is_stun)
        n->seen[from].last_dtls = *out;
    bool is_blocked = n->blocked.family != ADDR_FAMILY_NONE &&
                      (addr_equal(&out->from, &n->blocked) || addr_equal(&out->to, &n->blocked));
    if (n->is_cut || is_blocked || rng_below(&n->rng, 100) < n->loss_percent)
        return;
    assert_in_range(n->flying_count, 0, NET_FLYING_MAX - 1);
    mono_us delay = MONO_MS(10) + rng_below(&n->rng, 20000);
    n->flying[n->flying_count++] =
        (struct net_packet){.at = n->now + delay, .to = 1 - from, .out = *out};
}

static void unmap(struct net_seen *s, const struct addr *a)
{
    for (size_t i = 0; i < s->mapped_count; i++)
        if (addr_equal(&s->mapped[i], a)) {
            s->mapped[i] = s->mapped[--s->mapped_count];
            return;
        }
}

static void note(struct net_seen *s, const struct peer_event *e)
{
    s->connected += e->kind == PEER_EVENT_CONNECTED;
    s->disconnected += e->kind == PEER_EVENT_DISCONNECTED;
    s->failed += e->kind == PEER_EVENT_FAILED;
    s->sctp += e->kind == PEER_EVENT_SCTP;
    s->addr_changed += e->kind == PEER_EVENT_ADDR_CHANGED;
    if (e->kind == PEER_EVENT_FAILED)
        s->err = e->err;
    if (e->kind == PEER_EVENT_SCTP) {
        assert_in_range(e->size, 1, sizeof(s->sctp_data));
        memcpy(s->sctp_data, e->data, e->size);
        s->sctp_size = e->size;
    }
    if (e->kind == PEER_EVENT_ADDR_ADDED || e->kind == PEER_EVENT_ADDR_REMOVED)
        unmap(s, &e->addr);
    if (e->kind == PEER_EVENT_ADDR_ADDED) {
        assert_in_range(s->mapped_count, 0, NET_MAPPED_MAX - 1);
        s->mapped[s->mapped_count++] = e->addr;
    }
}

void net_drain(struct net *n, int index)
{
    struct peer_event e;
    struct peer_out out;
    while (peer_poll_event(n->peers[index], &e) == 1)
        note(&n->seen[index], &e);
    while (peer_poll_transmit(n->peers[index], &out) == 1)
        send(n, index, &out);
}

static void deliver(struct net *n, const struct net_packet *packet)
{
    struct peer *p = n->peers[packet->to];
    const struct peer_out *out = &packet->out;
    if (out->data[0] <= 3)
        IGNORE(peer_handle_stun(p, out->data, out->size, &out->from, &out->to, n->now));
    else
        IGNORE(peer_handle_dtls(p, out->data, out->size, &out->from, n->now));
    /* a drop is seen in the counters */
}

bool net_step(struct net *n, mono_us until)
{
    net_drain(n, SERVER);
    net_drain(n, CLIENT);
    struct net_packet *first = NULL;
    for (size_t i = 0; i < n->flying_count; i++)
        if (first == NULL || n->flying[i].at < first->at)
            first = &n->flying[i];
    mono_us arrival = first != NULL ? first->at : MONO_NEVER;
    mono_us timers[2] = {peer_next_timeout(n->peers[SERVER]), peer_next_timeout(n->peers[CLIENT])};
    mono_us next = TK_MIN(arrival, TK_MIN(timers[0], timers[1]));
    if (next > until)
        return false;
    n->now = TK_MAX(n->now, next);
    if (arrival == next) {
        struct net_packet packet = *first;
        *first = n->flying[--n->flying_count];
        deliver(n, &packet);
    } else {
        peer_handle_timeout(n->peers[timers[SERVER] == next ? SERVER : CLIENT], n->now);
    }
    net_drain(n, SERVER);
    net_drain(n, CLIENT);
    return true;
}

void net_run(struct net *n, mono_us until)
{
    for (size_t steps = 0; net_step(n, until); steps++)
        assert_in_range(steps, 0, 100000);
    n->now = until;
}

bool net_connect(struct net *n, mono_us until)
{
    while (!peer_is_connected(n->peers[SERVER]) || !peer_is_connected(n->peers[CLIENT]))
        if (!net_step(n, until))
            return false;
    return true;
}

/* ---- media ---- */

static void rtp_header(uint8_t head[12], int index, uint16_t seq)
{
    memset(head, 0, 12);
    head[0] = 0x80;
    head[1] = 111;
    head[2] = (uint8_t)(seq >> 8);
    head[3] = (uint8_t)seq;
    head[11] = (uint8_t)(index + 1); /* SSRC */
}

size_t net_protect(struct net *n, int index, uint16_t seq, uint8_t *dst, size_t dst_size)
{
    static const uint8_t body[] = "the rest of the payload";
    uint8_t head[12 + 3] = {0};
    rtp_header(head, index, seq);
    memcpy(head + 12, "pre", 3);
    int size = peer_protect_rtp(n->peers[index], head, 12, 3, body, sizeof(body), dst, dst_size);
    assert_true(size > (int)(sizeof(head) + sizeof(body)));
    return (size_t)size;
}

int net_unprotect(struct net *n, int index, const uint8_t *data, size_t size)
{
    uint8_t plain[256];
    return peer_unprotect_rtp(n->peers[index], data, size, plain, sizeof(plain), n->now);
}

static void check_rtp(struct net *n, int from, uint16_t seq)
{
    uint8_t packet[128], plain[128], head[12];
    size_t size = net_protect(n, from, seq, packet, sizeof(packet));
    rtp_header(head, from, seq);
    int got = peer_unprotect_rtp(n->peers[1 - from], packet, size, plain, sizeof(plain), n->now);
    assert_int_equal(got, 12 + 3 + 24);
    assert_memory_equal(plain, head, sizeof(head));
    assert_memory_equal(plain + 12, "prethe rest of the payload", 27);
}

static void check_rtcp(struct net *n, int from)
{
    uint8_t report[8] = {0x80, 201, 0, 1, 0, 0, 0, (uint8_t)(from + 1)}, packet[64], plain[64];
    int size = peer_protect_rtcp(n->peers[from], report, sizeof(report), packet, sizeof(packet));
    assert_true(size > (int)sizeof(report));
    int got =
        peer_unprotect_rtcp(n->peers[1 - from], packet, (size_t)size, plain, sizeof(plain), n->now);
    assert_int_equal(got, sizeof(report));
    assert_memory_equal(plain, report, sizeof(report));
}

static void check_sctp(struct net *n, int from, uint16_t seq)
{
    uint8_t data[NET_SCTP_SIZE];
    struct net_seen *s = &n->seen[1 - from];
    size_t before = s->sctp;
    memset(data, seq & 0xff, sizeof(data));
    assert_int_equal(peer_send_sctp(n->peers[from], data, sizeof(data)), 0);
    net_run(n, n->now + MONO_MS(100));
    assert_int_equal(s->sctp, before + 1);
    assert_int_equal(s->sctp_size, sizeof(data));
    assert_memory_equal(s->sctp_data, data, sizeof(data));
}

void net_check_media(struct net *n, uint16_t seq)
{
    for (int from = 0; from < 2; from++) {
        check_rtp(n, from, seq);
        check_rtcp(n, from);
        check_sctp(n, from, seq);
    }
}
