#ifndef TK_HTTP_HTTP_INTERNAL_H
#define TK_HTTP_HTTP_INTERNAL_H

/*
 * The server's own structures: the server owns its connections, a connection owns at most one
 * exchange or one WebSocket. An exchange whose client has gone belongs to its handler until it is
 * answered. Control thread only.
 */

#include "base/list.h"
#include "base/strbuf.h"
#include "http/http.h"
#include "http/lws.h"
#include "http/route.h"

#include <stdint.h>

struct webhook_queue;

#define HTTP__CONNECTIONS_DEFAULT 4096
#define HTTP__BODY_TIME_DEFAULT_S 120
#define HTTP__EXTRA_HEADERS_SIZE  4096
#define HTTP__CHUNK_SIZE          ((size_t)64 << 10) /* of a body that is being sent */
#define HTTP__URI_MAX             65000u /* characters of a path or one query parameter in lws */
#define HTTP__SIGNAL_BURST        32     /* frames written per writable turn */
#define HTTP__LATE_ANSWER_S       120
#define HTTP__LINGERING_MAX       64 /* refused clients that are waited for; others are cut off */
#define HTTP__PING_INTERVAL_S     12 /* without a word; longer than clients are told to ping */
#define HTTP__SILENCE_MAX_S       30

struct http__conn {
    struct list link;           /* in server->conns, or in the loop's list of the ended */
    struct list wanting;        /* in the loop's list, alone otherwise */
    struct http_server *server; /* parent */
    struct lws *wsi;
    int fd;                         /* the library's; closed when is_ended */
    bool is_ended;                  /* nothing may be done with it any more */
    struct http_exchange *exchange; /* the request being read or answered */
    struct http_ws *ws;             /* after, or in the course of, an upgrade */
};

/* Copies of a request's texts: one allocation, freed as a whole with the exchange. */
struct http__request_copy {
    struct http_request request;
    char *texts;
};

struct http_exchange {
    struct list waiting;     /* in server->waiting, alone otherwise */
    uint64_t ticket;         /* of the answer that signalling will give */
    struct http__conn *conn; /* NULL: the client has gone */
    struct http__request_copy in;
    struct strbuf body_in;
    mono_us body_until; /* a body that trickles in is not waited for longer */

    /* The answer. */
    bool is_handed_out; /* a handler has it and must answer */
    bool is_answered, is_close;
    struct strbuf headers_extra;
    struct strbuf out; /* status line and headers */
    size_t out_sent;
    char *body; /* heap, LWS_PRE free bytes first; or a file: */
    int fd;     /* -1: none */
    size_t body_size, body_sent;
};

struct http__message {
    struct list link;
    size_t size;
    bool is_text;
    uint8_t bytes[]; /* LWS_PRE free bytes, then the message */
};

/* What a WebSocket's owner supplies, a registered route or signalling. */
struct http__ws_ops {
    void (*receive)(void *conn, const void *data, size_t size, bool is_text);
    void (*writable)(void *conn);
    void (*closed)(void *conn);
    /* Signalling: the next frame when the queue is empty: 1, 0, or -1 = close with the code. */
    int (*pull)(void *conn, const void **ret_data, size_t *ret_size, bool *ret_is_text,
                int *ret_code);
};

struct http_ws {
    struct http__conn *conn; /* parent */
    struct http__ws_ops ops;
    void *user_conn; /* NULL once the owner knows that it is over */
    size_t message_size_max, queue_size_max;
    struct strbuf in;
    struct list queue; /* struct http__message */
    size_t queued;
    int close_code; /* 0: open */
    char close_reason[64];
    struct list heard_link; /* server->heard; alone before the upgrade is done */
    mono_us heard_at;
    bool is_pinged, is_ping_due; /* since it was heard last */
    bool is_open;                /* the upgrade is done */
    bool has_sent;               /* since `writable` was called last */
    bool is_ended;               /* its close frame is the library's matter */
};

/* A refused connection's socket, until the client has closed it as well. */
struct http__linger {
    int fd;        /* -1: free */
    mono_us until; /* then it is closed anyway */
    size_t left;   /* bytes that are still thrown away */
};

struct http__loop {
    int epoll_fd, wake_fd;
    struct http__linger lingering[HTTP__LINGERING_MAX];
    struct list wanting; /* connections that have something to send */
    struct list ended;   /* connections that may still be named in the events of this turn */
    mono_us library_due; /* when the library's own turn is due */
};

struct http_server {
    /* Set at creation. */
    struct http_config config; /* its strings are only valid in http_server_create() */
    char *web_root;
    struct http__loop loop;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2]; /* the last is the end */
    struct lws_token_limits token_limits;
    int listeners[HTTP_BIND_MAX];
    size_t listener_count;
    uint16_t port;
    bool is_tls;
    struct http_route routes[HTTP_ROUTES_MAX];
    size_t route_count;
    struct http_ws_route ws_routes[HTTP_ROUTES_MAX];
    size_t ws_route_count;

    struct list heard; /* open WebSockets, the one heard longest ago first */
    struct list conns;
    uint32_t conn_count;
    struct list waiting; /* exchanges whose answer signalling gives later */
    uint8_t *frame;      /* LWS_PRE + the largest frame sent so far */
    size_t frame_capacity;
    struct webhook_queue *webhooks;
    char webhook_key[64];
    struct http_stats stats;
};

/* ---- loop.c ---- */

/* -EMFILE, -ENOMEM. */
MUST_CHECK int http__loop_open(struct http__loop *loop);
/* A loop whose epoll_fd is negative is a no-op. */
void http__loop_close(struct http__loop *loop);
/* `listener` is one of the server's, and stays where it is. -ENOMEM, -ENOSPC. */
MUST_CHECK int http__loop_add_listener(struct http__loop *loop, int *listener);
/* Watches the socket of a connection. -ENOMEM, -ENOSPC. */
MUST_CHECK int http__loop_add(struct http__loop *loop, struct http__conn *conn);
/* The socket is closed: takes the connection out of the server's list, and frees it in the end. */
void http__loop_end(struct http__loop *loop, struct http__conn *conn);
/* The connection's writable callback is to be called soon; as often as one likes. */
void http__loop_want_writable(struct http__loop *loop, struct http__conn *conn);
/* Any thread. */
void http__loop_wake(struct http__loop *loop);
/* Waits for up to `timeout` microseconds (0 or less: not at all; rounded up to milliseconds) until
 * something happens, and handles what has happened. */
void http__loop_run(struct http_server *h, mono_us timeout);

/* ---- linger.c ---- */

void http__linger_init(struct http__loop *loop);
void http__linger_fini(struct http__loop *loop);
/* The library is about to close `fd`, after an answer that did not wait for the request's end. */
void http__linger(struct http__loop *loop, int fd);
void http__linger_read(struct http__linger *l);
/* Once a second. */
void http__linger_tick(struct http__loop *loop, mono_us now);

/* ---- listen.c ---- */

/* Binds and listens on every configured address; fills listeners and port. */
MUST_CHECK int http__listen(struct http_server *h, const struct http_config *config);
/* Takes what waits on a listener; connections beyond the limit are closed at once. */
void http__accept(struct http_server *h, int listener);

/* ---- request.c ---- */

/* Copies the request that `wsi` has read. ERR_LIMIT (too long), ERR_UNSUPPORTED (method),
 * ERR_MALFORMED (path), -ENOMEM;
 * `*ret_is_options` for a preflight. */
MUST_CHECK int http__request_read(struct lws *wsi, struct http__request_copy *ret_copy,
                                  bool *ret_is_options);
/* Content-Length: -1 = absent. ERR_MALFORMED, ERR_LIMIT, ERR_UNSUPPORTED (chunked). */
MUST_CHECK int http__body_length(struct lws *wsi, int64_t *ret_length);

/* ---- exchange.c ---- */

struct http_exchange *http__exchange_create(struct http__conn *conn);
/* Frees it, or leaves it to a handler that still has to answer. */
void http__exchange_release(struct http_exchange *ex);
/* Answers with a file of `size` bytes; takes `fd` over. */
void http__reply_file(struct http_exchange *ex, int status, const char *content_type, int fd,
                      size_t size);
/* Sends what fits. 1: all is sent, 0: more to come, negative: broken. */
MUST_CHECK int http__exchange_send(struct http_exchange *ex, struct lws *wsi);

/* ---- router.c ---- */

/* Whether `path` fits; `ret_params` points into `path_copy`, which is cut into segments. */
bool http__match(const char *pattern, char *path_copy, const char *ret_params[HTTP_PARAMS_MAX]);
/* A pattern starts with '/', has at most HTTP_PARAMS_MAX placeholders and no empty one. */
bool http__pattern_is_valid(const char *pattern);
/* The best plain route for method and path. *ret_is_other: the path is known with other methods. */
const struct http_route *http__find_route(const struct http_server *h, enum http_method method,
                                          const char *path, char *path_copy,
                                          const char *ret_params[HTTP_PARAMS_MAX],
                                          bool *ret_is_other);
const struct http_ws_route *http__find_ws_route(const struct http_server *h, const char *path,
                                                char *path_copy,
                                                const char *ret_params[HTTP_PARAMS_MAX]);
/* Answers a whole request. */
void http__dispatch(struct http_server *h, struct http_exchange *ex);

/* ---- ws.c ---- */

/* Creates the WebSocket of a connection that asks for an upgrade; NULL = out of memory. */
struct http_ws *http__ws_create(struct http__conn *conn);
void http__ws_receive(struct http_ws *ws, struct lws *wsi, const void *data, size_t size);
/* Sends what fits; negative: close the socket. */
MUST_CHECK int http__ws_send_queued(struct http_ws *ws);
/* The socket is gone: tells the owner, frees everything. */
void http__ws_destroy(struct http_ws *ws);
/* An upgrade is asked for: 0 = go on, 1 = the exchange holds the refusal. */
MUST_CHECK int http__ws_upgrade(struct http_server *h, struct http__conn *conn,
                                struct http_exchange *ex);

/* ---- liveness.c ---- */

/* Something came from the client. */
void http__liveness_heard(struct http_ws *ws);
/* About once a second: pings and closes what is silent. */
void http__liveness_tick(struct http_server *h, mono_us now);

/* ---- signal_ws.c ---- */

MUST_CHECK int http__signal_upgrade(struct http_server *h, struct http_ws *ws,
                                    struct http_exchange *ex, bool is_v1);
void http__signal_validate(struct http_server *h, struct http_exchange *ex, bool is_v1);
void http__signal_twirp(struct http_server *h, struct http_exchange *ex);
/* Asks for a writable turn for every session that has frames waiting; hands webhooks on. */
void http__signal_flush(struct http_server *h);
void http__signal_input(struct http_server *h);
/* Drops the exchanges that still wait for signalling; their clients have gone. */
void http__signal_abandon(struct http_server *h);

/* ---- whip.c ---- */

/* Needs a server with signalling. ERR_LIMIT. */
MUST_CHECK int http__whip_add_routes(struct http_server *h);
/* What OPTIONS adds for these addresses (RFC 9725, 4.2). */
void http__whip_preflight(struct http_exchange *ex, const char *path);

/* ---- static.c ---- */

/* Answers from the web app's folder. */
void http__serve_static(struct http_server *h, struct http_exchange *ex);

/* ---- tls.c ---- */

/* OpenSSL options that leave TLS 1.2 and later. */
long http__tls_options(void);

#endif
