/* Channels of an association: opening by DCEP (RFC 8832), closing by stream reset (RFC 8831, 6.7).
 */
#include "base/err.h"
#include "dchan/dchan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct dchan__channel *dchan__channel_find(const struct dchan_assoc *a, uint16_t stream)
{
    return stream < DCHAN_STREAMS_MAX ? a->channels[stream] : NULL;
}

static int channel_add(struct dchan_assoc *a, uint16_t stream, const struct dchan__open *props,
                       struct dchan__channel **ret_channel)
{
    struct dchan__channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL)
        return -ENOMEM;
    channel->stream = stream;
    channel->props = *props;
    *ret_channel = a->channels[stream] = channel;
    return 0;
}

static void channel_free(struct dchan_assoc *a, uint16_t stream)
{
    free(a->channels[stream]);
    a->channels[stream] = NULL;
}

void dchan__channel_free_all(struct dchan_assoc *a)
{
    for (uint16_t stream = 0; stream < DCHAN_STREAMS_MAX; stream++)
        channel_free(a, stream);
}

/* --- Opening --- */

/* The lowest free stream of our parity (RFC 8832, 6), or ERR_LIMIT. */
static int stream_choose(const struct dchan_assoc *a)
{
    int count = a->is_up ? TK_MIN(a->streams_out, DCHAN_STREAMS_MAX) : DCHAN_STREAMS_MAX;
    for (int stream = a->is_dtls_client ? 0 : 1; stream < count; stream += 2)
        if (a->channels[stream] == NULL)
            return stream;
    return ERR_LIMIT;
}

int dchan_assoc_open(struct dchan_assoc *a, const char *label, bool is_ordered,
                     int32_t max_retransmits, uint16_t *ret_stream)
{
    struct dchan__open props = {.is_ordered = is_ordered, .is_lossy = max_retransmits >= 0};
    struct dchan__channel *channel;
    uint8_t open[DCHAN__OPEN_SIZE_MAX];
    size_t label_size = strlen(label);
    if (label_size >= DCHAN_LABEL_SIZE)
        return ERR_MALFORMED;
    if (a->is_over)
        return ERR_STATE;
    memcpy(props.label, label, label_size + 1);
    if (props.is_lossy)
        props.reliability = (uint32_t)max_retransmits;
    int stream = stream_choose(a);
    if (stream < 0)
        return stream;
    int err = channel_add(a, (uint16_t)stream, &props, &channel);
    if (err < 0)
        return err;
    channel->is_ours = true;
    err = dchan__send_push(a, DCHAN__QUEUE_CONTROL, channel, DCHAN_PPID_DCEP, open,
                           dchan__dcep_print_open(&props, open));
    if (err < 0) {
        channel_free(a, (uint16_t)stream);
        return err;
    }
    dchan__send_pump(a);
    *ret_stream = (uint16_t)stream;
    return 0;
}

static void event_fill(const struct dchan__channel *channel, enum dchan_event_kind kind,
                       struct dchan_event *ret_event)
{
    const struct dchan__open *props = &channel->props;
    *ret_event = (struct dchan_event){
        .kind = kind,
        .stream = channel->stream,
        .is_ours = channel->is_ours,
        .is_ordered = props->is_ordered,
        .max_retransmits = DCHAN_RETRANSMITS_FULL,
        .label = props->label,
    };
    if (props->is_lossy) /* a lifetime shows as "no retransmission" */
        ret_event->max_retransmits =
            props->is_timed ? 0 : (int32_t)TK_MIN(props->reliability, INT32_MAX);
}

/* The other side opens a channel: on a stream of its parity that is free. */
static int handle_open(struct dchan_assoc *a, uint16_t stream, const struct dchan__open *props,
                       struct dchan_event *ret_event)
{
    static const uint8_t ack[1] = {0x02};
    struct dchan__channel *channel;
    bool is_theirs = (stream % 2 == 0) != a->is_dtls_client;
    if (!is_theirs || stream >= TK_MIN(a->streams_out, DCHAN_STREAMS_MAX) ||
        a->channels[stream] != NULL || channel_add(a, stream, props, &channel) < 0)
        return ERR_STATE;
    channel->is_acked = true;
    int err = dchan__send_push(a, DCHAN__QUEUE_CONTROL, channel, DCHAN_PPID_DCEP, ack, sizeof(ack));
    if (err < 0) {
        channel_free(a, stream);
        return err;
    }
    event_fill(channel, DCHAN_EVENT_OPEN, ret_event);
    return 1;
}

static int handle_ack(struct dchan_assoc *a, uint16_t stream, struct dchan_event *ret_event)
{
    struct dchan__channel *channel = dchan__channel_find(a, stream);
    if (channel == NULL || !channel->is_ours || channel->is_acked)
        return ERR_STATE;
    channel->is_acked = true;
    event_fill(channel, DCHAN_EVENT_OPEN, ret_event);
    return 1;
}

int dchan__channel_handle_dcep(struct dchan_assoc *a, uint16_t stream, const uint8_t *data,
                               size_t size, struct dchan_event *ret_event)
{
    enum dchan__dcep_kind kind;
    struct dchan__open props;
    int n = dchan__dcep_parse(data, size, &kind, &props);
    if (n == 0)
        n = kind == DCHAN__DCEP_OPEN ? handle_open(a, stream, &props, ret_event)
                                     : handle_ack(a, stream, ret_event);
    if (n < 0) {
        a->stats.dcep_drops++;
        return 0;
    }
    return n;
}

/* --- Closing --- */

int dchan_assoc_close(struct dchan_assoc *a, uint16_t stream)
{
    struct dchan__channel *channel = dchan__channel_find(a, stream);
    if (channel == NULL || channel->is_closing)
        return ERR_NOT_FOUND;
    channel->is_closing = true;
    a->is_reset_due = true;
    dchan__send_pump(a);
    return 0;
}

static bool reset_ask(struct dchan_assoc *a, uint16_t stream)
{
    size_t size = sizeof(struct sctp_reset_streams) + sizeof(uint16_t);
    struct sctp_reset_streams *ask = calloc(1, size);
    if (ask == NULL)
        return false;
    ask->srs_flags = SCTP_STREAM_RESET_OUTGOING;
    ask->srs_number_streams = 1;
    ask->srs_stream_list[0] = stream;
    /* One at a time: EALREADY until the one before is answered. */
    bool is_ok =
        usrsctp_setsockopt(a->so, IPPROTO_SCTP, SCTP_RESET_STREAMS, ask, (socklen_t)size) == 0;
    free(ask);
    return is_ok;
}

void dchan__channel_reset_due(struct dchan_assoc *a)
{
    if (!a->is_reset_due)
        return;
    a->is_reset_due = false;
    for (uint16_t stream = 0; stream < DCHAN_STREAMS_MAX; stream++) {
        struct dchan__channel *channel = a->channels[stream];
        if (channel == NULL || !channel->is_closing || channel->is_reset_asked)
            continue;
        if (channel->queued_count == 0)
            channel->is_reset_asked = reset_ask(a, stream);
        a->is_reset_due |= !channel->is_reset_asked; /* again with the next turn */
    }
}

void dchan__channel_handle_reset(struct dchan_assoc *a, uint16_t stream, bool is_incoming)
{
    struct dchan__channel *channel = dchan__channel_find(a, stream);
    if (channel == NULL)
        return;
    if (is_incoming) {
        channel->is_in_reset = true;
        channel->is_closing = true; /* and our direction follows */
        a->is_reset_due = true;
    } else {
        channel->is_out_reset = true;
    }
    a->is_closed_due |= channel->is_in_reset && channel->is_out_reset;
}

int dchan__channel_take_closed(struct dchan_assoc *a, struct dchan_event *ret_event)
{
    if (!a->is_closed_due)
        return 0;
    for (uint16_t stream = 0; stream < DCHAN_STREAMS_MAX; stream++) {
        const struct dchan__channel *channel = a->channels[stream];
        if (channel == NULL || !channel->is_in_reset || !channel->is_out_reset)
            continue;
        *ret_event = (struct dchan_event){
            .kind = DCHAN_EVENT_CLOSED, .stream = stream, .is_ours = channel->is_ours};
        channel_free(a, stream);
        return 1;
    }
    a->is_closed_due = false;
    return 0;
}
