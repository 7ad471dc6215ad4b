/*
 * Goal: a connection over which thousands of subscriptions have come and gone still gets each new
 * one: the last as the first.
 * Method: a worker without its thread; commands as the control thread gives them, each subscription
 * under SSRCs of its own; every packet is decrypted as the viewer would, and asked for once more by
 * NACK, so that the retransmissions' SSRCs are used too.
 */
#include "unit/server/path_bench.h"

#define SUBS        2000
#define FIRST_SUB   1000u
#define VIEWER      0   /* of the bench */
#define PER_RECEIVE 200 /* a receiver's table is never emptied: another one in time */

static void push(struct worker *w, const struct media_command *c) ON_MEDIA
{
    assert_true(worker_push_command(w, c));
    worker__drain_commands(w);
}

static uint32_t ssrc_of(uint32_t i)
{
    return 100000 + 2 * i;
}

static void subscribe(struct bench *b, uint32_t i) ON_MEDIA
{
    struct media_command c = {.kind = MEDIA_SUB_ADD, .peer = b->viewers[VIEWER].wp.id};
    c.u.sub_config =
        (struct sfu_sub_config){.sub = FIRST_SUB + i,
                                .track = TRACK,
                                .peer = c.peer,
                                .ssrc = ssrc_of(i),
                                .rtx_ssrc = ssrc_of(i) + 1,
                                .has_nack = true,
                                .pt_count = 1,
                                .pts = {{.pt = 96, .codec = RTP_CODEC_VP8, .rtx_pt = 97}}};
    push(b->w, &c);
    c = (struct media_command){.kind = MEDIA_SUB_TARGET};
    c.u.sub_target =
        (struct sfu_sub_target){.sub = FIRST_SUB + i, .temporal_max = SFU_TEMPORAL_ALL};
    push(b->w, &c);
}

static void unsubscribe(struct bench *b, uint32_t i) ON_MEDIA
{
    struct media_command c = {
        .kind = MEDIA_SUB_REMOVE, .peer = b->viewers[VIEWER].wp.id, .sub = FIRST_SUB + i};
    c.u.sub_remove.ssrc = ssrc_of(i);
    c.u.sub_remove.rtx_ssrc = ssrc_of(i) + 1;
    push(b->w, &c);
}

/* The viewer did not get this packet. */
static void nack(struct bench *b, uint32_t ssrc, uint16_t seq) ON_MEDIA
{
    uint8_t rtcp[16] = {0x81, 205, 0, 3};
    put_u32be(rtcp + 8, ssrc);
    put_u16be(rtcp + 12, seq);
    sfu_node_handle_rtcp(b->w->node, b->viewers[VIEWER].wp.id, rtcp, sizeof(rtcp), b->w->now);
    worker__drain_node(b->w);
    udp_flush(b->w->udp);
}

/* Packets under `ssrc` that can be decrypted, until `expected` have come; the last number. */
static size_t count_received(struct bench *b, uint32_t ssrc, size_t expected, uint16_t *ret_seq)
{
    struct udp_datagram d;
    uint8_t plain[PKT_SIZE_MAX];
    size_t count = 0;
    while (count < expected && is_readable(b->viewers_udp) && udp_receive(b->viewers_udp) > 0)
        while (udp_next(b->viewers_udp, &d)) {
            if ((d.data[1] >= 192 && d.data[1] <= 223) || get_u32be(d.data + 8) != ssrc)
                continue;
            assert_true(sec_srtp_unprotect(b->viewers[VIEWER].receive, d.data, d.size, plain,
                                           sizeof(plain)) > 0);
            *ret_seq = get_u16be(plain + 2);
            count++;
        }
    return count;
}

static void replace_receiver(struct bench *b)
{
    struct sec_srtp *unused, **receive = &b->viewers[VIEWER].receive;
    sec_srtp_destroy(*receive);
    make_pair(b, 10 + VIEWER, &unused, receive);
    sec_srtp_destroy(unused);
}

static void every_one_of_them_flows(void **state)
{
    (void)state;
    static struct bench b;
    uint16_t seq, rtx_seq;
    role_assert_media();
    open_bench(&b, 1);
    for (uint32_t i = 0; i < VIEWERS; i++) /* the bench's own are not wanted here */
        sfu_node_remove_sub(b.w->node, 1 + i);
    for (uint32_t i = 0; i < SUBS; i++) {
        if (i % PER_RECEIVE == 0)
            replace_receiver(&b);
        subscribe(&b, i);
        publish_frame(&b, true);
        assert_true(is_readable(b.w->udp));
        turn(&b);
        /* More where it starts from the keyframe before. */
        assert_true(count_received(&b, ssrc_of(i), FRAME_PACKETS, &seq) >= FRAME_PACKETS);
        nack(&b, ssrc_of(i), seq);
        assert_int_equal(count_received(&b, ssrc_of(i) + 1, 1, &rtx_seq), 1);
        unsubscribe(&b, i);
    }
    assert_int_equal(atomic_load(&b.w->stats.drop_send), 0);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_one_of_them_flows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
