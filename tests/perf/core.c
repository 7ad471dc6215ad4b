/*
 * The clock-free core under a counter of instructions: one publisher, many subscribers, virtual
 * time, a fixed seed, so that two runs execute the same instructions. Run by
 * tests/perf/instructions.py under callgrind, which counts what happens below `measured()` only.
 *
 *   perf_core video|audio|lesson SUBSCRIBERS FRAMES      prints the number of packets sent
 *
 * video: VP8 at 30 frames/s of 6 packets with the extensions that Chromium sends; audio: Opus at
 * 50 packets/s; lesson: as many remote sites as subscribers, each sending three layers that one
 * lecture site watches at the lowest, while all of them watch the lecture.
 */
#include "base/bytes.h"
#include "rtp/types.h"
#include "sfu/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBS_MAX      1000
#define BATCH         64
#define FRAME_PACKETS 6
#define FRAME_US      ((mono_us)33333)
#define AUDIO_US      MONO_MS(20)
#define HEAD_SIZE     24 /* with the extensions of write_head() */
#define PAYLOAD_SIZE  1100
#define AUDIO_SIZE    100
#define POOL_PACKETS  65536
#define VIDEO_PT      96
#define AUDIO_PT      111
#define PUBLISHER     1u /* its track has the same id */

struct bench {
    struct pkt_pool *pool;
    struct sfu_node *node;
    mono_us now;
    uint32_t subs;
    uint64_t sent;
};

struct stream {
    sfu_peer_id peer;
    uint32_t ssrc;
    uint16_t seq, picture, twcc;
    uint32_t ts;
};

static const struct rtp_ext_ids ext_ids = {
    .id = {[RTP_EXT_MID] = 1, [RTP_EXT_TWCC] = 3, [RTP_EXT_AUDIO_LEVEL] = 4}};

static void must(int err)
{
    if (err < 0) {
        fprintf(stderr, "perf_core: error %d\n", err);
        exit(1);
    }
}

/* ---- packets as a browser sends them ---- */

static size_t write_head(struct stream *s, uint8_t pt, bool is_marker, uint8_t *dst)
{
    const uint8_t exts[] = {
        0xbe, 0xde, 0, 2, 0x10, 'v', 0x31, (uint8_t)(s->twcc >> 8), (uint8_t)s->twcc,
        0x40, 0x90, 0};
    dst[0] = 0x90;
    dst[1] = (uint8_t)(pt | (is_marker ? 0x80 : 0));
    put_u16be(dst + 2, s->seq++);
    put_u32be(dst + 4, s->ts);
    put_u32be(dst + 8, s->ssrc);
    memcpy(dst + 12, exts, sizeof(exts));
    s->twcc++;
    return 12 + sizeof(exts);
}

static size_t write_descriptor(const struct stream *s, bool is_start, bool is_key, uint8_t *dst)
{
    dst[0] = (uint8_t)(0x80 | (is_start ? 0x10 : 0));
    dst[1] = 0xe0; /* picture id, TL0PICIDX, TID */
    put_u16be(dst + 2, 0x8000 | s->picture);
    dst[4] = (uint8_t)s->picture;
    dst[5] = 0x20; /* TID 0, Y */
    dst[6] = is_key ? 0x00 : 0x01;
    return 6;
}

static void drain(struct bench *b)
{
    static struct sfu_out outs[BATCH];
    struct sfu_relay relay;
    struct sfu_event event;
    for (size_t n; (n = sfu_node_poll_transmits(b->node, outs, BATCH)) > 0;)
        b->sent += outs[0].is_rtcp ? 0 : n;
    while (sfu_node_poll_relay(b->node, &relay) == 1) {
    }
    while (sfu_node_poll_event(b->node, &event) == 1) {
    }
}

static void hand_in(struct bench *b, struct stream *s, struct pkt *pkt)
{
    sfu_node_handle_rtp(b->node, s->peer, pkt, b->now);
    pkt_unref(pkt);
}

static struct pkt *take(struct bench *b, size_t payload_size)
{
    struct pkt *pkt = pkt_take(b->pool, HEAD_SIZE + payload_size);
    if (pkt == NULL) {
        fprintf(stderr, "perf_core: the pool is empty\n");
        exit(1);
    }
    return pkt;
}

static void send_frame(struct bench *b, struct stream *s, size_t packets, bool is_key)
{
    for (size_t i = 0; i < packets; i++) {
        struct pkt *pkt = take(b, PAYLOAD_SIZE);
        size_t size = write_head(s, VIDEO_PT, i + 1 == packets, pkt->data);
        write_descriptor(s, i == 0, is_key, pkt->data + size);
        pkt->size = (uint16_t)(size + PAYLOAD_SIZE);
        hand_in(b, s, pkt);
    }
    s->ts += 3000;
    s->picture = (uint16_t)((s->picture + 1) & 0x7fff);
}

static void send_audio(struct bench *b, struct stream *s)
{
    struct pkt *pkt = take(b, AUDIO_SIZE);
    pkt->size = (uint16_t)(write_head(s, AUDIO_PT, false, pkt->data) + AUDIO_SIZE);
    hand_in(b, s, pkt);
    s->ts += 960;
}

static void pass_time(struct bench *b, mono_us step)
{
    mono_us end = b->now + step;
    while (sfu_node_next_timeout(b->node) <= end) {
        b->now = TK_MAX(b->now, sfu_node_next_timeout(b->node));
        sfu_node_handle_timeout(b->node, b->now);
        drain(b);
    }
    b->now = end;
}

/* ---- the room ---- */

static void add_peer(struct bench *b, sfu_peer_id peer)
{
    const struct sfu_peer_config config = {.peer = peer, .exts = ext_ids, .has_twcc = false};
    must(sfu_node_add_peer(b->node, &config));
    sfu_node_set_connected(b->node, peer, true, b->now);
    drain(b);
}

static void add_track(struct bench *b, sfu_track_id track, sfu_peer_id peer, bool is_video,
                      uint8_t layers)
{
    struct sfu_track_config config = {
        .track = track,
        .source_peer = peer,
        .kind = is_video ? RTP_KIND_VIDEO : RTP_KIND_AUDIO,
        .pt_count = 1,
        .pts = {{.pt = is_video ? VIDEO_PT : AUDIO_PT,
                 .codec = is_video ? RTP_CODEC_VP8 : RTP_CODEC_OPUS}},
        .mid = "v",
        .layer_count = layers,
        .has_nack = is_video,
        .has_pli = is_video,
    };
    for (uint8_t i = 0; i < layers; i++)
        config.ssrcs[i] = track * 16u + i;
    must(sfu_node_add_track(b->node, &config));
}

static void add_sub(struct bench *b, sfu_sub_id sub, sfu_track_id track, sfu_peer_id peer,
                    bool is_video)
{
    const struct sfu_sub_config config = {
        .sub = sub,
        .track = track,
        .peer = peer,
        .ssrc = 0x1000000u + sub,
        .pt_count = 1,
        .pts = {{.pt = is_video ? VIDEO_PT : AUDIO_PT,
                 .codec = is_video ? RTP_CODEC_VP8 : RTP_CODEC_OPUS}},
        .mid = "0",
        .has_nack = is_video,
        .cname = "perf",
    };
    const struct sfu_sub_target target = {
        .sub = sub, .layer_max = 0, .temporal_max = SFU_TEMPORAL_ALL};
    must(sfu_node_add_sub(b->node, &config, b->now));
    drain(b);
    sfu_node_set_sub_target(b->node, &target, b->now);
    drain(b);
}

/* The subscriber has reported once: from then on the mid is left out. */
static void report(struct bench *b, sfu_peer_id peer, sfu_sub_id sub)
{
    uint8_t rr[32] = {0x81, 201, 0, 7};
    put_u32be(rr + 8, 0x1000000u + sub);
    sfu_node_handle_rtcp(b->node, peer, rr, sizeof(rr), b->now);
    drain(b);
}

/* ---- what is measured ---- */

static void __attribute__((noinline)) measured(struct bench *b, const char *what, uint32_t frames)
{
    struct stream s = {.peer = PUBLISHER, .ssrc = PUBLISHER * 16u, .seq = 1000, .picture = 7};
    bool is_audio = strcmp(what, "audio") == 0;
    for (uint32_t i = 0; i < frames; i++) {
        if (is_audio)
            send_audio(b, &s);
        else
            send_frame(b, &s, FRAME_PACKETS, false);
        drain(b);
        pass_time(b, is_audio ? AUDIO_US : FRAME_US);
    }
}

static void __attribute__((noinline))
measured_lesson(struct bench *b, struct stream *sites, struct stream *lecture, uint32_t frames)
{
    static const size_t packets[RTP_LAYERS_MAX] = {1, 2, FRAME_PACKETS};
    for (uint32_t i = 0; i < frames; i++) {
        send_frame(b, lecture, FRAME_PACKETS, false);
        drain(b);
        for (uint32_t k = 0; k < b->subs * RTP_LAYERS_MAX; k++) {
            send_frame(b, &sites[k], packets[k % RTP_LAYERS_MAX], false);
            drain(b);
        }
        pass_time(b, FRAME_US);
    }
}

/* The first packets, outside of what is counted: they start every stream, which then goes on. */
static void fan_out(struct bench *b, const char *what, uint32_t frames)
{
    bool is_video = strcmp(what, "audio") != 0;
    struct stream s = {.peer = PUBLISHER, .ssrc = PUBLISHER * 16u, .seq = 994, .picture = 6};
    add_peer(b, PUBLISHER);
    add_track(b, PUBLISHER, PUBLISHER, is_video, 1);
    for (uint32_t i = 0; i < b->subs; i++) {
        add_peer(b, 100 + i);
        add_sub(b, 1 + i, PUBLISHER, 100 + i, is_video);
    }
    if (is_video)
        send_frame(b, &s, FRAME_PACKETS, true);
    for (int i = 0; !is_video && i < FRAME_PACKETS; i++)
        send_audio(b, &s);
    drain(b);
    for (uint32_t i = 0; i < b->subs; i++)
        report(b, 100 + i, 1 + i);
    pass_time(b, MONO_S(2));
    b->sent = 0;
    measured(b, what, frames);
}

static void lesson(struct bench *b, uint32_t frames)
{
    static struct stream sites[SUBS_MAX * RTP_LAYERS_MAX];
    struct stream lecture = {.peer = PUBLISHER, .ssrc = PUBLISHER * 16u, .seq = 1000};
    add_peer(b, PUBLISHER);
    add_track(b, PUBLISHER, PUBLISHER, true, 1);
    for (uint32_t i = 0; i < b->subs; i++) {
        add_peer(b, 100 + i);
        add_track(b, 100 + i, 100 + i, true, RTP_LAYERS_MAX);
        add_sub(b, 1 + i, PUBLISHER, 100 + i, true);
        add_sub(b, 10000 + i, 100 + i, PUBLISHER, true);
        for (uint32_t k = 0; k < RTP_LAYERS_MAX; k++)
            sites[i * RTP_LAYERS_MAX + k] = (struct stream){
                .peer = 100 + i, .ssrc = (100 + i) * 16u + k, .seq = (uint16_t)(1000 * k)};
    }
    send_frame(b, &lecture, FRAME_PACKETS, true);
    for (uint32_t k = 0; k < b->subs * RTP_LAYERS_MAX; k++)
        send_frame(b, &sites[k], 1, true);
    drain(b);
    pass_time(b, FRAME_US);
    b->sent = 0;
    measured_lesson(b, sites, &lecture, frames);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: perf_core video|audio|lesson SUBSCRIBERS FRAMES\n");
        return 2;
    }
    struct bench b = {.now = MONO_S(1000), .subs = (uint32_t)strtoul(argv[2], NULL, 10)};
    uint32_t frames = (uint32_t)strtoul(argv[3], NULL, 10);
    const struct sfu_node_config config = {
        .seed = 1, .ring_packets = 1024, .ring_age_max = MONO_S(2)};
    if (b.subs == 0 || b.subs > SUBS_MAX || frames == 0)
        return 2;
    must(pkt_pool_create(POOL_PACKETS, &b.pool));
    must(sfu_node_create(&config, &b.node));
    if (strcmp(argv[1], "lesson") == 0)
        lesson(&b, frames);
    else
        fan_out(&b, argv[1], frames);
    printf("%llu\n", (unsigned long long)b.sent);
    sfu_node_destroy(b.node);
    pkt_pool_destroy(b.pool);
    return 0;
}
