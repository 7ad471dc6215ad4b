#ifndef TK_HTTP_METRICS_H
#define TK_HTTP_METRICS_H

/*
 * GET /metrics in Prometheus' text format (version 0.0.4): who may read it, and how families and
 * samples are written. What is measured is the caller's business. Control thread only.
 */

#include "base/strbuf.h"
#include "http/route.h"

#include <stdint.h>

struct http_server;
struct metrics_endpoint;

#define METRICS_SIZE_MAX (1u << 20)

struct metrics_config {
    struct http_server *http; /* outlives the endpoint */
    /* Needed as "Authorization: Bearer …"; "" = no token: only this machine itself may read. */
    const char *token;
    void (*collect)(void *user, struct strbuf *text);
    void *user;
};

/* Registers the route. ERR_LIMIT, -ENOMEM. */
MUST_CHECK int metrics_endpoint_create(const struct metrics_config *config,
                                       struct metrics_endpoint **ret_endpoint);
/* After the HTTP server's end. NULL is a no-op. */
void metrics_endpoint_destroy(struct metrics_endpoint *e);

/* ---- writing ---- */

struct metrics_label {
    const char *name, *value;
};

/* # HELP and # TYPE ("counter", "gauge", "histogram"); then all samples of the family. */
void metrics_family(struct strbuf *b, const char *name, const char *type, const char *help);
void metrics_count(struct strbuf *b, const char *name, const struct metrics_label *labels,
                   size_t label_count, uint64_t value);
void metrics_value(struct strbuf *b, const char *name, const struct metrics_label *labels,
                   size_t label_count, double value);
/* `counts` has one entry more than `bounds`, not cumulative; bounds and sum in seconds. */
void metrics_histogram(struct strbuf *b, const char *name, const struct metrics_label *labels,
                       size_t label_count, const double *bounds, const uint64_t *counts,
                       size_t bound_count, double sum);

#endif
