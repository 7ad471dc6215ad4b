/*
 * The client offers (publisher side; the only side of a single connection): its sections are
 * matched with publications and subscriptions, the answer is built and sent, and then the workers
 * learn what was agreed.
 */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)SDP_KIND_AUDIO == (int)RTP_KIND_AUDIO &&
                   (int)SDP_KIND_VIDEO == (int)RTP_KIND_VIDEO,
               "kinds are compared as numbers");

#define SSRC_STEP 0x9e3779b1u /* neighbours look nothing alike (RFC 3550, 8) */

_Static_assert(SSRC_STEP % 2 == 1, "an odd step passes every number");
_Static_assert(2 * SDP_SECTIONS_MAX <= SEC_SRTP_SSRCS_MAX,
               "a description full of pictures, each with RTX, fits the sender's table");

/* One negotiation on its way. */
struct negotiation {
    struct signal_transport *t;
    const struct sdp_session *offer;
    struct sdp_session *answer;
    struct sdp_answer_section *plan;
    struct signal_arena arena;
    struct sdp_transport remote;
};

static bool client_sends(const struct sdp_section *s)
{
    return sdp_section_is_live(s) && (s->dir & SDP_DIR_SENDONLY) != 0;
}

static bool client_receives(const struct sdp_section *s)
{
    return sdp_section_is_live(s) && s->dir == SDP_DIR_RECVONLY;
}

/* Sections that are new in the offer are appended; their count never shrinks (RFC 3264, 8). */
static int take_sections(struct negotiation *n, struct sdp_error *error)
{
    struct signal_transport *t = n->t;
    if (n->offer->section_count < t->section_count) {
        *error = (struct sdp_error){.text = "the offer has fewer sections than the last one"};
        return ERR_SDP_UNUSABLE;
    }
    while (t->section_count < n->offer->section_count) {
        struct signal_section *section;
        int err = signal__transport_add_section(t, &section);
        if (err < 0)
            return err;
        const struct sdp_section *from = &n->offer->sections[t->section_count - 1];
        section->kind = (uint8_t)from->kind;
        IGNORE(str_copy(section->mid, sizeof(section->mid), from->mid)); /* same size */
    }
    return 0;
}

/* A section that was stopped and taken again under another mid starts from nothing. */
static void recycle(struct signal_transport *t, size_t index, const struct sdp_section *from)
{
    struct signal_section *section = &t->sections[index];
    if (strcmp(section->mid, from->mid) == 0 && section->kind == (uint8_t)from->kind)
        return;
    if (section->track != NULL)
        signal__track_remove(section->track);
    if (section->sub != NULL) {
        struct signal_sub *sub = section->sub;
        signal__sub_detach(sub);
        signal__reconcile(sub->viewer, sub->track);
    }
    memset(section, 0, sizeof(*section));
    section->kind = (uint8_t)from->kind;
    IGNORE(str_copy(section->mid, sizeof(section->mid), from->mid)); /* same size */
}

static void read_sending(struct signal_section *section, const struct sdp_section *from)
{
    if (str_copy(section->cid, sizeof(section->cid), from->track_id) < 0)
        section->cid[0] = '\0';
    section->rid_count = (uint8_t)sdp_section_rids(from, true, section->rids);
    memset(section->client_ssrcs, 0, sizeof(section->client_ssrcs));
    memset(section->client_rtx_ssrcs, 0, sizeof(section->client_rtx_ssrcs));
    size_t count = TK_MIN(from->ssrc_count, (size_t)TK_MAX(section->rid_count, (uint8_t)1));
    for (size_t i = 0; i < count && i < RTP_LAYERS_MAX; i++) {
        section->client_ssrcs[i] = from->ssrcs[i].ssrc;
        section->client_rtx_ssrcs[i] = from->ssrcs[i].rtx_ssrc;
    }
}

/* Directions, ids and publications of one section, as the offer wants them. */
static void read_section(struct negotiation *n, size_t index)
{
    const struct sdp_section *from = &n->offer->sections[index];
    recycle(n->t, index, from);
    struct signal_section *section = &n->t->sections[index];
    section->is_sending = client_sends(from);
    section->is_receiving = client_receives(from);
    if (section->track != NULL && !section->is_sending) {
        struct signal_participant *p = n->t->participant;
        signal__track_remove(section->track);
        signal__changed(p, true);
    }
    if (!section->is_receiving && section->sub != NULL) {
        struct signal_sub *sub = section->sub;
        signal__sub_detach(sub);
        section->has_stale_sub = false;
        signal__reconcile(sub->viewer, sub->track);
    }
    section->is_retired &= section->is_sending;
    if (section->is_sending)
        read_sending(section, from);
}

/* The publication of a section in which the client sends, if one is known by now. */
static void match_section(struct negotiation *n, size_t index)
{
    struct signal_section *section = &n->t->sections[index];
    struct signal_participant *p = n->t->participant;
    if (!section->is_sending || section->kind > SDP_KIND_VIDEO || section->is_retired)
        return;
    if (section->track != NULL) {
        struct signal_track *other = signal__match_track(p, section->cid, UINT8_MAX);
        if (other == NULL)
            return;
        signal__track_remove(section->track); /* the transceiver was given to another track */
        signal__changed(p, true);
        section->track = other;
        return;
    }
    section->track = signal__backup_match(p, section->cid);
    if (section->track == NULL)
        section->track = signal__match_track(p, section->cid, section->kind);
    if (section->track != NULL)
        section->track->is_matched = true;
}

/* Subscriptions that wait get the free sections, oldest first. */
static void assign_subs(struct signal_transport *t)
{
    struct signal_participant *p = t->participant;
    if (p->subscriber != t || !p->takes_tracks)
        return;
    LIST_FOR_EACH(it, &p->subs)
    {
        struct signal_sub *sub = CONTAINER_OF(it, struct signal_sub, viewer_link);
        if (sub->state != SIGNAL_SUB_WAITING)
            continue;
        struct signal_section *section = signal__free_section(t, sub->track->kind);
        if (section == NULL)
            continue;
        signal__section_assign(t, section, sub);
    }
}

/*
 * No SSRC twice on one connection. The worker forgets how far one has counted when its subscription
 * ends (sec_srtp_retire()): the same again would repeat packet indices under one key, which with
 * AES-GCM are nonces. Chance would do it sooner or later; a walk in odd steps passes each of the
 * 2^32 numbers before it comes back, and that many subscriptions no connection lives to see.
 */
static uint32_t take_ssrc(struct signal_transport *t)
{
    t->ssrc_newest += SSRC_STEP;
    if (t->ssrc_newest == 0) /* stands for none */
        t->ssrc_newest += SSRC_STEP;
    return t->ssrc_newest;
}

void signal__section_make_ssrcs(struct signal_transport *t, struct signal_section *section)
{
    section->ssrc = take_ssrc(t);
    section->rtx_ssrc = section->kind == SDP_KIND_VIDEO ? take_ssrc(t) : 0;
}

void signal__section_assign(struct signal_transport *t, struct signal_section *section,
                            struct signal_sub *sub)
{
    section->sub = sub;
    if (t->participant->whip == NULL) /* WHEP: for good, from the one answer */
        signal__section_make_ssrcs(t, section);
    sub->transport = t;
    sub->section = (size_t)(section - t->sections);
    sub->state = SIGNAL_SUB_OFFERED;
}

int signal__section_send(struct signal_arena *arena, const struct signal_section *section,
                         struct sdp_send *ret_send)
{
    struct signal_track *track = section->sub->track;
    const char *sid = track->participant->sid;
    size_t size = 2 * ID_SIZE + 2;
    char *stream = signal__arena_alloc(arena, size);
    if (stream == NULL)
        return -ENOMEM;
    size_t length = strlen(sid);
    memcpy(stream, sid, length);
    stream[length] = '|';
    memcpy(stream + length + 1, track->sid, strlen(track->sid) + 1);
    *ret_send = (struct sdp_send){.stream_id = stream,
                                  .track_id = track->sid,
                                  .cname = sid,
                                  .ssrc = section->ssrc,
                                  .rtx_ssrc = section->rtx_ssrc};
    return 0;
}

static int plan_section(struct negotiation *n, size_t index)
{
    struct signal_section *section = &n->t->sections[index];
    struct sdp_answer_section *plan = &n->plan[index];
    if (n->t->participant->whip != NULL) {
        plan->is_refused = section->kind > SDP_KIND_VIDEO;
        if (section->is_receiving)
            return signal__whip_plan(n->t, index, &n->arena, &plan->send);
    }
    if (section->sub != NULL) {
        plan->has_red = section->sub->track->codec == RTP_CODEC_RED;
        return signal__section_send(&n->arena, section, &plan->send);
    }
    const struct signal_track *track = section->track;
    if (section->is_sending && track != NULL)
        plan->codec = track->codec_wanted;
    if (!section->is_sending || section->kind != SDP_KIND_AUDIO)
        return 0;
    plan->has_red = track != NULL && !track->has_disable_red && track->encryption == 0;
    plan->has_dtx = track != NULL && !track->has_disable_dtx;
    plan->is_stereo = track != NULL && track->is_stereo;
    return 0;
}

static int build(struct negotiation *n, struct sdp_error *error)
{
    n->plan = signal__arena_alloc(&n->arena, (n->t->section_count + 1) * sizeof(*n->plan));
    if (n->plan == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n->t->section_count; i++)
        if (plan_section(n, i) < 0)
            return -ENOMEM;
    struct addr candidates[SIGNAL_CANDIDATES_MAX];
    struct sdp_answer_config config = {
        .setup = n->t->dtls_role == PEER_DTLS_SERVER ? SDP_SETUP_PASSIVE : SDP_SETUP_ACTIVE,
        .sections = n->plan,
        .section_count = n->t->section_count};
    signal__transport_local(n->t, &config.local, candidates);
    return sdp_build_answer(n->offer, &config, &n->answer, error);
}

/* Subscriptions to what is new, after everyone has heard of it. */
static void reconcile_tracks(struct signal_transport *t)
{
    signal__updates_flush(t->participant->room);
    for (size_t i = 0; i < t->section_count; i++)
        if (t->sections[i].track != NULL)
            signal__reconcile_track(t->sections[i].track);
}

/* Publications, subscriptions and the worker learn what was agreed. */
static void apply(struct negotiation *n)
{
    struct signal_transport *t = n->t;
    bool has_new_tracks = false;
    struct rtp_ext_ids exts;
    sdp_get_exts(n->answer, &exts);
    signal__transport_set_remote(t, &n->remote, &exts, sdp_has_twcc(n->answer));
    for (size_t i = 0; i < t->section_count; i++) {
        struct signal_section *section = &t->sections[i];
        signal__section_read(section, &n->answer->sections[i]);
        section->has_stale_sub = false;
        if (section->kind == SDP_KIND_APPLICATION && n->answer->sections[i].port != 0)
            t->has_application = true;
        if (section->track != NULL && signal__track_bind(section->track, t, i)) {
            signal__track_announce(section->track);
            has_new_tracks = true;
        }
        if (section->track != NULL && signal__backup_arrived(section->track))
            has_new_tracks = true;
        if (section->sub != NULL && section->sub->state == SIGNAL_SUB_OFFERED)
            signal__sub_agreed(section->sub);
    }
    if (has_new_tracks)
        reconcile_tracks(t);
    if (t->has_application && t->dc == NULL && signal__dc_create(t, &t->dc) < 0)
        t->dc = NULL; /* media goes on; the next offer tries again */
    if (t->dc != NULL && t->is_connected)
        signal__dc_connected(t->dc);
}

static int fill_mids(struct signal_transport *t, struct signal_arena *arena,
                     Livekit__SessionDescription *m)
{
    size_t max = t->section_count + 1;
    m->mid_to_track_id = signal__arena_alloc(arena, max * sizeof(*m->mid_to_track_id));
    Livekit__SessionDescription__MidToTrackIdEntry *entries =
        signal__arena_alloc(arena, max * sizeof(*entries));
    if (m->mid_to_track_id == NULL || entries == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->section_count; i++) {
        struct signal_section *section = &t->sections[i];
        if (section->sub == NULL)
            continue;
        Livekit__SessionDescription__MidToTrackIdEntry *entry = &entries[m->n_mid_to_track_id];
        livekit__session_description__mid_to_track_id_entry__init(entry);
        entry->key = section->mid;
        entry->value = section->sub->track->sid;
        m->mid_to_track_id[m->n_mid_to_track_id++] = entry;
    }
    return 0;
}

int signal__send_description(struct signal_transport *t, const struct sdp_session *sdp, uint32_t id,
                             bool is_offer)
{
    struct signal_arena arena = {0};
    struct strbuf text;
    strbuf_init(&text, SDP_TEXT_MAX);
    Livekit__SessionDescription m = LIVEKIT__SESSION_DESCRIPTION__INIT;
    int err = sdp_print(sdp, &text);
    if (err == 0)
        err = fill_mids(t, &arena, &m);
    if (err == 0) {
        m.type = (char *)(uintptr_t)(is_offer ? "offer" : "answer");
        m.sdp = (char *)(uintptr_t)strbuf_text(&text);
        m.id = id;
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = is_offer ? LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER
                                         : LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER;
        response.answer = &m; /* the members of the union share their place */
        signal__send(t->participant, &response);
    }
    strbuf_fini(&text);
    signal__arena_fini(&arena);
    return err;
}

/* Sections that we asked for are here now; what we asked before this offer is settled. */
static void settle_asked(struct signal_transport *t, size_t old_count)
{
    t->is_offer_asked = false;
    for (size_t i = old_count; i < t->section_count; i++) {
        if (!t->sections[i].is_receiving)
            continue;
        if (t->sections[i].kind == SDP_KIND_AUDIO && t->asked_audio > 0)
            t->asked_audio--;
        if (t->sections[i].kind == SDP_KIND_VIDEO && t->asked_video > 0)
            t->asked_video--;
    }
}

static int negotiate(struct negotiation *n, uint32_t id, struct sdp_error *error)
{
    struct signal_transport *t = n->t;
    int err = sdp_get_transport(n->offer, &n->remote, error);
    if (err < 0)
        return err;
    size_t old_count = t->section_count;
    err = take_sections(n, error);
    if (err < 0)
        return err;
    /* Server where we may choose: it is the DTLS server that picks the SRTP profile, and browsers
     * put AES-GCM last in their own order. */
    if (!t->is_added)
        t->dtls_role = n->remote.setup == SDP_SETUP_PASSIVE ? PEER_DTLS_CLIENT : PEER_DTLS_SERVER;
    else if (strcmp(t->remote.ufrag, n->remote.ufrag) != 0)
        signal__transport_restart(t);
    for (size_t i = 0; i < t->section_count; i++)
        read_section(n, i);
    for (size_t i = 0; i < t->section_count; i++)
        match_section(n, i);
    settle_asked(t, old_count);
    assign_subs(t);
    err = build(n, error);
    if (err < 0)
        return err;
    if (t->participant->whip != NULL)
        err = signal__whip_take_answer(t->participant->whip, n->answer);
    else
        err = signal__send_description(t, n->answer, id, false);
    if (err < 0)
        return err;
    apply(n);
    signal__negotiation_due(t->participant);
    return 0;
}

int signal__answer_parsed(struct signal_participant *p, const struct sdp_session *offer,
                          uint32_t id, struct sdp_error *ret_error)
{
    struct negotiation n = {.t = p->publisher, .offer = offer};
    int err = negotiate(&n, id, ret_error);
    sdp_destroy(n.answer);
    signal__arena_fini(&n.arena);
    return err;
}

int signal__answer_offer(struct signal_participant *p, const Livekit__SessionDescription *offer,
                         struct sdp_error *ret_error)
{
    struct sdp_session *parsed = NULL;
    int err = sdp_parse(offer->sdp, strlen(offer->sdp), &parsed, ret_error);
    if (err < 0)
        return err;
    err = signal__answer_parsed(p, parsed, offer->id, ret_error);
    sdp_destroy(parsed);
    return err;
}

void signal__unusable_sdp(struct signal_participant *p, const struct sdp_error *error)
{
    p->room->signal->stats.malformed++;
    signal__send_request_response(p, 0, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_REQUEST,
                                  error->text);
    signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__MEDIA_FAILURE, false);
}

void signal__handle_offer(struct signal_participant *p, const Livekit__SessionDescription *offer)
{
    struct sdp_error error = {.text = "the offer cannot be used"};
    if (signal__answer_offer(p, offer, &error) < 0)
        signal__unusable_sdp(p, &error);
}
