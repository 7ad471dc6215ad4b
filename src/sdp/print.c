#include "base/err.h"
#include "base/strbuf.h"
#include "sdp/sdp_internal.h"

#include <inttypes.h>

static void print_candidate(const struct sdp_candidate *c, size_t index, struct strbuf *out)
{
    static const char *const types[] = {"host", "srflx", "prflx", "relay"};
    char ip[ADDR_TEXT_SIZE];
    bool is_tcp = c->addr.proto == ADDR_PROTO_TCP;
    strbuf_printf(out, "a=candidate:%zu 1 %s %u %s %u typ %s%s%s\r\n", index + 1,
                  is_tcp ? "tcp" : "udp", c->priority, addr_format_ip(&c->addr, ip), c->addr.port,
                  types[c->type], c->type == SDP_CAND_HOST ? "" : " raddr 0.0.0.0 rport 0",
                  is_tcp ? " tcptype passive" : "");
}

void sdp__print_candidates(const struct sdp_section *m, struct strbuf *out)
{
    for (size_t i = 0; i < m->candidate_count; i++)
        print_candidate(&m->candidates[i], i, out);
    if (m->has_end_of_candidates)
        strbuf_puts(out, "a=end-of-candidates\r\n");
}

static void print_transport(const struct sdp_section *m, struct strbuf *out)
{
    static const char *const setups[] = {"", "actpass", "active", "passive"};
    sdp__print_candidates(m, out);
    if (m->ufrag[0] != '\0')
        strbuf_printf(out, "a=ice-ufrag:%s\r\n", m->ufrag);
    if (m->pwd[0] != '\0')
        strbuf_printf(out, "a=ice-pwd:%s\r\n", m->pwd);
    if (m->fingerprint_sha256[0] != '\0')
        strbuf_printf(out, "a=fingerprint:sha-256 %s\r\n", m->fingerprint_sha256);
    if (m->setup != SDP_SETUP_NONE)
        strbuf_printf(out, "a=setup:%s\r\n", setups[m->setup]);
    if (m->mid[0] != '\0')
        strbuf_printf(out, "a=mid:%s\r\n", m->mid);
}

static void print_codec(const struct sdp_codec *c, struct strbuf *out)
{
    static const struct {
        uint8_t bit;
        const char *text;
    } feedbacks[] = {
        {SDP_FB_GOOG_REMB, "goog-remb"}, {SDP_FB_TRANSPORT_CC, "transport-cc"},
        {SDP_FB_CCM_FIR, "ccm fir"},     {SDP_FB_NACK, "nack"},
        {SDP_FB_NACK_PLI, "nack pli"},
    };
    if (*c->name != '\0') {
        strbuf_printf(out, "a=rtpmap:%u %s/%u", c->pt, c->name, c->clock_hz);
        if (c->channels > 1)
            strbuf_printf(out, "/%u", c->channels);
        strbuf_puts(out, "\r\n");
    }
    for (size_t i = 0; i < ARRAY_COUNT(feedbacks); i++)
        if ((c->feedback & feedbacks[i].bit) != 0)
            strbuf_printf(out, "a=rtcp-fb:%u %s\r\n", c->pt, feedbacks[i].text);
    if (*c->fmtp != '\0')
        strbuf_printf(out, "a=fmtp:%u %s\r\n", c->pt, c->fmtp);
}

static void print_streams(const char *dir, const char rids[][RTP_RID_SIZE], size_t count,
                          struct strbuf *out)
{
    if (count == 0)
        return;
    strbuf_printf(out, " %s ", dir);
    for (size_t i = 0; i < count; i++)
        strbuf_printf(out, "%s%s", i > 0 ? ";" : "", rids[i]);
}

static void print_simulcast(const struct sdp_section *m, struct strbuf *out)
{
    for (size_t i = 0; i < m->rid_count; i++)
        strbuf_printf(out, "a=rid:%s %s\r\n", m->rids[i].id, m->rids[i].is_send ? "send" : "recv");
    if (m->simulcast_send_count + m->simulcast_recv_count == 0)
        return;
    struct strbuf list;
    strbuf_init(&list, SDP_TEXT_MAX);
    print_streams("send", m->simulcast_send, m->simulcast_send_count, &list);
    print_streams("recv", m->simulcast_recv, m->simulcast_recv_count, &list);
    if (list.err == 0)
        strbuf_printf(out, "a=simulcast:%s\r\n", strbuf_text(&list) + 1);
    else
        out->err = list.err;
    strbuf_fini(&list);
}

static void print_ssrcs(const struct sdp_section *m, struct strbuf *out)
{
    for (size_t i = 0; i < m->ssrc_count; i++) {
        const struct sdp_ssrc *s = &m->ssrcs[i];
        if (s->rtx_ssrc != 0)
            strbuf_printf(out, "a=ssrc-group:FID %u %u\r\n", s->ssrc, s->rtx_ssrc);
        strbuf_printf(out, "a=ssrc:%u cname:%s\r\n", s->ssrc, s->cname);
        if (s->rtx_ssrc != 0)
            strbuf_printf(out, "a=ssrc:%u cname:%s\r\n", s->rtx_ssrc, s->cname);
    }
}

static void print_rtp(const struct sdp_section *m, struct strbuf *out)
{
    static const char *const dirs[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
    for (size_t i = 0; i < m->extmap_count; i++) {
        const struct sdp_extmap *e = &m->extmaps[i];
        strbuf_printf(out, "a=extmap:%u%s%s %s\r\n", e->id, *e->dir != '\0' ? "/" : "", e->dir,
                      e->uri);
    }
    strbuf_printf(out, "a=%s\r\n", dirs[m->dir]);
    if (*m->stream_id != '\0')
        strbuf_printf(out, "a=msid:%s%s%s\r\n", m->stream_id, *m->track_id != '\0' ? " " : "",
                      m->track_id);
    if (m->has_rtcp_mux)
        strbuf_puts(out, "a=rtcp-mux\r\n");
    if (m->has_rtcp_rsize)
        strbuf_puts(out, "a=rtcp-rsize\r\n");
    for (size_t i = 0; i < m->codec_count; i++)
        print_codec(&m->codecs[i], out);
    print_simulcast(m, out);
    print_ssrcs(m, out);
}

static void print_section(const struct sdp_section *m, struct strbuf *out)
{
    strbuf_printf(out, "m=%s %u %s", m->media, m->port, m->proto);
    for (size_t i = 0; i < m->codec_count; i++)
        strbuf_printf(out, " %u", m->codecs[i].pt);
    if (m->codec_count == 0)
        strbuf_printf(out, " %s", m->formats);
    strbuf_puts(out, "\r\nc=IN IP4 0.0.0.0\r\n");
    if (m->is_bundle_only)
        strbuf_puts(out, "a=bundle-only\r\n");
    print_transport(m, out);
    if (m->has_extmap_allow_mixed)
        strbuf_puts(out, "a=extmap-allow-mixed\r\n");
    if (m->kind == SDP_KIND_AUDIO || m->kind == SDP_KIND_VIDEO)
        print_rtp(m, out);
    if (m->sctp_port != 0)
        strbuf_printf(out, "a=sctp-port:%u\r\n", m->sctp_port);
    if (m->max_message_size != 0)
        strbuf_printf(out, "a=max-message-size:%u\r\n", m->max_message_size);
}

static void print_session(const struct sdp_session *s, struct strbuf *out)
{
    static const char *const setups[] = {"", "actpass", "active", "passive"};
    strbuf_printf(out, "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
                  s->session_id, s->version);
    if (s->has_bundle) {
        strbuf_puts(out, "a=group:BUNDLE");
        for (size_t i = 0; i < s->section_count; i++)
            if (s->sections[i].is_bundled)
                strbuf_printf(out, " %s", s->sections[i].mid);
        strbuf_puts(out, "\r\n");
    }
    strbuf_puts(out, "a=msid-semantic:WMS *\r\n");
    if (s->has_extmap_allow_mixed)
        strbuf_puts(out, "a=extmap-allow-mixed\r\n");
    if (s->is_ice_lite)
        strbuf_puts(out, "a=ice-lite\r\n");
    if (s->ufrag[0] != '\0')
        strbuf_printf(out, "a=ice-ufrag:%s\r\n", s->ufrag);
    if (s->pwd[0] != '\0')
        strbuf_printf(out, "a=ice-pwd:%s\r\n", s->pwd);
    if (s->fingerprint_sha256[0] != '\0')
        strbuf_printf(out, "a=fingerprint:sha-256 %s\r\n", s->fingerprint_sha256);
    if (s->setup != SDP_SETUP_NONE)
        strbuf_printf(out, "a=setup:%s\r\n", setups[s->setup]);
}

int sdp_print(const struct sdp_session *s, struct strbuf *out)
{
    if (s->err < 0)
        return s->err;
    print_session(s, out);
    for (size_t i = 0; i < s->section_count; i++)
        print_section(&s->sections[i], out);
    return out->err;
}
