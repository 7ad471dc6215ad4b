/*
 * Goal: a full agent and a lite one find each other over a bad line, keep consent, survive cuts,
 * restarts and changes of address, and settle their roles.
 * Method: two agents, a seeded network and virtual time; the seed is printed when a run fails.
 */
#include "unit/ice/ice_util.h"

#include <string.h>

#define SERVER 0
#define CLIENT 1

static const struct ice_config lite = {.is_lite = true, .ufrag = "0srv", .pwd = "server password"};
static const struct ice_config full = {
    .is_controlling = true, .ufrag = "clnt", .pwd = "client password"};

static struct addr server_addr, client_addr, client_wifi;

static void begin(struct line *l, uint64_t seed, const struct ice_config *client)
{
    server_addr = test_addr("192.0.2.1", 7882);
    client_addr = test_addr("198.51.100.7", 40000);
    client_wifi = test_addr("203.0.113.9", 50000);
    line_init(l, seed, &lite, client);
    assert_int_equal(ice_agent_add_local(l->agents[CLIENT], &client_addr, l->now), 0);
    assert_int_equal(ice_agent_add_remote(l->agents[CLIENT], &server_addr, 2130706431, l->now), 0);
}

static void test_connects(void **state)
{
    (void)state;
    struct line l;
    begin(&l, 1, &full);
    mono_us start = l.now;
    assert_true(line_run_to(&l, CLIENT, ICE_STATE_CONNECTED, start + MONO_S(1)));
    /* a check, a nomination: two round trips of 40 ms */
    assert_in_range(l.now - start, MONO_MS(80), MONO_MS(200));
    assert_int_equal(ice_agent_state(l.agents[SERVER]), ICE_STATE_CONNECTED);
    assert_true(addr_equal(&l.seen[SERVER].media_to, &client_addr));
    assert_true(addr_equal(&l.seen[SERVER].media_from, &server_addr));
    assert_true(addr_equal(&l.seen[CLIENT].media_to, &server_addr));
    assert_true(ice_agent_owns(l.agents[CLIENT], &server_addr));
    line_fini(&l);
}

static void test_aggressive(void **state)
{
    (void)state;
    struct line l;
    struct ice_config client = full;
    client.is_aggressive = true;
    begin(&l, 1, &client);
    mono_us start = l.now;
    assert_true(line_run_to(&l, CLIENT, ICE_STATE_CONNECTED, start + MONO_S(1)));
    assert_in_range(l.now - start, MONO_MS(40), MONO_MS(60)); /* one round trip */
    line_fini(&l);
}

/*
 * 30 % loss each way, jitter larger than the delay: everyone connects, and stays so but for a few
 * seconds (a consent check is answered with a probability of one half here).
 */
static void test_lossy(void **state)
{
    (void)state;
    size_t drops = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct line l;
        begin(&l, seed, &full);
        l.loss_percent = 30;
        l.jitter = MONO_MS(60);
        mono_us start = l.now;
        bool is_connected = line_run_to(&l, CLIENT, ICE_STATE_CONNECTED, start + MONO_S(35));
        line_run(&l, start + MONO_S(300));
        bool is_again = line_run_to(&l, CLIENT, ICE_STATE_CONNECTED, start + MONO_S(320));
        drops += l.seen[CLIENT].state_counts[ICE_STATE_DISCONNECTED];
        if (!is_connected || !is_again || l.seen[SERVER].state_counts[ICE_STATE_FAILED] > 0)
            fail_msg("seed %lu: connected %d, at the end %d", (unsigned long)seed, is_connected,
                     is_again);
        line_fini(&l);
    }
    assert_in_range(drops, 0, 150); /* one in ten minutes */
}

/* No answer at all: transactions of four sendings at RTO 500 ms, doubling (RFC 8489, 6.2.1), one
 * after the other until the agent fails. */
static void test_retransmission(void **state)
{
    (void)state;
    static const mono_us sends_at[] = {0, 500, 1500, 3500, 5500, 6000, 7000, 9000, 11000};
    struct line l;
    begin(&l, 1, &full);
    l.is_cut = true;
    mono_us start = l.now;
    for (size_t i = 0; i < ARRAY_COUNT(sends_at); i++) {
        line_run(&l, start + MONO_MS(sends_at[i]) - 1);
        assert_int_equal(l.seen[CLIENT].sent, i);
        line_run(&l, start + MONO_MS(sends_at[i]));
        assert_int_equal(l.seen[CLIENT].sent, i + 1);
    }
    line_run(&l, start + ICE_CHECKING_MAX_US - 1);
    assert_int_equal(l.seen[CLIENT].state, ICE_STATE_CHECKING);
    line_run(&l, start + ICE_CHECKING_MAX_US);
    assert_int_equal(l.seen[CLIENT].state, ICE_STATE_FAILED);
    assert_int_equal(l.seen[CLIENT].sent, 30); /* 4 each 5.5 s */
    assert_true(ice_agent_next_timeout(l.agents[CLIENT]) == MONO_NEVER);
    line_fini(&l);
}

/* Consent checks come every 4 to 6 s while they are answered; 120 s in all. */
static void test_consent_rate(void **state)
{
    (void)state;
    struct line l;
    begin(&l, 3, &full);
    line_run(&l, l.now + MONO_S(10));
    size_t before = l.seen[CLIENT].sent;
    line_run(&l, l.now + MONO_S(120));
    assert_in_range(l.seen[CLIENT].sent - before, 20, 30);
    assert_int_equal(l.seen[CLIENT].state_counts[ICE_STATE_DISCONNECTED], 0);
    assert_int_equal(l.seen[SERVER].state_counts[ICE_STATE_DISCONNECTED], 0);
    line_fini(&l);
}

/* A cut of 15 s disconnects both and heals by itself; one of 100 s fails both. */
static void test_cuts(void **state)
{
    (void)state;
    struct line l;
    begin(&l, 4, &full);
    line_run(&l, l.now + MONO_S(10));
    l.is_cut = true;
    line_run(&l, l.now + MONO_S(16));
    for (int i = 0; i < 2; i++)
        assert_int_equal(l.seen[i].state, ICE_STATE_DISCONNECTED);
    l.is_cut = false;
    line_run(&l, l.now + MONO_S(3));
    for (int i = 0; i < 2; i++)
        assert_int_equal(l.seen[i].state, ICE_STATE_CONNECTED);
    l.is_cut = true;
    line_run(&l, l.now + MONO_S(31));
    assert_int_equal(l.seen[CLIENT].state, ICE_STATE_FAILED); /* consent expired */
    size_t sent = l.seen[CLIENT].sent;
    line_run(&l, l.now + MONO_S(70));
    assert_int_equal(l.seen[CLIENT].sent, sent); /* and not a packet more */
    assert_int_equal(l.seen[SERVER].state, ICE_STATE_FAILED);
    line_fini(&l);
}

/* The public address changes behind a NAT: the next consent check carries the media along. */
static void test_nat_rebinding(void **state)
{
    (void)state;
    struct line l;
    begin(&l, 5, &full);
    line_run(&l, l.now + MONO_S(5));
    l.nat_inside = client_addr;
    l.nat_outside = test_addr("203.0.113.99", 1234);
    line_run(&l, l.now + MONO_S(7));
    assert_true(addr_equal(&l.seen[SERVER].media_to, &l.nat_outside));
    assert_true(ice_agent_owns(l.agents[SERVER], &client_addr)); /* for a minute */
    assert_int_equal(l.seen[CLIENT].state_counts[ICE_STATE_DISCONNECTED], 0);
    line_run(&l, l.now + ICE_PAIR_FORGET_US);
    assert_false(ice_agent_owns(l.agents[SERVER], &client_addr));
    line_fini(&l);
}

/* A new network is added in mid-session: media moves there at once, on both sides. */
static void test_new_network(void **state)
{
    (void)state;
    struct line l;
    begin(&l, 6, &full);
    line_run(&l, l.now + MONO_S(5));
    l.blocked = client_addr;
    assert_int_equal(ice_agent_add_local(l.agents[CLIENT], &client_wifi, l.now), 0);
    line_run(&l, l.now + MONO_MS(300));
    assert_true(addr_equal(&l.seen[SERVER].media_to, &client_wifi));
    assert_true(addr_equal(&l.seen[CLIENT].media_from, &client_wifi));
    line_run(&l, l.now + MONO_S(60));
    for (int i = 0; i < 2; i++)
        assert_int_equal(l.seen[i].state_counts[ICE_STATE_DISCONNECTED], 0);
    line_fini(&l);
}

/* Two networks from the start; the one in use dies: the other takes over. */
static void test_failover(void **state)
{
    (void)state;
    struct line l;
    begin(&l, 7, &full);
    assert_int_equal(ice_agent_add_local(l.agents[CLIENT], &client_wifi, l.now), 0);
    line_run(&l, l.now + MONO_S(5));
    assert_true(addr_equal(&l.seen[CLIENT].media_from, &client_wifi));
    l.blocked = client_wifi;
    line_run(&l, l.now + MONO_S(10));
    assert_true(addr_equal(&l.seen[CLIENT].media_from, &client_addr));
    assert_true(addr_equal(&l.seen[SERVER].media_to, &client_addr));
    assert_int_equal(l.seen[CLIENT].state, ICE_STATE_CONNECTED);
    line_fini(&l);
}

static void restart(struct line *l, const char *server_ufrag, const char *client_ufrag)
{
    struct ice_agent *s = l->agents[SERVER], *c = l->agents[CLIENT];
    assert_int_equal(ice_agent_set_local(c, client_ufrag, "client again", l->now), 0);
    assert_int_equal(ice_agent_set_remote(s, client_ufrag, "client again", l->now), 0);
    assert_int_equal(ice_agent_set_local(s, server_ufrag, "server again", l->now), 0);
    line_run(l, l->now + MONO_S(1)); /* the answer takes a while */
    assert_int_equal(ice_agent_set_remote(c, server_ufrag, "server again", l->now), 0);
}

static void test_restart(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct line l;
        begin(&l, seed, &full);
        l.loss_percent = seed % 2 == 0 ? 20 : 0;
        if (!line_run_to(&l, CLIENT, ICE_STATE_CONNECTED, l.now + MONO_S(35)))
            fail_msg("seed %lu", (unsigned long)seed);
        restart(&l, "0again", "cagain");
        line_run(&l, l.now + MONO_S(20));
        for (int i = 0; i < 2; i++)
            if (l.seen[i].state != ICE_STATE_CONNECTED)
                fail_msg("seed %lu: agent %d after the restart", (unsigned long)seed, i);
        assert_int_equal(l.seen[CLIENT].state_counts[ICE_STATE_FAILED], 0);
        line_fini(&l);
    }
}

/* Both failed after a long cut; a restart brings both back. */
static void test_restart_after_failure(void **state)
{
    (void)state;
    struct line l;
    begin(&l, 9, &full);
    line_run(&l, l.now + MONO_S(10));
    l.is_cut = true;
    line_run(&l, l.now + MONO_S(120));
    for (int i = 0; i < 2; i++)
        assert_int_equal(l.seen[i].state, ICE_STATE_FAILED);
    l.is_cut = false;
    restart(&l, "0again", "cagain");
    line_run(&l, l.now + MONO_S(2));
    for (int i = 0; i < 2; i++)
        assert_int_equal(l.seen[i].state, ICE_STATE_CONNECTED);
    line_fini(&l);
}

/* Two full agents that both want to control, or both to be controlled: one gives in. */
static void test_role_conflict(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct line l;
        struct ice_config other = {.is_controlling = seed % 2 == 0, .ufrag = "o", .pwd = "other"};
        struct ice_config client = full;
        client.is_controlling = other.is_controlling;
        client_addr = test_addr("198.51.100.7", 40000);
        server_addr = test_addr("192.0.2.1", 7882);
        line_init(&l, seed, &other, &client);
        l.loss_percent = seed % 3 == 0 ? 20 : 0;
        for (int i = 0; i < 2; i++) {
            const struct addr *own = i == SERVER ? &server_addr : &client_addr;
            const struct addr *peer = i == SERVER ? &client_addr : &server_addr;
            assert_int_equal(ice_agent_add_local(l.agents[i], own, l.now), 0);
            assert_int_equal(ice_agent_add_remote(l.agents[i], peer, 2130706431, l.now), 0);
        }
        line_run(&l, l.now + MONO_S(20));
        for (int i = 0; i < 2; i++)
            if (l.seen[i].state != ICE_STATE_CONNECTED)
                fail_msg("seed %lu: agent %d is in state %d", (unsigned long)seed, i,
                         l.seen[i].state);
        assert_int_not_equal(ice_agent_is_controlling(l.agents[0]),
                             ice_agent_is_controlling(l.agents[1]));
        line_fini(&l);
    }
}

/* A full agent beside a lite one has to control, whatever it was told. */
static void test_lite_never_controls(void **state)
{
    (void)state;
    struct line l;
    struct ice_config client = full;
    client.is_controlling = false;
    begin(&l, 1, &client);
    line_run(&l, l.now + MONO_S(3));
    assert_true(ice_agent_is_controlling(l.agents[CLIENT]));
    assert_int_equal(l.seen[SERVER].state, ICE_STATE_CONNECTED);
    line_fini(&l);
}

/* UDP is blocked, a TCP connection is there: the pair over TCP is taken, sent once each. */
static void test_tcp(void **state)
{
    (void)state;
    struct line l;
    begin(&l, 1, &full);
    l.blocked = client_addr;
    struct addr local = test_addr("198.51.100.7", 51000), remote = test_addr("192.0.2.1", 7881);
    local.proto = remote.proto = ADDR_PROTO_TCP;
    local.conn = remote.conn = 5;
    assert_int_equal(ice_agent_add_local(l.agents[CLIENT], &local, l.now), 0);
    assert_int_equal(ice_agent_add_remote(l.agents[CLIENT], &remote, 1671430143, l.now), 0);
    remote.conn = 6; /* another connection: no pair */
    assert_int_equal(ice_agent_add_remote(l.agents[CLIENT], &remote, 1671430143, l.now), 0);
    assert_true(line_run_to(&l, CLIENT, ICE_STATE_CONNECTED, l.now + MONO_S(1)));
    line_drain(&l);
    assert_int_equal(l.seen[CLIENT].media_from.proto, ADDR_PROTO_TCP);
    assert_int_equal(l.seen[CLIENT].media_to.conn, 5);
    line_fini(&l);
}

/* Answers that are forged, or belong to nothing, change nothing at the client. */
static void test_forged_answers(void **state)
{
    (void)state;
    static const char *const pwds[] = {"client password", "wrong", NULL};
    struct line l;
    begin(&l, 1, &full);
    l.is_cut = true;
    line_run(&l, l.now + MONO_MS(100));
    struct ice_stun request;
    assert_int_equal(ice_stun_parse(l.last_request, l.last_request_size, &request), 0);
    for (size_t i = 0; i < ARRAY_COUNT(pwds); i++) {
        uint8_t data[ICE_DATAGRAM_MAX];
        struct wr w = wr_init(data, sizeof(data));
        ice_stun_begin(&w, i % 2 == 0 ? ICE_STUN_SUCCESS : ICE_STUN_ERROR, request.txid);
        ice_stun_put_mapped(&w, &client_addr);
        if (i % 2 != 0)
            ice_stun_put_error(&w, ICE_STUN_ERROR_ROLE_CONFLICT);
        int size = ice_stun_finish(&w, pwds[i], pwds[i] != NULL ? strlen(pwds[i]) : 0);
        assert_true(size > 0);
        struct ice_in in = {
            .data = data, .size = (size_t)size, .from = server_addr, .local = client_addr};
        assert_int_equal(ice_agent_handle_packet(l.agents[CLIENT], &in, l.now), ERR_ICE_INTEGRITY);
        assert_int_equal(ice_agent_state(l.agents[CLIENT]), ICE_STATE_CHECKING);
        assert_false(ice_agent_owns(l.agents[CLIENT], &server_addr));
        assert_true(ice_agent_is_controlling(l.agents[CLIENT]));
        in.from = client_wifi;
        assert_int_equal(ice_agent_handle_packet(l.agents[CLIENT], &in, l.now), ERR_NOT_FOUND);
    }
    line_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connects),
        cmocka_unit_test(test_aggressive),
        cmocka_unit_test(test_lossy),
        cmocka_unit_test(test_retransmission),
        cmocka_unit_test(test_consent_rate),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_nat_rebinding),
        cmocka_unit_test(test_new_network),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restart_after_failure),
        cmocka_unit_test(test_role_conflict),
        cmocka_unit_test(test_lite_never_controls),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_forged_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
