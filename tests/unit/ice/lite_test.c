/*
 * Goal: the lite side answers, learns and changes nothing without FINGERPRINT and
 * MESSAGE-INTEGRITY; it follows nominations, restarts and consent.
 * Method: checks made by hand, from a table of flaws and in scripts, with virtual time.
 */
#include "unit/ice/ice_util.h"

#include <string.h>

#define UFRAG "0abc"
#define PWD   "aaaaaaaaaaaaaaaaaaaaaa"

struct lite {
    struct ice_agent *agent;
    struct rng rng;
    struct addr server;
    mono_us now;
    uint8_t txid;
};

static struct lite setup(void)
{
    struct lite t = {.now = MONO_S(50), .server = test_addr("192.0.2.1", 7882)};
    rng_init_seeded(&t.rng, 1);
    return t;
}

static void start(struct lite *t)
{
    struct ice_config c = {.is_lite = true, .rng = &t->rng, .ufrag = UFRAG, .pwd = PWD};
    assert_int_equal(ice_agent_create(&c, t->now, &t->agent), 0);
}

static int handle(struct lite *t, const uint8_t *data, size_t size, const struct addr *from)
{
    struct ice_in in = {.data = data, .size = size, .from = *from, .local = t->server};
    return ice_agent_handle_packet(t->agent, &in, t->now);
}

static int check(struct lite *t, struct check_spec spec, const struct addr *from)
{
    uint8_t data[ICE_DATAGRAM_MAX];
    if (spec.txid_seed == 0)
        spec.txid_seed = ++t->txid;
    size_t size = test_check(&spec, data, sizeof(data));
    return handle(t, data, size, from);
}

static int nominate(struct lite *t, const struct addr *from)
{
    return check(t, (struct check_spec){.ufrag = UFRAG, .pwd = PWD, .use_candidate = true}, from);
}

/* The answer's error code, 0 = success; fails if there is no answer to `from`. */
static int answer(struct lite *t, const char *pwd, const struct addr *from)
{
    struct ice_out out;
    struct ice_stun m;
    assert_int_equal(ice_agent_poll_transmit(t->agent, &out), 1);
    assert_true(addr_equal(&out.to, from) && addr_equal(&out.from, &t->server));
    assert_int_equal(ice_stun_parse(out.data, out.size, &m), 0);
    assert_true(ice_stun_has_fingerprint(out.data, &m));
    assert_true(ice_stun_is_authentic(out.data, &m, pwd, strlen(pwd)));
    if (m.cls == ICE_STUN_ERROR)
        return m.error_code;
    assert_int_equal(m.cls, ICE_STUN_SUCCESS);
    assert_true(addr_equal(&m.mapped, from));
    return 0;
}

static void assert_silent(struct lite *t)
{
    struct ice_out out;
    struct ice_event e;
    assert_int_equal(ice_agent_poll_transmit(t->agent, &out), 0);
    assert_int_equal(ice_agent_poll_event(t->agent, &e), 0);
}

static void drain(struct lite *t, struct seen *s)
{
    struct ice_out out;
    struct ice_event e;
    while (ice_agent_poll_transmit(t->agent, &out) == 1)
        s->sent++;
    while (ice_agent_poll_event(t->agent, &e) == 1) {
        s->selections += e.kind == ICE_EVENT_SELECTED;
        s->added += e.kind == ICE_EVENT_ADDR_ADDED;
        s->removed += e.kind == ICE_EVENT_ADDR_REMOVED;
        if (e.kind == ICE_EVENT_SELECTED)
            s->media_to = e.remote;
        if (e.kind == ICE_EVENT_STATE)
            s->state = e.state;
    }
}

struct flaw {
    const char *name;
    struct check_spec spec;
    int err;
};

static const struct flaw flaws[] = {
    {"wrong password", {.ufrag = UFRAG, .pwd = "b"}, ERR_ICE_INTEGRITY},
    {"empty password", {.ufrag = UFRAG, .pwd = ""}, ERR_ICE_INTEGRITY},
    {"no integrity", {.ufrag = UFRAG, .pwd = PWD, .has_no_integrity = true}, ERR_ICE_INTEGRITY},
    {"no fingerprint",
     {.ufrag = UFRAG, .pwd = PWD, .has_no_fingerprint = true},
     ERR_ICE_FINGERPRINT},
    {"another's ufrag", {.ufrag = "0abd", .pwd = PWD}, ERR_ICE_USERNAME},
    {"ufrag with a tail", {.ufrag = UFRAG "x", .pwd = PWD}, ERR_ICE_USERNAME},
    {"no ufrag", {.ufrag = "", .pwd = PWD}, ERR_ICE_USERNAME},
    {"the old ufrag where there is none", {.ufrag = "", .pwd = ""}, ERR_ICE_USERNAME},
};

static void test_flaws_get_nothing(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr from = test_addr("198.51.100.7", 40000);
    start(&t);
    for (size_t i = 0; i < ARRAY_COUNT(flaws); i++) {
        struct check_spec spec = flaws[i].spec;
        spec.use_candidate = true;
        int err = check(&t, spec, &from);
        if (err != flaws[i].err)
            fail_msg("%s: %d instead of %d", flaws[i].name, err, flaws[i].err);
        assert_silent(&t);
        assert_false(ice_agent_owns(t.agent, &from));
        assert_int_equal(ice_agent_state(t.agent), ICE_STATE_NEW);
    }
    ice_agent_destroy(t.agent);
}

/* A good check with any one byte changed gets nothing either. */
static void test_any_changed_byte(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr from = test_addr("198.51.100.7", 40000);
    struct check_spec spec = {.ufrag = UFRAG, .pwd = PWD, .txid_seed = 9, .use_candidate = true};
    uint8_t data[ICE_DATAGRAM_MAX];
    start(&t);
    size_t size = test_check(&spec, data, sizeof(data));
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 0x10;
        assert_true(handle(&t, data, size, &from) < 0);
        data[i] ^= 0x10;
        assert_silent(&t);
    }
    assert_int_equal(handle(&t, data, size, &from), 0);
    assert_int_equal(answer(&t, PWD, &from), 0);
    ice_agent_destroy(t.agent);
}

static void test_errors_of_authentic_checks(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr from = test_addr("2001:db8::7", 40000);
    start(&t);
    struct check_spec spec = {.ufrag = UFRAG, .pwd = PWD, .use_candidate = true};
    spec.is_controlled = true;
    assert_int_equal(check(&t, spec, &from), 0);
    assert_int_equal(answer(&t, PWD, &from), ICE_STUN_ERROR_ROLE_CONFLICT);
    assert_false(ice_agent_owns(t.agent, &from));
    spec.is_controlled = false;
    spec.has_unknown_attr = true;
    assert_int_equal(check(&t, spec, &from), 0);
    assert_int_equal(answer(&t, PWD, &from), ICE_STUN_ERROR_UNKNOWN_ATTRIBUTE);
    assert_false(ice_agent_owns(t.agent, &from));
    spec.has_unknown_attr = false;
    assert_int_equal(check(&t, spec, &from), 0);
    assert_int_equal(answer(&t, PWD, &from), 0);
    assert_true(ice_agent_owns(t.agent, &from));
    ice_agent_destroy(t.agent);
}

/* Nominated, elsewhere, and back: media is always at the newest; repeats and replays are not. */
static void test_newest_nomination(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr a = test_addr("198.51.100.7", 40000), b = test_addr("203.0.113.9", 50000);
    struct seen s = {0};
    start(&t);
    struct check_spec plain = {.ufrag = UFRAG, .pwd = PWD};
    assert_int_equal(check(&t, plain, &a), 0);
    drain(&t, &s);
    assert_int_equal(s.state, ICE_STATE_CHECKING);
    assert_int_equal(s.added, 1);
    struct check_spec first = {.ufrag = UFRAG, .pwd = PWD, .txid_seed = 200, .use_candidate = true};
    assert_int_equal(check(&t, first, &a), 0);
    drain(&t, &s);
    assert_int_equal(s.state, ICE_STATE_CONNECTED);
    assert_true(addr_equal(&s.media_to, &a));
    assert_int_equal(nominate(&t, &b), 0);
    drain(&t, &s);
    assert_true(addr_equal(&s.media_to, &b));
    assert_int_equal(check(&t, first, &a), 0); /* the network repeated it: answered, no more */
    drain(&t, &s);
    assert_true(addr_equal(&s.media_to, &b));
    assert_int_equal(check(&t, plain, &a), 0);
    drain(&t, &s);
    assert_true(addr_equal(&s.media_to, &b));
    assert_int_equal(nominate(&t, &a), 0);
    drain(&t, &s);
    assert_true(addr_equal(&s.media_to, &a));
    struct addr thief = test_addr("203.0.113.66", 666);
    assert_int_equal(check(&t, first, &thief), ERR_EXISTS);
    assert_silent(&t);
    assert_false(ice_agent_owns(t.agent, &thief));
    assert_int_equal(s.selections, 3);
    ice_agent_destroy(t.agent);
}

/* When the nominated address falls silent, media returns to one nominated before that is heard. */
static void test_stale_selection(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr a = test_addr("198.51.100.7", 40000), b = test_addr("203.0.113.9", 50000);
    struct seen s = {0};
    struct check_spec plain = {.ufrag = UFRAG, .pwd = PWD};
    start(&t);
    assert_int_equal(nominate(&t, &a), 0);
    assert_int_equal(nominate(&t, &b), 0);
    drain(&t, &s);
    t.now += MONO_S(4);
    assert_int_equal(check(&t, plain, &a), 0);
    drain(&t, &s);
    assert_true(addr_equal(&s.media_to, &b));
    t.now += MONO_S(4);
    assert_int_equal(check(&t, plain, &a), 0);
    drain(&t, &s);
    assert_true(addr_equal(&s.media_to, &a));
    ice_agent_destroy(t.agent);
}

static void run_to(struct lite *t, mono_us until, struct seen *s)
{
    while (ice_agent_next_timeout(t->agent) <= until) {
        t->now = TK_MAX(t->now, ice_agent_next_timeout(t->agent));
        ice_agent_handle_timeout(t->agent, t->now);
        drain(t, s);
    }
    t->now = until;
}

static void test_consent(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr a = test_addr("198.51.100.7", 40000);
    struct seen s = {0};
    struct check_spec plain = {.ufrag = UFRAG, .pwd = PWD};
    start(&t);
    assert_int_equal(nominate(&t, &a), 0);
    for (int i = 0; i < 20; i++) {
        run_to(&t, t.now + MONO_S(9), &s);
        assert_int_equal(check(&t, plain, &a), 0);
        drain(&t, &s);
        assert_int_equal(s.state, ICE_STATE_CONNECTED);
    }
    run_to(&t, t.now + MONO_S(10) - 1, &s);
    assert_int_equal(s.state, ICE_STATE_CONNECTED);
    struct check_spec forged = {.ufrag = UFRAG, .pwd = "wrong"};
    assert_int_equal(check(&t, forged, &a), ERR_ICE_INTEGRITY);
    run_to(&t, t.now + 1, &s);
    assert_int_equal(s.state, ICE_STATE_DISCONNECTED);
    run_to(&t, t.now + MONO_S(40), &s);
    assert_int_equal(check(&t, plain, &a), 0);
    drain(&t, &s);
    assert_int_equal(s.state, ICE_STATE_CONNECTED);
    run_to(&t, t.now + ICE_LITE_FAILED_US, &s);
    assert_int_equal(s.state, ICE_STATE_FAILED);
    assert_int_equal(check(&t, plain, &a), ERR_STATE);
    assert_silent(&t);
    ice_agent_destroy(t.agent);
}

static void test_restart(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr a = test_addr("198.51.100.7", 40000), b = test_addr("203.0.113.9", 50000);
    struct seen s = {0};
    struct check_spec old = {.ufrag = UFRAG, .pwd = PWD};
    struct check_spec new_check = {.ufrag = "0new", .pwd = "new password", .use_candidate = true};
    start(&t);
    assert_int_equal(nominate(&t, &a), 0);
    drain(&t, &s);
    assert_int_equal(ice_agent_set_local(t.agent, "0lost", "never used", t.now), 0);
    assert_int_equal(ice_agent_set_local(t.agent, "0new", "new password", t.now), 0);
    assert_int_equal(check(&t, old, &a), 0); /* still good */
    assert_int_equal(answer(&t, PWD, &a), 0);
    struct check_spec mixed = {.ufrag = "0new", .pwd = PWD};
    assert_int_equal(check(&t, mixed, &b), ERR_ICE_INTEGRITY);
    mixed = (struct check_spec){.ufrag = UFRAG, .pwd = "new password"};
    assert_int_equal(check(&t, mixed, &b), ERR_ICE_INTEGRITY);
    assert_int_equal(check(&t, old, &a), 0); /* a forged one has ended nothing */
    assert_int_equal(answer(&t, PWD, &a), 0);
    assert_int_equal(check(&t, new_check, &b), 0);
    assert_int_equal(answer(&t, "new password", &b), 0);
    drain(&t, &s);
    assert_true(addr_equal(&s.media_to, &b));
    assert_int_equal(check(&t, old, &a), ERR_ICE_USERNAME);
    assert_silent(&t);
    ice_agent_destroy(t.agent);
}

/* A restart brings even a failed connection back. */
static void test_restart_after_failure(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr a = test_addr("198.51.100.7", 40000);
    struct seen s = {0};
    start(&t);
    assert_int_equal(nominate(&t, &a), 0);
    run_to(&t, t.now + MONO_S(1000), &s);
    assert_int_equal(s.state, ICE_STATE_FAILED);
    assert_int_equal(ice_agent_set_local(t.agent, "0new", "new password", t.now), 0);
    struct check_spec c = {.ufrag = "0new", .pwd = "new password", .use_candidate = true};
    assert_int_equal(check(&t, c, &a), 0);
    drain(&t, &s);
    assert_int_equal(s.state, ICE_STATE_CONNECTED);
    assert_int_equal(s.selections, 2);
    ice_agent_destroy(t.agent);
}

/* However many addresses a client checks from, the table stays small and the selected one stays. */
static void test_addresses_are_bounded(void **state)
{
    (void)state;
    struct lite t = setup();
    struct addr a = test_addr("198.51.100.7", 40000), from = a, last;
    struct seen s = {0};
    struct check_spec plain = {.ufrag = UFRAG, .pwd = PWD};
    start(&t);
    assert_int_equal(nominate(&t, &a), 0);
    drain(&t, &s);
    for (uint16_t i = 1; i < 200; i++) {
        from.port = (uint16_t)(40000 + i);
        t.now += MONO_MS(10);
        assert_int_equal(check(&t, plain, &from), 0);
        drain(&t, &s);
        assert_true(ice_agent_owns(t.agent, &from));
    }
    assert_true(ice_agent_owns(t.agent, &a));
    assert_true(ice_agent_addr_at(t.agent, ICE_LITE_PAIRS_MAX - 1, &last));
    assert_false(ice_agent_addr_at(t.agent, ICE_LITE_PAIRS_MAX, &last));
    assert_int_equal(s.added - s.removed, ICE_LITE_PAIRS_MAX);
    for (int i = 0; i < 20; i++) { /* and the unused ones are forgotten */
        run_to(&t, t.now + MONO_S(9), &s);
        assert_int_equal(nominate(&t, &a), 0);
        drain(&t, &s);
    }
    assert_true(ice_agent_addr_at(t.agent, 0, &last) && addr_equal(&last, &a));
    assert_false(ice_agent_addr_at(t.agent, 1, &last));
    ice_agent_destroy(t.agent);
}

static void test_credentials_have_limits(void **state)
{
    (void)state;
    struct rng rng;
    struct ice_agent *agent = NULL;
    char longest[ICE_PWD_SIZE + 1];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    rng_init_seeded(&rng, 1);
    struct ice_config c = {.is_lite = true, .rng = &rng, .ufrag = UFRAG, .pwd = longest};
    assert_int_equal(ice_agent_create(&c, 0, &agent), ERR_NO_SPACE);
    c.pwd = "";
    assert_int_equal(ice_agent_create(&c, 0, &agent), ERR_MALFORMED);
    assert_null(agent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flaws_get_nothing),
        cmocka_unit_test(test_any_changed_byte),
        cmocka_unit_test(test_errors_of_authentic_checks),
        cmocka_unit_test(test_newest_nomination),
        cmocka_unit_test(test_stale_selection),
        cmocka_unit_test(test_consent),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restart_after_failure),
        cmocka_unit_test(test_addresses_are_bounded),
        cmocka_unit_test(test_credentials_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
