/* A WHIP or WHEP session is changed (RFC 9725, 4.3: trickled candidates, ICE restart) or ended. */

#include "base/err.h"
#include "base/strbuf.h"
#include "sdp/frag.h"
#include "signal/join_params.h"
#include "signal/signal_internal.h"
#include "signal/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that ran out while the session lasted is as good as at its beginning: a long broadcast can be
 * ended with the token that began it. */
static int verify(const struct signal_participant *p, const char *token,
                  struct token_claims *ret_claims)
{
    const struct signal *s = p->room->signal;
    int err = token_verify(s->config.keys, s->config.key_count, token, s->wall, ret_claims);
    if (err == ERR_TOKEN_EXPIRED)
        err = token_verify(s->config.keys, s->config.key_count, token, p->joined_at, ret_claims);
    return err;
}

/* Clients send their token with every request (RFC 9725, 4.7): a wrong one is not waved through
 * because the address was right. False: refused. */
static bool check_token(const struct signal_whip *whip, const char *authorization,
                        struct signal_whip_reply *reply)
{
    const struct signal_join_request request = {.authorization = authorization};
    const struct signal_grants *own = &whip->participant->claims.grants;
    struct token_claims claims;
    char *token;
    if (authorization == NULL)
        return true;
    int err = join_params_token(&request, &token);
    if (err == 0) {
        err = verify(whip->participant, token, &claims);
        free(token);
    }
    if (err < 0) {
        signal__whip_refuse(reply, err_http_status(err), err_text(err));
        return false;
    }
    bool is_own = strcmp(claims.grants.room, own->room) == 0 &&
                  strcmp(claims.grants.identity, own->identity) == 0;
    token_claims_fini(&claims);
    if (!is_own)
        signal__whip_refuse(reply, 403, "the token is for another participant");
    return is_own;
}

static bool is_within_rate(struct signal_whip *whip, mono_us now)
{
    whip->patch_tokens += (double)(now - whip->patched_at) / 1e6 * SIGNAL_WHIP_PATCHES_S;
    whip->patch_tokens = TK_MIN(whip->patch_tokens, SIGNAL_WHIP_PATCHES_S * 10.0);
    whip->patched_at = now;
    if (whip->patch_tokens < 1)
        return false;
    whip->patch_tokens -= 1;
    return true;
}

/* As the lite side we send no checks: candidates need no keeping, only an answer. */
static void trickle(struct signal_whip *whip, const char *if_match, const struct sdp_frag *frag,
                    struct signal_whip_reply *reply)
{
    char etag[SIGNAL_WHIP_ETAG_SIZE];
    signal__whip_etag(whip, etag);
    const struct signal_transport *t = whip->participant->publisher;
    if (strcmp(if_match, etag) != 0)
        signal__whip_refuse(reply, 412, "the ICE session is another one by now");
    else if (frag->ufrag[0] != '\0' && strcmp(frag->ufrag, t->remote.ufrag) != 0)
        signal__whip_refuse(reply, 409, "the fragment is of another ICE session");
    else
        *reply = (struct signal_whip_reply){.status = 204};
}

static int print_side(struct signal_transport *t, struct strbuf *text)
{
    struct addr candidates[SIGNAL_CANDIDATES_MAX];
    struct sdp_local local;
    signal__transport_local(t, &local, candidates);
    size_t first = 0; /* the section that stands for the bundle: the first that was not refused */
    while (first + 1 < t->section_count && t->sections[first].kind > SDP_KIND_VIDEO)
        first++;
    return sdp_frag_print(&local, (enum sdp_kind)t->sections[first].kind, t->sections[first].mid,
                          text);
}

static void restart(struct signal_whip *whip, const struct sdp_frag *frag,
                    struct signal_whip_reply *reply)
{
    struct signal_transport *t = whip->participant->publisher;
    if (frag->ufrag[0] == '\0') {
        signal__whip_refuse(reply, 400, "an ICE restart needs ice-ufrag and ice-pwd");
        return;
    }
    if (strcmp(frag->ufrag, t->remote.ufrag) == 0) {
        signal__whip_refuse(reply, 409, "an ICE restart needs new credentials");
        return;
    }
    struct strbuf text;
    strbuf_init(&text, SDP_FRAG_TEXT_MAX);
    signal__transport_restart(t);
    /* The sizes of sdp/ and peer/ are the same. */
    IGNORE(str_copy(t->remote.ufrag, sizeof(t->remote.ufrag), frag->ufrag));
    IGNORE(str_copy(t->remote.pwd, sizeof(t->remote.pwd), frag->pwd));
    signal__transport_send_remote(t);
    if (print_side(t, &text) < 0) {
        signal__whip_refuse(reply, 503, "out of memory");
    } else {
        *reply = (struct signal_whip_reply){.status = 200, .size = text.size};
        reply->body = strbuf_take(&text);
        signal__whip_etag(whip, reply->etag);
    }
    strbuf_fini(&text);
}

static void patch(struct signal_whip *whip, const struct signal_whip_change *change,
                  struct signal_whip_reply *reply)
{
    struct sdp_frag frag;
    struct sdp_error error = {0};
    char reason[160];
    if (change->if_match[0] == '\0') {
        signal__whip_refuse(reply, 428, "If-Match is needed: the ETag, or * for a restart");
        return;
    }
    int err = sdp_frag_parse(change->frag, change->frag_size, &frag, &error);
    if (err < 0) {
        whip->participant->room->signal->stats.malformed++;
        snprintf(reason, sizeof(reason), "fragment, line %u: %s", error.line, error.text);
        signal__whip_refuse(reply, 400, reason);
    } else if (strcmp(change->if_match, "*") == 0) {
        restart(whip, &frag, reply);
    } else {
        trickle(whip, change->if_match, &frag, reply);
    }
}

void signal_whip_patch(struct signal *s, const struct signal_whip_change *change, mono_us now,
                       wall_ms wall, struct signal_whip_reply *ret_reply)
{
    signal__enter(s, now, wall);
    struct signal_whip *whip = strmap_get(&s->whips, change->id);
    if (whip == NULL)
        signal__whip_refuse(ret_reply, 404, "no such session");
    else if (!is_within_rate(whip, now))
        signal__whip_refuse(ret_reply, 429, "too many changes a second");
    else if (check_token(whip, change->authorization, ret_reply))
        patch(whip, change, ret_reply);
    signal__finish(s);
}

void signal_whip_close(struct signal *s, const struct signal_whip_change *change, mono_us now,
                       wall_ms wall, struct signal_whip_reply *ret_reply)
{
    signal__enter(s, now, wall);
    struct signal_whip *whip = strmap_get(&s->whips, change->id);
    if (whip == NULL) {
        signal__whip_refuse(ret_reply, 404, "no such session");
    } else if (check_token(whip, change->authorization, ret_reply)) {
        signal__participant_remove(whip->participant, LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED,
                                   false);
        *ret_reply = (struct signal_whip_reply){.status = 200};
    }
    signal__finish(s);
}
