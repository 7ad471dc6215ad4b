/* SubscriptionPermission: whom a publisher lets subscribe to its tracks. */

#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <stdlib.h>
#include <string.h>

void signal__permissions_free(struct signal_participant *p)
{
    for (size_t i = 0; i < p->permission_count; i++)
        free(p->permissions[i].track_sids);
    free(p->permissions);
    p->permissions = NULL;
    p->permission_count = 0;
}

static void copy_row(struct signal_permission_row *row, const Livekit__TrackPermission *from)
{
    /* An id that does not fit names nobody: the row then permits nothing. */
    if (str_copy(row->sid, sizeof(row->sid), from->participant_sid) < 0 ||
        str_copy(row->identity, sizeof(row->identity), from->participant_identity) < 0)
        return;
    row->has_all = from->all_tracks;
    size_t count = TK_MIN(from->n_track_sids, (size_t)SIGNAL_TRACKS_MAX);
    if (count == 0)
        return;
    row->track_sids = calloc(count, sizeof(*row->track_sids));
    for (size_t i = 0; row->track_sids != NULL && i < count; i++)
        if (str_copy(row->track_sids[row->track_count], ID_SIZE, from->track_sids[i]) == 0)
            row->track_count++;
}

void signal__set_subscription_permission(struct signal_participant *p,
                                         const Livekit__SubscriptionPermission *request)
{
    signal__permissions_free(p);
    p->is_permission_restricted = !request->all_participants;
    size_t count = TK_MIN(request->n_track_permissions, (size_t)SIGNAL_PERMISSIONS_MAX);
    if (p->is_permission_restricted && count > 0)
        p->permissions = calloc(count, sizeof(*p->permissions));
    for (size_t i = 0; p->permissions != NULL && i < count; i++)
        copy_row(&p->permissions[p->permission_count++], request->track_permissions[i]);
    LIST_FOR_EACH(it, &p->tracks)
    signal__reconcile_track(CONTAINER_OF(it, struct signal_track, link));
}

static bool row_permits(const struct signal_permission_row *row,
                        const struct signal_participant *viewer, const struct signal_track *track)
{
    bool is_named =
        (row->sid[0] != '\0' && strcmp(row->sid, viewer->sid) == 0) ||
        (row->identity[0] != '\0' && strcmp(row->identity, viewer->claims.grants.identity) == 0);
    if (!is_named || row->has_all)
        return is_named;
    for (size_t i = 0; i < row->track_count; i++)
        if (strcmp(row->track_sids[i], track->sid) == 0)
            return true;
    return false;
}

bool signal__is_permitted(const struct signal_participant *viewer, const struct signal_track *track)
{
    const struct signal_participant *p = track->participant;
    if (!p->is_permission_restricted)
        return true;
    for (size_t i = 0; i < p->permission_count; i++)
        if (row_permits(&p->permissions[i], viewer, track))
            return true;
    return false;
}
