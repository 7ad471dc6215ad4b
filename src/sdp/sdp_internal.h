#ifndef TK_SDP_SDP_INTERNAL_H
#define TK_SDP_SDP_INTERNAL_H

/* Shared inside sdp/ only: the parser's state, word splitting, errors. */

#include "sdp/sdp.h"

/* Descriptions copy at most this much text, names and parameters included. */
#define SDP_ARENA_MAX (2u * SDP_TEXT_MAX)

struct sdp_parser {
    struct sdp_session *session;
    struct sdp_section *section; /* NULL at session level */
    struct sdp_error *error;
    unsigned line;
    const char *bundle; /* the mids of a=group:BUNDLE; NULL = none */
    enum sdp_dir dir;   /* session level default (RFC 8866, 6.7) */

    /* a=ssrc-group:FID of the section at hand. */
    uint32_t fids[SDP_SSRCS_MAX][2];
    size_t fid_count;
};

/* Fills `error` (may be NULL) and returns `code`. */
MUST_CHECK int sdp__fail(struct sdp_error *error, unsigned line, int code, const char *form, ...)
    PRINTF_LIKE(4, 5);

/* Cuts the next word at `separators` off *at; NULL at the end. Writes into the text. */
char *sdp__word(char **at, const char *separators);

/* A decimal number of at most `max`, the whole word. */
bool sdp__number(const char *word, uint64_t max, uint64_t *ret_value);

/* One attribute: `name` without "a=", `value` after the colon ("" if none; writable). */
MUST_CHECK int sdp__parse_attribute(struct sdp_parser *p, const char *name, char *value);

/* After the last line of a section: RTX, FID groups, defaults of static payload types. */
void sdp__finish_section(struct sdp_parser *p);

/* The a=candidate lines of a section, and the line that ends them. */
void sdp__print_candidates(const struct sdp_section *m, struct strbuf *out);

/* ---- building, for answers and offers ---- */

struct sdp_local;
struct sdp_send;

/* The m= line and the mid of a live section (port 9, RFC 9429, 5.2.1). */
void sdp__set_media(struct sdp_session *s, struct sdp_section *m, enum sdp_kind kind,
                    const char *proto, const char *mid);

/* ICE and DTLS lines; candidates too if `has_candidates`. ERR_LIMIT when a text is too long. */
MUST_CHECK int sdp__set_transport(struct sdp_section *m, const struct sdp_local *local,
                                  enum sdp_setup setup, bool has_candidates);

/* msid and ssrc lines for what we send; RTX only if the section has an RTX payload type. */
void sdp__set_send(struct sdp_session *s, struct sdp_section *m, const struct sdp_send *send);

/* Data channel lines. */
void sdp__set_application(struct sdp_section *m);

bool sdp__is_rejected(const struct sdp_section *m);

#endif
