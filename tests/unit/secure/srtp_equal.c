/*
 * Goal: both back ends do the same, byte for byte, whatever the batch looks like.
 * Method: the same random script, from one seed, runs on each back end: contexts of both profiles,
 * batches of RTP and RTCP in any mix, packets of any shape, prefixes cut anywhere, and on the way
 * back some packets damaged in the middle of a batch. Results and output are gathered and compared.
 * `--seed N` repeats a run.
 */
#include "unit/secure/backends.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/rng.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONTEXTS  6
#define ROUNDS    120
#define BATCH_MAX 90
#define BODY_MAX  1400
#define ROOM      (12 + 4 * 15 + 4 + 4 * 40 + BODY_MAX + SEC_SRTP_RTCP_GROWTH)

static uint64_t seed;

/* One packet of a batch: what was sent, what is on the wire, what comes back. */
struct packet {
    size_t context, head, prefix, size;
    bool is_rtcp, is_damaged;
    uint8_t plain[ROOM], wire[ROOM], back[ROOM];
};

/* What a back end answered, in the order of the script. */
struct transcript {
    uint64_t hash; /* FNV-1a over all results and bytes */
    uint64_t packets, refused;
    int first[4 * BATCH_MAX]; /* the first results in clear, for whoever has to look into it */
};

static struct packet packets[BATCH_MAX];

static void note(struct transcript *t, const void *data, size_t size)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++)
        t->hash = (t->hash ^ p[i]) * 0x100000001b3;
}

static void note_result(struct transcript *t, int result, const uint8_t *out)
{
    if (t->packets < ARRAY_COUNT(t->first))
        t->first[t->packets] = result;
    t->packets++;
    t->refused += result < 0;
    note(t, &result, sizeof(result));
    if (result > 0)
        note(t, out, (size_t)result);
}

static void packet_make(struct rng *rng, struct packet *p, uint32_t at)
{
    p->context = rng_below(rng, CONTEXTS);
    p->is_rtcp = rng_below(rng, 6) == 0;
    size_t csrcs = rng_below(rng, 16), words = rng_below(rng, 40);
    size_t payload = rng_below(rng, 3) == 0 ? rng_below(rng, 40) : rng_below(rng, BODY_MAX + 1);
    rng_fill(rng, p->plain, sizeof(p->plain));
    p->plain[0] = (uint8_t)(0x80 | (p->is_rtcp ? 1 : csrcs));
    if (p->is_rtcp) {
        put_u32be(p->plain + 4, rng_below(rng, 4));
        p->head = p->size = 8 + payload;
        p->prefix = 0;
        return;
    }
    put_u16be(p->plain + 2, (uint16_t)at);
    put_u32be(p->plain + 8, rng_below(rng, 4));
    p->head = 12 + 4 * csrcs;
    if (rng_below(rng, 2) == 0) {
        p->plain[0] |= 0x10;
        put_u16be(p->plain + p->head + 2, (uint16_t)words);
        p->head += 4 + 4 * words;
    }
    p->prefix = rng_below(rng, (uint32_t)payload + 1);
    p->size = p->head + payload;
}

static void protect_all(struct sec_srtp **send, size_t count, struct sec_srtp_job *jobs,
                        struct transcript *t)
{
    for (size_t i = 0; i < count; i++) {
        struct packet *p = &packets[i];
        memset(p->wire, 0xee, sizeof(p->wire));
        jobs[i] = (struct sec_srtp_job){.srtp = send[p->context],
                                        .src = p->plain,
                                        .body = p->plain + p->head + p->prefix,
                                        .dst = p->wire,
                                        .dst_size = sizeof(p->wire),
                                        .head_size = (uint16_t)p->head,
                                        .prefix_size = (uint16_t)p->prefix,
                                        .body_size = (uint16_t)(p->size - p->head - p->prefix),
                                        .is_rtcp = p->is_rtcp};
    }
    sec_srtp_protect_batch(jobs, count);
    for (size_t i = 0; i < count; i++) {
        note_result(t, jobs[i].result, packets[i].wire);
        assert_true(jobs[i].result > (int)packets[i].size);
        for (size_t k = (size_t)jobs[i].result; k < ROOM; k++) /* not a byte too far */
            assert_int_equal(packets[i].wire[k], 0xee);
    }
}

/* Some are damaged on the way, anywhere; some are decrypted in place. */
static void unprotect_all(struct sec_srtp **receive, size_t count, struct sec_srtp_job *jobs,
                          struct rng *rng, struct transcript *t)
{
    for (size_t i = 0; i < count; i++) {
        struct packet *p = &packets[i];
        size_t size = (size_t)jobs[i].result;
        bool is_in_place = rng_below(rng, 3) == 0;
        p->is_damaged = rng_below(rng, 7) == 0;
        if (p->is_damaged)
            p->wire[rng_below(rng, (uint32_t)size)] ^= (uint8_t)(1 << rng_below(rng, 8));
        jobs[i] = (struct sec_srtp_job){.srtp = receive[p->context],
                                        .src = p->wire,
                                        .dst = is_in_place ? p->wire : p->back,
                                        .dst_size = ROOM,
                                        .head_size = (uint16_t)size,
                                        .is_rtcp = p->is_rtcp};
    }
    sec_srtp_unprotect_batch(jobs, count);
    for (size_t i = 0; i < count; i++) {
        note_result(t, jobs[i].result, jobs[i].dst);
        assert_true(packets[i].is_damaged ? jobs[i].result < 0 : true);
        if (jobs[i].result < 0)
            continue;
        assert_int_equal(jobs[i].result, packets[i].size);
        assert_memory_equal(jobs[i].dst, packets[i].plain, packets[i].size);
    }
}

static void script_run(const char *backend, struct transcript *t)
{
    struct sec_srtp *send[CONTEXTS], *receive[CONTEXTS];
    struct sec_srtp_job jobs[BATCH_MAX];
    struct rng rng;
    rng_init_seeded(&rng, seed);
    *t = (struct transcript){.hash = 0xcbf29ce484222325};
    assert_int_equal(sec_srtp_select_backend(backend), 0);
    for (size_t i = 0; i < CONTEXTS; i++) {
        struct sec_srtp_keys keys = {.profile = i % 2 == 0 ? SEC_PROFILE_AEAD_AES_128_GCM
                                                           : SEC_PROFILE_AES128_CM_HMAC_SHA1_80};
        rng_fill(&rng, keys.key, sizeof(keys.key));
        rng_fill(&rng, keys.salt, sizeof(keys.salt));
        assert_int_equal(sec_srtp_create(&keys, SEC_SEND, &send[i]), 0);
        assert_int_equal(sec_srtp_create(&keys, SEC_RECEIVE, &receive[i]), 0);
    }
    uint32_t at = 62000; /* over two wraps of the sequence number */
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = 1 + rng_below(&rng, round % 2 == 0 ? 6 : BATCH_MAX);
        for (size_t i = 0; i < count; i++)
            packet_make(&rng, &packets[i], at += rng_below(&rng, 25));
        protect_all(send, count, jobs, t);
        unprotect_all(receive, count, jobs, &rng, t);
    }
    for (size_t i = 0; i < CONTEXTS; i++) {
        sec_srtp_destroy(send[i]);
        sec_srtp_destroy(receive[i]);
    }
}

static void test_equal(void **state)
{
    (void)state;
    static struct transcript first, other;
    print_message("seed %" PRIu64 "\n", seed);
    script_run(backend_names[0], &first);
    print_message("%" PRIu64 " packets, %" PRIu64 " refused\n", first.packets, first.refused);
    assert_true(first.refused > first.packets / 20 && first.refused < first.packets / 4);
    for (size_t i = 1; i < BACKENDS; i++) {
        script_run(backend_names[i], &other);
        assert_memory_equal(other.first, first.first, sizeof(first.first));
        assert_int_equal(other.packets, first.packets);
        assert_int_equal(other.refused, first.refused);
        assert_int_equal(other.hash, first.hash);
    }
}

int main(int argc, char **argv)
{
    seed = (uint64_t)time(NULL);
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        seed = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
