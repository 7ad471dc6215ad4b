#include "base/err.h"
#include "net/loop.h"
#include "net/sockaddr.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "secure/srtp.h"
#include "server/buffers.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/paths.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* One line per check: "ok", "warn" (the server runs, but worse) or "FAIL" (it would not run). */

#define FILES_WANTED 4096
#define PROBES       8
#define PROBE_SIZE   1200

struct doctor {
    const struct config *config;
    int warnings;
    int failures;
};

PRINTF_LIKE(3, 4)
static void report(struct doctor *d, char level, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    fputs(level == 'o' ? "ok    " : level == 'w' ? "warn  " : "FAIL  ", stdout);
    vprintf(form, args);
    putchar('\n');
    va_end(args);
    d->warnings += level == 'w';
    d->failures += level == 'f';
}

static void check_tcp(struct doctor *d, const char *what, int64_t port)
{
    struct addr any = {0};
    uint16_t bound;
    if (port <= 0)
        return;
    int fd = tcp_listen(&any, (uint16_t)port, &bound);
    if (fd >= 0) {
        close(fd);
        report(d, 'o', "port %" PRId64 "/tcp (%s) is free", port, what);
    } else {
        report(d, 'f', "port %" PRId64 "/tcp (%s): %s; is the server running already?", port, what,
               err_text(fd));
    }
}

static void check_udp(struct doctor *d)
{
    struct addr any = {0};
    struct udp_socket *s;
    int64_t port = d->config->media_udp_port;
    int err = udp_open_split(&any, (uint16_t)port, &s);
    if (err < 0) {
        report(d, 'f', "port %" PRId64 "/udp (media): %s", port, err_text(err));
        return;
    }
    report(d, 'o', "port %" PRId64 "/udp (media) is free", port);
    if (udp_patient_fd(s) < 0)
        report(d, 'w', "no second queue for what can wait (%s): large rooms cost more",
               err_text(udp_patient_fd(s)));
    if (udp_gro(s) < 0)
        report(d, 'w', "UDP receive offload (GRO) is missing (%s): receiving costs more",
               err_text(udp_gro(s)));
    udp_close(s);
}

/* Sends a run of datagrams to ourselves and counts the kernel messages they needed. */
static void check_batches(struct doctor *d)
{
    struct addr any = {0}, to;
    struct udp_socket *s;
    struct udp_stats stats;
    struct loop loop;
    struct loop_ready ready;
    int received = 0;
    if (udp_open(&any, 0, &s) < 0 || addr_parse_ip("127.0.0.1", &to) < 0)
        return; /* reported by check_udp() */
    to.port = udp_port(s);
    for (int i = 0; i < PROBES; i++) {
        memset(udp_reserve(s, &any, &to, PROBE_SIZE), i, PROBE_SIZE);
        udp_commit(s, PROBE_SIZE);
    }
    udp_flush(s);
    if (loop_init(&loop) == 0 && loop_add(&loop, udp_fd(s), false, s) == 0)
        while (received < PROBES && loop_wait(&loop, MONO_MS(200), &ready, 1) == 1)
            if (udp_receive(s) > 0)
                for (struct udp_datagram dg; udp_next(s, &dg);)
                    received++;
    loop_fini(&loop);
    udp_stats(s, &stats);
    udp_close(s);
    if (received < PROBES)
        report(d, 'f', "UDP on loopback: %d of %d datagrams arrived", received, PROBES);
    else if (stats.messages_out == 1)
        report(d, 'o', "UDP segmentation offload (GSO) works");
    else
        report(d, 'w', "UDP segmentation offload is missing: sending costs more");
}

static void check_buffers(struct doctor *d)
{
    struct addr any = {0};
    struct udp_socket *s;
    size_t in, out;
    char text[BUFFERS_TEXT_SIZE];
    if (udp_open(&any, 0, &s) < 0)
        return; /* reported by check_udp() */
    if (!udp_buffers(s, &in, &out)) {
        report(d, 'w', "the kernel does not tell the size of socket buffers");
    } else {
        report(d, buffers_describe("net.core.rmem_max", in, text) ? 'o' : 'w', "%s", text);
        report(d, buffers_describe("net.core.wmem_max", out, text) ? 'o' : 'w', "%s", text);
    }
    udp_close(s);
}

static void check_srtp(struct doctor *d)
{
    const char *wanted = d->config->media_srtp_backend;
    int err = sec_srtp_select_backend(wanted);
    if (err < 0) {
        report(d, 'f', "media.srtp_backend: %s: %s", wanted, err_text(err));
        return;
    }
    const char *name = sec_srtp_backend_name();
    bool is_fast = strcmp(name, SEC_SRTP_BACKEND_IPSEC_MB) == 0;
    report(d, is_fast ? 'o' : 'w', "SRTP by %s%s", name,
           is_fast ? "" : ": encryption costs several times more than by ipsec-mb");
}

static void check_addresses(struct doctor *d)
{
    struct addr addrs[16];
    char names[16][16], text[ADDR_TEXT_SIZE];
    int count = net_list_addrs(false, addrs, 16, names);
    for (int i = 0; i < count; i++)
        report(d, 'o', "clients are told %s (%s)", addr_format_ip(&addrs[i], text), names[i]);
    if (count <= 0 && d->config->media_node_ip.count == 0)
        report(d, 'w', "no address but loopback: only this machine can join (see media.node_ip)");
}

static void check_data(struct doctor *d)
{
    const char *data = d->config->data;
    int err = paths_make_folder(data);
    uint64_t free_bytes = paths_free_bytes(data);
    if (err < 0)
        report(d, 'f', "data folder %s: %s", data, err_text(err));
    else if (free_bytes < PATHS_FREE_BYTES_MIN)
        report(d, 'f', "data folder %s: only %" PRIu64 " MB are free", data, free_bytes >> 20);
    else
        report(d, 'o', "data folder %s: writable, %" PRIu64 " GB free", data, free_bytes >> 30);
}

static void check_files(struct doctor *d)
{
    const char *const paths[] = {d->config->tls_cert, d->config->tls_key};
    char web_root[CONFIG_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
        if (paths[i][0] != '\0')
            report(d, access(paths[i], R_OK) == 0 ? 'o' : 'f', "TLS file %s", paths[i]);
    if (d->config->tls_cert[0] == '\0')
        report(d, 'w', "no TLS: browsers give camera and microphone only to https or localhost");
    if (paths_find_web_root(d->config->web_root, web_root, sizeof(web_root)))
        report(d, 'o', "web app in %s", web_root);
    else
        report(d, 'f', "the web app is not found; build it (make build) or set web_root");
}

static void check_limits(struct doctor *d)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        report(d, files.rlim_cur >= FILES_WANTED ? 'o' : 'w', "%llu open files allowed",
               (unsigned long long)files.rlim_cur);
    report(d, wall_now() > 1735689600000 ? 'o' : 'f', "clock: tokens expire by it%s",
           wall_now() > 1735689600000 ? "" : "; it is before 2025, set it");
}

static void check_codecs(struct doctor *d)
{
    static const char *const encoders[] = {"libvpx", "libopus"};
    for (size_t i = 0; i < ARRAY_COUNT(encoders); i++)
        report(d, avcodec_find_encoder_by_name(encoders[i]) != NULL ? 'o' : 'w',
               "encoder %s (needed by tongke publish)", encoders[i]);
}

static int read_config(int argc, char **argv, struct config *c)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct strbuf problems;
    strbuf_init(&problems, 64 << 10);
    config_default(c);
    int code = 0, opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'c')
            IGNORE(config_read_file(optarg, c, &problems)); /* see problems */
        else
            code = opt == 'h' ? -1 : 2;
    }
    if (problems.size > 0)
        code = 2;
    fputs(strbuf_text(&problems), stderr);
    strbuf_fini(&problems);
    return code;
}

int cmd_doctor(int argc, char **argv)
{
    struct config *c = malloc(sizeof(*c));
    if (c == NULL)
        return 1;
    int code = read_config(argc, argv, c);
    if (code != 0) {
        fputs("usage: tongke doctor [--config FILE]\n", code < 0 ? stdout : stderr);
        free(c);
        return code < 0 ? 0 : code;
    }
    struct doctor d = {.config = c};
    check_tcp(&d, "pages and signalling", c->port);
    check_tcp(&d, "media over TCP", c->media_tcp_port);
    check_udp(&d);
    check_batches(&d);
    check_buffers(&d);
    check_srtp(&d);
    check_addresses(&d);
    check_data(&d);
    check_files(&d);
    check_limits(&d);
    check_codecs(&d);
    printf("%d failures, %d warnings\n", d.failures, d.warnings);
    free(c);
    return d.failures > 0 ? 1 : 0;
}
