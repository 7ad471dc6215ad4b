#ifndef TK_TESTS_UNIT_HTTP_CERTIFICATE_H
#define TK_TESTS_UNIT_HTTP_CERTIFICATE_H

/* Writes a self-signed certificate and its key as PEM files; 0 or -1. */
int certificate_make(const char *cert_path, const char *key_path);

#endif
