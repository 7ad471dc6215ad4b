/*
 * Goal: two DTLS sessions agree on keys over a bad line, refuse a certificate that the SDP does not
 * name before any key leaves, and come through whatever bytes they are given.
 * Method: both sides in one thread, datagrams handed over by a simulated line with loss,
 * duplication and reordering from a seed. Retransmission timers run in real time (see dtls.h), so
 * they are set to 20 ms where the line is bad, and else so high that a busy machine does not
 * matter.
 */
#include "unit/cmocka_all.h"

#include "base/err.h"
#include "base/rng.h"
#include "secure/secure_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRANSMIT_US       20000
#define RETRANSMIT_US_CLEAN 400000 /* never, unless a test waits for it */
#define IN_FLIGHT_MAX       64
#define HANDSHAKE_MAX       MONO_S(20)

struct datagram {
    uint16_t size;
    uint8_t data[SEC_DTLS_DATAGRAM_MAX];
};

struct line {
    struct datagram items[IN_FLIGHT_MAX];
    size_t count;
};

struct pair {
    struct sec_cert *certs[2];
    struct sec_dtls *ends[2]; /* client, server */
    struct line lines[2];     /* what goes to end i */
    struct rng rng;
    uint32_t loss_percent;
    unsigned datagrams; /* handed over so far */
};

static void pair_init(struct pair *p, uint64_t seed, uint32_t loss_percent)
{
    memset(p, 0, sizeof(*p));
    rng_init_seeded(&p->rng, seed);
    p->loss_percent = loss_percent;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sec_cert_create(wall_now(), &p->certs[i]), 0);
        struct sec_dtls_config config = {
            .role = i == 0 ? SEC_DTLS_CLIENT : SEC_DTLS_SERVER,
            .cert = p->certs[i],
            .retransmit_us_first = loss_percent > 0 ? RETRANSMIT_US : RETRANSMIT_US_CLEAN};
        assert_int_equal(sec_dtls_create(&config, &p->ends[i]), 0);
    }
}

static void pair_fini(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        sec_dtls_destroy(p->ends[i]);
        sec_cert_destroy(p->certs[i]);
    }
}

static void fingerprints_set(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        const char *text = sec_cert_fingerprint(p->certs[1 - i]);
        assert_int_equal(sec_dtls_set_fingerprint(p->ends[i], text), 0);
    }
}

static void start(struct pair *p)
{
    for (int i = 0; i < 2; i++)
        assert_int_equal(sec_dtls_start(p->ends[i], mono_now()), 0);
}

static void line_put(struct pair *p, int to, const struct datagram *item)
{
    struct line *line = &p->lines[to];
    int copies = rng_below(&p->rng, 100) < p->loss_percent ? 0 : 1;
    if (p->loss_percent > 0 && rng_below(&p->rng, 10) == 0)
        copies++;
    for (; copies > 0 && line->count < IN_FLIGHT_MAX; copies--)
        line->items[line->count++] = *item;
}

/* Moves everything that is waiting; returns false when the line is quiet. */
static bool exchange(struct pair *p)
{
    bool is_busy = false;
    struct datagram item;
    for (int i = 0; i < 2; i++) {
        for (int n; (n = sec_dtls_poll_transmit(p->ends[i], item.data, sizeof(item.data))) > 0;) {
            assert_in_range(n, 1, SEC_DTLS_MTU);
            item.size = (uint16_t)n;
            line_put(p, 1 - i, &item);
            is_busy = true;
        }
    }
    for (int i = 0; i < 2; i++) {
        struct line *line = &p->lines[i];
        while (line->count > 0) {
            size_t at = p->loss_percent > 0 ? rng_below(&p->rng, (uint32_t)line->count) : 0;
            item = line->items[at];
            memmove(&line->items[at], &line->items[at + 1],
                    (--line->count - at) * sizeof(line->items[0]));
            IGNORE(sec_dtls_handle_packet(p->ends[i], item.data, item.size, mono_now()));
            p->datagrams++;
            is_busy = true;
        }
    }
    return is_busy;
}

static void wait_for_timers(struct pair *p)
{
    mono_us at = TK_MIN(sec_dtls_next_timeout(p->ends[0]), sec_dtls_next_timeout(p->ends[1]));
    mono_us left = at == MONO_NEVER ? 0 : at - mono_now();
    if (left > 0)
        nanosleep(&(struct timespec){.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000},
                  NULL);
    for (int i = 0; i < 2; i++)
        sec_dtls_handle_timeout(p->ends[i], mono_now());
}

static bool is_settled(const struct pair *p)
{
    for (int i = 0; i < 2; i++)
        if (sec_dtls_state(p->ends[i]) <= SEC_DTLS_HANDSHAKE)
            return false;
    return true;
}

static void settle(struct pair *p)
{
    mono_us until = mono_now() + HANDSHAKE_MAX;
    while (!is_settled(p) && mono_now() < until)
        if (!exchange(p))
            wait_for_timers(p);
    while (exchange(p))
        continue;
}

static void assert_keys_agree(struct pair *p, enum sec_profile profile)
{
    struct sec_srtp_keys send[2], receive[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sec_dtls_state(p->ends[i]), SEC_DTLS_CONNECTED);
        assert_int_equal(sec_dtls_take_keys(p->ends[i], &send[i], &receive[i]), 0);
        assert_int_equal(send[i].profile, profile);
    }
    assert_memory_equal(&send[0], &receive[1], sizeof(send[0]));
    assert_memory_equal(&send[1], &receive[0], sizeof(send[0]));
    assert_memory_not_equal(send[0].key, send[1].key, sizeof(send[0].key));
}

static void test_clean_line(void **state)
{
    (void)state;
    struct pair p;
    struct sec_srtp_keys keys;
    pair_init(&p, 1, 0);
    assert_int_equal(sec_dtls_start(p.ends[1], mono_now()), ERR_STATE); /* no fingerprint yet */
    fingerprints_set(&p);
    assert_int_equal(sec_dtls_take_keys(p.ends[0], &keys, &keys), ERR_STATE);
    assert_int_equal(sec_dtls_send(p.ends[0], (const uint8_t *)"x", 1), ERR_STATE);
    start(&p);
    start(&p); /* again is harmless */
    settle(&p);
    assert_keys_agree(&p, SEC_PROFILE_AEAD_AES_128_GCM);
    assert_in_range(p.datagrams, 4, 8);
    assert_true(sec_dtls_next_timeout(p.ends[0]) == MONO_NEVER);
    pair_fini(&p);
}

/* One end that takes only one profile, on either side. */
static void test_only_one_profile(void **state)
{
    (void)state;
    for (int end = 0; end < 2; end++) {
        struct pair p;
        pair_init(&p, 1, 0);
        sec_dtls_destroy(p.ends[end]);
        struct sec_dtls_config config = {.role = end == 0 ? SEC_DTLS_CLIENT : SEC_DTLS_SERVER,
                                         .cert = p.certs[end],
                                         .retransmit_us_first = RETRANSMIT_US_CLEAN,
                                         .srtp = SEC_PROFILE_AES128_CM_HMAC_SHA1_80};
        assert_int_equal(sec_dtls_create(&config, &p.ends[end]), 0);
        fingerprints_set(&p);
        start(&p);
        settle(&p);
        assert_keys_agree(&p, SEC_PROFILE_AES128_CM_HMAC_SHA1_80);
        pair_fini(&p);
    }
}

static void test_bad_line(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct pair p;
        pair_init(&p, seed, 25);
        fingerprints_set(&p);
        start(&p);
        settle(&p);
        assert_keys_agree(&p, SEC_PROFILE_AEAD_AES_128_GCM);
        pair_fini(&p);
    }
}

/* Whose fingerprint is wrong; in both cases that side must not give out a key. */
static void test_wrong_fingerprint(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct pair p;
        struct sec_srtp_keys keys;
        pair_init(&p, 1, 0);
        fingerprints_set(&p);
        assert_int_equal(
            sec_dtls_set_fingerprint(p.ends[wrong], sec_cert_fingerprint(p.certs[wrong])), 0);
        start(&p);
        settle(&p);
        assert_int_equal(sec_dtls_state(p.ends[wrong]), SEC_DTLS_FAILED);
        assert_int_equal(sec_dtls_error(p.ends[wrong]), ERR_SEC_FINGERPRINT);
        assert_int_equal(sec_dtls_error(p.ends[1 - wrong]), ERR_SEC_DTLS); /* told by an alert */
        for (int i = 0; i < 2; i++)
            assert_int_equal(sec_dtls_take_keys(p.ends[i], &keys, &keys), ERR_STATE);
        pair_fini(&p);
    }
}

static void test_fingerprint_text(void **state)
{
    (void)state;
    struct pair p;
    char text[SEC_FINGERPRINT_SIZE + 8];
    pair_init(&p, 1, 0);
    fingerprints_set(&p);
    memcpy(text, sec_cert_fingerprint(p.certs[1]), SEC_FINGERPRINT_SIZE);
    assert_int_equal(strlen(text), 95);
    text[2] = '-';
    assert_int_equal(sec_dtls_set_fingerprint(p.ends[0], text), ERR_MALFORMED);
    text[2] = ':';
    text[94] = '\0';
    assert_int_equal(sec_dtls_set_fingerprint(p.ends[0], text), ERR_MALFORMED);
    assert_int_equal(sec_dtls_set_fingerprint(p.ends[0], ""), ERR_MALFORMED);
    memcpy(text, sec_cert_fingerprint(p.certs[1]), SEC_FINGERPRINT_SIZE);
    for (char *c = text; *c != '\0'; c++)
        *c = (char)(*c >= 'A' && *c <= 'F' ? *c + 32 : *c);
    assert_int_equal(sec_dtls_set_fingerprint(p.ends[0], text), 0); /* lower case is the same */
    start(&p);
    settle(&p);
    assert_keys_agree(&p, SEC_PROFILE_AEAD_AES_128_GCM);
    const char *other = sec_cert_fingerprint(p.certs[0]);
    assert_int_equal(sec_dtls_set_fingerprint(p.ends[0], other), ERR_SEC_FINGERPRINT);
    assert_int_equal(sec_dtls_set_fingerprint(p.ends[0], text), 0);
    pair_fini(&p);
}

static void test_application_data(void **state)
{
    (void)state;
    struct pair p;
    uint8_t data[SEC_DTLS_DATA_MAX + 1];
    const uint8_t *got;
    pair_init(&p, 1, 0);
    fingerprints_set(&p);
    start(&p);
    settle(&p);
    memset(data, 0x77, sizeof(data));
    assert_int_equal(sec_dtls_send(p.ends[0], data, sizeof(data)), ERR_LIMIT);
    for (int i = 0; i < 50; i++) {
        size_t size = i % 2 == 0 ? SEC_DTLS_DATA_MAX : 1 + (size_t)i;
        assert_int_equal(sec_dtls_send(p.ends[i % 2], data, size), 0);
        exchange(&p);
        assert_int_equal(sec_dtls_poll_data(p.ends[1 - i % 2], &got), size);
        assert_memory_equal(got, data, size);
        assert_int_equal(sec_dtls_poll_data(p.ends[1 - i % 2], &got), 0);
    }
    for (int i = 0; i < 3 * SEC_DTLS_QUEUE_MAX; i++) /* nobody polls: bounded */
        assert_int_equal(sec_dtls_send(p.ends[0], data, 100), 0);
    int count = 0;
    while (sec_dtls_poll_transmit(p.ends[0], data, sizeof(data)) > 0)
        count++;
    assert_int_equal(count, SEC_DTLS_QUEUE_MAX);
    pair_fini(&p);
}

static void test_close(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 1, 0);
    fingerprints_set(&p);
    start(&p);
    settle(&p);
    sec_dtls_close(p.ends[0]);
    exchange(&p);
    assert_int_equal(sec_dtls_state(p.ends[0]), SEC_DTLS_CLOSED);
    assert_int_equal(sec_dtls_state(p.ends[1]), SEC_DTLS_CLOSED);
    assert_int_equal(sec_dtls_send(p.ends[1], (const uint8_t *)"x", 1), ERR_STATE);
    pair_fini(&p);
}

/* Garbage, replays and plaintext records between two who are connected change nothing. */
static void test_garbage_after_the_handshake(void **state)
{
    (void)state;
    struct pair p;
    uint8_t data[300], record[300];
    const uint8_t *got;
    static const uint8_t plain_alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    pair_init(&p, 1, 0);
    fingerprints_set(&p);
    start(&p);
    settle(&p);
    assert_int_equal(sec_dtls_handle_packet(p.ends[1], plain_alert, sizeof(plain_alert), 0),
                     ERR_MALFORMED);
    assert_int_equal(sec_dtls_send(p.ends[0], (const uint8_t *)"hello", 5), 0);
    int n = sec_dtls_poll_transmit(p.ends[0], record, sizeof(record));
    for (int i = 0; i < 5000; i++) {
        size_t size = rng_below(&p.rng, sizeof(data));
        rng_fill(&p.rng, data, sizeof(data));
        if (i % 2 == 0) { /* a damaged honest record */
            memcpy(data, record, (size_t)n);
            data[rng_below(&p.rng, (uint32_t)n)] ^= (uint8_t)(1 + rng_below(&p.rng, 255));
            size = (size_t)n;
        }
        IGNORE(sec_dtls_handle_packet(p.ends[1], data, size, mono_now())); /* only no harm */
        assert_int_equal(sec_dtls_poll_data(p.ends[1], &got), 0);
        assert_int_equal(sec_dtls_state(p.ends[1]), SEC_DTLS_CONNECTED);
    }
    assert_int_equal(sec_dtls_handle_packet(p.ends[1], record, (size_t)n, mono_now()), 0);
    assert_int_equal(sec_dtls_poll_data(p.ends[1], &got), 5);
    assert_memory_equal(got, "hello", 5);
    assert_int_equal(sec_dtls_poll_data(p.ends[1], &got), 0);
    assert_int_equal(sec_dtls_handle_packet(p.ends[1], record, (size_t)n, mono_now()), 0);
    assert_int_equal(sec_dtls_poll_data(p.ends[1], &got), 0); /* a replay */
    pair_fini(&p);
}

/* A client of plain OpenSSL against our server; returns our server's last state. */
static enum sec_dtls_state foreign_client(const char *profiles, bool has_cert, int *ret_export,
                                          enum sec_profile *ret_profile)
{
    struct pair p;
    struct sec__wire wire;
    sec__wire_init(&wire);
    struct sec_srtp_keys keys = {.profile = SEC_PROFILE_NONE}, unused;
    pair_init(&p, 1, 0);
    fingerprints_set(&p);
    SSL_CTX *ctx = SSL_CTX_new(DTLS_client_method());
    if (has_cert) { /* the certificate that our server expects, from the client end's context */
        SSL_CTX *from = sec__cert_ssl_ctx(p.certs[0]);
        assert_int_equal(SSL_CTX_use_certificate(ctx, SSL_CTX_get0_certificate(from)), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, SSL_CTX_get0_privatekey(from)), 1);
    }
    if (profiles != NULL)
        assert_int_equal(SSL_CTX_set_tlsext_use_srtp(ctx, profiles), 0);
    SSL *ssl = SSL_new(ctx);
    BIO *bio = sec__bio_create(sec__cert_bio_method(p.certs[0]), &wire);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(ssl, SEC_DTLS_MTU);
    SSL_set_connect_state(ssl);
    assert_int_equal(sec_dtls_start(p.ends[1], mono_now()), 0);
    for (int round = 0; round < 6; round++) {
        SSL_do_handshake(ssl);
        for (; wire.out_first != NULL; sec__wire_pop(&wire))
            IGNORE(sec_dtls_handle_packet(p.ends[1], wire.out_first->data, wire.out_first->size,
                                          mono_now()));
        uint8_t data[SEC_DTLS_DATAGRAM_MAX];
        for (int n; (n = sec_dtls_poll_transmit(p.ends[1], data, sizeof(data))) > 0;) {
            wire.in = data;
            wire.in_size = (size_t)n;
            SSL_do_handshake(ssl);
        }
    }
    enum sec_dtls_state result = sec_dtls_state(p.ends[1]);
    *ret_export = sec_dtls_take_keys(p.ends[1], &keys, &unused);
    *ret_profile = keys.profile;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    sec__wire_fini(&wire);
    pair_fini(&p);
    return result;
}

static void test_foreign_clients(void **state)
{
    (void)state;
    static const struct {
        const char *profiles;
        bool has_cert;
        enum sec_dtls_state state;
        int export;
        enum sec_profile profile;
    } rows[] = {
        {"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", true, SEC_DTLS_CONNECTED, 0,
         SEC_PROFILE_AEAD_AES_128_GCM}, /* our order counts */
        {"SRTP_AES128_CM_SHA1_80", true, SEC_DTLS_CONNECTED, 0, SEC_PROFILE_AES128_CM_HMAC_SHA1_80},
        {"SRTP_AES128_CM_SHA1_32", true, SEC_DTLS_CONNECTED, ERR_SEC_PROFILE, SEC_PROFILE_NONE},
        {NULL, true, SEC_DTLS_CONNECTED, ERR_SEC_PROFILE, SEC_PROFILE_NONE},
        {"SRTP_AEAD_AES_128_GCM", false, SEC_DTLS_FAILED, ERR_STATE, SEC_PROFILE_NONE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int export;
        enum sec_profile profile;
        assert_int_equal(foreign_client(rows[i].profiles, rows[i].has_cert, &export, &profile),
                         rows[i].state);
        assert_int_equal(export, rows[i].export);
        assert_int_equal(profile, rows[i].profile);
    }
}

/* Nobody answers: the first message is repeated at growing distances. */
static void test_retransmission_grows(void **state)
{
    (void)state;
    struct pair p;
    uint8_t data[2048];
    pair_init(&p, 1, 0);
    fingerprints_set(&p);
    mono_us now = mono_now(); /* OpenSSL counts from here too: making certificates takes a while */
    assert_int_equal(sec_dtls_start(p.ends[0], now), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(sec_dtls_poll_transmit(p.ends[0], data, sizeof(data)) > 0);
        assert_int_equal(sec_dtls_poll_transmit(p.ends[0], data, sizeof(data)), 0);
        mono_us distance = sec_dtls_next_timeout(p.ends[0]) - now;
        assert_in_range(distance, (RETRANSMIT_US_CLEAN << i) / 2, RETRANSMIT_US_CLEAN << i);
        while ((now = mono_now()) < sec_dtls_next_timeout(p.ends[0]))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        sec_dtls_handle_timeout(p.ends[0], now);
    }
    pair_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean_line),
        cmocka_unit_test(test_only_one_profile),
        cmocka_unit_test(test_bad_line),
        cmocka_unit_test(test_wrong_fingerprint),
        cmocka_unit_test(test_fingerprint_text),
        cmocka_unit_test(test_application_data),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_garbage_after_the_handshake),
        cmocka_unit_test(test_foreign_clients),
        cmocka_unit_test(test_retransmission_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
