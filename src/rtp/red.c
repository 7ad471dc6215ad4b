#include "rtp/red.h"

#include "base/bytes.h"
#include "base/err.h"

#define TS_OFFSET_MAX 0x3fff
#define SIZE_MAX_10   0x3ff

/* Reads the headers; returns the number of blocks. */
static int parse_headers(struct rd *r, struct rtp_red_block *blocks)
{
    for (int count = 0; count < RTP_RED_BLOCKS_MAX; count++) {
        uint8_t head = rd_u8(r);
        blocks[count] = (struct rtp_red_block){.pt = head & 0x7f};
        if ((head & 0x80) == 0)
            return r->is_bad ? ERR_MALFORMED : count + 1;
        uint32_t rest = rd_u24be(r);
        blocks[count].ts_offset = (uint16_t)(rest >> 10);
        blocks[count].size = (uint16_t)(rest & SIZE_MAX_10);
    }
    return ERR_LIMIT;
}

int rtp_red_parse(const uint8_t *payload, size_t size,
                  struct rtp_red_block ret_blocks[RTP_RED_BLOCKS_MAX])
{
    if (size > UINT16_MAX)
        return ERR_MALFORMED;
    struct rd r = rd_init(payload, size);
    int count = parse_headers(&r, ret_blocks);
    if (count < 0)
        return count;
    for (int i = 0; i < count - 1; i++)
        ret_blocks[i].data = rd_bytes(&r, ret_blocks[i].size);
    if (r.is_bad)
        return ERR_MALFORMED;
    ret_blocks[count - 1].size = (uint16_t)rd_left(&r);
    ret_blocks[count - 1].data = r.at;
    return count;
}

int rtp_red_primary(const uint8_t *payload, size_t size, struct rtp_red_block *ret_primary)
{
    struct rtp_red_block blocks[RTP_RED_BLOCKS_MAX];
    int count = rtp_red_parse(payload, size, blocks);
    if (count < 0)
        return count;
    *ret_primary = blocks[count - 1];
    return 0;
}

int rtp_red_build(const struct rtp_red_block *blocks, size_t count, uint8_t *dst, size_t dst_size)
{
    if (count == 0 || count > RTP_RED_BLOCKS_MAX)
        return ERR_LIMIT;
    struct wr w = wr_init(dst, dst_size);
    for (size_t i = 0; i + 1 < count; i++) {
        if (blocks[i].ts_offset > TS_OFFSET_MAX || blocks[i].size > SIZE_MAX_10)
            return ERR_LIMIT;
        wr_u8(&w, 0x80 | (blocks[i].pt & 0x7f));
        wr_u24be(&w, (uint32_t)blocks[i].ts_offset << 10 | blocks[i].size);
    }
    wr_u8(&w, blocks[count - 1].pt & 0x7f);
    for (size_t i = 0; i < count; i++)
        wr_bytes(&w, blocks[i].data, blocks[i].size);
    return w.is_bad ? ERR_NO_SPACE : (int)wr_size(&w);
}
