/* Our own offers: the server's on a second connection, and our client's. */
#include "base/err.h"
#include "rtp/ext.h"
#include "sdp/negotiate.h"
#include "sdp/sdp_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The payload types of LiveKit's server; RTX is the number behind it. */
static const struct offer_codec {
    uint8_t pt;
    uint8_t codec;
    uint8_t channels;
    uint8_t h264_mode;
    const char *fmtp;
} offer_codecs[] = {
    {111, RTP_CODEC_OPUS, 2, 0, "minptime=10;useinbandfec=1"},
    {63, RTP_CODEC_RED, 2, 0, "111/111"},
    {0, RTP_CODEC_PCMU, 1, 0, ""},
    {8, RTP_CODEC_PCMA, 1, 0, ""},
    {9, RTP_CODEC_G722, 1, 0, ""},
    {96, RTP_CODEC_VP8, 1, 0, ""},
    {98, RTP_CODEC_VP9, 1, 0, "profile-id=0"},
    {102, RTP_CODEC_H264, 1, 1,
     "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"},
    {104, RTP_CODEC_H264, 1, 0,
     "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f"},
    {108, RTP_CODEC_H264, 1, 1,
     "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
    {125, RTP_CODEC_H264, 1, 0,
     "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"},
    {106, RTP_CODEC_H264, 1, 1,
     "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f"},
    {39, RTP_CODEC_H264, 1, 0,
     "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f"},
    {123, RTP_CODEC_H264, 1, 1,
     "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640032"},
    {35, RTP_CODEC_AV1, 1, 0, ""},
};

/* Extension ids of our offers; one map for the whole bundle. */
static const struct offer_ext {
    uint8_t id;
    uint8_t ext;
    bool is_audio, is_video;
    bool is_twcc; /* only with send-side congestion control */
} offer_exts[] = {
    {1, RTP_EXT_AUDIO_LEVEL, true, false, false},
    {2, RTP_EXT_ABS_CAPTURE_TIME, true, true, false},
    {3, RTP_EXT_TWCC, true, true, true},
    {4, RTP_EXT_MID, true, true, false},
    {5, RTP_EXT_PLAYOUT_DELAY, false, true, false},
    {10, RTP_EXT_RID, false, true, false},
    {11, RTP_EXT_REPAIRED_RID, false, true, false},
    {12, RTP_EXT_DEPENDENCY_DESCRIPTOR, false, true, false},
};

static void append_rtx(struct sdp_session *s, struct sdp_section *m, const struct sdp_codec *c)
{
    char fmtp[16];
    snprintf(fmtp, sizeof(fmtp), "apt=%u", c->pt);
    m->codecs[m->codec_count++] = (struct sdp_codec){
        .pt = (uint8_t)(c->pt + 1),
        .is_rtx = true,
        .apt = c->pt,
        .channels = 1,
        .clock_hz = 90000,
        .name = "rtx",
        .fmtp = sdp_strdup(s, fmtp),
    };
}

static void append_codec(struct sdp_session *s, struct sdp_section *m,
                         const struct offer_codec *row, const struct sdp_offer_section *plan)
{
    unsigned feedback = plan->has_twcc ? SDP_FB_NACK | SDP_FB_TRANSPORT_CC : SDP_FB_NACK;
    if (m->kind == SDP_KIND_VIDEO)
        feedback |= SDP_FB_NACK_PLI | SDP_FB_CCM_FIR;
    struct sdp_codec *c = &m->codecs[m->codec_count++];
    *c = (struct sdp_codec){
        .pt = row->pt,
        .codec = row->codec,
        .channels = row->channels,
        .h264_mode = row->h264_mode,
        .feedback = (uint8_t)feedback,
        .clock_hz = rtp_codec_clock_hz((enum rtp_codec)row->codec),
        .name = sdp_codec_name((enum rtp_codec)row->codec),
        .fmtp = row->fmtp,
    };
    if (row->codec == RTP_CODEC_H264 && plan->h264_profile_level_id != NULL) {
        char fmtp[120];
        snprintf(fmtp, sizeof(fmtp),
                 "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=%s",
                 plan->h264_profile_level_id);
        c->fmtp = sdp_strdup(s, fmtp);
    }
    if (m->kind == SDP_KIND_VIDEO)
        append_rtx(s, m, c);
}

static void offer_media_codecs(struct sdp_session *s, struct sdp_section *m,
                               const struct sdp_offer_section *plan)
{
    bool has_h264 = false;
    for (size_t i = 0; i < ARRAY_COUNT(offer_codecs); i++) {
        const struct offer_codec *row = &offer_codecs[i];
        bool is_video = rtp_codec_kind((enum rtp_codec)row->codec) == RTP_KIND_VIDEO;
        if (is_video != (m->kind == SDP_KIND_VIDEO))
            continue;
        if (plan->codec != RTP_CODEC_NONE && plan->codec != row->codec)
            continue;
        if (row->codec == RTP_CODEC_H264) {
            if (has_h264 && plan->h264_profile_level_id != NULL)
                continue;
            has_h264 = true;
        }
        append_codec(s, m, row, plan);
    }
}

static void offer_extmaps(struct sdp_section *m, const struct sdp_offer_section *plan)
{
    bool is_audio = m->kind == SDP_KIND_AUDIO;
    for (size_t i = 0; i < ARRAY_COUNT(offer_exts); i++) {
        const struct offer_ext *row = &offer_exts[i];
        if ((is_audio ? !row->is_audio : !row->is_video) || (row->is_twcc && !plan->has_twcc))
            continue;
        m->extmaps[m->extmap_count++] = (struct sdp_extmap){
            .id = row->id,
            .ext = row->ext,
            .uri = rtp_ext_uri((enum rtp_ext)row->ext),
            .dir = "",
        };
    }
}

static void offer_simulcast(struct sdp_section *m, const struct sdp_offer_section *plan)
{
    if (plan->rid_count < 2)
        return;
    for (size_t i = 0; i < plan->rid_count && i < RTP_LAYERS_MAX; i++) {
        m->rids[m->rid_count].is_send = true;
        memcpy(m->rids[m->rid_count++].id, plan->rids[i], RTP_RID_SIZE);
        memcpy(m->simulcast_send[m->simulcast_send_count++], plan->rids[i], RTP_RID_SIZE);
    }
}

static void offer_media(struct sdp_session *s, struct sdp_section *m,
                        const struct sdp_offer_section *plan)
{
    m->dir = plan->dir;
    m->has_rtcp_mux = true;
    m->has_rtcp_rsize = true;
    offer_media_codecs(s, m, plan);
    offer_extmaps(m, plan);
    if ((plan->dir & SDP_DIR_SENDONLY) == 0)
        return;
    offer_simulcast(m, plan);
    if (plan->send.stream_id != NULL)
        sdp__set_send(s, m, &plan->send);
}

static int offer_section(struct sdp_session *s, const struct sdp_offer_config *config, size_t index)
{
    const struct sdp_offer_section *plan = &config->sections[index];
    if (plan->kind == SDP_KIND_OTHER || sdp_find_mid(s, plan->mid) != NULL)
        return -EINVAL;
    struct sdp_section *m = NULL;
    int err = sdp_add_section(s, &m);
    if (err < 0)
        return err;
    bool is_application = plan->kind == SDP_KIND_APPLICATION;
    sdp__set_media(s, m, plan->kind, is_application ? "UDP/DTLS/SCTP" : "UDP/TLS/RTP/SAVPF",
                   plan->mid);
    err = sdp__set_transport(m, &config->local, SDP_SETUP_ACTPASS, index == 0);
    if (err < 0)
        return err;
    if (is_application)
        sdp__set_application(m);
    else
        offer_media(s, m, plan);
    return 0;
}

int sdp_build_offer(const struct sdp_offer_config *config, struct sdp_session **ret_offer)
{
    struct sdp_session *s = NULL;
    int err = sdp_create(&s);
    if (err < 0)
        return err;
    s->session_id = config->local.session_id;
    s->version = config->local.version;
    s->is_ice_lite = config->local.is_ice_lite;
    s->has_bundle = true;
    s->has_extmap_allow_mixed = true;
    for (size_t i = 0; i < config->section_count && err == 0; i++)
        err = offer_section(s, config, i);
    if (err == 0)
        err = s->err;
    if (err < 0) {
        sdp_destroy(s);
        return err;
    }
    *ret_offer = s;
    return 0;
}
