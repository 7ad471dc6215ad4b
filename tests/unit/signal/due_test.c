/*
 * Goal: signalling sleeps until something is due. A room of idle members asks for no turn before
 * the first of them could have fallen silent, and many members share the turns; what falls due
 * does so at its time although nothing else wakes signalling.
 * Method: fake clients in virtual time that jumps from one signal_next_timeout() to the next, and
 * stops in between only where clients ping.
 */
#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include <stdio.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define MEMBERS        20

static struct world w;

static struct client *join(const char *identity)
{
    struct client *c = client_new(&w, identity, "r1");
    c->section_count--; /* no data channels: SCTP has timers of its own */
    assert_int_equal(client_join(c, true), 0);
    return c;
}

static void ping(struct client *c)
{
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    if (c->session != NULL && !c->is_silent)
        client_send(c, &request);
}

static void set_now(mono_us now)
{
    w.wall += (now - w.now) / 1000;
    w.now = now;
}

/* Moves on by `by`, waking signalling only when it asks to; how often that was. Each client pings
 * every 5 s, all at different times. */
static size_t sleep_for(mono_us by)
{
    size_t turns = 0;
    mono_us end = w.now + by, ping_at = w.now;
    for (size_t next_client = 0; w.now < end;) {
        mono_us due = signal_next_timeout(w.signal);
        if (due <= ping_at) {
            set_now(TK_MAX(due, w.now));
            signal_handle_timeout(w.signal, w.now, w.wall);
            turns++;
        } else {
            set_now(ping_at);
            ping(&w.clients[next_client]);
            next_client = (next_client + 1) % w.client_count;
            ping_at += MONO_S(5) / (mono_us)w.client_count;
        }
        world_settle(&w);
    }
    return turns;
}

static void idle_members_let_it_sleep(void **state)
{
    (void)state;
    char identity[16];
    world_init(&w, 1);
    for (int i = 0; i < MEMBERS; i++) {
        snprintf(identity, sizeof(identity), "m%d", i);
        join(identity);
    }
    sleep_for(MONO_S(10));
    assert_true(signal_next_timeout(w.signal) >= w.now + MONO_S(15));
    assert_in_range(sleep_for(MONO_S(120)), 1, 120); /* not one turn per member and look */
    for (int i = 0; i < MEMBERS; i++)
        assert_false(w.clients[i].is_closed);
    world_fini(&w);
}

static void what_is_due_comes_by_itself(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = join("anna"), *b = join("bert"), *c = join("carl");
    sleep_for(MONO_S(10));
    b->is_silent = true;
    client_cut(c); /* is held for the resume timeout */
    world_settle(&w);
    sleep_for(MONO_S(24));
    assert_false(b->is_closed);
    sleep_for(MONO_S(8));
    assert_true(b->is_closed);
    assert_false(a->is_closed);
    assert_int_equal(client_sees(a, "carl")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    sleep_for(w.config.resume_timeout - MONO_S(30));
    assert_int_equal(client_sees(a, "carl")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    assert_int_equal(client_sees(a, "bert")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    sleep_for(MONO_S(40));
    assert_int_equal(client_sees(a, "bert")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    sleep_for(MONO_S(200));
    assert_int_equal(client_count(a, RESPONSE(REFRESH_TOKEN)), 2);
    world_fini(&w);
}

/* Members of a large room are told to ping less often. */
static void late_comers_of_a_large_room_ping_less(void **state)
{
    (void)state;
    char identity[16];
    world_init(&w, 1);
    for (int i = 0; i < 31; i++) {
        snprintf(identity, sizeof(identity), "m%d", i);
        struct client *c = join(identity);
        const Livekit__JoinResponse *join_response = client_last(c, RESPONSE(JOIN))->join;
        assert_int_equal(join_response->ping_interval, i < 30 ? 5 : 10);
        assert_int_equal(join_response->ping_timeout, i < 30 ? 15 : 20);
    }
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_members_let_it_sleep),
        cmocka_unit_test(what_is_due_comes_by_itself),
        cmocka_unit_test(late_comers_of_a_large_room_ping_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
