/*
 * Goal: what is not authentic gets no answer, no keys and no media in.
 * Method: wrong fingerprints on either side, a wrong ICE password, DTLS from strangers, and SRTP
 * replayed and with each byte changed.
 */
#include "unit/peer/peer_util.h"

#include <string.h>

/* Who was told the wrong fingerprint fails with it; neither side ever has a key. */
static void test_wrong_fingerprint(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        for (int role = PEER_DTLS_CLIENT; role <= PEER_DTLS_SERVER; role++) {
            struct net n;
            uint8_t data[64] = {0x80, 111}, dst[128];
            struct net_options o = {.server_role = (enum peer_dtls_role)role};
            o.is_fingerprint_wrong[wrong] = true;
            net_init(&n, &o);
            net_run(&n, n.now + MONO_S(5));
            assert_int_equal(n.seen[wrong].failed, 1);
            assert_int_equal(n.seen[wrong].err, ERR_SEC_FINGERPRINT);
            for (int i = 0; i < 2; i++) {
                struct peer *p = n.peers[i];
                assert_int_equal(n.seen[i].connected, 0);
                assert_false(peer_is_connected(p));
                assert_int_equal(n.seen[i].sctp, 0);
            }
            struct peer *p = n.peers[wrong];
            assert_int_equal(peer_protect_rtp(p, data, 12, 0, data, 20, dst, 128), ERR_STATE);
            assert_int_equal(net_unprotect(&n, wrong, data, sizeof(data)), ERR_STATE);
            assert_int_equal(peer_send_sctp(p, data, 20), ERR_STATE);
            net_fini(&n);
        }
    }
}

/* The client has another password: the server says nothing and learns nothing. */
static void test_wrong_password(void **state)
{
    (void)state;
    struct net n;
    struct addr a;
    struct peer_stats stats;
    net_init(&n, &(struct net_options){.is_client_pwd_wrong = true});
    net_run(&n, n.now + MONO_S(20));
    assert_in_range(n.seen[CLIENT].sent_stun, 5, 100);
    assert_int_equal(n.seen[SERVER].sent_stun + n.seen[SERVER].sent_dtls, 0);
    assert_int_equal(n.seen[SERVER].mapped_count, 0);
    assert_false(peer_addr_at(n.peers[SERVER], 0, &a));
    assert_false(peer_owns_addr(n.peers[SERVER], &n.addrs[CLIENT]));
    peer_stats(n.peers[SERVER], &stats);
    assert_int_equal(stats.stun_drops + n.flying_count, n.seen[CLIENT].sent_stun);
    net_fini(&n);
}

/* A good ClientHello from an address without a check gets no answer, before and after connecting.
 */
static void test_dtls_from_strangers(void **state)
{
    (void)state;
    struct net donor, n;
    struct peer_stats stats;
    struct addr stranger = net_addr("203.0.113.66", 666);
    net_init(&donor, &(struct net_options){.server_role = PEER_DTLS_SERVER});
    while (donor.seen[CLIENT].sent_dtls == 0)
        assert_true(net_step(&donor, donor.now + MONO_S(5)));
    struct peer_out hello = donor.seen[CLIENT].last_dtls;
    net_fini(&donor);

    net_init(&n, &(struct net_options){.server_role = PEER_DTLS_SERVER, .has_no_candidate = true});
    for (int i = 0; i < 3; i++) {
        int err =
            peer_handle_dtls(n.peers[SERVER], hello.data, hello.size, &n.addrs[CLIENT], n.now);
        assert_int_equal(err, ERR_STATE);
        net_run(&n, n.now + MONO_S(1));
    }
    assert_int_equal(n.seen[SERVER].sent_dtls, 0);
    assert_int_equal(peer_add_remote_candidate(n.peers[CLIENT], &n.addrs[SERVER], 1, n.now), 0);
    assert_true(net_connect(&n, n.now + MONO_S(2)));
    size_t sent = n.seen[SERVER].sent_dtls;
    assert_int_equal(peer_handle_dtls(n.peers[SERVER], hello.data, hello.size, &stranger, n.now),
                     ERR_STATE);
    net_run(&n, n.now + MONO_S(1));
    assert_int_equal(n.seen[SERVER].sent_dtls, sent);
    assert_false(peer_owns_addr(n.peers[SERVER], &stranger));
    peer_stats(n.peers[SERVER], &stats);
    assert_int_equal(stats.dtls_drops, 4);
    net_check_media(&n, 1);
    net_fini(&n);
}

/* A hello of someone else, injected from the right address, does not end a session that is up. */
static void test_dtls_injected(void **state)
{
    (void)state;
    struct net n;
    net_init(&n, &(struct net_options){.server_role = PEER_DTLS_SERVER});
    while (n.seen[CLIENT].sent_dtls == 0)
        assert_true(net_step(&n, n.now + MONO_S(5)));
    struct peer_out hello = n.seen[CLIENT].last_dtls;
    assert_true(net_connect(&n, n.now + MONO_S(5)));
    for (size_t at = 0; at < hello.size; at += 7) {
        struct peer_out changed = hello;
        changed.data[at] ^= 0x55;
        if (changed.data[0] < 20 || changed.data[0] > 63)
            continue;
        IGNORE(peer_handle_dtls(n.peers[SERVER], changed.data, changed.size, &n.addrs[CLIENT],
                                n.now)); /* dropped, or not: the session is what counts */
        net_drain(&n, SERVER);
    }
    assert_int_equal(n.seen[SERVER].failed, 0);
    net_check_media(&n, 1);
    net_fini(&n);
}

static void test_srtp_replayed(void **state)
{
    (void)state;
    struct net n;
    struct peer_stats stats;
    uint8_t packet[128], plain[128], report[8] = {0x80, 201, 0, 1, 0, 0, 0, 1};
    net_init(&n, &(struct net_options){0});
    assert_true(net_connect(&n, n.now + MONO_S(2)));
    size_t size = net_protect(&n, CLIENT, 100, packet, sizeof(packet));
    assert_true(net_unprotect(&n, SERVER, packet, size) > 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(net_unprotect(&n, SERVER, packet, size), ERR_SEC_REPLAY);
    assert_true(net_unprotect(&n, CLIENT, packet, size) < 0); /* reflected */
    int rtcp = peer_protect_rtcp(n.peers[CLIENT], report, sizeof(report), packet, sizeof(packet));
    assert_true(rtcp > 0);
    for (int i = 0; i < 3; i++) {
        int got =
            peer_unprotect_rtcp(n.peers[SERVER], packet, (size_t)rtcp, plain, sizeof(plain), n.now);
        assert_int_equal(got, i == 0 ? (int)sizeof(report) : ERR_SEC_REPLAY);
    }
    peer_stats(n.peers[SERVER], &stats);
    assert_int_equal(stats.srtp_replay_drops, 5);
    assert_int_equal(stats.srtp_auth_drops, 0);
    net_fini(&n);
}

static void test_srtp_corrupted(void **state)
{
    (void)state;
    struct net n;
    struct peer_stats stats;
    uint8_t packet[128], changed[128];
    net_init(&n, &(struct net_options){0});
    assert_true(net_connect(&n, n.now + MONO_S(2)));
    size_t size = net_protect(&n, CLIENT, 100, packet, sizeof(packet));
    for (size_t i = 0; i < size; i++) {
        memcpy(changed, packet, size);
        changed[i] ^= 0x20;
        assert_true(net_unprotect(&n, SERVER, changed, size) < 0);
        assert_true(net_unprotect(&n, SERVER, packet, i) < 0); /* cut off */
    }
    peer_stats(n.peers[SERVER], &stats);
    assert_int_equal(stats.srtp_auth_drops, 2 * size);
    assert_true(net_unprotect(&n, SERVER, packet, size) > 0); /* none of them has done harm */
    net_fini(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_fingerprint),   cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_dtls_from_strangers), cmocka_unit_test(test_dtls_injected),
        cmocka_unit_test(test_srtp_replayed),       cmocka_unit_test(test_srtp_corrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
