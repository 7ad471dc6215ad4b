/* Lessons are made over REST before anybody joins. */
#include "load/load_internal.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_TTL_S 600

struct asking {
    struct load_run *run;
    bool is_answered;
};

static void on_response(void *user, unsigned status, const char *location UNUSED, char *body,
                        mono_us now UNUSED)
{
    struct asking *a = user;
    a->is_answered = true;
    a->run->lessons_missing--;
    if (status != 201)
        snprintf(a->run->trouble, sizeof(a->run->trouble),
                 "making the lesson: HTTP status %u: %.200s", status, body);
}

static void on_closed(void *user, const char *why, mono_us now UNUSED)
{
    struct asking *a = user;
    if (!a->is_answered) {
        a->run->lessons_missing--;
        snprintf(a->run->trouble, sizeof(a->run->trouble), "making the lesson: %s", why);
    }
    free(a);
}

/* free() it; NULL: no token. */
static char *make_token(const struct load_run *run)
{
    const struct load_options *o = run->options;
    struct token_claims claims;
    struct signal_key key = {0};
    char *token = NULL;
    token_claims_init(&claims);
    claims.grants.room_create = true;
    int err = str_copy(claims.grants.key, sizeof(claims.grants.key), o->key);
    if (err == 0)
        err = str_copy(key.key, sizeof(key.key), o->key);
    if (err == 0)
        err = str_copy(key.secret, sizeof(key.secret), o->secret);
    if (err == 0)
        err = token_sign(&key, 1, &claims, TOKEN_TTL_S, wall_now(), &token);
    token_claims_fini(&claims);
    return err == 0 ? token : NULL;
}

static int ask(struct load_run *run, uint32_t room, const char *token)
{
    struct load_client c = {.run = run, .room = room};
    struct load_wire *wire = NULL;
    char id[128], body[256];
    struct asking *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return -ENOMEM;
    a->run = run;
    load__client_room(&c, id, sizeof(id));
    snprintf(body, sizeof(body), "{\"id\":\"%s\",\"title\":\"load\"}", id);
    int err = load__wire_create(&(struct load_wire_config){.run = run,
                                                           .url = run->options->url,
                                                           .path = "/api/v1/lessons",
                                                           .method = "POST",
                                                           .bearer = token,
                                                           .type = "application/json",
                                                           .body = body,
                                                           .is_detached = true,
                                                           .user = a,
                                                           .on_response = on_response,
                                                           .on_closed = on_closed},
                                &wire);
    if (err < 0)
        free(a);
    else
        run->lessons_missing++;
    return err;
}

int load__lessons_make(struct load_run *run)
{
    char *token = make_token(run);
    int err = token == NULL ? ERR_STATE : 0;
    for (uint32_t room = 0; room < run->options->rooms && err == 0; room++)
        err = ask(run, room, token);
    free(token);
    return err;
}
