#include "sim/simnet.h"

#include <stdlib.h>
#include <string.h>

bool sim_chance(struct rng *rng, double p)
{
    return p > 0 && rng_unit(rng) < p;
}

int64_t sim_between(struct rng *rng, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(rng, (uint32_t)(high - low + 1));
}

void simnet_init(struct simnet *net, struct rng *rng)
{
    *net = (struct simnet){.rng = rng};
}

void simnet_fini(struct simnet *net)
{
    for (size_t i = 0; i < net->count; i++)
        free(net->heap[i]);
    free(net->heap);
    *net = (struct simnet){0};
}

/* ---- the queue of deliveries: a binary heap ---- */

static bool is_earlier(const struct simnet_delivery *a, const struct simnet_delivery *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct simnet *net, size_t a, size_t b)
{
    struct simnet_delivery *d = net->heap[a];
    net->heap[a] = net->heap[b];
    net->heap[b] = d;
}

void simnet_post(struct simnet *net, mono_us at, struct simnet_dest dest, const void *data,
                 size_t size)
{
    if (net->count == net->capacity) {
        net->capacity = TK_MAX(2 * net->capacity, (size_t)256);
        net->heap = realloc(net->heap, net->capacity * sizeof(net->heap[0]));
        CHECK(net->heap != NULL);
    }
    struct simnet_delivery *d = malloc(sizeof(*d) + size);
    CHECK(d != NULL && size <= UINT16_MAX);
    *d = (struct simnet_delivery){
        .at = at, .order = net->posted++, .dest = dest, .size = (uint16_t)size};
    memcpy(d->data, data, size);
    size_t i = net->count++;
    net->heap[i] = d;
    for (; i > 0 && is_earlier(net->heap[i], net->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(net, i, (i - 1) / 2);
}

const struct simnet_delivery *simnet_peek(const struct simnet *net)
{
    return net->count > 0 ? net->heap[0] : NULL;
}

struct simnet_delivery *simnet_take(struct simnet *net)
{
    if (net->count == 0)
        return NULL;
    struct simnet_delivery *first = net->heap[0];
    net->heap[0] = net->heap[--net->count];
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1;
        if (child >= net->count)
            break;
        if (child + 1 < net->count && is_earlier(net->heap[child + 1], net->heap[child]))
            child++;
        if (!is_earlier(net->heap[child], net->heap[i]))
            break;
        swap(net, i, child);
        i = child;
    }
    return first;
}

/* ---- links ---- */

static bool is_lost(struct simnet *net, struct simnet_link *link)
{
    const struct simnet_params *p = &link->params;
    if (sim_chance(net->rng, link->is_bad ? p->to_good : p->to_bad))
        link->is_bad = !link->is_bad;
    return link->is_cut || sim_chance(net->rng, link->is_bad ? p->loss_bad : p->loss_good);
}

/* When the rate limit has let the packet through; MONO_NEVER if its queue is full. */
static mono_us pass_rate(struct simnet_link *link, size_t size, mono_us now)
{
    if (link->params.rate_bps == 0)
        return now;
    mono_us start = TK_MAX(link->free_at, now);
    uint64_t waiting = (uint64_t)(start - now) * link->params.rate_bps / 8000000;
    if (waiting + size > link->params.queue_bytes)
        return MONO_NEVER;
    link->free_at = start + (mono_us)(size * 8000000 / link->params.rate_bps);
    return link->free_at;
}

static mono_us arrival(struct simnet *net, struct simnet_link *link, mono_us left)
{
    const struct simnet_params *p = &link->params;
    mono_us at = left + p->delay + (p->jitter > 0 ? sim_between(net->rng, 0, p->jitter) : 0);
    if (sim_chance(net->rng, p->reorder)) {
        link->reordered++;
        return at + p->reorder_by;
    }
    link->last_at = TK_MAX(link->last_at, at); /* jitter alone keeps the order */
    return link->last_at;
}

bool simnet_send(struct simnet *net, struct simnet_link *link, struct simnet_dest dest,
                 const void *data, size_t size, mono_us now)
{
    link->sent++;
    mono_us left = is_lost(net, link) ? MONO_NEVER : pass_rate(link, size, now);
    if (left == MONO_NEVER) {
        link->lost++;
        return false;
    }
    simnet_post(net, arrival(net, link, left), dest, data, size);
    if (sim_chance(net->rng, link->params.duplicate)) {
        link->duplicated++;
        simnet_post(net, arrival(net, link, left), dest, data, size);
    }
    return true;
}

mono_us simnet_link_empty_at(const struct simnet_link *link, mono_us now)
{
    const struct simnet_params *p = &link->params;
    return TK_MAX(link->free_at, now) + p->delay + p->jitter + p->reorder_by;
}
