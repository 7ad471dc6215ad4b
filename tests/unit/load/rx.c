/*
 * Goal: a received stream accounts for every packet: each is delivered, lost or a duplicate; frames
 * count only when they are whole and decodable; freezes and the way of a packet are measured. Of
 * hidden packets the same holds, as far as headers tell.
 * Method: VP8 packets made by hand, in virtual time; then random loss, reordering and repetition
 * from a printed seed, with the sums compared.
 */
#include "load/load_internal.h"
#include "load/stamp.h"
#include "unit/cmocka_all.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SSRC  0x1234u
#define PT    96
#define WAY   MONO_MS(2)
#define FRAME MONO_MS(33)

static struct load_options options;
static struct load_run *run;
static struct load_client client;
static struct load_conn conn;
static struct load_rx rx;
static enum load_origin origin;

static int set_up(void **state)
{
    (void)state;
    options = load_options_default();
    run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->options = &options;
    timers_init(&run->timers);
    timers_init(&run->frames);
    client = (struct load_client){.run = run, .subscribes = true, .state = LOAD_JOINING};
    conn = (struct load_conn){.client = &client, .report_at = MONO_NEVER};
    load__rx_init(&rx, RTP_KIND_VIDEO, SSRC, 0);
    origin = LOAD_FIRST_SENT;
    rx.pt_count = 1;
    rx.pts[0] = (struct rtp_pt){.pt = PT, .codec = RTP_CODEC_VP8};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    load__timer_cancel(run, &conn.media_timer);
    load__rx_fini(&rx);
    timers_fini(&run->timers);
    timers_fini(&run->frames);
    free(run);
    return 0;
}

enum place { FIRST = 1, LAST = 2, KEY = 4 };

/* One packet of a picture, sent `way` ago. */
static void push_from(uint16_t seq, unsigned place, mono_us way, mono_us now)
{
    static const uint8_t key[] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02};
    uint8_t packet[128] = {0};
    struct rtp_header h = {
        .is_marker = (place & LAST) != 0, .pt = PT, .seq = seq, .ts = 1, .ssrc = SSRC};
    rtp_header_write(packet, &h);
    struct wr w = wr_init(packet + RTP_HEADER_SIZE, sizeof(packet) - RTP_HEADER_SIZE);
    wr_u8(&w, (place & FIRST) != 0 ? 0x10 : 0);
    wr_bytes(&w, key, sizeof(key));
    if ((place & KEY) == 0)
        packet[RTP_HEADER_SIZE + 1] |= 1;
    uint8_t *stamp = wr_reserve(&w, LOAD_STAMP_SIZE);
    load_stamp_write(stamp, now - way);
    struct rtp_view view;
    assert_int_equal(rtp_parse(packet, RTP_HEADER_SIZE + wr_size(&w), &view), 0);
    load__rx_packet(&conn, &rx, &view, origin, now);
}

static void push(uint16_t seq, unsigned place, mono_us now)
{
    push_from(seq, place, WAY, now);
}

/* A picture of three packets. */
static void push_frame(uint16_t seq, unsigned kind, mono_us now)
{
    push(seq, kind | FIRST, now);
    push((uint16_t)(seq + 1), 0, now);
    push((uint16_t)(seq + 2), LAST, now);
}

static void test_whole_frames(void **state)
{
    (void)state;
    mono_us now = MONO_S(1);
    push_frame(65533, KEY, now); /* over the end of the numbers */
    push_frame(0, 0, now += FRAME);
    push_frame(3, 0, now += FRAME);
    assert_int_equal(run->m.frames, 3);
    assert_int_equal(run->m.keyframes, 1);
    assert_int_equal(run->m.delivered, 9);
    assert_int_equal(run->m.lost + load__rx_missing(&rx), 0);
    assert_int_equal(run->m.freezes, 0);
    assert_int_equal(run->m.delay.count, 9);
    assert_int_equal(run->m.delay.max, WAY);
    assert_int_equal(client.state, LOAD_JOINED);
    assert_int_equal(client.streams_seen, 1);
}

/* A server begins with a keyframe of the past: its age is no delay, what follows is measured. */
static void test_start_from_the_past(void **state)
{
    (void)state;
    mono_us now = MONO_S(9);
    push_from(10, FIRST | LAST | KEY, MONO_MS(800), now);
    push_from(11, FIRST | LAST, MONO_MS(400), now + MONO_MS(1));
    push_from(12, FIRST | LAST, MONO_MS(90),
              now + MONO_MS(60)); /* sent while the first was under way */
    push(13, FIRST | LAST, now += MONO_MS(100));
    assert_int_equal(run->m.start_age.count, 2);
    assert_int_equal(run->m.delay.count, 2);
    assert_int_equal(run->m.delay.max, MONO_MS(90));
    assert_int_equal(run->m.frames, 4);
}

static void test_no_picture_before_a_keyframe(void **state)
{
    (void)state;
    mono_us now = MONO_S(1);
    push(10, 0, now); /* in the middle of one */
    push(11, LAST, now);
    push_frame(12, 0, now += FRAME);
    assert_int_equal(run->m.frames, 0);
    assert_int_equal(client.state, LOAD_JOINING);
    push_frame(15, KEY, now += FRAME);
    assert_int_equal(run->m.frames, 1);
}

static void test_gap_breaks_up_to_keyframe(void **state)
{
    (void)state;
    mono_us now = MONO_S(1);
    push_frame(10, KEY, now);
    push(13, FIRST, now += FRAME);
    push(15, LAST, now); /* 14 is missing */
    push_frame(16, 0, now += FRAME);
    assert_int_equal(run->m.frames, 1);
    assert_int_equal(load__rx_missing(&rx), 1);
    mono_us next = load__rx_tick(&conn, &rx, now);
    assert_true(next > now && next <= now + MONO_MS(50));
    IGNORE(load__rx_tick(&conn, &rx, now += MONO_MS(60)));
    assert_int_equal(run->m.lost, 1);
    assert_int_equal(run->m.frames_broken, 1);
    assert_int_equal(run->m.frames, 1); /* what builds on the lost one is no picture */
    push_frame(19, KEY, now += FRAME);
    assert_int_equal(run->m.frames, 2);
    assert_int_equal(load__rx_missing(&rx), 0);
}

/* While what comes waits for us, a gap is not looked at every millisecond. */
static void test_gap_behind_a_backlog(void **state)
{
    (void)state;
    struct load_rx *rxs[] = {&rx};
    mono_us now = MONO_S(1);
    push_frame(10, KEY, now);
    push(14, LAST, now += FRAME); /* 13 is missing, and waits for a keyframe from here on */
    conn.rxs = rxs;
    conn.rx_count = 1;
    load__conn_media_timer(&conn.media_timer, now + MONO_MS(49));
    assert_int_equal(conn.media_timer.timer.at, now + MONO_MS(50));
    run->io.backlog_us = MONO_MS(400);
    load__conn_media_timer(&conn.media_timer, now + MONO_MS(49));
    assert_int_equal(conn.media_timer.timer.at, now + MONO_MS(149));
    conn.rx_count = 0; /* the stream is the test's */
}

static void test_late_packet_fills_the_gap(void **state)
{
    (void)state;
    mono_us now = MONO_S(1);
    push_frame(10, KEY, now);
    push(13, FIRST, now += FRAME);
    push(15, LAST, now);
    push(14, 0, now += MONO_MS(5));
    assert_int_equal(run->m.frames, 2);
    push(14, 0, now);
    push(12, LAST, now);
    assert_int_equal(run->m.duplicates, 2);
    assert_int_equal(run->m.delivered, 6);
    assert_int_equal(run->m.lost, 0);
}

static void test_freeze(void **state)
{
    (void)state;
    mono_us now = MONO_S(1);
    push_frame(10, KEY, now);
    push_frame(13, 0, now += MONO_MS(200));
    assert_int_equal(run->m.freezes, 0);
    push_frame(16, 0, now += MONO_MS(201));
    assert_int_equal(run->m.freezes, 1);
    assert_int_equal(run->m.freeze_us, MONO_MS(201));
}

/* Of hidden packets the headers tell as much: pictures, gaps, repetitions; not how long they took.
 */
static void test_hidden_packets(void **state)
{
    (void)state;
    mono_us now = MONO_S(1);
    assert_false(load__rx_is_settled(&rx));
    push_frame(10, KEY, now);
    assert_true(load__rx_is_settled(&rx));
    origin = LOAD_UNREAD;
    push_frame(13, 0, now += FRAME);
    push(16, FIRST | LAST, now += FRAME); /* of one packet */
    assert_int_equal(run->m.frames, 3);
    assert_int_equal(run->m.delivered, 7);
    assert_int_equal(run->m.delay.count, 3);
    assert_int_equal(run->m.unstamped, 0);
    push(17, FIRST, now += FRAME);
    push(17, FIRST, now);
    assert_int_equal(run->m.duplicates, 1);
    push(19, LAST, now); /* 18 is missing */
    assert_false(load__rx_is_settled(&rx));
    IGNORE(load__rx_tick(&conn, &rx, now += MONO_MS(60)));
    assert_int_equal(run->m.lost, 1);
    assert_int_equal(run->m.frames, 3);
    assert_false(load__rx_is_settled(&rx)); /* waits for a keyframe, which has to be seen */
    origin = LOAD_FIRST_SENT;
    push_frame(20, KEY, now += FRAME);
    assert_int_equal(run->m.frames, 4);
    assert_true(load__rx_is_settled(&rx));
}

static bool may_hide(uint16_t seq, uint32_t ssrc, uint8_t first)
{
    uint8_t packet[64] = {0};
    struct rtp_header h = {.pt = PT, .seq = seq, .ts = 1, .ssrc = ssrc};
    rtp_header_write(packet, &h);
    packet[0] |= first;
    return load__conn_may_hide(&conn, packet, sizeof(packet));
}

/* One in `check_step` is read of a stream that runs; everything of one that begins or is broken, of
 * what is sent again, and where the end of the payload is not known. */
static void test_what_may_hide(void **state)
{
    (void)state;
    struct load_rx *rxs[] = {&rx};
    size_t hidden = 0;
    conn.rxs = rxs;
    conn.rx_count = 1;
    conn.tag_size = 16;
    run->check_step = 10;
    rx.rtx_ssrc = SSRC + 1;
    assert_false(may_hide(1, SSRC, 0) || may_hide(2, SSRC, 0));
    push_frame(10, KEY, MONO_S(1));
    for (uint16_t seq = 13; seq < 113; seq++) {
        hidden += may_hide(seq, SSRC, 0);
        assert_false(may_hide(seq, SSRC, 0x20));
        assert_false(may_hide(seq, SSRC + 1, 0));
        assert_false(may_hide(seq, SSRC + 2, 0));
    }
    assert_int_equal(hidden, 90);
    run->check_step = 1;
    assert_false(may_hide(13, SSRC, 0) || may_hide(14, SSRC, 0));
    conn.rx_count = 0; /* the stream is the test's */
}

/* Every packet that was sent is delivered or lost, whatever the way does to it. */
static void test_sums_on_a_bad_way(void **state)
{
    (void)state;
    struct rng rng;
    uint16_t held = 0;
    uint64_t sent = 0, twice = 0;
    bool has_held = false;
    mono_us now = MONO_S(1);
    printf("seed 11\n");
    rng_init_seeded(&rng, 11);
    push_frame(100, KEY, now);
    for (uint16_t seq = 103; seq < 30103; seq++, sent++) {
        unsigned place =
            (seq % 3 == 1 ? FIRST : 0) | (seq % 3 == 0 ? LAST : 0) | (seq % 90 == 1 ? KEY : 0);
        uint32_t luck = rng_below(&rng, 100);
        now += MONO_MS(11);
        if (luck < 3)
            continue; /* lost */
        if (luck < 5 && !has_held) {
            held = seq; /* comes one packet later */
            has_held = true;
            continue;
        }
        push(seq, place, now);
        if (luck > 97) {
            push(seq, place, now);
            twice++;
        }
        if (has_held) {
            push(held,
                 (held % 3 == 1 ? FIRST : 0) | (held % 3 == 0 ? LAST : 0) |
                     (held % 90 == 1 ? KEY : 0),
                 now);
            has_held = false;
        }
        IGNORE(load__rx_tick(&conn, &rx, now));
    }
    push(30103, LAST, now); /* so that nothing is open at the end */
    uint64_t missing = load__rx_missing(&rx);
    assert_int_equal(run->m.delivered + run->m.lost + missing, sent + 3 + 1);
    assert_int_equal(run->m.duplicates, twice);
    assert_in_range(run->m.lost + missing, sent * 2 / 100, sent * 4 / 100);
    assert_true(run->m.frames > sent / 3 / 4 && run->m.frames < sent / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_start_from_the_past, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_picture_before_a_keyframe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gap_breaks_up_to_keyframe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gap_behind_a_backlog, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_packet_fills_the_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_freeze, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hidden_packets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_may_hide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sums_on_a_bad_way, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
