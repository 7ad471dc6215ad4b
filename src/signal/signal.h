#ifndef TK_SIGNAL_SIGNAL_H
#define TK_SIGNAL_SIGNAL_H

/*
 * LiveKit signalling: rooms, participants, tracks and subscriptions as the control thread knows
 * them. Touches no socket: http/ hands requests and frames in and polls frames out; commands for
 * the media workers are polled out, their events handed in. Control thread only.
 *
 * Contract: after any call that hands something in, poll commands until empty; sessions with frames
 * waiting are listed by signal_poll_writable().
 */

#include "base/addr.h"
#include "base/rng.h"
#include "base/time.h"
#include "signal/media_link.h"

#include <stdbool.h>
#include <stddef.h>

struct signal;
struct signal_session;
struct signal_room;

#define SIGNAL_KEYS_MAX       16
#define SIGNAL_CANDIDATES_MAX 32
#define SIGNAL_MESSAGE_MAX    (2u << 20) /* one frame, either way */
#define SIGNAL_TEXT_MAX       257        /* names and identities: 256 bytes and the zero */

struct signal_key {
    char key[64];
    char secret[128];
};

struct signal_ice_server {
    char url[256];    /* "turn:host:3478?transport=tcp" */
    char secret[128]; /* coturn's static-auth-secret: short-lived credentials are derived; "" = none
                       */
};

/* One host candidate that is printed into every answer of a peer on `worker`. */
struct signal_candidate {
    uint8_t worker;
    struct addr addr; /* proto TCP: passive (RFC 6544) */
};

struct signal_config {
    struct signal_key keys[SIGNAL_KEYS_MAX];
    size_t key_count;
    struct signal_candidate candidates[SIGNAL_CANDIDATES_MAX];
    size_t candidate_count;
    struct signal_ice_server ice_servers[4];
    size_t ice_server_count;
    uint8_t worker_count;
    char fingerprint_sha256[PEER_FINGERPRINT_SIZE]; /* of the server's certificate */
    bool is_auto_create;                            /* rooms come into being at the first join */
    bool has_no_webhooks;                           /* nobody fetches events: none are made */
    uint32_t room_count_max;
    uint32_t participant_count_max;        /* per room; 0 = no limit of its own */
    uint32_t server_participant_count_max; /* in all rooms together; 0 = no limit */
    mono_us empty_timeout, departure_timeout;
    mono_us resume_timeout;     /* how long a lost participant is held: 60 s */
    struct pkt_pool *sctp_pool; /* buffers for MEDIA_PEER_SCTP */
    struct rng *rng;
    char version[32]; /* strict semver, what clients see as the server's version */
};

/* Claims of a checked token that other modules need. */
struct signal_grants {
    char key[64];
    char identity[SIGNAL_TEXT_MAX];
    char name[SIGNAL_TEXT_MAX];
    char room[SIGNAL_TEXT_MAX];
    bool room_join, room_create, room_list, room_admin, hidden;
    bool can_publish, can_subscribe, can_publish_data;
    char lesson_id[SIGNAL_TEXT_MAX]; /* claim lesson.id, "" if absent */
    char lesson_role[16];            /* claim lesson.role */
    char lesson_school[SIGNAL_TEXT_MAX];
};

/* Who may publish what and who gets what in a room with rules (a lesson). NULL = everything goes.
 */
enum signal_source {
    SIGNAL_SOURCE_UNKNOWN,
    SIGNAL_SOURCE_CAMERA,
    SIGNAL_SOURCE_MICROPHONE,
    SIGNAL_SOURCE_SCREEN,
    SIGNAL_SOURCE_SCREEN_AUDIO
};

struct signal_policy {
    void *user;
    /* True if the identity may publish this source at all. */
    bool (*can_publish)(void *user, const char *room, const char *identity,
                        enum signal_source source);
    /* The highest spatial layer that `viewer` gets of `publisher`'s source: 0..2; SFU_LAYER_NONE:
     * not subscribed at all. Audio: 0 or NONE. */
    int (*layer_for)(void *user, const char *room, const char *viewer, const char *publisher,
                     enum signal_source source);
    /* False: nobody else hears that this identity is there. */
    bool (*is_visible)(void *user, const char *room, const char *viewer, const char *publisher);
    /* A checked token is about to join: 0, or an error that refuses it (ERR_NOT_FOUND, ERR_CLOSED,
     * …). */
    int (*on_join)(void *user, const struct signal_grants *grants);
    /* A participant became active or went away. */
    void (*on_presence)(void *user, const char *room, const char *identity, bool is_present);
};

MUST_CHECK int signal_create(const struct signal_config *config, mono_us now, wall_ms wall,
                             struct signal **ret_signal);
void signal_destroy(struct signal *s); /* NULL is a no-op */

/* Applies to every room whose name `is_ruled()` accepts… the policy decides per room name. */
void signal_set_policy(struct signal *s, const struct signal_policy *policy,
                       bool (*is_ruled)(void *user, const char *room));
/* The rules' inputs changed, for this identity or (NULL) for the whole room: publications,
 * subscriptions, layers and who knows of whom are looked at anew. With an identity that is O(N). */
void signal_policy_changed(struct signal *s, const char *room, const char *identity, mono_us now);
/* Sends everyone away: LeaveRequest with ROOM_DELETED, then the room is gone. ERR_ROOM_NOT_FOUND.
 */
MUST_CHECK int signal_close_room(struct signal *s, const char *room, mono_us now);

/* Verifies a token (HS256, nbf/exp with 60 s leeway, known key). ERR_TOKEN, …_EXPIRED, …_KEY,
 * …_MISSING. */
MUST_CHECK int signal_check_token(const struct signal *s, const char *token, wall_ms wall,
                                  struct signal_grants *ret_grants);

/* ---- admission ---- */

/* What a loaded server still takes. Whoever is in a room, or was since it was opened, may always
 * come back into it. */
enum signal_admission { SIGNAL_ADMITS_ALL, SIGNAL_ADMITS_NO_ROOMS, SIGNAL_ADMITS_NOBODY };

/* `loads`: of each worker in permille, for the choice of a newcomer's worker. */
void signal_set_load(struct signal *s, const uint16_t *loads, enum signal_admission admission);
/* The connections that a worker has; `ret_ever` (or NULL): those it was given since the start. */
uint32_t signal_worker_peers(const struct signal *s, size_t worker, uint64_t *ret_ever);
/* 0 if the room is there or may be opened now. ERR_SERVER_FULL (503). */
MUST_CHECK int signal_admit_room(struct signal *s, const char *room);
/* 0 if the identity may come into the room now, by whatever way. ERR_SERVER_FULL (503). */
MUST_CHECK int signal_admit_participant(struct signal *s, const char *room, const char *identity);

/* ---- joining ---- */

struct signal_join_request {
    bool is_v1;                /* /rtc/v1: single connection; else /rtc: dual */
    const char *authorization; /* header value or NULL */
    const char *query;         /* the raw query string, still percent-encoded; may be NULL */
    const char *user_agent;    /* or NULL */
};

/* An HTTP answer: what a refused join or a validate call gets. */
struct signal_reply {
    int status;
    const char *content_type;
    char *body; /* free() by the caller */
    size_t size;
    uint64_t ticket; /* status 0: the answer comes from signal_poll_reply() under this number */
};

/* The validate routes: the same checks as a join, nothing is created. */
void signal_validate(struct signal *s, const struct signal_join_request *request, wall_ms wall,
                     struct signal_reply *ret_reply);

/* Returns 0 and a session (do the upgrade, then poll its frames), or negative with `ret_reply`
 * filled. */
MUST_CHECK int signal_session_open(struct signal *s, const struct signal_join_request *request,
                                   mono_us now, wall_ms wall, struct signal_session **ret_session,
                                   struct signal_reply *ret_reply);
/* One whole frame from the client. */
void signal_session_receive(struct signal_session *session, const void *data, size_t size,
                            bool is_text, mono_us now, wall_ms wall);
/*
 * The next frame to send: 1 and the bytes (valid until the next call), 0 = none now, -1 = close the
 * socket with `ret_close_code`; after -1 or after signal_session_closed() the session is gone.
 */
int signal_session_poll_frame(struct signal_session *session, const void **ret_data,
                              size_t *ret_size, bool *ret_is_text, int *ret_close_code);
/* The socket is gone; the participant is held for a resume. */
void signal_session_closed(struct signal_session *session, mono_us now);
/* http/ keeps its own pointer with the session. */
void signal_session_set_user(struct signal_session *session, void *user);
void *signal_session_user(const struct signal_session *session);
/* A session with frames waiting (or to be closed), each once; NULL = none. */
struct signal_session *signal_poll_writable(struct signal *s);

/* The worker that a local ICE user fragment belongs to (its first character names it), for what
 * arrives on a socket that all workers share. ERR_NOT_FOUND. */
MUST_CHECK int signal_ufrag_worker(const char *ufrag);

/* ---- server API ---- */

/* POST /twirp/livekit.RoomService/<method>; JSON or protobuf by content type. Always fills the
 * reply; status 0 and a ticket when a participant has to answer first. */
void signal_twirp(struct signal *s, const char *service, const char *method,
                  const char *content_type, const char *authorization, const void *body,
                  size_t size, mono_us now, wall_ms wall, struct signal_reply *ret_reply);

/* The answer to an earlier signal_twirp() that left status 0: 1, 0 = none. */
int signal_poll_reply(struct signal *s, uint64_t *ret_ticket, struct signal_reply *ret_reply);

/* A webhook that is due: the JSON body; sign it with signal_webhook_token(). 1, 0 = none. */
int signal_poll_webhook(struct signal *s, char **ret_body); /* free() by the caller */
/* The JWT for a webhook body. ERR_NOT_FOUND if the key is unknown; free() by the caller. */
MUST_CHECK int signal_webhook_token(struct signal *s, const char *key, const char *body,
                                    wall_ms wall, char **ret_token);

/* ---- media side ---- */

int signal_poll_command(struct signal *s, struct media_command *ret_command); /* 1, 0 = empty */
/* Takes over the event's packet reference. */
void signal_handle_event(struct signal *s, const struct media_event *event, mono_us now,
                         wall_ms wall);
void signal_handle_timeout(struct signal *s, mono_us now, wall_ms wall);
mono_us signal_next_timeout(const struct signal *s);

struct signal_stats {
    uint32_t rooms, participants, tracks, subscriptions, sessions;
    uint64_t joins, resumes, refused, malformed, over_limit;
    uint64_t refused_rooms, refused_participants; /* because the server was full */
};
/* Gives back what many participants needed; when nobody is there. */
void signal_give_back(struct signal *s);

void signal_stats(const struct signal *s, struct signal_stats *ret_stats);

#endif
