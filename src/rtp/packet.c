#include "rtp/packet.h"

#include "base/bytes.h"
#include "base/err.h"

static int parse_ext(struct rd *r, struct rtp_view *v)
{
    v->ext_profile = rd_u16be(r);
    size_t size = (size_t)rd_u16be(r) * 4;
    if (size > RTP_EXT_BYTES_MAX)
        return ERR_RTP_HEADER;
    v->ext_size = (uint16_t)size;
    v->ext = rd_bytes(r, size);
    return r->is_bad ? ERR_RTP_HEADER : 0;
}

static int parse_padding(struct rd *r, struct rtp_view *v)
{
    size_t left = rd_left(r);
    uint8_t padding = left > 0 ? r->end[-1] : 0;
    if (padding == 0 || padding > left)
        return ERR_RTP_HEADER;
    v->padding_size = padding;
    return 0;
}

int rtp_parse(const uint8_t *data, size_t size, struct rtp_view *ret_view)
{
    if (size < RTP_HEADER_SIZE || size > UINT16_MAX)
        return ERR_RTP_HEADER;
    struct rd r = rd_init(data, size);
    struct rtp_view v = {.data = data};
    uint8_t first = rd_u8(&r), second = rd_u8(&r);
    if (first >> 6 != RTP_VERSION)
        return ERR_RTP_HEADER;
    v.csrc_count = first & 0x0f;
    v.is_marker = (second & 0x80) != 0;
    v.pt = second & 0x7f;
    v.seq = rd_u16be(&r);
    v.ts = rd_u32be(&r);
    v.ssrc = rd_u32be(&r);
    if (rd_bytes(&r, (size_t)v.csrc_count * 4) == NULL)
        return ERR_RTP_HEADER;
    if ((first & 0x10) != 0 && parse_ext(&r, &v) < 0)
        return ERR_RTP_HEADER;
    if ((first & 0x20) != 0 && parse_padding(&r, &v) < 0)
        return ERR_RTP_HEADER;
    v.payload = r.at;
    v.header_size = (uint16_t)(r.at - data);
    v.payload_size = (uint16_t)(rd_left(&r) - v.padding_size);
    *ret_view = v;
    return 0;
}

/* RFC 5761, 4: packet types 192 to 223 belong to RTCP. */
static bool is_rtcp_type(uint8_t second)
{
    return second >= 192 && second <= 223;
}

/* RFC 7983, 7: a first byte of 128 to 191 is RTP or RTCP. */
static bool is_rtp_range(uint8_t first)
{
    return first >> 6 == RTP_VERSION;
}

bool rtp_looks_like_rtp(const uint8_t *data, size_t size)
{
    return size >= RTP_HEADER_SIZE && is_rtp_range(data[0]) && !is_rtcp_type(data[1]);
}

bool rtp_looks_like_rtcp(const uint8_t *data, size_t size)
{
    return size >= 8 && is_rtp_range(data[0]) && is_rtcp_type(data[1]);
}
