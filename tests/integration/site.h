#ifndef TK_TESTS_INTEGRATION_SITE_H
#define TK_TESTS_INTEGRATION_SITE_H

/*
 * Sites for the integration tests: our own client joined to a room, with made-up media (VP8 with
 * true headers in up to three simulcast layers, Opus-sized packets with an audio level) in real
 * time, and a record of what happened to it. All sites of a process share one hub; it_run() moves
 * everything until a condition holds.
 */

#include "integration/process.h"

#include "base/rng.h"
#include "client/client.h"

#define IT_SITES_MAX 64

struct it_site {
    struct it_world *world; /* parent */
    struct client *client;  /* NULL = free */
    char identity[32];
    char sid[CLIENT_SID_SIZE];

    /* What it sends. */
    bool has_camera, has_microphone;
    uint32_t camera, microphone;
    uint8_t camera_layers;
    mono_us next_video, next_audio;
    uint32_t frame_count;
    uint64_t keyframes_sent;

    /* What happened. */
    unsigned active, reconnecting, resumed, rejoined, closed, published, errors;
    unsigned subscribed, unsubscribed, data;
    int closed_reason;
    char last_data[64];
    uint64_t rtp_in, audio_in, video_in;
    uint64_t rtp_in_unknown; /* packets whose payload is not what sites send */
};

struct it_world {
    struct it_server server;
    struct client_hub *hub;
    struct rng rng;
    struct it_site sites[IT_SITES_MAX];
    uint8_t noise[8192];
};

/* Starts a server and a hub. */
void it_world_start(struct it_world *w);
/* The server with more keys and this number of workers: it_server_start_with(). */
void it_world_start_with(struct it_world *w, const char *keys, int workers);
/* Every site leaves, then the server has to end well. */
void it_world_stop(struct it_world *w);
/* cmocka teardown: ends what a failed test left. */
int it_world_clean(struct it_world *w);

/* A token of the API key devkey for a room; `role` as in docs/lesson-log.md, NULL = plain room.
 * Valid until the next call. */
const char *it_token(const char *room, const char *identity, const char *role);
/* The same with room administration: roomCreate and roomList. */
const char *it_admin_token(void);

/* What most sites want: automatic subscription, three sections of each kind, may reconnect. */
struct client_config it_site_config(void);
/* Joins; `config` may be NULL, its url and token are filled here. */
struct it_site *it_site_join(struct it_world *w, const char *room, const char *identity,
                             const char *role, const struct client_config *config);
void it_site_camera(struct it_site *s, uint8_t layer_count);
void it_site_microphone(struct it_site *s);
/* Leaves politely and is destroyed. */
void it_site_leave(struct it_site *s);
/* Vanishes without a word. */
void it_site_vanish(struct it_site *s);

/* The track received from `publisher` of this kind; NULL = none. */
struct client_remote *it_remote(struct it_site *s, const struct it_site *publisher,
                                enum rtp_kind kind);

/* Runs media and network until `is_done` (asked about every 5 ms) or the time is over. Returns
 * whether it was done. */
typedef bool (*it_condition)(void *user);
bool it_run(struct it_world *w, it_condition is_done, void *user, mono_us limit);
/* Just lets this time pass. */
void it_pass(struct it_world *w, mono_us time);

/* Conditions with a site as user. */
bool it_is_active(void *user);
bool it_is_closed(void *user);

#endif
