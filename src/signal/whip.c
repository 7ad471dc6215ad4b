/* A WHIP or WHEP client comes: checks, its participant, what it publishes, the answer. */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/admission_internal.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCES_MAX 2 /* known ones of a kind, in the order in which sections get them */

/* An offer on its way in. */
struct opening {
    struct signal *s;
    const struct signal_whip_request *request;
    struct joining j;
    struct sdp_session *offer;
    struct signal_participant *p;
};

static bool is_media(const struct sdp_section *m)
{
    return sdp_section_is_live(m) && m->kind <= SDP_KIND_VIDEO;
}

static bool is_sending(const struct sdp_section *m)
{
    return is_media(m) && (m->dir & SDP_DIR_SENDONLY) != 0;
}

/* The first picture is the camera's, the second the screen's; the same with sound. */
static enum signal_source source_of(const struct sdp_session *offer, size_t index)
{
    static const enum signal_source sources[][SOURCES_MAX] = {
        [SDP_KIND_AUDIO] = {SIGNAL_SOURCE_MICROPHONE, SIGNAL_SOURCE_SCREEN_AUDIO},
        [SDP_KIND_VIDEO] = {SIGNAL_SOURCE_CAMERA, SIGNAL_SOURCE_SCREEN},
    };
    size_t nth = 0;
    for (size_t i = 0; i < index; i++)
        nth += is_sending(&offer->sections[i]) &&
               offer->sections[i].kind == offer->sections[index].kind;
    return nth < SOURCES_MAX ? sources[offer->sections[index].kind][nth] : SIGNAL_SOURCE_UNKNOWN;
}

/* ---- checks ---- */

static bool is_within_rate(struct signal *s)
{
    s->whip_tokens += (double)(s->now - s->whip_opened_at) / 1e6 * SIGNAL_WHIP_OPENS_S;
    s->whip_tokens = TK_MIN(s->whip_tokens, (double)SIGNAL_WHIP_OPENS_S);
    s->whip_opened_at = s->now;
    if (s->whip_tokens < 1)
        return false;
    s->whip_tokens -= 1;
    return true;
}

static int check_token(struct opening *o)
{
    struct signal_join_request request = {.authorization = o->request->authorization,
                                          .query = o->request->query};
    int err = join__check_token(o->s, &request, o->s->wall, &o->j);
    if (err == ERR_NOT_ALLOWED)
        o->j.status = 403; /* 401 is for a token that is missing or bad */
    if (err < 0)
        return err;
    const struct signal_grants *g = &o->j.claims.grants;
    if (o->request->room[0] != '\0' && strcmp(o->request->room, g->room) != 0)
        return join__refuse(&o->j, ERR_NOT_ALLOWED, 403, "the token is for another room");
    if (o->request->is_viewer && !g->can_subscribe)
        return join__refuse(&o->j, ERR_NOT_ALLOWED, 403, "the token does not allow to subscribe");
    if (!o->request->is_viewer && !g->can_publish)
        return join__refuse(&o->j, ERR_NOT_ALLOWED, 403, "the token does not allow to publish");
    return 0;
}

static int refuse_offer(struct opening *o, int err, const struct sdp_error *error)
{
    const char *text = error->text[0] != '\0' ? error->text : err_text(err);
    o->j.status = err == -ENOMEM ? 503 : 400;
    if (error->line > 0)
        snprintf(o->j.reason, sizeof(o->j.reason), "offer, line %u: %s", error->line, text);
    else
        snprintf(o->j.reason, sizeof(o->j.reason), "offer: %s", text);
    return err;
}

/* Whether it can be answered at all, before anybody is sent away for it. */
static int try_answer(const struct sdp_session *offer, struct sdp_error *error)
{
    struct sdp_session *answer = NULL;
    struct sdp_answer_config config = {
        .local = {.ufrag = "-", .pwd = "-", .fingerprint_sha256 = "-"}};
    int err = sdp_build_answer(offer, &config, &answer, error);
    sdp_destroy(answer);
    return err;
}

static const char *wrong_directions(const struct opening *o)
{
    size_t count = 0;
    for (size_t i = 0; i < o->offer->section_count; i++) {
        const struct sdp_section *m = &o->offer->sections[i];
        if (!o->request->is_viewer)
            count += is_sending(m);
        else if (is_sending(m))
            return "a WHEP offer only receives: a=recvonly";
        else
            count += is_media(m) && m->dir == SDP_DIR_RECVONLY;
    }
    if (count > 0)
        return NULL;
    return o->request->is_viewer ? "no section that receives" : "no section that sends";
}

static int check_offer(struct opening *o)
{
    struct sdp_error error = {0};
    int err = sdp_parse(o->request->offer, o->request->offer_size, &o->offer, &error);
    if (err < 0)
        return refuse_offer(o, err, &error);
    if (o->offer->section_count > SIGNAL_WHIP_SECTIONS) {
        snprintf(error.text, sizeof(error.text), "more than %d sections", SIGNAL_WHIP_SECTIONS);
        return refuse_offer(o, ERR_LIMIT, &error);
    }
    err = try_answer(o->offer, &error);
    if (err < 0)
        return refuse_offer(o, err, &error);
    const char *reason = wrong_directions(o);
    if (reason == NULL)
        return 0;
    IGNORE(str_copy(error.text, sizeof(error.text), reason)); /* all are short */
    return refuse_offer(o, ERR_SDP_UNUSABLE, &error);
}

/* A publisher may publish at least one of its sections. */
static int check_sources(struct opening *o)
{
    const char *room = o->j.claims.grants.room;
    const char *ruled = signal__is_ruled(o->s, room) ? room : NULL;
    for (size_t i = 0; i < o->offer->section_count; i++)
        if (is_sending(&o->offer->sections[i]) &&
            signal__may_publish(o->s, &o->j.claims, ruled, source_of(o->offer, i)))
            return 0;
    return join__refuse(&o->j, ERR_NOT_ALLOWED, 403, "publishing these sources is not allowed");
}

static int check(struct opening *o)
{
    if (!is_within_rate(o->s))
        return join__refuse(&o->j, ERR_LIMIT, 429, "too many offers a second");
    int err = check_token(o);
    if (err == 0)
        err = check_offer(o);
    if (err < 0)
        return err;
    if (strlen(o->request->participant) >= SIGNAL_TEXT_MAX)
        return join__refuse(&o->j, ERR_MALFORMED, 400, "participant: longer than 256 bytes");
    if (o->s->whips.count >= SIGNAL_WHIPS_MAX)
        return join__refuse(&o->j, ERR_LIMIT, 503, "limit of WHIP and WHEP sessions reached");
    err = join__check_room(o->s, &o->j);
    if (err == ERR_ROOM_FULL)
        o->j.status = 503;
    return err == 0 && !o->request->is_viewer ? check_sources(o) : err;
}

/* ---- what it publishes ---- */

static bool is_stereo(const struct sdp_section *m)
{
    char value[4];
    for (size_t i = 0; i < m->codec_count; i++)
        if (m->codecs[i].codec == RTP_CODEC_OPUS &&
            sdp_fmtp_get(m->codecs[i].fmtp, "sprop-stereo", value, sizeof(value)) &&
            strcmp(value, "1") == 0)
            return true;
    return false;
}

/* Simulcast layers by quality; their sizes are not in an offer. */
static size_t fill_layers(const struct sdp_section *m, Livekit__VideoLayer *layers,
                          Livekit__VideoLayer **list)
{
    char rids[RTP_LAYERS_MAX][RTP_RID_SIZE];
    size_t count = sdp_section_rids(m, true, rids);
    for (size_t i = 0; count > 1 && i < count; i++) {
        livekit__video_layer__init(&layers[i]);
        layers[i].quality = (Livekit__VideoQuality)i;
        list[i] = &layers[i];
    }
    return count > 1 ? count : 0;
}

static void publish(struct opening *o, size_t index)
{
    const struct sdp_section *m = &o->offer->sections[index];
    char cid[RTP_MID_SIZE + 8];
    Livekit__VideoLayer layers[RTP_LAYERS_MAX], *list[RTP_LAYERS_MAX];
    Livekit__AddTrackRequest request = LIVEKIT__ADD_TRACK_REQUEST__INIT;
    snprintf(cid, sizeof(cid), "whip-%s", m->mid);
    request.cid = (char *)(uintptr_t)(*m->track_id != '\0' ? m->track_id : cid);
    request.type =
        m->kind == SDP_KIND_VIDEO ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    request.source = (Livekit__TrackSource)source_of(o->offer, index);
    request.disable_dtx = true; /* a programme, not only speech */
    request.stereo = m->kind == SDP_KIND_AUDIO && is_stereo(m);
    request.layers = list;
    request.n_layers = m->kind == SDP_KIND_VIDEO ? fill_layers(m, layers, list) : 0;
    signal__add_track(o->p, &request); /* what is not allowed stays unpublished */
}

/* ---- joining ---- */

static int make_participant(struct opening *o)
{
    Livekit__JoinRequest request = LIVEKIT__JOIN_REQUEST__INIT;
    Livekit__ClientInfo info = LIVEKIT__CLIENT_INFO__INIT;
    Livekit__ConnectionSettings settings = LIVEKIT__CONNECTION_SETTINGS__INIT;
    request.client_info = &info;
    request.connection_settings = &settings;
    settings.auto_subscribe = o->request->is_viewer;
    settings.subscriber_allow_pause_presence_case =
        LIVEKIT__CONNECTION_SETTINGS__SUBSCRIBER_ALLOW_PAUSE_PRESENCE_SUBSCRIBER_ALLOW_PAUSE;
    settings.subscriber_allow_pause = true; /* on a line that carries only the sound */
    return join__make_participant(o->s, &o->j, &request, true, &o->p);
}

static int start(struct opening *o)
{
    struct signal_participant *p = o->p;
    struct sdp_error error = {0};
    int err = signal__whip_create(p, o->request->is_viewer, o->request->participant);
    if (err == 0)
        err = signal__visible_mark(p);
    if (err < 0)
        return join__refuse(&o->j, err, 503, err_text(err));
    p->state = LIVEKIT__PARTICIPANT_INFO__STATE__JOINED;
    for (size_t i = 0; i < o->offer->section_count && !o->request->is_viewer; i++)
        if (is_sending(&o->offer->sections[i]))
            publish(o, i);
    err = signal__answer_parsed(p, o->offer, 0, &error);
    if (err < 0)
        return refuse_offer(o, err, &error);
    signal__changed(p, false);
    return 0;
}

static int admit(struct opening *o)
{
    int err = make_participant(o);
    if (err < 0)
        return err;
    err = start(o);
    if (err < 0) {
        signal__participant_remove(o->p, LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE, true);
        return err;
    }
    o->s->stats.joins++;
    return 0;
}

static int fill_ice_servers(const struct signal_participant *p, struct signal_whip_reply *reply)
{
    struct signal_arena arena = {0};
    Livekit__ICEServer **servers;
    size_t count = 0;
    int err = signal__ice_servers_fill(p, &arena, &count, &servers);
    for (size_t i = 0; err == 0 && i < count && i < ARRAY_COUNT(reply->ice_servers); i++) {
        struct signal_whip_ice_server *to = &reply->ice_servers[reply->ice_server_count++];
        err = str_copy(to->url, sizeof(to->url), servers[i]->urls[0]);
        if (err == 0)
            err = str_copy(to->username, sizeof(to->username), servers[i]->username);
        if (err == 0)
            err = str_copy(to->credential, sizeof(to->credential), servers[i]->credential);
    }
    signal__arena_fini(&arena);
    return err;
}

static void reply_created(struct opening *o, struct signal_whip_reply *reply)
{
    struct signal_whip *whip = o->p->whip;
    *reply = (struct signal_whip_reply){.status = 201, .body = whip->answer};
    reply->size = strlen(whip->answer);
    whip->answer = NULL;
    memcpy(reply->id, whip->id, sizeof(reply->id));
    signal__whip_etag(whip, reply->etag);
    if (fill_ice_servers(o->p, reply) < 0)
        reply->ice_server_count = 0; /* no memory; the client connects without them */
}

void signal_whip_open(struct signal *s, const struct signal_whip_request *request, mono_us now,
                      wall_ms wall, struct signal_whip_reply *ret_reply)
{
    struct opening o = {.s = s, .request = request};
    signal__enter(s, now, wall);
    int err = check(&o);
    if (err == 0)
        err = admit(&o);
    if (err == 0) {
        reply_created(&o, ret_reply);
    } else {
        s->stats.refused++;
        signal__whip_refuse(ret_reply, o.j.status, o.j.reason);
    }
    sdp_destroy(o.offer);
    joining_fini(&o.j);
    signal__finish(s);
}
