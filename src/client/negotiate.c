/* Offers of ours and the server's answers: sections, payload types, what is received. */
#include "base/err.h"
#include "base/strbuf.h"
#include "client/client_internal.h"
#include "secure/cert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int client__sections_add(struct client *c, enum sdp_kind kind, int track)
{
    if (c->section_count == CLIENT_SECTIONS_MAX)
        return ERR_LIMIT;
    struct client_section *s = &c->sections[c->section_count];
    *s = (struct client_section){.kind = kind, .track = track};
    snprintf(s->mid, sizeof(s->mid), "%zu", c->section_count);
    if (track >= 0)
        memcpy(c->tracks[track].mid, s->mid, sizeof(s->mid));
    c->section_count++;
    return 0;
}

/* The sections of a new connection: placeholders as browsers offer them, data, what we publish. */
int client__sections_reset(struct client *c)
{
    int err = 0;
    c->section_count = 0;
    for (int i = 0; i < c->config.audio_sections && err == 0; i++)
        err = client__sections_add(c, SDP_KIND_AUDIO, -1);
    for (int i = 0; i < c->config.video_sections && err == 0; i++)
        err = client__sections_add(c, SDP_KIND_VIDEO, -1);
    if (c->config.has_data && err == 0)
        err = client__sections_add(c, SDP_KIND_APPLICATION, -1);
    for (int i = 0; i < CLIENT_TRACKS_MAX && err == 0; i++) {
        const struct client_track *t = &c->tracks[i];
        if (t->is_used && !t->is_stopped)
            err = client__sections_add(
                c, t->config.kind == RTP_KIND_AUDIO ? SDP_KIND_AUDIO : SDP_KIND_VIDEO, i);
    }
    return err;
}

/* ---- offer ---- */

static void plan_track(const struct client_track *t, struct sdp_offer_section *plan)
{
    plan->dir = t->is_stopped ? SDP_DIR_INACTIVE : SDP_DIR_SENDONLY;
    plan->codec = (uint8_t)t->config.codec;
    plan->send = (struct sdp_send){.stream_id = "-", .track_id = t->cid, .cname = "tongke"};
    if (t->config.codec == RTP_CODEC_H264)
        plan->h264_profile_level_id = t->profile;
    if (t->layer_count == 1) {
        plan->send.ssrc = t->layers[0].ssrc;
        plan->send.rtx_ssrc = t->layers[0].rtx_ssrc;
        return;
    }
    plan->rid_count = t->layer_count;
    for (size_t i = 0; i < t->layer_count; i++)
        memcpy(plan->rids[i], t->layers[i].rid, RTP_RID_SIZE);
}

static int build_offer(struct client *c, struct strbuf *out)
{
    struct sdp_offer_section *plans = calloc(c->section_count + 1, sizeof(*plans));
    if (plans == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < c->section_count; i++) {
        const struct client_section *s = &c->sections[i];
        plans[i].kind = s->kind;
        plans[i].mid = s->mid;
        plans[i].dir = SDP_DIR_RECVONLY;
        if (s->track >= 0)
            plan_track(&c->tracks[s->track], &plans[i]);
    }
    struct sdp_offer_config config = {
        .local =
            {
                .ufrag = c->link.ufrag,
                .pwd = c->link.pwd,
                .fingerprint_sha256 = c->fault_fingerprint != NULL
                                          ? c->fault_fingerprint
                                          : sec_cert_fingerprint(c->hub->cert),
                .session_id = c->sdp_session_id,
                .version = ++c->sdp_version,
            },
        .sections = plans,
        .section_count = c->section_count,
    };
    struct sdp_session *offer = NULL;
    int err = sdp_build_offer(&config, &offer);
    if (err == 0)
        err = sdp_print(offer, out);
    sdp_destroy(offer);
    free(plans);
    return err;
}

void client__offer_if_wanted(struct client *c, mono_us now UNUSED)
{
    if (!c->is_offer_wanted || c->is_offer_out || !c->is_in_room || c->section_count == 0)
        return;
    struct strbuf text;
    strbuf_init(&text, SDP_TEXT_MAX);
    c->is_offer_wanted = false;
    if (build_offer(c, &text) == 0) {
        c->is_offer_out = true;
        c->offer_id++;
        client__send_offer(c, strbuf_text(&text));
    }
    strbuf_fini(&text);
}

/* ---- answer ---- */

static void agree_track(struct client_track *t, const struct sdp_section *m)
{
    struct rtp_pt pts[RTP_PTS_MAX];
    size_t count = sdp_section_pts(m, pts, RTP_PTS_MAX);
    t->is_agreed = false;
    for (size_t i = 0; i < count && !t->is_stopped; i++) {
        if (pts[i].codec != (uint8_t)t->config.codec || (m->dir & SDP_DIR_RECVONLY) == 0)
            continue;
        t->pt = pts[i].pt;
        t->rtx_pt = pts[i].rtx_pt;
        t->is_agreed = true;
        return;
    }
}

static const char *track_of_mid(const Livekit__SessionDescription *answer, const char *mid)
{
    for (size_t i = 0; i < answer->n_mid_to_track_id; i++)
        if (strcmp(answer->mid_to_track_id[i]->key, mid) == 0)
            return answer->mid_to_track_id[i]->value;
    return NULL;
}

static void add_remote(struct client *c, struct client_section *s, const struct sdp_section *m,
                       const char *sid)
{
    struct client_remote *r = c->remote_count < CLIENT_REMOTES_MAX ? calloc(1, sizeof(*r)) : NULL;
    if (r == NULL)
        return;
    r->kind = s->kind == SDP_KIND_AUDIO ? RTP_KIND_AUDIO : RTP_KIND_VIDEO;
    r->pt_count = (uint8_t)sdp_section_pts(m, r->pts, RTP_PTS_MAX);
    if (m->ssrc_count > 0) {
        r->ssrc = m->ssrcs[0].ssrc;
        r->rtx_ssrc = m->ssrcs[0].rtx_ssrc;
    }
    snprintf(r->sid, sizeof(r->sid), "%s", sid);
    snprintf(r->participant_sid, sizeof(r->participant_sid), "%.*s",
             (int)TK_MIN(strcspn(m->stream_id, "|"), sizeof(r->participant_sid) - 1), m->stream_id);
    memcpy(r->mid, s->mid, sizeof(r->mid));
    rtp_seq_ext_init(&r->seq);
    struct rtp_nack_config nack = rtp_nack_config_default();
    rtp_nack_init(&r->nack, &nack);
    rtp_recv_stats_init(&r->recv, r->kind == RTP_KIND_AUDIO ? 48000 : 90000);
    c->remotes[c->remote_count++] = r;
    s->remote = r;
    struct client_event *e = client__event(c, CLIENT_EVENT_SUBSCRIBED);
    if (e == NULL)
        return;
    e->remote = r;
    memcpy(e->sid, r->sid, sizeof(e->sid));
}

/* A placeholder: begins to receive, goes on, changes its track, or stops. */
static void agree_placeholder(struct client *c, struct client_section *s,
                              const struct sdp_section *m,
                              const Livekit__SessionDescription *answer)
{
    bool is_sent = (m->dir & SDP_DIR_SENDONLY) != 0 && *m->stream_id != '\0';
    const char *sid = track_of_mid(answer, s->mid);
    if (sid == NULL || *sid == '\0')
        sid = m->track_id;
    uint32_t ssrc = m->ssrc_count > 0 ? m->ssrcs[0].ssrc : 0;
    if (s->remote != NULL &&
        (!is_sent || strcmp(s->remote->sid, sid) != 0 || s->remote->ssrc != ssrc))
        client__remote_remove(c, s->remote);
    if (is_sent && s->remote == NULL)
        add_remote(c, s, m, sid);
}

static void apply_answer(struct client *c, const struct sdp_session *sdp,
                         const Livekit__SessionDescription *answer, mono_us now)
{
    int err = client__link_set_remote(c, sdp, now);
    if (err < 0) {
        client__lost(c, true, err_text(err));
        return;
    }
    sdp_get_exts(sdp, &c->exts);
    for (size_t i = 0; i < c->section_count; i++) {
        const struct sdp_section *m = sdp_find_mid(sdp, c->sections[i].mid);
        if (m == NULL || c->sections[i].kind == SDP_KIND_APPLICATION)
            continue;
        if (c->sections[i].track >= 0)
            agree_track(&c->tracks[c->sections[i].track], m);
        else
            agree_placeholder(c, &c->sections[i], m, answer);
    }
}

void client__handle_answer(struct client *c, const Livekit__SessionDescription *answer, mono_us now)
{
    if (!c->is_offer_out || (answer->id != 0 && answer->id != c->offer_id))
        return;
    c->is_offer_out = false;
    struct sdp_session *sdp = NULL;
    struct sdp_error error = {0};
    if (sdp_parse(answer->sdp, strlen(answer->sdp), &sdp, &error) < 0) {
        client__closed(c, 0, "the server's answer cannot be read: line %u: %s", error.line,
                       error.text);
        return;
    }
    apply_answer(c, sdp, answer, now);
    sdp_destroy(sdp);
}
