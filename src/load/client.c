/* One participant: its life, its names, when it counts as joined. */
#include "load/load_internal.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/token.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_TTL_S (6 * 3600)

const char *load__client_room(const struct load_client *c, char *buf, size_t size)
{
    if (c->run->options->is_lesson) /* other lessons in each run: they are there for good */
        snprintf(buf, size, "%s-%u-%u", c->run->options->room, c->run->number, c->room);
    else if (c->run->options->rooms > 1)
        snprintf(buf, size, "%s-%u", c->run->options->room, c->room);
    else
        snprintf(buf, size, "%s", c->run->options->room);
    return buf;
}

const char *load__client_name(const struct load_client *c, char *buf, size_t size)
{
    snprintf(buf, size, "%s-%u", c->publishes ? "publisher" : "subscriber", c->number);
    return buf;
}

static int fill_claims(struct load_client *c, const char *suffix, struct token_claims *claims)
{
    char name[64];
    struct signal_grants *g = &claims->grants;
    int err = str_copy(g->key, sizeof(g->key), c->run->options->key);
    load__client_room(c, g->room, sizeof(g->room));
    snprintf(g->identity, sizeof(g->identity), "%s%s", load__client_name(c, name, sizeof(name)),
             suffix);
    g->room_join = true;
    if (c->run->options->is_lesson) {
        load__client_room(c, g->lesson_id, sizeof(g->lesson_id));
        snprintf(g->lesson_role, sizeof(g->lesson_role), "%s", c->is_site ? "remote" : "lecture");
        load__client_name(c, g->lesson_school, sizeof(g->lesson_school));
    }
    return err;
}

char *load__client_token(struct load_client *c, const char *suffix)
{
    struct token_claims claims;
    struct signal_key key = {0};
    char *token = NULL;
    token_claims_init(&claims);
    int err = fill_claims(c, suffix, &claims);
    if (err == 0)
        err = str_copy(key.key, sizeof(key.key), c->run->options->key);
    if (err == 0)
        err = str_copy(key.secret, sizeof(key.secret), c->run->options->secret);
    if (err == 0)
        err = token_sign(&key, 1, &claims, TOKEN_TTL_S, wall_now(), &token);
    token_claims_fini(&claims);
    if (err < 0)
        load__client_fail(c, "token: %s", err_text(err));
    return err == 0 ? token : NULL;
}

void load__client_fail(struct load_client *c, const char *form, ...)
{
    char text[LOAD_TEXT_SIZE];
    va_list args;
    if (c->state == LOAD_FAILED || c->state == LOAD_LEFT)
        return;
    va_start(args, form);
    vsnprintf(text, sizeof(text), form, args);
    va_end(args);
    c->state = LOAD_FAILED;
    c->run->joining -= c->step_at[LOAD_STEP_KEYS] == 0;
    c->run->complete -= c->is_complete; /* counted once */
    c->is_complete = false;
    c->why = strdup(text);
    c->run->failed++;
    c->run->m.failures++;
    if (c->run->first_failed == NULL)
        c->run->first_failed = c;
}

void load__client_begin(struct load_client *c, mono_us now)
{
    c->state = LOAD_JOINING;
    c->join_at = now;
    c->run->joining++;
    int err = c->publishes ? load__tx_create(c, &c->tx) : 0;
    if (err == 0)
        err = c->run->target->begin(c, now);
    if (err < 0)
        load__client_fail(c, "cannot begin: %s", err_text(err));
}

void load__client_end(struct load_client *c)
{
    load__tx_destroy(c->tx); /* its timers know the connection */
    c->tx = NULL;
    if (c->state != LOAD_IDLE)
        c->run->target->end(c);
    free(c->why);
    c->why = NULL;
    c->state = LOAD_LEFT;
}

void load__client_reached(struct load_client *c, enum load_step step, mono_us now)
{
    if (c->step_at[step] == 0)
        c->step_at[step] = now;
}

/* How long each step took, from the last one before it that this target has. */
static void note_steps(struct load_client *c)
{
    mono_us before = c->join_at;
    for (size_t i = 0; i < LOAD_STEP_COUNT_; i++) {
        if (c->step_at[i] == 0)
            continue;
        load_hist_add(&c->run->steps[i], c->step_at[i] - before);
        load_hist_add(&c->run->m.steps[i], c->step_at[i] - before);
        before = c->step_at[i];
    }
}

static void note_join(struct load_client *c, mono_us now)
{
    if (c->state != LOAD_JOINING)
        return;
    c->state = LOAD_JOINED;
    c->run->joined++;
    c->run->m.joins++;
    if (!c->subscribes)
        return;
    load_hist_add(&c->run->join_us, now - c->join_at);
    load_hist_add(&c->run->m.join_us, now - c->join_at);
    load__client_reached(c, LOAD_STEP_PICTURE, now);
    note_steps(c);
}

static void note_complete(struct load_client *c)
{
    bool is_sending = c->tx == NULL || c->tx->conn != NULL;
    if (c->is_complete || !is_sending || c->streams_seen < c->streams_wanted)
        return;
    c->is_complete = true;
    c->run->complete++;
}

void load__client_up(struct load_client *c, struct load_conn *conn, mono_us now)
{
    if (c->step_at[LOAD_STEP_KEYS] == 0)
        c->run->joining -= c->state == LOAD_JOINING;
    load__client_reached(c, LOAD_STEP_KEYS, now);
    if (c->tx != NULL && conn->sends)
        load__tx_start(c->tx, conn, now);
    if (!c->subscribes)
        note_join(c, now);
    note_complete(c);
}

/* What a client waits for: the picture, where there is one. */
static bool is_awaited(const struct load_client *c, enum rtp_kind kind)
{
    return kind == RTP_KIND_VIDEO || !c->run->options->has_video;
}

void load__client_packet(struct load_client *c, enum rtp_kind kind, mono_us now)
{
    if (is_awaited(c, kind))
        load__client_reached(c, LOAD_STEP_PACKET, now);
}

void load__client_stream(struct load_client *c, enum rtp_kind kind, mono_us now)
{
    c->streams_seen++;
    if (is_awaited(c, kind))
        note_join(c, now);
    note_complete(c);
}
