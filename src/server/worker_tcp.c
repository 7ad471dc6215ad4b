#include "base/err.h"
#include "ice/stun.h"
#include "server/worker_internal.h"
#include "signal/signal.h"

#include <stdlib.h>
#include <unistd.h>

/*
 * ICE-TCP (RFC 6544), passive side. Worker 0 listens and accepts; the first frame must be a STUN
 * request whose user name begins with a local ufrag, whose first character names the worker of that
 * peer. The connection goes there with the bytes read so far. A connection that says nothing of the
 * kind is closed.
 *
 * A user name can be invented: a connection is pending, and closed after WORKER_TCP_PENDING_US,
 * until an authenticated check has made its address known, and again when no peer has it any more.
 * So a connection lasts no longer than its peer, and nobody without a password holds one.
 */

struct worker_tcp *worker__tcp_of(struct worker *w, uint32_t conn)
{
    return idmap_get(&w->tcps, conn);
}

static bool is_pending(const struct worker_tcp *t)
{
    return !list_is_empty(&t->pending_link);
}

/* MONO_NEVER: not pending any more. What is pending gets the same time, or none: the list stays in
 * order. */
static void set_pending(struct worker *w, struct worker_tcp *t, mono_us close_at)
{
    w->tcp_pending_count += (uint32_t)(close_at != MONO_NEVER) - (uint32_t)is_pending(t);
    list_remove(&t->pending_link);
    t->close_at = close_at;
    if (close_at == MONO_NEVER)
        return;
    if (close_at > w->now)
        list_push_back(&w->tcp_pending, &t->pending_link);
    else
        list_push_front(&w->tcp_pending, &t->pending_link);
}

void worker__tcp_close(struct worker *w, struct worker_tcp *t)
{
    set_pending(w, t, MONO_NEVER);
    idmap_take(&w->tcps, t->id);
    if (t->conn != NULL)
        tcp_conn_destroy(t->conn); /* closing the fd takes it out of the loop */
    free(t);
}

static struct worker_tcp *adopt(struct worker *w, int fd, bool is_dispatched) ON_MEDIA
{
    struct worker_tcp *t = NULL;
    if (w->tcp_pending_count >= WORKER_TCP_PENDING_MAX)
        goto refuse;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        goto refuse;
    list_init(&t->pending_link);
    t->id = w->tcp_next_id++;
    t->is_dispatched = is_dispatched;
    if (tcp_conn_create(fd, t->id, &t->conn) < 0)
        goto refuse;
    if (idmap_put(&w->tcps, t->id, t) < 0 || loop_add(&w->loop, fd, false, t) < 0) {
        worker__tcp_close(w, t);
        WORKER_COUNT(w, tcp_refused, 1);
        return NULL;
    }
    set_pending(w, t, w->now + WORKER_TCP_PENDING_US);
    WORKER_COUNT(w, tcp_accepted, 1);
    return t;
refuse:
    free(t);
    close(fd);
    WORKER_COUNT(w, tcp_refused, 1);
    return NULL;
}

void worker__tcp_accept(struct worker *w)
{
    role_assert_media();
    for (int fd; (fd = tcp_accept(w->listen_fd)) >= 0;)
        adopt(w, fd, false);
}

static void handle_frames(struct worker *w, struct worker_tcp *t)
{
    const uint8_t *data;
    size_t size;
    worker__begin_batch(w);
    while (tcp_conn_next(t->conn, &data, &size)) {
        struct udp_datagram d = {.from = *tcp_conn_remote(t->conn),
                                 .to = *tcp_conn_local(t->conn),
                                 .data = data,
                                 .size = size};
        worker__handle_datagram(w, &d);
        worker__finish_input(w); /* the frame's bytes are gone with the next one */
    }
    worker__end_batch(w);
    bool is_over = t->close_at <= w->now; /* its peer was removed by a command in between */
    if (!is_pending(t) || is_over || addrmap_get(&w->addrs, tcp_conn_remote(t->conn)) == NULL)
        return;
    set_pending(w, t, MONO_NEVER);
    t->was_known = true;
}

/* Gives a new connection to the worker that its first frame names. */
static void dispatch(struct worker *w, struct worker_tcp *t)
{
    char ufrag[PEER_UFRAG_SIZE];
    struct worker_handover h;
    const uint8_t *frame;
    size_t size;
    if (!tcp_conn_peek(t->conn, &frame, &size))
        return; /* not whole yet */
    int target = -1;
    if (ice_peek_username(frame, size, ufrag, sizeof(ufrag)) == 0)
        target = signal_ufrag_worker(ufrag);
    if (target == w->config.index) {
        t->is_dispatched = true;
        handle_frames(w, t);
        return;
    }
    if (target < 0 || target >= w->config.worker_count || w->others[target] == NULL) {
        WORKER_COUNT(w, tcp_refused, 1);
        worker__tcp_close(w, t);
        return;
    }
    role_assert_media();
    loop_remove(&w->loop, tcp_conn_fd(t->conn));
    h.fd = tcp_conn_release(t->conn, h.bytes, sizeof(h.bytes), &h.size);
    t->conn = NULL;
    worker__tcp_close(w, t);
    if (mailbox_push(&w->others[target]->handovers, &h)) {
        mailbox_wake(&w->others[target]->handovers);
        return;
    }
    close(h.fd);
    WORKER_COUNT(w, tcp_refused, 1);
}

void worker__tcp_handover(struct worker *w, struct worker_handover *h)
{
    role_assert_media();
    struct worker_tcp *t = adopt(w, h->fd, true);
    if (t == NULL)
        return;
    if (tcp_conn_preload(t->conn, h->bytes, h->size) < 0) {
        worker__tcp_close(w, t);
        return;
    }
    handle_frames(w, t);
}

void worker__tcp_update_interest(struct worker *w, struct worker_tcp *t)
{
    role_assert_media();
    bool wants_write = tcp_conn_wants_write(t->conn);
    if (wants_write == t->wants_write)
        return;
    if (loop_set(&w->loop, tcp_conn_fd(t->conn), wants_write, t) == 0)
        t->wants_write = wants_write;
}

void worker__tcp_ready(struct worker *w, struct worker_tcp *t, const struct loop_ready *ready)
{
    if (ready->is_writable) {
        tcp_conn_flush(t->conn);
        worker__tcp_update_interest(w, t);
    }
    if (!ready->is_readable)
        return;
    if (tcp_conn_receive(t->conn) < 0) {
        worker__tcp_close(w, t);
        return;
    }
    if (t->is_dispatched)
        handle_frames(w, t);
    else
        dispatch(w, t);
}

void worker__tcp_disown(struct worker *w, const struct addr *addr, bool is_over)
{
    struct worker_tcp *t = addr->proto == ADDR_PROTO_TCP ? worker__tcp_of(w, addr->conn) : NULL;
    if (t != NULL && addrmap_get(&w->addrs, addr) == NULL)
        set_pending(w, t, is_over ? w->now : w->now + WORKER_TCP_PENDING_US);
}

void worker__tcp_expire(struct worker *w)
{
    while (w->now >= worker__tcp_next_timeout(w)) {
        struct worker_tcp *t = CONTAINER_OF(w->tcp_pending.next, struct worker_tcp, pending_link);
        WORKER_COUNT(w, tcp_refused, !t->was_known);
        worker__tcp_close(w, t);
    }
}

mono_us worker__tcp_next_timeout(const struct worker *w)
{
    if (list_is_empty(&w->tcp_pending))
        return MONO_NEVER;
    return CONTAINER_OF(w->tcp_pending.next, struct worker_tcp, pending_link)->close_at;
}
