/* How far a run is, for whoever waits for it. */
#include "load/load_internal.h"

#include <stdio.h>

#define EVERY       MONO_MS(250)
#define EVERY_LINES MONO_S(5) /* without a terminal */
#define BAR_WIDTH   30

static const char *phase_name(enum load_phase phase)
{
    static const char *const names[] = {"publishers join", "subscribers join", "warm-up",
                                        "measuring", "over"};
    return names[phase];
}

static double phase_share(const struct load_run *run, mono_us now)
{
    const struct load_options *o = run->options;
    double seconds = (double)(now - run->phase_at) / 1e6;
    if (run->phase == LOAD_PHASE_WARM_UP)
        return o->warm_up_s > 0 ? seconds / o->warm_up_s : 1;
    if (run->phase == LOAD_PHASE_MEASURE)
        return seconds / o->duration_s;
    return (double)run->complete / TK_MAX(run->client_count - run->lates, 1u);
}

const char *load__progress_bar(const struct load_run *run, mono_us now, char *buf, size_t size)
{
    char bar[BAR_WIDTH + 1];
    /* Looked at late, or as of before the phase began: reading memory maps takes its time. */
    double share = TK_MIN(TK_MAX(phase_share(run, now), 0.0), 1.0);
    int filled = (int)(share * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    snprintf(buf, size, "[%s] %3.0f%% %-16s %u of %u joined, %u failed ", bar, share * 100,
             phase_name(run->phase), run->joined, run->begun, run->failed);
    return buf;
}

void load__progress_show(struct load_run *run, mono_us now)
{
    char text[LOAD_PROGRESS_SIZE];
    if (now < run->progress_at)
        return;
    run->progress_at = now + (run->options->has_progress ? EVERY : EVERY_LINES);
    if (run->options->has_progress)
        fprintf(stderr, "\r%s", load__progress_bar(run, now, text, sizeof(text)));
    else
        fprintf(stderr, "tongke load: %s: %u of %u joined, %u failed\n", phase_name(run->phase),
                run->joined, run->begun, run->failed);
}

void load__progress_clear(const struct load_run *run)
{
    if (run->options->has_progress)
        fprintf(stderr, "\r\033[K");
}
