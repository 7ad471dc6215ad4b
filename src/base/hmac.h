#ifndef TK_BASE_HMAC_H
#define TK_BASE_HMAC_H

/*
 * HMAC-SHA1 (RFC 2104) without heap and locks, which OpenSSL 3 needs for every message through its
 * own HMAC and EVP interfaces: SRTP and STUN authenticate packets with it. A key is hashed once;
 * then each message is begun, fed with SHA1_Update() and ended. Any thread; no errors.
 */

#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

#define HMAC_SHA1_SIZE SHA_DIGEST_LENGTH

/* A key: wipe it with OPENSSL_cleanse() like one. */
struct hmac_sha1 {
    SHA_CTX inner, outer; /* after the padded key */
};

/* `key` may have any size; over 64 bytes its hash counts. */
void hmac_sha1_init(struct hmac_sha1 *ret_mac, const void *key, size_t key_size);

static inline void hmac_sha1_begin(const struct hmac_sha1 *m, SHA_CTX *ret_message)
{
    *ret_message = m->inner;
}

/* Ends the message; `message` is not usable after that. */
void hmac_sha1_end(const struct hmac_sha1 *m, SHA_CTX *message, uint8_t ret_mac[HMAC_SHA1_SIZE]);

#endif
