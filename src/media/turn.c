/* Pictures of telephones: stored lying, with a note how to turn them. */
#include "media/media_internal.h"

#include <libavutil/display.h>
#include <math.h>

int media__quarter_turns(const AVStream *stream)
{
    const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
    if (matrix == NULL)
        return 0;
    double left = av_display_rotation_get((const int32_t *)(const void *)matrix);
    if (isnan(left))
        return 0;
    return (int)((lround(-left / 90) % 4 + 4) % 4);
}

static void turn_plane(const AVFrame *from, AVFrame *to, int plane, int quarter_turns)
{
    int shift = plane == 0 ? 0 : 1;
    int width = from->width >> shift, height = from->height >> shift;
    for (int y = 0; y < height; y++) {
        const uint8_t *row = from->data[plane] + (ptrdiff_t)y * from->linesize[plane];
        for (int x = 0; x < width; x++) {
            int to_x = quarter_turns == 1 ? height - 1 - y : quarter_turns == 2 ? width - 1 - x : y;
            int to_y = quarter_turns == 1 ? x : quarter_turns == 2 ? height - 1 - y : width - 1 - x;
            to->data[plane][(ptrdiff_t)to_y * to->linesize[plane] + to_x] = row[x];
        }
    }
}

void media__turn(const AVFrame *from, AVFrame *to, int quarter_turns)
{
    for (int plane = 0; plane < 3; plane++)
        turn_plane(from, to, plane, quarter_turns);
}
