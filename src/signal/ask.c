/*
 * Getting a new description agreed on a single connection: only the client offers, so it is asked
 * to, with the number of receiving sections to add. Requests are counted until their sections come,
 * and forgotten when they do not come in time, so that sections cannot grow without bound.
 */

#include "signal/signal_internal.h"

void signal__negotiation_due(struct signal_participant *p)
{
    if (p->is_negotiation_due)
        return;
    p->is_negotiation_due = true;
    p->negotiation_at = p->room->signal->now + SIGNAL_COALESCE_US;
    signal__participant_due(p, p->negotiation_at);
}

static uint32_t count_waiting(const struct signal_participant *p, uint8_t kind)
{
    uint32_t count = 0;
    LIST_FOR_EACH(it, &p->subs)
    {
        const struct signal_sub *sub = CONTAINER_OF(it, struct signal_sub, viewer_link);
        count += sub->state == SIGNAL_SUB_WAITING && sub->track->kind == kind;
    }
    return count;
}

static uint32_t count_free(const struct signal_transport *t, uint8_t kind)
{
    uint32_t count = 0;
    for (size_t i = 0; i < t->section_count; i++) {
        const struct signal_section *section = &t->sections[i];
        count += section->kind == kind && section->is_receiving && section->sub == NULL;
    }
    return count;
}

static bool has_stale_sections(const struct signal_transport *t)
{
    for (size_t i = 0; i < t->section_count; i++)
        if (t->sections[i].has_stale_sub)
            return true;
    return false;
}

/* How many sections of a kind to ask for now, over and above what was asked before. */
static uint32_t count_missing(const struct signal_participant *p, uint8_t kind, uint32_t asked)
{
    uint32_t waiting = count_waiting(p, kind);
    uint32_t expected = count_free(p->publisher, kind) + asked;
    if (p->publisher->section_count + waiting > SDP_SECTIONS_MAX)
        return 0;
    return waiting > expected ? waiting - expected : 0;
}

static void send_requirement(struct signal_participant *p, uint32_t audios, uint32_t videos)
{
    Livekit__MediaSectionsRequirement body = LIVEKIT__MEDIA_SECTIONS_REQUIREMENT__INIT;
    body.num_audios = audios;
    body.num_videos = videos;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT;
    response.media_sections_requirement = &body;
    signal__send(p, &response);
}

void signal__negotiate_asking(struct signal_participant *p)
{
    struct signal_transport *t = p->publisher;
    if (p->session == NULL || !p->was_active)
        return;
    if (p->whip != NULL) { /* its sections are what it offered once */
        signal__whip_place(p);
        return;
    }
    uint32_t audios = count_missing(p, RTP_KIND_AUDIO, t->asked_audio);
    uint32_t videos = count_missing(p, RTP_KIND_VIDEO, t->asked_video);
    bool has_waiting = count_waiting(p, RTP_KIND_AUDIO) + count_waiting(p, RTP_KIND_VIDEO) > 0;
    bool is_needed =
        audios + videos > 0 || (!t->is_offer_asked && (has_waiting || has_stale_sections(t)));
    if (!is_needed)
        return;
    t->asked_audio += audios;
    t->asked_video += videos;
    t->is_offer_asked = true;
    t->asked_at = p->room->signal->now;
    signal__participant_due(p, t->asked_at + SIGNAL_SECTIONS_WAIT_US);
    send_requirement(p, audios, videos);
}

static bool is_asked(const struct signal_transport *t)
{
    return t->is_offer_asked || t->asked_audio > 0 || t->asked_video > 0;
}

/* A client that did not offer in time is asked anew, from what is needed then. */
static void forget_asked(struct signal_participant *p)
{
    struct signal_transport *t = p->publisher;
    if (!is_asked(t) || p->room->signal->now < t->asked_at + SIGNAL_SECTIONS_WAIT_US)
        return;
    t->is_offer_asked = false;
    t->asked_audio = 0;
    t->asked_video = 0;
    signal__negotiation_due(p);
}

/* An answer to our offer, or the offer that we asked for. */
mono_us signal__patience_due(const struct signal_participant *p)
{
    if (p->is_v1)
        return is_asked(p->publisher) ? p->publisher->asked_at + SIGNAL_SECTIONS_WAIT_US
                                      : MONO_NEVER;
    bool is_waiting = p->session != NULL && p->subscriber->is_offer_out;
    return is_waiting ? p->subscriber->offered_at + SIGNAL_OFFER_TIMEOUT_US : MONO_NEVER;
}

/* The client owes us an answer; without one it is told to come back anew. */
static bool is_answer_late(const struct signal_participant *p)
{
    return !p->is_v1 && p->room->signal->now >= signal__patience_due(p);
}

bool signal__negotiate(struct signal_participant *p)
{
    if (is_answer_late(p)) {
        signal__send_leave(p, LIVEKIT__DISCONNECT_REASON__MEDIA_FAILURE,
                           LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        signal__session_dismiss(p->session, 1000);
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__MEDIA_FAILURE, false);
        return false;
    }
    if (p->is_v1)
        forget_asked(p);
    if (!p->is_negotiation_due || p->room->signal->now < p->negotiation_at)
        return true;
    p->is_negotiation_due = false;
    if (p->is_v1)
        signal__negotiate_asking(p);
    else
        signal__negotiate_offering(p);
    return true;
}
