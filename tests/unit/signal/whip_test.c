/*
 * Goal: WHIP and WHEP clients are participants like others: they publish and receive, obey tokens,
 * rules and limits, restart ICE, go away, and leave nothing behind.
 * Method: offers of fake clients (world.h) handed to signal_whip_*(); the fake workers say what
 * they were told, LiveKit clients beside say what they see.
 */

#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include "base/err.h"
#include "signal/whip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define FRAG(ufrag) \
    "a=ice-ufrag:" ufrag "\r\na=ice-pwd:0123456789abcdef01234567\r\na=end-of-candidates\r\n"

static struct world w;
static struct signal_whip_reply reply; /* the last */

static void forget_reply(void)
{
    free(reply.body);
    memset(&reply, 0, sizeof(reply));
}

static void set_up(uint8_t worker_count)
{
    memset(&reply, 0, sizeof(reply));
    world_init(&w, worker_count);
}

static void tear_down(void)
{
    forget_reply();
    world_fini(&w);
}

/* A client with these sections, each "audio dir" or "video dir", in a room. */
static struct client *new_client(const char *identity, const char *const *sections)
{
    struct client *c = client_new(&w, identity, "r1");
    c->section_count = 0;
    for (; *sections != NULL; sections++) {
        char kind[12], dir[12];
        assert_int_equal(sscanf(*sections, "%11s %11s", kind, dir), 2);
        client_add_section(c, kind, dir, "", 0);
    }
    return c;
}

static struct client *new_publisher(const char *identity)
{
    static const char *const sections[] = {"audio sendonly", "video sendonly", NULL};
    return new_client(identity, sections);
}

static struct client *new_viewer(const char *identity)
{
    static const char *const sections[] = {"audio recvonly", "video recvonly", NULL};
    return new_client(identity, sections);
}

/* POSTs the client's offer; its sid field keeps the session. The status. */
static int post(struct client *c, bool is_viewer, const char *room, const char *participant)
{
    char *token, *offer = client_make_offer(c);
    static char bearer[4096];
    assert_int_equal(token_sign(w.config.keys, 1, &c->claims, 3600, w.wall, &token), 0);
    snprintf(bearer, sizeof(bearer), "Bearer %s", token);
    struct signal_whip_request request = {.is_viewer = is_viewer,
                                          .room = room,
                                          .participant = participant,
                                          .authorization = bearer,
                                          .offer = offer,
                                          .offer_size = strlen(offer)};
    forget_reply();
    signal_whip_open(w.signal, &request, w.now, w.wall, &reply);
    assert_non_null(reply.body);
    free(offer);
    free(token);
    world_settle(&w);
    world_advance(&w, MONO_MS(200));
    return reply.status;
}

static int whip(struct client *c)
{
    return post(c, false, "r1", "");
}

static int whep(struct client *c)
{
    return post(c, true, "", "");
}

/* With this Authorization, NULL = none. */
static int patch_as(const char *authorization, const char *id, const char *if_match,
                    const char *frag)
{
    const struct signal_whip_change change = {.id = id,
                                              .authorization = authorization,
                                              .if_match = if_match,
                                              .frag = frag,
                                              .frag_size = strlen(frag)};
    forget_reply();
    signal_whip_patch(w.signal, &change, w.now, w.wall, &reply);
    world_settle(&w);
    return reply.status;
}

static int patch(const char *id, const char *if_match, const char *frag)
{
    return patch_as(NULL, id, if_match, frag);
}

static int hang_up_as(const char *authorization, const char *id)
{
    char copy[64]; /* it may be the reply's own */
    snprintf(copy, sizeof(copy), "%s", id);
    forget_reply();
    signal_whip_close(w.signal,
                      &(struct signal_whip_change){.id = copy, .authorization = authorization},
                      w.now, w.wall, &reply);
    world_settle(&w);
    return reply.status;
}

static int hang_up(const char *id)
{
    return hang_up_as(NULL, id);
}

static struct thing *sub_of_kind(uint8_t kind)
{
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++) {
        struct thing *t = &w.things[i];
        if (t->kind != THING_SUB)
            continue;
        struct thing *track = world_thing(&w, THING_TRACK, t->track);
        if (track != NULL && track->track_config.kind == kind)
            return t;
    }
    return NULL;
}

/* ---- tests ---- */

static void publisher_is_seen(void **state)
{
    (void)state;
    set_up(2);
    struct client *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(b, true), 0);
    struct client *a = new_publisher("anna");
    a->sections[1].rids = 3;
    assert_int_equal(whip(a), 201);
    assert_int_equal(strlen(reply.id), SIGNAL_WHIP_ID_LENGTH);
    assert_non_null(strstr(reply.body, "a=ice-lite\r\n"));
    assert_non_null(strstr(reply.body, "a=simulcast:recv q;h;f\r\n"));
    const Livekit__ParticipantInfo *info = client_sees(b, "anna");
    assert_int_equal(info->n_tracks, 2);
    assert_int_equal(info->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    assert_int_equal(info->tracks[0]->source, LIVEKIT__TRACK_SOURCE__MICROPHONE);
    assert_int_equal(info->tracks[1]->source, LIVEKIT__TRACK_SOURCE__CAMERA);
    assert_true(info->tracks[1]->simulcast);
    assert_int_equal(info->tracks[1]->n_layers, 3);
    assert_int_equal(world_count(&w, THING_SUB), 2);
    char id[64];
    strcpy(id, reply.id);
    assert_int_equal(hang_up(id), 200);
    assert_int_equal(client_sees(b, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    assert_int_equal(world_count(&w, THING_TRACK), 0);
    assert_int_equal(hang_up(id), 404);
    client_leave(b);
    tear_down();
}

static void sources_by_order(void **state)
{
    (void)state;
    static const char *const sections[] = {
        "video sendonly", "audio sendonly", "video sendonly",       "audio sendrecv",
        "video recvonly", "video sendonly", "application sendrecv", NULL};
    static const int sources[] = {LIVEKIT__TRACK_SOURCE__CAMERA, LIVEKIT__TRACK_SOURCE__MICROPHONE,
                                  LIVEKIT__TRACK_SOURCE__SCREEN_SHARE,
                                  LIVEKIT__TRACK_SOURCE__SCREEN_SHARE_AUDIO,
                                  LIVEKIT__TRACK_SOURCE__UNKNOWN};
    set_up(1);
    struct client *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(b, true), 0);
    assert_int_equal(whip(new_client("anna", sections)), 201);
    assert_non_null(strstr(reply.body, "m=application 0 "));
    assert_non_null(strstr(reply.body, "a=group:BUNDLE 0 1 2 3 4 5\r\n"));
    const Livekit__ParticipantInfo *info = client_sees(b, "anna");
    assert_int_equal(info->n_tracks, 5);
    for (size_t i = 0; i < info->n_tracks; i++)
        assert_int_equal(info->tracks[i]->source, sources[i]);
    assert_int_equal(hang_up(reply.id), 200);
    client_leave(b);
    tear_down();
}

/* With the bundle policy "max-bundle" all sections but the first have port 0 (RFC 8843, 6). */
static void bundle_only_sections(void **state)
{
    (void)state;
    set_up(1);
    struct client *a = new_publisher("anna");
    char *offer = client_make_offer(a), *at = strstr(offer, "m=video 9 ");
    assert_non_null(at);
    at[strlen("m=video ")] = '0';
    char *bundled = malloc(strlen(offer) + 32);
    assert_non_null(bundled);
    sprintf(bundled, "%sa=bundle-only\r\n", offer);
    a->sdp = bundled;
    assert_int_equal(whip(a), 201);
    assert_int_equal(world_count(&w, THING_TRACK), 2);
    assert_null(strstr(reply.body, "m=video 0"));
    char first[64], second[64];
    strcpy(first, reply.id);
    sprintf(bundled, "%s", offer); /* without the word port 0 means no */
    assert_int_equal(whip(a), 201);
    assert_int_equal(world_count(&w, THING_TRACK), 1);
    strcpy(second, reply.id);
    assert_int_equal(hang_up(first), 404); /* the second took its place */
    assert_int_equal(hang_up(second), 200);
    free(bundled);
    free(offer);
    tear_down();
}

static void viewer_keeps_its_ssrcs(void **state)
{
    (void)state;
    set_up(2);
    assert_int_equal(whep(new_viewer("wall")), 201);
    char id[64], line[64];
    strcpy(id, reply.id);
    assert_non_null(strstr(reply.body, "a=sendonly\r\n"));
    assert_int_equal(world_count(&w, THING_SUB), 0);
    char *answer = reply.body;
    reply.body = NULL;
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_null(client_sees(a, "wall")->tracks);
    client_publish(a, "screen", true, LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, 0);
    client_publish(a, "mic", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 2);
    uint32_t ssrc = sub_of_kind(RTP_KIND_VIDEO)->sub_config.ssrc;
    uint32_t rtx = sub_of_kind(RTP_KIND_VIDEO)->sub_config.rtx_ssrc;
    sfu_track_id first = sub_of_kind(RTP_KIND_VIDEO)->track;
    assert_true(sub_of_kind(RTP_KIND_VIDEO)->sub_config.is_kept_ssrc);
    snprintf(line, sizeof(line), "a=ssrc-group:FID %u %u\r\n", ssrc, rtx);
    assert_non_null(strstr(answer, line));
    snprintf(line, sizeof(line), "a=ssrc:%u cname:", sub_of_kind(RTP_KIND_AUDIO)->sub_config.ssrc);
    assert_non_null(strstr(answer, line));
    /* Sections are taken: the next one waits, until the first ends. */
    assert_int_equal(client_join(b, true), 0);
    world_advance(&w, MONO_MS(200));
    client_publish(b, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    world_advance(&w, MONO_MS(200));
    client_leave(a);
    world_advance(&w, MONO_MS(200));
    struct thing *sub = sub_of_kind(RTP_KIND_VIDEO);
    assert_int_not_equal(sub->track, first);
    assert_int_equal(sub->sub_config.ssrc, ssrc);
    assert_int_equal(sub->sub_config.rtx_ssrc, rtx);
    assert_int_equal(sub->target.layer_max, 2);
    assert_int_equal(hang_up(id), 200);
    assert_int_equal(world_count(&w, THING_SUB), 0);
    client_leave(b);
    free(answer);
    tear_down();
}

static void cameras_come_before_screens(void **state)
{
    (void)state;
    set_up(1);
    struct client *a = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(a, true), 0);
    client_publish(a, "screen", true, LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, 0);
    client_publish(a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
    assert_int_equal(whep(new_viewer("wall")), 201);
    assert_int_equal(world_count(&w, THING_SUB), 1);
    struct thing *track = world_thing(&w, THING_TRACK, sub_of_kind(RTP_KIND_VIDEO)->track);
    assert_int_equal(track->track_config.layer_count, 3);
    assert_int_equal(hang_up(reply.id), 200);
    client_leave(a);
    tear_down();
}

static void one_participant_only(void **state)
{
    (void)state;
    set_up(1);
    assert_int_equal(whip(new_publisher("anna")), 201);
    char id[64];
    strcpy(id, reply.id);
    assert_int_equal(post(new_viewer("wall"), true, "r1", "bert"), 201);
    assert_int_equal(world_count(&w, THING_SUB), 0);
    struct client *b = client_new(&w, "bert", "r1");
    b->has_auto_subscribe = false;
    assert_int_equal(client_join(b, true), 0);
    client_publish(b, "mic", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 1);
    assert_int_equal(hang_up(reply.id), 200);
    assert_int_equal(hang_up(id), 200);
    client_leave(b);
    tear_down();
}

static void hidden_viewer(void **state)
{
    (void)state;
    set_up(1);
    struct client *a = client_new(&w, "anna", "r1"), *c = new_viewer("wall");
    assert_int_equal(client_join(a, true), 0);
    c->claims.grants.hidden = true;
    assert_int_equal(whep(c), 201);
    assert_null(client_sees(a, "wall"));
    assert_int_equal(hang_up(reply.id), 200);
    client_leave(a);
    tear_down();
}

static void ice_restart(void **state)
{
    (void)state;
    set_up(2);
    assert_int_equal(whip(new_publisher("anna")), 201);
    char id[64], etag[SIGNAL_WHIP_ETAG_SIZE];
    strcpy(id, reply.id);
    strcpy(etag, reply.etag);
    uint32_t remotes = w.command_counts[MEDIA_PEER_REMOTE];
    assert_int_equal(patch(id, etag, FRAG("uf10")), 204);
    assert_int_equal(patch(id, etag, "a=end-of-candidates\r\n"), 204);
    assert_int_equal(patch(id, etag, FRAG("other")), 409);
    assert_int_equal(patch(id, "*", FRAG("uf10")), 409);
    assert_int_equal(patch(id, "*", "a=mid:0\r\n"), 400);
    assert_int_equal(patch(id, "*", "a=ice-ufrag:new0\r\n"), 400);
    assert_int_equal(patch(id, "", FRAG("uf10")), 428);
    assert_int_equal(patch(id, "\"x\"", FRAG("uf10")), 412);
    assert_int_equal(patch("none", "*", FRAG("new0")), 404);
    assert_int_equal(w.command_counts[MEDIA_PEER_REMOTE], remotes);
    assert_int_equal(patch(id, "*", FRAG("new0")), 200);
    assert_int_equal(w.command_counts[MEDIA_PEER_REMOTE], remotes + 1);
    assert_int_equal(w.command_counts[MEDIA_PEER_LOCAL], 1);
    char line[64];
    int etag_size = (int)strlen(reply.etag);
    assert_string_not_equal(reply.etag, etag);
    snprintf(line, sizeof(line), "a=ice-ufrag:%.*s\r\n", etag_size - 2, reply.etag + 1);
    assert_non_null(strstr(reply.body, line));
    assert_non_null(strstr(reply.body, "a=candidate:1 1 udp "));
    char fresh[SIGNAL_WHIP_ETAG_SIZE];
    strcpy(fresh, reply.etag);
    assert_int_equal(patch(id, etag, FRAG("new0")), 412);
    assert_int_equal(patch(id, fresh, FRAG("new0")), 204);
    assert_int_equal(hang_up(id), 200);
    tear_down();
}

static void peer_failed(struct thing *peer, int err)
{
    struct media_event e = {
        .kind = MEDIA_EVENT_PEER_FAILED, .worker = peer->worker, .peer = peer->id, .err = err};
    signal_handle_event(w.signal, &e, w.now, w.wall);
    world_settle(&w);
}

static struct thing *only_peer(void)
{
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        if (w.things[i].kind == THING_PEER)
            return &w.things[i];
    return NULL;
}

static void lost_line_is_held(void **state)
{
    (void)state;
    set_up(1);
    assert_int_equal(whip(new_publisher("anna")), 201);
    char id[64];
    strcpy(id, reply.id);
    /* A quiet session needs no sign of life but media's. */
    world_advance(&w, MONO_S(120));
    assert_int_equal(world_count(&w, THING_TRACK), 2);
    peer_failed(only_peer(), ERR_TIMEOUT);
    world_advance(&w, w.config.resume_timeout - MONO_S(1));
    assert_int_equal(world_count(&w, THING_TRACK), 2);
    assert_int_equal(patch(id, "*", FRAG("new0")), 200); /* connects again */
    world_advance(&w, MONO_S(90));
    assert_int_equal(world_count(&w, THING_TRACK), 2);
    peer_failed(only_peer(), ERR_TIMEOUT);
    world_advance(&w, w.config.resume_timeout + MONO_S(1));
    assert_int_equal(world_count(&w, THING_PEER), 0);
    assert_int_equal(hang_up(id), 404);
    /* What is not the line's fault ends it at once. */
    assert_int_equal(whip(new_publisher("anna")), 201);
    peer_failed(only_peer(), ERR_SEC_FINGERPRINT);
    assert_int_equal(world_count(&w, THING_PEER), 0);
    /* One that never connects goes, too. */
    w.is_auto_connect = false;
    assert_int_equal(whip(new_publisher("anna")), 201);
    world_advance(&w, MONO_S(61));
    assert_int_equal(world_count(&w, THING_PEER), 0);
    tear_down();
}

static void identity_is_taken_over(void **state)
{
    (void)state;
    set_up(1);
    assert_int_equal(whip(new_publisher("anna")), 201);
    char id[64];
    strcpy(id, reply.id);
    struct client *bad = new_publisher("anna");
    bad->sdp = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtcp-mux\r\n";
    assert_int_equal(whip(bad), 400); /* sends nobody away */
    assert_non_null(strstr(reply.body, "ICE credentials"));
    assert_int_equal(world_count(&w, THING_PEER), 1);
    assert_int_equal(whip(new_publisher("anna")), 201);
    assert_int_equal(world_count(&w, THING_PEER), 1);
    assert_int_equal(hang_up(id), 404);
    assert_int_equal(signal_close_room(w.signal, "r1", w.now), 0);
    world_settle(&w);
    tear_down();
}

static void refusals(void **state)
{
    (void)state;
    static const char *const directions[] = {"audio inactive", "video recvonly", NULL};
    static const char *const both[] = {"audio sendrecv", NULL};
    set_up(1);
    struct client *c = new_publisher("anna");
    assert_int_equal(post(c, false, "r2", ""), 403);
    assert_int_equal(post(c, true, "r1", ""), 400);
    assert_int_equal(whip(new_client("anna", directions)), 400);
    assert_int_equal(whep(new_client("anna", both)), 400);
    c->claims.grants.can_publish = false;
    assert_int_equal(whip(c), 403);
    c->claims.grants.can_publish = true;
    c->claims.publish_sources = 1u << SIGNAL_SOURCE_SCREEN;
    assert_int_equal(whip(c), 403);
    c->claims.publish_sources = 0;
    c->claims.grants.room_join = false;
    assert_int_equal(whip(c), 403);
    c->claims.grants.room_join = true;
    strcpy(c->claims.grants.key, "devkey");
    c->section_count = 0;
    for (size_t i = 0; i <= SIGNAL_WHIP_SECTIONS; i++)
        client_add_section(c, "audio", "sendonly", "", 0);
    assert_int_equal(whip(c), 400);
    assert_int_equal(world_count(&w, THING_PEER), 0);
    /* No token at all. */
    forget_reply();
    struct signal_whip_request request = {.room = "", .participant = "", .offer = ""};
    signal_whip_open(w.signal, &request, w.now, w.wall, &reply);
    assert_int_equal(reply.status, 401);
    tear_down();
}

/* free() it. */
static char *bearer_of(const struct client *c, const char *identity, const char *room,
                       int64_t ttl_s)
{
    struct token_claims claims = c->claims; /* its texts stay the client's */
    char *token, *bearer;
    snprintf(claims.grants.identity, sizeof(claims.grants.identity), "%s", identity);
    snprintf(claims.grants.room, sizeof(claims.grants.room), "%s", room);
    assert_int_equal(token_sign(w.config.keys, 1, &claims, ttl_s, w.wall, &token), 0);
    size_t size = strlen(token) + sizeof("Bearer ");
    bearer = malloc(size);
    assert_non_null(bearer);
    snprintf(bearer, size, "Bearer %s", token);
    free(token);
    return bearer;
}

/* A token is not needed beside the session's address; a wrong one is refused, and nothing happens.
 */
static void tokens_of_sessions(void **state)
{
    (void)state;
    set_up(1);
    struct client *c = new_publisher("anna"), *viewer = new_viewer("anna");
    char *old = bearer_of(c, "anna", "r1", 1);
    world_advance(&w, MONO_S(1 + TOKEN_LEEWAY_S + 1));
    char *own = bearer_of(c, "anna", "r1", 60), *other = bearer_of(c, "bert", "r1", 3600);
    char *elsewhere = bearer_of(c, "anna", "r2", 3600), *forged = bearer_of(c, "anna", "r1", 3600);
    char *last = forged + strlen(forged) - 2; /* of the very last character not all bits count */
    *last = *last == 'A' ? 'B' : 'A';
    const struct {
        const char *authorization;
        int status; /* 0: it is good */
    } rows[] = {{NULL, 0},      {own, 0},         {old, 401},       {forged, 401},
                {other, 403},   {elsewhere, 403}, {"Bearer ", 401}, {"Bearer x.y.z", 401},
                {"Basic", 401}, {own + 7, 401}};
    for (size_t i = 0; i < 2 * ARRAY_COUNT(rows); i++) {
        bool is_viewer = i >= ARRAY_COUNT(rows);
        const char *authorization = rows[i % ARRAY_COUNT(rows)].authorization;
        int status = rows[i % ARRAY_COUNT(rows)].status;
        char id[64], etag[SIGNAL_WHIP_ETAG_SIZE];
        assert_int_equal(is_viewer ? whep(viewer) : whip(c), 201);
        strcpy(id, reply.id);
        strcpy(etag, reply.etag);
        uint32_t restarts = w.command_counts[MEDIA_PEER_LOCAL];
        const char *frag = is_viewer ? FRAG("uf20") : FRAG("uf10");
        assert_int_equal(patch_as(authorization, id, etag, frag), status ? status : 204);
        assert_int_equal(patch_as(authorization, id, "*", FRAG("new0")), status ? status : 200);
        assert_int_equal(w.command_counts[MEDIA_PEER_LOCAL], restarts + (status == 0));
        assert_int_equal(hang_up_as(authorization, id), status ? status : 200);
        assert_int_equal(world_count(&w, THING_PEER), status ? 1 : 0);
        assert_int_equal(hang_up(id), status ? 200 : 404);
    }
    /* It ran out while the session lasted. */
    assert_int_equal(whip(c), 201);
    char id[64];
    strcpy(id, reply.id);
    world_advance(&w, MONO_S(60 + TOKEN_LEEWAY_S + 1));
    assert_int_equal(patch_as(old, id, "*", FRAG("new0")), 401);
    assert_int_equal(patch_as(own, id, "*", FRAG("new0")), 200);
    assert_int_equal(hang_up_as(own, id), 200);
    free(old);
    free(own);
    free(other);
    free(elsewhere);
    free(forged);
    tear_down();
}

static void rates(void **state)
{
    (void)state;
    set_up(1);
    assert_int_equal(whip(new_publisher("anna")), 201);
    char id[64];
    int status = 0, count = 0;
    strcpy(id, reply.id);
    for (; status != 429 && count < 1000; count++)
        status = patch(id, "\"x\"", FRAG("uf10"));
    assert_int_equal(status, 429);
    assert_true(count > 10 * SIGNAL_WHIP_PATCHES_S);
    world_advance(&w, MONO_S(1));
    assert_int_equal(patch(id, "\"x\"", FRAG("uf10")), 412);
    /* Offers: one that is refused costs as much as another. */
    struct signal_whip_request request = {.room = "", .participant = "", .offer = ""};
    for (status = 0, count = 0; status != 429 && count < 10000; count++) {
        forget_reply();
        signal_whip_open(w.signal, &request, w.now, w.wall, &reply);
        status = reply.status;
    }
    assert_int_equal(status, 429);
    assert_true(count >= SIGNAL_WHIP_OPENS_S);
    world_advance(&w, MONO_S(1));
    assert_int_equal(hang_up(id), 200);
    assert_int_equal(whip(new_publisher("anna")), 201);
    assert_int_equal(hang_up(reply.id), 200);
    tear_down();
}

static void room_limit(void **state)
{
    (void)state;
    set_up(1);
    struct client *c = new_publisher("anna");
    c->claims.room_config = strdup("{\"maxParticipants\":1}");
    assert_int_equal(whip(c), 201);
    char id[64];
    strcpy(id, reply.id);
    assert_int_equal(whep(new_viewer("wall")), 503);
    assert_int_equal(hang_up(id), 200);
    free(c->claims.room_config);
    c->claims.room_config = NULL;
    tear_down();
}

/* ---- a room with rules ---- */

static int rule_layer;

static bool only_cameras(void *user, const char *room, const char *identity,
                         enum signal_source source)
{
    (void)user;
    (void)room;
    return source == SIGNAL_SOURCE_CAMERA && strcmp(identity, "guest") != 0;
}

static int layer_for(void *user, const char *room, const char *viewer, const char *publisher,
                     enum signal_source source)
{
    (void)user;
    (void)room;
    (void)viewer;
    (void)publisher;
    (void)source;
    return rule_layer;
}

static int on_join(void *user, const struct signal_grants *grants)
{
    (void)user;
    return strcmp(grants->identity, "carl") == 0 ? ERR_LESSON_ENDED : 0;
}

static void rules_hold(void **state)
{
    (void)state;
    set_up(1);
    const struct signal_policy policy = {
        .can_publish = only_cameras, .layer_for = layer_for, .on_join = on_join};
    signal_set_policy(w.signal, &policy, NULL);
    assert_int_equal(whip(new_publisher("carl")), 410);
    assert_int_equal(whip(new_publisher("guest")), 403);
    assert_int_equal(whip(new_publisher("anna")), 201);
    assert_int_equal(world_count(&w, THING_TRACK), 1); /* the camera, not the microphone */
    rule_layer = SFU_LAYER_NONE;
    assert_int_equal(whep(new_viewer("wall")), 201);
    assert_int_equal(world_count(&w, THING_SUB), 0);
    rule_layer = 1;
    signal_policy_changed(w.signal, "r1", NULL, w.now);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 1);
    rule_layer = SFU_LAYER_NONE;
    signal_policy_changed(w.signal, "r1", NULL, w.now);
    world_advance(&w, MONO_MS(200));
    assert_int_equal(world_count(&w, THING_SUB), 0);
    assert_int_equal(signal_close_room(w.signal, "r1", w.now), 0);
    world_settle(&w);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publisher_is_seen),
        cmocka_unit_test(sources_by_order),
        cmocka_unit_test(bundle_only_sections),
        cmocka_unit_test(viewer_keeps_its_ssrcs),
        cmocka_unit_test(cameras_come_before_screens),
        cmocka_unit_test(one_participant_only),
        cmocka_unit_test(hidden_viewer),
        cmocka_unit_test(ice_restart),
        cmocka_unit_test(lost_line_is_held),
        cmocka_unit_test(identity_is_taken_over),
        cmocka_unit_test(refusals),
        cmocka_unit_test(tokens_of_sessions),
        cmocka_unit_test(rates),
        cmocka_unit_test(room_limit),
        cmocka_unit_test(rules_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
