/*
 * Goal: what we protect another implementation unprotects, and the other way round.
 * Method: libsrtp2 as the oracle, for both profiles, RTP and RTCP, over the wrap of the sequence
 * number, with loss, reordering, header extensions, CSRCs and any payload size; from a seed.
 */
#include "unit/secure/backends.h"

#include "base/bytes.h"
#include "base/rng.h"
#include "secure/srtp.h"

#include <srtp2/srtp.h>
#include <stdbool.h>
#include <string.h>

#define PACKETS   3000
#define SIZE_MAX_ 1500

struct setup {
    struct sec_srtp_keys keys;
    struct sec_srtp *send, *receive;
    srtp_t oracle_send, oracle_receive;
    struct rng rng;
};

static srtp_t oracle_create(const struct sec_srtp_keys *keys, srtp_ssrc_type_t type)
{
    bool is_gcm = keys->profile == SEC_PROFILE_AEAD_AES_128_GCM;
    uint8_t key[30];
    srtp_policy_t policy;
    srtp_t session;
    memset(&policy, 0, sizeof(policy));
    memcpy(key, keys->key, 16);
    memcpy(key + 16, keys->salt, is_gcm ? 12 : 14);
    srtp_profile_t profile =
        is_gcm ? srtp_profile_aead_aes_128_gcm : srtp_profile_aes128_cm_sha1_80;
    assert_int_equal(srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile), 0);
    assert_int_equal(srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile), 0);
    policy.ssrc.type = type;
    policy.key = key;
    policy.window_size = 1024;
    policy.allow_repeat_tx = 1;
    assert_int_equal(srtp_create(&session, &policy), 0);
    return session;
}

static void setup_init(struct setup *s, enum sec_profile profile)
{
    rng_init_seeded(&s->rng, 42 + (uint64_t)profile);
    s->keys.profile = profile;
    rng_fill(&s->rng, s->keys.key, sizeof(s->keys.key));
    rng_fill(&s->rng, s->keys.salt, sizeof(s->keys.salt));
    assert_int_equal(sec_srtp_create(&s->keys, SEC_SEND, &s->send), 0);
    assert_int_equal(sec_srtp_create(&s->keys, SEC_RECEIVE, &s->receive), 0);
    s->oracle_send = oracle_create(&s->keys, ssrc_any_outbound);
    s->oracle_receive = oracle_create(&s->keys, ssrc_any_inbound);
}

static void setup_fini(struct setup *s)
{
    sec_srtp_destroy(s->send);
    sec_srtp_destroy(s->receive);
    srtp_dealloc(s->oracle_send);
    srtp_dealloc(s->oracle_receive);
}

/* A packet with a random shape; returns its size and that of its header. */
static size_t rtp_make(struct rng *rng, uint32_t ssrc, uint16_t seq, uint8_t *dst, size_t *ret_head)
{
    uint32_t csrcs = rng_below(rng, 4), words = rng_below(rng, 5);
    bool has_extension = rng_below(rng, 2) != 0;
    size_t head = 12 + 4 * csrcs, payload = rng_below(rng, 1201);
    rng_fill(rng, dst, 12 + 4 * csrcs + 4 + 4 * words + payload);
    dst[0] = (uint8_t)(0x80 | csrcs | (has_extension ? 0x10 : 0));
    put_u16be(dst + 2, seq);
    put_u32be(dst + 8, ssrc);
    if (has_extension) {
        put_u16be(dst + head, 0xbede);
        put_u16be(dst + head + 2, (uint16_t)words);
        head += 4 + 4 * words;
    }
    *ret_head = head;
    return head + payload;
}

/* The order of sending: mostly forward, sometimes a step of up to 100 back, over two wraps. */
static uint16_t next_seq(struct rng *rng, uint32_t *at)
{
    if (rng_below(rng, 8) == 0)
        return (uint16_t)(*at - rng_below(rng, 100));
    *at += 1 + rng_below(rng, 90);
    return (uint16_t)*at;
}

static void we_send_rtp(struct setup *s)
{
    uint32_t at[3] = {60000, 20000, 65000};
    for (int i = 0; i < PACKETS; i++) {
        uint8_t plain[SIZE_MAX_], out[SIZE_MAX_ + SRTP_MAX_TRAILER_LEN];
        uint32_t k = rng_below(&s->rng, 3);
        size_t head, size = rtp_make(&s->rng, 1000 + k, next_seq(&s->rng, &at[k]), plain, &head);
        size_t prefix = rng_below(&s->rng, (uint32_t)(size - head + 1));
        int n = sec_srtp_protect(s->send, plain, head, prefix, plain + head + prefix,
                                 size - head - prefix, out, sizeof(out));
        assert_true(n > 0);
        if (rng_below(&s->rng, 10) == 0)
            continue; /* lost */
        srtp_err_status_t status = srtp_unprotect(s->oracle_receive, out, &n);
        if (status == srtp_err_status_replay_fail)
            continue; /* the random step went to a number that was sent before */
        assert_int_equal(status, srtp_err_status_ok);
        assert_int_equal(n, size);
        assert_memory_equal(out, plain, size);
    }
}

static void we_receive_rtp(struct setup *s)
{
    uint32_t at[3] = {60000, 20000, 65000};
    int replays = 0;
    for (int i = 0; i < PACKETS; i++) {
        uint8_t plain[SIZE_MAX_], wire[SIZE_MAX_ + SRTP_MAX_TRAILER_LEN], out[SIZE_MAX_];
        uint32_t k = rng_below(&s->rng, 3);
        size_t head, size = rtp_make(&s->rng, 2000 + k, next_seq(&s->rng, &at[k]), plain, &head);
        int n = (int)size;
        memcpy(wire, plain, size);
        assert_int_equal(srtp_protect(s->oracle_send, wire, &n), srtp_err_status_ok);
        if (rng_below(&s->rng, 10) == 0)
            continue; /* lost */
        int got = sec_srtp_unprotect(s->receive, wire, (size_t)n, out, sizeof(out));
        if (got < 0) {
            replays++;
            continue;
        }
        assert_int_equal(got, size);
        assert_memory_equal(out, plain, size);
    }
    assert_in_range(replays, 0, PACKETS / 20);
}

/* Many at once, as the server sends them; in batches of any size. */
static void we_send_batches(struct setup *s)
{
    enum { MAX = 100 };
    static uint8_t plain[MAX][SIZE_MAX_], out[MAX][SIZE_MAX_ + SRTP_MAX_TRAILER_LEN];
    struct sec_srtp_job jobs[MAX];
    size_t sizes[MAX];
    uint16_t seq = 65000;
    for (int round = 0; round < 40; round++) {
        size_t count = 1 + rng_below(&s->rng, MAX);
        for (size_t i = 0; i < count; i++) {
            size_t head;
            sizes[i] = rtp_make(&s->rng, 3000, seq++, plain[i], &head);
            size_t prefix = rng_below(&s->rng, (uint32_t)(sizes[i] - head + 1));
            jobs[i] = (struct sec_srtp_job){.srtp = s->send,
                                            .src = plain[i],
                                            .body = plain[i] + head + prefix,
                                            .dst = out[i],
                                            .dst_size = sizeof(out[i]),
                                            .head_size = (uint16_t)head,
                                            .prefix_size = (uint16_t)prefix,
                                            .body_size = (uint16_t)(sizes[i] - head - prefix)};
        }
        sec_srtp_protect_batch(jobs, count);
        for (size_t i = 0; i < count; i++) {
            int n = jobs[i].result;
            assert_int_equal(srtp_unprotect(s->oracle_receive, out[i], &n), srtp_err_status_ok);
            assert_int_equal(n, sizes[i]);
            assert_memory_equal(out[i], plain[i], sizes[i]);
        }
    }
}

static void rtcp_both_ways(struct setup *s)
{
    for (int i = 0; i < 300; i++) {
        uint8_t plain[600], wire[600 + SRTP_MAX_TRAILER_LEN + 4], out[600];
        size_t size = 8 + 4 * rng_below(&s->rng, 100);
        rng_fill(&s->rng, plain, size);
        plain[0] = 0x81;
        plain[1] = 201;
        put_u32be(plain + 4, 1 + rng_below(&s->rng, 3));

        int n = sec_srtp_protect_rtcp(s->send, plain, size, wire, sizeof(wire));
        assert_true(n > 0);
        assert_int_equal(srtp_unprotect_rtcp(s->oracle_receive, wire, &n), srtp_err_status_ok);
        assert_int_equal(n, size);
        assert_memory_equal(wire, plain, size);

        n = (int)size;
        memcpy(wire, plain, size);
        assert_int_equal(srtp_protect_rtcp(s->oracle_send, wire, &n), srtp_err_status_ok);
        n = sec_srtp_unprotect_rtcp(s->receive, wire, (size_t)n, out, sizeof(out));
        assert_int_equal(n, size);
        assert_memory_equal(out, plain, size);
    }
}

static void run(enum sec_profile profile)
{
    struct setup s;
    setup_init(&s, profile);
    we_send_rtp(&s);
    we_send_batches(&s);
    we_receive_rtp(&s);
    rtcp_both_ways(&s);
    setup_fini(&s);
}

static void test_gcm(void **state)
{
    (void)state;
    run(SEC_PROFILE_AEAD_AES_128_GCM);
}

static void test_cm(void **state)
{
    (void)state;
    run(SEC_PROFILE_AES128_CM_HMAC_SHA1_80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gcm), cmocka_unit_test(test_cm)};
    if (srtp_init() != srtp_err_status_ok)
        return 1;
    int failed = RUN_ON_EACH_BACKEND(tests);
    srtp_shutdown();
    return failed;
}
