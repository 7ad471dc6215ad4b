#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_...: see hmac.h */

#include "base/hmac.h"

#include <openssl/crypto.h>
#include <string.h>

#define BLOCK_SIZE 64
#define PAD_INNER  0x36 /* RFC 2104, 2 */
#define PAD_OUTER  0x5c

static void pad(SHA_CTX *ret_sha, const uint8_t key[BLOCK_SIZE], uint8_t with)
{
    uint8_t block[BLOCK_SIZE];
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = key[i] ^ with;
    SHA1_Init(ret_sha);
    SHA1_Update(ret_sha, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}

void hmac_sha1_init(struct hmac_sha1 *ret_mac, const void *key, size_t key_size)
{
    uint8_t block[BLOCK_SIZE] = {0};
    if (key_size > sizeof(block))
        SHA1(key, key_size, block);
    else
        memcpy(block, key, key_size);
    pad(&ret_mac->inner, block, PAD_INNER);
    pad(&ret_mac->outer, block, PAD_OUTER);
    OPENSSL_cleanse(block, sizeof(block));
}

void hmac_sha1_end(const struct hmac_sha1 *m, SHA_CTX *message, uint8_t ret_mac[HMAC_SHA1_SIZE])
{
    SHA1_Final(ret_mac, message);
    *message = m->outer;
    SHA1_Update(message, ret_mac, HMAC_SHA1_SIZE);
    SHA1_Final(ret_mac, message);
}
