#include "base/err.h"
#include "ice/stun.h"
#include "server/worker_internal.h"

/*
 * The way of a datagram: its first byte says what it is (RFC 7983, 7), its source address or, for
 * STUN, its user name says whose it is. Only an authenticated STUN check makes an address known.
 * SRTP is collected and decrypted in batches, in the order in which it came; what STUN and DTLS
 * change does not concern packets that wait.
 */

#define UDP_BATCHES_MAX 4 /* batches read before the other work of a turn gets its chance */

enum datagram_kind { DATAGRAM_STUN, DATAGRAM_DTLS, DATAGRAM_RTP, DATAGRAM_RTCP, DATAGRAM_OTHER };

static enum datagram_kind kind_of(const uint8_t *data, size_t size)
{
    if (size < 2)
        return DATAGRAM_OTHER;
    if (data[0] <= 3)
        return DATAGRAM_STUN;
    if (data[0] >= 20 && data[0] <= 63)
        return DATAGRAM_DTLS;
    if (data[0] < 128 || data[0] > 191)
        return DATAGRAM_OTHER;
    return data[1] >= 192 && data[1] <= 223 ? DATAGRAM_RTCP : DATAGRAM_RTP; /* RFC 5761, 4 */
}

/*
 * A request names our ufrag. One that we do not know may be of a peer whose command still waits:
 * the control thread gives it before the client is told of us, but its first check can be here
 * first, and would be repeated only after half a second, over TCP never.
 */
static struct worker_peer *named_peer(struct worker *w, const char *ufrag)
{
    struct worker_peer *wp = strmap_get(&w->ufrags, ufrag);
    if (wp != NULL || !worker__has_commands(w))
        return wp;
    worker__finish_input(w); /* a command may end what its packets belong to */
    worker__drain_commands(w);
    return strmap_get(&w->ufrags, ufrag);
}

/* A response comes from an address that is known, or is not for us. */
static struct worker_peer *stun_peer(struct worker *w, const struct udp_datagram *d)
{
    char ufrag[PEER_UFRAG_SIZE];
    if (ice_peek_username(d->data, d->size, ufrag, sizeof(ufrag)) == 0)
        return named_peer(w, ufrag);
    return addrmap_get(&w->addrs, &d->from);
}

static void handle_stun(struct worker *w, const struct udp_datagram *d)
{
    struct worker_peer *wp = stun_peer(w, d);
    if (wp == NULL || peer_handle_stun(wp->peer, d->data, d->size, &d->from, &d->to, w->now) < 0) {
        WORKER_COUNT(w, drop_stun, 1);
        return;
    }
    worker__drain_peer(w, wp);
}

static void handle_dtls(struct worker *w, struct worker_peer *wp, const struct udp_datagram *d)
{
    if (peer_handle_dtls(wp->peer, d->data, d->size, &d->from, w->now) < 0)
        WORKER_COUNT(w, drop_dtls, 1);
    worker__drain_peer(w, wp);
}

/* ---- media ---- */

static void count_failure(struct worker *w, struct worker_peer *wp, int err)
{
    peer_note_unprotect_failure(wp->peer, err);
    if (err == ERR_SEC_REPLAY)
        WORKER_COUNT(w, drop_srtp_replay, 1);
    else
        WORKER_COUNT(w, drop_srtp_auth, 1);
}

static void hand_in(struct worker *w, const struct sec_srtp_job *job, struct pkt *pkt,
                    struct worker_peer *wp)
{
    if (job->result < 0) {
        count_failure(w, wp, job->result);
    } else if (job->is_rtcp) {
        sfu_node_handle_rtcp(w->node, wp->id, pkt->data, (size_t)job->result, w->now);
    } else {
        pkt->size = (uint16_t)job->result;
        pkt->arrived = w->turn_began;
        sfu_node_handle_rtp(w->node, wp->id, pkt, w->now);
    }
    pkt_unref(pkt); /* the node keeps its own reference */
}

static void hand_in_all(struct worker *w)
{
    struct worker_input *in = &w->input;
    sec_srtp_unprotect_batch(in->jobs, in->count);
    for (size_t i = 0; i < in->count; i++)
        hand_in(w, &in->jobs[i], in->pkts[i], in->peers[i]);
    in->count = 0;
}

void worker__finish_input(struct worker *w)
{
    hand_in_all(w);
    worker__drain_node(w);
}

static void finish_batch(struct worker *w)
{
    worker__begin_batch(w);
    hand_in_all(w);
    worker__end_batch(w);
}

/* The receive buffer's bytes are decrypted straight into the buffer that the node will share. */
static void collect(struct worker *w, struct worker_peer *wp, const struct udp_datagram *d,
                    bool is_rtcp)
{
    struct worker_input *in = &w->input;
    if (d->size > PKT_SIZE_MAX) {
        WORKER_COUNT(w, drop_malformed, 1);
        return;
    }
    if (wp->receive == NULL) { /* no keys yet */
        count_failure(w, wp, ERR_STATE);
        return;
    }
    struct pkt *pkt = pkt_take(w->pool, d->size);
    if (pkt == NULL) {
        WORKER_COUNT(w, drop_no_buffer, 1);
        return;
    }
    in->jobs[in->count] = (struct sec_srtp_job){.srtp = wp->receive,
                                                .src = d->data,
                                                .head_size = (uint16_t)d->size,
                                                .dst = pkt->data,
                                                .dst_size = d->size,
                                                .is_rtcp = is_rtcp};
    in->pkts[in->count] = pkt;
    in->peers[in->count] = wp;
    if (++in->count == WORKER_BATCH)
        finish_batch(w);
}

/* ---- demultiplexing ---- */

void worker__handle_datagram(struct worker *w, const struct udp_datagram *d)
{
    WORKER_COUNT(w, packets_in, 1);
    WORKER_COUNT(w, bytes_in, d->size);
    enum datagram_kind kind = kind_of(d->data, d->size);
    if (kind == DATAGRAM_STUN) {
        handle_stun(w, d);
        return;
    }
    if (kind == DATAGRAM_OTHER) {
        WORKER_COUNT(w, drop_malformed, 1);
        return;
    }
    struct worker_peer *wp = addrmap_get(&w->addrs, &d->from);
    if (wp == NULL)
        WORKER_COUNT(w, drop_unknown_addr, 1);
    else if (kind == DATAGRAM_DTLS)
        handle_dtls(w, wp, d);
    else
        collect(w, wp, d, kind == DATAGRAM_RTCP);
}

/* ---- receiving ---- */

/* Reads by `receive` until nothing waits, UDP_BATCHES_MAX batches at most; the number of kernel
 * messages. */
static int drain(struct worker *w, int (*receive)(struct udp_socket *), bool *ret_has_more)
{
    int count = 0, messages = UDP_IN_MESSAGES_MAX; /* fewer: nothing waits any more */
    for (int batch = 0; batch < UDP_BATCHES_MAX && messages == UDP_IN_MESSAGES_MAX; batch++) {
        messages = receive(w->udp);
        count += messages;
        struct udp_datagram d;
        while (udp_next(w->udp, &d))
            worker__handle_datagram(w, &d);
        if (messages > 0)
            finish_batch(w);
    }
    *ret_has_more = messages == UDP_IN_MESSAGES_MAX;
    return count;
}

void worker__receive(struct worker *w)
{
    bool has_more; /* epoll says so again */
    drain(w, udp_receive, &has_more);
}

void worker__receive_patient(struct worker *w, bool is_ready)
{
    struct worker_patience *p = &w->patience;
    if (!worker_patience_wants(p, is_ready))
        return;
    bool has_more, was_resting = p->is_resting;
    int count = drain(w, udp_receive_patient, &has_more);
    mono_us rest = worker_patience_rest((uint32_t)w->peers.count, w->joining_count);
    worker_patience_read(p, count, has_more, rest, w->now);
    if (p->is_resting == was_resting)
        return;
    int fd = udp_patient_fd(w->udp);
    int err = p->is_resting ? loop_pause(&w->loop, fd, p) : loop_set(&w->loop, fd, false, p);
    CHECK(err == 0); /* the descriptor is in the loop: there is nothing to allocate */
}
