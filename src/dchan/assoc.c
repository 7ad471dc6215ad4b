/* One association: its socket in usrsctp, packets in and out. */
#include "base/err.h"
#include "dchan/dchan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RTO_FIRST_MS 500
#define RTO_MIN_MS   250
#define RTO_MAX_MS   3000
#define RETRANSMITS_MAX                                                      \
    30 /* at RTO_MAX_MS more than a minute: a line that is cut may come back \
        */

struct packet {
    struct list link;
    size_t size;
    uint8_t data[];
};

int dchan__assoc_output(void *address, void *data, size_t size, uint8_t tos, uint8_t set_df)
{
    (void)tos;
    (void)set_df;
    struct dchan_assoc *a = dchan__global_find((uintptr_t)address);
    if (a == NULL)
        return 0;
    dchan__global_packet(data, size);
    bool has_room = size <= DCHAN_PACKET_MAX && a->packet_count < DCHAN_PACKETS_MAX;
    struct packet *p = has_room ? malloc(sizeof(*p) + size) : NULL;
    if (p == NULL) {
        a->stats.packet_drops++; /* SCTP sends it again */
        return 0;
    }
    p->size = size;
    memcpy(p->data, data, size);
    list_push_back(&a->packets, &p->link);
    a->packet_count++;
    dchan__global_mark_ready(a);
    return 0;
}

/* From usrsctp: there is something to read. */
static void readable(struct socket *so, void *arg, int flags)
{
    (void)so;
    (void)flags;
    struct dchan_assoc *a = dchan__global_find((uintptr_t)arg);
    if (a != NULL)
        dchan__global_mark_ready(a);
}

static struct sockaddr_conn address_of(const struct dchan_assoc *a)
{
    struct sockaddr_conn sconn;
    memset(&sconn, 0, sizeof(sconn));
    sconn.sconn_family = AF_CONN;
    sconn.sconn_port = htons(DCHAN__PORT);
    sconn.sconn_addr = (void *)a->id;
    return sconn;
}

static bool set_option(struct dchan_assoc *a, int level, int name, const void *value, size_t size)
{
    return usrsctp_setsockopt(a->so, level, name, value, (socklen_t)size) == 0;
}

static bool subscribe(struct dchan_assoc *a)
{
    static const uint16_t kinds[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_on = 1, .se_type = kinds[i]};
        if (!set_option(a, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof(event)))
            return false;
    }
    return true;
}

static bool set_options(struct dchan_assoc *a)
{
    const int on = 1, receive_buffer = DCHAN__RECEIVE_BUFFER;
    struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* close at once, with an ABORT */
    struct sctp_assoc_value reset = {.assoc_id = SCTP_ALL_ASSOC,
                                     .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
    struct sctp_initmsg streams = {.sinit_num_ostreams = DCHAN_STREAMS_MAX,
                                   .sinit_max_instreams = DCHAN_STREAMS_MAX};
    struct sctp_rtoinfo rto = {
        .srto_initial = RTO_FIRST_MS, .srto_max = RTO_MAX_MS, .srto_min = RTO_MIN_MS};
    struct sctp_assocparams params = {.sasoc_asocmaxrxt = RETRANSMITS_MAX};
    struct sctp_paddrparams path = {
        .spp_flags = SPP_HB_DISABLE | SPP_PMTUD_DISABLE, /* ICE looks after the path */
        .spp_pathmtu = (DCHAN_PACKET_MAX - DCHAN__SCTP_HEADER_SIZE) & ~3u, /* without the header */
        .spp_pathmaxrxt = RETRANSMITS_MAX,
    };
    path.spp_address.ss_family = AF_CONN;
    return set_option(a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) &&
           set_option(a, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)) &&
           set_option(a, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on)) &&
           set_option(a, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof(on)) &&
           set_option(a, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof(reset)) &&
           set_option(a, IPPROTO_SCTP, SCTP_INITMSG, &streams, sizeof(streams)) &&
           set_option(a, IPPROTO_SCTP, SCTP_RTOINFO, &rto, sizeof(rto)) &&
           set_option(a, IPPROTO_SCTP, SCTP_ASSOCINFO, &params, sizeof(params)) &&
           set_option(a, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path)) && subscribe(a);
}

static void socket_close(struct dchan_assoc *a)
{
    if (a->so == NULL)
        return;
    usrsctp_close(a->so);
    usrsctp_deregister_address((void *)a->id);
    a->so = NULL;
}

static int socket_open(struct dchan_assoc *a)
{
    struct sockaddr_conn local = address_of(a);
    a->so = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (a->so == NULL)
        return ERR_DCHAN_SCTP;
    usrsctp_register_address((void *)a->id);
    if (usrsctp_set_non_blocking(a->so, 1) != 0 || !set_options(a) ||
        usrsctp_set_upcall(a->so, readable, (void *)a->id) != 0 ||
        usrsctp_bind(a->so, (struct sockaddr *)&local, sizeof(local)) != 0)
        return ERR_DCHAN_SCTP;
    return 0;
}

int dchan_assoc_create(const struct dchan_config *config, struct dchan_assoc **ret_assoc)
{
    struct dchan_assoc *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return -ENOMEM;
    a->user = config->user;
    a->is_dtls_client = config->is_dtls_client;
    a->streams_out = DCHAN_STREAMS_MAX;
    list_init(&a->packets);
    for (int queue = 0; queue < DCHAN__QUEUE_COUNT_; queue++)
        list_init(&a->queues[queue]);
    int err = dchan__global_add(a);
    if (err < 0) {
        free(a);
        return err;
    }
    *ret_assoc = a;
    return 0;
}

void dchan_assoc_destroy(struct dchan_assoc *a)
{
    if (a == NULL)
        return;
    dchan__global_remove(a); /* first: from here on usrsctp cannot reach us */
    socket_close(a);
    for (struct list *item; (item = list_pop_front(&a->packets)) != NULL;)
        free(CONTAINER_OF(item, struct packet, link));
    dchan__send_free_all(a);
    dchan__channel_free_all(a);
    free(a->in);
    free(a);
}

int dchan_assoc_start(struct dchan_assoc *a)
{
    struct sockaddr_conn remote = address_of(a);
    if (a->is_started)
        return 0;
    if (a->so == NULL) {
        int err = socket_open(a);
        if (err < 0) {
            socket_close(a); /* what was done of it: the next call tries again */
            return err;
        }
    }
    if (usrsctp_connect(a->so, (struct sockaddr *)&remote, sizeof(remote)) != 0 &&
        errno != EINPROGRESS)
        return ERR_DCHAN_SCTP;
    a->is_started = true;
    return 0;
}

int dchan_assoc_handle_packet(struct dchan_assoc *a, const uint8_t *data, size_t size)
{
    if (a->is_over)
        return ERR_STATE;
    if (size < DCHAN__SCTP_HEADER_SIZE || size > DCHAN__PACKET_IN_MAX)
        return ERR_MALFORMED;
    int err = dchan_assoc_start(a); /* the other side may be up first */
    if (err < 0)
        return err;
    dchan__global_packet(data, size);
    usrsctp_conninput((void *)a->id, data, size, 0);
    dchan__send_pump(a);
    return 0;
}

int dchan_assoc_poll_transmit(struct dchan_assoc *a, uint8_t *dst, size_t dst_size)
{
    if (list_is_empty(&a->packets))
        return 0;
    struct packet *p = CONTAINER_OF(a->packets.next, struct packet, link);
    if (dst_size < p->size)
        return ERR_NO_SPACE;
    int size = (int)p->size;
    memcpy(dst, p->data, p->size);
    list_remove(&p->link);
    a->packet_count--;
    free(p);
    return size;
}

void *dchan_assoc_user(const struct dchan_assoc *a)
{
    return a->user;
}

bool dchan_assoc_is_up(const struct dchan_assoc *a)
{
    return a->is_up;
}

void dchan_assoc_stats(const struct dchan_assoc *a, struct dchan_stats *ret_stats)
{
    *ret_stats = a->stats;
}
