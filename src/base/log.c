#include "base/log.h"

#include "base/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE_MAX 2048

enum log_level log_level_max = LOG_LEVEL_INFO;
static bool is_pii_shown;

tk_role role_control, role_media;

void role_assert_control(void)
{
}

void role_assert_media(void)
{
}

void log_show_pii(bool is_shown)
{
    is_pii_shown = is_shown;
}

const char *log_pii(const char *text)
{
    return is_pii_shown ? text : "<redacted>";
}

static size_t write_head(char *line, size_t size, enum log_level level, const char *module,
                         const char *event)
{
    static const char *const names[LOG_LEVEL_COUNT_] = {"error", "warn", "info", "debug"};
    wall_ms now = wall_now();
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char stamp[32];
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(line, size, "%s.%03dZ %-5s %s %s ", stamp, (int)(now % 1000), names[level],
                     module, event);
    return n < 0 ? 0 : TK_MIN((size_t)n, size - 1);
}

void log_write(enum log_level level, const char *module, const char *event, const char *form, ...)
{
    char line[LINE_SIZE_MAX];
    size_t size = write_head(line, sizeof(line), level, module, event);
    va_list args;
    va_start(args, form);
    int n = vsnprintf(line + size, sizeof(line) - size - 1, form, args);
    va_end(args);
    if (n > 0)
        size = TK_MIN(size + (size_t)n, sizeof(line) - 2);
    for (size_t i = 0; i < size; i++) /* one line stays one line whatever the values hold */
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    line[size++] = '\n';
    IGNORE(write(STDERR_FILENO, line, size)); /* nowhere left to report a failing log to */
}

void check_failed(const char *expr, const char *file, int line)
{
    log_write(LOG_LEVEL_ERROR, "base", "check_failed", "expr=\"%s\" at=%s:%d", expr, file, line);
    abort();
}
