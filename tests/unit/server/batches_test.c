/*
 * Goal: in a worker that is busy a frame waits for its end SFU_HOLD and one batch at most, and not
 * until the turn is over; an end that has come meanwhile is still joined to it; and the clock is
 * read once for each batch, whatever number of packets it has. Method: a worker without its thread
 * over real sockets; the clock is ours, and stands still but for what each batch takes.
 */
#include "unit/server/path_bench.h"

#include "sfu/limits.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HEAD        3 /* packets of the frame that come first */
#define BATCHES     4 /* of a turn */
#define BATCHES_MAX 16

/* ---- the clock ---- */

static struct {
    mono_us now;
    mono_us batch;    /* what a read takes */
    mono_us per_look; /* what each look at the clock takes */
    size_t looks;
    const struct bench *watched;
    size_t batch_count;
    uint64_t sent_before[BATCHES_MAX]; /* packets that the node had given out */
} played;

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, ret_time);
    played.looks++;
    played.now += played.per_look;
    *ret_time = (struct timespec){played.now / 1000000, played.now % 1000000 * 1000};
    return 0;
}

static uint64_t given_out(const struct bench *b)
{
    struct sfu_node_stats stats;
    sfu_node_stats(b->w->node, &stats);
    return stats.rtp_out;
}

int recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags, struct timespec *timeout)
{
    int n = (int)syscall(SYS_recvmmsg, fd, headers, count, flags, timeout);
    if (n <= 0 || played.watched == NULL)
        return n;
    assert_true(played.batch_count < BATCHES_MAX);
    played.sent_before[played.batch_count++] = given_out(played.watched);
    played.now += played.batch;
    return n;
}

/* ---- the bench ---- */

static void open_played(struct bench *b) ON_MEDIA
{
    memset(&played, 0, sizeof(played));
    played.now = MONO_S(1000);
    open_bench(b, 1);
    for (int i = 0; i < 3; i++)
        play_frame(b, VIEWERS);
}

/* So many datagrams that the kernel does not join and the worker drops: they fill batches. */
static void send_noise(struct udp_socket *s, const struct bench *b, int count)
{
    const struct addr any = {0};
    struct addr to = local(b->w->udp);
    for (int i = 0; i < count; i++) {
        size_t size = 100 + (size_t)(i % 2);
        memset(udp_reserve(s, &any, &to, size), 0xff, size);
        udp_commit(s, size);
        udp_flush(s);
    }
}

static void begin_turn(struct bench *b)
{
    assert_true(is_readable(b->w->udp));
    played.watched = b;
    played.looks = 0;
    b->w->turn_began = b->w->now = played.now;
}

/* ---- tests ---- */

static void test_let_go_between_batches(void **state)
{
    (void)state;
    static struct bench b;
    struct udp_socket *stranger;
    const struct addr any = {0};
    role_assert_media();
    open_played(&b);
    assert_int_equal(udp_open(&any, 0, &stranger), 0);
    publish_part(&b, false, 0, HEAD);
    send_noise(stranger, &b, BATCHES * UDP_IN_MESSAGES_MAX - 1);
    played.batch = SFU_HOLD * 6 / 10;
    uint64_t before = given_out(&b);
    begin_turn(&b);
    worker__receive(b.w);
    assert_int_equal(played.batch_count, BATCHES);
    assert_int_equal(played.looks, BATCHES);
    for (size_t i = 0; i < BATCHES; i++) /* handed in with the first, overdue with the third */
        assert_int_equal(played.sent_before[i] - before, i < 3 ? 0 : HEAD * VIEWERS);
    udp_flush(b.w->udp);
    receive(&b, HEAD * VIEWERS);
    udp_close(stranger);
    close_bench(&b);
}

/* The end comes with the batch after which the frame would be let go without it. */
static void test_end_that_has_come_is_joined(void **state)
{
    (void)state;
    static struct bench b;
    struct udp_socket *stranger;
    struct udp_stats before, after;
    const struct addr any = {0};
    role_assert_media();
    open_played(&b);
    assert_int_equal(udp_open(&any, 0, &stranger), 0);
    publish_part(&b, false, 0, HEAD);
    send_noise(stranger, &b, UDP_IN_MESSAGES_MAX - 1);
    publish_part(&b, false, HEAD, FRAME_PACKETS);
    played.batch = 5 * SFU_HOLD;
    udp_stats(b.w->udp, &before);
    begin_turn(&b);
    worker__receive(b.w);
    udp_flush(b.w->udp);
    assert_int_equal(played.batch_count, 2);
    udp_stats(b.w->udp, &after);
    assert_int_equal(after.datagrams_out - before.datagrams_out, FRAME_PACKETS * VIEWERS);
    if (udp_gso(b.w->udp) == 0)
        assert_int_equal(after.messages_out - before.messages_out, VIEWERS);
    receive(&b, FRAME_PACKETS * VIEWERS);
    udp_close(stranger);
    close_bench(&b);
}

/* Packets that came with one read, in batches of WORKER_BATCH: a look at the clock for each. */
static void test_one_look_per_batch(void **state)
{
    (void)state;
    enum { FRAMES = 2 * WORKER_BATCH / FRAME_PACKETS + 1 };
    static struct bench b;
    role_assert_media();
    open_played(&b);
    if (udp_gso(b.w->udp) < 0 || udp_gro(b.w->udp) < 0) {
        close_bench(&b);
        skip(); /* a read brings few packets then */
    }
    for (int i = 0; i < FRAMES; i++)
        publish_frame(&b, false);
    begin_turn(&b);
    worker__receive(b.w);
    udp_flush(b.w->udp);
    assert_int_equal(played.looks, FRAMES * FRAME_PACKETS / WORKER_BATCH + 1);
    close_bench(&b);
}

/* Neither do many commands keep it. */
static void test_let_go_between_commands(void **state)
{
    (void)state;
    static struct bench b;
    const struct media_command command = {.kind = MEDIA_TRACK_KEYFRAME, .track = 99};
    role_assert_media();
    open_played(&b);
    publish_part(&b, false, 0, HEAD);
    begin_turn(&b);
    worker__receive(b.w);
    uint64_t before = given_out(&b);
    played.per_look = SFU_HOLD * 6 / 10;
    assert_true(worker_push_command(b.w, &command));
    worker__drain_commands(b.w);
    assert_int_equal(given_out(&b), before);
    assert_true(worker_push_command(b.w, &command));
    worker__drain_commands(b.w);
    assert_int_equal(given_out(&b), before + HEAD * VIEWERS);
    udp_flush(b.w->udp);
    receive(&b, HEAD * VIEWERS);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_let_go_between_batches),
        cmocka_unit_test(test_end_that_has_come_is_joined),
        cmocka_unit_test(test_one_look_per_batch),
        cmocka_unit_test(test_let_go_between_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
