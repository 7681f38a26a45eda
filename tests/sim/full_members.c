/* Members: each makes signed frames, sends them to its home replica, and keeps resending the same bytes to others until an
 * answer says CERTIFIED. Some frames are hostile or hopeless on purpose. */
#include <stdlib.h>

#include "member/sender.h"
#include "sim/full.h"

#define RESEND_FIRST_NS (200 * SIM_MS)
#define RESEND_LAST_NS  (2 * GIRO_NS_PER_S)

void sim_members_open(struct sim_world *world)
{
    world->full->frames = sim_memory(calloc(SIM_FRAMES_MAX, sizeof(*world->full->frames)));
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        world->full->members[i].index = i;
        world->full->members[i].home = i % world->replica_count;
    }
}

/* ---- Sending ---------------------------------------------------------------------------------------- */

static void arrive(struct sim_world *world, uint64_t index, uint64_t to, void *data)
{
    (void)data;
    struct sim_frame *frame = &world->full->frames[index];
    struct sim_replica *replica = &world->replicas[to];
    if (!replica->up)
        return;
    struct giro_endpoint from = {.ipv4 = frame->frame.header.member, .port = 1};
    sim_trace(world, "frame", to, index, frame->attempts);
    sim_disk_catch_up(replica);
    /* FULL is a lost datagram: the member sends it again. */
    enum giro_err err = giro_replica_frame(sim_replica_of(replica), sim_mono(world), &frame->frame,
                                           &frame->hash, &from);
    if (err != GIRO_ERR_OK && err != GIRO_ERR_FULL)
        sim_fail(world, "replica %lu refuses a frame: %s", (unsigned long)to,
                 giro_err_sentence(err));
    sim_touch(world, (uint32_t)to);
}

static void submit(struct sim_world *world, uint32_t index, uint32_t to)
{
    const struct sim_link *link = &world->member_link;
    if (sim_chance(world, link->loss_per_mille))
        return;
    uint32_t copies = sim_chance(world, link->double_per_mille) ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++)
        sim_at(world, world->now_ns + sim_between(world, link->delay_min_ns, link->delay_max_ns),
               arrive, index, to, NULL);
}

static void resend(struct sim_world *world, uint64_t index, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    struct sim_frame *frame = &world->full->frames[index];
    if (frame->certified)
        return;
    frame->attempts++;
    frame->replica = (frame->replica + 1) % world->replica_count;
    submit(world, (uint32_t)index, frame->replica);
    if (frame->resend_ns < RESEND_LAST_NS)
        frame->resend_ns *= 2;
    sim_at(world, world->now_ns + frame->resend_ns, resend, index, 0, NULL);
}

/* ---- Making frames -------------------------------------------------------------------------------------- */

static uint32_t frame_make(struct sim_world *world, uint32_t member, uint16_t channel,
                           uint64_t sequence, const struct giro_record *records, uint32_t count)
{
    if (world->full->frame_count == SIM_FRAMES_MAX) {
        sim_fail(world, "more than %u frames", SIM_FRAMES_MAX);
        return 0;
    }
    uint32_t index = world->full->frame_count++;
    struct sim_frame *frame = &world->full->frames[index];
    const struct giro_genesis *genesis = &world->hub->genesis;
    uint8_t bytes[GIRO_FRAME_BYTES_MAX], message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    frame->size_bytes =
        (uint32_t)giro_frame_make(genesis, world->hub->member_keys[member], (uint16_t)member, 1,
                                  channel, sequence, records, count, bytes);
    GIRO_ASSERT(frame->size_bytes <= sizeof(frame->bytes));
    memcpy(frame->bytes, bytes, frame->size_bytes);
    enum giro_reject reject =
        giro_frame_decode(frame->bytes, frame->size_bytes, genesis->chain_prefix, &frame->frame);
    GIRO_ASSERT(reject == GIRO_REJECT_NONE);
    frame->hash =
        giro_sha256(message, giro_frame_message(&frame->frame, &genesis->chain_id, message));
    frame->hostile = channel == SIM_HOSTILE;
    frame->resend_ns = RESEND_FIRST_NS;
    frame->sent_ns = world->now_ns;
    bool put = giro_map_put(world->full->frame_map, frame->hash.bytes, index);
    GIRO_ASSERT(put);
    if (!frame->hostile)
        world->full->owed++;
    return index;
}

static struct giro_record record_make(struct sim_world *world, uint32_t member)
{
    struct giro_record record = {
        .amount_minor = (int64_t)sim_between(world, 1, 2000000),
        .creditor = (uint16_t)((member + 1 + sim_between(world, 0, SIM_MEMBERS - 2)) % SIM_MEMBERS),
        .currency = sim_chance(world, 800) ? 203 : 978,
        .service = sim_chance(world, 500) ? GIRO_SERVICE_GROSS : GIRO_SERVICE_NET,
        .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
    /* One in fifty repeats an earlier payment under a new frame; others are hopeless in other ways. */
    uint64_t uetr = ++world->full->members[member].next_uetr;
    if (uetr > 8 && sim_chance(world, 20))
        uetr -= sim_between(world, 1, 7);
    memcpy(record.uetr, &uetr, sizeof(uetr));
    record.uetr[15] = 0x51;
    if (sim_chance(world, 10))
        record.creditor = 999;
    if (sim_chance(world, 10))
        record.amount_minor = SIM_PREFUNDED * 2;
    return record;
}

static void send_first(struct sim_world *world, uint32_t index, uint32_t home)
{
    struct sim_frame *frame = &world->full->frames[index];
    frame->replica = home;
    submit(world, index, home);
    sim_at(world, world->now_ns + frame->resend_ns, resend, index, 0, NULL);
}

/* Two different frames under one (channel, sequence), to two replicas at once. */
static void equivocate(struct sim_world *world, struct sim_member *member)
{
    uint64_t sequence = member->next_sequence[SIM_HOSTILE]++;
    for (uint32_t i = 0; i < 2; i++) {
        struct giro_record record = record_make(world, member->index);
        uint32_t index = frame_make(world, member->index, SIM_HOSTILE, sequence, &record, 1);
        submit(world, index, (member->home + i) % world->replica_count);
    }
}

static void member_turn(struct sim_world *world, uint64_t index, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    struct sim_member *member = &world->full->members[index];
    const struct sim_load *load = &world->full->load;
    if (world->now_ns >= load->stop_ns)
        return;
    sim_at(world,
           world->now_ns + sim_between(world, load->mean_gap_ns / 4, 7 * load->mean_gap_ns / 4),
           member_turn, index, 0, NULL);
    if (sim_chance(world, load->hostile_per_mille)) {
        equivocate(world, member);
        return;
    }
    if (member->outstanding >= load->outstanding_max)
        return;
    struct giro_record records[SIM_FRAME_RECORDS];
    uint32_t count = (uint32_t)sim_between(world, 1, SIM_FRAME_RECORDS);
    for (uint32_t i = 0; i < count; i++)
        records[i] = record_make(world, member->index);
    uint16_t channel = (uint16_t)sim_between(world, 0, SIM_CHANNELS - 1);
    uint32_t frame =
        frame_make(world, member->index, channel, member->next_sequence[channel]++, records, count);
    member->outstanding++;
    send_first(world, frame, member->home);
    if (sim_chance(world, 20)) /* the same bytes to another one at once */
        submit(world, frame, (member->home + 1) % world->replica_count);
}

void sim_members_start(struct sim_world *world, const struct sim_load *load)
{
    world->full->load = *load;
    for (uint32_t i = 0; i < SIM_MEMBERS && load->mean_gap_ns > 0; i++)
        sim_at(world, world->now_ns + sim_between(world, 0, load->mean_gap_ns), member_turn, i, 0,
               NULL);
}

uint32_t sim_pay(struct sim_world *world, uint32_t member, uint32_t creditor, int64_t amount_minor,
                 uint8_t service)
{
    struct giro_record record = {.amount_minor = amount_minor,
                                 .creditor = (uint16_t)creditor,
                                 .currency = 203,
                                 .service = service,
                                 .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
    uint64_t uetr = ++world->full->members[member].next_uetr;
    memcpy(record.uetr, &uetr, sizeof(uetr));
    record.uetr[15] = 0x51;
    struct sim_member *from = &world->full->members[member];
    uint32_t index = frame_make(world, member, 0, from->next_sequence[0]++, &record, 1);
    from->outstanding++;
    send_first(world, index, from->home);
    return index;
}

/* ---- Answers ---------------------------------------------------------------------------------------------- */

static void certified_check(struct sim_world *world, uint32_t index,
                            const struct giro_answer *answer)
{
    const struct giro_receipt_item *item = &answer->item;
    const struct sim_frame *frame = &world->full->frames[index];
    if (item->outcome != GIRO_OUTCOME_EXECUTED && item->outcome != GIRO_OUTCOME_DUPLICATE) {
        if (!frame->hostile)
            sim_fail(world, "frame %u of an honest channel ends %s", index,
                     giro_outcome_name(item->outcome));
        return;
    }
    if (frame->height != item->height || frame->leaf_index != item->leaf_index) {
        sim_fail(world, "I8: the receipt of frame %u names height %lu, the ledger %lu", index,
                 (unsigned long)item->height, (unsigned long)frame->height);
        return;
    }
    /* A certificate covers all leaves of the heights before it, through the ledger chain in the state root. */
    if (item->height > world->full->top_certified) {
        sim_fail(world, "I3: frame %u is acknowledged before height %lu is certified", index,
                 (unsigned long)item->height);
        return;
    }
    uint32_t record = 0;
    for (uint32_t i = 0; i < answer->run_count; i++) {
        for (uint32_t k = 0; k < answer->runs[i].count; k++, record++) {
            if (record >= frame->frame.header.record_count ||
                memcmp(&answer->runs[i].result, &frame->results[record],
                       sizeof(struct giro_result)) != 0) {
                sim_fail(world, "I8: the receipt of frame %u is not its leaf", index);
                return;
            }
        }
    }
}

static void answered(struct sim_world *world, uint64_t index, uint64_t level, void *data)
{
    (void)data;
    struct sim_frame *frame = &world->full->frames[index];
    struct sim_member *member = &world->full->members[frame->frame.header.member];
    if (level == GIRO_LEVEL_DURABLE)
        frame->durable = true;
    if (level != GIRO_LEVEL_CERTIFIED || frame->certified)
        return;
    frame->certified = true;
    frame->certified_ns = world->now_ns;
    if (frame->hostile)
        return;
    world->full->certified++;
    member->outstanding--;
}

void sim_member_answer(struct sim_world *world, const struct giro_answer *answer)
{
    uint32_t index = giro_map_get(world->full->frame_map, answer->item.frame_hash.bytes);
    if (index == GIRO_NONE) {
        sim_fail(world, "an answer to a frame nobody sent");
        return;
    }
    world->full->answers++;
    sim_trace(world, "answer", index, answer->item.level, answer->item.outcome);
    bool executed = answer->item.outcome == GIRO_OUTCOME_EXECUTED ||
                    answer->item.outcome == GIRO_OUTCOME_DUPLICATE;
    if (answer->item.level == GIRO_LEVEL_CERTIFIED)
        certified_check(world, index, answer);
    if (answer->item.level == GIRO_LEVEL_CERTIFIED && !executed)
        return;
    const struct sim_link *link = &world->member_link;
    if (sim_chance(world, link->loss_per_mille))
        return;
    sim_at(world, world->now_ns + sim_between(world, link->delay_min_ns, link->delay_max_ns),
           answered, index, answer->item.level, NULL);
}

bool sim_all_certified(struct sim_world *world)
{
    return world->full->certified == world->full->owed;
}

bool sim_all_level(struct sim_world *world)
{
    if (!sim_all_certified(world))
        return false;
    for (uint32_t i = 0; i < world->replica_count; i++) {
        if (!world->replicas[i].up || world->replicas[i].height != world->top_height)
            return false;
    }
    return true;
}
