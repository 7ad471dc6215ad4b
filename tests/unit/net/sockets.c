/*
 * Goal: UDP batches deliver every datagram unchanged whatever the run lengths (GSO out, GRO in),
 * and framed TCP carries whole frames over any split of the stream. Method: two sockets on
 * loopback; seeded random sizes and destinations.
 */
#include "unit/cmocka_all.h"
#include "unit/net/numbered.h"

#include "base/err.h"
#include "base/rng.h"
#include "net/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_udp_runs(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 5);
    struct addr any = {0};
    struct udp_socket *out, *in;
    assert_int_equal(udp_open(&any, 0, &out), 0);
    assert_int_equal(udp_open(&any, 0, &in), 0);
    struct addr to = loopback("127.0.0.1", udp_port(in), ADDR_PROTO_UDP);
    uint32_t sent = 0, expected = 0;
    for (int round = 0; round < 50; round++) {
        size_t run = 1 + rng_below(&rng, 40);
        size_t size = 40 + rng_below(&rng, 1200);
        for (size_t i = 0; i < run; i++)
            send_numbered(out, &to, sent++, size);
        send_numbered(out, &to, sent++, 4 + rng_below(&rng, 1400)); /* shorter, equal or longer */
        udp_flush(out);
        drain(in, &expected);
    }
    assert_int_equal(expected, sent);
    struct udp_stats stats;
    udp_stats(out, &stats);
    assert_int_equal(stats.send_drops, 0);
    assert_true(stats.messages_out < stats.datagrams_out); /* runs were joined */
    udp_close(out);
    udp_close(in);
}

static void test_udp_two_destinations_stay_apart(void **state)
{
    (void)state;
    struct addr any = {0};
    struct udp_socket *out, *in[2];
    assert_int_equal(udp_open(&any, 0, &out), 0);
    uint32_t sent[2] = {0, 0}, expected[2] = {0, 0};
    struct addr to[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(udp_open(&any, 0, &in[i]), 0);
        to[i] = loopback("127.0.0.1", udp_port(in[i]), ADDR_PROTO_UDP);
    }
    for (int n = 0; n < 600; n++) /* more than one batch of messages */
        send_numbered(out, &to[n % 2], sent[n % 2]++, 200);
    udp_flush(out);
    for (int i = 0; i < 2; i++) {
        drain(in[i], &expected[i]);
        assert_int_equal(expected[i], 300);
        udp_close(in[i]);
    }
    udp_close(out);
}

static size_t write_numbered(uint8_t *dst, uint32_t number, size_t size)
{
    put_u32be(dst, number);
    for (size_t i = 4; i < size; i++)
        dst[i] = (uint8_t)(size + i);
    return size;
}

/*
 * A batch written in place: equal sizes are one message, a shorter one closes it, what is not
 * appended is not sent and parts the run around it, and paths stay apart.
 */
static void test_udp_appended_runs(void **state)
{
    (void)state;
    static const struct {
        int sizes[8]; /* 0 ends them; a negative one is written but not appended */
        uint8_t paths[8];
        size_t messages;
    } cases[] = {
        {{500, 500, 500, 120}, {0}, 1},       /* a shorter last one closes the run */
        {{500, 500, 120, 500}, {0}, 2},       /* and nothing goes behind it */
        {{500, 900}, {0}, 2},                 /* a longer one begins another */
        {{500, 500, -500, 500, 500}, {0}, 2}, /* the encryption of one failed */
        {{-500, -500}, {0}, 0},               /* of all */
        {{500, 500, 500}, {0, 1, 0}, 3},
    };
    struct addr any = {0};
    struct udp_socket *out, *in;
    struct udp_path paths[2];
    struct udp_stats before, after;
    assert_int_equal(udp_open(&any, 0, &out), 0);
    assert_int_equal(udp_open(&any, 0, &in), 0);
    struct addr to = loopback("127.0.0.1", udp_port(in), ADDR_PROTO_UDP);
    struct addr from = loopback("127.0.0.1", 0, ADDR_PROTO_UDP);
    udp_path_init(&any, &to, &paths[0]);
    udp_path_init(&from, &to, &paths[1]);
    uint32_t sent = 0, expected = 0;
    for (size_t c = 0; c < ARRAY_COUNT(cases); c++) {
        udp_stats(out, &before);
        uint8_t *dst = udp_room(out, 8 * UDP_DATAGRAM_MAX);
        for (size_t i = 0; cases[c].sizes[i] != 0; i++) {
            size_t size = write_numbered(dst, sent, (size_t)abs(cases[c].sizes[i]));
            if (cases[c].sizes[i] > 0) {
                udp_append(out, &paths[cases[c].paths[i]], dst, size);
                sent++;
            }
            dst += size;
        }
        udp_flush(out);
        drain(in, &expected);
        udp_stats(out, &after);
        assert_int_equal(expected, sent);
        assert_int_equal(after.messages_out - before.messages_out, cases[c].messages);
    }
    udp_close(out);
    udp_close(in);
}

/* More than a batch holds, in both measures: everything arrives, in order. */
static void test_udp_appends_more_than_a_batch(void **state)
{
    (void)state;
    struct addr any = {0};
    struct udp_socket *out, *in;
    struct udp_path paths[2];
    assert_int_equal(udp_open(&any, 0, &out), 0);
    assert_int_equal(udp_open(&any, 0, &in), 0);
    struct addr to = loopback("127.0.0.1", udp_port(in), ADDR_PROTO_UDP);
    for (int i = 0; i < 2; i++)
        udp_path_init(&any, &to, &paths[i]);
    uint32_t sent = 0, expected = 0;
    for (int round = 0; round < 40; round++) {
        size_t size = round % 2 == 0 ? 60 : 1300;
        uint8_t *dst = udp_room(out, 64 * size);
        for (int i = 0; i < 64; i++) { /* small ones: each a message of its own */
            write_numbered(dst, sent++, size);
            udp_append(out, &paths[round % 2 == 0 ? i % 2 : 0], dst, size);
            dst += size;
        }
        if (round % 4 == 3) {
            udp_flush(out);
            drain(in, &expected);
        }
    }
    assert_int_equal(expected, sent);
    udp_close(out);
    udp_close(in);
}

/* One batch for receivers of both families, in turns: each gets its own, in order, and the answers
 * of both come in through the one socket, which says where each came from. */
static void test_udp_serves_both_families(void **state)
{
    (void)state;
    enum { ROUNDS = 40 };
    static const char *const ips[2] = {"127.0.0.1", "::1"};
    struct addr any = {0}, to[2], back[2];
    struct udp_socket *both, *ends[2];
    struct udp_stats stats;
    uint32_t expected[2] = {0}, answered[2] = {0};
    if (!has_v6())
        skip();
    assert_int_equal(udp_open(&any, 0, &both), 0);
    for (int i = 0; i < 2; i++) {
        open_on(ips[i], &ends[i]);
        to[i] = loopback(ips[i], udp_port(ends[i]), ADDR_PROTO_UDP);
        back[i] = loopback(ips[i], udp_port(both), ADDR_PROTO_UDP);
    }
    for (uint32_t n = 0; n < ROUNDS; n++)
        for (int i = 0; i < 2; i++)
            send_numbered(both, &to[i], n, 300);
    udp_flush(both);
    udp_stats(both, &stats);
    assert_int_equal(stats.send_calls, 2);
    for (int i = 0; i < 2; i++) {
        drain(ends[i], &expected[i]);
        assert_int_equal(expected[i], ROUNDS);
        for (uint32_t n = 0; n < 5; n++)
            send_numbered(ends[i], &back[i], n, 300);
        udp_flush(ends[i]);
    }
    while (answered[0] + answered[1] < 10) {
        assert_true(is_readable(udp_fd(both), 1000));
        assert_true(udp_receive(both) > 0);
        for (struct udp_datagram d; udp_next(both, &d);) {
            int i = d.from.family == ADDR_FAMILY_V6;
            assert_true(addr_equal(&d.from, &to[i]));
            assert_true(addr_equal(&d.to, &back[i]));
            assert_int_equal(get_u32be(d.data), answered[i]++);
        }
    }
    udp_close(both);
    udp_close(ends[0]);
    udp_close(ends[1]);
}

/* A flood in one family does not shut out the other. */
static void test_udp_families_take_turns(void **state)
{
    (void)state;
    enum { FLOOD = 4 * UDP_IN_MESSAGES_MAX };
    static const char *const ips[2] = {"127.0.0.1", "::1"};
    if (!has_v6())
        skip();
    for (int flooded = 0; flooded < 2; flooded++) {
        struct addr any = {0};
        struct udp_socket *both, *ends[2];
        assert_int_equal(udp_open(&any, 0, &both), 0);
        for (int i = 0; i < 2; i++) {
            open_on(ips[i], &ends[i]);
            struct addr to = loopback(ips[i], udp_port(both), ADDR_PROTO_UDP);
            for (int n = 0; n < (i == flooded ? FLOOD : 1); n++) {
                send_numbered(ends[i], &to, 0, 100 + 2 * (size_t)(n % 2)); /* nothing to join */
                udp_flush(ends[i]);
            }
        }
        bool is_heard = false;
        for (int batch = 0; batch < 2; batch++) {
            assert_true(udp_receive(both) > 0);
            for (struct udp_datagram d; udp_next(both, &d);)
                is_heard = is_heard || (d.from.family == ADDR_FAMILY_V6) != flooded;
        }
        assert_true(is_heard);
        udp_close(both);
        udp_close(ends[0]);
        udp_close(ends[1]);
    }
}

/* A client that vanishes is noticed before its peer is given up, a minute later. */
static void expect_watched(int fd)
{
    int on = 0, idle = 0;
    unsigned unacked = 0;
    socklen_t size = sizeof(int);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, &size), 0);
    assert_true(on != 0);
    assert_in_range(idle, 1, 30);
    assert_in_range(unacked, 1000, 60000);
}

static void test_tcp_frames_survive_any_split(void **state)
{
    (void)state;
    struct addr any = {0};
    uint16_t port;
    int listener = tcp_listen(&any, 0, &port);
    assert_true(listener >= 0);
    struct addr to = loopback("127.0.0.1", port, ADDR_PROTO_TCP);
    int client = tcp_connect(&to);
    assert_true(client >= 0);
    usleep(20000);
    int server = tcp_accept(listener);
    assert_true(server >= 0);
    struct tcp_conn *conn;
    assert_int_equal(tcp_conn_create(server, 1, &conn), 0);
    expect_watched(server);

    uint8_t stream[3000], frame_count = 0;
    size_t size = 0;
    for (uint8_t n = 1; n <= 20; n++) { /* frame n: n * 7 bytes of value n */
        put_u16be(stream + size, (uint16_t)(n * 7));
        memset(stream + size + 2, n, n * 7u);
        size += 2 + n * 7u;
    }
    for (size_t at = 0; at < size;) {
        size_t part = TK_MIN((size_t)13, size - at);
        assert_int_equal(send(client, stream + at, part, 0), part);
        at += part;
        usleep(500);
        assert_int_equal(tcp_conn_receive(conn), 0);
        const uint8_t *data;
        size_t got;
        while (tcp_conn_next(conn, &data, &got)) {
            frame_count++;
            assert_int_equal(got, frame_count * 7);
            assert_int_equal(data[0], frame_count);
        }
    }
    assert_int_equal(frame_count, 20);
    const uint8_t too_long[] = {0xff, 0xff, 0};
    assert_int_equal(send(client, too_long, sizeof(too_long), 0), sizeof(too_long));
    usleep(5000);
    assert_int_equal(tcp_conn_receive(conn), ERR_MALFORMED);
    tcp_conn_destroy(conn);
    close(client);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp_runs),
        cmocka_unit_test(test_udp_two_destinations_stay_apart),
        cmocka_unit_test(test_udp_appended_runs),
        cmocka_unit_test(test_udp_appends_more_than_a_batch),
        cmocka_unit_test(test_udp_serves_both_families),
        cmocka_unit_test(test_udp_families_take_turns),
        cmocka_unit_test(test_tcp_frames_survive_any_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
