#include "signal/signal.h"

/*
 * The outer face of the module: creation, the queue of commands, timers, the room-wide calls. Each
 * public call notes its time, does its work, and ends with finish(), which sends what has
 * gathered.
 */

#include "base/err.h"
#include "base/pkt.h"
#include "signal/rpc.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRANSPORTS_MAX 100000
#define TRACKS_MAX     200000
#define SUBS_MAX       4000000

#define FINISH_TURNS_MAX 4

uint32_t signal__id(struct signal *s)
{
    /* Never reused, never zero: 2^32 attachments outlast any uptime we plan for. */
    if (++s->id_next == 0)
        s->id_next = 1;
    return s->id_next;
}

static int grow_commands(struct signal *s)
{
    size_t capacity = TK_MAX(s->command_capacity * 2, (size_t)64);
    if (s->command_capacity >= SIGNAL_COMMANDS_MAX)
        return ERR_LIMIT;
    struct media_command *commands = malloc(capacity * sizeof(*commands));
    if (commands == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s->command_count; i++)
        commands[i] = s->commands[(s->command_head + i) % s->command_capacity];
    free(s->commands);
    s->commands = commands;
    s->command_capacity = capacity;
    s->command_head = 0;
    return 0;
}

void signal__command(struct signal *s, const struct media_command *command)
{
    if (s->command_count == s->command_capacity && grow_commands(s) < 0) {
        s->stats.over_limit++;
        if (command->kind == MEDIA_PEER_SCTP)
            pkt_unref(command->u.sctp);
        return;
    }
    s->commands[(s->command_head + s->command_count) % s->command_capacity] = *command;
    s->command_count++;
}

int signal_poll_command(struct signal *s, struct media_command *ret_command)
{
    if (s->command_count == 0)
        return 0;
    *ret_command = s->commands[s->command_head];
    s->command_head = (s->command_head + 1) % s->command_capacity;
    s->command_count--;
    return 1;
}

void signal_give_back(struct signal *s)
{
    if (s->command_count > 0)
        return;
    free(s->commands);
    s->commands = NULL;
    s->command_capacity = 0;
    s->command_head = 0;
}

void signal__wake(struct signal_room *room, mono_us at)
{
    room->due = TK_MIN(room->due, at);
    room->signal->due = TK_MIN(room->signal->due, at);
}

int signal_create(const struct signal_config *config, mono_us now, wall_ms wall,
                  struct signal **ret_signal)
{
    if (config->worker_count == 0 || config->worker_count > SFU_WORKERS_MAX)
        return -EINVAL;
    struct signal *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->config = *config;
    s->now = now;
    s->wall = wall;
    s->due = MONO_NEVER;
    strmap_init(&s->rooms, TK_MAX(config->room_count_max, 1u), rng_u64(config->rng));
    list_init(&s->room_list);
    idmap_init(&s->transports, TRANSPORTS_MAX);
    idmap_init(&s->tracks, TRACKS_MAX);
    idmap_init(&s->subs, SUBS_MAX);
    strmap_init(&s->whips, SIGNAL_WHIPS_MAX, rng_u64(config->rng));
    list_init(&s->sessions);
    list_init(&s->writable);
    list_init(&s->webhooks);
    signal__rpcs_init(s);
    int err = signal__dcs_init(s);
    if (err < 0) {
        signal_destroy(s);
        return err;
    }
    *ret_signal = s;
    return 0;
}

void signal_destroy(struct signal *s)
{
    if (s == NULL)
        return;
    LIST_FOR_EACH(it, &s->room_list)
    signal__room_destroy(CONTAINER_OF(it, struct signal_room, link),
                         LIVEKIT__DISCONNECT_REASON__SERVER_SHUTDOWN,
                         LIVEKIT__ROOM_END_REASON__ROOM_END_REASON_SERVER_SHUTDOWN);
    LIST_FOR_EACH(it, &s->sessions)
    signal__session_free(CONTAINER_OF(it, struct signal_session, link));
    struct media_command command;
    while (signal_poll_command(s, &command) > 0)
        if (command.kind == MEDIA_PEER_SCTP)
            pkt_unref(command.u.sctp);
    free(s->commands);
    char *body;
    while (signal_poll_webhook(s, &body) > 0)
        free(body);
    signal__rpcs_fini(s);
    strmap_fini(&s->rooms);
    idmap_fini(&s->transports);
    idmap_fini(&s->tracks);
    idmap_fini(&s->subs);
    strmap_fini(&s->whips);
    free(s);
}

void signal_set_policy(struct signal *s, const struct signal_policy *policy,
                       bool (*is_ruled)(void *user, const char *room))
{
    s->has_policy = policy != NULL;
    if (policy != NULL)
        s->policy = *policy;
    s->is_ruled = is_ruled;
    LIST_FOR_EACH(it, &s->room_list)
    {
        struct signal_room *room = CONTAINER_OF(it, struct signal_room, link);
        room->is_ruled = signal__is_ruled(s, room->name);
    }
}

bool signal__is_ruled(const struct signal *s, const char *room)
{
    return s->has_policy && (s->is_ruled == NULL || s->is_ruled(s->policy.user, room));
}

void signal__enter(struct signal *s, mono_us now, wall_ms wall)
{
    /* Calls without civil time move it on by what passed. */
    s->wall = wall > 0 ? wall : s->wall + (now - s->now) / 1000;
    s->now = now;
    s->depth++;
}

/* Everything in the room by the rules as they are now: O(N²). */
static void look_at_room(struct signal_room *room)
{
    room->is_policy_due = false;
    room->has_policy_subjects = false;
    room->is_ruled = signal__is_ruled(room->signal, room->name);
    LIST_FOR_EACH(it, &room->participants)
    CONTAINER_OF(it, struct signal_participant, link)->is_policy_due = false;
    signal__visibility_changed(room);
    signal__updates_flush(room);
    signal__reconcile_room(room);
}

/* Those for whom the rules have changed, each against everyone: O(N). */
static void look_at_subjects(struct signal_room *room)
{
    room->has_policy_subjects = false;
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        if (!p->is_policy_due)
            continue;
        p->is_policy_due = false;
        signal__visibility_of(p);
        signal__updates_flush(room);
        LIST_FOR_EACH(t, &p->tracks)
        signal__reconcile_track(CONTAINER_OF(t, struct signal_track, link));
        signal__reconcile_viewer(p);
    }
}

static void finish_room(struct signal_room *room)
{
    if (room->is_close_due) {
        signal__room_destroy(room, LIVEKIT__DISCONNECT_REASON__ROOM_DELETED,
                             LIVEKIT__ROOM_END_REASON__ROOM_END_REASON_API_DELETE);
        return;
    }
    if (room->is_policy_due)
        look_at_room(room);
    else if (room->has_policy_subjects)
        look_at_subjects(room);
    signal__updates_flush(room);
}

void signal__finish(struct signal *s)
{
    if (s->depth > 1 || !s->is_finish_due) {
        s->depth--;
        return;
    }
    /* What finishing brings up is finished too; what is still left then waits for the next tick. */
    for (int i = 0; i < FINISH_TURNS_MAX && s->is_finish_due; i++) {
        s->is_finish_due = false;
        LIST_FOR_EACH(it, &s->room_list)
        finish_room(CONTAINER_OF(it, struct signal_room, link));
        signal__dcs_finish(s);
    }
    if (s->is_finish_due)
        s->due = TK_MIN(s->due, s->now + SIGNAL_TICK_US);
    s->depth = 0;
}

void signal_policy_changed(struct signal *s, const char *name, const char *identity, mono_us now)
{
    signal__enter(s, now, 0);
    struct signal_room *room = signal__room_find(s, name);
    struct signal_participant *p =
        room != NULL && identity != NULL ? signal__room_participant(room, identity) : NULL;
    if (p != NULL) {
        p->is_policy_due = true;
        room->has_policy_subjects = true;
        s->is_finish_due = true;
    } else if (room != NULL && identity == NULL) {
        room->is_policy_due = true;
        s->is_finish_due = true;
    } /* who is not in the room concerns nobody in it */
    signal__finish(s);
}

int signal_close_room(struct signal *s, const char *name, mono_us now)
{
    struct signal_room *room = signal__room_find(s, name);
    if (room == NULL)
        return ERR_ROOM_NOT_FOUND;
    signal__enter(s, now, 0);
    room->is_close_due = true;
    s->is_finish_due = true;
    signal__finish(s);
    return 0;
}

static void tick_rooms(struct signal *s)
{
    s->due = MONO_NEVER;
    LIST_FOR_EACH(it, &s->room_list)
    {
        struct signal_room *room = CONTAINER_OF(it, struct signal_room, link);
        if (room->due <= s->now)
            signal__room_tick(room);
    }
    /* A tick may have freed rooms: the earliest time is read anew. */
    LIST_FOR_EACH(it, &s->room_list)
    s->due = TK_MIN(s->due, CONTAINER_OF(it, struct signal_room, link)->due);
}

void signal_handle_timeout(struct signal *s, mono_us now, wall_ms wall)
{
    signal__enter(s, now, wall);
    signal__dcs_tick(s);
    signal__rpcs_tick(s);
    if (now >= s->due)
        tick_rooms(s);
    signal__finish(s);
}

mono_us signal_next_timeout(const struct signal *s)
{
    return TK_MIN(TK_MIN(s->due, s->dcs_due), s->rpcs_due);
}

int signal_check_token(const struct signal *s, const char *token, wall_ms wall,
                       struct signal_grants *ret_grants)
{
    struct token_claims claims;
    int err = token_verify(s->config.keys, s->config.key_count, token, wall, &claims);
    if (err < 0)
        return err;
    *ret_grants = claims.grants;
    token_claims_fini(&claims);
    return 0;
}

void signal_stats(const struct signal *s, struct signal_stats *ret_stats)
{
    *ret_stats = s->stats;
    ret_stats->rooms = (uint32_t)s->rooms.count;
    ret_stats->tracks = (uint32_t)s->tracks.count;
    ret_stats->subscriptions = (uint32_t)s->subs.count;
}

int signal_ufrag_worker(const char *ufrag)
{
    const char *at = ufrag[0] != '\0' ? strchr(SIGNAL_WORKER_LETTERS, ufrag[0]) : NULL;
    return at != NULL ? (int)(at - SIGNAL_WORKER_LETTERS) : ERR_NOT_FOUND;
}
