#include "base/err.h"
#include "base/log.h"
#include "http/http_internal.h"
#include "http/webhook.h"
#include "signal/signal.h"

#include <stdlib.h>
#include <string.h>

void http__signal_input(struct http_server *h)
{
    if (h->config.on_signal_input != NULL)
        h->config.on_signal_input(h->config.user);
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static struct signal_join_request join_request(const struct http_request *request, bool is_v1)
{
    return (struct signal_join_request){.is_v1 = is_v1,
                                        .authorization = or_null(request->authorization),
                                        .query = request->query,
                                        .user_agent = or_null(request->user_agent)};
}

static void send_reply(struct http_exchange *ex, struct signal_reply *reply)
{
    http_reply(ex, reply->status, reply->content_type, reply->body, reply->size);
    free(reply->body);
}

void http__signal_validate(struct http_server *h, struct http_exchange *ex, bool is_v1)
{
    struct signal_join_request request = join_request(&ex->in.request, is_v1);
    struct signal_reply reply = {0};
    signal_validate(h->config.signal, &request, wall_now(), &reply);
    send_reply(ex, &reply);
}

/* ---- sessions ---- */

static void session_receive(void *conn, const void *data, size_t size, bool is_text)
{
    struct http_ws *ws = signal_session_user(conn);
    struct http_server *h = ws->conn->server;
    signal_session_receive(conn, data, size, is_text, mono_now(), wall_now());
    http__signal_input(h);
}

static int session_pull(void *conn, const void **ret_data, size_t *ret_size, bool *ret_is_text,
                        int *ret_code)
{
    return signal_session_poll_frame(conn, ret_data, ret_size, ret_is_text, ret_code);
}

static void session_closed(void *conn)
{
    struct http_ws *ws = signal_session_user(conn);
    struct http_server *h = ws->conn->server;
    signal_session_set_user(conn, NULL);
    signal_session_closed(conn, mono_now());
    http__signal_input(h);
}

int http__signal_upgrade(struct http_server *h, struct http_ws *ws, struct http_exchange *ex,
                         bool is_v1)
{
    struct signal_join_request request = join_request(&ex->in.request, is_v1);
    struct signal_session *session = NULL;
    struct signal_reply reply = {0};
    int rc =
        signal_session_open(h->config.signal, &request, mono_now(), wall_now(), &session, &reply);
    if (rc < 0) {
        send_reply(ex, &reply);
        return 1;
    }
    ws->message_size_max = SIGNAL_MESSAGE_MAX;
    ws->ops = (struct http__ws_ops){
        .receive = session_receive, .closed = session_closed, .pull = session_pull};
    ws->user_conn = session;
    signal_session_set_user(session, ws);
    http__signal_input(h);
    return 0;
}

/* ---- RoomService ---- */

/* "/twirp/<service>/<method>" cut in two; false if it is not that. */
static bool split_twirp(char *path, const char **ret_service, const char **ret_method)
{
    char *service = path + strlen("/twirp/");
    char *slash = strchr(service, '/');
    if (slash == NULL || slash == service || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
        return false;
    *slash = '\0';
    *ret_service = service;
    *ret_method = slash + 1;
    return true;
}

/* The answer comes later, from a participant; the exchange outlives its client until then. */
static void wait_for_reply(struct http_server *h, struct http_exchange *ex, uint64_t ticket)
{
    ex->is_handed_out = true;
    ex->ticket = ticket;
    list_push_back(&h->waiting, &ex->waiting);
    lws_set_timeout(ex->conn->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP__LATE_ANSWER_S);
}

void http__signal_twirp(struct http_server *h, struct http_exchange *ex)
{
    static const char bad_route[] =
        "{\"code\":\"bad_route\",\"msg\":\"no handler for path\",\"meta\":{}}";
    const struct http_request *request = &ex->in.request;
    const char *service, *method;
    char path[HTTP_PATH_MAX];
    struct signal_reply reply = {0};
    if (request->method != HTTP_METHOD_POST || str_copy(path, sizeof(path), request->path) != 0 ||
        !split_twirp(path, &service, &method)) {
        http_reply(ex, 404, "application/json", bad_route, strlen(bad_route));
        return;
    }
    signal_twirp(h->config.signal, service, method, request->content_type,
                 or_null(request->authorization), request->body, request->body_size, mono_now(),
                 wall_now(), &reply);
    if (reply.status == 0)
        wait_for_reply(h, ex, reply.ticket);
    else
        send_reply(ex, &reply);
    http__signal_input(h);
}

static struct http_exchange *find_waiting(struct http_server *h, uint64_t ticket)
{
    LIST_FOR_EACH(it, &h->waiting)
    {
        struct http_exchange *ex = CONTAINER_OF(it, struct http_exchange, waiting);
        if (ex->ticket == ticket)
            return ex;
    }
    return NULL;
}

static void flush_replies(struct http_server *h)
{
    uint64_t ticket;
    struct signal_reply reply;
    while (signal_poll_reply(h->config.signal, &ticket, &reply) == 1) {
        struct http_exchange *ex = find_waiting(h, ticket);
        if (ex == NULL) {
            free(reply.body);
            continue;
        }
        list_remove(&ex->waiting);
        send_reply(ex, &reply);
    }
}

void http__signal_abandon(struct http_server *h)
{
    for (struct list *it = list_pop_front(&h->waiting); it != NULL;
         it = list_pop_front(&h->waiting))
        http_reply_error(CONTAINER_OF(it, struct http_exchange, waiting), ERR_CLOSED, NULL);
}

/* ---- what signalling has waiting ---- */

static void flush_webhooks(struct http_server *h)
{
    char *body;
    while (signal_poll_webhook(h->config.signal, &body) == 1) {
        if (h->webhooks == NULL) {
            free(body);
            continue;
        }
        webhook_queue_push(h->webhooks, h->config.signal, body, wall_now());
    }
}

void http__signal_flush(struct http_server *h)
{
    struct signal_session *session;
    while ((session = signal_poll_writable(h->config.signal)) != NULL) {
        struct http_ws *ws = signal_session_user(session);
        if (ws != NULL && ws->is_open)
            http__loop_want_writable(&h->loop, ws->conn);
    }
    flush_replies(h);
    flush_webhooks(h);
}
