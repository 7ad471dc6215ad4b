#include "ice/ice_internal.h"

#include <string.h>

/*
 * Which pair carries the media (RFC 8445, 8.1.1), and whether the other side still wants it (RFC
 * 7675). A consent check whose answer is missing is followed by another after half a second; after
 * five of them every other pair is tried again.
 */

#define NOMINATE_WAIT_US   MONO_MS(200) /* for a better pair, after the first that succeeded */
#define SENDS_PATIENCE     3            /* a nomination unanswered so often gives way */
#define CONSENT_US_MIN     MONO_S(4)    /* 5 s, randomised by 0.8 to 1.2 (RFC 7675, 5.1) */
#define CONSENT_US_SPREAD  2000000u
#define CONSENT_AGAIN_US   ICE_RTO_US
#define CONSENT_PATIENCE   5
#define CONSENT_RETRY_EACH 16

void ice__select(struct ice_agent *a, struct ice__pair *p, mono_us now)
{
    int index = ice__pair_index(a, p);
    p->is_nominated = true;
    p->is_wanted = false;
    a->heard_at = now;
    a->consent_unanswered = 0;
    a->consent_at = now + CONSENT_US_MIN + rng_below(a->rng, CONSENT_US_SPREAD);
    if (index == a->selected)
        return;
    a->selected = index;
    a->has_selected_event = true;
}

bool ice__has_good_selection(const struct ice_agent *a)
{
    return a->selected != ICE__NO_PAIR && a->pairs[a->selected].is_nominated &&
           a->consent_unanswered < CONSENT_PATIENCE;
}

static bool is_candidate(const struct ice_agent *a, size_t index)
{
    const struct ice__pair *p = &a->pairs[index];
    if (!p->is_used || p->is_dead || p->state != ICE__PAIR_SUCCEEDED)
        return false;
    if (p->check.is_active && p->check.sends >= SENDS_PATIENCE)
        return false;
    return (int)index != a->selected || a->consent_unanswered < CONSENT_PATIENCE;
}

static struct ice__pair *best_valid(struct ice_agent *a)
{
    struct ice__pair *best = NULL;
    for (size_t i = 0; i < a->pair_slots; i++)
        if (is_candidate(a, i) && (best == NULL || a->pairs[i].priority > best->priority))
            best = &a->pairs[i];
    return best;
}

static bool is_better_pending(const struct ice_agent *a, const struct ice__pair *best)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        const struct ice__pair *p = &a->pairs[i];
        if (p->is_used && !p->is_dead && p->state <= ICE__PAIR_BUSY && p->priority > best->priority)
            return true;
    }
    return false;
}

void ice__nominate(struct ice_agent *a, mono_us now)
{
    if (a->is_lite || !a->is_controlling)
        return;
    struct ice__pair *best = best_valid(a);
    if (best == NULL || (best->check.is_active && best->check.has_use_candidate))
        return;
    if (ice__has_good_selection(a)) {
        if (best->priority <= a->pairs[a->selected].priority)
            return;
    } else if (is_better_pending(a, best) && now < a->first_valid_at + NOMINATE_WAIT_US) {
        return;
    }
    ice__start_check(a, best, true, now);
}

/* When the wait for a better pair ends; everything else in ice__nominate() follows an event. */
mono_us ice__nominate_next(const struct ice_agent *a)
{
    if (a->first_valid_at == MONO_NEVER || !a->is_controlling || ice__has_good_selection(a))
        return MONO_NEVER;
    for (size_t i = 0; i < a->pair_slots; i++)
        if (a->pairs[i].check.is_active && a->pairs[i].check.has_use_candidate)
            return MONO_NEVER;
    for (size_t i = 0; i < a->pair_slots; i++)
        if (is_candidate(a, i))
            return a->first_valid_at + NOMINATE_WAIT_US;
    return MONO_NEVER;
}

/* ---- consent ---- */

bool ice__is_consent_txid(const struct ice_agent *a, const uint8_t txid[ICE_STUN_TXID_SIZE])
{
    for (size_t i = 0; i < TK_MIN(a->consent_next, ICE__CONSENT_MAX); i++) /* lite: none */
        if (memcmp(a->full->consent_txids[i], txid, ICE_STUN_TXID_SIZE) == 0)
            return true;
    return false;
}

void ice__consent_answered(struct ice_agent *a, mono_us now)
{
    a->heard_at = now;
    a->consent_unanswered = 0;
    a->consent_at = now + CONSENT_US_MIN + rng_below(a->rng, CONSENT_US_SPREAD);
}

static void try_other_pairs(struct ice_agent *a)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (!p->is_used || p->is_dead || (int)i == a->selected || p->check.is_active)
            continue;
        p->state = ICE__PAIR_WAITING;
        p->is_triggered = true;
    }
}

void ice__run_consent(struct ice_agent *a, mono_us now)
{
    if (a->selected == ICE__NO_PAIR || now < a->consent_at)
        return;
    uint8_t *txid = a->full->consent_txids[a->consent_next % ICE__CONSENT_MAX];
    rng_fill(a->rng, txid, ICE_STUN_TXID_SIZE);
    if (!ice__send_check(a, &a->pairs[a->selected], txid, a->is_controlling))
        return;
    a->consent_next++;
    a->consent_unanswered++;
    a->consent_at = now + CONSENT_AGAIN_US;
    if (a->consent_unanswered % CONSENT_RETRY_EACH == CONSENT_PATIENCE)
        try_other_pairs(a);
}
