/* One run: its options, what it needs, how it is judged, and how it ends. */
#include "load/load_internal.h"

#include "base/err.h"
#include "secure/cert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define LEAVE_TIME MONO_S(2) /* at most, for what says goodbye */

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
        err = load__clips_open(run);
    if (err == 0)
        err = load__roster_make(run);
    if (err == 0 && run->options->is_lesson)
        err = load__lessons_make(run);
    return err;
}

static const char *describe(const struct load_client *c, char *buf, size_t size)
{
    char room[128], name[64];
    snprintf(buf, size, "%s in room %s", load__client_name(c, name, sizeof(name)),
             load__client_room(c, room, sizeof(room)));
    return buf;
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

static void finish(struct load_run *run)
{
    load__clips_close(run);
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
    load__drive(run);
    tell_failures(run);
    int rc = judge(run);
    load__report(run);
    if (options->json_path != NULL && load__report_json(run) < 0)
        rc = 1;
    say_goodbye(run);
    finish(run);
    return rc;
}
