#include "base/err.h"
#include "http/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX ((off_t)1 << 30)

/* Scripts and styles only from here; antd writes style elements, workers and media use blobs. */
static const char CONTENT_POLICY[] =
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob: data: mediastream:; font-src 'self' data:; "
    "connect-src 'self' ws: wss: blob: data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

static const struct {
    const char *extension, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".woff", "font/woff"},
    {".ttf", "font/ttf"},
    {".wasm", "application/wasm"},
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
    {".mp3", "audio/mpeg"},
    {".wav", "audio/wav"},
    {".pdf", "application/pdf"},
};

static const struct {
    const char *suffix, *name;
} encodings[] = {{".br", "br"}, {".gz", "gzip"}};

static const char *content_type(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < ARRAY_COUNT(types); i++) {
        if (strcasecmp(dot, types[i].extension) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

/* No empty, hidden or parent segment: nothing outside the folder has a name here. */
static bool is_safe(const char *path)
{
    for (const char *at = path; *at == '/';) {
        at++;
        size_t length = strcspn(at, "/");
        if (at[0] == '.' || (length == 0 && at[0] != '\0') || memchr(at, '\\', length) != NULL)
            return false;
        at += length;
    }
    return path[0] == '/';
}

/* Opens a regular file below the root, also through symbolic links only if they stay below. */
static int open_file(const char *root, const char *path, const char *suffix, struct stat *ret_stat)
{
    char name[PATH_MAX], real[PATH_MAX];
    int n = snprintf(name, sizeof(name), "%s%s%s", root, path, suffix);
    size_t root_length = strlen(root);
    if (n < 0 || (size_t)n >= sizeof(name) || realpath(name, real) == NULL)
        return -1;
    if (strncmp(real, root, root_length) != 0 || real[root_length] != '/')
        return -1;
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (fstat(fd, ret_stat) != 0 || !S_ISREG(ret_stat->st_mode) ||
        ret_stat->st_size > FILE_SIZE_MAX) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Whether a list of codings names this one and does not refuse it by q=0. */
static bool accepts(const char *accept_encoding, const char *name)
{
    const char *at = strstr(accept_encoding, name);
    if (at == NULL)
        return false;
    const char *end = at + strcspn(at, ",");
    const char *q = strstr(at, "q=0");
    bool is_zero = q != NULL && q < end && strspn(q + 3, ".0") == strcspn(q + 3, ", \t");
    return !is_zero;
}

/* The best stored form of a file; `*ret_encoding` NULL = as it is. */
static int open_encoded(const struct http_server *h, const char *path, const char *accept_encoding,
                        struct stat *ret_stat, const char **ret_encoding)
{
    for (size_t i = 0; i < ARRAY_COUNT(encodings); i++) {
        if (!accepts(accept_encoding, encodings[i].name))
            continue;
        int fd = open_file(h->web_root, path, encodings[i].suffix, ret_stat);
        if (fd >= 0) {
            *ret_encoding = encodings[i].name;
            return fd;
        }
    }
    *ret_encoding = NULL;
    return open_file(h->web_root, path, "", ret_stat);
}

static void not_found(struct http_exchange *ex)
{
    http_reply(ex, 404, "text/plain; charset=utf-8", "not found\n", 10);
}

static void add_headers(struct http_exchange *ex, const char *path, const char *etag,
                        const char *encoding)
{
    /* Names under assets/ carry a hash of the content; everything else is asked for anew. */
    bool is_immutable = strncmp(path, "/assets/", 8) == 0;
    http_reply_header(ex, "etag", etag);
    http_reply_header(ex, "vary", "accept-encoding");
    http_reply_header(ex, "cache-control",
                      is_immutable ? "public, max-age=31536000, immutable" : "no-cache");
    if (encoding != NULL)
        http_reply_header(ex, "content-encoding", encoding);
    http_reply_header(ex, "content-security-policy", CONTENT_POLICY);
    http_reply_header(ex, "referrer-policy", "no-referrer");
    http_reply_header(ex, "x-frame-options", "SAMEORIGIN");
    http_reply_header(ex, "permissions-policy",
                      "camera=(self), microphone=(self), display-capture=(self), geolocation=()");
}

static void send_file(struct http_exchange *ex, const char *path, int fd, const struct stat *st,
                      const char *encoding)
{
    char etag[64];
    snprintf(etag, sizeof(etag), "\"%" PRIx64 "-%" PRIx64 "-%s\"", (uint64_t)st->st_mtim.tv_sec,
             (uint64_t)st->st_size, encoding != NULL ? encoding : "id");
    add_headers(ex, path, etag, encoding);
    if (strstr(ex->in.request.if_none_match, etag) != NULL) {
        close(fd);
        http_reply(ex, 304, NULL, NULL, 0);
        return;
    }
    http__reply_file(ex, 200, content_type(path), fd, (size_t)st->st_size);
}

/* A page of the app: no file name in it, and a browser that wants a page. */
static bool is_page(const struct http_request *request)
{
    const char *last = strrchr(request->path, '/');
    return last != NULL && strchr(last, '.') == NULL &&
           strstr(request->accept, "text/html") != NULL;
}

void http__serve_static(struct http_server *h, struct http_exchange *ex)
{
    const struct http_request *request = &ex->in.request;
    const char *path = strcmp(request->path, "/") == 0 ? "/index.html" : request->path;
    const char *encoding;
    struct stat st;
    if (h->web_root == NULL || !is_safe(path)) {
        not_found(ex);
        return;
    }
    int fd = open_encoded(h, path, request->accept_encoding, &st, &encoding);
    if (fd < 0 && is_page(request)) {
        path = "/index.html";
        fd = open_encoded(h, path, request->accept_encoding, &st, &encoding);
    }
    if (fd < 0)
        not_found(ex);
    else
        send_file(ex, path, fd, &st, encoding);
}
