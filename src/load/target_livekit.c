/* LiveKit's signalling as a client: one connection (/rtc/v1) or the older two (/rtc). */
#include "load/load_internal.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/join_params.h"

#include <errno.h>
#include <livekit.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL_VERSION   17
#define PING_PERIOD        MONO_S(5) /* unless the server says another */
#define PING_PERIOD_MAX_S  60
#define JOIN_PING_INTERVAL 11 /* field of JoinResponse */
#define PLACEHOLDERS       3  /* receiving sections of each kind in the first offer, as browsers */
#define MID_SIZE           12 /* our mids are the numbers of the sections */
#define SECTIONS_MAX       SDP_SECTIONS_MAX

struct livekit_link {
    struct load_client *client; /* parent */
    struct load_wire *wire;
    struct load_conn *main; /* single: everything; dual: what is published */
    struct load_conn *sub;  /* dual: what is subscribed */
    struct load_timer ping;
    mono_us ping_period;
    uint8_t *sections; /* enum sdp_kind of each section of our offers */
    size_t section_count, sent_sections;
    uint32_t offer_id;
    uint32_t unpublished; /* dual: tracks that the server has not yet named */
    bool is_offer_out, is_offer_wanted;
};

/* Generated structs want plain char pointers for texts that they do not change. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* ---- out ---- */

static void send_request(struct livekit_link *l, const Livekit__SignalRequest *request)
{
    size_t size = livekit__signal_request__get_packed_size(request);
    uint8_t *packed = malloc(size > 0 ? size : 1);
    if (packed == NULL || l->wire == NULL) {
        free(packed);
        return;
    }
    livekit__signal_request__pack(request, packed);
    IGNORE(load__wire_send(l->wire, false, packed, size)); /* its closing tells */
    free(packed);
}

static void on_ping(struct load_timer *t, mono_us now)
{
    struct livekit_link *l = CONTAINER_OF(t, struct livekit_link, ping);
    Livekit__Ping ping = LIVEKIT__PING__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    ping.timestamp = wall_now();
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ;
    request.ping_req = &ping;
    send_request(l, &request);
    load__timer_set(l->client->run, t, now + l->ping_period);
}

static void send_description(struct livekit_link *l, bool is_offer, uint32_t id, const char *sdp)
{
    Livekit__SessionDescription description = LIVEKIT__SESSION_DESCRIPTION__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    description.type = text_of(is_offer ? "offer" : "answer");
    description.sdp = text_of(sdp);
    description.id = id;
    request.message_case =
        is_offer ? LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER : LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER;
    if (is_offer)
        request.offer = &description;
    else
        request.answer = &description;
    send_request(l, &request);
}

/* ---- what is published ---- */

struct add_track {
    Livekit__AddTrackRequest request;
    Livekit__VideoLayer layers[RTP_LAYERS_MAX];
    Livekit__VideoLayer *pointers[RTP_LAYERS_MAX];
};

static void fill_audio(const struct load_tx *tx, struct add_track *add)
{
    livekit__add_track_request__init(&add->request);
    add->request.cid = text_of(tx->audio_cid);
    add->request.name = text_of("sound");
    add->request.type = LIVEKIT__TRACK_TYPE__AUDIO;
    add->request.source = LIVEKIT__TRACK_SOURCE__MICROPHONE;
    add->request.disable_red = true;
}

static void fill_video(const struct load_tx *tx, struct add_track *add)
{
    const struct load_clip *best = tx->video[tx->layer_count - 1].clip;
    livekit__add_track_request__init(&add->request);
    for (uint32_t i = 0; i < tx->layer_count; i++) {
        const struct load_clip *clip = tx->video[i].clip;
        Livekit__VideoLayer *layer = &add->layers[i];
        livekit__video_layer__init(layer);
        layer->quality =
            tx->layer_count == 1 ? LIVEKIT__VIDEO_QUALITY__HIGH : (Livekit__VideoQuality)i;
        layer->width = clip->width;
        layer->height = clip->height;
        layer->bitrate = clip->bitrate_bps;
        layer->rid = text_of(tx->video[i].rid);
        add->pointers[i] = layer;
    }
    add->request.cid = text_of(tx->video_cid);
    add->request.name = text_of("picture");
    add->request.type = LIVEKIT__TRACK_TYPE__VIDEO;
    add->request.source = LIVEKIT__TRACK_SOURCE__CAMERA;
    add->request.width = best->width;
    add->request.height = best->height;
    add->request.n_layers = tx->layer_count;
    add->request.layers = add->pointers;
}

/* Fills what this client publishes; returns how many. */
static size_t fill_tracks(const struct load_client *c, struct add_track adds[2])
{
    size_t count = 0;
    if (c->tx != NULL && c->tx->audio.clip != NULL)
        fill_audio(c->tx, &adds[count++]);
    if (c->tx != NULL && c->tx->layer_count > 0)
        fill_video(c->tx, &adds[count++]);
    return count;
}

/* ---- offers ---- */

static void add_section(struct livekit_link *l, enum sdp_kind kind)
{
    if (l->section_count == SECTIONS_MAX)
        return;
    uint8_t *sections = realloc(l->sections, l->section_count + 1);
    if (sections == NULL)
        return;
    l->sections = sections;
    l->sections[l->section_count++] = (uint8_t)kind;
}

static void plan_sections(struct livekit_link *l)
{
    const struct load_client *c = l->client;
    const struct load_options *o = c->run->options;
    if (c->tx != NULL && c->tx->audio.clip != NULL)
        add_section(l, SDP_KIND_AUDIO);
    if (c->tx != NULL && c->tx->layer_count > 0)
        add_section(l, SDP_KIND_VIDEO);
    l->sent_sections = l->section_count;
    for (int i = 0; i < PLACEHOLDERS && c->subscribes && !o->is_dual; i++) {
        if (o->has_audio)
            add_section(l, SDP_KIND_AUDIO);
        if (o->has_video)
            add_section(l, SDP_KIND_VIDEO);
    }
}

/* The text of the next offer; strbuf_fini() it in any case. */
static int build_offer(struct livekit_link *l, struct strbuf *out)
{
    const struct load_options *o = l->client->run->options;
    char(*mids)[MID_SIZE] = calloc(l->section_count, sizeof(*mids));
    struct sdp_offer_section *plans = calloc(l->section_count, sizeof(*plans));
    struct sdp_session *offer = NULL;
    int err = mids == NULL || plans == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < l->section_count && err == 0; i++) {
        plans[i].kind = (enum sdp_kind)l->sections[i];
        plans[i].dir = SDP_DIR_RECVONLY;
        plans[i].has_twcc = o->has_twcc;
        snprintf(mids[i], sizeof(mids[i]), "%u", (unsigned)i);
        plans[i].mid = mids[i];
        if (i < l->sent_sections && !load__tx_plan(l->client->tx, plans[i].kind, &plans[i]))
            err = ERR_STATE;
    }
    if (err == 0)
        err = sdp_build_offer(&(struct sdp_offer_config){.local = load__conn_local(l->main),
                                                         .sections = plans,
                                                         .section_count = l->section_count},
                              &offer);
    if (err == 0)
        err = sdp_print(offer, out);
    sdp_destroy(offer);
    free(plans);
    free(mids);
    return err;
}

static void offer_if_wanted(struct livekit_link *l)
{
    struct strbuf text;
    if (!l->is_offer_wanted || l->is_offer_out || l->section_count == 0)
        return;
    strbuf_init(&text, SDP_TEXT_MAX);
    l->is_offer_wanted = false;
    int err = build_offer(l, &text);
    if (err == 0) {
        l->is_offer_out = true;
        send_description(l, true, ++l->offer_id, strbuf_text(&text));
    } else {
        load__client_fail(l->client, "offer: %s", err_text(err));
    }
    strbuf_fini(&text);
}

/* ---- the way in ---- */

/* Joins, publishes and offers in one request. */
static char *single_join(struct livekit_link *l, const char *sdp)
{
    Livekit__JoinRequest join = LIVEKIT__JOIN_REQUEST__INIT;
    Livekit__ClientInfo info = LIVEKIT__CLIENT_INFO__INIT;
    Livekit__ConnectionSettings settings = LIVEKIT__CONNECTION_SETTINGS__INIT;
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    struct add_track adds[2];
    Livekit__AddTrackRequest *requests[2] = {&adds[0].request, &adds[1].request};
    info.sdk = LIVEKIT__CLIENT_INFO__SDK__CPP;
    info.version = text_of("0.1.0");
    info.protocol = PROTOCOL_VERSION;
    settings.auto_subscribe = l->client->subscribes;
    offer.type = text_of("offer");
    offer.sdp = text_of(sdp);
    offer.id = ++l->offer_id;
    join.client_info = &info;
    join.connection_settings = &settings;
    join.publisher_offer = &offer;
    join.n_add_track_requests = fill_tracks(l->client, adds);
    join.add_track_requests = requests;
    l->is_offer_out = true;
    return join_params_wrap(&join);
}

static int write_path(struct livekit_link *l, const char *token, struct strbuf *path)
{
    struct strbuf sdp;
    if (l->client->run->options->is_dual) {
        strbuf_printf(path,
                      "/rtc?access_token=%s&auto_subscribe=%d&sdk=cpp&version=0.1.0&protocol=%d",
                      token, l->client->subscribes, PROTOCOL_VERSION);
        return path->err;
    }
    strbuf_init(&sdp, SDP_TEXT_MAX);
    int err = build_offer(l, &sdp);
    char *join = err == 0 ? single_join(l, strbuf_text(&sdp)) : NULL;
    strbuf_fini(&sdp);
    if (err == 0 && join == NULL)
        err = -ENOMEM;
    if (err == 0)
        strbuf_printf(path, "/rtc/v1?access_token=%s&join_request=%s", token, join);
    free(join);
    return err < 0 ? err : path->err;
}

/* ---- in ---- */

/* The connection's new description of the other side, parsed; NULL: the client has failed. */
static struct sdp_session *parse(struct livekit_link *l, const char *text)
{
    struct sdp_session *sdp = NULL;
    struct sdp_error error = {0};
    if (sdp_parse(text, strlen(text), &sdp, &error) == 0)
        return sdp;
    load__client_fail(l->client, "the server's description cannot be read: line %u: %s", error.line,
                      error.text);
    return NULL;
}

static void agree_sent(struct livekit_link *l, const struct sdp_session *answer)
{
    for (size_t i = 0; i < l->sent_sections; i++) {
        char mid[MID_SIZE];
        snprintf(mid, sizeof(mid), "%u", (unsigned)i);
        const struct sdp_section *m = sdp_find_mid(answer, mid);
        if (m == NULL || !load__tx_agree(l->client->tx, m))
            load__client_fail(l->client, "the server does not take our %s",
                              l->sections[i] == SDP_KIND_AUDIO ? "sound" : "picture");
    }
}

static void on_answer(struct livekit_link *l, const Livekit__SignalResponse *m, mono_us now)
{
    if (!l->is_offer_out || (m->answer->id != 0 && m->answer->id != l->offer_id))
        return;
    l->is_offer_out = false;
    struct sdp_session *sdp = parse(l, m->answer->sdp);
    if (sdp == NULL)
        return;
    struct sdp_transport transport;
    agree_sent(l, sdp);
    int err = sdp_get_transport(sdp, &transport, NULL);
    if (err == 0)
        err = load__conn_set_remote(l->main, sdp, transport.setup != SDP_SETUP_ACTIVE, now);
    if (err < 0)
        load__client_fail(l->client, "the server's answer: %s", err_text(err));
    load__conn_take_streams(l->main, sdp);
    sdp_destroy(sdp);
    offer_if_wanted(l);
}

/* Dual: what is subscribed is offered by the server. */
static void on_offer(struct livekit_link *l, const Livekit__SignalResponse *m, mono_us now)
{
    struct sdp_session *offer = parse(l, m->offer->sdp), *answer = NULL;
    struct strbuf text;
    if (offer == NULL || l->sub == NULL) {
        sdp_destroy(offer);
        return;
    }
    strbuf_init(&text, SDP_TEXT_MAX);
    struct sdp_answer_config config = {.local = load__conn_local(l->sub),
                                       .setup = SDP_SETUP_ACTIVE};
    int err = sdp_build_answer(offer, &config, &answer, NULL);
    if (err == 0)
        err = sdp_print(answer, &text);
    if (err == 0) {
        send_description(l, false, m->offer->id, strbuf_text(&text));
        err = load__conn_set_remote(l->sub, offer, true, now);
    }
    if (err < 0)
        load__client_fail(l->client, "the server's offer: %s", err_text(err));
    load__conn_take_streams(l->sub, offer);
    strbuf_fini(&text);
    sdp_destroy(answer);
    sdp_destroy(offer);
}

static void on_join(struct livekit_link *l, const Livekit__SignalResponse *m UNUSED, mono_us now)
{
    load__timer_set(l->client->run, &l->ping, now + l->ping_period);
    if (!l->client->run->options->is_dual)
        return;
    struct add_track adds[2];
    l->unpublished = (uint32_t)fill_tracks(l->client, adds);
    for (size_t i = 0; i < l->unpublished; i++) {
        Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
        request.add_track = &adds[i].request;
        send_request(l, &request);
    }
}

static void on_track_published(struct livekit_link *l, const Livekit__SignalResponse *m UNUSED,
                               mono_us now UNUSED)
{
    if (l->unpublished == 0 || --l->unpublished > 0)
        return;
    l->is_offer_wanted = true;
    offer_if_wanted(l);
}

static void on_requirement(struct livekit_link *l, const Livekit__SignalResponse *m,
                           mono_us now UNUSED)
{
    const Livekit__MediaSectionsRequirement *r = m->media_sections_requirement;
    for (uint32_t i = 0; i < r->num_audios; i++)
        add_section(l, SDP_KIND_AUDIO);
    for (uint32_t i = 0; i < r->num_videos; i++)
        add_section(l, SDP_KIND_VIDEO);
    l->is_offer_wanted = true;
    offer_if_wanted(l);
}

static void on_leave(struct livekit_link *l, const Livekit__SignalResponse *m, mono_us now UNUSED)
{
    load__client_fail(l->client, "the server ended the session (reason %d)", (int)m->leave->reason);
}

static const struct row {
    Livekit__SignalResponse__MessageCase kind;
    bool needs_message; /* else it comes as NULL */
    void (*handle)(struct livekit_link *l, const Livekit__SignalResponse *m, mono_us now);
} rows[] = {
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN, false, on_join},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER, true, on_answer},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER, true, on_offer},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED, false, on_track_published},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT, true, on_requirement},
    {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE, true, on_leave},
};

/* The field number of the only field: which message it is, without unpacking it. */
static uint32_t message_kind(const uint8_t *data, size_t size)
{
    uint32_t tag = 0;
    for (size_t i = 0; i < size && i < 4; i++) {
        tag |= (uint32_t)(data[i] & 0x7f) << (7 * i);
        if ((data[i] & 0x80) == 0)
            break;
    }
    return tag >> 3;
}

static mono_us told_ping_period(const uint8_t *data, size_t size)
{
    uint64_t told_s = load__protobuf_number(data, size, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN,
                                            JOIN_PING_INTERVAL);
    return told_s > 0 && told_s <= PING_PERIOD_MAX_S ? MONO_S((int64_t)told_s) : PING_PERIOD;
}

/* Thousands of clients are told of each other: what does not matter here is not unpacked. */
static void on_message(void *user, uint8_t *data, size_t size, mono_us now)
{
    struct livekit_link *l = user;
    uint32_t kind = message_kind(data, size);
    if (kind == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN)
        l->ping_period = told_ping_period(data, size);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if ((uint32_t)rows[i].kind != kind)
            continue;
        Livekit__SignalResponse *m = NULL;
        if (rows[i].needs_message) {
            m = livekit__signal_response__unpack(NULL, size, data);
            if (m == NULL || m->message_case != rows[i].kind)
                load__client_fail(l->client, "signalling: a message cannot be read");
        }
        if (!rows[i].needs_message || l->client->state != LOAD_FAILED)
            rows[i].handle(l, m, now);
        if (m != NULL)
            livekit__signal_response__free_unpacked(m, NULL);
        return;
    }
}

static void on_closed(void *user, const char *why, mono_us now UNUSED)
{
    struct livekit_link *l = user;
    load__client_fail(l->client, "signalling: %s", why);
}

/* ---- life ---- */

static int open_conns(struct livekit_link *l)
{
    struct load_client *c = l->client;
    bool is_dual = c->run->options->is_dual;
    int err = c->publishes || !is_dual ? load__conn_create(c, 0, &l->main) : 0;
    if (err == 0 && is_dual && c->subscribes)
        err = load__conn_create(c, 0, &l->sub);
    if (err == 0 && l->main != NULL)
        l->main->sends = c->publishes;
    return err;
}

static int begin(struct load_client *c, mono_us now UNUSED)
{
    struct livekit_link *l = calloc(1, sizeof(*l));
    struct strbuf path;
    c->link = l;
    if (l == NULL)
        return -ENOMEM;
    l->client = c;
    l->ping.fire = on_ping;
    int err = open_conns(l);
    char *token = err == 0 ? load__client_token(c, "") : NULL;
    strbuf_init(&path, 256 << 10);
    if (err == 0 && token == NULL)
        err = ERR_STATE;
    plan_sections(l);
    if (err == 0)
        err = write_path(l, token, &path);
    if (err == 0)
        err = load__wire_create(&(struct load_wire_config){.run = c->run,
                                                           .url = c->run->options->url,
                                                           .path = strbuf_text(&path),
                                                           .user = l,
                                                           .on_message = on_message,
                                                           .on_closed = on_closed},
                                &l->wire);
    free(token);
    strbuf_fini(&path);
    return err;
}

static void end(struct load_client *c)
{
    struct livekit_link *l = c->link;
    if (l == NULL)
        return;
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    leave.reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    request.leave = &leave;
    send_request(l, &request);
    load__timer_cancel(c->run, &l->ping);
    load__wire_detach(l->wire); /* the leave goes out, and the server closes */
    load__conn_destroy(l->main);
    load__conn_destroy(l->sub);
    free(l->sections);
    free(l);
    c->link = NULL;
}

const struct load_target load__livekit = {begin, end};
