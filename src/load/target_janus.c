/*
 * Janus's VideoRoom (multistream, 1.x) over its WebSocket API: a session and handle per connection;
 * publishers make the room (it may be there already), join and offer; subscribers join with all the
 * feeds of the room, and answer.
 */
#include "load/load_internal.h"

#include "base/err.h"
#include "base/strbuf.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_ALIVE   MONO_S(25) /* a silent session ends after 60 s */
#define ROOM_EXISTS  427
#define NO_SUCH_FEED 428
#define RETRY        MONO_MS(100)
#define CANDIDATES   16 /* kept until the description is there */

enum janus_step { STEP_SESSION, STEP_HANDLE, STEP_ROOM, STEP_JOIN, STEP_DONE };

/* One WebSocket with one handle: what is published, or everything that is subscribed. */
struct janus_side {
    struct janus_link *link; /* parent */
    struct load_conn *conn;
    struct load_wire *wire;
    enum janus_step step;
    json_int_t session, handle;
    uint32_t transaction;
    struct load_timer retry; /* of joining: the feed is not there yet */
    char *candidates[CANDIDATES];
    size_t candidate_count;
};

struct janus_link {
    struct load_client *client; /* parent */
    struct load_timer timer;
    struct janus_side send, receive;
};

/* Other numbers in each run: a room that another run left has other codecs. */
static json_int_t room_number(const struct load_client *c)
{
    return (json_int_t)c->run->number * LOAD_ROOMS_MAX + c->room;
}

/* Feeds are numbered within a room from 1. */
static json_int_t feed_number(const struct load_client *c, uint32_t publisher)
{
    return publisher - c->room * c->run->options->publishers + 1;
}

/* ---- out ---- */

/* Takes `o` over and adds what every request carries. */
static void send_json(struct janus_side *s, json_t *o)
{
    char transaction[16];
    snprintf(transaction, sizeof(transaction), "t%u", ++s->transaction);
    json_object_set_new(o, "transaction", json_string(transaction));
    if (s->session != 0)
        json_object_set_new(o, "session_id", json_integer(s->session));
    if (s->handle != 0)
        json_object_set_new(o, "handle_id", json_integer(s->handle));
    char *text = json_dumps(o, JSON_COMPACT);
    if (text != NULL && s->wire != NULL)
        IGNORE(load__wire_send(s->wire, true, text, strlen(text))); /* its closing tells */
    free(text);
    json_decref(o);
}

/* Takes both over; `sdp` may be NULL. */
static void send_message(struct janus_side *s, json_t *body, const char *type, const char *sdp)
{
    json_t *o = json_object();
    json_object_set_new(o, "janus", json_string("message"));
    json_object_set_new(o, "body", body);
    if (sdp != NULL)
        json_object_set_new(o, "jsep", json_pack("{s:s, s:s}", "type", type, "sdp", sdp));
    send_json(s, o);
}

static void create_room(struct janus_side *s)
{
    const struct load_client *c = s->link->client;
    const struct load_options *o = c->run->options;
    send_message(s,
                 json_pack("{s:s, s:I, s:i, s:i, s:b, s:s, s:s}", "request", "create", "room",
                           room_number(c), "publishers", (int)o->publishers, "bitrate", 0,
                           "notify_joining", 0, "audiocodec", "opus", "videocodec",
                           o->codec == RTP_CODEC_H264 ? "h264" : "vp8"),
                 NULL, NULL);
    s->step = STEP_ROOM;
}

/* Janus takes the first rid for the best layer. */
static void best_first(struct sdp_offer_section *plan)
{
    char rid[RTP_RID_SIZE];
    for (size_t i = 0, k = plan->rid_count; i + 1 < k; i++, k--) {
        memcpy(rid, plan->rids[i], sizeof(rid));
        memcpy(plan->rids[i], plan->rids[k - 1], sizeof(rid));
        memcpy(plan->rids[k - 1], rid, sizeof(rid));
    }
}

static int build_offer(struct janus_side *s, struct strbuf *out)
{
    struct load_client *c = s->link->client;
    static const enum sdp_kind kinds[2] = {SDP_KIND_AUDIO, SDP_KIND_VIDEO};
    static const char *const mids[2] = {"0", "1"};
    struct sdp_offer_section plans[2] = {{0}};
    struct sdp_session *offer = NULL;
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        plans[count] =
            (struct sdp_offer_section){.mid = mids[count], .has_twcc = c->run->options->has_twcc};
        if (!load__tx_plan(c->tx, kinds[i], &plans[count]))
            continue;
        best_first(&plans[count]);
        count++;
    }
    int err = sdp_build_offer(&(struct sdp_offer_config){.local = load__conn_local(s->conn),
                                                         .sections = plans,
                                                         .section_count = count},
                              &offer);
    if (err == 0)
        err = sdp_print(offer, out);
    sdp_destroy(offer);
    return err;
}

static void join_as_publisher(struct janus_side *s)
{
    struct load_client *c = s->link->client;
    char name[64];
    struct strbuf offer;
    strbuf_init(&offer, SDP_TEXT_MAX);
    int err = build_offer(s, &offer);
    if (err < 0)
        load__client_fail(c, "offer: %s", err_text(err));
    else
        send_message(s,
                     json_pack("{s:s, s:s, s:I, s:I, s:s}", "request", "joinandconfigure", "ptype",
                               "publisher", "room", room_number(c), "id", feed_number(c, c->number),
                               "display", load__client_name(c, name, sizeof(name))),
                     "offer", strbuf_text(&offer));
    strbuf_fini(&offer);
    s->step = STEP_JOIN;
}

static void join_as_subscriber(struct janus_side *s)
{
    const struct load_client *c = s->link->client;
    const struct load_options *o = c->run->options;
    json_t *streams = json_array();
    for (uint32_t i = 0; i < o->publishers; i++) {
        uint32_t publisher = c->room * o->publishers + i;
        if (!c->publishes || publisher != c->number)
            json_array_append_new(streams, json_pack("{s:I}", "feed", feed_number(c, publisher)));
    }
    send_message(s,
                 json_pack("{s:s, s:s, s:I, s:o}", "request", "join", "ptype", "subscriber", "room",
                           room_number(c), "streams", streams),
                 NULL, NULL);
    s->step = STEP_JOIN;
}

/* ---- in ---- */

static struct sdp_session *parse(struct janus_side *s, const char *text)
{
    struct sdp_session *sdp = NULL;
    struct sdp_error error = {0};
    if (sdp_parse(text, strlen(text), &sdp, &error) == 0)
        return sdp;
    load__client_fail(s->link->client, "Janus's description cannot be read: line %u: %s",
                      error.line, error.text);
    return NULL;
}

/* Candidates that came ahead of the description. */
static void use_candidates(struct janus_side *s, mono_us now)
{
    for (size_t i = 0; i < s->candidate_count; i++) {
        load__conn_add_candidate(s->conn, s->candidates[i], now);
        free(s->candidates[i]);
    }
    s->candidate_count = 0;
}

static void take_answer(struct janus_side *s, const char *text, mono_us now)
{
    struct load_client *c = s->link->client;
    struct sdp_session *sdp = parse(s, text);
    struct sdp_transport transport;
    if (sdp == NULL)
        return;
    for (size_t i = 0; i < sdp->section_count; i++)
        if (!load__tx_agree(c->tx, &sdp->sections[i]))
            load__client_fail(c, "Janus does not take our %s", sdp->sections[i].media);
    int err = sdp_get_transport(sdp, &transport, NULL);
    if (err == 0)
        err = load__conn_set_remote(s->conn, sdp, transport.setup != SDP_SETUP_ACTIVE, now);
    if (err < 0)
        load__client_fail(c, "Janus's answer: %s", err_text(err));
    use_candidates(s, now);
    s->step = STEP_DONE;
    sdp_destroy(sdp);
}

static void take_offer(struct janus_side *s, const char *text, mono_us now)
{
    struct sdp_session *offer = parse(s, text), *answer = NULL;
    struct strbuf out;
    if (offer == NULL)
        return;
    strbuf_init(&out, SDP_TEXT_MAX);
    struct sdp_answer_config config = {.local = load__conn_local(s->conn),
                                       .setup = SDP_SETUP_ACTIVE};
    int err = sdp_build_answer(offer, &config, &answer, NULL);
    if (err == 0)
        err = sdp_print(answer, &out);
    if (err == 0) {
        send_message(s, json_pack("{s:s}", "request", "start"), "answer", strbuf_text(&out));
        err = load__conn_set_remote(s->conn, offer, true, now);
    }
    if (err < 0)
        load__client_fail(s->link->client, "Janus's offer: %s", err_text(err));
    load__conn_take_streams(s->conn, offer);
    use_candidates(s, now);
    s->step = STEP_DONE;
    strbuf_fini(&out);
    sdp_destroy(answer);
    sdp_destroy(offer);
}

static void on_success(struct janus_side *s, const json_t *m)
{
    json_int_t id = json_integer_value(json_object_get(json_object_get(m, "data"), "id"));
    if (s->step == STEP_SESSION) {
        s->session = id;
        s->step = STEP_HANDLE;
        send_json(s,
                  json_pack("{s:s, s:s}", "janus", "attach", "plugin", "janus.plugin.videoroom"));
    } else if (s->step == STEP_HANDLE) {
        s->handle = id;
        if (s == &s->link->send)
            create_room(s);
        else
            join_as_subscriber(s);
    }
}

static void on_trickle(struct janus_side *s, const json_t *m, mono_us now)
{
    const json_t *candidate = json_object_get(m, "candidate");
    const char *text = json_string_value(json_object_get(candidate, "candidate"));
    if (text == NULL)
        return;
    if (s->conn->peer != NULL) {
        load__conn_add_candidate(s->conn, text, now);
    } else if (s->candidate_count < CANDIDATES) {
        char *copy = strdup(text);
        if (copy != NULL)
            s->candidates[s->candidate_count++] = copy;
    }
}

/* What the plugin says, with a description or an error of its own. */
static void on_plugin(struct janus_side *s, const json_t *m, mono_us now)
{
    const json_t *data = json_object_get(json_object_get(m, "plugindata"), "data");
    const json_t *jsep = json_object_get(m, "jsep");
    const char *sdp = json_string_value(json_object_get(jsep, "sdp"));
    const char *error = json_string_value(json_object_get(data, "error"));
    json_int_t code = json_integer_value(json_object_get(data, "error_code"));
    if (s->step == STEP_ROOM && (error == NULL || code == ROOM_EXISTS)) {
        join_as_publisher(s);
        return;
    }
    if (code == NO_SUCH_FEED && s->step == STEP_JOIN && s == &s->link->receive)
        load__timer_set(s->link->client->run, &s->retry, now + RETRY); /* --join-timeout ends it */
    else if (error != NULL)
        load__client_fail(s->link->client, "VideoRoom: %s (%d)", error, (int)code);
    else if (sdp != NULL && s == &s->link->send)
        take_answer(s, sdp, now);
    else if (sdp != NULL)
        take_offer(s, sdp, now);
}

static void on_open(void *user, mono_us now UNUSED)
{
    send_json(user, json_pack("{s:s}", "janus", "create"));
}

static void on_message(void *user, uint8_t *data, size_t size, mono_us now)
{
    struct janus_side *s = user;
    json_t *m = json_loadb((const char *)data, size, 0, NULL);
    const char *kind = json_string_value(json_object_get(m, "janus"));
    if (kind == NULL) {
        load__client_fail(s->link->client, "not a message of Janus");
    } else if (strcmp(kind, "error") == 0) {
        const char *reason =
            json_string_value(json_object_get(json_object_get(m, "error"), "reason"));
        load__client_fail(s->link->client, "Janus: %s", reason != NULL ? reason : "error");
    } else if (json_object_get(m, "plugindata") != NULL) {
        on_plugin(s, m, now);
    } else if (strcmp(kind, "success") == 0) {
        on_success(s, m);
    } else if (strcmp(kind, "trickle") == 0) {
        on_trickle(s, m, now);
    } else if (strcmp(kind, "hangup") == 0) {
        load__client_fail(s->link->client, "Janus hung up");
    } else if (strcmp(kind, "timeout") == 0) {
        load__client_fail(s->link->client, "Janus has given the session up");
    }
    json_decref(m);
}

static void on_closed(void *user, const char *why, mono_us now UNUSED)
{
    struct janus_side *s = user;
    load__client_fail(s->link->client, "signalling: %s", why);
}

static void keep_alive(struct janus_side *s)
{
    json_int_t handle = s->handle;
    if (s->session == 0)
        return;
    s->handle = 0; /* it is about the session */
    send_json(s, json_pack("{s:s}", "janus", "keepalive"));
    s->handle = handle;
}

static void on_timer(struct load_timer *t, mono_us now)
{
    struct janus_link *l = CONTAINER_OF(t, struct janus_link, timer);
    keep_alive(&l->send);
    keep_alive(&l->receive);
    load__timer_set(l->client->run, t, now + KEEP_ALIVE);
}

/* ---- life ---- */

static void on_retry(struct load_timer *t, mono_us now UNUSED)
{
    join_as_subscriber(CONTAINER_OF(t, struct janus_side, retry));
}

static int open_side(struct janus_link *l, struct janus_side *s)
{
    struct load_client *c = l->client;
    const char *url = c->run->options->url;
    s->link = l;
    s->retry.fire = on_retry;
    int err = load__conn_create(c, 0, &s->conn);
    if (err == 0) {
        s->conn->sends = s == &l->send;
        err = load__conn_find_local(s->conn, url);
    }
    if (err < 0)
        return err;
    return load__wire_create(&(struct load_wire_config){.run = c->run,
                                                        .url = url,
                                                        .path = "/",
                                                        .protocol = "janus-protocol",
                                                        .user = s,
                                                        .on_open = on_open,
                                                        .on_message = on_message,
                                                        .on_closed = on_closed},
                             &s->wire);
}

static int begin(struct load_client *c, mono_us now)
{
    struct janus_link *l = calloc(1, sizeof(*l));
    c->link = l;
    if (l == NULL)
        return -ENOMEM;
    l->client = c;
    l->timer.fire = on_timer;
    load__timer_set(c->run, &l->timer, now + KEEP_ALIVE);
    int err = c->publishes ? open_side(l, &l->send) : 0;
    if (err == 0 && c->subscribes)
        err = open_side(l, &l->receive);
    return err;
}

static void close_side(struct janus_side *s)
{
    if (s->session != 0) {
        if (s->link != NULL && s == &s->link->send)
            send_message(
                s,
                json_pack("{s:s, s:I}", "request", "destroy", "room", room_number(s->link->client)),
                NULL, NULL);
        s->handle = 0;
        send_json(s, json_pack("{s:s}", "janus", "destroy"));
    }
    if (s->link != NULL)
        load__timer_cancel(s->link->client->run, &s->retry);
    load__wire_destroy(s->wire);
    load__conn_destroy(s->conn);
    for (size_t i = 0; i < s->candidate_count; i++)
        free(s->candidates[i]);
}

static void end(struct load_client *c)
{
    struct janus_link *l = c->link;
    if (l == NULL)
        return;
    load__timer_cancel(c->run, &l->timer);
    close_side(&l->send);
    close_side(&l->receive);
    free(l);
    c->link = NULL;
}

const struct load_target load__janus = {begin, end};
