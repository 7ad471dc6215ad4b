/* fuzz: ice */
/*
 * Input bytes drive an agent: each step is an operation, its argument and, for packets, a message
 * that is raw, or built here with right or wrong credentials. Nothing may be answered without
 * credentials, and what an agent holds stays within its limits.
 */
#include "fuzz.h"

#include "ice/agent.h"
#include "ice/stun.h"

#include <stdlib.h>
#include <string.h>

#define UFRAG       "0abc"
#define PWD         "local password"
#define REMOTE_PWD  "remote password"
#define ADDRESSES   24
#define STEPS_MAX   120
#define TIMEOUT_MAX 64 /* timers that may be due at one time */

TK_FUZZ_DECLARE(ice_agent);

struct run {
    struct ice_agent *agent;
    struct rd in;
    mono_us now;
    uint8_t last_txid[ICE_STUN_TXID_SIZE]; /* of the agent's newest request */
    size_t sent;
};

static struct addr address(uint8_t n)
{
    struct addr a = {.family = ADDR_FAMILY_V4, .port = (uint16_t)(1000 + n % ADDRESSES)};
    a.ip[0] = n % 3 == 0 ? 10 : 172;
    a.proto = n % 7 == 6 ? ADDR_PROTO_TCP : ADDR_PROTO_UDP;
    return a;
}

static void drain(struct run *r)
{
    struct ice_event e;
    struct ice_out out;
    struct addr a;
    size_t events = 0;
    while (ice_agent_poll_event(r->agent, &e) == 1)
        if (++events > 2 * ICE_PAIRS_MAX + 8)
            abort();
    while (ice_agent_poll_transmit(r->agent, &out) == 1) {
        struct ice_stun m;
        r->sent++;
        if (ice_stun_parse(out.data, out.size, &m) < 0 || !ice_stun_has_fingerprint(out.data, &m))
            abort();
        if (m.cls == ICE_STUN_REQUEST)
            memcpy(r->last_txid, m.txid, sizeof(m.txid));
    }
    if (ice_agent_addr_at(r->agent, ICE_PAIRS_MAX, &a))
        abort();
}

static void feed(struct run *r, const uint8_t *data, size_t size, uint8_t from)
{
    struct ice_in in = {
        .data = data, .size = size, .from = address(from), .local = address((uint8_t)(from / 64))};
    in.local.proto = in.from.proto;
    size_t before = r->sent;
    int err = ice_agent_handle_packet(r->agent, &in, r->now);
    drain(r);
    if (err < 0 && r->sent != before)
        abort();
}

/* A message with credentials; `kind` chooses class and attributes. */
static void feed_built(struct run *r, uint8_t kind, uint8_t from)
{
    uint8_t data[ICE_DATAGRAM_MAX], txid[ICE_STUN_TXID_SIZE] = {kind, from};
    bool is_request = (kind & 1) != 0;
    const char *pwd = is_request ? PWD : REMOTE_PWD;
    if (!is_request)
        memcpy(txid, r->last_txid, sizeof(txid));
    struct wr w = wr_init(data, sizeof(data));
    ice_stun_begin(&w,
                   is_request        ? ICE_STUN_REQUEST
                   : (kind & 2) != 0 ? ICE_STUN_SUCCESS
                                     : ICE_STUN_ERROR,
                   txid);
    if (is_request) {
        ice_stun_put_username(&w, (kind & 4) != 0 ? UFRAG : "0new", "them");
        ice_stun_put_priority(&w, from);
        ice_stun_put_role(&w, (kind & 8) != 0, (uint64_t)from << 56);
        if ((kind & 16) != 0)
            ice_stun_put_use_candidate(&w);
    } else if ((kind & 2) == 0) {
        ice_stun_put_error(&w, (kind & 4) != 0 ? ICE_STUN_ERROR_ROLE_CONFLICT
                                               : ICE_STUN_ERROR_BAD_REQUEST);
    }
    if ((kind & 32) != 0)
        pwd = "wrong";
    int size = ice_stun_finish(&w, pwd, strlen(pwd));
    if (size < 0)
        abort();
    feed(r, data, (size_t)size, from);
}

static void pass_time(struct run *r, uint8_t step)
{
    mono_us until = r->now + MONO_MS(step) * step;
    for (size_t i = 0; ice_agent_next_timeout(r->agent) <= until; i++) {
        mono_us next = ice_agent_next_timeout(r->agent);
        if (next > r->now) {
            r->now = next;
            i = 0;
        }
        if (i > TIMEOUT_MAX)
            abort(); /* a timer that stays due */
        ice_agent_handle_timeout(r->agent, r->now);
        drain(r);
    }
    r->now = until;
}

static void step(struct run *r)
{
    struct addr a;
    uint8_t op = rd_u8(&r->in), arg = rd_u8(&r->in);
    a = address(arg);
    switch (op % 8) {
    case 0: {
        size_t size = TK_MIN(rd_left(&r->in), arg);
        const uint8_t *data = rd_bytes(&r->in, size);
        feed(r, data, size, op);
        break;
    }
    case 1:
    case 2:
        feed_built(r, (uint8_t)(op / 8 | (op % 8 == 2 ? 1 : 0)), arg);
        break;
    case 3:
    case 4:
        pass_time(r, arg);
        break;
    case 5:
        IGNORE(ice_agent_add_local(r->agent, &a, r->now)); /* limits are part of the game */
        break;
    case 6:
        IGNORE(ice_agent_add_remote(r->agent, &a, arg, r->now));
        break;
    default:
        if ((arg & 1) != 0)
            IGNORE(ice_agent_set_local(r->agent, (arg & 2) != 0 ? UFRAG : "0new", PWD, r->now));
        else
            IGNORE(
                ice_agent_set_remote(r->agent, (arg & 2) != 0 ? "r1" : "r2", REMOTE_PWD, r->now));
    }
    drain(r);
}

int tk_fuzz_ice_agent(const uint8_t *data, size_t size)
{
    struct rng rng;
    struct run r = {.in = rd_init(data, size), .now = MONO_S(100)};
    uint8_t flags = rd_u8(&r.in);
    rng_init_seeded(&rng, 1);
    struct ice_config c = {.is_lite = (flags & 1) != 0,
                           .is_controlling = (flags & 2) != 0,
                           .is_aggressive = (flags & 4) != 0,
                           .rng = &rng,
                           .ufrag = UFRAG,
                           .pwd = PWD};
    if (ice_agent_create(&c, r.now, &r.agent) < 0)
        abort();
    for (size_t i = 0; i < STEPS_MAX && rd_left(&r.in) > 0; i++)
        step(&r);
    ice_agent_destroy(r.agent);
    return 0;
}
