/* What a description says, for the modules that act on it. */
#include "base/err.h"
#include "sdp/negotiate.h"
#include "sdp/sdp_internal.h"

#include <stdio.h>
#include <string.h>

/* The section that stands for the whole bundle; NULL if none is in use. */
static const struct sdp_section *first_live(const struct sdp_session *s)
{
    for (size_t i = 0; i < s->section_count; i++) {
        const struct sdp_section *m = &s->sections[i];
        if (!sdp__is_rejected(m) && (m->is_bundled || !s->has_bundle))
            return m;
    }
    return NULL;
}

int sdp_get_transport(const struct sdp_session *s, struct sdp_transport *ret_transport,
                      struct sdp_error *ret_error)
{
    const struct sdp_section *m = first_live(s);
    if (m == NULL)
        return sdp__fail(ret_error, 0, ERR_SDP_UNUSABLE, "no section is in use");
    const char *ufrag = m->ufrag[0] != '\0' ? m->ufrag : s->ufrag;
    const char *pwd = m->pwd[0] != '\0' ? m->pwd : s->pwd;
    const char *fingerprint =
        m->fingerprint_sha256[0] != '\0' ? m->fingerprint_sha256 : s->fingerprint_sha256;
    if (*ufrag == '\0' || *pwd == '\0')
        return sdp__fail(ret_error, 0, ERR_SDP_UNUSABLE, "no ICE credentials");
    if (*fingerprint == '\0')
        return sdp__fail(ret_error, 0, ERR_SDP_UNUSABLE, "no sha-256 fingerprint");
    struct sdp_transport t = {
        .setup = m->setup != SDP_SETUP_NONE ? m->setup : s->setup,
        .is_ice_lite = s->is_ice_lite,
    };
    snprintf(t.ufrag, sizeof(t.ufrag), "%s", ufrag);
    snprintf(t.pwd, sizeof(t.pwd), "%s", pwd);
    snprintf(t.fingerprint_sha256, sizeof(t.fingerprint_sha256), "%s", fingerprint);
    *ret_transport = t;
    return 0;
}

bool sdp_section_is_live(const struct sdp_section *section)
{
    return section->port != 0 || section->is_bundle_only;
}

static uint8_t rtx_for(const struct sdp_section *m, uint8_t pt)
{
    for (size_t i = 0; i < m->codec_count; i++)
        if (m->codecs[i].is_rtx && m->codecs[i].apt == pt)
            return m->codecs[i].pt;
    return 0;
}

size_t sdp_section_pts(const struct sdp_section *section, struct rtp_pt *ret_pts, size_t pts_max)
{
    size_t count = 0;
    for (size_t i = 0; i < section->codec_count && count < pts_max; i++) {
        const struct sdp_codec *c = &section->codecs[i];
        if (c->codec == RTP_CODEC_NONE)
            continue;
        ret_pts[count++] = (struct rtp_pt){
            .pt = c->pt,
            .rtx_pt = rtx_for(section, c->pt),
            .codec = c->codec,
            .h264_mode = c->h264_mode,
        };
    }
    return count;
}

void sdp_get_exts(const struct sdp_session *s, struct rtp_ext_ids *ret_ids)
{
    memset(ret_ids, 0, sizeof(*ret_ids));
    for (size_t i = 0; i < s->section_count; i++) {
        const struct sdp_section *m = &s->sections[i];
        for (size_t k = 0; k < m->extmap_count && !sdp__is_rejected(m); k++) {
            const struct sdp_extmap *e = &m->extmaps[k];
            if (e->ext != RTP_EXT_NONE && ret_ids->id[e->ext] == 0)
                ret_ids->id[e->ext] = e->id;
        }
    }
}

unsigned sdp_section_feedback(const struct sdp_section *section)
{
    unsigned feedback = 0;
    for (size_t i = 0; i < section->codec_count; i++)
        if (section->codecs[i].codec != RTP_CODEC_NONE)
            feedback |= section->codecs[i].feedback;
    return feedback;
}

bool sdp_has_twcc(const struct sdp_session *s)
{
    for (size_t i = 0; i < s->section_count; i++) {
        const struct sdp_section *m = &s->sections[i];
        if (sdp__is_rejected(m) || (m->dir & SDP_DIR_RECVONLY) == 0 ||
            (sdp_section_feedback(m) & SDP_FB_TRANSPORT_CC) == 0)
            continue;
        for (size_t k = 0; k < m->extmap_count; k++)
            if (m->extmaps[k].ext == RTP_EXT_TWCC)
                return true;
    }
    return false;
}

/* The rank of a rid in the alphabets of LiveKit clients; -1 for other names. */
static int rid_rank(const char *rid)
{
    static const char ranks[2][3] = {{'q', 'h', 'f'}, {'2', '1', '0'}};
    if (strlen(rid) != 1)
        return -1;
    for (size_t i = 0; i < ARRAY_COUNT(ranks); i++)
        for (int k = 0; k < 3; k++)
            if (ranks[i][k] == rid[0])
                return k;
    return -1;
}

static void sort_by_rank(const char *rids[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rid_rank(rids[i]) < 0)
            return; /* names we do not know: the order written */
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0 && rid_rank(rids[k]) < rid_rank(rids[k - 1]); k--) {
            const char *swap = rids[k];
            rids[k] = rids[k - 1];
            rids[k - 1] = swap;
        }
    }
}

size_t sdp_section_rids(const struct sdp_section *section, bool is_send,
                        char ret_rids[RTP_LAYERS_MAX][RTP_RID_SIZE])
{
    const char(*list)[RTP_RID_SIZE] = is_send ? section->simulcast_send : section->simulcast_recv;
    size_t count = is_send ? section->simulcast_send_count : section->simulcast_recv_count;
    const char *rids[SDP_RIDS_MAX];
    for (size_t i = 0; i < count; i++)
        rids[i] = list[i];
    sort_by_rank(rids, count);
    count = TK_MIN(count, (size_t)RTP_LAYERS_MAX);
    for (size_t i = 0; i < count; i++)
        snprintf(ret_rids[i], RTP_RID_SIZE, "%s", rids[i]);
    return count;
}
