/* libFuzzer's entry point for the body that the build names. */
#include "fuzz.h"

int TK_FUZZ_BODY(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return TK_FUZZ_BODY(data, size);
}
