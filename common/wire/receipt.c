/* Receipts: what a replica answers to a member, and what a member must not trust blindly. */
#include "decode.h"

#define OUTCOME_LAST GIRO_OUTCOME_REFUSED
#define STATUS_LAST  GIRO_STATUS_ACCC
#define REASON_LAST  GIRO_REASON_NARR

static enum giro_reject runs_check(const uint8_t *runs, uint32_t run_count)
{
    uint32_t record_count = 0;
    for (uint32_t i = 0; i < run_count; i++) {
        struct giro_receipt_run run;
        memcpy(&run, runs + i * sizeof(run), sizeof(run));
        WIRE_REQUIRE(run.reserved == 0 && run.result.flags == 0, RESERVED);
        WIRE_REQUIRE(run.count >= 1, COUNT);
        WIRE_REQUIRE(run.result.status <= STATUS_LAST, FIELD);
        WIRE_REQUIRE(run.result.reason <= REASON_LAST, FIELD);
        record_count += run.count;
    }
    WIRE_REQUIRE(record_count <= GIRO_FRAME_RECORDS_MAX, COUNT);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_receipt_next(struct giro_reader *reader, struct giro_receipt_item *item,
                                   const uint8_t **runs)
{
    WIRE_TRY(wire_copy(reader, item, sizeof(*item)));
    WIRE_REQUIRE(wire_is_zero(item->reserved, sizeof(item->reserved)), RESERVED);
    WIRE_REQUIRE(item->channel < GIRO_CHANNELS_MAX, CHANNEL);
    WIRE_REQUIRE(item->level >= GIRO_LEVEL_RECEIVED && item->level <= GIRO_LEVEL_CERTIFIED, FIELD);
    WIRE_REQUIRE(item->outcome <= OUTCOME_LAST, FIELD);
    WIRE_REQUIRE(item->run_count <= GIRO_FRAME_RECORDS_MAX, COUNT);
    WIRE_REQUIRE(item->run_count == 0 || item->level == GIRO_LEVEL_CERTIFIED, COUNT);
    const uint8_t *const start =
        giro_reader_take(reader, item->run_count * sizeof(struct giro_receipt_run));
    WIRE_REQUIRE(start != NULL, TRUNCATED);
    WIRE_TRY(runs_check(start, item->run_count));
    *runs = start;
    return GIRO_REJECT_NONE;
}
