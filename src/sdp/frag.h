#ifndef TK_SDP_FRAG_H
#define TK_SDP_FRAG_H

/*
 * application/trickle-ice-sdpfrag (RFC 8840, 9): what a client tells of its ICE side after the
 * offer, and what the server answers when ICE starts anew (RFC 9725, 4.3). With BUNDLE there is one
 * ICE side, so credentials and candidates of all sections are those of the connection. Sans-IO.
 */

#include "sdp/sdp.h"

struct sdp_local;

#define SDP_FRAG_TEXT_MAX (16u << 10) /* bytes of one fragment */

struct sdp_frag {
    char ufrag[SDP_UFRAG_SIZE]; /* "" = not given */
    char pwd[SDP_PWD_SIZE];
    char mid[RTP_MID_SIZE]; /* of the first section; "" = none */
    /* Those that we could use; host names, TCP active and other components are skipped. */
    struct sdp_candidate candidates[SDP_CANDIDATES_MAX];
    size_t candidate_count;
    bool has_end_of_candidates;
};

/*
 * Parses `size` bytes. ERR_SDP_SYNTAX, ERR_SDP_UNUSABLE (credentials too long, or two that differ),
 * ERR_LIMIT (longer than SDP_FRAG_TEXT_MAX); `ret_error` (may be NULL) says what and where.
 */
MUST_CHECK int sdp_frag_parse(const char *text, size_t size, struct sdp_frag *ret_frag,
                              struct sdp_error *ret_error);

/*
 * Appends our side for the connection that `mid`, a section of `kind`, stands for: lite, with all
 * candidates. ERR_LIMIT, -ENOMEM.
 */
MUST_CHECK int sdp_frag_print(const struct sdp_local *local, enum sdp_kind kind, const char *mid,
                              struct strbuf *out);

#endif
