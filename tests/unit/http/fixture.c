/*
 * Goal: a real server and a client that can send anything. Method: the server runs on its own
 * thread; the client writes and reads blocking sockets by hand.
 */
#include "fixture.h"

#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "base/strbuf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static void *run(void *arg)
{
    struct fixture *f = arg;
    while (!atomic_load(&f->is_stopping)) {
        struct http_stats stats;
        http_server_service(f->server, MONO_S(10));
        http_server_stats(f->server, &stats);
        atomic_store(&f->webhooks_sent, stats.webhooks_sent);
        atomic_store(&f->webhooks_dropped, stats.webhooks_dropped);
    }
    return NULL;
}

void fixture_start(struct fixture *f, struct http_config config,
                   void (*add)(struct http_server *server))
{
    if (config.bind_count == 0) {
        config.bind[0] = "127.0.0.1";
        config.bind_count = 1;
    }
    assert_int_equal(http_server_create(&config, &f->server), 0);
    f->port = http_server_port(f->server);
    assert_int_not_equal(f->port, 0);
    if (add != NULL)
        add(f->server);
    atomic_store(&f->is_stopping, false);
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

void fixture_stop(struct fixture *f)
{
    atomic_store(&f->is_stopping, true);
    http_server_wake(f->server);
    pthread_join(f->thread, NULL);
    http_server_destroy(f->server);
}

void fixture_write(struct fixture *f, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    fclose(file);
}

void fixture_make_folder(struct fixture *f)
{
    char path[128];
    strcpy(f->folder, "/tmp/tongke-http-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(path, sizeof(path), "%s/web", f->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/web/assets", f->folder);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *info)
{
    (void)st;
    (void)type;
    (void)info;
    return remove(path);
}

void fixture_remove_folder(struct fixture *f)
{
    nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the client ---- */

int client_connect(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 15};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

void client_send(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* refused in the middle: the answer tells */
        at += n;
        size -= (size_t)n;
    }
}

void client_puts(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

static bool read_exactly(int fd, void *data, size_t size)
{
    char *at = data;
    while (size > 0) {
        ssize_t n = recv(fd, at, size, 0);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool client_read(int fd, bool is_head, struct response *ret)
{
    struct strbuf head;
    memset(ret, 0, sizeof(*ret));
    strbuf_init(&head, 65536);
    while (head.size < 4 || memcmp(head.data + head.size - 4, "\r\n\r\n", 4) != 0) {
        char c;
        if (!read_exactly(fd, &c, 1)) {
            strbuf_fini(&head);
            return false;
        }
        strbuf_append(&head, &c, 1);
    }
    ret->head = strbuf_take(&head);
    assert_int_equal(sscanf(ret->head, "HTTP/1.%*d %d", &ret->status), 1);
    const char *length = response_header(ret, "content-length");
    ret->body_size = length != NULL && !is_head ? strtoul(length, NULL, 10) : 0;
    ret->body = calloc(1, ret->body_size + 1);
    assert_non_null(ret->body);
    return read_exactly(fd, ret->body, ret->body_size);
}

void response_free(struct response *r)
{
    free(r->head);
    free(r->body);
    memset(r, 0, sizeof(*r));
}

const char *response_header(const struct response *r, const char *name)
{
    static char value[2048];
    const char *line = r->head;
    while (line != NULL && (line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            line += strlen(name) + 1;
            line += strspn(line, " ");
            size_t length = strcspn(line, "\r");
            assert_true(length < sizeof(value));
            memcpy(value, line, length);
            value[length] = '\0';
            return value;
        }
    }
    return NULL;
}

void request(uint16_t port, const char *method, const char *target, const char *extra,
             const void *body, size_t body_size, struct response *ret)
{
    int fd = client_connect(port);
    client_puts(fd, method);
    client_puts(fd, " ");
    client_puts(fd, target);
    client_puts(fd, " HTTP/1.1\r\nHost: test\r\n");
    client_puts(fd, extra);
    if (body != NULL) {
        char line[64];
        snprintf(line, sizeof(line), "Content-Length: %zu\r\n", body_size);
        client_puts(fd, line);
    }
    client_puts(fd, "\r\n");
    if (body != NULL)
        client_send(fd, body, body_size);
    client_read(fd, strcmp(method, "HEAD") == 0, ret);
    close(fd);
}

int ws_connect(uint16_t port, const char *target, struct response *ret)
{
    int fd = client_connect(port);
    client_puts(fd, "GET ");
    client_puts(fd, target);
    client_puts(fd, " HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    client_read(fd, false, ret);
    return fd;
}

void ws_send(int fd, int opcode, const void *data, size_t size)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t head[14] = {(uint8_t)opcode};
    size_t n = 2;
    if (size < 126) {
        head[1] = (uint8_t)(0x80 | size);
    } else if (size < 65536) {
        head[1] = 0x80 | 126;
        put_u16be(head + 2, (uint16_t)size);
        n = 4;
    } else {
        head[1] = 0x80 | 127;
        put_u32be(head + 6, (uint32_t)size);
        n = 10;
    }
    memcpy(head + n, mask, 4);
    uint8_t *masked = malloc(size + 1);
    assert_non_null(masked);
    for (size_t i = 0; i < size; i++)
        masked[i] = ((const uint8_t *)data)[i] ^ mask[i % 4];
    client_send(fd, head, n + 4);
    client_send(fd, masked, size);
    free(masked);
}

int ws_read(int fd, char **ret_data, size_t *ret_size)
{
    uint8_t head[2], longer[8];
    if (!read_exactly(fd, head, 2))
        return -1;
    size_t size = head[1] & 0x7f;
    if (size == 126) {
        if (!read_exactly(fd, longer, 2))
            return -1;
        size = get_u16be(longer);
    } else if (size == 127) {
        if (!read_exactly(fd, longer, 8))
            return -1;
        size = get_u32be(longer + 4);
    }
    *ret_data = calloc(1, size + 1);
    assert_non_null(*ret_data);
    *ret_size = size;
    if (read_exactly(fd, *ret_data, size))
        return head[0];
    free(*ret_data);
    return -1;
}

int ws_read_close(int fd)
{
    char *data;
    size_t size;
    for (;;) {
        int opcode = ws_read(fd, &data, &size);
        if (opcode < 0)
            return -1;
        int code = size >= 2 ? get_u16be((const uint8_t *)data) : 1005;
        free(data);
        if (opcode == 0x88)
            return code;
    }
}
