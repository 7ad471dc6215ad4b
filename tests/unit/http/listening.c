/*
 * Goal: the server says clearly why it cannot listen, keeps its limits, and speaks TLS 1.2 or later
 * and nothing older. Method: servers with every kind of configuration; libcurl as a TLS client with
 * a certificate made here.
 */
#include "certificate.h"
#include "fixture.h"
#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "base/err.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_busy_port(void **state)
{
    (void)state;
    struct fixture f;
    struct http_server *second;
    fixture_start(&f, (struct http_config){0}, NULL);
    struct http_config config = {.bind = {"127.0.0.1"}, .bind_count = 1, .port = f.port};
    assert_int_equal(http_server_create(&config, &second), -EADDRINUSE);
    uint16_t port = f.port;
    fixture_stop(&f);
    /* Free again at once. */
    config.port = port;
    fixture_start(&f, config, NULL);
    assert_int_equal(f.port, port);
    fixture_stop(&f);
}

static void test_refused_configurations(void **state)
{
    (void)state;
    static const struct {
        struct http_config config;
        int rc;
    } rows[] = {
        {{.bind = {"localhost"}, .bind_count = 1}, ERR_HTTP_BIND},
        {{.bind = {""}, .bind_count = 1}, ERR_HTTP_BIND},
        {{.bind = {"127.0.0.1", "300.0.0.1"}, .bind_count = 2}, ERR_HTTP_BIND},
        {{.bind = {"192.0.2.1"}, .bind_count = 1}, -EADDRNOTAVAIL},
        {{.tls_cert_path = "/nonexistent", .tls_key_path = "/nonexistent"}, ERR_HTTP_TLS},
        {{.tls_cert_path = "/etc/hostname", .tls_key_path = "/etc/hostname"}, ERR_HTTP_TLS},
        {{.tls_cert_path = "/etc/hostname"}, ERR_HTTP_TLS},
        {{.tls_key_path = "/etc/hostname"}, ERR_HTTP_TLS},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct http_server *h;
        int rc = http_server_create(&rows[i].config, &h);
        if (rc != rows[i].rc)
            fail_msg("row %zu: %d", i, rc);
    }
}

static void test_several_addresses(void **state)
{
    (void)state;
    struct fixture f;
    struct response r;
    fixture_start(&f, (struct http_config){.bind = {"127.0.0.2", "127.0.0.1"}, .bind_count = 2},
                  NULL);
    request(f.port, "GET", "/", "", NULL, 0, &r);
    assert_int_equal(r.status, 200);
    response_free(&r);
    fixture_stop(&f);
}

/* Without bind addresses everything is listened on; a missing folder only costs the pages. */
static void test_defaults(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct response r;
    struct http_config config = {.web_root = "/nonexistent"};
    assert_int_equal(http_server_create(&config, &f.server), 0);
    http_server_destroy(f.server);
    fixture_start(&f, config, NULL);
    request(f.port, "GET", "/", "Accept: text/html\r\n", NULL, 0, &r);
    assert_string_equal(r.body, "OK");
    response_free(&r);
    fixture_stop(&f);
}

static void test_connection_limit(void **state)
{
    (void)state;
    struct fixture f;
    struct response r;
    int fds[5];
    fixture_start(&f, (struct http_config){.connection_count_max = 4}, NULL);
    for (size_t i = 0; i < 4; i++) {
        fds[i] = ws_connect(f.port, "/rtc/v1", &r);
        assert_int_equal(r.status, 101);
        response_free(&r);
    }
    /* One more is closed; the others go on. */
    fds[4] = client_connect(f.port);
    assert_false(client_read(fds[4], false, &r));
    close(fds[4]);
    char *data;
    size_t size;
    assert_int_equal(ws_read(fds[0], &data, &size), 0x82);
    free(data);
    /* A place that becomes free is given away. */
    close(fds[1]);
    for (int i = 0; i < 500 && fake_sessions_open != 3; i++)
        usleep(10000);
    request(f.port, "GET", "/", "", NULL, 0, &r);
    assert_int_equal(r.status, 200);
    response_free(&r);
    for (size_t i = 0; i < 4; i++) {
        if (i != 1)
            close(fds[i]);
    }
    fixture_stop(&f);
    assert_int_equal(fake_sessions_open, 0);
}

/* ---- TLS ---- */

static size_t collect(char *data, size_t size, size_t count, void *user)
{
    strncat(user, data, size * count);
    return size * count;
}

static CURLcode get(const struct fixture *f, const char *scheme, long version, const char *cert,
                    char *ret_body)
{
    char url[128];
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    ret_body[0] = '\0';
    snprintf(url, sizeof(url), "%s://localhost:%u/", scheme, f->port);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, cert);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, version);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V4);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret_body);
    /* Old versions are allowed on the client's side, so that it is the server that refuses. */
    curl_easy_setopt(curl, CURLOPT_SSL_CIPHER_LIST, "ALL:@SECLEVEL=0");
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    return rc;
}

static void test_tls(void **state)
{
    (void)state;
    static const struct {
        const char *scheme;
        long version;
        bool is_ok;
    } rows[] = {
        {"https", CURL_SSLVERSION_DEFAULT, true},
        {"https", CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3, true},
        {"https", CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2, true},
        {"https", CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1, false},
        {"https", CURL_SSLVERSION_TLSv1_0 | CURL_SSLVERSION_MAX_TLSv1_0, false},
        {"http", CURL_SSLVERSION_DEFAULT, false},
    };
    struct fixture f;
    char cert[128], key[128];
    fixture_make_folder(&f);
    snprintf(cert, sizeof(cert), "%s/cert.pem", f.folder);
    snprintf(key, sizeof(key), "%s/key.pem", f.folder);
    assert_int_equal(certificate_make(cert, key), 0);
    fixture_start(&f, (struct http_config){.tls_cert_path = cert, .tls_key_path = key}, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char body[4096];
        CURLcode rc = get(&f, rows[i].scheme, rows[i].version, cert, body);
        bool is_ok = rc == CURLE_OK && strcmp(body, "OK") == 0;
        if (is_ok != rows[i].is_ok)
            fail_msg("row %zu: %s \"%s\"", i, curl_easy_strerror(rc), body);
    }
    fixture_stop(&f);
    fixture_remove_folder(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy_port),         cmocka_unit_test(test_refused_configurations),
        cmocka_unit_test(test_several_addresses), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_connection_limit),  cmocka_unit_test(test_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
