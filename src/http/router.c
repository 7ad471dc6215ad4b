#include "base/err.h"
#include "http/http_internal.h"

#include <string.h>

bool http__pattern_is_valid(const char *pattern)
{
    size_t count = 0;
    if (pattern == NULL || pattern[0] != '/' || strlen(pattern) >= HTTP_PATH_MAX)
        return false;
    for (const char *at = strchr(pattern, '{'); at != NULL; at = strchr(at + 1, '{')) {
        const char *end = strchr(at, '}');
        if (at[-1] != '/' || end == NULL || end == at + 1 || (end[1] != '/' && end[1] != '\0'))
            return false;
        count++;
    }
    return count <= HTTP_PARAMS_MAX;
}

bool http__match(const char *pattern, char *path_copy, const char *ret_params[HTTP_PARAMS_MAX])
{
    size_t count = 0;
    char *path = path_copy;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        size_t want = strcspn(pattern, "/"), have = strcspn(path, "/");
        bool is_last = path[have] == '\0';
        if (want > 0 && pattern[0] == '{') {
            if (have == 0)
                return false;
            ret_params[count++] = path;
        } else if (want != have || memcmp(pattern, path, want) != 0) {
            return false;
        }
        pattern += want;
        path += have;
        if ((*pattern == '\0') != is_last)
            return false;
        if (is_last) {
            /* It fits: cut the segments apart. */
            for (char *at = path_copy; at < path; at++) {
                if (*at == '/')
                    *at = '\0';
            }
            return true;
        }
    }
    return false;
}

/* Fewer placeholders fit better. */
static size_t placeholders(const char *pattern)
{
    size_t count = 0;
    for (; *pattern != '\0'; pattern++)
        count += *pattern == '{';
    return count;
}

static bool try_pattern(const char *pattern, const char *path, char *path_copy,
                        const char *params[HTTP_PARAMS_MAX])
{
    return str_copy(path_copy, HTTP_PATH_MAX, path) == 0 && http__match(pattern, path_copy, params);
}

const struct http_route *http__find_route(const struct http_server *h, enum http_method method,
                                          const char *path, char *path_copy,
                                          const char *ret_params[HTTP_PARAMS_MAX],
                                          bool *ret_is_other)
{
    const struct http_route *best = NULL;
    const char *tried[HTTP_PARAMS_MAX];
    for (size_t i = 0; i < h->route_count; i++) {
        const struct http_route *r = &h->routes[i];
        if (!try_pattern(r->pattern, path, path_copy, tried))
            continue;
        if (r->method != method)
            *ret_is_other = true;
        else if (best == NULL || placeholders(r->pattern) < placeholders(best->pattern))
            best = r;
    }
    if (best != NULL)
        IGNORE(try_pattern(best->pattern, path, path_copy, ret_params)); /* fills the params */
    return best;
}

const struct http_ws_route *http__find_ws_route(const struct http_server *h, const char *path,
                                                char *path_copy,
                                                const char *ret_params[HTTP_PARAMS_MAX])
{
    const struct http_ws_route *best = NULL;
    const char *tried[HTTP_PARAMS_MAX];
    for (size_t i = 0; i < h->ws_route_count; i++) {
        const struct http_ws_route *r = &h->ws_routes[i];
        if (try_pattern(r->pattern, path, path_copy, tried) &&
            (best == NULL || placeholders(r->pattern) < placeholders(best->pattern)))
            best = r;
    }
    if (best != NULL)
        IGNORE(try_pattern(best->pattern, path, path_copy, ret_params)); /* fills the params */
    return best;
}

int http_server_add_route(struct http_server *h, const struct http_route *route)
{
    if (!http__pattern_is_valid(route->pattern))
        return ERR_MALFORMED;
    if (h->route_count == HTTP_ROUTES_MAX)
        return ERR_LIMIT;
    h->routes[h->route_count++] = *route;
    return 0;
}

int http_server_add_ws_route(struct http_server *h, const struct http_ws_route *route)
{
    if (!http__pattern_is_valid(route->pattern))
        return ERR_MALFORMED;
    if (h->ws_route_count == HTTP_ROUTES_MAX)
        return ERR_LIMIT;
    h->ws_routes[h->ws_route_count++] = *route;
    return 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "/": the pages for a browser, "OK" for an SDK that asks whether we are there. */
static bool is_health(const struct http_server *h, const struct http_request *request)
{
    return strcmp(request->path, "/") == 0 && request->method == HTTP_METHOD_GET &&
           (request->is_head || h->web_root == NULL ||
            strstr(request->accept, "text/html") == NULL);
}

static void dispatch_route(struct http_server *h, struct http_exchange *ex)
{
    struct http_request *request = &ex->in.request;
    char path_copy[HTTP_PATH_MAX];
    bool is_other = false;
    const struct http_route *route =
        http__find_route(h, request->method, request->path, path_copy, request->params, &is_other);
    if (route != NULL) {
        ex->is_handed_out = true;
        route->handle(route->user, request, ex);
    } else if (is_other) {
        http_reply(ex, 405, "text/plain; charset=utf-8", "method not allowed\n", 19);
    } else if (has_prefix(request->path, "/api/")) {
        http_reply_error(ex, ERR_NOT_FOUND, NULL);
    } else if (request->method == HTTP_METHOD_GET) {
        http__serve_static(h, ex);
    } else {
        http_reply(ex, 404, "text/plain; charset=utf-8", "not found\n", 10);
    }
}

void http__dispatch(struct http_server *h, struct http_exchange *ex)
{
    const struct http_request *request = &ex->in.request;
    const char *path = request->path;
    bool is_get = request->method == HTTP_METHOD_GET;
    h->stats.requests++;
    if (is_health(h, request))
        http_reply(ex, 200, "text/plain; charset=utf-8", "OK", 2);
    else if (is_get && (strcmp(path, "/rtc") == 0 || strcmp(path, "/rtc/v1") == 0))
        http_reply(ex, 404, "text/plain; charset=utf-8", "404 page not found\n", 19);
    else if (is_get && strcmp(path, "/rtc/validate") == 0)
        http__signal_validate(h, ex, false);
    else if (is_get && strcmp(path, "/rtc/v1/validate") == 0)
        http__signal_validate(h, ex, true);
    else if (has_prefix(path, "/twirp/"))
        http__signal_twirp(h, ex);
    else
        dispatch_route(h, ex);
}
