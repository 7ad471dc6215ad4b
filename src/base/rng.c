#include "base/rng.h"

#include "base/attrs.h"

#include <string.h>
#include <sys/random.h>

void rng_init_system(struct rng *r)
{
    memset(r, 0, sizeof(*r));
    r->is_system = 1;
}

void rng_init_seeded(struct rng *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    for (size_t i = 0; i < 4; i++) { /* splitmix64, as xoshiro's authors advise for seeding */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->state[i] = z ^ z >> 31;
    }
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static uint64_t seeded_next(uint64_t s[4])
{
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

static void system_fill(uint8_t *p, size_t size)
{
    while (size > 0) {
        ssize_t got = getrandom(p, TK_MIN(size, (size_t)256), 0);
        CHECK(got > 0); /* up to 256 bytes are never interrupted once the pool is ready */
        p += got;
        size -= (size_t)got;
    }
}

void rng_fill(struct rng *r, void *buf, size_t size)
{
    uint8_t *p = buf;
    if (r->is_system) {
        system_fill(p, size);
        return;
    }
    while (size > 0) {
        uint64_t v = seeded_next(r->state);
        size_t part = TK_MIN(size, sizeof(v));
        memcpy(p, &v, part);
        p += part;
        size -= part;
    }
}

uint32_t rng_u32(struct rng *r)
{
    uint32_t v;
    rng_fill(r, &v, sizeof(v));
    return v;
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t v;
    rng_fill(r, &v, sizeof(v));
    return v;
}

uint32_t rng_below(struct rng *r, uint32_t bound)
{
    CHECK(bound > 0);
    uint32_t reject_below = (0u - bound) % bound;
    for (;;) {
        uint32_t v = rng_u32(r);
        if (v >= reject_below)
            return v % bound;
    }
}

double rng_unit(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) / 9007199254740992.0;
}
