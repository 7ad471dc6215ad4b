#include "sim/sim.h"

#include "base/err.h"
#include "rtp/ext.h"
#include "rtp/pack.h"
#include "rtp/red.h"
#include "rtp/rtx.h"

#include <stdlib.h>
#include <string.h>

/* What one track of a publisher sends: frames at its pace, keyframes on request, retransmissions,
 * sender reports. */

#define PAYLOAD_MAX  1100
#define AUDIO_EVERY  MONO_MS(20)
#define REPORT_EVERY MONO_S(1)
#define KEYFRAME_MIN MONO_MS(150) /* an encoder makes keyframes at most this often */
#define VIDEO_HZ     90000
#define AUDIO_HZ     48000
#define PT_RED       63
#define PACKET_MAX   1400

/* ---- numbers ---- */

static uint32_t ts_at(const struct source *s, const struct source_layer *l, mono_us at)
{
    uint32_t hz = s->kind == RTP_KIND_VIDEO ? VIDEO_HZ : AUDIO_HZ;
    return l->ts_base + (uint32_t)(at / 1000000 * hz + at % 1000000 * hz / 1000000);
}

static void clear_store(struct source_layer *l)
{
    for (size_t i = 0; i < SIM_STORE; i++) {
        free(l->store[i].data);
        l->store[i] = (struct sim_sent){0};
    }
}

/* A new encoder. Its numbers may lie close to those of the one before. */
static void start_layer(struct source *s, struct source_layer *l)
{
    struct rng *rng = &s->sim->rng;
    clear_store(l);
    l->ssrc = rng_u32(rng) | 1;
    l->rtx_ssrc = s->kind == RTP_KIND_VIDEO ? rng_u32(rng) | 1 : 0;
    bool is_close = sim_chance(rng, 0.5);
    l->seq = is_close ? (uint16_t)(l->seq + sim_between(rng, -300, 300)) : (uint16_t)rng_u32(rng);
    l->rtx_seq = (uint16_t)rng_u32(rng);
    l->ts_base = rng_u32(rng);
    l->picture_id = rng_u32(rng) & 0x7fff;
    l->tl0 = (uint8_t)rng_u32(rng);
    l->number = 0;
    l->phase = 0;
    l->wants_key = true;
    l->key_at = -KEYFRAME_MIN;
    l->has_reported = false;
    l->packets = l->octets = 0;
    l->report_at = s->sim->now + sim_between(rng, 100000, 1200000);
    for (size_t i = 0; i < 3; i++)
        l->newest_of[i] = SIM_REF_NONE;
    for (size_t i = 0; i < SIM_NODES_MAX; i++) {
        memset(l->seen[i], 0, 65536);
        l->has_newest[i] = false;
    }
}

struct source *source_create(struct sim *sim, struct sim_peer *peer, sfu_track_id track,
                             enum rtp_kind kind)
{
    static const enum rtp_codec video[] = {RTP_CODEC_VP8, RTP_CODEC_VP8, RTP_CODEC_H264};
    struct source *s = calloc(1, sizeof(*s));
    CHECK(s != NULL);
    struct rng *rng = &sim->rng;
    *s = (struct source){.sim = sim, .peer = peer, .track = track, .kind = kind};
    s->codec = kind == RTP_KIND_VIDEO ? video[rng_below(rng, 3)]
                                      : (sim_chance(rng, 0.4) ? RTP_CODEC_RED : RTP_CODEC_OPUS);
    s->pt = (struct rtp_pt){.pt = kind == RTP_KIND_VIDEO ? 96 : 111,
                            .rtx_pt = kind == RTP_KIND_VIDEO ? 97 : 0,
                            .codec = (uint8_t)s->codec,
                            .h264_mode = s->codec == RTP_CODEC_H264};
    s->layer_count = kind == RTP_KIND_VIDEO && sim_chance(rng, 0.8) ? 3 : 1;
    s->temporal_count = s->codec == RTP_CODEC_VP8 ? (uint8_t)sim_between(rng, 1, 3) : 1;
    s->is_announced = s->layer_count == 1 && sim_chance(rng, 0.7);
    s->has_exts_always = sim_chance(rng, 0.3);
    s->has_dynacast = sim->has_dynacast;
    s->has_pli = sim_chance(rng, 0.8);
    s->wanted[0] = s->wanted[1] = (int8_t)(s->has_dynacast ? SFU_LAYER_NONE : 2);
    s->interval = kind == RTP_KIND_VIDEO ? sim_between(rng, 45000, 100000) : AUDIO_EVERY;
    s->next_at = sim->now + sim_between(rng, 1000, 90000);
    s->live_since = s->next_at;
    s->mid[0] = (char)('a' + track % 26);
    s->mid[1] = (char)('a' + track / 26 % 26);
    for (size_t i = 0; i < s->layer_count; i++) {
        for (size_t n = 0; n < SIM_NODES_MAX; n++) {
            s->layers[i].seen[n] = calloc(1, 65536);
            CHECK(s->layers[i].seen[n] != NULL);
        }
        start_layer(s, &s->layers[i]);
    }
    return s;
}

void source_destroy(struct source *s)
{
    for (size_t i = 0; i < s->layer_count; i++) {
        clear_store(&s->layers[i]);
        for (size_t n = 0; n < SIM_NODES_MAX; n++)
            free(s->layers[i].seen[n]);
    }
    free(s);
}

void source_config(const struct source *s, bool is_relayed, struct sfu_track_config *ret_config)
{
    static const char *const rids[RTP_LAYERS_MAX] = {"q", "h", "f"};
    *ret_config = (struct sfu_track_config){.track = s->track,
                                            .source_peer = is_relayed ? 0 : s->peer->id,
                                            .source_worker = s->peer->node,
                                            .kind = (uint8_t)s->kind,
                                            .pt_count = 1,
                                            .pts = {s->pt},
                                            .layer_count = s->layer_count,
                                            .has_nack = s->kind == RTP_KIND_VIDEO,
                                            .has_pli = s->has_pli};
    memcpy(ret_config->mid, s->mid, sizeof(s->mid));
    if (s->codec == RTP_CODEC_RED) {
        ret_config->pts[0].pt = PT_RED;
        ret_config->pts[1] = (struct rtp_pt){.pt = s->pt.pt, .codec = RTP_CODEC_OPUS};
        ret_config->pt_count = 2;
    }
    for (size_t i = 0; i < s->layer_count && s->layer_count > 1; i++)
        memcpy(ret_config->rids[i], rids[i], 2);
    for (size_t i = 0; i < s->layer_count && s->is_announced; i++) {
        ret_config->ssrcs[i] = s->layers[i].ssrc;
        ret_config->rtx_ssrcs[i] = s->layers[i].rtx_ssrc;
    }
}

void source_restart(struct source *s)
{
    for (size_t i = 0; i < s->layer_count; i++)
        start_layer(s, &s->layers[i]);
    s->live_since = s->sim->now;
    s->sim->totals.restarts++;
}

void source_set_wanted(struct source *s, uint8_t node, int8_t layer)
{
    if (s->has_dynacast)
        s->wanted[node] = layer;
}

struct source_layer *source_layer_of(struct source *s, uint32_t ssrc, bool *ret_is_rtx)
{
    for (size_t i = 0; i < s->layer_count; i++) {
        *ret_is_rtx = s->layers[i].rtx_ssrc == ssrc;
        if (s->layers[i].ssrc == ssrc || (*ret_is_rtx && ssrc != 0))
            return &s->layers[i];
    }
    return NULL;
}

/* ---- packets ---- */

static size_t write_head(struct source *s, struct source_layer *l, const struct rtp_header *header,
                         bool is_rtx, uint8_t *dst)
{
    struct rtp_ext_writer w;
    uint8_t wide[2], level = (uint8_t)(0x80 | (l->number % 50));
    put_u16be(wide, s->peer->twcc_seq++);
    rtp_ext_writer_init(&w, dst, PACKET_MAX, header, &s->peer->exts);
    rtp_ext_put(&w, RTP_EXT_TWCC, wide, 2);
    if (s->kind == RTP_KIND_AUDIO)
        rtp_ext_put(&w, RTP_EXT_AUDIO_LEVEL, &level, 1);
    if (!l->has_reported || s->has_exts_always) {
        static const char *const rids[RTP_LAYERS_MAX] = {"q", "h", "f"};
        rtp_ext_put(&w, RTP_EXT_MID, s->mid, 2);
        if (s->layer_count > 1)
            rtp_ext_put(&w, is_rtx ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID, rids[l - s->layers], 1);
    }
    int size = rtp_ext_writer_finish(&w);
    CHECK(size > 0);
    return (size_t)size;
}

static void keep(struct source_layer *l, uint16_t seq, const uint8_t *data, size_t size)
{
    struct sim_sent *sent = &l->store[seq % SIM_STORE];
    free(sent->data);
    *sent = (struct sim_sent){.seq = seq, .size = (uint16_t)size, .data = malloc(size)};
    CHECK(sent->data != NULL);
    memcpy(sent->data, data, size);
}

static void send_payload(struct source *s, struct source_layer *l, uint8_t pt, bool is_marker,
                         const uint8_t *payload, size_t payload_size, mono_us captured)
{
    uint8_t packet[PACKET_MAX];
    const struct rtp_header header = {.is_marker = is_marker,
                                      .pt = pt,
                                      .seq = l->seq++,
                                      .ts = ts_at(s, l, captured),
                                      .ssrc = l->ssrc};
    size_t head = write_head(s, l, &header, false, packet);
    memcpy(packet + head, payload, payload_size);
    l->packets++;
    l->octets += (uint32_t)payload_size;
    if (s->kind == RTP_KIND_VIDEO)
        keep(l, header.seq, packet, head + payload_size);
    room_send(s->peer, packet, head + payload_size);
}

static void repeat(struct source *s, struct source_layer *l, uint16_t seq)
{
    const struct sim_sent *sent = &l->store[seq % SIM_STORE];
    struct rtp_view v;
    if (sent->data == NULL || sent->seq != seq || rtp_parse(sent->data, sent->size, &v) < 0)
        return;
    uint8_t packet[PACKET_MAX];
    const struct rtp_header header = {.is_marker = v.is_marker,
                                      .pt = s->pt.rtx_pt,
                                      .seq = l->rtx_seq++,
                                      .ts = v.ts,
                                      .ssrc = l->rtx_ssrc};
    size_t head = write_head(s, l, &header, true, packet);
    rtp_rtx_prefix(seq, packet + head);
    memcpy(packet + head + RTP_RTX_PREFIX_SIZE, v.payload, v.payload_size);
    room_send(s->peer, packet, head + RTP_RTX_PREFIX_SIZE + v.payload_size);
}

/* Now and then a packet without payload, as encoders send them to fill up their rate. */
static void send_padding(struct source *s, struct source_layer *l, mono_us captured)
{
    uint8_t packet[PACKET_MAX];
    const struct rtp_header header = {
        .pt = s->pt.pt, .seq = l->seq++, .ts = ts_at(s, l, captured), .ssrc = l->ssrc};
    size_t head = write_head(s, l, &header, false, packet);
    memset(packet + head, 0, 32);
    packet[head + 31] = 32;
    packet[0] |= 0x20;
    keep(l, header.seq, packet, head + 32);
    room_send(s->peer, packet, head + 32);
}

/* ---- frames ---- */

/* Temporal layers: 0; 0 1; 0 2 1 2. Whoever moves up may do so at a frame that needs layer 0
 * only. */
static uint8_t temporal_id_of(const struct source *s, const struct source_layer *l)
{
    static const uint8_t patterns[3][4] = {{0, 0, 0, 0}, {0, 1, 0, 1}, {0, 2, 1, 2}};
    return patterns[s->temporal_count - 1][l->phase % 4];
}

/* Layer 0 needs layer 0; layer 2 the newer of the two below; layer 1 in every second round its own
 * frame before, so that it is no place to move up. */
static uint32_t reference_of(const struct source_layer *l, uint8_t temporal_id)
{
    uint32_t t0 = l->newest_of[0], t1 = l->newest_of[1];
    bool is_round = l->phase / 4 % 2 == 1;
    if (t1 == SIM_REF_NONE || temporal_id == 0)
        return t0;
    if (temporal_id == 1)
        return is_round ? t1 : t0;
    return t1 > t0 ? t1 : t0;
}

static struct sim_frame next_frame(struct source *s, struct source_layer *l, mono_us captured)
{
    bool is_keyframe = s->kind == RTP_KIND_AUDIO ||
                       (l->wants_key && captured - l->key_at >= KEYFRAME_MIN) ||
                       l->newest_of[0] == SIM_REF_NONE;
    if (is_keyframe)
        l->phase = 0;
    struct sim_frame f = {.track = s->track,
                          .ssrc = l->ssrc,
                          .layer = (uint8_t)(l - s->layers),
                          .temporal_id = temporal_id_of(s, l),
                          .is_keyframe = is_keyframe,
                          .number = l->number++,
                          .ref = SIM_REF_NONE,
                          .captured = captured};
    if (!is_keyframe)
        f.ref = reference_of(l, f.temporal_id);
    l->phase++;
    uint32_t scale = s->kind == RTP_KIND_AUDIO ? 1 : 12u << 2 * f.layer;
    f.filling = (uint16_t)sim_between(&s->sim->rng, 20, 20 + 8 * scale);
    if (is_keyframe && s->kind == RTP_KIND_VIDEO) {
        f.filling = (uint16_t)(f.filling * 4 + 1200);
        l->wants_key = false;
        l->key_at = captured;
    }
    return f;
}

static void note_frame(struct source_layer *l, const struct sim_frame *f)
{
    for (size_t i = 0; i < 3 && f->is_keyframe; i++)
        l->newest_of[i] = SIM_REF_NONE;
    l->newest_of[f->temporal_id] = f->number;
    l->picture_id = (l->picture_id + 1) & 0x7fff;
    if (f->temporal_id == 0)
        l->tl0++;
}

static void send_video(struct source *s, struct source_layer *l, mono_us captured)
{
    static uint8_t bytes[SIM_FRAME_MAX];
    struct sim_frame f = next_frame(s, l, captured);
    size_t size = sim_frame_write(s->codec, &f, bytes);
    note_frame(l, &f);
    struct rtp_pack pack;
    int err = rtp_pack_init(&pack, s->codec, bytes, size, PAYLOAD_MAX);
    CHECK(err == 0);
    pack.has_picture_id = true;
    pack.picture_id = l->picture_id;
    pack.tl0 = l->tl0;
    pack.temporal_id = f.temporal_id;
    pack.is_layer_sync = f.temporal_id > 0 && f.ref == l->newest_of[0];
    uint8_t payload[PAYLOAD_MAX];
    bool is_last = false;
    int n;
    while ((n = rtp_pack_next(&pack, payload, sizeof(payload), &is_last)) > 0)
        send_payload(s, l, s->pt.pt, is_last, payload, (size_t)n, captured);
    CHECK(n == 0);
    if (sim_chance(&s->sim->rng, 0.01))
        send_padding(s, l, captured);
}

static void send_audio(struct source *s, struct source_layer *l, mono_us captured)
{
    uint8_t bytes[400], red[PACKET_MAX];
    struct sim_frame f = next_frame(s, l, captured);
    size_t size = sim_frame_write(RTP_CODEC_OPUS, &f, bytes);
    if (s->codec == RTP_CODEC_OPUS) {
        send_payload(s, l, s->pt.pt, false, bytes, size, captured);
        return;
    }
    const struct rtp_red_block blocks[2] = {
        {.pt = s->pt.pt,
         .ts_offset = AUDIO_HZ / 50,
         .size = (uint16_t)s->last_size,
         .data = s->last_frame},
        {.pt = s->pt.pt, .size = (uint16_t)size, .data = bytes}};
    size_t skip = s->last_size == 0;
    int n = rtp_red_build(blocks + skip, 2 - skip, red, sizeof(red));
    CHECK(n > 0);
    send_payload(s, l, PT_RED, false, red, (size_t)n, captured);
    s->last_size = TK_MIN(size, sizeof(s->last_frame));
    memcpy(s->last_frame, bytes, s->last_size);
}

static void send_report(struct source *s, struct source_layer *l, mono_us now)
{
    uint8_t packet[200];
    struct wr w = wr_init(packet, sizeof(packet));
    const struct rtcp_sender_info info = {.ssrc = l->ssrc,
                                          .ntp = ntp_from_unix_us(SIM_EPOCH_US + now),
                                          .rtp_ts = ts_at(s, l, now),
                                          .packet_count = l->packets,
                                          .octet_count = l->octets};
    rtcp_put_sr(&w, &info, NULL, 0);
    rtcp_put_sdes_cname(&w, l->ssrc, "source");
    room_send(s->peer, packet, wr_size(&w));
}

/* ---- time and feedback ---- */

mono_us source_next(const struct source *s)
{
    return s->next_at;
}

static void activate(struct source *s, struct source_layer *l)
{
    int8_t wanted = TK_MAX(s->wanted[0], s->wanted[1]);
    bool is_active = !s->is_muted && l - s->layers <= wanted;
    if (is_active && !l->is_active && s->kind == RTP_KIND_VIDEO)
        l->wants_key = true;
    l->is_active = is_active;
}

void source_tick(struct source *s)
{
    mono_us now = s->sim->now;
    if (now < s->next_at)
        return;
    s->next_at = now + s->interval;
    for (size_t i = 0; i < s->layer_count; i++) {
        struct source_layer *l = &s->layers[i];
        activate(s, l);
        if (!l->is_active)
            continue;
        if (s->kind == RTP_KIND_VIDEO)
            send_video(s, l, now);
        else
            send_audio(s, l, now);
        if (now < l->report_at)
            continue;
        l->report_at = now + REPORT_EVERY;
        send_report(s, l, now);
    }
}

static void handle_nack(struct source *s, struct source_layer *l, const struct rtcp_packet *p)
{
    uint16_t seqs[SIM_STORE];
    int count = rtcp_get_nack(p, seqs, SIM_STORE);
    for (int i = 0; i < count; i++)
        repeat(s, l, seqs[i]);
}

void source_handle_rtcp(struct source *s, const struct rtcp_packet *p)
{
    struct rtcp_report r;
    uint32_t ssrc;
    uint8_t fir;
    bool is_rtx;
    for (size_t i = 0; (p->type == RTCP_RR || p->type == RTCP_SR) && rtcp_get_report(p, i, &r) == 0;
         i++) {
        struct source_layer *l = source_layer_of(s, r.ssrc, &is_rtx);
        if (l != NULL && !is_rtx)
            l->has_reported = true;
    }
    bool is_feedback = p->type == RTCP_RTPFB || p->type == RTCP_PSFB;
    if (!is_feedback || rtcp_get_media_ssrc(p, &ssrc) < 0)
        return;
    if (p->type == RTCP_PSFB && p->count == RTCP_PSFB_FIR)
        IGNORE(rtcp_get_fir(p, 0, &ssrc, &fir)); /* then `ssrc` stays 0, nobody's */
    struct source_layer *l = source_layer_of(s, ssrc, &is_rtx);
    if (l == NULL || is_rtx)
        return;
    if (p->type == RTCP_RTPFB && p->count == RTCP_RTPFB_NACK)
        handle_nack(s, l, p);
    else if (p->type == RTCP_PSFB)
        l->wants_key = true;
}
