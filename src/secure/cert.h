#ifndef TK_SECURE_CERT_H
#define TK_SECURE_CERT_H

/*
 * The self-signed certificate of one run of the program: ECDSA on P-256, made at start, never
 * stored (RFC 8827, 6.5). Read-only after creation, so that any thread may use it; it outlives
 * every DTLS session that was made with it.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stdbool.h>

#define SEC_FINGERPRINT_SIZE 96 /* 32 bytes as "AA:BB:…" with the zero (RFC 8122, 5) */

struct sec_cert;

/* Makes a key and a certificate valid from a day before `now` for 30 days. ERR_SEC_CRYPTO. */
MUST_CHECK int sec_cert_create(wall_ms now, struct sec_cert **ret_cert);
void sec_cert_destroy(struct sec_cert *c); /* NULL is a no-op */

/* SHA-256 of the certificate, upper-case hex with colons; belongs to the certificate. */
const char *sec_cert_fingerprint(const struct sec_cert *c);

/* True if `text` is 32 bytes of hex, of either case, with colons between them. */
bool sec_fingerprint_is_valid(const char *text);

#endif
