/* fuzz: load */
/* What a server may send to the load generator's signalling client, cut anywhere: the first byte
 * says HTTP or WebSocket, the second how large the pieces are. */
#include "fuzz.h"
#include "load/load_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TK_FUZZ_DECLARE(wire);

static unsigned closed;

static void on_message(void *user, uint8_t *data, size_t size, mono_us now)
{
    (void)user;
    (void)now;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + data[i]);
}

static void on_response(void *user, unsigned status, const char *location, char *body, mono_us now)
{
    (void)user;
    (void)status;
    (void)now;
    if (strlen(location) > LOAD_TEXT_SIZE || strlen(body) > (2u << 20))
        abort();
}

static void on_closed(void *user, const char *why, mono_us now)
{
    (void)user;
    (void)why;
    (void)now;
    closed++;
}

static struct load_run *make_run(void)
{
    static struct load_options options;
    struct load_run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        abort();
    options = load_options_default();
    run->options = &options;
    timers_init(&run->timers);
    list_init(&run->wires);
    rng_init_seeded(&run->rng, 1);
    if (load__io_init(&run->io) < 0)
        abort();
    return run;
}

int tk_fuzz_wire(const uint8_t *data, size_t size)
{
    static struct load_run *run;
    struct load_wire *wire = NULL;
    int fds[2];
    if (run == NULL)
        run = make_run();
    if (size < 2 || size > 32768 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        return 0;
    struct load_wire_config config = {.run = run,
                                      .url = "ws://h:1",
                                      .path = "/",
                                      .method = (data[0] & 1) != 0 ? "POST" : NULL,
                                      .on_message = on_message,
                                      .on_response = on_response,
                                      .on_closed = on_closed};
    closed = 0;
    if (load__wire_adopt(&config, fds[0], &wire) < 0)
        abort();
    size_t piece = 1 + (size_t)data[1] * 4;
    for (size_t at = 2; at < size; at += piece) {
        if (send(fds[1], data + at, TK_MIN(piece, size - at), MSG_NOSIGNAL) < 0)
            break;
        load__io_wait(run, 0);
    }
    close(fds[1]);
    load__io_wait(run, 0);
    load__io_wait(run, 0);
    if (closed != 1)
        abort();
    load__wire_destroy(wire);
    return 0;
}
