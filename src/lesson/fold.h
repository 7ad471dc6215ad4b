#ifndef TK_LESSON_FOLD_H
#define TK_LESSON_FOLD_H

/*
 * The state of a lesson as a fold over its log: apply every event in order, ignore what is not new.
 * The same fold in TypeScript is web/src/core/lesson/fold.ts; tests/vectors/lesson keeps the two
 * equal. Sans-IO; one thread per state.
 */

#include "base/hash.h"
#include "lesson/event.h"

struct lesson_site {
    char identity[LESSON_TEXT_SIZE];
    char name[LESSON_TEXT_SIZE], school[LESSON_TEXT_SIZE];
    enum lesson_role role;
    bool is_online;
    bool is_on_stage;
    bool has_floor;
    uint64_t hand_seq; /* 0: the hand is down */
};

struct lesson_state {
    uint64_t seq; /* of the last event folded; 0 = none */
    bool is_opened;
    bool is_ended;
    char title[LESSON_TEXT_SIZE];
    enum lesson_kind kind;
    struct lesson_site *stage[LESSON_STAGE_MAX]; /* in the order of coming up */
    size_t stage_count;
    size_t floor_count;
    struct strmap sites; /* identity -> lesson_site, owned */
};

/* `seed` protects the table of sites against chosen names. */
void lesson_state_init(struct lesson_state *s, uint64_t seed);
void lesson_state_fini(struct lesson_state *s);

/*
 * Folds one event in. 1 = something changed, 0 = nothing did (an old seq, an unknown site or type,
 * an ended lesson), -ENOMEM or ERR_LIMIT when a site could not be stored.
 */
MUST_CHECK int lesson_state_apply(struct lesson_state *s, const struct lesson_event *e);

/* NULL if the site never joined. */
struct lesson_site *lesson_state_site(const struct lesson_state *s, const char *identity);

#endif
