/* The server's answer (RFC 3264, 6; RFC 9429, 5.3), section by section. */
#include "base/err.h"
#include "base/strbuf.h"
#include "rtp/ext.h"
#include "sdp/negotiate.h"
#include "sdp/sdp_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FMTP_SIZE 512

#define EXT(x) (1u << (x))

/*
 * The extensions that we agree to. Video sections have the rid extensions even when idle: browsers
 * refuse their own later simulcast offer otherwise. Not video-orientation: without it a phone turns
 * the picture itself, and every receiver sees it upright.
 */
#define EXTS_AUDIO                                                                        \
    (EXT(RTP_EXT_MID) | EXT(RTP_EXT_RID) | EXT(RTP_EXT_AUDIO_LEVEL) | EXT(RTP_EXT_TWCC) | \
     EXT(RTP_EXT_ABS_CAPTURE_TIME))
#define EXTS_VIDEO                                                                             \
    (EXT(RTP_EXT_MID) | EXT(RTP_EXT_RID) | EXT(RTP_EXT_REPAIRED_RID) | EXT(RTP_EXT_TWCC) |     \
     EXT(RTP_EXT_ABS_SEND_TIME) | EXT(RTP_EXT_ABS_CAPTURE_TIME) | EXT(RTP_EXT_PLAYOUT_DELAY) | \
     EXT(RTP_EXT_DEPENDENCY_DESCRIPTOR))
/* Left out where only we send: there is no congestion feedback for our packets. */
#define EXTS_NOT_SENT (EXT(RTP_EXT_TWCC) | EXT(RTP_EXT_ABS_SEND_TIME))

/*
 * Left out where the client sends a codec that it sends as simulcast: with the descriptor Chromium
 * strips VP8's own payload descriptor of picture ids and temporal layers, which are what we select
 * and renumber by.
 */
#define EXTS_SVC_ONLY EXT(RTP_EXT_DEPENDENCY_DESCRIPTOR)

/* What one section is answered from. */
struct context {
    const struct sdp_session *offer;
    struct sdp_session *answer;
    const struct sdp_section *theirs;
    struct sdp_section *ours;
    struct sdp_answer_section plan;
};

/* ---- is the offer usable ---- */

static int check_mids(const struct sdp_session *offer, struct sdp_error *error)
{
    for (size_t i = 0; i < offer->section_count; i++) {
        const char *mid = offer->sections[i].mid;
        if (*mid == '\0' && offer->has_bundle && !sdp__is_rejected(&offer->sections[i]))
            return sdp__fail(error, 0, ERR_SDP_UNUSABLE, "section %zu has no mid", i);
        for (size_t k = 0; k < i && *mid != '\0'; k++)
            if (strcmp(offer->sections[k].mid, mid) == 0)
                return sdp__fail(error, 0, ERR_SDP_UNUSABLE, "two sections have mid %s", mid);
    }
    return 0;
}

static int check_offer(const struct sdp_session *offer, struct sdp_error *error)
{
    if (offer->section_count == 0)
        return sdp__fail(error, 0, ERR_SDP_UNUSABLE, "no media section");
    if (offer->section_count > 1 && !offer->has_bundle)
        return sdp__fail(error, 0, ERR_SDP_UNUSABLE, "several sections without BUNDLE");
    for (size_t i = 0; i < offer->section_count; i++) {
        const struct sdp_section *m = &offer->sections[i];
        bool is_rtp = m->kind == SDP_KIND_AUDIO || m->kind == SDP_KIND_VIDEO;
        if (is_rtp && !sdp__is_rejected(m) && !m->has_rtcp_mux)
            return sdp__fail(error, 0, ERR_SDP_UNUSABLE, "section %zu has no rtcp-mux", i);
    }
    return check_mids(offer, error);
}

static enum sdp_setup answer_setup(enum sdp_setup theirs, enum sdp_setup wish)
{
    if (theirs == SDP_SETUP_ACTIVE)
        return SDP_SETUP_PASSIVE;
    if (theirs == SDP_SETUP_PASSIVE)
        return SDP_SETUP_ACTIVE;
    return wish == SDP_SETUP_PASSIVE ? SDP_SETUP_PASSIVE : SDP_SETUP_ACTIVE;
}

/* ---- codecs ---- */

/* RED only around Opus: "111/111". */
static bool is_opus_red(const struct sdp_section *m, const struct sdp_codec *red)
{
    long pt = strtol(red->fmtp, NULL, 10);
    for (size_t i = 0; i < m->codec_count; i++)
        if (m->codecs[i].codec == RTP_CODEC_OPUS && m->codecs[i].pt == pt)
            return true;
    return false;
}

/* Format parameter `key` is absent or "0". */
static bool is_profile_0(const struct sdp_codec *c, const char *key)
{
    char value[8];
    return !sdp_fmtp_get(c->fmtp, key, value, sizeof(value)) || strcmp(value, "0") == 0;
}

static bool is_wanted(const struct context *x, const struct sdp_codec *c)
{
    switch (c->codec) {
    case RTP_CODEC_NONE:
        return false;
    case RTP_CODEC_RED:
        return x->plan.has_red && is_opus_red(x->theirs, c);
    case RTP_CODEC_VP9:
        return is_profile_0(c, "profile-id");
    case RTP_CODEC_AV1:
        return is_profile_0(c, "profile");
    case RTP_CODEC_H264:
        return c->h264_mode <= 1;
    default:
        return true;
    }
}

static bool has_wanted_red(const struct context *x)
{
    for (size_t i = 0; i < x->theirs->codec_count; i++)
        if (x->theirs->codecs[i].codec == RTP_CODEC_RED && is_wanted(x, &x->theirs->codecs[i]))
            return true;
    return false;
}

/* Opus as LiveKit's server answers it; keys that are there already stay as they are. */
static const char *opus_fmtp(const struct context *x, const char *offered)
{
    char text[FMTP_SIZE], value[8];
    bool add_dtx = x->plan.has_dtx && !sdp_fmtp_get(offered, "usedtx", value, sizeof(value));
    bool add_stereo = x->plan.is_stereo && !sdp_fmtp_get(offered, "stereo", value, sizeof(value));
    int size = snprintf(text, sizeof(text), "%s%s%s%s", offered,
                        add_dtx || add_stereo ? (*offered != '\0' ? ";" : "") : "",
                        add_dtx ? (add_stereo ? "usedtx=1;" : "usedtx=1") : "",
                        add_stereo ? "stereo=1;maxaveragebitrate=510000" : "");
    return sdp_strdup(x->answer, size < (int)sizeof(text) ? text : offered);
}

static uint8_t agreed_feedback(const struct context *x, const struct sdp_codec *c)
{
    unsigned mask = SDP_FB_NACK | SDP_FB_TRANSPORT_CC;
    if (x->theirs->kind == SDP_KIND_VIDEO)
        mask |= SDP_FB_NACK_PLI | SDP_FB_CCM_FIR;
    if (x->ours->dir == SDP_DIR_SENDONLY)
        mask &= ~SDP_FB_TRANSPORT_CC;
    if (c->codec == RTP_CODEC_OPUS && has_wanted_red(x))
        mask &= ~SDP_FB_NACK; /* the redundancy does its work */
    return (uint8_t)(c->feedback & mask);
}

static void append_codec(const struct context *x, const struct sdp_codec *c)
{
    struct sdp_codec *copy = &x->ours->codecs[x->ours->codec_count++];
    *copy = *c;
    copy->name = sdp_strdup(x->answer, c->name);
    copy->fmtp =
        c->codec == RTP_CODEC_OPUS ? opus_fmtp(x, c->fmtp) : sdp_strdup(x->answer, c->fmtp);
    copy->feedback = c->is_rtx ? 0 : agreed_feedback(x, c);
}

static void append_with_rtx(const struct context *x, const struct sdp_codec *c)
{
    const struct sdp_section *theirs = x->theirs;
    append_codec(x, c);
    for (size_t i = 0; i < theirs->codec_count; i++) {
        if (theirs->codecs[i].is_rtx && theirs->codecs[i].apt == c->pt &&
            theirs->kind == SDP_KIND_VIDEO) {
            append_codec(x, &theirs->codecs[i]);
            return;
        }
    }
}

/* 0: before all others, 1: the planned codec, 2: as offered */
static int codec_rank(const struct context *x, const struct sdp_codec *c)
{
    bool is_red_first = (x->ours->dir & SDP_DIR_RECVONLY) != 0 &&
                        (x->plan.codec == RTP_CODEC_NONE || x->plan.codec == RTP_CODEC_OPUS ||
                         x->plan.codec == RTP_CODEC_RED);
    if (c->codec == RTP_CODEC_RED && is_red_first)
        return 0;
    return x->plan.codec != RTP_CODEC_NONE && c->codec == x->plan.codec ? 1 : 2;
}

/* A payload type that stands twice in the m= line is taken once, so the answer never outgrows the
 * offer. */
static bool is_listed(const struct sdp_section *m, uint8_t pt)
{
    for (size_t i = 0; i < m->codec_count; i++)
        if (m->codecs[i].pt == pt)
            return true;
    return false;
}

static void answer_codecs(const struct context *x)
{
    const struct sdp_section *theirs = x->theirs;
    for (int rank = 0; rank <= 2; rank++)
        for (size_t i = 0; i < theirs->codec_count; i++)
            if (is_wanted(x, &theirs->codecs[i]) && codec_rank(x, &theirs->codecs[i]) == rank &&
                !is_listed(x->ours, theirs->codecs[i].pt) &&
                x->ours->codec_count + 2 <= SDP_CODECS_MAX)
                append_with_rtx(x, &theirs->codecs[i]);
    if (x->ours->codec_count > 0)
        return;
    /* Nothing in common: keep the section, and with it the bundle, but nothing flows in it. */
    x->ours->dir = SDP_DIR_INACTIVE;
    append_codec(x, &theirs->codecs[0]);
}

/* ---- the rest of a media section ---- */

static const char *mirrored(const char *dir)
{
    if (strcmp(dir, "sendonly") == 0)
        return "recvonly";
    return strcmp(dir, "recvonly") == 0 ? "sendonly" : dir;
}

static bool is_simulcast_codec(const struct sdp_section *ours)
{
    uint8_t first = ours->codec_count > 0 ? ours->codecs[0].codec : RTP_CODEC_NONE;
    return first == RTP_CODEC_VP8 || first == RTP_CODEC_H264;
}

static void answer_extmaps(const struct context *x)
{
    uint32_t mask = x->theirs->kind == SDP_KIND_AUDIO ? EXTS_AUDIO : EXTS_VIDEO;
    if ((x->ours->dir & SDP_DIR_RECVONLY) != 0 && is_simulcast_codec(x->ours))
        mask &= ~EXTS_SVC_ONLY;
    if (x->ours->dir == SDP_DIR_SENDONLY)
        mask &= ~EXTS_NOT_SENT;
    for (size_t i = 0; i < x->theirs->extmap_count; i++) {
        const struct sdp_extmap *e = &x->theirs->extmaps[i];
        if (e->ext == RTP_EXT_NONE || (EXT(e->ext) & mask) == 0)
            continue;
        mask &= ~EXT(e->ext); /* the first id of each */
        x->ours->extmaps[x->ours->extmap_count++] = (struct sdp_extmap){
            .id = e->id,
            .ext = e->ext,
            .uri = rtp_ext_uri((enum rtp_ext)e->ext),
            .dir = sdp_strdup(x->answer, mirrored(e->dir)),
        };
    }
}

static void answer_simulcast(const struct context *x)
{
    const struct sdp_section *theirs = x->theirs;
    struct sdp_section *ours = x->ours;
    if ((ours->dir & SDP_DIR_RECVONLY) == 0)
        return;
    for (size_t i = 0; i < theirs->rid_count; i++) {
        if (!theirs->rids[i].is_send)
            continue;
        ours->rids[ours->rid_count] = theirs->rids[i];
        ours->rids[ours->rid_count++].is_send = false;
    }
    memcpy(ours->simulcast_recv, theirs->simulcast_send, sizeof(ours->simulcast_recv));
    ours->simulcast_recv_count = theirs->simulcast_send_count;
}

static enum sdp_dir answer_dir(enum sdp_dir theirs, const struct sdp_send *send)
{
    int dir = SDP_DIR_INACTIVE;
    if ((theirs & SDP_DIR_SENDONLY) != 0)
        dir |= SDP_DIR_RECVONLY;
    if ((theirs & SDP_DIR_RECVONLY) != 0 && send->stream_id != NULL && *send->stream_id != '\0')
        dir |= SDP_DIR_SENDONLY;
    return (enum sdp_dir)dir;
}

static void answer_media(const struct context *x)
{
    struct sdp_section *ours = x->ours;
    ours->dir = answer_dir(x->theirs->dir, &x->plan.send);
    ours->has_rtcp_mux = true;
    ours->has_rtcp_rsize = x->theirs->has_rtcp_rsize;
    answer_codecs(x);
    answer_extmaps(x);
    answer_simulcast(x);
    if ((ours->dir & SDP_DIR_SENDONLY) != 0)
        sdp__set_send(x->answer, ours, &x->plan.send);
}

/* ---- sections ---- */

/* A stopped section, or one that is nothing we know: port 0, as it must be (RFC 3264, 6). */
static void answer_rejected(const struct context *x)
{
    struct sdp_section *ours = x->ours;
    ours->kind = x->theirs->kind;
    ours->media = sdp_strdup(x->answer, x->theirs->media);
    ours->proto = sdp_strdup(x->answer, x->theirs->proto);
    ours->formats = sdp_strdup(x->answer, x->theirs->formats);
    memcpy(ours->mid, x->theirs->mid, sizeof(ours->mid));
}

static int answer_section(const struct context *x, const struct sdp_answer_config *config,
                          enum sdp_setup setup, bool has_candidates)
{
    sdp__set_media(x->answer, x->ours, x->theirs->kind, x->theirs->proto, x->theirs->mid);
    x->ours->is_bundled = x->offer->has_bundle;
    x->ours->has_extmap_allow_mixed = x->theirs->has_extmap_allow_mixed;
    int err = sdp__set_transport(x->ours, &config->local, setup, has_candidates);
    if (err < 0)
        return err;
    if (x->theirs->kind == SDP_KIND_APPLICATION)
        sdp__set_application(x->ours);
    else
        answer_media(x);
    return 0;
}

static int answer_all(struct sdp_session *answer, const struct sdp_session *offer,
                      const struct sdp_answer_config *config, enum sdp_setup setup)
{
    bool has_candidates = true;
    for (size_t i = 0; i < offer->section_count; i++) {
        struct context x = {.offer = offer, .answer = answer, .theirs = &offer->sections[i]};
        if (config->sections != NULL && i < config->section_count)
            x.plan = config->sections[i];
        int err = sdp_add_section(answer, &x.ours);
        if (err < 0)
            return err;
        if (x.plan.is_refused || sdp__is_rejected(x.theirs) ||
            (offer->has_bundle && !x.theirs->is_bundled)) {
            answer_rejected(&x);
            continue;
        }
        err = answer_section(&x, config, setup, has_candidates);
        if (err < 0)
            return err;
        has_candidates = false;
    }
    return answer->err;
}

int sdp_build_answer(const struct sdp_session *offer, const struct sdp_answer_config *config,
                     struct sdp_session **ret_answer, struct sdp_error *ret_error)
{
    struct sdp_transport transport = {0};
    int err = check_offer(offer, ret_error);
    if (err == 0)
        err = sdp_get_transport(offer, &transport, ret_error);
    if (err < 0)
        return err;

    struct sdp_session *answer = NULL;
    err = sdp_create(&answer);
    if (err < 0)
        return err;
    answer->session_id = config->local.session_id;
    answer->version = config->local.version;
    answer->is_ice_lite = config->local.is_ice_lite;
    answer->has_bundle = offer->has_bundle;
    answer->has_extmap_allow_mixed = offer->has_extmap_allow_mixed;
    err = answer_all(answer, offer, config, answer_setup(transport.setup, config->setup));
    if (err < 0) {
        sdp_destroy(answer);
        return sdp__fail(ret_error, 0, err, "answer too large");
    }
    *ret_answer = answer;
    return 0;
}
