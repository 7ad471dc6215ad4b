/*
 * Goal: a viewer who cannot decode a publication makes its publisher send the announced backup
 * codec, to which the publication moves for everybody; nobody else can move it.
 * Method: a publisher whose worker reports VP9, and a viewer whose offer has VP8 and H.264.
 */
#include "unit/cmocka_all.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

static struct world w;

/* Announces "cam" as VP9 with VP8 as the backup; with a sid: the backup itself. */
static void announce(struct client *c, const char *cid, const char *sid)
{
    Livekit__AddTrackRequest add_track = LIVEKIT__ADD_TRACK_REQUEST__INIT;
    Livekit__SimulcastCodec first = LIVEKIT__SIMULCAST_CODEC__INIT, second = first;
    Livekit__SimulcastCodec *codecs[] = {&first, &second};
    first.codec = (char *)(uintptr_t)(*sid != '\0' ? "vp8" : "vp9");
    first.cid = (char *)(uintptr_t)cid;
    second.codec = (char *)"vp8";
    add_track.cid = (char *)(uintptr_t)cid;
    add_track.sid = (char *)(uintptr_t)sid;
    add_track.type = LIVEKIT__TRACK_TYPE__VIDEO;
    add_track.source = LIVEKIT__TRACK_SOURCE__CAMERA;
    add_track.simulcast_codecs = codecs;
    add_track.n_simulcast_codecs = *sid != '\0' ? 1 : 2;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
    request.add_track = &add_track;
    client_send(c, &request);
}

static void offer_section(struct client *c, const char *cid, int rids)
{
    client_add_section(c, "video", "sendonly", cid, rids);
    client_offer(c);
}

static void report_vp9(void)
{
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        if (w.things[i].kind == THING_TRACK)
            world_sfu_event(&w, 0,
                            (struct sfu_event){.kind = SFU_EVENT_LAYER_STARTED,
                                               .peer = w.things[i].peer,
                                               .track = w.things[i].id,
                                               .codec = RTP_CODEC_VP9});
}

/* Whether the publisher was told last that anybody wants this codec. */
static bool is_wanted(struct client *publisher, const char *codec)
{
    const Livekit__SubscribedQualityUpdate *u =
        client_last(publisher, RESPONSE(SUBSCRIBED_QUALITY_UPDATE))->subscribed_quality_update;
    for (size_t i = 0; i < u->n_subscribed_codecs; i++)
        for (size_t q = 0; q < u->subscribed_codecs[i]->n_qualities; q++)
            if (strcmp(u->subscribed_codecs[i]->codec, codec) == 0 &&
                u->subscribed_codecs[i]->qualities[q]->enabled)
                return true;
    return false;
}

static void moves_to_the_backup(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    announce(a, "cam", "");
    offer_section(a, "cam", 0);
    report_vp9();
    char sid[32];
    snprintf(sid, sizeof(sid), "%s",
             client_last(a, RESPONSE(TRACK_PUBLISHED))->track_published->track->sid);
    announce(a, "cam-vp8", sid); /* nobody has asked yet */
    assert_int_equal(client_last(a, RESPONSE(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_REQUEST);

    assert_int_equal(client_join(b, true), 0);
    world_advance(&w, MONO_MS(500));
    assert_int_equal(client_count(b, RESPONSE(SUBSCRIPTION_RESPONSE)), 0);
    assert_int_equal(client_track_count(b), 0);
    assert_true(is_wanted(a, "vp8"));
    assert_false(is_wanted(a, "vp9"));

    announce(b, "theirs", sid); /* not b's to move */
    assert_int_equal(client_last(b, RESPONSE(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_REQUEST);
    announce(a, "cam-vp8", sid);
    assert_string_equal(client_last(a, RESPONSE(TRACK_PUBLISHED))->track_published->cid, "cam-vp8");
    offer_section(a, "cam-vp8", 3);
    world_advance(&w, MONO_MS(500));
    assert_int_equal(client_track_count(b), 1);
    assert_int_equal(world_count(&w, THING_TRACK), 1);
    assert_int_equal(world_count(&w, THING_SUB), 1);
    const Livekit__ParticipantInfo *info = client_sees(b, "anna");
    assert_int_equal(info->n_tracks, 1);
    assert_string_equal(info->tracks[0]->sid, sid);
    assert_string_equal(info->tracks[0]->mime_type, "video/VP8");
    assert_true(is_wanted(a, "vp8"));
    assert_false(is_wanted(a, "vp9"));

    /* The first section still sends; a new publication must not be found there. */
    client_publish(a, "screen", true, LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, 0);
    world_advance(&w, MONO_MS(500));
    assert_int_equal(client_sees(b, "anna")->n_tracks, 2);
    assert_int_equal(client_track_count(b), 2);
    client_leave(a);
    assert_int_equal(world_count(&w, THING_TRACK), 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_to_the_backup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
