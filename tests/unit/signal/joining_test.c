/*
 * Goal: what is there when a client joins stands in its first description, so that it knows every
 * stream before a packet of it can come, and nothing flows before its connection is up.
 * Method: fake workers that do not connect by themselves (world.h): the test says when.
 */

#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include <stdio.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

static struct world w;

/* Anna publishes so many pictures, then Bert comes, whose connection is not up yet. */
static void join_late(bool is_v1, int tracks, struct client **ret_anna, struct client **ret_bert)
{
    world_init(&w, 1);
    *ret_anna = client_new(&w, "anna", "r1");
    *ret_bert = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(*ret_anna, true), 0);
    for (int i = 0; i < tracks; i++) {
        char cid[16];
        snprintf(cid, sizeof(cid), "cam%d", i);
        client_publish(*ret_anna, cid, true, LIVEKIT__TRACK_SOURCE__CAMERA, 0);
    }
    world_settle(&w);
    w.is_auto_connect = false;
    assert_int_equal(client_join(*ret_bert, is_v1), 0);
    world_settle(&w);
}

static void connect_newest(void)
{
    const struct thing *peer = world_thing(&w, THING_PEER, world_newest(&w, THING_PEER));
    const struct media_event e = {
        .kind = MEDIA_EVENT_PEER_CONNECTED, .worker = peer->worker, .peer = peer->id};
    signal_handle_event(w.signal, &e, w.now, w.wall);
    world_settle(&w);
}

static void assert_names_ssrc(const char *sdp, uint32_t ssrc)
{
    char line[64];
    snprintf(line, sizeof(line), "a=ssrc:%u ", (unsigned)ssrc);
    assert_non_null(strstr(sdp, line));
}

static void first_description_has_all(bool is_v1)
{
    struct client *a, *b;
    join_late(is_v1, 2, &a, &b);
    assert_int_equal(client_track_count(b), 2);
    const Livekit__SignalResponse *r = client_last(b, is_v1 ? RESPONSE(ANSWER) : RESPONSE(OFFER));
    const char *sdp = is_v1 ? r->answer->sdp : r->offer->sdp;
    assert_int_equal(world_count(&w, THING_SUB), 0); /* nothing flows before it is connected */
    connect_newest();
    assert_int_equal(world_count(&w, THING_SUB), 2);
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        if (w.things[i].kind == THING_SUB)
            assert_names_ssrc(sdp, w.things[i].sub_config.ssrc);
    world_advance(&w, MONO_S(1)); /* and no other description is asked for or offered */
    assert_int_equal(client_count(b, RESPONSE(MEDIA_SECTIONS_REQUIREMENT)), 0);
    assert_int_equal(client_count(b, RESPONSE(ANSWER)), is_v1 ? 1 : 0);
    assert_int_equal(client_count(b, RESPONSE(OFFER)), is_v1 ? 0 : 1);
    world_fini(&w);
}

static void first_answer_has_all(void **state)
{
    (void)state;
    first_description_has_all(true);
}

static void first_offer_has_all(void **state)
{
    (void)state;
    first_description_has_all(false);
}

/* More than the three sections of the first offer: the others are asked for once it is there. */
static void the_rest_is_asked_for(void **state)
{
    (void)state;
    struct client *a, *b;
    join_late(true, 5, &a, &b);
    world_advance(&w, MONO_MS(500));
    assert_int_equal(client_track_count(b), 3);
    assert_int_equal(client_count(b, RESPONSE(MEDIA_SECTIONS_REQUIREMENT)), 0);
    connect_newest();
    assert_int_equal(world_count(&w, THING_SUB), 3);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 5);
    assert_int_equal(client_count(b, RESPONSE(MEDIA_SECTIONS_REQUIREMENT)), 1);
    world_fini(&w);
}

/* What is published or ends while a client is on its way in. */
static void what_changes_meanwhile(void **state)
{
    (void)state;
    struct client *a, *b;
    join_late(true, 1, &a, &b);
    w.is_auto_connect = true;
    client_publish(a, "screen", true, LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, 0);
    world_advance(&w, MONO_MS(500));
    assert_int_equal(world_count(&w, THING_SUB), 0);
    connect_newest();
    assert_int_equal(world_count(&w, THING_SUB), 1);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 2);
    client_leave(b);
    w.is_auto_connect = false;
    struct client *c = client_new(&w, "carl", "r1");
    assert_int_equal(client_join(c, true), 0);
    world_settle(&w);
    assert_int_equal(client_track_count(c), 2);
    client_leave(a);
    connect_newest();
    assert_int_equal(world_count(&w, THING_SUB), 0);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(client_track_count(c), 0); /* its sections were cleaned */
    world_fini(&w);
}

/* Who may not have a publisher's tracks hears of it when it is connected, not before it has read
 * who is there. */
static void denial_is_told_when_connected(void **state)
{
    (void)state;
    struct client *a, *b;
    Livekit__SubscriptionPermission none = LIVEKIT__SUBSCRIPTION_PERMISSION__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION_PERMISSION;
    request.subscription_permission = &none;
    join_late(true, 1, &a, &b);
    client_leave(b);
    client_send(a, &request);
    b = client_new(&w, "carl", "r1");
    assert_int_equal(client_join(b, true), 0);
    world_settle(&w);
    assert_int_equal(client_track_count(b), 0);
    assert_int_equal(client_count(b, RESPONSE(SUBSCRIPTION_PERMISSION_UPDATE)), 0);
    connect_newest();
    assert_int_equal(client_count(b, RESPONSE(SUBSCRIPTION_PERMISSION_UPDATE)), 1);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_answer_has_all),          cmocka_unit_test(first_offer_has_all),
        cmocka_unit_test(the_rest_is_asked_for),         cmocka_unit_test(what_changes_meanwhile),
        cmocka_unit_test(denial_is_told_when_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
