/*
 * HMAC-SHA1 of one packet (RFC 2104; RFC 3711, 4.2.1), with both pads hashed in advance. Over the
 * plain SHA_CTX: the EVP interface of OpenSSL 3 allocates memory for every message, and we may not
 * on the packet path.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "secure/secure_internal.h"

#include <string.h>

#define SHA1_BLOCK 64
#define PAD_INNER  0x36 /* RFC 2104, 2 */
#define PAD_OUTER  0x5c

static void pad(SHA_CTX *sha, const uint8_t *key, uint8_t with)
{
    uint8_t block[SHA1_BLOCK];
    memset(block, with, sizeof(block));
    for (size_t i = 0; i < SEC__AUTH_KEY_SIZE; i++)
        block[i] ^= key[i];
    SHA1_Init(sha);
    SHA1_Update(sha, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}

void sec__mac_init(struct sec__mac *m, const uint8_t key[SEC__AUTH_KEY_SIZE])
{
    pad(&m->inner, key, PAD_INNER);
    pad(&m->outer, key, PAD_OUTER);
}

void sec__mac_packet(const struct sec__mac *m, const struct sec__op *op,
                     uint8_t ret_mac[SHA_DIGEST_LENGTH])
{
    SHA_CTX sha = m->inner;
    SHA1_Update(&sha, op->packet, op->head_size + op->in_size[0] + op->in_size[1]);
    SHA1_Update(&sha, op->trailer, op->trailer_size);
    SHA1_Final(ret_mac, &sha);
    sha = m->outer;
    SHA1_Update(&sha, ret_mac, SHA_DIGEST_LENGTH);
    SHA1_Final(ret_mac, &sha);
}
