#include "base/err.h"
#include "http/http.h"
#include "http/lesson_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- down ---- */

void lesson__conn_send_json(struct lesson_conn *c, json_t *o)
{
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (text == NULL || http_ws_send(c->ws, text, strlen(text), true) < 0)
        http_ws_close(c->ws, 1013, "too slow"); /* it comes back and reads on from its last seq */
    free(text);
}

void lesson__conn_ack(struct lesson_conn *c, const char *cmd_id, uint64_t seq)
{
    lesson__conn_send_json(
        c, json_pack("{s:s, s:s, s:I}", "type", "ack", "cmd_id", cmd_id, "seq", (json_int_t)seq));
}

void lesson__conn_refuse(struct lesson_conn *c, const char *cmd_id, const struct lesson_refusal *r)
{
    lesson__conn_send_json(c, json_pack("{s:s, s:s, s:s, s:s}", "type", "refused", "cmd_id", cmd_id,
                                        "code", r->code, "reason", r->reason));
}

static void send_hello(struct lesson_conn *c)
{
    lesson__conn_send_json(
        c, json_pack("{s:s, s:s, s:I, s:{s:s, s:s}, s:I}", "type", "hello", "lesson", c->lesson->id,
                     "seq", (json_int_t)c->lesson->durable_seq, "you", "identity", c->identity,
                     "role", lesson_role_name(c->role), "server_time", (json_int_t)wall_now()));
}

/* False when the client's queue is full; the event is then read from the store later. */
static bool send_event(struct lesson_conn *c, const struct lesson_event *e)
{
    if (lesson__is_for(c->lesson, e, c->identity)) {
        json_t *o = lesson_event_to_json(e);
        char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
        json_decref(o);
        int err = text != NULL ? http_ws_send(c->ws, text, strlen(text), true) : -ENOMEM;
        free(text);
        if (err < 0)
            return false;
    }
    c->sent_seq = e->seq;
    return true;
}

static bool send_stored(void *user, const struct lesson_event *e)
{
    struct lesson_conn *c = user;
    return e->seq <= c->lesson->durable_seq && send_event(c, e);
}

void lesson__conn_advance(struct lesson_conn *c, const struct lesson_event *e)
{
    if (e != NULL && c->sent_seq + 1 == e->seq) {
        IGNORE(send_event(
            c, e)); /* what does not fit is read from the store when the queue is empty */
        return;
    }
    while (c->sent_seq < c->lesson->durable_seq) {
        uint64_t before = c->sent_seq;
        int err = store_each_event(c->lesson->api->config.store, c->lesson->id, c->sent_seq,
                                   LESSON_CATCH_UP_EVENTS, send_stored, c);
        if (err < 0) {
            http_ws_close(c->ws, 1011, "log cannot be read");
            return;
        }
        if (c->sent_seq == before)
            return; /* the queue is full */
    }
}

static void on_writable(void *conn)
{
    struct lesson_conn *c = conn;
    if (c->lesson != NULL)
        lesson__conn_advance(c, NULL);
}

/* ---- up ---- */

static bool take_token(struct lesson_conn *c)
{
    mono_us now = mono_now();
    c->tokens += (double)(now - c->tokens_at) * LESSON_COMMANDS_PER_S / 1e6;
    c->tokens = TK_MIN(c->tokens, (double)LESSON_COMMANDS_BURST);
    c->tokens_at = now;
    if (c->tokens < 1)
        return false;
    c->tokens -= 1;
    return true;
}

/* A command that waits for the store is answered on the connection that asked last. */
static bool is_pending(struct lesson_conn *c, const char *cmd_id)
{
    LIST_FOR_EACH(it, &c->lesson->api->pendings)
    {
        struct lesson_pending *p = CONTAINER_OF(it, struct lesson_pending, link);
        if (p->lesson == c->lesson && strcmp(p->cmd_site, c->identity) == 0 &&
            strcmp(p->cmd_id, cmd_id) == 0) {
            p->conn_id = c->id;
            return true;
        }
    }
    return false;
}

static void run_command(struct lesson_conn *c, const struct lesson_command *cmd)
{
    struct lesson *l = c->lesson;
    uint64_t seq;
    if (is_pending(c, cmd->cmd_id))
        return;
    if (store_get_command(l->api->config.store, l->id, c->identity, cmd->cmd_id, &seq) == 0) {
        lesson__conn_ack(c, cmd->cmd_id, seq);
        return;
    }
    struct lesson_event e;
    struct lesson_refusal refusal;
    int result = lesson_command_decide(&l->state, c->identity, c->role, cmd, &e, &refusal);
    if (result < 0) {
        lesson__conn_refuse(c, cmd->cmd_id, &refusal);
        return;
    }
    struct lesson_pending answer = {.conn_id = c->id};
    memcpy(answer.cmd_site, c->identity, sizeof(answer.cmd_site));
    memcpy(answer.cmd_id, cmd->cmd_id, sizeof(answer.cmd_id));
    int err =
        result > 0 ? lesson__log_event(l, &e, &answer, false) : lesson__log_command(l, &answer);
    if (err < 0) {
        static const struct lesson_refusal busy = {"unavailable", "the server is busy; try again"};
        lesson__conn_refuse(c, cmd->cmd_id, &busy);
    }
}

static void on_receive(void *conn, const void *data, size_t size, bool is_text)
{
    struct lesson_conn *c = conn;
    struct lesson_command cmd;
    struct lesson_refusal refusal;
    if (c->lesson == NULL)
        return;
    if (!is_text) {
        http_ws_close(c->ws, 1003, "text frames only");
        return;
    }
    int err = lesson_command_parse(data, size, &cmd, &refusal);
    if (!take_token(c))
        refusal = (struct lesson_refusal){"rate_limited", "too many commands; wait a moment"};
    else if (err == 0) {
        run_command(c, &cmd);
        return;
    }
    lesson__conn_refuse(c, cmd.cmd_id, &refusal);
}

/* ---- open and closed ---- */

static uint64_t query_after(const struct http_request *r)
{
    char text[32];
    if (http_query_get(r->query, "after", text, sizeof(text)) < 0)
        return 0;
    return strtoull(text, NULL, 10);
}

static int on_open(void *user, const struct http_request *r, struct http_ws *ws, void **ret_conn)
{
    struct lesson_api *api = user;
    struct signal_grants g;
    int err = lesson__grants(api, r, NULL, &g);
    if (err < 0)
        return err;
    struct lesson *l = lesson__find(api, r->params[0]);
    if (l == NULL)
        return ERR_LESSON_NOT_FOUND;
    struct lesson_presence who, *presence;
    err = lesson__identify(l, &g, &who);
    if (err < 0)
        return err;
    if (l->conn_count >= LESSON_CONNS_MAX)
        return ERR_LIMIT;
    struct lesson_conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    c->id = api->next_conn_id++;
    c->lesson = l;
    c->ws = ws;
    c->role = who.role;
    c->sent_seq = TK_MIN(query_after(r), l->durable_seq);
    c->tokens = LESSON_COMMANDS_BURST;
    c->tokens_at = mono_now();
    memcpy(c->identity, who.identity, sizeof(c->identity));
    err = idmap_put(&api->conns, c->id, c);
    if (err < 0) {
        free(c);
        return err;
    }
    list_push_back(&l->conns, &c->link);
    l->conn_count++;
    *ret_conn = c;
    send_hello(c);
    lesson__conn_advance(c, NULL);
    if (!l->state.is_ended && lesson__arrive(l, &who, MONO_NEVER, &presence) == 0)
        presence->conn_count++;
    return 0;
}

static void on_closed(void *conn)
{
    struct lesson_conn *c = conn;
    struct lesson *l = c->lesson;
    if (l != NULL) {
        list_remove(&c->link);
        l->conn_count--;
        idmap_take(&l->api->conns, c->id);
        struct lesson_presence *p = strmap_get(&l->presences, c->identity);
        if (p != NULL && p->conn_count > 0) {
            p->conn_count--;
            lesson__maybe_leave(l, p, mono_now());
        }
    }
    free(c);
}

int lesson__conn_route(struct lesson_api *api)
{
    struct http_ws_route route = {
        .pattern = "/api/v1/lessons/{id}/log",
        .user = api,
        .message_size_max = LESSON_FRAME_MAX,
        .queue_size_max = LESSON_QUEUE_MAX,
        .open = on_open,
        .receive = on_receive,
        .writable = on_writable,
        .closed = on_closed,
    };
    return http_server_add_ws_route(api->config.http, &route);
}
