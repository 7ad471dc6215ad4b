#ifndef TK_BASE_RNG_H
#define TK_BASE_RNG_H

/*
 * Randomness as an argument. A core takes a `struct rng *`; the program gives it the operating
 * system's generator, a test gives it a seeded one (xoshiro256**), so that a run can be repeated
 * from its seed. One thread per struct rng.
 */

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state[4]; /* seeded generator */
    int is_system;     /* non-zero: getrandom(2) */
};

/* The operating system's generator, for keys and identifiers. */
void rng_init_system(struct rng *r);

/* A repeatable generator for tests and simulations; never for keys in production. */
void rng_init_seeded(struct rng *r, uint64_t seed);

/* Fills `size` bytes. */
void rng_fill(struct rng *r, void *buf, size_t size);

uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);

/* Uniform in [0, bound), bound > 0. */
uint32_t rng_below(struct rng *r, uint32_t bound);

/* Uniform in [0, 1). */
double rng_unit(struct rng *r);

#endif
