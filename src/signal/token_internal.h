#ifndef TK_SIGNAL_TOKEN_INTERNAL_H
#define TK_SIGNAL_TOKEN_INTERNAL_H

/*
 * What reading and writing of tokens share: the key table, the signature, and one table that ties
 * each claim to its place in struct token_claims.
 */

#include "signal/token.h"

#include <jansson.h>

#define TOKEN__ATTRIBUTE_COUNT_MAX 256
#define TOKEN__MAC_SIZE            32

enum token__claim_type { TOKEN__BOOL, TOKEN__TEXT };

/* A claim that is one bool or one fixed-size text. */
struct token__claim {
    const char *object; /* "" = top level, or the claim that holds it */
    const char *name;
    enum token__claim_type type;
    size_t offset; /* in struct token_claims */
    size_t size;   /* of a text, with its zero */
};

extern const struct token__claim token__claims[];
extern const size_t token__claim_count;

/* Names of bit sets, lower case: the index is the bit. */
extern const char *const token__sources[];
extern const size_t token__source_count;
extern const char *const token__kind_details[];
extern const size_t token__kind_detail_count;
/* Names of participant kinds by Livekit__ParticipantInfo__Kind; NULL in the gaps. */
extern const char *const token__kinds[];
extern const size_t token__kind_count;

/* NULL if no key has that name. */
const struct signal_key *token__find_key(const struct signal_key *keys, size_t key_count,
                                         const char *name);

/* HMAC-SHA256 of a token's "header.payload"; false when the crypto library fails. */
bool token__mac(const char *secret, const char *data, size_t size,
                uint8_t ret_mac[TOKEN__MAC_SIZE]);

/* SHA-256 of a webhook's body; false when the crypto library fails. */
bool token__sha256(const char *data, size_t size, uint8_t ret_hash[TOKEN__MAC_SIZE]);

/* Fills claims from a payload; ERR_TOKEN on wrong types, ERR_MALFORMED on texts too long. */
MUST_CHECK int token__read_claims(const json_t *payload, struct token_claims *claims);
/* A new payload without times; NULL when out of memory. */
json_t *token__write_claims(const struct token_claims *claims);

#endif
