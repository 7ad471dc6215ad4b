#ifndef TK_DCHAN_DCHAN_H
#define TK_DCHAN_DCHAN_H

/*
 * Data channels (RFC 8831) with their opening protocol DCEP (RFC 8832) on SCTP (RFC 9260) through
 * usrsctp. SCTP packets come in and go out by function calls, as application data of a DTLS session
 * that somebody else runs. No socket, no thread. Timers run by `now`, but usrsctp asks the system's
 * clock for the age of its packets.
 *
 * usrsctp has global state: everything here runs on one thread (the server's control thread, the
 * client's only thread). Contract: after any call for an association, and for every association
 * after dchan_global_handle_timers(), poll transmit and event until empty.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DCHAN_PACKET_MAX  1150        /* largest SCTP packet that we send */
#define DCHAN_MESSAGE_MAX (256 << 10) /* bytes of one message, both ways */
#define DCHAN_LABEL_SIZE  128         /* with the zero; longer labels are refused */
#define DCHAN_STREAMS_MAX 32          /* streams each way; LiveKit clients use four */
#define DCHAN_PACKETS_MAX 512         /* SCTP packets that wait to be polled; more are lost */
#define DCHAN_SEND_QUEUE_MAX                                            \
    (1 << 20) /* bytes that reliable messages may wait in, all channels \
               */
#define DCHAN_LOSSY_QUEUE_MAX  (64 << 10) /* with more waiting, lossy messages are dropped */
#define DCHAN_ASSOCS_MAX       4096       /* associations in one process */
#define DCHAN_TICK_MS          10         /* how often dchan_global_handle_timers() wants to run */
#define DCHAN_IDLE_TICK_MS     1000       /* the same while nothing but heartbeats moves */
#define DCHAN_RETRANSMITS_FULL (-1)       /* reliable */

/* RFC 8831, 8: what a message is; the empty ones carry one byte that does not count. */
enum dchan_ppid {
    DCHAN_PPID_DCEP = 50,
    DCHAN_PPID_TEXT = 51,
    DCHAN_PPID_BINARY = 53,
    DCHAN_PPID_TEXT_EMPTY = 56,
    DCHAN_PPID_BINARY_EMPTY = 57
};

struct dchan_assoc;

struct dchan_config {
    bool is_dtls_client; /* the client opens even streams, the server odd ones (RFC 8832, 6) */
    void *user;          /* comes back from dchan_assoc_user() */
};

enum dchan_event_kind {
    DCHAN_EVENT_UP,   /* the association is up; channels opened before now go out by themselves */
    DCHAN_EVENT_OPEN, /* the other side opened a channel, or acknowledged ours */
    DCHAN_EVENT_MESSAGE, /* data is valid until the next call for this association */
    DCHAN_EVENT_CLOSED,  /* the channel is gone */
    DCHAN_EVENT_DOWN     /* the association is gone, and all channels with it */
};

struct dchan_event {
    enum dchan_event_kind kind;
    uint16_t stream;
    bool is_ours;            /* OPEN: we opened it */
    bool is_ordered;         /* OPEN */
    bool is_text;            /* MESSAGE */
    int32_t max_retransmits; /* OPEN: DCHAN_RETRANSMITS_FULL = reliable */
    const char *label;       /* OPEN: valid until the next call */
    const uint8_t *data;     /* MESSAGE */
    size_t size;
};

struct dchan_stats {
    uint64_t lossy_drops;   /* lossy messages dropped because too much was queued */
    uint64_t packet_drops;  /* SCTP packets dropped because nobody polled */
    uint64_t dcep_drops;    /* malformed or misplaced DCEP messages */
    uint64_t message_drops; /* messages over the limit, of unknown kind, or on no channel */
};

/* Once per process, on the thread that will use all associations. ERR_STATE the second time. */
MUST_CHECK int dchan_global_init(void);
void dchan_global_fini(void); /* after every association was destroyed */
void dchan_global_handle_timers(mono_us now);

/*
 * How soon it wants to be called again: DCHAN_TICK_MS, or DCHAN_IDLE_TICK_MS when nothing but
 * heartbeats has moved for the last 4 s. In the latter case it also wants to be called before any
 * other call that is not about a heartbeat, or what begins then is timed from the past.
 */
unsigned dchan_global_tick_ms(void);
/* Whether an SCTP packet only asks whether we are there, or answers that (RFC 9260, 8.3). */
bool dchan_is_heartbeat(const uint8_t *data, size_t size);

/*
 * The next association that may have something to poll, each once; NULL when there is none. Instead
 * of going through all of them after dchan_global_handle_timers().
 */
struct dchan_assoc *dchan_global_take_ready(void);

/* SCTP's own memory, some 15 KB, comes only with the start or the first packet. ERR_LIMIT, -ENOMEM.
 */
MUST_CHECK int dchan_assoc_create(const struct dchan_config *config,
                                  struct dchan_assoc **ret_assoc);
/* NULL is a no-op. What the other side is told (an ABORT) is not sent. */
void dchan_assoc_destroy(struct dchan_assoc *a);

/* Begins the association (both sides may, one has to); call when DTLS is up. Again is harmless.
 * ERR_DCHAN_SCTP: no memory; may be tried again. */
MUST_CHECK int dchan_assoc_start(struct dchan_assoc *a);

/* One SCTP packet. Malformed ones are dropped by SCTP; ERR_STATE when the association is over. */
MUST_CHECK int dchan_assoc_handle_packet(struct dchan_assoc *a, const uint8_t *data, size_t size);

/* Opens a channel; may be called before the association is up. ERR_LIMIT, ERR_MALFORMED (label). */
MUST_CHECK int dchan_assoc_open(struct dchan_assoc *a, const char *label, bool is_ordered,
                                int32_t max_retransmits, uint16_t *ret_stream);

/*
 * Queues a message of up to DCHAN_MESSAGE_MAX bytes; empty ones are allowed, and so is sending
 * before the association is up. Returns 1 when queued, 0 when a lossy channel dropped it.
 * ERR_LIMIT: too large, or a reliable channel's queue is full. ERR_STATE: the association is over.
 * ERR_NOT_FOUND: no such channel.
 */
MUST_CHECK int dchan_assoc_send(struct dchan_assoc *a, uint16_t stream, bool is_text,
                                const void *data, size_t size);

/* Closes a channel by resetting its stream (RFC 8831, 6.7); CLOSED follows. ERR_NOT_FOUND. */
MUST_CHECK int dchan_assoc_close(struct dchan_assoc *a, uint16_t stream);

/* Bytes that wait to be handed to SCTP (which itself holds 64 KiB and one message). */
size_t dchan_assoc_queued(const struct dchan_assoc *a);

/* The next SCTP packet to send: its size, 0 = none; `dst` holds DCHAN_PACKET_MAX. */
int dchan_assoc_poll_transmit(struct dchan_assoc *a, uint8_t *dst, size_t dst_size);
/* 1, 0 = empty. */
int dchan_assoc_poll_event(struct dchan_assoc *a, struct dchan_event *ret_event);

void *dchan_assoc_user(const struct dchan_assoc *a);
bool dchan_assoc_is_up(const struct dchan_assoc *a);
void dchan_assoc_stats(const struct dchan_assoc *a, struct dchan_stats *ret_stats);

#endif
