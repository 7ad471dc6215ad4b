/* Goal: a certificate for the TLS tests. Method: a self-signed one for localhost, made anew for
 * each run with OpenSSL. */
#include "certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

static int write_files(EVP_PKEY *key, X509 *cert, const char *cert_path, const char *key_path)
{
    FILE *cert_file = fopen(cert_path, "w"), *key_file = fopen(key_path, "w");
    int is_ok = cert_file != NULL && key_file != NULL && PEM_write_X509(cert_file, cert) == 1 &&
                PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (cert_file != NULL)
        fclose(cert_file);
    if (key_file != NULL)
        fclose(key_file);
    return is_ok;
}

int certificate_make(const char *cert_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    int is_ok =
        X509_sign(cert, key, EVP_sha256()) > 0 && write_files(key, cert, cert_path, key_path);
    X509_free(cert);
    EVP_PKEY_free(key);
    return is_ok ? 0 : -1;
}
