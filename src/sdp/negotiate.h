#ifndef TK_SDP_NEGOTIATE_H
#define TK_SDP_NEGOTIATE_H

/*
 * Offer and answer (RFC 3264, RFC 9429) as pure functions on descriptions: the server's answer to a
 * client's offer, the server's own offer (dual connection), and our client's offer. What is sent
 * and received in each section comes in as a plan; what was agreed is read from the answer by the
 * helpers at the end.
 *
 * Directions in plans are ours: `send` is what we send to the other side.
 */

#include "sdp/sdp.h"

#define SDP_MAX_MESSAGE_SIZE 262144 /* announced for data channels */

/* Our side of the transport, the same in every section. */
struct sdp_local {
    const char *ufrag;
    const char *pwd;
    const char *fingerprint_sha256; /* "AA:BB:…" */
    const struct addr *candidates;  /* UDP, and TCP meaning passive; printed in the first section */
    size_t candidate_count;
    bool is_ice_lite;
    uint64_t session_id; /* constant over the connection's life */
    uint64_t version;    /* grows with every description */
};

/* What we send in a section. stream_id NULL or "" = nothing. */
struct sdp_send {
    const char *stream_id; /* "PA_publisher|TR_track": exactly one '|' for LiveKit clients */
    const char *track_id;  /* "TR_track" */
    const char *cname;     /* one per synchronised source, i.e. the publisher; NULL: stream_id */
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* 0 = no RTX; dropped when the other side has no RTX */
};

/* ---- the server's answer ---- */

/* The plan for the section of the same index in the offer; all zero is fine. */
struct sdp_answer_section {
    struct sdp_send send; /* a downtrack for a section in which the client receives */
    uint8_t codec;        /* enum rtp_codec to be listed first (with its RTX); NONE: as offered */
    bool has_red;         /* negotiate audio/red (RFC 2198), listed first where the client sends */
    bool has_dtx;         /* opus: add usedtx=1 */
    bool is_refused;      /* port 0, whatever is offered: a section that we do not want */
    bool is_stereo;       /* opus: add stereo=1;maxaveragebitrate=510000 */
};

struct sdp_answer_config {
    struct sdp_local local;
    enum sdp_setup setup; /* ACTIVE or PASSIVE; an offer that is not actpass decides */
    const struct sdp_answer_section *sections; /* may be NULL */
    size_t section_count;                      /* sections beyond it are planned as all zero */
};

/*
 * Builds the answer, section by section: the client sends -> recvonly; it receives and the plan has
 * a track -> sendonly (or sendrecv); otherwise inactive, with the same codecs and extensions, never
 * with port 0 unless the offer's own port is 0 (a stopped section) or the section is none we know.
 * Payload types and extension ids are the client's. transport-cc is agreed where the client sends
 * or the section is idle, not where only we send.
 *
 * ERR_SDP_UNUSABLE with `ret_error` (may be NULL) for an offer that cannot be answered: several
 * sections without BUNDLE, no rtcp-mux, no ICE credentials, no sha-256 fingerprint, equal mids.
 * ERR_LIMIT, -ENOMEM. The role that came out is sdp_get_transport(answer).setup.
 */
MUST_CHECK int sdp_build_answer(const struct sdp_session *offer,
                                const struct sdp_answer_config *config,
                                struct sdp_session **ret_answer, struct sdp_error *ret_error);

/* ---- an offer of ours ---- */

struct sdp_offer_section {
    enum sdp_kind kind;
    const char *mid;
    enum sdp_dir dir;     /* ours; SENDONLY wants `send` */
    struct sdp_send send; /* ssrc 0 with rids: no ssrc lines */
    uint8_t codec;        /* enum rtp_codec: only this one (with RTX); NONE: all we know */
    uint8_t rid_count;    /* simulcast: rids lowest quality first; 0 or 1 rid: none */
    char rids[RTP_LAYERS_MAX][RTP_RID_SIZE];
    bool has_twcc; /* offer transport-cc: only where we do send-side congestion control */
    const char *h264_profile_level_id; /* NULL: every profile of the table, else only this one */
};

struct sdp_offer_config {
    struct sdp_local local;
    const struct sdp_offer_section *sections;
    size_t section_count;
};

/*
 * Builds an offer with setup:actpass. Payload types: opus 111, red 63, PCMU 0, PCMA 8, G722 9, VP8
 * 96, VP9 98, H264 104 102 125 108 39 106 123, AV1 35; RTX follows each video type. -EINVAL for two
 * equal mids. ERR_LIMIT, -ENOMEM.
 */
MUST_CHECK int sdp_build_offer(const struct sdp_offer_config *config,
                               struct sdp_session **ret_offer);

/* ---- what a description says ---- */

/* The transport of the bundle: from its first section that is in use, else the session level. */
struct sdp_transport {
    char ufrag[SDP_UFRAG_SIZE];
    char pwd[SDP_PWD_SIZE];
    char fingerprint_sha256[SDP_FINGERPRINT_SIZE];
    enum sdp_setup setup;
    bool is_ice_lite;
};

/* ERR_SDP_UNUSABLE when credentials or fingerprint are missing; `ret_error` may be NULL. */
MUST_CHECK int sdp_get_transport(const struct sdp_session *s, struct sdp_transport *ret_transport,
                                 struct sdp_error *ret_error);

/* False for a stopped section, which has port 0 and is not bundle-only (RFC 8843, 6). */
bool sdp_section_is_live(const struct sdp_section *section);

/* Writes the media payload types of a section (call it on the agreed description, i.e. the answer)
 * with their RTX, in order; returns the count, at most `pts_max`. */
size_t sdp_section_pts(const struct sdp_section *section, struct rtp_pt *ret_pts, size_t pts_max);

/* The extension ids of all sections that are in use: one map per connection. */
void sdp_get_exts(const struct sdp_session *s, struct rtp_ext_ids *ret_ids);

/* The feedback that any media payload type of the section has: SDP_FB_…. */
unsigned sdp_section_feedback(const struct sdp_section *section);

/* True if any section in which `s`'s writer receives has transport-cc and the extension. */
bool sdp_has_twcc(const struct sdp_session *s);

/*
 * The simulcast rids of a section in which its writer sends (is_send) or receives, lowest quality
 * first: q < h < f and 2 < 1 < 0 by rank, other names in the order written. Returns the count; 0
 * without simulcast. Rids beyond RTP_LAYERS_MAX are left out.
 */
size_t sdp_section_rids(const struct sdp_section *section, bool is_send,
                        char ret_rids[RTP_LAYERS_MAX][RTP_RID_SIZE]);

/* "VP8", "opus", …; "" for NONE. And from the name (any case) with its clock rate; NONE if unknown.
 */
const char *sdp_codec_name(enum rtp_codec codec);
enum rtp_codec sdp_codec_from_name(const char *name, uint32_t clock_hz);

#endif
