#include "base/err.h"
#include "base/log.h"
#include "http/http_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_OUT_MAX 16384

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

static const char *reason_text(int status)
{
    for (size_t i = 0; i < ARRAY_COUNT(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return status < 400 ? "OK" : "Error";
}

struct http_exchange *http__exchange_create(struct http__conn *conn)
{
    struct http_exchange *ex = calloc(1, sizeof(*ex));
    if (ex == NULL)
        return NULL;
    ex->conn = conn;
    ex->fd = -1;
    list_init(&ex->waiting);
    strbuf_init(&ex->body_in, HTTP_BODY_SIZE_MAX);
    strbuf_init(&ex->headers_extra, HTTP__EXTRA_HEADERS_SIZE);
    strbuf_init(&ex->out, HEADERS_OUT_MAX);
    return ex;
}

static void destroy(struct http_exchange *ex)
{
    list_remove(&ex->waiting);
    strbuf_fini(&ex->body_in);
    strbuf_fini(&ex->headers_extra);
    strbuf_fini(&ex->out);
    if (ex->fd >= 0)
        close(ex->fd);
    free(ex->body);
    free(ex->in.texts);
    free(ex);
}

void http__exchange_release(struct http_exchange *ex)
{
    if (ex == NULL)
        return;
    if (ex->conn != NULL && ex->conn->exchange == ex)
        ex->conn->exchange = NULL;
    ex->conn = NULL;
    if (ex->is_answered || !ex->is_handed_out)
        destroy(ex);
}

/* The status line and the headers that every answer has. */
static void write_head(struct http_exchange *ex, int status, const char *content_type)
{
    struct strbuf *b = &ex->out;
    strbuf_printf(b, "HTTP/1.1 %d %s\r\n", status, reason_text(status));
    strbuf_puts(b, "access-control-allow-origin: *\r\nx-content-type-options: nosniff\r\n");
    if (content_type != NULL && content_type[0] != '\0')
        strbuf_printf(b, "content-type: %s\r\n", content_type);
    if (status != 204 && status != 304)
        strbuf_printf(b, "content-length: %zu\r\n", ex->body_size);
    if (ex->headers_extra.size > 0 && ex->headers_extra.err == 0)
        strbuf_append(b, ex->headers_extra.data, ex->headers_extra.size);
    strbuf_printf(b, "connection: %s\r\n\r\n", ex->is_close ? "close" : "keep-alive");
    if (ex->in.request.is_head || status == 204 || status == 304)
        ex->body_size = 0; /* said, but not sent */
}

static void finish(struct http_exchange *ex, int status, const char *content_type)
{
    write_head(ex, status, content_type);
    ex->is_answered = true;
    if (ex->conn == NULL)
        destroy(ex);
    else
        http__loop_want_writable(&ex->conn->server->loop, ex->conn);
}

void http_reply(struct http_exchange *exchange, int status, const char *content_type,
                const void *body, size_t size)
{
    if (size > 0) {
        exchange->body = malloc(LWS_PRE + size);
        if (exchange->body == NULL) {
            status = 500;
            size = 0;
        } else {
            memcpy(exchange->body + LWS_PRE, body, size);
        }
    }
    exchange->body_size = size;
    finish(exchange, status, content_type);
}

void http__reply_file(struct http_exchange *ex, int status, const char *content_type, int fd,
                      size_t size)
{
    ex->fd = fd;
    ex->body_size = size;
    finish(ex, status, content_type);
}

void http_reply_json(struct http_exchange *exchange, int status, char *json)
{
    if (json == NULL)
        http_reply_error(exchange, -ENOMEM, NULL);
    else
        http_reply(exchange, status, "application/json", json, strlen(json));
    free(json);
}

void http_reply_error(struct http_exchange *exchange, int err, const char *message)
{
    int status = err_http_status(err);
    json_t *root = json_pack("{s:{s:s,s:s}}", "error", "code", err_client_code(err), "message",
                             message != NULL ? message : err_text(err));
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (status == 401)
        http_reply_header(exchange, "www-authenticate", "Bearer");
    if (text != NULL)
        http_reply(exchange, status, "application/json", text, strlen(text));
    else
        http_reply(exchange, status, NULL, NULL, 0);
    free(text);
}

void http_reply_header(struct http_exchange *exchange, const char *name, const char *value)
{
    if (strpbrk(value, "\r\n") == NULL && strpbrk(name, "\r\n: ") == NULL)
        strbuf_printf(&exchange->headers_extra, "%s: %s\r\n", name, value);
}

/* ---- sending ---- */

static int send_head(struct http_exchange *ex, struct lws *wsi)
{
    uint8_t *buf = malloc(LWS_PRE + ex->out.size);
    if (buf == NULL || ex->out.err != 0) {
        free(buf);
        return -ENOMEM;
    }
    memcpy(buf + LWS_PRE, ex->out.data, ex->out.size);
    int n = lws_write(wsi, buf + LWS_PRE, ex->out.size, LWS_WRITE_HTTP_HEADERS);
    free(buf);
    ex->out_sent = ex->out.size;
    return n < 0 ? ERR_CLOSED : 0;
}

static int send_chunk(struct http_exchange *ex, struct lws *wsi)
{
    size_t left = ex->body_size - ex->body_sent, size = TK_MIN(left, HTTP__CHUNK_SIZE);
    enum lws_write_protocol how = size == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
    int n;
    if (ex->fd >= 0) {
        uint8_t *buf = malloc(LWS_PRE + size);
        if (buf == NULL)
            return -ENOMEM;
        ssize_t got = pread(ex->fd, buf + LWS_PRE, size, (off_t)ex->body_sent);
        if (got != (ssize_t)size) { /* the file shrank under us; the length is promised already */
            free(buf);
            return ERR_CLOSED;
        }
        n = lws_write(wsi, buf + LWS_PRE, size, how);
        free(buf);
    } else {
        n = lws_write(wsi, (uint8_t *)ex->body + LWS_PRE + ex->body_sent, size, how);
    }
    ex->body_sent += size;
    return n < 0 ? ERR_CLOSED : 0;
}

int http__exchange_send(struct http_exchange *ex, struct lws *wsi)
{
    int rc = ex->out_sent == 0 ? send_head(ex, wsi) : 0;
    while (rc == 0 && ex->body_sent < ex->body_size) {
        if (lws_send_pipe_choked(wsi))
            return 0;
        rc = send_chunk(ex, wsi);
    }
    return rc != 0 ? rc : 1;
}
