/*
 * The data channels of one transport: dchan's association, its packets carried to and from the
 * worker, and the three channels that count, known by their labels.
 */

#include "base/err.h"
#include "base/pkt.h"
#include "dchan/dchan.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_NONE UINT32_MAX

struct signal_dc {
    struct list link;                   /* signal->dcs */
    struct list dirty_link;             /* signal->dirty_dcs; alone when clean */
    struct signal_transport *transport; /* parent */
    struct dchan_assoc *assoc;
    uint32_t streams[SIGNAL_LABEL_COUNT_];
    bool is_started;
};

static const struct {
    const char *label;
    bool is_ordered;
    int32_t max_retransmits;
} labels[SIGNAL_LABEL_COUNT_] = {
    [SIGNAL_LABEL_RELIABLE] = {"_reliable", true, DCHAN_RETRANSMITS_FULL},
    [SIGNAL_LABEL_LOSSY] = {"_lossy", false, 0},
    [SIGNAL_LABEL_TRACK] = {"_data_track", false, 0},
};

static struct signal *signal_of(const struct signal_dc *dc)
{
    return dc->transport->participant->room->signal;
}

static void mark(struct signal_dc *dc)
{
    struct signal *s = signal_of(dc);
    if (list_is_empty(&dc->dirty_link))
        list_push_back(&s->dirty_dcs, &dc->dirty_link);
    s->is_finish_due = true;
}

static void run_timers(struct signal *s)
{
    struct dchan_assoc *assoc;
    dchan_global_handle_timers(s->now);
    while ((assoc = dchan_global_take_ready()) != NULL)
        if (dchan_assoc_user(assoc) != NULL) /* else another's of the same process */
            mark(dchan_assoc_user(assoc));
}

/* SCTP's timers run slowly while nothing moves: they catch up before something does. */
static void catch_up(struct signal *s)
{
    if (s->dcs_due > s->now + MONO_MS(DCHAN_TICK_MS))
        run_timers(s);
}

static void set_due(struct signal *s)
{
    mono_us due = s->now + MONO_MS(dchan_global_tick_ms());
    s->dcs_due = list_is_empty(&s->dcs) ? MONO_NEVER : due;
}

/* On the subscriber side of a dual connection the channels are ours to open. */
static int open_own(struct signal_dc *dc)
{
    for (int i = 0; i < SIGNAL_LABEL_COUNT_; i++) {
        uint16_t stream;
        int err = dchan_assoc_open(dc->assoc, labels[i].label, labels[i].is_ordered,
                                   labels[i].max_retransmits, &stream);
        if (err < 0)
            return err;
    }
    return 0;
}

int signal__dc_create(struct signal_transport *t, struct signal_dc **ret_dc)
{
    struct signal_dc *dc = calloc(1, sizeof(*dc));
    if (dc == NULL)
        return -ENOMEM;
    dc->transport = t;
    list_init(&dc->link);
    list_init(&dc->dirty_link);
    for (int i = 0; i < SIGNAL_LABEL_COUNT_; i++)
        dc->streams[i] = STREAM_NONE;
    struct dchan_config config = {.is_dtls_client = t->dtls_role == PEER_DTLS_CLIENT, .user = dc};
    int err = dchan_assoc_create(&config, &dc->assoc);
    if (err == 0 && t->is_offerer)
        err = open_own(dc);
    if (err < 0) {
        dchan_assoc_destroy(dc->assoc);
        free(dc);
        return err;
    }
    struct signal *s = signal_of(dc);
    catch_up(s);
    list_push_back(&s->dcs, &dc->link);
    s->dcs_due = TK_MIN(s->dcs_due, s->now + MONO_MS(DCHAN_TICK_MS));
    *ret_dc = dc;
    return 0;
}

void signal__dc_destroy(struct signal_dc *dc)
{
    if (dc == NULL)
        return;
    list_remove(&dc->link);
    list_remove(&dc->dirty_link);
    dchan_assoc_destroy(dc->assoc);
    free(dc);
}

/* Where the channels are the client's to open, it begins: many have the section and never do. */
void signal__dc_connected(struct signal_dc *dc)
{
    if (dc->is_started || !dc->transport->is_offerer)
        return;
    catch_up(signal_of(dc));
    dc->is_started = dchan_assoc_start(dc->assoc) == 0;
    mark(dc);
}

void signal__dc_handle_sctp(struct signal_dc *dc, const uint8_t *data, size_t size)
{
    if (!dchan_is_heartbeat(data, size))
        catch_up(signal_of(dc));
    if (dchan_assoc_handle_packet(dc->assoc, data, size) < 0)
        signal_of(dc)->stats.malformed++;
    mark(dc);
}

bool signal__dc_is_open(const struct signal_dc *dc, enum signal_label label)
{
    return dc->streams[label] != STREAM_NONE;
}

int signal__dc_send(struct signal_dc *dc, enum signal_label label, const uint8_t *data, size_t size)
{
    if (!signal__dc_is_open(dc, label))
        return ERR_STATE;
    catch_up(signal_of(dc));
    int err = dchan_assoc_send(dc->assoc, (uint16_t)dc->streams[label], false, data, size);
    mark(dc);
    return err;
}

static void transmit(struct signal_dc *dc)
{
    struct signal *s = signal_of(dc);
    uint8_t buf[DCHAN_PACKET_MAX];
    for (int size; (size = dchan_assoc_poll_transmit(dc->assoc, buf, sizeof(buf))) > 0;) {
        struct pkt *pkt = pkt_take(s->config.sctp_pool, (size_t)size);
        if (pkt == NULL) {
            s->stats.over_limit++; /* SCTP sends it again */
            continue;
        }
        memcpy(pkt->data, buf, (size_t)size);
        pkt->size = (uint16_t)size;
        struct media_command command = {
            .kind = MEDIA_PEER_SCTP, .worker = dc->transport->worker, .peer = dc->transport->id};
        command.u.sctp = pkt;
        signal__command(s, &command);
    }
}

static void on_open(struct signal_dc *dc, const struct dchan_event *e)
{
    for (int i = 0; i < SIGNAL_LABEL_COUNT_; i++)
        if (strcmp(labels[i].label, e->label) == 0)
            dc->streams[i] = e->stream;
    if (dc->transport == dc->transport->participant->subscriber)
        signal__data_flush(dc->transport->participant);
}

static void on_message(struct signal_dc *dc, const struct dchan_event *e)
{
    for (int i = 0; i < SIGNAL_LABEL_COUNT_; i++)
        if (dc->streams[i] == e->stream)
            signal__data_receive(dc->transport->participant, (enum signal_label)i, e->data,
                                 e->size);
}

static void on_event(struct signal_dc *dc, const struct dchan_event *e)
{
    switch (e->kind) {
    case DCHAN_EVENT_OPEN:
        on_open(dc, e);
        break;
    case DCHAN_EVENT_MESSAGE:
        on_message(dc, e);
        break;
    case DCHAN_EVENT_CLOSED:
        for (int i = 0; i < SIGNAL_LABEL_COUNT_; i++)
            if (dc->streams[i] == e->stream)
                dc->streams[i] = STREAM_NONE;
        break;
    case DCHAN_EVENT_DOWN:
        for (int i = 0; i < SIGNAL_LABEL_COUNT_; i++)
            dc->streams[i] = STREAM_NONE;
        break;
    case DCHAN_EVENT_UP:
        break;
    }
}

static void pump(struct signal_dc *dc)
{
    struct dchan_event e;
    transmit(dc);
    while (dchan_assoc_poll_event(dc->assoc, &e) > 0)
        on_event(dc, &e);
    transmit(dc);
}

void signal__dcs_finish(struct signal *s)
{
    for (struct list *item; (item = list_pop_front(&s->dirty_dcs)) != NULL;)
        pump(CONTAINER_OF(item, struct signal_dc, dirty_link));
    if (s->dcs_due > s->now + MONO_MS(dchan_global_tick_ms()))
        set_due(s);
}

void signal__dcs_tick(struct signal *s)
{
    if (s->now < s->dcs_due)
        return;
    run_timers(s);
    set_due(s);
}

int signal__dcs_init(struct signal *s)
{
    list_init(&s->dcs);
    list_init(&s->dirty_dcs);
    s->dcs_due = MONO_NEVER;
    int err = dchan_global_init();
    return err == ERR_STATE ? 0 : err; /* begun before, and once is for the whole process: usrsctp
                                          does not give everything back at its end */
}
