#include "rtp/rtx.h"

#include "base/bytes.h"
#include "base/err.h"

#include <string.h>

int rtp_rtx_decapsulate(uint8_t *data, size_t size, uint32_t ssrc, uint8_t pt)
{
    struct rtp_view v;
    int err = rtp_parse(data, size, &v);
    if (err < 0)
        return err;
    if (v.payload_size == 0)
        return 0;
    if (v.payload_size < RTP_RTX_PREFIX_SIZE)
        return ERR_RTP_HEADER;
    uint16_t original_seq = get_u16be(v.payload);
    uint8_t *payload = data + v.header_size;
    memmove(payload, payload + RTP_RTX_PREFIX_SIZE, size - v.header_size - RTP_RTX_PREFIX_SIZE);
    data[1] = (uint8_t)((data[1] & 0x80) | (pt & 0x7f));
    put_u16be(data + 2, original_seq);
    put_u32be(data + 8, ssrc);
    return (int)size - RTP_RTX_PREFIX_SIZE;
}

void rtp_rtx_prefix(uint16_t original_seq, uint8_t ret_prefix[RTP_RTX_PREFIX_SIZE])
{
    put_u16be(ret_prefix, original_seq);
}

int rtp_rtx_encapsulate(const uint8_t *original, size_t size, uint32_t rtx_ssrc, uint8_t rtx_pt,
                        uint16_t rtx_seq, uint8_t *dst, size_t dst_size)
{
    struct rtp_view v;
    int err = rtp_parse(original, size, &v);
    if (err < 0)
        return err;
    size_t total = RTP_HEADER_SIZE + RTP_RTX_PREFIX_SIZE + (size_t)v.payload_size;
    if (total > dst_size)
        return ERR_NO_SPACE;
    const struct rtp_header header = {
        .is_marker = v.is_marker, .pt = rtx_pt, .seq = rtx_seq, .ts = v.ts, .ssrc = rtx_ssrc};
    rtp_header_write(dst, &header);
    rtp_rtx_prefix(v.seq, dst + RTP_HEADER_SIZE);
    memcpy(dst + RTP_HEADER_SIZE + RTP_RTX_PREFIX_SIZE, v.payload, v.payload_size);
    return (int)total;
}
