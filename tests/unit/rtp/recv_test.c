/*
 * Goal: reception reports, sender report translation and RED follow RFC 3550 (6.4.1, A.3, A.8) and
 * RFC 2198.
 * Method: hand-computed cases; the round-trip example of RFC 3550, 6.4.1 (figure 2); the packet
 * layout of RFC 2198, 4.
 */
#include "base/encode.h"
#include "base/err.h"
#include "rtp/recv_stats.h"
#include "rtp/red.h"
#include "rtp/sr.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static void receive(struct rtp_recv_stats *s, struct rtp_seq_ext *e, uint16_t seq, uint32_t ts,
                    mono_us at)
{
    uint64_t ext = 0;
    enum rtp_seq_result result = rtp_seq_ext_update(e, seq, &ext);
    rtp_recv_stats_packet(s, ext, result, ts, 100, false, at);
}

static void test_loss(void **state)
{
    (void)state;
    struct rtp_recv_stats s;
    struct rtp_seq_ext e;
    struct rtcp_report r;
    rtp_recv_stats_init(&s, 8000);
    rtp_seq_ext_init(&e);
    assert_false(rtp_recv_stats_report(&s, 1, 0, &r));
    for (uint16_t i = 0; i < 100; i++) /* wraps; one of four is lost, the last is not */
        if (i % 4 != 1)
            receive(&s, &e, (uint16_t)(65500 + i), i * 160u, MONO_MS(20) * i);
    assert_true(rtp_recv_stats_report(&s, 77, MONO_S(2), &r));
    assert_int_equal(r.ssrc, 77);
    assert_int_equal(r.lost, 25);
    assert_int_equal(r.fraction_lost, 64);
    assert_int_equal(r.highest_seq, 65500 + 99);
    assert_int_equal(r.jitter, 0);
    assert_int_equal(r.lsr, 0);
    assert_int_equal(r.dlsr, 0);

    /* The next interval stands alone; five late arrivals outweigh one loss. */
    for (uint16_t i = 1; i < 21; i += 4)
        receive(&s, &e, (uint16_t)(65500 + i), i * 160u, MONO_S(2));
    receive(&s, &e, (uint16_t)(65500 + 101), 101 * 160u, MONO_MS(20) * 101);
    assert_true(rtp_recv_stats_report(&s, 77, MONO_S(3), &r));
    assert_int_equal(r.fraction_lost, 0);
    assert_int_equal(r.lost, 25 - 5 + 1);
}

static void test_duplicates_make_loss_negative(void **state)
{
    (void)state;
    struct rtp_recv_stats s;
    struct rtp_seq_ext e;
    struct rtcp_report r;
    rtp_recv_stats_init(&s, 8000);
    rtp_seq_ext_init(&e);
    for (int i = 0; i < 3; i++)
        receive(&s, &e, 10, 0, 0);
    assert_true(rtp_recv_stats_report(&s, 1, 0, &r));
    assert_int_equal(r.lost, -2);
    assert_int_equal(r.fraction_lost, 0);
}

/* A constant shift of D between two packets adds D/16 (A.8); then it decays by 1/16. */
static void test_jitter(void **state)
{
    (void)state;
    struct rtp_recv_stats s;
    struct rtp_seq_ext e;
    rtp_recv_stats_init(&s, 8000);
    rtp_seq_ext_init(&e);
    receive(&s, &e, 1, 0, 0);
    receive(&s, &e, 2, 160, MONO_MS(20) + MONO_MS(40)); /* 40 ms late: D = 320 */
    assert_int_equal(s.jitter_q4, 320);
    assert_int_equal(rtp_recv_stats_jitter_us(&s), 2500);
    receive(&s, &e, 3, 320, MONO_MS(40) + MONO_MS(40));
    assert_int_equal(s.jitter_q4, 320 - (320 + 8) / 16);
    receive(&s, &e, 4, 320 + 8000 * 60, MONO_MS(120)); /* the sender's clock was set anew */
    assert_int_equal(s.jitter_q4, 300);
}

static void test_dlsr(void **state)
{
    (void)state;
    struct rtp_recv_stats s;
    struct rtp_seq_ext e;
    struct rtcp_report r;
    rtp_recv_stats_init(&s, 8000);
    rtp_seq_ext_init(&e);
    receive(&s, &e, 1, 0, 0);
    rtp_recv_stats_sr(&s, 0xb44db70520000000, MONO_S(100));
    assert_true(rtp_recv_stats_report(&s, 1, MONO_S(100) + MONO_MS(5250), &r));
    assert_int_equal(r.lsr, 0xb7052000);
    assert_int_equal(r.dlsr, 5 * 65536 + 65536 / 4);
    assert_true(rtp_recv_stats_report(&s, 1, MONO_S(100000), &r));
    assert_int_equal(r.dlsr, UINT32_MAX);
}

/* RFC 3550, figure 2: LSR 0xb705:2000, DLSR 0x0005:4000 (5.25 s), report received at 0xb710:8000,
 * so the round trip is 6.125 s. */
static void test_rtt_example(void **state)
{
    (void)state;
    struct rtp_sr_log log = {0};
    mono_us sent = MONO_S(1000);
    rtp_sr_log_add(&log, 0xb44db70520000000, sent);
    mono_us received = sent + (mono_us)((0xb7108000u - 0xb7052000u) * 1000000ull / 65536);
    mono_us rtt = 0;
    assert_int_equal(rtp_sr_log_rtt(&log, 0xb7052000, 0x00054000, received, &rtt), 0);
    assert_int_equal(rtt, 6125000);
    assert_int_equal(rtp_sr_log_rtt(&log, 0xb7052001, 0, received, &rtt), ERR_NOT_FOUND);
    assert_int_equal(rtp_sr_log_rtt(&log, 0, 0, received, &rtt), ERR_NOT_FOUND);
    assert_int_equal(rtp_sr_log_rtt(&log, 0xb7052000, 0x000c0000, received, &rtt), ERR_MALFORMED);
    for (uint32_t i = 0; i < RTP_SR_LOG_SIZE; i++)
        rtp_sr_log_add(&log, (uint64_t)(i + 1) << 16, sent);
    assert_int_equal(rtp_sr_log_rtt(&log, 0xb7052000, 0, received, &rtt), ERR_NOT_FOUND);
}

static void test_translate(void **state)
{
    (void)state;
    const ntp_time second = (ntp_time)1 << 32;
    struct rtp_sr_ref ref = {0};
    ntp_time ntp;
    uint32_t ts;
    assert_int_equal(rtp_sr_translate(&ref, 0, 48000, 0, &ntp, &ts), ERR_STATE);
    ref = (struct rtp_sr_ref){
        .is_set = true, .ntp = 10 * second, .rtp_ts = 0xffffff00, .arrived = MONO_S(50)};
    assert_int_equal(rtp_sr_translate(&ref, 5, 48000, MONO_S(50), &ntp, &ts), 0);
    assert_true(ntp == 10 * second);
    assert_int_equal(ts, 0xffffff05);
    assert_int_equal(rtp_sr_translate(&ref, 5, 48000, MONO_S(50) + MONO_MS(1500), &ntp, &ts), 0);
    assert_true(ntp == 11 * second + second / 2);
    assert_int_equal(ts, (uint32_t)(0xffffff05 + 72000));
}

/* Sound and picture leave with different offsets, yet one instant of the publisher's clock stays
 * one instant for the receiver. */
static void test_sound_and_picture_stay_together(void **state)
{
    (void)state;
    const ntp_time second = (ntp_time)1 << 32;
    const struct rtp_sr_ref audio = {true, 100 * second, 480000, MONO_S(20)};
    const struct rtp_sr_ref video = {true, 101 * second, 90000, MONO_S(21) + MONO_MS(70)};
    ntp_time audio_ntp, video_ntp;
    uint32_t audio_ts, video_ts;
    assert_int_equal(rtp_sr_translate(&audio, 777, 48000, MONO_S(25), &audio_ntp, &audio_ts), 0);
    assert_int_equal(rtp_sr_translate(&video, 888, 90000, MONO_S(26), &video_ntp, &video_ts), 0);
    /* What was captured at NTP second 103, on both outgoing clocks, by the translated reports. */
    double audio_at = (double)(int64_t)(103 * second - audio_ntp) / (double)second;
    double video_at = (double)(int64_t)(103 * second - video_ntp) / (double)second;
    assert_in_range(audio_ts + (uint32_t)(int32_t)(audio_at * 48000), 480000 + 3 * 48000 + 775,
                    480000 + 3 * 48000 + 779);
    assert_in_range(video_ts + (uint32_t)(int32_t)(video_at * 90000), 90000 + 2 * 90000 + 886,
                    90000 + 2 * 90000 + 890);
}

static void test_delta(void **state)
{
    (void)state;
    const ntp_time second = (ntp_time)1 << 32;
    const struct rtp_sr_ref from = {true, 100 * second, 1000, 0};
    struct rtp_sr_ref to = {true, 101 * second, 500000, 0};
    uint32_t delta;
    assert_int_equal(rtp_sr_delta(&from, &to, 90000, &delta), 0);
    assert_int_equal(500000 + delta, 1000 + 90000);
    to.ntp = 99 * second;
    assert_int_equal(rtp_sr_delta(&from, &to, 90000, &delta), 0);
    assert_int_equal((uint32_t)(500000 + delta), (uint32_t)(1000 - 90000));
    to.ntp = 161 * second;
    assert_int_equal(rtp_sr_delta(&from, &to, 90000, &delta), ERR_STATE);
    to.is_set = false;
    assert_int_equal(rtp_sr_delta(&from, &to, 90000, &delta), ERR_STATE);
}

static void test_red(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hex;
        int result; /* blocks or an error */
        const char *primary;
    } cases[] = {
        {"primary only", "6fAABB", 1, "\xaa\xbb"},
        {"one redundant block of 3 bytes, 960 earlier", "ef0f00036f010203AABB", 2, "\xaa\xbb"},
        {"two redundant blocks", "ef1e0001ef0f00026f010203AABB", 3, "\xaa\xbb"},
        {"empty primary", "ef0f00016f01", 2, ""},
        {"empty", "", ERR_MALFORMED, NULL},
        {"header cut off", "ef0f00", ERR_MALFORMED, NULL},
        {"no primary header", "ef0f0000", ERR_MALFORMED, NULL},
        {"block longer than the packet", "ef0f00046f010203", ERR_MALFORMED, NULL},
        {"nine blocks", "ef000000ef000000ef000000ef000000ef000000ef000000ef000000ef0000006f01",
         ERR_LIMIT, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t data[64];
        int size = hex_decode(cases[i].hex, data, sizeof(data));
        struct rtp_red_block blocks[RTP_RED_BLOCKS_MAX], primary;
        int count = rtp_red_parse(data, (size_t)size, blocks);
        if (count != cases[i].result)
            fail_msg("%s: %d instead of %d", cases[i].name, count, cases[i].result);
        int err = rtp_red_primary(data, (size_t)size, &primary);
        assert_int_equal(err, count < 0 ? count : 0);
        if (count < 0)
            continue;
        assert_int_equal(primary.size, strlen(cases[i].primary));
        assert_memory_equal(primary.data, cases[i].primary, primary.size);
        assert_int_equal(primary.pt, 111);
        uint8_t again[64];
        assert_int_equal(rtp_red_build(blocks, (size_t)count, again, sizeof(again)), size);
        assert_memory_equal(again, data, (size_t)size);
        assert_int_equal(rtp_red_build(blocks, (size_t)count, again, (size_t)size - 1),
                         ERR_NO_SPACE);
    }
    struct rtp_red_block blocks[RTP_RED_BLOCKS_MAX];
    uint8_t data[16];
    int size = hex_decode("ef0f00036f010203AABB", data, sizeof(data));
    assert_int_equal(rtp_red_parse(data, (size_t)size, blocks), 2);
    assert_int_equal(blocks[0].ts_offset, 960);
    assert_int_equal(blocks[0].size, 3);
    blocks[0].ts_offset = 0x4000;
    assert_int_equal(rtp_red_build(blocks, 2, data, sizeof(data)), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_duplicates_make_loss_negative),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_dlsr),
        cmocka_unit_test(test_rtt_example),
        cmocka_unit_test(test_translate),
        cmocka_unit_test(test_sound_and_picture_stay_together),
        cmocka_unit_test(test_delta),
        cmocka_unit_test(test_red),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
