#include "base/err.h"
#include "sfu/sfu_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Transport-wide feedback is for publishers: most peers never need its memory. */
int sfu__peer_open_twcc(struct sfu_peer *p)
{
    if (!p->config.has_twcc || p->twcc != NULL)
        return 0;
    p->twcc = malloc(sizeof(*p->twcc));
    if (p->twcc == NULL)
        return -ENOMEM;
    rtp_twcc_init(p->twcc, SFU_TWCC_EVERY);
    return 0;
}

int sfu_node_add_peer(struct sfu_node *node, const struct sfu_peer_config *config)
{
    if (idmap_get(&node->peers, config->peer) != NULL)
        return ERR_EXISTS;
    struct sfu_peer *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    p->config = *config;
    p->node = node;
    list_init(&p->tracks);
    list_init(&p->subs);
    list_init(&p->due_link);
    cc_stepdown_init(&p->cc, node->now);
    p->quality_at = node->now + SFU_QUALITY;
    p->quality_from = node->now;
    int err = timers_reserve(&node->peer_timers, node->peers.count + 1);
    if (err == 0)
        err = timers_set(&node->peer_ticks, &p->tick, node->now + SFU_PEER_TICK);
    if (err == 0)
        err = idmap_put(&node->peers, config->peer, p);
    if (err < 0) {
        timers_cancel(&node->peer_ticks, &p->tick);
        free(p);
    }
    return err;
}

int sfu_node_set_peer(struct sfu_node *node, const struct sfu_peer_config *config)
{
    struct sfu_peer *p = idmap_get(&node->peers, config->peer);
    if (p == NULL)
        return ERR_NOT_FOUND;
    p->config = *config;
    if (!config->has_twcc) {
        free(p->twcc);
        p->twcc = NULL;
    } else if (!list_is_empty(&p->tracks)) {
        int err = sfu__peer_open_twcc(p);
        if (err < 0)
            return err;
    }
    LIST_FOR_EACH(it, &p->subs)
    sfu__sub_set_exts(CONTAINER_OF(it, struct sfu_sub, peer_link));
    return 0;
}

void sfu_node_remove_peer(struct sfu_node *node, sfu_peer_id peer)
{
    struct sfu_peer *p = idmap_get(&node->peers, peer);
    if (p == NULL)
        return;
    LIST_FOR_EACH(it, &p->subs)
    sfu_node_remove_sub(node, CONTAINER_OF(it, struct sfu_sub, peer_link)->config.sub);
    LIST_FOR_EACH(it, &p->tracks)
    sfu_node_remove_track(node, CONTAINER_OF(it, struct sfu_track, peer_link)->config.track);
    idmap_take(&node->peers, peer);
    timers_cancel(&node->peer_timers, &p->timer);
    timers_cancel(&node->peer_ticks, &p->tick);
    list_remove(&p->due_link);
    free(p->twcc);
    free(p->kept);
    free(p);
}

void sfu_node_set_connected(struct sfu_node *node, sfu_peer_id peer, bool is_connected, mono_us now)
{
    struct sfu_peer *p = idmap_get(&node->peers, peer);
    if (p == NULL || p->is_connected == is_connected)
        return;
    node->now = TK_MAX(node->now, now);
    p->is_connected = is_connected;
    cc_stepdown_init(&p->cc, now);
    sfu__peer_choose(p, now);
    if (is_connected)
        sfu__peer_due(p);
}

void sfu__peer_due(struct sfu_peer *p)
{
    if (list_is_empty(&p->due_link))
        list_push_back(&p->node->due_peers, &p->due_link);
}

static mono_us next_nack(const struct sfu_peer *p)
{
    mono_us next = MONO_NEVER;
    LIST_FOR_EACH(it, &p->tracks)
    {
        const struct sfu_track *t = CONTAINER_OF(it, struct sfu_track, peer_link);
        for (size_t i = 0; i < t->config.layer_count && t->config.has_nack; i++)
            if (t->layers[i].uplink != NULL)
                next = TK_MIN(next, rtp_nack_next_at(&t->layers[i].uplink->nack));
    }
    return next;
}

void sfu__peer_timeout(struct sfu_peer *p, mono_us now)
{
    sfu__peer_due(p);
    mono_us next = TK_MAX(next_nack(p), now + MONO_MS(10));
    if (p->twcc != NULL) /* what is due now is written when RTCP is polled */
        next = TK_MIN(next, TK_MAX(rtp_twcc_next_at(p->twcc), now + SFU_TWCC_EVERY));
    sfu__arm(&p->node->peer_timers, &p->timer, next);
}

void sfu__peer_tick(struct sfu_peer *p, mono_us now)
{
    sfu__peer_step_down(p, now);
    if (now >= p->quality_at)
        sfu__peer_quality(p, now);
    sfu__arm(&p->node->peer_ticks, &p->tick, now + SFU_PEER_TICK);
    sfu__peer_timeout(p, now);
}
