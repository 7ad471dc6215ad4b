#include "signal/token_internal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

/* Alone in its file because OpenSSL's headers claim names that base/err.h also uses. */
bool token__mac(const char *secret, const char *data, size_t size, uint8_t ret_mac[TOKEN__MAC_SIZE])
{
    unsigned length = 0;
    return HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)data, size, ret_mac,
                &length) != NULL &&
           length == TOKEN__MAC_SIZE;
}

bool token__sha256(const char *data, size_t size, uint8_t ret_hash[TOKEN__MAC_SIZE])
{
    unsigned length = 0;
    return EVP_Digest(data, size, ret_hash, &length, EVP_sha256(), NULL) == 1 &&
           length == TOKEN__MAC_SIZE;
}
