#include "base/err.h"
#include "sfu/sfu_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- payload types ---- */

/* The subscriber's payload type for a codec; the packetization mode of H.264 should be the same. */
static const struct rtp_pt *find_pt(const struct sfu_sub_config *c, uint8_t codec, uint8_t mode)
{
    const struct rtp_pt *found = NULL;
    for (size_t i = 0; i < c->pt_count; i++) {
        const struct rtp_pt *pt = &c->pts[i];
        if (pt->codec != codec)
            continue;
        if (pt->h264_mode == mode)
            return pt;
        if (found == NULL)
            found = pt;
    }
    return found;
}

static struct sfu_route make_route(const struct sfu_sub_config *c, const struct rtp_pt *from)
{
    bool is_red_stripped = false;
    const struct rtp_pt *to = find_pt(c, from->codec, from->h264_mode);
    if (to == NULL && from->codec == RTP_CODEC_RED) {
        to = find_pt(c, RTP_CODEC_OPUS, 0);
        is_red_stripped = true;
    }
    if (to == NULL)
        return (struct sfu_route){0};
    return (struct sfu_route){.is_usable = true,
                              .is_red_stripped = is_red_stripped,
                              .pt = to->pt,
                              .rtx_pt = c->rtx_ssrc != 0 ? to->rtx_pt : 0};
}

/* Without RTX a packet is sent again under its own number, and must then be the same packet: the
 * SRTP key would otherwise meet one packet index with two texts (RFC 3711, 9.1). What forwarding
 * makes of a packet may therefore change only for packets that have not gone out. */
void sfu__sub_set_routes(struct sfu_sub *s)
{
    rtp_mapper_forget(&s->mapper);
    memset(s->routes, 0, sizeof(s->routes));
    for (size_t i = 0; i < s->track->config.pt_count; i++)
        s->routes[i] = make_route(&s->config, &s->track->config.pts[i]);
}

/* A copy of the peer's extension ids: what is needed per packet lies together. */
void sfu__sub_set_exts(struct sfu_sub *s)
{
    if (memcmp(&s->exts, &s->peer->config.exts, sizeof(s->exts)) == 0)
        return;
    rtp_mapper_forget(&s->mapper);
    s->exts = s->peer->config.exts;
}

/* ---- life ---- */

static void init_mapper(struct sfu_sub *s)
{
    struct rng *rng = &s->track->node->rng;
    struct rtp_mapper_config config = {
        .clock_hz = s->track->clock_hz,
        .first_seq = (uint16_t)(rng_u32(rng) & 0x7fff), /* the first roll-over is some time away */
        .first_ts = rng_u32(rng),
        .first_picture_id = (uint16_t)(rng_u32(rng) & 0x7fff),
        .first_tl0 = (uint8_t)rng_u32(rng)};
    s->rtx_seq = (uint16_t)(rng_u32(rng) & 0x7fff);
    sfu__kept_resume(s, &config);
    rtp_mapper_init(&s->mapper, &config);
    s->mid_end = UINT64_MAX;
}

/* The part that packets are judged by lies with what is needed per packet. */
static void set_target(struct sfu_sub *s, const struct sfu_sub_target *target)
{
    s->target = *target;
    s->target.layer_max = TK_MAX(target->layer_max, (int8_t)SFU_LAYER_NONE);
    s->temporal_max = target->temporal_max;
}

static struct sfu_sub *sub_new(const struct sfu_sub_config *config, struct sfu_track *t,
                               struct sfu_peer *p, mono_us now)
{
    bool is_video = t->config.kind == RTP_KIND_VIDEO;
    struct sfu_sub *s = calloc(1, sizeof(*s)); /* the mapper's history comes with the start */
    if (s == NULL)
        return NULL;
    s->config = *config;
    s->track = t;
    s->peer = p;
    s->peer_id = config->peer;
    s->ssrc = config->ssrc;
    list_init(&s->flow_link);
    list_init(&s->wait_link);
    s->is_video = is_video;
    s->mid_size = (uint8_t)strnlen(config->mid, sizeof(config->mid));
    s->config.cname[sizeof(s->config.cname) - 1] = '\0';
    set_target(s, &(struct sfu_sub_target){.sub = config->sub,
                                           .layer_max = is_video ? SFU_LAYER_NONE : 0,
                                           .temporal_max = SFU_TEMPORAL_ALL});
    s->current = SFU_LAYER_NONE;
    s->wanted = SFU_LAYER_NONE;
    s->waiting_since = now;
    s->report_at = MONO_NEVER;
    init_mapper(s);
    sfu__sub_set_routes(s);
    sfu__sub_set_exts(s);
    return s;
}

int sfu_node_add_sub(struct sfu_node *node, const struct sfu_sub_config *config, mono_us now)
{
    sfu__enter(node, now);
    struct sfu_track *t = idmap_get(&node->tracks, config->track);
    struct sfu_peer *p = idmap_get(&node->peers, config->peer);
    if (t == NULL || p == NULL)
        return ERR_NOT_FOUND;
    if (config->pt_count > RTP_PTS_MAX)
        return ERR_UNSUPPORTED;
    if (idmap_get(&node->subs, config->sub) != NULL)
        return ERR_EXISTS;
    int err = config->is_kept_ssrc ? sfu__kept_reserve(p, config->ssrc) : 0;
    if (err < 0)
        return err;
    struct sfu_sub *s = sub_new(config, t, p, now);
    if (s == NULL)
        return -ENOMEM;
    err = idmap_put(&node->sub_ssrcs, sfu__ssrc_key(config->peer, config->ssrc), s);
    if (err == 0) {
        err = idmap_put(&node->subs, config->sub, s);
        if (err < 0)
            idmap_take(&node->sub_ssrcs, sfu__ssrc_key(config->peer, config->ssrc));
    }
    if (err < 0) {
        free(s);
        return err;
    }
    list_push_back(&t->subs, &s->track_link);
    list_push_back(&p->subs, &s->peer_link);
    sfu__sub_choose(s, now);
    return 0;
}

void sfu__sub_destroy(struct sfu_sub *s)
{
    struct sfu_node *node = s->track->node;
    sfu__kept_note(s);
    sfu__sub_stop(s);
    list_remove(&s->wait_link);
    list_remove(&s->track_link);
    list_remove(&s->peer_link);
    idmap_take(&node->subs, s->config.sub);
    idmap_take(&node->sub_ssrcs, sfu__ssrc_key(s->config.peer, s->config.ssrc));
    sfu__history_fini(s);
    free(s);
}

void sfu_node_remove_sub(struct sfu_node *node, sfu_sub_id sub)
{
    struct sfu_sub *s = idmap_get(&node->subs, sub);
    if (s == NULL)
        return;
    struct sfu_track *t = s->track;
    sfu__sub_destroy(s);
    sfu__wanted_update(t, false, node->now);
}

void sfu_node_set_sub_target(struct sfu_node *node, const struct sfu_sub_target *target,
                             mono_us now)
{
    sfu__enter(node, now);
    struct sfu_sub *s = idmap_get(&node->subs, target->sub);
    if (s == NULL)
        return;
    set_target(s, target);
    sfu__sub_choose(s, now);
    sfu__wanted_update(s->track, true, now);
}
