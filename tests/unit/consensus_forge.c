/* See consensus_forge.h. */
#include "unit/consensus_forge.h"

#include <criterion/criterion.h>

bool forge_silent(struct net *net, struct net_message *message)
{
    (void)net;
    (void)message;
    return false;
}

uint64_t forge_wall(const struct net *net)
{
    return NET_WALL_NS + net->now_ns;
}

struct net *forge_alone(void)
{
    struct net *net = net_new(4);
    net_start_all(net);
    net_run(net, 250 * MS);
    net->filter = forge_silent;
    for (uint32_t i = 1; i < 4; i++)
        net_kill(net, i);
    return net;
}

void forge_finish(struct net *net)
{
    giro_consensus_check(net->nodes[0].core);
    net_free(net);
}

struct giro_qc forge_genesis_qc(const struct net *net)
{
    return (struct giro_qc){.header = {.head = giro_head_make(GIRO_KIND_QC),
                                       .epoch = 1,
                                       .block_id = net->genesis_id,
                                       .scheme = GIRO_SCHEME_ED25519}};
}

/* A QC by replicas 1, 2, 3 for a block whose own QC was `parent`. */
struct giro_qc forge_qc_for(const struct net *net, const struct giro_hash *id, uint64_t round,
                            const struct giro_qc *parent)
{
    struct giro_qc qc = forge_genesis_qc(net);
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    qc.header.round = round;
    qc.header.parent_round = parent->header.round;
    qc.header.block_id = *id;
    if (round == parent->header.round + 1)
        qc.header.commit_id = parent->header.block_id;
    qc.header.signer_count = 3;
    size_t size_bytes = giro_vote_message(&net->chain_id, &qc.header, message);
    for (uint32_t i = 1; i < 4; i++) {
        giro_bitmap_set(qc.header.bitmap, i);
        qc.signatures[i - 1] = giro_sign(net->nodes[i].vote_key, message, size_bytes);
    }
    return qc;
}

struct giro_tc forge_tc_for(const struct net *net, uint64_t round, const struct giro_qc *high_qc)
{
    struct giro_tc tc = {.header = {.head = giro_head_make(GIRO_KIND_TC),
                                    .epoch = 1,
                                    .round = round,
                                    .scheme = GIRO_SCHEME_ED25519,
                                    .signer_count = 3},
                         .high_qc = *high_qc};
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    size_t size_bytes =
        giro_timeout_message(&net->chain_id, 1, round, high_qc->header.round, message);
    for (uint32_t i = 1; i < 4; i++) {
        giro_bitmap_set(tc.header.bitmap, i);
        tc.high_qc_rounds[i - 1] = high_qc->header.round;
        tc.signatures[i - 1] = giro_sign(net->nodes[i].vote_key, message, size_bytes);
    }
    return tc;
}

/* A block on `qc` that keeps every rule. */
struct forge_draft forge_draft_on(const struct net *net, const struct giro_qc *qc, uint64_t round,
                                  uint64_t height)
{
    struct forge_draft draft = {.header = {.head = giro_head_make(GIRO_KIND_BLOCK),
                                           .chain_id = net->chain_id,
                                           .epoch = 1,
                                           .round = round,
                                           .height = height,
                                           .parent_id = qc->header.block_id,
                                           .time_ns = forge_wall(net) + height * 1000,
                                           .author = (uint16_t)(round % 4)},
                                .qc = *qc};
    return draft;
}

/* Adds a batch with a proof by replicas 1, 2, 3. */
void forge_payload(const struct net *net, struct forge_draft *draft, uint8_t id, uint64_t expiry_ns)
{
    uint32_t at = draft->header.reference_count++;
    struct giro_batch_reference *reference = &draft->references[at];
    struct giro_batch_ack acks[3];
    struct giro_batch_proof_header header = {.head = giro_head_make(GIRO_KIND_BATCH_PROOF),
                                             .scheme = GIRO_SCHEME_ED25519,
                                             .signer_count = 3};
    *reference = (struct giro_batch_reference){.expiry_ns = expiry_ns,
                                               .size_bytes = 236,
                                               .frame_count = 1,
                                               .record_count = 1,
                                               .author = 1,
                                               .sequence = id};
    memset(reference->batch_id.bytes, id, 32);
    header.reference = *reference;
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t message[GIRO_BATCH_ACK_MESSAGE_BYTES_MAX];
        acks[i] = (struct giro_batch_ack){.header = {.head = giro_head_make(GIRO_KIND_BATCH_ACK),
                                                     .epoch = 1,
                                                     .expiry_ns = expiry_ns,
                                                     .voter = (uint16_t)(i + 1),
                                                     .id_count = 1},
                                          .ids = {reference->batch_id}};
        size_t size_bytes = giro_batch_ack_message(&net->chain_id, &acks[i], message);
        acks[i].signature = giro_sign(net->nodes[i + 1].batch_key, message, size_bytes);
        giro_bitmap_set(header.bitmap, i + 1);
    }
    struct giro_writer writer;
    giro_writer_init(&writer, draft->proof_bytes[at], sizeof(draft->proof_bytes[at]));
    cr_assert(giro_batch_proof_encode(&header, acks, &writer));
    draft->proof_sizes[at] = (uint32_t)writer.offset;
}

/* Hands the proposal to node 0 and returns its id. */
struct giro_hash forge_propose(struct net *net, struct forge_draft *draft)
{
    static uint8_t body[1 << 16], bytes[1 << 16];
    const uint8_t *proofs[2] = {draft->proof_bytes[0], draft->proof_bytes[1]};
    struct giro_writer writer;
    struct giro_hash id;
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_proposal_encode(&draft->header, draft->references, proofs, draft->proof_sizes,
                                   &draft->qc, draft->has_tc ? &draft->tc : NULL, NULL, &writer,
                                   &id));
    size_t message_bytes = giro_proposal_message(&net->chain_id, draft->header.epoch, &id, message);
    const struct net_node *author = &net->nodes[draft->header.author];
    struct giro_signature signature =
        giro_sign(draft->wrong_key ? author->vote_key : author->batch_key, message, message_bytes);
    signature.bytes[5] ^= draft->bad_signature;
    giro_writer_put(&writer, &signature, sizeof(signature));
    uint16_t sender = draft->header.author == 0 ? 1 : draft->header.author;
    uint32_t size_bytes = net_wrap(net, sender, GIRO_KIND_PROPOSAL, body, writer.offset, bytes);
    net->filter = NULL;
    net_message(net, sender, 0, bytes, size_bytes);
    net->filter = forge_silent;
    net_deliver(net);
    return id;
}

void forge_hand_in(struct net *net, uint16_t sender, enum giro_kind kind, const void *body,
                   size_t size_bytes)
{
    static uint8_t bytes[GIRO_PEER_BYTES_MAX];
    uint32_t message_bytes = net_wrap(net, sender, kind, body, size_bytes, bytes);
    net->filter = NULL;
    net_message(net, sender, 0, bytes, message_bytes);
    net->filter = forge_silent;
    net_deliver(net);
}
