#include "base/err.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "http/lesson_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lesson *lesson__find(struct lesson_api *api, const char *id)
{
    return strmap_get(&api->lessons, id);
}

struct load {
    struct lesson_state *state;
    int err;
};

static bool fold_event(void *user, const struct lesson_event *e)
{
    struct load *load = user;
    int err = lesson_state_apply(load->state, e);
    load->err = TK_MIN(err, 0);
    return err >= 0;
}

/* A site that was online when the server died is offline until it comes back: its leave timer runs.
 */
static int restore_presences(struct lesson *l)
{
    size_t cursor = 0;
    for (struct lesson_site *site; (site = strmap_next(&l->state.sites, &cursor, NULL)) != NULL;) {
        if (!site->is_online || strmap_get(&l->presences, site->identity) != NULL)
            continue;
        struct lesson_presence *p = calloc(1, sizeof(*p));
        if (p == NULL)
            return -ENOMEM;
        memcpy(p->identity, site->identity, sizeof(p->identity));
        memcpy(p->name, site->name, sizeof(p->name));
        memcpy(p->school, site->school, sizeof(p->school));
        p->role = site->role;
        p->leave_at = mono_now() + LESSON_JOIN_DELAY;
        l->api->leave_next = TK_MIN(l->api->leave_next, p->leave_at);
        int err = strmap_put(&l->presences, p->identity, p);
        if (err < 0) {
            free(p);
            return err;
        }
    }
    return 0;
}

int lesson__load(struct lesson *l)
{
    struct lesson_state fresh;
    lesson_state_init(&fresh, rng_u64(l->api->config.rng));
    struct load load = {.state = &fresh};
    int err = store_each_event(l->api->config.store, l->id, 0, SIZE_MAX, fold_event, &load);
    if (err == 0)
        err = load.err;
    if (err < 0) {
        lesson_state_fini(&fresh);
        return err;
    }
    lesson_state_fini(&l->state);
    l->state = fresh;
    l->durable_seq = fresh.seq;
    return restore_presences(l);
}

void lesson__destroy(struct lesson *l)
{
    if (l == NULL)
        return;
    size_t cursor = 0;
    for (struct lesson_presence *p; (p = strmap_next(&l->presences, &cursor, NULL)) != NULL;)
        free(p);
    strmap_fini(&l->presences);
    lesson_state_fini(&l->state);
    free(l);
}

int lesson__open(struct lesson_api *api, const char *id, wall_ms created_at,
                 struct lesson **ret_lesson)
{
    struct lesson *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return -ENOMEM;
    l->api = api;
    l->created_at = created_at;
    list_init(&l->conns);
    uint64_t seed = rng_u64(api->config.rng);
    strmap_init(&l->presences, LESSON_PRESENCE_MAX, seed);
    lesson_state_init(&l->state, seed);
    int err = str_copy(l->id, sizeof(l->id), id);
    if (err == 0)
        err = strmap_put(&api->lessons, id, l);
    if (err < 0) {
        lesson__destroy(l);
        return err;
    }
    *ret_lesson = l;
    return 0;
}

struct load_all {
    struct lesson_api *api;
    int err;
};

static bool load_live(void *user, const struct store_lesson *sl)
{
    struct load_all *all = user;
    struct lesson *l;
    if (sl->is_ended)
        return true;
    all->err = lesson__open(all->api, sl->id, sl->created_at, &l);
    if (all->err == 0)
        all->err = lesson__load(l);
    return all->err >= 0;
}

int lesson_api_create(const struct lesson_api_config *config, struct lesson_api **ret_api)
{
    struct lesson_api *api = calloc(1, sizeof(*api));
    if (api == NULL)
        return -ENOMEM;
    api->config = *config;
    api->next_conn_id = 1;
    api->retry_at = MONO_NEVER;
    api->leave_next = MONO_NEVER;
    list_init(&api->pendings);
    strmap_init(&api->lessons, LESSONS_LIVE_MAX, rng_u64(config->rng));
    idmap_init(&api->conns, SIZE_MAX);
    struct load_all all = {.api = api};
    int err = store_each_lesson(config->store, load_live, &all);
    if (err == 0)
        err = all.err;
    if (err == 0)
        err = lesson__rest_routes(api);
    if (err == 0)
        err = lesson__conn_route(api);
    if (err < 0) {
        lesson_api_destroy(api);
        return err;
    }
    lesson__install_policy(api);
    LOG_INFO("lesson", "lessons_loaded", "live=%zu", api->lessons.count);
    *ret_api = api;
    return 0;
}

void lesson_api_destroy(struct lesson_api *api)
{
    if (api == NULL)
        return;
    signal_set_policy(api->config.signal, NULL, NULL);
    for (struct list *l; (l = list_pop_front(&api->pendings)) != NULL;)
        free(CONTAINER_OF(l, struct lesson_pending, link));
    size_t cursor = 0;
    for (struct lesson_conn *c; (c = idmap_next(&api->conns, &cursor, NULL)) != NULL;) {
        c->lesson = NULL; /* `closed` frees it when the HTTP server closes its connections */
        http_ws_close(c->ws, 1001, "server stops");
    }
    cursor = 0;
    for (struct lesson *l; (l = strmap_next(&api->lessons, &cursor, NULL)) != NULL;)
        lesson__destroy(l);
    strmap_fini(&api->lessons);
    idmap_fini(&api->conns);
    free(api);
}

void lesson_api_handle_timeout(struct lesson_api *api, mono_us now)
{
    lesson__drain_store(api);
    lesson__presence_timers(api, now);
}

mono_us lesson_api_next_timeout(const struct lesson_api *api)
{
    return TK_MIN(api->leave_next, api->retry_at);
}

void lesson_api_stats(const struct lesson_api *api, struct lesson_api_stats *ret_stats)
{
    *ret_stats = (struct lesson_api_stats){.lessons = api->lessons.count,
                                           .log_connections = api->conns.count};
}
