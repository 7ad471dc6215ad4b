/*
 * The transforms over OpenSSL. Keys are expanded once; a packet sets only the IV. HMAC-SHA1 goes
 * through the plain SHA_CTX with both pads hashed in advance: the EVP interface of OpenSSL 3
 * allocates memory for every message, and we may not on the packet path.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/err.h"
#include "secure/secure_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GCM_TAG_SIZE   16
#define SHA1_TAG_SIZE  10
#define SHA1_BLOCK     64
#define HMAC_PAD_INNER 0x36 /* RFC 2104, 2 */
#define HMAC_PAD_OUTER 0x5c

struct sec__crypt {
    enum sec_profile profile;
    EVP_CIPHER_CTX *cipher;
    SHA_CTX mac_inner, mac_outer; /* AES-CM only: after the padded key */
};

static void mac_init(SHA_CTX *sha, const uint8_t *key, uint8_t pad)
{
    uint8_t block[SHA1_BLOCK];
    memset(block, pad, sizeof(block));
    for (size_t i = 0; i < SEC__AUTH_KEY_SIZE; i++)
        block[i] ^= key[i];
    SHA1_Init(sha);
    SHA1_Update(sha, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}

static void evp_destroy(struct sec__crypt *c)
{
    if (c == NULL)
        return;
    EVP_CIPHER_CTX_free(c->cipher); /* OpenSSL wipes the expanded key */
    OPENSSL_cleanse(c, sizeof(*c));
    free(c);
}

static int evp_create(const struct sec__keys *keys, enum sec_direction direction,
                      struct sec__crypt **ret_crypt)
{
    bool is_gcm = keys->profile == SEC_PROFILE_AEAD_AES_128_GCM;
    struct sec__crypt *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    c->profile = keys->profile;
    c->cipher = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *kind = is_gcm ? EVP_aes_128_gcm() : EVP_aes_128_ctr();
    if (c->cipher == NULL ||
        EVP_CipherInit_ex(c->cipher, kind, NULL, keys->key, NULL, direction == SEC_SEND) != 1) {
        evp_destroy(c);
        return ERR_SEC_CRYPTO;
    }
    if (!is_gcm) {
        mac_init(&c->mac_inner, keys->auth, HMAC_PAD_INNER);
        mac_init(&c->mac_outer, keys->auth, HMAC_PAD_OUTER);
    }
    *ret_crypt = c;
    return 0;
}

static bool update(EVP_CIPHER_CTX *cipher, uint8_t *out, const uint8_t *in, size_t size)
{
    int n;
    return size == 0 || EVP_CipherUpdate(cipher, out, &n, in, (int)size) == 1;
}

/* Sets the IV and passes everything through except the tag. */
static bool crypt_pieces(const struct sec__op *op, bool is_gcm)
{
    EVP_CIPHER_CTX *cipher = op->session->crypt->cipher;
    return EVP_CipherInit_ex(cipher, NULL, NULL, NULL, op->iv, -1) == 1 &&
           (!is_gcm || (update(cipher, NULL, op->packet, op->head_size) &&
                        update(cipher, NULL, op->trailer, op->trailer_size))) &&
           update(cipher, op->out, op->in[0], op->in_size[0]) &&
           update(cipher, op->out + op->in_size[0], op->in[1], op->in_size[1]);
}

static void mac_packet(const struct sec__op *op, uint8_t ret_mac[SHA_DIGEST_LENGTH])
{
    const struct sec__crypt *c = op->session->crypt;
    SHA_CTX sha = c->mac_inner;
    SHA1_Update(&sha, op->packet, op->head_size + op->in_size[0] + op->in_size[1]);
    SHA1_Update(&sha, op->trailer, op->trailer_size);
    SHA1_Final(ret_mac, &sha);
    sha = c->mac_outer;
    SHA1_Update(&sha, ret_mac, SHA_DIGEST_LENGTH);
    SHA1_Final(ret_mac, &sha);
}

static int gcm_protect(const struct sec__op *op)
{
    EVP_CIPHER_CTX *cipher = op->session->crypt->cipher;
    uint8_t none[16];
    int n;
    if (!crypt_pieces(op, true) || EVP_CipherFinal_ex(cipher, none, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_SIZE, op->tag) != 1)
        return ERR_SEC_CRYPTO;
    return 0;
}

static int gcm_unprotect(const struct sec__op *op)
{
    EVP_CIPHER_CTX *cipher = op->session->crypt->cipher;
    uint8_t none[16], tag[GCM_TAG_SIZE];
    int n;
    memcpy(tag, op->tag_in, sizeof(tag));
    if (!crypt_pieces(op, true) ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) != 1)
        return ERR_SEC_CRYPTO;
    return EVP_CipherFinal_ex(cipher, none, &n) == 1 ? 0 : ERR_SEC_AUTH;
}

static int cm_protect(const struct sec__op *op)
{
    uint8_t mac[SHA_DIGEST_LENGTH];
    if (!crypt_pieces(op, false))
        return ERR_SEC_CRYPTO;
    mac_packet(op, mac);
    memcpy(op->tag, mac, SHA1_TAG_SIZE);
    return 0;
}

static int cm_unprotect(const struct sec__op *op)
{
    uint8_t mac[SHA_DIGEST_LENGTH];
    mac_packet(op, mac);
    if (CRYPTO_memcmp(mac, op->tag_in, SHA1_TAG_SIZE) != 0)
        return ERR_SEC_AUTH;
    return crypt_pieces(op, false) ? 0 : ERR_SEC_CRYPTO;
}

static void evp_protect(struct sec__op *ops, size_t count)
{
    for (struct sec__op *op = ops; op < ops + count; op++)
        op->result =
            op->session->profile == SEC_PROFILE_AEAD_AES_128_GCM ? gcm_protect(op) : cm_protect(op);
}

static void evp_unprotect(struct sec__op *ops, size_t count)
{
    for (struct sec__op *op = ops; op < ops + count; op++)
        op->result = op->session->profile == SEC_PROFILE_AEAD_AES_128_GCM ? gcm_unprotect(op)
                                                                          : cm_unprotect(op);
}

const struct sec__backend sec__backend_evp = {
    .create = evp_create,
    .destroy = evp_destroy,
    .protect = evp_protect,
    .unprotect = evp_unprotect,
};
