/* Sound as Opus: passed through, or decoded, resampled to 48 kHz and encoded in 20 ms frames. */
#include "base/err.h"
#include "media/media_internal.h"

#include <errno.h>
#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <stdlib.h>

#define RATE_HZ       48000
#define FRAME_SAMPLES 960  /* 20 ms */
#define PACKET_MAX    1100 /* one RTP packet; RFC 7587 has no fragments */
/* A jump in the file's times that is followed rather than smoothed over. */
#define JUMP_US 60000

static double sample_at(const AVFrame *f, int channel, int index)
{
    bool is_planar = av_sample_fmt_is_planar((enum AVSampleFormat)f->format) != 0;
    const uint8_t *plane = f->extended_data[is_planar ? channel : 0];
    int at = is_planar ? index : index * f->ch_layout.nb_channels + channel;
    switch (av_get_packed_sample_fmt((enum AVSampleFormat)f->format)) {
    case AV_SAMPLE_FMT_S16:
        return ((const int16_t *)(const void *)plane)[at] / 32768.0;
    case AV_SAMPLE_FMT_FLT:
        return (double)((const float *)(const void *)plane)[at];
    default:
        return 0;
    }
}

/* The level of a block of sound in -dBov (RFC 6464, 3). */
static uint8_t level_of(const AVFrame *f)
{
    double sum = 0;
    int count = f->nb_samples * f->ch_layout.nb_channels;
    for (int c = 0; c < f->ch_layout.nb_channels; c++)
        for (int i = 0; i < f->nb_samples; i++)
            sum += sample_at(f, c, i) * sample_at(f, c, i);
    if (count == 0 || sum <= 0)
        return 127;
    double dbov = -10 * log10(sum / count);
    return (uint8_t)TK_MIN(TK_MAX(dbov, 0.0), 127.0);
}

static int open_encoder(struct media_audio *a, struct media_error *error)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libopus");
    if (codec == NULL)
        return media__fail(error, ERR_MEDIA_CODEC, "libavcodec has no Opus encoder");
    AVCodecContext *e = avcodec_alloc_context3(codec);
    if (e == NULL)
        return -ENOMEM;
    a->encoder = e;
    uint32_t bps = a->source->config.audio_bps;
    e->sample_rate = RATE_HZ;
    e->sample_fmt = AV_SAMPLE_FMT_S16;
    e->time_base = (AVRational){1, RATE_HZ};
    e->bit_rate = bps != 0 ? bps : a->channels == 2 ? 64000 : 32000;
    av_channel_layout_default(&e->ch_layout, a->channels);
    av_opt_set(e->priv_data, "application", a->channels == 2 ? "audio" : "voip", 0);
    av_opt_set(e->priv_data, "frame_duration", "20", 0);
    av_opt_set_int(e->priv_data, "fec", 1, 0);
    av_opt_set_int(e->priv_data, "packet_loss", 5, 0);
    int err = avcodec_open2(e, codec, NULL);
    char text[AV_ERROR_MAX_STRING_SIZE];
    return err >= 0
               ? 0
               : media__fail(error, ERR_MEDIA_CODEC, "Opus encoder: %s", media__av_text(err, text));
}

static int alloc_buffers(struct media_audio *a)
{
    a->fifo = av_audio_fifo_alloc(AV_SAMPLE_FMT_S16, a->channels, RATE_HZ);
    a->decoded = av_frame_alloc();
    a->block = av_frame_alloc();
    if (a->fifo == NULL || a->decoded == NULL || a->block == NULL)
        return -ENOMEM;
    a->block->format = AV_SAMPLE_FMT_S16;
    a->block->sample_rate = RATE_HZ;
    a->block->nb_samples = FRAME_SAMPLES;
    av_channel_layout_default(&a->block->ch_layout, a->channels);
    return av_frame_get_buffer(a->block, 0) >= 0 ? 0 : -ENOMEM;
}

/* Some files change their format on the way. */
static int fit_resampler(struct media_audio *a)
{
    AVFrame *in = a->decoded;
    if (a->resampler != NULL && a->in_rate == in->sample_rate && a->in_format == in->format &&
        a->in_channels == in->ch_layout.nb_channels)
        return 0;
    if (in->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&in->ch_layout, in->ch_layout.nb_channels);
    swr_free(&a->resampler);
    int err = swr_alloc_set_opts2(&a->resampler, &a->encoder->ch_layout, AV_SAMPLE_FMT_S16, RATE_HZ,
                                  &in->ch_layout, (enum AVSampleFormat)in->format, in->sample_rate,
                                  0, NULL);
    if (err >= 0)
        err = swr_init(a->resampler);
    if (err < 0)
        return err;
    a->in_rate = in->sample_rate;
    a->in_format = in->format;
    a->in_channels = in->ch_layout.nb_channels;
    return 0;
}

static int resample_into_fifo(struct media_audio *a)
{
    int err = fit_resampler(a);
    if (err < 0)
        return err;
    int room = swr_get_out_samples(a->resampler, a->decoded->nb_samples);
    if (room <= 0)
        return room;
    uint8_t *samples = av_malloc((size_t)room * (size_t)a->channels * sizeof(int16_t));
    if (samples == NULL)
        return -ENOMEM;
    int count = swr_convert(a->resampler, &samples, room,
                            (const uint8_t **)a->decoded->extended_data, a->decoded->nb_samples);
    err = count;
    if (count > 0 && av_audio_fifo_write(a->fifo, (void **)&samples, count) < count)
        err = -ENOMEM;
    av_free(samples);
    return err < 0 ? err : 0;
}

static int emit_encoded(struct media_audio *a, uint8_t level)
{
    AVPacket *packet = av_packet_alloc();
    if (packet == NULL)
        return -ENOMEM;
    int err = 0;
    while (err == 0 && (err = avcodec_receive_packet(a->encoder, packet)) >= 0) {
        err = media__emit(a->source, &(struct media_frame){
                                         .kind = RTP_KIND_AUDIO,
                                         .data = packet->data,
                                         .size = (size_t)packet->size,
                                         .pts = av_rescale(packet->pts, 1000000, RATE_HZ),
                                         .duration = MONO_MS(20),
                                         .is_keyframe = true,
                                         .level_dbov = level,
                                     });
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    return err == AVERROR(EAGAIN) ? 0 : err;
}

static int encode_blocks(struct media_audio *a)
{
    int err = 0;
    while (err >= 0 && av_audio_fifo_size(a->fifo) >= FRAME_SAMPLES) {
        err = av_frame_make_writable(a->block);
        if (err < 0)
            break;
        if (av_audio_fifo_read(a->fifo, (void **)a->block->data, FRAME_SAMPLES) < FRAME_SAMPLES)
            return AVERROR_INVALIDDATA;
        a->block->pts = av_rescale(a->fifo_pts, RATE_HZ, 1000000);
        a->fifo_pts += MONO_MS(20);
        err = avcodec_send_frame(a->encoder, a->block);
        if (err >= 0)
            err = emit_encoded(a, level_of(a->block));
    }
    return err;
}

/* Keeps the samples' own clock unless the file's times jump away from it. */
static void follow_time(struct media_audio *a)
{
    int64_t ts = a->decoded->best_effort_timestamp;
    mono_us queued = av_rescale(av_audio_fifo_size(a->fifo), 1000000, RATE_HZ);
    if (ts == AV_NOPTS_VALUE)
        return;
    mono_us pts = media__time(a->source, a->stream, ts);
    mono_us drift = pts - (a->fifo_pts + queued);
    if (a->has_fifo_pts && drift < JUMP_US && drift > -JUMP_US)
        return;
    if (a->has_fifo_pts && drift < 0)
        return; /* never back in time; the end of a round is longer than the container said */
    av_audio_fifo_reset(a->fifo);
    a->fifo_pts = pts;
    a->has_fifo_pts = true;
}

static int take_decoded(struct media_audio *a)
{
    int err = 0;
    while (err >= 0 && (err = avcodec_receive_frame(a->decoder, a->decoded)) >= 0) {
        follow_time(a);
        err = resample_into_fifo(a);
        if (err >= 0)
            err = encode_blocks(a);
        av_frame_unref(a->decoded);
    }
    return err == AVERROR(EAGAIN) || err == AVERROR_EOF ? 0 : err;
}

/* Decodes only to hear how loud it is; what cannot be decoded counts as silence. */
static uint8_t packet_level(struct media_audio *a, const AVPacket *packet)
{
    uint8_t level = 127;
    if (avcodec_send_packet(a->decoder, packet) < 0)
        return level;
    while (avcodec_receive_frame(a->decoder, a->decoded) >= 0) {
        level = TK_MIN(level, level_of(a->decoded));
        av_frame_unref(a->decoded);
    }
    return level;
}

static int pass(struct media_audio *a, const AVPacket *packet)
{
    int64_t ts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (packet->size <= 0 || packet->size > PACKET_MAX || ts == AV_NOPTS_VALUE)
        return AVERROR_INVALIDDATA;
    return media__emit(a->source, &(struct media_frame){
                                      .kind = RTP_KIND_AUDIO,
                                      .data = packet->data,
                                      .size = (size_t)packet->size,
                                      .pts = media__time(a->source, a->stream, ts),
                                      .duration = av_rescale_q(
                                          packet->duration, a->stream->time_base, AV_TIME_BASE_Q),
                                      .is_keyframe = true,
                                      .level_dbov = packet_level(a, packet),
                                  });
}

int media__audio_open(struct media_source *s, AVStream *stream, struct media_error *error)
{
    struct media_audio *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return -ENOMEM;
    s->audio = a;
    a->source = s;
    a->stream = stream;
    a->channels = stream->codecpar->ch_layout.nb_channels >= 2 ? 2 : 1;
    a->is_passed = s->config.may_pass_through && stream->codecpar->codec_id == AV_CODEC_ID_OPUS &&
                   stream->codecpar->ch_layout.nb_channels <= 2;
    int err = media__open_decoder(s, stream, &a->decoder, error);
    if (err == 0 && !a->is_passed)
        err = open_encoder(a, error);
    if (err == 0)
        err = alloc_buffers(a);
    return err;
}

int media__audio_push(struct media_audio *a, AVPacket *packet)
{
    if (a->is_passed && packet != NULL)
        return pass(a, packet);
    if (a->is_passed) {
        avcodec_flush_buffers(a->decoder);
        return 0;
    }
    int err = avcodec_send_packet(a->decoder, packet);
    if (err >= 0)
        err = take_decoded(a);
    if (packet == NULL)
        avcodec_flush_buffers(a->decoder);
    return err;
}

void media__audio_close(struct media_audio *a)
{
    if (a == NULL)
        return;
    avcodec_free_context(&a->decoder);
    avcodec_free_context(&a->encoder);
    swr_free(&a->resampler);
    if (a->fifo != NULL)
        av_audio_fifo_free(a->fifo);
    av_frame_free(&a->decoded);
    av_frame_free(&a->block);
    free(a);
}
