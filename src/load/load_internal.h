#ifndef TK_LOAD_LOAD_INTERNAL_H
#define TK_LOAD_LOAD_INTERNAL_H

/* Shared inside load/ only: the parts of one run. One thread owns everything. */

#include "load/clip.h"
#include "load/load.h"
#include "load/measure.h"
#include "load/watch.h"
#include "load/wire.h"

#include "base/list.h"
#include "base/rng.h"
#include "base/timers.h"
#include "peer/peer.h"
#include "rtp/nack.h"
#include "rtp/packet.h"
#include "rtp/recv_stats.h"
#include "rtp/rtcp.h"
#include "rtp/seq.h"
#include "rtp/twcc.h"
#include "sdp/negotiate.h"

#include <sys/socket.h>

struct load_client;
struct load_conn;
struct load_run;

/* ---- io.c, io_in.c, io_out.c: waiting, receiving, sending ---- */

#define LOAD_READY_MAX          256        /* sockets handled between two looks at the timers */
#define LOAD_READY_SHARED_MAX   16         /* the same, with a shared socket read in between */
#define LOAD_STOLEN_MAX         0.001      /* share of the time; of more is warned */
#define LOAD_JOBS_MAX           256        /* packets handled together */
#define LOAD_OUT_SIZE           (1u << 20) /* bytes of one frame in all its packets */
#define LOAD_OUT_MAX            1024       /* packets of one frame */
#define LOAD_OUT_RUN_MAX        60         /* packets of one GSO message */
#define LOAD_SOCKET_BUFFER      (1 << 20)
#define LOAD_SHARED_SEND_BUFFER (16 << 20)

/* Whatever has a descriptor in the loop. */
struct load_fd {
    int fd; /* -1 = none */
    /* Told once when something comes, not as long as something waits: whoever is told reads
     * everything. Spares the kernel a second look at each socket. */
    bool is_edge;
    void (*ready)(struct load_fd *f, bool is_readable, bool is_writable, mono_us now);
};

struct load_timer {
    struct timer timer;
    void (*fire)(struct load_timer *t, mono_us now);
};

/* What a packet is, when it has been decrypted or need not be. */
enum load_plain {
    LOAD_RTP,
    LOAD_RTP_HIDDEN, /* not decrypted: only its header may be looked at */
    LOAD_RTCP
};

/* A packet between its receipt and its handling. */
struct load_arrival {
    struct load_conn *conn;
    mono_us at;
    uint8_t *data;
    uint16_t size;
    uint16_t job; /* index of its decryption; unused if hidden */
    enum load_plain kind;
};

struct load_inbox; /* buffers for what one system call reads */

struct load_io {
    int epoll_fd;
    struct load_inbox *inbox;
    struct sec_srtp_job jobs[LOAD_JOBS_MAX];
    struct load_arrival arrivals[LOAD_JOBS_MAX];
    size_t job_count, arrival_count;
    mono_us backlog_us, backlog_at; /* how long the last packets waited for us, seen when */
    int64_t realtime_us;            /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
    mono_us realtime_at;
    bool has_gso;

    /* One frame on its way out. */
    uint8_t *out;
    size_t out_size, out_count;
    uint16_t out_sizes[LOAD_OUT_MAX];
};

MUST_CHECK int load__io_init(struct load_io *io);
void load__io_fini(struct load_io *io);
MUST_CHECK int load__io_add(struct load_run *run, struct load_fd *f, bool wants_write);
MUST_CHECK int load__io_set(struct load_run *run, struct load_fd *f, bool wants_write);
/* Closes the descriptor too. */
void load__io_remove(struct load_run *run, struct load_fd *f);
/* Waits until something is ready or `until`, and handles it. */
void load__io_wait(struct load_run *run, mono_us until);
/* Reads everything one UDP socket has and hands it to load__conn_datagram(). */
void load__io_receive(struct load_run *run, struct load_conn *conn, mono_us now);
/* One batch of a socket that many share; true: there may be more. `drops`: its count so far. */
bool load__io_receive_shared(struct load_run *run, const struct load_fd *f, uint32_t *drops);
/* Queues one packet, and its decryption unless it stays hidden; arrivals keep their order. */
void load__io_job(struct load_run *run, struct load_conn *conn, uint8_t *data, size_t size,
                  enum load_plain kind, mono_us arrived);
/* Decrypts what is queued and hands it to load__conn_plain(). Nothing points into the receive
 * buffers afterwards. */
void load__io_flush_jobs(struct load_run *run);
MUST_CHECK int load__inbox_create(struct load_inbox **ret_inbox);
void load__inbox_destroy(struct load_inbox *inbox); /* NULL is a no-op */
/* A bound socket with time stamps and GRO; of one that is shared the port may be another's too, and
 * the buffers are larger. */
MUST_CHECK int load__io_open_udp(const struct addr *ip, uint16_t port, bool is_shared, int *ret_fd);
void load__io_send(struct load_conn *conn, const struct addr *to, const uint8_t *data, size_t size);
/* Appends one protected packet; load__io_send_frame() sends all in one system call. */
void load__io_put(struct load_conn *conn, const uint8_t *head, size_t head_size,
                  const uint8_t *body, size_t body_size);
void load__io_send_frame(struct load_conn *conn);

void load__timer_set(struct load_run *run, struct load_timer *t, mono_us at);
void load__timer_cancel(struct load_run *run, struct load_timer *t);
/* A timer whose `fire` does nothing but send: it fires between two sockets that are read, so that
 * frames leave in time however much comes in. Late frames would leave together, and what they then
 * wait for each other in the server would be measured as its delay. */
void load__frame_timer_set(struct load_run *run, struct load_timer *t, mono_us at);
void load__frame_timer_cancel(struct load_run *run, struct load_timer *t);
void load__fire_frames(struct load_run *run);
void load__fire_timers(struct load_run *run); /* all that are due */

/* ---- shared.c: one port for many connections, each with an address of its own ---- */

#define LOAD_SHARED_BUFFER     (128 << 20)            /* a fifth of a second of 3,000 pictures */
#define LOAD_SHARED_BUFFER_MIN (8 << 20)              /* below this it is told */
#define LOAD_SHARED_MAX        (2 * LOAD_CLIENTS_MAX) /* two connections each */

/*
 * Reading a socket costs a system call, and what the kernel does for a socket that it has not
 * touched for a while. Behind one port that is bound to no address, connections are told apart by
 * the address that a datagram was sent to.
 */
struct load_shared {
    struct load_fd calls, media; /* -1: every connection has a socket */
    uint32_t network;            /* host byte order; connection i has the address network + 1 + i */
    uint32_t room, used;
    uint16_t port;
    uint32_t calls_drops, media_drops;
    mono_us read_at;
    struct load_conn **conns;
};

/* Opens it for the addresses of options->network; without, it stays closed. Negative errno. */
MUST_CHECK int load__shared_open(struct load_run *run);
void load__shared_close(struct load_run *run);
/* Gives the connection an address; the connection is reached by it until it is removed. ERR_LIMIT.
 */
MUST_CHECK int load__shared_add(struct load_run *run, struct load_conn *conn);
void load__shared_remove(struct load_run *run, struct load_conn *conn);
/* Reads what has come, between other work: one socket among hundreds that are ready would come too
 * rarely to its turn, although it has most of the work. */
void load__shared_keep_up(struct load_run *run);
/* Whose address it is (network byte order); NULL: nobody's. */
struct load_conn *load__shared_find(const struct load_run *run, uint32_t ip);

/* ---- rx.c: one received stream ---- */

#define LOAD_RX_WINDOW 512 /* packets whose fate is kept; a power of two */
#define LOAD_FREEZE_US MONO_MS(200)
#define LOAD_PLI_US    MONO_MS(500) /* between two requests for a keyframe */

/* A packet that was sent so long before the stream's first one came was under way with it. */
#define LOAD_START_MARGIN MONO_MS(50)

struct load_rx {
    uint32_t ssrc, rtx_ssrc;
    enum rtp_kind kind;
    uint8_t pt_count;
    struct rtp_pt pts[4];
    struct rtp_seq_ext seq;
    uint64_t edge;    /* everything below is decided; 0 = nothing received yet */
    mono_us gap_at;   /* when the edge began to wait for a packet; 0 = it does not */
    mono_us first_at; /* when the first packet came */
    bool is_between;  /* the packet before the edge ended a frame */
    bool is_open;     /* a frame has begun at the edge, without a gap */
    bool is_key;      /* and it is a keyframe */
    bool is_decodable;
    bool had_frame; /* complete and decodable, once */
    mono_us frame_at, pli_at;
    struct rtp_nack *nack; /* made with the first gap; NULL before */
    struct rtp_recv_stats recv;
    uint8_t flags[LOAD_RX_WINDOW]; /* last: of them a packet needs only its own */
};

#define LOAD_RX_HOT_SIZE offsetof(struct load_rx, flags)

enum load_origin {
    LOAD_FIRST_SENT,
    LOAD_SENT_AGAIN,
    LOAD_UNREAD /* sent for the first time, and hidden */
};

void load__rx_init(struct load_rx *rx, enum rtp_kind kind, uint32_t ssrc, uint32_t rtx_ssrc);
void load__rx_fini(struct load_rx *rx);
/* Of a hidden packet only the header is looked at. */
void load__rx_packet(struct load_conn *conn, struct load_rx *rx, const struct rtp_view *view,
                     enum load_origin origin, mono_us arrived);
/* Is all known of it that an unbroken stream needs: no gap, no waiting for a keyframe? */
bool load__rx_is_settled(const struct load_rx *rx);
/* NACK, PLI and what is given up; returns when to come again. */
mono_us load__rx_tick(struct load_conn *conn, struct load_rx *rx, mono_us now);
/* What is missing at the end of the measuring window. */
uint64_t load__rx_missing(const struct load_rx *rx);

/* ---- tx.c, tx_stream.c: what a publisher sends ---- */

#define LOAD_HISTORY 256 /* packets kept for retransmission per stream; a power of two */

struct load_sent;

struct load_tx_stream {
    const struct load_clip *clip; /* NULL = not sent */
    uint32_t ssrc, rtx_ssrc;
    uint8_t pt, rtx_pt;
    uint16_t seq, rtx_seq;
    uint16_t picture_id;
    uint8_t tl0;
    uint32_t ts_offset;
    size_t frame;
    bool is_keyframe_wanted;
    bool is_known; /* the receiver reports about it: no more mid and rid */
    uint32_t packets, octets, newest_ts;
    struct load_sent *history;
    char rid[RTP_RID_SIZE];
    char mid[RTP_MID_SIZE];
};

struct load_tx {
    struct load_conn *conn; /* parent */
    struct load_timer video_timer, audio_timer;
    mono_us video_from, audio_from; /* of frame 0 */
    uint64_t video_frame, audio_frame;
    struct load_tx_stream audio;
    struct load_tx_stream video[RTP_LAYERS_MAX];
    uint32_t layer_count;
    bool has_twcc;
    uint16_t twcc_seq;
    char audio_cid[24], video_cid[24];
};

MUST_CHECK int load__tx_create(struct load_client *c, struct load_tx **ret_tx);
void load__tx_destroy(struct load_tx *tx); /* NULL is a no-op */
/* Begins to send over `conn`; again is harmless. */
void load__tx_start(struct load_tx *tx, struct load_conn *conn, mono_us now);
/* Cuts one frame into packets with stamps and queues them. */
void load__tx_frame(struct load_tx *tx, struct load_tx_stream *s, uint32_t ts, mono_us now);
void load__tx_nack(struct load_tx *tx, uint32_t ssrc, const uint16_t *seqs, size_t count);
void load__tx_rtcp(struct load_tx *tx, const struct rtcp_packet *p);
void load__tx_put_reports(struct load_tx *tx, mono_us now);
/* The plan of an offer's section for what is sent; false if this kind is not sent. */
bool load__tx_plan(const struct load_tx *tx, enum sdp_kind kind, struct sdp_offer_section *plan);
/* What the answer to it says. False: the section was not taken. */
bool load__tx_agree(struct load_tx *tx, const struct sdp_section *m);

/* ---- conn.c, conn_media.c: one connection ---- */

#define LOAD_RXS_MAX 512 /* streams received over one connection */

struct load_conn {
    /* What every packet needs lies together. */
    struct load_client *client; /* parent */
    struct peer *peer;          /* NULL: static keys */
    struct sec_srtp *receive;
    struct load_rx **rxs;
    size_t rx_count, rx_last;
    uint8_t tag_size; /* bytes that SRTP adds to a packet that comes */
    bool has_twcc;
    bool sends; /* what its client publishes goes here */
    bool owns_srtp;
    bool is_up;
    bool has_rsize; /* feedback may go without a report (RFC 5506) */
    bool is_shared; /* has no socket of its own */

    struct load_fd fd;
    struct list in_run;
    struct load_timer timer; /* ICE and DTLS */
    struct load_timer media_timer;
    struct sec_srtp *send;
    struct addr local, remote;
    uint32_t kernel_drops;
    char ufrag[PEER_UFRAG_SIZE], pwd[PEER_PWD_SIZE];
    uint64_t sdp_session_id, sdp_version;
    struct rtp_ext_ids exts;
    struct rtp_twcc *twcc; /* of what is received; made with the first packet */
    mono_us report_at;
    uint32_t sender_ssrc;
};

/* A socket on `port` (0: any) and credentials. */
MUST_CHECK int load__conn_create(struct load_client *c, uint16_t port, struct load_conn **ret_conn);
void load__conn_destroy(struct load_conn *conn); /* NULL is a no-op */
MUST_CHECK int load__conn_use_keys(struct load_conn *conn, const struct sec_srtp_keys *send,
                                   const struct sec_srtp_keys *receive, const struct addr *remote,
                                   mono_us now);
/* What the other side's description says of its transport; makes the peer the first time. */
MUST_CHECK int load__conn_set_remote(struct load_conn *conn, const struct sdp_session *remote,
                                     bool is_dtls_client, mono_us now);
void load__conn_datagram(struct load_conn *conn, uint8_t *data, size_t size,
                         const struct addr *from, mono_us arrived, mono_us now);
/* `result`: the size of what is to be read at `data`, or why it could not be decrypted. */
void load__conn_plain(struct load_conn *conn, uint8_t *data, int result, enum load_plain kind,
                      mono_us arrived);
/* May this packet stay hidden (load_options.check_percent)? Not one that begins or repairs a
 * stream. */
bool load__conn_may_hide(const struct load_conn *conn, const uint8_t *data, size_t size);
/* Makes or finds the stream; NULL over LOAD_RXS_MAX. */
struct load_rx *load__conn_add_rx(struct load_conn *conn, enum rtp_kind kind, uint32_t ssrc,
                                  uint32_t rtx_ssrc);
void load__conn_send_rtcp(struct load_conn *conn, const uint8_t *data, size_t size);
/* Everything that a description of the other side says it sends, as received streams. */
void load__conn_take_streams(struct load_conn *conn, const struct sdp_session *remote);
void load__conn_media_timer(struct load_timer *t, mono_us now);
/* Our address as a candidate for our descriptions, on the way to `url`. Negative errno. */
MUST_CHECK int load__conn_find_local(struct load_conn *conn, const char *url);
/* A candidate of the other side that comes by itself. */
void load__conn_add_candidate(struct load_conn *conn, const char *text, mono_us now);
/* After feedback became due earlier than planned. */
void load__conn_hurry(struct load_conn *conn, mono_us at);
struct sdp_local load__conn_local(struct load_conn *conn);

/* ---- protobuf.c ---- */

/* Field `field`, a varint, of the message in field `outer`; 0 if there is none. */
uint64_t load__protobuf_number(const uint8_t *data, size_t size, uint32_t outer, uint32_t field);

/* ---- client.c: one participant ---- */

enum load_state { LOAD_IDLE, LOAD_JOINING, LOAD_JOINED, LOAD_FAILED, LOAD_LEFT };

struct load_client {
    struct load_run *run; /* parent */
    uint32_t index;       /* in the run */
    uint32_t room;
    uint32_t number; /* publisher or subscriber number, over all rooms */
    bool publishes, subscribes, is_lossy, is_late; /* late: joins while it is measured */
    bool is_site;                                  /* of a lesson, and not the one that lectures */
    enum load_state state;
    bool is_complete; /* everything that it should send and receive flows */
    mono_us join_at;
    mono_us step_at[LOAD_STEP_COUNT_]; /* 0 = not yet, or never */
    uint32_t streams_wanted;
    uint32_t streams_seen; /* those that had a packet or a picture */
    struct load_tx *tx;
    void *link; /* the target's */
    char *why;  /* it failed */
};

/* How clients come into a server. */
struct load_target {
    MUST_CHECK int (*begin)(struct load_client *c, mono_us now);
    /* Says goodbye and frees `link`; also for clients that never began. */
    void (*end)(struct load_client *c);
};
extern const struct load_target load__livekit, load__whip, load__janus, load__floor;

void load__client_begin(struct load_client *c, mono_us now);
void load__client_end(struct load_client *c);
void load__client_fail(struct load_client *c, const char *form, ...) PRINTF_LIKE(2, 3);
/* Only the first time counts. */
void load__client_reached(struct load_client *c, enum load_step step, mono_us now);
/* Media is up on one of its connections. */
void load__client_up(struct load_client *c, struct load_conn *conn, mono_us now);
/* A stream had its first packet. */
void load__client_packet(struct load_client *c, enum rtp_kind kind, mono_us now);
/* A stream had its first picture (its first packet, for sound). */
void load__client_stream(struct load_client *c, enum rtp_kind kind, mono_us now);
const char *load__client_name(const struct load_client *c, char *buf, size_t size);
/* Name of its room in the server. */
const char *load__client_room(const struct load_client *c, char *buf, size_t size);
/* A LiveKit token for its identity with `suffix` behind; free() it. NULL: said why. */
char *load__client_token(struct load_client *c, const char *suffix);

/* ---- lesson.c ---- */

/* Asks the server for a lesson in each room. */
MUST_CHECK int load__lessons_make(struct load_run *run);

/* ---- phases.c, run.c ---- */

enum load_phase {
    LOAD_PHASE_PUBLISHERS,
    LOAD_PHASE_SUBSCRIBERS,
    LOAD_PHASE_WARM_UP,
    LOAD_PHASE_MEASURE,
    LOAD_PHASE_OVER
};

struct load_run {
    const struct load_options *options;
    const volatile int *is_stopping;
    const struct load_target *target;
    struct load_io io;
    struct timers timers;
    struct timers frames; /* when the publishers' next frames are due */
    struct rng rng;
    struct sec_cert *cert;
    struct addr route_to, route_from; /* the last answer of the routing table */

    struct load_clip audio, video[RTP_LAYERS_MAX];
    uint32_t layer_count;

    struct load_shared shared;
    uint32_t check_step; /* one packet in this many is decrypted */

    struct list conns;
    struct list wires;
    struct load_client *clients; /* in the order in which they join */
    uint32_t client_count, publisher_count, begun;
    uint32_t settled;   /* of those who have begun: all before it are complete or have failed */
    uint32_t joining;   /* have begun, and neither a connection nor failed */
    uint32_t timed_out; /* of the failed */
    uint32_t lates;     /* clients at the end of the list that come while it is measured */
    uint32_t lessons_missing; /* asked for and not made yet: nobody joins */
    uint32_t joined, failed, complete;
    const struct load_client *first_failed;

    char trouble[LOAD_TEXT_SIZE]; /* why nobody can join; "" = none */
    uint32_t number;              /* of this run, at random */
    enum load_phase phase;
    mono_us phase_at, next_join_at, progress_at;
    bool is_measuring;
    mono_us measured_us;
    struct load_measure m;
    struct load_hist join_us;                 /* of all who joined, measured or not */
    struct load_hist steps[LOAD_STEP_COUNT_]; /* and how long each step of it took */
    struct load_watch_span server, self;
    struct load_watch_machine machine_begin, machine_end;
    bool is_limited;
    char limits[LOAD_TEXT_SIZE]; /* what says that the generator is the limit */
};

/* Runs it from its first phase to its last. */
void load__drive(struct load_run *run);

/* ---- clips.c: what publishers send ---- */

/* Negative errno, ERR_MALFORMED: standard error has said which. */
MUST_CHECK int load__clips_open(struct load_run *run);
void load__clips_close(struct load_run *run);

/* ---- roster.c: who takes part ---- */

/* Makes run->clients, in the order in which they join. -ENOMEM. */
MUST_CHECK int load__roster_make(struct load_run *run);

/* ---- progress.c ---- */

#define LOAD_PROGRESS_SIZE 128

/* One line: how much of the phase is over, and who has joined. Fills and returns `buf`. */
const char *load__progress_bar(const struct load_run *run, mono_us now, char *buf, size_t size);
/* On standard error when it is time: the bar of a terminal, or a line. */
void load__progress_show(struct load_run *run, mono_us now);
void load__progress_clear(const struct load_run *run);

/* ---- join.c: who begins when, and who has taken too long ---- */

/* Begins the clients that are due, up to `until`. */
void load__join_due(struct load_run *run, uint32_t until, double rate, mono_us now);
/* Has everybody up to `until` all tracks or failed? Fails those whose time is over. */
bool load__join_is_over(struct load_run *run, uint32_t until, mono_us now);
/* Fails everybody up to `until` who is not complete. */
void load__join_tell_incomplete(struct load_run *run, uint32_t until);

/* ---- report.c ---- */

/* Is the generator itself the limit? */
void load__judge_generator(struct load_run *run);
/* Had a thread of the server nothing to spare? Its share and name, "" if none was watched. */
bool load__server_is_limit(const struct load_run *run, double *ret_share, char ret_name[16]);
/* Of what came, how much was decrypted and authenticated. */
double load__checked_share(const struct load_run *run);
void load__report(struct load_run *run);
/* 0, negative errno when the file cannot be written. */
MUST_CHECK int load__report_json(struct load_run *run);

#endif
