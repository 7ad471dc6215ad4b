#ifndef TK_SIGNAL_WHIP_INTERNAL_H
#define TK_SIGNAL_WHIP_INTERNAL_H

/* A WHIP or WHEP session: what its participant has besides. Owned by the participant. */

#include "signal/state_internal.h"
#include "signal/whip.h"

struct signal_whip {
    struct signal_participant *participant; /* parent */
    char id[SIGNAL_WHIP_ID_LENGTH + 1];     /* key in signal->whips */
    bool is_viewer;
    char only[SIGNAL_TEXT_MAX]; /* WHEP: the one identity whose tracks are wanted; "" = all */
    char *answer;               /* until it is handed out */
    mono_us lost_at;            /* since when the line is gone; MONO_NEVER: it is not */
    double patch_tokens;        /* of the rate limit */
    mono_us patched_at;
};

/* ---- whip_session.c ---- */

/* Makes p->whip and a session that is told nothing. ERR_LIMIT, -ENOMEM. */
MUST_CHECK int signal__whip_create(struct signal_participant *p, bool is_viewer, const char *only);
void signal__whip_free(struct signal_whip *whip); /* NULL is a no-op */
/* What a WHEP answer says of a section before there is a track for it. */
MUST_CHECK int signal__whip_plan(struct signal_transport *t, size_t section,
                                 struct signal_arena *arena, struct sdp_send *ret_send);
/* Keeps the printed answer. ERR_LIMIT, -ENOMEM. */
MUST_CHECK int signal__whip_take_answer(struct signal_whip *whip, const struct sdp_session *answer);
/* Subscriptions that wait get the free sections. */
void signal__whip_place(struct signal_participant *p);
bool signal__whip_wants(const struct signal_whip *whip, const struct signal_track *track);
/* The line is gone: the session is held for an ICE restart as long as others are for a resume. */
void signal__whip_lost(struct signal_whip *whip);
bool signal__whip_is_over(const struct signal_whip *whip);
void signal__whip_etag(const struct signal_whip *whip, char ret_etag[SIGNAL_WHIP_ETAG_SIZE]);
/* A reply with a reason as text. */
void signal__whip_refuse(struct signal_whip_reply *reply, int status, const char *reason);

#endif
