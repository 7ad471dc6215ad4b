/* Pieces of a section that answers and offers have in common. */
#include "base/err.h"
#include "base/strbuf.h"
#include "sdp/negotiate.h"
#include "sdp/sdp_internal.h"

#include <string.h>

#define PORT_DISCARD 9 /* RFC 9429, 5.2.1 */
#define SCTP_PORT    5000

/*
 * Candidate priorities (RFC 8445, 5.1.2.1; RFC 6544, 4.2): UDP before TCP, and among equals the
 * order of the list.
 */
static uint32_t candidate_priority(const struct addr *a, size_t index)
{
    uint32_t type_preference = 126; /* host */
    uint32_t direction = 4u << 13;  /* RFC 6544, 4.2: passive */
    uint32_t local =
        a->proto == ADDR_PROTO_TCP ? direction + 8191 - (uint32_t)index : 65535 - (uint32_t)index;
    if (a->proto == ADDR_PROTO_TCP)
        type_preference = 90;
    return type_preference << 24 | local << 8 | 255;
}

void sdp__set_media(struct sdp_session *s, struct sdp_section *m, enum sdp_kind kind,
                    const char *proto, const char *mid)
{
    static const char *const names[] = {"audio", "video", "application", "application"};
    m->kind = kind;
    m->media = names[kind];
    m->port = PORT_DISCARD;
    m->proto = sdp_strdup(s, proto);
    m->is_bundled = true;
    if (str_copy(m->mid, sizeof(m->mid), mid) < 0)
        s->err = ERR_LIMIT;
}

int sdp__set_transport(struct sdp_section *m, const struct sdp_local *local, enum sdp_setup setup,
                       bool has_candidates)
{
    int err = str_copy(m->ufrag, sizeof(m->ufrag), local->ufrag);
    if (err == 0)
        err = str_copy(m->pwd, sizeof(m->pwd), local->pwd);
    if (err == 0)
        err = str_copy(m->fingerprint_sha256, sizeof(m->fingerprint_sha256),
                       local->fingerprint_sha256);
    if (err < 0)
        return ERR_LIMIT;
    m->setup = setup;
    if (!has_candidates)
        return 0;
    for (size_t i = 0; i < local->candidate_count && i < SDP_CANDIDATES_MAX; i++)
        m->candidates[m->candidate_count++] = (struct sdp_candidate){
            .addr = local->candidates[i],
            .priority = candidate_priority(&local->candidates[i], i),
            .type = SDP_CAND_HOST,
        };
    m->has_end_of_candidates = true;
    return 0;
}

static bool has_rtx(const struct sdp_section *m)
{
    for (size_t i = 0; i < m->codec_count; i++)
        if (m->codecs[i].is_rtx)
            return true;
    return false;
}

void sdp__set_send(struct sdp_session *s, struct sdp_section *m, const struct sdp_send *send)
{
    m->stream_id = sdp_strdup(s, send->stream_id);
    m->track_id = sdp_strdup(s, send->track_id != NULL ? send->track_id : "");
    if (send->ssrc == 0)
        return;
    m->ssrcs[m->ssrc_count++] = (struct sdp_ssrc){
        .ssrc = send->ssrc,
        .rtx_ssrc = has_rtx(m) ? send->rtx_ssrc : 0,
        .cname = send->cname != NULL ? sdp_strdup(s, send->cname) : m->stream_id,
    };
}

void sdp__set_application(struct sdp_section *m)
{
    m->formats = "webrtc-datachannel";
    m->sctp_port = SCTP_PORT;
    m->max_message_size = SDP_MAX_MESSAGE_SIZE;
}

bool sdp__is_rejected(const struct sdp_section *m)
{
    return (m->port == 0 && !m->is_bundle_only) || m->kind == SDP_KIND_OTHER;
}
