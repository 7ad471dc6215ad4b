#include "integration/site.h"

#include "base/strbuf.h"
#include "signal/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <cmocka.h>
// clang-format on

#define VIDEO_EVERY   MONO_MS(66)
#define AUDIO_EVERY   MONO_MS(20)
#define KEYFRAME_EACH 300 /* frames: on request otherwise */
#define AUDIO_SIZE    120
#define SLICE         MONO_MS(5)

/* What every made-up payload carries behind its headers, so that receivers can tell damage. */
static const char mark[8] = {'t', 'o', 'n', 'g', 'k', 'e', '!', '\n'};

/* ---- tokens ---- */

static const struct signal_key dev_key = {.key = "devkey", .secret = "secret"};

static const char *sign(struct token_claims *claims)
{
    static char *token;
    free(token);
    token = NULL;
    assert_int_equal(str_copy(claims->grants.key, sizeof(claims->grants.key), "devkey"), 0);
    assert_int_equal(token_sign(&dev_key, 1, claims, 3600, wall_now(), &token), 0);
    token_claims_fini(claims);
    return token;
}

const char *it_token(const char *room, const char *identity, const char *role)
{
    struct token_claims claims;
    token_claims_init(&claims);
    struct signal_grants *g = &claims.grants;
    g->room_join = true;
    assert_int_equal(str_copy(g->room, sizeof(g->room), room), 0);
    assert_int_equal(str_copy(g->identity, sizeof(g->identity), identity), 0);
    assert_int_equal(str_copy(g->name, sizeof(g->name), identity), 0);
    if (role != NULL) {
        assert_int_equal(str_copy(g->lesson_id, sizeof(g->lesson_id), room), 0);
        assert_int_equal(str_copy(g->lesson_role, sizeof(g->lesson_role), role), 0);
        assert_int_equal(str_copy(g->lesson_school, sizeof(g->lesson_school), "school"), 0);
    }
    return sign(&claims);
}

const char *it_admin_token(void)
{
    struct token_claims claims;
    token_claims_init(&claims);
    claims.grants.room_create = true;
    claims.grants.room_list = true;
    assert_int_equal(str_copy(claims.grants.identity, sizeof(claims.grants.identity), "admin"), 0);
    return sign(&claims);
}

/* ---- world ---- */

void it_world_start(struct it_world *w)
{
    it_world_start_with(w, "", 2);
}

void it_world_start_with(struct it_world *w, const char *keys, int workers)
{
    memset(w, 0, sizeof(*w));
    rng_init_seeded(&w->rng, 1);
    rng_fill(&w->rng, w->noise, sizeof(w->noise));
    it_server_start_with(&w->server, keys, workers);
    assert_int_equal(client_hub_create(&w->hub), 0);
}

void it_world_stop(struct it_world *w)
{
    for (size_t i = 0; i < IT_SITES_MAX; i++)
        if (w->sites[i].client != NULL)
            it_site_leave(&w->sites[i]);
    client_hub_destroy(w->hub);
    w->hub = NULL;
    it_server_stop(&w->server);
}

int it_world_clean(struct it_world *w)
{
    for (size_t i = 0; i < IT_SITES_MAX; i++)
        if (w->sites[i].client != NULL)
            it_site_vanish(&w->sites[i]);
    client_hub_destroy(w->hub);
    w->hub = NULL;
    it_server_kill(&w->server);
    return 0;
}

/* ---- sites ---- */

struct client_config it_site_config(void)
{
    return (struct client_config){.has_auto_subscribe = true,
                                  .audio_sections = 3,
                                  .video_sections = 3,
                                  .has_data = true,
                                  .may_reconnect = true,
                                  .reconnect_max = MONO_S(60)};
}

static void on_rtp(void *user, struct client *c, const struct client_remote *remote,
                   const struct rtp_view *packet, mono_us now)
{
    (void)c;
    (void)now;
    struct it_site *s = user;
    s->rtp_in++;
    if (remote->kind == RTP_KIND_VIDEO)
        s->video_in++;
    else
        s->audio_in++;
    size_t size = packet->payload_size;
    if (size < sizeof(mark) ||
        (remote->kind == RTP_KIND_AUDIO &&
         memcmp(packet->payload + size - sizeof(mark), mark, sizeof(mark)) != 0))
        s->rtp_in_unknown++;
}

static struct it_site *free_site(struct it_world *w)
{
    for (size_t i = 0; i < IT_SITES_MAX; i++)
        if (w->sites[i].client == NULL)
            return &w->sites[i];
    fail_msg("too many sites");
    return NULL;
}

struct it_site *it_site_join(struct it_world *w, const char *room, const char *identity,
                             const char *role, const struct client_config *config)
{
    struct it_site *s = free_site(w);
    memset(s, 0, sizeof(*s));
    s->world = w;
    assert_int_equal(str_copy(s->identity, sizeof(s->identity), identity), 0);
    char url[64];
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", w->server.http_port);
    struct client_config c = config != NULL ? *config : it_site_config();
    c.url = url;
    c.token = it_token(room, identity, role);
    c.user = s;
    c.on_rtp = on_rtp;
    assert_int_equal(client_create(w->hub, &c, &s->client), 0);
    return s;
}

void it_site_camera(struct it_site *s, uint8_t layer_count)
{
    const struct client_track_config config = {.kind = RTP_KIND_VIDEO,
                                               .codec = RTP_CODEC_VP8,
                                               .source = 1,
                                               .name = "camera",
                                               .layer_count = layer_count,
                                               .width = 1280,
                                               .height = 720,
                                               .bitrate_bps = 600000};
    assert_int_equal(client_publish(s->client, &config, &s->camera), 0);
    s->camera_layers = layer_count;
    s->has_camera = true;
}

void it_site_microphone(struct it_site *s)
{
    const struct client_track_config config = {.kind = RTP_KIND_AUDIO,
                                               .codec = RTP_CODEC_OPUS,
                                               .source = 2,
                                               .name = "microphone",
                                               .layer_count = 1,
                                               .bitrate_bps = 48000};
    assert_int_equal(client_publish(s->client, &config, &s->microphone), 0);
    s->has_microphone = true;
}

void it_site_vanish(struct it_site *s)
{
    client_destroy(s->client);
    s->client = NULL;
}

void it_site_leave(struct it_site *s)
{
    client_leave(s->client);
    it_run(s->world, it_is_closed, s, MONO_S(5));
    it_site_vanish(s);
}

struct client_remote *it_remote(struct it_site *s, const struct it_site *publisher,
                                enum rtp_kind kind)
{
    struct client_remote *r;
    for (size_t i = 0; (r = client_remote_at(s->client, i)) != NULL; i++)
        if (r->kind == kind && strcmp(r->participant_sid, publisher->sid) == 0)
            return r;
    return NULL;
}

/* ---- media ---- */

/* A VP8 frame with a true header (RFC 6386, 9.1): layer 0 is a quarter of the size. */
static size_t make_vp8(struct it_world *w, uint8_t *dst, uint8_t layer, uint8_t layer_count,
                       bool is_keyframe)
{
    unsigned shift = layer_count - 1u - layer;
    unsigned width = 1280u >> shift, height = 720u >> shift;
    size_t size = is_keyframe ? 3000u >> shift : 1400u >> shift;
    memcpy(dst, w->noise + rng_below(&w->rng, 4096), size);
    const uint8_t head[10] = {(uint8_t)(is_keyframe ? 0x10 : 0x11),
                              0x02,
                              0x00,
                              0x9d,
                              0x01,
                              0x2a,
                              (uint8_t)width,
                              (uint8_t)(width >> 8),
                              (uint8_t)height,
                              (uint8_t)(height >> 8)};
    memcpy(dst, head, is_keyframe ? sizeof(head) : 3);
    return size;
}

static void send_video(struct it_site *s, mono_us now)
{
    uint8_t data[4096];
    bool is_regular = s->frame_count++ % KEYFRAME_EACH == 0;
    for (uint8_t layer = 0; layer < s->camera_layers; layer++) {
        bool is_keyframe = client_take_keyframe_wanted(s->client, s->camera, layer) || is_regular;
        struct client_frame f = {
            .data = data, .captured = now, .layer = layer, .is_keyframe = is_keyframe};
        f.size = make_vp8(s->world, data, layer, s->camera_layers, is_keyframe);
        if (client_send_frame(s->client, s->camera, &f) >= 0)
            s->keyframes_sent += is_keyframe;
        else
            s->frame_count = 0; /* not up yet: begin with a keyframe */
    }
}

static void send_audio(struct it_site *s, mono_us now)
{
    uint8_t data[AUDIO_SIZE];
    memcpy(data, s->world->noise, sizeof(data));
    memcpy(data + sizeof(data) - sizeof(mark), mark, sizeof(mark));
    const struct client_frame f = {
        .data = data, .size = sizeof(data), .captured = now, .level_dbov = 20, .is_keyframe = true};
    IGNORE(client_send_frame(s->client, s->microphone, &f)); /* fails until media is up */
}

static void send_media(struct it_site *s, mono_us now)
{
    if (client_state(s->client) != CLIENT_STATE_ACTIVE)
        return;
    if (s->has_camera && now >= s->next_video) {
        s->next_video = TK_MAX(s->next_video + VIDEO_EVERY, now);
        send_video(s, now);
    }
    if (s->has_microphone && now >= s->next_audio) {
        s->next_audio = TK_MAX(s->next_audio + AUDIO_EVERY, now);
        send_audio(s, now);
    }
}

/* ---- events ---- */

static void note_event(struct it_site *s, const struct client_event *e)
{
    switch (e->kind) {
    case CLIENT_EVENT_JOINED:
    case CLIENT_EVENT_REJOINED:
        snprintf(s->sid, sizeof(s->sid), "%s", client_sid(s->client));
        s->rejoined += e->kind == CLIENT_EVENT_REJOINED;
        break;
    case CLIENT_EVENT_ACTIVE:
        s->active++;
        break;
    case CLIENT_EVENT_RECONNECTING:
        s->reconnecting++;
        break;
    case CLIENT_EVENT_RESUMED:
        s->resumed++;
        break;
    case CLIENT_EVENT_CLOSED:
        s->closed++;
        s->closed_reason = (int)e->value;
        break;
    case CLIENT_EVENT_PUBLISHED:
        s->published++;
        break;
    case CLIENT_EVENT_SUBSCRIBED:
        s->subscribed++;
        break;
    case CLIENT_EVENT_UNSUBSCRIBED:
        s->unsubscribed++;
        break;
    case CLIENT_EVENT_DATA:
        s->data++;
        snprintf(s->last_data, sizeof(s->last_data), "%.*s", (int)e->size, (const char *)e->data);
        break;
    case CLIENT_EVENT_ERROR:
        s->errors++;
        break;
    default:
        break;
    }
}

static void step(struct it_world *w)
{
    client_hub_poll(w->hub, SLICE);
    mono_us now = mono_now();
    for (size_t i = 0; i < IT_SITES_MAX; i++) {
        struct it_site *s = &w->sites[i];
        struct client_event e;
        if (s->client == NULL)
            continue;
        while (client_poll_event(s->client, &e) == 1)
            note_event(s, &e);
        send_media(s, now);
    }
}

bool it_run(struct it_world *w, it_condition is_done, void *user, mono_us limit)
{
    mono_us until = mono_now() + limit;
    while (!is_done(user)) {
        if (mono_now() >= until)
            return false;
        step(w);
    }
    return true;
}

static bool never(void *user)
{
    (void)user;
    return false;
}

void it_pass(struct it_world *w, mono_us time)
{
    it_run(w, never, NULL, time);
}

bool it_is_active(void *user)
{
    const struct it_site *s = user;
    return client_state(s->client) == CLIENT_STATE_ACTIVE;
}

bool it_is_closed(void *user)
{
    const struct it_site *s = user;
    return client_state(s->client) == CLIENT_STATE_CLOSED;
}
