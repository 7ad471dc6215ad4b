#ifndef TK_ICE_STUN_H
#define TK_ICE_STUN_H

/*
 * STUN messages (RFC 8489) as far as ICE (RFC 8445) needs them: read, written, and authenticated
 * with a short-term credential. Sans-IO, no allocation of its own; a parsed message points into the
 * datagram it was read from.
 *
 * Parsing says nothing about who sent a message: only a true ice_stun_is_authentic() does.
 */

#include "base/addr.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ICE_STUN_MAGIC       0x2112a442u /* RFC 8489, 5 */
#define ICE_STUN_HEADER_SIZE 20
#define ICE_STUN_SIZE_MAX    1500 /* larger messages are refused */
#define ICE_STUN_TXID_SIZE   12
#define ICE_STUN_UNKNOWN_MAX 8 /* attribute types remembered for a 420; more are not listed */

#define ICE_STUN_METHOD_BINDING 1

enum ice_stun_class { ICE_STUN_REQUEST, ICE_STUN_INDICATION, ICE_STUN_SUCCESS, ICE_STUN_ERROR };

enum ice_stun_error {
    ICE_STUN_ERROR_BAD_REQUEST = 400,
    ICE_STUN_ERROR_UNAUTHENTICATED = 401,
    ICE_STUN_ERROR_UNKNOWN_ATTRIBUTE = 420,
    ICE_STUN_ERROR_ROLE_CONFLICT = 487, /* RFC 8445, 7.3.1.1 */
    ICE_STUN_ERROR_SERVER = 500
};

struct ice_stun {
    enum ice_stun_class cls;
    uint16_t method;
    uint8_t txid[ICE_STUN_TXID_SIZE];

    const uint8_t *username; /* in the datagram; NULL = absent */
    size_t username_size;
    struct addr mapped; /* XOR-MAPPED-ADDRESS; family NONE = absent */
    uint16_t error_code;
    uint32_t priority;
    uint64_t tie_breaker; /* of ICE-CONTROLLED or ICE-CONTROLLING */
    bool has_error, has_priority, has_controlled, has_controlling, has_use_candidate;

    /* Comprehension-required attributes that are not known here (RFC 8489, 6.3.1). */
    uint16_t unknown[ICE_STUN_UNKNOWN_MAX];
    size_t unknown_count;

    size_t integrity_at;   /* offset of the attribute in the datagram; 0 = absent */
    size_t fingerprint_at; /* the same */
};

/*
 * Reads one message; `ret_msg` points into `data`. Attributes after MESSAGE-INTEGRITY are ignored,
 * except FINGERPRINT, which must be the last (RFC 8489, 14.5 and 14.7). ERR_TRUNCATED,
 * ERR_MALFORMED.
 */
MUST_CHECK int ice_stun_parse(const uint8_t *data, size_t size, struct ice_stun *ret_msg);

/* True if the message has a FINGERPRINT and it is right. */
bool ice_stun_has_fingerprint(const uint8_t *data, const struct ice_stun *msg);

/* True if the message has a MESSAGE-INTEGRITY and it was made with `key` (the password). */
bool ice_stun_is_authentic(const uint8_t *data, const struct ice_stun *msg, const void *key,
                           size_t key_size);

/*
 * The part of USERNAME before the colon of a Binding request, which in a request to us is our own
 * ufrag (RFC 8445, 7.2.2): says whom an unauthenticated datagram is meant for, and nothing else.
 * ERR_ICE_USERNAME if there is none or it does not fit, ERR_TRUNCATED, ERR_MALFORMED.
 */
MUST_CHECK int ice_peek_username(const uint8_t *data, size_t size, char *ret_ufrag,
                                 size_t ufrag_size);

/*
 * Writing: begin, put, and finish, which adds MESSAGE-INTEGRITY (key NULL: none) and FINGERPRINT
 * and returns the size of the message, or ERR_NO_SPACE.
 */
void ice_stun_begin(struct wr *w, enum ice_stun_class cls, const uint8_t txid[ICE_STUN_TXID_SIZE]);
void ice_stun_put_username(struct wr *w, const char *first, const char *second);
void ice_stun_put_priority(struct wr *w, uint32_t priority);
void ice_stun_put_role(struct wr *w, bool is_controlling, uint64_t tie_breaker);
void ice_stun_put_use_candidate(struct wr *w);
void ice_stun_put_mapped(struct wr *w, const struct addr *a);
void ice_stun_put_error(struct wr *w, enum ice_stun_error code);
void ice_stun_put_unknown(struct wr *w, const uint16_t *types, size_t count);
MUST_CHECK int ice_stun_finish(struct wr *w, const void *key, size_t key_size);

#endif
