/* fuzz: sdp */
/*
 * Any bytes as a fragment of ICE: what parses keeps its bounds, and printed as ours it reads back.
 */
#include "fuzz.h"

#include "base/strbuf.h"
#include "sdp/frag.h"
#include "sdp/negotiate.h"

#include <stdlib.h>
#include <string.h>

TK_FUZZ_DECLARE(sdp_frag);

static void check_read_back(const struct sdp_frag *frag)
{
    struct addr candidates[SDP_CANDIDATES_MAX];
    struct sdp_frag again;
    struct strbuf text;
    for (size_t i = 0; i < frag->candidate_count; i++)
        candidates[i] = frag->candidates[i].addr;
    const struct sdp_local local = {.ufrag = frag->ufrag,
                                    .pwd = frag->pwd,
                                    .fingerprint_sha256 = "",
                                    .candidates = candidates,
                                    .candidate_count = frag->candidate_count,
                                    .is_ice_lite = true};
    strbuf_init(&text, SDP_FRAG_TEXT_MAX);
    if (sdp_frag_print(&local, SDP_KIND_AUDIO, frag->mid, &text) < 0 ||
        sdp_frag_parse(text.data, text.size, &again, NULL) < 0 ||
        strcmp(again.ufrag, frag->ufrag) != 0 || strcmp(again.pwd, frag->pwd) != 0 ||
        strcmp(again.mid, frag->mid) != 0 || again.candidate_count != frag->candidate_count)
        abort();
    strbuf_fini(&text);
}

int tk_fuzz_sdp_frag(const uint8_t *data, size_t size)
{
    struct sdp_frag frag;
    if (sdp_frag_parse((const char *)data, size, &frag, NULL) < 0)
        return 0;
    if (frag.candidate_count > SDP_CANDIDATES_MAX)
        abort();
    if (frag.ufrag[0] != '\0') /* without credentials there is nothing to print */
        check_read_back(&frag);
    return 0;
}
