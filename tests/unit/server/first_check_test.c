/*
 * Goal: a client's first check is answered even if the worker has not yet read the command that
 * makes its peer: the client can be faster than the worker's next turn, and would repeat the check
 * only after half a second.
 * Method: a peer of our own client asks; the command waits, nobody has woken the worker.
 */
#include "unit/server/path_bench.h"

#include "peer/peer.h"
#include "secure/cert.h"

#define CLIENT 77u

struct asker {
    struct rng rng;
    struct sec_cert *cert;
    struct peer *peer;
    struct udp_socket *udp;
    struct addr own;
};

/* The command that the control thread gives before it answers the client. */
static void push_peer(struct worker *w)
{
    struct media_command c = {.kind = MEDIA_PEER_ADD, .peer = CLIENT};
    c.u.peer_add.dtls_role = PEER_DTLS_SERVER;
    c.u.peer_add.sfu.peer = CLIENT;
    strcpy(c.u.peer_add.local_ufrag, "aserver1");
    strcpy(c.u.peer_add.local_pwd, "the-password-of-the-server");
    assert_true(worker_push_command(w, &c));
}

static void open_asker(struct asker *a, struct bench *b)
{
    const struct addr server = local(b->w->udp);
    const struct addr any = {0};
    struct peer_config config = {
        .is_controlling = true, .dtls_role = PEER_DTLS_CLIENT, .rng = &a->rng};
    struct peer_remote remote = {0};
    rng_init_seeded(&a->rng, 7);
    assert_int_equal(sec_cert_create(wall_now(), &a->cert), 0);
    config.cert = b->w->config.cert = a->cert; /* one is enough here */
    strcpy(config.local_ufrag, "client01");
    strcpy(config.local_pwd, "the-password-of-the-client");
    strcpy(remote.ufrag, "aserver1");
    strcpy(remote.pwd, "the-password-of-the-server");
    strcpy(remote.fingerprint_sha256, sec_cert_fingerprint(a->cert));
    assert_int_equal(udp_open(&any, 0, &a->udp), 0);
    a->own = local(a->udp);
    assert_int_equal(peer_create(&config, 0, &a->peer), 0);
    assert_int_equal(peer_set_remote(a->peer, &remote, 0), 0);
    assert_int_equal(peer_add_local_addr(a->peer, &a->own), 0);
    assert_int_equal(peer_add_remote_candidate(a->peer, &server, 1, 0), 0);
}

static void close_asker(struct asker *a)
{
    peer_destroy(a->peer);
    sec_cert_destroy(a->cert);
    udp_close(a->udp);
}

/* Sends the check that is due. */
static void send_check(struct asker *a)
{
    const struct addr any = {0};
    struct peer_out out;
    size_t count = 0;
    peer_handle_timeout(a->peer, MONO_MS(1));
    for (; peer_poll_transmit(a->peer, &out) == 1; count++) {
        memcpy(udp_reserve(a->udp, &any, &out.to, out.size), out.data, out.size);
        udp_commit(a->udp, out.size);
    }
    assert_int_equal(count, 1);
    udp_flush(a->udp);
}

/* One read of what has come, as the worker's turn begins. */
static void read_checks(struct worker *w) ON_MEDIA
{
    struct pollfd fd = {.fd = udp_patient_fd(w->udp), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 1000), 1);
    w->now = mono_now();
    worker__receive_patient(w, true);
    udp_flush(w->udp);
}

static bool is_answered(struct asker *a)
{
    struct udp_datagram d;
    if (!is_readable(a->udp) || udp_receive(a->udp) <= 0 || !udp_next(a->udp, &d))
        return false;
    return peer_handle_stun(a->peer, d.data, d.size, &d.from, &a->own, MONO_MS(2)) == 0;
}

static void test_command_waits(void **state)
{
    (void)state;
    static struct bench b;
    struct asker a;
    role_assert_media();
    open_bench(&b, 1);
    open_asker(&a, &b);
    push_peer(b.w);
    send_check(&a);
    read_checks(b.w);
    assert_true(is_answered(&a));
    assert_int_equal(atomic_load(&b.w->stats.drop_stun), 0);
    close_bench(&b);
    close_asker(&a);
}

/* Packets of the same batch that wait for decryption belong to peers that a command may remove. */
static void test_command_removes_who_sent(void **state)
{
    (void)state;
    static struct bench b;
    struct asker a;
    role_assert_media();
    open_bench(&b, 1);
    struct addr sender = local(b.viewers_udp);
    open_asker(&a, &b);
    struct worker_peer *gone = calloc(1, sizeof(*gone));
    const struct peer_config config = {
        .cert = a.cert, .rng = &a.rng, .local_ufrag = "aserver2", .local_pwd = "another-password"};
    assert_non_null(gone);
    assert_int_equal(peer_create(&config, 0, &gone->peer), 0);
    gone->receive = b.publisher_receive;
    sender.ip[3] = 99;
    add_peer(b.w, gone, 55, &sender);
    uint8_t junk[60] = {0x80, 201};
    const struct udp_datagram d = {.from = sender, .data = junk, .size = sizeof(junk)};
    worker__handle_datagram(b.w, &d);
    assert_int_equal(b.w->input.count, 1);
    const struct media_command c = {.kind = MEDIA_PEER_REMOVE, .peer = 55};
    assert_true(worker_push_command(b.w, &c));
    push_peer(b.w);
    send_check(&a);
    read_checks(b.w);
    assert_true(is_answered(&a));
    assert_int_equal(b.w->input.count, 0);
    assert_int_equal(atomic_load(&b.w->stats.drop_srtp_auth), 1); /* it was looked at in time */
    addrmap_remove(&b.w->addrs, &sender, gone);
    close_bench(&b);
    close_asker(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_waits),
        cmocka_unit_test(test_command_removes_who_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
