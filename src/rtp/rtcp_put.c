#include "base/attrs.h"
#include "rtp/rtcp.h"

#include <string.h>

#define BYE_SSRCS_MAX 31

/* `size` is everything behind the 4-byte header, a multiple of 4. */
static void put_header(struct wr *w, uint8_t count, enum rtcp_type type, size_t size)
{
    wr_u8(w, (uint8_t)(2 << 6 | (count & 0x1f)));
    wr_u8(w, (uint8_t)type);
    wr_u16be(w, (uint16_t)(size / 4));
}

static void put_reports(struct wr *w, const struct rtcp_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wr_u32be(w, reports[i].ssrc);
        wr_u8(w, reports[i].fraction_lost);
        wr_u24be(w, (uint32_t)reports[i].lost & 0xffffff);
        wr_u32be(w, reports[i].highest_seq);
        wr_u32be(w, reports[i].jitter);
        wr_u32be(w, reports[i].lsr);
        wr_u32be(w, reports[i].dlsr);
    }
}

void rtcp_put_sr(struct wr *w, const struct rtcp_sender_info *info,
                 const struct rtcp_report *reports, size_t count)
{
    count = TK_MIN(count, (size_t)RTCP_REPORTS_MAX);
    put_header(w, (uint8_t)count, RTCP_SR, 24 + count * 24);
    wr_u32be(w, info->ssrc);
    wr_u64be(w, info->ntp);
    wr_u32be(w, info->rtp_ts);
    wr_u32be(w, info->packet_count);
    wr_u32be(w, info->octet_count);
    put_reports(w, reports, count);
}

void rtcp_put_rr(struct wr *w, uint32_t sender_ssrc, const struct rtcp_report *reports,
                 size_t count)
{
    count = TK_MIN(count, (size_t)RTCP_REPORTS_MAX);
    put_header(w, (uint8_t)count, RTCP_RR, 4 + count * 24);
    wr_u32be(w, sender_ssrc);
    put_reports(w, reports, count);
}

/* One chunk with one item; the end is marked by a zero byte and padded to a word. */
void rtcp_put_sdes_cname(struct wr *w, uint32_t ssrc, const char *cname)
{
    size_t length = strnlen(cname, 255);
    size_t padded = (4 + 2 + length + 1 + 3) / 4 * 4;
    put_header(w, 1, RTCP_SDES, padded);
    wr_u32be(w, ssrc);
    wr_u8(w, 1);
    wr_u8(w, (uint8_t)length);
    wr_bytes(w, cname, length);
    for (size_t i = 4 + 2 + length; i < padded; i++)
        wr_u8(w, 0);
}

void rtcp_put_bye(struct wr *w, const uint32_t *ssrcs, size_t count)
{
    count = TK_MIN(count, (size_t)BYE_SSRCS_MAX);
    put_header(w, (uint8_t)count, RTCP_BYE, count * 4);
    for (size_t i = 0; i < count; i++)
        wr_u32be(w, ssrcs[i]);
}

/* The mask of numbers within 16 behind seqs[0]; `ret_used` counts all that are covered. */
static uint16_t nack_mask(const uint16_t *seqs, size_t count, size_t *ret_used)
{
    uint16_t mask = 0;
    size_t used = 1;
    for (; used < count; used++) {
        uint16_t behind = (uint16_t)(seqs[used] - seqs[0]);
        if (behind > 16)
            break;
        if (behind > 0)
            mask = (uint16_t)(mask | 1u << (behind - 1));
    }
    *ret_used = used;
    return mask;
}

void rtcp_put_nack(struct wr *w, uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t *seqs,
                   size_t count)
{
    uint8_t *head = w->at;
    put_header(w, RTCP_RTPFB_NACK, RTCP_RTPFB, 0);
    wr_u32be(w, sender_ssrc);
    wr_u32be(w, media_ssrc);
    for (size_t i = 0, used = 0; i < count; i += used) {
        uint16_t mask = nack_mask(seqs + i, count - i, &used);
        wr_u16be(w, seqs[i]);
        wr_u16be(w, mask);
    }
    if (!w->is_bad)
        put_u16be(head + 2, (uint16_t)((w->at - head) / 4 - 1));
}

void rtcp_put_pli(struct wr *w, uint32_t sender_ssrc, uint32_t media_ssrc)
{
    put_header(w, RTCP_PSFB_PLI, RTCP_PSFB, 8);
    wr_u32be(w, sender_ssrc);
    wr_u32be(w, media_ssrc);
}

/* RFC 5104, 4.3.1.2: the media SSRC is in the entry, the field of the header is zero. */
void rtcp_put_fir(struct wr *w, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t seq)
{
    put_header(w, RTCP_PSFB_FIR, RTCP_PSFB, 16);
    wr_u32be(w, sender_ssrc);
    wr_u32be(w, 0);
    wr_u32be(w, media_ssrc);
    wr_u8(w, seq);
    wr_u24be(w, 0);
}

void rtcp_put_remb(struct wr *w, uint32_t sender_ssrc, uint64_t bitrate_bps, const uint32_t *ssrcs,
                   size_t count)
{
    uint32_t exponent = 0;
    while (bitrate_bps >> exponent > 0x3ffff)
        exponent++;
    count = TK_MIN(count, (size_t)RTCP_REMB_SSRC_MAX);
    put_header(w, RTCP_PSFB_AFB, RTCP_PSFB, 16 + count * 4);
    wr_u32be(w, sender_ssrc);
    wr_u32be(w, 0);
    wr_bytes(w, "REMB", 4);
    wr_u8(w, (uint8_t)count);
    wr_u24be(w, exponent << 18 | (uint32_t)(bitrate_bps >> exponent));
    for (size_t i = 0; i < count; i++)
        wr_u32be(w, ssrcs[i]);
}
