#ifndef TK_SERVER_CONFIG_TLS_H
#define TK_SERVER_CONFIG_TLS_H

/* Whether a certificate chain and its key can be used, before the server starts with them. */

#include <stdbool.h>

struct config_tls_problem {
    bool is_key; /* of the key rather than of the certificate */
    char text[640];
};

/* False: see `ret_problem`. */
bool config_tls_check(const char *cert_path, const char *key_path,
                      struct config_tls_problem *ret_problem);

#endif
