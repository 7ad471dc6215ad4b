/*
 * Goal: a full server refuses whom it must and nobody else: new rooms, then new participants, get
 * 503; those in a room stay, resume, and come back after having left it; newcomers go to the least
 * loaded worker.
 * Method: fake clients in a fake world (world.h) with loads set by the test.
 */
#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include "base/err.h"

#include <string.h>

static struct world w;

static void set(enum signal_admission admission)
{
    static const uint16_t loads[SFU_WORKERS_MAX] = {0};
    signal_set_load(w.signal, loads, admission);
}

static uint64_t refused(bool are_rooms)
{
    struct signal_stats stats;
    signal_stats(w.signal, &stats);
    return are_rooms ? stats.refused_rooms : stats.refused_participants;
}

static void test_levels(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    struct client *c = client_new(&w, "carl", "r2");
    assert_int_equal(client_join(a, true), 0);
    set(SIGNAL_ADMITS_NO_ROOMS);
    assert_int_equal(client_join(c, true), 503);
    assert_int_equal(client_join(c, false), 503);
    assert_int_equal(signal_admit_room(w.signal, "r2"), ERR_SERVER_FULL);
    assert_int_equal(signal_admit_room(w.signal, "r1"), 0);
    assert_int_equal(client_join(b, true), 0);
    assert_int_equal(refused(true), 3);
    set(SIGNAL_ADMITS_NOBODY);
    struct client *d = client_new(&w, "dora", "r1");
    assert_int_equal(client_join(d, true), 503);
    assert_int_equal(client_join(c, true), 503);
    assert_int_equal(signal_admit_participant(w.signal, "r1", "emil"), ERR_SERVER_FULL);
    assert_int_equal(signal_admit_participant(w.signal, "r1", "anna"), 0);
    assert_int_equal(refused(false), 2);
    set(SIGNAL_ADMITS_ALL);
    assert_int_equal(client_join(c, false), 0);
    assert_int_equal(client_join(d, true), 0);
    world_fini(&w);
}

static void test_who_was_there_comes_back(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, false), 0);
    set(SIGNAL_ADMITS_NOBODY);
    client_cut(a);
    world_advance(&w, MONO_S(5));
    assert_int_equal(client_resume(a), 0);
    assert_int_equal(client_join(b, false), 0); /* the same again, on a new page */
    client_leave(b);
    world_advance(&w, MONO_S(2));
    assert_int_equal(client_join(b, false), 0);
    client_cut(a);
    world_advance(&w, MONO_S(90)); /* longer than it is held */
    assert_int_equal(client_resume(a), 0);
    assert_int_equal(client_last(a, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE)->leave->action,
                     LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    assert_int_equal(client_join(a, true), 0);
    /* With the room goes the memory of who was in it. */
    client_leave(a);
    client_leave(b);
    world_advance(&w, MONO_S(25));
    assert_int_equal(client_join(a, true), 503);
    world_fini(&w);
}

static void test_count_of_participants(void **state)
{
    (void)state;
    world_init(&w, 1);
    signal_destroy(w.signal);
    w.config.server_participant_count_max = 2;
    assert_int_equal(signal_create(&w.config, w.now, w.wall, &w.signal), 0);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r2");
    struct client *c = client_new(&w, "carl", "r1"), *d = client_new(&w, "dora", "r3");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    assert_int_equal(client_join(c, true), 503);
    assert_int_equal(client_join(d, true), 503);
    client_leave(b);
    world_advance(&w, MONO_S(1));
    assert_int_equal(client_join(c, true), 0);
    world_fini(&w);
}

static uint8_t worker_of(const char *identity)
{
    struct client *c = client_new(&w, identity, "r1");
    assert_int_equal(client_join(c, true), 0);
    uint8_t worker = UINT8_MAX;
    uint32_t newest = 0;
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++) {
        if (w.things[i].kind != THING_PEER || w.things[i].id <= newest)
            continue;
        newest = w.things[i].id;
        worker = w.things[i].worker;
    }
    return worker;
}

static void test_placement(void **state)
{
    (void)state;
    world_init(&w, 3);
    static const uint16_t busy[] = {900, 300, 700}, level[] = {420, 350, 380};
    uint8_t a = worker_of("a"), b = worker_of("b"), c = worker_of("c");
    assert_int_equal(1u << a | 1u << b | 1u << c, 7); /* evenly, without load */
    signal_set_load(w.signal, busy, SIGNAL_ADMITS_ALL);
    assert_int_equal(worker_of("d"), 1);
    assert_int_equal(worker_of("e"), 1);
    signal_set_load(w.signal, level, SIGNAL_ADMITS_ALL); /* nearly the same: by number again */
    assert_int_not_equal(worker_of("f"), 1);
    assert_int_not_equal(worker_of("g"), 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_who_was_there_comes_back),
        cmocka_unit_test(test_count_of_participants),
        cmocka_unit_test(test_placement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
