#ifndef TK_TESTS_SIGNAL_WORLD_H
#define TK_TESTS_SIGNAL_WORLD_H

/*
 * A signal instance with a fake clock, fake workers that remember what they were told, and fake
 * clients that behave like the real ones: they offer when asked to, answer offers, and keep what
 * they received.
 */

#include "livekit.pb-c.h"

#include "sdp/negotiate.h"
#include "signal/signal.h"
#include "signal/token.h"

#include <stdbool.h>

/* A test of many clients is compiled with other numbers. */
#ifndef WORLD_CLIENTS_MAX
#define WORLD_CLIENTS_MAX 24
#define WORLD_FRAMES_MAX  4096
#define WORLD_THINGS_MAX  512
#endif
#define WORLD_SECTIONS_MAX 40
#define WORLD_CASES_MAX    64 /* kinds of SignalResponse */

struct client_section {
    char kind[12]; /* "audio", "video", "application" */
    char dir[12];  /* "sendonly", "recvonly", "inactive" */
    char cid[64];
    int rids; /* 0: none; 2: q h; 3: q h f */
};

struct client {
    struct world *world;
    char identity[64];
    struct token_claims claims;
    struct signal_session *session; /* NULL: closed */
    bool is_v1, is_closed;
    bool is_silent; /* sends no pings */
    int close_code;
    bool is_auto_offer; /* offers when asked to; default true */
    bool has_auto_subscribe, has_adaptive_stream, has_auto_subscribe_data;
    char sid[32];
    char ufrag[16];
    uint32_t offer_id;
    const char *sdp; /* offered instead of the sections; NULL as a rule */
    struct client_section sections[WORLD_SECTIONS_MAX];
    size_t section_count;
    Livekit__SignalResponse *frames[WORLD_FRAMES_MAX];
    size_t frame_count;
};

/* What a fake worker knows. */
struct thing {
    enum { THING_NONE, THING_PEER, THING_TRACK, THING_SUB } kind;
    uint32_t id;
    uint8_t worker;
    sfu_peer_id peer;
    sfu_track_id track;
    struct sfu_track_config track_config;
    struct sfu_sub_config sub_config;
    struct sfu_sub_target target;
    uint32_t relay_mask;
    bool is_blocked;
    char local_ufrag[PEER_UFRAG_SIZE];
};

struct world {
    struct signal *signal;
    struct signal_config config;
    struct rng rng;
    struct pkt_pool *pool;
    mono_us now;
    wall_ms wall;
    bool is_auto_connect; /* peers connect when the worker knows their remote side */
    struct client clients[WORLD_CLIENTS_MAX];
    size_t client_count;
    struct thing things[WORLD_THINGS_MAX];
    uint32_t command_counts[MEDIA_COMMAND_KIND_COUNT_];
    uint32_t unknown_ids; /* commands about what the worker does not know */
    int keyframe_layer;
    bool is_counting; /* frames are counted here instead of kept, offers and the like answered */
    uint64_t frame_bytes[WORLD_CASES_MAX], frame_counts[WORLD_CASES_MAX];
    void (*on_sctp)(const struct media_command *command); /* NULL: dropped */
    void (*on_sub)(const struct media_command *command);  /* of its coming and going; NULL */
};

void world_init(struct world *w, uint8_t worker_count);
/* Everything must be gone afterwards: checked. */
void world_fini(struct world *w);
/* Passes commands, events and frames around until nothing moves. */
void world_settle(struct world *w);
/* Moves time on in steps of 100 ms, settling after each. */
void world_advance(struct world *w, mono_us by);
size_t world_count(const struct world *w, int kind);
/* The highest id of a kind, 0 if there is none. */
uint32_t world_newest(const struct world *w, int kind);
struct thing *world_thing(struct world *w, int kind, uint32_t id);
void world_sfu_event(struct world *w, uint8_t worker, struct sfu_event e);

/* A client with the usual sections: 3 audio, 3 video, 1 application. */
struct client *client_new(struct world *w, const char *identity, const char *room);
/* The HTTP status of a refusal, or 0 for success. */
int client_join(struct client *c, bool is_v1);
int client_resume(struct client *c);
/* Drops the socket without a word. */
void client_cut(struct client *c);
void client_send(struct client *c, const Livekit__SignalRequest *request);
void client_offer(struct client *c);
/* The text of an offer with its sections; free() it. */
char *client_make_offer(struct client *c);
void client_leave(struct client *c);
void client_forget_frames(struct client *c);
/* Announces a track and offers a section for it; returns its section. */
size_t client_publish(struct client *c, const char *cid, bool is_video, int source, int rids);
void client_add_track(struct client *c, const char *cid, bool is_video, int source, int rids);
size_t client_add_section(struct client *c, const char *kind, const char *dir, const char *cid,
                          int rids);
/* The newest frame of a kind, or NULL; and how many there were. */
Livekit__SignalResponse *client_last(struct client *c, int message_case);
size_t client_count(const struct client *c, int message_case);
/* The newest information about a participant in any join or update; NULL if never heard of. */
const Livekit__ParticipantInfo *client_sees(const struct client *c, const char *identity);
/* The track that a mid of the newest description stands for; NULL = none. */
const char *client_track_at(struct client *c, const char *mid);
size_t client_track_count(struct client *c);

#endif
