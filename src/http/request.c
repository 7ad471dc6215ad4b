#include "base/addr.h"
#include "base/err.h"
#include "base/url.h"
#include "http/http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    enum lws_token_indexes token;
    enum http_method method;
    bool is_head, is_options;
} methods[] = {
    {WSI_TOKEN_GET_URI, HTTP_METHOD_GET, false, false},
    {WSI_TOKEN_HEAD_URI, HTTP_METHOD_GET, true, false},
    {WSI_TOKEN_POST_URI, HTTP_METHOD_POST, false, false},
    {WSI_TOKEN_PUT_URI, HTTP_METHOD_PUT, false, false},
    {WSI_TOKEN_PATCH_URI, HTTP_METHOD_PATCH, false, false},
    {WSI_TOKEN_DELETE_URI, HTTP_METHOD_DELETE, false, false},
    {WSI_TOKEN_OPTIONS_URI, HTTP_METHOD_GET, false, true},
};

static const struct {
    enum lws_token_indexes token;
    size_t offset; /* in struct http_request */
} headers[] = {
    {WSI_TOKEN_HTTP_AUTHORIZATION, offsetof(struct http_request, authorization)},
    {WSI_TOKEN_HTTP_CONTENT_TYPE, offsetof(struct http_request, content_type)},
    {WSI_TOKEN_HTTP_ACCEPT, offsetof(struct http_request, accept)},
    {WSI_TOKEN_HTTP_ACCEPT_ENCODING, offsetof(struct http_request, accept_encoding)},
    {WSI_TOKEN_HTTP_IF_MATCH, offsetof(struct http_request, if_match)},
    {WSI_TOKEN_HTTP_IF_NONE_MATCH, offsetof(struct http_request, if_none_match)},
    {WSI_TOKEN_HTTP_USER_AGENT, offsetof(struct http_request, user_agent)},
    {WSI_TOKEN_ORIGIN, offsetof(struct http_request, origin)},
    {WSI_TOKEN_HTTP_COOKIE, offsetof(struct http_request, cookie)},
};

/* libwebsockets has decoded the query and cut it at '&'; this writes it percent-encoded again. */
static void put_encoded(struct strbuf *b, const char *text, size_t size, bool *is_value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '=' && !*is_value) {
            *is_value = true;
            strbuf_append(b, "=", 1);
        } else if (c != '\0' && strchr(plain, c) != NULL) {
            strbuf_append(b, &c, 1);
        } else {
            strbuf_printf(b, "%%%02X", (unsigned)(uint8_t)c);
        }
    }
}

static int put_query(struct lws *wsi, struct strbuf *b)
{
    char *part = malloc(HTTP__URI_MAX + 2);
    if (part == NULL)
        return -ENOMEM;
    int rc = 0;
    for (int i = 0; rc == 0; i++) {
        int length =
            lws_hdr_copy_fragment(wsi, part, (int)HTTP__URI_MAX + 1, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (length < 0)
            break;
        if ((size_t)length >= HTTP__URI_MAX)
            rc = ERR_LIMIT;
        bool is_value = false;
        if (i > 0)
            strbuf_puts(b, "&");
        put_encoded(b, part, (size_t)length, &is_value);
    }
    free(part);
    return rc != 0 ? rc : b->err;
}

/* Appends a header's value and its zero byte; returns where it starts, 0 = absent. */
static size_t put_header(struct lws *wsi, struct strbuf *b, enum lws_token_indexes token)
{
    int length = lws_hdr_total_length(wsi, token);
    if (length <= 0)
        return 0;
    char *value = malloc((size_t)length + 1);
    if (value == NULL)
        return 0;
    size_t at = b->size;
    if (lws_hdr_copy(wsi, value, length + 1, token) > 0)
        strbuf_append(b, value, strlen(value) + 1);
    free(value);
    return at == b->size ? 0 : at;
}

static int find_method(struct lws *wsi, struct http_request *request, bool *ret_is_options,
                       enum lws_token_indexes *ret_token)
{
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++) {
        if (lws_hdr_total_length(wsi, methods[i].token) > 0) {
            request->method = methods[i].method;
            request->is_head = methods[i].is_head;
            *ret_is_options = methods[i].is_options;
            *ret_token = methods[i].token;
            return 0;
        }
    }
    return ERR_UNSUPPORTED;
}

/* Everything goes into one buffer; offsets become pointers when it does not move any more. */
static int copy_texts(struct lws *wsi, enum lws_token_indexes uri, struct strbuf *b,
                      struct http_request *request, char **ret_texts)
{
    size_t at[ARRAY_COUNT(headers)], query;
    strbuf_append(b, "", 1); /* offset 0: the text of everything that is absent */
    size_t path = put_header(wsi, b, uri);
    for (size_t i = 0; i < ARRAY_COUNT(headers); i++)
        at[i] = put_header(wsi, b, headers[i].token);
    query = b->size;
    int rc = put_query(wsi, b);
    if (rc != 0)
        return rc;
    char *texts = strbuf_take(b);
    if (texts == NULL)
        return -ENOMEM;
    request->path = texts + path;
    request->query = texts + query;
    for (size_t i = 0; i < ARRAY_COUNT(headers); i++)
        *(const char **)(void *)((char *)request + headers[i].offset) = texts + at[i];
    for (size_t i = 0; i < HTTP_PARAMS_MAX; i++)
        request->params[i] = texts;
    request->body = texts;
    *ret_texts = texts;
    if (strlen(request->path) != (size_t)lws_hdr_total_length(wsi, uri))
        return ERR_MALFORMED; /* a zero byte in it */
    return strlen(request->path) >= HTTP_PATH_MAX ? ERR_LIMIT : 0;
}

/*
 * A proxy on the same machine also comes from a loopback address; every usual one adds one of these
 * headers for its client.
 */
static bool is_from_this_machine(struct lws *wsi)
{
    char ip[64] = "";
    struct addr a;
    lws_get_peer_simple(wsi, ip, sizeof(ip));
    const char *plain = strncasecmp(ip, "::ffff:", 7) == 0 ? ip + 7 : ip; /* IPv4 on both */
    return addr_parse_ip(plain, &a) == 0 && addr_is_loopback(&a) &&
           lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) <= 0 &&
           lws_hdr_custom_length(wsi, "forwarded:", 10) <= 0 &&
           lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_X_REAL_IP) <= 0 &&
           lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_VIA) <= 0;
}

int http__request_read(struct lws *wsi, struct http__request_copy *ret_copy, bool *ret_is_options)
{
    struct http__request_copy copy = {0};
    struct strbuf b;
    enum lws_token_indexes uri;
    int rc = find_method(wsi, &copy.request, ret_is_options, &uri);
    if (rc != 0)
        return rc;
    copy.request.is_from_this_machine = is_from_this_machine(wsi);
    strbuf_init(&b, (size_t)HTTP_HEADERS_SIZE_MAX * 3 + HTTP_PATH_MAX); /* escapes take three */
    rc = copy_texts(wsi, uri, &b, &copy.request, &copy.texts);
    strbuf_fini(&b);
    if (rc != 0) {
        free(copy.texts);
        return rc;
    }
    *ret_copy = copy;
    return 0;
}

int http__body_length(struct lws *wsi, int64_t *ret_length)
{
    char text[24];
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return ERR_UNSUPPORTED;
    int length = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (length == 0) {
        *ret_length = -1;
        return 0;
    }
    if (length >= 16)
        return ERR_HTTP_BODY_SIZE;
    if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 ||
        strspn(text, "0123456789") != strlen(text))
        return ERR_MALFORMED;
    *ret_length = strtoll(text, NULL, 10);
    return *ret_length > (int64_t)HTTP_BODY_SIZE_MAX ? ERR_HTTP_BODY_SIZE : 0;
}

int http_query_get(const char *query, const char *name, char *dst, size_t size)
{
    int length = url_query_get(query, name, dst, size);
    return length < 0 ? length : 0;
}

int http_request_token(const struct http_request *request, char *dst, size_t size)
{
    static const char bearer[] = "Bearer ";
    if (request->authorization[0] == '\0') {
        int rc = http_query_get(request->query, "access_token", dst, size);
        return rc == 0 && dst[0] == '\0' ? ERR_NOT_FOUND : rc;
    }
    if (strncasecmp(request->authorization, bearer, strlen(bearer)) != 0)
        return ERR_MALFORMED;
    return str_copy(dst, size, request->authorization + strlen(bearer));
}
