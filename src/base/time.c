#include "base/time.h"

#include <time.h>

#define NTP_UNIX_OFFSET_S 2208988800ULL /* seconds from 1900 to 1970 (RFC 868) */

mono_us mono_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (mono_us)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

wall_ms wall_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (wall_ms)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

ntp_time ntp_from_unix_us(int64_t unix_us)
{
    uint64_t us = (uint64_t)unix_us;
    uint64_t seconds = us / 1000000 + NTP_UNIX_OFFSET_S;
    uint64_t fraction = ((us % 1000000) << 32) / 1000000;
    return seconds << 32 | fraction;
}

int64_t ntp_to_unix_us(ntp_time t)
{
    uint64_t seconds = (t >> 32) - NTP_UNIX_OFFSET_S;
    uint64_t us = ((t & 0xffffffffULL) * 1000000 + (1ULL << 31)) >> 32;
    return (int64_t)(seconds * 1000000 + us);
}
