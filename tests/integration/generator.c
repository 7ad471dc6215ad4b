#include "integration/generator.h"

#include "integration/process.h"

#include "base/attrs.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 128

static const char *path_of(const struct it_server *s, const char *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", s->folder, name);
    return path;
}

pid_t it_load_start(const struct it_server *s, const char *const *more)
{
    char url[64], json[PATH_SIZE], error[PATH_SIZE];
    path_of(s, "load.json", json);
    path_of(s, "load.err", error);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", s->http_port);
    const char *args[IT_LOAD_ARGS_MAX] = {
        IT_PROGRAM, "load", "--url", url, "--json", json, "--warm-up", "1", "--join-timeout", "30"};
    size_t count = 10;
    for (; *more != NULL; more++) {
        assert_true(count + 1 < IT_LOAD_ARGS_MAX);
        args[count++] = *more;
    }
    unlink(json);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL || freopen(error, "w", stderr) == NULL)
            _exit(126);
        execv(IT_PROGRAM, (char **)(uintptr_t)args);
        _exit(127);
    }
    return pid;
}

int it_load_wait(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

void it_load_error(const struct it_server *s, char *buf, size_t size)
{
    char path[PATH_SIZE];
    FILE *f = fopen(path_of(s, "load.err", path), "r");
    assert_non_null(f);
    buf[fread(buf, 1, size - 1, f)] = '\0';
    fclose(f);
}

json_t *it_load_report(const struct it_server *s)
{
    char path[PATH_SIZE];
    json_t *report = json_load_file(path_of(s, "load.json", path), 0, NULL);
    assert_non_null(report);
    return report;
}

json_t *it_load_run(const struct it_server *s, const char *const *more)
{
    char text[2048];
    int code = it_load_wait(it_load_start(s, more));
    it_load_error(s, text, sizeof(text));
    if (code != 0)
        print_error("tongke load left %d: %s\n", code, text);
    assert_int_equal(code, 0);
    return it_load_report(s);
}

json_int_t it_load_figure(const json_t *report, const char *part, const char *name)
{
    const json_t *value = json_object_get(json_object_get(report, part), name);
    if (!json_is_integer(value))
        fail_msg("the report has no number %s.%s", part, name);
    return json_integer_value(value);
}
