/*
 * Backup codecs: a publisher of VP9 or AV1 announces what it can send besides. When a viewer cannot
 * decode the first, the publisher is asked for the second in a section of its own, and once that is
 * agreed the publication moves there for everybody, under the same sid.
 */

#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <string.h>

void signal__backup_announce(struct signal_track *track, const Livekit__AddTrackRequest *request)
{
    if (track->kind != RTP_KIND_VIDEO)
        return;
    for (size_t i = 1; i < request->n_simulcast_codecs; i++) {
        uint8_t codec = signal__codec_from_text(request->simulcast_codecs[i]->codec);
        if (codec == RTP_CODEC_NONE || codec == track->codec_wanted)
            continue;
        track->codec_backup = codec;
        return;
    }
}

bool signal__backup_ask(struct signal_track *track)
{
    if (track->codec_backup == RTP_CODEC_NONE || track->codec_before != RTP_CODEC_NONE)
        return false;
    if (!track->is_backup_asked) {
        track->is_backup_asked = true;
        signal__dynacast_tell(track, signal__track_wanted(track));
    }
    return true;
}

struct signal_track *signal__backup_add(struct signal_participant *p,
                                        const Livekit__AddTrackRequest *request)
{
    struct signal_track *track = signal__participant_track(p, request->sid);
    if (track == NULL || !track->is_backup_asked || track->codec_before != RTP_CODEC_NONE ||
        request->cid[0] == '\0' ||
        str_copy(track->backup_cid, sizeof(track->backup_cid), request->cid) < 0)
        return NULL;
    return track;
}

/* The viewers let go of it, the worker too; both take it up again when the new section is agreed.
 */
static void leave_section(struct signal_track *track)
{
    LIST_FOR_EACH(it, &track->subs)
    {
        struct signal_sub *sub = CONTAINER_OF(it, struct signal_sub, track_link);
        signal__sub_detach(sub);
        sub->is_refused = false;
    }
    if (track->transport == NULL)
        return;
    struct signal_section *section = &track->transport->sections[track->section];
    section->track = NULL;
    section->is_retired = true;
    signal__track_command(track, MEDIA_TRACK_REMOVE, track->transport->worker);
    track->transport = NULL;
    track->is_blocked = false;
    memset(track->has_wanted, 0, sizeof(track->has_wanted));
}

struct signal_track *signal__backup_match(struct signal_participant *p, const char *cid)
{
    LIST_FOR_EACH(it, &p->tracks)
    {
        struct signal_track *track = CONTAINER_OF(it, struct signal_track, link);
        if (track->backup_cid[0] == '\0' || strcmp(track->backup_cid, cid) != 0)
            continue;
        leave_section(track);
        track->backup_cid[0] = '\0';
        track->codec_before = track->codec;
        track->codec_wanted = track->codec_backup;
        track->is_moved = true;
        return track;
    }
    return NULL;
}

bool signal__backup_arrived(struct signal_track *track)
{
    if (!track->is_moved)
        return false;
    track->is_moved = false;
    signal__dynacast_tell(track, (int8_t)(track->config.layer_count - 1));
    signal__changed(track->participant, true);
    return true;
}
