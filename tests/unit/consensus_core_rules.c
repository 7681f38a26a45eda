/* The vote rule, one violated condition at a time: node 0 alone, everything it gets is forged with the others' keys. */
#include <criterion/criterion.h>

#include "consensus/internal.h"
#include "unit/consensus_forge.h"

enum violation {
    NOTHING,
    NOTHING_WITH_PAYLOAD,
    NOTHING_AFTER_TIMEOUT,
    OTHER_CHAIN,
    OTHER_EPOCH,
    NOT_THE_LEADER,
    SIGNATURE_BROKEN,
    SIGNED_WITH_THE_VOTE_KEY,
    QC_SIGNATURE_BROKEN,
    QC_ONE_SIGNER_SHORT,
    QC_OF_ANOTHER_CHAIN,
    TC_SIGNATURE_BROKEN,
    TC_ABOVE_THE_QC,
    TC_OF_AN_EARLIER_ROUND,
    ROUND_SKIPPED,
    HEIGHT_SKIPPED,
    TIME_NOT_AFTER_PARENT,
    TIME_TOO_OLD,
    TIME_TOO_NEW,
    PROOF_SIGNATURE_BROKEN,
    BATCH_EXPIRED,
    BATCH_IN_PARENT,
    ROUND_TIMED_OUT,
};
struct row {
    enum violation violation;
    const char *name;
    enum giro_reject reject;
    bool voted;
};
static const struct row rows[] = {
    {NOTHING, "all conditions hold", GIRO_REJECT_NONE, true},
    {NOTHING_WITH_PAYLOAD, "payload with a good proof", GIRO_REJECT_NONE, true},
    {NOTHING_AFTER_TIMEOUT, "a TC instead of a consecutive round", GIRO_REJECT_NONE, true},
    {OTHER_CHAIN, "chain", GIRO_REJECT_CHAIN, false},
    {OTHER_EPOCH, "epoch", GIRO_REJECT_EPOCH, false},
    {NOT_THE_LEADER, "author is not leader(round)", GIRO_REJECT_LEADER, false},
    {SIGNATURE_BROKEN, "author's signature", GIRO_REJECT_SIGNATURE, false},
    {SIGNED_WITH_THE_VOTE_KEY, "author's key", GIRO_REJECT_SIGNATURE, false},
    {QC_SIGNATURE_BROKEN, "signature in the QC", GIRO_REJECT_SIGNATURE, false},
    {QC_ONE_SIGNER_SHORT, "q - 1 signers", GIRO_REJECT_QUORUM, false},
    {QC_OF_ANOTHER_CHAIN, "QC signed for another chain", GIRO_REJECT_SIGNATURE, false},
    {TC_SIGNATURE_BROKEN, "signature in the TC", GIRO_REJECT_SIGNATURE, false},
    {TC_ABOVE_THE_QC, "qc.round < tc.high_qc.round", GIRO_REJECT_ROUND, false},
    {TC_OF_AN_EARLIER_ROUND, "tc.round + 1 != round", GIRO_REJECT_ROUND, false},
    {ROUND_SKIPPED, "round skipped without a TC", GIRO_REJECT_ROUND, false},
    {HEIGHT_SKIPPED, "height != parent + 1", GIRO_REJECT_PARENT, false},
    {TIME_NOT_AFTER_PARENT, "time <= parent's", GIRO_REJECT_TIME, false},
    {TIME_TOO_OLD, "time < now - D", GIRO_REJECT_TIME, false},
    {TIME_TOO_NEW, "time > now + D: waits", GIRO_REJECT_NONE, false},
    {PROOF_SIGNATURE_BROKEN, "signature in the proof", GIRO_REJECT_PROOF, false},
    {BATCH_EXPIRED, "expiry < time", GIRO_REJECT_STALE, false},
    {BATCH_IN_PARENT, "batch in an ancestor", GIRO_REJECT_DUPLICATE, false},
    {ROUND_TIMED_OUT, "round <= last voted round", GIRO_REJECT_ROUND, false},
};

/* What is wrong with the certificates a block stands on. */
static void violate_certificates(struct net *net, struct forge_draft *draft,
                                 enum violation violation, const struct giro_qc *genesis)
{
    struct giro_qc *qc = &draft->qc;
    struct giro_hash chain_id = net->chain_id;
    switch (violation) {
    case NOTHING_AFTER_TIMEOUT:
    case TC_SIGNATURE_BROKEN:
    case TC_OF_AN_EARLIER_ROUND:
        *draft = forge_draft_on(net, qc, 3 + (violation == TC_OF_AN_EARLIER_ROUND), 2);
        draft->tc = forge_tc_for(net, 2, qc);
        draft->tc.signatures[1].bytes[7] ^= violation == TC_SIGNATURE_BROKEN;
        draft->has_tc = true;
        return;
    case TC_ABOVE_THE_QC:
        draft->tc = forge_tc_for(net, 2, qc);
        *draft = (struct forge_draft){.tc = draft->tc, .has_tc = true, .header = draft->header};
        draft->qc = *genesis;
        draft->header.round = 3;
        draft->header.author = 3;
        draft->header.height = 1;
        draft->header.parent_id = net->genesis_id;
        return;
    case QC_SIGNATURE_BROKEN:
        qc->signatures[2].bytes[9] ^= 1;
        return;
    case QC_ONE_SIGNER_SHORT:
        qc->header.bitmap[0] = 6;
        qc->header.signer_count = 2;
        return;
    case QC_OF_ANOTHER_CHAIN:
        net->chain_id.bytes[3] ^= 1;
        *qc = forge_qc_for(net, &qc->header.block_id, 1, genesis);
        net->chain_id = chain_id;
        return;
    default:
        return;
    }
}

/* Breaks one condition of the block of round 2 on the first block. */
static void violate(struct net *net, struct forge_draft *draft, enum violation violation,
                    const struct giro_qc *genesis)
{
    uint64_t expiry_ns = forge_wall(net) + 60 * GIRO_NS_PER_S;
    violate_certificates(net, draft, violation, genesis);
    switch (violation) {
    case NOTHING_WITH_PAYLOAD:
        forge_payload(net, draft, 2, expiry_ns);
        return;
    case OTHER_CHAIN:
        draft->header.chain_id.bytes[0] ^= 1;
        return;
    case OTHER_EPOCH:
        draft->header.epoch = 2;
        return;
    case NOT_THE_LEADER:
        draft->header.author = 3;
        return;
    case SIGNATURE_BROKEN:
        draft->bad_signature = true;
        return;
    case SIGNED_WITH_THE_VOTE_KEY:
        draft->wrong_key = true;
        return;
    case ROUND_SKIPPED:
        *draft = forge_draft_on(net, &draft->qc, 3, 2);
        return;
    case HEIGHT_SKIPPED:
        draft->header.height = 3;
        return;
    case TIME_NOT_AFTER_PARENT:
        draft->header.time_ns = forge_wall(net) + 1000;
        return;
    case TIME_TOO_OLD:
        net->now_ns += GIRO_NS_PER_S;
        draft->header.time_ns = forge_wall(net) - 260 * MS;
        return;
    case TIME_TOO_NEW:
        draft->header.time_ns = forge_wall(net) + 300 * MS;
        return;
    case PROOF_SIGNATURE_BROKEN:
        forge_payload(net, draft, 2, expiry_ns);
        draft->proof_bytes[0][draft->proof_sizes[0] - 3] ^= 1;
        return;
    case BATCH_EXPIRED:
        forge_payload(net, draft, 2, draft->header.time_ns - 1);
        return;
    case BATCH_IN_PARENT:
        forge_payload(net, draft, 1, expiry_ns);
        return;
    default:
        return;
    }
}

Test(consensus_rules, each_violated_condition_is_refused_with_its_reason)
{
    for (uint32_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        const struct row *row = &rows[r];
        struct net *net = forge_alone();
        struct giro_qc genesis = forge_genesis_qc(net);
        struct forge_draft first = forge_draft_on(net, &genesis, 1, 1);
        forge_payload(net, &first, 1, forge_wall(net) + 60 * GIRO_NS_PER_S);
        struct giro_hash id = forge_propose(net, &first);
        cr_assert(net->nodes[0].safety.last_voted_round == 1, "%s: first block", row->name);
        struct giro_qc qc = forge_qc_for(net, &id, 1, &genesis);
        struct forge_draft draft = forge_draft_on(net, &qc, 2, 2);
        if (row->violation == ROUND_TIMED_OUT) {
            /* The QC alone brings node 0 into round 2; then nothing comes. */
            uint8_t body[1024], bytes[1024];
            struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
            struct giro_writer writer;
            giro_writer_init(&writer, body, sizeof(body));
            giro_writer_reserve(&writer, sizeof(header));
            giro_qc_encode(&qc, &writer);
            header.qc_bytes = (uint32_t)(writer.offset - sizeof(header));
            memcpy(body, &header, sizeof(header));
            uint32_t size_bytes = net_wrap(net, 1, GIRO_KIND_SYNC, body, writer.offset, bytes);
            net->filter = NULL;
            net_message(net, 1, 0, bytes, size_bytes);
            net->filter = forge_silent;
            net_run(net, 100 * MS);
            cr_assert(net->nodes[0].safety.last_timeout_round == 2, "%s", row->name);
            draft.header.time_ns = forge_wall(net) + 2000;
        }
        violate(net, &draft, row->violation, &genesis);
        uint64_t before = net_status(net, 0).rejects[row->reject];
        uint64_t voted = net->nodes[0].safety.last_vote.round;
        forge_propose(net, &draft);
        uint64_t after = net_status(net, 0).rejects[row->reject];
        cr_assert((net->nodes[0].safety.last_vote.round > voted) == row->voted, "%s", row->name);
        if (row->reject != GIRO_REJECT_NONE)
            cr_assert(after == before + 1, "%s: %lu of %s", row->name, after - before,
                      giro_reject_name(row->reject));
        if (row->violation == TIME_TOO_NEW) {
            net->now_ns += 100 * MS;
            struct giro_consensus_status status = net_status(net, 0);
            cr_assert(status.starting == false);
            net_run(net, MS);
            cr_assert(net->nodes[0].safety.last_vote.round == 2, "votes when its clock is there");
        }
        forge_finish(net);
    }
}

Test(consensus_rules, payload_waits_when_certificates_lag_by_more_than_32)
{
    struct net *net = forge_alone();
    struct giro_qc parent = forge_genesis_qc(net);
    struct giro_qc qc = parent;
    for (uint64_t round = 1; round <= 33; round++) {
        struct forge_draft draft = forge_draft_on(net, &qc, round, round);
        if (round == 33)
            forge_payload(net, &draft, 9, forge_wall(net) + 60 * GIRO_NS_PER_S);
        struct giro_hash id;
        if (round % 4 == 0)
            draft.header.author = 0;
        id = forge_propose(net, &draft);
        parent = qc;
        qc = forge_qc_for(net, &id, round, &parent);
    }
    struct giro_consensus_status status = net_status(net, 0);
    cr_assert(status.rejects[GIRO_REJECT_LIMIT] == 1);
    cr_assert(status.committed_height == 31, "%lu", status.committed_height);
    cr_assert(status.executed_height == 31);
    cr_assert(net->nodes[0].safety.last_vote.round == 32);
    forge_finish(net);
}

Test(consensus_rules, an_equivocating_leader_is_refused_and_reported_once)
{
    struct net *net = forge_alone();
    struct giro_qc genesis = forge_genesis_qc(net);
    struct forge_draft first = forge_draft_on(net, &genesis, 1, 1);
    forge_propose(net, &first);
    struct giro_hash voted = net->nodes[0].safety.last_vote.block_id;
    cr_assert(net->nodes[0].safety.last_voted_round == 1);
    for (uint32_t i = 1; i <= 3; i++) {
        struct forge_draft second = forge_draft_on(net, &genesis, 1, 1);
        second.header.time_ns += i;
        forge_propose(net, &second);
        cr_assert(net_status(net, 0).rejects[GIRO_REJECT_EQUIVOCATION] == i);
    }
    cr_assert(net->nodes[0].evidence == 1);
    cr_assert(giro_hash_equal(&net->nodes[0].safety.last_vote.block_id, &voted));
    cr_assert(net->nodes[0].signs == 1);
    uint64_t votes = net->nodes[0].sent[GIRO_KIND_VOTE & 0x1FF];
    forge_propose(net, &first);
    cr_assert(net->nodes[0].signs == 1, "asked again: the stored vote");
    cr_assert(net->nodes[0].sent[GIRO_KIND_VOTE & 0x1FF] == votes + 1);
    forge_finish(net);
}

Test(consensus_rules, a_replica_does_not_vote_twice_in_a_round_across_a_restart)
{
    struct net *net = forge_alone();
    struct giro_qc genesis = forge_genesis_qc(net);
    struct forge_draft first = forge_draft_on(net, &genesis, 1, 1);
    forge_propose(net, &first);
    struct giro_hash voted = net->nodes[0].safety.last_vote.block_id;
    for (uint32_t lose = 0; lose < 2; lose++) {
        net_kill(net, 0);
        net->filter = NULL;
        net_start(net, 1);
        net_start(net, 2);
        net_start(net, 0);
        net_run(net, 150 * MS);
        cr_assert(!net_status(net, 0).starting);
        net->filter = forge_silent;
        struct forge_draft second = forge_draft_on(net, &genesis, 1, 1);
        second.header.time_ns += 1;
        forge_propose(net, &second);
        cr_assert(giro_hash_equal(&net->nodes[0].safety.last_vote.block_id, &voted));
        cr_assert(net->nodes[0].safety.last_voted_round == 1);
    }
    forge_finish(net);
}

/* Found by the simulator: a replica whose tree was full of blocks that no QC stands on asked for none of those it lacked, and
 * never caught up. They give way. */
Test(consensus_rules, a_tree_full_of_side_branches_still_fetches)
{
    struct net *net = forge_alone();
    struct giro_qc genesis = forge_genesis_qc(net);
    const struct giro_tree *const tree = &net->nodes[0].core->tree;
    for (uint64_t round = 2; round < 400; round++) {
        if (round % 4 == 0)
            continue; /* node 0 leads */
        struct forge_draft draft = forge_draft_on(net, &genesis, round, 1);
        draft.tc = forge_tc_for(net, round - 1, &genesis);
        draft.has_tc = true;
        forge_propose(net, &draft);
    }
    cr_assert(tree->pending_count + GIRO_ORPHANS_MAX >= tree->slot_count, "%u of %u",
              tree->pending_count, tree->slot_count);
    const uint64_t asked = net->nodes[0].sent[GIRO_KIND_FETCH_BLOCKS & 0x1FF];
    /* A certified block that is not here. */
    const struct giro_hash unknown = {{99}};
    const struct giro_qc qc = forge_qc_for(net, &unknown, 500, &genesis);
    uint8_t body[sizeof(struct giro_sync_header) + sizeof(qc)];
    struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    struct giro_writer writer;
    giro_writer_init(&writer, body + sizeof(header), sizeof(qc));
    cr_assert(giro_qc_encode(&qc, &writer));
    header.qc_bytes = (uint32_t)writer.offset;
    memcpy(body, &header, sizeof(header));
    forge_hand_in(net, 2, GIRO_KIND_SYNC, body, sizeof(header) + writer.offset);
    cr_assert(net_status(net, 0).high_qc_round == 500);
    cr_assert(net->nodes[0].sent[GIRO_KIND_FETCH_BLOCKS & 0x1FF] > asked);
    forge_finish(net);
}
