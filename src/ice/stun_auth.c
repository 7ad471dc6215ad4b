#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_Update(), see base/hmac.h */

#include "base/hmac.h"
#include "base/strbuf.h"
#include "ice/ice_internal.h"
#include "ice/stun.h"

#include <openssl/crypto.h>
#include <string.h>

/*
 * HMAC-SHA1 and CRC-32 over a message whose length field is set as if the attribute that carries
 * the result were the last one (RFC 8489, 14.5 and 14.7).
 */

#define FINGERPRINT_XOR 0x5354554eu /* RFC 8489, 14.7 */

void ice__wipe(void *data, size_t size)
{
    OPENSSL_cleanse(data, size);
}

/* The CRC-32 of ITU V.42, four bits at a time. */
static uint32_t crc32(const uint8_t *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc = crc >> 4 ^ table[(crc ^ data[i]) & 15];
        crc = crc >> 4 ^ table[(crc ^ data[i] >> 4) & 15];
    }
    return ~crc;
}

/* Copies the first `at` bytes, with the length field counting an attribute of `attr_size` there. */
static void copy_adjusted(uint8_t *dst, const uint8_t *data, size_t at, size_t attr_size)
{
    memcpy(dst, data, at);
    put_u16be(dst + 2, (uint16_t)(at + attr_size - ICE_STUN_HEADER_SIZE));
}

bool ice__stun_integrity(const uint8_t *data, size_t at, const void *key, size_t key_size,
                         uint8_t ret_mac[ICE__INTEGRITY_SIZE])
{
    uint8_t copy[ICE_STUN_SIZE_MAX];
    struct hmac_sha1 mac;
    SHA_CTX message;
    if (at < ICE_STUN_HEADER_SIZE || at > sizeof(copy))
        return false;
    copy_adjusted(copy, data, at, 4 + ICE__INTEGRITY_SIZE);
    hmac_sha1_init(&mac, key, key_size);
    hmac_sha1_begin(&mac, &message);
    SHA1_Update(&message, copy, at);
    hmac_sha1_end(&mac, &message, ret_mac);
    OPENSSL_cleanse(&mac, sizeof(mac));
    return true;
}

uint32_t ice__stun_fingerprint(const uint8_t *data, size_t at)
{
    uint8_t copy[ICE_STUN_SIZE_MAX];
    copy_adjusted(copy, data, at, 4 + 4);
    return crc32(copy, at) ^ FINGERPRINT_XOR;
}

bool ice_stun_has_fingerprint(const uint8_t *data, const struct ice_stun *msg)
{
    return msg->fingerprint_at != 0 && get_u32be(data + msg->fingerprint_at + 4) ==
                                           ice__stun_fingerprint(data, msg->fingerprint_at);
}

bool ice_stun_is_authentic(const uint8_t *data, const struct ice_stun *msg, const void *key,
                           size_t key_size)
{
    uint8_t mac[ICE__INTEGRITY_SIZE];
    return msg->integrity_at != 0 &&
           ice__stun_integrity(data, msg->integrity_at, key, key_size, mac) &&
           mem_equal_ct(mac, data + msg->integrity_at + 4, sizeof(mac));
}
