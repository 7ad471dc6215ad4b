#include "base/err.h"
#include "base/log.h"
#include "server/worker_internal.h"

#include <string.h>

/* Levels and quality come all the time, from everybody; a wake-up for each would cost the control
 * thread more than the event itself. It reads them at its next turn: that comes within a second,
 * and while somebody speaks with every window. Only that somebody begins to speak is told at once.
 */
static bool may_wait(const struct worker *w, const struct media_event *e)
{
    if (e->kind != MEDIA_EVENT_SFU || ring_count(&w->events) >= WORKER_EVENTS_WAIT)
        return false;
    return e->sfu.kind == SFU_EVENT_PEER_QUALITY ||
           (e->sfu.kind == SFU_EVENT_AUDIO_WINDOW && !e->sfu.is_start);
}

/* What comes on data channels may fill a part of the mailbox only: it holds buffers of the pool
 * that sound and picture need too. */
static bool has_place(const struct worker *w, const struct media_event *e, bool is_vital)
{
    size_t limit = is_vital ? WORKER_EVENTS_MAX : WORKER_EVENTS_MAX - WORKER_EVENTS_SPARE;
    if (ring_count(&w->events) >= limit)
        return false;
    uint32_t taken = atomic_load_explicit(&w->sctp_taken, memory_order_relaxed);
    return e->kind != MEDIA_EVENT_PEER_SCTP || w->sctp_given - taken < WORKER_EVENTS_SCTP;
}

void worker__push_event(struct worker *w, const struct media_event *event, bool is_vital)
{
    if (!has_place(w, event, is_vital) || !ring_push(&w->events, event)) {
        WORKER_COUNT(w, drop_event_full, 1);
        pkt_unref(event->sctp);
        if (is_vital)
            LOG_ERROR("worker", "event_lost", "worker=%u kind=%d", w->config.index, event->kind);
        return;
    }
    w->sctp_given += event->kind == MEDIA_EVENT_PEER_SCTP;
    w->has_events = w->has_events || !may_wait(w, event);
}

static void send_tcp(struct worker *w, uint32_t conn, const uint8_t *data, size_t size)
{
    struct worker_tcp *t = worker__tcp_of(w, conn);
    if (t == NULL || !tcp_conn_send(t->conn, data, size))
        WORKER_COUNT(w, drop_send, 1);
    else
        worker__tcp_update_interest(w, t);
}

void worker__send(struct worker *w, const struct addr *from, const struct addr *to,
                  const uint8_t *data, size_t size)
{
    WORKER_COUNT(w, packets_out, 1);
    WORKER_COUNT(w, bytes_out, size);
    if (to->proto == ADDR_PROTO_TCP) {
        send_tcp(w, to->conn, data, size);
        return;
    }
    memcpy(udp_reserve(w->udp, from, to, size), data, size);
    udp_commit(w->udp, size);
}

/* Media that lies in the outgoing batch already. */
static void send_protected(struct worker *w, const struct worker_peer *wp, const uint8_t *data,
                           size_t size)
{
    if (wp->media_to.proto == ADDR_PROTO_TCP)
        send_tcp(w, wp->media_to.conn, data, size);
    else
        udp_append(w->udp, &wp->path, data, size);
}

/* ---- one peer: ICE, DTLS, data channels ---- */

void worker__report_peer(struct worker *w, sfu_peer_id peer, enum media_event_kind kind, int err)
{
    struct media_event e = {.kind = kind, .worker = w->config.index, .peer = peer, .err = err};
    worker__push_event(w, &e, true);
}

static void report_sctp(struct worker *w, struct worker_peer *wp, const struct peer_event *pe)
{
    struct pkt *pkt = pe->size <= PKT_SIZE_MAX ? pkt_take(w->pool, pe->size) : NULL;
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

static void follow_media_path(struct worker *w, struct worker_peer *wp)
{
    udp_flush(w->udp); /* what waits goes the old way */
    peer_media_path(wp->peer, &wp->media_from, &wp->media_to);
    udp_path_init(&wp->media_from, &wp->media_to, &wp->path);
}

static void set_connected(struct worker *w, struct worker_peer *wp, bool is_connected)
{
    follow_media_path(w, wp);
    wp->is_connected = is_connected;
    worker__set_joining(w, wp, false);
    sfu_node_set_connected(w->node, wp->id, is_connected, w->now);
    worker__drain_node(w);
}

static void handle_peer_event(struct worker *w, struct worker_peer *wp, const struct peer_event *e)
{
    switch (e->kind) {
    case PEER_EVENT_CONNECTED:
        set_connected(w, wp, true);
        worker__report_peer(w, wp->id, MEDIA_EVENT_PEER_CONNECTED, 0);
        break;
    case PEER_EVENT_DISCONNECTED:
        set_connected(w, wp, false);
        worker__report_peer(w, wp->id, MEDIA_EVENT_PEER_DISCONNECTED, 0);
        break;
    case PEER_EVENT_FAILED:
        set_connected(w, wp, false);
        worker__report_peer(w, wp->id, MEDIA_EVENT_PEER_FAILED, e->err);
        break;
    case PEER_EVENT_SCTP:
        report_sctp(w, wp, e);
        break;
    case PEER_EVENT_ADDR_CHANGED:
        follow_media_path(w, wp);
        break;
    case PEER_EVENT_ADDR_ADDED:
        if (addrmap_set(&w->addrs, &e->addr, wp) < 0)
            WORKER_COUNT(w, drop_unknown_addr, 1); /* the next check tries again */
        break;
    case PEER_EVENT_ADDR_REMOVED:
        addrmap_remove(&w->addrs, &e->addr, wp);
        worker__tcp_disown(w, &e->addr, false);
        break;
    }
}

/* The keys are there once DTLS is done, and stay. */
static void follow_keys(struct worker_peer *wp)
{
    if (wp->send != NULL || peer_srtp_send(wp->peer) == NULL)
        return;
    wp->send = peer_srtp_send(wp->peer);
    wp->receive = peer_srtp_receive(wp->peer);
    wp->rtp_growth = (uint16_t)sec_srtp_rtp_growth(wp->send);
}

void worker__drain_peer(struct worker *w, struct worker_peer *wp)
{
    struct peer_event event;
    struct peer_out out;
    bool is_busy;
    follow_keys(wp);
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

static size_t protected_size(const struct worker_peer *wp, const struct sfu_out *out)
{
    if (out->is_rtcp)
        return (size_t)out->rtcp_size + SEC_SRTP_RTCP_GROWTH;
    return (size_t)out->head_size + out->prefix_size + out->body_size + wp->rtp_growth;
}

static struct sec_srtp_job job_of(const struct worker_peer *wp, const struct sfu_out *out,
                                  uint8_t *dst, size_t dst_size)
{
    return (struct sec_srtp_job){.srtp = wp->send,
                                 .src = out->is_rtcp ? out->rtcp : out->head,
                                 .head_size = out->is_rtcp ? out->rtcp_size : out->head_size,
                                 .prefix_size = out->prefix_size,
                                 .body = out->body,
                                 .body_size = out->body_size,
                                 .is_rtcp = out->is_rtcp,
                                 .dst = dst,
                                 .dst_size = dst_size};
}

/* Whose each packet is. With hundreds of peers what they hold is in no cache any more: it is asked
 * for in passes over the batch, so that the answers come while others are asked for. */
static void look_up(struct worker *w, size_t out_count)
{
    struct worker_output *o = &w->output;
    struct worker_peer *wp = NULL;
    sfu_peer_id id = 0;
    for (size_t i = 0; i < out_count; i++) {
        if (i == 0 || o->outs[i].peer != id) {
            id = o->outs[i].peer;
            wp = idmap_get(&w->peers, id);
            for (size_t at = 0; wp != NULL && at < sizeof(*wp); at += 64)
                PREFETCH((const char *)wp + at);
        }
        o->peers[i] = wp;
    }
    for (size_t i = 0; i < out_count; i++)
        if (o->peers[i] != NULL && (i == 0 || o->peers[i] != o->peers[i - 1]))
            sec_srtp_prefetch(o->peers[i]->send);
}

/* Its publisher made it so large that it does not fit with what we add. */
static void leave_out(struct worker *w, const struct worker_peer *wp, const struct sfu_out *out)
{
    WORKER_COUNT(w, drop_malformed, 1);
    if (!out->is_rtcp && wp->send != NULL)
        sec_srtp_skip(wp->send, out->head, out->head_size);
}

/* Gives each packet its place in the outgoing batch, one behind the other; the number of jobs. */
static size_t place(struct worker *w, size_t out_count)
{
    struct worker_output *o = &w->output;
    uint8_t *dst = udp_room(w->udp, WORKER_BATCH * PEER_DATAGRAM_MAX);
    size_t count = 0;
    look_up(w, out_count);
    for (size_t i = 0; i < out_count; i++) {
        const struct sfu_out *out = &o->outs[i];
        struct worker_peer *wp = o->peers[i];
        if (wp == NULL || !wp->is_connected)
            continue;
        size_t size = protected_size(wp, out);
        if (size > PEER_DATAGRAM_MAX) {
            leave_out(w, wp, out);
            continue;
        }
        sec_srtp_prefetch_ssrc(wp->send);
        o->peers[count] = wp; /* never ahead of `i` */
        o->jobs[count++] = job_of(wp, out, dst, size);
        dst += size;
    }
    return count;
}

/* The outputs of one subscription lie together: equal sizes leave as one message. */
static void drain_transmits(struct worker *w)
{
    struct worker_output *o = &w->output;
    size_t out_count;
    while ((out_count = sfu_node_poll_transmits(w->node, o->outs, WORKER_BATCH)) > 0) {
        size_t count = place(w, out_count), sent = 0, bytes = 0;
        sec_srtp_protect_batch(o->jobs, count);
        for (size_t i = 0; i < count; i++) {
            if (o->jobs[i].result < 0)
                continue; /* its bytes stay behind: only what is appended is sent */
            send_protected(w, o->peers[i], o->jobs[i].dst, (size_t)o->jobs[i].result);
            bytes += (size_t)o->jobs[i].result;
            sent++;
        }
        WORKER_COUNT(w, packets_out, sent);
        WORKER_COUNT(w, bytes_out, bytes);
        WORKER_COUNT(w, drop_send, count - sent);
    }
}

/* Wakes each worker once for the whole batch; one that is awake costs nothing. */
static void wake_workers(struct worker *w, uint32_t mask)
{
    for (size_t i = 0; i < w->config.worker_count; i++)
        if (mask >> i & 1u)
            mailbox_wake(&w->others[i]->relays[w->config.index]);
}

static void send_relays(struct worker *w)
{
    struct sfu_relay relay;
    uint32_t woken = 0;
    while (sfu_node_poll_relay(w->node, &relay) == 1) {
        for (size_t i = 0; i < w->config.worker_count; i++) {
            if (!(relay.worker_mask >> i & 1u))
                continue;
            CHECK(w->others[i] != NULL); /* the bit's reference would stay behind */
            if (mailbox_push(&w->others[i]->relays[w->config.index], &relay)) {
                woken |= UINT32_C(1) << i;
            } else {
                pkt_unref(relay.pkt);
                WORKER_COUNT(w, drop_relay_full, 1);
            }
        }
    }
    wake_workers(w, woken);
}

static void drain_events(struct worker *w)
{
    struct media_event e = {.kind = MEDIA_EVENT_SFU, .worker = w->config.index};
    while (sfu_node_poll_event(w->node, &e.sfu) == 1) {
        e.peer = e.sfu.peer;
        worker__push_event(w, &e, !sfu_event_is_periodic(e.sfu.kind));
    }
}

void worker__begin_batch(struct worker *w)
{
    w->now = mono_now();
}

void worker__end_batch(struct worker *w)
{
    sfu_node_release(w->node, w->now);
    worker__drain_node(w);
}

/* The other workers first: they do their share while we do ours. */
void worker__drain_node(struct worker *w)
{
    send_relays(w);
    drain_transmits(w);
    drain_events(w);
}
