#include "base/err.h"
#include "peer/peer_internal.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_SPARE 3 /* CONNECTED, FAILED and one more: they come once in a call */

_Static_assert(PEER_EVENTS_FIRST > EVENTS_SPARE, "room for one of ICE's");

/*
 * ICE up and DTLS up make CONNECTED; ICE down makes DISCONNECTED and, when it comes back, CONNECTED
 * again with the same keys. A DTLS failure is final.
 */

static struct peer__told *event_at(struct peer *p, size_t index)
{
    return &p->events[(p->event_head + index) % p->event_slots];
}

static bool grow(struct peer *p)
{
    size_t slots = TK_MIN(2 * p->event_slots, (size_t)PEER_EVENTS_MAX);
    struct peer__told *events = calloc(slots, sizeof(*events));
    if (events == NULL)
        return false;
    for (size_t i = 0; i < p->event_count; i++)
        events[i] = *event_at(p, i);
    free(p->events);
    p->events = events;
    p->event_slots = slots;
    p->event_head = 0;
    return true;
}

/* True if there is room for one more of ICE's events and what may follow. Without memory they wait
 * where they are, for the next call. */
static bool has_room(struct peer *p)
{
    if (p->event_slots - p->event_count > EVENTS_SPARE)
        return true;
    return p->event_slots < PEER_EVENTS_MAX && grow(p);
}

void peer__push(struct peer *p, enum peer_event_kind kind, int err, const struct addr *addr)
{
    if (p->event_count == p->event_slots)
        return; /* only a caller that does not poll can get here */
    struct peer__told *e = event_at(p, p->event_count++);
    *e = (struct peer__told){.kind = kind, .err = err};
    if (addr != NULL)
        e->addr = *addr;
}

static void fail(struct peer *p, int err)
{
    if (p->is_failed)
        return;
    p->is_failed = true;
    p->is_connected = false;
    peer__push(p, PEER_EVENT_FAILED, err, NULL);
}

static void select_pair(struct peer *p, const struct ice_event *e)
{
    p->media_from = e->local;
    p->media_to = e->remote;
    peer__push(p, PEER_EVENT_ADDR_CHANGED, 0, &e->remote);
}

static void follow_ice_state(struct peer *p, enum ice_state state)
{
    p->is_ice_up = state == ICE_STATE_CONNECTED;
    if (state == ICE_STATE_FAILED) {
        fail(p, ERR_TIMEOUT);
    } else if (state == ICE_STATE_DISCONNECTED && p->is_connected) {
        p->is_connected = false;
        peer__push(p, PEER_EVENT_DISCONNECTED, 0, NULL);
    }
}

static void follow_ice(struct peer *p)
{
    struct ice_event e;
    while (has_room(p) && ice_agent_poll_event(p->ice, &e) == 1) {
        if (e.kind == ICE_EVENT_STATE)
            follow_ice_state(p, e.state);
        else if (e.kind == ICE_EVENT_SELECTED)
            select_pair(p, &e);
        else
            peer__push(
                p, e.kind == ICE_EVENT_ADDR_ADDED ? PEER_EVENT_ADDR_ADDED : PEER_EVENT_ADDR_REMOVED,
                0, &e.remote);
    }
}

/* DTLS is up: the keys become contexts, both or none, and are wiped. */
static int make_contexts(struct peer *p)
{
    struct sec_srtp_keys send = {0}, receive = {0};
    int err = sec_dtls_take_keys(p->dtls, &send, &receive);
    if (err == 0)
        err = sec_srtp_create(&send, SEC_SEND, &p->srtp_send);
    if (err == 0)
        err = sec_srtp_create(&receive, SEC_RECEIVE, &p->srtp_receive);
    if (err < 0) {
        sec_srtp_destroy(p->srtp_send);
        p->srtp_send = NULL;
    }
    explicit_bzero(&send, sizeof(send));
    explicit_bzero(&receive, sizeof(receive));
    return err;
}

static void follow_dtls(struct peer *p)
{
    enum sec_dtls_state state = sec_dtls_state(p->dtls);
    if (p->is_failed)
        return;
    if (state == SEC_DTLS_FAILED) {
        fail(p, sec_dtls_error(p->dtls));
    } else if (state == SEC_DTLS_CLOSED) {
        fail(p, ERR_CLOSED);
    } else if (state == SEC_DTLS_CONNECTED && p->srtp_receive == NULL) {
        int err = make_contexts(p);
        if (err < 0)
            fail(p, err);
    }
}

void peer__pump(struct peer *p, mono_us now)
{
    p->now = now;
    follow_ice(p);
    if (p->is_ice_up && p->has_fingerprint && sec_dtls_state(p->dtls) == SEC_DTLS_NEW) {
        int err = sec_dtls_start(p->dtls, now);
        if (err < 0)
            fail(p, err);
    }
    follow_dtls(p);
    if (p->is_ice_up && p->srtp_receive != NULL && !p->is_connected && !p->is_failed) {
        p->is_connected = true;
        peer__push(p, PEER_EVENT_CONNECTED, 0, NULL);
    }
}

int peer_poll_event(struct peer *p, struct peer_event *ret_event)
{
    if (p->event_count > 0) {
        const struct peer__told *e = event_at(p, 0);
        *ret_event = (struct peer_event){.kind = e->kind, .err = e->err, .addr = e->addr};
        p->event_head = (p->event_head + 1) % p->event_slots;
        p->event_count--;
        return 1;
    }
    const uint8_t *data;
    int size = sec_dtls_poll_data(p->dtls, &data);
    if (size <= 0)
        return 0;
    *ret_event = (struct peer_event){.kind = PEER_EVENT_SCTP, .data = data, .size = (size_t)size};
    return 1;
}
