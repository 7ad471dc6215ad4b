#include "signal/whip.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "http/http_internal.h"
#include "signal/signal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over HTTP: POST an offer, PATCH ICE fragments and
 * DELETE at the address that came back. The address is the secret that owns the session; a token
 * beside it may be missing, but not wrong.
 */

#define OFFER_SIZE_MAX (64u << 10)
#define FRAG_SIZE_MAX  (16u << 10)
#define LINK_SIZE      1024

static const char type_sdp[] = "application/sdp";
static const char type_frag[] = "application/trickle-ice-sdpfrag";
static const char type_text[] = "text/plain; charset=utf-8";

/* Parameters of a media type do not matter here. */
static bool is_type(const char *content_type, const char *wanted)
{
    size_t length = strlen(wanted);
    return strncasecmp(content_type, wanted, length) == 0 &&
           (content_type[length] == '\0' || content_type[length] == ';' ||
            content_type[length] == ' ');
}

static void refuse(struct http_exchange *ex, int status, const char *reason)
{
    http_reply(ex, status, type_text, reason, strlen(reason));
}

/* False: answered. */
static bool check_body(struct http_exchange *ex, const struct http_request *request,
                       const char *type, size_t size_max)
{
    if (!is_type(request->content_type, type)) {
        http_reply_header(ex, request->method == HTTP_METHOD_PATCH ? "accept-patch" : "accept-post",
                          type);
        refuse(ex, 415,
               type == type_sdp ? "application/sdp is needed\n"
                                : "application/trickle-ice-sdpfrag is needed\n");
        return false;
    }
    if (request->body_size > size_max) {
        refuse(ex, 413, "the body is too large\n");
        return false;
    }
    return true;
}

/* A quoted-string (RFC 9110, 5.6.4). */
static void put_quoted(struct strbuf *b, const char *name, const char *text)
{
    strbuf_printf(b, "; %s=\"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_puts(b, "\\");
        strbuf_append(b, text, 1);
    }
    strbuf_puts(b, "\"");
}

static void add_link(struct http_exchange *ex, const struct signal_whip_ice_server *server)
{
    struct strbuf b;
    strbuf_init(&b, LINK_SIZE);
    strbuf_printf(&b, "<%s>; rel=\"ice-server\"", server->url);
    if (server->username[0] != '\0') {
        put_quoted(&b, "username", server->username);
        put_quoted(&b, "credential", server->credential);
        strbuf_puts(&b, "; credential-type=\"password\"");
    }
    if (b.err == 0)
        http_reply_header(ex, "link", strbuf_text(&b));
    strbuf_fini(&b);
}

/* Takes the reply's body over. */
static void send_reply(struct http_exchange *ex, struct signal_whip_reply *reply,
                       const char *content_type)
{
    bool is_good = reply->status < 300;
    http_reply_header(ex, "access-control-expose-headers", "location, etag, link");
    if (reply->status == 401)
        http_reply_header(ex, "www-authenticate", "Bearer");
    if (reply->status == 429 || reply->status == 503)
        http_reply_header(ex, "retry-after", "2");
    if (reply->etag[0] != '\0')
        http_reply_header(ex, "etag", reply->etag);
    for (size_t i = 0; i < reply->ice_server_count; i++)
        add_link(ex, &reply->ice_servers[i]);
    http_reply(ex, reply->status, is_good ? content_type : type_text, reply->body, reply->size);
    free(reply->body);
}

static const char *authorization_of(const struct http_request *request)
{
    return request->authorization[0] != '\0' ? request->authorization : NULL;
}

static void open_session(struct http_server *h, const struct http_request *request,
                         struct http_exchange *ex, bool is_viewer)
{
    char participant[SIGNAL_TEXT_MAX] = "";
    if (!check_body(ex, request, type_sdp, OFFER_SIZE_MAX))
        return;
    int err = http_query_get(request->query, "participant", participant, sizeof(participant));
    if (err < 0 && err != ERR_NOT_FOUND) {
        refuse(ex, 400, "malformed participant\n");
        return;
    }
    struct signal_whip_request whip = {.is_viewer = is_viewer,
                                       .room = request->params[0],
                                       .participant = participant,
                                       .authorization = authorization_of(request),
                                       .query = request->query,
                                       .offer = request->body,
                                       .offer_size = request->body_size};
    struct signal_whip_reply reply;
    signal_whip_open(h->config.signal, &whip, mono_now(), wall_now(), &reply);
    if (reply.status == 201) {
        char location[SIGNAL_WHIP_ID_LENGTH + 32];
        IGNORE(str_copy(location, sizeof(location),
                        is_viewer ? "/whep/sessions/" : "/whip/sessions/")); /* fits */
        memcpy(location + strlen(location), reply.id, sizeof(reply.id));
        http_reply_header(ex, "location", location);
    }
    send_reply(ex, &reply, type_sdp);
    http__signal_input(h);
}

static void post_whip(void *user, const struct http_request *request, struct http_exchange *ex)
{
    open_session(user, request, ex, false);
}

static void post_whep(void *user, const struct http_request *request, struct http_exchange *ex)
{
    open_session(user, request, ex, true);
}

static void patch_session(void *user, const struct http_request *request, struct http_exchange *ex)
{
    struct http_server *h = user;
    if (!check_body(ex, request, type_frag, FRAG_SIZE_MAX))
        return;
    const struct signal_whip_change change = {.id = request->params[0],
                                              .authorization = authorization_of(request),
                                              .if_match = request->if_match,
                                              .frag = request->body,
                                              .frag_size = request->body_size};
    struct signal_whip_reply reply;
    signal_whip_patch(h->config.signal, &change, mono_now(), wall_now(), &reply);
    send_reply(ex, &reply, type_frag);
    http__signal_input(h);
}

static void delete_session(void *user, const struct http_request *request, struct http_exchange *ex)
{
    struct http_server *h = user;
    const struct signal_whip_change change = {.id = request->params[0],
                                              .authorization = authorization_of(request)};
    struct signal_whip_reply reply;
    signal_whip_close(h->config.signal, &change, mono_now(), wall_now(), &reply);
    send_reply(ex, &reply, NULL);
    http__signal_input(h);
}

int http__whip_add_routes(struct http_server *h)
{
    static const struct http_route routes[] = {
        {.method = HTTP_METHOD_POST, .pattern = "/whip", .handle = post_whip},
        {.method = HTTP_METHOD_POST, .pattern = "/whip/{room}", .handle = post_whip},
        {.method = HTTP_METHOD_PATCH, .pattern = "/whip/sessions/{id}", .handle = patch_session},
        {.method = HTTP_METHOD_DELETE, .pattern = "/whip/sessions/{id}", .handle = delete_session},
        {.method = HTTP_METHOD_POST, .pattern = "/whep", .handle = post_whep},
        {.method = HTTP_METHOD_POST, .pattern = "/whep/{room}", .handle = post_whep},
        {.method = HTTP_METHOD_PATCH, .pattern = "/whep/sessions/{id}", .handle = patch_session},
        {.method = HTTP_METHOD_DELETE, .pattern = "/whep/sessions/{id}", .handle = delete_session},
    };
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++) {
        struct http_route route = routes[i];
        route.user = h;
        int err = http_server_add_route(h, &route);
        if (err < 0)
            return err;
    }
    return 0;
}

void http__whip_preflight(struct http_exchange *ex, const char *path)
{
    if (strncmp(path, "/whip", 5) != 0 && strncmp(path, "/whep", 5) != 0)
        return;
    http_reply_header(ex, "accept-post", type_sdp);
    http_reply_header(ex, "accept-patch", type_frag);
}
