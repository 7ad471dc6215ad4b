#include "base/err.h"
#include "secure/secure_internal.h"

#include <string.h>

/* Byte of the 112-bit salt that the label falls on: x = key_id XOR salt, key_id = label || r, with
 * r of 48 bits (RFC 3711, 4.3.1). */
#define LABEL_AT 7

int sec__kdf(const uint8_t *key, const uint8_t *salt, enum sec__label label, uint8_t *ret_out,
             size_t size)
{
    static const uint8_t zeros[32];
    uint8_t iv[16] = {0}; /* x * 2^16 */
    uint8_t out[sizeof(zeros)];
    int n = 0;
    if (size > sizeof(zeros))
        return ERR_NO_SPACE;
    memcpy(iv, salt, SEC_SRTP_SALT_SIZE_MAX);
    iv[LABEL_AT] ^= (uint8_t)label;

    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool is_ok = cipher != NULL &&
                 EVP_EncryptInit_ex(cipher, EVP_aes_128_ctr(), NULL, key, iv) == 1 &&
                 EVP_EncryptUpdate(cipher, out, &n, zeros, (int)size) == 1;
    EVP_CIPHER_CTX_free(cipher);
    if (is_ok)
        memcpy(ret_out, out, size);
    OPENSSL_cleanse(out, sizeof(out));
    return is_ok ? 0 : ERR_SEC_CRYPTO;
}
