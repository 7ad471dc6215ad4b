#include "load/floor_keys.h"

#include "base/err.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define GCM_SALT_SIZE 12

int load_floor_keys(bool is_publisher, uint32_t index, enum sec_profile profile,
                    struct sec_srtp_keys *ret_keys)
{
    char text[48];
    uint8_t hash[SHA256_DIGEST_LENGTH];
    if (profile != SEC_PROFILE_AEAD_AES_128_GCM && profile != SEC_PROFILE_AES128_CM_HMAC_SHA1_80)
        return ERR_SEC_PROFILE;
    int length =
        snprintf(text, sizeof(text), "tongke-floor %s %u", is_publisher ? "pub" : "sub", index);
    if (SHA256((const unsigned char *)text, (size_t)length, hash) == NULL)
        return ERR_SEC_CRYPTO;
    *ret_keys = (struct sec_srtp_keys){.profile = profile};
    memcpy(ret_keys->key, hash, SEC_SRTP_KEY_SIZE);
    memcpy(ret_keys->salt, hash + SEC_SRTP_KEY_SIZE,
           profile == SEC_PROFILE_AEAD_AES_128_GCM ? GCM_SALT_SIZE : SEC_SRTP_SALT_SIZE_MAX);
    return 0;
}
