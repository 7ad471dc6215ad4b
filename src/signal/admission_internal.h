#ifndef TK_SIGNAL_ADMISSION_INTERNAL_H
#define TK_SIGNAL_ADMISSION_INTERNAL_H

/*
 * The way in that all kinds of client share (LiveKit, WHIP, WHEP): token, rules, limits, and the
 * new participant. Each step that refuses leaves status and reason. Control thread only.
 */

#include "signal/join_params.h"
#include "signal/signal_internal.h"

#define JOIN_REASON_SIZE 200

/* A request on its way in. Zero it; joining_fini() frees what it holds. */
struct joining {
    struct join_params params;
    struct token_claims claims;
    bool has_params, has_claims;
    int status; /* HTTP */
    char reason[JOIN_REASON_SIZE];
};

void joining_fini(struct joining *j);

/* Notes what the client is told; returns `err`. */
MUST_CHECK int join__refuse(struct joining *j, int err, int status, const char *reason);
/* The token is good, names an identity and a room, and may join it. */
MUST_CHECK int join__check_token(struct signal *s, const struct signal_join_request *request,
                                 wall_ms wall, struct joining *j);
/* The room's rules, and whether there is room for one more. */
MUST_CHECK int join__check_room(struct signal *s, struct joining *j);
/* Opens the room, sends an older participant of the same identity away, makes the new one. */
MUST_CHECK int join__make_participant(struct signal *s, struct joining *j,
                                      const Livekit__JoinRequest *request, bool is_v1,
                                      struct signal_participant **ret_participant);
void join__fill_reply(struct signal_reply *reply, int status, const char *text);

#endif
