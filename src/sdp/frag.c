#include "sdp/frag.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "sdp/negotiate.h"
#include "sdp/sdp_internal.h"

#include <string.h>

struct frag_parser {
    struct sdp_frag frag;
    struct sdp_error *error;
    unsigned line;
};

/* Sections of a bundle repeat the credentials; they are the same. */
static int take_credential(struct frag_parser *p, char *dst, size_t size, const char *name,
                           const char *value)
{
    if (*value == '\0')
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "a=%s: empty", name);
    if (dst[0] != '\0' && strcmp(dst, value) != 0)
        return sdp__fail(p->error, p->line, ERR_SDP_UNUSABLE, "a=%s: two that differ", name);
    if (str_copy(dst, size, value) < 0)
        return sdp__fail(p->error, p->line, ERR_SDP_UNUSABLE, "a=%s: longer than %zu characters",
                         name, size - 1);
    return 0;
}

static int take_candidate(struct frag_parser *p, const char *value)
{
    struct sdp_candidate candidate;
    int err = sdp_parse_candidate(value, &candidate);
    if (err == ERR_UNSUPPORTED)
        return 0;
    if (err < 0)
        return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "a=candidate: malformed");
    if (p->frag.candidate_count < SDP_CANDIDATES_MAX)
        p->frag.candidates[p->frag.candidate_count++] = candidate;
    return 0;
}

static int take_mid(struct frag_parser *p, const char *value)
{
    if (p->frag.mid[0] == '\0' && str_copy(p->frag.mid, sizeof(p->frag.mid), value) < 0)
        return sdp__fail(p->error, p->line, ERR_SDP_UNUSABLE, "a=mid: too long");
    return 0;
}

static int parse_attribute(struct frag_parser *p, char *name)
{
    char *value = strchr(name, ':');
    if (value != NULL)
        *value++ = '\0';
    else
        value = name + strlen(name);
    if (strcmp(name, "ice-ufrag") == 0)
        return take_credential(p, p->frag.ufrag, sizeof(p->frag.ufrag), name, value);
    if (strcmp(name, "ice-pwd") == 0)
        return take_credential(p, p->frag.pwd, sizeof(p->frag.pwd), name, value);
    if (strcmp(name, "candidate") == 0)
        return take_candidate(p, value);
    if (strcmp(name, "mid") == 0)
        return take_mid(p, value);
    if (strcmp(name, "end-of-candidates") == 0)
        p->frag.has_end_of_candidates = true;
    return 0;
}

/* `text` is a private, terminated copy that is cut to pieces. */
static int parse_lines(struct frag_parser *p, char *text)
{
    for (char *at = text; *at != '\0';) {
        char *line = at;
        at += strcspn(at, "\n");
        if (*at == '\n')
            *at++ = '\0';
        p->line++;
        line[strcspn(line, "\r")] = '\0';
        if (line[0] == '\0')
            continue;
        if (line[1] != '=')
            return sdp__fail(p->error, p->line, ERR_SDP_SYNTAX, "not a line of the form x=…");
        int err = line[0] == 'a' ? parse_attribute(p, line + 2) : 0;
        if (err < 0)
            return err;
    }
    return 0;
}

int sdp_frag_parse(const char *text, size_t size, struct sdp_frag *ret_frag,
                   struct sdp_error *ret_error)
{
    char copy[SDP_FRAG_TEXT_MAX + 1];
    if (size > SDP_FRAG_TEXT_MAX)
        return sdp__fail(ret_error, 0, ERR_LIMIT, "longer than %u bytes", SDP_FRAG_TEXT_MAX);
    if (memchr(text, '\0', size) != NULL)
        return sdp__fail(ret_error, 0, ERR_SDP_SYNTAX, "a zero byte");
    memcpy(copy, text, size);
    copy[size] = '\0';
    struct frag_parser p = {.error = ret_error};
    int err = parse_lines(&p, copy);
    if (err < 0)
        return err;
    if ((p.frag.ufrag[0] == '\0') != (p.frag.pwd[0] == '\0'))
        return sdp__fail(ret_error, 0, ERR_SDP_SYNTAX, "ice-ufrag and ice-pwd belong together");
    *ret_frag = p.frag;
    return 0;
}

int sdp_frag_print(const struct sdp_local *local, enum sdp_kind kind, const char *mid,
                   struct strbuf *out)
{
    struct sdp_section m = {0};
    int err = sdp__set_transport(&m, local, SDP_SETUP_NONE, true);
    if (err < 0)
        return err;
    strbuf_puts(out, local->is_ice_lite ? "a=ice-lite\r\n" : "");
    strbuf_printf(out, "a=group:BUNDLE %s\r\n", mid);
    strbuf_printf(out, "m=%s 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:%s\r\n",
                  kind == SDP_KIND_AUDIO ? "audio" : "video", mid);
    strbuf_printf(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", m.ufrag, m.pwd);
    sdp__print_candidates(&m, out);
    return out->err;
}
