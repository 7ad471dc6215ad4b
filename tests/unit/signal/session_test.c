/*
 * Goal: sessions join, publish, subscribe and leave as the LiveKit clients expect, on one and on
 * two connections, and nothing is left behind.
 * Method: fake clients and fake workers (world.h) exchange the real messages; what the clients see
 * and what the workers were told is compared.
 */

#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

static void join_single(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 2);
    struct client *c = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(c, true), 0);
    assert_int_equal(c->frames[0]->message_case, RESPONSE(JOIN));
    const Livekit__JoinResponse *join = c->frames[0]->join;
    assert_memory_equal(join->participant->sid, "PA_", 3);
    assert_memory_equal(join->room->sid, "RM_", 3);
    assert_string_equal(join->room->name, "r1");
    assert_false(join->subscriber_primary);
    assert_int_equal(join->ping_interval, 5);
    assert_int_equal(join->ping_timeout, 15);
    assert_string_equal(join->server_info->version, "1.13.5");
    assert_non_null(join->participant->permission);
    assert_true(join->participant->permission->can_publish);
    assert_true(join->room->creation_time_ms == w.wall);
    assert_int_equal(c->frames[1]->message_case, RESPONSE(ANSWER));
    assert_int_equal(c->frames[1]->answer->id, 1);
    assert_int_equal(client_count(c, RESPONSE(REFRESH_TOKEN)), 1);
    assert_int_equal(client_sees(c, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    assert_int_equal(world_count(&w, THING_PEER), 1);
    client_leave(c);
    assert_true(c->is_closed);
    assert_int_equal(world_count(&w, THING_PEER), 0);
    world_fini(&w);
}

static void join_dual(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 2);
    struct client *c = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(c, false), 0);
    assert_int_equal(c->frames[0]->message_case, RESPONSE(JOIN));
    assert_true(c->frames[0]->join->subscriber_primary);
    assert_int_equal(client_count(c, RESPONSE(OFFER)), 1);
    assert_int_equal(client_sees(c, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    assert_int_equal(world_count(&w, THING_PEER), 1); /* the publisher side is lazy */
    client_leave(c);
    world_fini(&w);
}

static int webhooks_of_a_visit(bool has_receiver)
{
    static struct world w;
    int count = 0;
    world_init(&w, 1);
    signal_destroy(w.signal);
    w.config.has_no_webhooks = !has_receiver;
    assert_int_equal(signal_create(&w.config, w.now, w.wall, &w.signal), 0);
    struct client *c = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(c, true), 0);
    client_leave(c);
    for (char *body; signal_poll_webhook(w.signal, &body) > 0; count++)
        free(body);
    world_fini(&w);
    return count;
}

static void events_are_made_for_receivers(void **state)
{
    (void)state;
    assert_int_equal(webhooks_of_a_visit(true), 3); /* room started, joined, left */
    assert_int_equal(webhooks_of_a_visit(false), 0);
}

static void publish_and_subscribe(bool is_v1)
{
    static struct world w;
    world_init(&w, 2);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, is_v1), 0);
    assert_int_equal(client_join(b, is_v1), 0);
    client_publish(a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    Livekit__SignalResponse *published = client_last(a, RESPONSE(TRACK_PUBLISHED));
    assert_non_null(published);
    assert_string_equal(published->track_published->cid, "cam");
    assert_memory_equal(published->track_published->track->sid, "TR_VC", 5);
    assert_int_equal(published->track_published->track->type, LIVEKIT__TRACK_TYPE__VIDEO);
    const Livekit__ParticipantInfo *info = client_sees(b, "anna");
    assert_int_equal(info->n_tracks, 1);
    assert_string_equal(info->tracks[0]->mime_type, "video/VP8");
    assert_true(info->is_publisher);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(client_track_count(b), 1);
    assert_int_equal(world_count(&w, THING_SUB), 1);
    struct thing *track = NULL, *sub = NULL;
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++) {
        if (w.things[i].kind == THING_SUB)
            sub = &w.things[i];
        if (w.things[i].kind == THING_TRACK && w.things[i].track_config.source_peer != 0)
            track = &w.things[i];
    }
    assert_int_equal(track->track_config.layer_count, 3);
    assert_string_equal(track->track_config.rids[0], "q");
    assert_string_equal(track->track_config.rids[2], "f");
    assert_int_equal(track->track_config.widths[2], 1280);
    assert_int_equal(sub->target.layer_max, 2);
    assert_int_not_equal(sub->sub_config.ssrc, 0);
    assert_int_not_equal(sub->sub_config.rtx_ssrc, 0);
    assert_int_not_equal(sub->worker, track->worker); /* the least loaded worker was chosen */
    assert_int_equal(track->relay_mask, 1u << sub->worker);
    assert_int_equal(client_count(a, RESPONSE(TRACK_SUBSCRIBED)), 1);
    client_leave(a);
    assert_int_equal(client_sees(b, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    assert_int_equal(world_count(&w, THING_SUB), 0);
    assert_int_equal(world_count(&w, THING_TRACK), 0);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(client_track_count(b), 0);
    world_fini(&w);
}

static void publish_and_subscribe_single(void **state)
{
    (void)state;
    publish_and_subscribe(true);
}

static void publish_and_subscribe_dual(void **state)
{
    (void)state;
    publish_and_subscribe(false);
}

static char *read_file(const char *path)
{
    static char text[256 << 10];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[size] = '\0';
    return text;
}

static void captured_offers_are_answered_section_by_section(void **state)
{
    (void)state;
    static const char *const paths[] = {"tests/vectors/sdp/livekit-client-2.23-join.sdp",
                                        "tests/vectors/sdp/chromium-156-simulcast.sdp"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        static struct world w;
        world_init(&w, 1);
        struct client *c = client_new(&w, "anna", "r1");
        c->sdp = read_file(paths[i]);
        assert_int_equal(client_join(c, true), 0);
        const Livekit__SessionDescription *answer = client_last(c, RESPONSE(ANSWER))->answer;
        struct sdp_session *offer, *parsed;
        struct sdp_error error;
        assert_int_equal(sdp_parse(c->sdp, strlen(c->sdp), &offer, &error), 0);
        assert_int_equal(sdp_parse(answer->sdp, strlen(answer->sdp), &parsed, &error), 0);
        assert_int_equal(parsed->section_count, offer->section_count);
        assert_true(parsed->is_ice_lite);
        for (size_t k = 0; k < offer->section_count; k++) {
            assert_string_equal(parsed->sections[k].mid, offer->sections[k].mid);
            assert_int_not_equal(parsed->sections[k].port, 0);
        }
        assert_int_equal(client_sees(c, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
        sdp_destroy(offer);
        sdp_destroy(parsed);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_single),
        cmocka_unit_test(join_dual),
        cmocka_unit_test(events_are_made_for_receivers),
        cmocka_unit_test(publish_and_subscribe_single),
        cmocka_unit_test(publish_and_subscribe_dual),
        cmocka_unit_test(captured_offers_are_answered_section_by_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
