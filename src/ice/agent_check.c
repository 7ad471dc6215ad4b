#include "ice/ice_internal.h"

#include <string.h>

/*
 * The full side's own checks: which pairs there are, one new check per ICE_PACING_US (RFC 8445,
 * 6.1.4.2), repeated as RFC 8489, 6.2.1 says.
 */

#define TYPE_HOST  126 /* type preferences (RFC 8445, 5.1.2.2) */
#define TYPE_PRFLX 110

static bool can_pair(const struct addr *local, const struct addr *remote)
{
    if (local->family != remote->family || local->proto != remote->proto)
        return false;
    return local->proto == ADDR_PROTO_UDP || local->conn == remote->conn;
}

static void form_pair(struct ice_agent *a, const struct addr *local, const struct ice__remote *r)
{
    if (!can_pair(local, &r->addr) || ice__pair_find(a, local, &r->addr) != NULL)
        return;
    struct ice__pair *p = ice__pair_add(a, local, &r->addr);
    if (p == NULL)
        return;
    p->local_priority = ice__local_priority(a, local, TYPE_HOST);
    p->remote_priority = r->priority;
    ice__pair_prioritise(a, p);
}

void ice__form_pairs(struct ice_agent *a)
{
    for (size_t i = 0; i < a->local_count; i++)
        for (size_t k = 0; k < a->remote_count; k++)
            form_pair(a, &a->full->locals[i], &a->full->remotes[k]);
}

void ice__restart_checks(struct ice_agent *a, mono_us now)
{
    a->first_valid_at = MONO_NEVER;
    a->next_check_at = now;
    a->consent_unanswered = 0;
    memset(a->full->consent_txids, 0, sizeof(a->full->consent_txids));
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        p->state = ICE__PAIR_WAITING;
        p->is_triggered = p->is_nominated = p->is_wanted = false;
        p->check.is_active = false;
    }
}

void ice__switch_role(struct ice_agent *a, bool is_controlling)
{
    a->is_controlling = is_controlling;
    a->tie_breaker = rng_u64(a->rng);
    for (size_t i = 0; i < a->pair_slots; i++)
        if (a->pairs[i].is_used)
            ice__pair_prioritise(a, &a->pairs[i]);
}

bool ice__send_check(struct ice_agent *a, const struct ice__pair *p,
                     const uint8_t txid[ICE_STUN_TXID_SIZE], bool has_use_candidate)
{
    struct ice_out *out = ice__out_reserve(a);
    if (out == NULL)
        return false;
    struct wr w = wr_init(out->data, sizeof(out->data));
    ice_stun_begin(&w, ICE_STUN_REQUEST, txid);
    ice_stun_put_username(&w, a->remote.ufrag, a->local.ufrag);
    ice_stun_put_priority(&w, ice__local_priority(a, &p->local, TYPE_PRFLX));
    ice_stun_put_role(&w, a->is_controlling, a->tie_breaker);
    if (has_use_candidate)
        ice_stun_put_use_candidate(&w);
    out->from = p->local;
    out->to = p->remote;
    ice__out_commit(a, ice_stun_finish(&w, a->remote.pwd, strlen(a->remote.pwd)));
    return true;
}

/* RFC 8445, 14.3: longer when many checks are under way. */
static mono_us first_rto(const struct ice_agent *a)
{
    mono_us count = 0;
    for (size_t i = 0; i < a->pair_slots; i++)
        count += a->pairs[i].is_used && !a->pairs[i].is_dead && a->pairs[i].state <= ICE__PAIR_BUSY;
    return TK_MAX(ICE_RTO_US, ICE_PACING_US * count);
}

static mono_us wait_after(const struct ice__check *c, const struct addr *to)
{
    if (to->proto == ADDR_PROTO_TCP)
        return ICE__TCP_WAIT_US;
    return c->sends < ICE__SENDS_MAX ? c->rto << (c->sends - 1) : c->rto * ICE__LAST_WAIT_RTOS;
}

void ice__start_check(struct ice_agent *a, struct ice__pair *p, bool has_use_candidate, mono_us now)
{
    struct ice__check c = {
        .is_active = true,
        .has_use_candidate = has_use_candidate,
        .is_controlling = a->is_controlling,
        .sends = 1,
        .rto = first_rto(a),
    };
    rng_fill(a->rng, c.txid, sizeof(c.txid));
    if (!ice__send_check(a, p, c.txid, has_use_candidate))
        return; /* stays due */
    c.next_at = now + wait_after(&c, &p->remote);
    p->check = c;
    p->is_triggered = false;
    if (p->state != ICE__PAIR_SUCCEEDED)
        p->state = ICE__PAIR_BUSY;
}

static void run_check(struct ice_agent *a, struct ice__pair *p, mono_us now)
{
    struct ice__check *c = &p->check;
    if (c->sends >= ICE__SENDS_MAX || p->remote.proto == ADDR_PROTO_TCP) {
        c->is_active = false;
        p->state = ice__has_good_selection(a) ? ICE__PAIR_FAILED : ICE__PAIR_WAITING;
        return;
    }
    if (!ice__send_check(a, p, c->txid, c->has_use_candidate))
        return;
    c->sends++;
    c->next_at = now + wait_after(c, &p->remote);
}

/* The next pair to check: triggered ones first, then by priority. */
static struct ice__pair *next_pair(struct ice_agent *a)
{
    struct ice__pair *best = NULL;
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (!p->is_used || p->is_dead || p->state != ICE__PAIR_WAITING)
            continue;
        if (best == NULL || p->is_triggered > best->is_triggered ||
            (p->is_triggered == best->is_triggered && p->priority > best->priority))
            best = p;
    }
    return best;
}

void ice__run_checks(struct ice_agent *a, mono_us now)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (p->is_used && !p->is_dead && p->check.is_active && now >= p->check.next_at)
            run_check(a, p, now);
    }
    struct ice__pair *p = now >= a->next_check_at ? next_pair(a) : NULL;
    if (p == NULL)
        return;
    ice__start_check(a, p, a->is_aggressive && a->is_controlling, now);
    a->next_check_at = now + ICE_PACING_US;
}

mono_us ice__checks_next(const struct ice_agent *a)
{
    mono_us next = MONO_NEVER;
    for (size_t i = 0; i < a->pair_slots; i++) {
        const struct ice__pair *p = &a->pairs[i];
        if (!p->is_used || p->is_dead)
            continue;
        if (p->check.is_active)
            next = TK_MIN(next, p->check.next_at);
        if (p->state == ICE__PAIR_WAITING)
            next = TK_MIN(next, a->next_check_at);
    }
    return next;
}
