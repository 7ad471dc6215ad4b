#ifndef TK_HTTP_LESSON_API_H
#define TK_HTTP_LESSON_API_H

/*
 * Lessons as clients meet them (docs/lesson-log.md): the REST calls, the live log over WebSocket,
 * presence, and the media policy that follows from the fold. Control thread only.
 *
 *   command -> decide on the state -> number, fold, hand to the store -> durable -> broadcast and
 * acknowledge
 */

#include "base/attrs.h"
#include "base/rng.h"
#include "base/time.h"

#include <stddef.h>

struct http_server;
struct lesson_api;
struct signal;
struct store;

struct lesson_api_config {
    struct http_server *http; /* all three outlive the API */
    struct signal *signal;
    struct store *store;
    struct rng *rng;
};

/* Reads the live lessons back from the store, registers the routes and the policy. */
MUST_CHECK int lesson_api_create(const struct lesson_api_config *config,
                                 struct lesson_api **ret_api);
/* Call before the HTTP server is destroyed. NULL is a no-op. */
void lesson_api_destroy(struct lesson_api *api);

/* Finished writes, presence timers. Call once a turn of the control loop. */
void lesson_api_handle_timeout(struct lesson_api *api, mono_us now);
mono_us lesson_api_next_timeout(const struct lesson_api *api);

struct lesson_api_stats {
    size_t lessons, log_connections; /* now */
};
void lesson_api_stats(const struct lesson_api *api, struct lesson_api_stats *ret_stats);

#endif
