#ifndef TK_SERVER_WORKER_H
#define TK_SERVER_WORKER_H

/*
 * One media worker: a thread with its own UDP port, its peers and its forwarding node. It is the
 * only loop of the media side: receive a batch, demultiplex (RFC 7983), hand to the cores, poll
 * them, send a batch. The control thread talks to it through mailboxes, workers hand packet
 * references to each other.
 */

#include "base/addr.h"
#include "net/mailbox.h"
#include "signal/media_link.h"

#include <stdint.h>

struct worker;
struct sec_cert;

#define WORKERS_MAX         16
#define WORKER_COMMANDS_MAX 4096 /* mailbox from the control thread */

struct worker_config {
    uint8_t index;
    uint8_t worker_count;
    struct addr bind_ip; /* family NONE: every address */
    uint16_t udp_port;   /* 0 picks one */
    uint16_t tcp_port;   /* worker 0 only: the ICE-TCP listener */
    bool has_tcp;        /* worker 0 only */
    uint32_t peer_count_max;
    /*
     * Buffers in this worker's pool, of whatever sizes (base/pkt.h); memory is touched only as far
     * as they are used. The default, 65,536, holds 63,529, for what one worker receives:
     *   100 publishers of three layers and sound: 600 ms of 270 packets/s    100 * 162 = 16,200
     *    60 tracks that many watch: 2.2 s of 280 packets/s (2.5 Mbit/s)       60 * 616 = 36,960
     *   relays that wait in other workers' mailboxes, all of one full                 =  8,192
     *   SCTP packets for the control thread: WORKER_EVENTS_SCTP, and one in its hands =  2,049
     *   a received batch, and what is pending from the one before          2 * 64     =    128
     * Packets that find the pool empty are dropped and counted (drop_no_buffer).
     */
    uint32_t pkt_count;
    const struct sec_cert *cert;   /* outlives the worker */
    void (*on_events)(void *user); /* wakes the control thread; any thread */
    void *user;
};

struct worker_stats {
    uint64_t packets_in, packets_out, bytes_in, bytes_out;
    uint64_t drop_stun, drop_dtls, drop_srtp_auth, drop_srtp_replay, drop_unknown_addr;
    uint64_t drop_malformed, drop_no_buffer, drop_relay_full, drop_event_full, drop_send;
    uint64_t tcp_accepted, tcp_refused;
    uint32_t peers;
};

/* Opens the sockets. Negative errno (-EADDRINUSE names a busy port). Control thread. */
MUST_CHECK int worker_create(const struct worker_config *config, struct worker **ret_worker);
uint16_t worker_udp_port(const struct worker *w);
uint16_t worker_tcp_port(const struct worker *w); /* worker 0; 0 if it has none */
/* Makes the workers known to each other, before any of them is started. */
void worker_connect(struct worker *const *workers, size_t count);
MUST_CHECK int worker_start(struct worker *w);
/* Asks the thread to end and waits for it. Call for every worker before destroying any. */
void worker_stop(struct worker *w);
/* Drops every packet reference, own and foreign; call for every worker before destroying any. */
void worker_release(struct worker *w);
void worker_destroy(struct worker *w); /* NULL is a no-op */

/* Control thread: false when the mailbox is full; nothing is queued then. */
bool worker_push_command(struct worker *w, const struct media_command *command);
void worker_wake(struct worker *w);
/* Control thread: gives the memory of the mailbox for commands back, if it is empty. */
void worker_trim_commands(struct worker *w);
/* Control thread: false when empty. The caller owns the event's packet reference. */
bool worker_pop_event(struct worker *w, struct media_event *ret_event);

/* Any thread: a snapshot of relaxed counters. */
void worker_stats(const struct worker *w, struct worker_stats *ret_stats);

#endif
