/*
 * Goal: two agents in one process, as if a bad network lay between them.
 * Method: the earliest arrival or timer is next; loss, delay and jitter come from a seed.
 */
#include "unit/ice/ice_util.h"

#include <string.h>

struct addr test_addr(const char *ip, uint16_t port)
{
    struct addr a;
    assert_int_equal(addr_parse_ip(ip, &a), 0);
    a.port = port;
    return a;
}

void line_init(struct line *l, uint64_t seed, const struct ice_config *server,
               const struct ice_config *client)
{
    memset(l, 0, sizeof(*l));
    rng_init_seeded(&l->rng, seed);
    l->now = MONO_S(1000);
    l->delay = MONO_MS(20);
    const struct ice_config *configs[2] = {server, client};
    for (int i = 0; i < 2; i++) {
        struct ice_config c = *configs[i];
        c.rng = &l->rng;
        assert_int_equal(ice_agent_create(&c, l->now, &l->agents[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            ice_agent_set_remote(l->agents[i], configs[1 - i]->ufrag, configs[1 - i]->pwd, l->now),
            0);
}

void line_fini(struct line *l)
{
    for (int i = 0; i < 2; i++)
        ice_agent_destroy(l->agents[i]);
}

static bool is_lost(struct line *l, const struct ice_out *out)
{
    bool is_blocked = l->blocked.family != ADDR_FAMILY_NONE &&
                      (addr_equal(&out->from, &l->blocked) || addr_equal(&out->to, &l->blocked));
    return l->is_cut || is_blocked || rng_below(&l->rng, 100) < l->loss_percent;
}

static void translate(const struct line *l, struct ice_out *out)
{
    if (l->nat_inside.family == ADDR_FAMILY_NONE)
        return;
    if (addr_equal(&out->from, &l->nat_inside))
        out->from = l->nat_outside;
    if (addr_equal(&out->to, &l->nat_outside))
        out->to = l->nat_inside;
}

static void send(struct line *l, int from, struct ice_out *out)
{
    l->seen[from].sent++;
    if (from == 1 && out->data[0] == 0 && out->data[1] == 1) {
        memcpy(l->last_request, out->data, out->size);
        l->last_request_size = out->size;
    }
    if (is_lost(l, out))
        return;
    assert_in_range(l->flying_count, 0, LINE_FLYING_MAX - 1);
    translate(l, out);
    mono_us jitter = l->jitter > 0 ? rng_below(&l->rng, (uint32_t)l->jitter) : 0;
    l->flying[l->flying_count++] =
        (struct flying){.at = l->now + l->delay + jitter, .to = 1 - from, .out = *out};
}

static void note(struct seen *s, const struct ice_event *e)
{
    switch (e->kind) {
    case ICE_EVENT_STATE:
        s->state = e->state;
        s->state_counts[e->state]++;
        break;
    case ICE_EVENT_SELECTED:
        s->media_from = e->local;
        s->media_to = e->remote;
        s->selections++;
        break;
    case ICE_EVENT_ADDR_ADDED:
        s->added++;
        break;
    case ICE_EVENT_ADDR_REMOVED:
        s->removed++;
        break;
    }
}

void line_drain(struct line *l)
{
    for (int i = 0; i < 2; i++) {
        struct ice_event e;
        struct ice_out out;
        while (ice_agent_poll_event(l->agents[i], &e) == 1)
            note(&l->seen[i], &e);
        while (ice_agent_poll_transmit(l->agents[i], &out) == 1)
            send(l, i, &out);
    }
}

static struct flying *next_arrival(struct line *l)
{
    struct flying *next = NULL;
    for (size_t i = 0; i < l->flying_count; i++)
        if (next == NULL || l->flying[i].at < next->at)
            next = &l->flying[i];
    return next;
}

/* One step: the earliest arrival or timer. False if nothing is due until then. */
static bool step(struct line *l, mono_us until)
{
    struct flying *f = next_arrival(l);
    mono_us arrival = f != NULL ? f->at : MONO_NEVER;
    mono_us timers[2] = {ice_agent_next_timeout(l->agents[0]),
                         ice_agent_next_timeout(l->agents[1])};
    mono_us next = TK_MIN(arrival, TK_MIN(timers[0], timers[1]));
    if (next > until)
        return false;
    l->now = TK_MAX(l->now, next);
    if (arrival == next) {
        struct flying one = *f;
        *f = l->flying[--l->flying_count];
        struct ice_in in = {
            .data = one.out.data, .size = one.out.size, .from = one.out.from, .local = one.out.to};
        IGNORE(ice_agent_handle_packet(l->agents[one.to], &in, l->now)); /* drops are the test's */
    } else {
        ice_agent_handle_timeout(l->agents[timers[0] == next ? 0 : 1], l->now);
    }
    line_drain(l);
    return true;
}

void line_run(struct line *l, mono_us until)
{
    size_t steps = 0;
    line_drain(l);
    while (step(l, until))
        assert_in_range(++steps, 0, 100000); /* a timer that stays due would never end */
    l->now = until;
}

bool line_run_to(struct line *l, int agent, enum ice_state state, mono_us until)
{
    size_t steps = 0;
    line_drain(l);
    while (ice_agent_state(l->agents[agent]) != state && step(l, until))
        assert_in_range(++steps, 0, 100000);
    return ice_agent_state(l->agents[agent]) == state;
}

size_t test_check(const struct check_spec *spec, uint8_t *data, size_t data_size)
{
    uint8_t txid[ICE_STUN_TXID_SIZE] = {spec->txid_seed, 7};
    struct wr w = wr_init(data, data_size);
    ice_stun_begin(&w, ICE_STUN_REQUEST, txid);
    ice_stun_put_username(&w, spec->ufrag, "their");
    ice_stun_put_priority(&w, 1);
    ice_stun_put_role(&w, !spec->is_controlled, 1);
    if (spec->use_candidate)
        ice_stun_put_use_candidate(&w);
    if (spec->has_unknown_attr)
        wr_u32be(&w, 0x7fff0000);
    int size = ice_stun_finish(&w, spec->has_no_integrity ? NULL : spec->pwd, strlen(spec->pwd));
    assert_true(size > 8);
    if (spec->has_no_fingerprint) {
        size -= 8;
        put_u16be(data + 2, (uint16_t)(size - ICE_STUN_HEADER_SIZE));
    }
    return (size_t)size;
}
