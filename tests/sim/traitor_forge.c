/* What a traitor makes up. Everything that is its own to sign it signs well; what is not, it leaves out, reuses or invents. */
#include "sim/node.h"

#define PROOF_ROOM 8192u

void sim_forge_vote_sign(struct sim_world *world, uint32_t index, struct giro_vote *vote)
{
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    struct giro_qc_header fields = {.epoch = vote->epoch,
                                    .round = vote->round,
                                    .block_id = vote->block_id,
                                    .parent_round = vote->parent_round,
                                    .commit_id = vote->commit_id};
    size_t message_bytes = giro_vote_message(&world->hub->genesis.chain_id, &fields, message);
    vote->voter = (uint16_t)index;
    vote->signature = giro_sign(world->hub->vote_keys[index], message, message_bytes);
}

/* A proposal in parts, as the encoder wants them. */
struct draft {
    struct giro_block_header block;
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    const uint8_t *proofs[GIRO_BLOCK_REFERENCES_MAX];
    uint32_t proof_bytes[GIRO_BLOCK_REFERENCES_MAX];
    struct giro_qc qc;
    struct giro_tc tc;
    bool has_tc, has_certificate;
    struct giro_certificate certificate;
    uint8_t proof[PROOF_ROOM]; /* of an invented batch */
};

static bool draft_from(struct sim_world *world, const uint8_t *own, uint32_t own_bytes,
                       struct draft *draft)
{
    static struct giro_proposal proposal;
    if (giro_proposal_decode(own, own_bytes, world->replica_count, &proposal) != GIRO_REJECT_NONE)
        return false;
    draft->block = proposal.block;
    memcpy(draft->references, proposal.references, sizeof(draft->references));
    memcpy(draft->proofs, proposal.proofs, sizeof(draft->proofs));
    memcpy(draft->proof_bytes, proposal.proof_bytes, sizeof(draft->proof_bytes));
    draft->qc = proposal.qc;
    draft->tc = proposal.tc;
    draft->has_tc = proposal.has_tc;
    draft->has_certificate = proposal.has_certificate;
    draft->certificate = proposal.certificate;
    return true;
}

static uint32_t draft_finish(struct sim_world *world, uint32_t index, struct draft *draft,
                             uint8_t *out, struct giro_vote *vote)
{
    struct giro_writer writer;
    struct giro_hash id;
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    giro_writer_init(&writer, out, SIM_FORGE_MAX);
    if (!giro_proposal_encode(&draft->block, draft->references, draft->proofs, draft->proof_bytes,
                              &draft->qc, draft->has_tc ? &draft->tc : NULL,
                              draft->has_certificate ? &draft->certificate : NULL, &writer, &id))
        return 0;
    size_t message_bytes =
        giro_proposal_message(&world->hub->genesis.chain_id, draft->block.epoch, &id, message);
    struct giro_signature signature =
        giro_sign(world->hub->batch_keys[index], message, message_bytes);
    if (!giro_writer_put(&writer, &signature, sizeof(signature)))
        return 0;
    *vote = (struct giro_vote){.head = giro_head_make(GIRO_KIND_VOTE),
                               .epoch = draft->block.epoch,
                               .round = draft->block.round,
                               .parent_round = draft->qc.header.round,
                               .block_id = id};
    if (draft->block.round == draft->qc.header.round + 1)
        vote->commit_id = draft->qc.header.block_id;
    sim_forge_vote_sign(world, index, vote);
    return (uint32_t)writer.offset;
}

/* ---- On another parent ---------------------------------------------------------------------------------- */

static const struct giro_qc *old_qc(struct sim_world *world, enum sim_fault fault)
{
    const struct sim_lore *lore = world->nodes->lore;
    uint32_t known = lore->qc_count < SIM_LORE_QCS ? lore->qc_count : SIM_LORE_QCS;
    if (known == 0)
        return NULL;
    /* The newest are the ones that may do harm. */
    uint64_t back = sim_fault_between(world, fault, 1, known < 4 ? known : 4);
    return &lore->qcs[(lore->qc_count - back) % SIM_LORE_QCS];
}

static bool draft_on(struct sim_world *world, struct draft *draft, const struct giro_qc *qc)
{
    const struct sim_watched_block *parent = sim_block_find(world, &qc->header.block_id);
    if (parent == NULL || qc->header.round >= draft->block.round)
        return false;
    draft->qc = *qc;
    draft->block.parent_id = parent->id;
    draft->block.height = parent->height + 1;
    if (draft->block.time_ns <= parent->time_ns)
        draft->block.time_ns = parent->time_ns + 1000;
    draft->block.reference_count = 0;
    draft->block.certified_height = 0;
    draft->has_certificate = false;
    return true;
}

static bool make_stale(struct sim_world *world, struct draft *draft, enum sim_fault fault)
{
    const struct sim_lore *lore = world->nodes->lore;
    const struct giro_qc *qc = old_qc(world, fault);
    if (qc == NULL || !draft_on(world, draft, qc))
        return false;
    uint32_t known = lore->tc_count < SIM_LORE_TCS ? lore->tc_count : SIM_LORE_TCS;
    uint64_t what = sim_fault_between(world, fault, 0, 2);
    if (what == 0)
        draft->has_tc = false;
    if (what == 1 && known > 0) {
        draft->has_tc = true;
        draft->tc =
            lore->tcs[(lore->tc_count - sim_fault_between(world, fault, 1, known)) % SIM_LORE_TCS];
    }
    return true;
}

/* The TC says that nobody knew more than an older QC; its signers said otherwise. */
static bool make_lying_tc(struct sim_world *world, struct draft *draft, enum sim_fault fault)
{
    const struct giro_qc *qc = old_qc(world, fault);
    if (!draft->has_tc || qc == NULL || !draft_on(world, draft, qc))
        return false;
    for (uint32_t i = 0; i < draft->tc.header.signer_count; i++) {
        if (draft->tc.high_qc_rounds[i] > qc->header.round)
            draft->tc.high_qc_rounds[i] = qc->header.round;
    }
    draft->tc.high_qc_rounds[0] = qc->header.round;
    draft->tc.high_qc = *qc;
    return true;
}

/* A QC of the round before, for a block of which there is only the traitor's word. */
static bool make_false_qc(struct sim_world *world, struct draft *draft, enum sim_fault fault)
{
    const struct giro_qc *qc = old_qc(world, fault);
    if (qc == NULL || !draft_on(world, draft, qc) || draft->block.round < 2)
        return false;
    draft->qc.header.round = draft->block.round - 1;
    if (draft->qc.header.parent_round >= draft->qc.header.round)
        return false;
    draft->has_tc = false;
    return true;
}

/* ---- Times and batches ------------------------------------------------------------------------------------ */

static bool make_time(struct sim_world *world, struct draft *draft, enum sim_fault fault)
{
    const struct sim_watched_block *parent = sim_block_find(world, &draft->block.parent_id);
    uint64_t what = sim_fault_between(world, fault, 0, 4);
    if (what == 0)
        draft->block.time_ns = parent != NULL ? parent->time_ns : 0;
    else if (what == 1)
        draft->block.time_ns -= 2 * GIRO_NS_PER_S;
    else if (what == 2)
        draft->block.time_ns += 10 * GIRO_NS_PER_S;
    else if (what == 3)
        draft->block.time_ns -= 200 * SIM_MS; /* just inside the window */
    else
        draft->block.time_ns = UINT64_MAX;
    return true;
}

/* A reference to a batch nobody has, with a proof whose signatures are the traitor's own under everybody's name. */
static bool make_no_proof(struct sim_world *world, uint32_t index, struct draft *draft,
                          enum sim_fault fault)
{
    static struct giro_batch_ack acks[GIRO_QUORUM_MAX];
    struct giro_batch_proof_header header = {.head = giro_head_make(GIRO_KIND_BATCH_PROOF),
                                             .scheme = GIRO_SCHEME_ED25519,
                                             .signer_count = (uint8_t)world->quorum};
    struct giro_batch_reference reference = {.expiry_ns = draft->block.time_ns + GIRO_NS_PER_S,
                                             .size_bytes = 300,
                                             .frame_count = 1,
                                             .record_count = 1,
                                             .author = (uint16_t)index,
                                             .sequence = 77};
    giro_prng_fill(&world->fault_prng[fault], &reference.batch_id, sizeof(reference.batch_id));
    header.reference = reference;
    for (uint32_t i = 0; i < world->quorum; i++) {
        uint32_t voter = (index + i) % world->replica_count;
        giro_bitmap_set(header.bitmap, voter);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->replica_count; i++) {
        if (!giro_bitmap_has(header.bitmap, i))
            continue;
        uint8_t message[GIRO_BATCH_ACK_MESSAGE_BYTES_MAX];
        struct giro_batch_ack *ack = &acks[count++];
        memset(ack, 0, sizeof(*ack));
        ack->header = (struct giro_batch_ack_header){.head = giro_head_make(GIRO_KIND_BATCH_ACK),
                                                     .epoch = draft->block.epoch,
                                                     .expiry_ns = reference.expiry_ns,
                                                     .voter = (uint16_t)i,
                                                     .id_count = 1};
        ack->ids[0] = reference.batch_id;
        size_t message_bytes = giro_batch_ack_message(&world->hub->genesis.chain_id, ack, message);
        ack->signature = giro_sign(world->hub->batch_keys[index], message, message_bytes);
    }
    struct giro_writer writer;
    giro_writer_init(&writer, draft->proof, sizeof(draft->proof));
    if (draft->block.reference_count == GIRO_BLOCK_REFERENCES_MAX ||
        !giro_batch_proof_encode(&header, acks, &writer))
        return false;
    uint32_t at = draft->block.reference_count++;
    draft->references[at] = reference;
    draft->proofs[at] = draft->proof;
    draft->proof_bytes[at] = (uint32_t)writer.offset;
    return true;
}

/* What the parent carries is carried again, with the proofs it came with. */
static bool make_twice(struct sim_world *world, struct draft *draft)
{
    static struct giro_proposal parent;
    const struct sim_watched_block *block = sim_block_find(world, &draft->block.parent_id);
    /* The nearest ancestor that carries something. */
    while (block != NULL && block->reference_count == 0)
        block = sim_block_find(world, &block->parent_id);
    if (block == NULL || giro_proposal_decode(block->bytes, block->size_bytes, world->replica_count,
                                              &parent) != GIRO_REJECT_NONE)
        return false;
    draft->block.reference_count = parent.block.reference_count;
    memcpy(draft->references, parent.references, sizeof(draft->references));
    memcpy(draft->proofs, parent.proofs, sizeof(draft->proofs));
    memcpy(draft->proof_bytes, parent.proof_bytes, sizeof(draft->proof_bytes));
    return true;
}

uint32_t sim_forge_proposal(struct sim_world *world, uint32_t index, enum sim_forgery forgery,
                            enum sim_fault fault, const uint8_t *own, uint32_t own_bytes,
                            uint8_t *out, struct giro_vote *vote)
{
    static struct draft draft;
    bool made = draft_from(world, own, own_bytes, &draft);
    if (!made)
        return 0;
    switch (forgery) {
    case SIM_FORGE_SECOND:
        draft.block.time_ns += sim_fault_between(world, fault, 1, 1000);
        break;
    case SIM_FORGE_STALE:
        made = make_stale(world, &draft, fault);
        break;
    case SIM_FORGE_NO_TC:
        made = draft.has_tc;
        draft.has_tc = false;
        break;
    case SIM_FORGE_LYING_TC:
        made = make_lying_tc(world, &draft, fault);
        break;
    case SIM_FORGE_FALSE_QC:
        made = make_false_qc(world, &draft, fault);
        break;
    case SIM_FORGE_TIME:
        made = make_time(world, &draft, fault);
        break;
    case SIM_FORGE_NO_PROOF:
        made = make_no_proof(world, index, &draft, fault);
        break;
    case SIM_FORGE_TWICE:
        made = make_twice(world, &draft);
        break;
    case SIM_FORGE_USURP:
        made = draft.block.author != index;
        draft.block.author = (uint16_t)index;
        break;
    case SIM_FORGERIES:
        made = false;
        break;
    }
    return made ? draft_finish(world, index, &draft, out, vote) : 0;
}

/* ---- Certificates on their own ------------------------------------------------------------------------------- */

/* Makes a QC untrue in one way or another: rounds ahead, another block, a signature of somebody else's. */
static void qc_spoil(struct sim_world *world, struct giro_qc *qc)
{
    uint64_t what = sim_fault_between(world, SIM_FAULT_FORGE, 0, 3);
    if (what == 0)
        qc->header.round += sim_fault_between(world, SIM_FAULT_FORGE, 1, 3);
    else if (what == 1)
        qc->header.block_id.bytes[3] ^= 4;
    else if (what == 2)
        qc->signatures[0].bytes[5] ^= 1;
    else
        qc->header.commit_id.bytes[7] ^= 2;
}

static uint32_t forge_timeout(struct sim_world *world, uint32_t index, const uint8_t *own,
                              uint32_t own_bytes, uint8_t *out)
{
    static struct giro_timeout timeout;
    struct giro_reader reader;
    struct giro_writer writer;
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    giro_reader_init(&reader, own, own_bytes);
    if (giro_timeout_decode(&reader, world->replica_count, &timeout) != GIRO_REJECT_NONE)
        return 0;
    const struct giro_qc *qc = old_qc(world, SIM_FAULT_FORGE);
    if (qc != NULL && sim_fault_between(world, SIM_FAULT_FORGE, 0, 1) == 0)
        timeout.high_qc = *qc; /* an older one: a lock that went back */
    else
        qc_spoil(world, &timeout.high_qc);
    timeout.header.high_qc_round = timeout.high_qc.header.round;
    if (sim_fault_between(world, SIM_FAULT_FORGE, 0, 3) == 0)
        timeout.header.round += sim_fault_between(world, SIM_FAULT_FORGE, 1, 5);
    size_t message_bytes =
        giro_timeout_message(&world->hub->genesis.chain_id, timeout.header.epoch,
                             timeout.header.round, timeout.header.high_qc_round, message);
    timeout.header.signature = giro_sign(world->hub->vote_keys[index], message, message_bytes);
    giro_writer_init(&writer, out, SIM_FORGE_MAX);
    return giro_timeout_encode(&timeout, &writer) ? (uint32_t)writer.offset : 0;
}

static uint32_t forge_tc(struct sim_world *world, const uint8_t *own, uint32_t own_bytes,
                         uint8_t *out)
{
    static struct giro_tc tc;
    struct giro_reader reader;
    struct giro_writer writer;
    giro_reader_init(&reader, own, own_bytes);
    if (giro_tc_decode(&reader, world->replica_count, &tc) != GIRO_REJECT_NONE)
        return 0;
    const struct giro_qc *qc = old_qc(world, SIM_FAULT_FORGE);
    if (qc != NULL && qc->header.round < tc.header.round) {
        for (uint32_t i = 0; i < tc.header.signer_count; i++)
            tc.high_qc_rounds[i] = qc->header.round;
        tc.high_qc = *qc;
    }
    if (sim_fault_between(world, SIM_FAULT_FORGE, 0, 1) == 0)
        tc.header.round += 1;
    giro_writer_init(&writer, out, SIM_FORGE_MAX);
    return giro_tc_encode(&tc, &writer) ? (uint32_t)writer.offset : 0;
}

static uint32_t forge_sync(struct sim_world *world, uint8_t *out)
{
    static struct giro_qc qc;
    struct giro_writer writer;
    struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    const struct giro_qc *old = old_qc(world, SIM_FAULT_FORGE);
    if (old == NULL)
        return 0;
    qc = *old;
    qc_spoil(world, &qc);
    giro_writer_init(&writer, out + sizeof(header), SIM_FORGE_MAX - sizeof(header));
    if (!giro_qc_encode(&qc, &writer))
        return 0;
    header.qc_bytes = (uint32_t)writer.offset;
    memcpy(out, &header, sizeof(header));
    return (uint32_t)(sizeof(header) + writer.offset);
}

uint32_t sim_forge_certificate(struct sim_world *world, uint32_t index, uint16_t body_kind,
                               const uint8_t *own, uint32_t own_bytes, uint8_t *out)
{
    if (body_kind == GIRO_KIND_TIMEOUT)
        return forge_timeout(world, index, own, own_bytes, out);
    if (body_kind == GIRO_KIND_TC)
        return forge_tc(world, own, own_bytes, out);
    return forge_sync(world, out);
}

/* ---- Answers to a start ---------------------------------------------------------------------------------- */

uint32_t sim_forge_hello(struct sim_world *world, uint32_t index, struct giro_hello *hello,
                         uint8_t *out)
{
    struct giro_writer writer;
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    const size_t message_bytes =
        giro_hello_message(&world->hub->genesis.chain_id, &hello->header, message);
    hello->header.signature = giro_sign(world->hub->batch_keys[index], message, message_bytes);
    giro_writer_init(&writer, out, sizeof(*hello));
    if (!giro_hello_encode(hello, &writer))
        return 0;
    return (uint32_t)writer.offset;
}

/* A vote and a timeout in the subject's name, above all it signed, under the traitor's key. */
static void made_up(struct sim_world *world, uint32_t index, struct giro_hello *hello)
{
    const uint64_t round = 1 + hello->vote.round + hello->timeout.round;
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    hello->vote = (struct giro_vote){.head = giro_head_make(GIRO_KIND_VOTE),
                                     .epoch = hello->header.epoch,
                                     .round = round,
                                     .parent_round = round - 1};
    sim_forge_vote_sign(world, index, &hello->vote);
    hello->vote.voter = hello->header.subject;
    const size_t message_bytes = giro_timeout_message(
        &world->hub->genesis.chain_id, hello->header.epoch, round, round - 1, message);
    hello->timeout = (struct giro_timeout_header){
        .head = giro_head_make(GIRO_KIND_TIMEOUT),
        .epoch = hello->header.epoch,
        .round = round,
        .high_qc_round = round - 1,
        .voter = hello->header.subject,
        .signature = giro_sign(world->hub->vote_keys[index], message, message_bytes)};
    hello->header.parts = GIRO_HELLO_VOTE | GIRO_HELLO_TIMEOUT;
}

/* Votes of others out of a real QC, under the subject's name. */
static void borrowed(struct sim_world *world, struct giro_hello *hello)
{
    const struct sim_lore *lore = world->nodes->lore;
    if (lore->qc_count == 0)
        return;
    const struct giro_qc *qc = &lore->qcs[(lore->qc_count - 1) % SIM_LORE_QCS];
    const uint64_t pick =
        sim_fault_between(world, SIM_FAULT_LIE_HELLO, 0, qc->header.signer_count - 1);
    hello->vote = (struct giro_vote){.head = giro_head_make(GIRO_KIND_VOTE),
                                     .epoch = qc->header.epoch,
                                     .round = qc->header.round,
                                     .parent_round = qc->header.parent_round,
                                     .block_id = qc->header.block_id,
                                     .commit_id = qc->header.commit_id,
                                     .voter = hello->header.subject,
                                     .signature = qc->signatures[pick]};
    hello->header.parts = GIRO_HELLO_VOTE;
}

void sim_forge_hello_parts(struct sim_world *world, uint32_t index, struct giro_hello *hello)
{
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    struct giro_hello_header *const question = &hello->question;
    switch (sim_fault_between(world, SIM_FAULT_LIE_HELLO, 0, 5)) {
    case 0:
        hello->header.parts = 0;
        break;
    case 1: /* what the subject signed, moved up */
        hello->vote.round += 7;
        hello->vote.parent_round += 7;
        hello->timeout.round += 7;
        break;
    case 2:
        made_up(world, index, hello);
        break;
    case 3:
        borrowed(world, hello);
        break;
    default: /* another start of the subject, under the traitor's key, or the very question asked */
        *question = hello->header;
        question->answerer = question->subject;
        question->answer = question->parts = 0;
        question->incarnation += sim_fault_between(world, SIM_FAULT_LIE_HELLO, 0, 1);
        question->nonce[0] ^= (uint8_t)sim_fault_between(world, SIM_FAULT_LIE_HELLO, 0, 1);
        const size_t message_bytes =
            giro_hello_message(&world->hub->genesis.chain_id, question, message);
        question->signature = giro_sign(world->hub->batch_keys[index], message, message_bytes);
        hello->header.parts |= GIRO_HELLO_QUESTION;
        break;
    }
}
