/* One PeerConnection of a client: its worker, its credentials, its sections. */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTIONS_FIRST 2 /* what a viewer of sound and picture needs */
#define UFRAG_LENGTH   8
#define LOAD_NEAR      100 /* permille: loads this near count as the same */
#define PWD_LENGTH     24  /* RFC 8839, 5.4: at least 22 characters */

/*
 * Always the worker of the participant's other transport; otherwise, of those whose measured load
 * is near the least, the one with the fewest transports: load tells where the work is, the count
 * spreads those who come at once or have not begun to work.
 */
static uint8_t choose_worker(const struct signal_participant *p)
{
    const struct signal *s = p->room->signal;
    if (p->publisher != NULL)
        return p->publisher->worker;
    uint16_t least = UINT16_MAX;
    for (uint8_t w = 0; w < s->config.worker_count; w++)
        least = TK_MIN(least, s->worker_loads[w]);
    int best = -1;
    for (uint8_t w = 0; w < s->config.worker_count; w++) {
        if (s->worker_loads[w] > least + LOAD_NEAR)
            continue;
        if (best < 0 || s->transport_counts[w] < s->transport_counts[best])
            best = w;
    }
    return (uint8_t)best;
}

static void make_credentials(struct signal_transport *t)
{
    struct rng *rng = t->participant->room->signal->config.rng;
    t->ufrag[0] = SIGNAL_WORKER_LETTERS[t->worker];
    id_random_text(rng, t->ufrag + 1, UFRAG_LENGTH - 1);
    id_random_text(rng, t->pwd, PWD_LENGTH);
}

int signal__transport_create(struct signal_participant *p, bool is_offerer,
                             struct signal_transport **ret_transport)
{
    struct signal *s = p->room->signal;
    struct signal_transport *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return -ENOMEM;
    t->participant = p;
    t->is_offerer = is_offerer;
    t->id = signal__id(s);
    t->worker = choose_worker(p);
    t->sdp_id = rng_u64(s->config.rng) >> 2; /* RFC 8866, 5.2: fits a signed 64-bit integer */
    t->ssrc_newest = rng_u32(s->config.rng); /* they begin anywhere (RFC 3550, 8.1) */
    make_credentials(t);
    int err = idmap_put(&s->transports, t->id, t);
    if (err < 0) {
        free(t);
        return err;
    }
    s->transport_counts[t->worker]++;
    s->transports_ever[t->worker]++;
    *ret_transport = t;
    return 0;
}

void signal__transport_command(struct signal_transport *t, enum media_command_kind kind)
{
    struct media_command command = {.kind = kind, .worker = t->worker, .peer = t->id};
    signal__command(t->participant->room->signal, &command);
}

void signal__transport_destroy(struct signal_transport *t)
{
    if (t == NULL)
        return;
    struct signal *s = t->participant->room->signal;
    signal__dc_destroy(t->dc);
    if (t->is_added)
        signal__transport_command(t, MEDIA_PEER_REMOVE);
    s->transport_counts[t->worker]--;
    idmap_take(&s->transports, t->id);
    free(t->sections);
    free(t);
}

void signal__transport_restart(struct signal_transport *t)
{
    make_credentials(t);
    if (!t->is_added)
        return;
    struct media_command command = {.kind = MEDIA_PEER_LOCAL, .worker = t->worker, .peer = t->id};
    memcpy(command.u.peer_local.ufrag, t->ufrag, sizeof(t->ufrag));
    memcpy(command.u.peer_local.pwd, t->pwd, sizeof(t->pwd));
    signal__command(t->participant->room->signal, &command);
}

static void add_peer(struct signal_transport *t, const struct sfu_peer_config *sfu)
{
    struct media_command command = {.kind = MEDIA_PEER_ADD, .worker = t->worker, .peer = t->id};
    command.u.peer_add.dtls_role = t->dtls_role;
    memcpy(command.u.peer_add.local_ufrag, t->ufrag, sizeof(t->ufrag));
    memcpy(command.u.peer_add.local_pwd, t->pwd, sizeof(t->pwd));
    command.u.peer_add.sfu = *sfu;
    signal__command(t->participant->room->signal, &command);
    t->is_added = true;
}

void signal__transport_send_remote(struct signal_transport *t)
{
    struct media_command command = {.kind = MEDIA_PEER_REMOTE, .worker = t->worker, .peer = t->id};
    command.u.peer_remote.remote = t->remote;
    command.u.peer_remote.sfu =
        (struct sfu_peer_config){.peer = t->id, .exts = t->exts, .has_twcc = t->has_twcc};
    signal__command(t->participant->room->signal, &command);
}

void signal__transport_set_remote(struct signal_transport *t, const struct sdp_transport *remote,
                                  const struct rtp_ext_ids *exts, bool has_twcc)
{
    struct sfu_peer_config sfu = {.peer = t->id, .exts = *exts, .has_twcc = has_twcc};
    if (!t->is_added)
        add_peer(t, &sfu);
    t->exts = *exts;
    t->has_twcc = has_twcc;
    struct peer_remote *r = &t->remote;
    /* The sizes of sdp/ and peer/ are the same. */
    IGNORE(str_copy(r->ufrag, sizeof(r->ufrag), remote->ufrag));
    IGNORE(str_copy(r->pwd, sizeof(r->pwd), remote->pwd));
    IGNORE(
        str_copy(r->fingerprint_sha256, sizeof(r->fingerprint_sha256), remote->fingerprint_sha256));
    signal__transport_send_remote(t);
}

void signal__transport_local(struct signal_transport *t, struct sdp_local *ret_local,
                             struct addr *candidates)
{
    const struct signal_config *config = &t->participant->room->signal->config;
    *ret_local = (struct sdp_local){.ufrag = t->ufrag,
                                    .pwd = t->pwd,
                                    .fingerprint_sha256 = config->fingerprint_sha256,
                                    .candidates = candidates,
                                    .is_ice_lite = true,
                                    .session_id = t->sdp_id,
                                    .version = ++t->sdp_version};
    ret_local->candidate_count = signal__way_candidates(t->participant, t->worker, candidates);
}

int signal__transport_add_section(struct signal_transport *t, struct signal_section **ret_section)
{
    if (t->section_count >= SDP_SECTIONS_MAX)
        return ERR_LIMIT;
    if (t->section_count == t->section_capacity) {
        size_t capacity = TK_MAX(t->section_capacity * 2, (size_t)SECTIONS_FIRST);
        struct signal_section *sections = realloc(t->sections, capacity * sizeof(*sections));
        if (sections == NULL)
            return -ENOMEM;
        t->sections = sections;
        t->section_capacity = capacity;
    }
    struct signal_section *section = &t->sections[t->section_count++];
    memset(section, 0, sizeof(*section));
    *ret_section = section;
    return 0;
}

struct signal_section *signal__free_section(struct signal_transport *t, uint8_t kind)
{
    for (size_t i = 0; i < t->section_count; i++) {
        struct signal_section *section = &t->sections[i];
        if (section->kind == kind && section->sub == NULL && section->track == NULL &&
            section->is_receiving && !section->is_sending)
            return section;
    }
    return NULL;
}

void signal__section_read(struct signal_section *section, const struct sdp_section *agreed)
{
    section->pt_count = (uint8_t)sdp_section_pts(agreed, section->pts, RTP_PTS_MAX);
    unsigned feedback = sdp_section_feedback(agreed);
    section->has_nack = (feedback & SDP_FB_NACK) != 0;
    section->has_pli = (feedback & (SDP_FB_NACK_PLI | SDP_FB_CCM_FIR)) != 0;
}
