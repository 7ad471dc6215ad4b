#include "integration/process.h"

#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off
#include <cmocka.h>
// clang-format on

#define START_MAX MONO_S(30)
#define STOP_MAX  MONO_S(20)
#define LOG_MAX   (4u << 20)

static void sleep_ms(unsigned ms)
{
    usleep(ms * 1000);
}

/* What --dev and the options do not say: lost participants are held for a short time only. */
static const char config[] = "room: {resume_timeout: 5, departure_timeout: 2}\n";

static void write_config(const char *path, const char *keys)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "%s%s", config, keys) > 0);
    assert_int_equal(fclose(f), 0);
}

/* In the child: becomes the server. */
static void exec_server(const struct it_server *s, int worker_count)
{
    char data[96], config_path[96], workers[16];
    snprintf(workers, sizeof(workers), "%d", worker_count);
    snprintf(data, sizeof(data), "%s/data", s->folder);
    snprintf(config_path, sizeof(config_path), "%s/tongke.yaml", s->folder);
    int log = open(s->log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0)
        _exit(126);
    /* With AddressSanitizer: freed memory is handed back soon, so that RSS says something. */
    setenv("ASAN_OPTIONS", "quarantine_size_mb=4:thread_local_quarantine_size_kb=64", 0);
    const char *program = getenv("TONGKE_PROGRAM");
    if (program == NULL)
        program = IT_PROGRAM;
    execl(program, program, "serve", "--config", config_path, "--dev", "--bind", "127.0.0.1",
          "--port", "0", "--media-port", "0", "--media-tcp-port", "0", "--workers", workers,
          "--data", data, (char *)NULL);
    _exit(127);
}

static size_t read_log(const struct it_server *s, char *text, size_t size)
{
    FILE *f = fopen(s->log_path, "r");
    if (f == NULL)
        return 0;
    size_t n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
    return n;
}

static bool parse_ready(struct it_server *s)
{
    static char text[65536];
    read_log(s, text, sizeof(text));
    const char *line = strstr(text, " server ready ");
    unsigned port, udp, tcp;
    size_t workers;
    if (line == NULL || strchr(line, '\n') == NULL)
        return false;
    line = strstr(line, " port=");
    if (line == NULL ||
        sscanf(line, " port=%u workers=%zu udp=%u tcp=%u", &port, &workers, &udp, &tcp) != 4)
        return false;
    s->http_port = (uint16_t)port;
    s->udp_port = (uint16_t)udp;
    s->tcp_port = (uint16_t)tcp;
    return true;
}

static bool is_alive(const struct it_server *s)
{
    return waitpid(s->pid, NULL, WNOHANG) == 0;
}

void it_server_start(struct it_server *s)
{
    it_server_start_with(s, "", 2);
}

void it_server_start_with(struct it_server *s, const char *keys, int workers)
{
    memset(s, 0, sizeof(*s));
    strcpy(s->folder, "/tmp/tongke-test-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->log_path, sizeof(s->log_path), "%s/server.log", s->folder);
    char config_path[96];
    snprintf(config_path, sizeof(config_path), "%s/tongke.yaml", s->folder);
    write_config(config_path, keys);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0)
        exec_server(s, workers);
    mono_us until = mono_now() + START_MAX;
    char body[256];
    while (!parse_ready(s) ||
           it_http(s, "GET", "/api/v1/health", NULL, NULL, body, sizeof(body)) != 200) {
        bool is_dead = !is_alive(s);
        if (is_dead)
            s->pid = 0;
        if (is_dead || mono_now() > until) {
            it_server_kill(s);
            fail_msg("the server did not become healthy");
        }
        sleep_ms(20);
    }
}

static void remove_folder(const struct it_server *s)
{
    if (strncmp(s->folder, "/tmp/tongke-test-", 17) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", "--", s->folder, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void show_log_end(const struct it_server *s)
{
    char *text = malloc(LOG_MAX);
    if (text == NULL)
        return;
    size_t n = read_log(s, text, LOG_MAX);
    fprintf(stderr, "---- end of the server's log ----\n%s\n", n > 6000 ? text + n - 6000 : text);
    free(text);
}

void it_server_kill(struct it_server *s)
{
    if (s->folder[0] == '\0')
        return;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
    show_log_end(s);
    remove_folder(s);
    s->folder[0] = '\0';
}

void it_server_stop(struct it_server *s)
{
    assert_int_equal(kill(s->pid, SIGTERM), 0);
    mono_us until = mono_now() + STOP_MAX;
    int status = 0;
    while (waitpid(s->pid, &status, WNOHANG) == 0) {
        if (mono_now() > until) {
            it_server_kill(s);
            fail_msg("the server did not end after SIGTERM");
        }
        sleep_ms(20);
    }
    s->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        it_server_kill(s);
        fail_msg("the server ended with status 0x%x", status);
    }
    remove_folder(s);
    s->folder[0] = '\0';
}

uint64_t it_server_rss(const struct it_server *s)
{
    char path[64];
    unsigned long long size = 0, resident = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)s->pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int fields = fscanf(f, "%llu %llu", &size, &resident);
    fclose(f);
    assert_int_equal(fields, 2);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool it_server_log_has(const struct it_server *s, const char *text)
{
    char *log = malloc(LOG_MAX);
    assert_non_null(log);
    read_log(s, log, LOG_MAX);
    bool has = strstr(log, text) != NULL;
    free(log);
    return has;
}

static int connect_http(const struct it_server *s)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(s->http_port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int it_http(const struct it_server *s, const char *method, const char *path, const char *token,
            const char *body, char *ret_body, size_t body_size)
{
    int fd = connect_http(s);
    if (fd < 0)
        return -1;
    static char text[65536];
    int n = snprintf(text, sizeof(text),
                     "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                     "%s%s%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     method, path, token != NULL ? "Authorization: Bearer " : "",
                     token != NULL ? token : "", token != NULL ? "\r\n" : "",
                     body != NULL ? strlen(body) : 0, body != NULL ? body : "");
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    size_t size = 0;
    ssize_t got;
    while (size < sizeof(text) - 1 && (got = recv(fd, text + size, sizeof(text) - 1 - size, 0)) > 0)
        size += (size_t)got;
    close(fd);
    text[size] = '\0';
    const char *end = strstr(text, "\r\n\r\n");
    snprintf(ret_body, body_size, "%s", end != NULL ? end + 4 : "");
    int status = -1;
    return sscanf(text, "HTTP/1.%*d %d", &status) == 1 ? status : -1;
}
