/*
 * Goal: a run of datagrams costs one message where the kernel cuts and joins them; where it refuses
 * one, every datagram still arrives, in order, and nobody else's run is torn up. Method: sockets on
 * loopback; refusals that this kernel has itself, and those that it has not by our own sendmmsg(),
 * which lets through what comes before as the kernel's does.
 */
#include "unit/net/numbered.h"

#include "net/net_internal.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RECEIVERS 3
#define RUN       10 /* datagrams */
#define SIZE      1000

/* ---- the kernel that is played ---- */

/* Messages to `ports[i]` get `errs[i]`, runs only unless `is_any`. */
static struct {
    uint16_t ports[RECEIVERS];
    int errs[RECEIVERS];
    bool is_any;
    unsigned refused, taken_before; /* the latter: by the call before the newest refusal */
    unsigned taken;
    bool knows_no_runs;
} kernel;

static int error_for(const struct msghdr *h)
{
    const struct sockaddr_in *to = h->msg_name;
    bool is_run = false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR((struct msghdr *)h, c))
        is_run = is_run || (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT);
    for (int i = 0; i < RECEIVERS; i++)
        if (kernel.errs[i] != 0 && to->sin_port == htons(kernel.ports[i]))
            return is_run || kernel.is_any ? kernel.errs[i] : 0;
    return 0;
}

int sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags)
{
    unsigned passed = 0;
    int err = 0;
    while (passed < count && (err = error_for(&headers[passed].msg_hdr)) == 0)
        passed++;
    if (passed == 0 && err != 0) {
        kernel.refused++;
        kernel.taken_before = kernel.taken;
        errno = err;
        return -1;
    }
    kernel.taken = passed;
    return (int)syscall(SYS_sendmmsg, fd, headers, passed, flags);
}

static bool is_unknown(int level, int option)
{
    return kernel.knows_no_runs && level == IPPROTO_UDP &&
           (option == UDP_SEGMENT || option == UDP_GRO);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    if (!is_unknown(level, option))
        return (int)syscall(SYS_setsockopt, fd, level, option, value, size);
    errno = ENOPROTOOPT;
    return -1;
}

int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict size)
{
    if (!is_unknown(level, option))
        return (int)syscall(SYS_getsockopt, fd, level, option, value, size);
    errno = ENOPROTOOPT;
    return -1;
}

/* ---- one sender, some receivers ---- */

struct bench {
    struct udp_socket *out, *in[RECEIVERS];
    struct addr to[RECEIVERS];
    uint32_t sent[RECEIVERS], expected[RECEIVERS];
    struct udp_stats stats;
};

static void open_bench(struct bench *b, const char *ip)
{
    memset(b, 0, sizeof(*b));
    memset(&kernel, 0, sizeof(kernel));
    open_on(ip, &b->out);
    if (udp_gso(b->out) < 0) {
        udp_close(b->out);
        skip(); /* there is nothing to refuse */
    }
    for (int i = 0; i < RECEIVERS; i++) {
        open_on(ip, &b->in[i]);
        kernel.ports[i] = udp_port(b->in[i]);
        b->to[i] = loopback(ip, kernel.ports[i], ADDR_PROTO_UDP);
    }
}

static void close_bench(struct bench *b)
{
    udp_close(b->out);
    for (int i = 0; i < RECEIVERS; i++)
        udp_close(b->in[i]);
}

static void send_run(struct bench *b, int receiver, size_t size)
{
    for (int n = 0; n < RUN; n++)
        send_numbered(b->out, &b->to[receiver], b->sent[receiver]++, size);
}

/* One batch with a run for each; the number of messages that the kernel took. */
static uint64_t play_batch(struct bench *b, size_t size)
{
    uint64_t before = b->stats.messages_out;
    for (int i = 0; i < RECEIVERS; i++)
        send_run(b, i, size);
    udp_flush(b->out);
    udp_stats(b->out, &b->stats);
    return b->stats.messages_out - before;
}

static void check_all_arrived(struct bench *b)
{
    for (int i = 0; i < RECEIVERS; i++) {
        drain(b->in[i], &b->expected[i]);
        assert_int_equal(b->expected[i], b->sent[i]);
    }
    assert_int_equal(b->stats.send_drops, 0);
}

/* ---- refusals ---- */

/* What is refused concerns one path: the others' runs stay whole, in this batch and after it. */
static void test_refused_for_one_path(void **state)
{
    (void)state;
    static const int errs[] = {EMSGSIZE, EINVAL};
    for (size_t e = 0; e < ARRAY_COUNT(errs); e++) {
        for (int refused = 0; refused < RECEIVERS; refused++) { /* at first, between, at last */
            struct bench b;
            open_bench(&b, "127.0.0.1");
            kernel.errs[refused] = errs[e];
            for (unsigned batch = 1; batch <= 3; batch++) {
                assert_int_equal(play_batch(&b, SIZE), RECEIVERS - 1 + RUN);
                assert_int_equal(kernel.refused, batch);
                if (refused > 0)
                    assert_int_equal(kernel.taken_before, refused);
                assert_int_equal(b.stats.runs_refused, batch);
            }
            check_all_arrived(&b);
            assert_int_equal(udp_gso(b.out), 0);
            close_bench(&b);
        }
    }
}

/* The device cannot cut: from the next batch on nothing is tried in vain. */
static void test_refused_by_the_device(void **state)
{
    (void)state;
    static const int errs[] = {EIO, EOPNOTSUPP};
    for (size_t e = 0; e < ARRAY_COUNT(errs); e++) {
        struct bench b;
        open_bench(&b, "127.0.0.1");
        for (int i = 1; i < RECEIVERS; i++)
            kernel.errs[i] = errs[e];
        assert_int_equal(play_batch(&b, SIZE), 1 + (RECEIVERS - 1) * RUN);
        assert_int_equal(kernel.refused, RECEIVERS - 1);
        assert_int_equal(udp_gso(b.out), -errs[e]);
        uint64_t calls = b.stats.send_calls;
        assert_int_equal(play_batch(&b, SIZE), RECEIVERS * RUN);
        assert_int_equal(b.stats.send_calls, calls + 1);
        assert_int_equal(kernel.refused, RECEIVERS - 1);
        check_all_arrived(&b);
        close_bench(&b);
    }
}

/* A later refusal for one path does not make the device able to cut. */
static void test_refused_by_both(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, "127.0.0.1");
    kernel.errs[0] = EIO;
    kernel.errs[2] = EINVAL;
    assert_int_equal(play_batch(&b, SIZE), 1 + 2 * RUN);
    assert_int_equal(udp_gso(b.out), -EIO);
    assert_int_equal(play_batch(&b, SIZE), RECEIVERS * RUN);
    check_all_arrived(&b);
    close_bench(&b);
}

/* What is refused for other reasons is dropped and counted, datagram by datagram. */
static void test_dropped_for_one_path(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, "127.0.0.1");
    kernel.errs[1] = ENETUNREACH;
    kernel.is_any = true;
    assert_int_equal(play_batch(&b, SIZE), RECEIVERS - 1);
    assert_int_equal(b.stats.send_drops, RUN);
    assert_int_equal(b.stats.runs_refused, 0);
    for (int i = 0; i < RECEIVERS; i++) {
        drain(b.in[i], &b.expected[i]);
        assert_int_equal(b.expected[i], i == 1 ? 0 : b.sent[i]);
    }
    close_bench(&b);
}

/* This kernel's own: datagrams that are longer than the socket's way takes whole. */
static void test_longer_than_the_path(void **state)
{
    (void)state;
    int mtu = 1280;
    struct bench b;
    if (!has_v6())
        skip();
    open_bench(&b, "::1");
    assert_int_equal(
        setsockopt(b.out->families[UDP_V6].fd, IPPROTO_IPV6, IPV6_MTU, &mtu, sizeof(mtu)), 0);
    assert_int_equal(play_batch(&b, 1400), RECEIVERS * RUN);
    assert_int_equal(b.stats.runs_refused, RECEIVERS);
    assert_int_equal(play_batch(&b, 1200), RECEIVERS);
    assert_int_equal(b.stats.runs_refused, RECEIVERS);
    check_all_arrived(&b);
    close_bench(&b);
}

/* This kernel's own: it cuts nothing that has no checksum. */
static void test_without_checksums(void **state)
{
    (void)state;
    int on = 1;
    struct bench b;
    open_bench(&b, "127.0.0.1");
    assert_int_equal(
        setsockopt(b.out->families[UDP_V4].fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
    assert_int_equal(play_batch(&b, SIZE), RECEIVERS * RUN);
    assert_int_equal(b.stats.runs_refused, RECEIVERS);
    check_all_arrived(&b);
    close_bench(&b);
}

/* ---- what the kernel offers ---- */

/* Asked by the test itself. */
static bool has_option(int option)
{
    int on = 0, fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    bool is_there = setsockopt(fd, IPPROTO_UDP, option, &on, sizeof(on)) == 0;
    close(fd);
    return is_there;
}

/* The number of messages in which a run, sent as one, arrives. */
static int arriving_messages(const char *ip)
{
    struct bench b;
    int messages = 0, datagrams = 0;
    open_bench(&b, ip);
    send_run(&b, 0, SIZE);
    udp_flush(b.out);
    udp_stats(b.out, &b.stats);
    assert_int_equal(b.stats.messages_out, 1);
    while (datagrams < RUN && is_readable(udp_fd(b.in[0]), 1000)) {
        messages += udp_receive(b.in[0]);
        for (struct udp_datagram d; udp_next(b.in[0], &d); datagrams++)
            assert_int_equal(get_u32be(d.data), datagrams);
    }
    assert_int_equal(datagrams, RUN);
    assert_int_equal(udp_gro(b.in[0]), 0);
    close_bench(&b);
    return messages;
}

static void test_run_arrives_joined(void **state)
{
    (void)state;
    memset(&kernel, 0, sizeof(kernel));
    if (!has_option(UDP_SEGMENT) || !has_option(UDP_GRO))
        skip();
    assert_int_equal(arriving_messages("127.0.0.1"), 1);
    if (has_v6())
        assert_int_equal(arriving_messages("::1"), 1);
}

/* Nothing is tried, as such a kernel would send the run as one datagram; and the socket says why.
 */
static void test_kernel_without_runs(void **state)
{
    (void)state;
    struct addr ip = loopback("127.0.0.1", 0, ADDR_PROTO_UDP);
    memset(&kernel, 0, sizeof(kernel));
    kernel.knows_no_runs = true;
    for (int is_split = 0; is_split < 2; is_split++) {
        struct udp_socket *s;
        struct udp_stats stats;
        int messages = 0, datagrams = 0;
        assert_int_equal(is_split ? udp_open_split(&ip, 0, &s) : udp_open(&ip, 0, &s), 0);
        assert_int_equal(udp_gso(s), -ENOPROTOOPT);
        assert_int_equal(udp_gro(s), -ENOPROTOOPT);
        struct addr to = loopback("127.0.0.1", udp_port(s), ADDR_PROTO_UDP);
        for (uint32_t n = 0; n < RUN; n++)
            send_numbered(s, &to, 0xff000000u + n, SIZE); /* nothing that can wait */
        udp_flush(s);
        udp_stats(s, &stats);
        assert_int_equal(stats.messages_out, RUN);
        while (datagrams < RUN && is_readable(udp_fd(s), 1000)) {
            messages += udp_receive(s);
            for (struct udp_datagram d; udp_next(s, &d); datagrams++)
                assert_int_equal(get_u32be(d.data), 0xff000000u + (uint32_t)datagrams);
        }
        assert_int_equal(messages, RUN);
        udp_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_for_one_path), cmocka_unit_test(test_refused_by_the_device),
        cmocka_unit_test(test_refused_by_both),      cmocka_unit_test(test_dropped_for_one_path),
        cmocka_unit_test(test_longer_than_the_path), cmocka_unit_test(test_without_checksums),
        cmocka_unit_test(test_run_arrives_joined),   cmocka_unit_test(test_kernel_without_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
