/* fuzz: rtp base */
/*
 * RTP headers, extensions, RTX and everything that per-packet state grows from: the input is cut
 * into packets of 2-byte length each, which drive the extension of sequence numbers, statistics,
 * NACK, transport-cc and a mapper in virtual time.
 */
#include "fuzz.h"

#include "rtp/ext.h"
#include "rtp/mapper.h"
#include "rtp/nack.h"
#include "rtp/payload.h"
#include "rtp/recv_stats.h"
#include "rtp/rtx.h"
#include "rtp/twcc.h"

#include <stdlib.h>

#define HISTORY     64
#define PACKETS_MAX 200

TK_FUZZ_DECLARE(rtp);

static struct {
    struct rtp_seq_ext seqs;
    struct rtp_recv_stats stats;
    struct rtp_nack nack;
    struct rtp_twcc twcc;
    struct rtp_mapper mapper;
    struct rtp_mapper_entry entries[HISTORY];
    mono_us now;
} w;

static const struct rtp_ext_ids ids = {.id = {[RTP_EXT_MID] = 1,
                                              [RTP_EXT_TWCC] = 2,
                                              [RTP_EXT_AUDIO_LEVEL] = 3,
                                              [RTP_EXT_RID] = 4,
                                              [RTP_EXT_DEPENDENCY_DESCRIPTOR] = 5}};

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void map_packet(const struct rtp_view *v, uint64_t seq)
{
    struct rtp_payload_info info;
    struct rtp_mapper_out out;
    if (rtp_payload_inspect(RTP_CODEC_VP8, v->payload, v->payload_size, NULL, &info) < 0) {
        const struct rtp_mapper_in padding = {.layer = v->pt % 3, .seq = seq};
        rtp_mapper_drop(&w.mapper, &padding);
        return;
    }
    const struct rtp_mapper_in in = {.layer = v->pt % 3,
                                     .seq = seq,
                                     .ts = v->ts,
                                     .has_picture = info.has_picture_id,
                                     .picture_id = info.picture_id,
                                     .is_short_picture = info.is_short_picture_id,
                                     .has_tl0 = info.has_tl0,
                                     .tl0 = info.tl0};
    if (info.is_keyframe)
        rtp_mapper_switch(&w.mapper, &in, NULL, w.now);
    if (info.temporal_id > 1) {
        rtp_mapper_drop(&w.mapper, &in);
        return;
    }
    if (rtp_mapper_forward(&w.mapper, &in, w.now, &out) == 0)
        return;
    const struct rtp_mapper_entry *e = rtp_mapper_find(&w.mapper, out.seq);
    must(e != NULL && e->state == RTP_MAPPER_SENT && rtp_mapper_source(e, seq) == seq);
    uint8_t descriptor[RTP_VP8_DESCRIPTOR_MAX];
    rtp_vp8_rewrite(v->payload, &info, out.picture_id, out.tl0, descriptor);
}

static void read_exts(const struct rtp_view *v)
{
    struct rtp_ext_set set;
    char text[RTP_MID_SIZE];
    uint8_t level;
    uint16_t wide;
    bool is_voice;
    rtp_ext_read(v, &ids, &set);
    IGNORE(rtp_ext_get_text(&set, RTP_EXT_MID, text, sizeof(text))); /* only for its reads */
    IGNORE(rtp_ext_get_audio_level(&set, &level, &is_voice));
    if (rtp_ext_get_twcc(&set, &wide))
        rtp_twcc_packet(&w.twcc, wide, w.now);
}

static void poll(void)
{
    uint16_t seqs[16];
    while (rtp_nack_poll(&w.nack, w.now, seqs, 16) > 0)
        ;
    must(w.nack.missing_count <= RTP_NACK_MISSING_MAX);
    uint8_t buf[RTP_TWCC_PACKET_MAX];
    for (int i = 0;; i++) {
        struct wr out = wr_init(buf, sizeof(buf));
        if (rtp_twcc_poll(&w.twcc, 1, 2, w.now, &out) != 1)
            break;
        must(!out.is_bad && i < RTP_TWCC_WINDOW);
    }
}

static void handle(uint8_t *data, size_t size)
{
    struct rtp_view v;
    if (rtp_parse(data, size, &v) < 0)
        return;
    must((size_t)v.header_size + v.payload_size + v.padding_size == size);
    w.now += v.ts & 0xffff;
    read_exts(&v);
    uint64_t seq = 0;
    enum rtp_seq_result result = rtp_seq_ext_update(&w.seqs, v.seq, &seq);
    rtp_recv_stats_packet(&w.stats, seq, result, v.ts, v.payload_size, false, w.now);
    rtp_nack_packet(&w.nack, seq, result, w.now);
    if (result != RTP_SEQ_JUMP)
        map_packet(&v, seq);
    poll();
    IGNORE(rtp_rtx_decapsulate(data, size, 1, 96)); /* must only stay inside its bytes */
}

int tk_fuzz_rtp(const uint8_t *data, size_t size)
{
    const struct rtp_nack_config config = rtp_nack_config_default();
    const struct rtp_mapper_config mapper = {
        .entries = w.entries, .count = HISTORY, .clock_hz = 90000, .first_seq = 65530};
    w.now = MONO_S(1);
    rtp_seq_ext_init(&w.seqs);
    rtp_recv_stats_init(&w.stats, 90000);
    rtp_nack_init(&w.nack, &config);
    rtp_twcc_init(&w.twcc, MONO_MS(50));
    rtp_mapper_init(&w.mapper, &mapper);
    for (int i = 0; i < PACKETS_MAX && size >= 2; i++) {
        size_t packet = get_u16be(data) % 1600u;
        packet = TK_MIN(packet, size - 2);
        uint8_t *copy = malloc(packet > 0 ? packet : 1); /* exact size: ASan sees an overread */
        must(copy != NULL);
        memcpy(copy, data + 2, packet);
        handle(copy, packet);
        free(copy);
        data += 2 + packet;
        size -= 2 + packet;
    }
    struct rtcp_report report;
    IGNORE(rtp_recv_stats_report(&w.stats, 1, w.now, &report));
    rtp_nack_fini(&w.nack);
    return 0;
}
