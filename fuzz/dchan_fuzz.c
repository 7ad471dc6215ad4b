/* fuzz: dchan base */
/*
 * Data channels: two associations that are up; the input sends messages of any kind and size (DCEP
 * among them), and damages SCTP packets under a checksum that is made right again. The same bytes
 * also go to the DCEP parser.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "dchan/dchan_internal.h"

#include <stdlib.h>

#define STEPS_MAX   64
#define ROUNDS_MAX  20
#define CHECKSUM_AT 8 /* RFC 9260, 3.1 */

TK_FUZZ_DECLARE(dchan);

static mono_us now;

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

/* CRC-32C, least significant bit first (RFC 9260, appendix A). */
static void checksum_set(uint8_t *packet, size_t size)
{
    uint32_t crc = UINT32_MAX;
    memset(packet + CHECKSUM_AT, 0, 4);
    for (size_t i = 0; i < size; i++) {
        crc ^= packet[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++)
        packet[CHECKSUM_AT + i] = (uint8_t)(crc >> 8 * i);
}

static void poll_events(struct dchan_assoc *a)
{
    struct dchan_event e;
    while (dchan_assoc_poll_event(a, &e) > 0) {
        must(e.stream < DCHAN_STREAMS_MAX);
        must(e.kind != DCHAN_EVENT_OPEN || strlen(e.label) < DCHAN_LABEL_SIZE);
        must(e.kind != DCHAN_EVENT_MESSAGE || e.size <= DCHAN_MESSAGE_MAX);
    }
}

/* Hands over all that waits; `at` and `flip` damage the first packet. */
static void exchange(struct dchan_assoc *ends[2], uint16_t at, uint8_t flip)
{
    uint8_t data[DCHAN_PACKET_MAX];
    for (int round = 0; round < ROUNDS_MAX; round++) {
        for (int i = 0; i < 2; i++) {
            for (int n; (n = dchan_assoc_poll_transmit(ends[i], data, sizeof(data))) > 0;) {
                if (flip != 0) {
                    data[at % n] ^= flip;
                    checksum_set(data, (size_t)n);
                    flip = 0;
                }
                IGNORE(dchan_assoc_handle_packet(ends[1 - i], data, (size_t)n)); /* may be over */
                poll_events(ends[1 - i]);
            }
        }
    }
}

static void send_any(struct dchan_assoc *a, uint8_t stream, uint32_t ppid, struct rd *r)
{
    size_t size = TK_MIN(rd_u16be(r), rd_left(r));
    const uint8_t *data = rd_bytes(r, size);
    struct dchan__channel *channel = dchan__channel_find(a, stream);
    enum dchan__dcep_kind kind;
    struct dchan__open open;
    if (data == NULL || size == 0)
        return;
    IGNORE(dchan__dcep_parse(data, size, &kind, &open)); /* only no harm */
    if (channel != NULL && !a->is_over)
        IGNORE(dchan__send_push(a, DCHAN__QUEUE_CONTROL, channel, ppid, data, size)); /* full */
    dchan__send_pump(a);
}

static void run(struct dchan_assoc *ends[2], struct rd *r)
{
    uint16_t stream;
    for (int i = 0; i < STEPS_MAX && rd_left(r) > 0; i++) {
        uint8_t op = rd_u8(r), arg = rd_u8(r);
        struct dchan_assoc *a = ends[op >> 7];
        switch (op & 7) {
        case 0:
            IGNORE(dchan_assoc_open(a, "fuzz", (arg & 1) != 0, arg % 5 - 1, &stream)); /* full */
            break;
        case 1:
            send_any(a, arg, DCHAN_PPID_DCEP, r);
            break;
        case 2:
            send_any(a, arg, rd_u8(r), r);
            break;
        case 3:
            IGNORE(dchan_assoc_close(a, arg)); /* often there is none */
            break;
        case 4:
            dchan_global_handle_timers(now += MONO_MS(10 * arg));
            break;
        case 5:
            exchange(ends, rd_u16be(r), arg);
            break;
        default:
            IGNORE(dchan_assoc_send(a, arg, false, r->at, rd_left(r))); /* often no channel */
            break;
        }
    }
    exchange(ends, 0, 0);
}

int tk_fuzz_dchan(const uint8_t *data, size_t size)
{
    static bool is_initialised;
    struct rd r = rd_init(data, size);
    struct dchan_assoc *ends[2];
    if (!is_initialised)
        must(dchan_global_init() == 0);
    is_initialised = true;
    for (int i = 0; i < 2; i++) {
        struct dchan_config config = {.is_dtls_client = i == 0};
        must(dchan_assoc_create(&config, &ends[i]) == 0);
    }
    must(dchan_assoc_start(ends[0]) == 0);
    exchange(ends, 0, 0);
    must(dchan_assoc_is_up(ends[0]) && dchan_assoc_is_up(ends[1]));
    run(ends, &r);
    for (int i = 0; i < 2; i++)
        dchan_assoc_destroy(ends[i]);
    for (int i = 0; i < ROUNDS_MAX; i++) /* usrsctp lets go of them by timer */
        dchan_global_handle_timers(now += MONO_MS(DCHAN_TICK_MS));
    return 0;
}
