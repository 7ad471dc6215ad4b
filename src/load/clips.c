/* What the publishers of a run send: recorded, or made. */
#include "load/load_internal.h"

#include "base/err.h"

#include <limits.h>
#include <stdio.h>

static int open_clip(const struct load_options *o, const char *name, struct load_clip *ret_clip)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s.clip", o->data_folder, name);
    int err = load_clip_open(path, ret_clip);
    if (err < 0)
        fprintf(stderr, "tongke load: %s: %s\n", path, err_text(err));
    return err;
}

static int synthesise(struct load_run *run)
{
    const struct load_options *o = run->options;
    int err = 0;
    for (uint32_t i = 0; i < o->layers && err == 0; i++) {
        struct load_shape shape = {
            .packet_size = o->packet_size,
            .frame_rate = o->frame_rate,
            .frame_packets = TK_MAX(o->frame_packets >> (o->layers - 1 - i), 1u),
            .keyframe_packets = TK_MAX(o->keyframe_packets >> (o->layers - 1 - i), 1u),
        };
        err = load_clip_synthesise(&shape, &run->video[i]);
        run->layer_count = i + 1;
    }
    if (err < 0)
        fprintf(stderr, "tongke load: synthetic pictures: %s\n", err_text(err));
    return err;
}

int load__clips_open(struct load_run *run)
{
    static const char *const vp8[RTP_LAYERS_MAX] = {"vp8-low", "vp8-mid", "vp8-high"};
    const struct load_options *o = run->options;
    int err = o->has_audio ? open_clip(o, "opus", &run->audio) : 0;
    if (err < 0 || !o->has_video)
        return err;
    if (o->packet_size > 0)
        return synthesise(run);
    if (o->codec == RTP_CODEC_H264) {
        run->layer_count = 1;
        return open_clip(o, "h264", &run->video[0]);
    }
    for (uint32_t i = 0; i < o->layers && err == 0; i++) {
        /* Fewer layers than recorded: the best ones. */
        err = open_clip(o, vp8[RTP_LAYERS_MAX - o->layers + i], &run->video[i]);
        run->layer_count = i + 1;
    }
    return err;
}

void load__clips_close(struct load_run *run)
{
    for (size_t i = 0; i < run->layer_count; i++)
        load_clip_fini(&run->video[i]);
    load_clip_fini(&run->audio);
}
