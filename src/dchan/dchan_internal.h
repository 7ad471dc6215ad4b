#ifndef TK_DCHAN_DCHAN_INTERNAL_H
#define TK_DCHAN_DCHAN_INTERNAL_H

/*
 * What the files of dchan/ share: DCEP messages, channels, the queues of an association, and the
 * calls that go into and come out of usrsctp.
 */

#include "base/list.h"
#include "dchan/dchan.h"

#include <usrsctp.h>

#define DCHAN__SCTP_HEADER_SIZE 12
#define DCHAN__PORT             5000        /* a=sctp-port of every WebRTC stack */
#define DCHAN__WINDOW           (64 << 10)  /* bytes that SCTP may hold before the next message */
#define DCHAN__RECEIVE_BUFFER   (512 << 10) /* what SCTP keeps for us when we do not poll */
#define DCHAN__CONTROL_MAX      (64 << 10)  /* DCEP messages that wait */
#define DCHAN__OVERHEAD         64          /* what a message costs besides its bytes */
#define DCHAN__PACKET_IN_MAX    2048

_Static_assert(DCHAN__RECEIVE_BUFFER > DCHAN_MESSAGE_MAX, "one whole message fits");

/* --- DCEP (dcep.c) --- */

struct dchan__open {
    bool is_ordered;
    bool is_lossy;
    bool is_timed;        /* `reliability` is a lifetime in ms, else a number of retransmissions */
    uint32_t reliability; /* 0 when not lossy */
    char label[DCHAN_LABEL_SIZE];
};

enum dchan__dcep_kind { DCHAN__DCEP_OPEN, DCHAN__DCEP_ACK };

#define DCHAN__OPEN_SIZE_MAX (12 + DCHAN_LABEL_SIZE)

/* Reads DATA_CHANNEL_OPEN or DATA_CHANNEL_ACK (RFC 8832, 5). ERR_MALFORMED. */
MUST_CHECK int dchan__dcep_parse(const uint8_t *data, size_t size, enum dchan__dcep_kind *ret_kind,
                                 struct dchan__open *ret_open);
/* Writes DATA_CHANNEL_OPEN without a protocol; returns its size. */
size_t dchan__dcep_print_open(const struct dchan__open *open, uint8_t dst[DCHAN__OPEN_SIZE_MAX]);

/* --- Channels (channel.c) --- */

struct dchan__channel {
    struct dchan__open props;
    uint16_t stream;
    bool is_ours;
    bool is_acked;       /* the other side knows it: unordered sending is allowed */
    size_t queued_count; /* our messages for it that SCTP does not have yet */

    /* Closing (RFC 8831, 6.7): both directions are reset, in any order. */
    bool is_closing;
    bool is_reset_asked;
    bool is_out_reset, is_in_reset;
};

struct dchan__channel *dchan__channel_find(const struct dchan_assoc *a, uint16_t stream);
/* A DCEP message came on `stream`. Returns 1 if `ret_event` tells of it. */
int dchan__channel_handle_dcep(struct dchan_assoc *a, uint16_t stream, const uint8_t *data,
                               size_t size, struct dchan_event *ret_event);
/* SCTP says that a direction of a stream was reset. */
void dchan__channel_handle_reset(struct dchan_assoc *a, uint16_t stream, bool is_incoming);
/* Asks SCTP for the resets that are due. */
void dchan__channel_reset_due(struct dchan_assoc *a);
/* Takes one channel out that is closed both ways: 1, 0 = none. */
int dchan__channel_take_closed(struct dchan_assoc *a, struct dchan_event *ret_event);
void dchan__channel_free_all(struct dchan_assoc *a);

/* --- Associations (assoc.c) --- */

enum dchan__queue {
    DCHAN__QUEUE_CONTROL,
    DCHAN__QUEUE_LOSSY,
    DCHAN__QUEUE_RELIABLE,
    DCHAN__QUEUE_COUNT_
};

struct dchan_assoc {
    /* Set at creation. */
    uintptr_t id; /* our address for usrsctp, which outlives us there */
    void *user;
    bool is_dtls_client;

    struct socket *so; /* NULL before the start */

    /* State. */
    struct list ready; /* linked while something may be polled */
    bool is_started, is_up, is_over;
    bool is_down_due;                 /* DCHAN_EVENT_DOWN has to be told */
    bool is_closed_due, is_reset_due; /* channels have to be told, asked for */
    uint16_t streams_out;             /* what the other side lets us use, once up */
    struct dchan__channel *channels[DCHAN_STREAMS_MAX];
    struct dchan_stats stats;

    /* Messages on their way out, by priority, then packets. */
    struct list queues[DCHAN__QUEUE_COUNT_];
    size_t queued[DCHAN__QUEUE_COUNT_]; /* bytes with overhead */
    struct list packets;
    size_t packet_count;

    /* The message that is coming in: a heap buffer that grows up to DCHAN_MESSAGE_MAX. */
    uint8_t *in;
    size_t in_size, in_capacity;
    bool is_in_done; /* told; starts anew with the next poll */
    bool is_in_lost; /* too large: the rest of it goes as well */
};

/* From usrsctp: a packet to send; `address` is an id. Never fails. */
int dchan__assoc_output(void *address, void *data, size_t size, uint8_t tos, uint8_t set_df);

/* --- Sending (send.c) --- */

/* Queues a message. 1, ERR_LIMIT, -ENOMEM. */
MUST_CHECK int dchan__send_push(struct dchan_assoc *a, enum dchan__queue queue,
                                struct dchan__channel *channel, uint32_t ppid, const void *data,
                                size_t size);
/* Hands to SCTP what it takes now. */
void dchan__send_pump(struct dchan_assoc *a);
void dchan__send_free_all(struct dchan_assoc *a);

/* --- All associations (global.c) --- */

MUST_CHECK int dchan__global_add(struct dchan_assoc *a); /* gives it its id */
void dchan__global_remove(struct dchan_assoc *a);
struct dchan_assoc *dchan__global_find(uintptr_t id);
/* Goes out or has come in. */
void dchan__global_packet(const uint8_t *data, size_t size);
void dchan__global_mark_ready(struct dchan_assoc *a);

#endif
