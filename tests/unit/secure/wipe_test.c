/*
 * Goal: no key is left in memory that was given back: not in the contexts of SRTP, on either back
 * end, not in a DTLS session, not in what a thread has for intel-ipsec-mb; and the master keys of
 * SRTP are gone from a DTLS session as soon as they were taken. Nor on the stack where the keys of
 * a session are derived. Method: every block of the heap, of any library, is searched for the known
 * keys when it is freed; before, they have to be found in blocks in use, so that the search is
 * known to find them.
 */
#include "unit/secure/backends.h"
#include "unit/secure/freed.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/time.h"
#include "secure/secure_internal.h"
#ifdef TK_HAVE_IPSEC_MB
#include "secure/srtp_imb.h"
#endif

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKETS 40 /* more than the lanes of the library */
#define SIZE    200

/* The search itself: a key that is not wiped is found, once. */
static void test_search(void **state)
{
    (void)state;
    static const uint8_t key[16] = "a key, not wiped";
    freed_begin();
    freed_secret("the key", key, sizeof(key));
    uint8_t *volatile block = malloc(100);
    assert_non_null(block);
    memset(block, 0, 100);
    memcpy(block + 50, key, sizeof(key));
    assert_int_equal(freed_in_use("the key"), 1);
    freed_watch(block);
    free(block);
    assert_int_equal(freed_in_use("the key"), 0);
    assert_int_equal(freed_hits(), 1);
    freed_end();
}

/* --- SRTP --- */

static const struct sec_srtp_keys master = {.key = "master key of 16", .salt = "and the salt!"};

/* One of the two sessions of a context, in every form in which its keys lie somewhere. */
static void expect_session(enum sec_profile profile, enum sec__label first, const char *name)
{
    uint8_t key[SEC_SRTP_KEY_SIZE], auth[SEC__AUTH_KEY_SIZE], salt[16] = {0}, padded[14] = {0};
    bool is_gcm = profile == SEC_PROFILE_AEAD_AES_128_GCM;
    struct hmac_sha1 mac;
    memcpy(padded, master.salt, is_gcm ? 12 : 14);
    assert_int_equal(sec__kdf(master.key, padded, first, key, sizeof(key)), 0);
    assert_int_equal(sec__kdf(master.key, padded, first + 1, auth, sizeof(auth)), 0);
    assert_int_equal(sec__kdf(master.key, padded, first + 2, salt, is_gcm ? 12 : 14), 0);
    freed_secret(name, key, sizeof(key)); /* it is the first round key as well */
    uint64_t number = get_u64be(salt);
    freed_secret("the salt", salt, 12);
    freed_secret("the salt as a number", &number, sizeof(number));
    if (is_gcm)
        return;
    hmac_sha1_init(&mac, auth, sizeof(auth));
    freed_secret("the key of the MAC", auth, sizeof(auth));
    freed_secret("the MAC's inner state", &mac.inner.h0, 20);
    freed_secret("the MAC's outer state", &mac.outer.h0, 20);
}

static void packets_run(struct sec_srtp *send, struct sec_srtp *receive)
{
    static uint8_t wire[PACKETS][SIZE + 40], back[SIZE + 40], body[SIZE];
    struct sec_srtp_job jobs[PACKETS];
    uint8_t heads[PACKETS][12] = {{0}};
    for (size_t i = 0; i < PACKETS; i++) {
        heads[i][0] = 0x80;
        put_u16be(heads[i] + 2, (uint16_t)(i + 1));
        jobs[i] = (struct sec_srtp_job){.srtp = send,
                                        .src = heads[i],
                                        .body = body,
                                        .dst = wire[i],
                                        .dst_size = sizeof(wire[i]),
                                        .head_size = 12,
                                        .body_size = SIZE};
    }
    sec_srtp_protect_batch(jobs, PACKETS);
    for (size_t i = 0; i < PACKETS; i++)
        assert_int_equal(
            sec_srtp_unprotect(receive, wire[i], (size_t)jobs[i].result, back, sizeof(back)),
            12 + SIZE);
    static const uint8_t report[8] = {0x80, 201, 0, 1, 0, 0, 0, 7};
    int n = sec_srtp_protect_rtcp(send, report, sizeof(report), wire[0], sizeof(wire[0]));
    assert_true(n > 0);
    assert_int_equal(sec_srtp_unprotect_rtcp(receive, wire[0], (size_t)n, back, sizeof(back)), 8);
}

static void run_srtp(enum sec_profile profile)
{
    struct sec_srtp_keys keys = master;
    struct sec_srtp *send, *receive;
    keys.profile = profile;
    freed_begin();
    freed_secret("the master key", keys.key, sizeof(keys.key));
    freed_secret("the master salt", keys.salt, 12);
    expect_session(profile, SEC__LABEL_RTP_KEY, "the key of RTP");
    expect_session(profile, SEC__LABEL_RTCP_KEY, "the key of RTCP");
    assert_int_equal(sec_srtp_create(&keys, SEC_SEND, &send), 0);
    assert_int_equal(sec_srtp_create(&keys, SEC_RECEIVE, &receive), 0);
    packets_run(send, receive);
    assert_true(freed_in_use("the key of RTP") >= 2);
    assert_true(freed_in_use("the key of RTCP") >= 2);
    assert_true(freed_in_use("the salt as a number") >= 2);
    if (profile == SEC_PROFILE_AES128_CM_HMAC_SHA1_80) {
        assert_true(freed_in_use("the MAC's inner state") >= 2);
        assert_true(freed_in_use("the MAC's outer state") >= 2);
    }
    assert_int_equal(freed_in_use("the master key"), 0); /* not kept */
    sec_srtp_destroy(send);
    sec_srtp_destroy(receive);
    assert_int_equal(freed_in_use("the key of RTP"), 0);
    assert_int_equal(freed_hits(), 0);
    freed_end();
}

static void test_srtp_gcm(void **state)
{
    (void)state;
    run_srtp(SEC_PROFILE_AEAD_AES_128_GCM);
}

static void test_srtp_cm(void **state)
{
    (void)state;
    run_srtp(SEC_PROFILE_AES128_CM_HMAC_SHA1_80);
}

/* --- DTLS --- */

/* Our server, and a client of plain OpenSSL, which tells all of its secrets. */
struct session {
    struct sec_cert *certs[2]; /* theirs, ours */
    struct sec_dtls *ours;
    SSL_CTX *ctx;
    SSL *ssl;
    struct sec__wire wire;
};

static void handshake(struct session *s)
{
    uint8_t data[SEC_DTLS_DATAGRAM_MAX];
    for (int round = 0; round < 4; round++) {
        SSL_do_handshake(s->ssl);
        for (; s->wire.out_first != NULL; sec__wire_pop(&s->wire))
            assert_int_equal(sec_dtls_handle_packet(s->ours, s->wire.out_first->data,
                                                    s->wire.out_first->size, mono_now()),
                             0);
        for (int n; (n = sec_dtls_poll_transmit(s->ours, data, sizeof(data))) > 0;) {
            s->wire.in = data;
            s->wire.in_size = (size_t)n;
            SSL_do_handshake(s->ssl);
        }
    }
    assert_int_equal(SSL_is_init_finished(s->ssl), 1);
    assert_int_equal(sec_dtls_state(s->ours), SEC_DTLS_CONNECTED);
}

static void session_open(struct session *s)
{
    memset(s, 0, sizeof(*s));
    for (int i = 0; i < 2; i++)
        assert_int_equal(sec_cert_create(wall_now(), &s->certs[i]), 0);
    struct sec_dtls_config config = {.role = SEC_DTLS_SERVER, .cert = s->certs[1]};
    assert_int_equal(sec_dtls_create(&config, &s->ours), 0);
    assert_int_equal(sec_dtls_set_fingerprint(s->ours, sec_cert_fingerprint(s->certs[0])), 0);
    assert_int_equal(sec_dtls_start(s->ours, mono_now()), 0);
    s->ctx = SSL_CTX_new(DTLS_client_method());
    SSL_CTX *from = sec__cert_ssl_ctx(s->certs[0]);
    assert_int_equal(SSL_CTX_use_certificate(s->ctx, SSL_CTX_get0_certificate(from)), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(s->ctx, SSL_CTX_get0_privatekey(from)), 1);
    assert_int_equal(SSL_CTX_set_tlsext_use_srtp(s->ctx, "SRTP_AEAD_AES_128_GCM"), 0);
    s->ssl = SSL_new(s->ctx);
    sec__wire_init(&s->wire);
    BIO *bio = sec__bio_create(sec__cert_bio_method(s->certs[0]), &s->wire);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_options(s->ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(s->ssl, SEC_DTLS_MTU);
    SSL_set_connect_state(s->ssl);
    handshake(s);
}

/* What the client knows. */
static void client_tells(struct session *s)
{
    uint8_t secret[48];
    struct sec_srtp_keys send, receive;
    struct sec__records records = {0};
    assert_int_equal(SSL_SESSION_get_master_key(SSL_get0_session(s->ssl), secret, sizeof(secret)),
                     sizeof(secret));
    freed_secret("the master secret", secret, sizeof(secret));
    assert_int_equal(sec__dtls_srtp_keys(s->ssl, true, &send, &receive), 0);
    freed_secret("an SRTP master key", send.key, sizeof(send.key));
    freed_secret("an SRTP master key", receive.key, sizeof(receive.key));
    freed_secret("an SRTP master salt", send.salt, 12);
    freed_secret("an SRTP master salt", receive.salt, 12);
    assert_int_equal(sec__dtls_record_keys(s->ssl, true, &records), 0);
    freed_secret("a key of the records", records.out.key, records.key_size);
    freed_secret("a key of the records", records.in.key, records.key_size);
    assert_int_equal(freed_in_use("the master secret"), 1); /* the client's own */
}

/* From now on only our session may hold any of it. */
static void client_goes(struct session *s)
{
    SSL_free(s->ssl);
    SSL_CTX_free(s->ctx);
    sec__wire_fini(&s->wire);
}

static void session_close(struct session *s)
{
    sec_dtls_destroy(s->ours);
    for (int i = 0; i < 2; i++)
        sec_cert_destroy(s->certs[i]);
    assert_int_equal(freed_in_use("a key of the records"), 0);
    assert_int_equal(freed_in_use("an SRTP master key"), 0);
    assert_int_equal(freed_hits(), 0);
    freed_end();
}

static void test_dtls_keys_are_taken_once(void **state)
{
    (void)state;
    struct session s;
    struct sec_srtp_keys send, receive;
    freed_begin();
    session_open(&s);
    client_tells(&s);
    client_goes(&s);
    assert_int_equal(freed_in_use("the master secret"), 0);
    assert_int_equal(freed_in_use("an SRTP master key"), 2);
    assert_int_equal(freed_in_use("an SRTP master salt"), 2);
    assert_int_equal(sec_dtls_take_keys(s.ours, &send, &receive), 0);
    assert_int_equal(freed_in_use("an SRTP master key"), 0);
    assert_int_equal(freed_in_use("an SRTP master salt"), 0);
    assert_int_equal(sec_dtls_take_keys(s.ours, &send, &receive), ERR_STATE);
    assert_int_equal(freed_in_use("a key of the records"), 2);
    assert_int_equal(sec_dtls_send(s.ours, (const uint8_t *)"data", 4), 0); /* it lives on */
    session_close(&s);
}

/* Destroyed while it still has everything. */
static void test_dtls_destroyed_with_keys(void **state)
{
    (void)state;
    struct session s;
    freed_begin();
    session_open(&s);
    client_tells(&s);
    client_goes(&s);
    assert_int_equal(freed_in_use("an SRTP master key"), 2);
    assert_int_equal(freed_in_use("a key of the records"), 2);
    session_close(&s);
}

/* A session that is over needs no key, however long it stays. */
static void test_dtls_closed_has_no_keys(void **state)
{
    (void)state;
    struct session s;
    freed_begin();
    session_open(&s);
    client_tells(&s);
    client_goes(&s);
    sec_dtls_close(s.ours);
    assert_int_equal(freed_in_use("an SRTP master key"), 0);
    assert_int_equal(freed_in_use("a key of the records"), 0);
    session_close(&s);
}

/* --- The stack on which the keys are derived --- */

#define STACK_SIZE (512u * 1024)
#define APART      4096 /* between the frames that derive and those that search */

struct derivation {
    SSL *ssl;
    bool leaves_a_copy; /* to see that it would be found */
    int srtp, records;  /* results */
    uint8_t *stack;
    bool is_left; /* a secret, on the stack */
};

__attribute__((noinline)) static void derive(struct derivation *d)
{
    volatile uint8_t apart[APART];
    struct sec_srtp_keys send, receive;
    struct sec__records records = {0};
    uint8_t copy[48];
    apart[0] = apart[APART - 1] = 0;
    d->srtp = sec__dtls_srtp_keys(d->ssl, true, &send, &receive);
    d->records = sec__dtls_record_keys(d->ssl, true, &records);
    SSL_SESSION_get_master_key(SSL_get0_session(d->ssl), copy, sizeof(copy));
    if (!d->leaves_a_copy)
        OPENSSL_cleanse(copy, sizeof(copy));
    OPENSSL_cleanse(&send, sizeof(send));
    OPENSSL_cleanse(&receive, sizeof(receive));
    OPENSSL_cleanse(&records, sizeof(records));
}

static void *derive_and_search(void *arg)
{
    struct derivation *d = arg;
    derive(d);
    const uint8_t *here = __builtin_frame_address(0); /* what lies below was in use */
    d->is_left = freed_is_any_in(d->stack, (size_t)(here - d->stack));
    return NULL;
}

/* Whether a secret lies on the stack of a thread after it has derived the keys. */
static bool is_left_on_the_stack(struct derivation *d)
{
    pthread_attr_t attr;
    pthread_t thread;
    d->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(d->stack, MAP_FAILED);
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstack(&attr, d->stack, STACK_SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attr, derive_and_search, d), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&attr), 0);
    assert_int_equal(munmap(d->stack, STACK_SIZE), 0);
    return d->is_left;
}

/* Whether the derivation works out or fails. */
static void test_derivation_leaves_nothing(void **state)
{
    (void)state;
    struct session s;
    freed_begin();
    session_open(&s);
    client_tells(&s);
    struct derivation d = {.ssl = s.ssl, .leaves_a_copy = true};
    assert_true(is_left_on_the_stack(&d));
    d.leaves_a_copy = false;
    assert_false(is_left_on_the_stack(&d));
    assert_int_equal(d.srtp, 0);
    assert_int_equal(d.records, 0);
    assert_int_equal(EVP_set_default_properties(NULL, "provider=none"), 1);
    assert_false(is_left_on_the_stack(&d));
    assert_int_equal(EVP_set_default_properties(NULL, NULL), 1);
    assert_int_equal(d.records, ERR_SEC_CRYPTO);
    client_goes(&s);
    session_close(&s);
}

/* --- What a thread has --- */

#ifdef TK_HAVE_IPSEC_MB

static const void *used[2];

static void use_and_watch(void)
{
    struct sec_srtp_keys keys = master;
    struct sec_srtp *send, *receive;
    keys.profile = SEC_PROFILE_AES128_CM_HMAC_SHA1_80;
    assert_int_equal(sec_srtp_create(&keys, SEC_SEND, &send), 0);
    assert_int_equal(sec_srtp_create(&keys, SEC_RECEIVE, &receive), 0);
    packets_run(send, receive);
    sec_srtp_destroy(send);
    sec_srtp_destroy(receive);
    const struct sec__imb *t = sec__imb_thread();
    used[0] = t;
    used[1] = t->mgr;
    for (size_t i = 0; i < ARRAY_COUNT(used); i++)
        freed_watch(used[i]);
}

static void *thread_run(void *arg)
{
    use_and_watch();
    return arg;
}

static void test_end_of_a_thread(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(sec_srtp_select_backend(SEC_SRTP_BACKEND_IPSEC_MB), 0);
    freed_begin();
    assert_int_equal(pthread_create(&thread, NULL, thread_run, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(freed_as_zeros(used[0]));
    assert_true(freed_as_zeros(used[1]));
    freed_end();
}

#define WIPED     42
#define NOT_WIPED 43

/* Registered first, so called last. */
static void report(void)
{
    _exit(freed_as_zeros(used[0]) && freed_as_zeros(used[1]) ? WIPED : NOT_WIPED);
}

/* The main thread's: a program that ends. It is this one, called by itself. */
static void end_of_the_process(void)
{
    if (atexit(report) != 0)
        _exit(1);
    freed_begin();
    if (sec_srtp_select_backend(SEC_SRTP_BACKEND_IPSEC_MB) < 0)
        _exit(1);
    use_and_watch();
    exit(0);
}

static void test_end_of_the_process(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "wipe_test", "--end", (char *)NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), WIPED);
}

#endif

int main(int argc, char **argv)
{
#ifdef TK_HAVE_IPSEC_MB
    if (argc == 2 && strcmp(argv[1], "--end") == 0)
        end_of_the_process();
#else
    (void)argc;
    (void)argv;
#endif
    const struct CMUnitTest srtp[] = {
        cmocka_unit_test(test_srtp_gcm),
        cmocka_unit_test(test_srtp_cm),
    };
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_dtls_keys_are_taken_once),
        cmocka_unit_test(test_dtls_destroyed_with_keys),
        cmocka_unit_test(test_dtls_closed_has_no_keys),
        cmocka_unit_test(test_derivation_leaves_nothing),
#ifdef TK_HAVE_IPSEC_MB
        cmocka_unit_test(test_end_of_a_thread),
        cmocka_unit_test(test_end_of_the_process),
#endif
    };
    return RUN_ON_EACH_BACKEND(srtp) + cmocka_run_group_tests(others, NULL, NULL);
}
