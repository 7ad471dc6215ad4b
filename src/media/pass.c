/* Video that goes into RTP as it is in the file: VP8, and H.264 as Annex B. */
#include "base/err.h"
#include "media/media_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAL_IDR 5
#define NAL_SPS 7

/* Browsers decode 8-bit 4:2:0 of these profiles, without reordering. */
static bool can_pass_h264(const AVCodecParameters *par)
{
    int profile = par->profile & ~(FF_PROFILE_H264_CONSTRAINED | FF_PROFILE_H264_INTRA);
    bool is_known = profile == FF_PROFILE_H264_BASELINE || profile == FF_PROFILE_H264_MAIN ||
                    profile == FF_PROFILE_H264_HIGH;
    bool is_420 = par->format == AV_PIX_FMT_YUV420P || par->format == AV_PIX_FMT_YUVJ420P;
    bool is_progressive =
        par->field_order == AV_FIELD_PROGRESSIVE || par->field_order == AV_FIELD_UNKNOWN;
    return is_known && is_420 && is_progressive && par->video_delay == 0 && par->extradata_size > 4;
}

/* Schools' lines and old classroom machines have to take what passes. */
static bool is_small_enough(const struct media_source *s, const AVStream *stream)
{
    const AVCodecParameters *par = stream->codecpar;
    int64_t bps = par->bit_rate > 0 ? par->bit_rate : s->format->bit_rate;
    return TK_MIN(par->width, par->height) <= s->config.pass_height_max &&
           bps <= s->config.pass_bps_max;
}

bool media__video_can_pass(struct media_source *s, AVStream *stream, enum rtp_codec *ret_codec)
{
    const AVCodecParameters *par = stream->codecpar;
    if (media__quarter_turns(stream) != 0 || !is_small_enough(s, stream) ||
        media__has_rare_keyframes(s, stream))
        return false;
    if (par->codec_id == AV_CODEC_ID_VP8) {
        *ret_codec = RTP_CODEC_VP8;
        return true;
    }
    if (par->codec_id == AV_CODEC_ID_H264 && can_pass_h264(par)) {
        *ret_codec = RTP_CODEC_H264;
        return true;
    }
    return false;
}

/* The first unit of `type` in Annex B bytes; NULL if there is none. */
static const uint8_t *find_nal(const uint8_t *data, size_t size, int type)
{
    for (size_t i = 0; i + 3 < size; i++)
        if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1 && (data[i + 3] & 31) == type)
            return data + i + 3;
    return NULL;
}

void media__h264_profile(const AVStream *stream, char ret_id[7])
{
    const AVCodecParameters *par = stream->codecpar;
    const uint8_t *p = par->extradata;
    size_t size = (size_t)TK_MAX(par->extradata_size, 0);
    const uint8_t *profile = NULL;
    if (size >= 4 && p[0] == 1) { /* avcC: version, profile, constraints, level */
        profile = p + 1;
    } else {
        const uint8_t *sps = find_nal(p, size, NAL_SPS);
        if (sps != NULL && (size_t)(sps - p) + 4 <= size)
            profile = sps + 1;
    }
    if (profile != NULL)
        snprintf(ret_id, 7, "%02x%02x%02x", profile[0], profile[1], profile[2]);
    else
        snprintf(ret_id, 7, "42e01f");
}

int media__pass_open(struct media_video *v)
{
    const AVCodecParameters *par = v->stream->codecpar;
    if (v->codec != RTP_CODEC_H264)
        return 0;
    if (par->extradata[0] == 1) {
        const AVBitStreamFilter *filter = av_bsf_get_by_name("h264_mp4toannexb");
        int err = filter != NULL ? av_bsf_alloc(filter, &v->bsf) : AVERROR_BSF_NOT_FOUND;
        if (err < 0)
            return err;
        err = avcodec_parameters_copy(v->bsf->par_in, par);
        v->bsf->time_base_in = v->stream->time_base;
        if (err >= 0)
            err = av_bsf_init(v->bsf);
        if (err < 0)
            return err;
        par = v->bsf->par_out;
    }
    v->parameter_sets_size = (size_t)TK_MAX(par->extradata_size, 0);
    v->parameter_sets = malloc(v->parameter_sets_size + 1);
    if (v->parameter_sets == NULL)
        return -ENOMEM;
    if (v->parameter_sets_size > 0)
        memcpy(v->parameter_sets, par->extradata, v->parameter_sets_size);
    return 0;
}

static mono_us frame_time(struct media_video *v, const AVPacket *packet)
{
    int64_t ts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (ts != AV_NOPTS_VALUE)
        return media__time(v->source, v->stream, ts);
    AVRational rate = v->stream->avg_frame_rate; /* a bare elementary stream */
    int64_t us =
        rate.num > 0 ? av_rescale(v->packets, 1000000LL * rate.den, rate.num) : v->packets * 40000;
    return us + v->source->offset;
}

static int emit(struct media_video *v, const AVPacket *packet)
{
    struct media_frame f = {
        .kind = RTP_KIND_VIDEO,
        .data = packet->data,
        .size = (size_t)packet->size,
        .pts = frame_time(v, packet),
        .duration = av_rescale_q(packet->duration, v->stream->time_base, AV_TIME_BASE_Q),
        .is_keyframe = (packet->flags & AV_PKT_FLAG_KEY) != 0,
    };
    v->packets++;
    if (v->codec != RTP_CODEC_H264)
        return media__emit(v->source, &f);
    f.is_keyframe = find_nal(f.data, f.size, NAL_IDR) != NULL;
    if (!f.is_keyframe || find_nal(f.data, f.size, NAL_SPS) != NULL)
        return media__emit(v->source, &f);
    uint8_t *joined = malloc(v->parameter_sets_size + f.size);
    if (joined == NULL)
        return -ENOMEM;
    memcpy(joined, v->parameter_sets, v->parameter_sets_size);
    memcpy(joined + v->parameter_sets_size, f.data, f.size);
    f.data = joined;
    f.size += v->parameter_sets_size;
    int err = media__emit(v->source, &f);
    free(joined);
    return err;
}

int media__pass_push(struct media_video *v, AVPacket *packet)
{
    if (packet == NULL) {
        v->packets = 0;
        if (v->bsf != NULL)
            av_bsf_flush(v->bsf);
        return 0;
    }
    if (packet->size <= 0)
        return AVERROR_INVALIDDATA;
    if (v->bsf == NULL)
        return emit(v, packet);
    int err = av_bsf_send_packet(v->bsf, packet);
    while (err >= 0 && (err = av_bsf_receive_packet(v->bsf, packet)) >= 0) {
        err = emit(v, packet);
        av_packet_unref(packet);
    }
    return err == AVERROR(EAGAIN) || err == AVERROR_EOF ? 0 : err;
}
