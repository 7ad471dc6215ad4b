/*
 * Goal: after the handshake our own records are those of DTLS 1.2 with AES-GCM, both cipher suites,
 * and a last flight that gets lost is sent again.
 * Method: a client of plain OpenSSL talks to our server; two of our ends with the last flight
 * taken away; and the records by themselves against reordering, replay and damage.
 */
#include "unit/cmocka_all.h"

#include "base/err.h"
#include "base/time.h"
#include "secure/secure_internal.h"

#include <string.h>
#include <time.h>

#define ROUNDS 20

/* --- OpenSSL at the other end --- */

struct foreign {
    struct sec_cert *certs[2]; /* theirs, ours */
    struct sec_dtls *ours;
    SSL_CTX *ctx;
    SSL *ssl;
    struct sec__wire wire;
};

/* What they sent goes to us, what we sent to them, until it is quiet. */
static void foreign_exchange(struct foreign *f)
{
    uint8_t data[SEC_DTLS_DATAGRAM_MAX];
    bool is_busy = true;
    while (is_busy) {
        is_busy = false;
        for (; f->wire.out_first != NULL; sec__wire_pop(&f->wire), is_busy = true)
            assert_int_equal(sec_dtls_handle_packet(f->ours, f->wire.out_first->data,
                                                    f->wire.out_first->size, mono_now()),
                             0);
        for (int n; (n = sec_dtls_poll_transmit(f->ours, data, sizeof(data))) > 0;) {
            f->wire.in = data;
            f->wire.in_size = (size_t)n;
            if (!SSL_is_init_finished(f->ssl))
                SSL_do_handshake(f->ssl);
            is_busy = true;
            if (SSL_is_init_finished(f->ssl))
                break; /* what is data is for the test to read */
        }
    }
}

static void foreign_init(struct foreign *f, const char *cipher)
{
    memset(f, 0, sizeof(*f));
    for (int i = 0; i < 2; i++)
        assert_int_equal(sec_cert_create(wall_now(), &f->certs[i]), 0);
    struct sec_dtls_config config = {.role = SEC_DTLS_SERVER, .cert = f->certs[1]};
    assert_int_equal(sec_dtls_create(&config, &f->ours), 0);
    assert_int_equal(sec_dtls_set_fingerprint(f->ours, sec_cert_fingerprint(f->certs[0])), 0);
    assert_int_equal(sec_dtls_start(f->ours, mono_now()), 0);
    f->ctx = SSL_CTX_new(DTLS_client_method());
    SSL_CTX *from = sec__cert_ssl_ctx(f->certs[0]);
    assert_int_equal(SSL_CTX_use_certificate(f->ctx, SSL_CTX_get0_certificate(from)), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(f->ctx, SSL_CTX_get0_privatekey(from)), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(f->ctx, cipher), 1);
    f->ssl = SSL_new(f->ctx);
    sec__wire_init(&f->wire);
    BIO *bio = sec__bio_create(sec__cert_bio_method(f->certs[0]), &f->wire);
    SSL_set_bio(f->ssl, bio, bio);
    SSL_set_options(f->ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(f->ssl, SEC_DTLS_MTU);
    SSL_set_connect_state(f->ssl);
    SSL_do_handshake(f->ssl);
    foreign_exchange(f);
    assert_int_equal(SSL_is_init_finished(f->ssl), 1);
    assert_int_equal(sec_dtls_state(f->ours), SEC_DTLS_CONNECTED);
    assert_string_equal(SSL_get_cipher_name(f->ssl), cipher);
}

static void foreign_fini(struct foreign *f)
{
    SSL_free(f->ssl);
    SSL_CTX_free(f->ctx);
    sec__wire_fini(&f->wire);
    sec_dtls_destroy(f->ours);
    for (int i = 0; i < 2; i++)
        sec_cert_destroy(f->certs[i]);
}

/* One datagram of ours into OpenSSL; returns what SSL_read() says. */
static int foreign_read(struct foreign *f, uint8_t *data, size_t size)
{
    uint8_t datagram[SEC_DTLS_DATAGRAM_MAX];
    int n = sec_dtls_poll_transmit(f->ours, datagram, sizeof(datagram));
    assert_true(n > 0);
    f->wire.in = datagram;
    f->wire.in_size = (size_t)n;
    int got = SSL_read(f->ssl, data, (int)size);
    f->wire.in_size = 0;
    return got;
}

static void test_foreign_data(void **state)
{
    (void)state;
    static const char *const ciphers[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                          "ECDHE-ECDSA-AES256-GCM-SHA384"};
    for (size_t i = 0; i < ARRAY_COUNT(ciphers); i++) {
        struct foreign f;
        uint8_t data[SEC_DTLS_DATA_MAX], back[SEC_DTLS_DATAGRAM_MAX];
        const uint8_t *got;
        foreign_init(&f, ciphers[i]);
        for (int round = 0; round < ROUNDS; round++) {
            size_t size = round % 2 == 0 ? sizeof(data) : (size_t)round;
            memset(data, round, sizeof(data));
            assert_int_equal(sec_dtls_send(f.ours, data, size), 0);
            assert_int_equal(foreign_read(&f, back, sizeof(back)), size);
            assert_memory_equal(back, data, size);
            assert_int_equal(SSL_write(f.ssl, data, (int)size), size);
            foreign_exchange(&f);
            assert_int_equal(sec_dtls_poll_data(f.ours, &got), size);
            assert_memory_equal(got, data, size);
            assert_int_equal(sec_dtls_poll_data(f.ours, &got), 0);
        }
        if (i == 0) { /* we close, or they do */
            sec_dtls_close(f.ours);
            assert_true(foreign_read(&f, back, sizeof(back)) <= 0);
            assert_true((SSL_get_shutdown(f.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
        } else {
            SSL_shutdown(f.ssl);
            foreign_exchange(&f);
            assert_int_equal(sec_dtls_state(f.ours), SEC_DTLS_CLOSED);
        }
        foreign_fini(&f);
    }
}

/* --- The last flight --- */

static unsigned hand_over(struct sec_dtls *from, struct sec_dtls *to, bool is_lost)
{
    uint8_t data[SEC_DTLS_DATAGRAM_MAX];
    unsigned count = 0;
    for (int n; (n = sec_dtls_poll_transmit(from, data, sizeof(data))) > 0; count++)
        if (!is_lost)
            IGNORE(sec_dtls_handle_packet(to, data, (size_t)n, mono_now())); /* see the states */
    return count;
}

static void wait_and_fire(struct sec_dtls *d)
{
    mono_us left = sec_dtls_next_timeout(d) - mono_now();
    if (left > 0)
        nanosleep(&(struct timespec){.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000},
                  NULL);
    sec_dtls_handle_timeout(d, mono_now());
}

/* The client repeats itself until the server's last flight arrives; the server answers each time,
 * up to a limit. */
static void test_lost_last_flight(void **state)
{
    (void)state;
    struct sec_cert *certs[2];
    struct sec_dtls *ends[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sec_cert_create(wall_now(), &certs[i]), 0);
        struct sec_dtls_config config = {.role = i == 0 ? SEC_DTLS_CLIENT : SEC_DTLS_SERVER,
                                         .cert = certs[i],
                                         .retransmit_us_first = 20000};
        assert_int_equal(sec_dtls_create(&config, &ends[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sec_dtls_set_fingerprint(ends[i], sec_cert_fingerprint(certs[1 - i])), 0);
        assert_int_equal(sec_dtls_start(ends[i], mono_now()), 0);
    }
    hand_over(ends[0], ends[1], false);
    hand_over(ends[1], ends[0], false);
    hand_over(ends[0], ends[1], false);
    assert_int_equal(sec_dtls_state(ends[1]), SEC_DTLS_CONNECTED);
    assert_true(hand_over(ends[1], ends[0], true) > 0);
    for (int lost = 0; lost < 3; lost++) {
        assert_int_equal(sec_dtls_state(ends[0]), SEC_DTLS_HANDSHAKE);
        wait_and_fire(ends[0]);
        assert_true(hand_over(ends[0], ends[1], false) > 0);
        assert_true(hand_over(ends[1], ends[0], lost < 2) > 0);
    }
    assert_int_equal(sec_dtls_state(ends[0]), SEC_DTLS_CONNECTED);
    const uint8_t *got;
    for (int i = 0; i < 2; i++) { /* what was sent twice did not use up a number */
        assert_int_equal(sec_dtls_send(ends[i], (const uint8_t *)"data", 4), 0);
        hand_over(ends[i], ends[1 - i], false);
        assert_int_equal(sec_dtls_poll_data(ends[1 - i], &got), 4);
    }
    for (int i = 0; i < 2; i++) {
        sec_dtls_destroy(ends[i]);
        sec_cert_destroy(certs[i]);
    }
}

/* --- Records by themselves --- */

static void test_records(void **state)
{
    (void)state;
    enum { COUNT = 100, SIZE = 20 };
    struct sec__records out = {.key_size = 16, .out = {.key = {1}}, .out_next = 5};
    struct sec__records in = {.key_size = 16, .in = {.key = {1}}};
    uint8_t records[COUNT][SIZE + SEC__RECORD_GROWTH], plain[SIZE], data[SIZE] = "data";
    const size_t size = sizeof(records[0]);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(sec__record_seal(&out, SEC__RECORD_DATA, data, SIZE, records[i]), size);
    for (size_t i = 0; i < size; i++) { /* every byte is covered, and failing leaves no trace */
        records[0][i] ^= 1;
        assert_true(sec__record_open(&in, records[0], size, plain) < 0);
        records[0][i] ^= 1;
    }
    assert_int_equal(sec__record_open(&in, records[10], size, plain), SIZE);
    assert_memory_equal(plain, data, SIZE);
    assert_int_equal(sec__record_open(&in, records[10], size, plain), ERR_SEC_REPLAY);
    assert_int_equal(sec__record_open(&in, records[3], size, plain), SIZE); /* out of order */
    assert_int_equal(sec__record_open(&in, records[3], size, plain), ERR_SEC_REPLAY);
    assert_int_equal(sec__record_open(&in, records[99], size, plain), SIZE);
    assert_int_equal(sec__record_open(&in, records[36], size, plain), SIZE); /* the oldest */
    assert_int_equal(sec__record_open(&in, records[35], size, plain), ERR_SEC_REPLAY);
    assert_int_equal(sec__record_open(&in, records[50], SEC__RECORD_GROWTH - 1, plain),
                     ERR_MALFORMED);
    out.out_next = 1ULL << 48;
    assert_int_equal(sec__record_seal(&out, SEC__RECORD_DATA, data, SIZE, records[0]),
                     ERR_SEC_KEY_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_foreign_data),
                                       cmocka_unit_test(test_lost_last_flight),
                                       cmocka_unit_test(test_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
