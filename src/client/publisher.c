#include "client/publisher.h"

#include "base/err.h"
#include "media/feed.h"

#include <errno.h>
#include <stdlib.h>

/* A frame this late means that the source was too slow: the clock starts anew from it. */
#define LATE_MAX MONO_S(1)
/* Between the first connection and the first frame: the reader fills its queue. */
#define LEAD MONO_MS(100)

#define KINDS 2

struct client_publisher {
    struct client *client;
    struct media_feed *feed;
    uint32_t tracks[KINDS]; /* by enum rtp_kind */
    bool has_track[KINDS];
    bool is_started;
    bool was_active;
    mono_us base; /* the moment of the source's time 0 */
    struct client_publisher_stats stats;
};

static int publish_tracks(struct client_publisher *p, const struct client_publisher_config *config,
                          const struct media_info *info)
{
    struct client_track_config audio = {
        .kind = RTP_KIND_AUDIO,
        .codec = RTP_CODEC_OPUS,
        .source = config->is_screen ? 4 : 2,
        .name = config->name,
        .layer_count = 1,
        .is_stereo = info->channels == 2,
    };
    struct client_track_config video = {
        .kind = RTP_KIND_VIDEO,
        .codec = (enum rtp_codec)info->video_codec,
        .source = config->is_screen ? 3 : 1,
        .name = config->name,
        .layer_count = 1,
        .width = info->width,
        .height = info->height,
        .bitrate_bps = 1500000,
        .h264_profile_level_id = info->h264_profile_level_id,
    };
    int err = 0;
    p->has_track[RTP_KIND_AUDIO] = info->has_audio;
    p->has_track[RTP_KIND_VIDEO] = info->has_video;
    if (info->has_audio)
        err = client_publish(p->client, &audio, &p->tracks[RTP_KIND_AUDIO]);
    if (info->has_video && err == 0)
        err = client_publish(p->client, &video, &p->tracks[RTP_KIND_VIDEO]);
    return err;
}

int client_publisher_create(const struct client_publisher_config *config,
                            struct client_publisher **ret_publisher)
{
    struct media_info info;
    struct client_publisher *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        media_source_close(config->source);
        return -ENOMEM;
    }
    p->client = config->client;
    media_source_info(config->source, &info);
    int err = media_feed_start(config->source, &p->feed);
    if (err == 0)
        err = publish_tracks(p, config, &info);
    if (err < 0) {
        client_publisher_destroy(p);
        return err;
    }
    *ret_publisher = p;
    return 0;
}

void client_publisher_destroy(struct client_publisher *p)
{
    if (p == NULL)
        return;
    media_feed_stop(p->feed);
    free(p);
}

static void send_frame(struct client_publisher *p, const struct media_frame *f)
{
    struct client_frame frame = {
        .data = f->data,
        .size = f->size,
        .captured = p->base + f->pts,
        .level_dbov = f->level_dbov,
        .is_keyframe = f->is_keyframe,
    };
    if (client_send_frame(p->client, p->tracks[f->kind], &frame) < 0)
        p->stats.missed_frames++;
    else if (f->kind == RTP_KIND_AUDIO)
        p->stats.audio_frames++;
    else
        p->stats.video_frames++;
}

static void send_due(struct client_publisher *p, enum rtp_kind kind, mono_us now)
{
    const struct media_frame *head = NULL;
    struct media_frame frame;
    /* A late picture is the source's to leave out; the sound's time is everybody's. */
    bool is_clock = kind == RTP_KIND_AUDIO || !p->has_track[RTP_KIND_AUDIO];
    while ((head = media_feed_peek(p->feed, kind)) != NULL && p->base + head->pts <= now) {
        if (is_clock && now - (p->base + head->pts) > LATE_MAX) {
            p->base = now - head->pts; /* for sound and picture alike */
            p->stats.clock_jumps++;
        }
        if (!media_feed_take(p->feed, kind, &frame))
            return;
        send_frame(p, &frame);
        media_frame_fini(&frame);
    }
}

/* The server asked, or media came up again: whoever watches needs a whole picture. */
static void pass_keyframe_wish(struct client_publisher *p, bool is_active)
{
    bool is_wanted = p->has_track[RTP_KIND_VIDEO] &&
                     client_take_keyframe_wanted(p->client, p->tracks[RTP_KIND_VIDEO], 0);
    if (is_wanted || (is_active && !p->was_active))
        media_feed_want_keyframe(p->feed);
    p->was_active = is_active;
}

int client_publisher_run(struct client_publisher *p, mono_us now, struct media_error *ret_error)
{
    bool is_active = client_state(p->client) == CLIENT_STATE_ACTIVE;
    if (!p->is_started && is_active) {
        p->is_started = true;
        p->base = now + LEAD;
    }
    if (!p->is_started)
        return 0;
    pass_keyframe_wish(p, is_active);
    media_feed_set_due(p->feed, now - p->base);
    send_due(p, RTP_KIND_AUDIO, now);
    send_due(p, RTP_KIND_VIDEO, now);
    return media_feed_state(p->feed, ret_error);
}

void client_publisher_stats(const struct client_publisher *p,
                            struct client_publisher_stats *ret_stats)
{
    *ret_stats = p->stats;
    ret_stats->left_out_pictures = media_feed_left_out(p->feed);
}
