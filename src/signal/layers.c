/*
 * Which layer a subscription gets, from what the client asked for and what the room's rules allow;
 * and dynacast: which layers anybody wants at all, told to the publisher.
 */

#include "signal/signal_internal.h"

#include <string.h>

#define FPS_LOWEST 8  /* up to here the base temporal layer of three will do */
#define FPS_MIDDLE 16 /* up to here the lower two */

static const char *const codec_names[RTP_CODEC_COUNT_] = {
    [RTP_CODEC_NONE] = "",     [RTP_CODEC_OPUS] = "opus", [RTP_CODEC_RED] = "red",
    [RTP_CODEC_PCMU] = "pcmu", [RTP_CODEC_PCMA] = "pcma", [RTP_CODEC_G722] = "g722",
    [RTP_CODEC_VP8] = "vp8",   [RTP_CODEC_H264] = "h264", [RTP_CODEC_VP9] = "vp9",
    [RTP_CODEC_AV1] = "av1"};

const char *signal__codec_short(uint8_t codec)
{
    return codec < RTP_CODEC_COUNT_ ? codec_names[codec] : "";
}

uint8_t signal__codec_from_text(const char *text)
{
    const char *slash = strchr(text, '/');
    enum rtp_codec codec =
        sdp_codec_from_name(slash != NULL ? slash + 1 : text, rtp_codec_clock_hz(RTP_CODEC_VP8));
    bool is_video = codec != RTP_CODEC_NONE && rtp_codec_kind(codec) == RTP_KIND_VIDEO;
    return (uint8_t)(is_video ? codec : RTP_CODEC_NONE);
}

static int8_t top_layer(const struct signal_track *track)
{
    return (int8_t)(TK_MAX(track->config.layer_count, (uint8_t)1) - 1);
}

/* The highest layer whose announced quality is not above the one asked for. */
static int8_t layer_for_quality(const struct signal_track *track, uint8_t quality)
{
    int8_t best = 0;
    for (int8_t i = 1; i <= top_layer(track); i++) {
        uint8_t has = (size_t)i < track->layer_count ? track->layers[i].quality : (uint8_t)i;
        if (has <= quality)
            best = i;
    }
    return quality >= LIVEKIT__VIDEO_QUALITY__HIGH ? top_layer(track) : best;
}

static uint32_t longer(uint32_t a, uint32_t b)
{
    return TK_MAX(a, b);
}

/* The smallest layer that covers the asked size, whichever way the picture is turned. */
static int8_t layer_for_size(const struct signal_track *track, uint32_t width, uint32_t height)
{
    for (int8_t i = 0; i < top_layer(track); i++) {
        uint32_t w = track->layers[i].width, h = track->layers[i].height;
        if ((size_t)i < track->layer_count && longer(w, h) >= longer(width, height) &&
            TK_MIN(w, h) >= TK_MIN(width, height))
            return i;
    }
    return top_layer(track);
}

static int8_t wished_layer(const struct signal_sub *sub)
{
    const struct signal_track *track = sub->track;
    if (sub->is_disabled)
        return SFU_LAYER_NONE;
    if (track->kind == RTP_KIND_AUDIO)
        return 0;
    if (!sub->has_settings)
        return sub->viewer->has_adaptive_stream ? 0 : top_layer(track);
    if (sub->width > 0 && sub->height > 0 && track->layer_count > 0 && track->layers[0].width > 0)
        return layer_for_size(track, sub->width, sub->height);
    return layer_for_quality(track, sub->quality);
}

int8_t signal__layer_for(const struct signal_sub *sub)
{
    int8_t wished = wished_layer(sub);
    int allowed = signal__policy_layer(sub->viewer, sub->track);
    if (wished == SFU_LAYER_NONE || allowed < 0)
        return SFU_LAYER_NONE;
    return (int8_t)TK_MIN((int)wished, allowed);
}

uint8_t signal__temporal_for(const struct signal_sub *sub)
{
    if (sub->track->kind == RTP_KIND_AUDIO || sub->fps == 0 || sub->fps > FPS_MIDDLE)
        return SFU_TEMPORAL_ALL;
    return sub->fps <= FPS_LOWEST ? 0 : 1;
}

/* What one worker's subscriptions want: its own word, or what we asked it to give them. */
static int8_t worker_wanted(const struct signal_track *track, uint8_t worker)
{
    if (track->has_wanted[worker])
        return track->wanted[worker];
    int8_t wanted = SFU_LAYER_NONE;
    LIST_FOR_EACH(it, &track->subs)
    {
        const struct signal_sub *sub = CONTAINER_OF(it, struct signal_sub, track_link);
        if (sub->state == SIGNAL_SUB_ATTACHED && sub->transport->worker == worker)
            wanted = TK_MAX(wanted, sub->target.layer_max);
    }
    return wanted;
}

int8_t signal__track_wanted(const struct signal_track *track)
{
    int8_t wanted = SFU_LAYER_NONE;
    const struct signal *s = track->participant->room->signal;
    for (uint8_t w = 0; w < s->config.worker_count; w++)
        if (track->sub_counts[w] > 0)
            wanted = TK_MAX(wanted, worker_wanted(track, w));
    return TK_MIN(wanted, top_layer(track));
}

static bool is_enabled(const struct signal_track *track, int8_t wanted, int quality)
{
    if (wanted == SFU_LAYER_NONE)
        return false;
    if (wanted >= top_layer(track))
        return true;
    size_t i = (size_t)wanted;
    return quality <= (i < track->layer_count ? track->layers[i].quality : wanted);
}

enum { QUALITIES = 3 };

/* One codec with its qualities, as the message has them. */
struct codec_row {
    Livekit__SubscribedCodec codec;
    Livekit__SubscribedQuality qualities[QUALITIES];
    Livekit__SubscribedQuality *list[QUALITIES];
};

static void fill_row(struct codec_row *row, const struct signal_track *track, uint8_t codec,
                     int8_t wanted)
{
    for (int q = 0; q < QUALITIES; q++) {
        livekit__subscribed_quality__init(&row->qualities[q]);
        row->qualities[q].quality = (Livekit__VideoQuality)q;
        row->qualities[q].enabled = is_enabled(track, wanted, q);
        row->list[q] = &row->qualities[q];
    }
    livekit__subscribed_codec__init(&row->codec);
    row->codec.codec = (char *)(uintptr_t)signal__codec_short(codec);
    row->codec.qualities = row->list;
    row->codec.n_qualities = QUALITIES;
}

void signal__dynacast_tell(struct signal_track *track, int8_t wanted)
{
    struct codec_row rows[2];
    Livekit__SubscribedCodec *codecs[] = {&rows[0].codec, &rows[1].codec};
    Livekit__SubscribedQualityUpdate update = LIVEKIT__SUBSCRIBED_QUALITY_UPDATE__INIT;
    fill_row(&rows[0], track, track->codec, wanted);
    update.n_subscribed_codecs = 1;
    if (track->codec_before != RTP_CODEC_NONE) /* nobody gets it any more */
        fill_row(&rows[update.n_subscribed_codecs++], track, track->codec_before, SFU_LAYER_NONE);
    else if (track->is_backup_asked)
        fill_row(&rows[update.n_subscribed_codecs++], track, track->codec_backup, top_layer(track));
    update.track_sid = track->sid;
    update.subscribed_qualities = rows[0].list;
    update.n_subscribed_qualities = QUALITIES;
    update.subscribed_codecs = codecs;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIBED_QUALITY_UPDATE;
    response.subscribed_quality_update = &update;
    signal__send(track->participant, &response);
    track->told_layer = wanted;
    track->lower_at = MONO_NEVER;
}

void signal__dynacast_update(struct signal_track *track)
{
    if (track->kind != RTP_KIND_VIDEO || !track->is_announced)
        return;
    int8_t wanted = signal__track_wanted(track);
    int8_t told = TK_MIN(track->told_layer, top_layer(track));
    if (wanted > told) {
        signal__dynacast_tell(track, wanted);
    } else if (wanted == told) {
        track->lower_at = MONO_NEVER;
    } else if (track->lower_at == MONO_NEVER) {
        track->lower_at = track->participant->room->signal->now + SIGNAL_DYNACAST_LOWER_US;
        signal__participant_due(track->participant, track->lower_at);
    }
}

void signal__dynacast_tick(struct signal_track *track)
{
    if (track->participant->room->signal->now < track->lower_at)
        return;
    int8_t wanted = signal__track_wanted(track);
    track->lower_at = MONO_NEVER;
    if (wanted < track->told_layer)
        signal__dynacast_tell(track, wanted);
}
