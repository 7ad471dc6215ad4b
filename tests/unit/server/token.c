/*
 * Goal: `tongke token` prints a token that says what the options say, and refuses wrong ones by
 * name with exit code 2. Method: the command runs in a child process whose output is read; its
 * token is verified as the server would.
 */
#include "signal/token.h"

#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "server/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX 8192

/* Runs the command with words cut at '|'; returns its exit code. */
static int run(const char *words, char ret_out[OUTPUT_MAX])
{
    char copy[1024], *argv[32], *save = NULL;
    int argc = 0, fds[2], status = 0;
    size_t size = 0;
    assert_true(strlen(words) < sizeof(copy));
    strcpy(copy, words);
    argv[argc++] = "token";
    for (char *w = strtok_r(copy, "|", &save); w != NULL; w = strtok_r(NULL, "|", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        int rc = cmd_token(argc, argv);
        fflush(NULL);
        _exit(rc);
    }
    close(fds[1]);
    for (ssize_t n; (n = read(fds[0], ret_out + size, OUTPUT_MAX - 1 - size)) > 0;)
        size += (size_t)n;
    ret_out[size] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void verify(char *output, const char *key, const char *secret, struct token_claims *ret)
{
    struct signal_key keys[1];
    strcpy(keys[0].key, key);
    strcpy(keys[0].secret, secret);
    output[strcspn(output, "\n")] = '\0';
    assert_int_equal(token_verify(keys, 1, output, wall_now(), ret), 0);
}

static void test_default(void **state)
{
    (void)state;
    char out[OUTPUT_MAX];
    struct token_claims c;
    assert_int_equal(run("--room|demo|--identity|anna", out), 0);
    verify(out, "devkey", "secret", &c);
    assert_string_equal(c.grants.room, "demo");
    assert_string_equal(c.grants.identity, "anna");
    assert_true(c.grants.room_join && c.grants.can_publish && c.grants.can_subscribe);
    assert_false(c.grants.room_admin || c.grants.hidden);
    assert_in_range(c.expires_s - wall_now() / 1000, 6 * 3600 - 5, 6 * 3600 + 5);
    token_claims_fini(&c);
}

static void test_options(void **state)
{
    (void)state;
    char out[OUTPUT_MAX];
    struct token_claims c;
    assert_int_equal(run("--api-key|k|--api-secret|s|--lesson|math|--role|observer|--school|石桥|"
                         "--identity|o|--name|O O|--ttl|30m|--attribute|a=b=c|--metadata|m|"
                         "--room-admin|--source|camera|--source|screen_share",
                         out),
                     0);
    verify(out, "k", "s", &c);
    assert_string_equal(c.grants.room, "math");
    assert_string_equal(c.grants.lesson_id, "math");
    assert_string_equal(c.grants.lesson_role, "observer");
    assert_string_equal(c.grants.lesson_school, "石桥");
    assert_string_equal(c.grants.name, "O O");
    assert_true(c.grants.hidden && c.grants.room_admin);
    assert_false(c.grants.can_publish || c.grants.can_publish_data);
    assert_int_equal(c.publish_sources, 1 << 1 | 1 << 3);
    assert_string_equal(c.attributes[0].key, "a");
    assert_string_equal(c.attributes[0].value, "b=c");
    assert_string_equal(c.metadata, "m");
    assert_in_range(c.expires_s - wall_now() / 1000, 1795, 1805);
    token_claims_fini(&c);

    assert_int_equal(run("--room-create|--room-list", out), 0);
    verify(out, "devkey", "secret", &c);
    assert_true(c.grants.room_create && c.grants.room_list);
    assert_false(c.grants.room_join);
    token_claims_fini(&c);

    setenv("TONGKE_API_KEY", "envkey", 1);
    setenv("TONGKE_API_SECRET", "envsecret", 1);
    assert_int_equal(run("--room|r|--identity|i|--no-publish|--can-publish-data", out), 0);
    unsetenv("TONGKE_API_KEY");
    unsetenv("TONGKE_API_SECRET");
    verify(out, "envkey", "envsecret", &c);
    assert_false(c.grants.can_publish);
    assert_true(c.grants.can_publish_data);
    token_claims_fini(&c);
}

static void test_usage(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        int rc;
        const char *named; /* in the output */
    } rows[] = {
        {"--help", 0, "usage: tongke token"},
        {"", 2, "--room"},
        {"--room|r", 2, "--identity"},
        {"--identity|i", 2, "--room"},
        {"--room", 2, "--room: needs a value"},
        {"--rooom|r", 2, "--rooom"},
        {"--room|r|--identity|i|--ttl|soon", 2, "--ttl"},
        {"--room|r|--identity|i|--ttl|-5", 2, "--ttl"},
        {"--room|r|--identity|i|--ttl|99999999999d", 2, "--ttl"},
        {"--room|r|--identity|i|--role|lecture", 2, "--lesson"},
        {"--lesson|r|--identity|i|--role|teacher", 2, "--role"},
        {"--room|r|--identity|i|--attribute|x", 2, "--attribute"},
        {"--room|r|--identity|i|--source|telescope", 2, "--source"},
        {"--room-admin", 2, "--room-admin"},
        {"--room|r|--identity|i|--api-secret|", 2, "--api-secret"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char out[OUTPUT_MAX];
        int rc = run(rows[i].words, out);
        if (rc != rows[i].rc || strstr(out, rows[i].named) == NULL)
            fail_msg("%s: %d %s", rows[i].words, rc, out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
