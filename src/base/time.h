#ifndef TK_BASE_TIME_H
#define TK_BASE_TIME_H

/*
 * The kinds of time, never mixed: mono_us drives every protocol core and comes in as an argument;
 * wall_ms is civil time for logs and the lesson log; ntp_time goes into RTCP (RFC 3550, 4).
 * Only net/, http/, server/, base/log and tools read the clocks below.
 */

#include <stdint.h>

typedef int64_t mono_us;   /* monotonic microseconds since some fixed point */
typedef int64_t wall_ms;   /* milliseconds since 1970-01-01 UTC */
typedef uint64_t ntp_time; /* 32.32 seconds since 1900-01-01 UTC */

#define MONO_NEVER INT64_MAX
#define MONO_MS(x) ((mono_us)(x)*1000)
#define MONO_S(x)  ((mono_us)(x)*1000000)

/* The first multiple of `step` after `now`: what is due on one grid shares a wake-up. */
static inline mono_us mono_grid_after(mono_us now, mono_us step)
{
    return (now / step + 1) * step;
}

/* Reads the monotonic clock. */
mono_us mono_now(void);

/* Reads the civil clock. */
wall_ms wall_now(void);

/* The NTP time for civil time given in microseconds since 1970. */
ntp_time ntp_from_unix_us(int64_t unix_us);

/* The inverse of ntp_from_unix_us(), rounded to the nearest microsecond. */
int64_t ntp_to_unix_us(ntp_time t);

#endif
