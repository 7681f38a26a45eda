/* Where the hub stands in a channel. One replica may lie, another may be behind: the highest number that f + 1 replicas name is what
 * an honest one has used, and of what q have executed, f + 1 of any q know. */
#include "member/courier_internal.h"

#define ANSWERS_NS (2 * GIRO_NS_PER_S) /* those that are up have answered by then */

/* GIRO_NONE: the free one. */
static struct stand *stand_of(const struct giro_courier *courier, uint32_t slot)
{
    for (uint32_t i = 0; i < QUESTIONS_MAX; i++)
        if (courier->stands[i].flight == slot)
            return &courier->stands[i];
    return NULL;
}

enum giro_err giro_courier_channel(struct giro_courier *courier, uint16_t member, uint16_t channel,
                                   uint64_t tag, const struct giro_courier_time *time)
{
    struct flight *flight;
    if (member >= courier->options.genesis->member_count || !courier->members[member].known ||
        channel >= GIRO_CHANNELS_MAX)
        return GIRO_ERR_ARGUMENT;
    if (courier->questions >= QUESTIONS_MAX)
        return GIRO_ERR_FULL;
    courier->now = *time;
    GIRO_TRY(
        giro_flight_begin(courier, member, (uint16_t)(GIRO_CHANNELS_MAX + channel), 0, &flight));
    struct stand *stand = stand_of(courier, GIRO_NONE);
    GIRO_ASSERT(stand != NULL);
    *stand = (struct stand){.flight = slot_of(courier, flight)};
    courier->questions++;
    courier->stats.questions++;
    flight->tag = tag;
    flight->state = FLIGHT_CHANNEL;
    flight->first_sent_ns = flight->due_ns = now_of(courier);
    return GIRO_ERR_OK;
}

/* The highest that f + 1 replicas name. */
static uint64_t highest(const struct giro_courier *courier, const struct stand *stand)
{
    uint64_t most = 0;
    for (uint16_t r = 0; r < courier->replica_count; r++) {
        uint32_t as_high = 0;
        for (uint16_t other = 0; other < courier->replica_count; other++)
            as_high += replica_has(stand->told_by, other) && stand->next[other] >= stand->next[r];
        if (replica_has(stand->told_by, r) && as_high > courier->f && stand->next[r] > most)
            most = stand->next[r];
    }
    return most;
}

/* False: more answers are waited for. */
static bool stand_tell(struct giro_courier *courier, struct flight *flight, struct stand *stand)
{
    const uint32_t answers = replicas_in(stand->told_by);
    const bool late = now_of(courier) - flight->first_sent_ns >= ANSWERS_NS;
    if (answers < (late ? courier->replica_count - courier->f : courier->replica_count))
        return false;
    struct giro_courier_told told = {.kind = GIRO_TOLD_CHANNEL,
                                     .final = true,
                                     .tag = flight->tag,
                                     .member = flight->member,
                                     .item = {.channel = flight->channel % GIRO_CHANNELS_MAX,
                                              .sequence = highest(courier, stand)}};
    stand->flight = GIRO_NONE;
    courier->options.told(courier->options.context, &told);
    giro_flight_end(courier, flight);
    return true;
}

void giro_flight_stand(struct giro_courier *courier, const struct peer *peer,
                       const struct giro_session_block *block)
{
    struct giro_session_channel answer;
    memcpy(&answer, block->bytes, sizeof(answer));
    struct flight *flight =
        giro_flight_find(courier, peer->member, (uint16_t)(GIRO_CHANNELS_MAX + answer.channel), 0);
    if (flight == NULL) {
        courier->stats.receipts_ignored++;
        return;
    }
    struct stand *stand = stand_of(courier, slot_of(courier, flight));
    replica_add(stand->told_by, peer->replica);
    if (answer.frontier > stand->next[peer->replica])
        stand->next[peer->replica] = answer.frontier;
    (void)stand_tell(courier, flight, stand);
}

void giro_flight_stand_ask(struct giro_courier *courier, struct flight *flight)
{
    struct stand *stand = stand_of(courier, slot_of(courier, flight));
    if (stand_tell(courier, flight, stand))
        return;
    for (uint32_t r = 0; r < courier->replica_count; r++)
        if (!replica_has(stand->told_by, (uint16_t)r))
            giro_flight_send(courier, flight, (uint16_t)r, ERRAND_CHANNEL);
}
