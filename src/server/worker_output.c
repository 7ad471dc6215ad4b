#include "base/err.h"
#include "base/log.h"
#include "server/worker_internal.h"

#include <string.h>

#define SRTP_TAIL_MAX 32 /* tag, SRTCP index */

void worker__push_event(struct worker *w, const struct media_event *event, bool is_vital)
{
    size_t limit = is_vital ? WORKER_EVENTS_MAX : WORKER_EVENTS_MAX - WORKER_EVENTS_SPARE;
    if (ring_count(&w->events) >= limit || !ring_push(&w->events, event)) {
        WORKER_COUNT(w, drop_event_full, 1);
        pkt_unref(event->sctp);
        if (is_vital)
            LOG_ERROR("worker", "event_lost", "worker=%u kind=%d", w->config.index, event->kind);
        return;
    }
    w->has_events = true;
}

void worker__send(struct worker *w, const struct addr *from, const struct addr *to,
                  const uint8_t *data, size_t size)
{
    WORKER_COUNT(w, packets_out, 1);
    WORKER_COUNT(w, bytes_out, size);
    if (to->proto == ADDR_PROTO_UDP) {
        memcpy(udp_reserve(w->udp, from, to, size), data, size);
        udp_commit(w->udp, size);
        return;
    }
    struct worker_tcp *t = worker__tcp_of(w, to->conn);
    if (t == NULL || !tcp_conn_send(t->conn, data, size))
        WORKER_COUNT(w, drop_send, 1);
    else
        worker__tcp_update_interest(w, t);
}

/* ---- one peer: ICE, DTLS, data channels ---- */

static void report_peer(struct worker *w, struct worker_peer *wp, enum media_event_kind kind,
                        int err)
{
    struct media_event e = {.kind = kind, .worker = w->config.index, .peer = wp->id, .err = err};
    worker__push_event(w, &e, true);
}

static void report_sctp(struct worker *w, struct worker_peer *wp, const struct peer_event *pe)
{
    struct pkt *pkt = pe->size <= PKT_SIZE_MAX ? pkt_take(w->pool) : NULL;
    if (pkt == NULL) {
        WORKER_COUNT(w, drop_no_buffer, 1); /* SCTP sends it again */
        return;
    }
    memcpy(pkt->data, pe->data, pe->size);
    pkt->size = (uint16_t)pe->size;
    struct media_event e = {
        .kind = MEDIA_EVENT_PEER_SCTP, .worker = w->config.index, .peer = wp->id, .sctp = pkt};
    worker__push_event(w, &e, false);
}

static void set_connected(struct worker *w, struct worker_peer *wp, bool is_connected)
{
    wp->is_connected = is_connected;
    peer_media_path(wp->peer, &wp->media_from, &wp->media_to);
    sfu_node_set_connected(w->node, wp->id, is_connected, w->now);
    worker__drain_node(w);
}

static void handle_peer_event(struct worker *w, struct worker_peer *wp, const struct peer_event *e)
{
    switch (e->kind) {
    case PEER_EVENT_CONNECTED:
        set_connected(w, wp, true);
        report_peer(w, wp, MEDIA_EVENT_PEER_CONNECTED, 0);
        break;
    case PEER_EVENT_DISCONNECTED:
        set_connected(w, wp, false);
        report_peer(w, wp, MEDIA_EVENT_PEER_DISCONNECTED, 0);
        break;
    case PEER_EVENT_FAILED:
        set_connected(w, wp, false);
        report_peer(w, wp, MEDIA_EVENT_PEER_FAILED, e->err);
        break;
    case PEER_EVENT_SCTP:
        report_sctp(w, wp, e);
        break;
    case PEER_EVENT_ADDR_CHANGED:
        peer_media_path(wp->peer, &wp->media_from, &wp->media_to);
        break;
    case PEER_EVENT_ADDR_ADDED:
        if (addrmap_set(&w->addrs, &e->addr, wp) < 0)
            WORKER_COUNT(w, drop_unknown_addr, 1); /* the next check tries again */
        break;
    case PEER_EVENT_ADDR_REMOVED:
        addrmap_remove(&w->addrs, &e->addr, wp);
        break;
    }
}

void worker__drain_peer(struct worker *w, struct worker_peer *wp)
{
    struct peer_event event;
    struct peer_out out;
    bool is_busy;
    do {
        is_busy = false;
        while (peer_poll_event(wp->peer, &event) == 1) {
            handle_peer_event(w, wp, &event);
            is_busy = true;
        }
        while (peer_poll_transmit(wp->peer, &out) == 1) {
            worker__send(w, &out.from, &out.to, out.data, out.size);
            is_busy = true;
        }
    } while (is_busy);
    worker__touch_peer_timer(w, wp);
}

/* ---- the node: media ---- */

static int protect(struct worker_peer *wp, const struct sfu_out *out, uint8_t *dst, size_t dst_size)
{
    if (out->is_rtcp)
        return peer_protect_rtcp(wp->peer, out->rtcp, out->rtcp_size, dst, dst_size);
    return peer_protect_rtp(wp->peer, out->head, out->head_size, out->prefix_size, out->body,
                            out->body_size, dst, dst_size);
}

static size_t protected_size_max(const struct sfu_out *out)
{
    size_t plain =
        out->is_rtcp ? out->rtcp_size : (size_t)out->head_size + out->prefix_size + out->body_size;
    return plain + SRTP_TAIL_MAX;
}

/* Encrypts straight into the batch that is sent; TCP goes through a frame on the stack. */
static void send_media(struct worker *w, struct worker_peer *wp, const struct sfu_out *out)
{
    size_t size_max = protected_size_max(out);
    if (size_max > PEER_DATAGRAM_MAX) {
        WORKER_COUNT(w, drop_malformed, 1);
        return;
    }
    if (wp->media_to.proto == ADDR_PROTO_TCP) {
        uint8_t frame[PEER_DATAGRAM_MAX];
        int size = protect(wp, out, frame, sizeof(frame));
        if (size > 0)
            worker__send(w, &wp->media_from, &wp->media_to, frame, (size_t)size);
        else
            WORKER_COUNT(w, drop_send, 1);
        return;
    }
    uint8_t *dst = udp_reserve(w->udp, &wp->media_from, &wp->media_to, size_max);
    int size = protect(wp, out, dst, size_max);
    udp_commit(w->udp, size > 0 ? (size_t)size : 0);
    if (size > 0) {
        WORKER_COUNT(w, packets_out, 1);
        WORKER_COUNT(w, bytes_out, (size_t)size);
    } else {
        WORKER_COUNT(w, drop_send, 1);
    }
}

static void drain_transmits(struct worker *w)
{
    struct sfu_out out;
    struct worker_peer *wp = NULL;
    while (sfu_node_poll_transmit(w->node, &out) == 1) {
        if (wp == NULL || wp->id != out.peer)
            wp = idmap_get(&w->peers, out.peer);
        if (wp != NULL && wp->is_connected)
            send_media(w, wp, &out);
    }
}

static void drain_relays(struct worker *w)
{
    struct sfu_relay relay;
    while (sfu_node_poll_relay(w->node, &relay) == 1) {
        for (size_t i = 0; i < w->config.worker_count; i++) {
            if (!(relay.worker_mask >> i & 1u) || w->others[i] == NULL)
                continue;
            if (mailbox_push(&w->others[i]->relays[w->config.index], &relay)) {
                w->relay_wake_mask |= 1u << i;
            } else {
                pkt_unref(relay.pkt);
                WORKER_COUNT(w, drop_relay_full, 1);
            }
        }
    }
}

static void drain_events(struct worker *w)
{
    struct media_event e = {.kind = MEDIA_EVENT_SFU, .worker = w->config.index};
    while (sfu_node_poll_event(w->node, &e.sfu) == 1) {
        e.peer = e.sfu.peer;
        bool is_vital = e.sfu.kind == SFU_EVENT_LAYER_STARTED || e.sfu.kind == SFU_EVENT_BYE ||
                        e.sfu.kind == SFU_EVENT_LAYER_WANTED ||
                        e.sfu.kind == SFU_EVENT_STREAM_STATE;
        worker__push_event(w, &e, is_vital);
    }
}

void worker__drain_node(struct worker *w)
{
    drain_transmits(w);
    drain_relays(w);
    drain_events(w);
}
