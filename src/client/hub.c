#include "base/err.h"
#include "client/client_internal.h"
#include "client/lws.h"
#include "dchan/dchan.h"
#include "secure/cert.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>

#define READY_MAX 64

int client_hub_create(struct client_hub **ret_hub)
{
    struct client_hub *hub = calloc(1, sizeof(*hub));
    if (hub == NULL)
        return -ENOMEM;
    list_init(&hub->clients);
    rng_init_system(&hub->rng);
    int err = loop_init(&hub->loop);
    if (err < 0) {
        free(hub);
        return err;
    }
    err = sec_cert_create(wall_now(), &hub->cert);
    if (err == 0)
        err = client__lws_create(&hub->lws);
    if (err == 0)
        err = dchan_global_init();
    if (err < 0) {
        if (hub->lws != NULL)
            lws_context_destroy(hub->lws);
        sec_cert_destroy(hub->cert);
        loop_fini(&hub->loop);
        free(hub);
        return err;
    }
    *ret_hub = hub;
    return 0;
}

void client_hub_destroy(struct client_hub *hub)
{
    if (hub == NULL)
        return;
    CHECK(list_is_empty(&hub->clients));
    lws_context_destroy(hub->lws);
    dchan_global_fini();
    sec_cert_destroy(hub->cert);
    loop_fini(&hub->loop);
    free(hub);
}

static void run_timers(struct client_hub *hub, mono_us now)
{
    bool is_sctp_due = now >= hub->dchan_at;
    if (is_sctp_due) {
        dchan_global_handle_timers(now);
        hub->dchan_at = now + MONO_MS(DCHAN_TICK_MS);
    }
    LIST_FOR_EACH(it, &hub->clients)
    {
        struct client *c = CONTAINER_OF(it, struct client, in_hub);
        client__tick(c, now);
    }
}

void client_hub_poll(struct client_hub *hub, mono_us timeout)
{
    struct loop_ready ready[READY_MAX];
    lws_service(hub->lws, -1); /* never waits; the loop below does */
    mono_us wait = list_is_empty(&hub->clients) ? timeout : TK_MIN(timeout, CLIENT_TICK);
    size_t count = loop_wait(&hub->loop, wait, ready, READY_MAX);
    mono_us now = mono_now();
    for (size_t i = 0; i < count; i++)
        client__link_ready(ready[i].user, now);
    run_timers(hub, now);
    lws_service(hub->lws, -1);
}
