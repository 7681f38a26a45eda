/* tests/property/settlement_model.h - the rules of settlement in the plainest form: lists that are searched from their start,
 * no windows, no caches, no tables. Shares no code with settlement/. */
#ifndef GIRO_TESTS_SETTLEMENT_MODEL_H
#define GIRO_TESTS_SETTLEMENT_MODEL_H

#include "unit/settlement_support.h"

#define MEMBERS    6
#define CURRENCIES 3
#define CHANNELS   3 /* of each member that are used, and of the operator */
#define OPERATOR   MEMBERS
#define KNOWN_MAX  (1u << 16)

struct consumed {
    uint16_t owner, channel;
    uint64_t sequence, height;
    uint8_t hash[32];
    uint32_t leaf_index;
};
struct accepted {
    uint16_t sender;
    uint8_t uetr[16];
    uint32_t day;
};
struct model {
    int64_t balance[MEMBERS][CURRENCIES], held[MEMBERS][CURRENCIES], cap[MEMBERS][CURRENCIES],
        hold[MEMBERS][CURRENCIES], position[MEMBERS][CURRENCIES];
    uint64_t entries[MEMBERS][CURRENCIES], position_entries[MEMBERS][CURRENCIES];
    uint8_t account[MEMBERS][CURRENCIES]; /* status, 0 = none */
    bool suspended[MEMBERS];
    bool stopped[MEMBERS + 1][CHANNELS];
    struct consumed consumed[KNOWN_MAX];
    uint32_t consumed_count;
    uint64_t next[MEMBERS + 1][CHANNELS];
    struct accepted accepted[KNOWN_MAX];
    uint32_t accepted_count, accepted_first; /* first: older ones are forgotten */
    uint32_t accepted_segment_start;         /* where the segment being filled began */
    uint32_t segments_max, days_max, day, evictions;
    uint16_t date;
    uint32_t cycle[CURRENCIES], cycle_next, payments[CURRENCIES];
    uint64_t cycle_settled_s[CURRENCIES], first_payment_ns[CURRENCIES];
    uint64_t cycle_seconds, height, time_ns;
    uint32_t leaf_count;
    struct {
        uint32_t count;
        int64_t amount;
    } sent[CURRENCIES][MEMBERS][MEMBERS], settled[CURRENCIES][MEMBERS][MEMBERS];
};

/* model_next is the first sequence that was never consumed. */
uint64_t model_next(struct model *model, uint16_t owner, uint16_t channel);
/* model_block begins a block: cycles whose time has come settle. */
void model_block(struct model *model, uint64_t height, uint64_t time_ns);
/* model_frame is what becomes of a frame; expected->results as its records are executed. */
void model_frame(struct model *model, const struct giro_frame *frame, const struct giro_hash *hash,
                 struct giro_frame_outcome *expected);

#endif
