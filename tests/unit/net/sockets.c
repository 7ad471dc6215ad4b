/*
 * Goal: UDP batches deliver every datagram unchanged whatever the run lengths (GSO out, GRO in),
 * and framed TCP carries whole frames over any split of the stream. Method: two sockets on
 * loopback; seeded random sizes and destinations.
 */
#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/rng.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "net/udp.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct addr loopback(const char *ip, uint16_t port, uint8_t proto)
{
    struct addr a;
    assert_int_equal(addr_parse_ip(ip, &a), 0);
    a.port = port;
    a.proto = proto;
    return a;
}

static size_t drain(struct udp_socket *s, uint32_t *expected)
{
    struct loop loop;
    struct loop_ready ready;
    assert_int_equal(loop_init(&loop), 0);
    assert_int_equal(loop_add(&loop, udp_fd(s), false, s), 0);
    size_t count = 0;
    while (loop_wait(&loop, MONO_MS(50), &ready, 1) == 1) {
        assert_true(udp_receive(s) > 0);
        struct udp_datagram d;
        while (udp_next(s, &d)) {
            assert_true(d.size >= 4);
            assert_int_equal(get_u32be(d.data), (*expected)++);
            for (size_t i = 4; i < d.size; i++)
                assert_int_equal(d.data[i], (uint8_t)(d.size + i));
            count++;
        }
    }
    loop_fini(&loop);
    return count;
}

static void send_numbered(struct udp_socket *s, const struct addr *to, uint32_t number, size_t size)
{
    struct addr any = {0};
    uint8_t *p = udp_reserve(s, &any, to, 1500);
    put_u32be(p, number);
    for (size_t i = 4; i < size; i++)
        p[i] = (uint8_t)(size + i);
    udp_commit(s, size);
}

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
    for (int n = 0; n < 300; n++) /* more than one batch of messages */
        send_numbered(out, &to[n % 2], sent[n % 2]++, 200);
    udp_flush(out);
    for (int i = 0; i < 2; i++) {
        drain(in[i], &expected[i]);
        assert_int_equal(expected[i], 150);
        udp_close(in[i]);
    }
    udp_close(out);
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
        cmocka_unit_test(test_tcp_frames_survive_any_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
