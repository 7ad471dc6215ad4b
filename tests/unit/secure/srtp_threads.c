/*
 * Goal: threads that each have their own contexts do not disturb one another, on either back end.
 * Method: two threads make contexts, send batches through them both ways and check every packet;
 * they start and end several times. Meant for ThreadSanitizer, but true without it.
 */
#include "unit/secure/backends.h"

#include "base/bytes.h"

#include <pthread.h>
#include <string.h>

#define THREADS 2
#define TURNS   4
#define ROUNDS  60
#define BATCH   40
#define SIZE    600

struct work {
    enum sec_profile profile;
    uint8_t number;
    uint64_t passed;
};

static void batch_run(struct sec_srtp *send, struct sec_srtp *receive, uint16_t seq, struct work *w)
{
    uint8_t head[BATCH][12], body[SIZE], wire[BATCH][SIZE + 40], back[BATCH][SIZE + 40];
    struct sec_srtp_job jobs[BATCH];
    memset(body, w->number, sizeof(body));
    for (size_t i = 0; i < BATCH; i++) {
        memset(head[i], 0, sizeof(head[i]));
        head[i][0] = 0x80;
        put_u16be(head[i] + 2, (uint16_t)(seq + i));
        jobs[i] = (struct sec_srtp_job){.srtp = send,
                                        .src = head[i],
                                        .body = body,
                                        .dst = wire[i],
                                        .dst_size = sizeof(wire[i]),
                                        .head_size = 12,
                                        .body_size = SIZE};
    }
    sec_srtp_protect_batch(jobs, BATCH);
    for (size_t i = 0; i < BATCH; i++)
        jobs[i] = (struct sec_srtp_job){.srtp = receive,
                                        .src = wire[i],
                                        .dst = back[i],
                                        .dst_size = sizeof(back[i]),
                                        .head_size = (uint16_t)jobs[i].result};
    sec_srtp_unprotect_batch(jobs, BATCH);
    for (size_t i = 0; i < BATCH; i++)
        w->passed += jobs[i].result == 12 + SIZE && memcmp(back[i] + 12, body, SIZE) == 0;
}

static void *thread_run(void *arg)
{
    struct work *w = arg;
    struct sec_srtp_keys keys = {.profile = w->profile, .key = {w->number}};
    struct sec_srtp *send, *receive;
    if (sec_srtp_create(&keys, SEC_SEND, &send) < 0)
        return NULL;
    if (sec_srtp_create(&keys, SEC_RECEIVE, &receive) == 0) {
        for (uint16_t i = 0; i < ROUNDS; i++)
            batch_run(send, receive, (uint16_t)(i * BATCH), w);
        sec_srtp_destroy(receive);
    }
    sec_srtp_destroy(send);
    return NULL;
}

static void run(enum sec_profile profile)
{
    for (int turn = 0; turn < TURNS; turn++) {
        pthread_t threads[THREADS];
        struct work works[THREADS];
        for (uint8_t i = 0; i < THREADS; i++) {
            works[i] = (struct work){.profile = profile, .number = (uint8_t)(i + 1)};
            assert_int_equal(pthread_create(&threads[i], NULL, thread_run, &works[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(works[i].passed, ROUNDS * BATCH);
        }
    }
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
    return RUN_ON_EACH_BACKEND(tests);
}
