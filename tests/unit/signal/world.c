/*
 * Goal: the world that the signalling tests share (world.h).
 * Method: every command is checked against what the worker knows, every frame is decoded.
 */

#include "unit/signal/world.h"

#include "unit/cmocka_all.h"

#include "base/encode.h"
#include "base/err.h"
#include "base/pkt.h"
#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_WALL 1700000000000
#define SECRET     "a secret of some length, for tests only"

void world_init(struct world *w, uint8_t worker_count)
{
    memset(w, 0, sizeof(*w));
    rng_init_seeded(&w->rng, 7);
    w->now = MONO_S(1000);
    w->wall = START_WALL;
    w->is_auto_connect = true;
    assert_int_equal(pkt_pool_create(256, &w->pool), 0);
    w->config = (struct signal_config){.key_count = 1,
                                       .candidate_count = worker_count,
                                       .worker_count = worker_count,
                                       .is_auto_create = true,
                                       .room_count_max = 8,
                                       .empty_timeout = MONO_S(300),
                                       .departure_timeout = MONO_S(20),
                                       .resume_timeout = MONO_S(60),
                                       .sctp_pool = w->pool,
                                       .rng = &w->rng,
                                       .version = "1.13.5"};
    strcpy(w->config.keys[0].key, "devkey");
    strcpy(w->config.keys[0].secret, SECRET);
    for (size_t i = 0; i < 32; i++)
        strcat(w->config.fingerprint_sha256, i < 31 ? "AB:" : "AB");
    for (uint8_t i = 0; i < worker_count; i++) {
        w->config.candidates[i].worker = i;
        assert_int_equal(addr_parse_ip("192.0.2.1", &w->config.candidates[i].addr), 0);
        w->config.candidates[i].addr.port = (uint16_t)(7882 + i);
    }
    assert_int_equal(signal_create(&w->config, w->now, w->wall, &w->signal), 0);
}

uint32_t world_newest(const struct world *w, int kind)
{
    uint32_t newest = 0;
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        if ((int)w->things[i].kind == kind && w->things[i].id > newest)
            newest = w->things[i].id;
    return newest;
}

size_t world_count(const struct world *w, int kind)
{
    size_t count = 0;
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        count += (int)w->things[i].kind == kind;
    return count;
}

static struct thing *find(struct world *w, int kind, uint32_t id, int worker)
{
    for (size_t i = 0; i < WORLD_THINGS_MAX; i++)
        if ((int)w->things[i].kind == kind && w->things[i].id == id &&
            (worker < 0 || w->things[i].worker == worker))
            return &w->things[i];
    return NULL;
}

struct thing *world_thing(struct world *w, int kind, uint32_t id)
{
    return find(w, kind, id, -1);
}

static struct thing *add(struct world *w, int kind, uint32_t id, uint8_t worker)
{
    assert_null(find(w, kind, id, worker));
    struct thing *t = find(w, THING_NONE, 0, -1);
    assert_non_null(t);
    memset(t, 0, sizeof(*t));
    t->kind = kind;
    t->id = id;
    t->worker = worker;
    return t;
}

static void take(struct world *w, int kind, uint32_t id, uint8_t worker)
{
    struct thing *t = find(w, kind, id, worker);
    if (t == NULL)
        w->unknown_ids++;
    else
        memset(t, 0, sizeof(*t));
}

static void set_thing(struct world *w, const struct media_command *c, int kind, uint32_t id)
{
    struct thing *t = find(w, kind, id, c->worker);
    if (t == NULL) {
        w->unknown_ids++;
        return;
    }
    if (c->kind == MEDIA_TRACK_SET)
        t->track_config = c->u.track_config;
    if (c->kind == MEDIA_TRACK_RELAY)
        t->relay_mask = c->u.worker_mask;
    if (c->kind == MEDIA_TRACK_BLOCK)
        t->is_blocked = c->u.is_blocked;
    if (c->kind == MEDIA_SUB_TARGET)
        t->target = c->u.sub_target;
    if (c->kind == MEDIA_PEER_LOCAL)
        strcpy(t->local_ufrag, c->u.peer_local.ufrag);
}

static void connect_peer(struct world *w, const struct media_command *c)
{
    assert_true(strlen(c->u.peer_remote.remote.fingerprint_sha256) == 95);
    if (!w->is_auto_connect)
        return;
    struct media_event e = {
        .kind = MEDIA_EVENT_PEER_CONNECTED, .worker = c->worker, .peer = c->peer};
    signal_handle_event(w->signal, &e, w->now, w->wall);
}

static void on_add(struct world *w, const struct media_command *c)
{
    struct thing *t;
    if (c->kind == MEDIA_PEER_ADD) {
        t = add(w, THING_PEER, c->peer, c->worker);
        strcpy(t->local_ufrag, c->u.peer_add.local_ufrag);
        assert_int_equal(signal_ufrag_worker(t->local_ufrag), c->worker);
    } else if (c->kind == MEDIA_TRACK_ADD) {
        t = add(w, THING_TRACK, c->track, c->worker);
        t->track_config = c->u.track_config;
        bool is_source = t->track_config.source_worker == c->worker;
        assert_int_equal(t->track_config.source_peer != 0, is_source);
    } else {
        t = add(w, THING_SUB, c->sub, c->worker);
        t->sub_config = c->u.sub_config;
        assert_non_null(find(w, THING_TRACK, c->track, c->worker));
        assert_non_null(find(w, THING_PEER, c->peer, c->worker));
    }
    t->peer = c->peer;
    t->track = c->track;
}

/* A subscription leaves behind the SSRCs that it came with, unless others follow under them. */
static void check_left_behind(struct world *w, const struct media_command *c)
{
    const struct thing *t = find(w, THING_SUB, c->sub, c->worker);
    if (t == NULL)
        return; /* counted */
    assert_int_equal(c->u.sub_remove.ssrc, t->sub_config.is_kept_ssrc ? 0 : t->sub_config.ssrc);
    if (t->sub_config.rtx_ssrc != 0)
        assert_int_equal(c->u.sub_remove.rtx_ssrc,
                         t->sub_config.is_kept_ssrc ? 0 : t->sub_config.rtx_ssrc);
}

static void on_command(struct world *w, const struct media_command *c)
{
    w->command_counts[c->kind]++;
    if (w->on_sub != NULL && (c->kind == MEDIA_SUB_ADD || c->kind == MEDIA_SUB_REMOVE))
        w->on_sub(c);
    switch (c->kind) {
    case MEDIA_PEER_ADD:
    case MEDIA_TRACK_ADD:
    case MEDIA_SUB_ADD:
        on_add(w, c);
        break;
    case MEDIA_PEER_REMOVE:
        take(w, THING_PEER, c->peer, c->worker);
        break;
    case MEDIA_TRACK_REMOVE:
        take(w, THING_TRACK, c->track, c->worker);
        break;
    case MEDIA_SUB_REMOVE:
        check_left_behind(w, c);
        take(w, THING_SUB, c->sub, c->worker);
        break;
    case MEDIA_PEER_REMOTE:
        connect_peer(w, c);
        break;
    case MEDIA_PEER_LOCAL:
        set_thing(w, c, THING_PEER, c->peer);
        break;
    case MEDIA_TRACK_SET:
    case MEDIA_TRACK_RELAY:
    case MEDIA_TRACK_BLOCK:
        set_thing(w, c, THING_TRACK, c->track);
        break;
    case MEDIA_SUB_TARGET:
        set_thing(w, c, THING_SUB, c->sub);
        break;
    case MEDIA_TRACK_KEYFRAME:
        w->keyframe_layer = c->u.layer;
        break;
    case MEDIA_PEER_SCTP:
        if (w->on_sctp != NULL)
            w->on_sctp(c);
        pkt_unref(c->u.sctp);
        break;
    case MEDIA_COMMAND_KIND_COUNT_:
        break;
    }
}

void world_sfu_event(struct world *w, uint8_t worker, struct sfu_event sfu)
{
    struct media_event e = {.kind = MEDIA_EVENT_SFU, .worker = worker, .sfu = sfu};
    signal_handle_event(w->signal, &e, w->now, w->wall);
    world_settle(w);
}

/* ---- clients ---- */

static void print_section(struct strbuf *b, const struct client_section *s, size_t mid,
                          const char *ufrag)
{
    bool is_app = strcmp(s->kind, "application") == 0;
    bool is_video = strcmp(s->kind, "video") == 0;
    if (is_app)
        strbuf_puts(b, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    else
        strbuf_printf(b, "m=%s 9 UDP/TLS/RTP/SAVPF %s\r\n", s->kind,
                      is_video ? "96 97 102 103" : "111 63");
    strbuf_printf(b, "c=IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:0123456789abcdef01234567\r\n",
                  ufrag);
    strbuf_puts(b, "a=fingerprint:sha-256 ");
    for (int i = 0; i < 32; i++)
        strbuf_puts(b, i < 31 ? "CD:" : "CD\r\n");
    strbuf_printf(b, "a=setup:actpass\r\na=mid:%zu\r\n", mid);
    if (is_app) {
        strbuf_puts(b, "a=sctp-port:5000\r\na=max-message-size:262144\r\n");
        return;
    }
    strbuf_puts(b, "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n");
    if (is_video)
        strbuf_puts(b, "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
                       "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n"
                       "a=extmap:3 http://www.ietf.org/id/"
                       "draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n");
    strbuf_printf(b, "a=%s\r\na=rtcp-mux\r\n", s->dir);
    if (s->cid[0] != '\0')
        strbuf_printf(b, "a=msid:- %s\r\n", s->cid);
    if (is_video)
        strbuf_puts(b, "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
                       "a=rtcp-fb:96 transport-cc\r\n"
                       "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\n"
                       "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;"
                       "profile-level-id=42e01f\r\n"
                       "a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n");
    else
        strbuf_puts(b, "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
                       "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n");
    static const char *const rids[] = {"q", "h", "f"};
    for (int i = 0; i < s->rids; i++)
        strbuf_printf(b, "a=rid:%s send\r\n", rids[i]);
    if (s->rids > 0)
        strbuf_printf(b, "a=simulcast:send %s\r\n", s->rids == 3 ? "q;h;f" : "q;h");
}

char *client_make_offer(struct client *c)
{
    if (c->sdp != NULL)
        return strdup(c->sdp);
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    strbuf_puts(&b, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
    for (size_t i = 0; i < c->section_count; i++)
        strbuf_printf(&b, " %zu", i);
    strbuf_puts(&b, "\r\na=msid-semantic: WMS\r\n");
    for (size_t i = 0; i < c->section_count; i++)
        print_section(&b, &c->sections[i], i, c->ufrag);
    char *text = strbuf_take(&b);
    assert_non_null(text);
    return text;
}

size_t client_add_section(struct client *c, const char *kind, const char *dir, const char *cid,
                          int rids)
{
    assert_true(c->section_count < WORLD_SECTIONS_MAX);
    struct client_section *s = &c->sections[c->section_count];
    memset(s, 0, sizeof(*s));
    snprintf(s->kind, sizeof(s->kind), "%s", kind);
    snprintf(s->dir, sizeof(s->dir), "%s", dir);
    snprintf(s->cid, sizeof(s->cid), "%s", cid);
    s->rids = rids;
    return c->section_count++;
}

struct client *client_new(struct world *w, const char *identity, const char *room)
{
    assert_true(w->client_count < WORLD_CLIENTS_MAX);
    struct client *c = &w->clients[w->client_count++];
    memset(c, 0, sizeof(*c));
    c->world = w;
    c->is_auto_offer = true;
    c->has_auto_subscribe = true;
    snprintf(c->identity, sizeof(c->identity), "%s", identity);
    snprintf(c->ufrag, sizeof(c->ufrag), "uf%zu0", w->client_count);
    token_claims_init(&c->claims);
    strcpy(c->claims.grants.key, "devkey");
    snprintf(c->claims.grants.identity, SIGNAL_TEXT_MAX, "%s", identity);
    snprintf(c->claims.grants.room, SIGNAL_TEXT_MAX, "%s", room);
    c->claims.grants.room_join = true;
    for (int i = 0; i < 3; i++)
        client_add_section(c, "audio", "recvonly", "", 0);
    for (int i = 0; i < 3; i++)
        client_add_section(c, "video", "recvonly", "", 0);
    client_add_section(c, "application", "sendrecv", "", 0);
    return c;
}

static char *wrap(const Livekit__JoinRequest *request)
{
    size_t size = livekit__join_request__get_packed_size(request);
    uint8_t *inner = malloc(size + 1);
    livekit__join_request__pack(request, inner);
    Livekit__WrappedJoinRequest wrapped = LIVEKIT__WRAPPED_JOIN_REQUEST__INIT;
    wrapped.join_request.data = inner;
    wrapped.join_request.len = size;
    size_t outer_size = livekit__wrapped_join_request__get_packed_size(&wrapped);
    uint8_t *outer = malloc(outer_size + 1);
    livekit__wrapped_join_request__pack(&wrapped, outer);
    char *text = malloc(BASE64_SIZE(outer_size) + 1 + 32);
    strcpy(text, "join_request=");
    base64url_encode(outer, outer_size, text + strlen(text));
    free(inner);
    free(outer);
    return text;
}

static int open_session(struct client *c, const char *query)
{
    struct world *w = c->world;
    char *token;
    assert_int_equal(token_sign(w->config.keys, 1, &c->claims, 3600, w->wall, &token), 0);
    char *bearer = malloc(strlen(token) + 8);
    sprintf(bearer, "Bearer %s", token);
    struct signal_join_request request = {
        .is_v1 = c->is_v1, .authorization = bearer, .query = query};
    struct signal_reply reply = {0};
    int status = 0;
    if (signal_session_open(w->signal, &request, w->now, w->wall, &c->session, &reply) < 0) {
        status = reply.status;
        assert_non_null(reply.body);
        free(reply.body);
        c->session = NULL;
    } else {
        c->is_closed = false;
        signal_session_set_user(c->session, c);
    }
    free(bearer);
    free(token);
    world_settle(w);
    return status;
}

static int join_v1(struct client *c, bool is_resume)
{
    Livekit__ClientInfo info = LIVEKIT__CLIENT_INFO__INIT;
    Livekit__ConnectionSettings settings = LIVEKIT__CONNECTION_SETTINGS__INIT;
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    Livekit__JoinRequest request = LIVEKIT__JOIN_REQUEST__INIT;
    info.sdk = LIVEKIT__CLIENT_INFO__SDK__JS;
    info.protocol = 17;
    info.client_protocol = 2;
    settings.auto_subscribe = c->has_auto_subscribe;
    settings.adaptive_stream = c->has_adaptive_stream;
    settings.auto_subscribe_data_track_presence_case = c->has_auto_subscribe_data ? 5 : 0;
    settings.auto_subscribe_data_track = c->has_auto_subscribe_data;
    request.client_info = &info;
    request.connection_settings = &settings;
    char *sdp = client_make_offer(c);
    if (is_resume) {
        request.reconnect = true;
        request.participant_sid = c->sid;
    } else {
        offer.type = (char *)"offer";
        offer.sdp = sdp;
        offer.id = ++c->offer_id;
        request.publisher_offer = &offer;
    }
    char *query = wrap(&request);
    int status = open_session(c, query);
    free(query);
    free(sdp);
    return status;
}

int client_join(struct client *c, bool is_v1)
{
    c->is_v1 = is_v1;
    if (is_v1)
        return join_v1(c, false);
    c->section_count = 0; /* the publisher side begins empty */
    return open_session(c, c->has_auto_subscribe ? "auto_subscribe=1&protocol=17&sdk=go"
                                                 : "auto_subscribe=0&protocol=17&sdk=go");
}

int client_resume(struct client *c)
{
    if (c->is_v1)
        return join_v1(c, true);
    char query[128];
    snprintf(query, sizeof(query), "reconnect=1&sid=%s&auto_subscribe=1&protocol=17", c->sid);
    return open_session(c, query);
}

void client_cut(struct client *c)
{
    struct signal_session *session = c->session;
    c->session = NULL;
    c->is_closed = true;
    signal_session_closed(session, c->world->now);
    world_settle(c->world);
}

void client_send(struct client *c, const Livekit__SignalRequest *request)
{
    size_t size = livekit__signal_request__get_packed_size(request);
    uint8_t *data = malloc(size + 1);
    livekit__signal_request__pack(request, data);
    signal_session_receive(c->session, data, size, false, c->world->now, c->world->wall);
    free(data);
    world_settle(c->world);
}

void client_offer(struct client *c)
{
    char *sdp = client_make_offer(c);
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    offer.type = (char *)"offer";
    offer.sdp = sdp;
    offer.id = ++c->offer_id;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER;
    request.offer = &offer;
    client_send(c, &request);
    free(sdp);
}

void client_leave(struct client *c)
{
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    leave.reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    request.leave = &leave;
    client_send(c, &request);
}

void client_add_track(struct client *c, const char *cid, bool is_video, int source, int rids)
{
    Livekit__AddTrackRequest add_track = LIVEKIT__ADD_TRACK_REQUEST__INIT;
    Livekit__VideoLayer layers[3];
    Livekit__VideoLayer *list[3];
    add_track.cid = (char *)(uintptr_t)cid;
    add_track.name = (char *)(uintptr_t)cid;
    add_track.type = is_video ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    add_track.source = (Livekit__TrackSource)source;
    for (int i = 0; i < rids; i++) {
        livekit__video_layer__init(&layers[i]);
        layers[i].quality = (Livekit__VideoQuality)i;
        layers[i].width = 320u << i;
        layers[i].height = 180u << i;
        list[i] = &layers[i];
    }
    add_track.layers = list;
    add_track.n_layers = (size_t)rids;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
    request.add_track = &add_track;
    client_send(c, &request);
}

size_t client_publish(struct client *c, const char *cid, bool is_video, int source, int rids)
{
    client_add_track(c, cid, is_video, source, rids);
    size_t index = client_add_section(c, is_video ? "video" : "audio", "sendonly", cid, rids);
    client_offer(c);
    return index;
}

/* The dual connection's client takes every section that we offer. */
static void answer_offer(struct client *c, const Livekit__SessionDescription *offer)
{
    struct sdp_session *parsed, *answer;
    struct sdp_error error = {0};
    assert_int_equal(sdp_parse(offer->sdp, strlen(offer->sdp), &parsed, &error), 0);
    struct sdp_answer_config config = {
        .local = {.ufrag = c->ufrag,
                  .pwd = "0123456789abcdef01234567",
                  .fingerprint_sha256 = c->world->config.fingerprint_sha256},
        .setup = SDP_SETUP_ACTIVE};
    assert_int_equal(sdp_build_answer(parsed, &config, &answer, &error), 0);
    struct strbuf text;
    strbuf_init(&text, 1 << 20);
    assert_int_equal(sdp_print(answer, &text), 0);
    Livekit__SessionDescription body = LIVEKIT__SESSION_DESCRIPTION__INIT;
    body.type = (char *)"answer";
    body.sdp = text.data;
    body.id = offer->id;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER;
    request.answer = &body;
    client_send(c, &request);
    strbuf_fini(&text);
    sdp_destroy(parsed);
    sdp_destroy(answer);
}

static void on_frame(struct client *c, const Livekit__SignalResponse *r)
{
    if (r->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN)
        snprintf(c->sid, sizeof(c->sid), "%s", r->join->participant->sid);
    if (!c->is_auto_offer)
        return;
    if (r->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER)
        answer_offer(c, r->offer);
    if (r->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT) {
        for (uint32_t i = 0; i < r->media_sections_requirement->num_audios; i++)
            client_add_section(c, "audio", "recvonly", "", 0);
        for (uint32_t i = 0; i < r->media_sections_requirement->num_videos; i++)
            client_add_section(c, "video", "recvonly", "", 0);
        client_offer(c);
    }
}

/* The kind of a SignalResponse: the field number of its only field. */
static size_t kind_of(const uint8_t *data, size_t size)
{
    size_t tag = data[0] & 0x7f;
    if (data[0] >= 0x80 && size > 1)
        tag |= (size_t)data[1] << 7;
    assert_true(tag >> 3 < WORLD_CASES_MAX);
    return tag >> 3;
}

/* Counts a frame; only what has to be answered is decoded. */
static void count_frame(struct client *c, const uint8_t *data, size_t size)
{
    size_t kind = kind_of(data, size);
    c->world->frame_bytes[kind] += size;
    c->world->frame_counts[kind]++;
    if (kind != LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER &&
        kind != LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT)
        return;
    Livekit__SignalResponse *r = livekit__signal_response__unpack(NULL, size, data);
    assert_non_null(r);
    on_frame(c, r);
    livekit__signal_response__free_unpacked(r, NULL);
}

static bool drain_client(struct client *c)
{
    const void *data;
    size_t size;
    bool is_text, has_moved = false;
    while (c->session != NULL) {
        int n = signal_session_poll_frame(c->session, &data, &size, &is_text, &c->close_code);
        if (n == 0)
            break;
        has_moved = true;
        if (n < 0) {
            c->session = NULL;
            c->is_closed = true;
            break;
        }
        if (c->world->is_counting) {
            count_frame(c, data, size);
            continue;
        }
        assert_true(c->frame_count < WORLD_FRAMES_MAX);
        Livekit__SignalResponse *r = livekit__signal_response__unpack(NULL, size, data);
        assert_non_null(r);
        c->frames[c->frame_count++] = r;
        on_frame(c, r);
    }
    return has_moved;
}

static bool drain_commands(struct world *w)
{
    struct media_command command;
    bool has_moved = false;
    while (signal_poll_command(w->signal, &command) > 0) {
        on_command(w, &command);
        has_moved = true;
    }
    return has_moved;
}

void world_settle(struct world *w)
{
    bool has_moved = true;
    while (has_moved) {
        has_moved = drain_commands(w);
        for (struct signal_session *s; (s = signal_poll_writable(w->signal)) != NULL;) {
            struct client *c = signal_session_user(s);
            const void *data;
            size_t size;
            bool is_text;
            int code;
            if (c != NULL && c->session == s)
                has_moved |= drain_client(c);
            else /* replaced: the old socket is read out until it is to be closed */
                while (signal_session_poll_frame(s, &data, &size, &is_text, &code) > 0)
                    ;
        }
    }
}

static void ping(struct client *c)
{
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    request.ping = c->world->wall;
    client_send(c, &request);
}

void world_advance(struct world *w, mono_us by)
{
    for (mono_us end = w->now + by; w->now < end;) {
        w->now += MONO_MS(100);
        w->wall += 100;
        for (size_t i = 0; i < w->client_count && w->now % MONO_S(5) == 0; i++)
            if (w->clients[i].session != NULL && !w->clients[i].is_silent)
                ping(&w->clients[i]);
        signal_handle_timeout(w->signal, w->now, w->wall);
        world_settle(w);
    }
}

void client_forget_frames(struct client *c)
{
    for (size_t i = 0; i < c->frame_count; i++)
        livekit__signal_response__free_unpacked(c->frames[i], NULL);
    c->frame_count = 0;
}

void world_fini(struct world *w)
{
    for (size_t i = 0; i < w->client_count; i++) {
        struct client *c = &w->clients[i];
        if (c->session != NULL)
            client_cut(c);
    }
    world_advance(w, MONO_S(400));
    struct signal_stats stats;
    signal_stats(w->signal, &stats);
    assert_int_equal(stats.rooms, 0);
    assert_int_equal(stats.participants, 0);
    assert_int_equal(stats.tracks, 0);
    assert_int_equal(stats.subscriptions, 0);
    assert_int_equal(stats.sessions, 0);
    assert_int_equal(world_count(w, THING_PEER), 0);
    assert_int_equal(world_count(w, THING_TRACK), 0);
    assert_int_equal(world_count(w, THING_SUB), 0);
    assert_int_equal(w->unknown_ids, 0);
    assert_true(signal_next_timeout(w->signal) == MONO_NEVER);
    for (size_t i = 0; i < w->client_count; i++) {
        client_forget_frames(&w->clients[i]);
        token_claims_fini(&w->clients[i].claims);
    }
    signal_destroy(w->signal);
    pkt_pool_destroy(w->pool);
}

Livekit__SignalResponse *client_last(struct client *c, int message_case)
{
    for (size_t i = c->frame_count; i > 0; i--)
        if ((int)c->frames[i - 1]->message_case == message_case)
            return c->frames[i - 1];
    return NULL;
}

size_t client_count(const struct client *c, int message_case)
{
    size_t count = 0;
    for (size_t i = 0; i < c->frame_count; i++)
        count += (int)c->frames[i]->message_case == message_case;
    return count;
}

static const Livekit__ParticipantInfo *find_info(size_t count, Livekit__ParticipantInfo **infos,
                                                 const char *identity)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i]->identity, identity) == 0)
            return infos[i];
    return NULL;
}

const Livekit__ParticipantInfo *client_sees(const struct client *c, const char *identity)
{
    for (size_t i = c->frame_count; i > 0; i--) {
        const Livekit__SignalResponse *r = c->frames[i - 1];
        const Livekit__ParticipantInfo *info = NULL;
        if (r->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE)
            info = find_info(r->update->n_participants, r->update->participants, identity);
        if (r->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN)
            info = find_info(r->join->n_other_participants, r->join->other_participants, identity);
        if (info != NULL)
            return info;
    }
    return NULL;
}

static const Livekit__SessionDescription *last_map(struct client *c)
{
    Livekit__SignalResponse *r =
        client_last(c, c->is_v1 ? (int)LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER
                                : (int)LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER);
    return r != NULL ? r->answer : NULL;
}

const char *client_track_at(struct client *c, const char *mid)
{
    const Livekit__SessionDescription *d = last_map(c);
    for (size_t i = 0; d != NULL && i < d->n_mid_to_track_id; i++)
        if (strcmp(d->mid_to_track_id[i]->key, mid) == 0)
            return d->mid_to_track_id[i]->value;
    return NULL;
}

size_t client_track_count(struct client *c)
{
    const Livekit__SessionDescription *d = last_map(c);
    return d != NULL ? d->n_mid_to_track_id : 0;
}
