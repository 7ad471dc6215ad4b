/*
 * Goal: what the node tells the control thread and the other workers, and what it does on their
 * word: wanted layers, speakers, quality, stream state, BYE, sender reports, relays, blocked
 * tracks, and commands about what is not there.
 * Method: one node (two for relays) in virtual time; events and RTCP are compared.
 */
#include "unit/sfu/bench.h"

#include "base/err.h"

enum { ALICE = 1, BOB, CAROL };
enum { VIDEO = 1, AUDIO = 2 };

static struct bench *room(void)
{
    struct bench *b = bench_create(0);
    for (sfu_peer_id p = ALICE; p <= CAROL; p++)
        bench_peer(b, p);
    bench_video(b, VIDEO, ALICE, 3);
    bench_audio(b, AUDIO, ALICE);
    return b;
}

static void send_frame(struct bench *b, uint8_t layer, uint16_t seq, bool is_key)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .layer = layer,
                                      .seq = seq,
                                      .ts = seq * 3000u,
                                      .is_key = is_key,
                                      .is_marker = true,
                                      .picture = seq});
}

static void send_audio(struct bench *b, uint16_t seq, uint8_t level)
{
    static const uint8_t opus[] = {0x78, 1};
    bench_send(b, ALICE,
               &(struct bench_packet){.track = AUDIO,
                                      .seq = seq,
                                      .ts = seq * 960u,
                                      .level = level,
                                      .payload = opus,
                                      .payload_size = sizeof(opus)});
}

/* ---- wanted layers ---- */

static int8_t newest_wanted(const struct bench *b)
{
    int8_t layer = 99;
    const struct sfu_event *e;
    for (size_t i = 0; (e = bench_event(b, SFU_EVENT_LAYER_WANTED, i)) != NULL; i++)
        if (e->track == VIDEO)
            layer = e->layer;
    return layer;
}

/* Up at once, down only after five seconds. */
static void test_wanted(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    assert_int_equal(newest_wanted(b), 0);
    bench_sub(b, 22, VIDEO, CAROL, 2);
    assert_int_equal(newest_wanted(b), 2);
    bench_clear(b);
    bench_target(b, 22, SFU_LAYER_NONE, SFU_TEMPORAL_ALL);
    bench_wait(b, MONO_MS(4500));
    assert_true(newest_wanted(b) == 2 || newest_wanted(b) == 99);
    bench_wait(b, MONO_S(1));
    assert_int_equal(newest_wanted(b), 0);
    bench_clear(b);
    sfu_node_remove_sub(b->node, 21);
    bench_wait(b, MONO_MS(5500));
    assert_int_equal(newest_wanted(b), SFU_LAYER_NONE);
    bench_destroy(b);
}

/* ---- speakers ---- */

static void test_speakers(void **state)
{
    (void)state;
    static const struct {
        uint8_t loud, level; /* of 10 packets, so many have this level; the others 100 */
        uint8_t mean, percent_least, percent_most;
    } cases[] = {
        {10, 20, 20, 90, 100}, {5, 30, 30, 40, 60}, {0, 0, 127, 0, 0}, {10, 50, 127, 0, 0}};
    for (size_t c = 0; c < ARRAY_COUNT(cases); c++) {
        struct bench *b = room();
        uint16_t seq = 100;
        for (int i = 0; i < 60; i++) { /* two windows, whose ticks may be a packet late */
            bool is_loud = i % 10 < cases[c].loud;
            send_audio(b, seq++, is_loud ? cases[c].level : 100);
            bench_wait(b, MONO_MS(20));
        }
        const struct sfu_event *e = bench_event(b, SFU_EVENT_AUDIO_WINDOW, 0);
        assert_non_null(e);
        assert_int_equal(e->track, AUDIO);
        assert_int_equal(e->peer, ALICE);
        assert_int_equal(e->level_dbov, cases[c].mean);
        assert_int_equal(e->is_start, cases[c].percent_least >= 40);
        assert_false(bench_event(b, SFU_EVENT_AUDIO_WINDOW, 1)->is_start);
        assert_in_range(e->active_percent, cases[c].percent_least, cases[c].percent_most);
        bench_clear(b);
        bench_wait(b, MONO_S(2)); /* silence: one window with the rest, then none */
        assert_null(bench_event(b, SFU_EVENT_AUDIO_WINDOW, 1));
        bench_destroy(b);
    }
}

/* ---- quality and stream state ---- */

static void report_loss(struct bench *b, sfu_peer_id peer, uint32_t ssrc, uint8_t fraction)
{
    uint8_t buf[64];
    struct wr w = wr_init(buf, sizeof(buf));
    const struct rtcp_report r = {.ssrc = ssrc, .fraction_lost = fraction};
    rtcp_put_rr(&w, 1, &r, 1);
    bench_rtcp(b, peer, &w);
}

static void test_quality(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 0, 1, true);
    for (uint16_t i = 0; i < 52; i++) {
        send_frame(b, 0, (uint16_t)(2 + 2 * i), false); /* every second one is lost */
        if (i % 10 == 0)
            report_loss(b, BOB, 21, 64);
        bench_wait(b, MONO_MS(100));
    }
    const struct sfu_event *up = NULL, *down = NULL, *e;
    for (size_t i = 0; (e = bench_event(b, SFU_EVENT_PEER_QUALITY, i)) != NULL; i++) {
        up = e->peer == ALICE ? e : up;
        down = e->peer == BOB ? e : down;
    }
    assert_non_null(up);
    assert_non_null(down);
    assert_in_range(up->up_loss_percent, 40, 52);
    assert_int_equal(down->down_loss_percent, 25);
    assert_in_range(up->up_bps, 1000, 10000);
    assert_in_range(down->down_bps, 1000, 10000);
    bench_destroy(b);
}

/* An awful line: the video stands back and says so; it is tried again later. */
static void test_paused(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    uint16_t seq = 1;
    send_frame(b, 0, seq++, true);
    for (int i = 0; i < 80; i++) {
        send_frame(b, 0, seq++, false);
        if (i % 5 == 0)
            report_loss(b, BOB, 21, 200);
        bench_wait(b, MONO_MS(100));
    }
    const struct sfu_event *e = bench_event(b, SFU_EVENT_STREAM_STATE, 0);
    assert_non_null(e);
    assert_true(e->is_paused);
    assert_int_equal(e->sub, 21);
    bench_clear(b);
    send_frame(b, 0, seq++, true);
    assert_int_equal(bench_count(b, 21), 0);
    for (int i = 0; i < 100; i++) {
        send_frame(b, 0, seq++, i % 10 == 0);
        bench_wait(b, MONO_MS(100));
    }
    e = bench_event(b, SFU_EVENT_STREAM_STATE, 0);
    assert_non_null(e);
    assert_false(e->is_paused);
    assert_true(bench_count(b, 21) > 0);
    bench_destroy(b);
}

/* ---- reports ---- */

static void send_sr(struct bench *b, uint32_t ssrc, ntp_time ntp, uint32_t ts)
{
    uint8_t buf[64];
    struct wr w = wr_init(buf, sizeof(buf));
    const struct rtcp_sender_info info = {.ssrc = ssrc, .ntp = ntp, .rtp_ts = ts};
    rtcp_put_sr(&w, &info, NULL, 0);
    bench_rtcp(b, ALICE, &w);
}

/* The publisher's clock, moved to the subscription's timestamps, with the time that has passed. */
static void test_sender_report(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 0, 100, true);
    uint32_t offset = bench_rtp(b, 21, 0)->ts - 300000;
    const ntp_time ntp = UINT64_C(3900000000) << 32;
    send_sr(b, 1000, ntp, 300000);
    bench_clear(b);
    mono_us sent = b->now;
    bench_wait(b, MONO_MS(2200));
    struct rtcp_packet p;
    struct rtcp_sender_info info;
    assert_true(bench_find_rtcp(b, BOB, RTCP_SR, -1, &p));
    assert_int_equal(rtcp_get_sender_info(&p, &info), 0);
    assert_int_equal(info.ssrc, 21);
    assert_int_equal(info.packet_count, 1);
    int64_t passed = ntp_to_unix_us(info.ntp) - ntp_to_unix_us(ntp);
    assert_in_range(passed, 0, b->now - sent);
    int64_t ticks = (int32_t)(info.rtp_ts - offset - 300000);
    assert_in_range(ticks - passed * 90 / 1000 + 2, 0, 4);
    assert_true(bench_find_rtcp(b, BOB, RTCP_SDES, -1, &p));
    const uint8_t *cname;
    uint8_t size;
    uint32_t ssrc;
    assert_int_equal(rtcp_get_cname(&p, &ssrc, &cname, &size), 0);
    assert_int_equal(size, 8);
    assert_memory_equal(cname, "somebody", 8);
    bench_destroy(b);
}

static bool has_report_of(const struct bench_out *out, uint32_t ssrc)
{
    struct rtcp_reader reader = rtcp_reader_init(out->data, out->size);
    for (struct rtcp_packet p; rtcp_next(&reader, &p) > 0;)
        if (p.type == RTCP_SR && p.ssrc == ssrc)
            return true;
    return false;
}

/* The reports on what a viewer sees and hears come in one packet, every two seconds, though picture
 * and sound began at different times. */
static void test_sender_reports_come_together(void **state)
{
    (void)state;
    struct bench *b = room();
    const ntp_time ntp = UINT64_C(3900000000) << 32;
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 0, 100, true);
    send_sr(b, 1000, ntp, 300000);
    bench_wait(b, MONO_MS(700));
    bench_sub(b, 22, AUDIO, BOB, 0);
    send_audio(b, 10, 30);
    assert_int_equal(bench_count(b, 22), 1);
    send_sr(b, 2000, ntp, 9600);
    bench_wait(b, MONO_S(3));
    bench_clear(b);
    size_t count = 0;
    for (int second = 0; second < 8; second++) {
        bench_wait(b, MONO_S(1));
        for (size_t i = 0; i < b->out_count; i++) {
            bool has_picture = has_report_of(&b->out[i], 21),
                 has_sound = has_report_of(&b->out[i], 22);
            assert_int_equal(has_picture, has_sound);
            count += has_picture;
        }
        bench_clear(b);
    }
    assert_in_range(count, 3, 5);
    bench_destroy(b);
}

static void test_receiver_report(void **state)
{
    (void)state;
    struct bench *b = room();
    for (uint16_t i = 0; i < 20; i++) {
        send_frame(b, 0, 100 + i, false);
        bench_wait(b, MONO_MS(100));
    }
    struct rtcp_packet p;
    struct rtcp_report r;
    assert_true(bench_find_rtcp(b, ALICE, RTCP_RR, -1, &p));
    assert_int_equal(rtcp_get_report(&p, 0, &r), 0);
    assert_int_equal(r.ssrc, 1000);
    assert_int_equal(r.fraction_lost, 0);
    bench_destroy(b);
}

static void test_bye(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 1);
    send_frame(b, 0, 1, true);
    send_frame(b, 1, 1, true);
    uint8_t buf[32];
    struct wr w = wr_init(buf, sizeof(buf));
    const uint32_t ssrc = 1001;
    rtcp_put_bye(&w, &ssrc, 1);
    bench_clear(b);
    bench_rtcp(b, ALICE, &w);
    const struct sfu_event *e = bench_event(b, SFU_EVENT_BYE, 0);
    assert_non_null(e);
    assert_int_equal(e->track, VIDEO);
    assert_int_equal(e->layer, 1);
    send_frame(b, 0, 2, true); /* the layer below takes over */
    assert_int_equal(bench_count(b, 21), 1);
    bench_destroy(b);
}

/* ---- blocked, connected, relayed ---- */

static void test_blocked(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send_frame(b, 0, 1, true);
    sfu_node_set_track_blocked(b->node, VIDEO, true);
    send_frame(b, 0, 2, true);
    assert_int_equal(bench_count(b, 21), 1);
    sfu_node_set_track_blocked(b->node, VIDEO, false);
    bench_drain(b);
    send_frame(b, 0, 3, false);
    assert_int_equal(bench_count(b, 21), 1); /* waits for a keyframe, and asks for it */
    bench_wait(b, MONO_MS(300));
    assert_true(bench_requests(b, 1000) >= 1);
    send_frame(b, 0, 4, true);
    assert_int_equal(bench_count(b, 21), 2);
    assert_int_equal((uint16_t)(bench_rtp(b, 21, 1)->seq - bench_rtp(b, 21, 0)->seq), 1);
    bench_destroy(b);
}

static void test_connected(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    sfu_node_set_connected(b->node, BOB, false, b->now);
    send_frame(b, 0, 1, true);
    bench_wait(b, MONO_S(3));
    for (size_t i = 0; i < b->out_count; i++)
        assert_int_not_equal(b->out[i].peer, BOB);
    sfu_node_set_connected(b->node, BOB, true, b->now);
    bench_drain(b);
    send_frame(b, 0, 2, true);
    assert_int_equal(bench_count(b, 21), 1);
    bench_destroy(b);
}

/* A packet and a report go to worker 1, which forwards without copying. */
static void test_relays(void **state)
{
    (void)state;
    struct bench *b = room(), *far = bench_create(1);
    bench_peer(far, BOB);
    bench_video(far, VIDEO, 0, 3);
    bench_sub(far, 21, VIDEO, BOB, 0);
    sfu_node_set_relay_targets(b->node, VIDEO, 3); /* itself is left out */
    send_frame(b, 0, 100, true);
    send_sr(b, 1000, UINT64_C(3900000000) << 32, 300000);
    assert_int_equal(b->relay_count, 2);
    for (size_t i = 0; i < b->relay_count; i++) {
        assert_int_equal(b->relays[i].worker_mask, 2);
        sfu_node_handle_relay(far->node, &b->relays[i], far->now);
        bench_drain(far);
    }
    assert_int_equal(bench_count(far, 21), 1);
    assert_ptr_equal(bench_rtp(far, 21, 0)->pkt, b->relays[0].pkt);
    struct sfu_relay lost = b->relays[0]; /* for a track that has gone: the reference comes back */
    pkt_ref(lost.pkt);
    lost.track = 77;
    sfu_node_handle_relay(far->node, &lost, far->now);
    bench_drain(far);
    bench_wait(far, MONO_MS(1500));
    struct rtcp_packet p;
    assert_true(bench_find_rtcp(far, BOB, RTCP_SR, -1, &p));
    b->relay_count = 0; /* the references were handed over */
    bench_destroy(far);
    bench_destroy(b);
}

static void pass_relays(struct bench *b, struct bench *far)
{
    for (size_t i = 0; i < b->relay_count; i++) {
        sfu_node_handle_relay(far->node, &b->relays[i], far->now);
        bench_drain(far);
    }
    b->relay_count = 0; /* the references were handed over */
}

/* A far viewer gets what a near one gets: the publisher's numbers jump, or go a long way while
 * nobody is there on the other worker. */
static void test_relayed_jumps(void **state)
{
    (void)state;
    for (int is_away = 0; is_away < 2; is_away++) {
        struct bench *b = room(), *far = bench_create(1);
        bench_peer(far, BOB);
        bench_video(far, VIDEO, 0, 3);
        bench_sub(far, 21, VIDEO, BOB, 0);
        bench_sub(b, 22, VIDEO, BOB, 0);
        sfu_node_set_relay_targets(b->node, VIDEO, 2);
        send_frame(b, 0, 100, true);
        pass_relays(b, far);
        uint16_t seq = 100;
        sfu_node_set_relay_targets(b->node, VIDEO, is_away ? 0 : 2);
        for (int i = 0; i < 22 && is_away; i++) /* nearly once round */
            send_frame(b, 0, seq = (uint16_t)(seq + 2900), false);
        sfu_node_set_relay_targets(b->node, VIDEO, 2);
        seq = is_away ? seq : seq + 20000;
        bench_clear(b);
        for (uint16_t i = 1; i <= 4; i++)
            send_frame(b, 0, (uint16_t)(seq + i), i == 2);
        pass_relays(b, far);
        assert_int_equal(bench_count(b, 22), is_away ? 4 : 3);
        assert_int_equal(bench_count(far, 21), 1 + bench_count(b, 22));
        assert_int_equal(bench_stats(far).drop_malformed, 0);
        bench_destroy(far);
        bench_destroy(b);
    }
}

/* Where packets come as relays: who joins gets nothing of a blocked track, not even from the ring.
 */
static void test_blocked_relay(void **state)
{
    (void)state;
    struct bench *b = room(), *far = bench_create(1);
    bench_peer(far, BOB);
    bench_video(far, VIDEO, 0, 3);
    sfu_node_set_relay_targets(b->node, VIDEO, 2);
    send_frame(b, 0, 100, true);
    send_frame(b, 0, 101, false);
    assert_int_equal(b->relay_count, 2);
    sfu_node_handle_relay(far->node, &b->relays[0], far->now);
    bench_drain(far);
    sfu_node_set_track_blocked(far->node, VIDEO, true);
    bench_sub(far, 21, VIDEO, BOB, 0);
    sfu_node_handle_relay(far->node, &b->relays[1], far->now); /* was on its way */
    bench_drain(far);
    assert_int_equal(bench_count(far, 21), 0);
    b->relay_count = 0; /* the references were handed over */
    bench_destroy(far);
    bench_destroy(b);
}

/* ---- what is not there ---- */

static void test_unknown(void **state)
{
    (void)state;
    struct bench *b = room();
    const struct sfu_peer_config peer = {.peer = 77};
    const struct sfu_track_config track = {.track = 77, .source_peer = 78, .layer_count = 1};
    const struct sfu_sub_config sub = {.sub = 77, .track = 78, .peer = BOB};
    const struct sfu_sub_target target = {.sub = 77};
    struct sfu_track_config none = {.track = 79, .source_peer = ALICE};
    assert_int_equal(sfu_node_set_peer(b->node, &peer), ERR_NOT_FOUND);
    assert_int_equal(sfu_node_add_track(b->node, &track), ERR_NOT_FOUND);
    assert_int_equal(sfu_node_set_track(b->node, &track), ERR_NOT_FOUND);
    assert_int_equal(sfu_node_add_track(b->node, &none), ERR_UNSUPPORTED);
    assert_int_equal(sfu_node_add_sub(b->node, &sub, b->now), ERR_NOT_FOUND);
    sfu_node_set_sub_target(b->node, &target, b->now);
    sfu_node_remove_sub(b->node, 77);
    sfu_node_remove_track(b->node, 77);
    sfu_node_remove_peer(b->node, 77);
    sfu_node_set_connected(b->node, 77, true, b->now);
    sfu_node_set_relay_targets(b->node, 77, 3);
    sfu_node_set_track_blocked(b->node, 77, true);
    bench_send(b, 77, &(struct bench_packet){.track = VIDEO, .seq = 1});
    bench_send(b, ALICE, &(struct bench_packet){.track = 44, .seq = 1});
    bench_pli(b, 77, 21);
    struct sfu_node_stats stats = bench_stats(b);
    assert_int_equal(stats.drop_unknown_peer, 2);
    assert_int_equal(stats.drop_unknown_ssrc, 1);
    assert_int_equal(stats.peers, 3);
    assert_int_equal(stats.tracks, 2);
    assert_int_equal(stats.subs, 0);
    const struct sfu_peer_config twice = {.peer = BOB};
    assert_int_equal(sfu_node_add_peer(b->node, &twice), ERR_EXISTS);
    bench_destroy(b);
}

/* A peer that leaves takes its tracks, their subscriptions and its own with it. */
static void test_leave(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    bench_sub(b, 22, AUDIO, CAROL, 0);
    send_frame(b, 0, 1, true);
    sfu_node_remove_peer(b->node, CAROL);
    assert_int_equal(bench_stats(b).subs, 1);
    sfu_node_remove_peer(b->node, ALICE);
    struct sfu_node_stats stats = bench_stats(b);
    assert_int_equal(stats.peers, 1);
    assert_int_equal(stats.tracks, 0);
    assert_int_equal(stats.subs, 0);
    assert_int_equal(pkt_pool_used(b->pool), 0);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted),          cmocka_unit_test(test_speakers),
        cmocka_unit_test(test_quality),         cmocka_unit_test(test_paused),
        cmocka_unit_test(test_sender_report),   cmocka_unit_test(test_sender_reports_come_together),
        cmocka_unit_test(test_receiver_report), cmocka_unit_test(test_bye),
        cmocka_unit_test(test_blocked),         cmocka_unit_test(test_connected),
        cmocka_unit_test(test_relays),          cmocka_unit_test(test_relayed_jumps),
        cmocka_unit_test(test_blocked_relay),   cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
