/* Video that is decoded and encoded as VP8, scaled down and thinned out where it is too much. */
#include "base/err.h"
#include "media/media_internal.h"

#include <errno.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <stdlib.h>

/* Bits per pixel that VP8 in real time needs for a talking head and for slides. */
#define BITS_PER_PIXEL 0.06
#define THREADS_FROM   (640 * 480)
#define BPS_MIN        150000
#define BPS_MAX        2500000

static void choose_size(struct media_video *v)
{
    const AVCodecParameters *par = v->stream->codecpar;
    bool is_lying = v->quarter_turns % 2 != 0;
    int width = is_lying ? par->height : par->width, height = is_lying ? par->width : par->height;
    int height_max = v->source->config.height_max;
    if (height > height_max) {
        width = (int)((int64_t)width * height_max / height);
        height = height_max;
    }
    v->width = (uint16_t)TK_MAX(width & ~1, 16);
    v->height = (uint16_t)TK_MAX(height & ~1, 16);
}

static int open_encoder(struct media_video *v, struct media_error *error)
{
    const struct media_source_config *config = &v->source->config;
    const AVCodec *codec = avcodec_find_encoder_by_name("libvpx");
    if (codec == NULL)
        return media__fail(error, ERR_MEDIA_CODEC, "libavcodec has no VP8 encoder");
    AVCodecContext *e = avcodec_alloc_context3(codec);
    if (e == NULL)
        return -ENOMEM;
    v->encoder = e;
    double bps = v->width * (double)v->height * config->fps_max * BITS_PER_PIXEL;
    e->width = v->width;
    e->height = v->height;
    e->pix_fmt = AV_PIX_FMT_YUV420P;
    e->time_base = (AVRational){1, 1000};
    e->framerate = (AVRational){config->fps_max, 1};
    e->bit_rate =
        config->video_bps != 0 ? config->video_bps : (int64_t)TK_MIN(TK_MAX(bps, BPS_MIN), BPS_MAX);
    e->rc_max_rate = e->bit_rate;
    e->rc_min_rate = e->bit_rate;
    e->rc_buffer_size = (int)e->bit_rate;
    e->qmin = 4;
    e->qmax = 56;
    e->gop_size = 1 << 20; /* keyframes on demand only */
    /* Its threads wait for each other by spinning: on a busy machine that costs more than it
     * brings, unless the picture is large. */
    e->thread_count = v->width * v->height > THREADS_FROM ? 2 : 1;
    av_opt_set(e->priv_data, "deadline", "realtime", 0);
    av_opt_set_int(e->priv_data, "cpu-used", 8, 0);
    av_opt_set_int(e->priv_data, "lag-in-frames", 0, 0);
    av_opt_set_int(e->priv_data, "auto-alt-ref", 0, 0);
    av_opt_set(e->priv_data, "error-resilient", "default", 0);
    int err = avcodec_open2(e, codec, NULL);
    char text[AV_ERROR_MAX_STRING_SIZE];
    return err >= 0
               ? 0
               : media__fail(error, ERR_MEDIA_CODEC, "VP8 encoder: %s", media__av_text(err, text));
}

static AVFrame *alloc_picture(int width, int height)
{
    AVFrame *f = av_frame_alloc();
    if (f == NULL)
        return NULL;
    f->format = AV_PIX_FMT_YUV420P;
    f->width = width;
    f->height = height;
    if (av_frame_get_buffer(f, 0) < 0)
        av_frame_free(&f);
    return f;
}

/* Scaled while it lies, then turned. */
static int alloc_pictures(struct media_video *v)
{
    bool is_lying = v->quarter_turns % 2 != 0;
    v->picture = av_frame_alloc();
    v->scaled = alloc_picture(is_lying ? v->height : v->width, is_lying ? v->width : v->height);
    if (v->quarter_turns != 0)
        v->turned = alloc_picture(v->width, v->height);
    bool is_good =
        v->picture != NULL && v->scaled != NULL && (v->turned != NULL || v->quarter_turns == 0);
    return is_good ? 0 : -ENOMEM;
}

static int scale(struct media_video *v)
{
    const AVFrame *in = v->picture;
    if (v->scaler == NULL || v->scaler_width != in->width || v->scaler_height != in->height ||
        v->scaler_format != in->format) {
        v->scaler = sws_getCachedContext(
            v->scaler, in->width, in->height, (enum AVPixelFormat)in->format, v->scaled->width,
            v->scaled->height, AV_PIX_FMT_YUV420P, SWS_BILINEAR, NULL, NULL, NULL);
        if (v->scaler == NULL)
            return AVERROR_INVALIDDATA;
        v->scaler_width = in->width;
        v->scaler_height = in->height;
        v->scaler_format = in->format;
    }
    int err = av_frame_make_writable(v->scaled);
    if (err < 0)
        return err;
    err = sws_scale(v->scaler, (const uint8_t *const *)in->data, in->linesize, 0, in->height,
                    v->scaled->data, v->scaled->linesize);
    if (err < 0 || v->turned == NULL)
        return err < 0 ? err : 0;
    err = av_frame_make_writable(v->turned);
    if (err < 0)
        return err;
    media__turn(v->scaled, v->turned, v->quarter_turns);
    return 0;
}

static int take_encoded(struct media_video *v)
{
    AVPacket *packet = av_packet_alloc();
    if (packet == NULL)
        return -ENOMEM;
    int err = 0;
    while (err == 0 && (err = avcodec_receive_packet(v->encoder, packet)) >= 0) {
        err = media__emit(v->source, &(struct media_frame){
                                         .kind = RTP_KIND_VIDEO,
                                         .data = packet->data,
                                         .size = (size_t)packet->size,
                                         .pts = packet->pts * 1000,
                                         .duration = MONO_S(1) / v->source->config.fps_max,
                                         .is_keyframe = (packet->flags & AV_PKT_FLAG_KEY) != 0,
                                     });
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    return err == AVERROR(EAGAIN) ? 0 : err;
}

static int encode(struct media_video *v, mono_us pts)
{
    /* A little slack, so that 30 fps with rounded times stays 30 fps. */
    int64_t pts_ms = pts / 1000;
    int64_t spacing_ms = 1000 / v->source->config.fps_max - 3;
    if (v->pts_last != INT64_MIN && pts_ms < v->pts_last + spacing_ms)
        return 0;
    if (!media__late_takes_picture(v, pts))
        return 0;
    v->pts_last = pts_ms;
    int err = scale(v);
    if (err < 0)
        return err;
    AVFrame *upright = v->turned != NULL ? v->turned : v->scaled;
    upright->pts = pts_ms;
    upright->pict_type = atomic_exchange(&v->source->is_keyframe_wanted, false)
                             ? AV_PICTURE_TYPE_I
                             : AV_PICTURE_TYPE_NONE;
    err = avcodec_send_frame(v->encoder, upright);
    return err < 0 ? err : take_encoded(v);
}

static int take_decoded(struct media_video *v)
{
    int err = 0;
    while (err >= 0 && (err = avcodec_receive_frame(v->decoder, v->picture)) >= 0) {
        int64_t ts = v->picture->best_effort_timestamp;
        mono_us pts = ts != AV_NOPTS_VALUE ? media__time(v->source, v->stream, ts)
                                           : v->source->offset + v->packets * 40000;
        v->packets++;
        err = encode(v, pts);
        av_frame_unref(v->picture);
    }
    return err == AVERROR(EAGAIN) || err == AVERROR_EOF ? 0 : err;
}

int media__video_open(struct media_source *s, AVStream *stream, struct media_error *error)
{
    struct media_video *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return -ENOMEM;
    s->video = v;
    v->source = s;
    v->stream = stream;
    v->codec = RTP_CODEC_VP8;
    v->pts_last = INT64_MIN;
    v->shown_last = MONO_NEVER;
    if (stream->codecpar->width <= 0 || stream->codecpar->height <= 0)
        return media__fail(error, ERR_MEDIA_CODEC, "%s: stream %d: %s: the picture has no size",
                           s->url, stream->index, avcodec_get_name(stream->codecpar->codec_id));
    if (s->config.may_pass_through && media__video_can_pass(s, stream, &v->codec)) {
        v->is_passed = true;
        int err = media__pass_open(v);
        char text[AV_ERROR_MAX_STRING_SIZE];
        return err >= 0 ? 0
                        : media__fail(error, ERR_MEDIA_CODEC, "%s: stream %d: %s", s->url,
                                      stream->index, media__av_text(err, text));
    }
    v->quarter_turns = media__quarter_turns(stream);
    choose_size(v);
    int err = media__open_decoder(s, stream, &v->decoder, error);
    if (err == 0)
        err = open_encoder(v, error);
    if (err == 0)
        err = alloc_pictures(v);
    return err;
}

int media__video_push(struct media_video *v, AVPacket *packet)
{
    if (v->is_passed)
        return media__pass_push(v, packet);
    if (packet != NULL && !media__late_takes_packet(v, packet))
        return 0;
    int err = avcodec_send_packet(v->decoder, packet);
    if (err >= 0)
        err = take_decoded(v);
    if (packet == NULL) { /* the next round begins with a clean decoder */
        avcodec_flush_buffers(v->decoder);
        v->packets = 0;
    }
    return err;
}

void media__video_close(struct media_video *v)
{
    if (v == NULL)
        return;
    av_bsf_free(&v->bsf);
    free(v->parameter_sets);
    avcodec_free_context(&v->decoder);
    avcodec_free_context(&v->encoder);
    sws_freeContext(v->scaler);
    av_frame_free(&v->picture);
    av_frame_free(&v->scaled);
    av_frame_free(&v->turned);
    free(v);
}
