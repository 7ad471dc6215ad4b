#include <openssl/ssl.h>

/* Alone in its file because OpenSSL's headers claim names that base/err.h also uses. */
long http__tls_options(void);

long http__tls_options(void)
{
    return (long)(SSL_OP_NO_SSLv2 | SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 |
                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION);
}
