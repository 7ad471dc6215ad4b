#ifndef TK_ICE_ICE_INTERNAL_H
#define TK_ICE_ICE_INTERNAL_H

/*
 * What the files of ice/ share: attribute types, the agent's own struct, and who does what.
 * agent.c: life, credentials, states, events; agent_packet.c: messages that come in;
 * agent_check.c: our own checks; agent_nominate.c: selection and consent; pair.c: the pairs.
 */

#include "ice/agent.h"
#include "ice/stun.h"

/* RFC 8489, 18.3 and RFC 8445, 20. */
#define ICE__ATTR_MAPPED_ADDRESS     0x0001
#define ICE__ATTR_USERNAME           0x0006
#define ICE__ATTR_MESSAGE_INTEGRITY  0x0008
#define ICE__ATTR_ERROR_CODE         0x0009
#define ICE__ATTR_UNKNOWN_ATTRIBUTES 0x000a
#define ICE__ATTR_REALM              0x0014
#define ICE__ATTR_NONCE              0x0015
#define ICE__ATTR_XOR_MAPPED_ADDRESS 0x0020
#define ICE__ATTR_PRIORITY           0x0024
#define ICE__ATTR_USE_CANDIDATE      0x0025
#define ICE__ATTR_FINGERPRINT        0x8028
#define ICE__ATTR_CONTROLLED         0x8029
#define ICE__ATTR_CONTROLLING        0x802a

#define ICE__INTEGRITY_SIZE 20

#define ICE__OUT_MAX      8 /* full: datagrams that wait to be polled; more are not sent */
#define ICE__LITE_OUT_MAX 2 /* lite only answers, and is polled after each packet */
/* Lite: places for pairs, at first and at most; a few more than pairs may live, for those whose end
 * is yet to be polled. */
#define ICE__LITE_SLOTS_FIRST 2
#define ICE__LITE_SLOTS       (ICE_LITE_PAIRS_MAX + 4)
#define ICE__SEEN_MAX         32 /* transactions of the other side that we remember */
#define ICE__CONSENT_MAX      16 /* consent checks whose answer would still count */
/* Rc and Rm (RFC 8489, 6.2.1) are 7 and 16 there by default. A short transaction that is followed
 * by a new one as long as the pair is needed gets through a bad line sooner than ever longer waits.
 */
#define ICE__SENDS_MAX      4
#define ICE__LAST_WAIT_RTOS 4
#define ICE__TCP_WAIT_US    MONO_MS(39500) /* Ti (RFC 8489, 6.2.2) */

#define ICE__NO_PAIR (-1)

struct ice__creds {
    char ufrag[ICE_UFRAG_SIZE];
    char pwd[ICE_PWD_SIZE];
};

/* One of our Binding requests on its way. */
struct ice__check {
    uint8_t txid[ICE_STUN_TXID_SIZE];
    bool is_active;
    bool has_use_candidate;
    bool is_controlling; /* the role it was sent in */
    uint8_t sends;
    mono_us rto;
    mono_us next_at; /* send again, or give up */
};

enum ice__pair_state { ICE__PAIR_WAITING, ICE__PAIR_BUSY, ICE__PAIR_SUCCEEDED, ICE__PAIR_FAILED };

struct ice__pair {
    bool is_used;
    bool is_known;     /* the remote address has authenticated itself */
    bool is_announced; /* ADDR_ADDED was polled */
    bool has_event;    /* ADDR_ADDED is to be polled */
    bool is_dead;      /* ADDR_REMOVED is to be polled, then the place is free */
    bool is_triggered; /* checked before the others (RFC 8445, 6.1.4.1) */
    bool is_nominated; /* with the present credentials */
    bool is_wanted;    /* full, controlled: select it when our check succeeds */
    enum ice__pair_state state;
    struct addr local, remote;
    uint32_t local_priority, remote_priority;
    uint64_t priority;
    mono_us heard_at;
    struct ice__check check;
};

struct ice__remote {
    struct addr addr;
    uint32_t priority;
};

struct ice__seen {
    uint8_t txid[ICE_STUN_TXID_SIZE];
    struct addr from;
};

/* What only the full side needs. */
struct ice__full {
    struct addr locals[ICE_LOCALS_MAX];
    struct ice__remote remotes[ICE_REMOTES_MAX];
    uint8_t consent_txids[ICE__CONSENT_MAX][ICE_STUN_TXID_SIZE];
};

struct ice_agent {
    /* Set at creation, read-only afterwards. */
    bool is_lite;
    bool is_aggressive;
    struct rng *rng;
    struct ice__full *full; /* NULL when lite */

    /* Role and credentials. */
    bool is_controlling;
    uint64_t tie_breaker;
    struct ice__creds local;
    struct ice__creds local_old; /* empty unless a restart waits for its first check */
    struct ice__creds remote;
    bool is_local_used; /* a check with `local` came */

    /* Candidates and pairs. */
    size_t local_count, remote_count;
    struct ice__pair *pairs; /* pair_slots of them; a lite agent's grow: servers hold thousands */
    size_t pair_slots;
    int selected; /* index or ICE__NO_PAIR */
    struct ice__seen seen[ICE__SEEN_MAX];
    size_t seen_next;

    /* Time. */
    mono_us started_at;     /* checking began, or the last restart */
    mono_us heard_at;       /* consent was given */
    mono_us next_check_at;  /* full: pacing */
    mono_us first_valid_at; /* full: first pair that succeeded; MONO_NEVER */

    /* Consent of the selected pair, full. */
    size_t consent_next;
    unsigned consent_unanswered;
    mono_us consent_at;

    /* To be polled. */
    enum ice_state state;
    enum ice_state state_polled;
    bool has_selected_event;
    struct ice_out *out; /* ring of out_slots */
    size_t out_slots, out_at, out_count;
};

/* stun.c, stun_auth.c */
MUST_CHECK int ice__username_first(const struct ice_stun *m, char *ret_ufrag, size_t ufrag_size);
bool ice__stun_integrity(const uint8_t *data, size_t at, const void *key, size_t key_size,
                         uint8_t ret_mac[ICE__INTEGRITY_SIZE]);
void ice__wipe(void *data, size_t size);
uint32_t ice__stun_fingerprint(const uint8_t *data, size_t at);

/* agent.c */
void ice__update_state(struct ice_agent *a, mono_us now);
/* The next place in the queue, to be filled and then counted; NULL when it is full. */
struct ice_out *ice__out_reserve(struct ice_agent *a);
void ice__out_commit(struct ice_agent *a, int size);

/* pair.c */
struct ice__pair *ice__pair_find(struct ice_agent *a, const struct addr *local,
                                 const struct addr *remote);
/* A free place, after making room if need be; NULL if every pair is in use and must stay, or if
 * there is no memory. Pointers to other pairs are void afterwards. */
struct ice__pair *ice__pair_add(struct ice_agent *a, const struct addr *local,
                                const struct addr *remote);
void ice__pair_drop(struct ice_agent *a, struct ice__pair *p);
void ice__pair_prioritise(const struct ice_agent *a, struct ice__pair *p);
int ice__pair_index(const struct ice_agent *a, const struct ice__pair *p);
uint32_t ice__local_priority(const struct ice_agent *a, const struct addr *local,
                             unsigned type_preference);
/* Lite: drops what was not heard for long; the time of the next such drop, or MONO_NEVER. */
void ice__pairs_forget(struct ice_agent *a, mono_us now);
mono_us ice__pairs_next_forget(const struct ice_agent *a);

/* agent_check.c: full only */
void ice__form_pairs(struct ice_agent *a);
void ice__restart_checks(struct ice_agent *a, mono_us now);
void ice__start_check(struct ice_agent *a, struct ice__pair *p, bool has_use_candidate,
                      mono_us now);
bool ice__send_check(struct ice_agent *a, const struct ice__pair *p,
                     const uint8_t txid[ICE_STUN_TXID_SIZE], bool has_use_candidate);
void ice__run_checks(struct ice_agent *a, mono_us now);
mono_us ice__checks_next(const struct ice_agent *a);
void ice__switch_role(struct ice_agent *a, bool is_controlling);

/* agent_nominate.c */
void ice__select(struct ice_agent *a, struct ice__pair *p, mono_us now);
void ice__nominate(struct ice_agent *a, mono_us now); /* full, controlling */
mono_us ice__nominate_next(const struct ice_agent *a);
void ice__run_consent(struct ice_agent *a, mono_us now);
void ice__consent_answered(struct ice_agent *a, mono_us now);
/* True if the selected pair was nominated since the last restart, and answers. */
bool ice__has_good_selection(const struct ice_agent *a);
bool ice__is_consent_txid(const struct ice_agent *a, const uint8_t txid[ICE_STUN_TXID_SIZE]);

#endif
