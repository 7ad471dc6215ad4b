/* What was measured, for programs: every option and every figure. */
#include "load/load_internal.h"

#include "base/err.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* A missing member is worse than none: json_dump fails on NULL and that is told. */
static void put_count(json_t *o, const char *name, uint64_t value)
{
    json_object_set_new(o, name, json_integer((json_int_t)value));
}

static void put_real(json_t *o, const char *name, double value)
{
    json_object_set_new(o, name, json_real(value));
}

static json_t *hist_of(const struct load_hist *h)
{
    json_t *o = json_object();
    put_count(o, "count", h->count);
    put_real(o, "mean_us", h->count > 0 ? (double)h->sum / (double)h->count : 0);
    put_count(o, "p50_us", load_hist_percentile(h, 5000));
    put_count(o, "p90_us", load_hist_percentile(h, 9000));
    put_count(o, "p99_us", load_hist_percentile(h, 9900));
    put_count(o, "p999_us", load_hist_percentile(h, 9990));
    put_count(o, "max_us", h->max);
    return o;
}

static json_t *watch_of(const struct load_watch_span *span)
{
    const struct load_watch *a = &span->begin, *b = &span->end;
    json_t *o = json_object();
    put_real(o, "cpu_us", load_watch_cpu_us(span));
    json_object_set_new(o, "cpu_clock", json_string(a->run_ns > 0 ? "schedstat" : "ticks"));
    put_count(o, "wait_us", b->wait_ns > a->wait_ns ? (b->wait_ns - a->wait_ns) / 1000 : 0);
    put_count(o, "user_us", b->user_us - a->user_us);
    put_count(o, "system_us", b->system_us - a->system_us);
    put_real(o, "share_of_core", load_watch_cpu_us(span) / (double)TK_MAX(b->at - a->at, 1));
    put_count(o, "switches_voluntary", b->switches_voluntary - a->switches_voluntary);
    put_count(o, "switches_forced", b->switches_forced - a->switches_forced);
    put_count(o, "rss_kib_begin", a->rss_kib);
    put_count(o, "rss_kib_end", b->rss_kib);
    put_count(o, "pss_kib_begin", a->pss_kib);
    put_count(o, "pss_kib_end", b->pss_kib);
    put_count(o, "threads", b->threads);
    return o;
}

static json_t *options_of(const struct load_run *run)
{
    static const char *const targets[] = {"livekit", "whip", "janus", "floor"};
    static const char *const profiles[] = {"any", "gcm", "cm"};
    const struct load_options *p = run->options;
    json_t *o = json_object(), *argv = json_array();
    for (int i = 0; i < p->argc; i++)
        json_array_append_new(argv, json_string(p->argv[i]));
    json_object_set_new(o, "argv", argv);
    json_object_set_new(o, "target", json_string(targets[p->target]));
    json_object_set_new(o, "srtp", json_string(profiles[p->srtp]));
    json_object_set_new(o, "codec", json_string(sdp_codec_name(p->codec)));
    json_object_set_new(o, "dual", json_boolean(p->is_dual));
    json_object_set_new(o, "gallery", json_boolean(p->is_gallery));
    json_object_set_new(o, "lesson", json_boolean(p->is_lesson));
    json_object_set_new(o, "video", json_boolean(p->has_video));
    json_object_set_new(o, "audio", json_boolean(p->has_audio));
    json_object_set_new(o, "twcc", json_boolean(p->has_twcc));
    json_object_set_new(o, "nack", json_boolean(p->has_nack));
    json_object_set_new(o, "synthetic", json_boolean(p->packet_size > 0));
    put_count(o, "publishers", p->publishers);
    put_count(o, "subscribers", p->is_gallery ? 0 : p->subscribers);
    put_count(o, "rooms", p->rooms);
    put_count(o, "layers", run->layer_count);
    put_count(o, "packet_size", p->packet_size);
    put_count(o, "frame_rate", p->frame_rate);
    put_count(o, "frame_packets", p->frame_packets);
    put_count(o, "keyframe_packets", p->keyframe_packets);
    put_real(o, "loss_percent", p->loss_percent);
    put_real(o, "lossy_share_percent", p->lossy_share_percent);
    put_count(o, "network_bits", p->network_bits);
    put_real(o, "check_percent", p->check_percent);
    put_real(o, "join_rate", p->join_rate);
    put_count(o, "join_storm", p->storm_joins);
    put_real(o, "storm_seconds", p->storm_s);
    put_count(o, "warm_up_s", p->warm_up_s);
    put_count(o, "duration_s", p->duration_s);
    put_count(o, "server_pid", (uint64_t)p->server_pid);
    return o;
}

static void put_media(json_t *o, const struct load_measure *m, double seconds)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"delivered", m->delivered},
        {"packets", m->packets},
        {"hidden", m->hidden},
        {"bytes", m->bytes},
        {"datagram_bytes", m->datagram_bytes},
        {"lost", m->lost},
        {"lost_video", m->lost_video},
        {"duplicates", m->duplicates},
        {"recovered", m->recovered},
        {"rtx_packets", m->rtx_packets},
        {"dropped_on_purpose", m->dropped},
        {"auth_failures", m->auth_failures},
        {"replays", m->replays},
        {"malformed", m->malformed},
        {"unknown_ssrc", m->unknown_ssrc},
        {"unstamped", m->unstamped},
        {"frames", m->frames},
        {"keyframes", m->keyframes},
        {"frames_broken", m->frames_broken},
        {"freezes", m->freezes},
        {"freeze_us", m->freeze_us},
        {"nacks_sent", m->nacks_sent},
        {"nack_seqs_sent", m->nack_seqs_sent},
        {"plis_sent", m->plis_sent},
        {"rtcp_received", m->rtcp_in},
        {"sent_packets", m->sent_packets},
        {"sent_bytes", m->sent_bytes},
        {"sent_frames", m->sent_frames},
        {"send_failures", m->send_failures},
        {"nacks_received", m->nacks_got},
        {"resent", m->resent},
        {"plis_received", m->plis_got},
        {"keyframes_sent", m->keyframes_sent},
    };
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++)
        put_count(o, counts[i].name, counts[i].value);
    double expected = (double)(m->delivered + m->lost);
    put_real(o, "loss", expected > 0 ? (double)m->lost / expected : 0);
    put_real(o, "delivered_per_s", (double)m->delivered / seconds);
    json_object_set_new(o, "delay", hist_of(&m->delay));
    json_object_set_new(o, "delay_of_repaired", hist_of(&m->recovery));
    json_object_set_new(o, "age_at_start", hist_of(&m->start_age));
}

/* Where the time of joining went: the steps of a join add up to its time. */
static json_t *steps_of(const struct load_hist steps[LOAD_STEP_COUNT_])
{
    static const char *const names[LOAD_STEP_COUNT_] = {"description", "path", "keys", "packet",
                                                        "picture"};
    json_t *o = json_object();
    for (size_t i = 0; i < LOAD_STEP_COUNT_; i++)
        json_object_set_new(o, names[i], hist_of(&steps[i]));
    return o;
}

static json_t *joins_of(const struct load_run *run)
{
    json_t *o = json_object();
    put_count(o, "begun", run->begun);
    put_count(o, "joined", run->joined);
    put_count(o, "failed", run->failed);
    put_count(o, "while_measured", run->m.joins);
    json_object_set_new(o, "time", hist_of(&run->join_us));
    json_object_set_new(o, "time_while_measured", hist_of(&run->m.join_us));
    json_object_set_new(o, "steps", steps_of(run->steps));
    json_object_set_new(o, "steps_while_measured", steps_of(run->m.steps));
    if (run->first_failed != NULL && run->first_failed->why != NULL)
        json_object_set_new(o, "first_failure", json_string(run->first_failed->why));
    return o;
}

static json_t *generator_of(const struct load_run *run)
{
    json_t *o = watch_of(&run->self);
    put_count(o, "socket_drops", run->m.kernel_drops);
    put_count(o, "late_frames", run->m.late_frames);
    json_object_set_new(o, "lateness", hist_of(&run->m.lateness));
    json_object_set_new(o, "backlog", hist_of(&run->m.backlog));
    return o;
}

static void put_server(json_t *whole, const struct load_run *run)
{
    double busiest = 0;
    char name[16];
    bool is_limit = load__server_is_limit(run, &busiest, name);
    json_t *o = watch_of(&run->server);
    put_real(o, "busiest_thread_share", busiest);
    json_object_set_new(o, "busiest_thread", json_string(name));
    json_object_set_new(whole, "server", o);
    json_object_set_new(whole, "limited_by_server", json_boolean(is_limit));
    if (run->m.delivered > 0)
        put_real(whole, "server_us_per_delivered",
                 load_watch_cpu_us(&run->server) / (double)run->m.delivered);
}

static json_t *whole(const struct load_run *run)
{
    double seconds = (double)TK_MAX(run->measured_us, 1) / 1e6;
    json_t *o = json_object(), *media = json_object();
    json_object_set_new(o, "options", options_of(run));
    put_real(o, "measured_s", (double)run->measured_us / 1e6);
    json_object_set_new(o, "join", joins_of(run));
    put_media(media, &run->m, seconds);
    if (run->options->is_lesson)
        put_real(media, "site_downlink_bps",
                 (double)run->m.site_bytes * 8 / seconds /
                     TK_MAX(run->client_count - run->options->rooms, 1u));
    json_object_set_new(o, "media", media);
    json_object_set_new(o, "generator", generator_of(run));
    json_object_set_new(o, "limited_by_generator", json_boolean(run->is_limited));
    json_object_set_new(o, "limits", json_string(run->limits));
    put_real(o, "stolen_share", load_watch_stolen(&run->machine_begin, &run->machine_end));
    json_object_set_new(o, "checked_share", json_real(load__checked_share(run)));
    json_object_set_new(o, "delay_clock", json_string("kernel receive time stamp"));
    if (run->server.begin.is_read && run->server.end.is_read)
        put_server(o, run);
    return o;
}

int load__report_json(struct load_run *run)
{
    const char *path = run->options->json_path;
    json_t *o = whole(run);
    int result = strcmp(path, "-") == 0
                     ? json_dumpf(o, stdout, JSON_INDENT(2))
                     : json_dump_file(o, path, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(o);
    if (result == 0)
        return 0;
    fprintf(stderr, "tongke load: --json %s: %s\n", path, strerror(errno));
    return -EIO;
}
