#ifndef TK_ICE_AGENT_H
#define TK_ICE_AGENT_H

/*
 * An ICE agent (RFC 8445) for one component: the lite, controlled side of the server and the full
 * side, controlling as a rule, of our own client. Sans-IO: datagrams and time come in, datagrams
 * and events are polled. One thread per agent.
 *
 * Nothing is answered, learnt or changed unless FINGERPRINT and MESSAGE-INTEGRITY of a message are
 * right. Contract: after any call that changes the agent, poll transmit and event until empty.
 *
 * Lite: a check makes its source address known (peer-reflexive, 7.3.1.3); USE-CANDIDATE nominates
 * at any time, and media follows the newest nomination. Consent (RFC 7675) is what the other side's
 * checks give.
 *
 * Full: pairs are formed from the local addresses and remote candidates of the same family and
 * transport, checked every 50 ms, nominated, and kept by consent checks every 5 s on average. A
 * local address added later is preferred to an earlier one, so that adding one in mid-session moves
 * the connection there.
 */

#include "base/addr.h"
#include "base/rng.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ICE_UFRAG_SIZE     33 /* with the zero; RFC 8839 allows 256 */
#define ICE_PWD_SIZE       65
#define ICE_DATAGRAM_MAX   256 /* largest message that we send */
#define ICE_LOCALS_MAX     8
#define ICE_REMOTES_MAX    16
#define ICE_PAIRS_MAX      32
#define ICE_LITE_PAIRS_MAX 16 /* addresses of one client; the one longest unheard makes room */

#define ICE_PACING_US       MONO_MS(50)  /* Ta (RFC 8445, 14.2) */
#define ICE_RTO_US          MONO_MS(500) /* least first retransmission time (RFC 8445, 14.3) */
#define ICE_DISCONNECTED_US MONO_S(10)   /* unheard for this long: disconnected */
#define ICE_CONSENT_US      MONO_S(30)   /* full: consent expires (RFC 7675, 5.1): failed */
/* Lite: failed. Longer than consent, as the media stops at "disconnected" and a client whose line
 * was cut for a minute comes back with an ICE restart. */
#define ICE_LITE_FAILED_US  MONO_S(90)
#define ICE_PAIR_FORGET_US  MONO_S(60) /* lite: an address unheard for this long is dropped */
#define ICE_CHECKING_MAX_US MONO_S(40) /* full: no pair after this long: failed */

struct ice_agent;

struct ice_config {
    bool is_lite;        /* answers only, and is always controlled */
    bool is_controlling; /* full: the role to begin with */
    bool is_aggressive;  /* full: USE-CANDIDATE in every check */
    struct rng *rng;     /* outlives the agent */
    const char *ufrag;   /* local credentials, copied */
    const char *pwd;
};

enum ice_state {
    ICE_STATE_NEW,          /* no check yet */
    ICE_STATE_CHECKING,     /* no pair selected yet */
    ICE_STATE_CONNECTED,    /* a pair is selected and consent is fresh */
    ICE_STATE_DISCONNECTED, /* nothing heard for ICE_DISCONNECTED_US; may come back */
    ICE_STATE_FAILED,       /* over, until an ICE restart */
    ICE_STATE_COUNT_
};

enum ice_event_kind {
    ICE_EVENT_STATE,       /* state */
    ICE_EVENT_SELECTED,    /* media goes from `local` to `remote` now */
    ICE_EVENT_ADDR_ADDED,  /* `remote` is authenticated; may come again for the same address */
    ICE_EVENT_ADDR_REMOVED /* `remote` is no longer ours */
};

struct ice_event {
    enum ice_event_kind kind;
    enum ice_state state;
    struct addr local, remote;
};

struct ice_in {
    const uint8_t *data;
    size_t size;
    struct addr from;
    struct addr local; /* the address it arrived at */
};

struct ice_out {
    struct addr from, to;
    size_t size;
    uint8_t data[ICE_DATAGRAM_MAX];
};

/* ERR_NO_SPACE (credentials too long), ERR_MALFORMED (empty ones), -ENOMEM. */
MUST_CHECK int ice_agent_create(const struct ice_config *config, mono_us now,
                                struct ice_agent **ret_agent);
void ice_agent_destroy(struct ice_agent *a); /* NULL is a no-op; wipes the passwords */

/*
 * ICE restart, local half (RFC 8445, 9): checks with the old credentials are answered until the
 * first one with the new comes. The same ones again change nothing. Errors as for create.
 */
MUST_CHECK int ice_agent_set_local(struct ice_agent *a, const char *ufrag, const char *pwd,
                                   mono_us now);
/*
 * The other side's credentials; another ufrag or password than before is an ICE restart: every pair
 * is checked anew, media stays on the selected pair until another is nominated.
 */
MUST_CHECK int ice_agent_set_remote(struct ice_agent *a, const char *ufrag, const char *pwd,
                                    mono_us now);

/*
 * Full only. The same address again is harmless. A TCP address is one connection: it pairs with the
 * remote candidate whose `conn` is the same. ERR_LIMIT, ERR_STATE on a lite agent.
 */
MUST_CHECK int ice_agent_add_local(struct ice_agent *a, const struct addr *local, mono_us now);
MUST_CHECK int ice_agent_add_remote(struct ice_agent *a, const struct addr *candidate,
                                    uint32_t priority, mono_us now);

/*
 * One datagram. Negative: dropped without any effect (ERR_ICE_FINGERPRINT, ERR_ICE_INTEGRITY,
 * ERR_ICE_USERNAME, ERR_MALFORMED, ERR_TRUNCATED; ERR_NOT_FOUND for an answer to nothing;
 * ERR_EXISTS for a check seen before from another address; ERR_STATE when failed).
 */
MUST_CHECK int ice_agent_handle_packet(struct ice_agent *a, const struct ice_in *in, mono_us now);
void ice_agent_handle_timeout(struct ice_agent *a, mono_us now);
mono_us ice_agent_next_timeout(const struct ice_agent *a); /* or MONO_NEVER */

/* 1, 0 = empty. */
int ice_agent_poll_transmit(struct ice_agent *a, struct ice_out *ret_out);
int ice_agent_poll_event(struct ice_agent *a, struct ice_event *ret_event);

enum ice_state ice_agent_state(const struct ice_agent *a);
bool ice_agent_is_controlling(const struct ice_agent *a);
/* The selected pair; both of family NONE before there is one. */
void ice_agent_selected(const struct ice_agent *a, struct addr *ret_local, struct addr *ret_remote);
/* True if an authenticated check came from, or was answered by, this address. */
bool ice_agent_owns(const struct ice_agent *a, const struct addr *remote);
/* The local address that `remote` was heard at; false if the address is not ours. */
bool ice_agent_local_of(const struct ice_agent *a, const struct addr *remote,
                        struct addr *ret_local);
/* The index-th of the addresses that are ours, without repetition; false past the last. */
bool ice_agent_addr_at(const struct ice_agent *a, size_t index, struct addr *ret_remote);

#endif
