#ifndef TK_SIGNAL_WHIP_H
#define TK_SIGNAL_WHIP_H

/*
 * WHIP (RFC 9725) in and WHEP (draft-ietf-wish-whep) out: participants that come by one HTTP POST
 * and have no signalling socket. A WHIP client publishes what its offer sends; a WHEP client gets
 * the room's tracks in the sections of its offer, first come first served, and later tracks take
 * over sections that became free, under the same SSRCs. Neither offers again.
 *
 * Knows nothing of HTTP but its status codes. After each call poll commands, as in signal.h.
 */

#include "base/attrs.h"
#include "base/time.h"
#include "signal/signal.h"

#include <stdbool.h>
#include <stddef.h>

#define SIGNAL_WHIPS_MAX      16384 /* sessions at a time */
#define SIGNAL_WHIP_SECTIONS  32    /* m= lines of one offer */
#define SIGNAL_WHIP_ID_LENGTH 32    /* of 57 letters and digits: 186 bits; whoever has it owns it */
#define SIGNAL_WHIP_ETAG_SIZE 40
#define SIGNAL_WHIP_OPENS_S   500 /* offers a second that are looked at, over all clients */
#define SIGNAL_WHIP_PATCHES_S                                            \
    10 /* fragments a second of one session; a burst may be ten times as \
          many */

struct signal_whip_request {
    bool is_viewer;            /* WHEP */
    const char *room;          /* "" = the one that the token names */
    const char *participant;   /* WHEP: only the tracks of this identity; "" = all */
    const char *authorization; /* header value or NULL */
    const char *query;         /* still percent-encoded; may be NULL */
    const void *offer;
    size_t offer_size;
};

/* What is asked of a session that is there. */
struct signal_whip_change {
    const char *id;            /* its secret */
    const char *authorization; /* header value or NULL: the secret alone has to do */
    const char *if_match;      /* the rest: of a fragment only */
    const void *frag;
    size_t frag_size;
};

/* For a Link header with rel="ice-server". */
struct signal_whip_ice_server {
    char url[256];
    char username[SIGNAL_TEXT_MAX + 32]; /* "" = none */
    char credential[64];
};

struct signal_whip_reply {
    int status;
    char *body; /* free() by the caller; the answer, a fragment, or the reason; NULL = none */
    size_t size;
    char id[SIGNAL_WHIP_ID_LENGTH + 1]; /* 201: the session's */
    char etag[SIGNAL_WHIP_ETAG_SIZE];   /* 201, 200 after a restart: the ICE session, with quotes */
    struct signal_whip_ice_server ice_servers[4];
    size_t ice_server_count;
};

/* An offer: 201 with the answer, 400, 401, 403, 404, 410, 429, 503. */
void signal_whip_open(struct signal *s, const struct signal_whip_request *request, mono_us now,
                      wall_ms wall, struct signal_whip_reply *ret_reply);
/*
 * Changes and ends need no token (the id is a secret), but one that is there has to be good, 401,
 * and the session's own, 403. It may have run out since the session began.
 *
 * A fragment of the client's ICE side. `if_match` "*": ICE starts anew, 200 with our side; an ETag:
 * more candidates, 204. 400, 404, 409 (the fragment is of another ICE session, or no new one), 412,
 * 428, 429.
 */
void signal_whip_patch(struct signal *s, const struct signal_whip_change *change, mono_us now,
                       wall_ms wall, struct signal_whip_reply *ret_reply);
/* Ends the session: 200, or 404 when there is none (any more). */
void signal_whip_close(struct signal *s, const struct signal_whip_change *change, mono_us now,
                       wall_ms wall, struct signal_whip_reply *ret_reply);

#endif
