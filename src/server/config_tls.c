/* Does not include base/err.h: OpenSSL's headers claim one of its names. */
#include "server/config_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

static bool can_be_read(const char *path, struct config_tls_problem *p)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        snprintf(p->text, sizeof(p->text), "%s: %s", path, strerror(errno));
        return false;
    }
    fclose(f);
    return true;
}

static bool fail(struct config_tls_problem *p, const char *path, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(p->text, sizeof(p->text), "%s: %s%s%s", path, what, reason != NULL ? ": " : "",
             reason != NULL ? reason : "");
    return false;
}

static bool load(SSL_CTX *ctx, const char *cert, const char *key, struct config_tls_problem *p)
{
    p->is_key = false;
    if (!can_be_read(cert, p))
        return false;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return fail(p, cert, "a certificate chain in PEM is needed");
    p->is_key = true;
    if (!can_be_read(key, p))
        return false;
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return fail(p, key, "the certificate's private key in PEM, without a password, is needed");
    return true;
}

/* A key with a password must not make OpenSSL ask on the terminal. */
static int no_password(char *buf, int size, int is_writing, void *user)
{
    (void)buf, (void)size, (void)is_writing, (void)user;
    return 0;
}

bool config_tls_check(const char *cert_path, const char *key_path,
                      struct config_tls_problem *ret_problem)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        ret_problem->is_key = false;
        return fail(ret_problem, cert_path, "OpenSSL cannot start");
    }
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    bool is_good = load(ctx, cert_path, key_path, ret_problem);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return is_good;
}
