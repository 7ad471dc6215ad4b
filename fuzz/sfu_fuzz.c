/* fuzz: sfu cc rtp base */
/*
 * Two forwarding nodes: the input is a list of commands, each a byte and its arguments, that send
 * RTP and RTCP (raw, or shaped so that it belongs to a stream), let time pass, and change
 * participants, tracks and subscriptions. Relays go from node to node. Whatever comes out must be
 * well-formed and every packet must come back.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "base/pkt.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"
#include "sfu/node.h"

#include <stdlib.h>

#define NODES        2
#define PEERS        4 /* odd ones on node 0, even ones on node 1 */
#define TRACKS       3
#define SUBS         6
#define POOL         2048
#define COMMANDS_MAX 300
#define TIMEOUTS_MAX 20000 /* in four seconds: a node whose timers do not move on is a finding */

TK_FUZZ_DECLARE(sfu);

static struct {
    struct sfu_node *nodes[NODES];
    struct pkt_pool *pool;
    mono_us now;
    bool is_lossy; /* relays are dropped, as by a full mailbox */
} w;

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static uint8_t node_of(sfu_peer_id peer)
{
    return (uint8_t)(peer + 1) % NODES;
}

/* ---- out ---- */

static void check_out(const struct sfu_out *out)
{
    static uint8_t bytes[PKT_SIZE_MAX + SFU_HEAD_MAX];
    must(out->peer >= 1 && out->peer <= PEERS);
    if (out->is_rtcp) {
        struct rtcp_reader r = rtcp_reader_init(out->rtcp, out->rtcp_size);
        struct rtcp_packet p;
        int n;
        while ((n = rtcp_next(&r, &p)) > 0)
            continue;
        must(n == 0 && out->rtcp_size > 0);
        return;
    }
    struct rtp_view v;
    size_t front = (size_t)out->head_size + out->prefix_size;
    must(front <= SFU_HEAD_MAX);
    memcpy(bytes, out->head, front);
    if (out->body_size > 0)
        memcpy(bytes + front, out->body, out->body_size);
    must(rtp_parse(bytes, front + out->body_size, &v) == 0);
}

static void drain(uint8_t node);

static void pass(const struct sfu_relay *relay, uint8_t from)
{
    for (uint8_t n = 0; n < NODES; n++) {
        if ((relay->worker_mask >> n & 1) == 0)
            continue;
        must(n != from);
        if (w.is_lossy) {
            pkt_unref(relay->pkt);
            continue;
        }
        sfu_node_handle_relay(w.nodes[n], relay, w.now);
        drain(n);
    }
}

static void drain(uint8_t node)
{
    struct sfu_out out;
    struct sfu_event event;
    struct sfu_relay relay;
    while (sfu_node_poll_transmit(w.nodes[node], &out) == 1)
        check_out(&out);
    while (sfu_node_poll_event(w.nodes[node], &event) == 1)
        must(event.kind < SFU_EVENT_KIND_COUNT_);
    while (sfu_node_poll_relay(w.nodes[node], &relay) == 1) {
        pass(&relay, node);
    }
}

static void pass_time(mono_us time)
{
    mono_us until = w.now + time;
    for (int timeouts = 0;; timeouts++) {
        must(timeouts < TIMEOUTS_MAX);
        mono_us a = sfu_node_next_timeout(w.nodes[0]), b = sfu_node_next_timeout(w.nodes[1]);
        uint8_t node = b < a;
        mono_us next = TK_MIN(a, b);
        if (next > until)
            break;
        w.now = TK_MAX(w.now, next);
        sfu_node_handle_timeout(w.nodes[node], w.now);
        drain(node);
    }
    w.now = until;
}

/* ---- in ---- */

static void rtp_in(sfu_peer_id peer, const uint8_t *data, size_t size)
{
    struct pkt *pkt = pkt_take(w.pool, size);
    if (pkt == NULL)
        return;
    memcpy(pkt->data, data, size);
    pkt->size = (uint16_t)size;
    pkt->arrived = w.now;
    sfu_node_handle_rtp(w.nodes[node_of(peer)], peer, pkt, w.now);
    pkt_unref(pkt);
}

static uint32_t ssrc_of(uint8_t stream)
{
    return 1000u * (1 + stream % TRACKS) + stream / TRACKS % 3;
}

/* A packet of one of the tracks: numbers and payload from the input. */
static void shaped_rtp(struct rd *r)
{
    uint8_t packet[64];
    uint8_t stream = rd_u8(r), flags = rd_u8(r), seq = rd_u8(r), size = rd_u8(r) % 24;
    bool is_rtx = (flags & 0x10) != 0;
    const uint8_t *payload = rd_bytes(r, size);
    if (payload == NULL)
        return;
    static const uint8_t pts[3][4] = {{96, 98, 97, 99}, {96, 98, 97, 99}, {111, 63, 0, 111}};
    const struct rtp_header header = {.is_marker = (flags & 0x80) != 0,
                                      .pt = pts[stream % TRACKS][(flags & 1) + (is_rtx ? 2 : 0)],
                                      .seq = (uint16_t)(seq << ((flags & 0x20) != 0 ? 8 : 0)),
                                      .ts = seq * 3000u,
                                      .ssrc = ssrc_of(stream) + (is_rtx ? 500 : 0)};
    rtp_header_write(packet, &header);
    memcpy(packet + RTP_HEADER_SIZE, payload, size);
    rtp_in(1 + (stream % TRACKS) % PEERS, packet, RTP_HEADER_SIZE + size);
}

static void shaped_rtcp(struct rd *r)
{
    uint8_t packet[200];
    uint8_t kind = rd_u8(r), peer = 1 + rd_u8(r) % PEERS;
    uint16_t seqs[2] = {rd_u16be(r), 0};
    seqs[1] = (uint16_t)(seqs[0] + 1);
    uint32_t sub = 100u + kind / 8 % SUBS, source = ssrc_of(kind / 8);
    const struct rtcp_report report = {.ssrc = sub, .fraction_lost = rd_u8(r)};
    const struct rtcp_sender_info info = {
        .ssrc = source, .ntp = (ntp_time)rd_u16be(r) << 32, .rtp_ts = rd_u32be(r)};
    struct wr out = wr_init(packet, sizeof(packet));
    if (kind % 8 == 0)
        rtcp_put_nack(&out, 1, sub, seqs, 2);
    else if (kind % 8 == 1)
        rtcp_put_pli(&out, 1, sub);
    else if (kind % 8 == 2)
        rtcp_put_fir(&out, 1, sub, (uint8_t)seqs[0]);
    else if (kind % 8 == 3)
        rtcp_put_rr(&out, 1, &report, 1);
    else if (kind % 8 == 4)
        rtcp_put_sr(&out, &info, NULL, 0);
    else if (kind % 8 == 5)
        rtcp_put_bye(&out, &source, 1);
    else
        rtcp_put_remb(&out, 1, seqs[0] * 100u, &sub, 1);
    sfu_node_handle_rtcp(w.nodes[node_of(peer)], peer, packet, wr_size(&out), w.now);
    drain(node_of(peer));
}

/* ---- commands ---- */

static void add_peer(uint8_t which)
{
    sfu_peer_id peer = 1 + which % PEERS;
    const struct sfu_peer_config config = {.peer = peer,
                                           .exts = {.id = {[RTP_EXT_MID] = 1,
                                                           [RTP_EXT_RID] = 2,
                                                           [RTP_EXT_AUDIO_LEVEL] = 3,
                                                           [RTP_EXT_TWCC] = 4,
                                                           [RTP_EXT_REPAIRED_RID] = 5,
                                                           [RTP_EXT_VIDEO_ORIENTATION] = 6}},
                                           .has_twcc = (which & 0x40) != 0};
    struct sfu_node *node = w.nodes[node_of(peer)];
    IGNORE((which & 0x80) != 0 ? sfu_node_set_peer(node, &config)
                               : sfu_node_add_peer(node, &config)); /* may be there already */
    sfu_node_set_connected(node, peer, (which & 0x20) == 0, w.now);
}

static void set_track(uint8_t which, uint8_t shape)
{
    sfu_track_id track = 1 + which % TRACKS;
    bool is_audio = track == TRACKS;
    struct sfu_track_config c = {.track = track,
                                 .kind = is_audio ? RTP_KIND_AUDIO : RTP_KIND_VIDEO,
                                 .pt_count = 2,
                                 .mid = {(char)('a' + track)},
                                 .layer_count = is_audio ? 1 : 1 + shape % 3,
                                 .has_nack = (shape & 4) != 0,
                                 .has_pli = (shape & 8) != 0};
    c.pts[0] = is_audio ? (struct rtp_pt){.pt = 111, .codec = RTP_CODEC_OPUS}
                        : (struct rtp_pt){.pt = 96, .rtx_pt = 97, .codec = RTP_CODEC_VP8};
    c.pts[1] = is_audio
                   ? (struct rtp_pt){.pt = 63, .codec = RTP_CODEC_RED}
                   : (struct rtp_pt){.pt = 98,
                                     .rtx_pt = 99,
                                     .codec = (shape & 0x10) != 0 ? RTP_CODEC_H264 : RTP_CODEC_VP9};
    for (uint8_t i = 0; i < c.layer_count; i++) {
        c.rids[i][0] = (char)('q' + i);
        c.ssrcs[i] = (shape & 0x20) != 0 ? 0 : 1000u * track + i;
        c.rtx_ssrcs[i] = (shape & 0x40) != 0 ? 0 : 1000u * track + 500 + i;
    }
    sfu_peer_id source = 1 + (track - 1) % PEERS;
    for (uint8_t n = 0; n < NODES; n++) {
        c.source_peer = n == node_of(source) ? source : 0;
        IGNORE((which & 0x80) != 0 ? sfu_node_set_track(w.nodes[n], &c)
                                   : sfu_node_add_track(w.nodes[n], &c)); /* its peer may be gone */
    }
    sfu_node_set_relay_targets(w.nodes[node_of(source)], track, which >> 4 & 3);
}

static void add_sub(uint8_t which, uint8_t shape)
{
    uint32_t sub = 100u + which % SUBS;
    sfu_peer_id peer = 1 + shape % PEERS;
    const struct sfu_sub_config c = {.sub = sub,
                                     .track = 1 + (which / SUBS) % TRACKS,
                                     .peer = peer,
                                     .ssrc = sub,
                                     .rtx_ssrc = (shape & 0x10) != 0 ? 0 : sub + 100,
                                     .pt_count = 3,
                                     .pts = {{.pt = 100, .rtx_pt = 101, .codec = RTP_CODEC_VP8},
                                             {.pt = 102, .rtx_pt = 103, .codec = RTP_CODEC_H264},
                                             {.pt = 109, .codec = RTP_CODEC_OPUS}},
                                     .mid = "m",
                                     .has_nack = true,
                                     .cname = "c"};
    IGNORE(sfu_node_add_sub(w.nodes[node_of(peer)], &c, w.now)); /* what it names may be gone */
    const struct sfu_sub_target target = {.sub = sub, .layer_max = 2, .temporal_max = 7};
    drain(node_of(peer));
    sfu_node_set_sub_target(w.nodes[node_of(peer)], &target, w.now);
}

static void remove_something(uint8_t which)
{
    for (uint8_t n = 0; n < NODES; n++) {
        if (which % 3 == 0)
            sfu_node_remove_sub(w.nodes[n], 100u + which / 3 % SUBS);
        else if (which % 3 == 1)
            sfu_node_remove_track(w.nodes[n], 1 + which / 3 % TRACKS);
        else
            sfu_node_remove_peer(w.nodes[n], 1 + which / 3 % PEERS);
    }
}

static void set_target(uint8_t which, uint8_t shape)
{
    const struct sfu_sub_target target = {.sub = 100u + which % SUBS,
                                          .layer_max = (int8_t)(shape % 8 - 2),
                                          .temporal_max = shape >> 4 & 7,
                                          .may_pause = (shape & 0x80) != 0};
    for (uint8_t n = 0; n < NODES; n++) {
        sfu_node_set_sub_target(w.nodes[n], &target, w.now);
        drain(n);
    }
}

static void change(uint8_t which)
{
    sfu_track_id track = 1 + which % TRACKS;
    for (uint8_t n = 0; n < NODES; n++) {
        if ((which & 0x40) != 0)
            sfu_node_set_track_blocked(w.nodes[n], track, (which & 0x20) != 0);
        else
            sfu_node_handle_keyframe_wanted(w.nodes[n], track, (int8_t)(which >> 3 & 3) - 1, w.now);
        drain(n);
    }
    w.is_lossy = (which & 0x80) != 0;
}

static void run_command(struct rd *r)
{
    uint8_t kind = rd_u8(r), a = rd_u8(r);
    size_t size = TK_MIN((size_t)a, rd_left(r));
    sfu_peer_id peer = 1 + (kind >> 4) % PEERS;
    switch (kind & 0x0f) {
    case 0:
        rtp_in(peer, rd_bytes(r, size), size);
        break;
    case 1:
        sfu_node_handle_rtcp(w.nodes[node_of(peer)], peer, rd_bytes(r, size), size, w.now);
        break;
    case 2:
        pass_time(MONO_MS(a) * (1 + (kind >> 6)));
        break;
    case 3:
        add_peer(a);
        break;
    case 4:
        set_track(a, rd_u8(r));
        break;
    case 5:
        add_sub(a, rd_u8(r));
        break;
    case 6:
        remove_something(a);
        break;
    case 7:
        set_target(a, rd_u8(r));
        break;
    case 8:
        change(a);
        break;
    case 9:
        shaped_rtcp(r);
        break;
    default:
        for (uint8_t i = 0; i <= a % 8 && rd_left(r) > 4; i++) /* a batch */
            shaped_rtp(r);
        break;
    }
    for (uint8_t n = 0; n < NODES; n++)
        drain(n);
}

int tk_fuzz_sfu(const uint8_t *data, size_t size)
{
    struct rd r = rd_init(data, size);
    w.now = MONO_S(10);
    w.is_lossy = false;
    if (w.pool == NULL) /* one for all inputs: every input gives back what it took */
        must(pkt_pool_create(POOL, &w.pool) == 0);
    for (uint8_t n = 0; n < NODES; n++) {
        const struct sfu_node_config config = {
            .worker = n, .seed = n, .ring_packets = 64, .ring_age_max = MONO_S(2)};
        must(sfu_node_create(&config, &w.nodes[n]) == 0);
    }
    for (uint8_t i = 0; i < PEERS; i++)
        add_peer(i);
    for (uint8_t i = 0; i < TRACKS; i++)
        set_track(0x30 | i, 0x1e);
    for (uint8_t n = 0; n < NODES; n++)
        drain(n);
    for (int i = 0; i < COMMANDS_MAX && !r.is_bad && rd_left(&r) > 1; i++)
        run_command(&r);
    pass_time(MONO_S(1));
    for (uint8_t n = 0; n < NODES; n++)
        sfu_node_destroy(w.nodes[n]);
    must(pkt_pool_used(w.pool) == 0);
    return 0;
}
