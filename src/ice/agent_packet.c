#include "base/err.h"
#include "ice/ice_internal.h"

#include <string.h>

/*
 * Messages that come in. The order of the tests is the point of this file: form, FINGERPRINT, whose
 * it is, MESSAGE-INTEGRITY; and only then anything that answers or changes something.
 */

#define STALE_US                                                                    \
    MONO_S(5) /* lite: a selected pair that was not heard for this long may be left \
               */

/* ---- requests ---- */

static const struct ice__creds *local_creds(const struct ice_agent *a, const struct ice_stun *m)
{
    char ufrag[ICE_UFRAG_SIZE];
    if (ice__username_first(m, ufrag, sizeof(ufrag)) < 0)
        return NULL;
    if (strcmp(ufrag, a->local.ufrag) == 0)
        return &a->local;
    if (a->local_old.ufrag[0] != '\0' && strcmp(ufrag, a->local_old.ufrag) == 0)
        return &a->local_old;
    return NULL;
}

/* Answers a request; error 0 = success. A full queue drops the answer: the other side asks again.
 */
static void reply(struct ice_agent *a, const struct ice_in *in, const struct ice_stun *m,
                  const struct ice__creds *creds, int error)
{
    struct ice_out *out = ice__out_reserve(a);
    if (out == NULL)
        return;
    struct wr w = wr_init(out->data, sizeof(out->data));
    ice_stun_begin(&w, error == 0 ? ICE_STUN_SUCCESS : ICE_STUN_ERROR, m->txid);
    if (error == 0)
        ice_stun_put_mapped(&w, &in->from);
    else
        ice_stun_put_error(&w, (enum ice_stun_error)error);
    if (error == ICE_STUN_ERROR_UNKNOWN_ATTRIBUTE)
        ice_stun_put_unknown(&w, m->unknown, m->unknown_count);
    out->from = in->local;
    out->to = in->from;
    ice__out_commit(a, ice_stun_finish(&w, creds->pwd, strlen(creds->pwd)));
}

enum seen { SEEN_NEVER, SEEN_SAME, SEEN_ELSEWHERE };

/* Has this transaction come before? From another address it may be someone's replay. */
static enum seen note_seen(struct ice_agent *a, const struct ice_in *in, const struct ice_stun *m)
{
    static const struct ice__seen none;
    for (size_t i = 0; i < ICE__SEEN_MAX; i++) {
        const struct ice__seen *s = &a->seen[i];
        if (memcmp(s->txid, m->txid, sizeof(s->txid)) == 0 && memcmp(s, &none, sizeof(none)) != 0)
            return addr_equal(&s->from, &in->from) ? SEEN_SAME : SEEN_ELSEWHERE;
    }
    struct ice__seen *s = &a->seen[a->seen_next++ % ICE__SEEN_MAX];
    memcpy(s->txid, m->txid, sizeof(s->txid));
    s->from = in->from;
    return SEEN_NEVER;
}

/*
 * RFC 8445, 7.3.1.1: who keeps the role that both claim. The lite side is always controlled.
 * Returns 0 or the error to answer.
 */
static int settle_roles(struct ice_agent *a, const struct ice_stun *m)
{
    bool is_conflict = a->is_controlling ? m->has_controlling : m->has_controlled;
    if (!is_conflict)
        return 0;
    if (a->is_lite)
        return ICE_STUN_ERROR_ROLE_CONFLICT;
    bool is_ours_larger = a->tie_breaker >= m->tie_breaker;
    if (is_ours_larger == a->is_controlling)
        return ICE_STUN_ERROR_ROLE_CONFLICT;
    ice__switch_role(a, !a->is_controlling);
    return 0;
}

/* The pair a valid check belongs to; a new source is a peer-reflexive candidate (7.3.1.3). */
static struct ice__pair *pair_of_check(struct ice_agent *a, const struct ice_in *in,
                                       const struct ice_stun *m)
{
    struct ice__pair *p = ice__pair_find(a, &in->local, &in->from);
    if (p != NULL)
        return p;
    p = ice__pair_add(a, &in->local, &in->from);
    if (p == NULL)
        return NULL;
    p->local_priority = ice__local_priority(a, &in->local, 126);
    p->remote_priority = m->priority;
    ice__pair_prioritise(a, p);
    return p;
}

/* Lite. A nomination is followed at once; a repeated check is none. A pair nominated earlier gets
 * media back when the present one has gone silent. */
static void follow_nomination(struct ice_agent *a, struct ice__pair *p, bool is_nomination,
                              mono_us now)
{
    bool is_stale = a->selected != ICE__NO_PAIR && now - a->pairs[a->selected].heard_at > STALE_US;
    if (is_nomination || (is_stale && p->is_nominated))
        ice__select(a, p, now);
}

/* Full. Our own check has to follow (7.3.1.4) before the pair can be used. */
static void trigger_check(struct ice_agent *a, struct ice__pair *p, bool is_nomination, mono_us now)
{
    if (is_nomination && !a->is_controlling) {
        if (p->state == ICE__PAIR_SUCCEEDED)
            ice__select(a, p, now);
        else
            p->is_wanted = true;
    }
    if (p->state == ICE__PAIR_WAITING || p->state == ICE__PAIR_FAILED) {
        p->state = ICE__PAIR_WAITING;
        p->is_triggered = true;
    }
}

static int accept_request(struct ice_agent *a, const struct ice_in *in, const struct ice_stun *m,
                          const struct ice__creds *creds, mono_us now)
{
    if (m->unknown_count > 0) {
        reply(a, in, m, creds, ICE_STUN_ERROR_UNKNOWN_ATTRIBUTE);
        return 0;
    }
    int error = settle_roles(a, m);
    if (error != 0) {
        reply(a, in, m, creds, error);
        return 0;
    }
    enum seen seen = note_seen(a, in, m);
    if (seen == SEEN_ELSEWHERE)
        return ERR_EXISTS;
    struct ice__pair *p = pair_of_check(a, in, m);
    if (p == NULL)
        return ERR_LIMIT;
    p->is_known = true;
    p->has_event = true; /* every time: whoever maps addresses may have lost it */
    p->heard_at = now;
    reply(a, in, m, creds, 0);
    bool is_nomination = m->has_use_candidate && seen == SEEN_NEVER;
    if (a->is_lite) {
        a->heard_at = now;
        follow_nomination(a, p, is_nomination, now);
    } else {
        trigger_check(a, p, is_nomination, now);
    }
    if (creds == &a->local && !a->is_local_used) {
        a->is_local_used = true;
        a->local_old = (struct ice__creds){0};
    }
    return 0;
}

static int handle_request(struct ice_agent *a, const struct ice_in *in, const struct ice_stun *m,
                          mono_us now)
{
    const struct ice__creds *creds = local_creds(a, m);
    if (creds == NULL)
        return ERR_ICE_USERNAME;
    if (!ice_stun_is_authentic(in->data, m, creds->pwd, strlen(creds->pwd)))
        return ERR_ICE_INTEGRITY;
    return accept_request(a, in, m, creds, now);
}

/* ---- responses ---- */

static struct ice__pair *pair_of_response(struct ice_agent *a, const struct ice_in *in,
                                          const struct ice_stun *m, bool *ret_is_consent)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (!p->is_used || p->is_dead || !addr_equal(&p->remote, &in->from))
            continue;
        *ret_is_consent = (int)i == a->selected && ice__is_consent_txid(a, m->txid);
        bool is_check = p->check.is_active && memcmp(p->check.txid, m->txid, sizeof(m->txid)) == 0;
        if (is_check || *ret_is_consent)
            return p;
    }
    return NULL;
}

static void handle_success(struct ice_agent *a, struct ice__pair *p, mono_us now)
{
    bool is_nomination = p->check.has_use_candidate && p->check.is_controlling;
    p->check.is_active = false;
    p->state = ICE__PAIR_SUCCEEDED;
    if (a->first_valid_at == MONO_NEVER)
        a->first_valid_at = now;
    if (a->is_controlling && is_nomination) {
        const struct ice__pair *s = a->selected != ICE__NO_PAIR ? &a->pairs[a->selected] : NULL;
        p->is_nominated = true;
        if (!a->is_aggressive || s == NULL || !s->is_nominated || p->priority > s->priority)
            ice__select(a, p, now);
    } else if (!a->is_controlling && p->is_wanted) {
        ice__select(a, p, now);
    }
}

/* 487: take the other role, unless that has been done, and check again (7.2.5.1). */
static void handle_error(struct ice_agent *a, struct ice__pair *p, const struct ice_stun *m)
{
    p->check.is_active = false;
    if (m->error_code != ICE_STUN_ERROR_ROLE_CONFLICT) {
        p->state = ICE__PAIR_FAILED;
        return;
    }
    if (a->is_controlling == p->check.is_controlling)
        ice__switch_role(a, !a->is_controlling);
    p->state = ICE__PAIR_WAITING;
    p->is_triggered = true;
}

static int handle_response(struct ice_agent *a, const struct ice_in *in, const struct ice_stun *m,
                           mono_us now)
{
    bool is_consent;
    struct ice__pair *p = pair_of_response(a, in, m, &is_consent);
    if (p == NULL)
        return ERR_NOT_FOUND;
    if (a->remote.pwd[0] == '\0' ||
        !ice_stun_is_authentic(in->data, m, a->remote.pwd, strlen(a->remote.pwd)))
        return ERR_ICE_INTEGRITY;
    if (m->cls == ICE_STUN_SUCCESS) {
        p->is_known = true;
        p->has_event = !p->is_announced;
        p->heard_at = now;
        if (is_consent)
            ice__consent_answered(a, now);
        else
            handle_success(a, p, now);
    } else if (!is_consent) {
        handle_error(a, p, m);
    }
    ice__nominate(a, now);
    return 0;
}

int ice_agent_handle_packet(struct ice_agent *a, const struct ice_in *in, mono_us now)
{
    struct ice_stun m;
    int err = ice_stun_parse(in->data, in->size, &m);
    if (err < 0)
        return err;
    if (!ice_stun_has_fingerprint(in->data, &m))
        return ERR_ICE_FINGERPRINT;
    if (m.method != ICE_STUN_METHOD_BINDING || m.cls == ICE_STUN_INDICATION)
        return ERR_NOT_FOUND;
    if (a->state == ICE_STATE_FAILED)
        return ERR_STATE;
    if (m.cls == ICE_STUN_REQUEST)
        err = handle_request(a, in, &m, now);
    else
        err = handle_response(a, in, &m, now);
    if (err == 0)
        ice__update_state(a, now);
    return err;
}
