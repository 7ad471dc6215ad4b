#ifndef TK_SECURE_SECURE_INTERNAL_H
#define TK_SECURE_SECURE_INTERNAL_H

/*
 * What the files of secure/ share: the state per SSRC, the key derivation, the cipher backend
 * behind the batches, and the BIO under a DTLS session.
 */

#include "base/hmac.h"
#include "secure/cert.h"
#include "secure/dtls.h"
#include "secure/srtp.h"

/* OpenSSL has a type of the name of one of our result codes, and we use neither it nor the function
 * that returns it. */
#define ERR_STATE openssl_err_state
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#undef ERR_STATE

/* --- State per SSRC (srtp_ssrc.c) --- */

struct sec__ssrc {
    uint32_t ssrc;
    bool is_used;
    uint64_t index_max; /* the highest packet index so far: ROC * 2^16 + SEQ, or the RTCP index */
};

/* Open addressing; grows by doubling up to SEC_SRTP_SSRCS_MAX entries. */
struct sec__ssrcs {
    struct sec__ssrc *slots;
    uint64_t *windows; /* window_words per slot: bit (index mod window) = seen */
    size_t capacity;   /* power of two or 0 */
    size_t count;
    size_t window_words;      /* 0 for a sender */
    struct sec__ssrc *recent; /* the slot that was asked for last: packets come in runs */
};

void sec__ssrcs_init(struct sec__ssrcs *t, size_t window_packets);
void sec__ssrcs_fini(struct sec__ssrcs *t);
struct sec__ssrc *sec__ssrcs_find(struct sec__ssrcs *t, uint32_t ssrc);
bool sec__ssrcs_is_full(const struct sec__ssrcs *t);

/* Finds or adds; a new one has not seen `index` yet, but has it as its highest. ERR_LIMIT, -ENOMEM.
 */
MUST_CHECK int sec__ssrcs_add(struct sec__ssrcs *t, uint32_t ssrc, uint64_t index,
                              struct sec__ssrc **ret_slot);

/* A sender's only: those that were found before may have moved. */
void sec__ssrcs_remove(struct sec__ssrcs *t, uint32_t ssrc);

/* 0, or ERR_SEC_REPLAY if `index` was seen or is older than the window. */
MUST_CHECK int sec__replay_check(const struct sec__ssrcs *t, const struct sec__ssrc *slot,
                                 uint64_t index);
/* Marks an index that passed the check. */
void sec__replay_mark(struct sec__ssrcs *t, struct sec__ssrc *slot, uint64_t index);

/*
 * The packet index that `seq` most likely means (RFC 3711, 3.3.1); a NULL slot means the first
 * packet, roll-over counter 0. ERR_SEC_REPLAY if it would lie before the first roll-over counter,
 * ERR_SEC_KEY_LIMIT if after the last.
 */
MUST_CHECK int sec__index_estimate(const struct sec__ssrc *slot, uint16_t seq, uint64_t *ret_index);

/* --- Key derivation (srtp_kdf.c) --- */

enum sec__label {
    SEC__LABEL_RTP_KEY,
    SEC__LABEL_RTP_AUTH,
    SEC__LABEL_RTP_SALT,
    SEC__LABEL_RTCP_KEY,
    SEC__LABEL_RTCP_AUTH,
    SEC__LABEL_RTCP_SALT
};

/* RFC 3711, 4.3.1 with key derivation rate 0. `salt` has 14 bytes. ERR_SEC_CRYPTO. */
MUST_CHECK int sec__kdf(const uint8_t *key, const uint8_t *salt, enum sec__label label,
                        uint8_t *ret_out, size_t size);

/* --- Cipher backends (srtp_backend.c chooses; srtp_imb.c, srtp_evp.c) --- */

#define SEC__AUTH_KEY_SIZE 20
#define SEC__IV_SIZE_MAX   16
#define SEC__GCM_TAG_SIZE  16
#define SEC__SHA1_TAG_SIZE 10
#define SEC__OPS_MAX       32 /* packets that go to the cipher at once */

struct sec__crypt;

/* The session keys of RTP or RTCP of one direction. */
struct sec__session {
    enum sec_profile profile;
    uint8_t tag_size;
    uint64_t iv_salt[2];      /* the salt in the place of the IV, as two big-endian numbers */
    struct sec__crypt *crypt; /* the backend's: expanded keys */
};

/*
 * One packet, ready for the cipher. `packet` is where the protected form starts: the header of
 * `head_size` bytes, which is only authenticated, then the ciphertext of both pieces. The trailer
 * is authenticated after it (AES-CM) or after the header (AES-GCM), but not part of it.
 */
struct sec__op {
    const struct sec__session *session;
    const uint8_t *packet;
    size_t head_size;
    const uint8_t *in[2];
    size_t in_size[2];
    uint8_t *out;          /* in_size[0] + in_size[1] bytes */
    uint8_t *tag;          /* protecting: written */
    const uint8_t *tag_in; /* unprotecting: compared */
    uint8_t iv[SEC__IV_SIZE_MAX];
    uint8_t trailer[4];
    uint8_t trailer_size;
    int result; /* out: 0, ERR_SEC_AUTH, ERR_SEC_CRYPTO */
};

/* Session keys before they are expanded. */
struct sec__keys {
    enum sec_profile profile;
    uint8_t key[SEC_SRTP_KEY_SIZE];
    uint8_t auth[SEC__AUTH_KEY_SIZE];
    uint8_t salt[SEC_SRTP_SALT_SIZE_MAX];
};

/* sec_srtp_create() after the key derivation (srtp.c); published vectors start here. */
MUST_CHECK int sec__srtp_create_session(const struct sec__keys *rtp, const struct sec__keys *rtcp,
                                        enum sec_direction direction, struct sec_srtp **ret_srtp);

/* Another implementation of the transforms is one more of these, and one row in srtp_backend.c. */
struct sec__backend {
    const char *name;
    bool (*is_usable)(void); /* whether this machine has what it needs; for the calling thread */
    int (*create)(const struct sec__keys *keys, enum sec_direction direction,
                  struct sec__crypt **ret_crypt);
    void (*destroy)(struct sec__crypt *crypt); /* NULL is a no-op; wipes the keys */
    /* Asks memory for what a packet of `size` bytes will need of the expanded keys; may be NULL. */
    void (*prefetch)(const struct sec__session *session, size_t size);
    /* Up to SEC__OPS_MAX, of any sessions. */
    void (*protect)(struct sec__op *ops, size_t count);
    void (*unprotect)(struct sec__op *ops, size_t count);
};

extern const struct sec__backend sec__backend_evp;
extern const struct sec__backend sec__backend_imb; /* x86-64 only */

/* The one that all contexts of the process use; the best one if nobody chose. */
const struct sec__backend *sec__backend(void);
/* Contexts hold the choice: it cannot change while there are any. */
void sec__backend_hold(void);
void sec__backend_release(void);

/* --- HMAC-SHA1, one packet at a time (srtp_mac.c) --- */

void sec__mac_packet(const struct hmac_sha1 *m, const struct sec__op *op,
                     uint8_t ret_mac[HMAC_SHA1_SIZE]);

/* --- Certificate (cert.c) --- */

/* The OpenSSL context with key, certificate, ciphers and use_srtp, for either role. */
SSL_CTX *sec__cert_ssl_ctx(const struct sec_cert *c);

/* OpenSSL's question whether to trust the other side (dtls.c): by fingerprint only. */
int sec__dtls_verify(X509_STORE_CTX *store, void *arg);

/* Writes the fingerprint of a certificate. ERR_SEC_CRYPTO. */
MUST_CHECK int sec__fingerprint_text(const X509 *x509, char ret_text[SEC_FINGERPRINT_SIZE]);

/* --- Records of an established DTLS session (dtls_record.c) --- */

#define SEC__RECORD_HEADER_SIZE 13 /* RFC 6347, 4.1 */
#define SEC__RECORD_GROWTH      37 /* header, explicit nonce and tag (RFC 5288, 3) */

enum sec__record_type {
    SEC__RECORD_CHANGE_CIPHER_SPEC = 20,
    SEC__RECORD_ALERT,
    SEC__RECORD_HANDSHAKE,
    SEC__RECORD_DATA
};

struct sec__record_keys {
    uint8_t key[32]; /* key_size of them */
    uint8_t salt[4];
};

struct sec__records {
    struct sec__record_keys out, in;
    size_t key_size;
    uint64_t out_next;          /* the next sequence number */
    uint64_t nonce_base;        /* sequence numbers count on from here */
    uint64_t in_max, in_window; /* bit i: in_max - i was seen; 0: nothing was */
};

/* Writes a record of size + SEC__RECORD_GROWTH bytes; returns that. ERR_SEC_KEY_LIMIT,
 * ERR_SEC_CRYPTO. */
MUST_CHECK int sec__record_seal(struct sec__records *r, enum sec__record_type type,
                                const uint8_t *data, size_t size, uint8_t *dst);
/* Writes the plaintext of a whole record of `size` bytes; returns its size.
 * ERR_MALFORMED, ERR_SEC_REPLAY, ERR_SEC_AUTH. */
MUST_CHECK int sec__record_open(struct sec__records *r, const uint8_t *record, size_t size,
                                uint8_t *dst);
/* A datagram that OpenSSL sent: sequence numbers and nonces go on after those in it. */
void sec__records_note_sent(struct sec__records *r, const uint8_t *datagram, size_t size);

/* --- Profiles, and what a finished handshake yields (dtls_keys.c) --- */

/* In place of both profiles of the shared context. ERR_SEC_PROFILE, ERR_SEC_CRYPTO. */
MUST_CHECK int sec__dtls_offer_only(SSL *ssl, enum sec_profile profile);

/* RFC 5764, 4.2. ERR_SEC_PROFILE, ERR_SEC_CRYPTO. */
MUST_CHECK int sec__dtls_srtp_keys(SSL *ssl, bool is_client, struct sec_srtp_keys *ret_send,
                                   struct sec_srtp_keys *ret_receive);
/* Sets the keys in `r`. ERR_SEC_CRYPTO. */
MUST_CHECK int sec__dtls_record_keys(SSL *ssl, bool is_client, struct sec__records *r);

/* --- Datagrams in memory (dtls_bio.c) --- */

struct sec__datagram {
    struct sec__datagram *next;
    uint16_t size;
    uint8_t data[];
};

/* What a session's BIO reads from and writes to; holds memory only while something waits. */
struct sec__wire {
    const uint8_t *in; /* one datagram, the caller's, during one call */
    size_t in_size;    /* 0: consumed */
    struct sec__datagram *out_first, **out_end;
    size_t out_count; /* up to SEC_DTLS_QUEUE_MAX */
    uint64_t out_drops;
};

void sec__wire_init(struct sec__wire *wire);
void sec__wire_fini(struct sec__wire *wire);
/* Puts a datagram into the list, or drops and counts it when there is no room. */
void sec__wire_push(struct sec__wire *wire, const uint8_t *data, size_t size);
/* Frees the first datagram that waits. */
void sec__wire_pop(struct sec__wire *wire);

/* Made once per process; NULL when out of memory. */
BIO_METHOD *sec__bio_method_create(void);
/* A BIO that reads from and writes to `wire`, which outlives it. NULL when out of memory. */
BIO *sec__bio_create(BIO_METHOD *method, struct sec__wire *wire);

/* The BIO method that belongs to a certificate (and so lives as long as the sessions). */
BIO_METHOD *sec__cert_bio_method(const struct sec_cert *c);

#endif
