/* What was measured, for people. */
#include "load/load_internal.h"

#include <stdio.h>
#include <string.h>

#define CPU_SHARE_MAX  0.90
#define FULL_SHARE_MAX 0.97 /* of its time it runs or waits to: nothing of its core is left */
#define BACKLOG_US_MAX MONO_MS(50) /* what came waited so long for us, one in a hundred times */
#define LATE_SHARE_MAX 0.001
#define SERVER_FULL    0.95 /* the same of the server's busiest thread */

static double seconds(const struct load_run *run)
{
    return (double)TK_MAX(run->measured_us, 1) / 1e6;
}

/* ---- is the generator itself the limit? ---- */

static void add_limit(struct load_run *run, const char *text)
{
    size_t used = strlen(run->limits);
    snprintf(run->limits + used, sizeof(run->limits) - used, "%s%s", used > 0 ? "; " : "", text);
    run->is_limited = true;
}

void load__judge_generator(struct load_run *run)
{
    const struct load_measure *m = &run->m;
    char text[160];
    double share = load_watch_cpu_us(&run->self) / (double)TK_MAX(run->measured_us, 1);
    if (share > CPU_SHARE_MAX) {
        snprintf(text, sizeof(text), "it used %.0f %% of one core", share * 100);
        add_limit(run, text);
    }
    double waited = (double)(run->self.end.wait_ns - run->self.begin.wait_ns) / 1e3 /
                    (double)TK_MAX(run->measured_us, 1);
    if (share <= CPU_SHARE_MAX && share + waited > FULL_SHARE_MAX) {
        snprintf(text, sizeof(text),
                 "its core was full: it ran %.0f %% of the time and waited %.0f %%", share * 100,
                 waited * 100);
        add_limit(run, text);
    }
    uint64_t backlog = load_hist_percentile(&m->backlog, 9900);
    if (backlog > BACKLOG_US_MAX) {
        snprintf(text, sizeof(text), "of what came, 1 %% waited more than %.0f ms to be handled",
                 (double)backlog / 1e3);
        add_limit(run, text);
    }
    if (m->kernel_drops > 0) {
        snprintf(text, sizeof(text), "%llu packets were dropped at its own sockets",
                 (unsigned long long)m->kernel_drops);
        add_limit(run, text);
    }
    if ((double)m->late_frames > LATE_SHARE_MAX * (double)m->lateness.count) {
        snprintf(text, sizeof(text), "%llu of %llu frames left more than 5 ms late",
                 (unsigned long long)m->late_frames, (unsigned long long)m->lateness.count);
        add_limit(run, text);
    }
}

bool load__server_is_limit(const struct load_run *run, double *ret_share, char ret_name[16])
{
    *ret_share = 0;
    ret_name[0] = '\0';
    if (!run->server.begin.is_read || !run->server.end.is_read)
        return false;
    *ret_share = load_watch_busiest(&run->server, ret_name);
    return *ret_share > SERVER_FULL;
}

/* ---- text ---- */

static void print_hist(const char *name, const struct load_hist *h)
{
    if (h->count == 0)
        return;
    printf("%-12s p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms (%llu)\n", name,
           (double)load_hist_percentile(h, 5000) / 1e3, (double)load_hist_percentile(h, 9900) / 1e3,
           (double)load_hist_percentile(h, 9990) / 1e3, (double)h->max / 1e3,
           (unsigned long long)h->count);
}

static void print_server(const struct load_run *run)
{
    const struct load_watch *a = &run->server.begin, *b = &run->server.end;
    if (!a->is_read || !b->is_read)
        return;
    double cpu = load_watch_cpu_us(&run->server);
    printf("server       %.1f %% of one core (user %.2f s, system %.2f s)",
           cpu / (double)TK_MAX(run->measured_us, 1) * 100, (double)(b->user_us - a->user_us) / 1e6,
           (double)(b->system_us - a->system_us) / 1e6);
    if (run->m.delivered > 0)
        printf(", %.3f us per delivered packet", cpu / (double)run->m.delivered);
    printf("; %llu KiB resident, %llu KiB proportional\n", (unsigned long long)b->rss_kib,
           (unsigned long long)b->pss_kib);
    double busiest = 0;
    char name[16];
    if (load__server_is_limit(run, &busiest, name))
        printf("             the server was a limit: its thread %s ran or waited for a processor "
               "%.0f %% of the time\n",
               name, busiest * 100);
}

double load__checked_share(const struct load_run *run)
{
    const struct load_measure *m = &run->m;
    return m->packets > 0 ? (double)(m->packets - m->hidden) / (double)m->packets : 1;
}

static void print_media(const struct load_run *run)
{
    const struct load_measure *m = &run->m;
    double expected = (double)(m->delivered + m->lost);
    printf("received     %llu packets (%.0f/s), %.2f Mbit/s; ", (unsigned long long)m->delivered,
           (double)m->delivered / seconds(run), (double)m->bytes * 8 / 1e6 / seconds(run));
    if (run->check_step > 1)
        printf("%.1f %% of them decrypted and checked, of the others the headers\n",
               load__checked_share(run) * 100);
    else
        printf("every one decrypted and checked\n");
    printf(
        "lost         %llu (%.4f %%), duplicates %llu, recovered %llu, dropped on purpose %llu\n",
        (unsigned long long)m->lost, expected > 0 ? (double)m->lost * 100 / expected : 0,
        (unsigned long long)m->duplicates, (unsigned long long)m->recovered,
        (unsigned long long)m->dropped);
    if (run->options->has_video)
        printf("pictures     %llu complete, %llu of them keyframes, %llu freezes (%.2f s in all)\n",
               (unsigned long long)m->frames, (unsigned long long)m->keyframes,
               (unsigned long long)m->freezes, (double)m->freeze_us / 1e6);
    print_hist("delay", &m->delay);
    print_hist("repair", &m->recovery);
    print_hist("start's age", &m->start_age);
    printf("sent         %llu packets in %llu frames; asked for %llu keyframes, %llu NACKs came\n",
           (unsigned long long)m->sent_packets, (unsigned long long)m->sent_frames,
           (unsigned long long)m->plis_got, (unsigned long long)m->nacks_got);
}

void load__report(struct load_run *run)
{
    load__judge_generator(run);
    printf("joined       %u of %u, %u failed\n", run->joined, run->begun, run->failed);
    print_hist("join time", &run->join_us);
    if (run->measured_us == 0) {
        printf("nothing was measured\n");
        return;
    }
    printf("measured     %.2f s\n", seconds(run));
    print_media(run);
    print_server(run);
    printf("generator    %.1f %% of one core\n",
           load_watch_cpu_us(&run->self) / (double)TK_MAX(run->measured_us, 1) * 100);
    double stolen = load_watch_stolen(&run->machine_begin, &run->machine_end);
    if (stolen > LOAD_STOLEN_MAX)
        printf("WARNING: the host took %.1f %% of the processors' time: long delays may be its\n",
               stolen * 100);
    if (run->is_limited) {
        printf("WARNING: the load generator itself was the limit: %s\n", run->limits);
        fflush(stdout);
    }
}
