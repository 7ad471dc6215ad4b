#ifndef TK_TESTS_ICE_UTIL_H
#define TK_TESTS_ICE_UTIL_H

/* Two agents and a seeded, lossy line between them in virtual time; and checks made by hand. */

#include "unit/cmocka_all.h"

#include "base/err.h"
#include "ice/agent.h"
#include "ice/stun.h"

#define LINE_FLYING_MAX 256

struct flying {
    mono_us at;
    int to; /* index of the agent */
    struct ice_out out;
};

/* What happened to an agent, as far as tests ask. */
struct seen {
    enum ice_state state;
    size_t state_counts[ICE_STATE_COUNT_];
    struct addr media_from, media_to;
    size_t selections, added, removed;
    size_t sent;
};

struct line {
    struct ice_agent *agents[2];
    struct seen seen[2];
    struct rng rng;
    mono_us now;
    unsigned loss_percent;
    mono_us delay, jitter;
    bool is_cut;
    struct addr blocked;    /* datagrams from or to it are lost */
    struct addr nat_inside; /* rewritten to nat_outside on the way out, and back */
    struct addr nat_outside;
    struct flying flying[LINE_FLYING_MAX];
    size_t flying_count;
    uint8_t last_request[ICE_DATAGRAM_MAX]; /* of agent 1, as it went over the line */
    size_t last_request_size;
};

struct addr test_addr(const char *ip, uint16_t port);

/* agents[0] = lite server, agents[1] = full client; each knows the other's credentials. */
void line_init(struct line *l, uint64_t seed, const struct ice_config *server,
               const struct ice_config *client);
void line_fini(struct line *l);
void line_drain(struct line *l);
/* Runs everything that is due up to `until`. */
void line_run(struct line *l, mono_us until);
/* Runs until the agent is in the state or `until` is reached; true if it is. */
bool line_run_to(struct line *l, int agent, enum ice_state state, mono_us until);

/* A check made by hand. */
struct check_spec {
    const char *ufrag;
    const char *pwd;
    uint8_t txid_seed; /* other than 0: the transaction */
    bool use_candidate;
    bool is_controlled; /* claims the controlled role */
    bool has_no_fingerprint;
    bool has_no_integrity;
    bool has_unknown_attr;
};
size_t test_check(const struct check_spec *spec, uint8_t *data, size_t data_size);

#endif
