/*
 * Goal: what is around the transforms: roll-over counters, replay windows, corruption, the limit on
 * SSRCs, batches, buffers that are too small.
 * Method: two contexts with the same keys, for both profiles; every refusal is checked to leave the
 * state such that the honest packet still passes.
 */
#include "unit/secure/backends.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/rng.h"
#include "secure/secure_internal.h"

#include <string.h>

#define HEADER 12
#define SSRC   0x12345678u

struct pair {
    struct sec_srtp *send, *receive;
};

static const enum sec_profile both[] = {SEC_PROFILE_AEAD_AES_128_GCM,
                                        SEC_PROFILE_AES128_CM_HMAC_SHA1_80};

static struct pair pair_create(enum sec_profile profile)
{
    struct sec_srtp_keys keys = {.profile = profile};
    struct rng rng;
    struct pair p;
    rng_init_seeded(&rng, 7);
    rng_fill(&rng, keys.key, sizeof(keys.key));
    rng_fill(&rng, keys.salt, sizeof(keys.salt));
    assert_int_equal(sec_srtp_create(&keys, SEC_SEND, &p.send), 0);
    assert_int_equal(sec_srtp_create(&keys, SEC_RECEIVE, &p.receive), 0);
    return p;
}

static void pair_destroy(struct pair *p)
{
    sec_srtp_destroy(p->send);
    sec_srtp_destroy(p->receive);
}

static size_t packet_make(uint32_t ssrc, uint16_t seq, uint8_t *dst)
{
    memset(dst, 0, HEADER);
    dst[0] = 0x80;
    dst[1] = 96;
    put_u16be(dst + 2, seq);
    put_u32be(dst + 8, ssrc);
    for (size_t i = 0; i < 100; i++)
        dst[HEADER + i] = (uint8_t)(seq + i);
    return HEADER + 100;
}

static size_t protect(struct pair *p, uint32_t ssrc, uint16_t seq, uint8_t *dst)
{
    uint8_t plain[200];
    size_t size = packet_make(ssrc, seq, plain);
    int n = sec_srtp_protect(p->send, plain, HEADER, 0, plain + HEADER, size - HEADER, dst, 200);
    assert_true(n > (int)size);
    return (size_t)n;
}

static int unprotect(struct pair *p, const uint8_t *data, size_t size)
{
    uint8_t out[200], plain[200];
    int n = sec_srtp_unprotect(p->receive, data, size, out, sizeof(out));
    if (n > 0) { /* what comes out is what went in */
        size_t expected = packet_make(get_u32be(out + 8), get_u16be(out + 2), plain);
        assert_int_equal(n, expected);
        assert_memory_equal(out, plain, expected);
    }
    return n;
}

static int pass(struct pair *p, uint16_t seq)
{
    uint8_t data[200];
    size_t size = protect(p, SSRC, seq, data);
    return unprotect(p, data, size);
}

static void test_roll_over(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_COUNT(both); k++) {
        struct pair p = pair_create(both[k]);
        for (uint32_t i = 40000; i < 3 * 65536 + 100; i += 7)
            assert_true(pass(&p, (uint16_t)i) > 0);
        pair_destroy(&p);
    }
}

/* A sender goes back over the wrap, as a retransmission does: both sides agree on the counter. */
static void test_reordering_around_the_wrap(void **state)
{
    (void)state;
    static const uint16_t seqs[] = {65530, 65532, 0, 65531, 2, 65535, 1, 65534, 3, 65533};
    for (size_t k = 0; k < ARRAY_COUNT(both); k++) {
        struct pair p = pair_create(both[k]);
        for (size_t i = 0; i < ARRAY_COUNT(seqs); i++)
            assert_true(pass(&p, seqs[i]) > 0);
        for (size_t i = 0; i < ARRAY_COUNT(seqs); i++)
            assert_int_equal(pass(&p, seqs[i]), ERR_SEC_REPLAY);
        assert_true(pass(&p, 4) > 0);
        pair_destroy(&p);
    }
}

static void test_same_packet_twice_is_the_same(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_COUNT(both); k++) {
        struct pair p = pair_create(both[k]);
        uint8_t first[200], again[200], other[200];
        protect(&p, SSRC, 65535, first);
        protect(&p, SSRC, 0, other);
        size_t size = protect(&p, SSRC, 65535, again);
        assert_memory_equal(first, again, size);
        pair_destroy(&p);
    }
}

static void test_window(void **state)
{
    (void)state;
    uint8_t old[200], edge[200];
    struct pair p = pair_create(SEC_PROFILE_AEAD_AES_128_GCM);
    size_t size = protect(&p, SSRC, 1000, old);
    protect(&p, SSRC, 1001, edge);
    assert_true(pass(&p, 1000 + SEC_SRTP_REPLAY_PACKETS) > 0);
    assert_int_equal(unprotect(&p, old, size), ERR_SEC_REPLAY); /* too old by one */
    assert_true(unprotect(&p, edge, size) > 0);
    assert_int_equal(unprotect(&p, edge, size), ERR_SEC_REPLAY);
    pair_destroy(&p);
}

/* The window against the plainest model: a list of everything seen. */
static void test_window_against_model(void **state)
{
    (void)state;
    static bool seen[100000];
    struct sec__ssrcs table;
    struct sec__ssrc *slot;
    struct rng rng;
    uint64_t top = 50;
    rng_init_seeded(&rng, 11);
    memset(seen, 0, sizeof(seen));
    sec__ssrcs_init(&table, SEC_SRTP_REPLAY_RTCP);
    assert_int_equal(sec__ssrcs_add(&table, SSRC, top, &slot), 0);
    for (int i = 0; i < 20000; i++) {
        uint32_t back = rng_below(&rng, 200), jump = rng_below(&rng, 20) == 0 ? 150 : 4;
        uint64_t index = top + rng_below(&rng, jump) - TK_MIN(back, top);
        bool is_new = index > top || (top - index < SEC_SRTP_REPLAY_RTCP && !seen[index]);
        assert_int_equal(sec__replay_check(&table, slot, index), is_new ? 0 : ERR_SEC_REPLAY);
        if (!is_new)
            continue;
        sec__replay_mark(&table, slot, index);
        seen[index] = true;
        top = TK_MAX(top, index);
    }
    assert_true(top > 1000);
    sec__ssrcs_fini(&table);
}

static void test_index_estimate(void **state)
{
    (void)state;
    static const struct {
        uint64_t index_max;
        uint16_t seq;
        int err;
        uint64_t expected;
    } rows[] = {
        {5, 6, 0, 6},
        {0x0000ffff, 0, 0, 0x10000},
        {0x00010000, 0xffff, 0, 0xffff},
        {0x00018000, 0x7fff, 0, 0x17fff},
        {0x00018001, 0, 0, 0x20000},
        {0x00018000, 0, 0, 0x10000},
        {0x00017fff, 0xffff, 0, 0x1ffff},
        {0x00017ffe, 0xffff, 0, 0xffff},
        {5, 0xffff, ERR_SEC_REPLAY, 0}, /* before the first */
        {0xfffffffffffeULL, 1, ERR_SEC_KEY_LIMIT, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sec__ssrc slot = {.index_max = rows[i].index_max};
        uint64_t index = 0;
        assert_int_equal(sec__index_estimate(&slot, rows[i].seq, &index), rows[i].err);
        assert_int_equal(index, rows[i].expected);
    }
    uint64_t index;
    assert_int_equal(sec__index_estimate(NULL, 65000, &index), 0);
    assert_int_equal(index, 65000);
}

static void test_any_corrupted_byte_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_COUNT(both); k++) {
        struct pair p = pair_create(both[k]);
        uint8_t data[200], broken[200];
        assert_true(pass(&p, 100) > 0);
        size_t size = protect(&p, SSRC, 101, data);
        for (size_t i = 0; i < 8 * size; i++) {
            memcpy(broken, data, size);
            broken[i / 8] ^= (uint8_t)(1 << (i % 8));
            assert_true(unprotect(&p, broken, size) < 0);
        }
        for (size_t n = 0; n < size; n++)
            assert_true(unprotect(&p, data, n) < 0);
        assert_true(unprotect(&p, data, size) > 0); /* none of it moved the window */
        pair_destroy(&p);
    }
}

static void test_corrupted_rtcp_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_COUNT(both); k++) {
        struct pair p = pair_create(both[k]);
        uint8_t plain[28] = {0x80, 200, 0, 6, 1, 2, 3, 4}, data[64], broken[64], out[64];
        int n = sec_srtp_protect_rtcp(p.send, plain, sizeof(plain), data, sizeof(data));
        assert_true(n > 0);
        for (size_t i = 0; i < 8 * (size_t)n; i++) {
            memcpy(broken, data, (size_t)n);
            broken[i / 8] ^= (uint8_t)(1 << (i % 8));
            assert_true(sec_srtp_unprotect_rtcp(p.receive, broken, (size_t)n, out, 64) < 0);
        }
        assert_int_equal(sec_srtp_unprotect_rtcp(p.receive, data, (size_t)n, out, 64), 28);
        assert_memory_equal(out, plain, 28);
        assert_int_equal(sec_srtp_unprotect_rtcp(p.receive, data, (size_t)n, out, 64),
                         ERR_SEC_REPLAY);
        pair_destroy(&p);
    }
}

/* An SSRC that never sent an authentic packet takes no room. */
static void test_forged_ssrcs_leave_no_state(void **state)
{
    (void)state;
    struct pair p = pair_create(SEC_PROFILE_AES128_CM_HMAC_SHA1_80);
    uint8_t data[200];
    for (uint32_t i = 0; i < 4 * SEC_SRTP_SSRCS_MAX; i++) {
        size_t size = protect(&p, SSRC, 1, data);
        put_u32be(data + 8, 0x80000000u + i);
        assert_int_equal(unprotect(&p, data, size), ERR_SEC_AUTH);
    }
    assert_true(pass(&p, 1) > 0);
    pair_destroy(&p);
}

static void test_ssrcs_are_bounded(void **state)
{
    (void)state;
    struct pair p = pair_create(SEC_PROFILE_AEAD_AES_128_GCM);
    uint8_t plain[200], data[200];
    for (uint32_t i = 0; i < SEC_SRTP_SSRCS_MAX; i++) {
        size_t size = protect(&p, i * 64, 65535, data);
        assert_true(unprotect(&p, data, size) > 0);
    }
    size_t size = packet_make(SSRC, 1, plain);
    assert_int_equal(sec_srtp_protect(p.send, plain, size, 0, NULL, 0, data, sizeof(data)),
                     ERR_MALFORMED); /* the head is more than the header */
    assert_int_equal(
        sec_srtp_protect(p.send, plain, HEADER, size - HEADER, NULL, 0, data, sizeof(data)),
        ERR_LIMIT);
    for (uint32_t i = 0; i < SEC_SRTP_SSRCS_MAX;
         i++) { /* the others go on, each with its own ROC */
        size = protect(&p, i * 64, 0, data);
        assert_true(unprotect(&p, data, size) > 0);
    }
    pair_destroy(&p);
}

/* Packets that are left out go on counting: what follows never comes to an index that was used. */
static void test_skipped_numbers_count(void **state)
{
    (void)state;
    uint8_t plain[200], again[200], data[200];
    for (size_t k = 0; k < ARRAY_COUNT(both); k++) {
        struct pair p = pair_create(both[k]);
        packet_make(SSRC, 7, plain);
        sec_srtp_skip(p.send, plain, HEADER); /* before the first: it begins where that is */
        for (uint16_t seq = 1000; seq < 1200; seq++)
            assert_true(pass(&p, seq) > 0);
        size_t size = protect(&p, SSRC, 1150, again);
        for (uint32_t seq = 1200; seq < 65536 + 1150;
             seq += 257) { /* a publisher with great gaps */
            packet_make(SSRC, (uint16_t)seq, plain);
            sec_srtp_skip(p.send, plain, HEADER);
        }
        packet_make(SSRC, 800, plain); /* a late one changes nothing */
        sec_srtp_skip(p.send, plain, HEADER);
        assert_int_equal(protect(&p, SSRC, 1150, data), size);
        assert_memory_not_equal(data + HEADER, again + HEADER, size - HEADER);
        pair_destroy(&p);
    }
}

/* What a sender gives back has room for others, whose counters stay what they are wherever the
 * table moves them: a receiver that follows each of them decrypts everything. */
static void test_retired_ssrcs_make_room(void **state)
{
    (void)state;
    enum { LIVE = 60, ROUNDS = 6000 };
    struct pair p = pair_create(SEC_PROFILE_AEAD_AES_128_GCM);
    uint32_t ssrcs[LIVE], seqs[LIVE], newest = 0, received = 0;
    uint8_t data[200];
    struct rng rng;
    rng_init_seeded(&rng, 11);
    for (size_t i = 0; i < LIVE; i++) {
        ssrcs[i] = newest += 1 + rng_below(&rng, 3);
        seqs[i] = rng_below(&rng, 65536);
    }
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = rng_below(&rng, LIVE);
        if (round % 7 == 0) { /* its place goes to a new one */
            sec_srtp_retire(p.send, ssrcs[i]);
            sec_srtp_retire(p.send, ssrcs[i]); /* gone already: harmless */
            ssrcs[i] = newest += 1 + rng_below(&rng, 3);
            seqs[i] = rng_below(&rng, 65536);
            if (++received % 500 == 0) { /* the receiver's table is never emptied */
                pair_destroy(&p);
                p = pair_create(SEC_PROFILE_AEAD_AES_128_GCM);
            }
        }
        seqs[i] += 1 + rng_below(&rng, 30000); /* most of them roll over a few times */
        size_t size = protect(&p, ssrcs[i], (uint16_t)seqs[i], data);
        assert_true(unprotect(&p, data, size) > 0);
    }
    assert_true(received * 2 > SEC_SRTP_SSRCS_MAX / 2);
    pair_destroy(&p);
}

static void test_retired_ssrcs_are_not_counted(void **state)
{
    (void)state;
    struct pair p = pair_create(SEC_PROFILE_AES128_CM_HMAC_SHA1_80);
    uint8_t data[200];
    for (uint32_t i = 0; i < 4 * SEC_SRTP_SSRCS_MAX; i++) {
        protect(&p, SSRC + i, 1, data); /* checks that it works */
        sec_srtp_retire(p.send, SSRC + i);
    }
    sec_srtp_retire(p.send, 1);
    pair_destroy(&p);
}

/* One body for many subscribers, and a batch that holds good and bad packets in any order. */
static void test_batch(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    static uint8_t heads[COUNT][HEADER + 4], out[COUNT][200], back[COUNT][200];
    static struct sec_srtp_job jobs[COUNT];
    uint8_t body[100];
    struct pair pairs[2] = {pair_create(both[0]), pair_create(both[1])};
    memset(body, 0x5a, sizeof(body));
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t plain[200];
        packet_make(SSRC + (uint32_t)(i % 5), (uint16_t)(65500 + i), plain);
        memcpy(heads[i], plain, sizeof(heads[i]));
        jobs[i] = (struct sec_srtp_job){.srtp = pairs[i % 2].send,
                                        .src = heads[i],
                                        .body = body,
                                        .dst = out[i],
                                        .dst_size = i == 50 ? 20 : 200,
                                        .head_size = HEADER,
                                        .prefix_size = 4,
                                        .body_size = sizeof(body)};
    }
    sec_srtp_protect_batch(jobs, COUNT);
    assert_int_equal(jobs[50].result, ERR_NO_SPACE);
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i == 50 ? 60 : (size_t)jobs[i].result;
        assert_true(jobs[i].result > 0 || i == 50);
        jobs[i] = (struct sec_srtp_job){.srtp = pairs[i % 2].receive,
                                        .src = out[i == 70 ? 60 : i],
                                        .dst = i == 10 ? out[i] : back[i],
                                        .dst_size = 200,
                                        .head_size = (uint16_t)size};
    }
    sec_srtp_unprotect_batch(jobs, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        if (i == 50 || i == 70) {
            assert_int_equal(jobs[i].result, i == 50 ? ERR_MALFORMED : ERR_SEC_REPLAY);
            continue;
        }
        assert_int_equal(jobs[i].result, HEADER + 4 + 100);
        assert_memory_equal(jobs[i].dst, heads[i], HEADER + 4);
        assert_memory_equal(jobs[i].dst + HEADER + 4, body, sizeof(body));
    }
    pair_destroy(&pairs[0]);
    pair_destroy(&pairs[1]);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    struct sec_srtp_keys keys = {.profile = SEC_PROFILE_NONE};
    struct sec_srtp *s;
    assert_int_equal(sec_srtp_create(&keys, SEC_SEND, &s), ERR_SEC_PROFILE);
    struct pair p = pair_create(SEC_PROFILE_AEAD_AES_128_GCM);
    uint8_t data[200], out[200];
    size_t size = protect(&p, SSRC, 9, data);
    assert_int_equal(sec_srtp_unprotect(p.receive, data, size, out, size - 17), ERR_NO_SPACE);
    assert_int_equal(sec_srtp_unprotect(p.receive, data, 100000, out, 200), ERR_MALFORMED);
    data[0] |= 0x1f; /* an extension and CSRCs that are not there */
    assert_int_equal(sec_srtp_unprotect(p.receive, data, 40, out, 200), ERR_MALFORMED);
    sec_srtp_destroy(NULL);
    pair_destroy(&p);
}

/* The choice holds while there are contexts, and only names of back ends are taken. */
static void test_choice(void **state)
{
    (void)state;
    const char *now = sec_srtp_backend_name();
    struct pair p = pair_create(SEC_PROFILE_AEAD_AES_128_GCM);
    for (size_t i = 0; i < BACKENDS; i++)
        assert_int_equal(sec_srtp_select_backend(backend_names[i]), ERR_STATE);
    pair_destroy(&p);
    assert_int_equal(sec_srtp_select_backend("gpu"), ERR_SEC_BACKEND);
    if (BACKENDS == 1) /* not in this build */
        assert_int_equal(sec_srtp_select_backend(SEC_SRTP_BACKEND_IPSEC_MB), ERR_SEC_BACKEND);
    assert_string_equal(sec_srtp_backend_name(), now);
    assert_int_equal(sec_srtp_select_backend(SEC_SRTP_BACKEND_AUTO), 0);
    assert_string_equal(sec_srtp_backend_name(), backend_names[BACKENDS - 1]);
    assert_int_equal(sec_srtp_select_backend(now), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roll_over),
        cmocka_unit_test(test_reordering_around_the_wrap),
        cmocka_unit_test(test_same_packet_twice_is_the_same),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_window_against_model),
        cmocka_unit_test(test_index_estimate),
        cmocka_unit_test(test_any_corrupted_byte_is_refused),
        cmocka_unit_test(test_corrupted_rtcp_is_refused),
        cmocka_unit_test(test_forged_ssrcs_leave_no_state),
        cmocka_unit_test(test_ssrcs_are_bounded),
        cmocka_unit_test(test_skipped_numbers_count),
        cmocka_unit_test(test_retired_ssrcs_make_room),
        cmocka_unit_test(test_retired_ssrcs_are_not_counted),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_choice),
    };
    return RUN_ON_EACH_BACKEND(tests);
}
