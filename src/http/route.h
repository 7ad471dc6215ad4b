#ifndef TK_HTTP_ROUTE_H
#define TK_HTTP_ROUTE_H

/*
 * What a module needs to answer requests and to talk over WebSockets: the request, the exchange it
 * is answered through, and the two kinds of route. Patterns are paths whose segments may be
 * "{name}": "/api/v1/lessons/{id}/log"; a literal segment wins over a placeholder. The same pattern
 * may have a plain GET route and a WebSocket route. Control thread only.
 */

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>

enum http_method {
    HTTP_METHOD_GET, /* a HEAD request arrives as GET; the body is left out of the answer */
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_COUNT_
};

#define HTTP_PARAMS_MAX 4
#define HTTP_PATH_MAX   1024
#define HTTP_TOKEN_MAX  16384 /* an access token with its zero byte */

/* Valid during the call that receives it; texts are never NULL ("" = absent) and zero-terminated.
 */
struct http_request {
    enum http_method method;
    bool is_head;
    bool
        is_from_this_machine; /* a loopback address, and no proxy that says it speaks for another */
    const char *path;         /* percent-decoded, "//" collapsed */
    const char *query;        /* still percent-encoded, without the '?' */
    const char *params[HTTP_PARAMS_MAX]; /* what the placeholders matched, in their order */
    const char *authorization;
    const char *content_type;
    const char *accept;
    const char *accept_encoding;
    const char *if_match;
    const char *if_none_match;
    const char *user_agent;
    const char *origin;
    const char *cookie;
    const void *body;
    size_t body_size;
};

/* Copies the percent-decoded value of a query parameter. ERR_NOT_FOUND, ERR_NO_SPACE,
 * ERR_MALFORMED (bad escape, or a zero byte). */
MUST_CHECK int http_query_get(const char *query, const char *name, char *dst, size_t size);

/* The token of "Authorization: Bearer …", else of ?access_token=…; the header wins. ERR_NOT_FOUND
 * when there is none, ERR_MALFORMED, ERR_NO_SPACE. */
MUST_CHECK int http_request_token(const struct http_request *request, char *dst, size_t size);

/* ---- plain requests ---- */

/* One request that waits for its answer. Each is answered exactly once, in the handler or later; it
 * may be answered (and is then forgotten) after the client has gone. */
struct http_exchange;

struct http_route {
    enum http_method method;
    const char *pattern;
    void *user;
    void (*handle)(void *user, const struct http_request *request, struct http_exchange *exchange);
};

/* Answers with a copy of `body`; `content_type` may be NULL when the body is empty. */
void http_reply(struct http_exchange *exchange, int status, const char *content_type,
                const void *body, size_t size);
/* Answers with a JSON text; takes `json` over (free()); NULL answers 500. */
void http_reply_json(struct http_exchange *exchange, int status, char *json);
/* Answers {"error":{"code","message"}} with the status and code of `err` (base/err.def);
 * `message` may be NULL: the error's own text. */
void http_reply_error(struct http_exchange *exchange, int err, const char *message);
/* Adds a header to the answer to come; at most 8. Both texts are copied. */
void http_reply_header(struct http_exchange *exchange, const char *name, const char *value);

/* ---- WebSockets ---- */

struct http_ws;

struct http_ws_route {
    const char *pattern;
    void *user;
    size_t message_size_max; /* a longer message closes with 1009 */
    size_t queue_size_max;   /* bytes that may wait to be sent */
    /*
     * An upgrade is asked for. 0 accepts: `*ret_conn` comes back in the calls below; frames may be
     * sent at once. Negative refuses with the JSON error of that code, as http_reply_error().
     */
    int (*open)(void *user, const struct http_request *request, struct http_ws *ws,
                void **ret_conn);
    /* One whole message. */
    void (*receive)(void *conn, const void *data, size_t size, bool is_text);
    /* The queue is empty again after something was sent. May be NULL. */
    void (*writable)(void *conn);
    /* The connection is gone, whoever ended it; nothing is called afterwards and `ws` is dead. */
    void (*closed)(void *conn);
};

/* Queues one message (copied). ERR_LIMIT when it does not fit into the queue: the caller decides
 * whether to close or to wait for `writable`. ERR_CLOSED after http_ws_close(). */
MUST_CHECK int http_ws_send(struct http_ws *ws, const void *data, size_t size, bool is_text);
/* Closes with an RFC 6455 code after the queue is sent; `closed` follows later. */
void http_ws_close(struct http_ws *ws, int code, const char *reason);
/* Bytes that wait to be sent. */
size_t http_ws_queued(const struct http_ws *ws);

#endif
