#include "base/err.h"
#include "base/log.h"
#include "base/thread.h"
#include "server/worker_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READY_MAX    64
#define TRIM_PERIOD  MONO_MS(50)
#define RING_PACKETS 1024                       /* per video layer, at most: 2 s of 5 Mbit/s */
#define RING_AGE_MAX (MONO_S(2) + MONO_MS(200)) /* a keyframe of 2 s can still be read out */

/* What the kernel refuses and the socket works without, once. */
static void warn_of_udp(const struct worker *w)
{
    const struct {
        const char *event;
        int err;
    } lacks[] = {{"one_queue", TK_MIN(udp_patient_fd(w->udp), 0)},
                 {"no_gso", udp_gso(w->udp)},
                 {"no_gro", udp_gro(w->udp)}};
    for (size_t i = 0; i < ARRAY_COUNT(lacks); i++)
        if (lacks[i].err < 0)
            LOG_WARN("worker", lacks[i].event, "worker=%u err=\"%s\"", w->config.index,
                     err_text(lacks[i].err));
}

int worker_create(const struct worker_config *config, struct worker **ret_worker)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return -ENOMEM;
    role_assert_media(); /* the thread is not there yet: nobody else touches these fields */
    w->config = *config;
    w->listen_fd = -1;
    w->loop.epoll_fd = -1;
    w->commands.event_fd = -1;
    w->handovers.event_fd = -1;
    for (size_t i = 0; i < WORKERS_MAX; i++)
        w->relays[i].event_fd = -1;
    rng_init_system(&w->rng);
    idmap_init(&w->peers, config->peer_count_max);
    strmap_init(&w->ufrags, 2 * (size_t)config->peer_count_max, rng_u64(&w->rng));
    addrmap_init(&w->addrs, WORKER_ADDRS_PER_PEER * (size_t)config->peer_count_max);
    idmap_init(&w->tcps, WORKER_TCP_CONNS_MAX);
    list_init(&w->tcp_pending);
    timers_init(&w->timers);
    w->tcp_next_id = 1;
    w->meter.relay_arrived = MONO_NEVER;

    struct sfu_node_config node = {.worker = config->index,
                                   .seed = rng_u64(&w->rng),
                                   .ring_packets = RING_PACKETS,
                                   .ring_age_max = RING_AGE_MAX};
    int err = loop_init(&w->loop);
    if (err == 0)
        err = mailbox_init(&w->commands, sizeof(struct media_command), WORKER_COMMANDS_MAX);
    if (err == 0)
        err = ring_init(&w->events, sizeof(struct media_event), WORKER_EVENTS_MAX);
    if (err == 0)
        err = mailbox_init(&w->handovers, sizeof(struct worker_handover), WORKER_HANDOVERS_MAX);
    if (err == 0)
        err = pkt_pool_create(config->pkt_count, &w->pool);
    if (err == 0)
        err = sfu_node_create(&node, &w->node);
    if (err == 0)
        err = udp_open_split(&config->bind_ip, config->udp_port, &w->udp);
    if (err == 0 && config->has_tcp) {
        w->listen_fd = tcp_listen(&config->bind_ip, config->tcp_port, &w->tcp_port);
        err = TK_MIN(w->listen_fd, 0);
    }
    if (err < 0) {
        worker_destroy(w);
        return err;
    }
    warn_of_udp(w);
    *ret_worker = w;
    return 0;
}

uint16_t worker_udp_port(const struct worker *w)
{
    return udp_port(w->udp);
}

uint16_t worker_tcp_port(const struct worker *w)
{
    return w->tcp_port;
}

void worker_connect(struct worker *const *workers, size_t count)
{
    CHECK(count <= WORKERS_MAX);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            workers[i]->others[k] = k != i ? workers[k] : NULL;
}

/* What is watched. Control thread, before start. */
static int open_inputs(struct worker *w)
{
    role_assert_media(); /* the thread is not there yet: nobody else touches these fields */
    int err = loop_add(&w->loop, udp_fd(w->udp), false, w->udp);
    if (err == 0 && udp_patient_fd(w->udp) >= 0)
        err = loop_add(&w->loop, udp_patient_fd(w->udp), false, &w->patience);
    if (err == 0)
        err = loop_add(&w->loop, mailbox_fd(&w->commands), false, &w->commands);
    if (err == 0)
        err = loop_add(&w->loop, mailbox_fd(&w->handovers), false, &w->handovers);
    if (err == 0 && w->listen_fd >= 0)
        err = loop_add(&w->loop, w->listen_fd, false, &w->listen_fd);
    return err;
}

/* What is opened once the other workers are known. */
static int open_relays(struct worker *w)
{
    role_assert_media();
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        if (w->others[i] == NULL)
            continue;
        int err = mailbox_init(&w->relays[i], sizeof(struct sfu_relay), WORKER_RELAYS_MAX);
        if (err == 0)
            err = loop_add(&w->loop, mailbox_fd(&w->relays[i]), false, &w->relays[i]);
        if (err < 0)
            return err;
    }
    return 0;
}

static void take_commands(struct worker *w) ON_MEDIA
{
    mailbox_clear(&w->commands);
    worker__drain_commands(w);
}

static void receive_relays(struct worker *w, struct mailbox *m) ON_MEDIA
{
    mailbox_clear(m);
    size_t count;
    do {
        worker__begin_batch(w);
        struct sfu_relay r;
        for (count = 0; count < WORKER_BATCH && mailbox_pop(m, &r); count++) {
            worker__meter_relay(w, &r);
            sfu_node_handle_relay(w->node, &r, w->now);
        }
        worker__end_batch(w);
    } while (count == WORKER_BATCH);
}

static void drain_handovers(struct worker *w) ON_MEDIA
{
    mailbox_clear(&w->handovers);
    for (struct worker_handover h; mailbox_pop(&w->handovers, &h);)
        worker__tcp_handover(w, &h);
}

static bool is_relay_mailbox(const struct worker *w, const void *user)
{
    const struct mailbox *m = user;
    return m >= w->relays && m < w->relays + WORKERS_MAX;
}

/* What can wait comes first where it is read at all: checks make the addresses of what follows
 * known. */
static void handle_patient(struct worker *w, const struct loop_ready *ready, size_t count) ON_MEDIA
{
    bool is_ready = false;
    for (size_t i = 0; i < count; i++)
        is_ready = is_ready || ready[i].user == &w->patience;
    worker__receive_patient(w, is_ready);
}

static void handle_ready(struct worker *w, const struct loop_ready *ready) ON_MEDIA
{
    if (ready->user == w->udp)
        worker__receive(w);
    else if (ready->user == &w->patience)
        return; /* read at the beginning of the turn */
    else if (ready->user == &w->commands)
        take_commands(w);
    else if (ready->user == &w->handovers)
        drain_handovers(w);
    else if (ready->user == &w->listen_fd)
        worker__tcp_accept(w);
    else if (is_relay_mailbox(w, ready->user))
        receive_relays(w, ready->user);
    else
        worker__tcp_ready(w, ready->user, ready);
}

static void handle_timers(struct worker *w) ON_MEDIA
{
    for (struct timer *t; (t = timers_pop_due(&w->timers, w->now)) != NULL;) {
        struct worker_peer *wp = CONTAINER_OF(t, struct worker_peer, timer);
        peer_handle_timeout(wp->peer, w->now);
        worker__drain_peer(w, wp);
    }
    if (sfu_node_is_due(w->node, w->now)) {
        sfu_node_handle_timeout(w->node, w->now);
        worker__drain_node(w);
    }
    worker__tcp_expire(w);
    if (w->is_trimming)
        worker__trim_buffers(w);
}

static mono_us wait_time(const struct worker *w) ON_MEDIA
{
    mono_us next = TK_MIN(timers_next(&w->timers), sfu_node_next_timeout(w->node));
    next = TK_MIN(next, worker_patience_next(&w->patience));
    next = TK_MIN(next, worker__tcp_next_timeout(w));
    if (w->is_trimming)
        next = TK_MIN(next, w->now + TRIM_PERIOD);
    if (next == MONO_NEVER)
        return MONO_NEVER;
    return TK_MAX(next - mono_now(), 0);
}

/* Wakes the control thread if it got something during this turn. */
static void wake_control(struct worker *w) ON_MEDIA
{
    if (w->has_events)
        w->config.on_events(w->config.user);
    w->has_events = false;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    role_assert_media();
    struct loop_ready ready[READY_MAX];
    w->now = mono_now();
    while (!atomic_load_explicit(&w->is_stopping, memory_order_relaxed)) {
        size_t n = loop_wait(&w->loop, wait_time(w), ready, READY_MAX);
        w->turn_began = w->now = mono_now();
        handle_patient(w, ready, n);
        for (size_t i = 0; i < n; i++)
            handle_ready(w, &ready[i]);
        handle_timers(w);
        udp_flush(w->udp);
        wake_control(w);
        worker__meter_turn(w);
    }
    return NULL;
}

int worker_start(struct worker *w)
{
    int err = open_inputs(w);
    if (err == 0)
        err = open_relays(w);
    if (err < 0)
        return err;
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", w->config.index);
    err = thread_start(&w->thread, name, run, w);
    w->is_started = err == 0;
    return err;
}

void worker_stop(struct worker *w)
{
    if (!w->is_started)
        return;
    atomic_store_explicit(&w->is_stopping, true, memory_order_relaxed);
    mailbox_wake(&w->commands);
    pthread_join(w->thread, NULL);
    w->is_started = false;
}

/* Drops the packet references that still wait in mailboxes; the threads have ended. */
static void drop_mail(struct worker *w)
{
    for (size_t i = 0; i < WORKERS_MAX; i++)
        if (w->relays[i].event_fd >= 0)
            for (struct sfu_relay r; mailbox_pop(&w->relays[i], &r);)
                pkt_unref(r.pkt);
    if (w->commands.event_fd >= 0)
        for (struct media_command c; mailbox_pop(&w->commands, &c);)
            if (c.kind == MEDIA_PEER_SCTP)
                pkt_unref(c.u.sctp);
    if (w->events.slots != NULL)
        for (struct media_event e; ring_pop(&w->events, &e);)
            pkt_unref(e.sctp);
    if (w->handovers.event_fd >= 0)
        for (struct worker_handover h; mailbox_pop(&w->handovers, &h);)
            close(h.fd);
}

void worker_release(struct worker *w)
{
    role_assert_media(); /* the thread has ended */
    size_t cursor = 0;
    if (w->node != NULL)
        for (struct worker_peer *wp; (wp = idmap_next(&w->peers, &cursor, NULL)) != NULL;)
            worker__remove_peer(w, wp);
    cursor = 0;
    for (struct worker_tcp *t; (t = idmap_next(&w->tcps, &cursor, NULL)) != NULL;)
        worker__tcp_close(w, t);
    drop_mail(w);
    sfu_node_destroy(w->node);
    w->node = NULL;
}

void worker_destroy(struct worker *w)
{
    if (w == NULL)
        return;
    role_assert_media(); /* the thread has ended, or never began */
    if (w->node != NULL)
        worker_release(w);
    udp_close(w->udp);
    if (w->listen_fd >= 0)
        close(w->listen_fd);
    loop_fini(&w->loop);
    mailbox_fini(&w->commands);
    mailbox_fini(&w->handovers);
    for (size_t i = 0; i < WORKERS_MAX; i++)
        mailbox_fini(&w->relays[i]);
    ring_fini(&w->events);
    idmap_fini(&w->peers);
    strmap_fini(&w->ufrags);
    addrmap_fini(&w->addrs);
    idmap_fini(&w->tcps);
    timers_fini(&w->timers);
    pkt_pool_destroy(w->pool);
    free(w);
}

bool worker_push_command(struct worker *w, const struct media_command *command)
{
    return mailbox_push(&w->commands, command);
}

void worker_trim_commands(struct worker *w)
{
    ring_trim(&w->commands.ring);
}

void worker_wake(struct worker *w)
{
    mailbox_wake(&w->commands);
}

bool worker_pop_event(struct worker *w, struct media_event *ret_event)
{
    if (!ring_pop(&w->events, ret_event))
        return false;
    if (ret_event->kind == MEDIA_EVENT_PEER_SCTP) /* one writer */
        atomic_store_explicit(&w->sctp_taken,
                              atomic_load_explicit(&w->sctp_taken, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    return true;
}

void worker_stats(const struct worker *w, struct worker_stats *ret_stats)
{
#define READ(field) .field = atomic_load_explicit(&w->stats.field, memory_order_relaxed)
    *ret_stats = (struct worker_stats){
        READ(packets_in),
        READ(packets_out),
        READ(bytes_in),
        READ(bytes_out),
        READ(drop_stun),
        READ(drop_dtls),
        READ(drop_srtp_auth),
        READ(drop_srtp_replay),
        READ(drop_unknown_addr),
        READ(drop_malformed),
        READ(drop_no_buffer),
        READ(drop_relay_full),
        READ(drop_event_full),
        READ(drop_send),
        READ(tcp_accepted),
        READ(tcp_refused),
        READ(peers),
    };
#undef READ
}
