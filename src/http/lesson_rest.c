#include "base/err.h"
#include "base/id.h"
#include "base/strbuf.h"
#include "base/version.h"
#include "http/http.h"
#include "http/lesson_internal.h"

#include <stdlib.h>
#include <string.h>

#define LOG_LIMIT_MAX 1000

int lesson__grants(struct lesson_api *api, const struct http_request *r,
                   struct http_exchange *exchange, struct signal_grants *ret_grants)
{
    char token[HTTP_TOKEN_MAX];
    int err = http_request_token(r, token, sizeof(token));
    if (err == ERR_NOT_FOUND)
        err = ERR_TOKEN_MISSING;
    if (err == 0)
        err = signal_check_token(api->config.signal, token, wall_now(), ret_grants);
    if (err < 0 && exchange != NULL)
        http_reply_error(exchange, err, NULL);
    return err;
}

static void reply_json(struct http_exchange *exchange, int status, json_t *o)
{
    http_reply_json(exchange, status, o != NULL ? json_dumps(o, JSON_COMPACT) : NULL);
    json_decref(o);
}

/* What a caller sees of a lesson, whether it is in memory or has ended. */
static json_t *describe(const char *id, const char *title, enum lesson_kind kind, bool is_ended,
                        wall_ms created_at)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", id, "title", title, "kind",
                     lesson_kind_name(kind), "status", is_ended ? "ended" : "live", "created_at",
                     (json_int_t)created_at);
}

static json_t *describe_live(const struct lesson *l)
{
    return describe(l->id, l->state.title, l->state.kind, l->state.is_ended, l->created_at);
}

void lesson__reply_created(struct lesson *l, struct http_exchange *exchange)
{
    reply_json(exchange, 201, describe_live(l));
}

/* Finds the lesson and who asks. Answers and returns negative when that is not possible. */
static int find(struct lesson_api *api, const struct http_request *r, struct http_exchange *x,
                struct store_lesson *ret_lesson, struct lesson_presence *ret_who)
{
    struct signal_grants g;
    int err = lesson__grants(api, r, x, &g);
    if (err < 0)
        return err;
    err = store_get_lesson(api->config.store, r->params[0], ret_lesson);
    if (err == ERR_NOT_FOUND)
        err = ERR_LESSON_NOT_FOUND;
    if (err == 0) {
        struct lesson named = {.api = api};
        memcpy(named.id, ret_lesson->id, sizeof(named.id));
        err = lesson__identify(&named, &g, ret_who);
    }
    if (err < 0)
        http_reply_error(x, err, NULL);
    return err;
}

static void get_lesson(void *user, const struct http_request *r, struct http_exchange *x)
{
    struct store_lesson l;
    struct lesson_presence who;
    if (find(user, r, x, &l, &who) < 0)
        return;
    json_t *o = describe(l.id, l.title, l.kind, l.is_ended, l.created_at);
    json_t *you = json_pack("{s:s, s:s, s:s, s:s}", "identity", who.identity, "name", who.name,
                            "school", who.school, "role", lesson_role_name(who.role));
    json_object_set_new(o, "you", you);
    reply_json(x, 200, o);
}

struct collect {
    json_t *events;
    const struct lesson *lesson;
    const char *identity;
    uint64_t seq;
};

static bool collect_event(void *user, const struct lesson_event *e)
{
    struct collect *c = user;
    bool is_hidden = c->lesson != NULL && !lesson__is_for(c->lesson, e, c->identity);
    if (c->lesson == NULL && e->role == LESSON_ROLE_OBSERVER)
        is_hidden = strcmp(e->site, c->identity) != 0;
    if (!is_hidden)
        json_array_append_new(c->events, lesson_event_to_json(e));
    c->seq = e->seq;
    return true;
}

static int query_number(const struct http_request *r, const char *name, uint64_t otherwise,
                        uint64_t max, uint64_t *ret)
{
    char text[32], *end;
    int err = http_query_get(r->query, name, text, sizeof(text));
    if (err == ERR_NOT_FOUND) {
        *ret = otherwise;
        return 0;
    }
    if (err < 0 || text[0] < '0' || text[0] > '9')
        return ERR_MALFORMED;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end != '\0' || value > max)
        return ERR_MALFORMED;
    *ret = value;
    return 0;
}

static void get_log(void *user, const struct http_request *r, struct http_exchange *x)
{
    struct lesson_api *api = user;
    struct store_lesson l;
    struct lesson_presence who;
    uint64_t after, limit;
    if (find(api, r, x, &l, &who) < 0)
        return;
    if (query_number(r, "after", 0, INT64_MAX, &after) < 0 ||
        query_number(r, "limit", LOG_LIMIT_MAX, LOG_LIMIT_MAX, &limit) < 0) {
        http_reply_error(x, ERR_MALFORMED, "after is a number, limit is a number up to 1000");
        return;
    }
    struct collect c = {.events = json_array(),
                        .lesson = lesson__find(api, l.id),
                        .identity = who.identity,
                        .seq = after};
    int err = store_each_event(api->config.store, l.id, after, limit, collect_event, &c);
    if (err < 0) {
        json_decref(c.events);
        http_reply_error(x, err, NULL);
        return;
    }
    reply_json(x, 200, json_pack("{s:o, s:I}", "events", c.events, "seq", (json_int_t)c.seq));
}

static bool add_lesson(void *user, const struct store_lesson *l)
{
    json_array_append_new(user, describe(l->id, l->title, l->kind, l->is_ended, l->created_at));
    return true;
}

static void get_lessons(void *user, const struct http_request *r, struct http_exchange *x)
{
    struct lesson_api *api = user;
    struct signal_grants g;
    if (lesson__grants(api, r, x, &g) < 0)
        return;
    if (!g.room_list) {
        http_reply_error(x, ERR_NOT_ALLOWED, "the token needs the grant roomList");
        return;
    }
    json_t *lessons = json_array();
    int err = store_each_lesson(api->config.store, add_lesson, lessons);
    if (err < 0) {
        json_decref(lessons);
        http_reply_error(x, err, NULL);
        return;
    }
    reply_json(x, 200, json_pack("{s:o}", "lessons", lessons));
}

/* ---- POST /lessons ---- */

static void post_lesson(void *user, const struct http_request *r, struct http_exchange *x)
{
    struct lesson_api *api = user;
    struct signal_grants g;
    struct lesson_new n;
    struct store_lesson known;
    if (lesson__grants(api, r, x, &g) < 0)
        return;
    if (!g.room_create) {
        http_reply_error(x, ERR_NOT_ALLOWED, "the token needs the grant roomCreate");
        return;
    }
    const char *problem = lesson__new_read(r->body, r->body_size, &n);
    if (problem != NULL) {
        http_reply_error(x, ERR_MALFORMED, problem);
        return;
    }
    if (n.id[0] == '\0')
        id_make(api->config.rng, "LS_", n.id);
    struct lesson *l = NULL;
    int err = store_get_lesson(api->config.store, n.id, &known) == 0 ? ERR_EXISTS : 0;
    if (err == 0)
        err = signal_admit_room(api->config.signal, n.id);
    if (err == 0)
        err = lesson__open(api, n.id, wall_now(), &l);
    if (err == 0) {
        struct lesson_event e = {.type = LESSON_EVENT_LESSON_OPENED, .kind = n.kind};
        memcpy(e.title, n.title, sizeof(e.title));
        struct lesson_pending answer = {.exchange = x};
        err = lesson__log_event(l, &e, &answer, true);
        if (err < 0) {
            strmap_take(&api->lessons, n.id);
            lesson__destroy(l);
        }
    }
    if (err < 0)
        http_reply_error(x, err, err == ERR_EXISTS ? "a lesson with this id exists" : NULL);
}

static void get_health(void *user, const struct http_request *r, struct http_exchange *x)
{
    (void)user;
    (void)r;
    reply_json(x, 200, json_pack("{s:s, s:s}", "status", "ok", "version", TONGKE_VERSION));
}

int lesson__rest_routes(struct lesson_api *api)
{
    const struct http_route routes[] = {
        {HTTP_METHOD_GET, "/api/v1/lessons", api, get_lessons},
        {HTTP_METHOD_POST, "/api/v1/lessons", api, post_lesson},
        {HTTP_METHOD_GET, "/api/v1/lessons/{id}", api, get_lesson},
        {HTTP_METHOD_GET, "/api/v1/lessons/{id}/log", api, get_log},
        {HTTP_METHOD_GET, "/api/v1/health", api, get_health},
    };
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++) {
        int err = http_server_add_route(api->config.http, &routes[i]);
        if (err < 0)
            return err;
    }
    return 0;
}
