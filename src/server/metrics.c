#include "server/metrics.h"

#include "base/version.h"
#include "http/http.h"
#include "http/lesson_api.h"
#include "http/metrics.h"
#include "server/heap.h"
#include "server/load.h"
#include "server/worker_meter.h"
#include "signal/signal.h"
#include "store/store.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Everything of one worker, read at once. */
struct worker_view {
    char index[4];
    struct worker_stats stats;
    struct worker_gauges gauges;
};

struct view {
    const struct metrics_sources *sources;
    struct worker_view workers[WORKERS_MAX];
    struct strbuf *text;
};

/* One sample per worker: a 64-bit counter in struct worker_view under a second label. */
struct sample_row {
    const char *label;
    size_t offset;
};

#define STAT(field)  offsetof(struct worker_view, stats.field)
#define NODE(field)  offsetof(struct worker_view, gauges.core.node.field)
#define UDP(field)   offsetof(struct worker_view, gauges.core.udp.field)
#define GAUGE(field) offsetof(struct worker_view, gauges.field)

struct family {
    const char *name, *type, *help;
    const char *label; /* name of the second label; NULL = none */
    const struct sample_row *rows;
    size_t row_count;
};

static const struct sample_row packet_rows[] = {{"in", STAT(packets_in)},
                                                {"out", STAT(packets_out)}};
static const struct sample_row byte_rows[] = {{"in", STAT(bytes_in)}, {"out", STAT(bytes_out)}};
static const struct sample_row rtp_rows[] = {
    {"rtp_in", NODE(rtp_in)},     {"rtp_out", NODE(rtp_out)},    {"rtx_in", NODE(rtx_in)},
    {"rtx_out", NODE(rtx_out)},   {"rtcp_in", NODE(rtcp_in)},    {"rtcp_out", NODE(rtcp_out)},
    {"relay_in", NODE(relay_in)}, {"relay_out", NODE(relay_out)}};
static const struct sample_row drop_rows[] = {{"stun", STAT(drop_stun)},
                                              {"dtls", STAT(drop_dtls)},
                                              {"srtp_auth", STAT(drop_srtp_auth)},
                                              {"srtp_replay", STAT(drop_srtp_replay)},
                                              {"unknown_address", STAT(drop_unknown_addr)},
                                              {"malformed", STAT(drop_malformed)},
                                              {"no_buffer", STAT(drop_no_buffer)},
                                              {"relay_full", STAT(drop_relay_full)},
                                              {"event_full", STAT(drop_event_full)},
                                              {"send", STAT(drop_send)},
                                              {"udp_send", UDP(send_drops)},
                                              {"socket_full", GAUGE(backlog.drops)},
                                              {"rtp_unknown_ssrc", NODE(drop_unknown_ssrc)},
                                              {"rtp_malformed", NODE(drop_malformed)},
                                              {"rtp_unknown_peer", NODE(drop_unknown_peer)},
                                              {"rtp_duplicate", NODE(drop_duplicate)},
                                              {"rtp_no_buffer", NODE(drop_no_buffer)}};
static const struct sample_row call_rows[] = {{"receive", UDP(recv_calls)},
                                              {"send", UDP(send_calls)}};
static const struct sample_row message_rows[] = {{NULL, UDP(messages_out)}};
static const struct sample_row refused_rows[] = {{NULL, UDP(runs_refused)}};
static const struct sample_row keyframe_rows[] = {{NULL, NODE(keyframes_requested)}};
static const struct sample_row nack_rows[] = {{"sent", NODE(nacks_sent)},
                                              {"answered", NODE(nacks_answered)},
                                              {"missed", NODE(nacks_missed)},
                                              {"dropped", NODE(nacks_dropped)}};
static const struct sample_row switch_rows[] = {{NULL, NODE(layer_switches)}};
static const struct sample_row turn_rows[] = {{NULL, GAUGE(turns)}};
static const struct sample_row tcp_rows[] = {{"accepted", STAT(tcp_accepted)},
                                             {"refused", STAT(tcp_refused)}};
static const struct sample_row queue_rows[] = {{"commands", GAUGE(commands_queued)},
                                               {"events", GAUGE(events_queued)},
                                               {"relays", GAUGE(relays_queued)},
                                               {"handovers", GAUGE(handovers_queued)}};
static const struct sample_row socket_rows[] = {{"in", GAUGE(backlog.in_bytes)},
                                                {"out", GAUGE(backlog.out_bytes)}};
_Static_assert(sizeof(size_t) == sizeof(uint64_t), "queue depths are read as 64-bit counters");

#define ROWS(rows) rows, ARRAY_COUNT(rows)

static const struct family families[] = {
    {"tongke_packets_total", "counter", "Datagrams of the media ports", "direction",
     ROWS(packet_rows)},
    {"tongke_bytes_total", "counter", "Bytes of these datagrams, without IP and UDP headers",
     "direction", ROWS(byte_rows)},
    {"tongke_media_packets_total", "counter", "What the forwarding nodes took and gave, by kind",
     "kind", ROWS(rtp_rows)},
    {"tongke_drops_total", "counter", "Packets that were dropped, by reason", "reason",
     ROWS(drop_rows)},
    {"tongke_udp_calls_total", "counter", "System calls on the UDP socket", "call",
     ROWS(call_rows)},
    {"tongke_udp_messages_out_total", "counter",
     "Messages handed to the kernel; one carries many packets", NULL, ROWS(message_rows)},
    {"tongke_udp_runs_refused_total", "counter",
     "Messages that the kernel would not cut: their packets left one by one", NULL,
     ROWS(refused_rows)},
    {"tongke_keyframe_requests_total", "counter", "Keyframes asked of publishers", NULL,
     ROWS(keyframe_rows)},
    {"tongke_nacks_total", "counter",
     "Lost packets: asked of publishers, resent to subscribers, too old to resend", "kind",
     ROWS(nack_rows)},
    {"tongke_layer_switches_total", "counter", "Changes of a subscription's layer", NULL,
     ROWS(switch_rows)},
    {"tongke_worker_turns_total", "counter", "Turns of the worker's loop", NULL, ROWS(turn_rows)},
    {"tongke_ice_tcp_total", "counter", "ICE-TCP connections", "result", ROWS(tcp_rows)},
    {"tongke_queue_depth", "gauge", "Messages that wait in a worker's mailboxes", "queue",
     ROWS(queue_rows)},
    {"tongke_socket_queue_bytes", "gauge",
     "Bytes that wait in the UDP socket, as the kernel counts", "direction", ROWS(socket_rows)},
};

static uint64_t field_at(const struct worker_view *w, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)w + offset);
}

static void put_family(const struct view *v, const struct family *f)
{
    metrics_family(v->text, f->name, f->type, f->help);
    for (size_t i = 0; i < v->sources->worker_count; i++) {
        for (size_t k = 0; k < f->row_count; k++) {
            struct metrics_label labels[] = {{"worker", v->workers[i].index},
                                             {f->label, f->rows[k].label}};
            metrics_count(v->text, f->name, labels, f->label != NULL ? 2 : 1,
                          field_at(&v->workers[i], f->rows[k].offset));
        }
    }
}

/* A family with one value per worker that needs more than reading a counter. */
static void put_workers(const struct view *v, const char *name, const char *type, const char *help,
                        double (*value)(const struct view *v, size_t worker))
{
    metrics_family(v->text, name, type, help);
    for (size_t i = 0; i < v->sources->worker_count; i++) {
        struct metrics_label label = {"worker", v->workers[i].index};
        metrics_value(v->text, name, &label, 1, value(v, i));
    }
}

static double cpu_seconds(const struct view *v, size_t worker)
{
    return (double)v->workers[worker].gauges.cpu_us / 1e6;
}

static double busy_seconds(const struct view *v, size_t worker)
{
    return (double)v->workers[worker].gauges.busy_us / 1e6;
}

static double load_ratio(const struct view *v, size_t worker)
{
    return v->sources->load->admission.load[worker] / 1000.0;
}

static double reserve_ratio(const struct view *v, size_t worker)
{
    const struct admission *a = &v->sources->load->admission;
    return (a->expected[worker] - a->load[worker]) / 1000.0;
}

static double buffers_used(const struct view *v, size_t worker)
{
    return (double)v->workers[worker].gauges.buffers_used;
}

static double peer_count(const struct view *v, size_t worker)
{
    return v->workers[worker].stats.peers;
}

static void put_delay(const struct view *v)
{
    static const char name[] = "tongke_delay_seconds";
    double bounds[WORKER_DELAY_BUCKETS];
    for (size_t i = 0; i < WORKER_DELAY_BUCKETS; i++)
        bounds[i] = worker_delay_bounds_us[i] / 1e6;
    metrics_family(v->text, name, "histogram",
                   "Time in the server of media packets, each taken as the oldest of its turn");
    for (size_t i = 0; i < v->sources->worker_count; i++) {
        const struct worker_gauges *g = &v->workers[i].gauges;
        struct metrics_label label = {"worker", v->workers[i].index};
        metrics_histogram(v->text, name, &label, 1, bounds, g->delay_counts, WORKER_DELAY_BUCKETS,
                          (double)g->delay_sum_us / 1e6);
    }
}

/* ---- the server as a whole ---- */

static void put_one(struct strbuf *b, const char *name, const char *type, const char *help,
                    double value)
{
    metrics_family(b, name, type, help);
    metrics_value(b, name, NULL, 0, value);
}

static void put_signal(const struct view *v)
{
    struct strbuf *b = v->text;
    struct signal_stats s;
    signal_stats(v->sources->signal, &s);
    put_one(b, "tongke_rooms", "gauge", "Rooms", s.rooms);
    put_one(b, "tongke_participants", "gauge", "Participants, held ones included", s.participants);
    put_one(b, "tongke_tracks", "gauge", "Published tracks", s.tracks);
    put_one(b, "tongke_subscriptions", "gauge", "Subscriptions that are forwarded",
            s.subscriptions);
    put_one(b, "tongke_signal_sessions", "gauge", "Signalling connections", s.sessions);
    put_one(b, "tongke_joins_total", "counter", "Participants that joined", (double)s.joins);
    put_one(b, "tongke_resumes_total", "counter", "Participants that came back within the hold",
            (double)s.resumes);
    put_one(b, "tongke_joins_refused_total", "counter", "Joins that were refused, for any reason",
            (double)s.refused);
    put_one(b, "tongke_signal_malformed_total", "counter", "Signalling messages not understood",
            (double)s.malformed);
    put_one(b, "tongke_signal_over_limit_total", "counter", "Requests beyond a limit",
            (double)s.over_limit);
    metrics_family(b, "tongke_admission_refused_total", "counter",
                   "Refused because the server was full");
    struct metrics_label what = {"what", "room"};
    metrics_count(b, "tongke_admission_refused_total", &what, 1, s.refused_rooms);
    what.value = "participant";
    metrics_count(b, "tongke_admission_refused_total", &what, 1, s.refused_participants);
    put_one(b, "tongke_admission_level", "gauge",
            "What is taken: 0 everything, 1 no new rooms, 2 no new participants",
            v->sources->load->admission.level);
}

static void put_http(const struct view *v)
{
    struct strbuf *b = v->text;
    struct http_stats h;
    http_server_stats(v->sources->http, &h);
    put_one(b, "tongke_http_connections", "gauge", "TCP connections to the HTTP port",
            h.connections);
    put_one(b, "tongke_websockets", "gauge", "WebSocket connections", h.websockets);
    put_one(b, "tongke_http_requests_total", "counter", "Requests", (double)h.requests);
    put_one(b, "tongke_http_upgrades_total", "counter", "WebSockets opened", (double)h.upgrades);
    put_one(b, "tongke_http_refused_total", "counter", "Requests refused before they were read",
            (double)h.refused);
    put_one(b, "tongke_webhooks_sent_total", "counter", "Webhooks sent", (double)h.webhooks_sent);
    put_one(b, "tongke_webhooks_dropped_total", "counter", "Webhooks dropped",
            (double)h.webhooks_dropped);
}

static void put_lessons(const struct view *v)
{
    struct strbuf *b = v->text;
    struct lesson_api_stats l;
    struct store_lag lag;
    lesson_api_stats(v->sources->lessons, &l);
    store_lag(v->sources->store, mono_now(), &lag);
    put_one(b, "tongke_lessons", "gauge", "Live lessons", (double)l.lessons);
    put_one(b, "tongke_lesson_log_connections", "gauge", "Connections to live lesson logs",
            (double)l.log_connections);
    put_one(b, "tongke_log_writer_waiting", "gauge", "Writes that are not yet durable",
            (double)lag.count);
    put_one(b, "tongke_log_writer_lag_seconds", "gauge", "How long the oldest of them has waited",
            (double)lag.age / 1e6);
}

static double seconds_of(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* Resident memory; 0 where /proc is not there. */
static double resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (f != NULL)
        fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void put_process(const struct view *v)
{
    struct strbuf *b = v->text;
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    struct metrics_label labels[] = {{"version", TONGKE_VERSION},
                                     {"srtp", v->sources->srtp_backend}};
    metrics_family(b, "tongke_build_info", "gauge", "Version and the SRTP back end in use");
    metrics_count(b, "tongke_build_info", labels, ARRAY_COUNT(labels), 1);
    put_one(b, "tongke_uptime_seconds", "gauge", "Time since the start",
            (double)(mono_now() - v->sources->started_at) / 1e6);
    put_one(b, "process_cpu_seconds_total", "counter", "Processor time of all threads",
            seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime));
    put_one(b, "process_resident_memory_bytes", "gauge", "Resident memory", resident_bytes());
    put_one(b, "tongke_heap_bytes", "gauge", "Bytes allocated and not freed", (double)heap_bytes());
}

void metrics_collect(const struct metrics_sources *m, struct strbuf *text)
{
    struct view v = {.sources = m, .text = text};
    for (size_t i = 0; i < m->worker_count; i++) {
        snprintf(v.workers[i].index, sizeof(v.workers[i].index), "%u", (unsigned)(uint8_t)i);
        worker_stats(m->workers[i], &v.workers[i].stats);
        worker_gauges(m->workers[i], &v.workers[i].gauges);
    }
    put_process(&v);
    put_signal(&v);
    put_lessons(&v);
    put_http(&v);
    put_workers(&v, "tongke_worker_cpu_seconds_total", "counter", "Processor time of the thread",
                cpu_seconds);
    put_workers(&v, "tongke_worker_busy_seconds_total", "counter",
                "Time in turns of the loop, the waiting for a processor included", busy_seconds);
    put_workers(&v, "tongke_worker_load_ratio", "gauge",
                "Smoothed load; newcomers are placed and refused by it and the reserve",
                load_ratio);
    put_workers(&v, "tongke_worker_reserve_ratio", "gauge",
                "What newcomers are expected to add to the load", reserve_ratio);
    put_workers(&v, "tongke_worker_peers", "gauge", "Media connections", peer_count);
    put_workers(&v, "tongke_worker_buffers_used", "gauge", "Packet buffers in use", buffers_used);
    for (size_t i = 0; i < ARRAY_COUNT(families); i++)
        put_family(&v, &families[i]);
    put_delay(&v);
}
