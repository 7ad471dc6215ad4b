#ifndef TK_SERVER_METRICS_H
#define TK_SERVER_METRICS_H

/*
 * What /metrics shows: counters and gauges of workers, signalling, HTTP, lessons and the store,
 * collected at the moment they are asked for. docs/metrics.md says what each means. Control thread.
 */

#include "base/strbuf.h"
#include "base/time.h"

#include <stddef.h>

struct http_server;
struct lesson_api;
struct load;
struct signal;
struct store;
struct worker;

struct metrics_sources {
    struct worker *const *workers;
    size_t worker_count;
    const struct load *load;
    struct signal *signal;
    struct http_server *http;
    struct lesson_api *lessons;
    struct store *store;
    const char *srtp_backend;
    mono_us started_at;
};

void metrics_collect(const struct metrics_sources *m, struct strbuf *text);

#endif
