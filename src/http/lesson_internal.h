#ifndef TK_HTTP_LESSON_INTERNAL_H
#define TK_HTTP_LESSON_INTERNAL_H

/*
 * The lessons in memory, shared by lesson_api.c (life, REST), lesson_hub.c (the way of an event),
 * lesson_conn.c (the live log), lesson_presence.c (who is there) and lesson_media.c (policy for
 * signalling).
 */

#include "base/hash.h"
#include "base/list.h"
#include "http/lesson_api.h"
#include "http/route.h"
#include "lesson/command.h"
#include "lesson/json.h"
#include "signal/signal.h"
#include "store/store.h"

#define LESSONS_LIVE_MAX    10000
#define LESSON_CONNS_MAX    4096 /* live-log connections of one lesson */
#define LESSON_PRESENCE_MAX LESSON_SITES_MAX
#define LESSON_FRAME_MAX    (16u << 10)
#define LESSON_QUEUE_MAX \
    (256u << 10) /* bytes waiting for one client; it then reads from the store */
#define LESSON_CATCH_UP_EVENTS 200
#define LESSON_LEAVE_DELAY     MONO_S(10)
#define LESSON_JOIN_DELAY      MONO_S(30) /* a token was shown, the connection did not come */
#define LESSON_COMMANDS_PER_S  10
#define LESSON_COMMANDS_BURST  20
#define LESSON_STORE_RETRY     MONO_S(2)

/* A site's connections to one lesson. */
struct lesson_presence {
    char identity[LESSON_TEXT_SIZE];
    char name[LESSON_TEXT_SIZE], school[LESSON_TEXT_SIZE];
    enum lesson_role role;
    uint32_t conn_count; /* live-log connections */
    bool is_in_room;     /* media participant */
    mono_us leave_at;    /* when site_left is due; MONO_NEVER while connected */
};

struct lesson {
    struct lesson_api *api; /* parent */
    char id[LESSON_TEXT_SIZE];
    wall_ms created_at;
    struct lesson_state state; /* with the events that are still being written */
    uint64_t durable_seq;      /* the last event that clients may see */
    struct list conns;         /* lesson_conn */
    size_t conn_count;
    struct strmap presences; /* identity -> lesson_presence, owned */
};

/* One connection to the live log. */
struct lesson_conn {
    struct list link;
    uint64_t id;
    struct lesson *lesson; /* parent */
    struct http_ws *ws;
    char identity[LESSON_TEXT_SIZE];
    enum lesson_role role;
    uint64_t sent_seq; /* everything up to here was sent (or is not for this client) */
    mono_us tokens_at; /* rate limit: time of the last refill */
    double tokens;
};

/* Something that waits for the store, in the order of the store's tickets. */
struct lesson_pending {
    struct list link;
    uint64_t ticket;
    struct lesson *lesson;
    struct lesson_event event; /* type UNKNOWN: only a command is acknowledged */
    uint64_t conn_id;          /* whom to answer; 0 = nobody */
    char cmd_site[LESSON_TEXT_SIZE];
    char cmd_id[LESSON_CMD_ID_SIZE];
    uint64_t cmd_seq;
    struct http_exchange *exchange; /* POST /lessons waits for this; NULL otherwise */
};

struct lesson_api {
    struct lesson_api_config config;
    struct strmap lessons; /* id -> lesson, owned; those that are live or still connected to */
    struct idmap conns;    /* id -> lesson_conn */
    uint64_t next_conn_id;
    struct list pendings; /* lesson_pending */
    mono_us leave_next;   /* no leave timer is due before this */
    mono_us retry_at;     /* presence is looked at again after a failed write */
};

/* lesson_api.c */
/* The lesson in memory, NULL if it is not live and nobody is connected. */
struct lesson *lesson__find(struct lesson_api *api, const char *id);
/* A lesson with an empty state, entered into the table. ERR_EXISTS, ERR_LIMIT, -ENOMEM. */
int lesson__open(struct lesson_api *api, const char *id, wall_ms created_at,
                 struct lesson **ret_lesson);
/* Reads a lesson's log into a fresh state. */
int lesson__load(struct lesson *l);
void lesson__destroy(struct lesson *l);

/* lesson_hub.c */
/* Numbers and folds an event, hands it to the store. `pending` brings whom to answer. ERR_LIMIT,
 * -ENOMEM. */
int lesson__log_event(struct lesson *l, struct lesson_event *e, const struct lesson_pending *answer,
                      bool is_new_lesson);
/* Remembers a command that changes nothing, so that its retry is answered alike. */
int lesson__log_command(struct lesson *l, const struct lesson_pending *answer);
void lesson__drain_store(struct lesson_api *api);
/* Whether something of this lesson is on its way to the store. */
bool lesson__has_pending(const struct lesson_api *api, const struct lesson *l);
/* Whether an event may be shown to this client. */
bool lesson__is_for(const struct lesson *l, const struct lesson_event *e, const char *identity);

/* lesson_conn.c */
int lesson__conn_route(struct lesson_api *api);
void lesson__conn_send_json(struct lesson_conn *c, json_t *o); /* takes the reference */
/* Sends what is durable and not sent yet; `e` is the newest event if it is at hand. */
void lesson__conn_advance(struct lesson_conn *c, const struct lesson_event *e);
void lesson__conn_ack(struct lesson_conn *c, const char *cmd_id, uint64_t seq);
void lesson__conn_refuse(struct lesson_conn *c, const char *cmd_id, const struct lesson_refusal *r);

/* lesson_presence.c */
/* Who the token says this is, in this lesson. ERR_NOT_ALLOWED. */
int lesson__identify(const struct lesson *l, const struct signal_grants *g,
                     struct lesson_presence *ret_who);
/* Makes the site present (and logs site_joined when it was not). ERR_LIMIT, -ENOMEM. */
int lesson__arrive(struct lesson *l, const struct lesson_presence *who, mono_us leave_at,
                   struct lesson_presence **ret_presence);
/* Starts the leave timer if nothing of the site is left. */
void lesson__maybe_leave(struct lesson *l, struct lesson_presence *p, mono_us now);
void lesson__presence_timers(struct lesson_api *api, mono_us now);

/* lesson_media.c */
void lesson__install_policy(struct lesson_api *api);

/* lesson_new.c */

/* What POST /lessons asks for. */
struct lesson_new {
    char id[LESSON_TEXT_SIZE]; /* "": the server chooses */
    char title[LESSON_TEXT_SIZE];
    enum lesson_kind kind;
};
/* NULL, or what is wrong with the body; `ret_new` is whole only then. */
const char *lesson__new_read(const char *body, size_t size, struct lesson_new *ret_new);

/* lesson_rest.c */
int lesson__rest_routes(struct lesson_api *api);
/* Checks the request's token. Negative: already answered when `exchange` is not NULL. */
int lesson__grants(struct lesson_api *api, const struct http_request *r,
                   struct http_exchange *exchange, struct signal_grants *ret_grants);
void lesson__reply_created(struct lesson *l, struct http_exchange *exchange);

#endif
