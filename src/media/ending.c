/* How a source ends: a file that stops before its own length was cut off; a still picture never
 * ends by itself. */
#include "base/err.h"
#include "media/media_internal.h"

#include <string.h>

/* Containers round; sound and picture end apart. */
#define SHORT_MIN     MONO_S(1)
#define SHORT_PERCENT 5

/* The length that the file gives itself; 0 = it does not, or it may be that of a stream that is
 * not played. */
static mono_us own_length(const struct media_source *s)
{
    const AVFormatContext *format = s->format;
    unsigned played = (s->video != NULL) + (s->audio != NULL), count = 0;
    for (unsigned i = 0; i < format->nb_streams; i++)
        count += (format->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0;
    bool is_a_guess = format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE;
    return count == played && !is_a_guess && format->duration > 0 ? format->duration : 0;
}

int media__check_end(const struct media_source *s, struct media_error *error)
{
    mono_us length = own_length(s), end = s->end - s->offset;
    mono_us missing_max = TK_MAX(SHORT_MIN, length * SHORT_PERCENT / 100);
    if (length - end <= missing_max)
        return 0;
    return media__fail(error, ERR_MEDIA_OPEN,
                       "%s: ends at %.1f s of %.1f s: it was cut off or is damaged", s->url,
                       (double)end / 1e6, (double)length / 1e6);
}

bool media__is_still(const struct media_source *s)
{
    const char *name = s->format->iformat->name;
    const char *pipe = strstr(name, "_pipe");
    bool is_picture = strcmp(name, "image2") == 0 || (pipe != NULL && pipe[5] == '\0');
    return is_picture && s->video != NULL && s->audio == NULL;
}
