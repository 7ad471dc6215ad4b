#include "rtp/rtcp.h"

#include "base/err.h"

#define RTCP_VERSION     2
#define HEADER_SIZE      4
#define REPORT_SIZE      24
#define SENDER_INFO_SIZE 24 /* with the sender's SSRC */
#define SDES_CNAME       1

struct rtcp_reader rtcp_reader_init(const uint8_t *data, size_t size)
{
    return (struct rtcp_reader){.rd = rd_init(data, size)};
}

/*
 * Padding counts itself. RFC 3550, 6.4.1 wants multiples of four on the last packet only, but
 * transport-wide feedback is padded to a word with one to three bytes wherever it stands.
 */
static int strip_padding(struct rtcp_packet *p)
{
    uint8_t padding = p->size > 0 ? p->body[p->size - 1] : 0;
    if (padding == 0 || padding > p->size)
        return ERR_RTCP_HEADER;
    p->size = (uint16_t)(p->size - padding);
    return 0;
}

int rtcp_next(struct rtcp_reader *r, struct rtcp_packet *ret_packet)
{
    if (rd_left(&r->rd) == 0 || r->rd.is_bad || r->packet_count == RTCP_PACKETS_MAX)
        return r->rd.is_bad ? ERR_RTCP_HEADER : 0;
    struct rtcp_packet p = {.data = r->rd.at};
    uint8_t first = rd_u8(&r->rd);
    p.type = rd_u8(&r->rd);
    size_t size = (size_t)rd_u16be(&r->rd) * 4;
    p.body = rd_bytes(&r->rd, size);
    if (first >> 6 != RTCP_VERSION || p.body == NULL || size > UINT16_MAX) {
        r->rd.is_bad = true;
        return ERR_RTCP_HEADER;
    }
    p.count = first & 0x1f;
    p.size = (uint16_t)size;
    p.data_size = (uint32_t)size + HEADER_SIZE;
    if ((first & 0x20) != 0 && strip_padding(&p) < 0) {
        r->rd.is_bad = true;
        return ERR_RTCP_HEADER;
    }
    p.ssrc = p.size >= 4 ? get_u32be(p.body) : 0;
    r->packet_count++;
    *ret_packet = p;
    return 1;
}

int rtcp_get_sender_info(const struct rtcp_packet *p, struct rtcp_sender_info *ret_info)
{
    struct rd r = rd_init(p->body, p->size);
    struct rtcp_sender_info info = {.ssrc = rd_u32be(&r), .ntp = 0};
    info.ntp = rd_u64be(&r);
    info.rtp_ts = rd_u32be(&r);
    info.packet_count = rd_u32be(&r);
    info.octet_count = rd_u32be(&r);
    if (r.is_bad || p->type != RTCP_SR)
        return ERR_RTCP_HEADER;
    *ret_info = info;
    return 0;
}

static int32_t sign_extend_24(uint32_t v)
{
    return (v & 0x800000) != 0 ? (int32_t)v - 0x1000000 : (int32_t)v;
}

int rtcp_get_report(const struct rtcp_packet *p, size_t index, struct rtcp_report *ret_report)
{
    if ((p->type != RTCP_SR && p->type != RTCP_RR) || index >= p->count)
        return ERR_NOT_FOUND;
    size_t before = (p->type == RTCP_SR ? SENDER_INFO_SIZE : 4) + index * REPORT_SIZE;
    struct rd r = rd_init(p->body, p->size);
    if (rd_bytes(&r, before) == NULL || rd_left(&r) < REPORT_SIZE)
        return ERR_NOT_FOUND;
    struct rtcp_report report = {.ssrc = rd_u32be(&r), .fraction_lost = rd_u8(&r)};
    report.lost = sign_extend_24(rd_u24be(&r));
    report.highest_seq = rd_u32be(&r);
    report.jitter = rd_u32be(&r);
    report.lsr = rd_u32be(&r);
    report.dlsr = rd_u32be(&r);
    *ret_report = report;
    return 0;
}

/* Walks the items of one chunk (RFC 3550, 6.5) and its padding to the next word; true if there was
 * a CNAME. */
static bool read_sdes_chunk(struct rd *r, const uint8_t **ret_text, uint8_t *ret_size)
{
    const uint8_t *start = r->at;
    while (!r->is_bad && rd_left(r) > 0) {
        uint8_t type = rd_u8(r);
        if (type == 0) {
            while ((r->at - start) % 4 != 0 && !r->is_bad)
                (void)rd_u8(r);
            return false;
        }
        uint8_t size = rd_u8(r);
        const uint8_t *text = rd_bytes(r, size);
        if (type == SDES_CNAME && text != NULL) {
            *ret_text = text;
            *ret_size = size;
            return true;
        }
    }
    return false;
}

int rtcp_get_cname(const struct rtcp_packet *p, uint32_t *ret_ssrc, const uint8_t **ret_text,
                   uint8_t *ret_size)
{
    if (p->type != RTCP_SDES)
        return ERR_NOT_FOUND;
    struct rd r = rd_init(p->body, p->size);
    for (int i = 0; i < p->count && !r.is_bad; i++) {
        uint32_t ssrc = rd_u32be(&r);
        if (!r.is_bad && read_sdes_chunk(&r, ret_text, ret_size)) {
            *ret_ssrc = ssrc;
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}

int rtcp_get_bye(const struct rtcp_packet *p, size_t index, uint32_t *ret_ssrc)
{
    if (p->type != RTCP_BYE || index >= p->count || p->size < (index + 1) * 4)
        return ERR_NOT_FOUND;
    *ret_ssrc = get_u32be(p->body + index * 4);
    return 0;
}

int rtcp_get_media_ssrc(const struct rtcp_packet *p, uint32_t *ret_ssrc)
{
    if ((p->type != RTCP_RTPFB && p->type != RTCP_PSFB) || p->size < 8)
        return ERR_RTCP_HEADER;
    *ret_ssrc = get_u32be(p->body + 4);
    return 0;
}

/* RFC 4585, 6.2.1: packet id (PID) and a bit mask of the 16 that follow (BLP). */
int rtcp_get_nack(const struct rtcp_packet *p, uint16_t *ret_seqs, size_t seqs_max)
{
    if (p->type != RTCP_RTPFB || p->count != RTCP_RTPFB_NACK || p->size < 12)
        return ERR_RTCP_HEADER;
    struct rd r = rd_init(p->body + 8, p->size - 8u);
    size_t count = 0;
    while (rd_left(&r) >= 4 && count < seqs_max) {
        uint16_t pid = rd_u16be(&r), blp = rd_u16be(&r);
        ret_seqs[count++] = pid;
        for (uint16_t bit = 0; bit < 16 && count < seqs_max; bit++)
            if ((blp >> bit & 1) != 0)
                ret_seqs[count++] = (uint16_t)(pid + bit + 1);
    }
    return (int)count;
}

int rtcp_get_fir(const struct rtcp_packet *p, size_t index, uint32_t *ret_ssrc, uint8_t *ret_seq)
{
    if (p->type != RTCP_PSFB || p->count != RTCP_PSFB_FIR || p->size < 8 ||
        index >= (p->size - 8u) / 8)
        return ERR_NOT_FOUND;
    const uint8_t *entry = p->body + 8 + index * 8;
    *ret_ssrc = get_u32be(entry);
    *ret_seq = entry[4];
    return 0;
}

/* draft-alvestrand-rmcat-remb-03, 2.2: "REMB", count, 6-bit exponent, 18-bit mantissa, SSRCs. */
int rtcp_get_remb(const struct rtcp_packet *p, struct rtcp_remb *ret_remb)
{
    if (p->type != RTCP_PSFB || p->count != RTCP_PSFB_AFB || p->size < 16)
        return ERR_NOT_FOUND;
    struct rd r = rd_init(p->body + 8, p->size - 8u);
    if (memcmp(rd_bytes(&r, 4), "REMB", 4) != 0)
        return ERR_NOT_FOUND;
    struct rtcp_remb remb = {.ssrc_count = rd_u8(&r)};
    uint32_t rate = rd_u24be(&r);
    uint32_t exponent = rate >> 18;
    uint64_t mantissa = rate & 0x3ffff;
    remb.bitrate_bps = exponent > 45 ? UINT64_MAX : mantissa << exponent;
    if (remb.ssrc_count > RTCP_REMB_SSRC_MAX)
        remb.ssrc_count = RTCP_REMB_SSRC_MAX;
    for (int i = 0; i < remb.ssrc_count; i++)
        remb.ssrcs[i] = rd_u32be(&r);
    if (r.is_bad)
        return ERR_NOT_FOUND;
    *ret_remb = remb;
    return 0;
}
