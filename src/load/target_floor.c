/* The floor program: no signalling, static keys, fixed ports and SSRCs (load/floor_keys.h). */
#include "load/floor_keys.h"
#include "load/load_internal.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>

#define PT_AUDIO 111
#define PT_VP8   96
#define PT_H264  108

struct floor_link {
    struct load_conn *send, *receive;
};

static int begin_sending(struct load_client *c, struct floor_link *l, mono_us now)
{
    const struct load_options *o = c->run->options;
    struct sec_srtp_keys keys;
    struct load_tx *tx = c->tx;
    tx->audio.ssrc = load_floor_ssrc(c->number, -1);
    tx->audio.pt = PT_AUDIO;
    for (size_t i = 0; i < tx->layer_count; i++) {
        tx->video[i].ssrc = load_floor_ssrc(c->number, (int)i);
        tx->video[i].pt = tx->video[i].clip->codec == RTP_CODEC_H264 ? PT_H264 : PT_VP8;
        tx->video[i].rid[0] = '\0';
    }
    int err =
        load__conn_create(c, load_floor_publisher_port(o->floor_base_port, c->number), &l->send);
    if (err == 0)
        err = load_floor_keys(true, c->number, o->srtp, &keys);
    if (err == 0)
        l->send->sends = true;
    return err == 0 ? load__conn_use_keys(l->send, &keys, &keys, &o->floor, now) : err;
}

static void add_stream(struct load_conn *conn, uint32_t publisher, int layer)
{
    bool is_audio = layer < 0;
    struct load_rx *rx = load__conn_add_rx(conn, is_audio ? RTP_KIND_AUDIO : RTP_KIND_VIDEO,
                                           load_floor_ssrc(publisher, layer), 0);
    if (rx == NULL)
        return;
    enum rtp_codec codec = is_audio ? RTP_CODEC_OPUS : conn->client->run->options->codec;
    rx->pt_count = 1;
    rx->pts[0] = (struct rtp_pt){
        .pt = is_audio                  ? PT_AUDIO
              : codec == RTP_CODEC_H264 ? PT_H264
                                        : PT_VP8,
        .codec = (uint8_t)codec,
        .h264_mode = 1,
    };
}

static int begin_receiving(struct load_client *c, struct floor_link *l, mono_us now)
{
    const struct load_options *o = c->run->options;
    struct sec_srtp_keys keys;
    int err = load__conn_create(c, load_floor_subscriber_port(o->floor_base_port, c->number),
                                &l->receive);
    if (err == 0)
        err = load_floor_keys(false, c->number, o->srtp, &keys);
    for (uint32_t p = 0; p < c->run->publisher_count && err == 0; p++) {
        if (o->is_gallery && p == c->number)
            continue;
        if (o->has_audio)
            add_stream(l->receive, p, -1);
        for (int layer = 0; layer < (int)c->run->layer_count; layer++)
            add_stream(l->receive, p, layer);
    }
    return err == 0 ? load__conn_use_keys(l->receive, &keys, &keys, &o->floor, now) : err;
}

static int begin(struct load_client *c, mono_us now)
{
    struct floor_link *l = calloc(1, sizeof(*l));
    c->link = l;
    int err = l == NULL ? -ENOMEM : 0;
    if (err == 0 && c->subscribes)
        err = begin_receiving(c, l, now);
    if (err == 0 && c->publishes)
        err = begin_sending(c, l, now);
    return err;
}

static void end(struct load_client *c)
{
    struct floor_link *l = c->link;
    if (l == NULL)
        return;
    load__conn_destroy(l->send);
    load__conn_destroy(l->receive);
    free(l);
    c->link = NULL;
}

const struct load_target load__floor = {begin, end};
