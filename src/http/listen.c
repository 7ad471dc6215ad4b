#include "base/err.h"
#include "base/log.h"
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG      512
#define ACCEPT_BURST 64

union sockaddr_any {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Fills the socket address of an IP literal. ERR_HTTP_BIND. */
static int parse_bind(const char *text, uint16_t port, union sockaddr_any *ret_addr,
                      socklen_t *ret_size)
{
    union sockaddr_any addr;
    memset(&addr, 0, sizeof(addr));
    if (inet_pton(AF_INET, text, &addr.v4.sin_addr) == 1) {
        addr.v4.sin_family = AF_INET;
        addr.v4.sin_port = htons(port);
        *ret_size = sizeof(addr.v4);
    } else if (inet_pton(AF_INET6, text, &addr.v6.sin6_addr) == 1) {
        addr.v6.sin6_family = AF_INET6;
        addr.v6.sin6_port = htons(port);
        *ret_size = sizeof(addr.v6);
    } else {
        return ERR_HTTP_BIND;
    }
    *ret_addr = addr;
    return 0;
}

static int open_listener(const union sockaddr_any *addr, socklen_t size, bool is_dual)
{
    int on = 1, v6only = is_dual ? 0 : 1;
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (addr->sa.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) != 0) ||
        bind(fd, &addr->sa, size) != 0 || listen(fd, BACKLOG) != 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

static int bound_port(int fd, uint16_t *ret_port)
{
    union sockaddr_any addr;
    socklen_t size = sizeof(addr);
    if (getsockname(fd, &addr.sa, &size) != 0)
        return -errno;
    *ret_port = ntohs(addr.sa.sa_family == AF_INET6 ? addr.v6.sin6_port : addr.v4.sin_port);
    return 0;
}

static int add_listener(struct http_server *h, const char *text, bool is_dual)
{
    union sockaddr_any addr;
    socklen_t size;
    int rc = parse_bind(text, h->port, &addr, &size);
    if (rc != 0) {
        LOG_ERROR("http", "bind_refused", "address=%s reason=not_an_ip_address", text);
        return rc;
    }
    int fd = open_listener(&addr, size, is_dual);
    if (fd < 0)
        return fd;
    h->listeners[h->listener_count++] = fd;
    return h->port == 0 ? bound_port(fd, &h->port) : 0;
}

int http__listen(struct http_server *h, const struct http_config *config)
{
    int rc = 0;
    h->port = config->port;
    if (config->bind_count > HTTP_BIND_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < config->bind_count && rc == 0; i++)
        rc = add_listener(h, config->bind[i], false);
    if (config->bind_count == 0) {
        rc = add_listener(h, "::", true);
        if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
            rc = add_listener(h, "0.0.0.0", false); /* a machine without IPv6 */
    }
    if (rc != 0)
        LOG_ERROR("http", "listen_failed", "port=%u reason=\"%s\"", config->port, err_text(rc));
    return rc;
}

/* Hands an accepted socket to libwebsockets, with its connection attached. Where that fails, the
 * library has closed the socket, and may have ended the connection by its destroy callback. */
static void adopt(struct http_server *h, int fd)
{
    int on = 1;
    struct http__conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        close(fd);
        return;
    }
    IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))); /* only a matter of speed */
    conn->server = h;
    conn->fd = fd;
    list_init(&conn->wanting);
    list_push_back(&h->conns, &conn->link);
    h->conn_count++;
    lws_adopt_desc_t info = {.vh = h->vhost,
                             .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
                             .fd.sockfd = fd,
                             .opaque = conn};
    struct lws *wsi = lws_adopt_descriptor_vhost_via_info(&info);
    if (conn->is_ended)
        return;
    if (wsi == NULL) {
        h->conn_count--;
        http__loop_end(&h->loop, conn);
        return;
    }
    conn->wsi = wsi;
    if (http__loop_add(&h->loop, conn) != 0)
        lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
}

void http__accept(struct http_server *h, int listener)
{
    for (int i = 0; i < ACCEPT_BURST; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (h->conn_count >= h->config.connection_count_max) {
            h->stats.over_limit++;
            close(fd);
            continue;
        }
        adopt(h, fd);
    }
}
