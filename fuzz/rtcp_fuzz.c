/* fuzz: rtp base */
/* Compound RTCP: every reader on every packet; what parses as NACK or REMB is written again and has
 * to read back the same. */
#include "fuzz.h"

#include "rtp/rtcp.h"
#include "rtp/twcc.h"

#include <stdlib.h>

#define SEQS_MAX 1024

TK_FUZZ_DECLARE(rtcp);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void rewrite_nack(const struct rtcp_packet *p)
{
    static uint16_t seqs[SEQS_MAX], again[SEQS_MAX];
    int count = rtcp_get_nack(p, seqs, SEQS_MAX);
    if (count <= 0)
        return;
    static uint8_t buf[SEQS_MAX * 4 + 16];
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_nack(&w, 1, 2, seqs, (size_t)count);
    must(!w.is_bad);
    struct rtcp_reader r = rtcp_reader_init(buf, wr_size(&w));
    struct rtcp_packet back;
    must(rtcp_next(&r, &back) == 1);
    int count_again = rtcp_get_nack(&back, again, SEQS_MAX);
    must(count_again > 0 && count_again <= count && again[0] == seqs[0]);
}

static void rewrite_remb(const struct rtcp_packet *p)
{
    struct rtcp_remb remb, again;
    if (rtcp_get_remb(p, &remb) < 0)
        return;
    uint8_t buf[256];
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_remb(&w, 1, remb.bitrate_bps, remb.ssrcs, remb.ssrc_count);
    must(!w.is_bad);
    struct rtcp_reader r = rtcp_reader_init(buf, wr_size(&w));
    struct rtcp_packet back;
    must(rtcp_next(&r, &back) == 1 && rtcp_get_remb(&back, &again) == 0);
    must(again.bitrate_bps <= remb.bitrate_bps);
}

static void read_all(const struct rtcp_packet *p)
{
    struct rtcp_sender_info info;
    struct rtcp_report report;
    uint32_t ssrc;
    const uint8_t *text;
    uint8_t small;
    /* The readers are tried for their reads; most refuse most packets. */
    IGNORE(rtcp_get_sender_info(p, &info));
    for (size_t i = 0; rtcp_get_report(p, i, &report) == 0; i++)
        must(i < RTCP_REPORTS_MAX);
    IGNORE(rtcp_get_cname(p, &ssrc, &text, &small));
    for (size_t i = 0; rtcp_get_bye(p, i, &ssrc) == 0; i++)
        must(i < 31);
    IGNORE(rtcp_get_media_ssrc(p, &ssrc));
    for (size_t i = 0; rtcp_get_fir(p, i, &ssrc, &small) == 0; i++)
        must(i < UINT16_MAX / 8);
    struct rtp_twcc_feedback feedback;
    static struct rtp_twcc_status statuses[2048];
    IGNORE(rtp_twcc_parse(p, &feedback, statuses, 2048));
    rewrite_nack(p);
    rewrite_remb(p);
}

int tk_fuzz_rtcp(const uint8_t *data, size_t size)
{
    struct rtcp_reader r = rtcp_reader_init(data, size);
    struct rtcp_packet p;
    while (rtcp_next(&r, &p) > 0) {
        must(p.body >= data && p.body + p.size <= data + size);
        read_all(&p);
    }
    return 0;
}
