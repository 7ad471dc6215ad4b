/*
 * Messages out. They wait in our queues, by priority, and SCTP gets the next one only while it
 * holds less than DCHAN__WINDOW: so what waits is ours to count and to drop, and a lossy message
 * does not stand behind a megabyte of a file.
 */
#include "base/err.h"
#include "dchan/dchan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct message {
    struct list link;
    uint16_t stream;
    uint32_t ppid;
    size_t size;
    uint8_t data[];
};

static const size_t queue_max[DCHAN__QUEUE_COUNT_] = {
    [DCHAN__QUEUE_CONTROL] = DCHAN__CONTROL_MAX,
    [DCHAN__QUEUE_LOSSY] = DCHAN_LOSSY_QUEUE_MAX + DCHAN_MESSAGE_MAX + DCHAN__OVERHEAD,
    [DCHAN__QUEUE_RELIABLE] = DCHAN_SEND_QUEUE_MAX,
};

int dchan__send_push(struct dchan_assoc *a, enum dchan__queue queue, struct dchan__channel *channel,
                     uint32_t ppid, const void *data, size_t size)
{
    if (a->queued[queue] + size + DCHAN__OVERHEAD > queue_max[queue])
        return ERR_LIMIT;
    struct message *m = malloc(sizeof(*m) + size);
    if (m == NULL)
        return -ENOMEM;
    m->stream = channel->stream;
    m->ppid = ppid;
    m->size = size;
    memcpy(m->data, data, size);
    list_push_back(&a->queues[queue], &m->link);
    a->queued[queue] += size + DCHAN__OVERHEAD;
    channel->queued_count++;
    return 1;
}

/* DCEP is reliable and ordered, and so is everything before the other side knows the channel
 * (RFC 8832, 6). */
static void info_fill(const struct dchan__channel *channel, const struct message *m,
                      struct sctp_sendv_spa *ret_spa)
{
    memset(ret_spa, 0, sizeof(*ret_spa));
    ret_spa->sendv_flags = SCTP_SEND_SNDINFO_VALID;
    ret_spa->sendv_sndinfo.snd_sid = m->stream;
    ret_spa->sendv_sndinfo.snd_ppid = htonl(m->ppid);
    ret_spa->sendv_sndinfo.snd_flags = SCTP_EOR;
    if (m->ppid == DCHAN_PPID_DCEP)
        return;
    if (!channel->props.is_ordered && channel->is_acked)
        ret_spa->sendv_sndinfo.snd_flags |= SCTP_UNORDERED;
    if (channel->props.is_lossy) {
        ret_spa->sendv_flags |= SCTP_SEND_PRINFO_VALID;
        ret_spa->sendv_prinfo.pr_policy =
            channel->props.is_timed ? SCTP_PR_SCTP_TTL : SCTP_PR_SCTP_RTX;
        ret_spa->sendv_prinfo.pr_value = channel->props.reliability;
    }
}

/* True if SCTP took the message, or never will. */
static bool hand_over(struct dchan_assoc *a, const struct dchan__channel *channel,
                      const struct message *m)
{
    struct sctp_sendv_spa spa;
    /* SCTP takes a message if all of it fits beside what it holds. */
    int limit = (int)m->size + DCHAN__WINDOW;
    if (usrsctp_setsockopt(a->so, SOL_SOCKET, SO_SNDBUF, &limit, sizeof(limit)) != 0)
        return false;
    info_fill(channel, m, &spa);
    ssize_t n =
        usrsctp_sendv(a->so, m->data, m->size, NULL, 0, &spa, sizeof(spa), SCTP_SENDV_SPA, 0);
    if (n < 0 && (errno == EWOULDBLOCK || errno == ENOBUFS || errno == ENOMEM))
        return false;
    a->stats.message_drops += n < 0;
    return true;
}

/* Returns false when SCTP takes no more. */
static bool pump_one(struct dchan_assoc *a, enum dchan__queue queue)
{
    struct message *m = CONTAINER_OF(a->queues[queue].next, struct message, link);
    struct dchan__channel *channel = dchan__channel_find(a, m->stream);
    if (channel != NULL) {
        if (!hand_over(a, channel, m))
            return false;
        channel->queued_count--;
    }
    list_remove(&m->link);
    a->queued[queue] -= m->size + DCHAN__OVERHEAD;
    free(m);
    return true;
}

void dchan__send_pump(struct dchan_assoc *a)
{
    if (!a->is_up || a->is_over)
        return;
    for (int queue = 0; queue < DCHAN__QUEUE_COUNT_; queue++) {
        while (!list_is_empty(&a->queues[queue]))
            if (!pump_one(a, queue))
                return; /* the lower queues wait as well */
    }
    dchan__channel_reset_due(a);
}

void dchan__send_free_all(struct dchan_assoc *a)
{
    for (int queue = 0; queue < DCHAN__QUEUE_COUNT_; queue++) {
        for (struct list *item; (item = list_pop_front(&a->queues[queue])) != NULL;)
            free(CONTAINER_OF(item, struct message, link));
        a->queued[queue] = 0;
    }
}

int dchan_assoc_send(struct dchan_assoc *a, uint16_t stream, bool is_text, const void *data,
                     size_t size)
{
    static const uint8_t empty[1];
    uint32_t ppid = is_text ? DCHAN_PPID_TEXT : DCHAN_PPID_BINARY;
    struct dchan__channel *channel = dchan__channel_find(a, stream);
    if (a->is_over)
        return ERR_STATE;
    if (channel == NULL || channel->is_closing)
        return ERR_NOT_FOUND;
    if (size > DCHAN_MESSAGE_MAX)
        return ERR_LIMIT;
    if (size == 0) { /* SCTP has no empty messages (RFC 8831, 6.6) */
        ppid = is_text ? DCHAN_PPID_TEXT_EMPTY : DCHAN_PPID_BINARY_EMPTY;
        data = empty;
        size = sizeof(empty);
    }
    if (channel->props.is_lossy && a->queued[DCHAN__QUEUE_LOSSY] > DCHAN_LOSSY_QUEUE_MAX) {
        a->stats.lossy_drops++;
        return 0;
    }
    enum dchan__queue queue = channel->props.is_lossy ? DCHAN__QUEUE_LOSSY : DCHAN__QUEUE_RELIABLE;
    int n = dchan__send_push(a, queue, channel, ppid, data, size);
    dchan__send_pump(a);
    return n;
}

size_t dchan_assoc_queued(const struct dchan_assoc *a)
{
    size_t sum = 0;
    for (int queue = 0; queue < DCHAN__QUEUE_COUNT_; queue++)
        sum += a->queued[queue];
    return sum;
}
