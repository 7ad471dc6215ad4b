/* The life of a client: connect, join, lose the line, resume or join anew, leave. */
#include "client/client.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "client/client_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_MESSAGE_MAX MONO_S(5)  /* from opening the socket */
#define RESUME_MEDIA_MAX  MONO_S(10) /* from a resume to media; then joins anew */
#define PORT_DEFAULT      7880

/* ---- events ---- */

struct client_event *client__event(struct client *c, enum client_event_kind kind)
{
    if (c->event_count == CLIENT_EVENTS_MAX) {
        c->stats.event_drops++;
        return NULL;
    }
    struct client_event *e = &c->events[(c->event_head + c->event_count++) % CLIENT_EVENTS_MAX];
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    return e;
}

int client_poll_event(struct client *c, struct client_event *ret_event)
{
    free(c->gone);
    free(c->data_out);
    c->gone = NULL;
    c->data_out = NULL;
    if (c->event_count == 0)
        return 0;
    *ret_event = c->events[c->event_head];
    c->event_head = (c->event_head + 1) % CLIENT_EVENTS_MAX;
    c->event_count--;
    if (ret_event->kind == CLIENT_EVENT_UNSUBSCRIBED)
        c->gone = ret_event->remote;
    c->data_out = ret_event->data;
    return 1;
}

/* ---- the end, and the way back ---- */

static void drop_media(struct client *c)
{
    while (c->remote_count > 0)
        client__remote_remove(c, c->remotes[0]);
    client__link_close(c);
    c->section_count = 0;
}

void client__closed(struct client *c, int reason, const char *form, ...)
{
    if (c->state == CLIENT_STATE_CLOSED)
        return;
    va_list args;
    va_start(args, form);
    vsnprintf(c->reason, sizeof(c->reason), form, args);
    va_end(args);
    c->state = CLIENT_STATE_CLOSED;
    c->is_in_room = false;
    struct client_event *e = client__event(c, CLIENT_EVENT_CLOSED);
    if (e == NULL)
        return;
    e->value = reason;
    memcpy(e->text, c->reason, sizeof(e->text));
}

/* 0, 300, 600, 1200, 2000, 2000 … ms, a little apart for every client. */
static mono_us retry_delay(struct client *c)
{
    mono_us delay = c->attempt == 0 ? 0 : MONO_MS(300) << TK_MIN(c->attempt - 1, 3u);
    c->attempt++;
    return TK_MIN(delay, MONO_S(2)) + (mono_us)rng_below(&c->hub->rng, 100000);
}

void client__lost(struct client *c, bool is_fresh, const char *why)
{
    if (c->state == CLIENT_STATE_CLOSED)
        return;
    mono_us now = mono_now();
    if (is_fresh)
        c->is_resuming = false;
    else if (c->state != CLIENT_STATE_WAITING)
        c->is_resuming = c->sid[0] != '\0';
    if (!c->was_joined || !c->config.may_reconnect || c->is_leaving) {
        client__closed(c, 0, "%s", why);
        return;
    }
    if (c->lost_at == 0) {
        c->lost_at = now;
        client__event(c, CLIENT_EVENT_RECONNECTING);
    }
    if (c->config.reconnect_max > 0 && now - c->lost_at > c->config.reconnect_max) {
        client__closed(c, 0, "gave up after %d s: %s", (int)(c->config.reconnect_max / MONO_S(1)),
                       why);
        return;
    }
    c->state = CLIENT_STATE_WAITING;
    c->is_in_room = false;
    c->is_offer_out = false;
    c->resumed_at = 0;
    c->retry_at = now + retry_delay(c);
}

void client__on_ws_closed(struct client *c, unsigned status, const char *why)
{
    bool is_refused = status >= 400 && status < 500 && status != 404 && status != 429;
    if (!c->is_leaving && (is_refused || (status >= 400 && !c->was_joined))) {
        client__refusal_note(&c->ws.refusal, status);
        return;
    }
    c->opened_at = 0;
    if (c->is_leaving)
        client__closed(c, 1, "left");
    else if (c->state != CLIENT_STATE_WAITING || c->retry_at == MONO_NEVER)
        client__lost(c, !c->is_resuming && c->state == CLIENT_STATE_WAITING, why);
}

void client__on_refused(struct client *c, unsigned status, const char *why)
{
    c->opened_at = 0;
    client__closed(c, 0, "the server refuses: HTTP %u%s%s", status, *why != '\0' ? ": " : "", why);
}

/* ---- coming in ---- */

static void open_socket(struct client *c, mono_us now)
{
    char *path = client__join_path(c, false);
    c->retry_at = MONO_NEVER; /* until this attempt has failed */
    c->opened_at = now;
    client__ws_drop(&c->ws);
    int err = path != NULL ? client__ws_open(&c->ws, path) : -ENOMEM;
    free(path);
    if (err < 0 && c->opened_at != 0) { /* not told by a callback yet */
        c->opened_at = 0;
        client__lost(c, !c->is_resuming && c->was_joined, "cannot connect to the server");
    }
}

static void announce_all(struct client *c)
{
    for (size_t i = 0; i < CLIENT_TRACKS_MAX; i++) {
        struct client_track *t = &c->tracks[i];
        if (t->is_used && t->is_stopped) {
            client__track_fini(t);
        } else if (t->is_used) {
            client__track_renew(c, t);
            client__send_add_track(c, t);
        }
    }
}

static void enter_room(struct client *c)
{
    mono_us now = mono_now();
    c->is_in_room = true;
    c->opened_at = 0;
    c->heard_at = now;
    c->ping_at = now + c->ping_interval;
    c->is_offer_out = false;
    c->is_offer_wanted = true;
}

void client__on_joined(struct client *c, const char *sid)
{
    bool is_again = c->was_joined;
    drop_media(c);
    snprintf(c->sid, sizeof(c->sid), "%s", sid);
    enter_room(c);
    c->was_joined = true;
    c->is_resuming = false;
    c->lost_at = 0;
    c->data_seq = 0;
    c->state = CLIENT_STATE_JOINED;
    int err = client__link_open(c);
    if (err < 0) {
        client__closed(c, 0, "cannot open a media socket: %s", err_text(err));
        return;
    }
    announce_all(c);
    err = client__sections_reset(c);
    if (err < 0) {
        client__closed(c, 0, "too many sections");
        return;
    }
    c->stats.rejoins += is_again;
    struct client_event *e =
        client__event(c, is_again ? CLIENT_EVENT_REJOINED : CLIENT_EVENT_JOINED);
    if (e != NULL)
        memcpy(e->sid, c->sid, sizeof(e->sid));
}

void client__on_resumed(struct client *c)
{
    enter_room(c);
    c->stats.resumes++;
    c->lost_at = 0;
    c->attempt = 0;
    c->resumed_at = c->link.is_connected ? 0 : mono_now();
    c->state = c->link.is_connected ? CLIENT_STATE_ACTIVE : CLIENT_STATE_JOINED;
    client__link_new_credentials(c);
    if (c->link.peer == NULL ||
        peer_set_local_credentials(c->link.peer, c->link.ufrag, c->link.pwd) < 0) {
        client__lost(c, true, "media cannot be resumed");
        return;
    }
    client__event(c, CLIENT_EVENT_RESUMED);
}

void client__on_media_up(struct client *c)
{
    c->resumed_at = 0;
    c->attempt = 0;
    if (c->state == CLIENT_STATE_JOINED) {
        c->state = CLIENT_STATE_ACTIVE;
        client__event(c, CLIENT_EVENT_ACTIVE);
    }
}

/* ---- time ---- */

static void tick_signalling(struct client *c, mono_us now)
{
    bool is_late = c->opened_at != 0 && now - c->opened_at > FIRST_MESSAGE_MAX;
    client__refusal_tick(c, is_late);
    if (c->state == CLIENT_STATE_CLOSED)
        return;
    if (is_late) {
        c->opened_at = 0;
        client__ws_drop(&c->ws);
        client__lost(c, !c->is_resuming && c->was_joined, "the server does not answer");
        return;
    }
    if (!c->is_in_room)
        return;
    if (now >= c->ping_at)
        client__send_ping(c, now);
    if (now - c->heard_at > c->ping_timeout) {
        client__ws_drop(&c->ws);
        client__lost(c, false, "the server is silent");
    } else if (c->resumed_at != 0 && now - c->resumed_at > RESUME_MEDIA_MAX) {
        client__ws_drop(&c->ws);
        client__lost(c, true, "media did not come back");
    }
}

void client__tick(struct client *c, mono_us now)
{
    if (c->state == CLIENT_STATE_CLOSED)
        return;
    if (c->state == CLIENT_STATE_WAITING && now >= c->retry_at)
        open_socket(c, now);
    tick_signalling(c, now);
    client__offer_if_wanted(c, now);
    client__link_tick(c, now);
    client__tracks_tick(c, now);
    client__remotes_tick(c, now);
}

/* ---- create, destroy ---- */

static int parse_url(struct client *c, const char *url)
{
    static const struct {
        const char *scheme;
        bool is_tls;
        uint16_t port;
    } schemes[] = {{"ws://", false, 80},
                   {"wss://", true, 443},
                   {"http://", false, 80},
                   {"https://", true, 443}};
    const char *at = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(schemes) && at == NULL; i++) {
        size_t length = strlen(schemes[i].scheme);
        if (strncmp(url, schemes[i].scheme, length) != 0)
            continue;
        at = url + length;
        c->is_tls = schemes[i].is_tls;
        c->port = schemes[i].port;
    }
    if (at == NULL)
        return ERR_MALFORMED;
    size_t skip = *at == '[' ? 1 : 0; /* libwebsockets takes IPv6 without brackets */
    const char *bracket = skip != 0 ? strchr(at, ']') : NULL;
    if (skip != 0 && bracket == NULL)
        return ERR_MALFORMED;
    size_t host_length = bracket != NULL ? (size_t)(bracket - at) + 1 : strcspn(at, ":/?#");
    if (host_length <= 2 * skip || host_length >= sizeof(c->host))
        return ERR_MALFORMED;
    memcpy(c->host, at + skip, host_length - 2 * skip);
    at += host_length;
    if (*at == ':') {
        char *end = NULL;
        long port = strtol(at + 1, &end, 10);
        if (end == at + 1 || port < 1 || port > 65535)
            return ERR_MALFORMED;
        c->port = (uint16_t)port;
        at = end;
    }
    size_t prefix_length = strcspn(at, "?#");
    while (prefix_length > 0 && at[prefix_length - 1] == '/')
        prefix_length--;
    if (prefix_length >= sizeof(c->prefix) || (*at != '\0' && strchr("/?#", *at) == NULL))
        return ERR_MALFORMED;
    memcpy(c->prefix, at, prefix_length);
    return 0;
}

static int fill(struct client *c, const struct client_config *config)
{
    c->config = *config;
    c->token = strdup(config->token);
    c->events = calloc(CLIENT_EVENTS_MAX, sizeof(*c->events));
    c->sections = calloc(CLIENT_SECTIONS_MAX, sizeof(*c->sections));
    if (c->token == NULL || c->events == NULL || c->sections == NULL)
        return -ENOMEM;
    if (config->fault_fingerprint != NULL) {
        c->fault_fingerprint = strdup(config->fault_fingerprint);
        if (c->fault_fingerprint == NULL)
            return -ENOMEM;
    }
    c->config.token = NULL;
    c->config.url = NULL;
    c->config.fault_fingerprint = NULL;
    return parse_url(c, config->url);
}

int client_create(struct client_hub *hub, const struct client_config *config,
                  struct client **ret_client)
{
    struct client *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    c->hub = hub;
    c->ws.client = c;
    c->link.client = c;
    c->ping_interval = MONO_S(5);
    c->ping_timeout = MONO_S(15);
    c->sdp_session_id = rng_u64(&hub->rng) >> 2;
    list_init(&c->in_hub);
    int err = fill(c, config);
    if (err < 0) {
        client_destroy(c);
        return err;
    }
    list_push_back(&hub->clients, &c->in_hub);
    open_socket(c, mono_now());
    *ret_client = c;
    return 0;
}

void client_destroy(struct client *c)
{
    struct client_event event;
    if (c == NULL)
        return;
    list_remove(&c->in_hub);
    client__ws_drop(&c->ws);
    if (c->events != NULL) {
        drop_media(c);
        while (client_poll_event(c, &event) == 1)
            continue;
        IGNORE(client_poll_event(c, &event)); /* frees what the last event left */
    }
    for (size_t i = 0; i < CLIENT_TRACKS_MAX; i++)
        client__track_fini(&c->tracks[i]);
    free(c->fault_fingerprint);
    free(c->token);
    free(c->events);
    free(c->sections);
    free(c);
}

void client_leave(struct client *c)
{
    if (c->is_leaving || c->state == CLIENT_STATE_CLOSED)
        return;
    c->is_leaving = true;
    if (!c->is_in_room) {
        client__ws_drop(&c->ws);
        client__closed(c, 1, "left");
        return;
    }
    client__send_leave(c);
    client__ws_close_after_writing(&c->ws);
}

/* ---- asking and small deeds ---- */

enum client_state client_state(const struct client *c)
{
    return c->state;
}

const char *client_sid(const struct client *c)
{
    return c->sid;
}

const char *client_reason(const struct client *c)
{
    return c->reason;
}

void client_stats(const struct client *c, struct client_stats *ret_stats)
{
    *ret_stats = c->stats;
}

int client_restart_ice(struct client *c)
{
    if (c->link.peer == NULL || !c->is_in_room)
        return ERR_STATE;
    client__link_new_credentials(c);
    c->is_offer_wanted = true;
    return peer_set_local_credentials(c->link.peer, c->link.ufrag, c->link.pwd);
}

void client_cut_signalling(struct client *c)
{
    client__ws_drop(&c->ws);
    client__lost(c, false, "cut");
}

int client_inject(struct client *c, const uint8_t *data, size_t size)
{
    return client__link_send_raw(c, data, size);
}
