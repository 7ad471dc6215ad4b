#include "base/err.h"
#include "base/log.h"
#include "http/http_internal.h"
#include "http/webhook.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERV_BUF_SIZE  32768
#define RX_BUFFER_SIZE 2048 /* held by every WebSocket, a long message comes in such parts */
#define HEADER_DATA_SIZE                                                            \
    (160u << 10)         /* HTTP_HEADERS_SIZE_MAX and room to notice what is longer \
                          */
#define IDLE_S       15  /* between two requests on one connection */
#define FIRST_BYTE_S 20  /* for headers, TLS handshakes and request bodies to go on */
#define SEND_STALL_S 120 /* for a slow line to take the next part of an answer */

/* We look after that ourselves (liveness.c): the library's timers only come after half a day. */
static const lws_retry_bo_t ws_liveness = {
    .secs_since_valid_ping = 50000,
    .secs_since_valid_hangup = 60000,
};

static void log_library(int level, const char *line)
{
    (void)level;
    LOG_DEBUG("http", "libwebsockets", "text=\"%.*s\"", (int)strcspn(line, "\r\n"), line);
}

/* ---- requests ---- */

/* Answers at once, inside the callback that reads the request; then the connection ends. */
static int refuse(struct http_exchange *ex, struct lws *wsi, int status, const char *text)
{
    ex->is_close = true;
    ex->conn->server->stats.refused++;
    http_reply(ex, status, "text/plain; charset=utf-8", text, strlen(text));
    IGNORE(http__exchange_send(ex, wsi)); /* it ends either way */
    http__linger(&ex->conn->server->loop, ex->conn->fd);
    http__exchange_release(ex);
    return -1;
}

static void preflight(struct http_exchange *ex, struct lws *wsi)
{
    char asked[512] = "*";
    if (lws_hdr_copy(wsi, asked, sizeof(asked), WSI_TOKEN_HTTP_AC_REQUEST_HEADERS) <= 0)
        memcpy(asked, "*", sizeof("*"));
    http_reply_header(ex, "access-control-allow-methods",
                      "OPTIONS, HEAD, GET, POST, PUT, PATCH, DELETE");
    http_reply_header(ex, "access-control-allow-headers", asked);
    http_reply_header(ex, "access-control-max-age", "86400");
    http__whip_preflight(ex, ex->in.request.path);
    http_reply(ex, 204, NULL, NULL, 0);
}

static int refuse_length(struct http_exchange *ex, struct lws *wsi, int rc)
{
    if (rc == ERR_HTTP_BODY_SIZE)
        return refuse(ex, wsi, 413, "the body is larger than 10 MiB\n");
    if (rc == ERR_UNSUPPORTED)
        return refuse(ex, wsi, 411, "content-length is needed\n");
    return refuse(ex, wsi, 400, "malformed content-length\n");
}

static int refuse_request(struct http_exchange *ex, struct lws *wsi, int rc)
{
    if (rc == ERR_LIMIT)
        return refuse(ex, wsi, 414, "the address is too long\n");
    if (rc == ERR_UNSUPPORTED)
        return refuse(ex, wsi, 501, "unknown method\n");
    return refuse(ex, wsi, rc == ERR_MALFORMED ? 400 : 500, "cannot read the request\n");
}

static int read_request(struct http_server *h, struct http_exchange *ex, struct lws *wsi)
{
    bool is_options = false;
    int64_t length = -1;
    int rc = http__request_read(wsi, &ex->in, &is_options);
    if (rc != 0)
        return refuse_request(ex, wsi, rc);
    rc = http__body_length(wsi, &length);
    if (rc != 0)
        return refuse_length(ex, wsi, rc);
    bool has_body_method =
        ex->in.request.method != HTTP_METHOD_GET && ex->in.request.method != HTTP_METHOD_DELETE;
    if (length < 0 && has_body_method)
        return refuse(ex, wsi, 411, "content-length is needed\n");
    if (is_options) {
        preflight(ex, wsi);
        return 0;
    }
    /* The library reports the end of a body, also of an empty one after POST. */
    if (length > 0 || (length == 0 && ex->in.request.method == HTTP_METHOD_POST))
        return 0;
    http__dispatch(h, ex);
    return 0;
}

static int on_request(struct http_server *h, struct http__conn *conn, struct lws *wsi)
{
    http__exchange_release(conn->exchange);
    conn->exchange = http__exchange_create(conn);
    if (conn->exchange == NULL)
        return -1;
    uint32_t body_time_s = h->config.body_time_max_s;
    conn->exchange->body_until =
        mono_now() + MONO_S(body_time_s != 0 ? body_time_s : HTTP__BODY_TIME_DEFAULT_S);
    return read_request(h, conn->exchange, wsi);
}

static int on_body(struct http__conn *conn, struct lws *wsi, const void *data, size_t size)
{
    struct http_exchange *ex = conn->exchange;
    if (ex == NULL || ex->is_answered)
        return 0;
    mono_us left = ex->body_until - mono_now();
    if (left <= 0) {
        conn->server->stats.over_limit++;
        return refuse(ex, wsi, 408, "the body came too slowly\n");
    }
    int left_s = (int)(left / MONO_S(1)) + 1;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, TK_MIN(left_s, FIRST_BYTE_S));
    strbuf_append(&ex->body_in, data, size);
    return ex->body_in.err != 0 ? -1 : 0;
}

static void on_body_complete(struct http_server *h, struct http__conn *conn)
{
    struct http_exchange *ex = conn->exchange;
    if (ex == NULL || ex->is_answered)
        return;
    ex->in.request.body = strbuf_text(&ex->body_in);
    ex->in.request.body_size = ex->body_in.size;
    http__dispatch(h, ex);
}

static int on_writable(struct http__conn *conn, struct lws *wsi)
{
    struct http_exchange *ex = conn->exchange;
    if (ex == NULL || !ex->is_answered)
        return 0;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SEND_STALL_S);
    int rc = http__exchange_send(ex, wsi);
    if (rc == 0)
        return 0; /* the socket is full, and tells when it has room */
    bool is_end = rc < 0 || ex->is_close;
    http__exchange_release(ex);
    http__loop_want_writable(&conn->server->loop, conn); /* the library's rest of the turn */
    return is_end || lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

/* 0: go on with the upgrade, 1: refused with an answer, -1: hang up. */
static int on_upgrade(struct http_server *h, struct http__conn *conn, struct lws *wsi)
{
    bool is_options;
    char name[16] = "";
    if (lws_hdr_copy(wsi, name, sizeof(name), WSI_TOKEN_UPGRADE) <= 0 || conn->exchange != NULL ||
        conn->ws != NULL)
        return -1;
    struct http_exchange *ex = http__exchange_create(conn);
    if (ex == NULL)
        return -1;
    conn->exchange = ex;
    int rc = http__request_read(wsi, &ex->in, &is_options);
    if (rc != 0)
        return refuse_request(ex, wsi, rc);
    if (strcasecmp(name, "websocket") != 0 || lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) <= 0 ||
        lws_hdr_total_length(wsi, WSI_TOKEN_KEY) <= 0)
        return refuse(ex, wsi, 400, "not a WebSocket upgrade\n");
    rc = http__ws_upgrade(h, conn, ex);
    if (rc > 0) {
        rc = http__exchange_send(ex, wsi);
        if (rc == 0)
            rc = -1; /* a refusal that does not fit into the socket at once */
    }
    http__exchange_release(ex);
    return rc;
}

/* ---- the library's callbacks ---- */

static void forget(struct http__conn *conn)
{
    http__ws_destroy(conn->ws);
    http__exchange_release(conn->exchange);
}

static void destroy_conn(struct http_server *h, struct http__conn *conn, struct lws *wsi)
{
    forget(conn);
    lws_set_opaque_user_data(wsi, NULL);
    h->conn_count--;
    http__loop_end(&h->loop, conn);
}

static int on_ws_event(struct http__conn *conn, struct lws *wsi, enum lws_callback_reasons reason,
                       void *in, size_t size)
{
    struct http_ws *ws = conn->ws;
    if (ws == NULL)
        return -1;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        ws->is_open = true;
        http__liveness_heard(ws);
        http__loop_want_writable(&conn->server->loop, conn);
        return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
        http__liveness_heard(ws);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        http__ws_receive(ws, wsi, in, size);
        return 0;
    default:
        return http__ws_send_queued(ws) < 0 ? -1 : 0;
    }
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct http__conn *conn;
    struct http_server *h;
    (void)user;
    if (wsi == NULL || lws_get_context(wsi) == NULL)
        return 0;
    h = lws_context_user(lws_get_context(wsi));
    conn = lws_get_opaque_user_data(wsi);
    if (h == NULL || conn == NULL)
        return 0;
    conn->wsi = wsi;
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_upgrade(h, conn, wsi);
    case LWS_CALLBACK_HTTP:
        return on_request(h, conn, wsi);
    case LWS_CALLBACK_HTTP_BODY:
        return on_body(conn, wsi, in, size);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        on_body_complete(h, conn);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_writable(conn, wsi);
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_ws_event(conn, wsi, reason, in, size);
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
        forget(conn);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        destroy_conn(h, conn, wsi);
        return 0;
    default:
        return 0;
    }
}

/* ---- life cycle ---- */

static int create_context(struct http_server *h)
{
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof(info));
    memset(&h->token_limits, 0, sizeof(h->token_limits));
    for (size_t i = 0; i < ARRAY_COUNT(h->token_limits.token_limit); i++)
        h->token_limits.token_limit[i] = HTTP__URI_MAX;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8;
    if (h->is_tls)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.user = h;
    info.gid = (gid_t)-1;
    info.uid = (uid_t)-1;
    info.pt_serv_buf_size = SERV_BUF_SIZE;
    info.max_http_header_data2 = HEADER_DATA_SIZE;
    info.max_http_header_pool = (unsigned short)TK_MIN(h->config.connection_count_max, 60000u);
    info.token_limits = &h->token_limits;
    info.timeout_secs = FIRST_BYTE_S;
    info.fd_limit_per_thread = h->config.connection_count_max + HTTP_BIND_MAX + 16;
    h->context = lws_create_context(&info);
    return h->context != NULL ? 0 : -ENOMEM;
}

static int create_vhost(struct http_server *h, const struct http_config *config)
{
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof(info));
    h->protocols[0] = (struct lws_protocols){
        .name = "http", .callback = on_event, .rx_buffer_size = RX_BUFFER_SIZE};
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.vhost_name = "tongke";
    info.protocols = h->protocols;
    info.keepalive_timeout = IDLE_S;
    info.timeout_secs = FIRST_BYTE_S;
    info.retry_and_idle_policy = &ws_liveness;
    info.gid = (gid_t)-1;
    info.uid = (uid_t)-1;
    if (h->is_tls) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = config->tls_cert_path;
        info.ssl_private_key_filepath = config->tls_key_path;
        info.ssl_options_set = http__tls_options();
        info.alpn = "http/1.1";
    }
    h->vhost = lws_create_vhost(h->context, &info);
    if (h->vhost != NULL)
        return 0;
    LOG_ERROR("http", "start_failed", "reason=%s", h->is_tls ? "tls_files" : "memory");
    return h->is_tls ? ERR_HTTP_TLS : -ENOMEM;
}

static int watch_listeners(struct http_server *h)
{
    int rc = 0;
    for (size_t i = 0; i < h->listener_count && rc == 0; i++)
        rc = http__loop_add_listener(&h->loop, &h->listeners[i]);
    return rc;
}

static int start_webhooks(struct http_server *h, const struct http_config *config)
{
    if (config->webhook_url_count == 0)
        return 0;
    struct webhook_config webhooks = {.urls = config->webhook_urls,
                                      .url_count = config->webhook_url_count,
                                      .key = config->webhook_key};
    return webhook_queue_create(&webhooks, &h->webhooks);
}

static int start(struct http_server *h, const struct http_config *config)
{
    if ((config->tls_cert_path == NULL) != (config->tls_key_path == NULL))
        return ERR_HTTP_TLS;
    h->is_tls = config->tls_cert_path != NULL;
    if (config->web_root != NULL) {
        h->web_root = realpath(config->web_root, NULL);
        if (h->web_root == NULL)
            LOG_WARN("http", "no_web_app", "folder=%s", config->web_root);
    }
    int rc = http__listen(h, config);
    if (rc == 0)
        rc = http__loop_open(&h->loop);
    if (rc == 0)
        rc = create_context(h);
    if (rc == 0)
        rc = create_vhost(h, config);
    if (rc == 0)
        rc = watch_listeners(h);
    return rc != 0 ? rc : start_webhooks(h, config);
}

int http_server_create(const struct http_config *config, struct http_server **ret_server)
{
    struct http_server *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return -ENOMEM;
    h->config = *config;
    h->loop.epoll_fd = -1;
    if (h->config.connection_count_max == 0)
        h->config.connection_count_max = HTTP__CONNECTIONS_DEFAULT;
    list_init(&h->heard);
    list_init(&h->conns);
    list_init(&h->waiting);
    lws_set_log_level(LLL_ERR | LLL_WARN, log_library);
    int rc = start(h, config);
    if (rc == 0)
        rc = http__whip_add_routes(h);
    if (rc != 0) {
        http_server_destroy(h);
        return rc;
    }
    *ret_server = h;
    return 0;
}

void http_server_destroy(struct http_server *h)
{
    if (h == NULL)
        return;
    if (h->context != NULL)
        lws_context_destroy(h->context);
    http__loop_close(&h->loop);
    http__signal_abandon(h);
    for (size_t i = 0; i < h->listener_count; i++)
        close(h->listeners[i]);
    webhook_queue_destroy(h->webhooks);
    free(h->frame);
    free(h->web_root);
    free(h);
}

uint16_t http_server_port(const struct http_server *h)
{
    return h->port;
}

void http_server_service(struct http_server *h, mono_us timeout)
{
    http__signal_flush(h);
    http__loop_run(h, timeout);
    http__signal_flush(h);
}

void http_server_wake(struct http_server *h)
{
    http__loop_wake(&h->loop);
}

void http_server_stats(const struct http_server *h, struct http_stats *ret_stats)
{
    *ret_stats = h->stats;
    ret_stats->connections = h->conn_count;
    LIST_FOR_EACH(it, &h->conns)
    ret_stats->websockets += CONTAINER_OF(it, struct http__conn, link)->ws != NULL;
    if (h->webhooks != NULL)
        webhook_queue_counts(h->webhooks, &ret_stats->webhooks_sent, &ret_stats->webhooks_dropped);
}
