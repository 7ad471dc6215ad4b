/* A WHIP or WHEP session while it lasts: its place in the tree, and which tracks a viewer gets. */

#include "base/err.h"
#include "base/strbuf.h"
#include "sfu/limits.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(SIGNAL_WHIP_SECTIONS <= SFU_KEPT_MAX, "every section keeps its SSRC");
_Static_assert(SIGNAL_WHIP_ETAG_SIZE >= PEER_UFRAG_SIZE + 2, "an ETag is a quoted user fragment");

int signal__whip_create(struct signal_participant *p, bool is_viewer, const char *only)
{
    struct signal *s = p->room->signal;
    struct signal_whip *whip = calloc(1, sizeof(*whip));
    if (whip == NULL)
        return -ENOMEM;
    whip->participant = p;
    whip->is_viewer = is_viewer;
    whip->lost_at = MONO_NEVER;
    whip->patch_tokens = SIGNAL_WHIP_PATCHES_S * 10;
    whip->patched_at = s->now;
    id_random_text(s->config.rng, whip->id, SIGNAL_WHIP_ID_LENGTH);
    int err = str_copy(whip->only, sizeof(whip->only), only);
    if (err == 0)
        err = strmap_put(&s->whips, whip->id, whip);
    if (err < 0) {
        free(whip);
        return err;
    }
    p->whip = whip; /* from now on freed with the participant */
    struct signal_session *session;
    err = signal__session_create(s, &session);
    if (err < 0)
        return err;
    session->is_mute = true;
    session->participant = p;
    p->session = session;
    return 0;
}

void signal__whip_free(struct signal_whip *whip)
{
    if (whip == NULL)
        return;
    strmap_take(&whip->participant->room->signal->whips, whip->id);
    free(whip->answer);
    free(whip);
}

/* Sections are paired: the first for sound and the first for picture belong together, and so on.
 * Within a stream receivers keep lips and voice together. */
static size_t index_of_kind(const struct signal_transport *t, size_t section)
{
    size_t index = 0;
    for (size_t i = 0; i < section; i++)
        index += t->sections[i].kind == t->sections[section].kind && t->sections[i].is_receiving;
    return index;
}

int signal__whip_plan(struct signal_transport *t, size_t index, struct signal_arena *arena,
                      struct sdp_send *ret_send)
{
    struct signal_section *section = &t->sections[index];
    size_t size = ID_SIZE + 24;
    char *stream = signal__arena_alloc(arena, size);
    char *track = signal__arena_alloc(arena, size);
    if (stream == NULL || track == NULL)
        return -ENOMEM;
    signal__section_make_ssrcs(t, section);
    snprintf(stream, size, "%s-%zu", t->participant->sid, index_of_kind(t, index));
    snprintf(track, size, "%s-%s", stream, section->kind == SDP_KIND_AUDIO ? "audio" : "video");
    *ret_send = (struct sdp_send){.stream_id = stream,
                                  .track_id = track,
                                  .ssrc = section->ssrc,
                                  .rtx_ssrc = section->rtx_ssrc};
    return 0;
}

int signal__whip_take_answer(struct signal_whip *whip, const struct sdp_session *answer)
{
    struct strbuf text;
    strbuf_init(&text, SDP_TEXT_MAX);
    int err = sdp_print(answer, &text);
    free(whip->answer);
    whip->answer = err == 0 ? strbuf_take(&text) : NULL;
    strbuf_fini(&text);
    return err;
}

/* The order in which tracks get sections: people before screens, the first to join before others.
 */
static int rank(const struct signal_track *track)
{
    switch (track->source) {
    case SIGNAL_SOURCE_CAMERA:
    case SIGNAL_SOURCE_MICROPHONE:
        return 0;
    case SIGNAL_SOURCE_SCREEN:
    case SIGNAL_SOURCE_SCREEN_AUDIO:
        return 1;
    default:
        return 2;
    }
}

static struct signal_sub *next_waiting(struct signal_participant *p, uint8_t kind)
{
    struct signal_sub *best = NULL;
    LIST_FOR_EACH(it, &p->subs)
    {
        struct signal_sub *sub = CONTAINER_OF(it, struct signal_sub, viewer_link);
        if (sub->state == SIGNAL_SUB_WAITING && sub->track->kind == kind &&
            (best == NULL || rank(sub->track) < rank(best->track)))
            best = sub;
    }
    return best;
}

void signal__whip_place(struct signal_participant *p)
{
    struct signal_transport *t = p->publisher;
    for (size_t i = 0; i < t->section_count; i++) {
        struct signal_section *section = &t->sections[i];
        section->has_stale_sub = false;
        /* A subscription in a codec that the client cannot take leaves the section free again. */
        struct signal_sub *sub;
        while (section->is_receiving && section->pt_count > 0 && section->sub == NULL &&
               (sub = next_waiting(p, section->kind)) != NULL) {
            signal__section_assign(t, section, sub);
            signal__sub_attach(sub);
        }
    }
}

bool signal__whip_wants(const struct signal_whip *whip, const struct signal_track *track)
{
    return whip->only[0] == '\0' ||
           strcmp(whip->only, track->participant->claims.grants.identity) == 0;
}

void signal__whip_lost(struct signal_whip *whip)
{
    const struct signal *s = whip->participant->room->signal;
    whip->lost_at = s->now;
    signal__participant_due(whip->participant, s->now + s->config.resume_timeout);
}

bool signal__whip_is_over(const struct signal_whip *whip)
{
    const struct signal *s = whip->participant->room->signal;
    return whip->lost_at != MONO_NEVER && s->now >= whip->lost_at + s->config.resume_timeout;
}

void signal__whip_etag(const struct signal_whip *whip, char ret_etag[SIGNAL_WHIP_ETAG_SIZE])
{
    snprintf(ret_etag, SIGNAL_WHIP_ETAG_SIZE, "\"%s\"", whip->participant->publisher->ufrag);
}

void signal__whip_refuse(struct signal_whip_reply *reply, int status, const char *reason)
{
    *reply = (struct signal_whip_reply){.status = status, .body = strdup(reason)};
    reply->size = reply->body != NULL ? strlen(reply->body) : 0;
}
