/* The attributes (a= lines) that we use: one table row each. */
#include "base/err.h"
#include "base/strbuf.h"
#include "rtp/ext.h"
#include "sdp/negotiate.h"
#include "sdp/sdp_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct sdp_codec *find_codec(struct sdp_section *m, const char *word)
{
    uint64_t pt = 0;
    if (!sdp__number(word, 127, &pt))
        return NULL;
    for (size_t i = 0; i < m->codec_count; i++)
        if (m->codecs[i].pt == pt)
            return &m->codecs[i];
    return NULL;
}

/* ---- session or section: transport ---- */

/* ice-char = ALPHA / DIGIT / "+" / "/" (RFC 8839, 5.4); some stacks also write "-", "_" and "=". */
static bool is_ice_text(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr("+/-_=", *text) == NULL)
            return false;
    return true;
}

static int set_credential(struct sdp_parser *p, const char *name, char *dst, size_t size,
                          const char *value)
{
    if (!is_ice_text(value))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "%s: not ICE characters", name);
    if (str_copy(dst, size, value) < 0)
        return sdp__fail(p->error, p->line, ERR_SDP_UNUSABLE, "%s: longer than %zu characters",
                         name, size - 1);
    return 0;
}

static int on_ufrag(struct sdp_parser *p, char *value)
{
    char *dst = p->section != NULL ? p->section->ufrag : p->session->ufrag;
    return set_credential(p, "ice-ufrag", dst, SDP_UFRAG_SIZE, value);
}

static int on_pwd(struct sdp_parser *p, char *value)
{
    char *dst = p->section != NULL ? p->section->pwd : p->session->pwd;
    return set_credential(p, "ice-pwd", dst, SDP_PWD_SIZE, value);
}

/* fingerprint:sha-256 AA:BB:… (RFC 8122, 5): 32 pairs */
static int on_fingerprint(struct sdp_parser *p, char *value)
{
    const char *hash = sdp__word(&value, " ");
    const char *hex = sdp__word(&value, " ");
    if (hash == NULL || strcasecmp(hash, "sha-256") != 0)
        return 0;
    if (hex == NULL || strlen(hex) != 32 * 3 - 1)
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "fingerprint: not 32 bytes");
    char text[SDP_FINGERPRINT_SIZE];
    size_t i = 0;
    for (; hex[i] != '\0'; i++) {
        bool is_good = i % 3 == 2 ? hex[i] == ':' : isxdigit((unsigned char)hex[i]) != 0;
        if (!is_good)
            return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "fingerprint: not hex pairs");
        text[i] = (char)toupper((unsigned char)hex[i]);
    }
    text[i] = '\0';
    char *dst =
        p->section != NULL ? p->section->fingerprint_sha256 : p->session->fingerprint_sha256;
    memcpy(dst, text, i + 1);
    return 0;
}

static int on_setup(struct sdp_parser *p, char *value)
{
    enum sdp_setup setup = SDP_SETUP_NONE;
    if (strcmp(value, "actpass") == 0)
        setup = SDP_SETUP_ACTPASS;
    else if (strcmp(value, "active") == 0)
        setup = SDP_SETUP_ACTIVE;
    else if (strcmp(value, "passive") == 0)
        setup = SDP_SETUP_PASSIVE;
    *(p->section != NULL ? &p->section->setup : &p->session->setup) = setup;
    return 0;
}

static int on_allow_mixed(struct sdp_parser *p, char *value UNUSED)
{
    *(p->section != NULL ? &p->section->has_extmap_allow_mixed
                         : &p->session->has_extmap_allow_mixed) = true;
    return 0;
}

static int set_dir(struct sdp_parser *p, enum sdp_dir dir)
{
    *(p->section != NULL ? &p->section->dir : &p->dir) = dir;
    return 0;
}

static int on_sendrecv(struct sdp_parser *p, char *value UNUSED)
{
    return set_dir(p, SDP_DIR_SENDRECV);
}

static int on_sendonly(struct sdp_parser *p, char *value UNUSED)
{
    return set_dir(p, SDP_DIR_SENDONLY);
}

static int on_recvonly(struct sdp_parser *p, char *value UNUSED)
{
    return set_dir(p, SDP_DIR_RECVONLY);
}

static int on_inactive(struct sdp_parser *p, char *value UNUSED)
{
    return set_dir(p, SDP_DIR_INACTIVE);
}

/* ---- session ---- */

static int on_ice_lite(struct sdp_parser *p, char *value UNUSED)
{
    p->session->is_ice_lite = true;
    return 0;
}

static int on_group(struct sdp_parser *p, char *value)
{
    if (strncmp(value, "BUNDLE", 6) == 0 && (value[6] == ' ' || value[6] == '\0') &&
        p->bundle == NULL)
        p->bundle = sdp_strdup(p->session, value + 6);
    return 0;
}

/* ---- section ---- */

/* Mids and rids travel in header extensions; longer ones than ours are refused. */
static bool is_token(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr("!#$%&'*+-.^_`{|}~", *text) == NULL)
            return false;
    return true;
}

static int on_mid(struct sdp_parser *p, char *value)
{
    struct sdp_section *m = p->section;
    if (!is_token(value))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "mid: not a token");
    if (str_copy(m->mid, sizeof(m->mid), value) < 0)
        return sdp__fail(p->error, p->line, ERR_SDP_UNUSABLE, "mid: longer than %zu characters",
                         sizeof(m->mid) - 1);
    return 0;
}

static int on_msid(struct sdp_parser *p, char *value)
{
    const char *stream = sdp__word(&value, " ");
    const char *track = sdp__word(&value, " ");
    struct sdp_section *m = p->section;
    if (stream == NULL || *m->stream_id != '\0')
        return 0;
    m->stream_id = sdp_strdup(p->session, stream);
    m->track_id = sdp_strdup(p->session, track != NULL ? track : "");
    return 0;
}

static int on_rtcp_mux(struct sdp_parser *p, char *value UNUSED)
{
    p->section->has_rtcp_mux = true;
    return 0;
}

static int on_rtcp_rsize(struct sdp_parser *p, char *value UNUSED)
{
    p->section->has_rtcp_rsize = true;
    return 0;
}

static int on_bundle_only(struct sdp_parser *p, char *value UNUSED)
{
    p->section->is_bundle_only = true;
    return 0;
}

/* rtpmap:<pt> <name>/<clock>[/<channels>] (RFC 8866, 6.6) */
static int on_rtpmap(struct sdp_parser *p, char *value)
{
    const char *pt = sdp__word(&value, " ");
    struct sdp_codec *c = find_codec(p->section, pt);
    if (c == NULL)
        return 0;
    const char *name = sdp__word(&value, " /");
    const char *clock_word = sdp__word(&value, " /");
    const char *channel_word = sdp__word(&value, " /");
    uint64_t clock_hz = 0, channels = 1;
    if (name == NULL || !sdp__number(clock_word, UINT32_MAX, &clock_hz) || clock_hz == 0)
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "rtpmap: name or clock rate");
    if (channel_word != NULL && !sdp__number(channel_word, 255, &channels))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "rtpmap: channels");
    c->name = sdp_strdup(p->session, name);
    c->clock_hz = (uint32_t)clock_hz;
    c->channels = (uint8_t)channels;
    return 0;
}

static int on_fmtp(struct sdp_parser *p, char *value)
{
    const char *pt = sdp__word(&value, " ");
    struct sdp_codec *c = find_codec(p->section, pt);
    if (c != NULL)
        c->fmtp = sdp_strdup(p->session, value + strspn(value, " "));
    return 0;
}

static uint8_t feedback_bit(const char *text)
{
    static const struct {
        const char *text;
        uint8_t bit;
    } rows[] = {
        {"nack", SDP_FB_NACK},           {"nack pli", SDP_FB_NACK_PLI},
        {"ccm fir", SDP_FB_CCM_FIR},     {"transport-cc", SDP_FB_TRANSPORT_CC},
        {"goog-remb", SDP_FB_GOOG_REMB},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (strcmp(rows[i].text, text) == 0)
            return rows[i].bit;
    return 0;
}

static int on_rtcp_fb(struct sdp_parser *p, char *value)
{
    const char *pt = sdp__word(&value, " ");
    uint8_t bit = feedback_bit(value + strspn(value, " "));
    if (pt == NULL || bit == 0)
        return 0;
    if (strcmp(pt, "*") != 0) {
        struct sdp_codec *c = find_codec(p->section, pt);
        if (c != NULL)
            c->feedback |= bit;
        return 0;
    }
    for (size_t i = 0; i < p->section->codec_count; i++)
        p->section->codecs[i].feedback |= bit;
    return 0;
}

/* extmap:<id>["/"<direction>] <URI> (RFC 8285, 8) */
static int on_extmap(struct sdp_parser *p, char *value)
{
    struct sdp_section *m = p->section;
    char *id_word = sdp__word(&value, " ");
    const char *uri = sdp__word(&value, " ");
    if (id_word == NULL || uri == NULL || m->extmap_count == SDP_EXTMAPS_MAX)
        return 0;
    const char *dir = "";
    char *slash = strchr(id_word, '/');
    if (slash != NULL) {
        *slash = '\0';
        dir = slash + 1;
    }
    uint64_t id = 0;
    if (!sdp__number(id_word, 255, &id) || id == 0)
        return 0; /* 256..4095 are for offers with too many extensions; never agreed as they are */
    m->extmaps[m->extmap_count++] = (struct sdp_extmap){
        .id = (uint8_t)id,
        .ext = (uint8_t)rtp_ext_from_uri(uri, strlen(uri)),
        .uri = sdp_strdup(p->session, uri),
        .dir = sdp_strdup(p->session, dir),
    };
    return 0;
}

/* rid:<id> send|recv [restrictions] (RFC 8851, 10) */
static int on_rid(struct sdp_parser *p, char *value)
{
    struct sdp_section *m = p->section;
    const char *id = sdp__word(&value, " ");
    const char *dir = sdp__word(&value, " ");
    if (id == NULL || dir == NULL || !is_token(id))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "rid: id or direction");
    if (strlen(id) >= RTP_RID_SIZE)
        return sdp__fail(p->error, p->line, ERR_SDP_UNUSABLE, "rid: longer than %d characters",
                         RTP_RID_SIZE - 1);
    if (m->rid_count == SDP_RIDS_MAX)
        return sdp__fail(p->error, p->line, ERR_LIMIT, "more than %d rids", SDP_RIDS_MAX);
    struct sdp_rid *rid = &m->rids[m->rid_count++];
    rid->is_send = strcmp(dir, "send") == 0;
    snprintf(rid->id, sizeof(rid->id), "%s", id);
    return 0;
}

/* The first alternative of each stream in "q;~h;f,g" (RFC 8853, 5.1). */
static size_t split_streams(char *list, char ret_rids[SDP_RIDS_MAX][RTP_RID_SIZE])
{
    size_t count = 0;
    for (char *stream; (stream = sdp__word(&list, ";")) != NULL && count < SDP_RIDS_MAX;) {
        const char *rid = sdp__word(&stream, ",");
        if (rid != NULL && *rid == '~')
            rid++;
        if (rid != NULL && is_token(rid) && strlen(rid) < RTP_RID_SIZE)
            snprintf(ret_rids[count++], RTP_RID_SIZE, "%s", rid);
    }
    return count;
}

static int on_simulcast(struct sdp_parser *p, char *value)
{
    struct sdp_section *m = p->section;
    for (const char *dir; (dir = sdp__word(&value, " ")) != NULL;) {
        char *list = sdp__word(&value, " ");
        if (list == NULL)
            break;
        if (strcmp(dir, "send") == 0)
            m->simulcast_send_count = split_streams(list, m->simulcast_send);
        else if (strcmp(dir, "recv") == 0)
            m->simulcast_recv_count = split_streams(list, m->simulcast_recv);
    }
    return 0;
}

static struct sdp_ssrc *find_or_add_ssrc(struct sdp_section *m, uint32_t ssrc)
{
    for (size_t i = 0; i < m->ssrc_count; i++)
        if (m->ssrcs[i].ssrc == ssrc)
            return &m->ssrcs[i];
    if (m->ssrc_count == SDP_SSRCS_MAX)
        return NULL;
    struct sdp_ssrc *s = &m->ssrcs[m->ssrc_count++];
    *s = (struct sdp_ssrc){.ssrc = ssrc, .cname = ""};
    return s;
}

/* ssrc:<id> <attribute>[:<value>] (RFC 5576, 4.1) */
static int on_ssrc(struct sdp_parser *p, char *value)
{
    uint64_t ssrc = 0;
    if (!sdp__number(sdp__word(&value, " "), UINT32_MAX, &ssrc))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "ssrc: not a number");
    struct sdp_ssrc *s = find_or_add_ssrc(p->section, (uint32_t)ssrc);
    char *attribute = value + strspn(value, " ");
    if (s != NULL && strncmp(attribute, "cname:", 6) == 0)
        s->cname = sdp_strdup(p->session, attribute + 6);
    if (strncmp(attribute, "msid:", 5) == 0)
        return on_msid(p, attribute + 5);
    return 0;
}

/* ssrc-group:FID <media> <rtx> (RFC 5576, 4.2) */
static int on_ssrc_group(struct sdp_parser *p, char *value)
{
    const char *semantics = sdp__word(&value, " ");
    if (semantics == NULL || strcmp(semantics, "FID") != 0 || p->fid_count == SDP_SSRCS_MAX)
        return 0;
    uint64_t media = 0, rtx = 0;
    if (!sdp__number(sdp__word(&value, " "), UINT32_MAX, &media) ||
        !sdp__number(sdp__word(&value, " "), UINT32_MAX, &rtx))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "ssrc-group: not two numbers");
    p->fids[p->fid_count][0] = (uint32_t)media;
    p->fids[p->fid_count++][1] = (uint32_t)rtx;
    return 0;
}

static int on_candidate(struct sdp_parser *p, char *value)
{
    struct sdp_section *m = p->section;
    if (m->candidate_count < SDP_CANDIDATES_MAX &&
        sdp_parse_candidate(value, &m->candidates[m->candidate_count]) == 0)
        m->candidate_count++;
    return 0; /* one that we cannot use harms nobody */
}

static int on_end_of_candidates(struct sdp_parser *p, char *value UNUSED)
{
    p->section->has_end_of_candidates = true;
    return 0;
}

static int on_sctp_port(struct sdp_parser *p, char *value)
{
    uint64_t port = 0;
    if (!sdp__number(value, UINT16_MAX, &port))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "sctp-port: not a port");
    p->section->sctp_port = (uint16_t)port;
    return 0;
}

static int on_max_message_size(struct sdp_parser *p, char *value)
{
    uint64_t size = 0;
    if (!sdp__number(value, UINT64_MAX, &size))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "max-message-size: not a number");
    p->section->max_message_size = (uint32_t)TK_MIN(size, (uint64_t)UINT32_MAX);
    return 0;
}

/* ---- the table ---- */

enum level { LEVEL_SESSION = 1, LEVEL_SECTION = 2, LEVEL_BOTH = 3 };

static const struct attribute {
    const char *name;
    enum level level;
    int (*parse)(struct sdp_parser *p, char *value);
} attributes[] = {
    {"group", LEVEL_SESSION, on_group},
    {"ice-lite", LEVEL_SESSION, on_ice_lite},
    {"ice-ufrag", LEVEL_BOTH, on_ufrag},
    {"ice-pwd", LEVEL_BOTH, on_pwd},
    {"fingerprint", LEVEL_BOTH, on_fingerprint},
    {"setup", LEVEL_BOTH, on_setup},
    {"extmap-allow-mixed", LEVEL_BOTH, on_allow_mixed},
    {"sendrecv", LEVEL_BOTH, on_sendrecv},
    {"sendonly", LEVEL_BOTH, on_sendonly},
    {"recvonly", LEVEL_BOTH, on_recvonly},
    {"inactive", LEVEL_BOTH, on_inactive},
    {"mid", LEVEL_SECTION, on_mid},
    {"msid", LEVEL_SECTION, on_msid},
    {"rtcp-mux", LEVEL_SECTION, on_rtcp_mux},
    {"rtcp-rsize", LEVEL_SECTION, on_rtcp_rsize},
    {"bundle-only", LEVEL_SECTION, on_bundle_only},
    {"rtpmap", LEVEL_SECTION, on_rtpmap},
    {"fmtp", LEVEL_SECTION, on_fmtp},
    {"rtcp-fb", LEVEL_SECTION, on_rtcp_fb},
    {"extmap", LEVEL_SECTION, on_extmap},
    {"rid", LEVEL_SECTION, on_rid},
    {"simulcast", LEVEL_SECTION, on_simulcast},
    {"ssrc", LEVEL_SECTION, on_ssrc},
    {"ssrc-group", LEVEL_SECTION, on_ssrc_group},
    {"candidate", LEVEL_SECTION, on_candidate},
    {"end-of-candidates", LEVEL_SECTION, on_end_of_candidates},
    {"sctp-port", LEVEL_SECTION, on_sctp_port},
    {"max-message-size", LEVEL_SECTION, on_max_message_size},
};

int sdp__parse_attribute(struct sdp_parser *p, const char *name, char *value)
{
    enum level level = p->section != NULL ? LEVEL_SECTION : LEVEL_SESSION;
    for (size_t i = 0; i < ARRAY_COUNT(attributes); i++)
        if ((attributes[i].level & level) != 0 && strcmp(attributes[i].name, name) == 0)
            return attributes[i].parse(p, value);
    return 0;
}

/* ---- the end of a section ---- */

/* Types without rtpmap (RFC 3551, 6). */
static void name_static_type(struct sdp_codec *c)
{
    static const struct {
        uint8_t pt;
        const char *name;
    } rows[] = {{0, "PCMU"}, {8, "PCMA"}, {9, "G722"}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].pt == c->pt && *c->name == '\0') {
            c->name = rows[i].name;
            c->clock_hz = 8000;
        }
    }
}

static void finish_codec(const struct sdp_section *m, struct sdp_codec *c)
{
    char value[32];
    uint64_t number = 0;
    name_static_type(c);
    if (strcasecmp(c->name, "rtx") == 0) {
        c->is_rtx =
            sdp_fmtp_get(c->fmtp, "apt", value, sizeof(value)) && sdp__number(value, 127, &number);
        c->apt = (uint8_t)number;
        return;
    }
    enum rtp_codec codec = sdp_codec_from_name(c->name, c->clock_hz);
    bool is_video = m->kind == SDP_KIND_VIDEO;
    if (codec != RTP_CODEC_NONE && (rtp_codec_kind(codec) == RTP_KIND_VIDEO) == is_video)
        c->codec = (uint8_t)codec;
    if (c->codec == RTP_CODEC_H264 &&
        sdp_fmtp_get(c->fmtp, "packetization-mode", value, sizeof(value)) &&
        sdp__number(value, 2, &number))
        c->h264_mode = (uint8_t)number;
}

static void remove_ssrc(struct sdp_section *m, uint32_t ssrc)
{
    for (size_t i = 0; i < m->ssrc_count; i++) {
        if (m->ssrcs[i].ssrc != ssrc)
            continue;
        memmove(&m->ssrcs[i], &m->ssrcs[i + 1], (m->ssrc_count - i - 1) * sizeof(m->ssrcs[0]));
        m->ssrc_count--;
        return;
    }
}

void sdp__finish_section(struct sdp_parser *p)
{
    struct sdp_section *m = p->section;
    for (size_t i = 0; i < m->codec_count; i++)
        finish_codec(m, &m->codecs[i]);
    for (size_t i = 0; i < p->fid_count; i++) {
        if (p->fids[i][0] == p->fids[i][1])
            continue;
        remove_ssrc(m, p->fids[i][1]);
        struct sdp_ssrc *s = find_or_add_ssrc(m, p->fids[i][0]);
        if (s != NULL)
            s->rtx_ssrc = p->fids[i][1];
    }
}
