#ifndef TK_TESTS_PATH_BENCH_H
#define TK_TESTS_PATH_BENCH_H

/*
 * A publisher and its viewers around one or two workers, over real sockets: peers that have keys
 * but no handshake. The publisher's worker has no thread: the test runs its turns.
 */
#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "server/worker_internal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define VIEWERS       20
#define FRAME_PACKETS 6
#define PAYLOAD       900
#define PUBLISHER     1u
#define TRACK         1u

struct viewer {
    struct worker_peer wp;
    struct sec_srtp *send, *receive; /* the server's side, the viewer's */
    uint16_t next_seq;
    size_t count;
};

struct bench {
    enum sec_profile profile;
    struct worker *w;   /* of the publisher */
    struct worker *out; /* of the viewers; the same, or another one */
    struct udp_socket *publisher_udp, *viewers_udp;
    struct worker_peer publisher;
    struct sec_srtp *publisher_send, *publisher_receive; /* its own, the server's */
    struct sec_srtp *reports_send, *reports_receive;     /* the way back */
    struct udp_path to_worker;
    struct viewer viewers[VIEWERS];
    uint16_t seq;
    uint32_t ts;
};

static inline void make_pair(const struct bench *b, uint8_t seed, struct sec_srtp **ret_send,
                             struct sec_srtp **ret_receive)
{
    struct sec_srtp_keys keys = {.profile = b->profile};
    memset(keys.key, seed, sizeof(keys.key));
    memset(keys.salt, seed + 1, sizeof(keys.salt));
    assert_int_equal(sec_srtp_create(&keys, SEC_SEND, ret_send), 0);
    assert_int_equal(sec_srtp_create(&keys, SEC_RECEIVE, ret_receive), 0);
}

/* A peer as it is once ICE and DTLS are done. */
static inline void add_peer(struct worker *w, struct worker_peer *wp, sfu_peer_id id,
                            const struct addr *remote)
{
    const struct addr any = {0};
    const struct sfu_peer_config config = {.peer = id};
    wp->id = id;
    wp->is_connected = true;
    wp->media_to = *remote;
    wp->rtp_growth = wp->send != NULL ? (uint16_t)sec_srtp_rtp_growth(wp->send) : 0;
    udp_path_init(&any, remote, &wp->path);
    assert_int_equal(idmap_put(&w->peers, id, wp), 0);
    assert_int_equal(addrmap_set(&w->addrs, remote, wp), 0);
    assert_int_equal(sfu_node_add_peer(w->node, &config), 0);
    sfu_node_set_connected(w->node, id, true, w->now);
    worker__drain_node(w);
}

static inline void add_viewer(struct bench *b, size_t i, const struct addr *remote)
{
    struct viewer *v = &b->viewers[i];
    struct addr own = *remote;
    own.ip[3] = (uint8_t)(1 + i); /* 127.0.0.x: all of them reach the one socket */
    make_pair(b, (uint8_t)(10 + i), &v->send, &v->receive);
    v->wp.send = v->send;
    add_peer(b->out, &v->wp, (sfu_peer_id)(100 + i), &own);
    const struct sfu_sub_config sub = {.sub = (sfu_sub_id)(1 + i),
                                       .track = TRACK,
                                       .peer = v->wp.id,
                                       .ssrc = (uint32_t)(5000 + i),
                                       .pt_count = 1,
                                       .pts = {{.pt = 96, .codec = RTP_CODEC_VP8}}};
    const struct sfu_sub_target target = {.sub = sub.sub, .temporal_max = SFU_TEMPORAL_ALL};
    assert_int_equal(sfu_node_add_sub(b->out->node, &sub, b->out->now), 0);
    worker__drain_node(b->out);
    sfu_node_set_sub_target(b->out->node, &target, b->out->now);
    worker__drain_node(b->out);
}

static inline struct addr local(const struct udp_socket *s)
{
    struct addr a;
    assert_int_equal(addr_parse_ip("127.0.0.1", &a), 0);
    a.port = udp_port(s);
    a.proto = ADDR_PROTO_UDP;
    return a;
}

/* Nobody reads the control thread's mailbox here. */
static inline void ignore_events(void *user)
{
    (void)user;
}

static inline void open_worker(uint8_t index, uint8_t count, struct worker **ret_worker)
{
    const struct worker_config config = {.index = index,
                                         .worker_count = count,
                                         .peer_count_max = 100,
                                         .pkt_count = 4096,
                                         .on_events = ignore_events};
    role_assert_media(); /* no thread is there yet */
    assert_int_equal(worker_create(&config, ret_worker), 0);
    (*ret_worker)->now = mono_now();
}

static inline void open_bench_with(struct bench *b, uint8_t workers, enum sec_profile profile)
{
    const struct addr any = {0};
    memset(b, 0, sizeof(*b));
    b->profile = profile;
    open_worker(0, workers, &b->w);
    b->out = b->w;
    if (workers == 2) {
        open_worker(1, workers, &b->out);
        worker_connect((struct worker *[]){b->w, b->out}, 2);
    }
    assert_int_equal(udp_open(&any, 0, &b->publisher_udp), 0);
    assert_int_equal(udp_open(&any, 0, &b->viewers_udp), 0);
    make_pair(b, 1, &b->publisher_send, &b->publisher_receive);
    make_pair(b, 2, &b->reports_send, &b->reports_receive);
    b->publisher.receive = b->publisher_receive;
    b->publisher.send = b->reports_send;
    struct addr remote = local(b->publisher_udp), worker = local(b->w->udp);
    add_peer(b->w, &b->publisher, PUBLISHER, &remote);
    udp_path_init(&any, &worker, &b->to_worker);
    struct sfu_track_config track = {.track = TRACK,
                                     .source_peer = PUBLISHER,
                                     .kind = RTP_KIND_VIDEO,
                                     .pt_count = 1,
                                     .pts = {{.pt = 96, .codec = RTP_CODEC_VP8}},
                                     .layer_count = 1,
                                     .ssrcs = {TRACK}};
    assert_int_equal(sfu_node_add_track(b->w->node, &track), 0);
    if (b->out != b->w) {
        track.source_peer = 0;
        assert_int_equal(sfu_node_add_track(b->out->node, &track), 0);
        sfu_node_set_relay_targets(b->w->node, TRACK, 2);
    }
    remote = local(b->viewers_udp);
    for (size_t i = 0; i < VIEWERS; i++)
        add_viewer(b, i, &remote);
}

static inline void open_bench(struct bench *b, uint8_t workers)
{
    open_bench_with(b, workers, SEC_PROFILE_AEAD_AES_128_GCM);
}

static inline void forget_peer(struct worker *w, struct worker_peer *wp)
{
    sfu_node_remove_peer(w->node, wp->id);
    addrmap_remove(&w->addrs, &wp->media_to, wp);
    idmap_take(&w->peers, wp->id);
}

static inline void close_bench(struct bench *b)
{
    for (size_t i = 0; i < VIEWERS; i++) {
        forget_peer(b->out, &b->viewers[i].wp);
        sec_srtp_destroy(b->viewers[i].send);
        sec_srtp_destroy(b->viewers[i].receive);
    }
    forget_peer(b->w, &b->publisher);
    sec_srtp_destroy(b->publisher_send);
    sec_srtp_destroy(b->publisher_receive);
    sec_srtp_destroy(b->reports_send);
    sec_srtp_destroy(b->reports_receive);
    udp_close(b->publisher_udp);
    udp_close(b->viewers_udp);
    if (b->out != b->w) {
        worker_release(b->w); /* each may hold packets of the other */
        worker_release(b->out);
        worker_destroy(b->out);
    }
    worker_destroy(b->w);
}

/* ---- one turn of the loop ---- */

/* The packets from `begin` of a frame, up to `end`. */
static inline void publish_part(struct bench *b, bool is_key, size_t begin, size_t end)
{
    uint8_t head[12], body[PAYLOAD];
    uint8_t *dst = udp_room(b->publisher_udp, FRAME_PACKETS * UDP_DATAGRAM_MAX);
    for (size_t i = begin; i < end; i++) {
        head[0] = 0x80;
        head[1] = (uint8_t)(96 | (i + 1 == FRAME_PACKETS ? 0x80 : 0));
        put_u16be(head + 2, b->seq++);
        put_u32be(head + 4, b->ts);
        put_u32be(head + 8, TRACK);
        memset(body, (int)i, sizeof(body));
        body[0] = i == 0 ? 0x10 : 0x00;
        body[1] = is_key ? 0 : 1;
        int size = sec_srtp_protect(b->publisher_send, head, 12, 0, body, sizeof(body), dst, 1200);
        assert_true(size > 0);
        udp_append(b->publisher_udp, &b->to_worker, dst, (size_t)size);
        dst += size;
    }
    if (end == FRAME_PACKETS)
        b->ts += 3000;
    udp_flush(b->publisher_udp);
}

static inline void publish_frame(struct bench *b, bool is_key)
{
    publish_part(b, is_key, 0, FRAME_PACKETS);
}

static inline bool is_readable(const struct udp_socket *s)
{
    struct pollfd fd = {.fd = udp_fd(s), .events = POLLIN};
    return poll(&fd, 1, 50) == 1;
}

/* What worker.c's loop does when its socket is readable. */
static inline void turn(struct bench *b) ON_MEDIA
{
    b->w->turn_began = b->w->now = mono_now();
    worker__receive(b->w);
    if (sfu_node_is_due(b->w->node, b->w->now)) {
        sfu_node_handle_timeout(b->w->node, b->w->now);
        worker__drain_node(b->w);
    }
    udp_flush(b->w->udp);
}

/* Decrypts what the viewers get, until `expected` have come; a packet's SSRC tells whose it is. */
static inline void receive(struct bench *b, size_t expected)
{
    struct udp_datagram d;
    uint8_t plain[PKT_SIZE_MAX];
    size_t count = 0;
    while (count < expected && is_readable(b->viewers_udp) && udp_receive(b->viewers_udp) > 0)
        while (udp_next(b->viewers_udp, &d)) {
            if (d.data[1] >= 192 && d.data[1] <= 223)
                continue; /* sender reports */
            uint32_t ssrc = get_u32be(d.data + 8);
            assert_in_range(ssrc, 5000, 5000 + VIEWERS - 1);
            struct viewer *v = &b->viewers[ssrc - 5000];
            int size = sec_srtp_unprotect(v->receive, d.data, d.size, plain, sizeof(plain));
            assert_int_equal(size, 12 + PAYLOAD);
            if (v->count++ > 0)
                assert_int_equal(get_u16be(plain + 2), v->next_seq);
            count++;
            v->next_seq = (uint16_t)(get_u16be(plain + 2) + 1);
            assert_int_equal(plain[12 + 2], plain[12 + PAYLOAD - 1]);
        }
}

/* One frame through the publisher's worker, and what each of `viewers` gets of it. */
static inline void play_frame(struct bench *b, size_t viewers) ON_MEDIA
{
    publish_frame(b, b->seq == 0);
    assert_true(is_readable(b->w->udp));
    turn(b);
    receive(b, viewers * FRAME_PACKETS);
}

#endif
