/* A QC that commits, and that one of a later round displaced before everybody had it. Block 1 (round 1, with payload); on it block 2
 * of round 2, whose QC commits block 1; and, after a TC of round 2, block 3 of round 3 on block 1, too, whose QC commits
 * nothing but is the higher. */
#include <criterion/criterion.h>

#include "consensus/internal.h"
#include "unit/consensus_forge.h"

struct fork {
    struct net *net;
    struct giro_qc qc1, qc2, qc3;
};

static void sync_hand_in(struct net *net, const struct giro_qc *qc)
{
    uint8_t body[sizeof(struct giro_sync_header) + sizeof(*qc)];
    struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    struct giro_writer writer;
    giro_writer_init(&writer, body + sizeof(header), sizeof(*qc));
    cr_assert(giro_qc_encode(qc, &writer));
    header.qc_bytes = (uint32_t)writer.offset;
    memcpy(body, &header, sizeof(header));
    forge_hand_in(net, 2, GIRO_KIND_SYNC, body, sizeof(header) + writer.offset);
}

/* Node 0 has blocks 1 and 3; of round 2 it knows the TC. */
static void fork_begin(struct fork *fork)
{
    struct net *net = fork->net = forge_alone();
    struct giro_qc genesis = forge_genesis_qc(net);
    struct forge_draft draft = forge_draft_on(net, &genesis, 1, 1);
    forge_payload(net, &draft, 1, forge_wall(net) + 60 * GIRO_NS_PER_S);
    const struct giro_hash block1 = forge_propose(net, &draft), block2 = {{2}};
    fork->qc1 = forge_qc_for(net, &block1, 1, &genesis);
    fork->qc2 = forge_qc_for(net, &block2, 2, &fork->qc1);
    draft = forge_draft_on(net, &fork->qc1, 3, 2);
    draft.tc = forge_tc_for(net, 2, &fork->qc1);
    draft.has_tc = true;
    const struct giro_hash block3 = forge_propose(net, &draft);
    fork->qc3 = forge_qc_for(net, &block3, 3, &fork->qc1);
}

Test(consensus_sync, a_qc_that_commits_is_taken_though_a_higher_one_is_known)
{
    struct fork fork;
    fork_begin(&fork);
    sync_hand_in(fork.net, &fork.qc3);
    cr_assert(net_status(fork.net, 0).high_qc_round == 3);
    cr_assert(net_status(fork.net, 0).committed_height == 0);
    struct giro_qc forged = fork.qc2;
    forged.signatures[1].bytes[5] ^= 1;
    sync_hand_in(fork.net, &forged);
    cr_assert(net_status(fork.net, 0).committed_height == 0);
    sync_hand_in(fork.net, &fork.qc2);
    cr_assert(net_status(fork.net, 0).committed_height == 1);
    cr_assert(net_status(fork.net, 0).high_qc_round == 3);
    forge_finish(fork.net);
}

/* What node 0 sent to node 1 of this kind, last. */
static struct {
    uint32_t count;
    struct giro_qc qc;
} told;

static bool listen(struct net *net, struct net_message *message)
{
    struct giro_peer_envelope envelope;
    struct giro_sync_header header;
    (void)net;
    memcpy(&envelope, message->bytes, sizeof(envelope));
    if (message->from != 0 || message->to != 1 || envelope.body_kind != GIRO_KIND_SYNC)
        return false;
    memcpy(&header, message->bytes + sizeof(envelope), sizeof(header));
    cr_assert(header.qc_bytes > 0 && header.tc_bytes == 0);
    struct giro_reader reader;
    giro_reader_init(&reader, message->bytes + sizeof(envelope) + sizeof(header), header.qc_bytes);
    cr_assert(giro_qc_decode(&reader, 4, &told.qc) == GIRO_REJECT_NONE);
    told.count++;
    return false;
}

/* Node 1 waits in round 4 for block 1 to be committed. */
static void timeout_hand_in(const struct fork *fork)
{
    uint8_t body[8192], message[GIRO_TIMEOUT_MESSAGE_BYTES];
    static struct giro_timeout timeout;
    timeout = (struct giro_timeout){.header = {.head = giro_head_make(GIRO_KIND_TIMEOUT),
                                               .epoch = 1,
                                               .round = 4,
                                               .high_qc_round = 3,
                                               .voter = 1},
                                    .high_qc = fork->qc3};
    const size_t size_bytes = giro_timeout_message(&fork->net->chain_id, 1, 4, 3, message);
    timeout.header.signature = giro_sign(fork->net->nodes[1].vote_key, message, size_bytes);
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_timeout_encode(&timeout, &writer));
    static uint8_t bytes[sizeof(struct giro_peer_envelope) + sizeof(body)];
    struct giro_event event = {
        .kind = GIRO_EVENT_MESSAGE, .now_ns = fork->net->now_ns, .wall_ns = forge_wall(fork->net)};
    event.message.sender = 1;
    event.message.bytes = bytes;
    event.message.size_bytes =
        net_wrap(fork->net, 1, GIRO_KIND_TIMEOUT, body, writer.offset, bytes);
    struct giro_peer_envelope envelope;
    memcpy(&envelope, bytes, sizeof(envelope));
    envelope.high_qc_round = 3;
    memcpy(bytes, &envelope, sizeof(envelope));
    net_event(fork->net, 0, &event);
}

Test(consensus_sync, who_waits_for_what_is_committed_here_is_sent_the_qc_that_committed_it)
{
    struct fork fork;
    fork_begin(&fork);
    sync_hand_in(fork.net, &fork.qc2);
    sync_hand_in(fork.net, &fork.qc3);
    cr_assert(net_status(fork.net, 0).committed_height == 1);
    cr_assert(net_status(fork.net, 0).high_qc_round == 3);
    fork.net->filter = listen;
    net_start(fork.net, 1);
    memset(&told, 0, sizeof(told));
    for (uint32_t i = 0; i < 100; i++)
        timeout_hand_in(&fork);
    cr_assert(told.count == 1, "%u times", told.count);
    cr_assert(memcmp(&told.qc, &fork.qc2, sizeof(fork.qc2)) == 0);
    fork.net->now_ns += GIRO_NS_PER_S;
    timeout_hand_in(&fork);
    cr_assert(told.count == 2);
    forge_finish(fork.net);
}
