/* A publisher: its streams, when their frames are due, what its offer says of them. */
#include "load/floor_keys.h"
#include "load/load_internal.h"

#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_US    MONO_MS(5)
#define BEHIND_MAX MONO_S(1) /* the pictures in between are left out */
#define RTCP_SIZE  256

static const char *const rids[RTP_LAYERS_MAX] = {"q", "h", "f"};

static void init_stream(struct load_client *c, struct load_tx_stream *s,
                        const struct load_clip *clip)
{
    struct rng *rng = &c->run->rng;
    *s = (struct load_tx_stream){
        .clip = clip,
        .ssrc = rng_u32(rng) | 1,
        .rtx_ssrc = (rng_u32(rng) & ~1u) | 2,
        .seq = (uint16_t)rng_below(rng, 1 << 15),
        .rtx_seq = (uint16_t)rng_below(rng, 1 << 15),
        .picture_id = (uint16_t)rng_below(rng, 1 << 15),
        .ts_offset = rng_u32(rng),
        .is_keyframe_wanted = true,
    };
}

static void on_video(struct load_timer *t, mono_us now);
static void on_audio(struct load_timer *t, mono_us now);

int load__tx_create(struct load_client *c, struct load_tx **ret_tx)
{
    struct load_run *run = c->run;
    struct load_tx *tx = calloc(1, sizeof(*tx));
    if (tx == NULL)
        return -ENOMEM;
    tx->video_timer.fire = on_video;
    tx->audio_timer.fire = on_audio;
    snprintf(tx->audio_cid, sizeof(tx->audio_cid), "a%08x", rng_u32(&run->rng));
    snprintf(tx->video_cid, sizeof(tx->video_cid), "v%08x", rng_u32(&run->rng));
    if (run->options->has_audio)
        init_stream(c, &tx->audio, &run->audio);
    tx->layer_count = run->layer_count;
    for (size_t i = 0; i < tx->layer_count; i++) {
        init_stream(c, &tx->video[i], &run->video[i]);
        if (tx->layer_count > 1)
            snprintf(tx->video[i].rid, sizeof(tx->video[i].rid), "%s", rids[i]);
    }
    *ret_tx = tx;
    return 0;
}

void load__tx_destroy(struct load_tx *tx)
{
    if (tx == NULL)
        return;
    if (tx->conn != NULL) {
        load__frame_timer_cancel(tx->conn->client->run, &tx->video_timer);
        load__frame_timer_cancel(tx->conn->client->run, &tx->audio_timer);
    }
    for (size_t i = 0; i < tx->layer_count; i++)
        free(tx->video[i].history);
    free(tx);
}

/* ---- when ---- */

static void note_lateness(struct load_run *run, mono_us late)
{
    load_hist_add(&run->m.lateness, late);
    run->m.late_frames += late > LATE_US;
}

/* Frames `from` on, one every `period`: which one is due, leaving out what is too old. */
static uint64_t catch_up(uint64_t frame, mono_us from, uint32_t period, mono_us now)
{
    uint64_t due = (uint64_t)(now - from) / period;
    return now - (from + (mono_us)(frame * period)) > BEHIND_MAX ? due : frame;
}

static void on_video(struct load_timer *t, mono_us now)
{
    struct load_tx *tx = CONTAINER_OF(t, struct load_tx, video_timer);
    struct load_run *run = tx->conn->client->run;
    uint32_t period = tx->video[0].clip->frame_us;
    tx->video_frame = catch_up(tx->video_frame, tx->video_from, period, now);
    note_lateness(run, now - (tx->video_from + (mono_us)(tx->video_frame * period)));
    for (size_t i = 0; i < tx->layer_count; i++) {
        struct load_tx_stream *s = &tx->video[i];
        load__tx_frame(tx, s, s->ts_offset + (uint32_t)(tx->video_frame * period * 9 / 100), now);
    }
    load__io_send_frame(tx->conn);
    tx->video_frame++;
    load__frame_timer_set(run, t, tx->video_from + (mono_us)(tx->video_frame * period));
}

static void on_audio(struct load_timer *t, mono_us now)
{
    struct load_tx *tx = CONTAINER_OF(t, struct load_tx, audio_timer);
    struct load_run *run = tx->conn->client->run;
    struct load_tx_stream *s = &tx->audio;
    uint32_t period = s->clip->frame_us;
    tx->audio_frame = catch_up(tx->audio_frame, tx->audio_from, period, now);
    note_lateness(run, now - (tx->audio_from + (mono_us)(tx->audio_frame * period)));
    load__tx_frame(tx, s, s->ts_offset + (uint32_t)(tx->audio_frame * period * 48 / 1000), now);
    load__io_send_frame(tx->conn);
    tx->audio_frame++;
    load__frame_timer_set(run, t, tx->audio_from + (mono_us)(tx->audio_frame * period));
}

/* Publishers do not send in step. */
void load__tx_start(struct load_tx *tx, struct load_conn *conn, mono_us now)
{
    struct load_run *run = conn->client->run;
    if (tx->conn != NULL)
        return;
    tx->conn = conn;
    tx->has_twcc = run->options->has_twcc && conn->has_twcc;
    if (tx->layer_count > 0) {
        tx->video_from = now + (mono_us)rng_below(&run->rng, tx->video[0].clip->frame_us);
        load__frame_timer_set(run, &tx->video_timer, tx->video_from);
    }
    if (tx->audio.clip != NULL) {
        tx->audio_from = now + (mono_us)rng_below(&run->rng, tx->audio.clip->frame_us);
        load__frame_timer_set(run, &tx->audio_timer, tx->audio_from);
    }
}

/* ---- reports ---- */

static void put_report(struct load_tx *tx, const struct load_tx_stream *s, mono_us from,
                       mono_us now)
{
    uint8_t buf[RTCP_SIZE];
    if (s->clip == NULL || s->packets == 0)
        return;
    uint64_t clock_hz = rtp_codec_clock_hz(s->clip->codec);
    struct rtcp_sender_info info = {
        .ssrc = s->ssrc,
        .ntp = ntp_from_unix_us(wall_now() * 1000),
        .rtp_ts = s->ts_offset + (uint32_t)((uint64_t)(now - from) * clock_hz / 1000000),
        .packet_count = s->packets,
        .octet_count = s->octets,
    };
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_sr(&w, &info, NULL, 0);
    rtcp_put_sdes_cname(&w, s->ssrc, "tongke-load");
    if (!w.is_bad)
        load__conn_send_rtcp(tx->conn, buf, wr_size(&w));
}

void load__tx_put_reports(struct load_tx *tx, mono_us now)
{
    put_report(tx, &tx->audio, tx->audio_from, now);
    for (size_t i = 0; i < tx->layer_count; i++)
        put_report(tx, &tx->video[i], tx->video_from, now);
}

/* ---- offer and answer ---- */

bool load__tx_plan(const struct load_tx *tx, enum sdp_kind kind, struct sdp_offer_section *plan)
{
    bool is_audio = kind == SDP_KIND_AUDIO;
    const struct load_tx_stream *s = is_audio ? &tx->audio : &tx->video[0];
    if (s->clip == NULL || (!is_audio && tx->layer_count == 0))
        return false;
    plan->kind = kind;
    plan->dir = SDP_DIR_SENDONLY;
    plan->codec = (uint8_t)s->clip->codec;
    plan->send = (struct sdp_send){
        .stream_id = "-",
        .track_id = is_audio ? tx->audio_cid : tx->video_cid,
        .cname = "tongke-load",
    };
    if (s->clip->codec == RTP_CODEC_H264)
        plan->h264_profile_level_id = "42e01f";
    if (is_audio || tx->layer_count == 1) {
        plan->send.ssrc = s->ssrc;
        plan->send.rtx_ssrc = is_audio ? 0 : s->rtx_ssrc;
        return true;
    }
    plan->rid_count = (uint8_t)tx->layer_count;
    for (size_t i = 0; i < tx->layer_count; i++)
        memcpy(plan->rids[i], tx->video[i].rid, sizeof(plan->rids[i]));
    return true;
}

bool load__tx_agree(struct load_tx *tx, const struct sdp_section *m)
{
    struct rtp_pt pts[RTP_PTS_MAX];
    bool is_audio = m->kind == SDP_KIND_AUDIO;
    struct load_tx_stream *first = is_audio ? &tx->audio : &tx->video[0];
    size_t layers = is_audio ? 1 : tx->layer_count;
    size_t count = sdp_section_pts(m, pts, RTP_PTS_MAX);
    if ((m->dir & SDP_DIR_RECVONLY) == 0 || first->clip == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (pts[i].codec != (uint8_t)first->clip->codec)
            continue;
        for (size_t k = 0; k < layers; k++) {
            first[k].pt = pts[i].pt;
            first[k].rtx_pt = pts[i].rtx_pt;
            memcpy(first[k].mid, m->mid, sizeof(first[k].mid));
        }
        return true;
    }
    return false;
}
