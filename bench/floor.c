/*
 * The floor: the least work that any server has for the same traffic. Receives in batches, decrypts
 * each packet once, encrypts it once per destination, sends runs of equal size as GSO messages with
 * many in one sendmmsg. No signalling, no feedback, no choice of layers, no state but the roll-over
 * counters: keys and addresses follow from the command line. Prints counters on SIGTERM or SIGINT.
 *
 *   floor --listen IP:PORT --dest IP --base-port B --publishers P --subscribers S
 *         --profile gcm|cm [--gallery] [--layer N|all]
 *
 * Publisher p sends from port B-1-p of IP; subscriber k listens on port B+k. SSRC 1000*(p+1) is the
 * publisher's sound, +1, +2, +3 its video layers from low to high (layer 0, 1, 2). With --gallery
 * subscriber k is also publisher k and does not get its own packets.
 */

#include "floor_crypt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define PEERS_MAX     16384
#define STREAMS       4  /* SSRCs of one publisher */
#define RECV_MESSAGES 32 /* of one batch; with GRO each holds up to 64 packets of one sender */
#define RECV_SIZE     65536
#define RECV_PACKETS  (RECV_MESSAGES * 128)
#define SEND_MESSAGES 512
#define SEND_SIZE     (512 * 1024) /* stays in the second level of the cache */
#define RUN_SEGMENTS  64
#define RUN_SIZE_MAX  65000
#define PACKET_MIN    12
#define PACKET_MAX    1500
#define SOCKET_BUFFER (16 << 20)
#define CONTROL_SIZE  CMSG_SPACE(sizeof(int))
#define SEGMENT_SIZE  CMSG_SPACE(sizeof(uint16_t))

struct options {
    struct sockaddr_in listen, dest;
    uint16_t base_port;
    unsigned publishers, subscribers;
    int layer; /* -1 = all */
    bool is_gallery;
};

struct publisher {
    struct floor_crypt *crypt;
    uint64_t index_max[STREAMS]; /* 0 = none yet */
};

struct subscriber {
    struct floor_crypt *crypt;
    struct sockaddr_in to;
};

/* A run of packets to one subscriber that leaves as one message. */
struct run {
    uint8_t *data;
    size_t size, segment, count;
    bool is_closed; /* a shorter packet ends a run */
};

static struct options opt = {.layer = -1};
static struct publisher publishers[PEERS_MAX];
static struct subscriber subscribers[PEERS_MAX];
static int fd;
static volatile sig_atomic_t is_stopped;

static uint8_t recv_data[RECV_MESSAGES][RECV_SIZE];
static struct floor_packet packets[RECV_PACKETS];

static _Alignas(64) uint8_t send_data[SEND_SIZE];
static size_t send_used, send_count;
static struct run runs[SEND_MESSAGES];
static struct mmsghdr send_messages[SEND_MESSAGES];
static struct iovec send_iovs[SEND_MESSAGES];
static _Alignas(8) uint8_t send_controls[SEND_MESSAGES][SEGMENT_SIZE];

static struct {
    uint64_t packets_in, bad_in, recv_calls;
    uint64_t packets_out, bytes_out, messages_out, send_calls, send_errors;
} stats;

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- Out --- */

static void set_message(size_t i)
{
    const struct run *r = &runs[i];
    struct msghdr *m = &send_messages[i].msg_hdr;
    send_iovs[i] = (struct iovec){.iov_base = r->data, .iov_len = r->size};
    m->msg_iov = &send_iovs[i];
    m->msg_iovlen = 1;
    m->msg_control = r->count > 1 ? send_controls[i] : NULL;
    m->msg_controllen = r->count > 1 ? SEGMENT_SIZE : 0;
    if (r->count <= 1)
        return;
    struct cmsghdr *c = (struct cmsghdr *)send_controls[i];
    uint16_t segment = (uint16_t)r->segment;
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(c), &segment, sizeof(segment));
}

static void flush(void)
{
    floor_crypt_flush();
    for (size_t i = 0; i < send_count; i++) {
        set_message(i);
        stats.packets_out += runs[i].count;
        stats.bytes_out += runs[i].size;
    }
    stats.messages_out += send_count;
    for (size_t done = 0; done < send_count;) {
        int n = sendmmsg(fd, send_messages + done, (unsigned)(send_count - done), 0);
        stats.send_calls++;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) { /* the first of them cannot be sent: count it, go on behind it */
            stats.send_errors++;
            n = 1;
        }
        done += (size_t)n;
    }
    send_used = send_count = 0;
}

/* Room for `size` bytes, at the end of the subscriber's run where that is possible. `first` is the
 * first message that belongs to this subscriber. */
static uint8_t *reserve(const struct subscriber *to, size_t *first, size_t size)
{
    if (send_used + size > SEND_SIZE) {
        flush();
        *first = 0;
    }
    struct run *r = send_count > *first ? &runs[send_count - 1] : NULL;
    if (r == NULL || r->is_closed || size > r->segment || r->count == RUN_SEGMENTS ||
        r->size + size > RUN_SIZE_MAX) {
        if (send_count == SEND_MESSAGES) {
            flush();
            *first = 0;
        }
        r = &runs[send_count];
        *r = (struct run){.data = send_data + send_used, .segment = size};
        send_messages[send_count].msg_hdr.msg_name = (void *)&to->to;
        send_messages[send_count].msg_hdr.msg_namelen = sizeof(to->to);
        send_count++;
    }
    uint8_t *at = send_data + send_used;
    send_used += size;
    r->size += size;
    r->count++;
    r->is_closed = size < r->segment;
    return at;
}

static void forward_all(const struct floor_packet *list, size_t count)
{
    size_t tag = floor_crypt_tag_size();
    for (unsigned k = 0; k < opt.subscribers; k++) {
        const struct subscriber *s = &subscribers[k];
        size_t first = send_count;
        for (size_t i = 0; i < count; i++) {
            if (opt.is_gallery && list[i].ssrc / 1000 == k + 1)
                continue;
            uint8_t *out = reserve(s, &first, list[i].size + tag);
            floor_crypt_seal(s->crypt, &list[i], out);
        }
    }
    flush();
}

/* --- In --- */

/* The index that a sequence number most likely means (RFC 3711, 3.3.1). */
static uint64_t index_of(uint64_t max, uint16_t seq)
{
    if (max == 0)
        return seq;
    int16_t ahead = (int16_t)(uint16_t)(seq - (uint16_t)max);
    return ahead < 0 && max < (uint64_t)-ahead ? seq : max + (uint64_t)(int64_t)ahead;
}

static bool parse(uint8_t *data, size_t size, uint16_t port, struct floor_packet *ret)
{
    unsigned p = opt.base_port - 1u - port;
    if (size < PACKET_MIN + floor_crypt_tag_size() || size > PACKET_MAX || data[0] >> 6 != 2 ||
        p >= opt.publishers)
        return false;
    size_t header = 12 + 4 * (size_t)(data[0] & 15);
    if ((data[0] & 0x10) != 0 && header + 4 <= size)
        header += 4 + 4 * (size_t)(data[header + 2] << 8 | data[header + 3]);
    uint32_t ssrc = (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 | (uint32_t)data[10] << 8 |
                    (uint32_t)data[11];
    if (ssrc / 1000 != p + 1 || ssrc % 1000 >= STREAMS || header + floor_crypt_tag_size() > size)
        return false;
    ret->data = data;
    ret->size = (uint16_t)size;
    ret->header_size = (uint16_t)header;
    ret->ssrc = ssrc;
    ret->from = publishers[p].crypt;
    ret->index = index_of(publishers[p].index_max[ssrc % 1000], (uint16_t)(data[2] << 8 | data[3]));
    /* Before the packet is known to be authentic, which only a program without foes may do. */
    if (ret->index > publishers[p].index_max[ssrc % 1000])
        publishers[p].index_max[ssrc % 1000] = ret->index;
    return true;
}

static size_t gro_size(struct msghdr *m, size_t size)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof(segment));
            return (size_t)segment;
        }
    return size;
}

/* One batch of the kernel's; returns the packets in it, not yet decrypted. */
static size_t receive(void)
{
    static struct mmsghdr messages[RECV_MESSAGES];
    static struct iovec iovs[RECV_MESSAGES];
    static struct sockaddr_in from[RECV_MESSAGES];
    static _Alignas(8) uint8_t controls[RECV_MESSAGES][CONTROL_SIZE];
    for (int i = 0; i < RECV_MESSAGES; i++) {
        iovs[i] = (struct iovec){.iov_base = recv_data[i], .iov_len = RECV_SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                              .msg_namelen = sizeof(from[i]),
                                              .msg_iov = &iovs[i],
                                              .msg_iovlen = 1,
                                              .msg_control = controls[i],
                                              .msg_controllen = CONTROL_SIZE};
    }
    int n = recvmmsg(fd, messages, RECV_MESSAGES, MSG_WAITFORONE, NULL);
    if (n < 0 && errno != EINTR)
        die("recvmmsg");
    stats.recv_calls++;
    size_t count = 0;
    for (int i = 0; i < n; i++) {
        size_t size = messages[i].msg_len, segment = gro_size(&messages[i].msg_hdr, size);
        for (size_t at = 0; at < size && count < RECV_PACKETS; at += segment) {
            size_t here = size - at < segment ? size - at : segment;
            stats.packets_in++;
            if (parse(recv_data[i] + at, here, ntohs(from[i].sin_port), &packets[count]))
                count++;
            else
                stats.bad_in++;
        }
    }
    return count;
}

/* Authentic packets of the chosen layer stay. */
static size_t keep_wanted(size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned stream = packets[i].ssrc % 1000;
        if (!packets[i].is_authentic)
            stats.bad_in++;
        else if (opt.layer < 0 || stream == 0 || stream == (unsigned)opt.layer + 1)
            packets[kept++] = packets[i];
    }
    return kept;
}

/* --- Start --- */

static struct sockaddr_in address(const char *text)
{
    char ip[INET_ADDRSTRLEN] = "";
    unsigned port = 0;
    struct sockaddr_in a = {.sin_family = AF_INET};
    if (sscanf(text, "%15[0-9.]:%u", ip, &port) < 1 || port > 65535 ||
        inet_pton(AF_INET, ip, &a.sin_addr) != 1) {
        fprintf(stderr, "floor: %s: an IPv4 address, with :PORT for --listen, is needed\n", text);
        exit(2);
    }
    a.sin_port = htons((uint16_t)port);
    return a;
}

static unsigned number(const char *text, unsigned max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n > max) {
        fprintf(stderr, "floor: %s: a number from 0 to %u is needed\n", text, max);
        exit(2);
    }
    return (unsigned)n;
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {{"listen", required_argument, NULL, 'l'},
                                          {"dest", required_argument, NULL, 'd'},
                                          {"base-port", required_argument, NULL, 'b'},
                                          {"publishers", required_argument, NULL, 'p'},
                                          {"subscribers", required_argument, NULL, 's'},
                                          {"profile", required_argument, NULL, 'c'},
                                          {"gallery", no_argument, NULL, 'g'},
                                          {"layer", required_argument, NULL, 'y'},
                                          {NULL, 0, NULL, 0}};
    bool is_gcm = true;
    int c;
    opt.base_port = 20000;
    opt.publishers = opt.subscribers = 1;
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'l':
            opt.listen = address(optarg);
            break;
        case 'd':
            opt.dest = address(optarg);
            break;
        case 'b':
            opt.base_port = (uint16_t)number(optarg, 65535);
            break;
        case 'p':
            opt.publishers = number(optarg, PEERS_MAX);
            break;
        case 's':
            opt.subscribers = number(optarg, PEERS_MAX);
            break;
        case 'c':
            is_gcm = strcmp(optarg, "gcm") == 0;
            if (!is_gcm && strcmp(optarg, "cm") != 0)
                exit((fprintf(stderr, "floor: --profile gcm or cm\n"), 2));
            break;
        case 'g':
            opt.is_gallery = true;
            break;
        case 'y':
            opt.layer = strcmp(optarg, "all") == 0 ? -1 : (int)number(optarg, 2);
            break;
        default:
            exit(2);
        }
    }
    if (opt.listen.sin_port == 0 || opt.dest.sin_family != AF_INET ||
        opt.base_port + opt.subscribers > 65536 || opt.publishers >= opt.base_port)
        exit((fprintf(stderr, "floor: see the head of bench/floor.c for the options\n"), 2));
    if (!floor_crypt_start(is_gcm))
        exit((fprintf(stderr, "floor: intel-ipsec-mb does not start on this CPU\n"), 1));
}

static void open_socket(void)
{
    int on = 1, size = SOCKET_BUFFER;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&opt.listen, sizeof(opt.listen)) < 0)
        die("socket");
    if (setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) < 0)
        die("UDP_GRO");
    for (int which = SO_RCVBUF, force = SO_RCVBUFFORCE;;
         which = SO_SNDBUF, force = SO_SNDBUFFORCE) {
        if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) < 0 &&
            setsockopt(fd, SOL_SOCKET, which, &size, sizeof(size)) < 0)
            die("socket buffer");
        if (which == SO_SNDBUF)
            break;
    }
}

static void make_peers(void)
{
    for (unsigned p = 0; p < opt.publishers; p++)
        if ((publishers[p].crypt = floor_crypt_create("pub", p)) == NULL)
            die("publisher");
    for (unsigned k = 0; k < opt.subscribers; k++) {
        subscribers[k].to = opt.dest;
        subscribers[k].to.sin_port = htons((uint16_t)(opt.base_port + k));
        if ((subscribers[k].crypt = floor_crypt_create("sub", k)) == NULL)
            die("subscriber");
    }
}

static void on_signal(int number_of_it)
{
    (void)number_of_it;
    is_stopped = 1;
}

static void print_stats(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("{\"packets_in\":%" PRIu64 ",\"bad_in\":%" PRIu64 ",\"recv_calls\":%" PRIu64
           ",\"packets_out\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"messages_out\":%" PRIu64
           ",\"send_calls\":%" PRIu64 ",\"send_errors\":%" PRIu64
           ",\"user_s\":%.3f,\"system_s\":%.3f}\n",
           stats.packets_in, stats.bad_in, stats.recv_calls, stats.packets_out, stats.bytes_out,
           stats.messages_out, stats.send_calls, stats.send_errors,
           (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6,
           (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: it ends recvmmsg */
    read_options(argc, argv);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    make_peers();
    open_socket();
    fprintf(stderr, "floor: ready\n");
    while (!is_stopped) {
        size_t count = receive();
        floor_crypt_open(packets, count);
        forward_all(packets, keep_wanted(count));
    }
    for (unsigned p = 0; p < opt.publishers; p++)
        floor_crypt_destroy(publishers[p].crypt);
    for (unsigned k = 0; k < opt.subscribers; k++)
        floor_crypt_destroy(subscribers[k].crypt);
    print_stats();
    return 0;
}
