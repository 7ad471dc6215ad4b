#ifndef TK_SDP_SDP_H
#define TK_SDP_SDP_H

/*
 * A session description as WebRTC uses it (RFC 8866, JSEP RFC 9429): parsed into plain structs and
 * printed from them. Reads what browsers write: unknown lines and attributes are skipped, what we
 * use is checked. Sans-IO. A description owns all its memory (one arena); every `const char *`
 * below points into it, is never NULL, and lives as long as the description.
 */

#include "base/addr.h"
#include "base/attrs.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sdp_arena;
struct strbuf;

#define SDP_TEXT_MAX         (256u << 10) /* bytes of one description, either way */
#define SDP_SECTIONS_MAX     256          /* m= lines */
#define SDP_CODECS_MAX       96           /* payload types of one section */
#define SDP_EXTMAPS_MAX      32           /* header extensions of one section */
#define SDP_RIDS_MAX         8
#define SDP_SSRCS_MAX        16
#define SDP_CANDIDATES_MAX   32 /* per section; further ones are skipped */
#define SDP_UFRAG_SIZE       33 /* RFC 8839 allows 256; more than 32 characters are refused */
#define SDP_PWD_SIZE         65
#define SDP_FINGERPRINT_SIZE 96 /* SHA-256 as "AA:BB:…" with the zero */

enum sdp_kind { SDP_KIND_AUDIO, SDP_KIND_VIDEO, SDP_KIND_APPLICATION, SDP_KIND_OTHER };

/* Seen from the side that wrote the description; a set of two bits. */
enum sdp_dir {
    SDP_DIR_INACTIVE = 0,
    SDP_DIR_SENDONLY = 1,
    SDP_DIR_RECVONLY = 2,
    SDP_DIR_SENDRECV = 3
};

enum sdp_setup { SDP_SETUP_NONE, SDP_SETUP_ACTPASS, SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE };

/* a=rtcp-fb (RFC 4585, 5104, draft-holmer-rmcat-transport-wide-cc-extensions) as a set. */
#define SDP_FB_NACK         1u
#define SDP_FB_NACK_PLI     2u
#define SDP_FB_CCM_FIR      4u
#define SDP_FB_TRANSPORT_CC 8u
#define SDP_FB_GOOG_REMB    16u

/* One payload type: a=rtpmap, a=fmtp, a=rtcp-fb. */
struct sdp_codec {
    uint8_t pt;        /* 0..127 */
    uint8_t codec;     /* enum rtp_codec; NONE for RTX and for what we do not know */
    bool is_rtx;       /* RFC 4588 */
    uint8_t apt;       /* RTX: the payload type it repeats */
    uint8_t channels;  /* 1 when not given */
    uint8_t h264_mode; /* packetization-mode (RFC 6184, 8.1) */
    uint8_t feedback;  /* SDP_FB_… */
    uint32_t clock_hz;
    const char *name; /* as written; "" without rtpmap */
    const char *fmtp; /* everything after the payload type; "" if none */
};

/* a=extmap (RFC 8285). */
struct sdp_extmap {
    uint8_t id;  /* 1..255 */
    uint8_t ext; /* enum rtp_ext; NONE for what we do not know */
    const char *uri;
    const char *dir; /* "sendonly" …, "" as a rule */
};

/* a=rid (RFC 8851). */
struct sdp_rid {
    bool is_send;
    char id[RTP_RID_SIZE];
};

/* a=ssrc with its FID group (RFC 5576); an RTX stream is not listed by itself. */
struct sdp_ssrc {
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* 0 = none */
    const char *cname;
};

enum sdp_candidate_type { SDP_CAND_HOST, SDP_CAND_SRFLX, SDP_CAND_PRFLX, SDP_CAND_RELAY };

/* a=candidate (RFC 8839, 5.1), component 1 with an IP literal: UDP, or TCP passive (RFC 6544). */
struct sdp_candidate {
    struct addr addr; /* proto TCP = tcptype passive */
    uint32_t priority;
    enum sdp_candidate_type type;
};

struct sdp_section {
    enum sdp_kind kind;
    uint16_t port; /* 0 = rejected, unless is_bundle_only */
    bool is_bundle_only;
    const char *media;   /* first word of the m= line */
    const char *proto;   /* "UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP" */
    const char *formats; /* the rest of the m= line; printed when there are no codecs */
    char mid[RTP_MID_SIZE];
    enum sdp_dir dir;
    bool has_rtcp_mux, has_rtcp_rsize;

    /* Transport; "" where the line is absent (the session level may have it). */
    char ufrag[SDP_UFRAG_SIZE];
    char pwd[SDP_PWD_SIZE];
    char fingerprint_sha256[SDP_FINGERPRINT_SIZE]; /* upper-case hex with colons */
    enum sdp_setup setup;
    struct sdp_candidate candidates[SDP_CANDIDATES_MAX];
    size_t candidate_count;
    bool has_end_of_candidates;

    /* Media. */
    const char *stream_id; /* first and second word of a=msid; "" = none */
    const char *track_id;
    struct sdp_codec codecs[SDP_CODECS_MAX]; /* in the order of the m= line */
    size_t codec_count;
    struct sdp_extmap extmaps[SDP_EXTMAPS_MAX];
    size_t extmap_count;
    bool has_extmap_allow_mixed;
    struct sdp_rid rids[SDP_RIDS_MAX];
    size_t rid_count;
    /* The rids of a=simulcast (RFC 8853), first alternative each, in the order written. */
    char simulcast_send[SDP_RIDS_MAX][RTP_RID_SIZE];
    size_t simulcast_send_count;
    char simulcast_recv[SDP_RIDS_MAX][RTP_RID_SIZE];
    size_t simulcast_recv_count;
    struct sdp_ssrc ssrcs[SDP_SSRCS_MAX];
    size_t ssrc_count;

    /* Application. */
    uint16_t sctp_port;        /* 0 = not given */
    uint32_t max_message_size; /* 0 = not given */
    bool is_bundled;           /* its mid stands in a=group:BUNDLE */
};

struct sdp_session {
    uint64_t session_id; /* o= */
    uint64_t version;
    bool is_ice_lite;
    bool has_extmap_allow_mixed;
    bool has_bundle;
    char ufrag[SDP_UFRAG_SIZE];
    char pwd[SDP_PWD_SIZE];
    char fingerprint_sha256[SDP_FINGERPRINT_SIZE];
    enum sdp_setup setup;
    struct sdp_section *sections;
    size_t section_count;

    /* Private. */
    size_t section_capacity;
    struct sdp_arena *arena;
    int err; /* sticky: the memory ran out */
};

/* What is wrong with a description, for a message to the person who sent it. */
struct sdp_error {
    unsigned line; /* from 1; 0 = the description as a whole */
    char text[120];
};

/*
 * Parses `size` bytes. On success *ret_session is the caller's (sdp_destroy()). Negative:
 * ERR_SDP_SYNTAX, ERR_SDP_UNUSABLE (an ufrag of more than 32 characters, a pwd of more than 64),
 * ERR_LIMIT (a bound above), -ENOMEM; `ret_error` (may be NULL) says what and where. Fingerprints
 * other than sha-256 are skipped; see sdp_get_transport().
 */
MUST_CHECK int sdp_parse(const char *text, size_t size, struct sdp_session **ret_session,
                         struct sdp_error *ret_error);

/* An empty description to be filled. -ENOMEM. */
MUST_CHECK int sdp_create(struct sdp_session **ret_session);
void sdp_destroy(struct sdp_session *s); /* NULL is a no-op */

/* Appends a zeroed section with valid strings. ERR_LIMIT, -ENOMEM. Moves the earlier sections. */
MUST_CHECK int sdp_add_section(struct sdp_session *s, struct sdp_section **ret_section);

/* Copies `text` into the description's memory. When that is full it returns "" and the description
 * cannot be printed any more (sticky error). */
const char *sdp_strdup(struct sdp_session *s, const char *text);

/* Appends the text with CRLF line ends. ERR_LIMIT, -ENOMEM. */
MUST_CHECK int sdp_print(const struct sdp_session *s, struct strbuf *out);

/* The section with this mid, or NULL. */
const struct sdp_section *sdp_find_mid(const struct sdp_session *s, const char *mid);

/*
 * One candidate as in a=candidate, with or without "a=" and "candidate:" (a trickled one).
 * ERR_MALFORMED; ERR_UNSUPPORTED for what we skip: a host name (mDNS), another component, TCP
 * active.
 */
MUST_CHECK int sdp_parse_candidate(const char *text, struct sdp_candidate *ret_candidate);

/*
 * The value of `key` in "a=1;b=2" format parameters, compared without case; false if absent. The
 * value is cut to `size`.
 */
bool sdp_fmtp_get(const char *fmtp, const char *key, char *ret_value, size_t size);

#endif
