/*
 * Which WebSockets still have a client: whoever says anything does, whoever has been silent is
 * pinged, and whoever does not even answer that is gone. The list is in the order in which they
 * were heard last, so that a word costs as little among thousands as among a few. libwebsockets
 * does the same for each connection by a timer in a sorted list, and only believes pongs.
 */

#include "http/http_internal.h"

#define PING_AFTER_US MONO_S(HTTP__PING_INTERVAL_S)
#define GONE_AFTER_US MONO_S(HTTP__SILENCE_MAX_S)

void http__liveness_heard(struct http_ws *ws)
{
    ws->heard_at = mono_now();
    ws->is_pinged = false;
    list_remove(&ws->heard_link);
    list_push_back(&ws->conn->server->heard, &ws->heard_link);
}

void http__liveness_tick(struct http_server *h, mono_us now)
{
    LIST_FOR_EACH(it, &h->heard)
    {
        struct http_ws *ws = CONTAINER_OF(it, struct http_ws, heard_link);
        if (now < ws->heard_at + PING_AFTER_US)
            return; /* those behind it were heard later */
        if (now >= ws->heard_at + GONE_AFTER_US) {
            list_remove(&ws->heard_link);
            lws_set_timeout(ws->conn->wsi, PENDING_TIMEOUT_WS_PONG_CHECK_GET_PONG,
                            LWS_TO_KILL_ASYNC);
        } else if (!ws->is_pinged) {
            ws->is_pinged = true;
            ws->is_ping_due = true;
            http__loop_want_writable(&h->loop, ws->conn);
        }
    }
}
