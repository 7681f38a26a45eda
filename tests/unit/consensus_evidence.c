/* Equivocation: seen early or late, reported once, kept across restarts, bounded. */
#include <criterion/criterion.h>

#include "unit/consensus_forge.h"

static uint32_t evidence(const struct net *net, uint32_t offender,
                         struct giro_evidence_header *last)
{
    struct giro_part records[GIRO_EVIDENCE_PER_REPLICA];
    uint32_t count = giro_consensus_evidence(net->nodes[0].core, offender, records);
    if (count > 0)
        memcpy(last, records[count - 1].bytes, sizeof(*last));
    return count;
}

/* Brings node 0 into the round above the QC. */
static void enter(struct net *net, const struct giro_qc *qc)
{
    uint8_t body[1024];
    struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    giro_writer_reserve(&writer, sizeof(header));
    cr_assert(giro_qc_encode(qc, &writer));
    header.qc_bytes = (uint32_t)(writer.offset - sizeof(header));
    memcpy(body, &header, sizeof(header));
    forge_hand_in(net, 1, GIRO_KIND_SYNC, body, writer.offset);
}

static struct giro_vote vote_for(const struct net *net, uint16_t voter, uint64_t round,
                                 const struct giro_hash *id)
{
    struct giro_vote vote = {.head = giro_head_make(GIRO_KIND_VOTE),
                             .epoch = 1,
                             .round = round,
                             .parent_round = round - 1,
                             .block_id = *id,
                             .commit_id = net->genesis_id,
                             .voter = voter};
    struct giro_qc_header fields = {.epoch = 1,
                                    .round = round,
                                    .parent_round = round - 1,
                                    .block_id = vote.block_id,
                                    .commit_id = vote.commit_id};
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    size_t size_bytes = giro_vote_message(&net->chain_id, &fields, message);
    vote.signature = giro_sign(net->nodes[voter].vote_key, message, size_bytes);
    return vote;
}

Test(consensus_evidence, a_second_block_is_evidence_even_when_its_round_is_over)
{
    struct net *net = forge_alone();
    struct giro_evidence_header header;
    struct giro_qc genesis = forge_genesis_qc(net);
    struct forge_draft first = forge_draft_on(net, &genesis, 1, 1);
    struct giro_hash id = forge_propose(net, &first);
    struct giro_qc qc = forge_qc_for(net, &id, 1, &genesis);
    enter(net, &qc);
    cr_assert(net_status(net, 0).round == 2);
    struct forge_draft second = forge_draft_on(net, &genesis, 1, 1);
    second.header.time_ns += 1;
    second.bad_signature = true;
    forge_propose(net, &second);
    cr_assert(evidence(net, 1, &header) == 0, "a forgery is no evidence");
    second.bad_signature = false;
    for (uint32_t i = 0; i < 3; i++)
        forge_propose(net, &second);
    cr_assert(evidence(net, 1, &header) == 1, "once");
    cr_assert(header.what == GIRO_KIND_BLOCK && header.offender == 1 && header.round == 1 &&
              header.witness == 0);
    /* Both stand alone: the ids follow from the bytes, and the author signed both. */
    struct giro_part records[GIRO_EVIDENCE_PER_REPLICA];
    giro_consensus_evidence(net->nodes[0].core, 1, records);
    const uint8_t *at = (const uint8_t *)records[0].bytes + sizeof(header);
    for (uint32_t i = 0; i < 2; i++) {
        struct giro_block_header block;
        struct giro_signature signature;
        uint32_t size_bytes = i == 0 ? header.first_bytes : header.second_bytes;
        memcpy(&block, at, sizeof(block));
        memcpy(&signature, at + size_bytes - 64, 64);
        cr_assert(block.reference_count == 0 && size_bytes == sizeof(block) + 64);
        struct giro_hash block_id = giro_block_id(&block, NULL);
        cr_assert(giro_hash_equal(&block_id, &id) == (i == 0));
        uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
        size_t message_bytes = giro_proposal_message(&net->chain_id, 1, &block_id, message);
        struct giro_verify_item item = {.key = net->batch_keys[1],
                                        .message = message,
                                        .message_bytes = (uint32_t)message_bytes,
                                        .signature = signature.bytes};
        uint8_t verdict;
        cr_assert(giro_verify_batch(net->ring, &item, 1, &verdict) == 1);
        at += size_bytes;
    }
    forge_finish(net);
}

Test(consensus_evidence, two_votes_of_a_round_are_evidence_before_and_after_the_quorum)
{
    struct net *net = forge_alone();
    struct giro_evidence_header header;
    struct giro_qc genesis = forge_genesis_qc(net);
    struct giro_hash one = {.bytes = {1}}, two = {.bytes = {2}};
    struct giro_vote first = vote_for(net, 2, 1, &one), second = vote_for(net, 2, 1, &two);
    forge_hand_in(net, 2, GIRO_KIND_VOTE, &first, sizeof(first));
    second.signature.bytes[7] ^= 1;
    forge_hand_in(net, 2, GIRO_KIND_VOTE, &second, sizeof(second));
    cr_assert(evidence(net, 2, &header) == 0, "a forgery is no evidence");
    second.signature.bytes[7] ^= 1;
    forge_hand_in(net, 2, GIRO_KIND_VOTE, &second, sizeof(second));
    cr_assert(evidence(net, 2, &header) == 1);
    cr_assert(header.what == GIRO_KIND_VOTE && header.first_bytes == sizeof(first));
    /* Replica 3 is in the QC of block one, and its other vote comes only now. */
    struct giro_qc qc = forge_qc_for(net, &one, 1, &genesis);
    enter(net, &qc);
    struct giro_vote late = vote_for(net, 3, 1, &two);
    forge_hand_in(net, 3, GIRO_KIND_VOTE, &late, sizeof(late));
    cr_assert(evidence(net, 3, &header) == 1);
    cr_assert(header.what == GIRO_KIND_VOTE && header.round == 1);
    struct giro_part records[GIRO_EVIDENCE_PER_REPLICA];
    struct giro_vote kept;
    giro_consensus_evidence(net->nodes[0].core, 3, records);
    memcpy(&kept, (const uint8_t *)records[0].bytes + sizeof(header), sizeof(kept));
    struct giro_vote expected = vote_for(net, 3, 1, &one);
    cr_assert(memcmp(&kept, &expected, sizeof(kept)) == 0, "the vote inside the QC, made whole");
    late = vote_for(net, 1, 1, &one);
    forge_hand_in(net, 1, GIRO_KIND_VOTE, &late, sizeof(late));
    cr_assert(evidence(net, 1, &header) == 0, "the same vote late is none");
    forge_finish(net);
}

static void timeout_hand_in(struct net *net, uint16_t voter, uint64_t round,
                            const struct giro_qc *high_qc, const struct giro_tc *tc)
{
    static struct giro_timeout timeout;
    static uint8_t body[sizeof(struct giro_timeout)];
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    memset(&timeout, 0, sizeof(timeout));
    timeout.header = (struct giro_timeout_header){.head = giro_head_make(GIRO_KIND_TIMEOUT),
                                                  .epoch = 1,
                                                  .round = round,
                                                  .high_qc_round = high_qc->header.round,
                                                  .voter = voter,
                                                  .has_last_tc = tc != NULL};
    timeout.high_qc = *high_qc;
    if (tc != NULL)
        timeout.last_tc = *tc;
    size_t size_bytes =
        giro_timeout_message(&net->chain_id, 1, round, high_qc->header.round, message);
    timeout.header.signature = giro_sign(net->nodes[voter].vote_key, message, size_bytes);
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_timeout_encode(&timeout, &writer));
    forge_hand_in(net, voter, GIRO_KIND_TIMEOUT, body, writer.offset);
}

Test(consensus_evidence, two_timeouts_of_a_round_and_two_commit_votes_of_a_height_are_evidence)
{
    struct net *net = forge_alone();
    struct giro_evidence_header header;
    struct giro_qc genesis = forge_genesis_qc(net);
    struct forge_draft first = forge_draft_on(net, &genesis, 1, 1);
    struct giro_hash id = forge_propose(net, &first);
    struct giro_qc qc = forge_qc_for(net, &id, 1, &genesis);
    struct giro_tc tc = forge_tc_for(net, 2, &genesis);
    timeout_hand_in(net, 2, 3, &genesis, &tc);
    timeout_hand_in(net, 2, 3, &qc, &tc);
    cr_assert(evidence(net, 2, &header) == 1);
    cr_assert(header.what == GIRO_KIND_TIMEOUT && header.round == 3);
    for (uint8_t root = 1; root <= 3; root++) {
        struct giro_commit_vote vote = {.body = {.head = giro_head_make(GIRO_KIND_COMMIT_VOTE),
                                                 .epoch = 1,
                                                 .height = 1,
                                                 .time_ns = 5,
                                                 .block_id = id,
                                                 .state_root = {.bytes = {root}}},
                                        .voter = 3};
        uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
        size_t size_bytes = giro_commit_message(&net->chain_id, &vote.body, message);
        vote.signature = giro_sign(net->nodes[3].batch_key, message, size_bytes);
        forge_hand_in(net, 3, GIRO_KIND_COMMIT_VOTE, &vote, sizeof(vote));
    }
    cr_assert(evidence(net, 3, &header) == 1, "once per height");
    cr_assert(header.what == GIRO_KIND_COMMIT_VOTE && header.round == 1);
    forge_finish(net);
}

static uint32_t evidence_records(const struct net *net)
{
    uint32_t records = 0;
    for (uint32_t i = 0; i < net->nodes[0].record_count; i++)
        records += net->nodes[0].records[i].kind == GIRO_LOG_EVIDENCE_RECORD;
    return records;
}

Test(consensus_evidence, evidence_outlives_a_restart_and_a_flood_of_it_is_bounded)
{
    struct net *net = forge_alone();
    struct giro_evidence_header header;
    struct giro_hash one = {.bytes = {1}}, two = {.bytes = {2}};
    for (uint64_t round = 1; round <= 20; round++) {
        struct giro_vote first = vote_for(net, 2, round, &one),
                         second = vote_for(net, 2, round, &two);
        forge_hand_in(net, 2, GIRO_KIND_VOTE, &first, sizeof(first));
        forge_hand_in(net, 2, GIRO_KIND_VOTE, &second, sizeof(second));
    }
    cr_assert(net_status(net, 0).rejects[GIRO_REJECT_EQUIVOCATION] == 20, "all are counted");
    cr_assert(evidence(net, 2, &header) == GIRO_EVIDENCE_PER_REPLICA);
    cr_assert(evidence_records(net) == GIRO_EVIDENCE_PER_REPLICA);
    net_kill(net, 0);
    net_start(net, 0);
    cr_assert(evidence(net, 2, &header) == GIRO_EVIDENCE_PER_REPLICA);
    cr_assert(header.round == GIRO_EVIDENCE_PER_REPLICA, "the first ones");
    /* A checkpoint trims the log they stand in. */
    const struct giro_event imaged = {.kind = GIRO_EVENT_CHECKPOINTED,
                                      .checkpointed = {.height = UINT64_MAX}};
    net_event(net, 0, &imaged);
    for (uint32_t i = 0; i < GIRO_EVIDENCE_PER_REPLICA; i++) {
        const struct giro_event tick = {.kind = GIRO_EVENT_TICK};
        net_event(net, 0, &tick);
    }
    cr_assert(evidence_records(net) == 2 * GIRO_EVIDENCE_PER_REPLICA, "each once more");
    net_kill(net, 0);
    net_start(net, 0);
    cr_assert(evidence(net, 2, &header) == GIRO_EVIDENCE_PER_REPLICA, "and counted once");
    net_kill(net, 0);
    net_free(net);
}

/* Node 3 computes something else: the others certify without it, it stops, keeps what is needed to find out why, and tells
 * them. From its log it finds its own contradiction. */
Test(consensus_evidence, a_replica_that_a_quorum_contradicts_stops_and_tells_the_others)
{
    struct net *net = net_new(4);
    net_start_all(net);
    net_run(net, 250 * MS);
    net_pay(net, 0, 1);
    net_run(net, GIRO_NS_PER_S);
    uint64_t good = net_status(net, 0).executed_height;
    net->nodes[3].state_root.bytes[0] ^= 1;
    net_pay(net, 1, 2);
    net_run(net, GIRO_NS_PER_S);
    const struct giro_halt *halt = giro_consensus_halt(net->nodes[3].core);
    cr_assert(halt != NULL && net->nodes[3].halts == 1);
    cr_assert(halt->height == good + 1);
    cr_assert(halt->has_own && halt->has_certificate && halt->block != NULL);
    cr_assert(halt->own.height == halt->height);
    cr_assert(!giro_hash_equal(&halt->own.state_root, &halt->certificate.header.body.state_root));
    cr_assert(halt->block->block.height == halt->height);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(net->nodes[i].halts == 0 && !net_status(net, i).halted);
        cr_assert(giro_consensus_peer_halted(net->nodes[i].core, 3) == halt->height, "node %u", i);
        cr_assert(net_status(net, i).no_quorum_height == 0);
        cr_assert(net_status(net, i).certified_height > good);
    }
    net_kill(net, 3);
    net_start(net, 3);
    halt = giro_consensus_halt(net->nodes[3].core);
    cr_assert(halt != NULL, "its own log contradicts it");
    cr_assert(halt->has_logged && !halt->has_certificate);
    net_kill(net, 3);
    net_pay(net, 0, 3);
    net_run(net, 5 * GIRO_NS_PER_S);
    cr_assert(net->nodes[0].executed_batches == 3, "the others go on");
    net_free(net);
}

/* Two of four compute different things: no root can reach q. Nobody stops itself, ordering does, and all say why. */
Test(consensus_evidence, ordering_stops_with_an_alarm_when_no_root_can_reach_a_quorum)
{
    struct net *net = net_new(4);
    uint64_t paid = 0;
    net_start_all(net);
    net_run(net, 250 * MS);
    net_pay(net, 0, ++paid);
    net_run(net, GIRO_NS_PER_S);
    uint64_t certified = net_status(net, 0).certified_height;
    net->nodes[2].state_root.bytes[0] ^= 1;
    net->nodes[3].state_root.bytes[0] ^= 2;
    for (uint32_t i = 0; i < 60; i++) {
        if (giro_consensus_batch_room(net->nodes[i % 4].core) > 0)
            net_pay(net, i % 4, ++paid);
        net_run(net, 200 * MS);
    }
    for (uint32_t i = 0; i < 4; i++) {
        struct giro_consensus_status status = net_status(net, i);
        cr_assert(status.no_quorum_height == certified + 1, "node %u: %lu", i,
                  status.no_quorum_height);
        cr_assert(!status.halted && status.certified_height == certified);
        uint64_t top = 0;
        const struct net_node *node = &net->nodes[i];
        for (uint32_t r = 0; r < node->record_count; r++) {
            struct giro_proposal_header header;
            if (node->records[r].kind != GIRO_LOG_BLOCK_RECORD)
                continue;
            memcpy(&header, node->records[r].bytes, sizeof(header));
            if (header.block.reference_count > 0 && header.block.height > top)
                top = header.block.height;
        }
        cr_assert(top > certified + 20 && top <= certified + GIRO_CERTIFIED_LAG_MAX,
                  "node %u: payload up to %lu", i, top);
    }
    net_check(net);
    net_free(net);
}
