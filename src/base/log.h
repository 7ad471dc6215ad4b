#ifndef TK_BASE_LOG_H
#define TK_BASE_LOG_H

/*
 * Structured logging: a fixed event name, then key=value. Any thread; one write(2) per line.
 * Only server/, http/ and record/ log errors; lower modules return them. Personal data (names,
 * addresses, tokens) goes through PII(), which redacts it unless the program asks for it.
 */

#include "base/attrs.h"

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_COUNT_
};

extern enum log_level log_level_max; /* set once at start, before other threads */

/* Shows personal data instead of redacting it; for debugging on one's own machine only. */
void log_show_pii(bool is_shown);

/* `text` itself, or "<redacted>". */
const char *log_pii(const char *text);

/* Writes one line to standard error: time, level, module, event, then the formatted pairs. */
void log_write(enum log_level level, const char *module, const char *event, const char *form, ...)
    PRINTF_LIKE(4, 5);

#define PII(text) log_pii(text)

/* The level guard comes first, so that arguments are not evaluated when the level is off. */
#define LOG_AT(level, module, event, ...)                       \
    do {                                                        \
        if ((level) <= log_level_max)                           \
            log_write((level), (module), (event), __VA_ARGS__); \
    } while (0)

#define LOG_ERROR(module, event, ...) LOG_AT(LOG_LEVEL_ERROR, module, event, __VA_ARGS__)
#define LOG_WARN(module, event, ...)  LOG_AT(LOG_LEVEL_WARN, module, event, __VA_ARGS__)
#define LOG_INFO(module, event, ...)  LOG_AT(LOG_LEVEL_INFO, module, event, __VA_ARGS__)
#define LOG_DEBUG(module, event, ...) LOG_AT(LOG_LEVEL_DEBUG, module, event, __VA_ARGS__)

#endif
