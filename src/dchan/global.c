/* usrsctp's process-wide state and the table of associations behind its addresses. */
#include "base/err.h"
#include "base/hash.h"
#include "dchan/dchan_internal.h"

#define DELAYED_SACK_MS 20
#define CHUNKS_MAX      8192 /* small messages that SCTP may hold */
#define BLACKHOLE_ALL   2    /* no ABORT for a packet that belongs to nothing */
#define FINISH_TRIES    100
#define BUSY_MS         4000 /* after a packet that moves something: more than the longest RTO */

enum { CHUNK_HEARTBEAT = 4, CHUNK_HEARTBEAT_ACK = 5 };

static struct {
    bool is_ready;
    uintptr_t id_last;
    mono_us timers_at; /* up to here usrsctp has counted the time */
    mono_us busy_ms;   /* so long its timers have to be exact */
    struct idmap assocs;
    struct list ready;
} global;

int dchan_global_init(void)
{
    if (global.is_ready)
        return ERR_STATE;
    usrsctp_init_nothreads(0, dchan__assoc_output, NULL);
    usrsctp_sysctl_set_sctp_blackhole(BLACKHOLE_ALL);
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    usrsctp_sysctl_set_sctp_pr_enable(1);
    usrsctp_sysctl_set_sctp_reconfig_enable(1);
    usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
    usrsctp_sysctl_set_sctp_delayed_sack_time_default(DELAYED_SACK_MS);
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(CHUNKS_MAX);
    idmap_init(&global.assocs, DCHAN_ASSOCS_MAX);
    list_init(&global.ready);
    global.timers_at = MONO_NEVER;
    global.is_ready = true;
    return 0;
}

void dchan_global_fini(void)
{
    if (!global.is_ready)
        return;
    DCHECK(global.assocs.count == 0);
    /* Associations that are going down keep usrsctp busy for some turns of its timers. */
    for (int i = 0; usrsctp_finish() != 0 && i < FINISH_TRIES; i++)
        usrsctp_handle_timers(DCHAN_TICK_MS);
    idmap_fini(&global.assocs);
    global.is_ready = false;
}

void dchan_global_handle_timers(mono_us now)
{
    size_t cursor = 0;
    uint64_t id;
    if (global.timers_at == MONO_NEVER || now < global.timers_at)
        global.timers_at = now; /* the first call, or another clock */
    mono_us elapsed_ms = (now - global.timers_at) / 1000;
    if (elapsed_ms <= 0)
        return;
    global.timers_at += 1000 * elapsed_ms;
    global.busy_ms = TK_MAX(global.busy_ms - elapsed_ms, 0);
    usrsctp_handle_timers((uint32_t)TK_MIN(elapsed_ms, 60000));
    for (struct dchan_assoc *a; (a = idmap_next(&global.assocs, &cursor, &id)) != NULL;)
        dchan__send_pump(a);
}

unsigned dchan_global_tick_ms(void)
{
    return global.busy_ms > 0 ? DCHAN_TICK_MS : DCHAN_IDLE_TICK_MS;
}

bool dchan_is_heartbeat(const uint8_t *data, size_t size)
{
    if (size <= DCHAN__SCTP_HEADER_SIZE)
        return false;
    uint8_t chunk = data[DCHAN__SCTP_HEADER_SIZE];
    return chunk == CHUNK_HEARTBEAT || chunk == CHUNK_HEARTBEAT_ACK;
}

void dchan__global_packet(const uint8_t *data, size_t size)
{
    if (!dchan_is_heartbeat(data, size))
        global.busy_ms = BUSY_MS;
}

int dchan__global_add(struct dchan_assoc *a)
{
    if (!global.is_ready)
        return ERR_STATE;
    a->id = ++global.id_last;
    list_init(&a->ready);
    return idmap_put(&global.assocs, a->id, a);
}

void dchan__global_remove(struct dchan_assoc *a)
{
    idmap_take(&global.assocs, a->id);
    list_remove(&a->ready);
}

struct dchan_assoc *dchan__global_find(uintptr_t id)
{
    return idmap_get(&global.assocs, id);
}

void dchan__global_mark_ready(struct dchan_assoc *a)
{
    if (list_is_empty(&a->ready))
        list_push_back(&global.ready, &a->ready);
}

struct dchan_assoc *dchan_global_take_ready(void)
{
    if (!global.is_ready)
        return NULL;
    struct list *item = list_pop_front(&global.ready);
    return item != NULL ? CONTAINER_OF(item, struct dchan_assoc, ready) : NULL;
}
