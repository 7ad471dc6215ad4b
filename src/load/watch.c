#include "load/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_SIZE 4096

/* The beginning of a file under /proc as text; negative errno. */
static int read_text(const char *path, char *dst, size_t size)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return -errno;
    size_t n = fread(dst, 1, size - 1, f);
    int err = ferror(f) != 0 ? -EIO : 0;
    fclose(f);
    dst[n] = '\0';
    return err;
}

/* The number behind `name` at the beginning of a line; 0 if it is not there. */
static uint64_t field(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, name, length) == 0)
            return strtoull(line + length, NULL, 10);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return 0;
}

/* utime and stime are fields 14 and 15; the name before them is in brackets and may hold spaces. */
static int read_stat(int pid, struct load_watch *w)
{
    char path[64], text[FILE_SIZE];
    unsigned long long user = 0, sys = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int err = read_text(path, text, sizeof(text));
    if (err < 0)
        return err;
    const char *at = strrchr(text, ')');
    if (at == NULL ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &sys) != 2)
        return -EPROTO;
    uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    w->user_us = user * tick_us;
    w->system_us = sys * tick_us;
    return 0;
}

static void read_name(int pid, const char *task, struct load_watch_thread *t)
{
    char path[320], text[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, task);
    if (read_text(path, text, sizeof(text)) == 0)
        snprintf(t->name, sizeof(t->name), "%.*s", (int)strcspn(text, "\n"), text);
}

static void read_thread(int pid, const char *task, struct load_watch *w)
{
    char path[320], text[FILE_SIZE];
    struct load_watch_thread spare = {0};
    struct load_watch_thread *t = w->threads < LOAD_WATCH_THREADS ? &w->each[w->threads] : &spare;
    t->id = (int)strtol(task, NULL, 10);
    read_name(pid, task, t);
    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, task);
    if (read_text(path, text, sizeof(text)) == 0) {
        char *end = NULL;
        t->run_ns = strtoull(text, &end, 10);
        t->wait_ns = strtoull(end, NULL, 10);
        w->run_ns += t->run_ns;
        w->wait_ns += t->wait_ns;
    }
    snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, task);
    if (read_text(path, text, sizeof(text)) == 0) {
        w->switches_voluntary += field(text, "voluntary_ctxt_switches:");
        w->switches_forced += field(text, "nonvoluntary_ctxt_switches:");
    }
    w->threads++;
}

static int read_threads(int pid, struct load_watch *w)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -errno;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            read_thread(pid, entry->d_name, w);
    closedir(dir);
    return 0;
}

static void read_memory(int pid, struct load_watch *w)
{
    char path[64], text[FILE_SIZE];
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    if (read_text(path, text, sizeof(text)) == 0) {
        w->rss_kib = field(text, "Rss:");
        w->pss_kib = field(text, "Pss:");
        return;
    }
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    if (read_text(path, text, sizeof(text)) == 0)
        w->rss_kib = field(text, "VmRSS:");
}

int load_watch_read(int pid, mono_us now, struct load_watch *ret_watch)
{
    struct load_watch w = {.at = now, .is_read = true};
    int err = read_stat(pid, &w);
    if (err == 0)
        err = read_threads(pid, &w);
    if (err < 0)
        return err;
    read_memory(pid, &w);
    *ret_watch = w;
    return 0;
}

struct load_watch_machine load_watch_machine(void)
{
    char text[FILE_SIZE];
    unsigned long long t[8] = {0}; /* user, nice, system, idle, iowait, irq, softirq, steal */
    struct load_watch_machine m = {0};
    if (read_text("/proc/stat", text, sizeof(text)) < 0 ||
        sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
               &t[4], &t[5], &t[6], &t[7]) != (int)ARRAY_COUNT(t))
        return m;
    for (size_t i = 0; i < ARRAY_COUNT(t); i++)
        m.all += t[i];
    m.stolen = t[7];
    return m;
}

double load_watch_stolen(const struct load_watch_machine *begin,
                         const struct load_watch_machine *end)
{
    uint64_t all = end->all - begin->all;
    return all > 0 && end->all > begin->all ? (double)(end->stolen - begin->stolen) / (double)all
                                            : 0;
}

double load_watch_cpu_us(const struct load_watch_span *span)
{
    const struct load_watch *a = &span->begin, *b = &span->end;
    if (a->run_ns > 0 && b->run_ns >= a->run_ns)
        return (double)(b->run_ns - a->run_ns) / 1000;
    return (double)(b->user_us + b->system_us) - (double)(a->user_us + a->system_us);
}

static const struct load_watch_thread *find_thread(const struct load_watch *w, int id)
{
    for (size_t i = 0; i < TK_MIN(w->threads, (uint32_t)LOAD_WATCH_THREADS); i++)
        if (w->each[i].id == id)
            return &w->each[i];
    return NULL;
}

double load_watch_busiest(const struct load_watch_span *span, char ret_name[16])
{
    double most = 0, span_ns = (double)TK_MAX(span->end.at - span->begin.at, 1) * 1000;
    ret_name[0] = '\0';
    for (size_t i = 0; i < TK_MIN(span->end.threads, (uint32_t)LOAD_WATCH_THREADS); i++) {
        const struct load_watch_thread *b = &span->end.each[i];
        const struct load_watch_thread *a = find_thread(&span->begin, b->id);
        uint64_t before = a != NULL ? a->run_ns + a->wait_ns : 0;
        double share = (double)(b->run_ns + b->wait_ns - before) / span_ns;
        if (b->run_ns + b->wait_ns <= before || share <= most)
            continue;
        most = share;
        memcpy(ret_name, b->name, sizeof(b->name));
    }
    return most;
}
