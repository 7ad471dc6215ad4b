/* One run: who joins when, what is measured when, and how it ends. */
#include "load/load_internal.h"

#include "base/err.h"
#include "secure/cert.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STORM_DELAY    MONO_MS(500) /* into the measuring */
#define LEAVE_TIME     MONO_S(2)    /* at most, for what says goodbye */
#define PROGRESS       MONO_MS(250)
#define PROGRESS_LINES MONO_S(5) /* without a terminal */
#define BAR_WIDTH      30

struct load_options load_options_default(void)
{
    return (struct load_options){
        .target = LOAD_LIVEKIT,
        .url = "ws://127.0.0.1:7880",
        .key = "devkey",
        .secret = "secret",
        .whip_path = "/whip/{room}",
        .whep_path = "/whep/{room}?participant={publisher}",
        .floor_base_port = 20000,
        .floor_layer = RTP_LAYERS_MAX - 1,
        .room = "load",
        .publishers = 1,
        .subscribers = 10,
        .rooms = 1,
        .has_video = true,
        .has_audio = true,
        .has_nack = true,
        .codec = RTP_CODEC_VP8,
        .layers = RTP_LAYERS_MAX,
        .frame_rate = 30,
        .frame_packets = 6,
        .keyframe_packets = 60,
        .check_percent = 100,
        .join_rate = 100,
        .join_timeout_s = 20,
        .storm_s = 3,
        .warm_up_s = 3,
        .duration_s = 10,
    };
}

/* ---- clips ---- */

static int open_clip(const struct load_options *o, const char *name, struct load_clip *ret_clip)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s.clip", o->data_folder, name);
    int err = load_clip_open(path, ret_clip);
    if (err < 0)
        fprintf(stderr, "tongke load: %s: %s\n", path, err_text(err));
    return err;
}

static int synthesise(struct load_run *run)
{
    const struct load_options *o = run->options;
    int err = 0;
    for (uint32_t i = 0; i < o->layers && err == 0; i++) {
        struct load_shape shape = {
            .packet_size = o->packet_size,
            .frame_rate = o->frame_rate,
            .frame_packets = TK_MAX(o->frame_packets >> (o->layers - 1 - i), 1u),
            .keyframe_packets = TK_MAX(o->keyframe_packets >> (o->layers - 1 - i), 1u),
        };
        err = load_clip_synthesise(&shape, &run->video[i]);
        run->layer_count = i + 1;
    }
    if (err < 0)
        fprintf(stderr, "tongke load: synthetic pictures: %s\n", err_text(err));
    return err;
}

static int open_clips(struct load_run *run)
{
    static const char *const vp8[RTP_LAYERS_MAX] = {"vp8-low", "vp8-mid", "vp8-high"};
    const struct load_options *o = run->options;
    int err = o->has_audio ? open_clip(o, "opus", &run->audio) : 0;
    if (err < 0 || !o->has_video)
        return err;
    if (o->packet_size > 0)
        return synthesise(run);
    if (o->codec == RTP_CODEC_H264) {
        run->layer_count = 1;
        return open_clip(o, "h264", &run->video[0]);
    }
    for (uint32_t i = 0; i < o->layers && err == 0; i++) {
        /* Fewer layers than recorded: the best ones. */
        err = open_clip(o, vp8[RTP_LAYERS_MAX - o->layers + i], &run->video[i]);
        run->layer_count = i + 1;
    }
    return err;
}

/* ---- clients ---- */

static struct load_client *add_client(struct load_run *run, uint32_t room, uint32_t number)
{
    struct load_client *c = &run->clients[run->client_count];
    *c = (struct load_client){
        .run = run, .index = run->client_count++, .room = room, .number = number};
    return c;
}

static uint32_t streams_from(const struct load_run *run, uint32_t publishers)
{
    const struct load_options *o = run->options;
    uint32_t layers = o->has_video ? 1 : 0;
    if (o->target == LOAD_FLOOR && o->has_video && o->floor_layer < 0)
        layers = run->layer_count;
    return publishers * (layers + (o->has_audio ? 1 : 0));
}

static void add_publishers(struct load_run *run)
{
    const struct load_options *o = run->options;
    for (uint32_t room = 0; room < o->rooms; room++)
        for (uint32_t i = 0; i < o->publishers; i++) {
            struct load_client *c = add_client(run, room, room * o->publishers + i);
            c->publishes = true;
            c->subscribes = o->is_gallery || o->is_lesson;
            c->is_site = o->is_lesson && i > 0;
            if (o->is_gallery)
                c->streams_wanted = streams_from(run, o->publishers - 1);
            else if (c->is_site) /* the lecture */
                c->streams_wanted = streams_from(run, 1);
            else if (o->is_lesson) /* the wall: every site's picture */
                c->streams_wanted = o->has_video ? o->publishers - 1 : 0;
        }
}

static void add_subscribers(struct load_run *run)
{
    const struct load_options *o = run->options;
    for (uint32_t i = 0; i < o->subscribers * o->rooms + o->storm_joins; i++) {
        struct load_client *c = add_client(run, i % o->rooms, i);
        c->subscribes = true;
        c->is_late = i >= o->subscribers * o->rooms;
        c->streams_wanted = streams_from(run, o->publishers);
        /* Evenly among the others. */
        double share = o->lossy_share_percent / 100;
        c->is_lossy = o->loss_percent > 0 && (uint32_t)((i + 1) * share) != (uint32_t)(i * share);
    }
}

static int make_clients(struct load_run *run)
{
    const struct load_options *o = run->options;
    bool has_subscribers = !o->is_gallery && !o->is_lesson;
    uint64_t subscribers = has_subscribers ? (uint64_t)o->subscribers * o->rooms : 0;
    uint64_t count = (uint64_t)o->publishers * o->rooms + subscribers + o->storm_joins;
    run->clients = calloc(count, sizeof(*run->clients));
    if (run->clients == NULL)
        return -ENOMEM;
    run->publisher_count = o->publishers * o->rooms;
    run->lates = o->storm_joins;
    /* The floor knows no keyframe on demand: receivers first, so that they see the first one. */
    if (o->target == LOAD_FLOOR && has_subscribers)
        add_subscribers(run);
    add_publishers(run);
    if (o->target != LOAD_FLOOR && has_subscribers)
        add_subscribers(run);
    return 0;
}

static const char *describe(const struct load_client *c, char *buf, size_t size)
{
    char room[128], name[64];
    snprintf(buf, size, "%s in room %s", load__client_name(c, name, sizeof(name)),
             load__client_room(c, room, sizeof(room)));
    return buf;
}

/* ---- progress ---- */

static const char *phase_name(enum load_phase phase)
{
    static const char *const names[] = {"publishers join", "subscribers join", "warm-up",
                                        "measuring", "over"};
    return names[phase];
}

static double phase_share(const struct load_run *run, mono_us now)
{
    const struct load_options *o = run->options;
    double seconds = (double)(now - run->phase_at) / 1e6;
    if (run->phase == LOAD_PHASE_WARM_UP)
        return o->warm_up_s > 0 ? seconds / o->warm_up_s : 1;
    if (run->phase == LOAD_PHASE_MEASURE)
        return seconds / o->duration_s;
    return (double)run->complete / TK_MAX(run->client_count - run->lates, 1u);
}

static void draw_bar(const struct load_run *run, mono_us now)
{
    char bar[BAR_WIDTH + 1];
    double share = TK_MIN(phase_share(run, now), 1.0);
    int filled = (int)(share * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %3.0f%% %-16s %u of %u joined, %u failed ", bar, share * 100,
            phase_name(run->phase), run->joined, run->begun, run->failed);
}

static void show_progress(struct load_run *run, mono_us now)
{
    static mono_us next; /* one run per process */
    if (now < next)
        return;
    next = now + (run->options->has_progress ? PROGRESS : PROGRESS_LINES);
    if (run->options->has_progress)
        draw_bar(run, now);
    else
        fprintf(stderr, "tongke load: %s: %u of %u joined, %u failed\n", phase_name(run->phase),
                run->joined, run->begun, run->failed);
}

/* ---- phases ---- */

static void enter(struct load_run *run, enum load_phase phase, mono_us now)
{
    run->phase = phase;
    run->phase_at = now;
    run->next_join_at = now + (phase == LOAD_PHASE_MEASURE ? STORM_DELAY : 0);
}

static void watch(struct load_run *run, bool is_end, mono_us now)
{
    struct load_watch *self = is_end ? &run->self.end : &run->self.begin;
    struct load_watch *server = is_end ? &run->server.end : &run->server.begin;
    *(is_end ? &run->machine_end : &run->machine_begin) = load_watch_machine();
    int err = load_watch_read(getpid(), now, self);
    if (err < 0)
        fprintf(stderr, "tongke load: own process: %s\n", err_text(err));
    if (run->options->server_pid == 0)
        return;
    err = load_watch_read(run->options->server_pid, now, server);
    if (err < 0)
        fprintf(stderr, "tongke load: --server-pid %d: %s\n", run->options->server_pid,
                err_text(err));
}

static void begin_measuring(struct load_run *run, mono_us now)
{
    memset(&run->m, 0, sizeof(run->m));
    enter(run, LOAD_PHASE_MEASURE, now);
    watch(run, false, now);
    run->phase_at = mono_now(); /* reading memory maps takes its time */
}

/* What began inside the window and is not over at its end. */
static void count_open_ends(struct load_run *run, mono_us now)
{
    LIST_FOR_EACH(it, &run->conns)
    {
        const struct load_conn *conn = CONTAINER_OF(it, struct load_conn, in_run);
        for (size_t i = 0; i < conn->rx_count; i++) {
            const struct load_rx *rx = conn->rxs[i];
            uint64_t missing = load__rx_missing(rx);
            run->m.lost += missing;
            run->m.lost_video += rx->kind == RTP_KIND_VIDEO ? missing : 0;
            if (rx->kind != RTP_KIND_VIDEO || rx->frame_at == 0 ||
                now - rx->frame_at <= LOAD_FREEZE_US)
                continue;
            run->m.freezes++;
            run->m.freeze_us += (uint64_t)(now - rx->frame_at);
        }
    }
}

static void end_measuring(struct load_run *run, mono_us now)
{
    run->measured_us = now - run->phase_at;
    watch(run, true, now);
    count_open_ends(run, now);
    run->phase = LOAD_PHASE_OVER;
}

static void step(struct load_run *run, mono_us now)
{
    const struct load_options *o = run->options;
    uint32_t regular = run->client_count - run->lates;
    bool is_separate = o->target != LOAD_FLOOR && !o->is_gallery && !o->is_lesson;
    if (run->trouble[0] != '\0') {
        enter(run, LOAD_PHASE_OVER, now);
    } else if (run->lessons_missing > 0) {
        enter(run, LOAD_PHASE_PUBLISHERS, now);
    } else if (run->phase == LOAD_PHASE_PUBLISHERS) {
        uint32_t until = is_separate ? run->publisher_count : regular;
        load__join_due(run, until, o->join_rate, now);
        if (load__join_is_over(run, until, now)) {
            enter(run, run->failed == until ? LOAD_PHASE_OVER : LOAD_PHASE_SUBSCRIBERS, now);
        }
    } else if (run->phase == LOAD_PHASE_SUBSCRIBERS) {
        load__join_due(run, regular, o->join_rate, now);
        if (load__join_is_over(run, regular, now)) {
            bool has_receivers = run->joined > (is_separate ? run->publisher_count : 0);
            bool needs_none = regular == run->publisher_count;
            enter(run, has_receivers || needs_none ? LOAD_PHASE_WARM_UP : LOAD_PHASE_OVER, now);
        }
    } else if (run->phase == LOAD_PHASE_WARM_UP) {
        if (now - run->phase_at >= MONO_S(o->warm_up_s))
            begin_measuring(run, now);
    } else if (run->phase == LOAD_PHASE_MEASURE) {
        load__join_due(run, run->client_count, o->storm_joins / TK_MAX(o->storm_s, 0.001), now);
        if (now - run->phase_at >= MONO_S(o->duration_s)) {
            load__join_tell_incomplete(run, run->client_count);
            end_measuring(run, now);
        }
    }
}

static mono_us next_step(const struct load_run *run, mono_us now)
{
    mono_us next = TK_MIN(timers_next(&run->timers), timers_next(&run->frames));
    next = TK_MIN(next, now + MONO_MS(20));
    if (run->begun < run->client_count)
        next = TK_MIN(next, TK_MAX(run->next_join_at, now));
    return next;
}

static void drive(struct load_run *run)
{
    enter(run, LOAD_PHASE_PUBLISHERS, mono_now());
    while (run->phase != LOAD_PHASE_OVER && !*run->is_stopping) {
        mono_us now = mono_now();
        load__fire_timers(run);
        step(run, now);
        show_progress(run, now);
        if (run->phase != LOAD_PHASE_OVER)
            load__io_wait(run, next_step(run, mono_now()));
    }
    if (run->phase == LOAD_PHASE_MEASURE)
        end_measuring(run, mono_now()); /* stopped: what there is */
    run->phase = LOAD_PHASE_OVER;
    if (run->options->has_progress)
        fprintf(stderr, "\r\033[K");
}

static void say_goodbye(struct load_run *run)
{
    mono_us until = mono_now() + LEAVE_TIME;
    for (uint32_t i = 0; i < run->begun; i++)
        load__client_end(&run->clients[i]);
    while (mono_now() < until && !list_is_empty(&run->wires)) {
        load__fire_timers(run);
        load__io_wait(run, mono_now() + MONO_MS(10));
    }
    load__wires_destroy(run); /* who does not answer in time */
}

/* ---- the whole ---- */

/* One descriptor per UDP port and one per signalling connection. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    IGNORE(setrlimit(RLIMIT_NOFILE, &limit)); /* opening says it when it is not enough */
}

static int prepare(struct load_run *run)
{
    static const struct load_target *const targets[] = {&load__livekit, &load__whip, &load__janus,
                                                        &load__floor};
    run->target = targets[run->options->target];
    raise_descriptor_limit();
    list_init(&run->conns);
    list_init(&run->wires);
    timers_init(&run->timers);
    timers_init(&run->frames);
    rng_init_system(&run->rng);
    run->number = 1 + rng_below(&run->rng, 1 << 20);
    run->check_step = (uint32_t)(100 / run->options->check_percent + 0.5);
    int err = load__io_init(&run->io);
    if (err == 0)
        err = load__shared_open(run);
    if (err == 0)
        err = sec_cert_create(wall_now(), &run->cert);
    if (err == 0)
        err = open_clips(run);
    if (err == 0)
        err = make_clients(run);
    if (err == 0 && run->options->is_lesson)
        err = load__lessons_make(run);
    return err;
}

static void tell_failures(const struct load_run *run)
{
    char text[256];
    const struct load_client *c = run->first_failed;
    if (run->trouble[0] != '\0')
        fprintf(stderr, "tongke load: %s\n", run->trouble);
    if (c != NULL)
        fprintf(stderr, "tongke load: %s: %s\n", describe(c, text, sizeof(text)),
                c->why != NULL ? c->why : "failed");
    if (run->failed > 1)
        fprintf(stderr, "tongke load: %u of %u clients failed; the first is shown\n", run->failed,
                run->client_count);
}

static int judge(struct load_run *run)
{
    const struct load_measure *m = &run->m;
    if (m->auth_failures > 0)
        fprintf(stderr, "tongke load: %llu packets could not be authenticated\n",
                (unsigned long long)m->auth_failures);
    if (run->measured_us > 0 && m->packets == 0 && run->client_count > run->publisher_count)
        fprintf(stderr, "tongke load: no packet came while it was measured\n");
    bool is_silent = m->packets == 0 && run->client_count > run->publisher_count;
    return run->failed > 0 || m->auth_failures > 0 || (run->measured_us > 0 && is_silent) ||
           (run->measured_us == 0 && !*run->is_stopping);
}

static void finish(struct load_run *run)
{
    for (size_t i = 0; i < run->layer_count; i++)
        load_clip_fini(&run->video[i]);
    load_clip_fini(&run->audio);
    free(run->clients);
    load__shared_close(run);
    sec_cert_destroy(run->cert);
    load__io_fini(&run->io);
    timers_fini(&run->timers);
    timers_fini(&run->frames);
    free(run);
}

int load_run(const struct load_options *options, const volatile int *is_stopping)
{
    struct load_run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return 1;
    run->options = options;
    run->is_stopping = is_stopping;
    int err = prepare(run);
    if (err < 0) {
        fprintf(stderr, "tongke load: cannot begin: %s\n", err_text(err));
        finish(run);
        return 1;
    }
    drive(run);
    tell_failures(run);
    int rc = judge(run);
    load__report(run);
    if (options->json_path != NULL && load__report_json(run) < 0)
        rc = 1;
    say_goodbye(run);
    finish(run);
    return rc;
}
