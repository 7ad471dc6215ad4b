/*
 * Goal: a ring loses nothing that it has to keep, neither packets that may be asked for again nor
 * those of a frame that is held, and holds no more memory than that takes; who joins starts at the
 * keyframe in the ring, with its first packet.
 * Method: bursts of packets made by hand into one node; a ring alone against a plain table.
 */
#include "unit/sfu/bench.h"

#include "sfu/limits.h"
#include "sfu/sfu_internal.h"

enum { ALICE = 1, BOB };
enum { VIDEO = 1 };
#define RING   1024
#define VIEWER 100 /* the first subscription of many */

static struct bench *room(void)
{
    struct bench *b = bench_create_sized(0, RING);
    bench_peer(b, ALICE);
    bench_peer(b, BOB);
    bench_video(b, VIDEO, ALICE, 1);
    return b;
}

static void send(struct bench *b, uint16_t seq, bool is_marker, bool is_batched)
{
    bench_send(b, ALICE,
               &(struct bench_packet){.track = VIDEO,
                                      .seq = seq,
                                      .ts = 3000,
                                      .is_key = seq == 0,
                                      .is_middle = seq != 0,
                                      .is_marker = is_marker,
                                      .is_batched = is_batched});
}

/* A keyframe of 400 packets in one batch, which leaves the node's timer no time. */
static void test_burst(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    for (uint16_t i = 0; i < 400; i++)
        send(b, i, i == 399, true);
    bench_drain(b);
    assert_int_equal(bench_count(b, 21), 400);
    uint16_t seqs[2] = {bench_rtp(b, 21, 0)->seq, bench_rtp(b, 21, 399)->seq};
    bench_clear(b);
    bench_wait(b, SFU_RING_AGE - MONO_MS(1));
    bench_nack(b, BOB, 21, seqs, 2);
    assert_int_equal(bench_count(b, 10021), 2);
    bench_destroy(b);
}

/* A long gap: what came before it is still there. */
static void test_gap(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    send(b, 0, false, false);
    send(b, RING / 2, true, false);
    uint16_t seq = bench_rtp(b, 21, 0)->seq;
    bench_nack(b, BOB, 21, &seq, 1);
    assert_int_equal(bench_count(b, 10021), 1);
    bench_destroy(b);
}

static void check_frame(const struct bench *b, size_t count)
{
    for (uint32_t n = 0; n < SFU_MANY; n++) {
        assert_int_equal(bench_count(b, VIEWER + n), count);
        for (size_t i = 1; i < count; i++) {
            uint16_t before = bench_rtp(b, VIEWER + n, i - 1)->seq;
            assert_int_equal((uint16_t)(bench_rtp(b, VIEWER + n, i)->seq - before), 1);
        }
    }
}

/* The ring grows while packets of a frame are held: by its timer, or at once in a burst. */
static void test_held(void **state)
{
    (void)state;
    for (int has_timer = 0; has_timer < 2; has_timer++) {
        struct bench *b = room();
        for (uint32_t n = 0; n < SFU_MANY; n++)
            bench_sub(b, VIEWER + n, VIDEO, BOB, 0);
        uint16_t first = has_timer ? 80 : 100;
        for (uint16_t i = 0; i < first; i++)
            send(b, i, i == first - 1, true);
        bench_drain(b);
        bench_clear(b);
        for (uint16_t i = 0; i < SFU_HOLD_PACKETS - 4; i++)
            send(b, first + i, false, false);
        assert_int_equal(bench_count(b, VIEWER), 0); /* held */
        if (has_timer)
            bench_wait(b, SFU_HOLD / 2);
        send(b, first + SFU_HOLD_PACKETS - 4, true, false);
        check_frame(b, SFU_HOLD_PACKETS - 3);
        assert_int_equal(bench_stats(b).drop_duplicate, 0);
        bench_destroy(b);
    }
}

/* More at once than the ring holds: what it has no room for is no duplicate. */
static void test_no_room(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    for (uint16_t i = 0; i < RING + 3; i++)
        send(b, i, i == 0, true);
    send(b, RING - 1, false, true);
    struct sfu_out outs[64];
    while (sfu_node_poll_transmits(b->node, outs, ARRAY_COUNT(outs)) > 0) {
    }
    assert_int_equal(bench_stats(b).drop_no_buffer, 3);
    assert_int_equal(bench_stats(b).drop_duplicate, 1);
    bench_destroy(b);
}

/* A layer that nobody receives is kept for as long as late packets and joiners need, no longer; one
 * that somebody has left still answers for its last packets. */
static void test_idle_layer(void **state)
{
    (void)state;
    for (int is_received = 0; is_received < 2; is_received++) {
        struct bench *b = room();
        if (is_received)
            bench_sub(b, 21, VIDEO, BOB, 0);
        for (uint16_t i = 0; i < 20; i++) {
            send(b, i, true, false);
            bench_wait(b, MONO_MS(50));
        }
        mono_us kept = is_received ? SFU_RING_AGE : SFU_RING_AGE_IDLE;
        size_t used = pkt_pool_used(b->pool);
        assert_in_range(used, (size_t)(kept / MONO_MS(50)),
                        (size_t)((kept + SFU_TRACK_TICK) / MONO_MS(50)) + 2);
        bench_destroy(b);
    }
}

/* The keyframe's first packet is the newest of all: it is sent, and what follows follows. */
static void test_join_at_newest(void **state)
{
    (void)state;
    struct bench *b = room();
    send(b, 0, false, false);
    bench_sub(b, 21, VIDEO, BOB, 0);
    assert_int_equal(bench_count(b, 21), 1);
    send(b, 1, true, false);
    assert_int_equal(bench_count(b, 21), 2);
    assert_int_equal((uint16_t)(bench_rtp(b, 21, 1)->seq - bench_rtp(b, 21, 0)->seq), 1);
    bench_destroy(b);
}

/* A joiner gets the whole keyframe of the ring, in bursts, and every packet since, once. */
static void test_join_in_bursts(void **state)
{
    (void)state;
    struct bench *b = room();
    for (uint16_t i = 0; i < 200; i++)
        send(b, i, i == 199, true);
    bench_drain(b);
    bench_wait(b, MONO_MS(20));
    bench_sub(b, 21, VIDEO, BOB, 0);
    assert_int_equal(bench_count(b, 21), SFU_START_BURST);
    send(b, 200, true, false);
    bench_wait(b, 10 * SFU_START_REST);
    send(b, 201, true, false);
    assert_int_equal(bench_count(b, 21), 202);
    for (size_t i = 1; i < 202; i++)
        assert_int_equal((uint16_t)(bench_rtp(b, 21, i)->seq - bench_rtp(b, 21, i - 1)->seq), 1);
    assert_int_equal(bench_requests(b, 1000 * VIDEO), 0);
    bench_destroy(b);
}

/* Many watch, so that the ring is old enough for a joiner; one of them leaves while he reads it. */
static void test_join_and_leave(void **state)
{
    (void)state;
    struct bench *b = room();
    for (uint32_t n = 0; n < SFU_MANY; n++)
        bench_sub(b, VIEWER + n, VIDEO, BOB, 0);
    for (uint16_t i = 0; i < 100; i++)
        send(b, i, i == 99, true);
    bench_drain(b);
    bench_clear(b);
    bench_wait(b, MONO_S(1));
    bench_sub(b, 21, VIDEO, BOB, 0);
    sfu_node_remove_sub(b->node, VIEWER);
    send(b, 100, true, false);
    bench_wait(b, MONO_MS(50));
    assert_int_equal(bench_count(b, 21), 101);
    bench_destroy(b);
}

/* The history is as long as the layer needs, grows with it, and is gone while nothing flows. */
static void test_history(void **state)
{
    (void)state;
    struct bench *b = room();
    bench_sub(b, 21, VIDEO, BOB, 0);
    const struct sfu_sub *s = idmap_get(&b->node->subs, 21);
    assert_int_equal(s->mapper.count, 0);
    send(b, 0, true, false);
    assert_int_equal(s->mapper.count, SFU_HISTORY_FIRST);
    for (uint16_t i = 1; i < 200; i++)
        send(b, i, i == 199, true);
    bench_drain(b);
    assert_int_equal(s->mapper.count, 2 * SFU_HISTORY_FIRST);
    for (uint16_t i = 200; i < 240; i++) {
        send(b, i, true, false);
        bench_wait(b, MONO_MS(300));
    }
    assert_int_equal(s->mapper.count, SFU_HISTORY_FIRST);
    const struct sfu_sub_target off = {
        .sub = 21, .layer_max = SFU_LAYER_NONE, .temporal_max = SFU_TEMPORAL_ALL};
    sfu_node_set_sub_target(b->node, &off, b->now);
    bench_wait(b, MONO_S(3));
    assert_int_equal(s->mapper.count, 0);
    bench_destroy(b);
}

/* ---- a ring alone ---- */

#define MODEL_RING  64
#define MODEL_STEPS 60000

struct model {
    struct sfu_spare spare;
    struct sfu_ring ring;
    struct pkt_pool *pool;
    bool has[MODEL_STEPS * 2]; /* by number */
    uint64_t begin, end;
};

static void model_put(struct model *m, uint64_t seq, mono_us now)
{
    bool is_kept = m->end == 0 || seq >= m->begin || m->end - seq <= MODEL_RING;
    if (m->end == 0 || seq >= m->end + MODEL_RING)
        m->begin = seq;
    is_kept = is_kept && !(seq < m->end && seq >= m->begin && m->has[seq]);
    struct pkt *pkt = pkt_take(m->pool, 100);
    assert_non_null(pkt);
    struct sfu_packet *p = sfu__ring_put(&m->ring, seq, pkt);
    pkt_unref(pkt);
    assert_int_equal(p != NULL, is_kept);
    if (p == NULL)
        return;
    p->arrived = now;
    m->has[seq] = true;
    m->end = TK_MAX(m->end, seq + 1);
    m->begin = TK_MIN(m->begin, seq);
    m->begin = TK_MAX(m->begin, m->end < MODEL_RING ? 0 : m->end - MODEL_RING);
}

/* What the ring has is what the table has, and no chunk is held for nothing. */
static void model_compare(struct model *m)
{
    size_t count = 0, chunks = 0, held = 0;
    bool is_needed[MODEL_RING / SFU_CHUNK] = {false};
    uint64_t from = m->end < 2 * MODEL_RING ? 0 : m->end - 2 * MODEL_RING;
    for (uint64_t seq = from; seq < m->end + MODEL_RING; seq++) {
        bool is_there = seq >= m->begin && seq < m->end && m->has[seq];
        const struct sfu_packet *p = sfu__ring_get(&m->ring, seq);
        assert_int_equal(p != NULL, is_there);
        assert_true(p == NULL || p->src.seq == seq);
        count += is_there;
        is_needed[seq % MODEL_RING / SFU_CHUNK] |= is_there;
    }
    for (size_t i = 0; i < MODEL_RING / SFU_CHUNK; i++) {
        chunks += is_needed[i];
        held += m->ring.chunks[i] != NULL;
    }
    assert_int_equal(pkt_pool_used(m->pool), count);
    assert_int_equal(held, chunks);
    assert_true(m->spare.count <= SFU_SPARE_MAX);
}

static void model_step(struct model *m, struct rng *rng, uint64_t *next, mono_us now)
{
    uint32_t what = rng_below(rng, 100);
    uint64_t seq = *next;
    uint64_t back = rng_below(rng, MODEL_RING + 20);
    if (what < 20) /* late, or once more */
        seq -= TK_MIN(seq - 1, back);
    else if (what < 24) /* after a gap */
        seq += rng_below(rng, 40);
    else if (what < 25) /* after a jump */
        seq += rng_below(rng, 3 * MODEL_RING);
    model_put(m, seq, now);
    *next = TK_MAX(*next, seq + 1);
}

/* Late, lost and repeated packets, gaps and jumps, in random order: the ring has what it has to. */
static void test_model(void **state)
{
    (void)state;
    static struct model m;
    struct rng rng;
    rng_init_seeded(&rng, 11);
    assert_int_equal(pkt_pool_create(2 * MODEL_RING, &m.pool), 0);
    assert_int_equal(sfu__ring_init(&m.ring, MODEL_RING, &m.spare), 0);
    uint64_t next = 1;
    for (mono_us now = 1; now < MODEL_STEPS && next + 4 * MODEL_RING < ARRAY_COUNT(m.has); now++) {
        model_step(&m, &rng, &next, now);
        model_compare(&m);
    }
    sfu__ring_fini(&m.ring);
    assert_int_equal(pkt_pool_used(m.pool), 0);
    sfu__spare_fini(&m.spare);
    pkt_pool_destroy(m.pool);
}

/* A steady stream takes no memory: the chunk that empties is the one that is filled next. */
static void test_steady(void **state)
{
    (void)state;
    struct sfu_spare spare = {0};
    struct sfu_ring ring;
    struct pkt_pool *pool;
    assert_int_equal(pkt_pool_create(256, &pool), 0);
    assert_int_equal(sfu__ring_init(&ring, 256, &spare), 0);
    for (uint64_t seq = 1; seq < 2000; seq++) {
        struct pkt *pkt = pkt_take(pool, 100);
        struct sfu_packet *p = sfu__ring_put(&ring, seq, pkt);
        assert_non_null(p);
        p->arrived = (mono_us)seq;
        pkt_unref(pkt);
        sfu__ring_trim(&ring, (mono_us)seq - 39);
        size_t held = 0;
        for (size_t i = 0; i < 256 / SFU_CHUNK; i++)
            held += ring.chunks[i] != NULL;
        assert_in_range(held + spare.count, 1, 40 / SFU_CHUNK + 2);
    }
    sfu__ring_fini(&ring);
    sfu__spare_fini(&spare);
    pkt_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst),          cmocka_unit_test(test_gap),
        cmocka_unit_test(test_held),           cmocka_unit_test(test_idle_layer),
        cmocka_unit_test(test_join_at_newest), cmocka_unit_test(test_join_in_bursts),
        cmocka_unit_test(test_join_and_leave), cmocka_unit_test(test_history),
        cmocka_unit_test(test_no_room),        cmocka_unit_test(test_model),
        cmocka_unit_test(test_steady),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
