#ifndef TK_CLIENT_CLIENT_INTERNAL_H
#define TK_CLIENT_CLIENT_INTERNAL_H

/* Shared inside client/ only: the parts of one client. */

#include "base/list.h"
#include "base/rng.h"
#include "client/client.h"
#include "net/loop.h"
#include "peer/peer.h"
#include "sdp/negotiate.h"

#include <livekit.pb-c.h>

struct lws;
struct lws_context;
struct dchan_assoc;
struct tcp_conn;
struct udp_socket;

#define CLIENT_WS_OUT_MAX     256 /* frames waiting to be written */
#define CLIENT_TCP_MAX        4
#define CLIENT_SECTIONS_MAX   SDP_SECTIONS_MAX
#define CLIENT_EARLY_DATA_MAX 64
#define CLIENT_TICK           MONO_MS(5)

/* ---- hub.c ---- */

struct client_hub {
    struct lws_context *lws;
    struct loop loop;
    struct list clients;
    struct rng rng;
    struct sec_cert *cert;
    mono_us dchan_at;
};

/* What the loop hands back. */
struct client_fd {
    struct client *client;
    struct tcp_conn *tcp; /* NULL: the UDP socket */
};

/* ---- ws.c: the signalling socket ---- */

struct client_ws_out;

/* refusal.c: a join that the server refused, while it is asked for the reason. */
struct client_refusal {
    unsigned status; /* HTTP; 0 = none */
    struct lws *wsi;
    bool was_asked, is_answered;
    bool is_same; /* the answer is about this refusal */
    size_t size;
    char text[160];
};

struct client_ws {
    struct client *client; /* parent */
    struct client_refusal refusal;
    struct lws *wsi;
    struct client_ws_out *head, *tail;
    size_t out_count;
    uint8_t *in;
    size_t in_size, in_capacity;
    bool is_open;
    bool is_closing; /* close when everything is written */
};

MUST_CHECK int client__lws_create(struct lws_context **ret_lws);
/* Begins to connect with this path and query. ERR_CLOSED when it fails at once. */
MUST_CHECK int client__ws_open(struct client_ws *ws, const char *path);
/* Drops the socket now; nothing is called back afterwards. */
void client__ws_drop(struct client_ws *ws);
/* Queues one binary frame. ERR_LIMIT, ERR_STATE, -ENOMEM. */
MUST_CHECK int client__ws_send(struct client_ws *ws, const void *data, size_t size);
void client__ws_close_after_writing(struct client_ws *ws);

/* A GET with `user` for client__refusal_event(). ERR_CLOSED when it fails at once. */
MUST_CHECK int client__lws_get(struct client *c, const char *path, struct client_refusal *user,
                               struct lws **ret_wsi);
void client__refusal_note(struct client_refusal *r, unsigned status);
void client__refusal_drop(struct client_refusal *r);
/* Asks, and ends in client__on_refused(). */
void client__refusal_tick(struct client *c, bool is_late);

/* ---- link.c: the media transport ---- */

struct client_link {
    struct client *client; /* parent */
    struct udp_socket *udp;
    struct client_fd udp_fd;
    struct client_fd tcps[CLIENT_TCP_MAX];
    size_t tcp_count;
    struct peer *peer; /* made when the first answer tells the DTLS role */
    struct dchan_assoc *dchan;
    uint16_t reliable_stream, lossy_stream;
    bool has_channels, is_reliable_open, is_lossy_open;
    bool is_connected;
    char ufrag[PEER_UFRAG_SIZE], pwd[PEER_PWD_SIZE];
    struct addr candidates[SDP_CANDIDATES_MAX]; /* of the server, UDP */
    size_t candidate_count;
};

MUST_CHECK int client__link_open(struct client *c);
void client__link_close(struct client *c);
void client__link_new_credentials(struct client *c);
/* What an answer says about the server's side. */
MUST_CHECK int client__link_set_remote(struct client *c, const struct sdp_session *answer,
                                       mono_us now);
void client__link_ready(struct client_fd *fd, mono_us now);
void client__link_tick(struct client *c, mono_us now);
/* Polls the peer and the data channels until they are empty. */
void client__link_drain(struct client *c, mono_us now);
MUST_CHECK int client__link_send_rtp(struct client *c, const uint8_t *head, size_t head_size,
                                     const uint8_t *body, size_t body_size);
MUST_CHECK int client__link_send_rtcp(struct client *c, const uint8_t *data, size_t size);
MUST_CHECK int client__link_send_raw(struct client *c, const uint8_t *data, size_t size);

/* ---- track.c: what we publish ---- */

struct client_sent {
    bool is_used, is_marker;
    uint8_t pt;
    uint16_t seq;
    uint16_t size;
    uint32_t ts;
    uint8_t payload[CLIENT_PAYLOAD_MAX];
};

struct client_layer {
    uint32_t ssrc, rtx_ssrc;
    uint16_t seq, rtx_seq;
    uint16_t picture_id;
    uint8_t tl0;
    uint32_t ts_offset;
    uint32_t packets, octets;
    mono_us sr_at;
    bool is_keyframe_wanted;
    struct client_sent *history; /* made with the first packet */
    char rid[RTP_RID_SIZE];
};

struct client_track {
    bool is_used;
    bool is_stopped; /* unpublished; its section stays, inactive */
    bool is_muted;
    struct client_track_config config;
    char name[CLIENT_TEXT_SIZE];
    char profile[8];
    char cid[40];
    char sid[CLIENT_SID_SIZE];
    char mid[RTP_MID_SIZE]; /* "" = not offered yet */
    uint8_t pt, rtx_pt;
    bool is_agreed;
    struct client_layer layers[RTP_LAYERS_MAX];
    uint8_t layer_count;
};

/* New SSRCs and numbers, as for a new connection. */
void client__track_renew(struct client *c, struct client_track *t);
void client__track_fini(struct client_track *t);
void client__tracks_tick(struct client *c, mono_us now);
/* Feedback about our streams: NACK, PLI, FIR. */
void client__tracks_feedback(struct client *c, const uint8_t *data, size_t size, mono_us now);

/* ---- remote.c: what we receive ---- */

void client__remotes_rtp(struct client *c, uint8_t *data, size_t size, mono_us now);
void client__remotes_rtcp(struct client *c, const uint8_t *data, size_t size, mono_us now);
void client__remotes_tick(struct client *c, mono_us now);
/* Takes a remote out and tells the user. */
void client__remote_remove(struct client *c, struct client_remote *remote);

/* ---- negotiate.c ---- */

struct client_section {
    enum sdp_kind kind;
    char mid[RTP_MID_SIZE];
    int track; /* index of ours, -1 = none */
    struct client_remote *remote;
};

MUST_CHECK int client__sections_reset(struct client *c);
MUST_CHECK int client__sections_add(struct client *c, enum sdp_kind kind, int track);
void client__offer_if_wanted(struct client *c, mono_us now);
void client__handle_answer(struct client *c, const Livekit__SessionDescription *answer,
                           mono_us now);

/* ---- signalling.c ---- */

void client__on_message(struct client *c, const uint8_t *data, size_t size);
void client__send_request(struct client *c, const Livekit__SignalRequest *request);
void client__send_add_track(struct client *c, const struct client_track *t);
void client__send_leave(struct client *c);
void client__send_ping(struct client *c, mono_us now);
void client__send_offer(struct client *c, const char *sdp);
/* The path with token and join_request; free() it. NULL = no memory. */
char *client__join_path(const struct client *c, bool is_question);

/* ---- data.c ---- */

void client__on_data(struct client *c, bool is_reliable, const uint8_t *data, size_t size);

/* ---- client.c ---- */

struct client {
    struct list in_hub;
    struct client_hub *hub; /* parent */
    struct client_config config;
    char host[256];
    char prefix[256]; /* of the URL's path, "" as a rule */
    uint16_t port;
    bool is_tls;
    char *token;
    char *fault_fingerprint;

    enum client_state state;
    char reason[CLIENT_TEXT_SIZE];
    struct client_ws ws;
    struct client_link link;
    struct client_track tracks[CLIENT_TRACKS_MAX];
    struct client_remote *remotes[CLIENT_REMOTES_MAX];
    size_t remote_count;
    struct client_section *sections;
    size_t section_count;
    struct rtp_ext_ids exts;

    char sid[CLIENT_SID_SIZE];
    bool is_in_room; /* join or reconnect came on this socket */
    bool is_leaving;
    bool is_resuming; /* the next connection asks for our old participant */
    bool was_joined;
    bool is_offer_wanted, is_offer_out;
    uint32_t offer_id;
    uint64_t sdp_version;
    uint64_t sdp_session_id;
    uint32_t data_seq;

    unsigned attempt;
    mono_us lost_at; /* 0 = not lost */
    mono_us retry_at;
    mono_us opened_at;  /* of the socket: first message within 5 s */
    mono_us resumed_at; /* media within 10 s, or join anew; 0 = does not matter */
    mono_us ping_at, heard_at, ping_interval, ping_timeout;
    mono_us report_at;

    struct client_event *events; /* ring of CLIENT_EVENTS_MAX */
    size_t event_head, event_count;
    struct client_remote *gone; /* freed at the next poll */
    uint8_t *data_out;          /* the last DATA event's bytes */
    struct client_stats stats;
};

void client__tick(struct client *c, mono_us now);
/* An event with everything zero but the kind; NULL when the queue is full. */
struct client_event *client__event(struct client *c, enum client_event_kind kind);
/* Signalling or media is lost: tries again, or closes. `is_fresh`: the old participant is no use.
 */
void client__lost(struct client *c, bool is_fresh, const char *why);
void client__closed(struct client *c, int reason, const char *form, ...) PRINTF_LIKE(3, 4);
void client__on_joined(struct client *c, const char *sid);
void client__on_resumed(struct client *c);
void client__on_media_up(struct client *c);
/* The signalling socket is gone; `status` is the HTTP status of a refusal, else 0. */
void client__on_ws_closed(struct client *c, unsigned status, const char *why);
void client__on_refused(struct client *c, unsigned status, const char *why);

#endif
