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
 */

struct worker_tcp *worker__tcp_of(struct worker *w, uint32_t conn)
{
    return idmap_get(&w->tcps, conn);
}

void worker__tcp_close(struct worker *w, struct worker_tcp *t)
{
    if (t->is_pending)
        w->tcp_pending_count--;
    idmap_take(&w->tcps, t->id);
    if (t->conn != NULL)
        tcp_conn_destroy(t->conn); /* closing the fd takes it out of the loop */
    free(t);
}

static struct worker_tcp *adopt(struct worker *w, int fd, bool is_pending) ON_MEDIA
{
    struct worker_tcp *t = calloc(1, sizeof(*t));
    if (t == NULL)
        goto refuse;
    t->id = w->tcp_next_id++;
    t->accepted_at = w->now;
    if (tcp_conn_create(fd, t->id, &t->conn) < 0)
        goto refuse;
    if (idmap_put(&w->tcps, t->id, t) < 0 || loop_add(&w->loop, fd, false, t) < 0) {
        worker__tcp_close(w, t);
        WORKER_COUNT(w, tcp_refused, 1);
        return NULL;
    }
    t->is_pending = is_pending;
    w->tcp_pending_count += is_pending;
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
    for (int fd; (fd = tcp_accept(w->listen_fd)) >= 0;) {
        if (w->tcp_pending_count >= WORKER_TCP_PENDING_MAX) {
            close(fd);
            WORKER_COUNT(w, tcp_refused, 1);
            continue;
        }
        adopt(w, fd, true);
    }
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
}

/* Gives a pending connection to the worker that its first frame names. */
static void dispatch_pending(struct worker *w, struct worker_tcp *t)
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
        t->is_pending = false;
        w->tcp_pending_count--;
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
    struct worker_tcp *t = adopt(w, h->fd, false);
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
    if (t->is_pending)
        dispatch_pending(w, t);
    else
        handle_frames(w, t);
}

void worker__tcp_expire_pending(struct worker *w)
{
    size_t cursor = 0;
    for (struct worker_tcp *t; (t = idmap_next(&w->tcps, &cursor, NULL)) != NULL;)
        if (t->is_pending && w->now - t->accepted_at > WORKER_TCP_PENDING_US) {
            WORKER_COUNT(w, tcp_refused, 1);
            worker__tcp_close(w, t);
        }
}
