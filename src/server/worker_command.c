#include "base/err.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "server/heap.h"
#include "server/worker_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The control thread's commands, one handler per kind. A command about something that has gone
 * meanwhile is dropped silently; one that fails for lack of memory or room is logged, and the peer
 * reported as failed where there is one, so that the client tries again.
 */

static struct worker_peer *peer_of(struct worker *w, sfu_peer_id id)
{
    return idmap_get(&w->peers, id);
}

void worker__touch_peer_timer(struct worker *w, struct worker_peer *wp)
{
    if (timers_set(&w->timers, &wp->timer, peer_next_timeout(wp->peer)) < 0)
        LOG_ERROR("worker", "timer_lost", "worker=%u peer=%u", w->config.index, wp->id);
}

void worker__set_joining(struct worker *w, struct worker_peer *wp, bool is_joining)
{
    w->joining_count += (uint32_t)is_joining - (uint32_t)wp->is_joining;
    wp->is_joining = is_joining;
}

static int register_ufrag(struct worker *w, struct worker_peer *wp, const char *ufrag)
{
    if (wp->ufrags[1][0] != '\0')
        strmap_take(&w->ufrags, wp->ufrags[1]);
    memcpy(wp->ufrags[1], wp->ufrags[0], sizeof(wp->ufrags[0]));
    int err = str_copy(wp->ufrags[0], sizeof(wp->ufrags[0]), ufrag);
    return err < 0 ? err : strmap_put(&w->ufrags, ufrag, wp);
}

static int add_peer(struct worker *w, const struct media_command *c)
{
    struct worker_peer *wp = calloc(1, sizeof(*wp));
    if (wp == NULL)
        return -ENOMEM;
    wp->id = c->peer;
    struct peer_config config = {
        .dtls_role = c->u.peer_add.dtls_role, .cert = w->config.cert, .rng = &w->rng};
    memcpy(config.local_ufrag, c->u.peer_add.local_ufrag, sizeof(config.local_ufrag));
    memcpy(config.local_pwd, c->u.peer_add.local_pwd, sizeof(config.local_pwd));
    int err = peer_create(&config, w->now, &wp->peer);
    if (err == 0)
        err = sfu_node_add_peer(w->node, &c->u.peer_add.sfu);
    if (err == 0)
        err = idmap_put(&w->peers, c->peer, wp);
    if (err == 0)
        err = register_ufrag(w, wp, config.local_ufrag);
    WORKER_COUNT(w, peers, 1);
    worker__set_joining(w, wp, true);
    if (err < 0) {
        worker__remove_peer(w, wp);
        return err;
    }
    worker__drain_peer(w, wp);
    return 0;
}

void worker__trim_buffers(struct worker *w)
{
    if (w->peers.count == 0 && pkt_pool_used(w->pool) == 0)
        pkt_pool_trim(w->pool);
    else if (w->peers.count == 0)
        return; /* another thread has the rest of them, for a moment */
    ring_trim(&w->events);
    udp_trim(w->udp);
    heap_flush_cache();
    w->is_trimming = false;
}

/* Every address that maps to the peer has to go: the peer names them before it dies. */
void worker__remove_peer(struct worker *w, struct worker_peer *wp)
{
    sfu_node_remove_peer(w->node, wp->id);
    timers_cancel(&w->timers, &wp->timer);
    for (size_t i = 0; i < 2; i++)
        if (wp->ufrags[i][0] != '\0' && strmap_get(&w->ufrags, wp->ufrags[i]) == wp)
            strmap_take(&w->ufrags, wp->ufrags[i]);
    struct addr addr;
    for (size_t i = 0; wp->peer != NULL && peer_addr_at(wp->peer, i, &addr); i++) {
        addrmap_remove(&w->addrs, &addr, wp);
        worker__tcp_disown(w, &addr, true);
    }
    if (idmap_get(&w->peers, wp->id) == wp)
        idmap_take(&w->peers, wp->id);
    worker__set_joining(w, wp, false);
    udp_flush(w->udp); /* runs are told apart by where a path lies: the next peer may lie here */
    peer_destroy(wp->peer);
    free(wp);
    WORKER_COUNT(w, peers, -1u);
    if (w->peers.count == 0) { /* the heap is the control thread's matter (server/heap.h) */
        w->is_trimming = true;
    }
}

static int set_remote(struct worker *w, const struct media_command *c)
{
    struct worker_peer *wp = peer_of(w, c->peer);
    if (wp == NULL)
        return 0;
    int err = sfu_node_set_peer(w->node, &c->u.peer_remote.sfu);
    if (err == 0)
        err = peer_set_remote(wp->peer, &c->u.peer_remote.remote, w->now);
    worker__drain_peer(w, wp);
    return err;
}

static int set_local(struct worker *w, const struct media_command *c)
{
    struct worker_peer *wp = peer_of(w, c->peer);
    if (wp == NULL)
        return 0;
    int err = peer_set_local_credentials(wp->peer, c->u.peer_local.ufrag, c->u.peer_local.pwd);
    if (err == 0)
        err = register_ufrag(w, wp, c->u.peer_local.ufrag);
    worker__drain_peer(w, wp);
    return err;
}

static int send_sctp(struct worker *w, const struct media_command *c)
{
    struct worker_peer *wp = peer_of(w, c->peer);
    if (wp != NULL) {
        if (peer_send_sctp(wp->peer, c->u.sctp->data, c->u.sctp->size) < 0)
            WORKER_COUNT(w, drop_send, 1); /* SCTP sends it again */
        worker__drain_peer(w, wp);
    }
    pkt_unref(c->u.sctp);
    return 0;
}

static int remove_peer(struct worker *w, const struct media_command *c)
{
    struct worker_peer *wp = peer_of(w, c->peer);
    if (wp != NULL)
        worker__remove_peer(w, wp);
    return 0;
}

static int add_track(struct worker *w, const struct media_command *c)
{
    return sfu_node_add_track(w->node, &c->u.track_config);
}

static int set_track(struct worker *w, const struct media_command *c)
{
    return sfu_node_set_track(w->node, &c->u.track_config);
}

static int remove_track(struct worker *w, const struct media_command *c)
{
    sfu_node_remove_track(w->node, c->track);
    return 0;
}

static int set_relay(struct worker *w, const struct media_command *c)
{
    sfu_node_set_relay_targets(w->node, c->track, c->u.worker_mask);
    return 0;
}

static int set_blocked(struct worker *w, const struct media_command *c)
{
    sfu_node_set_track_blocked(w->node, c->track, c->u.is_blocked);
    return 0;
}

static int want_keyframe(struct worker *w, const struct media_command *c)
{
    sfu_node_handle_keyframe_wanted(w->node, c->track, c->u.layer, w->now);
    return 0;
}

static int add_sub(struct worker *w, const struct media_command *c)
{
    return sfu_node_add_sub(w->node, &c->u.sub_config, w->now);
}

/* The node has nothing of the subscription any more, and what it gave was encrypted at once: no
 * packet under these SSRCs can follow. They come no second time (signal/negotiate.c). */
static int remove_sub(struct worker *w, const struct media_command *c)
{
    const uint32_t ssrcs[] = {c->u.sub_remove.ssrc, c->u.sub_remove.rtx_ssrc};
    struct worker_peer *wp = peer_of(w, c->peer);
    sfu_node_remove_sub(w->node, c->sub);
    for (size_t i = 0; i < ARRAY_COUNT(ssrcs); i++)
        if (ssrcs[i] != 0 && wp != NULL && wp->send != NULL)
            sec_srtp_retire(wp->send, ssrcs[i]);
    return 0;
}

static int set_sub_target(struct worker *w, const struct media_command *c)
{
    sfu_node_set_sub_target(w->node, &c->u.sub_target, w->now);
    return 0;
}

static int (*const handlers[MEDIA_COMMAND_KIND_COUNT_])(struct worker *,
                                                        const struct media_command *) = {
    [MEDIA_PEER_ADD] = add_peer,
    [MEDIA_PEER_REMOTE] = set_remote,
    [MEDIA_PEER_LOCAL] = set_local,
    [MEDIA_PEER_REMOVE] = remove_peer,
    [MEDIA_PEER_SCTP] = send_sctp,
    [MEDIA_TRACK_ADD] = add_track,
    [MEDIA_TRACK_SET] = set_track,
    [MEDIA_TRACK_REMOVE] = remove_track,
    [MEDIA_TRACK_RELAY] = set_relay,
    [MEDIA_TRACK_BLOCK] = set_blocked,
    [MEDIA_TRACK_KEYFRAME] = want_keyframe,
    [MEDIA_SUB_ADD] = add_sub,
    [MEDIA_SUB_REMOVE] = remove_sub,
    [MEDIA_SUB_TARGET] = set_sub_target,
};

static void handle_command(struct worker *w, const struct media_command *command)
{
    int err = handlers[command->kind](w, command);
    if (err >= 0 || err == ERR_NOT_FOUND)
        return;
    LOG_ERROR("worker", "command_failed", "worker=%u kind=%d peer=%u err=\"%s\"", w->config.index,
              command->kind, command->peer, err_text(err));
    if (command->peer != 0)
        worker__report_peer(w, command->peer, MEDIA_EVENT_PEER_FAILED, err);
}

bool worker__has_commands(struct worker *w)
{
    return ring_count(&w->commands.ring) > 0;
}

void worker__drain_commands(struct worker *w)
{
    for (struct media_command c; mailbox_pop(&w->commands, &c);) {
        worker__begin_batch(w);
        handle_command(w, &c);
        worker__end_batch(w);
    }
}
