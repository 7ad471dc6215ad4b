/* Which implementation of the transforms the process uses. */
#include "base/err.h"
#include "secure/secure_internal.h"

#include <stdatomic.h>
#include <string.h>

/* The best one first. */
static const struct sec__backend *const backends[] = {
#ifdef TK_HAVE_IPSEC_MB
    &sec__backend_imb,
#endif
    &sec__backend_evp,
};

static const struct sec__backend *_Atomic chosen;
static atomic_size_t holders; /* contexts alive */

int sec_srtp_select_backend(const char *name)
{
    bool is_auto = strcmp(name, SEC_SRTP_BACKEND_AUTO) == 0;
    if (atomic_load(&holders) > 0)
        return ERR_STATE;
    for (size_t i = 0; i < ARRAY_COUNT(backends); i++) {
        if ((is_auto || strcmp(name, backends[i]->name) == 0) && backends[i]->is_usable()) {
            atomic_store(&chosen, backends[i]);
            return 0;
        }
    }
    return ERR_SEC_BACKEND;
}

const struct sec__backend *sec__backend(void)
{
    const struct sec__backend *b = atomic_load_explicit(&chosen, memory_order_acquire);
    if (b == NULL) {
        IGNORE(sec_srtp_select_backend(SEC_SRTP_BACKEND_AUTO)); /* the last row always is usable */
        b = atomic_load(&chosen);
    }
    return b;
}

const char *sec_srtp_backend_name(void)
{
    return sec__backend()->name;
}

void sec__backend_hold(void)
{
    (void)sec__backend(); /* made before it is held */
    atomic_fetch_add(&holders, 1);
}

void sec__backend_release(void)
{
    atomic_fetch_sub(&holders, 1);
}
