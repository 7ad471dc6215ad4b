#include "base/err.h"
#include "base/strbuf.h"
#include "sdp/sdp_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* RTP over DTLS-SRTP, or data channels; everything else is a section that we refuse. */
static enum sdp_kind section_kind(const struct sdp_section *m)
{
    bool is_rtp = strstr(m->proto, "RTP/SAVP") != NULL;
    if (strcmp(m->media, "audio") == 0 && is_rtp)
        return SDP_KIND_AUDIO;
    if (strcmp(m->media, "video") == 0 && is_rtp)
        return SDP_KIND_VIDEO;
    if (strcmp(m->media, "application") == 0 && strstr(m->proto, "DTLS/SCTP") != NULL &&
        strcmp(m->formats, "webrtc-datachannel") == 0)
        return SDP_KIND_APPLICATION;
    return SDP_KIND_OTHER;
}

static int parse_payload_types(struct sdp_parser *p, char *at)
{
    struct sdp_section *m = p->section;
    for (const char *word; (word = sdp__word(&at, " ")) != NULL;) {
        uint64_t pt = 0;
        if (!sdp__number(word, 127, &pt))
            return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "m= line: bad payload type");
        if (m->codec_count == SDP_CODECS_MAX)
            return sdp__fail(p->error, p->line, ERR_LIMIT, "m= line: more than %d payload types",
                             SDP_CODECS_MAX);
        m->codecs[m->codec_count++] =
            (struct sdp_codec){.pt = (uint8_t)pt, .channels = 1, .name = "", .fmtp = ""};
    }
    if (m->codec_count == 0)
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "m= line: no payload type");
    return 0;
}

/* m=<media> <port> <proto> <fmt> ... (RFC 8866, 5.14) */
static int parse_media(struct sdp_parser *p, char *value)
{
    if (p->section != NULL)
        sdp__finish_section(p);
    p->fid_count = 0;
    int err = sdp_add_section(p->session, &p->section);
    if (err < 0)
        return sdp__fail(p->error, p->line, err, "more than %d sections", SDP_SECTIONS_MAX);

    const char *media = sdp__word(&value, " ");
    char *port_word = sdp__word(&value, " ");
    const char *proto = sdp__word(&value, " ");
    uint64_t port = 0;
    if (port_word != NULL)
        port_word[strcspn(port_word, "/")] = '\0';
    if (media == NULL || proto == NULL || !sdp__number(port_word, UINT16_MAX, &port))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "m= line: media, port or protocol");
    struct sdp_section *m = p->section;
    m->media = sdp_strdup(p->session, media);
    m->port = (uint16_t)port;
    m->proto = sdp_strdup(p->session, proto);
    m->formats = sdp_strdup(p->session, value);
    m->dir = p->dir;
    m->kind = section_kind(m);
    if (*m->formats == '\0')
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "m= line: no format");
    if (m->kind == SDP_KIND_AUDIO || m->kind == SDP_KIND_VIDEO)
        return parse_payload_types(p, value);
    return 0;
}

/* o=<username> <sess-id> <sess-version> ... (RFC 8866, 5.2) */
static int parse_origin(struct sdp_parser *p, char *value)
{
    const char *user = sdp__word(&value, " ");
    const char *id = sdp__word(&value, " ");
    const char *version = sdp__word(&value, " ");
    if (user == NULL || !sdp__number(id, UINT64_MAX, &p->session->session_id) ||
        !sdp__number(version, UINT64_MAX, &p->session->version))
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "o= line: session id or version");
    return 0;
}

static int parse_line(struct sdp_parser *p, char *line)
{
    if (line[0] == '\0' || line[1] != '=')
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "not a line of the form x=…");
    char *value = line + 2;
    if (p->line == 1)
        return strcmp(line, "v=0") == 0
                   ? 0
                   : sdp__fail(p->error, 1, ERR_SDP_SYNTAX, "does not begin with v=0");
    switch (line[0]) {
    case 'o':
        return parse_origin(p, value);
    case 'm':
        return parse_media(p, value);
    case 'a': {
        char *colon = strchr(value, ':');
        if (colon != NULL)
            *colon++ = '\0';
        return sdp__parse_attribute(p, value, colon != NULL ? colon : value + strlen(value));
    }
    default:
        return 0; /* s= t= c= b= and the rest tell us nothing */
    }
}

static int parse_lines(struct sdp_parser *p, char *text)
{
    for (char *at = text; *at != '\0';) {
        char *line = at;
        size_t length = strcspn(at, "\n");
        at += length;
        if (*at == '\n')
            *at++ = '\0';
        if (length > 0 && line[length - 1] == '\r')
            line[length - 1] = '\0';
        p->line++;
        if (*line == '\0' && p->line > 1)
            continue;
        int err = parse_line(p, line);
        if (err < 0)
            return err;
    }
    if (p->line == 0)
        return sdp__fail(p->error, 0, ERR_SDP_SYNTAX, "empty description");
    return 0;
}

static void mark_bundle(struct sdp_parser *p)
{
    if (p->bundle == NULL)
        return;
    p->session->has_bundle = true;
    for (size_t i = 0; i < p->session->section_count; i++) {
        struct sdp_section *m = &p->session->sections[i];
        size_t length = strlen(m->mid);
        for (const char *at = p->bundle; *at != '\0' && length > 0;) {
            at += strspn(at, " ");
            size_t word = strcspn(at, " ");
            if (word == length && memcmp(at, m->mid, length) == 0)
                m->is_bundled = true;
            at += word;
        }
    }
}

/* `text` is a private, terminated copy that is cut to pieces. */
static int parse_text(struct sdp_parser *p, char *text)
{
    int err = parse_lines(p, text);
    if (err < 0)
        return err;
    if (p->section != NULL)
        sdp__finish_section(p);
    mark_bundle(p);
    if (p->session->err < 0)
        return sdp__fail(p->error, 0, p->session->err, "too much text");
    return 0;
}

int sdp_parse(const char *text, size_t size, struct sdp_session **ret_session,
              struct sdp_error *ret_error)
{
    if (size > SDP_TEXT_MAX)
        return sdp__fail(ret_error, 0, ERR_LIMIT, "longer than %u bytes", SDP_TEXT_MAX);
    if (size > 0 && memchr(text, '\0', size) != NULL)
        return sdp__fail(ret_error, 0, ERR_SDP_SYNTAX, "zero byte in the text");

    struct sdp_parser p = {.error = ret_error, .dir = SDP_DIR_SENDRECV};
    char *copy = malloc(size + 1);
    int err = copy != NULL ? sdp_create(&p.session) : -ENOMEM;
    if (err < 0)
        goto out;
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    err = parse_text(&p, copy);
    if (err < 0)
        goto out;
    *ret_session = p.session;
    p.session = NULL;
    err = 0;
out:
    sdp_destroy(p.session);
    free(copy);
    return err;
}
