/*
 * Goal: the floor program does the work it stands for: what it sends decrypts with the subscriber's
 * keys to what the publisher sent, for both profiles, and only the wanted packets leave.
 * Method: the program as a child on loopback; packets are made and checked with src/secure, which
 * shares no code with it, bursts of mixed sizes go in as one GSO message or several datagrams.
 */

#include "unit/cmocka_all.h"

#include "secure/srtp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUBSCRIBERS 3
#define BURST       20
#define WAIT_US     5000000

static uint16_t base_port, listen_port;
static pid_t child;

static int socket_at(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {.tv_sec = WAIT_US / 1000000};
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    return fd;
}

/* Publishers' sockets below base_port, subscribers' from it: a stretch of free ports. */
static void open_ports(int pubs[], size_t pub_count, int subs[])
{
    for (base_port = (uint16_t)(30000 + getpid() % 20000);; base_port++) {
        bool is_free = true;
        for (size_t i = 0; i < pub_count + SUBSCRIBERS; i++) {
            int *at = i < pub_count ? &pubs[i] : &subs[i - pub_count];
            *at = socket_at(
                (uint16_t)(i < pub_count ? base_port - 1 - i : base_port + i - pub_count));
            is_free = is_free && *at >= 0;
        }
        if (is_free)
            break;
        for (size_t i = 0; i < pub_count + SUBSCRIBERS; i++)
            close(i < pub_count ? pubs[i] : subs[i - pub_count]);
    }
    listen_port = (uint16_t)(base_port + SUBSCRIBERS + 10);
}

static void start(const char *profile, const char *publishers, const char *layer, bool is_gallery)
{
    char listen_text[32], base_text[16], count_text[16], line[64] = "";
    int out[2];
    snprintf(listen_text, sizeof(listen_text), "127.0.0.1:%u", listen_port);
    snprintf(base_text, sizeof(base_text), "%u", base_port);
    snprintf(count_text, sizeof(count_text), "%d", SUBSCRIBERS);
    assert_int_equal(pipe(out), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        execl(FLOOR_PROGRAM, "floor", "--listen", listen_text, "--dest", "127.0.0.1", "--base-port",
              base_text, "--publishers", publishers, "--subscribers", count_text, "--profile",
              profile, "--layer", layer, is_gallery ? "--gallery" : NULL, NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *from = fdopen(out[0], "r");
    assert_non_null(fgets(line, sizeof(line), from));
    assert_string_equal(line, "floor: ready\n");
    fclose(from);
}

static void stop(void)
{
    int status = 0;
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    child = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static struct sec_srtp *keys_of(const char *role, unsigned number, enum sec_profile profile,
                                enum sec_direction direction)
{
    char text[64];
    uint8_t hash[SHA256_DIGEST_LENGTH];
    struct sec_srtp_keys keys = {.profile = profile};
    struct sec_srtp *s = NULL;
    int size = snprintf(text, sizeof(text), "tongke-floor %s %u", role, number);
    SHA256((const uint8_t *)text, (size_t)size, hash);
    memcpy(keys.key, hash, 16);
    memcpy(keys.salt, hash + 16, profile == SEC_PROFILE_AEAD_AES_128_GCM ? 12 : 14);
    assert_int_equal(sec_srtp_create(&keys, direction, &s), 0);
    return s;
}

static void header(uint8_t *p, uint32_t ssrc, uint16_t seq)
{
    memset(p, 0, 12);
    p[0] = 0x80, p[1] = 96, p[2] = (uint8_t)(seq >> 8), p[3] = (uint8_t)seq;
    for (int i = 0; i < 4; i++)
        p[8 + i] = (uint8_t)(ssrc >> (8 * (3 - i)));
}

/* Sizes as of frames: some equal, a shorter last one, sound between them. */
static size_t size_at(unsigned i)
{
    return i % 5 == 4 ? 100 + i : 1100;
}

static void send_burst(int fd, struct sec_srtp *keys, uint32_t ssrc, uint16_t seq)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(listen_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < BURST; i++) {
        uint8_t plain[1200], out[1300];
        memset(plain, (int)i, sizeof(plain));
        header(plain, ssrc, (uint16_t)(seq + i));
        int size =
            sec_srtp_protect(keys, plain, 12, 0, plain + 12, size_at(i) - 12, out, sizeof(out));
        assert_true(size > 0);
        ssize_t sent = sendto(fd, out, (size_t)size, 0, (struct sockaddr *)&to, sizeof(to));
        assert_int_equal(sent, size);
    }
}

static void expect_burst(int fd, struct sec_srtp *keys, uint32_t ssrc, uint16_t seq)
{
    for (unsigned i = 0; i < BURST; i++) {
        uint8_t want[1200], in[1500], plain[1500];
        ssize_t got = recv(fd, in, sizeof(in), 0);
        assert_true(got > 0);
        int size = sec_srtp_unprotect(keys, in, (size_t)got, plain, sizeof(plain));
        assert_int_equal(size, size_at(i));
        memset(want, (int)i, sizeof(want));
        header(want, ssrc, (uint16_t)(seq + i));
        assert_memory_equal(plain, want, size_at(i));
    }
}

static void expect_nothing(int fd)
{
    uint8_t in[1500];
    assert_true(recv(fd, in, sizeof(in), MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

/* One publisher to all, over a wrap of the sequence number. */
static void fans_out(const char *name, enum sec_profile profile)
{
    int pub, subs[SUBSCRIBERS];
    open_ports(&pub, 1, subs);
    start(name, "1", "all", false);
    struct sec_srtp *from = keys_of("pub", 0, profile, SEC_SEND);
    struct sec_srtp *to[SUBSCRIBERS];
    for (unsigned k = 0; k < SUBSCRIBERS; k++)
        to[k] = keys_of("sub", k, profile, SEC_RECEIVE);
    for (unsigned round = 0; round < 4; round++) {
        uint16_t seq = (uint16_t)(65535 - 2 * BURST + round * BURST);
        send_burst(pub, from, 1001, seq);
        for (unsigned k = 0; k < SUBSCRIBERS; k++)
            expect_burst(subs[k], to[k], 1001, seq);
    }
    /* A packet that is not authentic goes nowhere. */
    struct sec_srtp *wrong = keys_of("pub", 1, profile, SEC_SEND);
    send_burst(pub, wrong, 1001, 100);
    send_burst(pub, from, 1000, 7);
    for (unsigned k = 0; k < SUBSCRIBERS; k++) {
        expect_burst(subs[k], to[k], 1000, 7);
        expect_nothing(subs[k]);
    }
    stop();
    close(pub);
    for (unsigned k = 0; k < SUBSCRIBERS; k++) {
        close(subs[k]);
        sec_srtp_destroy(to[k]);
    }
    sec_srtp_destroy(wrong);
    sec_srtp_destroy(from);
}

static void test_fans_out_gcm(void **state)
{
    (void)state;
    fans_out("gcm", SEC_PROFILE_AEAD_AES_128_GCM);
}

static void test_fans_out_cm(void **state)
{
    (void)state;
    fans_out("cm", SEC_PROFILE_AES128_CM_HMAC_SHA1_80);
}

/* Everyone gets the others' sound and chosen layer, and nothing else. */
static void test_gallery(void **state)
{
    (void)state;
    const enum sec_profile profile = SEC_PROFILE_AEAD_AES_128_GCM;
    int pubs[SUBSCRIBERS], subs[SUBSCRIBERS];
    open_ports(pubs, SUBSCRIBERS, subs);
    start("gcm", "3", "1", true);
    struct sec_srtp *from[SUBSCRIBERS], *to[SUBSCRIBERS];
    for (unsigned k = 0; k < SUBSCRIBERS; k++) {
        from[k] = keys_of("pub", k, profile, SEC_SEND);
        to[k] = keys_of("sub", k, profile, SEC_RECEIVE);
    }
    for (unsigned p = 0; p < SUBSCRIBERS; p++) {
        uint32_t ssrc = 1000 * (p + 1);
        for (uint32_t stream = 0; stream < 4; stream++)
            send_burst(pubs[p], from[p], ssrc + stream, 500);
        for (unsigned k = 0; k < SUBSCRIBERS; k++) {
            if (k == p)
                continue;
            expect_burst(subs[k], to[k], ssrc, 500);
            expect_burst(subs[k], to[k], ssrc + 2, 500);
        }
    }
    stop(); /* whatever it still had to send is sent now */
    for (unsigned k = 0; k < SUBSCRIBERS; k++) {
        expect_nothing(subs[k]);
        close(subs[k]);
        close(pubs[k]);
        sec_srtp_destroy(from[k]);
        sec_srtp_destroy(to[k]);
    }
}

static int teardown(void **state)
{
    (void)state;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        child = 0;
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_fans_out_gcm, teardown),
        cmocka_unit_test_teardown(test_fans_out_cm, teardown),
        cmocka_unit_test_teardown(test_gallery, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
