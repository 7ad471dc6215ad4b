/*
 * Goal: a running worker with many peers reads all checks that come, in far fewer turns than there
 * are checks, and still reads one that comes after a silence. Method: checks of nobody, each sent
 * alone, which the worker counts and drops; the worker runs in its own thread.
 */
#include "unit/server/path_bench.h"

#include <unistd.h>

#define CHECKS 300

static void send_check(struct udp_socket *s, const struct addr *to)
{
    static const uint8_t request[20] = {0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42};
    const struct addr any = {0};
    memcpy(udp_reserve(s, &any, to, sizeof(request)), request, sizeof(request));
    udp_commit(s, sizeof(request));
    udp_flush(s);
}

/* Until so many checks have been dropped, 10 s at most. */
static void expect_dropped(const struct worker *w, uint64_t count)
{
    struct worker_stats stats = {0};
    for (int ms = 0; ms < 10000 && stats.drop_stun < count; ms++) {
        usleep(1000);
        worker_stats(w, &stats);
    }
    assert_int_equal(stats.drop_stun, count);
}

static void test_checks_share_turns(void **state)
{
    (void)state;
    static struct bench b;
    struct udp_socket *stranger;
    struct addr any = {0};
    struct worker_gauges before, after;
    role_assert_media();
    open_bench(&b, 1);
    assert_true(udp_patient_fd(b.w->udp) >= 0);
    assert_true(worker_patience_rest((uint32_t)b.w->peers.count, 0) >= MONO_MS(2));
    struct addr to = local(b.w->udp);
    assert_int_equal(udp_open(&any, 0, &stranger), 0);
    assert_int_equal(worker_start(b.w), 0);
    worker_gauges(b.w, &before);
    for (int i = 0; i < CHECKS; i++) {
        send_check(stranger, &to);
        usleep(300);
    }
    expect_dropped(b.w, CHECKS);
    worker_gauges(b.w, &after);
    assert_in_range(after.turns - before.turns, 1, CHECKS / 2);
    usleep(100000); /* several rests: the queue wakes the worker again */
    send_check(stranger, &to);
    expect_dropped(b.w, CHECKS + 1);
    worker_stop(b.w);
    udp_close(stranger);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks_share_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
