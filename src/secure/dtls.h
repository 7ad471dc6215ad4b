#ifndef TK_SECURE_DTLS_H
#define TK_SECURE_DTLS_H

/*
 * One DTLS 1.2 session (RFC 6347) with use_srtp (RFC 5764), for either role, over OpenSSL with the
 * datagrams in memory: reads datagrams, yields datagrams and application data (SCTP packets, RFC
 * 8261). Both sides show a certificate; the other side's must have the fingerprint of its SDP (RFC
 * 8122), which is checked inside the handshake, before any key exists outside of OpenSSL.
 *
 * OpenSSL shakes hands; then the keys are taken out and it is let go, because a session of it holds
 * 45 KiB. The records of an established session (dtls_record.c) are ours.
 *
 * The caller lets datagrams in only from addresses that ICE has authenticated. One thread per
 * session. Contract: after any call, poll transmit and data until empty.
 *
 * Time: `now` decides when we look at a timer, but during the handshake OpenSSL keeps its
 * retransmission timers by the system's clock; a run in virtual time has to let real time pass.
 */

#include "base/attrs.h"
#include "base/time.h"
#include "secure/srtp.h"

#include <stddef.h>
#include <stdint.h>

#define SEC_DTLS_MTU          1200 /* largest datagram that we send */
#define SEC_DTLS_DATAGRAM_MAX 2048 /* larger datagrams are not read */
#define SEC_DTLS_DATA_MAX     1150 /* largest piece of application data that we send */
#define SEC_DTLS_QUEUE_MAX    16   /* datagrams that wait to be polled; more are dropped */

struct sec_cert;
struct sec_dtls;

enum sec_dtls_role { SEC_DTLS_CLIENT, SEC_DTLS_SERVER };

enum sec_dtls_state {
    SEC_DTLS_NEW,       /* not started */
    SEC_DTLS_HANDSHAKE, /* shaking hands */
    SEC_DTLS_CONNECTED, /* fingerprint checked, keys can be taken */
    SEC_DTLS_CLOSED,    /* the other side, or we, said close_notify */
    SEC_DTLS_FAILED     /* sec_dtls_error() says why; nothing goes in or out any more */
};

struct sec_dtls_config {
    enum sec_dtls_role role;
    const struct sec_cert *cert;  /* outlives the session */
    uint32_t retransmit_us_first; /* first retransmission; doubles up to 3 s. 0: 250 ms */
    enum sec_profile srtp;        /* offer or take only this one; NONE: both, GCM preferred */
};

MUST_CHECK int sec_dtls_create(const struct sec_dtls_config *config, struct sec_dtls **ret_dtls);
void sec_dtls_destroy(struct sec_dtls *d); /* NULL is a no-op; wipes the keys */

/*
 * What the other side's certificate must be. Necessary before sec_dtls_start(); the same value
 * again is harmless, another one after the start is ERR_SEC_FINGERPRINT (it would be a new DTLS
 * association, RFC 8842, 3.1). ERR_MALFORMED if it is not SHA-256 in hex with colons.
 */
MUST_CHECK int sec_dtls_set_fingerprint(struct sec_dtls *d, const char *sha256_text);

/* Begins: the client sends its hello, the server listens. ERR_STATE without a fingerprint. Again is
 * harmless. */
MUST_CHECK int sec_dtls_start(struct sec_dtls *d, mono_us now);

/*
 * One datagram. Returns 0; ERR_MALFORMED for what is not DTLS; ERR_STATE when the session is not
 * started or over (the datagram is dropped); the error of the session when this made it fail.
 */
MUST_CHECK int sec_dtls_handle_packet(struct sec_dtls *d, const uint8_t *data, size_t size,
                                      mono_us now);
void sec_dtls_handle_timeout(struct sec_dtls *d, mono_us now);
mono_us sec_dtls_next_timeout(const struct sec_dtls *d);

/* Application data of up to SEC_DTLS_DATA_MAX bytes. ERR_STATE before the session is up. */
MUST_CHECK int sec_dtls_send(struct sec_dtls *d, const uint8_t *data, size_t size);

/* Says close_notify, once; the session is then CLOSED. */
void sec_dtls_close(struct sec_dtls *d);

/* The next datagram to send: its size, 0 = none; ERR_NO_SPACE if `dst` is too small for it. */
int sec_dtls_poll_transmit(struct sec_dtls *d, uint8_t *dst, size_t dst_size);

/* The next piece of application data, in place until the next call: its size, 0 = none. */
int sec_dtls_poll_data(struct sec_dtls *d, const uint8_t **ret_data);

enum sec_dtls_state sec_dtls_state(const struct sec_dtls *d);
/* Why the session FAILED (ERR_SEC_FINGERPRINT, ERR_SEC_DTLS, ERR_TIMEOUT); else 0. */
int sec_dtls_error(const struct sec_dtls *d);

/*
 * The SRTP master keys of both directions as this side sees them (RFC 5764, 4.2), once: the session
 * forgets them. ERR_STATE unless CONNECTED, and after they were taken; ERR_SEC_PROFILE when the
 * other side takes neither profile. The caller wipes them.
 */
MUST_CHECK int sec_dtls_take_keys(struct sec_dtls *d, struct sec_srtp_keys *ret_send,
                                  struct sec_srtp_keys *ret_receive);

#endif
