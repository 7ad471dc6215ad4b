#include "ice/agent.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "ice/ice_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static int creds_set(struct ice__creds *c, const char *ufrag, const char *pwd)
{
    struct ice__creds fresh = {0};
    if (ufrag[0] == '\0' || pwd[0] == '\0')
        return ERR_MALFORMED;
    int err = str_copy(fresh.ufrag, sizeof(fresh.ufrag), ufrag);
    if (err == 0)
        err = str_copy(fresh.pwd, sizeof(fresh.pwd), pwd);
    if (err == 0)
        *c = fresh;
    ice__wipe(&fresh, sizeof(fresh));
    return err;
}

static bool creds_equal(const struct ice__creds *c, const char *ufrag, const char *pwd)
{
    return strcmp(c->ufrag, ufrag) == 0 && strcmp(c->pwd, pwd) == 0;
}

void ice_agent_destroy(struct ice_agent *a)
{
    if (a == NULL)
        return;
    free(a->pairs);
    free(a->out);
    free(a->full);
    ice__wipe(a, sizeof(*a));
    free(a);
}

int ice_agent_create(const struct ice_config *config, mono_us now, struct ice_agent **ret_agent)
{
    struct ice_agent *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return -ENOMEM;
    a->is_lite = config->is_lite;
    a->is_controlling = config->is_controlling && !config->is_lite;
    a->is_aggressive = config->is_aggressive;
    a->rng = config->rng;
    a->tie_breaker = rng_u64(a->rng);
    a->selected = ICE__NO_PAIR;
    a->started_at = now;
    a->heard_at = now;
    a->next_check_at = now;
    a->first_valid_at = MONO_NEVER;
    a->pair_slots = a->is_lite ? ICE__LITE_SLOTS_FIRST : ICE_PAIRS_MAX;
    a->out_slots = a->is_lite ? ICE__LITE_OUT_MAX : ICE__OUT_MAX;
    a->pairs = calloc(a->pair_slots, sizeof(*a->pairs));
    a->out = calloc(a->out_slots, sizeof(*a->out));
    a->full = a->is_lite ? NULL : calloc(1, sizeof(*a->full));
    bool is_whole = a->pairs != NULL && a->out != NULL && (a->is_lite || a->full != NULL);
    int err = is_whole ? creds_set(&a->local, config->ufrag, config->pwd) : -ENOMEM;
    if (err < 0) {
        ice_agent_destroy(a);
        return err;
    }
    *ret_agent = a;
    return 0;
}

/* ---- credentials and candidates ---- */

/* A restart brings a failed agent back; it has no path until a pair is nominated. */
static void revive(struct ice_agent *a, mono_us now)
{
    a->started_at = now;
    if (a->state != ICE_STATE_FAILED)
        return;
    a->selected = ICE__NO_PAIR;
    a->state = ICE_STATE_CHECKING;
}

int ice_agent_set_local(struct ice_agent *a, const char *ufrag, const char *pwd, mono_us now)
{
    if (creds_equal(&a->local, ufrag, pwd))
        return 0;
    struct ice__creds before = a->local;
    int err = creds_set(&a->local, ufrag, pwd);
    if (err == 0) {
        /* The ones that the other side uses stay valid, also over two restarts in a row. */
        if (a->is_local_used || a->local_old.ufrag[0] == '\0')
            a->local_old = before;
        a->is_local_used = false;
        revive(a, now);
    }
    ice__wipe(&before, sizeof(before));
    return err;
}

int ice_agent_set_remote(struct ice_agent *a, const char *ufrag, const char *pwd, mono_us now)
{
    if (creds_equal(&a->remote, ufrag, pwd))
        return 0;
    int err = creds_set(&a->remote, ufrag, pwd);
    if (err < 0)
        return err;
    revive(a, now);
    if (!a->is_lite)
        ice__restart_checks(a, now);
    ice__update_state(a, now);
    return 0;
}

/* The oldest network is the one that went away. */
static void drop_oldest_local(struct ice_agent *a)
{
    for (int i = 0; i < (int)a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (p->is_used && !p->is_dead && i != a->selected &&
            addr_equal(&p->local, &a->full->locals[0]))
            ice__pair_drop(a, p);
    }
    struct addr *locals = a->full->locals;
    memmove(&locals[0], &locals[1], (ICE_LOCALS_MAX - 1) * sizeof(*locals));
    a->local_count--;
}

int ice_agent_add_local(struct ice_agent *a, const struct addr *local, mono_us now)
{
    if (a->is_lite)
        return ERR_STATE;
    for (size_t i = 0; i < a->local_count; i++)
        if (addr_equal(&a->full->locals[i], local))
            return 0;
    if (a->local_count == ICE_LOCALS_MAX)
        drop_oldest_local(a);
    a->full->locals[a->local_count++] = *local;
    ice__form_pairs(a);
    ice__update_state(a, now);
    return 0;
}

int ice_agent_add_remote(struct ice_agent *a, const struct addr *candidate, uint32_t priority,
                         mono_us now)
{
    if (a->is_lite)
        return ERR_STATE;
    for (size_t i = 0; i < a->remote_count; i++)
        if (addr_equal(&a->full->remotes[i].addr, candidate))
            return 0;
    if (a->remote_count == ICE_REMOTES_MAX)
        return ERR_LIMIT;
    a->full->remotes[a->remote_count++] =
        (struct ice__remote){.addr = *candidate, .priority = priority};
    ice__form_pairs(a);
    ice__update_state(a, now);
    return 0;
}

/* ---- states and time ---- */

static bool has_pairs(const struct ice_agent *a)
{
    for (size_t i = 0; i < a->pair_slots; i++)
        if (a->pairs[i].is_used && !a->pairs[i].is_dead)
            return true;
    return false;
}

/* When the agent fails if nothing happens. */
static mono_us fail_at(const struct ice_agent *a)
{
    if (a->is_lite)
        return TK_MAX(a->heard_at, a->started_at) + ICE_LITE_FAILED_US;
    if (a->selected == ICE__NO_PAIR)
        return a->started_at + ICE_CHECKING_MAX_US;
    return TK_MAX(a->heard_at, a->started_at) + ICE_CONSENT_US;
}

static enum ice_state state_at(const struct ice_agent *a, mono_us now)
{
    if (a->state == ICE_STATE_FAILED)
        return ICE_STATE_FAILED;
    if (a->state == ICE_STATE_NEW && !has_pairs(a))
        return ICE_STATE_NEW;
    if (now >= fail_at(a))
        return ICE_STATE_FAILED;
    if (a->selected == ICE__NO_PAIR)
        return ICE_STATE_CHECKING;
    return now >= a->heard_at + ICE_DISCONNECTED_US ? ICE_STATE_DISCONNECTED : ICE_STATE_CONNECTED;
}

void ice__update_state(struct ice_agent *a, mono_us now)
{
    enum ice_state before = a->state;
    a->state = state_at(a, now);
    if (before == ICE_STATE_NEW && a->state != ICE_STATE_NEW)
        a->started_at = now;
}

void ice_agent_handle_timeout(struct ice_agent *a, mono_us now)
{
    ice__pairs_forget(a, now);
    ice__update_state(a, now); /* nothing is sent at the moment of failure */
    if (!a->is_lite && a->state != ICE_STATE_FAILED && a->remote.ufrag[0] != '\0') {
        ice__run_checks(a, now);
        ice__nominate(a, now);
        ice__run_consent(a, now);
    }
    ice__update_state(a, now);
}

mono_us ice_agent_next_timeout(const struct ice_agent *a)
{
    mono_us next = ice__pairs_next_forget(a);
    if (a->state == ICE_STATE_NEW || a->state == ICE_STATE_FAILED)
        return next;
    next = TK_MIN(next, fail_at(a));
    if (a->state == ICE_STATE_CONNECTED)
        next = TK_MIN(next, a->heard_at + ICE_DISCONNECTED_US);
    if (a->is_lite || a->remote.ufrag[0] == '\0')
        return next;
    next = TK_MIN(next, ice__checks_next(a));
    next = TK_MIN(next, ice__nominate_next(a));
    if (a->selected != ICE__NO_PAIR)
        next = TK_MIN(next, a->consent_at);
    return next;
}

/* ---- output ---- */

struct ice_out *ice__out_reserve(struct ice_agent *a)
{
    if (a->out_count == a->out_slots)
        return NULL;
    return &a->out[(a->out_at + a->out_count) % a->out_slots];
}

void ice__out_commit(struct ice_agent *a, int size)
{
    if (size <= 0)
        return;
    a->out[(a->out_at + a->out_count) % a->out_slots].size = (size_t)size;
    a->out_count++;
}

int ice_agent_poll_transmit(struct ice_agent *a, struct ice_out *ret_out)
{
    if (a->out_count == 0)
        return 0;
    *ret_out = a->out[a->out_at];
    a->out_at = (a->out_at + 1) % a->out_slots;
    a->out_count--;
    return 1;
}

static bool is_ours(const struct ice__pair *p)
{
    return p->is_used && p->is_known && !p->is_dead;
}

/* Frees dead pairs; true if one of them takes its address with it. */
static bool poll_removed(struct ice_agent *a, struct ice_event *ret_event)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (!p->is_used || !p->is_dead)
            continue;
        p->is_used = false;
        if (ice_agent_owns(a, &p->remote))
            continue; /* by way of another pair */
        *ret_event = (struct ice_event){
            .kind = ICE_EVENT_ADDR_REMOVED, .local = p->local, .remote = p->remote};
        return true;
    }
    return false;
}

static bool poll_added(struct ice_agent *a, struct ice_event *ret_event)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        struct ice__pair *p = &a->pairs[i];
        if (!is_ours(p) || !p->has_event)
            continue;
        p->has_event = false;
        p->is_announced = true;
        *ret_event = (struct ice_event){
            .kind = ICE_EVENT_ADDR_ADDED, .local = p->local, .remote = p->remote};
        return true;
    }
    return false;
}

int ice_agent_poll_event(struct ice_agent *a, struct ice_event *ret_event)
{
    if (poll_removed(a, ret_event) || poll_added(a, ret_event))
        return 1;
    if (a->has_selected_event && a->selected != ICE__NO_PAIR) {
        const struct ice__pair *p = &a->pairs[a->selected];
        a->has_selected_event = false;
        *ret_event =
            (struct ice_event){.kind = ICE_EVENT_SELECTED, .local = p->local, .remote = p->remote};
        return 1;
    }
    if (a->state != a->state_polled) {
        a->state_polled = a->state;
        *ret_event = (struct ice_event){.kind = ICE_EVENT_STATE, .state = a->state};
        return 1;
    }
    return 0;
}

/* ---- questions ---- */

enum ice_state ice_agent_state(const struct ice_agent *a)
{
    return a->state;
}

bool ice_agent_is_controlling(const struct ice_agent *a)
{
    return a->is_controlling;
}

void ice_agent_selected(const struct ice_agent *a, struct addr *ret_local, struct addr *ret_remote)
{
    *ret_local = *ret_remote = (struct addr){0};
    if (a->selected == ICE__NO_PAIR)
        return;
    *ret_local = a->pairs[a->selected].local;
    *ret_remote = a->pairs[a->selected].remote;
}

bool ice_agent_owns(const struct ice_agent *a, const struct addr *remote)
{
    struct addr local;
    return ice_agent_local_of(a, remote, &local);
}

bool ice_agent_local_of(const struct ice_agent *a, const struct addr *remote,
                        struct addr *ret_local)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        if (!is_ours(&a->pairs[i]) || !addr_equal(&a->pairs[i].remote, remote))
            continue;
        *ret_local = a->pairs[i].local;
        return true;
    }
    return false;
}

static bool is_repeated(const struct ice_agent *a, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (is_ours(&a->pairs[i]) && addr_equal(&a->pairs[i].remote, &a->pairs[index].remote))
            return true;
    return false;
}

bool ice_agent_addr_at(const struct ice_agent *a, size_t index, struct addr *ret_remote)
{
    for (size_t i = 0; i < a->pair_slots; i++) {
        if (!is_ours(&a->pairs[i]) || is_repeated(a, i) || index-- > 0)
            continue;
        *ret_remote = a->pairs[i].remote;
        return true;
    }
    return false;
}
