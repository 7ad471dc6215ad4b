/*
 * When a participant has something to do by itself: one timer each, in its room's heap, so that a
 * tick costs what is due and not who is there. Whatever brings something nearer says so with
 * signal__participant_due(). What moves further away, as with every word from the client, says
 * nothing: the tick then comes too early, finds the next time and costs one look.
 */

#include "signal/signal_internal.h"

/* Where some seconds more or less do not matter, many participants share one wake-up. */
#define COARSE_US MONO_S(1)

void signal__participant_due(struct signal_participant *p, mono_us at)
{
    if (p->timer.slot != 0 && p->timer.at <= at)
        return;
    IGNORE(timers_set(&p->room->timers, &p->timer, at)); /* it got its place when it joined */
    signal__wake(p->room, at);
}

static mono_us round_up(mono_us at, mono_us step)
{
    return at == MONO_NEVER ? at : mono_grid_after(at - 1, step);
}

/* Silence, and the next token. */
static mono_us session_due(const struct signal_participant *p)
{
    if (p->session == NULL)
        return MONO_NEVER;
    mono_us silent = p->session->is_mute ? MONO_NEVER : p->session->heard_at + SIGNAL_SILENT_US;
    return round_up(TK_MIN(silent, p->token_due), COARSE_US);
}

/* The end of a participant that never got connected, or whose line is lost. */
static mono_us end_due(const struct signal_participant *p)
{
    mono_us resume_timeout = p->room->signal->config.resume_timeout;
    mono_us due = p->was_active ? MONO_NEVER : p->created_at + SIGNAL_JOIN_TIMEOUT_US;
    if (p->session == NULL)
        due = TK_MIN(due, p->was_active ? p->lost_at + resume_timeout : p->lost_at);
    if (p->whip != NULL && p->whip->lost_at != MONO_NEVER)
        due = TK_MIN(due, p->whip->lost_at + resume_timeout);
    return due;
}

static mono_us dynacast_due(const struct signal_participant *p)
{
    mono_us due = MONO_NEVER;
    LIST_FOR_EACH(it, &p->tracks)
    due = TK_MIN(due, CONTAINER_OF(it, struct signal_track, link)->lower_at);
    return due;
}

/* The next time, not before the next tick except for what is being negotiated. */
static mono_us next_due(const struct signal_participant *p)
{
    mono_us now = p->room->signal->now;
    mono_us due = TK_MIN(end_due(p), dynacast_due(p));
    due = TK_MIN(due, TK_MIN(signal__data_due(p), signal__patience_due(p)));
    due = TK_MIN(session_due(p), round_up(due, SIGNAL_TICK_US));
    due = TK_MAX(due, now + SIGNAL_TICK_US);
    return p->is_negotiation_due ? TK_MIN(due, p->negotiation_at) : due;
}

/* False when the participant was removed. */
static bool do_what_is_due(struct signal_participant *p)
{
    mono_us now = p->room->signal->now;
    bool is_late = !p->was_active && now >= p->created_at + SIGNAL_JOIN_TIMEOUT_US;
    if (is_late) {
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE, false);
        return false;
    }
    if (p->session == NULL && now >= p->lost_at + p->room->signal->config.resume_timeout) {
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__SIGNAL_CLOSE, false);
        return false;
    }
    if (p->whip != NULL && signal__whip_is_over(p->whip)) {
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__CONNECTION_TIMEOUT, false);
        return false;
    }
    if (p->session != NULL && !p->session->is_mute &&
        now >= p->session->heard_at + SIGNAL_SILENT_US) {
        signal__session_dismiss(p->session, 1001);
        signal__participant_lost(p);
    }
    if (p->session == NULL && !p->was_active) {
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE, false);
        return false;
    }
    if (p->session != NULL && now >= p->token_due)
        signal__participant_send_token(p);
    signal__data_tick(p);
    LIST_FOR_EACH(it, &p->tracks)
    signal__dynacast_tick(CONTAINER_OF(it, struct signal_track, link));
    return signal__negotiate(p);
}

void signal__participants_tick(struct signal_room *room)
{
    for (struct timer *t; (t = timers_pop_due(&room->timers, room->signal->now)) != NULL;) {
        struct signal_participant *p = CONTAINER_OF(t, struct signal_participant, timer);
        if (do_what_is_due(p))
            signal__participant_due(p, next_due(p));
    }
}
