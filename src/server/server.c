#include "server/server.h"

#include "base/err.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/version.h"
#include "http/http.h"
#include "http/lesson_api.h"
#include "http/metrics.h"
#include "net/sockaddr.h"
#include "secure/cert.h"
#include "secure/srtp.h"
#include "server/heap.h"
#include "server/load.h"
#include "server/metrics.h"
#include "server/paths.h"
#include "server/worker.h"
#include "signal/signal.h"
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * SCTP packets on their way from the control thread to the workers:
 *   what one call of signalling makes before it is handed on, e.g. a
 *     message of 15,000 bytes (14 packets) to 585 participants              8,192
 *   for each worker its mailbox, and the one it has in hand    4,096 + 1 =  4,097
 * A full mailbox is waited for. Packets that find the pool empty are dropped and counted; SCTP
 * sends them again. Memory is touched only as far as they are used.
 */
#define SCTP_PACKETS_MADE          8192
#define SCTP_PACKETS(worker_count) (SCTP_PACKETS_MADE + (worker_count) * (WORKER_COMMANDS_MAX + 1))
#define ADDRS_MAX                  16

struct server {
    const struct config *config;
    struct rng rng;
    struct sec_cert *cert;
    struct worker *workers[WORKERS_MAX];
    size_t worker_count;
    struct pkt_pool *sctp_pool;
    struct signal *signal;
    struct http_server *http;
    struct store *store;
    struct lesson_api *lessons;
    struct load load;
    struct heap_rest rest;
    struct metrics_sources metrics_sources;
    struct metrics_endpoint *metrics;
    _Atomic(struct http_server *) store_listener; /* http, once it is there */
    pthread_t signal_thread;
    bool has_signal_thread;
    _Atomic bool is_stopping;
};

/* ---- between the threads ---- */

static void on_worker_events(void *user)
{
    struct server *s = user;
    http_server_wake(s->http);
}

/* The writer thread has something to report. It may come before the HTTP server is there. */
static void on_store_done(void *user)
{
    struct server *s = user;
    struct http_server *http = atomic_load_explicit(&s->store_listener, memory_order_acquire);
    if (http != NULL)
        http_server_wake(http);
}

/* A full mailbox empties by itself: a worker never waits for the control thread. */
static void push_command(struct server *s, const struct media_command *c)
{
    struct worker *w = s->workers[c->worker];
    while (!worker_push_command(w, c)) {
        worker_wake(w);
        sched_yield();
    }
}

static void pump_commands(struct server *s)
{
    struct media_command c;
    uint32_t wake_mask = 0;
    while (signal_poll_command(s->signal, &c) == 1) {
        CHECK(c.worker < s->worker_count);
        push_command(s, &c);
        wake_mask |= 1u << c.worker;
    }
    for (size_t i = 0; i < s->worker_count; i++)
        if (wake_mask >> i & 1u)
            worker_wake(s->workers[i]);
}

static void on_signal_input(void *user)
{
    struct server *s = user;
    load_note_joins(&s->load, mono_now());
    pump_commands(s);
}

static void pump_events(struct server *s)
{
    for (size_t i = 0; i < s->worker_count; i++) {
        struct media_event e;
        while (worker_pop_event(s->workers[i], &e)) {
            signal_handle_event(s->signal, &e, mono_now(), wall_now());
            pump_commands(s);
        }
    }
}

/* The last participant has left: what the lesson needed is for others now. */
static void give_back(struct server *s, mono_us now)
{
    if (now < heap_rest_next(&s->rest))
        return;
    struct signal_stats stats;
    signal_stats(s->signal, &stats);
    if (!heap_rest_is_over(&s->rest, stats.participants > 0, now))
        return;
    pkt_pool_trim(s->sctp_pool);
    for (size_t i = 0; i < s->worker_count; i++)
        worker_trim_commands(s->workers[i]);
    signal_give_back(s->signal);
    heap_give_back();
}

static void control_loop(struct server *s)
{
    heap_rest_init(&s->rest);
    while (!atomic_load_explicit(&s->is_stopping, memory_order_relaxed)) {
        mono_us now = mono_now();
        mono_us next = TK_MIN(signal_next_timeout(s->signal), lesson_api_next_timeout(s->lessons));
        next = TK_MIN(next, load_next_timeout(&s->load));
        mono_us wait = next == MONO_NEVER ? MONO_S(1) : TK_MIN(TK_MAX(next - now, 0), MONO_S(1));
        http_server_service(s->http, wait);
        pump_events(s);
        load_handle_timeout(&s->load, mono_now());
        give_back(s, mono_now());
        lesson_api_handle_timeout(s->lessons, mono_now());
        signal_handle_timeout(s->signal, mono_now(), wall_now());
        pump_commands(s);
    }
}

/* ---- SIGINT and SIGTERM ---- */

static void *wait_for_signal(void *arg)
{
    struct server *s = arg;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    int number;
    if (sigwait(&set, &number) != 0)
        return NULL;
    atomic_store_explicit(&s->is_stopping, true, memory_order_relaxed);
    http_server_wake(s->http);
    return NULL;
}

static int watch_signals(struct server *s)
{
    int err = thread_start(&s->signal_thread, "signals", wait_for_signal, s);
    s->has_signal_thread = err == 0;
    return err;
}

/* Before any thread starts, so that all of them inherit it. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- opening ---- */

static int fail(const char *what, int err, const char *advice)
{
    fprintf(stderr, "tongke: %s: %s. %s\n", what, err_text(err), advice);
    return 1;
}

static int open_data(struct server *s)
{
    char path[CONFIG_TEXT_MAX + 16];
    int err = paths_make_folder(s->config->data);
    if (err < 0)
        return fail(s->config->data, err,
                    "The data folder must be writable (key data, or --data).");
    if (paths_free_bytes(s->config->data) < PATHS_FREE_BYTES_MIN)
        return fail(s->config->data, -ENOSPC, "At least 64 MB must be free for the lesson log.");
    snprintf(path, sizeof(path), "%s/tongke.db", s->config->data);
    err = store_open(path, on_store_done, s, &s->store);
    if (err < 0)
        return fail(path, err, "The database cannot be opened.");
    return 0;
}

/* Before any connection. */
static int select_srtp(const struct server *s)
{
    const char *wanted = s->config->media_srtp_backend;
    int err = sec_srtp_select_backend(wanted);
    if (err < 0) {
        char what[64];
        snprintf(what, sizeof(what), "media.srtp_backend: %s", wanted);
        return fail(what, err, "Set it to auto, which takes what the machine has.");
    }
    LOG_INFO("server", "srtp_backend", "name=%s wanted=%s", sec_srtp_backend_name(), wanted);
    return 0;
}

static int open_workers(struct server *s)
{
    const struct config *c = s->config;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = c->media_workers > 0 ? (size_t)c->media_workers : (size_t)TK_MAX(cores, 1);
    count = TK_MIN(count, (size_t)WORKERS_MAX);
    for (size_t i = 0; i < count; i++) {
        uint16_t port = c->media_udp_port > 0 ? (uint16_t)(c->media_udp_port + (int64_t)i) : 0;
        struct worker_config wc = {
            .index = (uint8_t)i,
            .worker_count = (uint8_t)count,
            .udp_port = port,
            .tcp_port = (uint16_t)TK_MAX(c->media_tcp_port, 0),
            .has_tcp = i == 0 && c->media_tcp_port >= 0,
            .peer_count_max = (uint32_t)c->media_peers_max,
            .pkt_count = (uint32_t)c->media_packets,
            .cert = s->cert,
            .on_events = on_worker_events,
            .user = s,
        };
        int err = worker_create(&wc, &s->workers[i]);
        if (err < 0) {
            char what[64];
            snprintf(what, sizeof(what), "media port %u/udp%s", port,
                     wc.has_tcp ? " or media tcp port" : "");
            return fail(what, err,
                        "Another program uses it: stop that one, or set media.udp_port and "
                        "media.tcp_port (--media-port).");
        }
        s->worker_count = i + 1;
    }
    worker_connect(s->workers, s->worker_count);
    return 0;
}

static bool is_wanted(const struct config *c, const char *interface)
{
    for (size_t i = 0; i < c->media_interfaces.count; i++)
        if (strcmp(c->media_interfaces.items[i], interface) == 0)
            return true;
    return c->media_interfaces.count == 0;
}

/* The addresses that clients are told: media.node_ip, or those of the interfaces. */
static size_t list_addresses(const struct config *c, struct addr *ret_addrs)
{
    size_t count = 0;
    for (size_t i = 0; i < c->media_node_ip.count && count < ADDRS_MAX; i++)
        if (addr_parse_ip(c->media_node_ip.items[i], &ret_addrs[count]) == 0)
            count++;
    struct addr all[ADDRS_MAX];
    char names[ADDRS_MAX][16];
    int found = net_list_addrs(c->media_loopback, all, ADDRS_MAX, names);
    bool has_node_ip = count > 0;
    for (int i = 0; i < found && count < ADDRS_MAX; i++) {
        bool is_loopback = addr_is_loopback(&all[i]);
        if (is_loopback ? c->media_loopback : !has_node_ip && is_wanted(c, names[i]))
            ret_addrs[count++] = all[i];
    }
    return count;
}

static void add_candidates(struct server *s, struct signal_config *sc)
{
    struct addr addrs[ADDRS_MAX];
    size_t count = list_addresses(s->config, addrs);
    uint16_t tcp_port = worker_tcp_port(s->workers[0]);
    for (size_t w = 0; w < s->worker_count; w++) {
        for (size_t i = 0; i < count; i++) {
            struct signal_candidate *c = &sc->candidates[sc->candidate_count];
            if (sc->candidate_count + 2 > SIGNAL_CANDIDATES_MAX)
                return;
            *c = (struct signal_candidate){.worker = (uint8_t)w, .addr = addrs[i]};
            c->addr.proto = ADDR_PROTO_UDP;
            c->addr.port = worker_udp_port(s->workers[w]);
            sc->candidate_count++;
            if (tcp_port == 0)
                continue;
            c[1] = *c;
            c[1].addr.proto = ADDR_PROTO_TCP;
            c[1].addr.port = tcp_port;
            sc->candidate_count++;
        }
    }
}

static int open_signal(struct server *s)
{
    const struct config *c = s->config;
    int err = pkt_pool_create(SCTP_PACKETS(s->worker_count), &s->sctp_pool);
    if (err < 0)
        return fail("memory", err, "");
    struct signal_config *sc = calloc(1, sizeof(*sc));
    if (sc == NULL)
        return fail("signalling", -ENOMEM, "");
    memcpy(sc->keys, c->keys, sizeof(sc->keys));
    sc->key_count = c->key_count;
    memcpy(sc->ice_servers, c->ice_servers, sizeof(sc->ice_servers));
    sc->ice_server_count = c->ice_server_count;
    sc->worker_count = (uint8_t)s->worker_count;
    sc->is_auto_create = c->room_auto_create;
    sc->has_no_webhooks = c->webhook_urls.count == 0;
    sc->room_count_max = (uint32_t)c->room_max_rooms;
    sc->participant_count_max = (uint32_t)c->room_max_participants;
    sc->server_participant_count_max = (uint32_t)c->limits_participants;
    sc->empty_timeout = MONO_S(c->room_empty_timeout_s);
    sc->departure_timeout = MONO_S(c->room_departure_timeout_s);
    sc->resume_timeout = MONO_S(c->room_resume_timeout_s);
    sc->sctp_pool = s->sctp_pool;
    sc->rng = &s->rng;
    snprintf(sc->version, sizeof(sc->version), "%s", SERVER_LIVEKIT_VERSION);
    snprintf(sc->fingerprint_sha256, sizeof(sc->fingerprint_sha256), "%s",
             sec_cert_fingerprint(s->cert));
    add_candidates(s, sc);
    err = signal_create(sc, mono_now(), wall_now(), &s->signal);
    free(sc);
    return err < 0 ? fail("signalling", err, "") : 0;
}

static int open_http(struct server *s)
{
    const struct config *c = s->config;
    char web_root[CONFIG_TEXT_MAX];
    bool has_web = paths_find_web_root(c->web_root, web_root, sizeof(web_root));
    struct http_config hc = {
        .bind_count = c->bind.count,
        .port = (uint16_t)c->port,
        .tls_cert_path = c->tls_cert[0] != '\0' ? c->tls_cert : NULL,
        .tls_key_path = c->tls_key[0] != '\0' ? c->tls_key : NULL,
        .web_root = has_web ? web_root : NULL,
        .connection_count_max = (uint32_t)c->connections_max,
        .signal = s->signal,
        .on_signal_input = on_signal_input,
        .user = s,
        .webhook_url_count = c->webhook_urls.count,
        .webhook_key = c->webhook_key,
    };
    for (size_t i = 0; i < c->bind.count && i < HTTP_BIND_MAX; i++)
        hc.bind[i] = c->bind.items[i];
    for (size_t i = 0; i < c->webhook_urls.count && i < HTTP_WEBHOOK_URLS_MAX; i++)
        hc.webhook_urls[i] = c->webhook_urls.items[i];
    int err = http_server_create(&hc, &s->http);
    if (err < 0) {
        char what[64];
        snprintf(what, sizeof(what), "port %u/tcp", hc.port);
        return fail(what, err,
                    err == -EADDRINUSE ? "Another program uses it: stop that one, or choose "
                                         "another with --port."
                                       : "See the log above.");
    }
    /* release: the writer thread sees a complete server */
    atomic_store_explicit(&s->store_listener, s->http, memory_order_release);
    struct lesson_api_config lc = {
        .http = s->http, .signal = s->signal, .store = s->store, .rng = &s->rng};
    err = lesson_api_create(&lc, &s->lessons);
    return err < 0 ? fail("lessons", err, "The lesson log cannot be read.") : 0;
}

static void collect_metrics(void *user, struct strbuf *text)
{
    metrics_collect(user, text);
}

/* Measuring: what the server still takes, and what operators see. */
static int open_meters(struct server *s)
{
    load_init(&s->load, s->config, s->workers, s->worker_count, s->signal, mono_now());
    if (!s->config->metrics_enabled)
        return 0;
    s->metrics_sources = (struct metrics_sources){.workers = s->workers,
                                                  .worker_count = s->worker_count,
                                                  .load = &s->load,
                                                  .signal = s->signal,
                                                  .http = s->http,
                                                  .lessons = s->lessons,
                                                  .store = s->store,
                                                  .srtp_backend = sec_srtp_backend_name(),
                                                  .started_at = mono_now()};
    struct metrics_config mc = {.http = s->http,
                                .token = s->config->metrics_token,
                                .collect = collect_metrics,
                                .user = &s->metrics_sources};
    int err = metrics_endpoint_create(&mc, &s->metrics);
    return err < 0 ? fail("metrics", err, "") : 0;
}

static int start(struct server *s)
{
    rng_init_system(&s->rng);
    int err = sec_cert_create(wall_now(), &s->cert);
    if (err < 0)
        return fail("certificate", err, "OpenSSL cannot make a key.");
    int code = open_data(s);
    if (code == 0)
        code = select_srtp(s);
    if (code == 0)
        code = open_workers(s);
    if (code == 0)
        code = open_signal(s);
    if (code == 0)
        code = open_http(s);
    if (code == 0)
        code = open_meters(s);
    for (size_t i = 0; code == 0 && i < s->worker_count; i++) {
        err = worker_start(s->workers[i]);
        if (err < 0)
            code = fail("media worker", err, "");
    }
    if (code == 0 && (err = watch_signals(s)) < 0)
        code = fail("signals", err, "");
    return code;
}

/* ---- closing ---- */

static void stop(struct server *s)
{
    for (size_t i = 0; i < s->worker_count; i++)
        worker_stop(s->workers[i]);
    lesson_api_destroy(s->lessons);
    store_close(s->store); /* writes what still waits; its thread wakes the HTTP server */
    http_server_destroy(s->http);
    metrics_endpoint_destroy(s->metrics);
    signal_destroy(s->signal);
    for (size_t i = 0; i < s->worker_count; i++)
        worker_release(s->workers[i]);
    for (size_t i = 0; i < s->worker_count; i++)
        worker_destroy(s->workers[i]);
    pkt_pool_destroy(s->sctp_pool);
    sec_cert_destroy(s->cert);
    if (s->has_signal_thread) {
        if (!atomic_load_explicit(&s->is_stopping, memory_order_relaxed))
            pthread_cancel(s->signal_thread);
        pthread_join(s->signal_thread, NULL);
    }
}

int server_run(const struct config *config)
{
    role_assert_control();
    heap_setup();
    block_signals();
    struct server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return fail("memory", -ENOMEM, "");
    s->config = config;
    int code = start(s);
    if (code == 0) {
        LOG_INFO("server", "ready", "version=%s port=%u workers=%zu udp=%u tcp=%u", TONGKE_VERSION,
                 http_server_port(s->http), s->worker_count, worker_udp_port(s->workers[0]),
                 worker_tcp_port(s->workers[0]));
        control_loop(s);
        LOG_INFO("server", "stopping", "code=%d", code);
    }
    stop(s);
    free(s);
    return code;
}
