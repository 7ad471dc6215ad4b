/*
 * Goal: nobody without a password holds an ICE-TCP connection, whatever user name he knows, and a
 * connection lasts no longer than its peer; also where a frame of its own brings the end about.
 * Method: real connections to a worker whose turns the test runs, and which it makes older than
 * they are; the client is a peer of ours, with the right password or another one.
 */
#include "unit/server/path_bench.h"

#include "peer/peer.h"
#include "secure/cert.h"

#include <unistd.h>

#define CLIENT   77u
#define PASSWORD "the-password-of-the-server"

static struct rng rng;
static struct sec_cert *cert;

struct caller {
    struct peer *peer;
    struct tcp_conn *conn;
    struct addr own, server;
};

static struct worker *open_tcp_worker(uint8_t index, uint8_t count)
{
    const struct worker_config config = {.index = index,
                                         .worker_count = count,
                                         .has_tcp = index == 0,
                                         .peer_count_max = 100,
                                         .pkt_count = 256,
                                         .cert = cert,
                                         .on_events = ignore_events};
    struct worker *w;
    role_assert_media(); /* no thread is there */
    assert_int_equal(worker_create(&config, &w), 0);
    w->now = mono_now();
    return w;
}

static void push(struct worker *w, const struct media_command *command)
{
    assert_true(worker_push_command(w, command));
}

static void push_add(struct worker *w, const char *ufrag)
{
    struct media_command c = {.kind = MEDIA_PEER_ADD, .peer = CLIENT};
    c.u.peer_add.dtls_role = PEER_DTLS_SERVER;
    c.u.peer_add.sfu.peer = CLIENT;
    strcpy(c.u.peer_add.local_ufrag, ufrag);
    strcpy(c.u.peer_add.local_pwd, PASSWORD);
    push(w, &c);
}

static void push_remove(struct worker *w)
{
    const struct media_command c = {.kind = MEDIA_PEER_REMOVE, .peer = CLIENT};
    push(w, &c);
}

static void make_peer(struct caller *c, const char *ufrag, const char *password)
{
    struct peer_config config = {
        .is_controlling = true, .dtls_role = PEER_DTLS_CLIENT, .cert = cert, .rng = &rng};
    struct peer_remote remote = {0};
    strcpy(config.local_ufrag, "client01");
    strcpy(config.local_pwd, "the-password-of-the-client");
    strcpy(remote.ufrag, ufrag);
    strcpy(remote.pwd, password);
    strcpy(remote.fingerprint_sha256, sec_cert_fingerprint(cert));
    assert_int_equal(peer_create(&config, 0, &c->peer), 0);
    assert_int_equal(peer_set_remote(c->peer, &remote, 0), 0);
    assert_int_equal(peer_add_local_addr(c->peer, &c->own), 0);
    assert_int_equal(peer_add_remote_candidate(c->peer, &c->server, 1, 0), 0);
}

static void call(struct caller *c, struct worker *w)
{
    struct pollfd fd = {.fd = w->listen_fd, .events = POLLIN};
    assert_int_equal(addr_parse_ip("127.0.0.1", &c->server), 0);
    c->server.port = worker_tcp_port(w);
    c->server.proto = ADDR_PROTO_TCP;
    int socket = tcp_connect(&c->server);
    assert_true(socket >= 0);
    assert_int_equal(poll(&fd, 1, 1000), 1);
    role_assert_media();
    worker__tcp_accept(w);
    assert_int_equal(tcp_conn_create(socket, 0, &c->conn), 0);
    c->own = *tcp_conn_local(c->conn);
}

static void hang_up(struct caller *c)
{
    peer_destroy(c->peer);
    tcp_conn_destroy(c->conn);
}

/* Sends the check that is due, for this user name. */
static void send_check(struct caller *c, const char *ufrag, const char *password)
{
    struct peer_out out;
    size_t count = 0;
    peer_destroy(c->peer);
    make_peer(c, ufrag, password);
    peer_handle_timeout(c->peer, MONO_MS(1));
    for (; peer_poll_transmit(c->peer, &out) == 1; count++)
        assert_true(tcp_conn_send(c->conn, out.data, out.size));
    assert_int_equal(count, 1);
}

/* What the loop does in a turn: connections that are ready, and then what is over. */
static void take_turn(struct worker *w) ON_MEDIA
{
    struct loop_ready ready[16];
    size_t count = loop_wait(&w->loop, MONO_MS(20), ready, ARRAY_COUNT(ready));
    for (size_t i = 0; i < count; i++)
        worker__tcp_ready(w, ready[i].user, &ready[i]);
    worker__tcp_expire(w);
}

static bool is_closed(struct caller *c)
{
    struct pollfd fd = {.fd = tcp_conn_fd(c->conn), .events = POLLIN};
    const uint8_t *data;
    size_t size;
    while (poll(&fd, 1, 20) == 1) {
        if (tcp_conn_receive(c->conn) < 0)
            return true;
        while (tcp_conn_next(c->conn, &data, &size))
            ; /* an answer */
    }
    return false;
}

/* A turn for which all that waits has waited so much longer. */
static void later(struct worker *w, mono_us by) ON_MEDIA
{
    LIST_FOR_EACH(it, &w->tcp_pending)
    CONTAINER_OF(it, struct worker_tcp, pending_link)->close_at -= by;
    w->now = mono_now();
    take_turn(w);
}

static uint64_t refused(struct worker *w)
{
    struct worker_stats stats;
    worker_stats(w, &stats);
    return stats.tcp_refused;
}

/* ---- tests ---- */

static void nobody_stays_without_a_password(void **state)
{
    (void)state;
    struct worker *w = open_tcp_worker(0, 1);
    struct caller stranger = {0}, liar = {0}, silent = {0};
    role_assert_media();
    push_add(w, "aserver1");
    worker__drain_commands(w);
    call(&stranger, w); /* names a peer that is not there */
    call(&liar, w);     /* one that is, with another password */
    call(&silent, w);
    send_check(&stranger, "aserver9", PASSWORD);
    send_check(&liar, "aserver1", "another-password-of-some-length");
    for (int i = 0; i < 5; i++) { /* and talks all the time */
        later(w, WORKER_TCP_PENDING_US / 5 - MONO_MS(400));
        send_check(&liar, "aserver1", "another-password-of-some-length");
    }
    assert_int_equal(w->tcps.count, 3);
    later(w, MONO_S(2));
    assert_int_equal(w->tcps.count, 0);
    assert_int_equal(refused(w), 3);
    assert_true(is_closed(&stranger) && is_closed(&liar) && is_closed(&silent));
    assert_true(worker__tcp_next_timeout(w) == MONO_NEVER);
    hang_up(&stranger);
    hang_up(&liar);
    hang_up(&silent);
    worker_destroy(w);
}

static void ends_with_its_peer(void **state)
{
    (void)state;
    struct worker *w = open_tcp_worker(0, 1);
    struct caller c = {0};
    role_assert_media();
    push_add(w, "aserver1");
    worker__drain_commands(w);
    call(&c, w);
    send_check(&c, "aserver1", PASSWORD);
    take_turn(w);
    assert_int_equal(w->tcp_pending_count, 0);
    later(w, WORKER_TCP_PENDING_US + 1);
    assert_false(is_closed(&c));
    push_remove(w);
    worker__drain_commands(w);
    assert_int_equal(w->tcps.count, 1); /* whoever asked for it may stand in a frame */
    later(w, 0);
    assert_int_equal(w->tcps.count, 0);
    assert_int_equal(refused(w), 0);
    assert_true(is_closed(&c));
    hang_up(&c);
    worker_destroy(w);
}

/* A name that is not known makes the worker look at its commands, between two frames. */
static void ends_inside_its_own_frame(void **state)
{
    (void)state;
    struct worker *w = open_tcp_worker(0, 1);
    struct caller c = {0};
    role_assert_media();
    push_add(w, "aserver1");
    worker__drain_commands(w);
    call(&c, w);
    send_check(&c, "aserver1", PASSWORD);
    take_turn(w);
    push_remove(w);
    push_add(w, "aserver2"); /* and the same client again: its next check is a good one */
    send_check(&c, "aserver9", PASSWORD);
    send_check(&c, "aserver2", PASSWORD);
    take_turn(w);
    assert_int_equal(w->tcps.count, 0);
    assert_int_equal(w->tcp_pending_count, 0);
    assert_true(is_closed(&c));
    hang_up(&c);
    worker_destroy(w);
}

/* An address that its peer has given up needs another check. */
static void must_prove_itself_again(void **state)
{
    (void)state;
    struct worker *w = open_tcp_worker(0, 1);
    struct caller c = {0};
    size_t cursor = 0;
    role_assert_media();
    push_add(w, "aserver1");
    worker__drain_commands(w);
    call(&c, w);
    send_check(&c, "aserver1", PASSWORD);
    take_turn(w);
    struct worker_tcp *t = idmap_next(&w->tcps, &cursor, NULL);
    struct worker_peer *wp = idmap_get(&w->peers, CLIENT);
    const struct addr remote = *tcp_conn_remote(t->conn);
    worker__tcp_disown(w, &remote, false);
    assert_int_equal(w->tcp_pending_count, 0); /* it still has it */
    addrmap_remove(&w->addrs, &remote, wp);
    worker__tcp_disown(w, &remote, false);
    assert_int_equal(w->tcp_pending_count, 1);
    later(w, WORKER_TCP_PENDING_US);
    assert_true(is_closed(&c));
    hang_up(&c);
    worker_destroy(w);
}

static void is_pending_with_the_other_worker_too(void **state)
{
    (void)state;
    struct worker *w[2] = {open_tcp_worker(0, 2), open_tcp_worker(1, 2)};
    struct worker_handover h;
    struct caller c[WORKER_TCP_PENDING_MAX + 1];
    memset(c, 0, sizeof(c));
    role_assert_media();
    worker_connect(w, 2);
    for (size_t i = 0; i < ARRAY_COUNT(c); i++) {
        call(&c[i], w[0]);
        send_check(&c[i], "bserver9", PASSWORD); /* no such peer */
        take_turn(w[0]);
        assert_int_equal(w[0]->tcps.count, 0);
        assert_true(mailbox_pop(&w[1]->handovers, &h));
        worker__tcp_handover(w[1], &h);
    }
    assert_int_equal(w[1]->tcps.count, WORKER_TCP_PENDING_MAX);
    assert_true(is_closed(&c[WORKER_TCP_PENDING_MAX]));
    assert_false(is_closed(&c[0]));
    later(w[1], WORKER_TCP_PENDING_US);
    assert_int_equal(w[1]->tcps.count, 0);
    assert_true(is_closed(&c[0]));
    for (size_t i = 0; i < ARRAY_COUNT(c); i++)
        hang_up(&c[i]);
    for (size_t i = 0; i < 2; i++)
        worker_release(w[i]);
    for (size_t i = 0; i < 2; i++)
        worker_destroy(w[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_stays_without_a_password),
        cmocka_unit_test(ends_with_its_peer),
        cmocka_unit_test(ends_inside_its_own_frame),
        cmocka_unit_test(must_prove_itself_again),
        cmocka_unit_test(is_pending_with_the_other_worker_too),
    };
    rng_init_seeded(&rng, 7);
    if (sec_cert_create(wall_now(), &cert) < 0)
        return 1;
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    sec_cert_destroy(cert);
    return failures;
}
