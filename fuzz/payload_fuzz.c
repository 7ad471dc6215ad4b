/* fuzz: rtp base */
/*
 * Media payloads. The first byte chooses the codec; the rest is cut into payloads of 1-byte length
 * times 4. All are inspected and pushed through a depacketiser; the whole rest is also taken as RED
 * and as a frame to be packetised, which must come back.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "rtp/depack.h"
#include "rtp/pack.h"
#include "rtp/payload.h"
#include "rtp/red.h"

#include <stdlib.h>

TK_FUZZ_DECLARE(payload);

static uint8_t frame_buf[1 << 16];

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void push_payloads(enum rtp_codec codec, const uint8_t *data, size_t size)
{
    struct rtp_depack d;
    bool has_depack = rtp_depack_init(&d, codec, frame_buf, 4096) == 0;
    struct rd r = rd_init(data, size);
    for (uint16_t seq = 0; rd_left(&r) >= 2; seq++) {
        uint8_t head = rd_u8(&r);
        size_t payload_size = (size_t)rd_u8(&r) * 4;
        payload_size = TK_MIN(payload_size, rd_left(&r));
        const struct rtp_view v = {.is_marker = (head & 1) != 0,
                                   .seq = (uint16_t)(seq + (head >> 7)),
                                   .ts = head >> 1 & 3,
                                   .payload = rd_bytes(&r, payload_size),
                                   .payload_size = (uint16_t)payload_size};
        struct rtp_payload_info info;
        if (rtp_payload_inspect(codec, v.payload, payload_size, NULL, &info) == 0)
            must(info.descriptor_size <= payload_size &&
                 info.descriptor_size <= RTP_VP8_DESCRIPTOR_MAX);
        struct rtp_frame f;
        if (has_depack && rtp_depack_push(&d, &v, &f) == 1)
            must(f.size <= 4096);
    }
}

static void pack_frame(enum rtp_codec codec, const uint8_t *data, size_t size)
{
    struct rtp_pack p;
    struct rtp_depack d;
    if (rtp_pack_init(&p, codec, data, size, 64) < 0 ||
        rtp_depack_init(&d, codec, frame_buf, sizeof(frame_buf)) < 0)
        return;
    uint8_t payload[64];
    bool is_last = false;
    for (size_t i = 0; !is_last; i++) {
        int n = rtp_pack_next(&p, payload, sizeof(payload), &is_last);
        if (n < 0)
            return; /* an audio frame that is too long */
        must(n > 0 && n <= 64 && i <= size);
    }
    must(rtp_pack_next(&p, payload, sizeof(payload), &is_last) == 0);
}

int tk_fuzz_payload(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum rtp_codec codec = (enum rtp_codec)(data[0] % RTP_CODEC_COUNT_);
    push_payloads(codec, data + 1, size - 1);
    pack_frame(codec, data + 1, size - 1);
    struct rtp_red_block blocks[RTP_RED_BLOCKS_MAX];
    int count = rtp_red_parse(data + 1, size - 1, blocks);
    for (int i = 0; i < count; i++)
        must(blocks[i].data + blocks[i].size <= data + size);
    return 0;
}
