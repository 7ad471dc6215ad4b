/* A publication: announced by AddTrackRequest, bound to a section by the offer, known to others
 * from then on, muted and blocked, and ended. */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void refuse(struct signal_participant *p, const Livekit__AddTrackRequest *request,
                   Livekit__RequestResponse__Reason reason, const char *message)
{
    Livekit__RequestResponse body = LIVEKIT__REQUEST_RESPONSE__INIT;
    body.reason = reason;
    body.message = (char *)(uintptr_t)message;
    body.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK;
    body.add_track = (Livekit__AddTrackRequest *)(uintptr_t)request;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE;
    response.request_response = &body;
    signal__send(p, &response);
    if (reason == LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED)
        p->room->signal->stats.over_limit++;
}

static size_t count_pending(const struct signal_participant *p)
{
    size_t count = 0;
    LIST_FOR_EACH(it, &p->tracks)
    count += !CONTAINER_OF(it, struct signal_track, link)->is_matched;
    return count;
}

/* True if the request may become a publication; says no otherwise. */
static bool check(struct signal_participant *p, const Livekit__AddTrackRequest *r)
{
    size_t length = strlen(r->cid);
    if (r->type != LIVEKIT__TRACK_TYPE__AUDIO && r->type != LIVEKIT__TRACK_TYPE__VIDEO)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__UNSUPPORTED_TYPE, "audio or video only");
    else if (length == 0 || length >= SIGNAL_CID_SIZE || strlen(r->name) >= SIGNAL_TEXT_MAX ||
             strlen(r->stream) >= SIGNAL_TEXT_MAX ||
             (uint32_t)r->source > SIGNAL_SOURCE_SCREEN_AUDIO)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_REQUEST, "bad cid, name or source");
    else if (!signal__participant_may_publish(p, (enum signal_source)r->source))
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED, "not allowed to publish this");
    else if (p->track_count >= SIGNAL_TRACKS_MAX)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED, "more than 64 tracks");
    else if (count_pending(p) >= SIGNAL_PENDING_MAX)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED,
               "more than 20 pending tracks");
    else
        return true;
    return false;
}

static const char *default_stream(uint8_t source)
{
    switch (source) {
    case SIGNAL_SOURCE_CAMERA:
    case SIGNAL_SOURCE_MICROPHONE:
        return "camera";
    case SIGNAL_SOURCE_SCREEN:
    case SIGNAL_SOURCE_SCREEN_AUDIO:
        return "screen";
    default:
        return "unknown";
    }
}

/* What we do not carry is replaced by VP8; the client adapts. */
static uint8_t wanted_codec(const char *name)
{
    uint8_t codec = signal__codec_from_text(name);
    return codec != RTP_CODEC_NONE ? codec : RTP_CODEC_VP8;
}

static void copy_texts(struct signal_track *t, const Livekit__AddTrackRequest *r)
{
    const char *stream = r->stream[0] != '\0' ? r->stream : default_stream(t->source);
    /* Lengths were checked. */
    IGNORE(str_copy(t->name, sizeof(t->name), r->name));
    IGNORE(str_copy(t->stream, sizeof(t->stream), stream));
    IGNORE(str_copy(t->cids[0], SIGNAL_CID_SIZE, r->cid));
    t->cid_count = 1;
    for (size_t i = 0; i < r->n_simulcast_codecs && t->cid_count < SIGNAL_CIDS_MAX; i++) {
        const char *cid = r->simulcast_codecs[i]->cid;
        if (cid[0] != '\0' && strcmp(cid, r->cid) != 0 &&
            str_copy(t->cids[t->cid_count], SIGNAL_CID_SIZE, cid) == 0)
            t->cid_count++;
    }
    if (t->kind == RTP_KIND_VIDEO && r->n_simulcast_codecs > 0)
        t->codec_wanted = wanted_codec(r->simulcast_codecs[0]->codec);
    signal__backup_announce(t, r);
}

/* Announced layers in the order of their quality, lowest first: a layer's index is its rank. */
static void copy_layers(struct signal_track *t, const Livekit__AddTrackRequest *r)
{
    for (size_t i = 0; i < r->n_layers && t->layer_count < RTP_LAYERS_MAX; i++) {
        const Livekit__VideoLayer *from = r->layers[i];
        if ((uint32_t)from->quality > LIVEKIT__VIDEO_QUALITY__HIGH)
            continue;
        size_t at = t->layer_count++;
        for (; at > 0 && t->layers[at - 1].quality > from->quality; at--)
            t->layers[at] = t->layers[at - 1];
        memset(&t->layers[at], 0, sizeof(t->layers[at]));
        t->layers[at].quality = (uint8_t)from->quality;
        t->layers[at].width = from->width;
        t->layers[at].height = from->height;
        t->layers[at].bitrate = from->bitrate;
        IGNORE(str_copy(t->layers[at].rid, RTP_RID_SIZE, from->rid)); /* the SDP's rids count */
    }
    if (t->kind == RTP_KIND_VIDEO && t->layer_count == 0) {
        t->layers[0].quality = LIVEKIT__VIDEO_QUALITY__HIGH;
        t->layers[0].width = t->width;
        t->layers[0].height = t->height;
        t->layer_count = 1;
    }
}

static void copy_flags(struct signal_track *t, const Livekit__AddTrackRequest *r)
{
    t->width = r->width;
    t->height = r->height;
    t->is_muted = r->muted;
    t->encryption = (uint8_t)r->encryption;
    t->backup_codec_policy = (uint8_t)r->backup_codec_policy;
    t->has_disable_dtx = r->disable_dtx;
    t->is_stereo = r->stereo;
    t->has_disable_red = r->disable_red;
    for (size_t i = 0; i < r->n_audio_features && t->feature_count < SIGNAL_FEATURES_MAX; i++) {
        t->features[t->feature_count++] = (uint8_t)r->audio_features[i];
        t->is_stereo |= r->audio_features[i] == LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO;
        t->has_disable_dtx |= r->audio_features[i] == LIVEKIT__AUDIO_TRACK_FEATURE__TF_NO_DTX;
    }
    for (size_t i = 0; i < r->n_packet_trailer_features && i < SIGNAL_FEATURES_MAX; i++)
        t->trailer_features[t->trailer_feature_count++] = (uint8_t)r->packet_trailer_features[i];
}

static void make_sid(struct signal_track *t)
{
    static const char sources[] = {'U', 'C', 'M', 'S', 's'};
    char prefix[6] = {'T', 'R', '_', t->kind == RTP_KIND_VIDEO ? 'V' : 'A', sources[t->source], 0};
    id_make(t->participant->room->signal->config.rng, prefix, t->sid);
}

static struct signal_track *create(struct signal_participant *p, const Livekit__AddTrackRequest *r)
{
    struct signal *s = p->room->signal;
    struct signal_track *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->participant = p;
    t->kind = r->type == LIVEKIT__TRACK_TYPE__VIDEO ? RTP_KIND_VIDEO : RTP_KIND_AUDIO;
    t->source = (uint8_t)r->source;
    t->told_layer = RTP_LAYERS_MAX;
    t->lower_at = MONO_NEVER;
    t->level_dbov = 127;
    t->level_at = s->now;
    list_init(&t->subs);
    make_sid(t);
    copy_flags(t, r);
    copy_texts(t, r);
    copy_layers(t, r);
    t->id = signal__id(s);
    if (idmap_put(&s->tracks, t->id, t) < 0)
        goto fail;
    if (strmap_put(&p->room->by_track_sid, t->sid, t) < 0) {
        idmap_take(&s->tracks, t->id);
        goto fail;
    }
    list_push_back(&p->tracks, &t->link);
    p->track_count++;
    return t;
fail:
    free(t);
    return NULL;
}

static void send_published(struct signal_track *t, const char *cid)
{
    struct signal_arena arena = {0};
    Livekit__TrackInfo info;
    if (signal__track_fill(t, &arena, &info) == 0) {
        Livekit__TrackPublishedResponse body = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
        body.cid = (char *)(uintptr_t)cid;
        body.track = &info;
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED;
        response.track_published = &body;
        signal__send(t->participant, &response);
    }
    signal__arena_fini(&arena);
}

static struct signal_track *find_pending(struct signal_participant *p, const char *cid)
{
    LIST_FOR_EACH(it, &p->tracks)
    {
        struct signal_track *t = CONTAINER_OF(it, struct signal_track, link);
        for (size_t i = 0; i < t->cid_count && !t->is_matched; i++)
            if (strcmp(t->cids[i], cid) == 0)
                return t;
    }
    return NULL;
}

/* The offer may have come before: a section that sends and has no publication yet. */
static void match_late(struct signal_track *track)
{
    struct signal_transport *t = track->participant->publisher;
    for (size_t i = 0; i < t->section_count; i++) {
        struct signal_section *section = &t->sections[i];
        bool is_candidate = section->is_sending && section->track == NULL && !section->is_retired &&
                            section->kind == track->kind && section->pt_count > 0;
        if (!is_candidate ||
            signal__match_track(track->participant, section->cid, section->kind) != track)
            continue;
        section->track = track;
        track->is_matched = true;
        if (signal__track_bind(track, t, i)) {
            signal__track_announce(track);
            signal__updates_flush(track->participant->room);
            signal__reconcile_track(track);
        }
        return;
    }
}

static void add_backup(struct signal_participant *p, const Livekit__AddTrackRequest *request)
{
    struct signal_track *t = signal__backup_add(p, request);
    if (t != NULL)
        send_published(t, request->cid);
    else
        refuse(p, request, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_REQUEST,
               "no backup was asked for");
}

void signal__add_track(struct signal_participant *p, const Livekit__AddTrackRequest *request)
{
    if (request->sid[0] != '\0') {
        add_backup(p, request);
        return;
    }
    if (!check(p, request))
        return;
    struct signal_track *t = find_pending(p, request->cid); /* sent again: the same answer */
    bool is_new = t == NULL;
    if (is_new)
        t = create(p, request);
    if (t == NULL) {
        refuse(p, request, LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED,
               "no room for the track");
        return;
    }
    send_published(t, request->cid);
    if (is_new)
        match_late(t);
}

struct signal_track *signal__match_track(struct signal_participant *p, const char *cid,
                                         uint8_t kind)
{
    struct signal_track *t = find_pending(p, cid);
    if (t != NULL && (kind == UINT8_MAX || t->kind == kind))
        return t;
    if (kind == UINT8_MAX)
        return NULL;
    LIST_FOR_EACH(it, &p->tracks) /* some clients rewrite the ids: the first of the kind */
    {
        t = CONTAINER_OF(it, struct signal_track, link);
        if (!t->is_matched && t->kind == kind)
            return t;
    }
    return NULL;
}

static void fill_config(struct signal_track *track, const struct signal_section *section,
                        struct sfu_track_config *c)
{
    *c = (struct sfu_track_config){.track = track->id,
                                   .source_peer = track->transport->id,
                                   .source_worker = track->transport->worker,
                                   .kind = track->kind,
                                   .pt_count = section->pt_count,
                                   .layer_count = TK_MAX(section->rid_count, (uint8_t)1),
                                   .has_nack = section->has_nack,
                                   .has_pli = section->has_pli};
    memcpy(c->pts, section->pts, sizeof(c->pts));
    memcpy(c->mid, section->mid, sizeof(c->mid));
    memcpy(c->rids, section->rids, sizeof(c->rids));
    memcpy(c->ssrcs, section->client_ssrcs, sizeof(c->ssrcs));
    memcpy(c->rtx_ssrcs, section->client_rtx_ssrcs, sizeof(c->rtx_ssrcs));
    for (size_t i = 0; i < track->layer_count && i < c->layer_count; i++) {
        c->widths[i] = (uint16_t)TK_MIN(track->layers[i].width, 65535u);
        c->heights[i] = (uint16_t)TK_MIN(track->layers[i].height, 65535u);
    }
}

void signal__track_command(struct signal_track *track, enum media_command_kind kind, uint8_t worker)
{
    struct media_command command = {.kind = kind, .worker = worker, .track = track->id};
    if (kind == MEDIA_TRACK_ADD || kind == MEDIA_TRACK_SET) {
        command.u.track_config = track->config;
        if (worker != track->transport->worker)
            command.u.track_config.source_peer = 0;
    }
    if (kind == MEDIA_TRACK_RELAY)
        command.u.worker_mask = track->relay_mask;
    if (kind == MEDIA_TRACK_BLOCK)
        command.u.is_blocked = track->is_blocked;
    if (track->transport != NULL)
        command.peer = track->transport->id;
    signal__command(track->participant->room->signal, &command);
}

bool signal__track_bind(struct signal_track *track, struct signal_transport *t, size_t index)
{
    const struct signal_section *section = &t->sections[index];
    struct sfu_track_config config;
    bool is_first = track->transport == NULL;
    track->transport = t;
    track->section = index;
    fill_config(track, section, &config);
    bool has_changed = is_first || memcmp(&config, &track->config, sizeof(config)) != 0;
    track->config = config;
    if (is_first) {
        track->codec = section->pt_count > 0 ? section->pts[0].codec : RTP_CODEC_NONE;
        signal__track_command(track, MEDIA_TRACK_ADD, t->worker);
    } else if (has_changed) {
        signal__track_command(track, MEDIA_TRACK_SET, t->worker);
        for (uint8_t w = 0; w < SFU_WORKERS_MAX; w++)
            if ((track->relay_mask >> w & 1) != 0)
                signal__track_command(track, MEDIA_TRACK_SET, w);
    }
    signal__track_update_block(track);
    return !track->is_announced;
}

void signal__track_announce(struct signal_track *track)
{
    struct signal_participant *p = track->participant;
    track->is_announced = true;
    track->lower_at = track->kind == RTP_KIND_VIDEO
                          ? p->room->signal->now + SIGNAL_DYNACAST_LOWER_US
                          : MONO_NEVER;
    signal__participant_due(p, track->lower_at);
    if (!p->is_publisher)
        signal__room_counts_changed(p->room);
    p->is_publisher = true;
    signal__changed(p, true);
    signal__webhook(p->room, "track_published", p, track, 0);
}

void signal__track_set_codec(struct signal_track *track, uint8_t codec)
{
    if (track->codec == codec || codec == RTP_CODEC_NONE)
        return;
    track->codec = codec;
    if (track->is_announced)
        signal__changed(track->participant, true);
}

void signal__track_remove(struct signal_track *track)
{
    struct signal_participant *p = track->participant;
    struct signal *s = p->room->signal;
    bool was_announced = track->is_announced;
    if (was_announced)
        signal__webhook(p->room, "track_unpublished", p, track, 0);
    track->is_announced = false;
    while (!list_is_empty(&track->subs))
        signal__sub_free(CONTAINER_OF(track->subs.next, struct signal_sub, track_link));
    if (track->transport != NULL) {
        struct signal_section *section = &track->transport->sections[track->section];
        if (section->track == track)
            section->track = NULL;
        signal__track_command(track, MEDIA_TRACK_REMOVE, track->transport->worker);
    }
    list_remove(&track->link);
    p->track_count--;
    strmap_take(&p->room->by_track_sid, track->sid);
    idmap_take(&s->tracks, track->id);
    free(track);
}

static bool has_receiver(struct signal_track *track)
{
    const struct signal_participant *p = track->participant;
    bool has_viewer = false;
    track->receiver = NULL;
    LIST_FOR_EACH(it, &p->room->participants)
    {
        const struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        if (viewer == p)
            continue;
        has_viewer = true;
        if (signal__policy_layer(viewer, track) < 0)
            continue;
        track->receiver = viewer;
        return true;
    }
    return !has_viewer;
}

/* What was dropped meanwhile is missing in every decoder. */
static void ask_keyframes(struct signal_track *track)
{
    for (int8_t layer = 0; layer < (int8_t)track->config.layer_count; layer++) {
        struct media_command command = {.kind = MEDIA_TRACK_KEYFRAME,
                                        .worker = track->transport->worker,
                                        .peer = track->transport->id,
                                        .track = track->id};
        command.u.layer = layer;
        signal__command(track->participant->room->signal, &command);
    }
}

void signal__track_update_block(struct signal_track *track)
{
    const struct signal_participant *p = track->participant;
    if (track->transport == NULL)
        return;
    bool is_blocked = track->is_muted ||
                      !signal__participant_may_publish(p, (enum signal_source)track->source) ||
                      (p->room->is_ruled && !has_receiver(track));
    if (is_blocked == track->is_blocked)
        return;
    track->is_blocked = is_blocked;
    for (uint8_t w = 0; w < SFU_WORKERS_MAX; w++)
        if ((track->relay_mask >> w & 1) != 0)
            signal__track_command(track, MEDIA_TRACK_BLOCK, w);
    signal__track_command(track, MEDIA_TRACK_BLOCK, track->transport->worker);
    if (!is_blocked && track->kind == RTP_KIND_VIDEO)
        ask_keyframes(track);
}

void signal__track_receiver_changed(struct signal_track *track,
                                    const struct signal_participant *viewer)
{
    bool is_settled = track->receiver != NULL && track->receiver != viewer;
    if (viewer == track->participant || is_settled)
        return;
    bool may_have_it = signal__policy_layer(viewer, track) >= 0;
    /* Without a receiver and not blocked: nobody else was there so far. */
    bool has_changed = track->receiver == viewer ? !may_have_it : may_have_it || !track->is_blocked;
    if (has_changed)
        signal__track_update_block(track);
}

void signal__receiver_gone(const struct signal_participant *p)
{
    if (!p->room->is_ruled)
        return;
    LIST_FOR_EACH(it, &p->room->participants)
    {
        struct signal_participant *other = CONTAINER_OF(it, struct signal_participant, link);
        LIST_FOR_EACH(t, &other->tracks)
        {
            struct signal_track *track = CONTAINER_OF(t, struct signal_track, link);
            if (track->receiver == p)
                signal__track_update_block(track);
        }
    }
}

void signal__track_set_muted(struct signal_track *track, bool is_muted, bool is_by_server)
{
    struct signal_participant *p = track->participant;
    if (is_by_server) {
        Livekit__MuteTrackRequest body = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
        body.sid = track->sid;
        body.muted = is_muted;
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MUTE;
        response.mute = &body;
        signal__send(p, &response);
    }
    if (track->is_muted == is_muted)
        return;
    track->is_muted = is_muted;
    signal__track_update_block(track);
    signal__changed(p, true);
}
