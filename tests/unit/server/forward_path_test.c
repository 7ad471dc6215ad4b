/*
 * Goal: on the way of a packet through a worker (received, decrypted, forwarded, encrypted, sent)
 * there is no heap allocation and no lock, and every packet arrives whole and in order; one whose
 * encryption fails is not sent. Method: a worker without its thread over real sockets, with peers
 * that have keys but no handshake; malloc and the locks of the C library are counted.
 */
#include "unit/server/counted.h"
#include "unit/server/path_bench.h"

#define FRAMES_WARM 180 /* until the ring is as full as it gets */
#define FRAMES      100

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
    open_bench(&b, 1);
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
    open_bench(&b, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation_and_no_lock),
        cmocka_unit_test(test_failed_encryption_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
