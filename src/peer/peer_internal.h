#ifndef TK_PEER_PEER_INTERNAL_H
#define TK_PEER_PEER_INTERNAL_H

/* The peer's own struct, shared by peer.c (the calls) and peer_event.c (what follows from them). */

#include "ice/agent.h"
#include "peer/peer.h"
#include "secure/dtls.h"

/* Waiting for peer_poll_event(). The caller polls after each call, and one call makes at most an
 * event for each of ICE's pairs and a few more. */
#define PEER_EVENTS_MAX   40
#define PEER_EVENTS_FIRST 8 /* room at first; few peers ever need more */

struct peer__told {
    enum peer_event_kind kind;
    int err;
    struct addr addr;
};

struct peer {
    /* Owned parts. */
    struct ice_agent *ice;
    struct sec_dtls *dtls;
    struct sec_srtp *srtp_send, *srtp_receive; /* NULL before DTLS is up */

    /* State. */
    mono_us now; /* of the last call that brought one */
    bool has_fingerprint;
    bool is_ice_up;    /* a pair is selected and heard */
    bool is_connected; /* the last event told was CONNECTED */
    bool is_failed;    /* FAILED was told; nothing is told any more, except after an ICE restart */
    struct addr media_from, media_to;
    struct addr dtls_from, dtls_to; /* before a pair is selected: where a DTLS datagram came from */

    /* Events that wait, a ring. */
    struct peer__told *events; /* event_slots of them, up to PEER_EVENTS_MAX */
    size_t event_slots, event_head, event_count;

    struct peer_stats stats;
};

/* Takes what ICE and DTLS have to tell and turns it into events; after every call. */
void peer__pump(struct peer *p, mono_us now);
void peer__push(struct peer *p, enum peer_event_kind kind, int err, const struct addr *addr);

#endif
