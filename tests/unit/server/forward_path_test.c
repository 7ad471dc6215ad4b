/*
 * Goal: on the way of a packet through a worker (received, decrypted, forwarded, encrypted, sent)
 * there is no heap allocation and no lock, and every packet arrives whole and in order; one whose
 * encryption fails is not sent; with both profiles of SRTP, on either back end. Method: a worker
 * without its thread over real sockets, with peers that have keys but no handshake; malloc and the
 * locks of the C library are counted.
 */
#include "unit/secure/backends.h"
#include "unit/server/counted.h"
#include "unit/server/path_bench.h"

#define FRAMES_WARM 180 /* until the ring is as full as it gets */
#define FRAMES      100

static enum sec_profile profile; /* of SRTP, in this test */

static bool is_readable_now(const struct udp_socket *s)
{
    struct pollfd fd = {.fd = udp_fd(s), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

/* As play_frame(); returns what was counted while the worker had its turn. */
static uint64_t play_counted(struct bench *b) ON_MEDIA
{
    publish_frame(b, b->seq == 0);
    assert_true(is_readable(b->w->udp));
    uint64_t before = counted_calls();
    turn(b);
    uint64_t counted = counted_calls() - before;
    receive(b, VIEWERS * FRAME_PACKETS);
    return counted;
}

static void test_no_allocation_and_no_lock(void **state)
{
    (void)state;
    static struct bench b;
    role_assert_media();
    open_bench_with(&b, 1, profile);
    uint64_t before = counted_calls(), counted = 0;
    void *volatile something = malloc(16);
    free(something);
    assert_true(counted_calls() > before); /* the counter counts */
    for (int i = 0; i < FRAMES_WARM; i++)
        play_frame(&b, VIEWERS);
    for (int i = 0; i < FRAMES; i++)
        counted += play_counted(&b);
    assert_int_equal(counted, 0);
    struct udp_stats stats;
    udp_stats(b.w->udp, &stats);
    for (size_t i = 0; i < VIEWERS; i++)
        assert_int_equal(b.viewers[i].count, (FRAMES_WARM + FRAMES) * FRAME_PACKETS);
    /* A frame to a viewer is one message. */
    assert_true(stats.messages_out <= VIEWERS * (FRAMES_WARM + FRAMES + 10));
    close_bench(&b);
}

/* The encryption fails for one viewer: nothing is sent to it, the others get every packet. */
static void test_failed_encryption_is_not_sent(void **state)
{
    (void)state;
    static struct bench b;
    role_assert_media();
    open_bench_with(&b, 1, profile);
    for (int i = 0; i < 3; i++)
        play_frame(&b, VIEWERS);
    size_t before = b.viewers[7].count;
    uint64_t dropped = atomic_load(&b.w->stats.drop_send);
    b.viewers[7].wp.rtp_growth = 2; /* its packets get less room than they need */
    for (int i = 0; i < 5; i++)
        play_frame(&b, VIEWERS - 1);
    receive(&b, 1); /* nothing more comes */
    assert_int_equal(b.viewers[7].count, before);
    assert_int_equal(atomic_load(&b.w->stats.drop_send) - dropped, 5 * FRAME_PACKETS);
    for (size_t i = 0; i < VIEWERS; i++)
        if (i != 7)
            assert_int_equal(b.viewers[i].count, 8 * FRAME_PACKETS);
    close_bench(&b);
}

/* A publisher whose packets do not fit in a datagram, with great gaps between them: 40,960 numbers
 * pass that no packet has. The next packet must not look like one from before them. */
static void test_what_is_left_out_is_counted_on(void **state)
{
    (void)state;
    static struct bench b;
    role_assert_media();
    open_bench_with(&b, 1, profile);
    for (int i = 0; i < 3; i++)
        play_frame(&b, VIEWERS);
    uint16_t growth = b.viewers[7].wp.rtp_growth;
    b.viewers[7].wp.rtp_growth = PEER_DATAGRAM_MAX - PAYLOAD;
    for (int i = 0; i < 160; i++) {
        b.seq = (uint16_t)(b.seq + 250);
        publish_frame(&b, false);
        assert_true(is_readable(b.w->udp));
        turn(&b);
        while (is_readable_now(b.viewers_udp))
            udp_receive(b.viewers_udp);
    }
    assert_int_equal(atomic_load(&b.w->stats.drop_malformed), 160 * FRAME_PACKETS);
    b.viewers[7].wp.rtp_growth = growth;
    publish_frame(&b, false);
    assert_true(is_readable(b.w->udp));
    turn(&b);
    assert_int_equal(atomic_load(&b.w->stats.drop_send), 0);
    close_bench(&b);
}

static int use_gcm(void **state)
{
    (void)state;
    profile = SEC_PROFILE_AEAD_AES_128_GCM;
    return 0;
}

static int use_cm(void **state)
{
    (void)state;
    profile = SEC_PROFILE_AES128_CM_HMAC_SHA1_80;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"test_no_allocation_and_no_lock, GCM", test_no_allocation_and_no_lock, use_gcm, NULL,
         NULL},
        {"test_no_allocation_and_no_lock, CM", test_no_allocation_and_no_lock, use_cm, NULL, NULL},
        {"test_failed_encryption_is_not_sent, GCM", test_failed_encryption_is_not_sent, use_gcm,
         NULL, NULL},
        {"test_failed_encryption_is_not_sent, CM", test_failed_encryption_is_not_sent, use_cm, NULL,
         NULL},
        {"test_what_is_left_out_is_counted_on, GCM", test_what_is_left_out_is_counted_on, use_gcm,
         NULL, NULL},
        {"test_what_is_left_out_is_counted_on, CM", test_what_is_left_out_is_counted_on, use_cm,
         NULL, NULL},
    };
    return RUN_ON_EACH_BACKEND(tests);
}
