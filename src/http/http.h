#ifndef TK_HTTP_HTTP_H
#define TK_HTTP_HTTP_H

/*
 * The HTTP and WebSocket server (libwebsockets), which is at the same time the loop of the control
 * thread: http_server_service() waits, answers requests, moves signalling frames both ways and
 * returns. Routes of other modules are registered before the first service call (http/route.h).
 * Everything here runs on the control thread except http_server_wake().
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_route;
struct http_ws_route;
struct signal;

#define HTTP_BIND_MAX         8
#define HTTP_ROUTES_MAX       64
#define HTTP_WEBHOOK_URLS_MAX 4
#define HTTP_BODY_SIZE_MAX    (10u << 20) /* a request's body */
#define HTTP_HEADERS_SIZE_MAX (64u << 10) /* the request line and all headers of a request */

/* All strings are copied or only used during http_server_create(). */
struct http_config {
    /* IP literals; none: every address, IPv4 and IPv6. */
    const char *bind[HTTP_BIND_MAX];
    size_t bind_count;
    uint16_t port; /* 0: any free one, see http_server_port() */
    /* Both or neither: TLS 1.2 or later on the same port. PEM files. */
    const char *tls_cert_path;
    const char *tls_key_path;
    const char *web_root;          /* folder of the web app; NULL: no pages */
    uint32_t connection_count_max; /* 0: 4,096 */
    uint32_t body_time_max_s;      /* for a request's body as a whole; 0: 120 */

    struct signal *signal; /* outlives the server */
    /* Called after every request or frame that was handed to `signal`: the place to poll its
     * commands. May be NULL. */
    void (*on_signal_input)(void *user);
    void *user;

    /* Where webhooks go, signed with the secret of `webhook_key`; none: they are dropped. */
    const char *webhook_urls[HTTP_WEBHOOK_URLS_MAX];
    size_t webhook_url_count;
    const char *webhook_key;
};

/*
 * Binds and listens. -EADDRINUSE when the port is busy, -EADDRNOTAVAIL, -EACCES; ERR_HTTP_TLS when
 * certificate or key cannot be used; ERR_HTTP_BIND when a bind address is not an IP literal;
 * -ENOMEM. The reason is logged.
 */
MUST_CHECK int http_server_create(const struct http_config *config,
                                  struct http_server **ret_server);
/* Closes every connection (WebSocket routes hear `closed`); NULL is a no-op. */
void http_server_destroy(struct http_server *h);

/* The port that is listened on. */
uint16_t http_server_port(const struct http_server *h);

/*
 * One turn: sends what signalling has waiting, waits until something happens, http_server_wake()
 * is called or `timeout` microseconds have passed (0: does not wait, MONO_NEVER: no limit),
 * handles it, and sends again. Waits are rounded up to milliseconds.
 */
void http_server_service(struct http_server *h, mono_us timeout);

/* Makes http_server_service() return soon. Any thread, any number of times. */
void http_server_wake(struct http_server *h);

/* Registers a route; the struct is copied, its strings are not. ERR_LIMIT, ERR_MALFORMED. */
MUST_CHECK int http_server_add_route(struct http_server *h, const struct http_route *route);
MUST_CHECK int http_server_add_ws_route(struct http_server *h, const struct http_ws_route *route);

struct http_stats {
    uint32_t connections, websockets; /* now */
    uint64_t requests, upgrades, refused, over_limit;
    uint64_t webhooks_sent, webhooks_dropped;
};
void http_server_stats(const struct http_server *h, struct http_stats *ret_stats);

#endif
