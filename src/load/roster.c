/* Who takes part in a run, in the order in which they join, and what each is to receive. */
#include "load/load_internal.h"

#include <errno.h>
#include <stdlib.h>

static struct load_client *add_client(struct load_run *run, uint32_t room, uint32_t number)
{
    struct load_client *c = &run->clients[run->client_count];
    *c = (struct load_client){
        .run = run, .index = run->client_count++, .room = room, .number = number};
    return c;
}

static uint32_t streams_from(const struct load_run *run, uint32_t publishers)
{
    const struct load_options *o = run->options;
    uint32_t layers = o->has_video ? 1 : 0;
    if (o->target == LOAD_FLOOR && o->has_video && o->floor_layer < 0)
        layers = run->layer_count;
    return publishers * (layers + (o->has_audio ? 1 : 0));
}

static void add_publishers(struct load_run *run)
{
    const struct load_options *o = run->options;
    for (uint32_t room = 0; room < o->rooms; room++)
        for (uint32_t i = 0; i < o->publishers; i++) {
            struct load_client *c = add_client(run, room, room * o->publishers + i);
            c->publishes = true;
            c->subscribes = o->is_gallery || o->is_lesson;
            c->is_site = o->is_lesson && i > 0;
            if (o->is_gallery)
                c->streams_wanted = streams_from(run, o->publishers - 1);
            else if (c->is_site) /* the lecture */
                c->streams_wanted = streams_from(run, 1);
            else if (o->is_lesson) /* the wall: every site's picture */
                c->streams_wanted = o->has_video ? o->publishers - 1 : 0;
        }
}

static void add_subscribers(struct load_run *run)
{
    const struct load_options *o = run->options;
    for (uint32_t i = 0; i < o->subscribers * o->rooms + o->storm_joins; i++) {
        struct load_client *c = add_client(run, i % o->rooms, i);
        c->subscribes = true;
        c->is_late = i >= o->subscribers * o->rooms;
        c->streams_wanted = streams_from(run, o->publishers);
        /* Evenly among the others. */
        double share = o->lossy_share_percent / 100;
        c->is_lossy = o->loss_percent > 0 && (uint32_t)((i + 1) * share) != (uint32_t)(i * share);
    }
}

int load__roster_make(struct load_run *run)
{
    const struct load_options *o = run->options;
    bool has_subscribers = !o->is_gallery && !o->is_lesson;
    uint64_t subscribers = has_subscribers ? (uint64_t)o->subscribers * o->rooms : 0;
    uint64_t count = (uint64_t)o->publishers * o->rooms + subscribers + o->storm_joins;
    run->clients = calloc(count, sizeof(*run->clients));
    if (run->clients == NULL)
        return -ENOMEM;
    run->publisher_count = o->publishers * o->rooms;
    run->lates = o->storm_joins;
    /* The floor knows no keyframe on demand: receivers first, so that they see the first one. */
    if (o->target == LOAD_FLOOR && has_subscribers)
        add_subscribers(run);
    add_publishers(run);
    if (o->target != LOAD_FLOOR && has_subscribers)
        add_subscribers(run);
    return 0;
}
