#ifndef TK_SECURE_SRTP_IMB_H
#define TK_SECURE_SRTP_IMB_H

/*
 * What the back end over intel-ipsec-mb needs per thread: the library's manager, whose
 * multi-buffer lanes one thread at a time may fill, and room for the jobs of one batch. Made when a
 * thread first needs it, wiped and freed when the thread ends.
 */

#include "secure/secure_internal.h"

#include <intel-ipsec-mb.h>

struct sec__imb {
    IMB_MGR *mgr;
    IMB_JOB ctr[2 * SEC__OPS_MAX]; /* what does not change from packet to packet is set */
    IMB_JOB mac[SEC__OPS_MAX];     /* the same */
    uint8_t ivs[SEC__OPS_MAX][SEC__IV_SIZE_MAX];
    uint8_t macs[SEC__OPS_MAX][SHA_DIGEST_LENGTH];
    uint8_t copies[SEC__OPS_MAX][SEC_SRTP_SIZE_MAX + 4]; /* of what must lie in one piece */
};

/* Whether a CPU with these IMB_FEATURE_… has what is needed: instructions for AES and carry-less
 * multiplication, not the library's emulation of them, and code that has passed its own test. */
bool sec__imb_is_enough(uint64_t features);
/* A manager with the best code for this CPU, to be given to free(); NULL when out of memory, or
 * when the CPU has not enough. `flags`: IMB_FLAG_… that hide instructions from the library, 0 else.
 */
IMB_MGR *sec__imb_mgr_create(uint64_t flags);

/* The calling thread's; NULL when out of memory, or when the CPU has no AES instructions. */
struct sec__imb *sec__imb_thread(void);

#endif
