#include "base/err.h"
#include "sfu/sfu_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- configuration ---- */

static bool is_valid(const struct sfu_track_config *c)
{
    return c->layer_count >= 1 && c->layer_count <= RTP_LAYERS_MAX && c->pt_count <= RTP_PTS_MAX;
}

static void index_pts(struct sfu_track *t)
{
    memset(t->pt_index, SFU_PT_UNKNOWN, sizeof(t->pt_index));
    for (uint8_t i = 0; i < t->config.pt_count; i++) {
        const struct rtp_pt *pt = &t->config.pts[i];
        t->pt_index[pt->pt & 0x7f] = i;
        if (pt->rtx_pt != 0)
            t->pt_index[pt->rtx_pt & 0x7f] = i | SFU_PT_RTX;
    }
    t->clock_hz = t->config.kind == RTP_KIND_VIDEO ? 90000 : 48000;
    if (t->config.pt_count > 0)
        t->clock_hz = rtp_codec_clock_hz(t->config.pts[0].codec);
}

/* Memory of a layer that the configuration names; kept until the track goes. */
static int open_layer(struct sfu_track *t, uint8_t index)
{
    struct sfu_layer *l = &t->layers[index];
    if (l->ring.chunks == NULL) {
        bool is_video = t->config.kind == RTP_KIND_VIDEO;
        uint32_t count = is_video ? t->node->config.ring_packets : SFU_RING_AUDIO;
        sfu__history_init(l);
        int err = sfu__ring_init(&l->ring, count, &t->node->spare);
        if (err < 0)
            return err;
    }
    if (t->peer == NULL || l->uplink != NULL)
        return 0;
    l->uplink = calloc(1, sizeof(*l->uplink));
    if (l->uplink == NULL)
        return -ENOMEM;
    struct rtp_nack_config nack = rtp_nack_config_default();
    rtp_nack_init(&l->uplink->nack, &nack);
    rtp_recv_stats_init(&l->uplink->stats, t->clock_hz);
    return 0;
}

/* ---- SSRCs of the publisher ---- */

static void unbind(struct sfu_peer *p, struct sfu_bind *b)
{
    if (b->ssrc == 0)
        return;
    idmap_take(&p->node->binds, sfu__ssrc_key(p->config.peer, b->ssrc));
    b->ssrc_before = b->ssrc;
    b->before_until = p->node->now + SFU_SSRC_LATE;
    b->ssrc = 0;
}

static bool is_late(const struct sfu_peer *p, const struct sfu_bind *b, uint32_t ssrc)
{
    return b->ssrc_before == ssrc && p->node->now < b->before_until;
}

/* An SSRC belongs to the layer that had it first; a layer has the newest one named for it. With the
 * encoder goes its RTX: what still comes of that has the old encoder's numbers. */
static int bind(struct sfu_peer *p, struct sfu_bind *b, uint32_t ssrc)
{
    if (b->ssrc == ssrc)
        return 0;
    int err = idmap_put(&p->node->binds, sfu__ssrc_key(p->config.peer, ssrc), b);
    if (err < 0)
        return err;
    if (!b->is_rtx && b->ssrc != 0)
        unbind(p, &b->layer->rtx);
    unbind(p, b);
    b->ssrc = ssrc;
    return 0;
}

static void bind_configured(struct sfu_track *t)
{
    for (size_t i = 0; i < t->config.layer_count && t->peer != NULL; i++) {
        /* What is taken already stays with its owner; packets then say by mid where they belong. */
        if (t->config.ssrcs[i] != 0)
            IGNORE(bind(t->peer, &t->layers[i].media, t->config.ssrcs[i]));
        if (t->config.rtx_ssrcs[i] != 0)
            IGNORE(bind(t->peer, &t->layers[i].rtx, t->config.rtx_ssrcs[i]));
    }
}

static struct sfu_track *track_of_mid(struct sfu_peer *p, const char *mid)
{
    LIST_FOR_EACH(it, &p->tracks)
    {
        struct sfu_track *t = CONTAINER_OF(it, struct sfu_track, peer_link);
        if (strcmp(t->config.mid, mid) == 0)
            return t;
    }
    return NULL;
}

static struct sfu_layer *layer_of_rid(struct sfu_track *t, const char *rid)
{
    for (size_t i = 0; i < t->config.layer_count; i++)
        if (t->config.rids[i][0] != '\0' && strcmp(t->config.rids[i], rid) == 0)
            return &t->layers[i];
    return NULL;
}

/* Who sends an unknown SSRC, by the extensions of its first packets (RFC 8843, 9.2; RFC 8852). */
static struct sfu_bind *learn(struct sfu_peer *p, const struct rtp_view *v,
                              const struct rtp_ext_set *exts)
{
    char mid[RTP_MID_SIZE], rid[RTP_RID_SIZE];
    if (!rtp_ext_get_text(exts, RTP_EXT_MID, mid, sizeof(mid)))
        return NULL;
    struct sfu_track *t = track_of_mid(p, mid);
    if (t == NULL || t->pt_index[v->pt] == SFU_PT_UNKNOWN)
        return NULL;
    bool is_rtx = (t->pt_index[v->pt] & SFU_PT_RTX) != 0;
    struct sfu_layer *l = t->config.layer_count == 1 ? &t->layers[0] : NULL;
    if (rtp_ext_get_text(exts, is_rtx ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID, rid, sizeof(rid)) &&
        (l == NULL || t->config.rids[0][0] != '\0'))
        l = layer_of_rid(t, rid);
    if (l == NULL)
        return NULL;
    struct sfu_bind *b = is_rtx ? &l->rtx : &l->media;
    return !is_late(p, b, v->ssrc) && bind(p, b, v->ssrc) == 0 ? b : NULL;
}

struct sfu_bind *sfu__bind_find(struct sfu_peer *p, const struct rtp_view *v,
                                const struct rtp_ext_set *exts)
{
    struct sfu_bind *b = idmap_get(&p->node->binds, sfu__ssrc_key(p->config.peer, v->ssrc));
    return b != NULL ? b : learn(p, v, exts);
}

/* ---- life ---- */

static void init_layers(struct sfu_track *t)
{
    for (uint8_t i = 0; i < RTP_LAYERS_MAX; i++) {
        struct sfu_layer *l = &t->layers[i];
        l->track = t;
        l->index = i;
        l->media = (struct sfu_bind){.layer = l};
        l->rtx = (struct sfu_bind){.layer = l, .is_rtx = true};
        rtp_seq_ext_init(&l->seqs);
        list_init(&l->subs);
        list_init(&l->fan_link);
    }
}

static struct sfu_track *track_new(struct sfu_node *node, const struct sfu_track_config *config)
{
    struct sfu_track *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->config = *config;
    t->node = node;
    t->wanted_reported = SFU_LAYER_NONE;
    t->wanted_lower_at = MONO_NEVER;
    t->rate_at = node->now;
    list_init(&t->subs);
    list_init(&t->peer_link);
    list_init(&t->waiting);
    init_layers(t);
    index_pts(t);
    return t;
}

static int open_layers(struct sfu_track *t)
{
    for (uint8_t i = 0; i < t->config.layer_count; i++) {
        int err = open_layer(t, i);
        if (err < 0)
            return err;
    }
    return 0;
}

int sfu_node_add_track(struct sfu_node *node, const struct sfu_track_config *config)
{
    if (!is_valid(config))
        return ERR_UNSUPPORTED;
    if (idmap_get(&node->tracks, config->track) != NULL)
        return ERR_EXISTS;
    struct sfu_peer *peer = NULL;
    if (config->source_peer != 0) {
        peer = idmap_get(&node->peers, config->source_peer);
        if (peer == NULL)
            return ERR_NOT_FOUND;
    }
    struct sfu_track *t = track_new(node, config);
    if (t == NULL)
        return -ENOMEM;
    t->peer = peer;
    int err = open_layers(t);
    if (err == 0 && peer != NULL)
        err = sfu__peer_open_twcc(peer);
    if (err == 0)
        err = timers_set(&node->track_timers, &t->timer, node->now + SFU_TRACK_TICK);
    if (err == 0)
        err = idmap_put(&node->tracks, config->track, t);
    if (err < 0) {
        sfu__track_destroy(t);
        return err;
    }
    if (peer != NULL)
        list_push_back(&peer->tracks, &t->peer_link);
    bind_configured(t);
    return 0;
}

static void purge_pending(struct sfu_track *t)
{
    for (size_t i = 0; i < RTP_LAYERS_MAX; i++)
        sfu__pending_purge(&t->layers[i]);
}

static bool has_same_pts(const struct sfu_track_config *a, const struct sfu_track_config *b)
{
    return a->pt_count == b->pt_count &&
           memcmp(a->pts, b->pts, a->pt_count * sizeof(a->pts[0])) == 0;
}

/* The payload types are other ones: what has come names them by their places among the old. Who
 * reads the ring waits for a keyframe, the others go on with what comes. */
static void change_pts(struct sfu_track *t)
{
    index_pts(t);
    for (size_t i = 0; i < RTP_LAYERS_MAX; i++)
        sfu__layer_forget(&t->layers[i]);
    LIST_FOR_EACH(it, &t->subs)
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, track_link);
        sfu__sub_set_routes(s);
        sfu__sub_stop_reading(s);
    }
}

int sfu_node_set_track(struct sfu_node *node, const struct sfu_track_config *config)
{
    struct sfu_track *t = idmap_get(&node->tracks, config->track);
    if (t == NULL)
        return ERR_NOT_FOUND;
    if (!is_valid(config) || config->kind != t->config.kind)
        return ERR_UNSUPPORTED;
    sfu_peer_id source = t->config.source_peer;
    for (size_t i = config->layer_count; i < t->config.layer_count; i++)
        t->layers[i].is_live = false;
    if (config->has_nack != t->config.has_nack) /* what came without it was not noted */
        for (size_t i = 0; i < RTP_LAYERS_MAX; i++)
            sfu__layer_forget_missing(&t->layers[i]);
    bool is_same = has_same_pts(&t->config, config);
    t->config = *config;
    t->config.source_peer = source;
    if (!is_same)
        change_pts(t);
    int err = open_layers(t);
    if (err < 0) {
        t->config.layer_count = 1; /* the first layer has its memory since the beginning */
        return err;
    }
    bind_configured(t);
    sfu__track_choose(t, node->now);
    return 0;
}

void sfu__track_destroy(struct sfu_track *t)
{
    for (size_t i = 0; i < RTP_LAYERS_MAX; i++) {
        if (t->peer != NULL) {
            unbind(t->peer, &t->layers[i].media);
            unbind(t->peer, &t->layers[i].rtx);
        }
        sfu__ring_fini(&t->layers[i].ring);
        if (t->layers[i].uplink != NULL)
            rtp_nack_fini(&t->layers[i].uplink->nack);
        free(t->layers[i].uplink);
    }
    timers_cancel(&t->node->track_timers, &t->timer);
    free(t);
}

void sfu_node_remove_track(struct sfu_node *node, sfu_track_id track)
{
    struct sfu_track *t = idmap_get(&node->tracks, track);
    if (t == NULL)
        return;
    LIST_FOR_EACH(it, &t->subs)
    sfu__sub_destroy(CONTAINER_OF(it, struct sfu_sub, track_link));
    purge_pending(t);
    idmap_take(&node->tracks, track);
    list_remove(&t->peer_link);
    sfu__track_destroy(t);
    if (node->tracks.count == 0)
        sfu__spare_fini(&node->spare);
}

void sfu_node_set_relay_targets(struct sfu_node *node, sfu_track_id track, uint32_t worker_mask)
{
    struct sfu_track *t = idmap_get(&node->tracks, track);
    if (t != NULL)
        t->relay_mask = worker_mask & ~(UINT32_C(1) << node->config.worker);
}

void sfu_node_set_track_blocked(struct sfu_node *node, sfu_track_id track, bool is_blocked)
{
    struct sfu_track *t = idmap_get(&node->tracks, track);
    if (t == NULL || t->is_blocked == is_blocked)
        return;
    t->is_blocked = is_blocked;
    if (!is_blocked) /* whoever waits for a keyframe asks again */
        for (size_t i = 0; i < t->config.layer_count; i++)
            t->layers[i].keyframe.has_sent = false;
    LIST_FOR_EACH(it, &t->subs) /* the packets before and after the pause are not one stretch */
    {
        struct sfu_sub *s = CONTAINER_OF(it, struct sfu_sub, track_link);
        sfu__sub_stop(s);
        s->waiting_since = node->now;
    }
    sfu__track_choose(t, node->now);
}

/* ---- time ---- */

static void update_layer(struct sfu_layer *l, mono_us passed, mono_us now)
{
    if (passed > 0) {
        uint64_t bits = (l->bytes - l->bytes_before) * 8;
        l->bps = (uint32_t)TK_MIN(bits * 1000000 / (uint64_t)passed, (uint64_t)UINT32_MAX);
        l->bytes_before = l->bytes;
    }
    if (l->is_live && now - l->last_at > SFU_LAYER_SILENT)
        l->is_live = false;
    if (l->ring.chunks != NULL)
        sfu__layer_trim(l);
}

void sfu__track_tick(struct sfu_track *t, mono_us now)
{
    bool is_rate_due = now - t->rate_at >= MONO_S(1);
    mono_us passed = is_rate_due ? now - t->rate_at : 0;
    if (is_rate_due)
        t->rate_at = now;
    mono_us next = now + SFU_TRACK_TICK;
    for (size_t i = 0; i < RTP_LAYERS_MAX; i++)
        update_layer(&t->layers[i], passed, now);
    if (t->config.kind == RTP_KIND_AUDIO)
        sfu__speaker_tick(t, now);
    else
        sfu__track_choose(t, now);
    if (t->config.kind == RTP_KIND_VIDEO)
        sfu__history_tick(t, now);
    for (size_t i = 0; i < t->config.layer_count; i++) {
        sfu__keyframe_tick(&t->layers[i], now);
        next = TK_MIN(next, TK_MAX(sfu__keyframe_next(&t->layers[i]), now + MONO_MS(1)));
    }
    sfu__wanted_update(t, false, now);
    sfu__arm(&t->node->track_timers, &t->timer, next);
}
