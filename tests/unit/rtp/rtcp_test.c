/*
 * Goal: RTCP is read and written as RFC 3550, 4585, 5104, 5506 and the REMB draft say; malformed
 * packets end the reading and nothing is read outside of them.
 * Method: what we write is read back field by field and compared with bytes laid out by hand from
 * the RFCs' figures; then a table of malformed compounds.
 */
#include "base/encode.h"
#include "base/err.h"
#include "rtp/rtcp.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

static struct rtcp_packet read_one(const uint8_t *data, size_t size)
{
    struct rtcp_reader r = rtcp_reader_init(data, size);
    struct rtcp_packet p;
    assert_int_equal(rtcp_next(&r, &p), 1);
    assert_int_equal(p.data_size, size);
    struct rtcp_packet none;
    assert_int_equal(rtcp_next(&r, &none), 0);
    return p;
}

static void assert_hex(const struct wr *w, const char *hex)
{
    uint8_t expected[256];
    int size = hex_decode(hex, expected, sizeof(expected));
    assert_false(w->is_bad);
    assert_int_equal(wr_size(w), size);
    assert_memory_equal(w->start, expected, (size_t)size);
}

static const struct rtcp_report report = {.ssrc = 0x01020304,
                                          .fraction_lost = 0x40,
                                          .lost = -2,
                                          .highest_seq = 0x00010005,
                                          .jitter = 99,
                                          .lsr = 0xb7052000,
                                          .dlsr = 0x00054000};

static void check_report(const struct rtcp_packet *p, size_t index)
{
    struct rtcp_report r;
    assert_int_equal(rtcp_get_report(p, index, &r), 0);
    assert_int_equal(r.ssrc, report.ssrc);
    assert_int_equal(r.fraction_lost, report.fraction_lost);
    assert_int_equal(r.lost, report.lost);
    assert_int_equal(r.highest_seq, report.highest_seq);
    assert_int_equal(r.jitter, report.jitter);
    assert_int_equal(r.lsr, report.lsr);
    assert_int_equal(r.dlsr, report.dlsr);
}

static void test_sender_report(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct wr w = wr_init(buf, sizeof(buf));
    const struct rtcp_sender_info info = {.ssrc = 0xaabbccdd,
                                          .ntp = 0xb44db70520000000,
                                          .rtp_ts = 0x11223344,
                                          .packet_count = 7,
                                          .octet_count = 8};
    rtcp_put_sr(&w, &info, &report, 1);
    assert_hex(&w, "81c8000caabbccddb44db705200000001122334400000007000000080102030440fffffe"
                   "0001000500000063b705200000054000");
    struct rtcp_packet p = read_one(buf, wr_size(&w));
    struct rtcp_sender_info back;
    assert_int_equal(rtcp_get_sender_info(&p, &back), 0);
    assert_int_equal(back.ssrc, info.ssrc);
    assert_true(back.ntp == info.ntp);
    assert_int_equal(back.rtp_ts, info.rtp_ts);
    assert_int_equal(back.packet_count, 7);
    assert_int_equal(back.octet_count, 8);
    check_report(&p, 0);
    struct rtcp_report none;
    assert_int_equal(rtcp_get_report(&p, 1, &none), ERR_NOT_FOUND);
}

static void test_receiver_report(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct wr w = wr_init(buf, sizeof(buf));
    struct rtcp_report reports[RTCP_REPORTS_MAX + 3];
    for (size_t i = 0; i < ARRAY_COUNT(reports); i++)
        reports[i] = report;
    rtcp_put_rr(&w, 5, reports, ARRAY_COUNT(reports)); /* cut to 31 */
    struct rtcp_packet p = read_one(buf, wr_size(&w));
    assert_int_equal(p.type, RTCP_RR);
    assert_int_equal(p.ssrc, 5);
    assert_int_equal(p.count, RTCP_REPORTS_MAX);
    check_report(&p, 0);
    check_report(&p, 30);
    p.count = 31;
    p.size -= 4; /* says 31, has 30 and a bit */
    struct rtcp_report none;
    assert_int_equal(rtcp_get_report(&p, 30, &none), ERR_NOT_FOUND);
    struct rtcp_sender_info info;
    assert_int_equal(rtcp_get_sender_info(&p, &info), ERR_RTCP_HEADER);
}

static void test_sdes(void **state)
{
    (void)state;
    for (size_t length = 0; length < 9; length++) {
        uint8_t buf[64];
        struct wr w = wr_init(buf, sizeof(buf));
        char cname[16] = "abcdefghij";
        cname[length] = '\0';
        rtcp_put_sdes_cname(&w, 0x99, cname);
        assert_int_equal(wr_size(&w) % 4, 0);
        struct rtcp_packet p = read_one(buf, wr_size(&w));
        uint32_t ssrc;
        const uint8_t *text;
        uint8_t size;
        assert_int_equal(rtcp_get_cname(&p, &ssrc, &text, &size), 0);
        assert_int_equal(ssrc, 0x99);
        assert_int_equal(size, length);
        assert_memory_equal(text, cname, length);
    }
    /* Two chunks: the first has only a NAME (2), the second the CNAME. */
    uint8_t buf[64];
    int bytes = hex_decode("82ca0005"
                           "00000001"
                           "0202616200000000"
                           "00000002"
                           "01016300",
                           buf, sizeof(buf));
    struct rtcp_packet p = read_one(buf, (size_t)bytes);
    uint32_t ssrc;
    const uint8_t *text;
    uint8_t size;
    assert_int_equal(rtcp_get_cname(&p, &ssrc, &text, &size), 0);
    assert_int_equal(ssrc, 2);
    assert_memory_equal(text, "c", 1);
    p.size = 10; /* cut in the first chunk */
    assert_int_equal(rtcp_get_cname(&p, &ssrc, &text, &size), ERR_NOT_FOUND);
}

static void test_bye(void **state)
{
    (void)state;
    uint8_t buf[64];
    struct wr w = wr_init(buf, sizeof(buf));
    const uint32_t ssrcs[] = {1, 0xfffffffe};
    rtcp_put_bye(&w, ssrcs, 2);
    assert_hex(&w, "82cb000200000001fffffffe");
    struct rtcp_packet p = read_one(buf, wr_size(&w));
    uint32_t ssrc;
    assert_int_equal(rtcp_get_bye(&p, 1, &ssrc), 0);
    assert_int_equal(ssrc, 0xfffffffe);
    assert_int_equal(rtcp_get_bye(&p, 2, &ssrc), ERR_NOT_FOUND);
    p.size = 4;
    assert_int_equal(rtcp_get_bye(&p, 1, &ssrc), ERR_NOT_FOUND);
}

static void test_nack(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t seqs[8];
        size_t count;
        const char *fci;
    } cases[] = {
        {"one", {5}, 1, "00050000"},
        {"neighbours share an entry", {5, 6, 21}, 3, "00058001"},
        {"17 further on needs another", {5, 22}, 2, "0005000000160000"},
        {"over the wrap", {65535, 0, 14}, 3, "ffff4001"},
        {"two groups", {1, 2, 100, 101, 103}, 5, "0001000100640005"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t buf[64];
        struct wr w = wr_init(buf, sizeof(buf));
        rtcp_put_nack(&w, 1, 2, cases[i].seqs, cases[i].count);
        char hex[128];
        size_t fci_size = strlen(cases[i].fci) / 2;
        snprintf(hex, sizeof(hex), "81cd%04zx0000000100000002%s", 2 + fci_size / 4, cases[i].fci);
        assert_hex(&w, hex);
        struct rtcp_packet p = read_one(buf, wr_size(&w));
        uint16_t seqs[64];
        uint32_t media;
        assert_int_equal(rtcp_get_media_ssrc(&p, &media), 0);
        assert_int_equal(media, 2);
        assert_int_equal(rtcp_get_nack(&p, seqs, 64), cases[i].count);
        assert_memory_equal(seqs, cases[i].seqs, cases[i].count * 2);
        assert_int_equal(rtcp_get_nack(&p, seqs, 1), 1); /* cut */
    }
}

static void test_keyframe_requests(void **state)
{
    (void)state;
    uint8_t buf[64];
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_pli(&w, 1, 2);
    assert_hex(&w, "81ce00020000000100000002");
    w = wr_init(buf, sizeof(buf));
    rtcp_put_fir(&w, 1, 2, 9);
    assert_hex(&w, "84ce000400000001000000000000000209000000");
    struct rtcp_packet p = read_one(buf, wr_size(&w));
    uint32_t ssrc;
    uint8_t seq;
    assert_int_equal(rtcp_get_fir(&p, 0, &ssrc, &seq), 0);
    assert_int_equal(ssrc, 2);
    assert_int_equal(seq, 9);
    assert_int_equal(rtcp_get_fir(&p, 1, &ssrc, &seq), ERR_NOT_FOUND);
}

static void test_remb(void **state)
{
    (void)state;
    static const struct {
        uint64_t bps, read;
    } cases[] = {
        {0, 0}, {262143, 262143}, {262144, 262144}, {1234567, 1234560}, {10000000000, 9999941632}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t buf[64];
        struct wr w = wr_init(buf, sizeof(buf));
        const uint32_t ssrcs[] = {7, 8};
        rtcp_put_remb(&w, 1, cases[i].bps, ssrcs, 2);
        struct rtcp_packet p = read_one(buf, wr_size(&w));
        struct rtcp_remb remb;
        assert_int_equal(rtcp_get_remb(&p, &remb), 0);
        assert_true(remb.bitrate_bps <= cases[i].bps);
        assert_true(remb.bitrate_bps >= cases[i].bps - cases[i].bps / 100000);
        if (cases[i].bps < 262145)
            assert_true(remb.bitrate_bps == cases[i].read);
        assert_int_equal(remb.ssrc_count, 2);
        assert_int_equal(remb.ssrcs[1], 8);
        buf[12] = 'X';
        assert_int_equal(rtcp_get_remb(&p, &remb), ERR_NOT_FOUND);
    }
    /* An exponent of 63 does not overflow; a count beyond the end is refused. */
    uint8_t buf[64];
    int size = hex_decode("8fce0005000000010000000052454d4200ffffff00000007", buf, sizeof(buf));
    struct rtcp_packet p = read_one(buf, (size_t)size);
    struct rtcp_remb remb;
    assert_int_equal(rtcp_get_remb(&p, &remb), 0);
    assert_true(remb.bitrate_bps == UINT64_MAX);
    buf[16] = 2;
    assert_int_equal(rtcp_get_remb(&p, &remb), ERR_NOT_FOUND);
}

static void test_compound(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct wr w = wr_init(buf, sizeof(buf));
    const uint32_t ssrc = 1;
    rtcp_put_rr(&w, 1, NULL, 0);
    rtcp_put_sdes_cname(&w, 1, "tongke");
    rtcp_put_pli(&w, 1, 2);
    rtcp_put_bye(&w, &ssrc, 1);
    static const uint8_t types[] = {RTCP_RR, RTCP_SDES, RTCP_PSFB, RTCP_BYE};
    struct rtcp_reader r = rtcp_reader_init(buf, wr_size(&w));
    struct rtcp_packet p;
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        assert_int_equal(rtcp_next(&r, &p), 1);
        assert_int_equal(p.type, types[i]);
    }
    assert_int_equal(rtcp_next(&r, &p), 0);
}

/* How many packets are read before the end or the error. */
static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hex;
        int packets, last;
    } cases[] = {
        {"empty", "", 0, 0},
        {"header cut off", "80c900", 0, ERR_RTCP_HEADER},
        {"length beyond the end", "80c9000200000001", 0, ERR_RTCP_HEADER},
        {"version 1", "40c9000100000001", 0, ERR_RTCP_HEADER},
        {"second packet bad", "80c900010000000100", 1, ERR_RTCP_HEADER},
        {"padding on the last", "a0c900020000000100000004", 1, 0},
        {"padding not on the last", "a0c90002000000010000000480c9000100000001", 2, 0},
        {"padding of 3", "a0c900020000000100000003", 1, 0},
        {"padding of 0", "a0c900020000000100000000", 0, ERR_RTCP_HEADER},
        {"padding beyond the packet", "a0c90002000000010000000c", 0, ERR_RTCP_HEADER},
        {"unknown type is passed through", "80d2000100000001", 1, 0},
        {"empty BYE", "80cb0000", 1, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t data[64];
        int size = hex_decode(cases[i].hex, data, sizeof(data));
        struct rtcp_reader r = rtcp_reader_init(data, (size_t)size);
        struct rtcp_packet p;
        int packets = 0, result;
        while ((result = rtcp_next(&r, &p)) > 0)
            packets++;
        if (packets != cases[i].packets || result != cases[i].last)
            fail_msg("%s: %d packets, then %d", cases[i].name, packets, result);
        assert_int_equal(rtcp_next(&r, &p), result); /* sticky */
    }
}

static void test_writers_without_room(void **state)
{
    (void)state;
    const uint16_t seqs[] = {1, 100, 200};
    for (size_t room = 0; room < 24; room++) {
        uint8_t buf[24];
        struct wr w = wr_init(buf, room);
        rtcp_put_nack(&w, 1, 2, seqs, 3);
        assert_true(w.is_bad);
    }
    uint8_t buf[24];
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_nack(&w, 1, 2, seqs, 3);
    assert_false(w.is_bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sender_report), cmocka_unit_test(test_receiver_report),
        cmocka_unit_test(test_sdes),          cmocka_unit_test(test_bye),
        cmocka_unit_test(test_nack),          cmocka_unit_test(test_keyframe_requests),
        cmocka_unit_test(test_remb),          cmocka_unit_test(test_compound),
        cmocka_unit_test(test_malformed),     cmocka_unit_test(test_writers_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
