/* Checkpoint votes in the core: when q of them and the certificate of the height make an image one to keep. */
#include <criterion/criterion.h>

#include "consensus/internal.h"
#include "unit/consensus_core_net.h"

#define EVERY 4u

static struct net *running(void)
{
    struct net *net = net_new(4);
    net->checkpoint_every = EVERY;
    net_start_all(net);
    net_run(net, 250 * MS);
    return net;
}

static void pay_some(struct net *net, uint64_t from, uint32_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        net_pay(net, (uint32_t)((from + i) % 3), from + i);
        net_run(net, 100 * MS);
    }
}

static void finish(struct net *net)
{
    net_check(net);
    net_free(net);
}

static uint16_t kind_of(const struct net_message *message)
{
    uint16_t kind;
    memcpy(&kind, message->bytes + 12, sizeof(kind));
    return kind;
}

Test(consensus_checkpoint, q_equal_votes_and_the_certificate_keep_the_image)
{
    struct net *net = running();
    pay_some(net, 1, 12);
    for (uint32_t i = 0; i < 4; i++) {
        const struct giro_checkpoint *const kept = &net->nodes[i].kept;
        cr_assert(net->nodes[i].keeps >= 2, "node %u: %u", i, net->nodes[i].keeps);
        cr_assert(kept->header.body.height % EVERY == 0 && kept->header.signer_count == 3);
        cr_assert(giro_checkpoint_verify(net->nodes[i].core, kept) == GIRO_REJECT_NONE);
        cr_assert(net_status(net, i).checkpoint_height == kept->header.body.height);
        cr_assert(net->nodes[i].certified_height >= kept->header.body.height);
    }
    cr_assert(net_quiet(net));
    finish(net);
}

static bool no_checkpoint_votes_from_2_and_3(struct net *net, struct net_message *message)
{
    (void)net;
    return kind_of(message) != GIRO_KIND_CHECKPOINT_VOTE || message->from < 2;
}

/* Two of four are too few; the votes are sent again until the others hear of them. */
Test(consensus_checkpoint, fewer_than_q_votes_keep_nothing_and_are_sent_again)
{
    struct net *net = running();
    net->filter = no_checkpoint_votes_from_2_and_3;
    pay_some(net, 1, 5);
    cr_assert(net->nodes[0].keeps == 0 && net->nodes[1].keeps == 0);
    cr_assert(net->nodes[0].executed_count >= EVERY && !net_quiet(net));
    net->filter = NULL;
    net_run(net, 10 * GIRO_NS_PER_S);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(net->nodes[i].keeps >= 1, "node %u", i);
    cr_assert(net_quiet(net));
    finish(net);
}

static bool no_commit_votes(struct net *net, struct net_message *message)
{
    (void)net;
    return kind_of(message) != GIRO_KIND_COMMIT_VOTE;
}

static bool no_certificates(struct net *net, struct net_message *message)
{
    return no_commit_votes(net, message) && kind_of(message) != GIRO_KIND_CERTIFICATE;
}

Test(consensus_checkpoint, an_image_waits_for_the_certificate_of_its_height)
{
    struct net *net = running();
    net->filter = no_certificates;
    pay_some(net, 1, 6);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert(net_status(net, i).checkpoint_height >= EVERY, "node %u: signed", i);
        cr_assert(net->nodes[i].keeps == 0, "node %u: not certified", i);
    }
    net->filter = NULL;
    net_run(net, 10 * GIRO_NS_PER_S);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(net->nodes[i].keeps >= 1, "node %u", i);
    finish(net);
}

/* One that made another image than a quorum signed stops; the others go on without it. */
Test(consensus_checkpoint, who_made_another_image_than_a_quorum_signed_stops)
{
    struct net *net = running();
    net->nodes[3].other_image = 1;
    pay_some(net, 1, 8);
    cr_assert(net->nodes[3].halts == 1 && net_status(net, 3).halted);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(net->nodes[i].keeps >= 1 && !net_status(net, i).halted, "node %u", i);
    finish(net);
}

/* Two of each: no image has a quorum, nobody is wrong by the rules, nothing is kept, and ordering goes on. */
Test(consensus_checkpoint, no_quorum_for_any_image_keeps_nothing_and_stops_nobody)
{
    struct net *net = running();
    net->nodes[2].other_image = net->nodes[3].other_image = 1;
    pay_some(net, 1, 10);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert(net->nodes[i].keeps == 0 && !net_status(net, i).halted, "node %u", i);
        cr_assert(net->nodes[i].executed_batches == 10, "node %u", i);
    }
    finish(net);
}

static bool only_own_votes(struct net *net, struct net_message *message)
{
    (void)net;
    return kind_of(message) != GIRO_KIND_CHECKPOINT_VOTE &&
           kind_of(message) != GIRO_KIND_CHECKPOINT;
}

/* ---- Votes made by hand ------------------------------------------------------------------------------------ */

static void vote_hand_in(struct net *net, const struct giro_checkpoint_body *body, uint16_t voter,
                         uint32_t signer)
{
    struct giro_checkpoint_vote vote = {.body = *body, .voter = voter};
    uint8_t message[GIRO_CHECKPOINT_MESSAGE_BYTES], bytes[sizeof(vote) + 64];
    const size_t message_bytes = giro_checkpoint_message(&net->chain_id, body, message);
    vote.signature = giro_sign(net->nodes[signer].batch_key, message, message_bytes);
    net->filter = NULL;
    net_message(net, voter, 0, bytes,
                net_wrap(net, voter, GIRO_KIND_CHECKPOINT_VOTE, &vote, sizeof(vote), bytes));
    net_deliver(net);
    net->filter = only_own_votes;
}

Test(consensus_checkpoint, forged_foreign_and_old_votes_do_not_count)
{
    struct net *net = running();
    net->filter = only_own_votes;
    pay_some(net, 1, 4);
    net_run(net, GIRO_NS_PER_S);
    const struct giro_checkpoints *const all = &net->nodes[0].core->checkpoints;
    cr_assert(all->signed_ && all->own.height == EVERY && net->nodes[0].keeps == 0);
    struct giro_checkpoint_body body = all->own;
    const struct giro_consensus_status before = net_status(net, 0);
    vote_hand_in(net, &body, 1, 2); /* signed by another */
    vote_hand_in(net, &body, 2, 2);
    struct giro_consensus_status status = net_status(net, 0);
    cr_assert(net->nodes[0].keeps == 0 && status.checkpoint_height == 0);
    cr_assert(status.rejects[GIRO_REJECT_SIGNATURE] == before.rejects[GIRO_REJECT_SIGNATURE] + 1);
    body.epoch = 2;
    vote_hand_in(net, &body, 1, 1);
    status = net_status(net, 0);
    cr_assert(status.rejects[GIRO_REJECT_EPOCH] == before.rejects[GIRO_REJECT_EPOCH] + 1);
    body = all->own;
    body.image_root.bytes[5] ^= 1; /* of another image: kept, and no quorum */
    vote_hand_in(net, &body, 1, 1);
    cr_assert(net->nodes[0].keeps == 0);
    body = all->own;
    body.height += EVERY; /* of a height that is not here yet: kept beside the other one */
    vote_hand_in(net, &body, 1, 1);
    cr_assert(net->nodes[0].keeps == 0);
    body = all->own;
    vote_hand_in(net, &body, 1, 1); /* says better now */
    cr_assert(net->nodes[0].keeps == 1 && net_status(net, 0).checkpoint_height == EVERY);
    body.height = EVERY - 1; /* below the newest checkpoint */
    const uint64_t stale = net_status(net, 0).rejects[GIRO_REJECT_STALE];
    vote_hand_in(net, &body, 2, 2);
    cr_assert(net_status(net, 0).rejects[GIRO_REJECT_STALE] == stale + 1);
    finish(net);
}

/* Who votes late is sent the checkpoint, and keeps its image, too. */
Test(consensus_checkpoint, a_late_voter_is_answered_with_the_checkpoint)
{
    struct net *net = running();
    net->filter = only_own_votes;
    pay_some(net, 1, 4);
    net_kill(net, 3);
    net->filter = NULL;
    net_run(net, 6 * GIRO_NS_PER_S); /* 0, 1 and 2 are a quorum */
    cr_assert(net->nodes[2].keeps >= 1 && net->nodes[3].keeps == 0);
    const uint64_t sent = net->nodes[0].sent[GIRO_KIND_CHECKPOINT & 0x1FF];
    struct giro_checkpoint_vote vote = {.body = net->nodes[0].core->checkpoints.newest.header.body,
                                        .voter = 3};
    vote.body.head = giro_head_make(GIRO_KIND_CHECKPOINT_VOTE);
    uint8_t bytes[sizeof(vote) + 64];
    net_message(net, 3, 0, bytes,
                net_wrap(net, 3, GIRO_KIND_CHECKPOINT_VOTE, &vote, sizeof(vote), bytes));
    net_deliver(net);
    cr_assert(net->nodes[0].sent[GIRO_KIND_CHECKPOINT & 0x1FF] == sent + 1);
    finish(net);
}

static bool count_blocks_to_3(struct net *net, struct net_message *message)
{
    if (message->from == 0 && message->to == 3 && kind_of(message) == GIRO_KIND_BLOCK)
        ++*(uint32_t *)net->context;
    return true;
}

/* A core that started from an image has no bytes of the block that the image stands for, and a peer whose image is older may ask
 * for just that one: the log answers, with the block or that it is gone. Silence would keep the peer waiting for ever. */
Test(consensus_checkpoint, the_block_an_image_stands_for_is_asked_of_the_log)
{
    struct net *net = running();
    uint32_t blocks = 0;
    pay_some(net, 1, 6);
    struct giro_tree *const tree = &net->nodes[0].core->tree;
    tree->proposals[tree->tip].size_bytes = 0; /* as after such a start */
    net->filter = count_blocks_to_3;
    net->context = &blocks;
    for (uint32_t by_id = 0; by_id < 2; by_id++) {
        const struct giro_fetch_blocks request = {.head = giro_head_make(GIRO_KIND_FETCH_BLOCKS),
                                                  .block_id = by_id ? tree->blocks[tree->tip].id
                                                                    : giro_hash_zero,
                                                  .from_height = tree->blocks[tree->tip].height,
                                                  .count = 1};
        uint8_t bytes[512];
        const uint32_t size_bytes =
            net_wrap(net, 3, GIRO_KIND_FETCH_BLOCKS, &request, sizeof(request), bytes);
        net_message(net, 3, 0, bytes, size_bytes);
        net_deliver(net);
        cr_assert(blocks == by_id + 1, "by %s: %u blocks", by_id ? "id" : "height", blocks);
    }
    finish(net);
}
