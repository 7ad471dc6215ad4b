/*
 * Goal: a lite and a controlling peer connect, exchange media and data, and keep their keys through
 * ICE restarts, changes of address and cuts.
 * Method: both peers in virtual time on a network without loss.
 */
#include "unit/peer/peer_util.h"

#include <string.h>

static void assert_mapped(struct net *n, int index)
{
    struct net_seen *s = &n->seen[index];
    struct addr a;
    for (size_t i = 0; i < s->mapped_count; i++)
        assert_true(peer_owns_addr(n->peers[index], &s->mapped[i]));
    assert_int_equal(peer_addr_at(n->peers[index], s->mapped_count, &a), false);
    if (s->mapped_count > 0)
        assert_true(peer_addr_at(n->peers[index], s->mapped_count - 1, &a));
}

static void test_connects(void **state)
{
    (void)state;
    for (int role = PEER_DTLS_CLIENT; role <= PEER_DTLS_SERVER; role++) {
        struct net n;
        struct addr from, to;
        net_init(&n, &(struct net_options){.server_role = (enum peer_dtls_role)role});
        peer_media_path(n.peers[SERVER], &from, &to);
        assert_int_equal(to.family, ADDR_FAMILY_NONE);
        assert_true(net_connect(&n, n.now + MONO_S(2)));
        for (int i = 0; i < 2; i++) {
            assert_int_equal(n.seen[i].connected, 1);
            assert_int_equal(n.seen[i].failed, 0);
            peer_media_path(n.peers[i], &from, &to);
            assert_true(addr_equal(&from, &n.addrs[i]) && addr_equal(&to, &n.addrs[1 - i]));
            assert_mapped(&n, i);
        }
        net_check_media(&n, 1);
        net_run(&n, n.now + MONO_S(60)); /* consent goes on, nothing else does */
        net_check_media(&n, 2);
        for (int i = 0; i < 2; i++)
            assert_int_equal(n.seen[i].connected + n.seen[i].disconnected, 1);
        net_fini(&n);
    }
}

/* Whatever comes before the keys are there is refused. */
static void test_before_keys(void **state)
{
    (void)state;
    struct net n;
    uint8_t data[64] = {0x80, 111}, dst[128];
    net_init(&n, &(struct net_options){0});
    for (int i = 0; i < 2; i++) {
        struct peer *p = n.peers[i];
        assert_int_equal(net_unprotect(&n, i, data, sizeof(data)), ERR_STATE);
        assert_int_equal(peer_unprotect_rtcp(p, data, 64, dst, 128, n.now), ERR_STATE);
        assert_int_equal(peer_protect_rtp(p, data, 12, 0, data, 20, dst, 128), ERR_STATE);
        assert_int_equal(peer_protect_rtcp(p, data, 20, dst, 128), ERR_STATE);
        assert_int_equal(peer_send_sctp(p, data, 20), ERR_STATE);
        assert_false(peer_is_connected(p));
    }
    net_fini(&n);
}

static void restart(struct net *n, const char *server, const char *client)
{
    assert_int_equal(peer_set_local_credentials(n->peers[CLIENT], client, "client again"), 0);
    net_tell(n, SERVER, client, "client again", false);
    assert_int_equal(peer_set_local_credentials(n->peers[SERVER], server, "server again"), 0);
    net_run(n, n->now + MONO_MS(300));
    net_tell(n, CLIENT, server, "server again", false);
}

static void test_restart_keeps_dtls(void **state)
{
    (void)state;
    struct net n;
    net_init(&n, &(struct net_options){0});
    assert_true(net_connect(&n, n.now + MONO_S(2)));
    net_check_media(&n, 1);
    uint8_t early[128];
    size_t early_size = net_protect(&n, CLIENT, 2, early, sizeof(early));
    size_t dtls = n.seen[SERVER].sent_dtls + n.seen[CLIENT].sent_dtls;
    restart(&n, "0again", "cagain");
    net_run(&n, n.now + MONO_S(20));
    assert_int_equal(n.seen[SERVER].sent_dtls + n.seen[CLIENT].sent_dtls, dtls);
    assert_true(net_unprotect(&n, SERVER, early, early_size) > 0);
    net_check_media(&n, 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(n.seen[i].connected, 1);
    net_fini(&n);
}

static void test_address_change(void **state)
{
    (void)state;
    struct net n;
    struct addr from, to, wifi = net_addr("203.0.113.9", 50000);
    net_init(&n, &(struct net_options){0});
    assert_true(net_connect(&n, n.now + MONO_S(2)));
    net_check_media(&n, 1);
    size_t changes = n.seen[SERVER].addr_changed;
    n.blocked = n.addrs[CLIENT];
    assert_int_equal(peer_add_local_addr(n.peers[CLIENT], &wifi), 0);
    net_run(&n, n.now + MONO_S(1));
    peer_media_path(n.peers[SERVER], &from, &to);
    assert_true(addr_equal(&to, &wifi));
    peer_media_path(n.peers[CLIENT], &from, &to);
    assert_true(addr_equal(&from, &wifi));
    assert_int_equal(n.seen[SERVER].addr_changed, changes + 1);
    net_check_media(&n, 2);
    net_run(&n, n.now + MONO_S(90));
    net_check_media(&n, 3);
    assert_false(peer_owns_addr(n.peers[SERVER], &n.addrs[CLIENT]));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(n.seen[i].connected, 1);
        assert_int_equal(n.seen[i].disconnected, 0);
        assert_mapped(&n, i);
    }
    net_fini(&n);
}

/* A cut of 15 s: disconnected, and connected again with the same keys. */
static void test_short_cut(void **state)
{
    (void)state;
    struct net n;
    net_init(&n, &(struct net_options){0});
    assert_true(net_connect(&n, n.now + MONO_S(2)));
    n.is_cut = true;
    net_run(&n, n.now + MONO_S(16));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(n.seen[i].disconnected, 1);
        assert_false(peer_is_connected(n.peers[i]));
    }
    n.is_cut = false;
    net_run(&n, n.now + MONO_S(3));
    for (int i = 0; i < 2; i++)
        assert_int_equal(n.seen[i].connected, 2);
    net_check_media(&n, 9);
    net_fini(&n);
}

/* A long one: failed, once; an ICE restart brings the connection back with the same keys. */
static void test_long_cut(void **state)
{
    (void)state;
    struct net n;
    net_init(&n, &(struct net_options){0});
    assert_true(net_connect(&n, n.now + MONO_S(2)));
    n.is_cut = true;
    net_run(&n, n.now + MONO_S(200));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(n.seen[i].failed, 1);
        assert_int_equal(n.seen[i].err, ERR_TIMEOUT);
    }
    n.is_cut = false;
    restart(&n, "0again", "cagain");
    net_run(&n, n.now + MONO_S(3));
    for (int i = 0; i < 2; i++)
        assert_int_equal(n.seen[i].connected, 2);
    net_check_media(&n, 9);
    net_fini(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connects),           cmocka_unit_test(test_before_keys),
        cmocka_unit_test(test_restart_keeps_dtls), cmocka_unit_test(test_address_change),
        cmocka_unit_test(test_short_cut),          cmocka_unit_test(test_long_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
