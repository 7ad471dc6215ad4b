/*
 * Goal: who may publish, who is subscribed to what at which layer, and what the publisher and the
 * workers are told of it.
 * Method: fake clients and workers (world.h); a policy that the test changes while it runs.
 */

#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define REQUEST(name)  LIVEKIT__SIGNAL_REQUEST__MESSAGE_##name

static struct world w;

static struct thing *only(int kind)
{
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        if ((int)w.things[i].kind == kind)
            return &w.things[i];
    return NULL;
}

static struct thing *sub_of(struct client *viewer)
{
    (void)viewer;
    return only(THING_SUB);
}

static const char *track_sid(struct client *c)
{
    return client_last(c, RESPONSE(TRACK_PUBLISHED))->track_published->track->sid;
}

/* A teacher with a camera of three layers and a pupil who receives it, on one worker. */
static void two(struct client **ret_a, struct client **ret_b)
{
    world_init(&w, 1);
    *ret_a = client_new(&w, "anna", "r1");
    *ret_b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(*ret_a, true), 0);
    assert_int_equal(client_join(*ret_b, true), 0);
    client_publish(*ret_a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 1);
}

static void send_settings(struct client *c, const char *sid, Livekit__UpdateTrackSettings s)
{
    char *sids[] = {(char *)(uintptr_t)sid};
    s.track_sids = sids;
    s.n_track_sids = 1;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(TRACK_SETTING);
    request.track_setting = &s;
    client_send(c, &request);
}

static void settings_choose_the_layer(void **state)
{
    (void)state;
    static const struct {
        bool is_disabled;
        int quality;
        uint32_t width, height, fps;
        int layer, temporal;
    } rows[] = {
        {false, LIVEKIT__VIDEO_QUALITY__LOW, 0, 0, 0, 0, SFU_TEMPORAL_ALL},
        {false, LIVEKIT__VIDEO_QUALITY__MEDIUM, 0, 0, 0, 1, SFU_TEMPORAL_ALL},
        {false, LIVEKIT__VIDEO_QUALITY__HIGH, 0, 0, 0, 2, SFU_TEMPORAL_ALL},
        {true, LIVEKIT__VIDEO_QUALITY__HIGH, 0, 0, 0, SFU_LAYER_NONE, SFU_TEMPORAL_ALL},
        {false, LIVEKIT__VIDEO_QUALITY__HIGH, 320, 180, 0, 0, SFU_TEMPORAL_ALL},
        {false, LIVEKIT__VIDEO_QUALITY__LOW, 321, 180, 0, 1, SFU_TEMPORAL_ALL},
        {false, LIVEKIT__VIDEO_QUALITY__LOW, 180, 320, 0, 0, SFU_TEMPORAL_ALL},
        {false, LIVEKIT__VIDEO_QUALITY__LOW, 4000, 3000, 0, 2, SFU_TEMPORAL_ALL},
        {false, LIVEKIT__VIDEO_QUALITY__HIGH, 0, 0, 5, 2, 0},
        {false, LIVEKIT__VIDEO_QUALITY__HIGH, 0, 0, 15, 2, 1},
        {false, LIVEKIT__VIDEO_QUALITY__HIGH, 0, 0, 30, 2, SFU_TEMPORAL_ALL},
    };
    struct client *a, *b;
    two(&a, &b);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Livekit__UpdateTrackSettings s = LIVEKIT__UPDATE_TRACK_SETTINGS__INIT;
        s.disabled = rows[i].is_disabled;
        s.quality = (Livekit__VideoQuality)rows[i].quality;
        s.width = rows[i].width;
        s.height = rows[i].height;
        s.fps = rows[i].fps;
        send_settings(b, track_sid(a), s);
        assert_int_equal(sub_of(b)->target.layer_max, rows[i].layer);
        assert_int_equal(sub_of(b)->target.temporal_max, rows[i].temporal);
    }
    world_fini(&w);
}

static bool is_told(struct client *c, int quality)
{
    const Livekit__SubscribedQualityUpdate *u =
        client_last(c, RESPONSE(SUBSCRIBED_QUALITY_UPDATE))->subscribed_quality_update;
    assert_int_equal(u->n_subscribed_qualities, 3);
    assert_int_equal(u->n_subscribed_codecs, 1);
    assert_string_equal(u->subscribed_codecs[0]->codec, "vp8");
    return u->subscribed_qualities[quality]->enabled;
}

static void dynacast_raises_at_once_and_lowers_late(void **state)
{
    (void)state;
    struct client *a, *b;
    two(&a, &b);
    Livekit__UpdateTrackSettings s = LIVEKIT__UPDATE_TRACK_SETTINGS__INIT;
    s.quality = LIVEKIT__VIDEO_QUALITY__LOW;
    client_forget_frames(a);
    b->is_auto_offer = false;
    const char *sid = client_sees(b, "anna")->tracks[0]->sid;
    send_settings(b, sid, s);
    world_advance(&w, MONO_MS(4800));
    assert_int_equal(client_count(a, RESPONSE(SUBSCRIBED_QUALITY_UPDATE)), 0);
    world_advance(&w, MONO_MS(400));
    assert_int_equal(client_count(a, RESPONSE(SUBSCRIBED_QUALITY_UPDATE)), 1);
    assert_true(is_told(a, 0));
    assert_false(is_told(a, 1));
    assert_false(is_told(a, 2));
    s.quality = LIVEKIT__VIDEO_QUALITY__HIGH;
    send_settings(b, sid, s);
    assert_int_equal(client_count(a, RESPONSE(SUBSCRIBED_QUALITY_UPDATE)), 2);
    assert_true(is_told(a, 2));
    /* The worker's word counts: it stepped down because of loss. */
    world_sfu_event(&w, 0,
                    (struct sfu_event){.kind = SFU_EVENT_LAYER_WANTED,
                                       .track = only(THING_TRACK)->id,
                                       .layer = 1});
    world_advance(&w, MONO_MS(5200));
    assert_true(is_told(a, 1));
    assert_false(is_told(a, 2));
    client_leave(b);
    world_advance(&w, MONO_MS(5200));
    assert_false(is_told(a, 0));
    world_fini(&w);
}

static void adaptive_stream_begins_low(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    b->has_adaptive_stream = true;
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    client_publish(a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(sub_of(b)->target.layer_max, 0);
    world_fini(&w);
}

static void set_subscribed(struct client *c, const char *sid, bool is_subscribed)
{
    char *sids[] = {(char *)(uintptr_t)sid};
    Livekit__UpdateSubscription body = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    body.track_sids = sids;
    body.n_track_sids = 1;
    body.subscribe = is_subscribed;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(SUBSCRIPTION);
    request.subscription = &body;
    client_send(c, &request);
    world_advance(&w, MONO_MS(100));
}

static void sections_are_used_again(void **state)
{
    (void)state;
    struct client *a, *b;
    two(&a, &b);
    char sid[64];
    strcpy(sid, track_sid(a));
    size_t sections = b->section_count;
    uint32_t ssrc = sub_of(b)->sub_config.ssrc;
    for (int i = 0; i < 20; i++) {
        set_subscribed(b, sid, false);
        assert_int_equal(world_count(&w, THING_SUB), 0);
        assert_int_equal(client_track_count(b), 0);
        set_subscribed(b, sid, true);
        assert_int_equal(world_count(&w, THING_SUB), 1);
        assert_string_equal(client_track_at(b, "3"), sid);
        assert_int_not_equal(sub_of(b)->sub_config.ssrc, ssrc);
        ssrc = sub_of(b)->sub_config.ssrc;
    }
    assert_int_equal(b->section_count, sections);
    set_subscribed(b, "TR_unknown", true);
    assert_non_null(client_last(b, RESPONSE(SUBSCRIPTION_RESPONSE)));
    world_fini(&w);
}

static void many_tracks_are_asked_for_in_one_message(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    for (int i = 0; i < 10; i++) {
        char cid[16];
        sprintf(cid, "v%d", i);
        client_add_track(a, cid, true, LIVEKIT__TRACK_SOURCE__CAMERA, 0);
        client_add_section(a, "video", "sendonly", cid, 0);
    }
    client_offer(a);
    assert_int_equal(client_join(b, true), 0);
    size_t before = b->section_count;
    world_advance(&w, MONO_MS(300));
    assert_int_equal(client_track_count(b), 10);
    assert_int_equal(b->section_count, before + 7);
    assert_int_equal(client_count(b, RESPONSE(MEDIA_SECTIONS_REQUIREMENT)), 1);
    /* Half of them end, five others come: no further sections. */
    for (size_t i = 0; i < 5; i++)
        strcpy(a->sections[7 + i].dir, "inactive");
    client_offer(a);
    world_advance(&w, MONO_MS(300));
    assert_int_equal(client_track_count(b), 5);
    for (int i = 0; i < 5; i++) {
        char cid[16];
        sprintf(cid, "w%d", i);
        client_publish(a, cid, true, LIVEKIT__TRACK_SOURCE__CAMERA, 0);
    }
    world_advance(&w, MONO_MS(300));
    assert_int_equal(client_track_count(b), 10);
    assert_int_equal(b->section_count, before + 7);
    world_fini(&w);
}

static void requests_for_sections_are_forgotten(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    b->is_auto_offer = false;
    for (int i = 0; i < 5; i++) {
        char cid[16];
        sprintf(cid, "v%d", i);
        client_publish(a, cid, true, LIVEKIT__TRACK_SOURCE__CAMERA, 0);
    }
    world_advance(&w, MONO_MS(300));
    const Livekit__MediaSectionsRequirement *m =
        client_last(b, RESPONSE(MEDIA_SECTIONS_REQUIREMENT))->media_sections_requirement;
    assert_int_equal(m->num_videos, 2);
    client_forget_frames(b);
    client_leave(a);
    world_advance(&w, MONO_S(6));
    assert_int_equal(client_count(b, RESPONSE(MEDIA_SECTIONS_REQUIREMENT)), 0);
    world_fini(&w);
}

static void set_muted(struct client *c, const char *sid, bool is_muted)
{
    Livekit__MuteTrackRequest body = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
    body.sid = (char *)(uintptr_t)sid;
    body.muted = is_muted;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(MUTE);
    request.mute = &body;
    client_send(c, &request);
}

static void mute_reaches_everyone_with_a_higher_version(void **state)
{
    (void)state;
    struct client *a, *b;
    two(&a, &b);
    uint32_t version = client_sees(b, "anna")->version;
    set_muted(a, track_sid(a), true);
    assert_true(client_sees(b, "anna")->tracks[0]->muted);
    assert_true(client_sees(a, "anna")->tracks[0]->muted);
    assert_true(client_sees(b, "anna")->version > version);
    assert_true(only(THING_TRACK)->is_blocked);
    version = client_sees(b, "anna")->version;
    set_muted(b, track_sid(a), false); /* not its own */
    assert_true(client_sees(b, "anna")->tracks[0]->muted);
    set_muted(a, track_sid(a), false);
    assert_false(client_sees(b, "anna")->tracks[0]->muted);
    assert_true(client_sees(b, "anna")->version > version);
    assert_false(only(THING_TRACK)->is_blocked);
    world_fini(&w);
}

static void check_blocked(bool is_blocked)
{
    size_t count = 0;
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++) {
        if (w.things[i].kind != THING_TRACK)
            continue;
        count++;
        assert_int_equal(w.things[i].is_blocked, is_blocked);
    }
    assert_int_equal(count, 2);
}

/* The worker of a subscriber has packets of the track, too. */
static void mute_reaches_every_worker(void **state)
{
    (void)state;
    world_init(&w, 2);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    client_publish(a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    world_advance(&w, MONO_MS(200));
    check_blocked(false);
    set_muted(a, track_sid(a), true);
    check_blocked(true);
    set_muted(a, track_sid(a), false);
    check_blocked(false);
    world_fini(&w);
}

static void publishers_choose_their_subscribers(void **state)
{
    (void)state;
    struct client *a, *b;
    two(&a, &b);
    Livekit__SubscriptionPermission body = LIVEKIT__SUBSCRIPTION_PERMISSION__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(SUBSCRIPTION_PERMISSION);
    request.subscription_permission = &body;
    client_send(a, &request);
    assert_int_equal(world_count(&w, THING_SUB), 0);
    Livekit__SignalResponse *r = client_last(b, RESPONSE(SUBSCRIPTION_PERMISSION_UPDATE));
    assert_false(r->subscription_permission_update->allowed);
    Livekit__TrackPermission row = LIVEKIT__TRACK_PERMISSION__INIT;
    Livekit__TrackPermission *rows[] = {&row};
    row.participant_identity = (char *)"bert";
    row.all_tracks = true;
    body.track_permissions = rows;
    body.n_track_permissions = 1;
    client_send(a, &request);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 1);
    r = client_last(b, RESPONSE(SUBSCRIPTION_PERMISSION_UPDATE));
    assert_true(r->subscription_permission_update->allowed);
    world_fini(&w);
}

/* ---- a room with rules ---- */

static int rule_layer;
static bool rule_publish;
static bool rule_visible;
static int present;

static bool rule_can_publish(void *user, const char *room, const char *identity,
                             enum signal_source source)
{
    (void)user;
    (void)room;
    (void)identity;
    return rule_publish || source == SIGNAL_SOURCE_CAMERA;
}

static int rule_layer_for(void *user, const char *room, const char *viewer, const char *publisher,
                          enum signal_source source)
{
    (void)user;
    (void)room;
    (void)viewer;
    (void)publisher;
    (void)source;
    return rule_layer;
}

static bool rule_is_visible(void *user, const char *room, const char *viewer, const char *publisher)
{
    (void)user;
    (void)room;
    (void)viewer;
    (void)publisher;
    return rule_visible;
}

static int rule_on_join(void *user, const struct signal_grants *grants)
{
    (void)user;
    return strcmp(grants->identity, "carl") == 0 ? ERR_NOT_FOUND : 0;
}

static void rule_on_presence(void *user, const char *room, const char *identity, bool is_present)
{
    struct signal *s = *(struct signal **)user;
    (void)identity;
    present += is_present ? 1 : -1;
    signal_policy_changed(s, room, identity,
                          w.now); /* as the lesson does: from within the callback */
}

static bool is_ruled(void *user, const char *room)
{
    (void)user;
    return strcmp(room, "r1") == 0;
}

static void policy_decides_whatever_clients_ask(void **state)
{
    (void)state;
    rule_layer = 0;
    rule_publish = false;
    rule_visible = true;
    present = 0;
    world_init(&w, 1);
    const struct signal_policy policy = {.user = &w.signal,
                                         .can_publish = rule_can_publish,
                                         .layer_for = rule_layer_for,
                                         .is_visible = rule_is_visible,
                                         .on_join = rule_on_join,
                                         .on_presence = rule_on_presence};
    signal_set_policy(w.signal, &policy, is_ruled);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(client_new(&w, "carl", "r1"), true), 404);
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    assert_int_equal(present, 2);
    client_add_track(a, "mic", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    const Livekit__RequestResponse *refusal =
        client_last(a, RESPONSE(REQUEST_RESPONSE))->request_response;
    assert_int_equal(refusal->reason, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
    assert_string_equal(refusal->add_track->cid, "mic");
    client_publish(a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(sub_of(b)->target.layer_max, 0); /* the rules give the lowest */
    Livekit__UpdateTrackSettings s = LIVEKIT__UPDATE_TRACK_SETTINGS__INIT;
    s.quality = LIVEKIT__VIDEO_QUALITY__HIGH;
    send_settings(b, track_sid(a), s);
    assert_int_equal(sub_of(b)->target.layer_max, 0);
    rule_layer = 2; /* on stage */
    signal_policy_changed(w.signal, "r1", NULL, w.now);
    world_settle(&w);
    assert_int_equal(sub_of(b)->target.layer_max, 2);
    rule_layer = SFU_LAYER_NONE; /* down again */
    signal_policy_changed(w.signal, "r1", NULL, w.now);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 0);
    assert_true(only(THING_TRACK)->is_blocked);
    set_subscribed(b, track_sid(a), true);
    assert_int_equal(world_count(&w, THING_SUB), 0);
    rule_visible = false;
    signal_policy_changed(w.signal, "r1", NULL, w.now);
    world_settle(&w);
    assert_int_equal(client_sees(b, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    rule_visible = true;
    rule_layer = 1;
    signal_policy_changed(w.signal, "r1", NULL, w.now);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(client_sees(b, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    assert_int_equal(world_count(&w, THING_SUB), 1);
    assert_false(only(THING_TRACK)->is_blocked);
    assert_int_equal(signal_close_room(w.signal, "r1", w.now), 0);
    world_settle(&w);
    assert_true(a->is_closed);
    assert_int_equal(client_last(a, RESPONSE(LEAVE))->leave->reason,
                     LIVEKIT__DISCONNECT_REASON__ROOM_DELETED);
    assert_int_equal(present, 0);
    assert_int_equal(signal_close_room(w.signal, "r1", w.now), ERR_ROOM_NOT_FOUND);
    world_fini(&w);
}

static void keyframe_wishes_cross_workers(void **state)
{
    (void)state;
    world_init(&w, 2);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    client_publish(a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    world_advance(&w, MONO_MS(200));
    struct thing *sub = sub_of(b);
    w.keyframe_layer = -1;
    world_sfu_event(
        &w, sub->worker,
        (struct sfu_event){.kind = SFU_EVENT_KEYFRAME_WANTED, .track = sub->track, .layer = 1});
    assert_int_equal(w.keyframe_layer, 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_choose_the_layer),
        cmocka_unit_test(dynacast_raises_at_once_and_lowers_late),
        cmocka_unit_test(adaptive_stream_begins_low),
        cmocka_unit_test(sections_are_used_again),
        cmocka_unit_test(many_tracks_are_asked_for_in_one_message),
        cmocka_unit_test(requests_for_sections_are_forgotten),
        cmocka_unit_test(mute_reaches_everyone_with_a_higher_version),
        cmocka_unit_test(mute_reaches_every_worker),
        cmocka_unit_test(publishers_choose_their_subscribers),
        cmocka_unit_test(policy_decides_whatever_clients_ask),
        cmocka_unit_test(keyframe_wishes_cross_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
