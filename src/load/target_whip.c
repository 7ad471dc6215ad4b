/* WHIP (RFC 9725) to publish and WHEP (draft-ietf-wish-whep) to subscribe: one session each. */
#include "load/load_internal.h"

#include "base/err.h"
#include "base/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SDP_TYPE "application/sdp"

struct whip_session {
    struct whip_link *link; /* parent */
    struct load_conn *conn;
    struct load_wire *wire;
    char *token;
    char *location; /* NULL before it is there */
};

struct whip_link {
    struct load_client *client;    /* parent */
    struct whip_session *sessions; /* the published one first */
    size_t count;
};

/* ---- paths ---- */

/* The path with {room}, {id} (ours) and {publisher} filled in. */
static void fill_path(const struct load_client *c, const char *form, uint32_t publisher,
                      struct strbuf *out)
{
    char room[128], id[64], from[64];
    struct load_client other = {.publishes = true, .number = publisher};
    const struct {
        const char *name, *value;
    } names[] = {{"{room}", load__client_room(c, room, sizeof(room))},
                 {"{id}", load__client_name(c, id, sizeof(id))},
                 {"{publisher}", load__client_name(&other, from, sizeof(from))}};
    while (*form != '\0') {
        size_t i = 0;
        while (i < ARRAY_COUNT(names) && strncmp(form, names[i].name, strlen(names[i].name)) != 0)
            i++;
        strbuf_puts(out, i < ARRAY_COUNT(names) ? names[i].value : "");
        if (i == ARRAY_COUNT(names))
            strbuf_append(out, form, 1);
        form += i < ARRAY_COUNT(names) ? strlen(names[i].name) : 1;
    }
}

/* A Location is a whole URL or a path. */
static const char *path_of(const char *location)
{
    const char *host = strstr(location, "://");
    if (host == NULL)
        return location;
    const char *path = strchr(host + 3, '/');
    return path != NULL ? path : "/";
}

/* ---- offers and answers ---- */

static int build_offer(struct whip_session *s, struct strbuf *out)
{
    const struct load_client *c = s->link->client;
    struct sdp_offer_section plans[2] = {{0}};
    static const enum sdp_kind kinds[2] = {SDP_KIND_AUDIO, SDP_KIND_VIDEO};
    static const char *const mids[2] = {"0", "1"};
    struct sdp_session *offer = NULL;
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        bool is_wanted = i == 0 ? c->run->options->has_audio : c->run->options->has_video;
        if (!is_wanted)
            continue;
        struct sdp_offer_section *plan = &plans[count];
        plan->kind = kinds[i];
        plan->dir = SDP_DIR_RECVONLY;
        plan->has_twcc = c->run->options->has_twcc;
        plan->mid = mids[count];
        if (!s->conn->sends || load__tx_plan(c->tx, kinds[i], plan))
            count++;
    }
    int err = load__conn_find_local(s->conn, c->run->options->url);
    if (err == 0)
        err = sdp_build_offer(&(struct sdp_offer_config){.local = load__conn_local(s->conn),
                                                         .sections = plans,
                                                         .section_count = count},
                              &offer);
    if (err == 0)
        err = sdp_print(offer, out);
    sdp_destroy(offer);
    return err;
}

static void agree(struct whip_session *s, const struct sdp_session *answer)
{
    for (size_t i = 0; i < answer->section_count && s->conn->sends; i++)
        if (!load__tx_agree(s->link->client->tx, &answer->sections[i]))
            load__client_fail(s->link->client, "the server does not take our %s",
                              answer->sections[i].media);
}

static void on_response(void *user, unsigned status, const char *location, char *body, mono_us now)
{
    struct whip_session *s = user;
    struct load_client *c = s->link->client;
    struct sdp_session *answer = NULL;
    struct sdp_error error = {0};
    struct sdp_transport transport;
    if (status != 201) {
        load__client_fail(c, "%s: HTTP status %u: %.200s", s->conn->sends ? "WHIP" : "WHEP", status,
                          body);
        return;
    }
    s->location = strdup(path_of(location));
    if (sdp_parse(body, strlen(body), &answer, &error) < 0) {
        load__client_fail(c, "the answer cannot be read: line %u: %s", error.line, error.text);
        return;
    }
    agree(s, answer);
    int err = sdp_get_transport(answer, &transport, NULL);
    if (err == 0)
        err = load__conn_set_remote(s->conn, answer, transport.setup != SDP_SETUP_ACTIVE, now);
    if (err < 0)
        load__client_fail(c, "the answer: %s", err_text(err));
    load__conn_take_streams(s->conn, answer);
    sdp_destroy(answer);
}

static void on_closed(void *user, const char *why, mono_us now UNUSED)
{
    struct whip_session *s = user;
    load__wire_destroy(s->wire);
    s->wire = NULL;
    if (s->location == NULL)
        load__client_fail(s->link->client, "signalling: %s", why);
}

/* ---- life ---- */

static int open_session(struct whip_link *l, bool sends, uint32_t publisher)
{
    struct load_client *c = l->client;
    const struct load_options *o = c->run->options;
    struct whip_session *s = &l->sessions[l->count++];
    struct strbuf path, offer;
    strbuf_init(&path, 4096);
    strbuf_init(&offer, SDP_TEXT_MAX);
    char suffix[32] = "";
    if (!sends && c->run->options->publishers > 1) /* every session is a participant of its own */
        snprintf(suffix, sizeof(suffix), "-from-%u", publisher);
    *s = (struct whip_session){.link = l, .token = load__client_token(c, suffix)};
    if (s->token == NULL)
        return ERR_STATE;
    fill_path(c, sends ? o->whip_path : o->whep_path, publisher, &path);
    int err = load__conn_create(c, 0, &s->conn);
    if (err == 0) {
        s->conn->sends = sends;
        err = build_offer(s, &offer);
    }
    if (err == 0)
        err = load__wire_create(&(struct load_wire_config){.run = c->run,
                                                           .url = o->url,
                                                           .path = strbuf_text(&path),
                                                           .method = "POST",
                                                           .bearer = s->token,
                                                           .type = SDP_TYPE,
                                                           .body = strbuf_text(&offer),
                                                           .user = s,
                                                           .on_response = on_response,
                                                           .on_closed = on_closed},
                                &s->wire);
    strbuf_fini(&path);
    strbuf_fini(&offer);
    return err;
}

static int begin(struct load_client *c, mono_us now UNUSED)
{
    const struct load_options *o = c->run->options;
    struct whip_link *l = calloc(1, sizeof(*l));
    int err = 0;
    c->link = l;
    if (l == NULL)
        return -ENOMEM;
    l->client = c;
    l->sessions = calloc(o->publishers + 1, sizeof(*l->sessions));
    if (l->sessions == NULL)
        return -ENOMEM;
    if (c->publishes)
        err = open_session(l, true, c->number);
    for (uint32_t i = 0; i < o->publishers && c->subscribes && err == 0; i++) {
        uint32_t publisher = c->room * o->publishers + i;
        if (!c->publishes || publisher != c->number)
            err = open_session(l, false, publisher);
    }
    return err;
}

static void close_session(struct whip_session *s)
{
    struct load_client *c = s->link->client;
    struct load_wire *bye = NULL;
    load__wire_destroy(s->wire);
    if (s->location != NULL && s->location[0] == '/')
        IGNORE(load__wire_create(&(struct load_wire_config){.run = c->run,
                                                            .url = c->run->options->url,
                                                            .path = s->location,
                                                            .method = "DELETE",
                                                            .bearer = s->token,
                                                            .is_detached = true},
                                 &bye)); /* the server notices the silence */
    load__conn_destroy(s->conn);
    free(s->location);
    free(s->token);
}

static void end(struct load_client *c)
{
    struct whip_link *l = c->link;
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->count; i++)
        close_session(&l->sessions[i]);
    free(l->sessions);
    free(l);
    c->link = NULL;
}

const struct load_target load__whip = {begin, end};
