/*
 * Goal: percentiles of the histogram are those of the samples, within its resolution of 1.6 %.
 * Method: random samples over nine powers of ten from a printed seed, against the sorted list.
 */
#include "load/hist.h"

#include "unit/cmocka_all.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 20000

static struct load_hist hist;
static uint64_t samples[SAMPLES];

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_against_sorted(void **state)
{
    (void)state;
    static const uint32_t wanted[] = {1, 1000, 5000, 9000, 9900, 9990, 9999, 10000};
    struct rng rng;
    printf("seed 7\n");
    rng_init_seeded(&rng, 7);
    memset(&hist, 0, sizeof(hist));
    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i] = (uint64_t)pow(10, rng_unit(&rng) * 9);
        load_hist_add(&hist, (int64_t)samples[i]);
    }
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        size_t rank = (size_t)(((uint64_t)SAMPLES * wanted[i] + 9999) / 10000);
        double exact = (double)samples[rank - 1];
        double got = (double)load_hist_percentile(&hist, wanted[i]);
        assert_true(got >= exact);
        assert_true(got <= exact * 1.016);
    }
    assert_int_equal(hist.max, samples[SAMPLES - 1]);
}

static void test_edges(void **state)
{
    (void)state;
    memset(&hist, 0, sizeof(hist));
    assert_int_equal(load_hist_percentile(&hist, 5000), 0);
    load_hist_add(&hist, -5); /* clocks read at different places */
    assert_int_equal(load_hist_percentile(&hist, 10000), 0);
    load_hist_add(&hist, INT64_MAX);
    assert_int_equal(hist.max, INT64_MAX);
    assert_int_equal(hist.count, 2);
    memset(&hist, 0, sizeof(hist));
    load_hist_add(&hist, 100);
    assert_int_equal(load_hist_percentile(&hist, 1), 100); /* never above the largest */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sorted),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
