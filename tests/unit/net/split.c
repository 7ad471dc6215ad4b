/*
 * Goal: a split socket hands what can wait (STUN, RTCP) to its own queue and everything else to the
 * prompt one, loses nothing, keeps its port to itself, and works with one queue where the kernel
 * refuses the second.
 * Method: real sockets on loopback, with IPv4, IPv6 and both; the refusal is made by leaving the
 * process too few descriptors.
 */
#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "net/loop.h"
#include "net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct addr address(const char *ip, uint16_t port)
{
    struct addr a = {0};
    if (ip != NULL)
        assert_int_equal(addr_parse_ip(ip, &a), 0);
    a.port = port;
    a.proto = ADDR_PROTO_UDP;
    return a;
}

static bool is_readable(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) == 1;
}

static void send_bytes(struct udp_socket *s, const struct addr *to, const uint8_t *data,
                       size_t size)
{
    const struct addr any = {0};
    memcpy(udp_reserve(s, &any, to, size), data, size);
    udp_commit(s, size);
}

/* The one datagram that has come must be in this queue, and no other in either. */
static void expect_in(struct udp_socket *s, bool is_patient, const uint8_t *data, size_t size)
{
    struct udp_datagram d;
    assert_true(is_readable(is_patient ? udp_patient_fd(s) : udp_fd(s), 1000));
    assert_false(is_readable(is_patient ? udp_fd(s) : udp_patient_fd(s), 0));
    assert_int_equal(is_patient ? udp_receive_patient(s) : udp_receive(s), 1);
    assert_true(udp_next(s, &d));
    assert_int_equal(d.size, size);
    assert_memory_equal(d.data, data, size);
    assert_int_equal(d.to.port, udp_port(s));
    assert_false(udp_next(s, &d));
    assert_int_equal(is_patient ? udp_receive_patient(s) : udp_receive(s), 0);
}

static const struct {
    uint8_t bytes[2];
    size_t size;
    bool is_patient;
} kinds[] = {
    {{0, 1}, 2, true},      {{1, 1}, 2, true},      {{3, 255}, 2, true},    /* STUN */
    {{4, 1}, 2, false},     {{20, 254}, 2, false},  {{63, 254}, 2, false},  /* DTLS, odd */
    {{64, 200}, 2, false},  {{127, 200}, 2, false},                         /* odd */
    {{128, 96}, 2, false},  {{128, 191}, 2, false}, {{191, 224}, 2, false}, /* RTP */
    {{128, 192}, 2, true},  {{129, 201}, 2, true},  {{191, 223}, 2, true},  /* RTCP */
    {{192, 200}, 2, false}, {{255, 200}, 2, false},                         /* odd */
    {{0, 0}, 1, false},     {{128, 0}, 1, false},                           /* too short */
};

static void check_kinds(const char *bind_ip, const char *to_ip)
{
    struct addr ip = address(bind_ip, 0), any = {0};
    struct udp_socket *in, *out;
    assert_int_equal(udp_open_split(&ip, 0, &in), 0);
    assert_true(udp_patient_fd(in) >= 0);
    assert_true(udp_port(in) != 0);
    assert_int_equal(udp_open(&any, 0, &out), 0);
    struct addr to = address(to_ip, udp_port(in));
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        send_bytes(out, &to, kinds[i].bytes, kinds[i].size);
        udp_flush(out);
        expect_in(in, kinds[i].is_patient, kinds[i].bytes, kinds[i].size);
    }
    udp_close(out);
    udp_close(in);
}

static bool has_v6(void)
{
    struct udp_socket *probe;
    struct addr v6 = address("::1", 0);
    if (udp_open(&v6, 0, &probe) < 0)
        return false;
    udp_close(probe);
    return true;
}

static void test_first_bytes_choose_the_queue(void **state)
{
    (void)state;
    check_kinds(NULL, "127.0.0.1");
    check_kinds("127.0.0.1", "127.0.0.1");
    if (!has_v6())
        return;
    check_kinds(NULL, "::1");
    check_kinds("::1", "::1");
}

/* Long runs of both kinds mixed, which the kernel may join: nothing is lost or changed. */
static void test_runs_arrive_whole(void **state)
{
    (void)state;
    struct addr any = {0};
    struct udp_socket *in, *out;
    assert_int_equal(udp_open_split(&any, 0, &in), 0);
    assert_int_equal(udp_open(&any, 0, &out), 0);
    struct addr to = address("127.0.0.1", udp_port(in));
    bool has_come[400] = {false};
    for (uint32_t i = 0; i < ARRAY_COUNT(has_come); i++) {
        uint8_t packet[100] = {i % 7 == 0 ? 0 : 128, i % 5 == 0 ? 201 : 96};
        put_u32be(packet + 4, i);
        send_bytes(out, &to, packet, sizeof(packet));
    }
    udp_flush(out);
    size_t count = 0;
    while (is_readable(udp_fd(in), 50) || is_readable(udp_patient_fd(in), 50)) {
        for (int i = 0; i < 2; i++) {
            struct udp_datagram d;
            IGNORE(i == 0 ? udp_receive(in) : udp_receive_patient(in)); /* one may be empty */
            while (udp_next(in, &d)) {
                uint32_t number = get_u32be(d.data + 4);
                assert_in_range(number, 0, ARRAY_COUNT(has_come) - 1);
                assert_false(has_come[number]);
                assert_int_equal(d.size, 100);
                has_come[number] = true;
                count++;
            }
        }
    }
    assert_int_equal(count, ARRAY_COUNT(has_come));
    udp_close(out);
    udp_close(in);
}

/* What a program that shares its ports would do. */
static int bind_shared(const struct udp_socket *s, int family)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(udp_port(s))};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(udp_port(s))};
    int on = 1, fd = socket(family, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    int result = family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
                                   : bind(fd, (struct sockaddr *)&v6, sizeof(v6));
    int err = result < 0 ? -errno : 0;
    close(fd);
    return err;
}

static void check_busy(const char *ip)
{
    struct addr bind_ip = address(ip, 0);
    struct udp_socket *first, *second;
    assert_int_equal(udp_open_split(&bind_ip, 0, &first), 0);
    assert_true(udp_patient_fd(first) >= 0);
    assert_int_equal(udp_open_split(&bind_ip, udp_port(first), &second), -EADDRINUSE);
    assert_int_equal(udp_open(&bind_ip, udp_port(first), &second), -EADDRINUSE);
    assert_int_equal(bind_shared(first, AF_INET), -EADDRINUSE);
    if (ip == NULL)
        assert_int_equal(bind_shared(first, AF_INET6), -EADDRINUSE);
    uint16_t port = udp_port(first);
    udp_close(first);
    assert_int_equal(udp_open_split(&bind_ip, port, &second), 0); /* free again */
    assert_int_equal(udp_port(second), port);
    udp_close(second);
}

static void test_the_port_is_ours_alone(void **state)
{
    (void)state;
    check_busy(NULL);
    check_busy("127.0.0.1");
}

/* And a port that somebody else has is not taken, not even one that is meant to be shared, nor
 * where only one family of it is. */
static void test_a_busy_port_is_refused(void **state)
{
    (void)state;
    struct addr any = {0};
    const char *ips[] = {NULL, "127.0.0.1"};
    for (size_t i = 0; i < ARRAY_COUNT(ips); i++) {
        struct addr ip = address(ips[i], 0);
        struct udp_socket *other, *s;
        assert_int_equal(udp_open(&ip, 0, &other), 0);
        assert_int_equal(udp_open_split(&any, udp_port(other), &s), -EADDRINUSE);
        udp_close(other);
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    socklen_t size = sizeof(v4);
    struct udp_socket *s;
    int on = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&v4, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&v4, &size), 0);
    assert_int_equal(udp_open_split(&any, ntohs(v4.sin_port), &s), -EADDRINUSE);
    close(fd);
}

/* With so few descriptors to spare that one queue can be had, but not two. */
static void check_one_queue(const char *ip, rlim_t spare)
{
    struct addr bind_ip = address(ip, 0), any = {0};
    struct udp_socket *in, *out;
    struct rlimit before, few;
    assert_int_equal(udp_open(&any, 0, &out), 0);
    int next = dup(0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)next + spare;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int err = udp_open_split(&bind_ip, 0, &in);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(err, 0);
    assert_int_equal(udp_patient_fd(in), -EMFILE);
    struct addr to = address("127.0.0.1", udp_port(in));
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        send_bytes(out, &to, kinds[i].bytes, kinds[i].size);
        udp_flush(out);
        assert_true(is_readable(udp_fd(in), 1000));
        assert_int_equal(udp_receive(in), 1);
    }
    assert_int_equal(bind_shared(in, AF_INET), -EADDRINUSE);
    udp_close(in);
    udp_close(out);
}

static void test_one_queue_where_two_are_refused(void **state)
{
    (void)state;
    for (rlim_t spare = 1; spare < 4; spare++) /* two queues of one family take four */
        check_one_queue("127.0.0.1", spare);
    if (!has_v6())
        return;
    for (rlim_t spare = 3; spare < 10; spare++) /* of two: twice as many, and two to watch both */
        check_one_queue(NULL, spare);
}

/* A paused descriptor says nothing until it is set again. */
static void test_a_paused_queue_wakes_nobody(void **state)
{
    (void)state;
    struct addr any = {0};
    struct udp_socket *in, *out;
    struct loop loop;
    struct loop_ready ready;
    assert_int_equal(udp_open_split(&any, 0, &in), 0);
    assert_int_equal(udp_open(&any, 0, &out), 0);
    assert_int_equal(loop_init(&loop), 0);
    assert_int_equal(loop_add(&loop, udp_patient_fd(in), false, in), 0);
    assert_int_equal(loop_pause(&loop, udp_patient_fd(in), in), 0);
    struct addr to = address("127.0.0.1", udp_port(in));
    send_bytes(out, &to, (const uint8_t[]){0, 1}, 2);
    udp_flush(out);
    assert_true(is_readable(udp_patient_fd(in), 1000));
    assert_int_equal(loop_wait(&loop, MONO_MS(20), &ready, 1), 0);
    assert_int_equal(loop_set(&loop, udp_patient_fd(in), false, in), 0);
    assert_int_equal(loop_wait(&loop, MONO_S(1), &ready, 1), 1);
    assert_ptr_equal(ready.user, in);
    loop_fini(&loop);
    udp_close(out);
    udp_close(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_bytes_choose_the_queue),
        cmocka_unit_test(test_runs_arrive_whole),
        cmocka_unit_test(test_the_port_is_ours_alone),
        cmocka_unit_test(test_a_busy_port_is_refused),
        cmocka_unit_test(test_one_queue_where_two_are_refused),
        cmocka_unit_test(test_a_paused_queue_wakes_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
