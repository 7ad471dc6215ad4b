/*
 * Goal: every kind of configuration mistake is named with file, line, key and what is allowed, and
 * good values arrive in the struct. Method: a table of short YAML texts with the message each must
 * give.
 */
#include "server/config.h"

#include "unit/cmocka_all.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config *config;
static struct strbuf problems;

static int setup(void **state)
{
    (void)state;
    config = malloc(sizeof(*config));
    strbuf_init(&problems, 64 << 10);
    config_default(config);
    return config == NULL;
}

static int teardown(void **state)
{
    (void)state;
    free(config);
    strbuf_fini(&problems);
    return 0;
}

static int read_text(const char *text)
{
    strbuf_fini(&problems);
    strbuf_init(&problems, 64 << 10);
    config_default(config);
    return config_read_text("t.yaml", text, strlen(text), config, &problems);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"port: 70000", "t.yaml:1: port: 70000 is not in 0..65535"},
        {"\n\nport: x", "t.yaml:3: port: a whole number is needed, 0..65535"},
        {"port: 1\n\nport: 2", "t.yaml:3: port: stands in line 1 already"},
        {"media:\n  {udp_port: 0, udp_port: 1}", "t.yaml:2: media.udp_port: stands in line 2 alr"},
        {"media: {udp_port: 0}\nmedia: {}", "t.yaml:2: media: stands in line 1 already"},
        {"keys: {a: secret1, a: secret2}", "t.yaml:1: keys.a: stands in line 1 already"},
        {"- port\n", "t.yaml:1: a map of keys is needed"},
        {"port: [1]", "t.yaml:1: port: a whole number is needed"},
        {"prot: 1", "t.yaml:1: prot: unknown key; known here: port, bind"},
        {"media:\n  udp: 1", "t.yaml:2: media.udp: unknown key; known here: media.udp_port"},
        {"media: 7", "t.yaml:1: media: a map is needed"},
        {"media: {loopback: yes}", "t.yaml:1: media.loopback: true or false is needed"},
        {"log: {level: loud}", "t.yaml:1: log.level: one of error|warn|info|debug is needed"},
        {"media: {srtp_backend: gpu}",
         "t.yaml:1: media.srtp_backend: one of auto|ipsec-mb|openssl is needed"},
        {"bind: 1.2.3.4", "t.yaml:1: bind: a list is needed"},
        {"keys: {a: b}", "the secret at least 6 characters long"},
        {"keys: []", "t.yaml:1: keys: a map of name: secret is needed"},
        {"ice_servers: [{uri: x}]", "t.yaml:1: ice_servers: unknown key uri"},
        {"ice_servers: [{secret: x}]", "ice_servers.url: is missing"},
        {"a: [", "t.yaml:2: YAML:"},
        {"- 1", "t.yaml:1: a map of keys is needed"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(read_text(rows[i].text), ERR_CONFIG);
        if (strstr(strbuf_text(&problems), rows[i].message) == NULL)
            fail_msg("\"%s\" gives \"%s\"", rows[i].text, strbuf_text(&problems));
    }
}

static void test_values(void **state)
{
    (void)state;
    assert_int_equal(
        read_text("port: 8443\n"
                  "bind: [127.0.0.1, '::1']\n"
                  "tls: {cert: /c.pem, key: /k.pem}\n"
                  "keys: {one: secret-1, two: secret-2}\n"
                  "media:\n  udp_port: 9000\n  tcp_port: -1\n  node_ip: [203.0.113.7]\n"
                  "room: {empty_timeout: 10, auto_create: false}\n"
                  "ice_servers: [{url: 'turn:a:3478', secret: s}]\n"),
        0);
    assert_int_equal(config->port, 8443);
    assert_int_equal(config->bind.count, 2);
    assert_string_equal(config->bind.items[1], "::1");
    assert_string_equal(config->tls_key, "/k.pem");
    assert_int_equal(config->key_count, 2);
    assert_string_equal(config->keys[1].secret, "secret-2");
    assert_int_equal(config->media_tcp_port, -1);
    assert_int_equal(config->room_empty_timeout_s, 10);
    assert_false(config->room_auto_create);
    assert_string_equal(config->ice_servers[0].url, "turn:a:3478");
    config->tls_cert[0] = config->tls_key[0] = '\0'; /* these files are not there */
    assert_int_equal(config_check("t.yaml", config, &problems), 0);
    assert_int_equal(read_text(""), 0);
}

static void test_checks_over_several_keys(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"port: 1", "keys: at least one API key is needed"},
        {"keys: {a: secret-1}\ntls: {cert: x}",
         "t.yaml:2: tls.cert: tls.cert and tls.key are needed"},
        {"keys: {a: secret-1}\ntls:\n  cert: /nonexistent.pem\n  key: /dev/null",
         "t.yaml:3: tls.cert: /nonexistent.pem: No such file"},
        {"keys: {a: secret-1}\ntls:\n  cert: /dev/null\n  key: /dev/null",
         "t.yaml:3: tls.cert: /dev/null: a certificate chain in PEM is needed: "},
        {"keys: {a: secret-1}\nbind: [localhost]",
         "t.yaml:2: bind: localhost is not an IP address"},
        {"keys: {a: secret-1}\nwebhook: {urls: [there], key: a}",
         "t.yaml:2: webhook.urls: there: a URL that begins with http"},
        {"keys: {a: secret-1}\nwebhook:\n  urls: ['http://x']\n  key: b",
         "t.yaml:4: webhook.key: one of the names in keys is needed"},
        {"keys: {a: secret-1}\nwebhook: {urls: ['http://x']}",
         "webhook.key: one of the names in keys"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(read_text(rows[i].text), 0);
        assert_int_equal(config_check("t.yaml", config, &problems), ERR_CONFIG);
        assert_non_null(strstr(strbuf_text(&problems), rows[i].message));
    }
}

/* A chain and a key that do not belong together, and then do. */
static void test_certificate(void **state)
{
    (void)state;
    char folder[] = "/tmp/tongke-config-XXXXXX", command[700], text[256];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command),
             "cd %s && for n in a b; do openssl req -x509 -newkey ec -pkeyopt "
             "ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout $n.key -out $n.pem 2>/dev/null; "
             "done",
             folder);
    assert_int_equal(system(command), 0);
    for (int is_good = 0; is_good < 2; is_good++) {
        snprintf(text, sizeof(text), "keys: {a: secret-1}\ntls: {cert: %s/a.pem, key: %s/%s.key}",
                 folder, folder, is_good ? "a" : "b");
        assert_int_equal(read_text(text), 0);
        assert_int_equal(config_check("t.yaml", config, &problems), is_good ? 0 : ERR_CONFIG);
        const char *complaint = strstr(strbuf_text(&problems), "t.yaml:2: tls.key: ");
        assert_int_equal(complaint == NULL, is_good);
    }
    snprintf(command, sizeof(command), "rm -rf -- %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_missing_file(void **state)
{
    (void)state;
    assert_int_equal(config_read_file("/nonexistent/t.yaml", config, &problems), ERR_CONFIG);
    assert_non_null(strstr(strbuf_text(&problems), "/nonexistent/t.yaml: No such file"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_mistakes),    TEST(test_values),       TEST(test_checks_over_several_keys),
        TEST(test_certificate), TEST(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
