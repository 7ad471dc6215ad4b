/* The transforms over OpenSSL, for every CPU. Keys are expanded once; a packet sets only the IV. */
#include "base/err.h"
#include "secure/secure_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sec__crypt {
    enum sec_profile profile;
    EVP_CIPHER_CTX *cipher;
    struct hmac_sha1 mac; /* AES-CM only */
};

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
    if (!is_gcm)
        hmac_sha1_init(&c->mac, keys->auth, sizeof(keys->auth));
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

static int gcm_protect(const struct sec__op *op)
{
    EVP_CIPHER_CTX *cipher = op->session->crypt->cipher;
    uint8_t none[16];
    int n;
    if (!crypt_pieces(op, true) || EVP_CipherFinal_ex(cipher, none, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, SEC__GCM_TAG_SIZE, op->tag) != 1)
        return ERR_SEC_CRYPTO;
    return 0;
}

static int gcm_unprotect(const struct sec__op *op)
{
    EVP_CIPHER_CTX *cipher = op->session->crypt->cipher;
    uint8_t none[16], tag[SEC__GCM_TAG_SIZE];
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
    sec__mac_packet(&op->session->crypt->mac, op, mac);
    memcpy(op->tag, mac, SEC__SHA1_TAG_SIZE);
    return 0;
}

static int cm_unprotect(const struct sec__op *op)
{
    uint8_t mac[SHA_DIGEST_LENGTH];
    sec__mac_packet(&op->session->crypt->mac, op, mac);
    if (CRYPTO_memcmp(mac, op->tag_in, SEC__SHA1_TAG_SIZE) != 0)
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

static bool evp_is_usable(void)
{
    return true;
}

const struct sec__backend sec__backend_evp = {
    .name = SEC_SRTP_BACKEND_OPENSSL,
    .is_usable = evp_is_usable,
    .create = evp_create,
    .destroy = evp_destroy,
    .protect = evp_protect,
    .unprotect = evp_unprotect,
};
