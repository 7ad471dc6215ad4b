/*
 * Goal: the server refuses rooms, then participants, when its least loaded worker is loaded, at the
 * configured shares, not for a short peak, and opens again only clearly below.
 * Method: readings of made-up workers in virtual time.
 */
#include "server/admission.h"

#include "unit/cmocka_all.h"

struct fake {
    struct admission a;
    struct admission_reading readings[2];
    mono_us now;
};

static void start(struct fake *f, uint8_t workers, uint32_t packets_per_s)
{
    *f = (struct fake){.now = MONO_S(100)};
    struct admission_config c = {.worker_count = workers,
                                 .rooms_percent = 70,
                                 .participants_percent = 85,
                                 .packets_per_s = packets_per_s};
    admission_init(&f->a, &c, f->now);
}

/* `time` passes; worker w uses this share of a processor, its turns take that share, and so many
 * packets come per second. */
static void pass(struct fake *f, mono_us time, const int *cpu_percent, const int *busy_percent,
                 const int *packets_per_s)
{
    for (mono_us end = f->now + time; f->now < end;) {
        f->now += ADMISSION_INTERVAL;
        for (size_t i = 0; i < f->a.config.worker_count; i++) {
            struct admission_reading *r = &f->readings[i];
            r->cpu_us += (uint64_t)(ADMISSION_INTERVAL * cpu_percent[i] / 100);
            r->busy_us += (uint64_t)(ADMISSION_INTERVAL * busy_percent[i] / 100);
            r->packets += (uint64_t)(ADMISSION_INTERVAL * packets_per_s[i] / 1000000);
        }
        admission_update(&f->a, f->readings, f->now);
    }
}

static void cpu(struct fake *f, mono_us time, int percent)
{
    int shares[2] = {percent, percent};
    int none[2] = {0, 0};
    pass(f, time, shares, none, none);
}

static void test_levels_and_hysteresis(void **state)
{
    (void)state;
    struct fake f;
    start(&f, 1, 0);
    cpu(&f, MONO_S(20), 69);
    assert_int_equal(f.a.level, ADMISSION_OPEN);
    assert_in_range(f.a.load[0], 680, 690);
    cpu(&f, MONO_S(20), 75);
    assert_int_equal(f.a.level, ADMISSION_NO_ROOMS);
    cpu(&f, MONO_S(20), 90);
    assert_int_equal(f.a.level, ADMISSION_FULL);
    cpu(&f, MONO_S(60), 80); /* below 85, but not by ten */
    assert_int_equal(f.a.level, ADMISSION_FULL);
    cpu(&f, MONO_S(60), 73);
    assert_int_equal(f.a.level, ADMISSION_NO_ROOMS);
    cpu(&f, MONO_S(60), 65);
    assert_int_equal(f.a.level, ADMISSION_NO_ROOMS);
    cpu(&f, MONO_S(60), 55);
    assert_int_equal(f.a.level, ADMISSION_OPEN);
}

static void test_a_peak_does_not_count(void **state)
{
    (void)state;
    struct fake f;
    start(&f, 1, 0);
    cpu(&f, MONO_S(10), 30);
    cpu(&f, MONO_MS(500), 100);
    assert_int_equal(f.a.level, ADMISSION_OPEN);
    cpu(&f, MONO_S(3), 100); /* an overload does, within seconds */
    assert_int_equal(f.a.level, ADMISSION_FULL);
    cpu(&f, MONO_S(1), 10); /* a short pause does not open it again */
    assert_int_equal(f.a.level, ADMISSION_FULL);
    cpu(&f, MONO_S(15), 10);
    assert_int_equal(f.a.level, ADMISSION_OPEN);
}

static void test_each_measure_counts(void **state)
{
    (void)state;
    struct fake f;
    int none[2] = {0, 0}, much[2] = {95, 95}, packets[2] = {3000, 3000};
    start(&f, 1, 0);
    pass(&f, MONO_S(10), none, much, none); /* turns are slow: somebody else has the processor */
    assert_int_equal(f.a.level, ADMISSION_FULL);
    start(&f, 1, 1000);
    pass(&f, MONO_S(20), none, none, packets);
    assert_in_range(f.a.load[0], 2950, 3000);
    assert_int_equal(f.a.level, ADMISSION_FULL);
    start(&f, 1, 0); /* without a limit packets do not count */
    pass(&f, MONO_S(20), none, none, packets);
    assert_int_equal(f.a.level, ADMISSION_OPEN);
}

static void test_the_least_loaded_decides(void **state)
{
    (void)state;
    struct fake f;
    int uneven[2] = {99, 20}, both[2] = {99, 90}, none[2] = {0, 0};
    start(&f, 2, 0);
    pass(&f, MONO_S(20), uneven, none, none);
    assert_int_equal(f.a.level, ADMISSION_OPEN);
    pass(&f, MONO_S(20), both, none, none);
    assert_int_equal(f.a.level, ADMISSION_FULL);
}

static void test_limits_can_be_off(void **state)
{
    (void)state;
    struct fake f;
    start(&f, 1, 0);
    f.a.config.participants_percent = 0;
    cpu(&f, MONO_S(20), 100);
    assert_int_equal(f.a.level, ADMISSION_NO_ROOMS);
    f.a.config.rooms_percent = 0;
    cpu(&f, MONO_S(1), 100);
    assert_int_equal(f.a.level, ADMISSION_OPEN);
    /* The same time twice, and a load beyond all bounds, are borne. */
    admission_update(&f.a, f.readings, f.now);
    f.readings[0].cpu_us += (uint64_t)MONO_S(1000000);
    f.now += 1;
    admission_update(&f.a, f.readings, f.now);
    assert_in_range(f.a.load[0], 0, ADMISSION_LOAD_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_and_hysteresis),
        cmocka_unit_test(test_a_peak_does_not_count),
        cmocka_unit_test(test_each_measure_counts),
        cmocka_unit_test(test_the_least_loaded_decides),
        cmocka_unit_test(test_limits_can_be_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
