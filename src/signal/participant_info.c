/* What others see of a participant: the message, and changes of its texts and rights. */

#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int fill_attributes(const struct signal_participant *p, struct signal_arena *arena,
                           Livekit__ParticipantInfo *m)
{
    size_t count = p->claims.attribute_count;
    if (count == 0)
        return 0;
    m->attributes = signal__arena_alloc(arena, count * sizeof(*m->attributes));
    Livekit__ParticipantInfo__AttributesEntry *entries =
        signal__arena_alloc(arena, count * sizeof(*entries));
    if (m->attributes == NULL || entries == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        livekit__participant_info__attributes_entry__init(&entries[i]);
        entries[i].key = p->claims.attributes[i].key;
        entries[i].value = p->claims.attributes[i].value;
        m->attributes[i] = &entries[i];
    }
    m->n_attributes = count;
    return 0;
}

static int fill_permission(const struct signal_participant *p, struct signal_arena *arena,
                           Livekit__ParticipantInfo *m)
{
    const struct token_claims *c = &p->claims;
    Livekit__ParticipantPermission *permission = signal__arena_alloc(arena, sizeof(*permission));
    if (permission == NULL)
        return -ENOMEM;
    livekit__participant_permission__init(permission);
    permission->can_subscribe = c->grants.can_subscribe;
    permission->can_publish = c->grants.can_publish;
    permission->can_publish_data = c->grants.can_publish_data;
    permission->hidden = c->grants.hidden;
    permission->recorder = c->recorder;
    permission->can_update_metadata = c->can_update_own_metadata;
    permission->agent = c->agent;
    permission->can_subscribe_metrics = c->can_subscribe_metrics;
    permission->can_manage_agent_session = c->can_manage_agent_session;
    permission->can_publish_sources =
        signal__arena_alloc(arena, 32 * sizeof(*permission->can_publish_sources));
    if (permission->can_publish_sources == NULL)
        return -ENOMEM;
    for (uint32_t bit = 0; bit < 32; bit++)
        if ((c->publish_sources >> bit & 1) != 0)
            permission->can_publish_sources[permission->n_can_publish_sources++] =
                (Livekit__TrackSource)bit;
    m->permission = permission;
    return 0;
}

static int fill_tracks(const struct signal_participant *p, struct signal_arena *arena,
                       Livekit__ParticipantInfo *m)
{
    m->tracks = signal__arena_alloc(arena, (p->track_count + 1) * sizeof(*m->tracks));
    m->data_tracks = signal__arena_alloc(arena, SIGNAL_DATA_TRACKS_MAX * sizeof(*m->data_tracks));
    if (m->tracks == NULL || m->data_tracks == NULL)
        return -ENOMEM;
    LIST_FOR_EACH(it, &p->tracks)
    {
        const struct signal_track *track = CONTAINER_OF(it, struct signal_track, link);
        if (!track->is_announced)
            continue;
        Livekit__TrackInfo *info = signal__arena_alloc(arena, sizeof(*info));
        if (info == NULL || signal__track_fill(track, arena, info) < 0)
            return -ENOMEM;
        m->tracks[m->n_tracks++] = info;
    }
    LIST_FOR_EACH(it, &p->data_tracks)
    {
        Livekit__DataTrackInfo *info = signal__arena_alloc(arena, sizeof(*info));
        if (info == NULL)
            return -ENOMEM;
        signal__data_track_fill(CONTAINER_OF(it, struct signal_data_track, link), info);
        m->data_tracks[m->n_data_tracks++] = info;
    }
    return 0;
}

static int fill_bit_lists(const struct signal_participant *p, struct signal_arena *arena,
                          Livekit__ParticipantInfo *m)
{
    m->capabilities = signal__arena_alloc(arena, 32 * sizeof(*m->capabilities));
    m->kind_details = signal__arena_alloc(arena, 32 * sizeof(*m->kind_details));
    if (m->capabilities == NULL || m->kind_details == NULL)
        return -ENOMEM;
    for (uint32_t bit = 0; bit < 32; bit++) {
        if ((p->capabilities >> bit & 1) != 0)
            m->capabilities[m->n_capabilities++] = (Livekit__ClientInfo__Capability)bit;
        if ((p->claims.kind_details >> bit & 1) != 0)
            m->kind_details[m->n_kind_details++] = (Livekit__ParticipantInfo__KindDetail)bit;
    }
    return 0;
}

int signal__participant_fill(const struct signal_participant *p, struct signal_arena *arena,
                             Livekit__ParticipantInfo *ret_message)
{
    Livekit__ParticipantInfo *m = ret_message;
    livekit__participant_info__init(m);
    m->sid = (char *)(uintptr_t)p->sid;
    m->identity = (char *)(uintptr_t)p->claims.grants.identity;
    m->name = (char *)(uintptr_t)p->claims.grants.name;
    m->state = (Livekit__ParticipantInfo__State)p->state;
    if (p->claims.metadata != NULL)
        m->metadata = p->claims.metadata;
    m->joined_at = p->joined_at / 1000;
    m->joined_at_ms = p->joined_at;
    m->version = p->version;
    m->is_publisher = p->is_publisher;
    m->kind = (Livekit__ParticipantInfo__Kind)p->claims.kind;
    m->disconnect_reason = (Livekit__DisconnectReason)p->disconnect_reason;
    m->client_protocol = p->client_protocol;
    if (fill_attributes(p, arena, m) < 0 || fill_permission(p, arena, m) < 0 ||
        fill_tracks(p, arena, m) < 0 || fill_bit_lists(p, arena, m) < 0)
        return -ENOMEM;
    return 0;
}

static void delete_attribute(struct token_claims *c, const char *key)
{
    for (size_t i = 0; i < c->attribute_count; i++) {
        if (strcmp(c->attributes[i].key, key) != 0)
            continue;
        free(c->attributes[i].key);
        free(c->attributes[i].value);
        c->attributes[i] = c->attributes[--c->attribute_count];
        return;
    }
}

static int set_attribute(struct token_claims *c, const char *key, const char *value)
{
    delete_attribute(c, key);
    return value[0] == '\0' ? 0 : token_claims_add_attribute(c, key, value);
}

static size_t attributes_size(const struct token_claims *c)
{
    size_t size = 0;
    for (size_t i = 0; i < c->attribute_count; i++)
        size += strlen(c->attributes[i].key) + strlen(c->attributes[i].value);
    return size;
}

int signal__participant_set_info(struct signal_participant *p, const char *name,
                                 const char *metadata, size_t attribute_count,
                                 const struct token_attribute *attributes)
{
    struct token_claims *c = &p->claims;
    if (metadata != NULL && strlen(metadata) > TOKEN_METADATA_MAX)
        return ERR_LIMIT;
    if (name != NULL && strlen(name) >= SIGNAL_TEXT_MAX)
        return ERR_LIMIT;
    size_t size = attributes_size(c);
    for (size_t i = 0; i < attribute_count; i++)
        size += strlen(attributes[i].key) + strlen(attributes[i].value);
    if (size > TOKEN_ATTRIBUTES_MAX)
        return ERR_LIMIT;
    if (metadata != NULL && metadata[0] != '\0') {
        char *copy = strdup(metadata);
        if (copy == NULL)
            return -ENOMEM;
        free(c->metadata);
        c->metadata = copy;
    }
    if (name != NULL && name[0] != '\0')
        IGNORE(str_copy(c->grants.name, sizeof(c->grants.name), name)); /* length checked above */
    for (size_t i = 0; i < attribute_count; i++) {
        int err = set_attribute(c, attributes[i].key, attributes[i].value);
        if (err < 0)
            return err;
    }
    return 0;
}

/* Publications that the new rights forbid end; their publisher hears of each. */
static void unpublish_forbidden(struct signal_participant *p)
{
    LIST_FOR_EACH(it, &p->tracks)
    {
        struct signal_track *track = CONTAINER_OF(it, struct signal_track, link);
        if (signal__participant_may_publish(p, (enum signal_source)track->source))
            continue;
        Livekit__TrackUnpublishedResponse body = LIVEKIT__TRACK_UNPUBLISHED_RESPONSE__INIT;
        body.track_sid = track->sid;
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_UNPUBLISHED;
        response.track_unpublished = &body;
        signal__send(p, &response);
        signal__track_remove(track);
    }
}

void signal__participant_set_permission(struct signal_participant *p,
                                        const Livekit__ParticipantPermission *permission)
{
    struct token_claims *c = &p->claims;
    c->grants.can_subscribe = permission->can_subscribe;
    c->grants.can_publish = permission->can_publish;
    c->grants.can_publish_data = permission->can_publish_data;
    c->grants.hidden = permission->hidden;
    c->recorder = permission->recorder;
    c->can_update_own_metadata = permission->can_update_metadata;
    c->agent = permission->agent;
    c->can_subscribe_metrics = permission->can_subscribe_metrics;
    c->can_manage_agent_session = permission->can_manage_agent_session;
    c->publish_sources = 0;
    for (size_t i = 0; i < permission->n_can_publish_sources; i++)
        if ((uint32_t)permission->can_publish_sources[i] < 32)
            c->publish_sources |= 1u << permission->can_publish_sources[i];
    unpublish_forbidden(p);
    if (!c->grants.can_publish_data)
        signal__data_tracks_free(p);
    signal__changed(p, true);
    signal__visibility_changed(p->room);
    signal__updates_flush(p->room);
    signal__reconcile_viewer(p);
    signal__participant_send_token(p);
}
