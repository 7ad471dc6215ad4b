/*
 * Goal: the server is tested apart from signalling. Method: a stand-in for the module: validate and
 * join answer with the status that the query names (?status=401); a session greets with a binary
 * frame and then echoes, except for the texts "close" (it closes with 1000), "burst" (100 frames)
 * and "big" (one frame of 1 MiB).
 */
#include "fixture.h"

#include "base/list.h"
#include "base/strbuf.h"
#include "base/url.h"
#include "signal/signal.h"
#include "signal/whip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 128

_Atomic int fake_sessions_open, fake_sessions_closed;

struct signal {
    char unused;
};

static struct signal the_signal;
struct signal *const fake_signal = &the_signal;

struct signal_session {
    void *user;
    char *frames[FRAMES_MAX];
    size_t sizes[FRAMES_MAX];
    bool is_text[FRAMES_MAX];
    size_t first, count;
    bool is_closing, is_listed;
    struct signal_session *next_listed;
    char *last; /* the frame handed out */
};

static struct signal_session *listed;
static char *webhooks[16];
static size_t webhook_count;
static uint64_t late_ticket;
static bool is_late_released;

static void list_session(struct signal_session *s)
{
    if (s->is_listed)
        return;
    s->is_listed = true;
    s->next_listed = listed;
    listed = s;
}

static void add_frame(struct signal_session *s, const void *data, size_t size, bool is_text)
{
    if (s->first + s->count >= FRAMES_MAX)
        return;
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    s->frames[s->first + s->count] = copy;
    s->sizes[s->first + s->count] = size;
    s->is_text[s->first + s->count++] = is_text;
    list_session(s);
}

static void free_session(struct signal_session *s)
{
    for (struct signal_session **at = &listed; *at != NULL;) {
        if (*at == s)
            *at = s->next_listed;
        else
            at = &(*at)->next_listed;
    }
    for (size_t i = 0; i < s->count; i++)
        free(s->frames[s->first + i]);
    free(s->last);
    free(s);
    atomic_fetch_sub(&fake_sessions_open, 1);
}

static int asked_status(const struct signal_join_request *request)
{
    char text[16];
    if (request->query == NULL || url_query_get(request->query, "status", text, sizeof(text)) < 0)
        return 200;
    return atoi(text);
}

static void fill_reply(struct signal_reply *reply, int status, const char *text)
{
    reply->status = status;
    reply->content_type = "text/plain; charset=utf-8";
    reply->body = strdup(text);
    reply->size = strlen(text);
}

void signal_validate(struct signal *s, const struct signal_join_request *request, wall_ms wall,
                     struct signal_reply *ret_reply)
{
    char text[256];
    (void)s;
    (void)wall;
    snprintf(text, sizeof(text), "v%d %s query=%zu", request->is_v1,
             request->authorization != NULL ? request->authorization : "-", strlen(request->query));
    fill_reply(ret_reply, asked_status(request), text);
}

int signal_session_open(struct signal *s, const struct signal_join_request *request, mono_us now,
                        wall_ms wall, struct signal_session **ret_session,
                        struct signal_reply *ret_reply)
{
    int status = asked_status(request);
    (void)s;
    (void)now;
    (void)wall;
    if (status != 200) {
        fill_reply(ret_reply, status, "refused by the fake");
        return -1;
    }
    struct signal_session *session = calloc(1, sizeof(*session));
    atomic_fetch_add(&fake_sessions_open, 1);
    add_frame(session, "hello", 5, false);
    *ret_session = session;
    return 0;
}

static bool is_word(const void *data, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(data, word, size) == 0;
}

void signal_session_receive(struct signal_session *session, const void *data, size_t size,
                            bool is_text, mono_us now, wall_ms wall)
{
    (void)now;
    (void)wall;
    if (is_word(data, size, "close")) {
        session->is_closing = true;
        list_session(session);
    } else if (is_word(data, size, "burst")) {
        for (int i = 0; i < 100; i++)
            add_frame(session, &(char){(char)i}, 1, false);
    } else if (is_word(data, size, "big")) {
        char *big = calloc(1, (size_t)1 << 20);
        add_frame(session, big, (size_t)1 << 20, false);
        free(big);
    } else {
        add_frame(session, data, size, is_text);
    }
}

int signal_session_poll_frame(struct signal_session *session, const void **ret_data,
                              size_t *ret_size, bool *ret_is_text, int *ret_close_code)
{
    if (session->count == 0 && session->is_closing) {
        *ret_close_code = 1000;
        free_session(session);
        return -1;
    }
    if (session->count == 0) {
        session->first = 0;
        return 0;
    }
    free(session->last);
    session->last = session->frames[session->first];
    *ret_data = session->last;
    *ret_size = session->sizes[session->first];
    *ret_is_text = session->is_text[session->first];
    session->first++;
    session->count--;
    return 1;
}

void signal_session_closed(struct signal_session *session, mono_us now)
{
    (void)now;
    atomic_fetch_add(&fake_sessions_closed, 1);
    free_session(session);
}

void signal_session_set_user(struct signal_session *session, void *user)
{
    session->user = user;
}

void *signal_session_user(const struct signal_session *session)
{
    return session->user;
}

struct signal_session *signal_poll_writable(struct signal *s)
{
    struct signal_session *session = listed;
    (void)s;
    if (session != NULL) {
        listed = session->next_listed;
        session->is_listed = false;
    }
    return session;
}

/* Answers what it was asked; the body "webhook:N" queues N webhooks; the method Late is
 * answered when the method Release was called. */
void signal_twirp(struct signal *s, const char *service, const char *method,
                  const char *content_type, const char *authorization, const void *body,
                  size_t size, mono_us now, wall_ms wall, struct signal_reply *ret_reply)
{
    char text[256];
    int count = 0;
    (void)now;
    (void)wall;
    (void)authorization;
    if (size < 32 && sscanf(body, "webhook:%d", &count) == 1) {
        for (int i = 0; i < count && webhook_count < 16; i++) {
            snprintf(text, sizeof(text), "{\"event\":\"e%d\",\"room\":{\"name\":\"r%d\"}}", i,
                     i % 2);
            webhooks[webhook_count++] = strdup(text);
        }
    }
    if (strcmp(method, "Late") == 0) {
        memset(ret_reply, 0, sizeof(*ret_reply));
        ret_reply->ticket = late_ticket = 77;
        return;
    }
    if (s != NULL)
        is_late_released = strcmp(method, "Release") == 0;
    snprintf(text, sizeof(text), "%s %s %s %zu", service, method, content_type, size);
    fill_reply(ret_reply, 200, text);
}

int signal_poll_reply(struct signal *s, uint64_t *ret_ticket, struct signal_reply *ret_reply)
{
    if (s == NULL || !is_late_released || late_ticket == 0)
        return 0;
    *ret_ticket = late_ticket;
    fill_reply(ret_reply, 200, "late");
    late_ticket = 0;
    is_late_released = false;
    return 1;
}

int signal_poll_webhook(struct signal *s, char **ret_body)
{
    if (s == NULL || webhook_count == 0)
        return 0;
    *ret_body = webhooks[0];
    memmove(webhooks, webhooks + 1, --webhook_count * sizeof(webhooks[0]));
    return 1;
}

int signal_webhook_token(struct signal *s, const char *key, const char *body, wall_ms wall,
                         char **ret_token)
{
    (void)s;
    (void)body;
    (void)wall;
    *ret_token = malloc(64);
    snprintf(*ret_token, 64, "token-of-%s", key);
    return 0;
}

/* ---- WHIP and WHEP: the answer names what came in ---- */

static void fill_whip(struct signal_whip_reply *reply, int status, const char *text)
{
    *reply = (struct signal_whip_reply){.status = status, .body = strdup(text)};
    reply->size = strlen(text);
}

void signal_whip_open(struct signal *s, const struct signal_whip_request *request, mono_us now,
                      wall_ms wall, struct signal_whip_reply *ret_reply)
{
    char text[512], status[8] = "201";
    (void)s;
    (void)now;
    (void)wall;
    int size = url_query_get(request->query, "status", status, sizeof(status));
    snprintf(text, sizeof(text), "viewer=%d room=%s participant=%s %s size=%zu%s",
             request->is_viewer, request->room, request->participant,
             request->authorization != NULL ? request->authorization : "-", request->offer_size,
             size < 0 ? "" : " asked");
    fill_whip(ret_reply, atoi(status), text);
    if (ret_reply->status != 201)
        return;
    strcpy(ret_reply->id, "session1");
    strcpy(ret_reply->etag, "\"first\"");
    ret_reply->ice_servers[0] = (struct signal_whip_ice_server){.url = "stun:stun.example.org"};
    ret_reply->ice_servers[1] = (struct signal_whip_ice_server){
        .url = "turn:turn.example.org", .username = "a\"b", .credential = "c\\d"};
    ret_reply->ice_server_count = 2;
}

void signal_whip_patch(struct signal *s, const struct signal_whip_change *change, mono_us now,
                       wall_ms wall, struct signal_whip_reply *ret_reply)
{
    char text[256];
    const char *match = change->if_match;
    (void)s;
    (void)now;
    (void)wall;
    snprintf(text, sizeof(text), "id=%s match=%s %s size=%zu", change->id, match,
             change->authorization != NULL ? change->authorization : "-", change->frag_size);
    fill_whip(ret_reply, strcmp(match, "*") == 0 ? 200 : match[0] == '\0' ? 428 : 412, text);
    if (ret_reply->status == 200)
        strcpy(ret_reply->etag, "\"second\"");
}

void signal_whip_close(struct signal *s, const struct signal_whip_change *change, mono_us now,
                       wall_ms wall, struct signal_whip_reply *ret_reply)
{
    (void)s;
    (void)now;
    (void)wall;
    if (change->authorization != NULL && strcmp(change->authorization, "Bearer t") != 0)
        fill_whip(ret_reply, 401, change->authorization);
    else
        fill_whip(ret_reply, strcmp(change->id, "session1") == 0 ? 200 : 404, "");
}
