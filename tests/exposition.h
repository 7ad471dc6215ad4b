#ifndef TK_TESTS_EXPOSITION_H
#define TK_TESTS_EXPOSITION_H

/*
 * A strict reader of Prometheus' text format 0.0.4: HELP and TYPE once per family and before its
 * samples, families in one piece, names and labels well formed and escaped, no sample twice,
 * histograms cumulative with +Inf equal to the count. Fails the running cmocka test with the line.
 */

#include <stddef.h>

/* Checks the whole text; returns the number of samples. */
size_t exposition_check(const char *text);

/* The value of the sample written as `key`, e.g. `tongke_drops_total{worker="0",reason="stun"}`.
 * Fails the test if there is none. */
double exposition_value(const char *text, const char *key);

/* The sum of all samples whose key begins with `prefix` and has `part` in it ("" = any). */
double exposition_sum(const char *text, const char *prefix, const char *part);

#endif
