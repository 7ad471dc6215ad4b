#ifndef TK_SIGNAL_JOIN_PARAMS_H
#define TK_SIGNAL_JOIN_PARAMS_H

/*
 * What a client says when it joins, out of the query string: the flat parameters of /rtc and the
 * join_request of /rtc/v1 (base64url of a WrappedJoinRequest, perhaps gzip) both become one
 * JoinRequest message. Pure functions; bounded, because they run before the client is known.
 */

#include "livekit.pb-c.h"

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>

#define JOIN_REQUEST_SIZE_MAX (1u << 20) /* a join request, inflated */

struct signal_join_request;

struct join_params {
    bool is_single_pc;             /* /rtc/v1, or /rtc with a join_request */
    Livekit__JoinRequest *request; /* never NULL, nor are client_info and connection_settings */
    char publish[257];             /* the legacy publish-only suffix; "" = none */
};

/*
 * The token of the Authorization header, else of access_token; free() it. ERR_TOKEN_MISSING,
 * ERR_TOKEN (header without "Bearer "), -ENOMEM. Check it before join_params_parse().
 */
MUST_CHECK int join_params_token(const struct signal_join_request *request, char **ret_token);

/*
 * ERR_MALFORMED: bad escape, base64, gzip or message, or /rtc/v1 without a join_request;
 * ERR_LIMIT: inflated over JOIN_REQUEST_SIZE_MAX; -ENOMEM. `*ret_reason` names what was wrong.
 */
MUST_CHECK int join_params_parse(const struct signal_join_request *request,
                                 struct join_params *ret_params, const char **ret_reason);
void join_params_fini(struct join_params *params);

/* The way back, for our own clients: the join_request of /rtc/v1, not compressed, as base64url with
 * a zero behind it. free() it; NULL when out of memory. Any thread. */
MUST_CHECK char *join_params_wrap(const Livekit__JoinRequest *request);

#endif
