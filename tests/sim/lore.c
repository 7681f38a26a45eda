/* What traitors have seen: the last certificates and messages of anybody. A traitor sees what is public; it has only its own
 * keys. */
#include <stdlib.h>

#include "sim/node.h"

void sim_traitors_open(struct sim_world *world)
{
    world->nodes->lore = sim_memory(calloc(1, sizeof(*world->nodes->lore)));
    world->nodes->lore->slow_ns =
        sim_fault_between(world, SIM_FAULT_SLOW_LEADER, 10 * SIM_MS, 60 * SIM_MS);
}

void sim_traitors_close(struct sim_world *world)
{
    if (world->nodes->lore == NULL)
        return;
    for (uint32_t i = 0; i < SIM_LORE_MESSAGES; i++)
        free(world->nodes->lore->messages[i].bytes);
    free(world->nodes->lore);
}

void sim_lore_note(struct sim_world *world, const struct giro_qc *qc, const struct giro_tc *tc)
{
    struct sim_lore *lore = world->nodes->lore;
    if (lore == NULL)
        return;
    const struct giro_qc *last_qc = &lore->qcs[(lore->qc_count - 1) % SIM_LORE_QCS];
    const struct giro_tc *last_tc = &lore->tcs[(lore->tc_count - 1) % SIM_LORE_TCS];
    if (qc != NULL && qc->header.round > 0 &&
        (lore->qc_count == 0 || last_qc->header.round != qc->header.round))
        lore->qcs[lore->qc_count++ % SIM_LORE_QCS] = *qc;
    if (tc != NULL && (lore->tc_count == 0 || last_tc->header.round != tc->header.round))
        lore->tcs[lore->tc_count++ % SIM_LORE_TCS] = *tc;
}

void sim_lore_message(struct sim_world *world, uint16_t body_kind, const uint8_t *body,
                      uint32_t body_bytes)
{
    struct sim_lore *lore = world->nodes->lore;
    if (lore == NULL || body_bytes > SIM_LORE_BYTES_MAX || !sim_fault_on(world, SIM_FAULT_REPLAY) ||
        sim_fault_between(world, SIM_FAULT_REPLAY, 0, 7) != 0)
        return;
    uint32_t at = lore->message_count++ % SIM_LORE_MESSAGES;
    free(lore->messages[at].bytes);
    lore->messages[at].bytes = sim_memory(malloc(body_bytes + 1));
    memcpy(lore->messages[at].bytes, body, body_bytes);
    lore->messages[at].size_bytes = body_bytes;
    lore->messages[at].kind = body_kind;
}
