/* The signalling WebSocket (RFC 6455) through libwebsockets, one context for all clients of a hub.
 */
#include "base/err.h"
#include "base/strbuf.h"
#include "client/client_internal.h"
#include "client/lws.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_S 5

struct client_ws_out {
    struct client_ws_out *next;
    size_t size;
    uint8_t room[LWS_PRE]; /* libwebsockets writes its header here */
    uint8_t data[];
};

static void clear(struct client_ws *ws)
{
    while (ws->head != NULL) {
        struct client_ws_out *next = ws->head->next;
        free(ws->head);
        ws->head = next;
    }
    ws->tail = NULL;
    ws->out_count = 0;
    free(ws->in);
    ws->in = NULL;
    ws->in_size = 0;
    ws->in_capacity = 0;
    ws->is_open = false;
    ws->is_closing = false;
}

/* False: over the limit, or no memory. */
static bool collect(struct client_ws *ws, const void *data, size_t size)
{
    if (size > CLIENT_MESSAGE_MAX - ws->in_size)
        return false;
    if (ws->in_size + size > ws->in_capacity) {
        size_t capacity = TK_MAX(ws->in_size + size, ws->in_capacity * 2);
        uint8_t *in = realloc(ws->in, capacity);
        if (in == NULL)
            return false;
        ws->in = in;
        ws->in_capacity = capacity;
    }
    if (size > 0)
        memcpy(ws->in + ws->in_size, data, size);
    ws->in_size += size;
    return true;
}

static int on_receive(struct client_ws *ws, const void *data, size_t size)
{
    if (!collect(ws, data, size))
        return -1;
    if (lws_remaining_packet_payload(ws->wsi) > 0 || !lws_is_final_fragment(ws->wsi))
        return 0;
    size_t whole = ws->in_size;
    ws->in_size = 0;
    client__on_message(ws->client, ws->in, whole);
    return 0;
}

static int on_writable(struct client_ws *ws)
{
    struct client_ws_out *out = ws->head;
    if (out != NULL) {
        ws->head = out->next;
        if (ws->head == NULL)
            ws->tail = NULL;
        ws->out_count--;
        int written = lws_write(ws->wsi, out->data, out->size, LWS_WRITE_BINARY);
        free(out);
        if (written < 0)
            return -1;
    }
    if (ws->head != NULL) {
        lws_callback_on_writable(ws->wsi);
        return 0;
    }
    return ws->is_closing ? -1 : 0;
}

static void on_gone(struct client_ws *ws, unsigned status, const char *why)
{
    ws->wsi = NULL;
    clear(ws);
    client__on_ws_closed(ws->client, status, why);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct client_ws *ws = user;
    if (ws == NULL || (ws->wsi != wsi && reason != LWS_CALLBACK_CLIENT_CONNECTION_ERROR))
        return reason == LWS_CALLBACK_CLIENT_WRITEABLE ? -1 : 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        ws->is_open = true;
        if (ws->head != NULL)
            lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return on_receive(ws, in, size);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writable(ws);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR: {
        char why[160];
        snprintf(why, sizeof(why), "%.*s", in != NULL ? (int)size : 0,
                 in != NULL ? (const char *)in : "");
        on_gone(ws, lws_http_client_http_response(wsi), *why != '\0' ? why : "cannot connect");
        return 0;
    }
    case LWS_CALLBACK_CLIENT_CLOSED:
        on_gone(ws, 0, "the server closed the connection");
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "tongke-client", .callback = on_event, .rx_buffer_size = 65536},
    {.name = "tongke-refusal", .callback = client__refusal_event, .rx_buffer_size = 4096},
    {0},
};

int client__lws_create(struct lws_context **ret_lws)
{
    lws_set_log_level(0, NULL); /* its complaints come back as results */
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .pt_serv_buf_size = 65536, /* the token stands in the request line */
        .timeout_secs = CONNECT_TIMEOUT_S,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    struct lws_context *lws = lws_create_context(&info);
    if (lws == NULL)
        return -ENOMEM;
    *ret_lws = lws;
    return 0;
}

static int connect_to(struct client *c, struct lws_client_connect_info *info, struct lws **ret_wsi)
{
    char host_port[280];
    snprintf(host_port, sizeof(host_port), "%s:%u", c->host, c->port);
    if (c->is_tls)
        info->ssl_connection = LCCSCF_USE_SSL;
    if (c->is_tls && c->config.is_insecure)
        info->ssl_connection |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE |
                                LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_EXPIRED;
    info->context = c->hub->lws;
    info->address = c->host;
    info->host = host_port;
    info->origin = c->host;
    info->port = c->port;
    info->pwsi = ret_wsi;
    struct lws *wsi = lws_client_connect_via_info(info);
    if (wsi == NULL)
        return ERR_CLOSED;
    *ret_wsi = wsi;
    return 0;
}

int client__ws_open(struct client_ws *ws, const char *path)
{
    clear(ws);
    struct lws_client_connect_info info = {
        .path = path, .local_protocol_name = "tongke-client", .userdata = ws};
    return connect_to(ws->client, &info, &ws->wsi);
}

int client__lws_get(struct client *c, const char *path, struct client_refusal *user,
                    struct lws **ret_wsi)
{
    struct lws_client_connect_info info = {
        .path = path, .method = "GET", .local_protocol_name = "tongke-refusal", .userdata = user};
    return connect_to(c, &info, ret_wsi);
}

void client__ws_drop(struct client_ws *ws)
{
    if (ws->wsi != NULL) {
        lws_set_wsi_user(ws->wsi, NULL);
        lws_set_timeout(ws->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        ws->wsi = NULL;
    }
    client__refusal_drop(&ws->refusal);
    clear(ws);
}

int client__ws_send(struct client_ws *ws, const void *data, size_t size)
{
    if (ws->wsi == NULL || ws->is_closing)
        return ERR_STATE;
    if (ws->out_count >= CLIENT_WS_OUT_MAX || size > CLIENT_MESSAGE_MAX)
        return ERR_LIMIT;
    struct client_ws_out *out = malloc(sizeof(*out) + size);
    if (out == NULL)
        return -ENOMEM;
    out->next = NULL;
    out->size = size;
    memcpy(out->data, data, size);
    if (ws->tail != NULL)
        ws->tail->next = out;
    else
        ws->head = out;
    ws->tail = out;
    ws->out_count++;
    if (ws->is_open)
        lws_callback_on_writable(ws->wsi);
    return 0;
}

void client__ws_close_after_writing(struct client_ws *ws)
{
    ws->is_closing = true;
    if (ws->wsi != NULL && ws->is_open)
        lws_callback_on_writable(ws->wsi);
}
