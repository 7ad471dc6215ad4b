#ifndef TK_TESTS_NUMBERED_H
#define TK_TESTS_NUMBERED_H

/* Datagrams that tell their number and whether their bytes are whole, between sockets on loopback.
 */
#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "net/loop.h"
#include "net/udp.h"

#include <poll.h>

static inline struct addr loopback(const char *ip, uint16_t port, uint8_t proto)
{
    struct addr a;
    assert_int_equal(addr_parse_ip(ip, &a), 0);
    a.port = port;
    a.proto = proto;
    return a;
}

static inline bool is_readable(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) == 1;
}

static inline size_t drain(struct udp_socket *s, uint32_t *expected)
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

static inline void send_numbered(struct udp_socket *s, const struct addr *to, uint32_t number,
                                 size_t size)
{
    struct addr any = {0};
    uint8_t *p = udp_reserve(s, &any, to, 1500);
    put_u32be(p, number);
    for (size_t i = 4; i < size; i++)
        p[i] = (uint8_t)(size + i);
    udp_commit(s, size);
}

static inline void open_on(const char *ip, struct udp_socket **ret_socket)
{
    struct addr a = loopback(ip, 0, ADDR_PROTO_UDP);
    assert_int_equal(udp_open(&a, 0, ret_socket), 0);
}

static inline bool has_v6(void)
{
    struct udp_socket *probe;
    struct addr ip = loopback("::1", 0, ADDR_PROTO_UDP);
    if (udp_open(&ip, 0, &probe) < 0)
        return false;
    udp_close(probe);
    return true;
}

#endif
