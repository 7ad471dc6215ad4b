/* The tracks that we publish: frames into packets, retransmission, sender reports. */
#include "base/err.h"
#include "base/id.h"
#include "client/client_internal.h"
#include "rtp/ext.h"
#include "rtp/pack.h"
#include "rtp/rtcp.h"
#include "rtp/rtx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SR_INTERVAL MONO_S(1)
#define NACKS_MAX   256 /* packets sent again for one feedback */

static struct client_track *get_track(struct client *c, uint32_t track)
{
    if (track >= CLIENT_TRACKS_MAX || !c->tracks[track].is_used || c->tracks[track].is_stopped)
        return NULL;
    return &c->tracks[track];
}

static uint32_t frame_ts(const struct client_track *t, const struct client_layer *l, mono_us at)
{
    uint64_t clock_hz = rtp_codec_clock_hz(t->config.codec);
    return l->ts_offset + (uint32_t)((uint64_t)at * clock_hz / 1000000);
}

void client__track_renew(struct client *c, struct client_track *t)
{
    static const char *const rids[] = {"q", "h", "f"};
    struct rng *rng = &c->hub->rng;
    t->is_agreed = false;
    t->mid[0] = '\0';
    t->sid[0] = '\0';
    for (size_t i = 0; i < t->layer_count; i++) {
        struct client_layer *l = &t->layers[i];
        struct client_sent *history = l->history;
        *l = (struct client_layer){
            .ssrc = rng_u32(rng) | 1,
            .rtx_ssrc = rng_u32(rng) | 1,
            .seq = (uint16_t)rng_below(rng, 1 << 15),
            .rtx_seq = (uint16_t)rng_below(rng, 1 << 15),
            .picture_id = (uint16_t)rng_below(rng, 1 << 15),
            .tl0 = (uint8_t)rng_below(rng, 256),
            .ts_offset = rng_u32(rng),
            .history = history,
        };
        if (history != NULL)
            memset(history, 0, CLIENT_HISTORY * sizeof(*history));
        if (t->layer_count > 1)
            snprintf(l->rid, sizeof(l->rid), "%s", rids[i]);
    }
}

void client__track_fini(struct client_track *t)
{
    for (size_t i = 0; i < RTP_LAYERS_MAX; i++)
        free(t->layers[i].history);
    memset(t, 0, sizeof(*t));
}

/* ---- sending ---- */

/* Header with mid, rid and audio level; returns its size or an error. */
static int write_head(const struct client *c, const struct client_track *t,
                      const struct client_layer *l, const struct rtp_header *header,
                      const uint8_t *level, uint8_t *dst, size_t dst_size)
{
    struct rtp_ext_writer w;
    bool is_rtx = header->ssrc == l->rtx_ssrc;
    rtp_ext_writer_init(&w, dst, dst_size, header, &c->exts);
    rtp_ext_put(&w, RTP_EXT_MID, t->mid, (uint8_t)strlen(t->mid));
    if (l->rid[0] != '\0')
        rtp_ext_put(&w, is_rtx ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID, l->rid,
                    (uint8_t)strlen(l->rid));
    if (level != NULL)
        rtp_ext_put(&w, RTP_EXT_AUDIO_LEVEL, level, 1);
    return rtp_ext_writer_finish(&w);
}

static void remember(struct client_layer *l, const struct rtp_header *header,
                     const uint8_t *payload, size_t size)
{
    struct client_sent *s = &l->history[header->seq % CLIENT_HISTORY];
    s->is_used = true;
    s->is_marker = header->is_marker;
    s->pt = header->pt;
    s->seq = header->seq;
    s->ts = header->ts;
    s->size = (uint16_t)size;
    memcpy(s->payload, payload, size);
}

static int send_packet(struct client *c, struct client_track *t, struct client_layer *l,
                       const struct rtp_header *header, const uint8_t *level,
                       const uint8_t *payload, size_t size)
{
    uint8_t head[RTP_HEADER_SIZE + 64];
    int head_size = write_head(c, t, l, header, level, head, sizeof(head));
    if (head_size < 0)
        return head_size;
    remember(l, header, payload, size);
    l->packets++;
    l->octets += (uint32_t)size;
    c->stats.rtp_out++;
    return client__link_send_rtp(c, head, (size_t)head_size, payload, size);
}

static void set_vp8(struct rtp_pack *p, struct client_layer *l)
{
    p->has_picture_id = true;
    p->picture_id = l->picture_id;
    p->tl0 = l->tl0;
    l->picture_id = (uint16_t)((l->picture_id + 1) & 0x7fff);
    l->tl0++;
}

static int send_frame(struct client *c, struct client_track *t, struct client_layer *l,
                      const struct client_frame *frame)
{
    struct rtp_pack pack;
    int err = rtp_pack_init(&pack, t->config.codec, frame->data, frame->size, CLIENT_PAYLOAD_MAX);
    if (err < 0)
        return err;
    if (t->config.codec == RTP_CODEC_VP8)
        set_vp8(&pack, l);
    bool is_audio = t->config.kind == RTP_KIND_AUDIO;
    uint8_t level = (uint8_t)(0x80 | (frame->level_dbov & 0x7f)); /* RFC 6464: V and the level */
    struct rtp_header header = {
        .pt = t->pt, .ts = frame_ts(t, l, frame->captured), .ssrc = l->ssrc};
    uint8_t payload[CLIENT_PAYLOAD_MAX];
    bool is_last = false;
    int size = 0;
    while ((size = rtp_pack_next(&pack, payload, sizeof(payload), &is_last)) > 0) {
        header.seq = l->seq++;
        header.is_marker = !is_audio && is_last;
        err = send_packet(c, t, l, &header, is_audio ? &level : NULL, payload, (size_t)size);
        if (err < 0)
            return err;
    }
    return size;
}

int client_send_frame(struct client *c, uint32_t track, const struct client_frame *frame)
{
    struct client_track *t = get_track(c, track);
    if (t == NULL || frame->layer >= t->layer_count)
        return ERR_NOT_FOUND;
    if (!t->is_agreed || !c->link.is_connected)
        return ERR_STATE;
    if (t->is_muted)
        return 0;
    struct client_layer *l = &t->layers[frame->layer];
    if (l->history == NULL)
        l->history = calloc(CLIENT_HISTORY, sizeof(*l->history));
    return l->history != NULL ? send_frame(c, t, l, frame) : -ENOMEM;
}

/* ---- reports ---- */

static void send_report(struct client *c, const struct client_track *t, struct client_layer *l,
                        mono_us now)
{
    uint8_t buf[256];
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_sr(&w,
                &(struct rtcp_sender_info){
                    .ssrc = l->ssrc,
                    .ntp = ntp_from_unix_us(wall_now() * 1000),
                    .rtp_ts = frame_ts(t, l, now),
                    .packet_count = l->packets,
                    .octet_count = l->octets,
                },
                NULL, 0);
    rtcp_put_sdes_cname(&w, l->ssrc, c->sid[0] != '\0' ? c->sid : "tongke");
    l->sr_at = now + SR_INTERVAL;
    if (!w.is_bad)
        IGNORE(client__link_send_rtcp(c, buf, wr_size(&w))); /* the next one is a second away */
}

void client__tracks_tick(struct client *c, mono_us now)
{
    if (!c->link.is_connected)
        return;
    for (size_t i = 0; i < CLIENT_TRACKS_MAX; i++) {
        struct client_track *t = &c->tracks[i];
        for (size_t k = 0; t->is_used && t->is_agreed && k < t->layer_count; k++)
            if (t->layers[k].packets > 0 && now >= t->layers[k].sr_at)
                send_report(c, t, &t->layers[k], now);
    }
}

/* ---- feedback ---- */

static struct client_layer *find_layer(struct client *c, uint32_t ssrc,
                                       struct client_track **ret_track)
{
    for (size_t i = 0; i < CLIENT_TRACKS_MAX; i++) {
        struct client_track *t = &c->tracks[i];
        for (size_t k = 0; t->is_used && k < t->layer_count; k++) {
            if (t->layers[k].ssrc == ssrc) {
                *ret_track = t;
                return &t->layers[k];
            }
        }
    }
    return NULL;
}

/* As RTX where that is agreed, else the same packet once more. */
static void send_again(struct client *c, struct client_track *t, struct client_layer *l,
                       uint16_t seq)
{
    const struct client_sent *s = l->history != NULL ? &l->history[seq % CLIENT_HISTORY] : NULL;
    if (s == NULL || !s->is_used || s->seq != seq)
        return;
    bool is_rtx = t->rtx_pt != 0;
    struct rtp_header header = {
        .is_marker = s->is_marker,
        .pt = is_rtx ? t->rtx_pt : s->pt,
        .seq = is_rtx ? l->rtx_seq++ : s->seq,
        .ts = s->ts,
        .ssrc = is_rtx ? l->rtx_ssrc : l->ssrc,
    };
    uint8_t head[RTP_HEADER_SIZE + 64];
    uint8_t body[CLIENT_PAYLOAD_MAX + RTP_RTX_PREFIX_SIZE];
    size_t body_size = 0;
    int head_size = write_head(c, t, l, &header, NULL, head, sizeof(head));
    if (head_size < 0)
        return;
    if (is_rtx) {
        rtp_rtx_prefix(seq, body);
        body_size = RTP_RTX_PREFIX_SIZE;
    }
    memcpy(body + body_size, s->payload, s->size);
    body_size += s->size;
    if (client__link_send_rtp(c, head, (size_t)head_size, body, body_size) == 0)
        c->stats.rtx_out++;
}

static void handle_nack(struct client *c, const struct rtcp_packet *p)
{
    uint32_t ssrc = 0;
    uint16_t seqs[NACKS_MAX];
    struct client_track *t = NULL;
    if (rtcp_get_media_ssrc(p, &ssrc) < 0)
        return;
    struct client_layer *l = find_layer(c, ssrc, &t);
    int count = l != NULL ? rtcp_get_nack(p, seqs, NACKS_MAX) : 0;
    for (int i = 0; i < count; i++)
        send_again(c, t, l, seqs[i]);
    c->stats.nacks_in++;
}

static void want_keyframe(struct client *c, uint32_t ssrc)
{
    struct client_track *t = NULL;
    struct client_layer *l = find_layer(c, ssrc, &t);
    if (l == NULL)
        return;
    l->is_keyframe_wanted = true;
    c->stats.plis_in++;
}

static void handle_fir(struct client *c, const struct rtcp_packet *p)
{
    uint32_t ssrc = 0;
    uint8_t seq = 0;
    for (size_t i = 0; rtcp_get_fir(p, i, &ssrc, &seq) == 0; i++)
        want_keyframe(c, ssrc);
}

void client__tracks_feedback(struct client *c, const uint8_t *data, size_t size, mono_us now UNUSED)
{
    struct rtcp_reader r = rtcp_reader_init(data, size);
    struct rtcp_packet p;
    while (rtcp_next(&r, &p) > 0) {
        uint32_t ssrc = 0;
        if (p.type == RTCP_RTPFB && p.count == RTCP_RTPFB_NACK)
            handle_nack(c, &p);
        else if (p.type == RTCP_PSFB && p.count == RTCP_PSFB_PLI &&
                 rtcp_get_media_ssrc(&p, &ssrc) == 0)
            want_keyframe(c, ssrc);
        else if (p.type == RTCP_PSFB && p.count == RTCP_PSFB_FIR)
            handle_fir(c, &p);
    }
}

bool client_take_keyframe_wanted(struct client *c, uint32_t track, uint8_t layer)
{
    struct client_track *t = get_track(c, track);
    if (t == NULL || layer >= t->layer_count || !t->layers[layer].is_keyframe_wanted)
        return false;
    t->layers[layer].is_keyframe_wanted = false;
    return true;
}

/* ---- publishing ---- */

int client_publish(struct client *c, const struct client_track_config *config, uint32_t *ret_track)
{
    for (uint32_t i = 0; i < CLIENT_TRACKS_MAX; i++) {
        struct client_track *t = &c->tracks[i];
        if (t->is_used)
            continue;
        t->is_used = true;
        t->config = *config;
        t->layer_count = (uint8_t)TK_MIN(TK_MAX(config->layer_count, 1), RTP_LAYERS_MAX);
        snprintf(t->name, sizeof(t->name), "%s", config->name != NULL ? config->name : "");
        t->config.name = t->name;
        snprintf(t->profile, sizeof(t->profile), "%s",
                 config->h264_profile_level_id != NULL ? config->h264_profile_level_id : "42e01f");
        t->config.h264_profile_level_id = t->profile;
        id_make(&c->hub->rng, "cid_", t->cid);
        client__track_renew(c, t);
        *ret_track = i;
        if (!c->is_in_room)
            return 0; /* announced with the join */
        client__send_add_track(c, t);
        c->is_offer_wanted = true;
        return client__sections_add(
            c, config->kind == RTP_KIND_AUDIO ? SDP_KIND_AUDIO : SDP_KIND_VIDEO, (int)i);
    }
    return ERR_LIMIT;
}

int client_unpublish(struct client *c, uint32_t track)
{
    struct client_track *t = get_track(c, track);
    if (t == NULL)
        return ERR_NOT_FOUND;
    t->is_stopped = true;
    t->is_agreed = false;
    c->is_offer_wanted = true;
    return 0;
}

int client_mute(struct client *c, uint32_t track, bool is_muted)
{
    struct client_track *t = get_track(c, track);
    if (t == NULL)
        return ERR_NOT_FOUND;
    t->is_muted = is_muted;
    Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    mute.sid = t->sid;
    mute.muted = is_muted;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
    request.mute = &mute;
    client__send_request(c, &request);
    return 0;
}
