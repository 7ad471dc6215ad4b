/* Connection quality, out of what the worker measures every 5 s: told when it changes. */

#include "signal/signal_internal.h"

/* Bounds of loss in percent and of round trip that a quality still bears. */
#define EXCELLENT_LOSS   2
#define EXCELLENT_RTT_US 300000
#define GOOD_LOSS        6
#define GOOD_RTT_US      600000

static const float scores[] = {[LIVEKIT__CONNECTION_QUALITY__POOR] = 2.0f,
                               [LIVEKIT__CONNECTION_QUALITY__GOOD] = 3.5f,
                               [LIVEKIT__CONNECTION_QUALITY__EXCELLENT] = 4.5f,
                               [LIVEKIT__CONNECTION_QUALITY__LOST] = 0.0f};

/* The message about one participant, encoded once for all who hear it; NULL without memory. */
static struct signal_frame *quality_frame(struct signal_participant *p)
{
    Livekit__ConnectionQualityInfo info = LIVEKIT__CONNECTION_QUALITY_INFO__INIT;
    Livekit__ConnectionQualityInfo *list[] = {&info};
    info.participant_sid = p->sid;
    info.quality = (Livekit__ConnectionQuality)p->quality;
    info.score = p->quality_score;
    Livekit__ConnectionQualityUpdate update = LIVEKIT__CONNECTION_QUALITY_UPDATE__INIT;
    update.updates = list;
    update.n_updates = 1;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_CONNECTION_QUALITY;
    response.connection_quality = &update;
    return signal__frame_pack(&response);
}

static bool is_subscribed(struct signal_participant *viewer, struct signal_participant *p)
{
    LIST_FOR_EACH(it, &p->tracks)
    {
        const struct signal_sub *sub =
            signal__sub_find(viewer, CONTAINER_OF(it, struct signal_track, link));
        if (sub != NULL && sub->state == SIGNAL_SUB_ATTACHED)
            return true;
    }
    return false;
}

/* `has_self`: a client that hears of its own LOST for 10 s starts anew, so it is spared that. */
static void set_quality(struct signal_participant *p, uint8_t quality, bool has_self)
{
    if (p->has_quality && p->quality == quality)
        return;
    p->has_quality = true;
    p->quality = quality;
    p->quality_score = scores[quality];
    struct signal_frame *frame = quality_frame(p);
    if (has_self)
        signal__session_push(p->session, frame);
    LIST_FOR_EACH(it, &p->room->participants)
    {
        struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        if (viewer != p && viewer->session != NULL && is_subscribed(viewer, p))
            signal__session_push(viewer->session, frame);
    }
    signal__frame_unref(frame);
}

void signal__handle_quality(struct signal_participant *p, const struct sfu_event *event)
{
    uint8_t loss = TK_MAX(event->up_loss_percent, event->down_loss_percent);
    uint8_t quality = LIVEKIT__CONNECTION_QUALITY__POOR;
    if (loss <= EXCELLENT_LOSS && event->rtt_us <= EXCELLENT_RTT_US)
        quality = LIVEKIT__CONNECTION_QUALITY__EXCELLENT;
    else if (loss <= GOOD_LOSS && event->rtt_us <= GOOD_RTT_US)
        quality = LIVEKIT__CONNECTION_QUALITY__GOOD;
    set_quality(p, quality, true);
}

void signal__quality_lost(struct signal_participant *p)
{
    set_quality(p, LIVEKIT__CONNECTION_QUALITY__LOST, false);
}
