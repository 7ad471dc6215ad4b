#ifndef TK_SERVER_WORKER_INTERNAL_H
#define TK_SERVER_WORKER_INTERNAL_H

/*
 * The worker's own struct, shared by its files: worker.c (life and loop), worker_input.c (datagrams
 * in), worker_output.c (packets out), worker_command.c (the control thread's commands),
 * worker_tcp.c (ICE-TCP).
 */

#include "base/addrmap.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/rng.h"
#include "base/timers.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "peer/peer.h"
#include "secure/srtp.h"
#include "server/worker.h"
#include "server/worker_meter.h"
#include "server/worker_patience.h"
#include "sfu/node.h"

#include <pthread.h>

#define WORKER_EVENTS_MAX      8192 /* mailbox to the control thread */
#define WORKER_EVENTS_WAIT     1024 /* with so many in it, none waits for the control thread */
#define WORKER_EVENTS_SPARE    1024 /* kept free for events that must not be lost */
#define WORKER_EVENTS_SCTP     2048 /* SCTP packets among them; more are dropped and counted */
#define WORKER_RELAYS_MAX      8192 /* mailbox from each other worker */
#define WORKER_HANDOVERS_MAX   64   /* TCP connections on their way from worker 0 */
#define WORKER_TCP_CONNS_MAX   2048
#define WORKER_TCP_PENDING_MAX 128        /* no authenticated check has come over them yet */
#define WORKER_TCP_PENDING_US  MONO_S(10) /* and after so long they are closed */
#define WORKER_ADDRS_PER_PEER  16
#define WORKER_BATCH           64 /* packets that go through the ciphers together */

_Static_assert(WORKER_EVENTS_SCTP + WORKER_EVENTS_WAIT <= WORKER_EVENTS_MAX - WORKER_EVENTS_SPARE,
               "data channels leave room for the events of sound and picture");

/* A peer as the worker holds it. */
struct worker_peer {
    sfu_peer_id id;
    struct peer *peer;
    struct timer timer;
    bool is_connected;
    bool is_joining; /* has not been connected yet */
    struct addr media_from, media_to;
    struct udp_path path;            /* the same, prepared for sending */
    struct sec_srtp *send, *receive; /* the peer's; NULL before the keys are there */
    uint16_t rtp_growth;             /* bytes that protection adds */
    char ufrags[2][PEER_UFRAG_SIZE]; /* current and, after an ICE restart, the one before */
};

/* An ICE-TCP connection. */
struct worker_tcp {
    struct tcp_conn *conn;
    uint32_t id;
    bool is_dispatched; /* it is with the worker that its first frame named */
    bool was_known;     /* an authenticated check has come over it */
    bool wants_write;
    struct list pending_link; /* in worker.tcp_pending; empty: its address is a peer's */
    mono_us close_at;         /* while it is pending */
};

/* From worker 0 to the worker of the peer that the first STUN packet named. */
struct worker_handover {
    int fd;
    size_t size;
    uint8_t bytes[TCP_FRAME_MAX + 2];
};

/* SRTP packets of one received batch, on their way to the node. */
struct worker_input {
    size_t count;
    struct sec_srtp_job jobs[WORKER_BATCH];
    struct pkt *pkts[WORKER_BATCH]; /* where they are decrypted to */
    struct worker_peer *peers[WORKER_BATCH];
};

/* Packets of the node on their way into the outgoing batch. */
struct worker_output {
    struct sfu_out outs[WORKER_BATCH];
    struct sec_srtp_job jobs[WORKER_BATCH];
    struct worker_peer *peers[WORKER_BATCH];
};

struct worker {
    /* Set at creation, read-only afterwards; any thread. */
    struct worker_config config;
    struct worker *others[WORKERS_MAX]; /* by index; the own entry is NULL */
    pthread_t thread;
    bool is_started;
    uint16_t tcp_port;

    /* Mailboxes; each has one writer and one reader. */
    struct mailbox commands;            /* control -> worker */
    struct ring events;                 /* worker -> control, woken by config.on_events */
    _Atomic uint32_t sctp_taken;        /* SCTP packets that the control thread took out of it */
    struct mailbox relays[WORKERS_MAX]; /* worker i -> this worker */
    struct mailbox handovers;           /* worker 0 -> this worker */
    _Atomic bool is_stopping;

    /* Owned by the worker's thread. */
    struct loop loop OWNED_BY_MEDIA;
    struct udp_socket *udp;
    struct worker_patience patience; /* with the socket's queue of what can wait */
    int listen_fd;
    struct pkt_pool *pool;
    struct sfu_node *node;
    struct rng rng;
    struct idmap peers;   /* sfu_peer_id -> worker_peer */
    struct strmap ufrags; /* local ufrag -> worker_peer */
    struct addrmap addrs; /* authenticated remote address -> worker_peer */
    struct timers timers;
    struct idmap tcps; /* conn id -> worker_tcp */
    uint32_t tcp_next_id;
    struct list tcp_pending; /* worker_tcp.pending_link, by close_at */
    uint32_t tcp_pending_count;
    uint32_t joining_count; /* of the peers: is_joining */
    mono_us turn_began;
    mono_us now;         /* of this batch of a turn's work */
    bool is_trimming;    /* nobody is here, but buffers are still out */
    bool has_events;     /* the control thread must be woken */
    uint32_t sctp_given; /* SCTP packets that went into `events` */
    struct worker_input input;
    struct worker_output output;
    struct worker_meter meter; /* its atomics are read anywhere */

    /* Written by the worker, read anywhere: relaxed atomics, statistics only. */
    struct {
        _Atomic uint64_t packets_in, packets_out, bytes_in, bytes_out;
        _Atomic uint64_t drop_stun, drop_dtls, drop_srtp_auth, drop_srtp_replay, drop_unknown_addr;
        _Atomic uint64_t drop_malformed, drop_no_buffer, drop_relay_full, drop_event_full,
            drop_send;
        _Atomic uint64_t tcp_accepted, tcp_refused;
        _Atomic uint32_t peers;
    } stats;
};

/* One writer, so a relaxed load and store is enough and cheaper than a locked add. */
#define WORKER_COUNT(w, field, n)                                                              \
    atomic_store_explicit(&(w)->stats.field,                                                   \
                          atomic_load_explicit(&(w)->stats.field, memory_order_relaxed) + (n), \
                          memory_order_relaxed)

/* worker_input.c */
/* SRTP waits for worker__finish_input(); until then the datagram's bytes must stay. */
void worker__handle_datagram(struct worker *w, const struct udp_datagram *d);
/* Reads what has come, in batches; `is_ready`: the queue of what can wait woke us. */
void worker__receive(struct worker *w) ON_MEDIA;
void worker__receive_patient(struct worker *w, bool is_ready) ON_MEDIA;
/* Decrypts what waits, hands it to the node and sends what follows. */
void worker__finish_input(struct worker *w);

/* worker_output.c */
/* Sends what a peer has to say (STUN, DTLS) and turns its events into commands and media events. */
void worker__drain_peer(struct worker *w, struct worker_peer *wp);
/* Sends what the node has to say: packets, relays, events. */
void worker__drain_node(struct worker *w);
/*
 * A turn is worked off in batches: of what one read has brought WORKER_BATCH packets at most, a
 * command, the timers. With each the clock is read once; and before what follows from it is sent,
 * frames that have waited too long for their end are let go. What has come meanwhile is looked at
 * before: the end may be among it. So a frame waits SFU_HOLD and one batch at most.
 */
void worker__begin_batch(struct worker *w);
void worker__end_batch(struct worker *w);
/* `is_vital` events may use the spare room of the mailbox. */
void worker__push_event(struct worker *w, const struct media_event *event, bool is_vital);
/* PEER_CONNECTED, _DISCONNECTED or _FAILED, which are vital. */
void worker__report_peer(struct worker *w, sfu_peer_id peer, enum media_event_kind kind, int err);
/* One datagram to a UDP or TCP address, already encrypted. */
void worker__send(struct worker *w, const struct addr *from, const struct addr *to,
                  const uint8_t *data, size_t size);

/* worker_command.c */
/* Counts a peer as joining, or not any more. */
void worker__set_joining(struct worker *w, struct worker_peer *wp, bool is_joining);
/* Whether the control thread has given commands that wait; and handles all of them. Received
 * packets must not wait for worker__finish_input() then: a command may remove their peer. */
bool worker__has_commands(struct worker *w);
void worker__drain_commands(struct worker *w);
void worker__remove_peer(struct worker *w, struct worker_peer *wp);
/* Gives the buffers' memory back when the last peer has left and the last buffer has come back;
 * when nothing that was received is being worked on. */
void worker__trim_buffers(struct worker *w);
void worker__touch_peer_timer(struct worker *w, struct worker_peer *wp);

/* worker_tcp.c */
void worker__tcp_accept(struct worker *w);
void worker__tcp_ready(struct worker *w, struct worker_tcp *t, const struct loop_ready *ready);
void worker__tcp_handover(struct worker *w, struct worker_handover *h);
void worker__tcp_close(struct worker *w, struct worker_tcp *t);
/* The address is not its peer's any more: a TCP connection has to prove itself anew, or, with
 * `is_over`, is closed at the end of the turn: whoever calls may stand in one of its frames. */
void worker__tcp_disown(struct worker *w, const struct addr *addr, bool is_over);
/* Closes what has been pending for too long; at the end of a turn. */
void worker__tcp_expire(struct worker *w);
mono_us worker__tcp_next_timeout(const struct worker *w);
struct worker_tcp *worker__tcp_of(struct worker *w, uint32_t conn);
void worker__tcp_update_interest(struct worker *w, struct worker_tcp *t);

#endif
