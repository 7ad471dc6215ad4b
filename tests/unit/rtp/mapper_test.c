/*
 * Goal: whatever happens in the source (loss, reordering, duplicates, layer switches, frames left
 * out), the outgoing numbers are continuous, unique, and can be traced back to their source.
 * Method: tables for the single rules; then seeded runs with three layers of VP8 in temporal
 * layers over a bad network, whose outputs are checked against the invariants in rtp/mapper.h.
 */
#include "base/rng.h"
#include "rtp/mapper.h"
#include "rtp/sr.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

#define HISTORY 1024
#define CLOCK   90000

static struct rtp_mapper_entry entries[HISTORY];

static void init(struct rtp_mapper *m, uint16_t first_seq)
{
    const struct rtp_mapper_config config = {.entries = entries,
                                             .count = HISTORY,
                                             .clock_hz = CLOCK,
                                             .first_seq = first_seq,
                                             .first_ts = 1000,
                                             .first_picture_id = 50,
                                             .first_tl0 = 200};
    rtp_mapper_init(m, &config);
}

static struct rtp_mapper_in packet(uint8_t layer, uint64_t seq, uint32_t ts)
{
    return (struct rtp_mapper_in){.layer = layer, .seq = seq, .ts = ts};
}

enum op { FORWARD, DROP, SWITCH };

struct step {
    enum op op;
    uint8_t layer;
    uint32_t seq, ts;
    int out_seq; /* -1: not sent */
    uint32_t out_ts;
};

static void run_steps(const struct step *steps, size_t count)
{
    struct rtp_mapper m;
    init(&m, 65534);
    for (size_t i = 0; i < count; i++) {
        struct rtp_mapper_in in = packet(steps[i].layer, steps[i].seq, steps[i].ts);
        struct rtp_mapper_out out = {0};
        mono_us now = MONO_S(1) + MONO_MS(10) * (mono_us)i;
        if (steps[i].op == DROP) {
            rtp_mapper_drop(&m, &in);
            continue;
        }
        if (steps[i].op == SWITCH)
            rtp_mapper_switch(&m, &in, NULL, now);
        int sent = rtp_mapper_forward(&m, &in, now, &out);
        if (sent != (steps[i].out_seq >= 0) || (sent && out.seq != steps[i].out_seq) ||
            (sent && out.ts != steps[i].out_ts))
            fail_msg("step %zu: sent %d seq %u ts %u", i, sent, out.seq, out.ts);
    }
}

static void test_rules(void **state)
{
    (void)state;
    static const struct step order[] = {
        {FORWARD, 0, 99, 0, -1, 0},          /* nothing before the first switch */
        {SWITCH, 0, 100, 5000, 65534, 1000}, /* start values */
        {FORWARD, 0, 99, 4000, -1, 0},       /* before the switch */
        {FORWARD, 0, 101, 8000, 65535, 4000},
        {FORWARD, 0, 104, 11000, 2, 7000}, /* 102 and 103 keep their places */
        {FORWARD, 0, 102, 8000, 0, 4000},  /* late */
        {FORWARD, 0, 102, 8000, -1, 0},    /* duplicate */
        {FORWARD, 1, 105, 11000, -1, 0},   /* another layer */
        {FORWARD, 0, 103, 11000, 1, 7000},
        {FORWARD, 0, 105, 11000, 3, 7000},
    };
    static const struct step drops[] = {
        {SWITCH, 0, 100, 0, 65534, 1000},
        {DROP, 0, 101, 0, 0, 0},
        {FORWARD, 0, 102, 3000, 65535, 4000}, /* closed up */
        {FORWARD, 0, 101, 0, -1, 0},          /* was left out */
        {FORWARD, 0, 104, 6000, 1, 7000},     /* 103 reserved as 0 */
        {DROP, 0, 103, 0, 0, 0},              /* comes late and is left out: a hole */
        {FORWARD, 0, 103, 3000, -1, 0},
        {DROP, 0, 105, 0, 0, 0},
        {FORWARD, 0, 106, 9000, 2, 10000},
        {DROP, 1, 107, 0, 0, 0}, /* not the current source */
        {FORWARD, 0, 107, 9000, 3, 10000},
    };
    static const struct step gap[] = {
        {SWITCH, 0, 100, 0, 65534, 1000},
        {FORWARD, 0, 1000, 3000, 0, 4000}, /* too long: one place, 65535, shows the gap */
        {FORWARD, 0, 999, 3000, -1, 0},
        {FORWARD, 0, 1257, 6000, 257, 7000}, /* 256 places in between */
        {FORWARD, 0, 1001, 3000, 1, 4000},
    };
    run_steps(order, ARRAY_COUNT(order));
    run_steps(drops, ARRAY_COUNT(drops));
    run_steps(gap, ARRAY_COUNT(gap));
}

static void test_find(void **state)
{
    (void)state;
    struct rtp_mapper m;
    struct rtp_mapper_out out;
    init(&m, 10);
    assert_null(rtp_mapper_find(&m, 9));
    assert_null(rtp_mapper_find(&m, 10));
    struct rtp_mapper_in in = packet(2, 500, 0);
    rtp_mapper_switch(&m, &in, NULL, 0);
    assert_int_equal(rtp_mapper_forward(&m, &in, 0, &out), 1);
    in = packet(2, 502, 3000);
    assert_int_equal(rtp_mapper_forward(&m, &in, 0, &out), 1);
    assert_int_equal(rtp_mapper_find(&m, 10)->state, RTP_MAPPER_SENT);
    assert_int_equal(rtp_mapper_find(&m, 10)->src_seq, 500);
    assert_int_equal(rtp_mapper_find(&m, 10)->layer, 2);
    assert_int_equal(rtp_mapper_find(&m, 11)->state, RTP_MAPPER_RESERVED);
    assert_int_equal(rtp_mapper_find(&m, 11)->src_seq, 501);
    assert_int_equal(rtp_mapper_find(&m, 12)->out_ts, 4000);
    assert_null(rtp_mapper_find(&m, 13));
    for (uint64_t seq = 503; seq < 503 + HISTORY - 3; seq++) {
        in = packet(2, seq, 6000);
        assert_int_equal(rtp_mapper_forward(&m, &in, 0, &out), 1);
    }
    assert_non_null(rtp_mapper_find(&m, 10)); /* the oldest of exactly HISTORY */
    in = packet(2, 503 + HISTORY - 3, 6000);
    assert_int_equal(rtp_mapper_forward(&m, &in, 0, &out), 1);
    assert_null(rtp_mapper_find(&m, 10));
    assert_non_null(rtp_mapper_find(&m, 11));
}

/* How far the outgoing timestamp moves at a switch 100 ms after the last packet. */
static void test_switch_timestamps(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t delta; /* aligned position of the new source's packet after the last one */
        bool has_delta;
        uint32_t moved;
    } cases[] = {
        {"no report: the time passed", 0, false, 9000},
        {"aligned by reports", 6000, true, 6000},
        {"aligned to a little later", 12000, true, 12000},
        {"the same frame: one tick on", 0, true, 1},
        {"a little in the past: one tick on", -3000, true, 1},
        {"nonsense from the reports, far ahead", 9000000, true, 9000},
        {"nonsense from the reports, far behind", -9000000, true, 9000},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rtp_mapper m;
        struct rtp_mapper_out out;
        init(&m, 0);
        struct rtp_mapper_in in = packet(0, 100, 70000);
        rtp_mapper_switch(&m, &in, NULL, MONO_S(1));
        assert_int_equal(rtp_mapper_forward(&m, &in, MONO_S(1), &out), 1);
        in = packet(1, 900, 0xfffffff0);
        uint32_t delta = (uint32_t)(70000 + cases[i].delta) - in.ts;
        rtp_mapper_switch(&m, &in, cases[i].has_delta ? &delta : NULL, MONO_S(1) + MONO_MS(100));
        assert_int_equal(rtp_mapper_forward(&m, &in, MONO_S(1) + MONO_MS(100), &out), 1);
        if (out.ts != 1000 + cases[i].moved)
            fail_msg("%s: moved by %u", cases[i].name, out.ts - 1000);
        assert_int_equal(in.ts + m.ts_offset, out.ts);
    }
}

static struct rtp_mapper_in picture(uint8_t layer, uint64_t seq, uint16_t id, uint8_t tl0)
{
    struct rtp_mapper_in in = packet(layer, seq, 0);
    in.has_picture = true;
    in.picture_id = id;
    in.has_tl0 = true;
    in.tl0 = tl0;
    return in;
}

/* A 15-bit source that wraps, with every second frame left out, then another layer. */
static void test_pictures_close_up(void **state)
{
    (void)state;
    struct rtp_mapper m;
    struct rtp_mapper_out out;
    init(&m, 0);
    uint16_t id = 32700;
    uint16_t expected = 51;
    uint8_t tl0 = 250, expected_tl0 = 201;
    for (uint64_t seq = 100; seq < 500; seq++, id = (id + 1) & 0x7fff) {
        struct rtp_mapper_in in = picture(0, seq, id, tl0);
        if (seq == 100)
            rtp_mapper_switch(&m, &in, NULL, 0);
        if (seq % 2 == 1) {
            rtp_mapper_drop(&m, &in);
            continue;
        }
        assert_int_equal(rtp_mapper_forward(&m, &in, 0, &out), 1);
        assert_int_equal(out.picture_id, expected++);
        assert_int_equal(out.tl0, expected_tl0++);
        tl0++;
    }
    struct rtp_mapper_in in = picture(1, 7000, 3, 9);
    rtp_mapper_switch(&m, &in, NULL, 0);
    assert_int_equal(rtp_mapper_forward(&m, &in, 0, &out), 1);
    assert_int_equal(out.picture_id, expected);
    assert_int_equal(out.tl0, expected_tl0);
}

/* ---- seeded runs ---- */

#define LAYERS        3
#define FRAMES        600
#define OUTPUTS_MAX   20000
#define IN_FLIGHT_MAX 64

struct src_packet {
    struct rtp_mapper_in in;
    uint8_t temporal_id;
    bool is_keyframe_start;
    mono_us at;
};

struct output {
    struct rtp_mapper_out out;
    uint64_t src_seq;
    uint32_t frame; /* of the source, counted without wrap */
    uint8_t layer;
    uint32_t stretch;
};

struct world {
    struct rng rng;
    struct rtp_mapper m;
    uint64_t next_seq[LAYERS];
    uint16_t first_picture[LAYERS];
    uint32_t first_ts[LAYERS];
    uint8_t tl0[LAYERS];
    int wanted_layer;
    int temporal_max;
    uint32_t stretch;
    struct src_packet in_flight[IN_FLIGHT_MAX];
    size_t in_flight_count;
    uint32_t loss_permille, late_permille, copy_permille;
    size_t output_count;
    struct output outputs[OUTPUTS_MAX];
};

static struct world world;

static void arrive(struct world *w, const struct src_packet *p)
{
    if (w->wanted_layer == p->in.layer && w->m.layer != w->wanted_layer && p->is_keyframe_start) {
        rtp_mapper_switch(&w->m, &p->in, NULL, p->at);
        w->stretch++;
    }
    if (p->temporal_id > w->temporal_max) {
        rtp_mapper_drop(&w->m, &p->in);
        return;
    }
    struct output o = {.src_seq = p->in.seq, .layer = p->in.layer, .stretch = w->stretch};
    if (rtp_mapper_forward(&w->m, &p->in, p->at, &o.out) == 0)
        return;
    o.frame = (uint32_t)(p->at / 33333);
    assert_true(w->output_count < OUTPUTS_MAX);
    w->outputs[w->output_count++] = o;
}

/* The network: lost, sent twice, or held back behind up to IN_FLIGHT_MAX others. */
static void send(struct world *w, const struct src_packet *p)
{
    if (rng_below(&w->rng, 1000) < w->loss_permille)
        return;
    if (rng_below(&w->rng, 1000) < w->late_permille && w->in_flight_count < IN_FLIGHT_MAX)
        w->in_flight[w->in_flight_count++] = *p;
    else
        arrive(w, p);
    if (rng_below(&w->rng, 1000) < w->copy_permille)
        arrive(w, p);
    if (w->in_flight_count > 0 && rng_below(&w->rng, 8) == 0) {
        size_t i = rng_below(&w->rng, (uint32_t)w->in_flight_count);
        struct src_packet held = w->in_flight[i];
        w->in_flight[i] = w->in_flight[--w->in_flight_count];
        arrive(w, &held);
    }
}

/* Temporal pattern 0 2 1 2; a keyframe every 40 frames. */
static void send_frame(struct world *w, uint8_t layer, uint32_t frame)
{
    static const uint8_t pattern[4] = {0, 2, 1, 2};
    bool is_keyframe = frame % 40 == 0;
    uint8_t tid = pattern[frame % 4];
    if (tid == 0)
        w->tl0[layer]++;
    uint32_t packets = 1 + rng_below(&w->rng, is_keyframe ? 8 : 3);
    for (uint32_t i = 0; i < packets; i++) {
        struct src_packet p = {.temporal_id = tid,
                               .is_keyframe_start = is_keyframe && i == 0,
                               .at = (mono_us)frame * 33334};
        p.in = picture(layer, w->next_seq[layer]++,
                       (uint16_t)((w->first_picture[layer] + frame) & 0x7fff), w->tl0[layer]);
        p.in.ts = w->first_ts[layer] + frame * 3000;
        send(w, &p);
    }
}

static void world_init(struct world *w, uint64_t seed, bool is_clean)
{
    memset(w, 0, sizeof(*w));
    rng_init_seeded(&w->rng, seed);
    init(&w->m, (uint16_t)rng_u32(&w->rng));
    w->loss_permille = is_clean ? 0 : rng_below(&w->rng, 150);
    w->late_permille = is_clean ? 0 : rng_below(&w->rng, 100);
    w->copy_permille = is_clean ? 0 : rng_below(&w->rng, 50);
    w->temporal_max = 2;
    for (int i = 0; i < LAYERS; i++) {
        w->next_seq[i] = 65536 + rng_below(&w->rng, 65536);
        w->first_picture[i] = rng_u32(&w->rng) & 0x7fff;
        w->first_ts[i] = rng_u32(&w->rng);
        w->tl0[i] = (uint8_t)rng_u32(&w->rng);
    }
}

static void run_world(struct world *w, uint64_t seed, bool is_clean)
{
    world_init(w, seed, is_clean);
    for (uint32_t frame = 0; frame < FRAMES; frame++) {
        if (rng_below(&w->rng, 50) == 0)
            w->wanted_layer = (int)rng_below(&w->rng, LAYERS);
        if (frame % 4 == 0 && rng_below(&w->rng, 10) == 0)
            w->temporal_max = (int)rng_below(&w->rng, 3);
        for (uint8_t layer = 0; layer < LAYERS; layer++)
            send_frame(w, layer, frame);
    }
}

/* Sorts by outgoing number: all lie within one half of the circle per neighbourhood, so an
 * insertion sort over nearly sorted outputs does. */
static void sort_outputs(struct world *w)
{
    for (size_t i = 1; i < w->output_count; i++) {
        struct output o = w->outputs[i];
        size_t j = i;
        for (; j > 0 && (int16_t)(w->outputs[j - 1].out.seq - o.out.seq) > 0; j--)
            w->outputs[j] = w->outputs[j - 1];
        w->outputs[j] = o;
    }
}

static void check_neighbours(struct world *w, size_t i, uint64_t seed, bool is_clean)
{
    const struct output *a = &w->outputs[i - 1], *b = &w->outputs[i];
    uint16_t step = (uint16_t)(b->out.seq - a->out.seq);
    if (step == 0)
        fail_msg("seed %llu: number %u twice", (unsigned long long)seed, b->out.seq);
    if ((int32_t)(b->out.ts - a->out.ts) < 0)
        fail_msg("seed %llu: timestamp goes back at %u", (unsigned long long)seed, b->out.seq);
    if (a->stretch == b->stretch && (a->layer != b->layer || a->src_seq >= b->src_seq))
        fail_msg("seed %llu: source order broken at %u", (unsigned long long)seed, b->out.seq);
    if (is_clean && step != 1)
        fail_msg("seed %llu: a gap of %u without loss", (unsigned long long)seed, step);
    uint16_t pictures = (b->out.picture_id - a->out.picture_id) & 0x7fff;
    if (pictures > 0x4000 || (is_clean && pictures > 1))
        fail_msg("seed %llu: picture id moves by %u at %u", (unsigned long long)seed, pictures,
                 b->out.seq);
    bool is_same_frame = a->stretch == b->stretch && a->frame == b->frame;
    if (is_same_frame != (pictures == 0))
        fail_msg("seed %llu: picture id and frame disagree at %u", (unsigned long long)seed,
                 b->out.seq);
}

/* Every number of the recent history traces back to what was sent under it. */
static void check_history(struct world *w)
{
    size_t begin = w->output_count > HISTORY / 4 ? w->output_count - HISTORY / 4 : 0;
    for (size_t i = begin; i < w->output_count; i++) {
        const struct output *o = &w->outputs[i];
        struct rtp_mapper_entry *e = rtp_mapper_find(&w->m, o->out.seq);
        if (e == NULL)
            continue; /* pushed out by reserved places */
        assert_int_equal(e->state, RTP_MAPPER_SENT);
        assert_int_equal(e->layer, o->layer);
        assert_int_equal(rtp_mapper_source(e, w->m.src_newest), o->src_seq);
        assert_int_equal(e->out_ts, o->out.ts);
        assert_int_equal(e->out_picture_id, o->out.picture_id);
        assert_int_equal(e->out_tl0, o->out.tl0);
    }
}

static void test_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        bool is_clean = seed % 4 == 0;
        run_world(&world, seed, is_clean);
        if (world.output_count < FRAMES / 8)
            fail_msg("seed %llu: only %zu sent", (unsigned long long)seed, world.output_count);
        sort_outputs(&world);
        for (size_t i = 1; i < world.output_count; i++)
            check_neighbours(&world, i, seed, is_clean);
        check_history(&world);
    }
}

static void send_numbers(struct rtp_mapper *m, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq < to; seq++) {
        struct rtp_mapper_in in = packet(0, seq, (uint32_t)seq);
        struct rtp_mapper_out out;
        assert_int_equal(rtp_mapper_forward(m, &in, MONO_S(1), &out), 1);
        assert_int_equal(out.seq, (uint16_t)(65534 + seq - 100));
    }
}

/* Source numbers [from, to) are remembered, those around them are not. */
static void check_kept(struct rtp_mapper *m, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from - 1; seq <= to; seq++) {
        struct rtp_mapper_entry *e = rtp_mapper_find(m, (uint16_t)(65534 + seq - 100));
        assert_int_equal(e != NULL, seq >= from && seq < to);
        if (e != NULL)
            assert_int_equal(rtp_mapper_source(e, m->src_newest), seq);
    }
}

/* The history moves to larger and smaller memory and none; late packets find their place in it. */
static void test_move(void **state)
{
    (void)state;
    static struct rtp_mapper_entry small[16], large[64];
    struct rtp_mapper m;
    struct rtp_mapper_config config = {.clock_hz = CLOCK, .first_seq = 65534};
    rtp_mapper_init(&m, &config);
    assert_null(rtp_mapper_move(&m, small, 16));
    struct rtp_mapper_in first = packet(0, 100, 100);
    rtp_mapper_switch(&m, &first, NULL, MONO_S(1));
    send_numbers(&m, 100, 123);
    check_kept(&m, 107, 123);
    assert_ptr_equal(rtp_mapper_move(&m, large, 64), small);
    check_kept(&m, 107, 123);
    send_numbers(&m, 123, 160);
    check_kept(&m, 107, 160);
    struct rtp_mapper_in next = packet(0, 162, 162), late = packet(0, 160, 160);
    struct rtp_mapper_out out;
    assert_int_equal(rtp_mapper_forward(&m, &next, MONO_S(1), &out), 1);
    assert_ptr_equal(rtp_mapper_move(&m, small, 16), large);
    check_kept(&m, 147, 163);
    assert_int_equal(rtp_mapper_forward(&m, &late, MONO_S(1), &out), 1);
    assert_int_equal(out.seq, (uint16_t)(65534 + 60));
    assert_int_equal(rtp_mapper_forward(&m, &late, MONO_S(1), &out), 0);
    assert_ptr_equal(rtp_mapper_move(&m, NULL, 0), small);
    check_kept(&m, 163, 163);
    assert_null(rtp_mapper_move(&m, small, 16));
    send_numbers(&m, 163, 170);
    check_kept(&m, 163, 170);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_switch_timestamps),
        cmocka_unit_test(test_pictures_close_up),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
