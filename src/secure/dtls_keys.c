/* What is derived from a finished handshake: SRTP's keys, and those of the records. */
#include "base/err.h"
#include "secure/secure_internal.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <string.h>

#define EXPORTER_LABEL "EXTRACTOR-dtls_srtp" /* RFC 5764, 4.2 */
#define MASTER_SIZE    48
#define RANDOM_SIZE    32

static const struct {
    const char *name;
    enum sec_profile profile;
    size_t salt_size;
} profiles[] = {
    {"SRTP_AEAD_AES_128_GCM", SEC_PROFILE_AEAD_AES_128_GCM, 12},
    {"SRTP_AES128_CM_SHA1_80", SEC_PROFILE_AES128_CM_HMAC_SHA1_80, 14},
};

int sec__dtls_offer_only(SSL *ssl, enum sec_profile profile)
{
    for (size_t i = 0; i < ARRAY_COUNT(profiles); i++)
        if (profiles[i].profile == profile)
            return SSL_set_tlsext_use_srtp(ssl, profiles[i].name) == 0 ? 0 : ERR_SEC_CRYPTO;
    return ERR_SEC_PROFILE;
}

static void keys_cut(const uint8_t *key, const uint8_t *salt, size_t salt_size,
                     enum sec_profile profile, struct sec_srtp_keys *ret_keys)
{
    *ret_keys = (struct sec_srtp_keys){.profile = profile};
    memcpy(ret_keys->key, key, SEC_SRTP_KEY_SIZE);
    memcpy(ret_keys->salt, salt, salt_size);
}

int sec__dtls_srtp_keys(SSL *ssl, bool is_client, struct sec_srtp_keys *ret_send,
                        struct sec_srtp_keys *ret_receive)
{
    const SRTP_PROTECTION_PROFILE *chosen = SSL_get_selected_srtp_profile(ssl);
    size_t i = 0;
    while (i < ARRAY_COUNT(profiles) &&
           (chosen == NULL || strcmp(profiles[i].name, chosen->name) != 0))
        i++;
    if (i == ARRAY_COUNT(profiles))
        return ERR_SEC_PROFILE;

    /* client key, server key, client salt, server salt */
    uint8_t block[2 * (SEC_SRTP_KEY_SIZE + SEC_SRTP_SALT_SIZE_MAX)];
    size_t salt_size = profiles[i].salt_size;
    const uint8_t *salts = block + 2 * SEC_SRTP_KEY_SIZE;
    bool is_ok =
        SSL_export_keying_material(ssl, block, 2 * (SEC_SRTP_KEY_SIZE + salt_size), EXPORTER_LABEL,
                                   strlen(EXPORTER_LABEL), NULL, 0, 0) == 1;
    if (is_ok) {
        keys_cut(block, salts, salt_size, profiles[i].profile, is_client ? ret_send : ret_receive);
        keys_cut(block + SEC_SRTP_KEY_SIZE, salts + salt_size, salt_size, profiles[i].profile,
                 is_client ? ret_receive : ret_send);
    }
    OPENSSL_cleanse(block, sizeof(block));
    return is_ok ? 0 : ERR_SEC_CRYPTO;
}

/* PRF(secret, "key expansion", server random + client random) (RFC 5246, 6.3). */
static bool key_expand(SSL *ssl, const EVP_MD *md, uint8_t *secret, uint8_t *ret_block, size_t size)
{
    uint8_t server[RANDOM_SIZE], client[RANDOM_SIZE];
    char label[] = "key expansion", *digest = (char *)EVP_MD_get0_name(md);
    if (SSL_get_server_random(ssl, server, sizeof(server)) != RANDOM_SIZE ||
        SSL_get_client_random(ssl, client, sizeof(client)) != RANDOM_SIZE)
        return false;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, MASTER_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label, sizeof(label) - 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, server, sizeof(server)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, client, sizeof(client)),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_PRF, NULL);
    EVP_KDF_CTX *c = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    bool is_ok = c != NULL && EVP_KDF_derive(c, ret_block, size, params) == 1;
    EVP_KDF_CTX_free(c);
    EVP_KDF_free(kdf);
    return is_ok;
}

/* The key block of the session; however it ends, the master secret is wiped. */
static bool key_block(SSL *ssl, const EVP_MD *md, uint8_t *ret_block, size_t size)
{
    uint8_t master[MASTER_SIZE];
    bool is_ok =
        SSL_SESSION_get_master_key(SSL_get0_session(ssl), master, sizeof(master)) == MASTER_SIZE &&
        key_expand(ssl, md, master, ret_block, size);
    OPENSSL_cleanse(master, sizeof(master));
    return is_ok;
}

/* client key, server key, client salt, server salt (RFC 5246, 6.3; an AEAD has no MAC keys). */
int sec__dtls_record_keys(SSL *ssl, bool is_client, struct sec__records *r)
{
    uint8_t block[2 * (sizeof(r->in.key) + sizeof(r->in.salt))];
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    int nid = SSL_CIPHER_get_cipher_nid(cipher);
    if (nid != NID_aes_128_gcm && nid != NID_aes_256_gcm)
        return ERR_SEC_CRYPTO;
    r->key_size = nid == NID_aes_128_gcm ? 16 : 32;
    size_t salt_size = sizeof(r->in.salt);
    bool is_ok = key_block(ssl, SSL_CIPHER_get_handshake_digest(cipher), block,
                           2 * (r->key_size + salt_size));
    if (is_ok) {
        struct sec__record_keys *client = is_client ? &r->out : &r->in;
        struct sec__record_keys *server = is_client ? &r->in : &r->out;
        memcpy(client->key, block, r->key_size);
        memcpy(server->key, block + r->key_size, r->key_size);
        memcpy(client->salt, block + 2 * r->key_size, salt_size);
        memcpy(server->salt, block + 2 * r->key_size + salt_size, salt_size);
    }
    OPENSSL_cleanse(block, sizeof(block));
    return is_ok ? 0 : ERR_SEC_CRYPTO;
}
