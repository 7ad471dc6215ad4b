/*
 * Messages and notifications in. They stay in SCTP's buffer until they are polled, so a slow reader
 * closes the window of the sender and costs no more than that buffer.
 */
#include "base/err.h"
#include "dchan/dchan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IN_CAPACITY_FIRST 2048
#define IN_CAPACITY_KEPT  (16 << 10) /* a larger buffer is given back when its message was told */

static void in_reset(struct dchan_assoc *a)
{
    if (a->in_capacity > IN_CAPACITY_KEPT) {
        free(a->in);
        a->in = NULL;
        a->in_capacity = 0;
    }
    a->in_size = 0;
    a->is_in_done = a->is_in_lost = false;
}

/* Makes room for more of the message; one that is over the limit is thrown away as it comes. */
static bool in_make_room(struct dchan_assoc *a)
{
    if (a->in_size < a->in_capacity)
        return true;
    if (a->in_capacity > DCHAN_MESSAGE_MAX) {
        a->is_in_lost = true;
        a->in_size = 0;
        return true;
    }
    size_t capacity = a->in_capacity == 0 ? IN_CAPACITY_FIRST : 2 * a->in_capacity;
    capacity = TK_MIN(capacity, DCHAN_MESSAGE_MAX + 1); /* one more, to see that it is too large */
    uint8_t *in = realloc(a->in, capacity);
    if (in == NULL)
        return false;
    a->in = in;
    a->in_capacity = capacity;
    return true;
}

static void over(struct dchan_assoc *a)
{
    a->is_down_due = !a->is_over;
    a->is_over = true;
    a->is_up = false;
}

static int handle_assoc_change(struct dchan_assoc *a, const struct sctp_assoc_change *change,
                               struct dchan_event *ret_event)
{
    if (change->sac_state != SCTP_COMM_UP) { /* lost, restarted, shut down, never came up */
        over(a);
        return 0;
    }
    a->is_up = true;
    a->streams_out = change->sac_outbound_streams;
    *ret_event = (struct dchan_event){.kind = DCHAN_EVENT_UP};
    return 1;
}

static void handle_stream_reset(struct dchan_assoc *a, const struct sctp_stream_reset_event *reset,
                                size_t size)
{
    size_t count = (size - offsetof(struct sctp_stream_reset_event, strreset_stream_list)) /
                   sizeof(reset->strreset_stream_list[0]);
    bool is_refused =
        (reset->strreset_flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED)) != 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t stream = reset->strreset_stream_list[i];
        struct dchan__channel *channel = dchan__channel_find(a, stream);
        if (is_refused && channel != NULL) { /* ask again with the next turn */
            channel->is_reset_asked = false;
            a->is_reset_due = true;
            continue;
        }
        if ((reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0)
            dchan__channel_handle_reset(a, stream, true);
        if ((reset->strreset_flags & SCTP_STREAM_RESET_OUTGOING_SSN) != 0)
            dchan__channel_handle_reset(a, stream, false);
    }
}

static int handle_notification(struct dchan_assoc *a, struct dchan_event *ret_event)
{
    union sctp_notification n;
    size_t size = TK_MIN(a->in_size, sizeof(n));
    memset(&n, 0, sizeof(n));
    memcpy(&n, a->in, size); /* aligned */
    switch (n.sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
        return size >= offsetof(struct sctp_assoc_change, sac_info)
                   ? handle_assoc_change(a, &n.sn_assoc_change, ret_event)
                   : 0;
    case SCTP_STREAM_RESET_EVENT:
        if (a->in_size >= offsetof(struct sctp_stream_reset_event, strreset_stream_list))
            handle_stream_reset(a, (const void *)a->in, a->in_size);
        return 0;
    default:
        return 0;
    }
}

static int handle_message(struct dchan_assoc *a, const struct sctp_rcvinfo *info,
                          struct dchan_event *ret_event)
{
    uint32_t ppid = ntohl(info->rcv_ppid);
    uint16_t stream = info->rcv_sid;
    if (!a->is_in_lost && ppid == DCHAN_PPID_DCEP)
        return dchan__channel_handle_dcep(a, stream, a->in, a->in_size, ret_event);
    bool is_empty = ppid == DCHAN_PPID_TEXT_EMPTY || ppid == DCHAN_PPID_BINARY_EMPTY;
    bool is_known = is_empty || ppid == DCHAN_PPID_TEXT || ppid == DCHAN_PPID_BINARY;
    struct dchan__channel *channel = dchan__channel_find(a, stream);
    if (a->is_in_lost || !is_known || channel == NULL || a->in_size > DCHAN_MESSAGE_MAX) {
        a->stats.message_drops++;
        return 0;
    }
    channel->is_acked = true; /* any message says so as well (RFC 8832, 6) */
    *ret_event = (struct dchan_event){
        .kind = DCHAN_EVENT_MESSAGE,
        .stream = stream,
        .is_text = ppid == DCHAN_PPID_TEXT || ppid == DCHAN_PPID_TEXT_EMPTY,
        .data = a->in,
        .size = is_empty ? 0 : a->in_size,
    };
    return 1;
}

/* Reads one piece. Returns 1 with an event, 0 to go on, <0 when there is nothing more now. */
static int receive_piece(struct dchan_assoc *a, struct dchan_event *ret_event)
{
    struct sctp_rcvinfo info;
    struct sockaddr_conn from;
    socklen_t info_size = sizeof(info), from_size = sizeof(from);
    unsigned info_type = 0;
    int flags = 0;
    memset(&info, 0, sizeof(info));
    if (!in_make_room(a))
        return -ENOMEM;
    ssize_t n =
        usrsctp_recvv(a->so, a->in + a->in_size, a->in_capacity - a->in_size,
                      (struct sockaddr *)&from, &from_size, &info, &info_size, &info_type, &flags);
    if (n <= 0) {
        bool is_empty = n < 0 && (errno == EWOULDBLOCK || errno == EINPROGRESS);
        if (!is_empty)
            over(a);
        return ERR_STATE;
    }
    a->in_size += (size_t)n;
    if ((flags & MSG_EOR) == 0)
        return 0;
    a->is_in_done = true;
    if ((flags & MSG_NOTIFICATION) != 0)
        return handle_notification(a, ret_event);
    if (info_type != SCTP_RECVV_RCVINFO) {
        a->stats.message_drops++;
        return 0;
    }
    return handle_message(a, &info, ret_event);
}

int dchan_assoc_poll_event(struct dchan_assoc *a, struct dchan_event *ret_event)
{
    int n = 0;
    while (n == 0 && a->is_started && !a->is_over) {
        if (a->is_in_done)
            in_reset(a);
        n = receive_piece(a, ret_event);
    }
    dchan__send_pump(a);
    if (n > 0 || dchan__channel_take_closed(a, ret_event) > 0)
        return 1;
    if (!a->is_down_due)
        return 0;
    a->is_down_due = false;
    dchan__send_free_all(a);
    dchan__channel_free_all(a);
    *ret_event = (struct dchan_event){.kind = DCHAN_EVENT_DOWN};
    return 1;
}
