/*
 * Goal: two associations open channels and exchange messages, whole and in order where that is
 * promised, over a line that loses, reorders and duplicates; every queue is bounded; damaged input
 * does no harm.
 * Method: both ends in one process, packets handed over by a simulated line in virtual time, from
 * seeds. usrsctp also asks the system for the time (how old is a packet?), so this program answers
 * in the system's place.
 */
#include "unit/cmocka_all.h"

#include "base/err.h"
#include "base/rng.h"
#include "dchan/dchan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define IN_FLIGHT_MAX 256
#define STEP_US       MONO_MS(DCHAN_TICK_MS)
#define MESSAGES_MAX  2000

struct flight {
    mono_us at;
    int to;
    size_t size;
    uint8_t data[DCHAN_PACKET_MAX];
};

/* What one end has been told. */
struct seen {
    unsigned ups, downs, opens, closes, messages;
    struct dchan_event open; /* the last one */
    char label[DCHAN_LABEL_SIZE];
    uint32_t numbers[MESSAGES_MAX]; /* the first four bytes of each message */
    size_t last_size;
    bool last_is_text;
    uint16_t last_stream, last_closed;
    uint32_t last_sum;
};

struct net {
    struct dchan_assoc *ends[2];
    struct seen seen[2];
    bool is_deaf[2]; /* this end does not poll its events */
    struct rng rng;
    uint32_t loss_percent;
    mono_us delay_max;
    mono_us now;
    size_t count;
    struct flight flights[IN_FLIGHT_MAX];
};

static struct net net; /* large */

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    (void)zone;
    mono_us at = MONO_S(1000) + net.now;
    *tv = (struct timeval){.tv_sec = at / 1000000, .tv_usec = at % 1000000};
    return 0;
}

static void net_init(uint64_t seed, uint32_t loss_percent)
{
    mono_us now = net.now; /* usrsctp's time goes on from test to test */
    memset(&net, 0, sizeof(net));
    net.now = now;
    net.loss_percent = loss_percent;
    net.delay_max = MONO_MS(40);
    rng_init_seeded(&net.rng, seed);
    for (int i = 0; i < 2; i++) {
        struct dchan_config config = {.is_dtls_client = i == 0, .user = &net.seen[i]};
        assert_int_equal(dchan_assoc_create(&config, &net.ends[i]), 0);
        assert_ptr_equal(dchan_assoc_user(net.ends[i]), &net.seen[i]);
    }
}

static void net_fini(void)
{
    for (int i = 0; i < 2; i++)
        dchan_assoc_destroy(net.ends[i]);
}

static uint32_t sum_of(const uint8_t *data, size_t size)
{
    uint32_t sum = 1;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + data[i];
    return sum;
}

static void note(struct seen *seen, const struct dchan_event *e)
{
    switch (e->kind) {
    case DCHAN_EVENT_UP:
        seen->ups++;
        break;
    case DCHAN_EVENT_OPEN:
        seen->opens++;
        seen->open = *e;
        memcpy(seen->label, e->label, strlen(e->label) + 1);
        break;
    case DCHAN_EVENT_MESSAGE:
        if (e->size >= 4 && seen->messages < MESSAGES_MAX)
            memcpy(&seen->numbers[seen->messages], e->data, 4);
        seen->messages++;
        seen->last_size = e->size;
        seen->last_sum = sum_of(e->data, e->size);
        seen->last_stream = e->stream;
        seen->last_is_text = e->is_text;
        break;
    case DCHAN_EVENT_CLOSED:
        seen->closes++;
        seen->last_closed = e->stream;
        break;
    case DCHAN_EVENT_DOWN:
        seen->downs++;
        break;
    }
}

static void line_put(int to, const uint8_t *data, size_t size)
{
    int copies = rng_below(&net.rng, 100) < net.loss_percent ? 0 : 1;
    copies += net.loss_percent > 0 && rng_below(&net.rng, 20) == 0;
    for (; copies > 0 && net.count < IN_FLIGHT_MAX; copies--) {
        struct flight *f = &net.flights[net.count++];
        f->to = to;
        f->size = size;
        f->at = net.now + 1 + rng_below(&net.rng, (uint32_t)net.delay_max);
        memcpy(f->data, data, size);
    }
}

static void poll_ends(void)
{
    uint8_t data[DCHAN_PACKET_MAX];
    struct dchan_event e;
    for (int i = 0; i < 2; i++) {
        while (!net.is_deaf[i] && dchan_assoc_poll_event(net.ends[i], &e) > 0)
            note(&net.seen[i], &e);
        for (int n; (n = dchan_assoc_poll_transmit(net.ends[i], data, sizeof(data))) > 0;)
            line_put(1 - i, data, (size_t)n);
    }
}

/* One tick: what has arrived is handed over, then the timers run. */
static void step(void)
{
    net.now += STEP_US;
    for (size_t i = 0; i < net.count;) {
        struct flight f = net.flights[i];
        if (f.at > net.now) {
            i++;
            continue;
        }
        net.flights[i] = net.flights[--net.count];
        IGNORE(dchan_assoc_handle_packet(net.ends[f.to], f.data, f.size)); /* over is over */
        poll_ends();
    }
    dchan_global_handle_timers(net.now);
    poll_ends();
}

static void run(mono_us duration)
{
    for (mono_us until = net.now + duration; net.now < until;)
        step();
}

static void start(void)
{
    for (int i = 0; i < 2; i++)
        assert_int_equal(dchan_assoc_start(net.ends[i]), 0);
    poll_ends();
    for (int i = 0; i < 3000 && !(dchan_assoc_is_up(net.ends[0]) && dchan_assoc_is_up(net.ends[1]));
         i++)
        step();
    assert_true(dchan_assoc_is_up(net.ends[0]) && dchan_assoc_is_up(net.ends[1]));
}

static uint16_t open_channel(int end, const char *label, bool is_ordered, int32_t max_retransmits)
{
    uint16_t stream;
    unsigned before = net.seen[1 - end].opens;
    assert_int_equal(dchan_assoc_open(net.ends[end], label, is_ordered, max_retransmits, &stream),
                     0);
    for (int i = 0; i < 1000 && net.seen[1 - end].opens == before; i++)
        step();
    assert_int_equal(net.seen[1 - end].opens, before + 1);
    run(MONO_MS(500)); /* and the acknowledgement comes back */
    return stream;
}

static void test_open_both_ways(void **state)
{
    (void)state;
    static const struct {
        int end;
        const char *label;
        bool is_ordered;
        int32_t max_retransmits;
        uint16_t stream;
    } rows[] = {
        {0, "_reliable", true, DCHAN_RETRANSMITS_FULL, 0}, {0, "_lossy", false, 0, 2},
        {1, "_reliable", true, DCHAN_RETRANSMITS_FULL, 1}, {1, "three tries", true, 3, 3},
        {0, "", false, DCHAN_RETRANSMITS_FULL, 4},
    };
    net_init(1, 0);
    start();
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct seen *mine = &net.seen[rows[i].end], *theirs = &net.seen[1 - rows[i].end];
        unsigned before = mine->opens;
        assert_int_equal(
            open_channel(rows[i].end, rows[i].label, rows[i].is_ordered, rows[i].max_retransmits),
            rows[i].stream);
        assert_int_equal(mine->opens, before + 1);
        assert_true(mine->open.is_ours && !theirs->open.is_ours);
        assert_int_equal(theirs->open.stream, rows[i].stream);
        assert_int_equal(theirs->open.is_ordered, rows[i].is_ordered);
        assert_int_equal(theirs->open.max_retransmits, rows[i].max_retransmits);
        assert_string_equal(theirs->label, rows[i].label);
    }
    assert_int_equal(net.seen[0].ups + net.seen[1].ups, 2);
    net_fini();
}

/* A server that speaks first: its other end has no SCTP before the first packet, and answers all.
 */
static void test_one_end_starts(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        uint16_t stream;
        net_init(9, 0);
        assert_int_equal(
            dchan_assoc_open(net.ends[first], "_reliable", true, DCHAN_RETRANSMITS_FULL, &stream),
            0);
        assert_int_equal(dchan_assoc_send(net.ends[first], stream, true, "hello", 5), 1);
        run(MONO_S(1));
        assert_int_equal(net.seen[1 - first].ups + net.seen[1 - first].opens, 0);
        assert_int_equal(dchan_assoc_start(net.ends[first]), 0);
        run(MONO_S(1));
        assert_int_equal(net.seen[1 - first].ups, 1);
        assert_int_equal(net.seen[1 - first].last_sum, sum_of((const uint8_t *)"hello", 5));
        assert_int_equal(dchan_assoc_send(net.ends[1 - first], stream, true, "welcome", 7), 1);
        run(MONO_S(1));
        assert_int_equal(net.seen[first].last_sum, sum_of((const uint8_t *)"welcome", 7));
        net_fini();
    }
}

static void test_open_and_send_before_the_association_is_up(void **state)
{
    (void)state;
    uint16_t stream;
    net_init(2, 0);
    assert_int_equal(dchan_assoc_open(net.ends[0], "early", false, 0, &stream), 0);
    assert_int_equal(dchan_assoc_send(net.ends[0], stream, true, "hello", 5), 1);
    start();
    run(MONO_S(1));
    assert_string_equal(net.seen[1].label, "early");
    assert_int_equal(net.seen[1].messages, 1);
    assert_true(net.seen[1].last_is_text);
    net_fini();
}

static void test_reliable_over_a_bad_line(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        net_init(seed, 15);
        start();
        uint16_t stream = open_channel(0, "_reliable", true, DCHAN_RETRANSMITS_FULL);
        for (uint32_t k = 0; k < 300; k++) {
            uint8_t data[900];
            memset(data, (int)k, sizeof(data));
            memcpy(data, &k, 4);
            assert_int_equal(dchan_assoc_send(net.ends[0], stream, false, data, 4 + 3 * (k % 290)),
                             1);
            if (k % 4 == 0)
                step();
        }
        for (int i = 0; i < 12000 && net.seen[1].messages < 300; i++)
            step();
        assert_int_equal(net.seen[1].messages, 300);
        for (uint32_t k = 0; k < 300; k++)
            assert_int_equal(net.seen[1].numbers[k], k);
        net_fini();
    }
}

/* Without retransmission some are lost, none is damaged or told twice, and later ones arrive. */
static void test_lossy_over_a_bad_line(void **state)
{
    (void)state;
    bool seen[600] = {false};
    net_init(5, 15);
    start();
    uint16_t stream = open_channel(1, "_lossy", false, 0);
    for (uint32_t k = 0; k < 600; k++) {
        assert_int_equal(dchan_assoc_send(net.ends[1], stream, false, &k, sizeof(k)), 1);
        step();
    }
    run(MONO_S(5));
    assert_in_range(net.seen[0].messages, 300, 599);
    for (unsigned i = 0; i < net.seen[0].messages; i++) {
        uint32_t k = net.seen[0].numbers[i];
        assert_in_range(k, 0, 599);
        assert_false(seen[k]);
        seen[k] = true;
    }
    uint32_t late = 0;
    for (uint32_t k = 500; k < 600; k++)
        late += seen[k];
    assert_true(late > 30);
    net_fini();
}

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,     1,     1100,  1200,   16384,
                                   65535, 65536, 70000, 200000, DCHAN_MESSAGE_MAX};
    uint8_t *data = malloc(DCHAN_MESSAGE_MAX + 1);
    net_init(9, 3);
    rng_fill(&net.rng, data, DCHAN_MESSAGE_MAX + 1);
    start();
    uint16_t stream = open_channel(0, "_reliable", true, DCHAN_RETRANSMITS_FULL);
    assert_int_equal(dchan_assoc_send(net.ends[0], stream, false, data, DCHAN_MESSAGE_MAX + 1),
                     ERR_LIMIT);
    for (size_t i = 0; i < 2 * ARRAY_COUNT(sizes); i++) {
        size_t size = sizes[i / 2];
        int end = (int)(i % 2);
        assert_int_equal(dchan_assoc_send(net.ends[end], stream, i % 4 < 2, data, size), 1);
        unsigned before = net.seen[1 - end].messages;
        for (int k = 0; k < 6000 && net.seen[1 - end].messages == before; k++)
            step();
        assert_int_equal(net.seen[1 - end].messages, before + 1);
        assert_int_equal(net.seen[1 - end].last_size, size);
        assert_int_equal(net.seen[1 - end].last_is_text, i % 4 < 2);
        assert_int_equal(net.seen[1 - end].last_sum, sum_of(data, size));
    }
    assert_int_equal(dchan_assoc_queued(net.ends[0]), 0);
    free(data);
    net_fini();
}

/* The other end does not read: we take what the limits say, and everything arrives once it does. */
static void test_slow_receiver(void **state)
{
    (void)state;
    static uint8_t data[10000];
    struct dchan_stats stats;
    unsigned accepted = 0;
    int n = 0;
    net_init(3, 0);
    start();
    uint16_t reliable = open_channel(0, "_reliable", true, DCHAN_RETRANSMITS_FULL);
    uint16_t lossy = open_channel(0, "_lossy", false, 0);
    net.is_deaf[1] = true;
    for (uint32_t k = 0; k < 1000 && n >= 0; k++) {
        memcpy(data, &k, 4);
        n = dchan_assoc_send(net.ends[0], reliable, false, data, sizeof(data));
        accepted += n == 1;
        step();
    }
    assert_int_equal(n, ERR_LIMIT);
    assert_in_range(dchan_assoc_queued(net.ends[0]), DCHAN_SEND_QUEUE_MAX - 20000,
                    DCHAN_SEND_QUEUE_MAX);
    assert_in_range(accepted * sizeof(data), DCHAN_SEND_QUEUE_MAX, 2 * DCHAN_SEND_QUEUE_MAX);
    for (int k = 0; k < 100; k++)
        assert_in_range(dchan_assoc_send(net.ends[0], lossy, false, data, 2000), 0, 1);
    dchan_assoc_stats(net.ends[0], &stats);
    assert_in_range(stats.lossy_drops, 60, 75);
    assert_in_range(dchan_assoc_queued(net.ends[0]), DCHAN_SEND_QUEUE_MAX,
                    DCHAN_SEND_QUEUE_MAX + DCHAN_LOSSY_QUEUE_MAX + 4000);
    net.is_deaf[1] = false;
    poll_ends();
    run(MONO_S(60));
    assert_int_equal(dchan_assoc_queued(net.ends[0]), 0);
    unsigned in_order = 0;
    for (unsigned i = 0; i < net.seen[1].messages; i++)
        in_order += net.seen[1].numbers[i] == in_order;
    assert_int_equal(in_order, accepted);
    net_fini();
}

static void test_close_and_open_again(void **state)
{
    (void)state;
    net_init(4, 5);
    start();
    for (int round = 0; round < 4; round++) {
        int closer = round % 2;
        uint16_t stream = open_channel(0, "again", true, DCHAN_RETRANSMITS_FULL);
        assert_int_equal(stream, 0);
        assert_int_equal(dchan_assoc_send(net.ends[closer], stream, true, "last words", 10), 1);
        assert_int_equal(dchan_assoc_close(net.ends[closer], stream), 0);
        assert_int_equal(dchan_assoc_close(net.ends[closer], stream), ERR_NOT_FOUND);
        assert_int_equal(dchan_assoc_send(net.ends[closer], stream, true, "x", 1), ERR_NOT_FOUND);
        run(MONO_S(5));
        for (int i = 0; i < 2; i++)
            assert_int_equal(net.seen[i].closes, round + 1);
    }
    assert_int_equal(net.seen[0].messages + net.seen[1].messages, 4);
    assert_true(dchan_assoc_is_up(net.ends[0]));
    net_fini();
}

static void test_streams_are_bounded(void **state)
{
    (void)state;
    uint16_t stream;
    char long_label[DCHAN_LABEL_SIZE + 1];
    net_init(6, 0);
    start();
    memset(long_label, 'l', sizeof(long_label));
    long_label[DCHAN_LABEL_SIZE] = '\0';
    assert_int_equal(dchan_assoc_open(net.ends[0], long_label, true, -1, &stream), ERR_MALFORMED);
    for (int i = 0; i < DCHAN_STREAMS_MAX / 2; i++)
        assert_int_equal(dchan_assoc_open(net.ends[0], "many", true, -1, &stream), 0);
    assert_int_equal(dchan_assoc_open(net.ends[0], "many", true, -1, &stream), ERR_LIMIT);
    run(MONO_S(5));
    assert_int_equal(net.seen[1].opens, DCHAN_STREAMS_MAX / 2);
    assert_int_equal(dchan_assoc_send(net.ends[0], 999, true, "x", 1), ERR_NOT_FOUND);
    net_fini();
}

/* The other end is gone for good: told once, then nothing works any more. */
static void test_line_cut(void **state)
{
    (void)state;
    uint16_t stream;
    net_init(7, 0);
    start();
    stream = open_channel(0, "_reliable", true, DCHAN_RETRANSMITS_FULL);
    net.loss_percent = 100;
    assert_int_equal(dchan_assoc_send(net.ends[0], stream, true, "x", 1), 1);
    run(MONO_S(30));
    assert_int_equal(net.seen[0].downs, 0); /* half a minute is nothing */
    run(MONO_S(120));
    assert_int_equal(net.seen[0].downs, 1);
    assert_false(dchan_assoc_is_up(net.ends[0]));
    assert_int_equal(dchan_assoc_send(net.ends[0], stream, true, "x", 1), ERR_STATE);
    assert_int_equal(dchan_assoc_handle_packet(net.ends[0], (const uint8_t *)"0123456789ab", 12),
                     ERR_STATE);
    net_fini();
}

/* A line that is cut for 40 s and comes back: nothing is lost. */
static void test_line_comes_back(void **state)
{
    (void)state;
    net_init(8, 0);
    start();
    uint16_t stream = open_channel(0, "_reliable", true, DCHAN_RETRANSMITS_FULL);
    net.loss_percent = 100;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(dchan_assoc_send(net.ends[0], stream, true, "tick", 4), 1);
        run(MONO_S(1));
    }
    net.loss_percent = 0;
    run(MONO_S(8));
    assert_int_equal(net.seen[1].messages, 40);
    net_fini();
}

/* Damaged and invented packets between honest ones. SCTP's checksum and tag sort them out. */
static void test_damaged_packets(void **state)
{
    (void)state;
    net_init(10, 0);
    start();
    uint16_t stream = open_channel(0, "_reliable", true, DCHAN_RETRANSMITS_FULL);
    for (uint32_t k = 0; k < 300; k++) {
        assert_int_equal(dchan_assoc_send(net.ends[0], stream, true, &k, sizeof(k)), 1);
        poll_ends();
        for (int i = 0; i < 4; i++) {
            uint8_t data[200];
            size_t size = rng_below(&net.rng, sizeof(data));
            rng_fill(&net.rng, data, sizeof(data));
            if (net.count > 0) {
                const struct flight *f = &net.flights[rng_below(&net.rng, (uint32_t)net.count)];
                size = TK_MIN(f->size, sizeof(data));
                memcpy(data, f->data, size);
                data[rng_below(&net.rng, (uint32_t)size)] ^= 0x10;
            }
            IGNORE(dchan_assoc_handle_packet(net.ends[i % 2], data, size)); /* only no harm */
        }
        step();
    }
    run(MONO_S(5));
    assert_int_equal(net.seen[1].messages, 300);
    for (uint32_t k = 0; k < 300; k++)
        assert_int_equal(net.seen[1].numbers[k], k);
    net_fini();
}

/* Nobody polls the packets: they are bounded, and the association gets over it. */
static void test_packets_are_bounded_and_ready_is_told(void **state)
{
    (void)state;
    static uint8_t data[100000];
    uint8_t packet[DCHAN_PACKET_MAX];
    net_init(11, 0);
    start();
    while (dchan_global_take_ready() != NULL)
        continue;
    uint16_t stream = open_channel(0, "_reliable", true, DCHAN_RETRANSMITS_FULL);
    while (dchan_global_take_ready() != NULL)
        continue;
    assert_int_equal(dchan_assoc_send(net.ends[0], stream, false, data, sizeof(data)), 1);
    assert_ptr_equal(dchan_global_take_ready(), net.ends[0]);
    assert_null(dchan_global_take_ready());
    for (int i = 0; i < 2000; i++)
        dchan_global_handle_timers(net.now += STEP_US);
    int count = 0;
    while (dchan_assoc_poll_transmit(net.ends[0], packet, sizeof(packet)) > 0)
        count++;
    assert_in_range(count, 1, DCHAN_PACKETS_MAX);
    run(MONO_S(30));
    assert_int_equal(net.seen[1].last_size, sizeof(data));
    net_fini();
}

static int init_once(void **state)
{
    (void)state;
    int err = dchan_global_init();
    return err == 0 && dchan_global_init() == ERR_STATE ? 0 : -1;
}

static int fini_once(void **state)
{
    (void)state;
    dchan_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_both_ways),
        cmocka_unit_test(test_one_end_starts),
        cmocka_unit_test(test_open_and_send_before_the_association_is_up),
        cmocka_unit_test(test_reliable_over_a_bad_line),
        cmocka_unit_test(test_lossy_over_a_bad_line),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_slow_receiver),
        cmocka_unit_test(test_close_and_open_again),
        cmocka_unit_test(test_streams_are_bounded),
        cmocka_unit_test(test_line_cut),
        cmocka_unit_test(test_line_comes_back),
        cmocka_unit_test(test_damaged_packets),
        cmocka_unit_test(test_packets_are_bounded_and_ready_is_told),
    };
    return cmocka_run_group_tests(tests, init_once, fini_once);
}
