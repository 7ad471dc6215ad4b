#ifndef TK_SERVER_SERVER_H
#define TK_SERVER_SERVER_H

/*
 * The server put together: workers, signalling, HTTP, lessons; the control loop and the shutdown.
 */

#include "base/attrs.h"
#include "server/config.h"

/*
 * Runs until SIGINT or SIGTERM, then closes everything in order. Returns 0, or an exit code with a
 * message on standard error that names what failed and what to do. Blocks; the calling thread is
 * the control thread.
 */
MUST_CHECK int server_run(const struct config *config);

#endif
