/*
 * Goal: lost lines are held and taken up again without a visible leave, and every way in which a
 * session can end leaves nothing behind.
 * Method: fake clients and workers (world.h) in virtual time.
 */

#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define REQUEST(name)  LIVEKIT__SIGNAL_REQUEST__MESSAGE_##name

static struct world w;

static void two(bool is_v1, struct client **ret_a, struct client **ret_b)
{
    world_init(&w, 1);
    *ret_a = client_new(&w, "anna", "r1");
    *ret_b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(*ret_a, is_v1), 0);
    assert_int_equal(client_join(*ret_b, is_v1), 0);
    client_publish(*ret_a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 1);
}

static void resume(bool is_v1)
{
    struct client *a, *b;
    two(is_v1, &a, &b);
    char sid[32];
    strcpy(sid, a->sid);
    client_forget_frames(b);
    client_cut(a);
    world_advance(&w, MONO_S(50));
    assert_null(client_sees(b, "anna")); /* nothing is visible to the others */
    assert_int_equal(world_count(&w, THING_SUB), 1);
    client_forget_frames(a);
    strcpy(a->ufrag, "restart1");
    w.command_counts[MEDIA_PEER_LOCAL] = 0;
    assert_int_equal(client_resume(a), 0);
    assert_int_equal(a->frames[0]->message_case, RESPONSE(RECONNECT));
    assert_string_equal(a->frames[0]->reconnect->server_info->version, "1.13.5");
    assert_string_equal(client_sees(a, "anna")->sid, sid);
    assert_int_equal(client_sees(a, "anna")->n_tracks, 1);
    assert_non_null(client_sees(a, "bert"));
    assert_int_equal(client_count(a, RESPONSE(ROOM_UPDATE)), 1);
    if (!is_v1)
        assert_int_equal(client_count(a, RESPONSE(OFFER)), 1);
    client_offer(a);
    assert_int_equal(client_last(a, RESPONSE(ANSWER))->answer->id, a->offer_id);
    assert_int_equal(w.command_counts[MEDIA_PEER_LOCAL], is_v1 ? 1 : 2);
    world_advance(&w, MONO_S(20));
    assert_null(client_last(a, RESPONSE(LEAVE)));
    assert_int_equal(world_count(&w, THING_SUB), 1);
    struct signal_stats stats;
    signal_stats(w.signal, &stats);
    assert_int_equal(stats.resumes, 1);
    world_fini(&w);
}

static void resume_single(void **state)
{
    (void)state;
    resume(true);
}

static void resume_dual(void **state)
{
    (void)state;
    resume(false);
}

static void a_late_resume_is_told_to_start_anew(void **state)
{
    (void)state;
    struct client *a, *b;
    two(true, &a, &b);
    client_cut(a);
    world_advance(&w, MONO_S(61));
    assert_int_equal(client_sees(b, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    client_forget_frames(a);
    assert_int_equal(client_resume(a), 0);
    assert_int_equal(a->frame_count, 1);
    assert_int_equal(a->frames[0]->message_case, RESPONSE(LEAVE));
    assert_int_equal(a->frames[0]->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    assert_int_equal(a->frames[0]->leave->reason, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
    assert_true(a->is_closed);
    world_fini(&w);
}

static void what_was_missed_is_told_on_resume(void **state)
{
    (void)state;
    struct client *a, *b;
    two(true, &a, &b);
    client_cut(b);
    client_leave(a);
    client_forget_frames(b);
    assert_int_equal(client_resume(b), 0);
    assert_int_equal(client_sees(b, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(client_track_count(b), 0);
    world_fini(&w);
}

static void a_second_socket_replaces_the_first_silently(void **state)
{
    (void)state;
    struct client *a, *b;
    two(true, &a, &b);
    client_forget_frames(a);
    assert_int_equal(client_resume(a), 0);
    assert_null(client_last(a, RESPONSE(LEAVE)));
    assert_int_equal(a->frames[0]->message_case, RESPONSE(RECONNECT));
    struct signal_stats stats;
    signal_stats(w.signal, &stats);
    assert_int_equal(stats.sessions, 2);
    world_fini(&w);
}

static void sync_state_of_unknown_tracks_starts_anew(void **state)
{
    (void)state;
    struct client *a, *b;
    two(true, &a, &b);
    Livekit__TrackInfo info = LIVEKIT__TRACK_INFO__INIT;
    info.sid = (char *)"TR_VCunknown";
    Livekit__TrackPublishedResponse published = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
    published.track = &info;
    Livekit__TrackPublishedResponse *list[] = {&published};
    Livekit__SyncState body = LIVEKIT__SYNC_STATE__INIT;
    body.publish_tracks = list;
    body.n_publish_tracks = 1;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(SYNC_STATE);
    request.sync_state = &body;
    client_send(b, &request);
    assert_int_equal(client_last(b, RESPONSE(LEAVE))->leave->action,
                     LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    assert_true(b->is_closed);
    world_fini(&w);
}

static void sync_state_restores_subscriptions(void **state)
{
    (void)state;
    struct client *a, *b;
    two(true, &a, &b);
    char *sids[] = {client_last(a, RESPONSE(TRACK_PUBLISHED))->track_published->track->sid};
    Livekit__UpdateSubscription subscription = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    subscription.track_sids = sids;
    subscription.n_track_sids = 1;
    Livekit__SyncState body = LIVEKIT__SYNC_STATE__INIT;
    body.subscription = &subscription;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(SYNC_STATE);
    request.sync_state = &body;
    client_send(b, &request);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 0);
    assert_false(b->is_closed);
    world_fini(&w);
}

static void the_same_identity_takes_over(void **state)
{
    (void)state;
    struct client *a, *b;
    two(true, &a, &b);
    struct client *again = client_new(&w, "anna", "r1");
    client_forget_frames(b);
    assert_int_equal(client_join(again, true), 0);
    assert_true(a->is_closed);
    assert_int_equal(client_last(a, RESPONSE(LEAVE))->leave->reason,
                     LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY);
    assert_string_equal(client_sees(b, "anna")->sid, again->sid);
    for (size_t i = 0; i < b->frame_count; i++)
        if (b->frames[i]->message_case == RESPONSE(UPDATE))
            assert_int_not_equal(b->frames[i]->update->participants[0]->state,
                                 LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    assert_int_equal(world_count(&w, THING_SUB), 0);
    assert_int_equal(world_count(&w, THING_PEER), 2);
    world_fini(&w);
}

static void who_never_connects_is_removed(void **state)
{
    (void)state;
    world_init(&w, 1);
    w.is_auto_connect = false;
    struct client *a = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(a, true), 0);
    world_advance(&w, MONO_MS(59800)); /* its socket is alive */
    assert_false(a->is_closed);
    world_advance(&w, MONO_MS(400));
    assert_true(a->is_closed);
    assert_int_equal(client_last(a, RESPONSE(LEAVE))->leave->reason,
                     LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE);
    assert_true(client_count(a, RESPONSE(PONG)) >= 11);
    char *body;
    bool has_aborted = false;
    while (signal_poll_webhook(w.signal, &body) > 0) {
        has_aborted |= strstr(body, "participant_connection_aborted") != NULL;
        free(body);
    }
    assert_true(has_aborted);
    world_fini(&w);
}

static void a_silent_socket_is_dropped_and_held(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(a, true), 0);
    a->is_silent = true;
    world_advance(&w, MONO_S(31));
    assert_true(a->is_closed);
    assert_null(client_last(a, RESPONSE(LEAVE)));
    assert_int_equal(client_resume(a), 0);
    assert_int_equal(client_last(a, RESPONSE(RECONNECT)) != NULL, 1);
    world_fini(&w);
}

static void a_failed_connection_is_resumed(void **state)
{
    (void)state;
    static const struct {
        int err;
        int action;
    } rows[] = {
        {ERR_TIMEOUT, LIVEKIT__LEAVE_REQUEST__ACTION__RESUME},
        {ERR_SEC_FINGERPRINT, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *a, *b;
        two(true, &a, &b);
        struct media_event e = {.kind = MEDIA_EVENT_PEER_FAILED, .err = rows[i].err};
        for (size_t k = 0; k < WORLD_THINGS_MAX; k++)
            if (w.things[k].kind == THING_TRACK)
                e.peer = w.things[k].peer;
        signal_handle_event(w.signal, &e, w.now, w.wall);
        world_settle(&w);
        assert_true(a->is_closed);
        assert_int_equal(client_last(a, RESPONSE(LEAVE))->leave->action, rows[i].action);
        bool is_held = rows[i].action == LIVEKIT__LEAVE_REQUEST__ACTION__RESUME;
        assert_int_equal(world_count(&w, THING_TRACK), is_held ? 1 : 0);
        world_fini(&w);
    }
}

static void sdp_that_cannot_be_used_ends_the_session(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(a, true), 0);
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    offer.type = (char *)"offer";
    offer.sdp = (char *)"v=0\r\nnonsense\r\n";
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(OFFER);
    request.offer = &offer;
    client_send(a, &request);
    assert_true(a->is_closed);
    Livekit__SignalResponse *r = client_last(a, RESPONSE(REQUEST_RESPONSE));
    assert_non_null(r);
    assert_true(strlen(r->request_response->message) > 0);
    assert_non_null(client_last(a, RESPONSE(LEAVE)));
    world_fini(&w);
}

static void malformed_frames_are_counted_only(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(a, true), 0);
    static const char *const bad[] = {"\xff\xff\xff", "", "\x0a\x7f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        signal_session_receive(a->session, bad[i], strlen(bad[i]), false, w.now, w.wall);
    signal_session_receive(a->session, "{", 1, true, w.now, w.wall);
    struct signal_stats stats;
    signal_stats(w.signal, &stats);
    assert_int_equal(stats.malformed, 4);
    signal_session_receive(a->session, "{\"ping\":\"1\"}", 12, true, w.now, w.wall);
    const void *data;
    size_t size;
    bool is_text = false;
    int code;
    assert_int_equal(signal_session_poll_frame(a->session, &data, &size, &is_text, &code), 1);
    assert_true(is_text);
    assert_memory_equal(data, "{\"pong\":\"", 9);
    world_fini(&w);
}

static void refusals_have_their_status(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1");
    a->claims.grants.room_join = false;
    assert_int_equal(client_join(a, true), 401);
    a->claims.grants.room_join = true;
    a->claims.grants.room[0] = '\0';
    assert_int_equal(client_join(a, true), 400);
    strcpy(a->claims.grants.room, "r1");
    a->claims.grants.identity[0] = '\0';
    assert_int_equal(client_join(a, true), 400);
    world_fini(&w);
    world_init(&w, 1);
    signal_destroy(w.signal);
    w.config.is_auto_create = false;
    assert_int_equal(signal_create(&w.config, w.now, w.wall, &w.signal), 0);
    assert_int_equal(client_join(client_new(&w, "anna", "r1"), true), 404);
    world_fini(&w);
    world_init(&w, 1);
    signal_destroy(w.signal);
    w.config.participant_count_max = 1;
    assert_int_equal(signal_create(&w.config, w.now, w.wall, &w.signal), 0);
    assert_int_equal(client_join(client_new(&w, "anna", "r1"), true), 0);
    assert_int_equal(client_join(client_new(&w, "bert", "r1"), true), 500);
    assert_int_equal(client_join(client_new(&w, "anna", "r1"), true), 0); /* its own place */
    world_fini(&w);
}

static void rooms_end_after_their_timeouts(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(a, true), 0);
    client_leave(a);
    world_advance(&w, MONO_MS(19800));
    struct signal_stats stats;
    signal_stats(w.signal, &stats);
    assert_int_equal(stats.rooms, 1);
    world_advance(&w, MONO_MS(400));
    signal_stats(w.signal, &stats);
    assert_int_equal(stats.rooms, 0);
    static const char *const expected[] = {"room_started", "participant_joined", "participant_left",
                                           "room_finished"};
    char *body;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(signal_poll_webhook(w.signal, &body), 1);
        assert_non_null(strstr(body, expected[i]));
        free(body);
    }
    world_fini(&w);
}

static void switch_protocol(struct client *c, Livekit__CandidateProtocol protocol)
{
    Livekit__SimulateScenario body = LIVEKIT__SIMULATE_SCENARIO__INIT;
    body.scenario_case = LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SWITCH_CANDIDATE_PROTOCOL;
    body.switch_candidate_protocol = protocol;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(SIMULATE);
    request.simulate = &body;
    client_send(c, &request);
    assert_true(c->is_closed);
}

/* The world's signalling anew, where media can be had over TCP too, and over `relay` (NULL: no). */
static void restart_with_ways(const char *relay)
{
    struct signal_config *config = &w.config;
    signal_destroy(w.signal);
    config->candidates[1] = config->candidates[0];
    config->candidates[1].addr.proto = ADDR_PROTO_TCP;
    config->candidate_count = 2;
    config->ice_server_count = relay != NULL;
    if (relay != NULL)
        strcpy(config->ice_servers[0].url, relay);
    assert_int_equal(signal_create(config, w.now, w.wall, &w.signal), 0);
}

/* Whoever asks for another way gets it on a resume and as a new participant, and nobody else. */
static void another_way(Livekit__CandidateProtocol protocol, const char *relay, bool has_udp,
                        bool has_force)
{
    world_init(&w, 1);
    restart_with_ways(relay);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    client_publish(a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 1);
    assert_non_null(strstr(client_last(a, RESPONSE(ANSWER))->answer->sdp, " udp "));
    assert_non_null(strstr(client_last(a, RESPONSE(ANSWER))->answer->sdp, " tcp "));
    switch_protocol(a, protocol);
    client_forget_frames(a);
    assert_int_equal(client_resume(a), 0);
    const Livekit__ClientConfiguration *told = a->frames[0]->reconnect->client_configuration;
    assert_int_equal(told != NULL && told->force_relay == LIVEKIT__CLIENT_CONFIG_SETTING__ENABLED,
                     has_force);
    strcpy(a->ufrag, "restart1");
    client_offer(a);
    const char *sdp = client_last(a, RESPONSE(ANSWER))->answer->sdp;
    assert_int_equal(strstr(sdp, " udp ") != NULL, has_udp);
    assert_non_null(strstr(sdp, " tcp "));
    struct client *again = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(again, true), 0);
    assert_int_equal(again->frames[0]->join->client_configuration != NULL, has_force);
    client_publish(b, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 1);
    assert_non_null(strstr(client_last(b, RESPONSE(ANSWER))->answer->sdp, " udp "));
    world_fini(&w);
}

static void another_way_for_media(void **state)
{
    (void)state;
    another_way(LIVEKIT__CANDIDATE_PROTOCOL__TCP, NULL, false, false);
    another_way(LIVEKIT__CANDIDATE_PROTOCOL__TLS, "turns:relay.example:443", true, true);
    another_way(LIVEKIT__CANDIDATE_PROTOCOL__TLS, "turn:relay.example:3478", false, false);
    another_way(LIVEKIT__CANDIDATE_PROTOCOL__UDP, NULL, true, false);
}

static void simulate(int which, int action)
{
    struct client *a, *b;
    two(true, &a, &b);
    Livekit__SimulateScenario body = LIVEKIT__SIMULATE_SCENARIO__INIT;
    body.scenario_case = (Livekit__SimulateScenario__ScenarioCase)which;
    body.server_leave = true; /* the members of the union share their place */
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(SIMULATE);
    request.simulate = &body;
    client_send(a, &request);
    assert_true(a->is_closed);
    if (action >= 0)
        assert_int_equal(client_last(a, RESPONSE(LEAVE))->leave->action, action);
    else
        assert_null(client_last(a, RESPONSE(LEAVE)));
    client_forget_frames(a);
    assert_int_equal(client_resume(a), 0);
    bool is_held = action == LIVEKIT__LEAVE_REQUEST__ACTION__RESUME;
    assert_int_equal(a->frames[0]->message_case, is_held ? RESPONSE(RECONNECT) : RESPONSE(LEAVE));
    world_fini(&w);
}

static void scenarios(void **state)
{
    (void)state;
    simulate(LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SERVER_LEAVE,
             LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    simulate(LIVEKIT__SIMULATE_SCENARIO__SCENARIO_LEAVE_REQUEST_FULL_RECONNECT,
             LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    simulate(LIVEKIT__SIMULATE_SCENARIO__SCENARIO_MIGRATION,
             LIVEKIT__LEAVE_REQUEST__ACTION__RESUME);
    simulate(LIVEKIT__SIMULATE_SCENARIO__SCENARIO_NODE_FAILURE, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_way_for_media),
        cmocka_unit_test(resume_single),
        cmocka_unit_test(resume_dual),
        cmocka_unit_test(a_late_resume_is_told_to_start_anew),
        cmocka_unit_test(what_was_missed_is_told_on_resume),
        cmocka_unit_test(a_second_socket_replaces_the_first_silently),
        cmocka_unit_test(sync_state_of_unknown_tracks_starts_anew),
        cmocka_unit_test(sync_state_restores_subscriptions),
        cmocka_unit_test(the_same_identity_takes_over),
        cmocka_unit_test(who_never_connects_is_removed),
        cmocka_unit_test(a_silent_socket_is_dropped_and_held),
        cmocka_unit_test(a_failed_connection_is_resumed),
        cmocka_unit_test(sdp_that_cannot_be_used_ends_the_session),
        cmocka_unit_test(malformed_frames_are_counted_only),
        cmocka_unit_test(refusals_have_their_status),
        cmocka_unit_test(rooms_end_after_their_timeouts),
        cmocka_unit_test(scenarios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
