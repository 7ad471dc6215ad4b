#include "secure/cert.h"

#include "base/err.h"
#include "secure/secure_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_PER_DAY   86400
#define VALID_DAYS        30
#define FINGERPRINT_BYTES 32 /* SHA-256 */
#define SERIAL_BITS       64

/* RFC 8827, 6.5 demands the first; the RSA ones are for clients with an RSA certificate. AES-GCM
 * only: dtls.c knows the shape of its records. */
#define CIPHERS                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define CURVES   "X25519:P-256:P-384"
#define PROFILES "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"

struct sec_cert {
    EVP_PKEY *key;
    X509 *x509;
    SSL_CTX *ssl_ctx;
    BIO_METHOD *bio_method;
    char fingerprint[SEC_FINGERPRINT_SIZE];
};

int sec__fingerprint_text(const X509 *x509, char ret_text[SEC_FINGERPRINT_SIZE])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t md[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(x509, EVP_sha256(), md, &size) != 1 || size != FINGERPRINT_BYTES)
        return ERR_SEC_CRYPTO;
    for (unsigned i = 0; i < size; i++) {
        ret_text[3 * i] = digits[md[i] >> 4];
        ret_text[3 * i + 1] = digits[md[i] & 15];
        ret_text[3 * i + 2] = ':';
    }
    ret_text[3 * size - 1] = '\0';
    return 0;
}

bool sec_fingerprint_is_valid(const char *text)
{
    size_t length = strlen(text);
    if (length != 3 * FINGERPRINT_BYTES - 1)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool is_right = i % 3 == 2 ? text[i] == ':' : isxdigit((unsigned char)text[i]) != 0;
        if (!is_right)
            return false;
    }
    return true;
}

/* A random serial number and name: nothing that tells one school from another. */
static bool name_set(X509 *x509)
{
    BIGNUM *serial = BN_new();
    X509_NAME *name = X509_NAME_new();
    bool is_ok = serial != NULL && name != NULL &&
                 BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                 BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509)) != NULL &&
                 X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"WebRTC", -1,
                                            -1, 0) == 1 &&
                 X509_set_subject_name(x509, name) == 1 && X509_set_issuer_name(x509, name) == 1;
    BN_free(serial);
    X509_NAME_free(name);
    return is_ok;
}

static bool x509_make(struct sec_cert *c, wall_ms now)
{
    time_t from = (time_t)(now / 1000) - SECONDS_PER_DAY;
    time_t until = from + (VALID_DAYS + 1) * SECONDS_PER_DAY;
    c->key = EVP_EC_gen("P-256");
    c->x509 = X509_new();
    return c->key != NULL && c->x509 != NULL && X509_set_version(c->x509, 2) == 1 &&
           name_set(c->x509) && ASN1_TIME_set(X509_getm_notBefore(c->x509), from) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(c->x509), until) != NULL &&
           X509_set_pubkey(c->x509, c->key) == 1 && X509_sign(c->x509, c->key, EVP_sha256()) > 0;
}

static bool ssl_ctx_make(struct sec_cert *c)
{
    SSL_CTX *ctx = c->ssl_ctx = SSL_CTX_new(DTLS_method());
    if (ctx == NULL)
        return false;
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, sec__dtls_verify, NULL);
    return SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(ctx, CURVES) == 1 &&
           SSL_CTX_set_tlsext_use_srtp(ctx, PROFILES) == 0 && /* 0 is success here */
           SSL_CTX_use_certificate(ctx, c->x509) == 1 && SSL_CTX_use_PrivateKey(ctx, c->key) == 1;
}

int sec_cert_create(wall_ms now, struct sec_cert **ret_cert)
{
    struct sec_cert *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    c->bio_method = sec__bio_method_create();
    if (c->bio_method == NULL || !x509_make(c, now) || !ssl_ctx_make(c) ||
        sec__fingerprint_text(c->x509, c->fingerprint) < 0) {
        sec_cert_destroy(c);
        return ERR_SEC_CRYPTO;
    }
    *ret_cert = c;
    return 0;
}

void sec_cert_destroy(struct sec_cert *c)
{
    if (c == NULL)
        return;
    SSL_CTX_free(c->ssl_ctx);
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
    BIO_meth_free(c->bio_method);
    free(c);
}

const char *sec_cert_fingerprint(const struct sec_cert *c)
{
    return c->fingerprint;
}

SSL_CTX *sec__cert_ssl_ctx(const struct sec_cert *c)
{
    return c->ssl_ctx;
}

BIO_METHOD *sec__cert_bio_method(const struct sec_cert *c)
{
    return c->bio_method;
}
