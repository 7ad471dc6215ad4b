#ifndef TK_SIGNAL_RPC_H
#define TK_SIGNAL_RPC_H

/* Calls of the server API that a participant answers; see rpc.c. Control thread only. */

#include "signal/twirp_internal.h"

void signal__rpcs_init(struct signal *s);
void signal__rpcs_fini(struct signal *s);
void signal__rpcs_tick(struct signal *s);

/* The method PerformRpc: TWIRP_PENDING and a ticket in the reply. */
enum twirp_code signal__rpc_perform(struct twirp_call *call);

/* A DataPacket from a participant's reliable channel: true if it answers a call of ours. */
bool signal__rpc_receive(struct signal_participant *p, const uint8_t *data, size_t size);

#endif
