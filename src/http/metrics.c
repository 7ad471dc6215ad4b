#include "http/metrics.h"

#include "base/err.h"
#include "http/http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX    512
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_endpoint {
    char token[TOKEN_MAX];
    void (*collect)(void *user, struct strbuf *text);
    void *user;
};

/* ---- who may read ---- */

static bool has_token(const struct metrics_endpoint *e, const struct http_request *r)
{
    char token[HTTP_TOKEN_MAX];
    size_t size = strlen(e->token);
    return http_request_token(r, token, sizeof(token)) == 0 && strlen(token) == size &&
           mem_equal_ct(token, e->token, size);
}

static void handle(void *user, const struct http_request *r, struct http_exchange *x)
{
    const struct metrics_endpoint *e = user;
    bool is_allowed = e->token[0] != '\0' ? has_token(e, r) : r->is_from_this_machine;
    if (!is_allowed) {
        static const char refusal[] = "metrics are read from this machine itself, or with the "
                                      "bearer token of metrics.token\n";
        http_reply(x, e->token[0] != '\0' ? 401 : 403, "text/plain; charset=utf-8", refusal,
                   sizeof(refusal) - 1);
        return;
    }
    struct strbuf text;
    strbuf_init(&text, METRICS_SIZE_MAX);
    e->collect(e->user, &text);
    if (text.err < 0)
        http_reply_error(x, text.err, NULL);
    else
        http_reply(x, 200, CONTENT_TYPE, strbuf_text(&text), text.size);
    strbuf_fini(&text);
}

int metrics_endpoint_create(const struct metrics_config *config,
                            struct metrics_endpoint **ret_endpoint)
{
    struct metrics_endpoint *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return -ENOMEM;
    e->collect = config->collect;
    e->user = config->user;
    int err = str_copy(e->token, sizeof(e->token), config->token);
    struct http_route route = {HTTP_METHOD_GET, "/metrics", e, handle};
    if (err == 0)
        err = http_server_add_route(config->http, &route);
    if (err < 0) {
        free(e);
        return err;
    }
    *ret_endpoint = e;
    return 0;
}

void metrics_endpoint_destroy(struct metrics_endpoint *e)
{
    free(e);
}

/* ---- writing ---- */

/* A line feed and a backslash are escaped everywhere, a quotation mark in label values. */
static void put_escaped(struct strbuf *b, const char *text, bool is_value)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            strbuf_puts(b, "\\n");
        else if (*text == '\\' || (*text == '"' && is_value))
            strbuf_append(b, (char[]){'\\', *text}, 2);
        else
            strbuf_append(b, text, 1);
    }
}

void metrics_family(struct strbuf *b, const char *name, const char *type, const char *help)
{
    strbuf_printf(b, "# HELP %s ", name);
    put_escaped(b, help, false);
    strbuf_printf(b, "\n# TYPE %s %s\n", name, type);
}

/* name suffix{labels,le="bound"} and a blank; `le` may be NULL. */
static void put_name(struct strbuf *b, const char *name, const char *suffix,
                     const struct metrics_label *labels, size_t label_count, const char *le)
{
    strbuf_printf(b, "%s%s", name, suffix);
    const char *open = "{";
    for (size_t i = 0; i < label_count; i++) {
        strbuf_printf(b, "%s%s=\"", open, labels[i].name);
        put_escaped(b, labels[i].value, true);
        strbuf_puts(b, "\"");
        open = ",";
    }
    if (le != NULL)
        strbuf_printf(b, "%sle=\"%s\"", open, le);
    strbuf_puts(b, label_count > 0 || le != NULL ? "} " : " ");
}

void metrics_count(struct strbuf *b, const char *name, const struct metrics_label *labels,
                   size_t label_count, uint64_t value)
{
    put_name(b, name, "", labels, label_count, NULL);
    strbuf_printf(b, "%" PRIu64 "\n", value);
}

void metrics_value(struct strbuf *b, const char *name, const struct metrics_label *labels,
                   size_t label_count, double value)
{
    put_name(b, name, "", labels, label_count, NULL);
    strbuf_printf(b, "%.9g\n", value);
}

void metrics_histogram(struct strbuf *b, const char *name, const struct metrics_label *labels,
                       size_t label_count, const double *bounds, const uint64_t *counts,
                       size_t bound_count, double sum)
{
    uint64_t total = 0;
    char le[32];
    for (size_t i = 0; i <= bound_count; i++) {
        total += counts[i];
        if (i < bound_count)
            snprintf(le, sizeof(le), "%g", bounds[i]);
        put_name(b, name, "_bucket", labels, label_count, i < bound_count ? le : "+Inf");
        strbuf_printf(b, "%" PRIu64 "\n", total);
    }
    put_name(b, name, "_sum", labels, label_count, NULL);
    strbuf_printf(b, "%.9g\n", sum);
    put_name(b, name, "_count", labels, label_count, NULL);
    strbuf_printf(b, "%" PRIu64 "\n", total);
}
