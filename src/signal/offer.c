/*
 * The subscriber side of a dual connection: we offer, one offer at a time; section 0 is the data
 * channels', a section per subscription follows, and a section whose subscription has gone serves
 * the next one of its kind.
 */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int add_section(struct signal_transport *t, enum sdp_kind kind,
                       struct signal_section **ret_section)
{
    int err = signal__transport_add_section(t, ret_section);
    if (err < 0)
        return err;
    (*ret_section)->kind = (uint8_t)kind;
    (*ret_section)->is_receiving = true;
    snprintf((*ret_section)->mid, RTP_MID_SIZE, "%zu", t->section_count - 1);
    return 0;
}

/* Every subscription that waits gets a section. */
static bool place_subs(struct signal_transport *t)
{
    bool has_changed = false;
    LIST_FOR_EACH(it, &t->participant->subs)
    {
        struct signal_sub *sub = CONTAINER_OF(it, struct signal_sub, viewer_link);
        if (sub->state != SIGNAL_SUB_WAITING)
            continue;
        struct signal_section *section = signal__free_section(t, sub->track->kind);
        if (section == NULL && add_section(t, (enum sdp_kind)sub->track->kind, &section) < 0)
            break; /* over the limit of sections: it goes on waiting */
        signal__section_assign(t, section, sub);
        has_changed = true;
    }
    return has_changed;
}

static bool clear_stale(struct signal_transport *t)
{
    bool has_stale = false;
    for (size_t i = 0; i < t->section_count; i++) {
        has_stale = has_stale || t->sections[i].has_stale_sub;
        t->sections[i].has_stale_sub = false;
    }
    return has_stale;
}

static int plan(struct signal_transport *t, struct signal_arena *arena,
                struct sdp_offer_section **ret_sections)
{
    struct sdp_offer_section *sections =
        signal__arena_alloc(arena, t->section_count * sizeof(*sections));
    if (sections == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->section_count; i++) {
        struct signal_section *section = &t->sections[i];
        sections[i].kind = (enum sdp_kind)section->kind;
        sections[i].mid = section->mid;
        sections[i].dir = section->sub != NULL ? SDP_DIR_SENDONLY : SDP_DIR_INACTIVE;
        if (section->kind == SDP_KIND_APPLICATION)
            sections[i].dir = SDP_DIR_SENDRECV;
        if (section->sub != NULL && signal__section_send(arena, section, &sections[i].send) < 0)
            return -ENOMEM;
    }
    *ret_sections = sections;
    return 0;
}

static int send_offer(struct signal_transport *t)
{
    struct signal_arena arena = {0};
    struct sdp_session *offer = NULL;
    struct sdp_offer_section *sections = NULL;
    struct addr candidates[SIGNAL_CANDIDATES_MAX];
    struct sdp_offer_config config = {.section_count = t->section_count};
    int err = plan(t, &arena, &sections);
    if (err < 0)
        goto out;
    config.sections = sections;
    signal__transport_local(t, &config.local, candidates);
    err = sdp_build_offer(&config, &offer);
    if (err < 0)
        goto out;
    t->offer_id++;
    err = signal__send_description(t, offer, t->offer_id, true);
    t->is_offer_out = err == 0;
    t->offered_at = t->participant->room->signal->now;
    signal__participant_due(t->participant, t->offered_at + SIGNAL_OFFER_TIMEOUT_US);
out:
    sdp_destroy(offer);
    signal__arena_fini(&arena);
    return err;
}

void signal__negotiate_offering(struct signal_participant *p)
{
    struct signal_transport *t = p->subscriber;
    if (p->session == NULL || t->is_offer_out)
        return; /* looked at again when the answer is here */
    bool is_first = t->section_count == 0;
    struct signal_section *application;
    if (is_first && add_section(t, SDP_KIND_APPLICATION, &application) < 0)
        return;
    bool has_stale = clear_stale(t);
    bool has_new = place_subs(t);
    if (!is_first && !has_stale && !has_new && !t->is_restart_due)
        return;
    t->is_restart_due = false;
    if (send_offer(t) < 0)
        signal__negotiation_due(p); /* no memory: once more a little later */
}

static void apply_answer(struct signal_transport *t, const struct sdp_session *answer,
                         const struct sdp_transport *remote)
{
    struct rtp_ext_ids exts;
    sdp_get_exts(answer, &exts);
    if (!t->is_added)
        t->dtls_role = remote->setup == SDP_SETUP_PASSIVE ? PEER_DTLS_CLIENT : PEER_DTLS_SERVER;
    signal__transport_set_remote(t, remote, &exts, sdp_has_twcc(answer));
    size_t count = TK_MIN(t->section_count, answer->section_count);
    for (size_t i = 0; i < count; i++) {
        struct signal_section *section = &t->sections[i];
        const struct sdp_section *agreed = &answer->sections[i];
        signal__section_read(section, agreed);
        if (section->sub == NULL || section->sub->state != SIGNAL_SUB_OFFERED)
            continue;
        if (agreed->port != 0 && (agreed->dir & SDP_DIR_RECVONLY) != 0)
            signal__sub_agreed(section->sub);
        else
            signal__sub_refuse(section->sub);
    }
    bool has_data = count > 0 && answer->sections[0].port != 0;
    if (has_data && t->dc == NULL && signal__dc_create(t, &t->dc) < 0)
        t->dc = NULL; /* media goes on without data channels */
    if (t->dc != NULL && t->is_connected)
        signal__dc_connected(t->dc);
}

void signal__handle_answer(struct signal_participant *p, const Livekit__SessionDescription *answer)
{
    struct signal_transport *t = p->subscriber;
    bool is_expected =
        !p->is_v1 && t->is_offer_out && (answer->id == 0 || answer->id == t->offer_id);
    if (!is_expected) {
        p->room->signal->stats.malformed++;
        return;
    }
    struct sdp_session *parsed = NULL;
    struct sdp_error error = {.text = "the answer cannot be used"};
    struct sdp_transport remote;
    int err = sdp_parse(answer->sdp, strlen(answer->sdp), &parsed, &error);
    if (err == 0)
        err = sdp_get_transport(parsed, &remote, &error);
    if (err == 0) {
        t->is_offer_out = false;
        apply_answer(t, parsed, &remote);
        signal__negotiation_due(p);
    } else {
        signal__unusable_sdp(p, &error);
    }
    sdp_destroy(parsed);
}
