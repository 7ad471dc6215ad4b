/*
 * Why the server refused: a WebSocket that is not opened tells a status only, so the same question
 * goes to /rtc/v1/validate, whose answer has the reason as text. Without an answer the status has
 * to do.
 */
#include "base/err.h"
#include "base/strbuf.h"
#include "client/client_internal.h"
#include "client/lws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE 1024

/* What is shown in a terminal has no control characters. */
static void take_text(struct client_refusal *r, const char *text, size_t size)
{
    for (size_t i = 0; i < size && r->size + 1 < sizeof(r->text); i++) {
        bool is_plain = (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
        r->text[r->size++] = is_plain ? text[i] : ' ';
    }
}

static int read_some(struct lws *wsi)
{
    char buffer[LWS_PRE + READ_SIZE];
    char *at = buffer + LWS_PRE;
    int size = READ_SIZE;
    return lws_http_client_read(wsi, &at, &size) < 0 ? -1 : 0; /* calls back with the text */
}

int client__refusal_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                          size_t size)
{
    struct client_refusal *r = user;
    if (r == NULL)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        r->is_same = lws_http_client_http_response(wsi) == r->status;
        return 0;
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return read_some(wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        if (r->is_same)
            take_text(r, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        r->wsi = NULL;
        r->is_answered = true;
        return 0;
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        r->is_answered = true;
        return 0;
    default:
        return 0;
    }
}

void client__refusal_note(struct client_refusal *r, unsigned status)
{
    *r = (struct client_refusal){.status = status};
}

void client__refusal_drop(struct client_refusal *r)
{
    if (r->wsi != NULL) {
        lws_set_wsi_user(r->wsi, NULL);
        lws_set_timeout(r->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
    *r = (struct client_refusal){0};
}

static void ask(struct client *c)
{
    struct client_refusal *r = &c->ws.refusal;
    char *path = client__join_path(c, true);
    r->was_asked = true;
    r->is_answered = path == NULL || client__lws_get(c, path, r, &r->wsi) < 0;
    free(path);
}

void client__refusal_tick(struct client *c, bool is_late)
{
    struct client_refusal *r = &c->ws.refusal;
    if (r->status == 0)
        return;
    if (!r->was_asked)
        ask(c);
    if (!r->is_answered && !is_late)
        return;
    struct client_refusal known = *r;
    client__refusal_drop(r);
    client__on_refused(c, known.status, known.text);
}
