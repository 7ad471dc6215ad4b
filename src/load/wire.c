/*
 * HTTP/1.1 (RFC 9112) and WebSocket (RFC 6455) as a client, as far as signalling needs them: one
 * request or one WebSocket per connection, on the run's own epoll, with a few hundred bytes each,
 * so that thousands of them cost nothing while they are silent. No TLS.
 */
#include "load/load_internal.h"

#include "base/encode.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX         (2u << 20) /* one response or message */
#define OUT_MAX        (1u << 20)
#define HEAD_MAX       (16u << 10)
#define READ_SIZE      16384
#define TIMEOUT        MONO_S(10) /* from connecting to the end of the upgrade, or the response */
#define KEY_SIZE       16
#define FRAME_OVERHEAD 14

enum opcode { OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE = 8, OP_PING, OP_PONG };

struct load_wire {
    struct load_fd fd;
    struct list in_run;
    struct load_timer timer;
    struct load_run *run; /* parent */
    void *user;
    void (*on_open)(void *user, mono_us now);
    void (*on_message)(void *user, uint8_t *data, size_t size, mono_us now);
    void (*on_response)(void *user, unsigned status, const char *location, char *body, mono_us now);
    void (*on_closed)(void *user, const char *why, mono_us now);
    bool is_websocket, is_open, is_over;
    bool is_detached;
    bool is_busy; /* inside a callback: destroying waits */
    bool is_doomed;
    uint8_t *in;
    size_t in_size, in_capacity;
    uint8_t *message; /* of fragments */
    size_t message_size;
    uint8_t *out;
    size_t out_at, out_size, out_capacity;
};

static void release(struct load_wire *w)
{
    load__timer_cancel(w->run, &w->timer);
    load__io_remove(w->run, &w->fd);
    list_remove(&w->in_run);
    free(w->in);
    free(w->out);
    free(w->message);
    free(w);
}

void load__wire_destroy(struct load_wire *w)
{
    if (w == NULL)
        return;
    w->is_over = true;
    w->is_doomed = true;
    if (!w->is_busy)
        release(w);
}

void load__wire_detach(struct load_wire *w)
{
    if (w == NULL)
        return;
    w->on_open = NULL;
    w->on_message = NULL;
    w->on_response = NULL;
    w->on_closed = NULL;
    w->is_detached = true;
    if (w->is_over)
        load__wire_destroy(w);
}

void load__wires_destroy(struct load_run *run)
{
    LIST_FOR_EACH(it, &run->wires)
    {
        load__wire_destroy(CONTAINER_OF(it, struct load_wire, in_run));
    }
}

/* Over: closes, and tells once. */
static void end(struct load_wire *w, const char *why, mono_us now)
{
    if (w->is_over)
        return;
    w->is_over = true;
    load__timer_cancel(w->run, &w->timer);
    load__io_remove(w->run, &w->fd);
    w->is_doomed = w->is_doomed || w->is_detached;
    if (w->on_closed != NULL)
        w->on_closed(w->user, why, now);
}

/* ---- out ---- */

static int append(uint8_t **buf, size_t *size, size_t *capacity, const void *data, size_t n,
                  size_t max)
{
    if (n == 0)
        return 0;
    if (n > max - *size)
        return ERR_LIMIT;
    if (*size + n > *capacity) {
        size_t wanted = TK_MAX(*size + n, *capacity * 2);
        uint8_t *larger = realloc(*buf, wanted);
        if (larger == NULL)
            return -ENOMEM;
        *buf = larger;
        *capacity = wanted;
    }
    memcpy(*buf + *size, data, n);
    *size += n;
    return 0;
}

static void flush(struct load_wire *w, mono_us now)
{
    while (w->out_at < w->out_size) {
        ssize_t n = send(w->fd.fd, w->out + w->out_at, w->out_size - w->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            IGNORE(load__io_set(w->run, &w->fd, true)); /* else the timeout tells */
            return;
        }
        if (n < 0) {
            end(w, strerror(errno), now);
            return;
        }
        w->out_at += (size_t)n;
    }
    free(w->out); /* nothing is kept while it is silent */
    w->out = NULL;
    w->out_at = w->out_size = w->out_capacity = 0;
    IGNORE(load__io_set(w->run, &w->fd, false));
}

static int queue(struct load_wire *w, const void *data, size_t size)
{
    return append(&w->out, &w->out_size, &w->out_capacity, data, size, OUT_MAX);
}

static int send_frame(struct load_wire *w, enum opcode op, const uint8_t *data, size_t size)
{
    uint8_t head[FRAME_OVERHEAD], mask[4], piece[1024];
    struct wr wr = wr_init(head, sizeof(head));
    wr_u8(&wr, (uint8_t)(0x80u | op));
    if (size < 126) {
        wr_u8(&wr, (uint8_t)(0x80u | size));
    } else if (size < 65536) {
        wr_u8(&wr, 0x80 | 126);
        wr_u16be(&wr, (uint16_t)size);
    } else {
        wr_u8(&wr, 0x80 | 127);
        wr_u64be(&wr, size);
    }
    rng_fill(&w->run->rng, mask, sizeof(mask));
    wr_bytes(&wr, mask, sizeof(mask));
    int err = queue(w, head, wr_size(&wr));
    for (size_t at = 0; at < size && err == 0;) {
        size_t n = TK_MIN(size - at, sizeof(piece));
        for (size_t i = 0; i < n; i++)
            piece[i] = data[at + i] ^ mask[(at + i) & 3];
        err = queue(w, piece, n);
        at += n;
    }
    return err;
}

int load__wire_send(struct load_wire *w, bool is_text, const void *data, size_t size)
{
    if (w->is_over || !w->is_websocket || !w->is_open)
        return ERR_STATE;
    int err = send_frame(w, is_text ? OP_TEXT : OP_BINARY, data, size);
    if (err == 0)
        flush(w, mono_now());
    return err;
}

/* ---- in: the head of a response ---- */

/* The value of a header line, copied; "" if it is absent. */
static void header_value(const char *head, const char *name, char *ret_value, size_t size)
{
    size_t length = strlen(name);
    ret_value[0] = '\0';
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        const char *value = line + length + 1 + strspn(line + length + 1, " ");
        snprintf(ret_value, size, "%.*s", (int)TK_MIN(strcspn(value, "\r\n"), size - 1), value);
        return;
    }
}

static void drop_in(struct load_wire *w, size_t size)
{
    memmove(w->in, w->in + size, w->in_size - size);
    w->in_size -= size;
}

/* One chunk at `at` (RFC 9112, 7.1): its size, with the first byte of it; -1: not whole yet; -2:
 * not chunked. The last one has size 0. */
static long next_chunk(const char *body, size_t size, size_t at, size_t *ret_data)
{
    const char *line_end = memchr(body + at, '\n', size - at);
    if (line_end == NULL)
        return -1;
    unsigned long n = strtoul(body + at, NULL, 16);
    *ret_data = (size_t)(line_end - body) + 1;
    if (n > IN_MAX)
        return -2;
    return n == 0 || *ret_data + n + 2 <= size ? (long)n : -1;
}

/* Undoes chunked coding in place, once all of it is there. The size, -1 or -2 as above. */
static long unchunk(char *body, size_t size)
{
    size_t data = 0, out = 0;
    long n = 0;
    for (size_t at = 0; (n = next_chunk(body, size, at, &data)) > 0;)
        at = data + (size_t)n + 2;
    if (n < 0)
        return n;
    for (size_t at = 0; (n = next_chunk(body, size, at, &data)) > 0;) {
        memmove(body + out, body + data, (size_t)n);
        out += (size_t)n;
        at = data + (size_t)n + 2;
    }
    return (long)out;
}

/* The whole response is there when it says so, or when the connection ends. */
static bool take_response(struct load_wire *w, char *head, size_t head_size, bool is_eof,
                          mono_us now)
{
    char text[64], location[LOAD_TEXT_SIZE], coding[32];
    char *body = (char *)w->in + head_size;
    size_t size = w->in_size - head_size;
    header_value(head, "content-length", text, sizeof(text));
    header_value(head, "transfer-encoding", coding, sizeof(coding));
    header_value(head, "location", location, sizeof(location));
    unsigned status = (unsigned)strtoul(head + strlen("HTTP/1.1 "), NULL, 10);
    if (strcasecmp(coding, "chunked") == 0) {
        long n = unchunk(body, size);
        if (n == -1)
            return false;
        size = n >= 0 ? (size_t)n : 0;
    } else if (text[0] != '\0') {
        size_t length = strtoul(text, NULL, 10);
        if (length > size)
            return false;
        size = length;
    } else if (!is_eof && status != 204) {
        return false;
    }
    body[size] = '\0'; /* the buffer has a spare byte */
    if (w->on_response != NULL)
        w->on_response(w->user, status, location, body, now);
    end(w, "done", now);
    return true;
}

static void take_upgrade(struct load_wire *w, const char *head, size_t head_size, mono_us now)
{
    char why[LOAD_TEXT_SIZE];
    if (strncmp(head, "HTTP/1.1 101", 12) == 0) {
        drop_in(w, head_size);
        w->is_open = true;
        load__timer_cancel(w->run, &w->timer);
        if (w->on_open != NULL)
            w->on_open(w->user, now);
        return;
    }
    const char *body = (const char *)w->in + head_size;
    snprintf(why, sizeof(why), "refused: %.*s: %.200s", (int)strcspn(head, "\r\n"), head,
             w->in_size > head_size ? body : "");
    end(w, why, now);
}

/* False: more bytes are needed. */
static bool take_head(struct load_wire *w, bool is_eof, mono_us now)
{
    w->in[w->in_size] = '\0';
    char *blank = strstr((char *)w->in, "\r\n\r\n");
    if (blank == NULL) {
        if (w->in_size > HEAD_MAX)
            end(w, "response with an endless head", now);
        return false;
    }
    size_t head_size = (size_t)(blank - (char *)w->in) + 4;
    char *head = strndup((char *)w->in, head_size - 2);
    if (head == NULL)
        return false;
    bool is_taken = true;
    if (strncmp(head, "HTTP/1.", 7) != 0)
        end(w, "not an HTTP response", now);
    else if (w->is_websocket)
        take_upgrade(w, head, head_size, now);
    else
        is_taken = take_response(w, head, head_size, is_eof, now);
    free(head);
    return is_taken;
}

/* ---- in: frames ---- */

static void tell(struct load_wire *w, uint8_t *data, size_t size, mono_us now)
{
    if (w->on_message != NULL) /* detached: nobody listens */
        w->on_message(w->user, data, size, now);
}

static void take_data(struct load_wire *w, bool is_final, const uint8_t *data, size_t size,
                      mono_us now)
{
    size_t capacity = w->message_size;
    if (is_final && w->message == NULL) {
        tell(w, (uint8_t *)data, size, now);
        return;
    }
    if (append(&w->message, &w->message_size, &capacity, data, size, IN_MAX) < 0) {
        end(w, "message too large", now);
        return;
    }
    if (!is_final)
        return;
    tell(w, w->message, w->message_size, now);
    free(w->message);
    w->message = NULL;
    w->message_size = 0;
}

/* The size of the frame at the head of what came, with its head; 0 = not whole yet. */
static size_t frame_size(const struct load_wire *w, size_t *ret_head)
{
    if (w->in_size < 2)
        return 0;
    uint64_t size = w->in[1] & 0x7f;
    *ret_head = size == 126 ? 4 : size == 127 ? 10 : 2;
    if (w->in_size < *ret_head)
        return 0;
    if (size == 126)
        size = get_u16be(w->in + 2);
    else if (size == 127)
        size = (uint64_t)get_u32be(w->in + 2) << 32 | get_u32be(w->in + 6);
    if (size > IN_MAX)
        return SIZE_MAX;
    return w->in_size >= *ret_head + size ? *ret_head + (size_t)size : 0;
}

static bool take_frame(struct load_wire *w, mono_us now)
{
    size_t head = 0, whole = frame_size(w, &head);
    if (whole == 0)
        return false;
    if (whole == SIZE_MAX) {
        end(w, "message too large", now);
        return false;
    }
    unsigned op = w->in[0] & 0x0f;
    uint8_t *data = w->in + head;
    size_t size = whole - head;
    if (op == OP_CLOSE) {
        end(w, "the server closed the connection", now);
        return false;
    }
    if (op == OP_PING) {
        if (send_frame(w, OP_PONG, data, size) == 0)
            flush(w, now);
    } else if (op <= OP_BINARY) {
        take_data(w, (w->in[0] & 0x80) != 0, data, size, now);
    }
    drop_in(w, whole);
    return !w->is_over;
}

/* ---- the socket ---- */

static bool read_some(struct load_wire *w, bool *ret_eof, mono_us now)
{
    uint8_t chunk[READ_SIZE];
    ssize_t n = recv(w->fd.fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    *ret_eof = n == 0;
    if (n < 0 && errno != EAGAIN)
        end(w, strerror(errno), now);
    if (n <= 0)
        return false;
    int err = append(&w->in, &w->in_size, &w->in_capacity, chunk, (size_t)n, IN_MAX + HEAD_MAX);
    if (err == 0 && w->in_size == w->in_capacity)
        err = append(&w->in, &w->in_size, &w->in_capacity, "", 1, IN_MAX + HEAD_MAX + 1);
    else if (err == 0)
        w->in_size++;
    if (err < 0) {
        end(w, err_text(err), now);
        return false;
    }
    w->in_size--; /* a spare byte for a zero */
    return true;
}

static void take_all(struct load_wire *w, bool is_eof, mono_us now)
{
    if (!w->is_open && w->in_size > 0 && !take_head(w, is_eof, now))
        return;
    while (w->is_open && !w->is_over && take_frame(w, now)) {
    }
    if (w->in_size == 0) { /* nothing is kept while it is silent */
        free(w->in);
        w->in = NULL;
        w->in_capacity = 0;
    }
}

static void on_ready(struct load_fd *f, bool is_readable, bool is_writable, mono_us now)
{
    struct load_wire *w = CONTAINER_OF(f, struct load_wire, fd);
    bool is_eof = false;
    w->is_busy = true;
    if (is_writable && !w->is_over)
        flush(w, now);
    while (is_readable && !w->is_over && read_some(w, &is_eof, now))
        take_all(w, false, now);
    if (is_eof && !w->is_over) {
        take_all(w, true, now);
        end(w, "the server closed the connection", now);
    }
    w->is_busy = false;
    if (w->is_doomed)
        release(w);
}

static void on_timeout(struct load_timer *t, mono_us now)
{
    struct load_wire *w = CONTAINER_OF(t, struct load_wire, timer);
    w->is_busy = true;
    end(w, "no answer within 10 s", now);
    w->is_busy = false;
    if (w->is_doomed)
        release(w);
}

/* ---- connecting ---- */

struct place {
    char host[256];
    char port[8];
};

/* "scheme://host:port/…"; only schemes without TLS. */
static int parse_place(const char *url, struct place *ret)
{
    const char *at = strstr(url, "://");
    if (at == NULL || (strncmp(url, "ws://", 5) != 0 && strncmp(url, "http://", 7) != 0))
        return ERR_MALFORMED;
    at += 3;
    size_t length = strcspn(at, "/");
    char text[256];
    if (length == 0 || length >= sizeof(text))
        return ERR_MALFORMED;
    memcpy(text, at, length);
    text[length] = '\0';
    char *colon = strrchr(text, ':');
    bool is_literal_v6 = text[0] == '[';
    if (colon != NULL && (!is_literal_v6 || colon[-1] == ']'))
        *colon = '\0';
    else
        colon = NULL;
    snprintf(ret->port, sizeof(ret->port), "%.7s", colon != NULL ? colon + 1 : "80");
    size_t host_length = strlen(text);
    if (is_literal_v6 && host_length > 2)
        snprintf(ret->host, sizeof(ret->host), "%.*s", (int)host_length - 2, text + 1);
    else
        snprintf(ret->host, sizeof(ret->host), "%s", text);
    return 0;
}

/* The name is looked up once per run. */
static int find_place(const char *url, struct sockaddr_storage *ret_sa, socklen_t *ret_size)
{
    static char known_url[LOAD_TEXT_SIZE];
    static struct sockaddr_storage known_sa;
    static socklen_t known_size;
    if (known_url[0] == '\0' || strcmp(known_url, url) != 0) {
        struct place place;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
        int err = parse_place(url, &place);
        if (err < 0)
            return err;
        if (getaddrinfo(place.host, place.port, &hints, &found) != 0)
            return -EHOSTUNREACH;
        memcpy(&known_sa, found->ai_addr, found->ai_addrlen);
        known_size = found->ai_addrlen;
        freeaddrinfo(found);
        snprintf(known_url, sizeof(known_url), "%s", url);
    }
    *ret_sa = known_sa;
    *ret_size = known_size;
    return 0;
}

int load__wire_resolve(const char *url, struct addr *ret_addr)
{
    struct sockaddr_storage sa;
    socklen_t size = 0;
    int err = find_place(url, &sa, &size);
    if (err == 0)
        sockaddr_to_addr((struct sockaddr *)&sa, ADDR_PROTO_UDP, ret_addr);
    return err;
}

static int open_socket(const struct load_options *o, const char *url, int *ret_fd)
{
    struct sockaddr_storage sa;
    socklen_t size = 0;
    int one = 1, err = find_place(url, &sa, &size);
    if (err < 0)
        return err;
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
    struct sockaddr_in from = {.sin_family = AF_INET};
    if (o->bind.family == ADDR_FAMILY_V4 && sa.ss_family == AF_INET) {
        memcpy(&from.sin_addr, o->bind.ip, 4);
        IGNORE(bind(fd, (struct sockaddr *)&from, sizeof(from))); /* connect() says what is wrong */
    }
    if (connect(fd, (struct sockaddr *)&sa, size) < 0 && errno != EINPROGRESS) {
        err = -errno;
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

static int queue_request(struct load_wire *w, const struct load_wire_config *config)
{
    struct strbuf text;
    uint8_t key[KEY_SIZE];
    char key_text[BASE64_SIZE(KEY_SIZE) + 1];
    const char *host = strstr(config->url, "://") + 3;
    strbuf_init(&text, OUT_MAX);
    strbuf_printf(&text, "%s %s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: tongke-load\r\n",
                  config->method != NULL ? config->method : "GET", config->path,
                  (int)strcspn(host, "/"), host);
    if (config->bearer != NULL)
        strbuf_printf(&text, "Authorization: Bearer %s\r\n", config->bearer);
    if (config->method == NULL) {
        rng_fill(&w->run->rng, key, sizeof(key));
        base64_encode(key, sizeof(key), key_text);
        strbuf_printf(&text,
                      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: %s\r\n",
                      key_text);
        if (config->protocol != NULL)
            strbuf_printf(&text, "Sec-WebSocket-Protocol: %s\r\n", config->protocol);
        strbuf_printf(&text, "\r\n");
    } else {
        strbuf_printf(&text, "Connection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                      config->type != NULL ? config->type : "text/plain",
                      config->body != NULL ? strlen(config->body) : 0);
        if (config->body != NULL)
            strbuf_printf(&text, "%s", config->body);
    }
    int err = text.err;
    if (err == 0)
        err = queue(w, strbuf_text(&text), strlen(strbuf_text(&text)));
    strbuf_fini(&text);
    return err;
}

int load__wire_adopt(const struct load_wire_config *config, int fd, struct load_wire **ret_wire)
{
    struct load_wire *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        close(fd);
        return -ENOMEM;
    }
    *w = (struct load_wire){
        .fd = {.fd = fd, .ready = on_ready},
        .timer = {.fire = on_timeout},
        .run = config->run,
        .user = config->user,
        .on_open = config->on_open,
        .on_message = config->on_message,
        .on_response = config->on_response,
        .on_closed = config->on_closed,
        .is_websocket = config->method == NULL,
        .is_detached = config->is_detached,
    };
    list_push_back(&w->run->wires, &w->in_run);
    int err = queue_request(w, config);
    if (err == 0)
        err = load__io_add(w->run, &w->fd, true);
    if (err < 0) {
        release(w);
        return err;
    }
    load__timer_set(w->run, &w->timer, mono_now() + TIMEOUT);
    *ret_wire = w;
    return 0;
}

int load__wire_create(const struct load_wire_config *config, struct load_wire **ret_wire)
{
    int fd = -1;
    int err = open_socket(config->run->options, config->url, &fd);
    return err == 0 ? load__wire_adopt(config, fd, ret_wire) : err;
}
