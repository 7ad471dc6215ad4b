#ifndef TK_SIGNAL_TOKEN_H
#define TK_SIGNAL_TOKEN_H

/*
 * Access tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA256 (RFC 7515, RFC 7518 3.2) under
 * an API key's secret. Verifies, reads LiveKit's claims and our `lesson` claim, and signs: for
 * scripts, for the refresh of a session's token and for webhooks. Pure functions; the time is an
 * argument. Only HS256 is accepted, whatever the header says.
 */

#include "base/attrs.h"
#include "base/time.h"
#include "signal/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_SIZE_MAX       (64u << 10)  /* characters of a token that is looked at */
#define TOKEN_METADATA_MAX   (512u << 10) /* bytes */
#define TOKEN_ATTRIBUTES_MAX (64u << 10)  /* bytes of all keys and values */
#define TOKEN_LEEWAY_S       60           /* on nbf and exp */

struct token_attribute {
    char *key;
    char *value;
};

/* Everything a token says. Zero it or token_claims_init() it before filling it for token_sign(). */
struct token_claims {
    struct signal_grants grants; /* with the defaults applied; `key` is the issuer */
    int64_t expires_s;           /* since 1970 */

    /* The rest of the video grant. */
    uint32_t publish_sources; /* bit 1 << TrackSource; 0: all */
    bool can_update_own_metadata, recorder, agent, can_subscribe_metrics, can_manage_agent_session;
    bool room_record, ingress_admin;
    char destination_room[SIGNAL_TEXT_MAX];

    /* About the participant. */
    uint8_t kind;                       /* Livekit__ParticipantInfo__Kind */
    uint32_t kind_details;              /* bit 1 << KindDetail */
    char *metadata;                     /* heap; NULL: none */
    struct token_attribute *attributes; /* heap */
    size_t attribute_count;

    char *room_config; /* heap: JSON of a RoomConfiguration; NULL: none */
    char room_preset[SIGNAL_TEXT_MAX];
    char sha256[64]; /* base64 of a webhook body's hash, "" = none */
};

/* Empty claims that may publish, subscribe and send data, as a token that does not say. */
void token_claims_init(struct token_claims *claims);
void token_claims_fini(struct token_claims *claims);
/* Appends an attribute (copied). ERR_LIMIT, -ENOMEM. */
MUST_CHECK int token_claims_add_attribute(struct token_claims *claims, const char *key,
                                          const char *value);

/*
 * Checks form, algorithm, key, signature and times, then reads the claims; the caller frees them
 * with token_claims_fini(). ERR_TOKEN_MISSING (empty), ERR_TOKEN (form, signature, types, too
 * early, no exp), ERR_TOKEN_KEY, ERR_TOKEN_EXPIRED, ERR_MALFORMED (a text that is too long),
 * -ENOMEM.
 */
MUST_CHECK int token_verify(const struct signal_key *keys, size_t key_count, const char *token,
                            wall_ms wall, struct token_claims *ret_claims);

/* Signs `claims` as grants.key's, valid from `wall` for `ttl_s` seconds. free() the token.
 * ERR_TOKEN_KEY when grants.key is not in `keys`; -ENOMEM. */
MUST_CHECK int token_sign(const struct signal_key *keys, size_t key_count,
                          const struct token_claims *claims, int64_t ttl_s, wall_ms wall,
                          char **ret_token);

#endif
