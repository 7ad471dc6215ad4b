#include "secure/dtls.h"

#include "base/bytes.h"
#include "base/err.h"
#include "secure/cert.h"
#include "secure/secure_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#define RETRANSMIT_FIRST_US 250000
#define RETRANSMIT_MAX_US   3000000
#define RESENDS_MAX         12           /* of the last flight, as OpenSSL has it for the others */
#define RECORD_VERSION      0xfe         /* both 1.0 and 1.2 begin with it */
#define GCM_RECORD_MIN      (8 + 16 + 1) /* explicit nonce and tag (RFC 5288, 3), one byte */
#define ALERT_WARNING       1            /* RFC 5246, 7.2 */
#define ALERT_FATAL         2
#define ALERT_CLOSE_NOTIFY  0

/* Plaintext that waits to be polled: pieces of a 16-bit size and the bytes. A record costs 13
 * bytes and more, so that everything of one datagram fits. */
#define PLAIN_SIZE_MAX SEC_DTLS_DATAGRAM_MAX

_Static_assert(SEC_DTLS_DATA_MAX + SEC__RECORD_GROWTH <= SEC_DTLS_MTU, "a record fits the MTU");

struct sec_dtls {
    /* Set at creation. */
    enum sec_dtls_role role;
    uint32_t retransmit_us_first;
    SSL *ssl; /* until the handshake is over */

    /* State. */
    enum sec_dtls_state state;
    int err;
    bool is_fingerprint_wrong; /* set inside the handshake */
    char fingerprint[SEC_FINGERPRINT_SIZE];
    mono_us timeout_at;

    /* What the handshake left. */
    struct sec__records records;
    struct sec_srtp_keys srtp_send, srtp_receive; /* until they are taken */
    int srtp_err;                                 /* no profile in common; ERR_STATE: taken */
    struct sec__wire flight; /* our last one, when nobody acknowledges it: to be sent again */
    unsigned resends;

    /* Datagrams and application data on their way. */
    struct sec__wire wire;
    size_t plain_at, plain_size;
    uint8_t *plain; /* PLAIN_SIZE_MAX bytes, or NULL: nothing waits */
};

/* --- What OpenSSL calls --- */

/* In place of a chain of trust: the certificate has to be the one that the SDP names. */
int sec__dtls_verify(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct sec_dtls *d = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
    X509 *x509 = X509_STORE_CTX_get0_cert(store);
    char text[SEC_FINGERPRINT_SIZE];
    if (d == NULL || x509 == NULL || sec__fingerprint_text(x509, text) < 0)
        return 0;
    d->is_fingerprint_wrong = strcasecmp(text, d->fingerprint) != 0;
    X509_STORE_CTX_set_error(store, d->is_fingerprint_wrong ? X509_V_ERR_CERT_REJECTED : X509_V_OK);
    return !d->is_fingerprint_wrong;
}

static unsigned retransmit_after(SSL *ssl, unsigned previous_us)
{
    const struct sec_dtls *d = SSL_get_app_data(ssl);
    if (previous_us == 0)
        return d->retransmit_us_first;
    return TK_MIN(2 * previous_us, RETRANSMIT_MAX_US);
}

/* --- Life cycle --- */

void sec_dtls_destroy(struct sec_dtls *d)
{
    if (d == NULL)
        return;
    SSL_free(d->ssl); /* with its BIO; OpenSSL wipes the keys */
    sec__wire_fini(&d->wire);
    sec__wire_fini(&d->flight);
    free(d->plain);
    OPENSSL_cleanse(d, sizeof(*d));
    free(d);
}

int sec_dtls_create(const struct sec_dtls_config *config, struct sec_dtls **ret_dtls)
{
    struct sec_dtls *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return -ENOMEM;
    d->role = config->role;
    d->retransmit_us_first = config->retransmit_us_first != 0
                                 ? TK_MIN(config->retransmit_us_first, RETRANSMIT_MAX_US)
                                 : RETRANSMIT_FIRST_US;
    d->timeout_at = MONO_NEVER;
    sec__wire_init(&d->wire);
    sec__wire_init(&d->flight);
    d->ssl = SSL_new(sec__cert_ssl_ctx(config->cert));
    BIO *bio = sec__bio_create(sec__cert_bio_method(config->cert), &d->wire);
    if (d->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        sec_dtls_destroy(d);
        return ERR_SEC_CRYPTO;
    }
    SSL_set_bio(d->ssl, bio, bio);
    int err = config->srtp != SEC_PROFILE_NONE ? sec__dtls_offer_only(d->ssl, config->srtp) : 0;
    if (err < 0) {
        sec_dtls_destroy(d);
        return err;
    }
    SSL_set_app_data(d->ssl, d);
    SSL_set_mtu(d->ssl, SEC_DTLS_MTU);
    DTLS_set_timer_cb(d->ssl, retransmit_after);
    if (d->role == SEC_DTLS_CLIENT)
        SSL_set_connect_state(d->ssl);
    else
        SSL_set_accept_state(d->ssl);
    *ret_dtls = d;
    return 0;
}

int sec_dtls_set_fingerprint(struct sec_dtls *d, const char *sha256_text)
{
    if (!sec_fingerprint_is_valid(sha256_text))
        return ERR_MALFORMED;
    if (d->state != SEC_DTLS_NEW)
        return strcasecmp(sha256_text, d->fingerprint) == 0 ? 0 : ERR_SEC_FINGERPRINT;
    memcpy(d->fingerprint, sha256_text, strlen(sha256_text) + 1);
    return 0;
}

static void plain_release(struct sec_dtls *d)
{
    free(d->plain);
    d->plain = NULL;
    d->plain_at = d->plain_size = 0;
}

/* Nothing goes in or out any more: no key is needed. */
static void end(struct sec_dtls *d, enum sec_dtls_state state)
{
    d->state = state;
    OPENSSL_cleanse(&d->records.out, sizeof(d->records.out));
    OPENSSL_cleanse(&d->records.in, sizeof(d->records.in));
    OPENSSL_cleanse(&d->srtp_send, sizeof(d->srtp_send));
    OPENSSL_cleanse(&d->srtp_receive, sizeof(d->srtp_receive));
}

/* --- The handshake --- */

static void fail(struct sec_dtls *d, int err)
{
    end(d, SEC_DTLS_FAILED);
    d->err = d->is_fingerprint_wrong ? ERR_SEC_FINGERPRINT : err;
    d->timeout_at = MONO_NEVER;
    plain_release(d);
    ERR_clear_error();
}

/* Takes OpenSSL's own timer over into our time. */
static void schedule(struct sec_dtls *d, mono_us now)
{
    struct timeval left;
    d->timeout_at = MONO_NEVER;
    if (d->state == SEC_DTLS_HANDSHAKE && DTLSv1_get_timeout(d->ssl, &left) == 1)
        d->timeout_at = now + MONO_S(left.tv_sec) + left.tv_usec;
}

/* The certificate once more, now that the handshake is over: no key without it. */
static bool is_peer_certificate_right(const struct sec_dtls *d)
{
    char text[SEC_FINGERPRINT_SIZE];
    const X509 *x509 = SSL_get0_peer_certificate(d->ssl);
    return x509 != NULL && sec__fingerprint_text(x509, text) == 0 &&
           strcasecmp(text, d->fingerprint) == 0;
}

/* SSL_ERROR_SYSCALL is what OpenSSL says of some records that it dropped; our BIO has no failures.
 */
static bool is_fatal(int why)
{
    return why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_SYSCALL;
}

static void plain_push(struct sec_dtls *d, const uint8_t *data, size_t size)
{
    if (d->plain == NULL)
        d->plain = malloc(PLAIN_SIZE_MAX);
    if (d->plain == NULL || d->plain_size + 2 + size > PLAIN_SIZE_MAX)
        return; /* no memory, or the caller did not poll: lost, as on the line */
    put_u16be(d->plain + d->plain_size, (uint16_t)size);
    memcpy(d->plain + d->plain_size + 2, data, size);
    d->plain_size += 2 + size;
}

/* Records that came before the handshake was over on our side. */
static void read_early_data(struct sec_dtls *d)
{
    uint8_t piece[SEC_DTLS_DATAGRAM_MAX];
    for (;;) {
        ERR_clear_error();
        int n = SSL_read(d->ssl, piece, sizeof(piece));
        if (n > 0) {
            plain_push(d, piece, (size_t)n);
            continue;
        }
        int why = SSL_get_error(d->ssl, n);
        if (why == SSL_ERROR_ZERO_RETURN)
            end(d, SEC_DTLS_CLOSED);
        else if (is_fatal(why))
            fail(d, ERR_SEC_DTLS);
        return;
    }
}

/* The server sends the last flight, and sends it again when the client repeats its own (RFC 6347,
 * 4.2.4). It is what this call has written: the queue was polled empty before. */
static void keep_last_flight(struct sec_dtls *d)
{
    for (const struct sec__datagram *at = d->wire.out_first; at != NULL; at = at->next) {
        sec__records_note_sent(&d->records, at->data, at->size);
        if (d->role == SEC_DTLS_SERVER)
            sec__wire_push(&d->flight, at->data, at->size);
    }
}

/*
 * The handshake is over. The certificate is looked at once more: no key without it. Then the keys
 * are taken out and OpenSSL is let go, which would hold 45 KiB for each session from now on.
 */
static void complete(struct sec_dtls *d)
{
    bool is_client = d->role == SEC_DTLS_CLIENT;
    d->is_fingerprint_wrong = !is_peer_certificate_right(d);
    if (d->is_fingerprint_wrong) {
        fail(d, ERR_SEC_FINGERPRINT);
        return;
    }
    int err = sec__dtls_record_keys(d->ssl, is_client, &d->records);
    if (err < 0) {
        fail(d, err);
        return;
    }
    d->srtp_err = sec__dtls_srtp_keys(d->ssl, is_client, &d->srtp_send, &d->srtp_receive);
    d->state = SEC_DTLS_CONNECTED;
    read_early_data(d);
    keep_last_flight(d); /* after reading, which may make OpenSSL send it again */
    SSL_free(d->ssl);
    d->ssl = NULL;
}

static void shake(struct sec_dtls *d)
{
    ERR_clear_error();
    int n = SSL_do_handshake(d->ssl);
    if (n == 1)
        complete(d);
    else if (is_fatal(SSL_get_error(d->ssl, n)))
        fail(d, ERR_SEC_DTLS);
}

int sec_dtls_start(struct sec_dtls *d, mono_us now)
{
    if (d->state != SEC_DTLS_NEW)
        return 0;
    if (d->fingerprint[0] == '\0')
        return ERR_STATE;
    d->state = SEC_DTLS_HANDSHAKE;
    if (d->role == SEC_DTLS_CLIENT)
        shake(d);
    schedule(d, now);
    return d->err;
}

/* --- Records in --- */

/* The other side repeats its last flight: ours was lost. */
static void resend_last_flight(struct sec_dtls *d)
{
    if (d->resends == RESENDS_MAX)
        return;
    d->resends++;
    for (const struct sec__datagram *at = d->flight.out_first; at != NULL; at = at->next)
        sec__wire_push(&d->wire, at->data, at->size);
}

static void handle_record(struct sec_dtls *d, uint8_t type, const uint8_t *plain, size_t size)
{
    if (type == SEC__RECORD_DATA && size > 0) {
        plain_push(d, plain, size);
    } else if (type == SEC__RECORD_HANDSHAKE) {
        resend_last_flight(d);
    } else if (type == SEC__RECORD_ALERT && size == 2) {
        if (plain[1] == ALERT_CLOSE_NOTIFY)
            end(d, SEC_DTLS_CLOSED);
        else if (plain[0] == ALERT_FATAL)
            fail(d, ERR_SEC_DTLS);
    }
}

/* `data` is whole records. Those of the datagram that ended the handshake were read by OpenSSL:
 * they are opened once more to know them when they come again, and that is all. */
static void open_records(struct sec_dtls *d, const uint8_t *data, size_t size, bool is_read)
{
    uint8_t plain[SEC_DTLS_DATAGRAM_MAX];
    struct rd r = rd_init(data, size);
    while (d->state == SEC_DTLS_CONNECTED && rd_left(&r) > 0) {
        const uint8_t *record = rd_bytes(&r, SEC__RECORD_HEADER_SIZE);
        size_t length = get_u16be(record + 11);
        IGNORE(rd_bytes(&r, length) != NULL); /* whole, says the filter */
        int n = sec__record_open(&d->records, record, SEC__RECORD_HEADER_SIZE + length, plain);
        if (n >= 0 && !is_read)
            handle_record(d, record[0], plain, (size_t)n);
    }
    OPENSSL_cleanse(plain, sizeof(plain));
}

/*
 * Lets through whole records only, and after the handshake only encrypted ones that have room for
 * nonce, tag and a byte. OpenSSL drops the others as well, but after a record that is cut off it
 * can lose the next datagram, and one without room for a tag it takes for an empty one and marks
 * its sequence number as seen.
 *
 *  0      1       3     5        11     13 (RFC 6347, 4.1)
 *  | type | version | epoch | sequence | length | fragment …
 */
static size_t records_filter(const struct sec_dtls *d, const uint8_t *data, size_t size,
                             uint8_t *dst)
{
    struct rd r = rd_init(data, size);
    size_t kept = 0;
    while (rd_left(&r) > SEC__RECORD_HEADER_SIZE) {
        const uint8_t *header = rd_bytes(&r, SEC__RECORD_HEADER_SIZE);
        uint16_t epoch = get_u16be(header + 3), length = get_u16be(header + 11);
        if (rd_bytes(&r, length) == NULL)
            break;
        bool is_type = header[0] >= SEC__RECORD_CHANGE_CIPHER_SPEC && header[0] <= SEC__RECORD_DATA;
        bool is_in_place = d->state == SEC_DTLS_CONNECTED ? epoch == 1 : epoch <= 1;
        size_t length_min = epoch == 0 ? 1 : GCM_RECORD_MIN;
        if (!is_type || header[1] != RECORD_VERSION || !is_in_place || length < length_min)
            continue;
        memcpy(dst + kept, header, SEC__RECORD_HEADER_SIZE + (size_t)length);
        kept += SEC__RECORD_HEADER_SIZE + (size_t)length;
    }
    return kept;
}

int sec_dtls_handle_packet(struct sec_dtls *d, const uint8_t *data, size_t size, mono_us now)
{
    if (d->state != SEC_DTLS_HANDSHAKE && d->state != SEC_DTLS_CONNECTED)
        return ERR_STATE;
    if (size > SEC_DTLS_DATAGRAM_MAX)
        return ERR_MALFORMED;
    uint8_t kept[SEC_DTLS_DATAGRAM_MAX];
    size_t kept_size = records_filter(d, data, size, kept);
    if (kept_size == 0)
        return ERR_MALFORMED;
    bool is_handshake = d->state == SEC_DTLS_HANDSHAKE;
    if (is_handshake) {
        d->wire.in = kept;
        d->wire.in_size = kept_size;
        shake(d);
        d->wire.in = NULL;
        d->wire.in_size = 0;
        schedule(d, now);
    }
    open_records(d, kept, kept_size, is_handshake);
    return d->err;
}

void sec_dtls_handle_timeout(struct sec_dtls *d, mono_us now)
{
    if (d->state != SEC_DTLS_HANDSHAKE || now < d->timeout_at)
        return;
    ERR_clear_error();
    if (DTLSv1_handle_timeout(d->ssl) < 0)
        fail(d, ERR_TIMEOUT); /* OpenSSL gives up after twelve retransmissions */
    schedule(d, now);
}

mono_us sec_dtls_next_timeout(const struct sec_dtls *d)
{
    return d->timeout_at;
}

/* --- Out --- */

static int seal(struct sec_dtls *d, enum sec__record_type type, const uint8_t *data, size_t size)
{
    uint8_t record[SEC_DTLS_DATA_MAX + SEC__RECORD_GROWTH];
    int n = sec__record_seal(&d->records, type, data, size, record);
    if (n < 0)
        return n;
    sec__wire_push(&d->wire, record, (size_t)n);
    return 0;
}

int sec_dtls_send(struct sec_dtls *d, const uint8_t *data, size_t size)
{
    if (d->state != SEC_DTLS_CONNECTED)
        return ERR_STATE;
    if (size == 0 || size > SEC_DTLS_DATA_MAX)
        return ERR_LIMIT;
    return seal(d, SEC__RECORD_DATA, data, size);
}

void sec_dtls_close(struct sec_dtls *d)
{
    static const uint8_t close_notify[] = {ALERT_WARNING, ALERT_CLOSE_NOTIFY};
    if (d->state == SEC_DTLS_CONNECTED)
        IGNORE(seal(d, SEC__RECORD_ALERT, close_notify, sizeof(close_notify))); /* a courtesy */
    if (d->state != SEC_DTLS_FAILED)
        end(d, SEC_DTLS_CLOSED);
    d->timeout_at = MONO_NEVER;
}

int sec_dtls_poll_transmit(struct sec_dtls *d, uint8_t *dst, size_t dst_size)
{
    const struct sec__datagram *first = d->wire.out_first;
    if (first == NULL)
        return 0;
    if (dst_size < first->size)
        return ERR_NO_SPACE;
    int size = first->size;
    memcpy(dst, first->data, first->size);
    if (d->ssl != NULL)
        sec__records_note_sent(&d->records, first->data, first->size);
    sec__wire_pop(&d->wire);
    return size;
}

int sec_dtls_poll_data(struct sec_dtls *d, const uint8_t **ret_data)
{
    if (d->plain_at == d->plain_size) {
        if (d->plain != NULL) /* asked after every STUN check, where there is never any */
            plain_release(d);
        return 0;
    }
    uint16_t size = get_u16be(d->plain + d->plain_at);
    *ret_data = d->plain + d->plain_at + 2;
    d->plain_at += 2u + size;
    return size;
}

enum sec_dtls_state sec_dtls_state(const struct sec_dtls *d)
{
    return d->state;
}

int sec_dtls_error(const struct sec_dtls *d)
{
    return d->err;
}

/* --- Keys --- */

int sec_dtls_take_keys(struct sec_dtls *d, struct sec_srtp_keys *ret_send,
                       struct sec_srtp_keys *ret_receive)
{
    if (d->state != SEC_DTLS_CONNECTED)
        return ERR_STATE;
    if (d->srtp_err < 0)
        return d->srtp_err;
    *ret_send = d->srtp_send;
    *ret_receive = d->srtp_receive;
    OPENSSL_cleanse(&d->srtp_send, sizeof(d->srtp_send));
    OPENSSL_cleanse(&d->srtp_receive, sizeof(d->srtp_receive));
    d->srtp_err = ERR_STATE;
    return 0;
}
