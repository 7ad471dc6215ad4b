/*
 * Goal: /metrics is written as Prometheus reads it, whatever stands in labels, and is shown to this
 * machine itself or to who has the token, to nobody else.
 * Method: a strict reader of the format over families made to be difficult; requests as from a
 * proxy, with and without the token.
 */
#include "http/metrics.h"

#include "exposition.h"
#include "unit/cmocka_all.h"
#include "unit/http/fixture.h"

#include <string.h>

static void test_format(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 1 << 16);
    metrics_family(&b, "a_total", "counter", "back\\slash\nand line");
    struct metrics_label odd[] = {{"x", "q\"uote\\ and\nline"}, {"y", ""}};
    metrics_count(&b, "a_total", odd, 2, UINT64_MAX);
    metrics_family(&b, "b", "gauge", "plain");
    metrics_value(&b, "b", NULL, 0, 0.25);
    static const double bounds[] = {0.001, 0.01};
    static const uint64_t counts[] = {3, 0, 2};
    metrics_family(&b, "c_seconds", "histogram", "h");
    metrics_histogram(&b, "c_seconds", odd, 1, bounds, counts, 2, 1.5);
    metrics_histogram(&b, "c_seconds", NULL, 0, bounds, counts, 2, 1.5);
    const char *text = strbuf_text(&b);
    assert_int_equal(exposition_check(text), 2 + 2 * 5);
    assert_non_null(strstr(text, "# HELP a_total back\\\\slash\\nand line\n"));
    assert_non_null(
        strstr(text, "a_total{x=\"q\\\"uote\\\\ and\\nline\",y=\"\"} 18446744073709551615\n"));
    assert_true(exposition_value(text, "c_seconds_bucket{le=\"0.001\"}") == 3);
    assert_true(exposition_value(text, "c_seconds_bucket{le=\"0.01\"}") == 3);
    assert_true(exposition_value(text, "c_seconds_bucket{le=\"+Inf\"}") == 5);
    assert_true(exposition_value(text, "c_seconds_count") == 5);
    assert_true(exposition_sum(text, "c_seconds_bucket", "le=\"0.01\"") == 6);
    strbuf_fini(&b);
}

static const char *token;
static struct metrics_endpoint *endpoint;

static void collect(void *user, struct strbuf *text)
{
    (void)user;
    metrics_family(text, "x", "gauge", "x");
    metrics_value(text, "x", NULL, 0, 1);
}

static void add(struct http_server *server)
{
    struct metrics_config c = {.http = server, .token = token, .collect = collect};
    assert_int_equal(metrics_endpoint_create(&c, &endpoint), 0);
}

static int status_with(uint16_t port, const char *headers)
{
    struct response r;
    request(port, "GET", "/metrics", headers, NULL, 0, &r);
    int status = r.status;
    if (status == 200) {
        assert_string_equal(response_header(&r, "content-type"),
                            "text/plain; version=0.0.4; charset=utf-8");
        assert_int_equal(exposition_check(r.body), 1);
    }
    response_free(&r);
    return status;
}

static void test_without_token(void **state)
{
    (void)state;
    struct fixture f;
    token = "";
    fixture_start(&f, (struct http_config){0}, add);
    assert_int_equal(status_with(f.port, ""), 200);
    /* A proxy on this machine speaks for somebody else. */
    assert_int_equal(status_with(f.port, "X-Forwarded-For: 203.0.113.9\r\n"), 403);
    assert_int_equal(status_with(f.port, "Forwarded: for=203.0.113.9\r\n"), 403);
    assert_int_equal(status_with(f.port, "X-Real-IP: 203.0.113.9\r\n"), 403);
    assert_int_equal(status_with(f.port, "Via: 1.1 proxy\r\n"), 403);
    assert_int_equal(status_with(f.port, "Authorization: Bearer \r\nVia: 1.1 proxy\r\n"), 403);
    fixture_stop(&f);
    metrics_endpoint_destroy(endpoint);
}

static void test_with_token(void **state)
{
    (void)state;
    struct fixture f;
    token = "a long secret";
    fixture_start(&f, (struct http_config){0}, add);
    assert_int_equal(status_with(f.port, ""), 401);
    assert_int_equal(status_with(f.port, "Authorization: Bearer a long secre\r\n"), 401);
    assert_int_equal(status_with(f.port, "Authorization: Bearer a long secret2\r\n"), 401);
    assert_int_equal(status_with(f.port, "Authorization: Bearer a long secret\r\n"), 200);
    assert_int_equal(
        status_with(f.port, "Authorization: Bearer a long secret\r\nVia: 1.1 proxy\r\n"), 200);
    fixture_stop(&f);
    metrics_endpoint_destroy(endpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_without_token),
        cmocka_unit_test(test_with_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
