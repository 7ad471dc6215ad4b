#include "sfu/sfu_internal.h"

/* Who speaks: the audio levels that publishers write into a header extension (RFC 6464), gathered
 * over windows of SFU_AUDIO_WINDOW. */

#define PACKET_MS_DEFAULT 20
#define PACKET_MS_MAX     120 /* a longer step is a pause, not a packet */

void sfu__speaker_packet(struct sfu_track *t, const struct sfu_arrival *a, mono_us now)
{
    struct sfu_speaker *sp = &t->speaker;
    uint8_t level;
    bool is_voice;
    if (a->is_rtx || !rtp_ext_get_audio_level(&a->exts, &level, &is_voice))
        return;
    if (sp->packets == 0 && sp->window_at == 0)
        sp->window_at = now;
    uint32_t ticks = a->view.ts - sp->last_ts;
    sp->last_ts = a->view.ts;
    if (ticks == 0 || ticks > t->clock_hz / 1000 * PACKET_MS_MAX)
        ticks = t->clock_hz / 1000 * PACKET_MS_DEFAULT;
    sp->packets++;
    if (level >= SFU_AUDIO_ACTIVE)
        return;
    sp->active_packets++;
    sp->level_sum += level;
    sp->active_ticks += ticks;
}

void sfu__speaker_tick(struct sfu_track *t, mono_us now)
{
    struct sfu_speaker *sp = &t->speaker;
    if (sp->window_at == 0 || now - sp->window_at < SFU_AUDIO_WINDOW)
        return;
    uint64_t window_ticks = (uint64_t)(now - sp->window_at) * t->clock_hz / 1000000;
    uint64_t percent = window_ticks > 0 ? sp->active_ticks * UINT64_C(100) / window_ticks : 0;
    bool is_speech = percent >= SFU_AUDIO_SPEECH;
    const struct sfu_event e = {
        .kind = SFU_EVENT_AUDIO_WINDOW,
        .peer = t->config.source_peer,
        .track = t->config.track,
        .level_dbov = sp->active_packets > 0 ? (uint8_t)(sp->level_sum / sp->active_packets) : 127,
        .active_percent = (uint8_t)TK_MIN(percent, UINT64_C(100)),
        .is_start = is_speech && !sp->is_speech};
    bool has_packets = sp->packets > 0;
    *sp = (struct sfu_speaker){
        .window_at = has_packets ? now : 0, .last_ts = sp->last_ts, .is_speech = is_speech};
    if (has_packets)
        sfu__push_event(t->node, &e);
}
