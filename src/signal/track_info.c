/* The TrackInfo of a publication, and its publisher's changes of it. */

#include "signal/signal_internal.h"

#include <errno.h>

static const char *mime_for(const struct signal_track *track)
{
    static const char *const mimes[RTP_CODEC_COUNT_] = {
        [RTP_CODEC_OPUS] = "audio/opus", [RTP_CODEC_RED] = "audio/red",
        [RTP_CODEC_PCMU] = "audio/PCMU", [RTP_CODEC_PCMA] = "audio/PCMA",
        [RTP_CODEC_G722] = "audio/G722", [RTP_CODEC_VP8] = "video/VP8",
        [RTP_CODEC_H264] = "video/H264", [RTP_CODEC_VP9] = "video/VP9",
        [RTP_CODEC_AV1] = "video/AV1"};
    uint8_t codec = track->codec != RTP_CODEC_NONE ? track->codec : track->codec_wanted;
    if (codec == RTP_CODEC_NONE || codec >= RTP_CODEC_COUNT_)
        return track->kind == RTP_KIND_VIDEO ? "video/VP8" : "audio/opus";
    return mimes[codec];
}

/* All spatial layers in one stream: VP9 and AV1 unless they come as simulcast. */
static bool is_svc(const struct signal_track *track)
{
    return (track->codec == RTP_CODEC_VP9 || track->codec == RTP_CODEC_AV1) &&
           track->config.layer_count <= 1;
}

static int fill_layers(const struct signal_track *track, struct signal_arena *arena,
                       Livekit__TrackInfo *m)
{
    if (track->layer_count == 0)
        return 0;
    m->layers = signal__arena_alloc(arena, track->layer_count * sizeof(Livekit__VideoLayer *));
    if (m->layers == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < track->layer_count; i++) {
        Livekit__VideoLayer *layer = signal__arena_alloc(arena, sizeof(*layer));
        if (layer == NULL)
            return -ENOMEM;
        livekit__video_layer__init(layer);
        layer->quality = (Livekit__VideoQuality)track->layers[i].quality;
        layer->width = track->layers[i].width;
        layer->height = track->layers[i].height;
        layer->bitrate = track->layers[i].bitrate;
        layer->ssrc = track->layers[i].ssrc;
        layer->spatial_layer = (int32_t)i;
        if (i < track->config.layer_count)
            layer->rid = (char *)(uintptr_t)track->config.rids[i];
        m->layers[i] = layer;
    }
    m->n_layers = track->layer_count;
    return 0;
}

static int fill_codec(const struct signal_track *track, struct signal_arena *arena,
                      Livekit__TrackInfo *m)
{
    Livekit__SimulcastCodecInfo *codec = signal__arena_alloc(arena, sizeof(*codec));
    m->codecs = signal__arena_alloc(arena, sizeof(Livekit__SimulcastCodecInfo *));
    if (codec == NULL || m->codecs == NULL)
        return -ENOMEM;
    livekit__simulcast_codec_info__init(codec);
    codec->mime_type = m->mime_type;
    codec->mid = m->mid;
    codec->cid = (char *)(uintptr_t)track->cids[0];
    codec->layers = m->layers;
    codec->n_layers = m->n_layers;
    if (track->kind == RTP_KIND_VIDEO)
        codec->video_layer_mode =
            is_svc(track) ? LIVEKIT__VIDEO_LAYER__MODE__MULTIPLE_SPATIAL_LAYERS_PER_STREAM
                          : LIVEKIT__VIDEO_LAYER__MODE__ONE_SPATIAL_LAYER_PER_STREAM;
    m->codecs[0] = codec;
    m->n_codecs = 1;
    return 0;
}

static int fill_features(const struct signal_track *track, struct signal_arena *arena,
                         Livekit__TrackInfo *m)
{
    m->audio_features =
        signal__arena_alloc(arena, SIGNAL_FEATURES_MAX * sizeof(*m->audio_features));
    m->packet_trailer_features =
        signal__arena_alloc(arena, SIGNAL_FEATURES_MAX * sizeof(*m->packet_trailer_features));
    if (m->audio_features == NULL || m->packet_trailer_features == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < track->feature_count; i++)
        m->audio_features[i] = (Livekit__AudioTrackFeature)track->features[i];
    m->n_audio_features = track->feature_count;
    for (size_t i = 0; i < track->trailer_feature_count; i++)
        m->packet_trailer_features[i] = (Livekit__PacketTrailerFeature)track->trailer_features[i];
    m->n_packet_trailer_features = track->trailer_feature_count;
    return 0;
}

int signal__track_fill(const struct signal_track *track, struct signal_arena *arena,
                       Livekit__TrackInfo *ret_message)
{
    Livekit__TrackInfo *m = ret_message;
    livekit__track_info__init(m);
    m->sid = (char *)(uintptr_t)track->sid;
    m->type =
        track->kind == RTP_KIND_VIDEO ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    m->name = (char *)(uintptr_t)track->name;
    m->muted = track->is_muted;
    m->width = track->width;
    m->height = track->height;
    m->simulcast = track->layer_count > 1 && !is_svc(track);
    m->disable_dtx = track->has_disable_dtx;
    m->source = (Livekit__TrackSource)track->source;
    m->mime_type = (char *)(uintptr_t)mime_for(track);
    m->stereo = track->is_stereo;
    m->disable_red = track->has_disable_red;
    m->encryption = (Livekit__Encryption__Type)track->encryption;
    m->stream = (char *)(uintptr_t)track->stream;
    m->backup_codec_policy = (Livekit__BackupCodecPolicy)track->backup_codec_policy;
    m->mid = (char *)(uintptr_t)track->config.mid;
    if (fill_layers(track, arena, m) < 0 || fill_codec(track, arena, m) < 0 ||
        fill_features(track, arena, m) < 0)
        return -ENOMEM;
    return 0;
}

void signal__handle_audio_features(struct signal_participant *p,
                                   const Livekit__UpdateLocalAudioTrack *request)
{
    struct signal_track *track = signal__participant_track(p, request->track_sid);
    if (track == NULL || track->kind != RTP_KIND_AUDIO)
        return;
    track->feature_count = TK_MIN(request->n_features, (size_t)SIGNAL_FEATURES_MAX);
    track->is_stereo = false;
    track->has_disable_dtx = false;
    for (size_t i = 0; i < track->feature_count; i++) {
        track->features[i] = (uint8_t)request->features[i];
        track->is_stereo |= request->features[i] == LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO;
        track->has_disable_dtx |= request->features[i] == LIVEKIT__AUDIO_TRACK_FEATURE__TF_NO_DTX;
    }
    signal__changed(p, true);
}

void signal__handle_video_size(struct signal_participant *p,
                               const Livekit__UpdateLocalVideoTrack *request)
{
    struct signal_track *track = signal__participant_track(p, request->track_sid);
    if (track == NULL || track->kind != RTP_KIND_VIDEO)
        return;
    track->width = request->width;
    track->height = request->height;
    signal__changed(p, true);
}
