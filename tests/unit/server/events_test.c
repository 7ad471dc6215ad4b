/*
 * Goal: what comes on data channels holds a bounded part of the mailbox to the control thread, and
 * of the packet buffers: a flood of it leaves room for every other event, and goes on as soon as
 * the control thread has taken some.
 * Method: events pushed into a worker whose thread does not run; the test is the control thread.
 */
#include "unit/server/path_bench.h"

#include "base/pkt.h"

/* One SCTP packet as report_sctp() passes it on; false if the pool is empty. */
static bool push_sctp(struct worker *w)
{
    struct media_event e = {.kind = MEDIA_EVENT_PEER_SCTP, .peer = 1, .sctp = pkt_take(w->pool, 1)};
    if (e.sctp != NULL)
        worker__push_event(w, &e, false);
    return e.sctp != NULL;
}

static bool pop(struct worker *w, enum media_event_kind *ret_kind)
{
    struct media_event e;
    if (!worker_pop_event(w, &e))
        return false;
    pkt_unref(e.sctp);
    *ret_kind = e.kind;
    return true;
}

static void must_hold(struct worker *w, size_t packets, uint64_t dropped)
{
    struct worker_stats stats;
    worker_stats(w, &stats);
    assert_int_equal(pkt_pool_used(w->pool), packets);
    assert_int_equal(stats.drop_event_full, dropped);
}

static void test_sctp_is_bounded(void **state)
{
    (void)state;
    static struct bench b;
    enum media_event_kind kind;
    role_assert_media();
    open_bench(&b, 1);
    struct worker *w = b.w;
    while (pop(w, &kind)) /* what the bench itself has caused */
        ;
    size_t used = pkt_pool_used(w->pool);
    struct worker_stats before;
    worker_stats(w, &before);
    for (int i = 0; i < WORKER_EVENTS_SCTP + 500; i++)
        assert_true(push_sctp(w));
    must_hold(w, used + WORKER_EVENTS_SCTP, before.drop_event_full + 500);
    /* Others still find their place. */
    struct media_event sfu = {.kind = MEDIA_EVENT_SFU, .sfu = {.kind = SFU_EVENT_AUDIO_WINDOW}};
    struct media_event vital = {.kind = MEDIA_EVENT_PEER_CONNECTED, .peer = 1};
    for (int i = 0; i < WORKER_EVENTS_WAIT; i++)
        worker__push_event(w, &sfu, false);
    worker__push_event(w, &vital, true);
    must_hold(w, used + WORKER_EVENTS_SCTP, before.drop_event_full + 500);
    /* As many as are taken may follow. */
    for (int i = 0; i < 3; i++) {
        assert_true(pop(w, &kind));
        assert_int_equal(kind, MEDIA_EVENT_PEER_SCTP);
    }
    for (int i = 0; i < 4; i++)
        assert_true(push_sctp(w));
    must_hold(w, used + WORKER_EVENTS_SCTP, before.drop_event_full + 501);
    size_t counts[MEDIA_EVENT_KIND_COUNT_] = {0};
    while (pop(w, &kind))
        counts[kind]++;
    assert_int_equal(counts[MEDIA_EVENT_PEER_SCTP], WORKER_EVENTS_SCTP);
    assert_int_equal(counts[MEDIA_EVENT_SFU], WORKER_EVENTS_WAIT);
    assert_int_equal(counts[MEDIA_EVENT_PEER_CONNECTED], 1);
    must_hold(w, used, before.drop_event_full + 501);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sctp_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
