/*
 * Goal: what participants hear of each other while a lesson runs: changes in batches, metadata,
 * speakers, quality, stream state, data tracks, pings.
 * Method: fake clients and workers (world.h) in virtual time.
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

static struct thing *source(void)
{
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        if (w.things[i].kind == THING_TRACK)
            return &w.things[i];
    return NULL;
}

static struct thing *only_sub(void)
{
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        if (w.things[i].kind == THING_SUB)
            return &w.things[i];
    return NULL;
}

static void two(bool is_video, struct client **ret_a, struct client **ret_b)
{
    world_init(&w, 1);
    *ret_a = client_new(&w, "anna", "r1");
    *ret_b = client_new(&w, "bert", "r1");
    (*ret_a)->claims.can_update_own_metadata = true;
    assert_int_equal(client_join(*ret_a, true), 0);
    assert_int_equal(client_join(*ret_b, true), 0);
    client_publish(*ret_a, "one", is_video, is_video ? 1 : 2, 0);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 1);
}

static void many_joins_are_told_in_batches(void **state)
{
    (void)state;
    world_init(&w, 2);
    struct client *first = client_new(&w, "p0", "r1");
    assert_int_equal(client_join(first, true), 0);
    char name[16];
    for (int i = 1; i < 17; i++) {
        sprintf(name, "p%d", i);
        assert_int_equal(client_join(client_new(&w, name, "r1"), true), 0);
    }
    world_advance(&w, MONO_S(3));
    client_forget_frames(first);
    for (int i = 17; i < 23; i++) {
        sprintf(name, "p%d", i);
        assert_int_equal(client_join(client_new(&w, name, "r1"), true), 0);
    }
    assert_int_equal(client_count(first, RESPONSE(UPDATE)), 0);
    world_advance(&w, MONO_S(3));
    assert_int_equal(client_count(first, RESPONSE(UPDATE)), 1);
    assert_non_null(client_sees(first, "p22"));
    assert_non_null(client_sees(first, "p17"));
    /* A publisher is never kept waiting. */
    client_publish(&w.clients[20], "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 0);
    assert_int_equal(client_sees(first, "p20")->n_tracks, 1);
    world_advance(&w, MONO_S(1));
    assert_int_equal(world_count(&w, THING_SUB), 22);
    world_fini(&w);
}

static void metadata_is_merged_and_told(void **state)
{
    (void)state;
    struct client *a, *b;
    two(false, &a, &b);
    Livekit__UpdateParticipantMetadata__AttributesEntry e =
        LIVEKIT__UPDATE_PARTICIPANT_METADATA__ATTRIBUTES_ENTRY__INIT;
    Livekit__UpdateParticipantMetadata__AttributesEntry *list[] = {&e};
    Livekit__UpdateParticipantMetadata body = LIVEKIT__UPDATE_PARTICIPANT_METADATA__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(UPDATE_METADATA);
    request.update_metadata = &body;
    body.request_id = 9;
    body.metadata = (char *)"{}";
    body.attributes = list;
    body.n_attributes = 1;
    e.key = (char *)"hand";
    e.value = (char *)"up";
    client_send(a, &request);
    const Livekit__RequestResponse *r =
        client_last(a, RESPONSE(REQUEST_RESPONSE))->request_response;
    assert_int_equal(r->request_id, 9);
    assert_int_equal(r->reason, LIVEKIT__REQUEST_RESPONSE__REASON__OK);
    assert_string_equal(client_sees(b, "anna")->metadata, "{}");
    assert_string_equal(client_sees(a, "anna")->attributes[0]->value, "up");
    body.metadata = (char *)"";
    e.value = (char *)"";
    client_send(a, &request);
    assert_string_equal(client_sees(b, "anna")->metadata, "{}");
    assert_int_equal(client_sees(b, "anna")->n_attributes, 0);
    client_send(b, &request); /* without the right */
    r = client_last(b, RESPONSE(REQUEST_RESPONSE))->request_response;
    assert_int_equal(r->reason, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
    e.value = malloc((64 << 10) + 1);
    memset(e.value, 'x', 64 << 10);
    e.value[64 << 10] = '\0';
    client_send(a, &request);
    r = client_last(a, RESPONSE(REQUEST_RESPONSE))->request_response;
    assert_int_equal(r->reason, LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
    free(e.value);
    world_fini(&w);
}

static void speak(uint8_t level, uint8_t percent)
{
    world_sfu_event(&w, 0,
                    (struct sfu_event){.kind = SFU_EVENT_AUDIO_WINDOW,
                                       .track = source()->id,
                                       .level_dbov = level,
                                       .active_percent = percent});
    world_advance(&w, MONO_MS(400));
}

static void speakers_come_and_go(void **state)
{
    (void)state;
    struct client *a, *b;
    two(false, &a, &b);
    client_forget_frames(b);
    speak(60, 10);
    assert_null(client_last(b, RESPONSE(SPEAKERS_CHANGED)));
    speak(10, 90);
    const Livekit__SpeakersChanged *s =
        client_last(b, RESPONSE(SPEAKERS_CHANGED))->speakers_changed;
    assert_int_equal(s->n_speakers, 1);
    assert_string_equal(s->speakers[0]->sid, a->sid);
    assert_true(s->speakers[0]->active);
    assert_true(s->speakers[0]->level > 0 && s->speakers[0]->level <= 1);
    float eighths = s->speakers[0]->level * 8;
    assert_true(eighths == (float)(int)eighths);
    assert_non_null(client_last(a, RESPONSE(SPEAKERS_CHANGED))); /* itself, too */
    world_advance(&w, MONO_S(5));
    s = client_last(b, RESPONSE(SPEAKERS_CHANGED))->speakers_changed;
    assert_false(s->speakers[0]->active);
    assert_true(s->speakers[0]->level == 0);
    world_fini(&w);
}

static void quality_and_stream_state_are_told_on_change(void **state)
{
    (void)state;
    struct client *a, *b;
    two(true, &a, &b);
    struct sfu_event e = {.kind = SFU_EVENT_PEER_QUALITY, .peer = source()->peer};
    for (int i = 0; i < 3; i++)
        world_sfu_event(&w, 0, e);
    assert_int_equal(client_count(a, RESPONSE(CONNECTION_QUALITY)), 1);
    e.up_loss_percent = 20;
    world_sfu_event(&w, 0, e);
    const Livekit__ConnectionQualityUpdate *q =
        client_last(b, RESPONSE(CONNECTION_QUALITY))->connection_quality;
    assert_int_equal(q->updates[0]->quality, LIVEKIT__CONNECTION_QUALITY__POOR);
    assert_string_equal(q->updates[0]->participant_sid, a->sid);
    struct sfu_event pause = {
        .kind = SFU_EVENT_STREAM_STATE, .sub = only_sub()->id, .is_paused = true};
    world_sfu_event(&w, 0, pause);
    world_sfu_event(&w, 0, pause);
    assert_int_equal(client_count(b, RESPONSE(STREAM_STATE_UPDATE)), 1);
    const Livekit__StreamStateInfo *info =
        client_last(b, RESPONSE(STREAM_STATE_UPDATE))->stream_state_update->stream_states[0];
    assert_int_equal(info->state, LIVEKIT__STREAM_STATE__PAUSED);
    world_fini(&w);
}

static void data_tracks_get_handles(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    b->has_auto_subscribe_data = true;
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    Livekit__PublishDataTrackRequest publish = LIVEKIT__PUBLISH_DATA_TRACK_REQUEST__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(PUBLISH_DATA_TRACK_REQUEST);
    request.publish_data_track_request = &publish;
    static const struct {
        uint32_t handle;
        const char *name;
        int reason; /* -1: accepted */
    } rows[] = {
        {7, "pens", -1},
        {7, "other", LIVEKIT__REQUEST_RESPONSE__REASON__DUPLICATE_HANDLE},
        {8, "pens", LIVEKIT__REQUEST_RESPONSE__REASON__DUPLICATE_NAME},
        {0, "zero", LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_HANDLE},
        {65536, "big", LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_HANDLE},
        {9, "", LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_NAME},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        publish.pub_handle = rows[i].handle;
        publish.name = (char *)(uintptr_t)rows[i].name;
        client_send(a, &request);
        if (rows[i].reason < 0)
            assert_non_null(client_last(a, RESPONSE(PUBLISH_DATA_TRACK_RESPONSE)));
        else
            assert_int_equal(client_last(a, RESPONSE(REQUEST_RESPONSE))->request_response->reason,
                             rows[i].reason);
    }
    assert_int_equal(client_sees(b, "anna")->n_data_tracks, 1);
    const Livekit__DataTrackSubscriberHandles *h =
        client_last(b, RESPONSE(DATA_TRACK_SUBSCRIBER_HANDLES))->data_track_subscriber_handles;
    assert_int_equal(h->n_sub_handles, 1);
    assert_string_equal(h->sub_handles[0]->value->publisher_identity, "anna");
    Livekit__UnpublishDataTrackRequest unpublish = LIVEKIT__UNPUBLISH_DATA_TRACK_REQUEST__INIT;
    unpublish.pub_handle = 7;
    request.message_case = REQUEST(UNPUBLISH_DATA_TRACK_REQUEST);
    request.unpublish_data_track_request = &unpublish;
    client_send(a, &request);
    assert_non_null(client_last(a, RESPONSE(UNPUBLISH_DATA_TRACK_RESPONSE)));
    h = client_last(b, RESPONSE(DATA_TRACK_SUBSCRIBER_HANDLES))->data_track_subscriber_handles;
    assert_int_equal(h->n_sub_handles, 0);
    assert_int_equal(client_sees(b, "anna")->n_data_tracks, 0);
    world_fini(&w);
}

static void tokens_are_refreshed_and_work(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(a, true), 0);
    world_advance(&w, MONO_S(301));
    assert_int_equal(client_count(a, RESPONSE(REFRESH_TOKEN)), 2);
    struct signal_grants grants;
    const char *token = client_last(a, RESPONSE(REFRESH_TOKEN))->refresh_token;
    assert_int_equal(signal_check_token(w.signal, token, w.wall + 500000, &grants), 0);
    assert_string_equal(grants.identity, "anna");
    assert_true(grants.room_join);
    world_fini(&w);
}

static void an_unanswered_offer_ends_in_a_full_reconnect(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1");
    a->is_auto_offer = false;
    assert_int_equal(client_join(a, false), 0);
    world_advance(&w, MONO_MS(15200));
    assert_true(a->is_closed);
    assert_int_equal(client_last(a, RESPONSE(LEAVE))->leave->action,
                     LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    world_fini(&w);
}

static void floods_are_limited(void **state)
{
    (void)state;
    struct client *a, *b;
    two(false, &a, &b);
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(PING);
    client_forget_frames(a);
    for (int i = 0; i < 4000; i++)
        client_send(a, &request);
    assert_in_range(client_count(a, RESPONSE(PONG)), 1000, 3000);
    assert_int_equal(client_last(a, RESPONSE(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
    client_forget_frames(a);
    client_send(b, &request); /* others are unaffected */
    assert_non_null(client_last(b, RESPONSE(PONG)));
    world_advance(&w, MONO_S(1));
    client_send(a, &request);
    assert_non_null(client_last(a, RESPONSE(PONG)));
    world_fini(&w);
}

static void must_be_refused(struct client *c, const char *words)
{
    const Livekit__SignalResponse *response = client_last(c, RESPONSE(REQUEST_RESPONSE));
    assert_non_null(response);
    assert_int_equal(response->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
    assert_string_equal(response->request_response->message, words);
}

/* Tracks that were only announced, and tracks that are there: the limit is named, and others go on.
 */
static void tracks_are_limited(void **state)
{
    (void)state;
    struct client *a, *b;
    two(false, &a, &b);
    char cid[16];
    for (int i = 0; i < 21; i++) {
        assert_null(client_last(a, RESPONSE(REQUEST_RESPONSE)));
        snprintf(cid, sizeof(cid), "wait%d", i);
        client_add_track(a, cid, false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    }
    must_be_refused(a, "more than 20 pending tracks");
    client_forget_frames(b);
    client_publish(b, "mic", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    assert_int_equal(client_sees(b, "bert")->n_tracks, 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_joins_are_told_in_batches),
        cmocka_unit_test(metadata_is_merged_and_told),
        cmocka_unit_test(speakers_come_and_go),
        cmocka_unit_test(quality_and_stream_state_are_told_on_change),
        cmocka_unit_test(data_tracks_get_handles),
        cmocka_unit_test(tokens_are_refreshed_and_work),
        cmocka_unit_test(an_unanswered_offer_ends_in_a_full_reconnect),
        cmocka_unit_test(floods_are_limited),
        cmocka_unit_test(tracks_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
