#include "base/err.h"
#include "base/log.h"
#include "http/http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct http_ws *http__ws_create(struct http__conn *conn)
{
    struct http_ws *ws = calloc(1, sizeof(*ws));
    if (ws == NULL)
        return NULL;
    ws->conn = conn;
    conn->ws = ws;
    list_init(&ws->queue);
    list_init(&ws->heard_link);
    strbuf_init(&ws->in, 0);
    return ws;
}

void http__ws_destroy(struct http_ws *ws)
{
    if (ws == NULL)
        return;
    ws->conn->ws = NULL;
    list_remove(&ws->heard_link);
    if (ws->user_conn != NULL)
        ws->ops.closed(ws->user_conn);
    for (struct list *it = list_pop_front(&ws->queue); it != NULL; it = list_pop_front(&ws->queue))
        free(CONTAINER_OF(it, struct http__message, link));
    strbuf_fini(&ws->in);
    free(ws);
}

static void want_writable(struct http_ws *ws)
{
    if (ws->is_open)
        http__loop_want_writable(&ws->conn->server->loop, ws->conn);
}

int http_ws_send(struct http_ws *ws, const void *data, size_t size, bool is_text)
{
    if (ws->close_code != 0)
        return ERR_CLOSED;
    if (ws->queued + size > ws->queue_size_max)
        return ERR_LIMIT;
    struct http__message *m = malloc(sizeof(*m) + LWS_PRE + size);
    if (m == NULL)
        return -ENOMEM;
    m->size = size;
    m->is_text = is_text;
    if (size > 0)
        memcpy(m->bytes + LWS_PRE, data, size);
    list_push_back(&ws->queue, &m->link);
    ws->queued += size;
    want_writable(ws);
    return 0;
}

void http_ws_close(struct http_ws *ws, int code, const char *reason)
{
    if (ws->close_code != 0)
        return;
    ws->close_code = code;
    IGNORE(str_copy(ws->close_reason, sizeof(ws->close_reason), reason)); /* too long: none */
    want_writable(ws);
}

size_t http_ws_queued(const struct http_ws *ws)
{
    return ws->queued;
}

/* ---- receiving ---- */

void http__ws_receive(struct http_ws *ws, struct lws *wsi, const void *data, size_t size)
{
    http__liveness_heard(ws);
    if (ws->close_code != 0)
        return;
    if (lws_is_first_fragment(wsi)) {
        strbuf_fini(&ws->in);
        strbuf_init(&ws->in, ws->message_size_max);
    }
    strbuf_append(&ws->in, data, size);
    if (ws->in.err != 0) {
        ws->conn->server->stats.over_limit++;
        http_ws_close(ws, ws->in.err == ERR_LIMIT ? 1009 : 1011, "message too big");
        return;
    }
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) != 0)
        return;
    struct strbuf message = ws->in;
    strbuf_init(&ws->in, ws->message_size_max);
    if (ws->user_conn != NULL)
        ws->ops.receive(ws->user_conn, strbuf_text(&message), message.size,
                        !lws_frame_is_binary(wsi));
    strbuf_fini(&message);
}

/* ---- sending ---- */

static int write_frame(struct http_ws *ws, uint8_t *bytes, size_t size, bool is_text)
{
    enum lws_write_protocol how = is_text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
    return lws_write(ws->conn->wsi, bytes, size, how) < 0 ? ERR_CLOSED : 0;
}

/* An empty ping. */
static int send_ping(struct http_ws *ws)
{
    uint8_t bytes[LWS_PRE];
    ws->is_ping_due = false;
    return lws_write(ws->conn->wsi, bytes + LWS_PRE, 0, LWS_WRITE_PING) < 0 ? ERR_CLOSED : 0;
}

static int send_own(struct http_ws *ws)
{
    struct http__message *m = CONTAINER_OF(list_pop_front(&ws->queue), struct http__message, link);
    ws->queued -= m->size;
    int rc = write_frame(ws, m->bytes + LWS_PRE, m->size, m->is_text);
    free(m);
    return rc;
}

/* Room in front of a frame that somebody else owns: a copy in the server's scratch buffer. */
static int send_copy(struct http_ws *ws, const void *data, size_t size, bool is_text)
{
    struct http_server *h = ws->conn->server;
    if (h->frame_capacity < LWS_PRE + size) {
        uint8_t *grown = realloc(h->frame, LWS_PRE + size);
        if (grown == NULL)
            return -ENOMEM;
        h->frame = grown;
        h->frame_capacity = LWS_PRE + size;
    }
    if (size > 0)
        memcpy(h->frame + LWS_PRE, data, size);
    return write_frame(ws, h->frame + LWS_PRE, size, is_text);
}

/* One frame from the owner: 1 sent, 0 none, negative broken. */
static int send_pulled(struct http_ws *ws)
{
    const void *data;
    size_t size;
    bool is_text;
    int code;
    if (ws->ops.pull == NULL || ws->user_conn == NULL)
        return 0;
    int n = ws->ops.pull(ws->user_conn, &data, &size, &is_text, &code);
    if (n < 0) {
        ws->user_conn = NULL; /* the owner has ended it */
        ws->close_code = code;
        return 0;
    }
    if (n == 0)
        return 0;
    int rc = send_copy(ws, data, size, is_text);
    return rc != 0 ? rc : 1;
}

static int end(struct http_ws *ws)
{
    ws->is_ended = true;
    want_writable(ws); /* for the close frame */
    lws_close_reason(ws->conn->wsi, (enum lws_close_status)ws->close_code,
                     (uint8_t *)ws->close_reason, strlen(ws->close_reason));
    return ERR_CLOSED;
}

/* Frames go to the library until it keeps a rest of one: the socket is full. To ask the socket
 * before each would cost a system call per frame. */
int http__ws_send_queued(struct http_ws *ws)
{
    int n = 1;
    if (ws->is_ended)
        return 0; /* the library sends the close frame and waits for the other's */
    for (int i = 0; i < HTTP__SIGNAL_BURST && n > 0; i++) {
        if (lws_partial_buffered(ws->conn->wsi))
            return 0; /* the socket tells when it has room */
        if (ws->is_ping_due && send_ping(ws) < 0)
            return ERR_CLOSED;
        if (!list_is_empty(&ws->queue)) {
            n = send_own(ws);
            n = n == 0 ? 1 : n;
        } else {
            n = send_pulled(ws);
        }
        if (n < 0)
            return n;
        ws->has_sent = ws->has_sent || n > 0;
    }
    if (list_is_empty(&ws->queue) && ws->close_code != 0)
        return end(ws);
    if (n > 0) {
        want_writable(ws); /* there may be more */
        return 0;
    }
    bool is_news = ws->has_sent;
    ws->has_sent = false;
    if (is_news && ws->ops.writable != NULL && ws->user_conn != NULL)
        ws->ops.writable(ws->user_conn);
    return 0;
}

/* ---- upgrades ---- */

static int upgrade_route(struct http_server *h, struct http_ws *ws, struct http_exchange *ex)
{
    struct http_request *request = &ex->in.request;
    char path_copy[HTTP_PATH_MAX];
    const struct http_ws_route *route =
        http__find_ws_route(h, request->path, path_copy, request->params);
    if (route == NULL) {
        http_reply(ex, 404, "text/plain; charset=utf-8", "not found\n", 10);
        return 1;
    }
    ws->message_size_max = route->message_size_max;
    ws->queue_size_max = route->queue_size_max;
    ws->ops = (struct http__ws_ops){
        .receive = route->receive, .writable = route->writable, .closed = route->closed};
    void *user_conn = NULL;
    int rc = route->open(route->user, request, ws, &user_conn);
    if (rc < 0) {
        http_reply_error(ex, rc, NULL);
        return 1;
    }
    ws->user_conn = user_conn;
    return 0;
}

int http__ws_upgrade(struct http_server *h, struct http__conn *conn, struct http_exchange *ex)
{
    const char *path = ex->in.request.path;
    struct http_ws *ws = http__ws_create(conn);
    if (ws == NULL) {
        http_reply_error(ex, -ENOMEM, NULL);
        return 1;
    }
    int rc;
    if (strcmp(path, "/rtc") == 0)
        rc = http__signal_upgrade(h, ws, ex, false);
    else if (strcmp(path, "/rtc/v1") == 0)
        rc = http__signal_upgrade(h, ws, ex, true);
    else
        rc = upgrade_route(h, ws, ex);
    if (rc == 0) {
        h->stats.upgrades++;
        return 0;
    }
    h->stats.refused++;
    http__ws_destroy(ws);
    return 1;
}
