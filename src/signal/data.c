/*
 * Forwarding of data packets: rights and rates, the sender's stamp, who gets it, and patience with
 * receivers whose channel is still opening or full (2 s), and with those who come back.
 */

#include "base/err.h"
#include "signal/data_packet.h"
#include "signal/rpc.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RATE_BYTES_PER_S  (8.0 * 1024 * 1024)
#define RATE_BURST_BYTES  (16.0 * 1024 * 1024)
#define PACKET_COST_BYTES 512 /* small packets count as this much */
#define TOLD_INTERVAL_US  MONO_S(5)
#define HOLD_US           MONO_S(2)
#define HOLD_SIZE_MAX     (4u << 20) /* bytes held for one receiver */
#define REPLAY_US         MONO_S(2)
#define REPLAY_SIZE_MAX   (1u << 20) /* bytes kept of one sender */

/* A packet kept for later. */
struct kept {
    struct list link;
    struct signal_frame *frame;
    mono_us at;
    uint32_t sequence;
};

static void kept_free(struct kept *k, size_t *size)
{
    *size -= k->frame->size;
    list_remove(&k->link);
    signal__frame_unref(k->frame);
    free(k);
}

static bool keep(struct list *list, size_t *size, size_t size_max, struct signal_frame *frame,
                 uint32_t sequence, mono_us now)
{
    if (*size + frame->size > size_max)
        return false;
    struct kept *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return false;
    frame->refs++;
    k->frame = frame;
    k->at = now;
    k->sequence = sequence;
    *size += frame->size;
    list_push_back(list, &k->link);
    return true;
}

static void expire(struct list *list, size_t *size, mono_us before)
{
    while (!list_is_empty(list)) {
        struct kept *k = CONTAINER_OF(list->next, struct kept, link);
        if (k->at >= before)
            return;
        kept_free(k, size);
    }
}

/* One packet to one receiver; a reliable one waits its turn behind those held. */
static void deliver(struct signal_participant *viewer, bool is_reliable, struct signal_frame *frame)
{
    struct signal *s = viewer->room->signal;
    struct signal_dc *dc = viewer->subscriber->dc;
    enum signal_label label = is_reliable ? SIGNAL_LABEL_RELIABLE : SIGNAL_LABEL_LOSSY;
    bool can_go = dc != NULL && (!is_reliable || list_is_empty(&viewer->held));
    if (can_go && signal__dc_send(dc, label, frame->data, frame->size) >= 0)
        return;
    if (!is_reliable)
        return;
    if (!keep(&viewer->held, &viewer->held_size, HOLD_SIZE_MAX, frame, 0, s->now))
        s->stats.over_limit++;
    signal__participant_due(viewer, s->now + SIGNAL_TICK_US);
}

void signal__data_flush(struct signal_participant *p)
{
    struct signal_dc *dc = p->subscriber->dc;
    while (dc != NULL && !list_is_empty(&p->held)) {
        struct kept *k = CONTAINER_OF(p->held.next, struct kept, link);
        if (signal__dc_send(dc, SIGNAL_LABEL_RELIABLE, k->frame->data, k->frame->size) < 0)
            return;
        kept_free(k, &p->held_size);
    }
}

void signal__data_tick(struct signal_participant *p)
{
    mono_us now = p->room->signal->now;
    signal__data_flush(p);
    expire(&p->held, &p->held_size, now - HOLD_US);
    expire(&p->reliable.packets, &p->reliable.packet_bytes, now - REPLAY_US);
}

mono_us signal__data_due(const struct signal_participant *p)
{
    if (!list_is_empty(&p->held))
        return p->room->signal->now; /* tried again with every tick */
    if (list_is_empty(&p->reliable.packets))
        return MONO_NEVER;
    return CONTAINER_OF(p->reliable.packets.next, struct kept, link)->at + REPLAY_US + 1;
}

void signal__data_fini(struct signal_participant *p)
{
    expire(&p->held, &p->held_size, MONO_NEVER);
    expire(&p->reliable.packets, &p->reliable.packet_bytes, MONO_NEVER);
}

/* A token bucket per sender; over it the packet is dropped and the sender told now and then. */
static bool is_within_rate(struct signal_participant *p, size_t size)
{
    struct signal *s = p->room->signal;
    double passed_s = (double)(s->now - p->data_at) / 1e6;
    p->data_at = s->now;
    p->data_tokens = p->data_tokens + passed_s * RATE_BYTES_PER_S;
    if (p->data_tokens > RATE_BURST_BYTES)
        p->data_tokens = RATE_BURST_BYTES;
    double cost = (double)TK_MAX(size, (size_t)PACKET_COST_BYTES);
    if (p->data_tokens >= cost) {
        p->data_tokens -= cost;
        return true;
    }
    s->stats.over_limit++;
    if (s->now >= p->data_told_at + TOLD_INTERVAL_US) {
        p->data_told_at = s->now;
        signal__send_request_response(p, 0, LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED,
                                      "data rate: more than 8 MiB/s");
    }
    return false;
}

static void forward(struct signal_room *room, const struct signal_participant *sender,
                    const struct data_packet *packet, bool is_reliable, struct signal_frame *frame)
{
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        const struct token_claims *c = &viewer->claims;
        bool is_wanted = viewer != sender && viewer->whip == NULL && /* no data channels */
                         data_packet_is_for(packet, c->grants.identity, viewer->sid) &&
                         (!packet->is_metrics || c->can_subscribe_metrics);
        bool is_shown =
            sender == NULL || sender->claims.grants.hidden || signal__is_visible(viewer, sender);
        if (is_wanted && is_shown)
            deliver(viewer, is_reliable, frame);
    }
}

static bool is_allowed(struct signal_participant *p, const struct data_packet *packet)
{
    if (packet->is_speaker || !p->claims.grants.can_publish_data)
        return false;
    return !packet->is_transcription || p->claims.agent ||
           p->claims.kind == LIVEKIT__PARTICIPANT_INFO__KIND__AGENT;
}

static bool is_repeated(struct signal_participant *p, const struct data_packet *packet)
{
    if (packet->sequence == 0)
        return false;
    if (packet->sequence <= p->reliable.last_sequence)
        return true;
    p->reliable.last_sequence = packet->sequence;
    return false;
}

void signal__data_receive(struct signal_participant *p, enum signal_label label,
                          const uint8_t *data, size_t size)
{
    struct signal *s = p->room->signal;
    if (!is_within_rate(p, size))
        return;
    if (label == SIGNAL_LABEL_TRACK) {
        signal__data_track_packet(p, data, size);
        return;
    }
    bool is_reliable = label == SIGNAL_LABEL_RELIABLE;
    struct data_packet packet;
    if (data_packet_read(data, size, &packet) < 0) {
        s->stats.malformed++;
        return;
    }
    if (is_reliable && signal__rpc_receive(p, data, size))
        return;
    if (!is_allowed(p, &packet) || (is_reliable && is_repeated(p, &packet)))
        return;
    struct signal_frame *frame = signal__frame_alloc(size + DATA_STAMP_MAX);
    if (frame == NULL)
        return;
    bool is_hidden = p->claims.grants.hidden;
    frame->size =
        data_packet_stamp(&packet, !is_reliable, is_hidden ? "" : p->claims.grants.identity,
                          is_hidden ? "" : p->sid, frame->data);
    forward(p->room, p, &packet, is_reliable, frame);
    if (is_reliable && packet.sequence != 0 &&
        keep(&p->reliable.packets, &p->reliable.packet_bytes, REPLAY_SIZE_MAX, frame,
             packet.sequence, s->now)) /* not: a replay is a courtesy */
        signal__participant_due(p, s->now + REPLAY_US + SIGNAL_TICK_US);
    signal__frame_unref(frame);
}

void signal__data_send(struct signal_room *room, bool is_reliable, const uint8_t *packet,
                       size_t size)
{
    struct data_packet read;
    if (data_packet_read(packet, size, &read) < 0)
        return;
    struct signal_frame *frame = signal__frame_alloc(size + DATA_STAMP_MAX);
    if (frame == NULL)
        return;
    frame->size = data_packet_stamp(&read, !is_reliable, "", "", frame->data);
    forward(room, NULL, &read, is_reliable, frame);
    signal__frame_unref(frame);
}

static uint32_t last_received(const char *sid, size_t count,
                              Livekit__DataChannelReceiveState **states)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(states[i]->publisher_sid, sid) == 0)
            return states[i]->last_seq;
    return UINT32_MAX; /* never heard of: it cannot have missed anything by the cut */
}

void signal__data_replay(struct signal_participant *p, size_t count,
                         Livekit__DataChannelReceiveState **states)
{
    LIST_FOR_EACH(it, &p->room->participants)
    {
        struct signal_participant *sender = CONTAINER_OF(it, struct signal_participant, link);
        uint32_t last = last_received(sender->sid, count, states);
        LIST_FOR_EACH(kept, &sender->reliable.packets)
        {
            struct kept *k = CONTAINER_OF(kept, struct kept, link);
            struct data_packet packet;
            if (sender != p && k->sequence > last &&
                data_packet_read(k->frame->data, k->frame->size, &packet) == 0 &&
                data_packet_is_for(&packet, p->claims.grants.identity, p->sid))
                deliver(p, true, k->frame);
        }
    }
}
