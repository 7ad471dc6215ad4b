#include "media/source.h"

#include "base/err.h"
#include "media/media_internal.h"

#include <errno.h>
#include <libavutil/time.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int media__fail(struct media_error *error, int code, const char *form, ...)
{
    if (error != NULL) {
        va_list args;
        va_start(args, form);
        vsnprintf(error->text, sizeof(error->text), form, args);
        va_end(args);
    }
    return code;
}

const char *media__av_text(int av_error, char buf[AV_ERROR_MAX_STRING_SIZE])
{
    if (av_strerror(av_error, buf, AV_ERROR_MAX_STRING_SIZE) < 0)
        snprintf(buf, AV_ERROR_MAX_STRING_SIZE, "error %d", av_error);
    return buf;
}

mono_us media__time(const struct media_source *s, const AVStream *stream, int64_t ts)
{
    return av_rescale_q(ts, stream->time_base, AV_TIME_BASE_Q) - s->start + s->offset;
}

int media__emit(struct media_source *s, const struct media_frame *frame)
{
    if (s->queued >= MEDIA_QUEUE_MAX)
        return ERR_LIMIT;
    struct media_node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return -ENOMEM;
    node->frame = *frame;
    node->frame.data = malloc(frame->size > 0 ? frame->size : 1);
    if (node->frame.data == NULL) {
        free(node);
        return -ENOMEM;
    }
    memcpy(node->frame.data, frame->data, frame->size);
    if (s->tail != NULL)
        s->tail->next = node;
    else
        s->head = node;
    s->tail = node;
    s->queued++;
    s->round_frames++;
    s->errors = 0;
    s->end = TK_MAX(s->end, frame->pts + frame->duration);
    return 0;
}

static bool take(struct media_source *s, struct media_frame *ret_frame)
{
    struct media_node *node = s->head;
    if (node == NULL)
        return false;
    s->head = node->next;
    if (s->head == NULL)
        s->tail = NULL;
    s->queued--;
    *ret_frame = node->frame;
    free(node);
    return true;
}

/* libav asks this while it waits for a file or the network. */
static int on_wait(void *user)
{
    const struct media_source *s = user;
    return atomic_load(&s->is_interrupted) || mono_now() > s->deadline;
}

static int stall_error(const struct media_source *s, struct media_error *error, int av_error)
{
    char text[AV_ERROR_MAX_STRING_SIZE];
    if (atomic_load(&s->is_interrupted))
        return media__fail(error, ERR_CLOSED, "%s: interrupted", s->url);
    if (av_error == AVERROR_EXIT)
        return media__fail(error, ERR_TIMEOUT, "%s: no data for %d s", s->url,
                           (int)(MEDIA_STALL_MAX / MONO_S(1)));
    return media__fail(error, ERR_MEDIA_OPEN, "%s: %s", s->url, media__av_text(av_error, text));
}

int media__open_decoder(struct media_source *s, AVStream *stream, AVCodecContext **ret_decoder,
                        struct media_error *error)
{
    const AVCodecParameters *par = stream->codecpar;
    const AVCodec *codec = avcodec_find_decoder(par->codec_id);
    if (codec == NULL)
        return media__fail(error, ERR_MEDIA_CODEC, "%s: stream %d: no decoder for %s", s->url,
                           stream->index, avcodec_get_name(par->codec_id));
    AVCodecContext *decoder = avcodec_alloc_context3(codec);
    if (decoder == NULL)
        return -ENOMEM;
    int err = avcodec_parameters_to_context(decoder, par);
    decoder->pkt_timebase = stream->time_base;
    decoder->thread_count = 2;
    if (err >= 0)
        err = avcodec_open2(decoder, codec, NULL);
    if (err < 0) {
        char text[AV_ERROR_MAX_STRING_SIZE];
        avcodec_free_context(&decoder);
        return media__fail(error, ERR_MEDIA_CODEC, "%s: stream %d: %s: %s", s->url, stream->index,
                           codec->name, media__av_text(err, text));
    }
    *ret_decoder = decoder;
    return 0;
}

static int open_format(struct media_source *s, struct media_error *error)
{
    AVDictionary *options = NULL;
    s->deadline = mono_now() + MEDIA_STALL_MAX;
    s->format = avformat_alloc_context();
    if (s->format == NULL)
        return -ENOMEM;
    s->format->interrupt_callback = (AVIOInterruptCB){.callback = on_wait, .opaque = s};
    av_dict_set(&options, "rtsp_transport", "tcp", 0);
    int err = avformat_open_input(&s->format, s->url, NULL, &options); /* frees it on failure */
    av_dict_free(&options);
    if (err < 0)
        return stall_error(s, error, err);
    s->deadline = mono_now() + MEDIA_STALL_MAX;
    err = avformat_find_stream_info(s->format, NULL);
    if (err < 0)
        return stall_error(s, error, err);
    s->start = s->format->start_time != AV_NOPTS_VALUE ? s->format->start_time : 0;
    return 0;
}

/* The best stream of a kind; cover pictures of sound files do not count. */
static AVStream *find_stream(const struct media_source *s, enum AVMediaType type)
{
    int index = av_find_best_stream(s->format, type, -1, -1, NULL, 0);
    if (index < 0)
        return NULL;
    AVStream *stream = s->format->streams[index];
    return (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0 ? stream : NULL;
}

static int open_tracks(struct media_source *s, struct media_error *error)
{
    AVStream *video = s->config.has_video ? find_stream(s, AVMEDIA_TYPE_VIDEO) : NULL;
    AVStream *audio = s->config.has_audio ? find_stream(s, AVMEDIA_TYPE_AUDIO) : NULL;
    if (video == NULL && audio == NULL)
        return media__fail(error, ERR_NOT_FOUND, "%s: neither sound nor picture in it", s->url);
    int err = video != NULL ? media__video_open(s, video, error) : 0;
    if (err == 0 && audio != NULL)
        err = media__audio_open(s, audio, error);
    for (unsigned i = 0; i < s->format->nb_streams; i++)
        if (s->format->streams[i] != video && s->format->streams[i] != audio)
            s->format->streams[i]->discard = AVDISCARD_ALL;
    s->config.is_looping |= media__is_still(s);
    return err;
}

struct media_source_config media_source_config_default(const char *url)
{
    return (struct media_source_config){
        .url = url,
        .has_audio = true,
        .has_video = true,
        .may_pass_through = true,
        .height_max = 720,
        .pass_height_max = 1080,
        .pass_bps_max = 6000000,
        .fps_max = 30,
    };
}

int media_source_open(const struct media_source_config *config, struct media_source **ret_source,
                      struct media_error *ret_error)
{
    if (ret_error != NULL)
        ret_error->text[0] = '\0';
    av_log_set_level(AV_LOG_QUIET); /* its complaints come back as results */
    struct media_source *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    atomic_init(&s->due, MONO_NEVER);
    s->config = *config;
    s->url = strdup(config->url);
    s->config.url = s->url;
    s->packet = av_packet_alloc();
    int err = s->url != NULL && s->packet != NULL ? 0 : -ENOMEM;
    if (err == 0)
        err = open_format(s, ret_error);
    if (err == 0)
        err = open_tracks(s, ret_error);
    if (err < 0) {
        media_source_close(s);
        return err;
    }
    *ret_source = s;
    return 0;
}

void media_source_close(struct media_source *s)
{
    if (s == NULL)
        return;
    struct media_frame frame;
    while (take(s, &frame))
        media_frame_fini(&frame);
    media__video_close(s->video);
    media__audio_close(s->audio);
    av_packet_free(&s->packet);
    avformat_close_input(&s->format);
    free(s->url);
    free(s);
}

static void video_info(const struct media_video *v, struct media_info *info)
{
    const AVCodecParameters *par = v->stream->codecpar;
    AVRational rate = v->stream->avg_frame_rate;
    info->has_video = true;
    info->is_video_passed = v->is_passed;
    info->video_codec = (uint8_t)v->codec;
    info->width = v->is_passed ? (uint16_t)par->width : v->width;
    info->height = v->is_passed ? (uint16_t)par->height : v->height;
    info->fps = rate.den > 0 ? (uint16_t)TK_MIN(rate.num / rate.den, 240) : 0;
    if (v->codec == RTP_CODEC_H264)
        media__h264_profile(v->stream, info->h264_profile_level_id);
    snprintf(info->video_source, sizeof(info->video_source), "%s", avcodec_get_name(par->codec_id));
}

void media_source_info(const struct media_source *s, struct media_info *ret_info)
{
    *ret_info = (struct media_info){
        .duration = s->format->duration > 0 ? s->format->duration : 0,
        .is_still = media__is_still(s),
    };
    snprintf(ret_info->format, sizeof(ret_info->format), "%s", s->format->iformat->name);
    if (s->video != NULL)
        video_info(s->video, ret_info);
    if (s->audio != NULL) {
        ret_info->has_audio = true;
        ret_info->is_audio_passed = s->audio->is_passed;
        ret_info->channels = (uint8_t)s->audio->channels;
        snprintf(ret_info->audio_source, sizeof(ret_info->audio_source), "%s",
                 avcodec_get_name(s->audio->stream->codecpar->codec_id));
    }
}

static int push(struct media_source *s, AVPacket *packet)
{
    if (s->video != NULL && (packet == NULL || packet->stream_index == s->video->stream->index)) {
        int err = media__video_push(s->video, packet);
        if (err < 0 || packet != NULL)
            return err;
    }
    if (s->audio != NULL && (packet == NULL || packet->stream_index == s->audio->stream->index))
        return media__audio_push(s->audio, packet);
    return 0;
}

static int broken_error(const struct media_source *s, int av_error, struct media_error *error)
{
    char text[AV_ERROR_MAX_STRING_SIZE];
    double at = (double)(s->end - s->offset) / 1e6;
    return media__fail(error, ERR_MEDIA_OPEN, "%s: broken at %.1f s: %s", s->url, at,
                       av_error <= -4096 && av_error > -9000 ? err_text(av_error)
                                                             : media__av_text(av_error, text));
}

int media__rewind(struct media_source *s)
{
    s->deadline = mono_now() + MEDIA_STALL_MAX;
    int err = avformat_seek_file(s->format, -1, INT64_MIN, s->start, s->start, 0);
    return err >= 0
               ? err
               : av_seek_frame(s->format, -1, s->start, AVSEEK_FLAG_BACKWARD | AVSEEK_FLAG_BYTE);
}

/* The end of the file: 0 = no more, 1 = the next round begins. */
static int end_of_round(struct media_source *s, struct media_error *error)
{
    int err = push(s, NULL);
    if (err < 0)
        return broken_error(s, err, error);
    if (s->round_frames == 0)
        return media__fail(error, ERR_MEDIA_OPEN, "%s: no frame in it could be read", s->url);
    err = media__check_end(s, error);
    if (err < 0)
        return err;
    if (!s->config.is_looping)
        return 0;
    s->round_frames = 0;
    s->offset = s->end;
    if (media__rewind(s) < 0)
        return media__fail(error, ERR_MEDIA_OPEN, "%s: cannot be read again from the start",
                           s->url);
    return 1;
}

/* Reads one packet and pushes it. 1, 0 = end, negative. */
static int read_one(struct media_source *s, struct media_error *error)
{
    s->deadline = mono_now() + MEDIA_STALL_MAX;
    int err = av_read_frame(s->format, s->packet);
    if (err == AVERROR_EOF)
        return end_of_round(s, error);
    if (atomic_load(&s->is_interrupted) || err == AVERROR_EXIT)
        return stall_error(s, error, AVERROR_EXIT);
    if (err < 0)
        return broken_error(s, err, error);
    err = push(s, s->packet);
    av_packet_unref(s->packet);
    if (err == -ENOMEM || (err < 0 && ++s->errors >= MEDIA_ERRORS_MAX))
        return broken_error(s, err, error);
    return 1; /* a few bad packets are skipped */
}

int media_source_next(struct media_source *s, struct media_frame *ret_frame,
                      struct media_error *ret_error)
{
    while (!take(s, ret_frame)) {
        int result = read_one(s, ret_error);
        if (result < 0)
            return result;
        if (result == 0)
            return take(s, ret_frame) ? 1 : 0;
    }
    return 1;
}

void media_source_want_keyframe(struct media_source *s)
{
    atomic_store(&s->is_keyframe_wanted, true);
}

void media_source_set_due(struct media_source *s, mono_us pts)
{
    atomic_store_explicit(&s->due, pts, memory_order_relaxed);
}

uint64_t media_source_left_out(const struct media_source *s)
{
    return atomic_load_explicit(&s->left_out, memory_order_relaxed);
}

void media_source_interrupt(struct media_source *s)
{
    atomic_store(&s->is_interrupted, true);
}

void media_frame_fini(struct media_frame *f)
{
    free(f->data);
    f->data = NULL;
}
