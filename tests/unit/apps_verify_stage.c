/* One replica of four, fed with peers' batches and own members' frames, some with bad signatures: with threads it says and
 * sends, byte for byte, what it does without. */
#include <poll.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "apps/girod/verify_stage.h"
#include "member_support.h"

TestSuite(verify_stage, .init = hub_suite_open, .fini = hub_suite_close);

#define REPLICAS     4u
#define ROUNDS       40u
#define STEP_NS      UINT64_C(1000000)
#define WALL_NS      (UINT64_C(1790000000) * GIRO_NS_PER_S)
#define MESSAGE_ROOM (sizeof(struct giro_peer_envelope) + GIRO_BATCH_BYTES_MAX)

struct end {
    struct hub hub;
    struct giro_disk_faulty *faulty;
    struct giro_disk disk;
    struct giro_secret_key *vote_key, *batch_key;
    struct giro_replica *replica;
    struct giro_ingress *ingress;
    struct giro_verify_stage *stage;
    uint64_t now_ns;
    uint64_t kept; /* messages the stage took */
    struct giro_hash sent;
    uint64_t sent_count, acks, batches;
    struct giro_hello_header question; /* of its start, head.magic 0 = not asked yet */
    uint8_t *message;
    uint32_t message_bytes;
};

/* ---- What the replica says ---------------------------------------------------------------------------- */

static void on_send(void *context, uint16_t peer, const struct giro_part *parts, uint32_t count)
{
    struct end *end = context;
    struct giro_peer_envelope envelope;
    struct giro_part all[8] = {{&end->sent, sizeof(end->sent)}, {&peer, sizeof(peer)}};
    cr_assert(count <= 6);
    memcpy(all + 2, parts, count * sizeof(parts[0]));
    end->sent = giro_sha256_parts(all, count + 2);
    memcpy(&envelope, parts[0].bytes, sizeof(envelope));
    if (envelope.body_kind == GIRO_KIND_HELLO)
        memcpy(&end->question, parts[1].bytes, sizeof(end->question));
    end->acks += envelope.body_kind == GIRO_KIND_BATCH_ACK;
    end->batches += envelope.body_kind == GIRO_KIND_BATCH;
    end->sent_count++;
}

static void on_answer(void *context, const struct giro_answer *answer)
{
    (void)context;
    (void)answer;
    cr_assert_fail("nothing is proved here");
}

static void on_journal(void *context, uint16_t member, uint16_t date, const void *bytes,
                       uint32_t size_bytes)
{
    (void)context;
    (void)member;
    (void)date;
    (void)bytes;
    (void)size_bytes;
    cr_assert_fail("nothing is certified here");
}

static void on_block(void *context, uint64_t height, const void *bytes, size_t size_bytes)
{
    (void)context;
    (void)height;
    (void)bytes;
    (void)size_bytes;
    cr_assert_fail("nothing is ordered here");
}

static void on_certificate(void *context, const struct giro_certificate *certificate)
{
    (void)context;
    (void)certificate;
    cr_assert_fail("nothing is certified here");
}

static uint32_t on_leaf(void *context, uint64_t height, uint32_t leaf_index, uint8_t *out,
                        uint32_t out_bytes)
{
    (void)context;
    (void)height;
    (void)leaf_index;
    (void)out;
    (void)out_bytes;
    return 0;
}

static void on_evidence(void *context, const struct giro_action *action)
{
    (void)context;
    (void)action;
    cr_assert_fail("a bad signature of a member is no evidence against a replica");
}

static void on_halted(void *context, const char *reason, uint64_t height)
{
    (void)context;
    cr_assert_fail("%s at %lu", reason, height);
}

/* ---- Making one --------------------------------------------------------------------------------------- */

static void wait_for_disk(void *context)
{
    struct end *end = context;
    const uint64_t next_ns = giro_disk_faulty_next_ns(end->faulty);
    if (next_ns != UINT64_MAX && next_ns > end->now_ns)
        end->now_ns = next_ns;
    giro_disk_faulty_advance(end->faulty, end->now_ns);
}

static void replica_open(struct end *end)
{
    const char *name = end->hub.genesis.replicas[0].name;
    static const struct giro_disk_faults faults = {.latency_min_ns = 1000, .latency_max_ns = 1000};
    end->vote_key = hub_key(name, "vote", 1);
    end->batch_key = hub_key(name, "batch", 1);
    end->faulty = giro_disk_faulty_new(5, &faults);
    giro_disk_faulty_advance(end->faulty, end->now_ns);
    end->disk = giro_disk_faulty_disk(end->faulty);
    const struct giro_replica_options options = {.genesis = &end->hub.genesis,
                                                 .ring = end->hub.ring,
                                                 .vote_key = end->vote_key,
                                                 .batch_key = end->batch_key,
                                                 .disk = &end->disk,
                                                 .segment_bytes = 4u << 20,
                                                 .log_buffer_bytes = 8u << 20,
                                                 .batches_max = 64,
                                                 .blocks_max = 128,
                                                 .pending_max = 4096,
                                                 .entries_max = 1u << 19,
                                                 .uetr_index_max = 4096,
                                                 .index_max = 1u << 15,
                                                 .seed = 11,
                                                 .callbacks = {.context = end,
                                                               .send = on_send,
                                                               .answer = on_answer,
                                                               .journal = on_journal,
                                                               .ledger_block = on_block,
                                                               .certificate = on_certificate,
                                                               .leaf = on_leaf,
                                                               .evidence = on_evidence,
                                                               .halted = on_halted}};
    end->replica = giro_replica_new(&options);
    cr_assert(end->replica != NULL);
    cr_assert(giro_replica_start(end->replica, end->now_ns, WALL_NS + end->now_ns, wait_for_disk,
                                 end) == GIRO_ERR_OK);
}

static void envelope_make(struct end *end, uint16_t sender, uint16_t body_kind, size_t body_bytes)
{
    end->message_bytes = (uint32_t)(sizeof(struct giro_peer_envelope) + body_bytes);
    const struct giro_peer_envelope envelope = {.head = giro_head_make(GIRO_KIND_PEER),
                                                .size_bytes = end->message_bytes,
                                                .body_kind = body_kind,
                                                .sender = sender,
                                                .epoch = 1};
    memcpy(end->message, &envelope, sizeof(envelope));
}

/* It signs nothing before q - 1 others have answered its HELLO. */
static void hello_answer(struct end *end, uint16_t peer)
{
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    struct giro_hello answer = {.header = end->question};
    struct giro_secret_key *key = hub_key(end->hub.genesis.replicas[peer].name, "batch", 1);
    cr_assert(giro_head_is(&end->question.head, GIRO_KIND_HELLO), "it asks at its start");
    answer.header.answerer = peer;
    answer.header.answer = 1;
    const size_t size = giro_hello_message(&end->hub.genesis.chain_id, &answer.header, message);
    answer.header.signature = giro_sign(key, message, size);
    giro_key_free(key);
    struct giro_writer writer;
    giro_writer_init(&writer, end->message + sizeof(struct giro_peer_envelope),
                     GIRO_BATCH_BYTES_MAX);
    cr_assert(giro_hello_encode(&answer, &writer));
    envelope_make(end, peer, GIRO_KIND_HELLO, writer.offset);
    giro_replica_message(end->replica, end->now_ns, WALL_NS + end->now_ns, peer, end->message,
                         end->message_bytes);
}

static struct end *end_open(uint32_t threads)
{
    struct end *end = calloc(1, sizeof(*end));
    end->now_ns = GIRO_NS_PER_S;
    end->message = malloc(MESSAGE_ROOM);
    hub_make(&end->hub, REPLICAS, 2);
    replica_open(end);
    hello_answer(end, 1);
    hello_answer(end, 2);
    const struct giro_ingress_options ingress = {
        .genesis = &end->hub.genesis, .frames_max = 1024, .gather_frames = 1, .map_seed = 3};
    const size_t size = giro_ingress_footprint(&ingress);
    end->ingress = giro_ingress_init(aligned_alloc(64, size), size, &ingress);
    const struct giro_verifiers_options verifiers = {.genesis = &end->hub.genesis,
                                                     .ring = end->hub.ring,
                                                     .ingress = end->ingress,
                                                     .thread_count = threads};
    cr_assert(giro_verify_stage_open(&verifiers, end->replica, &end->stage) == GIRO_ERR_OK);
    return end;
}

static void end_close(struct end *end)
{
    giro_verify_stage_close(end->stage);
    giro_replica_free(end->replica);
    giro_disk_faulty_free(end->faulty);
    giro_key_free(end->vote_key);
    giro_key_free(end->batch_key);
    hub_free(&end->hub);
    free(end->ingress);
    free(end->message);
    free(end);
}

/* ---- A stream ------------------------------------------------------------------------------------------- */

/* A message of `sender` with a batch of `author`; sequences of its frames begin at first. */
static void message_make(struct end *end, uint16_t sender, uint16_t author, uint64_t first,
                         uint32_t frames)
{
    static uint8_t frame[GIRO_FRAME_BYTES_MAX];
    struct giro_batch_header header = {.head = giro_head_make(GIRO_KIND_BATCH),
                                       .epoch = 1,
                                       .sequence = first,
                                       .created_ns = WALL_NS + end->now_ns,
                                       .frame_count = frames,
                                       .record_count = 3 * frames,
                                       .author = author};
    uint8_t *batch = end->message + sizeof(struct giro_peer_envelope);
    struct giro_writer writer;
    giro_writer_init(&writer, batch, GIRO_BATCH_BYTES_MAX);
    giro_writer_put(&writer, &header, sizeof(header));
    for (uint32_t i = 0; i < frames; i++) {
        static const uint8_t zeros[4];
        const size_t size = hub_frame(&end->hub, 1, 0, first + i, 3, frame);
        giro_writer_u32(&writer, (uint32_t)size);
        giro_writer_put(&writer, frame, size);
        giro_writer_put(&writer, zeros, giro_align_up(size, 4) - size);
    }
    cr_assert(!writer.failed);
    header.size_bytes = (uint32_t)writer.offset;
    memcpy(batch, &header, sizeof(header));
    envelope_make(end, sender, GIRO_KIND_BATCH, writer.offset);
}

static void message_in(struct end *end, uint16_t sender)
{
    if (giro_verify_stage_message(end->stage, sender, end->message, end->message_bytes))
        end->kept++;
    else
        giro_replica_message(end->replica, end->now_ns, WALL_NS + end->now_ns, sender, end->message,
                             end->message_bytes);
}

/* What has been kept comes out, whoever does the work; time stands still meanwhile. */
static void drain(struct end *end)
{
    struct giro_verifiers_counters counters;
    do {
        (void)giro_verify_stage_frames(end->stage, end->now_ns);
        (void)giro_verify_stage_hand_in(end->stage, end->now_ns, WALL_NS + end->now_ns);
        giro_verify_stage_counters(end->stage, &counters);
        if (counters.threads > 0 && counters.chunks_waiting + counters.batches_waiting > 0 &&
            giro_verify_stage_sleep(end->stage)) {
            struct pollfd ready = {.fd = giro_verify_stage_fd(end->stage), .events = POLLIN};
            cr_assert(poll(&ready, 1, 20000) == 1);
            giro_verify_stage_awake(end->stage);
        }
    } while (counters.chunks_waiting + counters.batches_waiting +
                 giro_ingress_waiting(end->ingress) >
             0);
}

static void member_frame(struct end *end, uint64_t sequence, bool bad)
{
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    const size_t size = hub_frame(&end->hub, 0, 1, sequence, 2, frame);
    frame[size - 5] ^= bad;
    const struct giro_datagram datagram = {.bytes = frame, .size_bytes = (uint32_t)size};
    cr_assert(giro_ingress_take(end->ingress, end->now_ns, &datagram, 0) == GIRO_REJECT_NONE);
}

/* Each kind of batch in turn, good and bad, from each peer. */
static void batch_of(struct end *end, uint32_t round)
{
    const uint16_t sender = (uint16_t)(1 + round % 3);
    const uint16_t author = round % 7 == 4 ? (uint16_t)(1 + (round + 1) % 3) : sender;
    message_make(end, sender, author, 100 * round, 1 + round % 90);
    uint8_t *batch = end->message + sizeof(struct giro_peer_envelope);
    if (round % 7 == 1) /* in the last frame's signature */
        end->message[end->message_bytes - 9] ^= 1;
    if (round % 7 == 3) /* more frames than there are */
        batch[36]++;
    if (round % 7 == 5) /* its size is not the message's */
        batch[32]++;
    message_in(end, sender);
    if (round % 7 == 6) /* once more */
        message_in(end, sender);
}

struct outcome {
    struct giro_hash sent;
    uint64_t sent_count, acks, batches, ingress_bad;
    uint64_t rejects[REPLICAS][GIRO_REJECT_COUNT_OF_REASONS];
};

static struct outcome run(uint32_t threads)
{
    struct end *end = end_open(threads);
    struct outcome outcome = {.acks = 0};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        end->now_ns += STEP_NS;
        giro_disk_faulty_advance(end->faulty, end->now_ns);
        batch_of(end, round);
        for (uint64_t i = 0; i < 3; i++) /* never more than the batch under construction holds */
            member_frame(end, 3 * round + i, (round + i) % 6 == 0);
        drain(end);
        cr_assert(giro_replica_poll(end->replica, end->now_ns, WALL_NS + end->now_ns) ==
                  GIRO_ERR_OK);
    }
    cr_assert((end->kept > 0) == (threads > 0), "%lu kept", end->kept);
    outcome.sent = end->sent;
    outcome.sent_count = end->sent_count;
    outcome.acks = end->acks;
    outcome.batches = end->batches;
    uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
    giro_ingress_rejects(end->ingress, 0, rejects);
    outcome.ingress_bad = rejects[GIRO_REJECT_SIGNATURE];
    for (uint32_t peer = 0; peer < REPLICAS; peer++)
        giro_replica_peer_rejects(end->replica, peer, outcome.rejects[peer]);
    end_close(end);
    return outcome;
}

Test(verify_stage, a_replica_says_the_same_with_and_without_threads)
{
    static const uint32_t threads[] = {1, 3};
    const struct outcome alone = run(0);
    cr_assert(alone.acks > 0 && alone.batches > 0 && alone.ingress_bad > 0, "%lu %lu %lu",
              alone.acks, alone.batches, alone.ingress_bad);
    for (uint32_t peer = 1; peer < REPLICAS; peer++) {
        cr_assert(alone.rejects[peer][GIRO_REJECT_SIGNATURE] > 0, "peer %u", peer);
        cr_assert(alone.rejects[peer][GIRO_REJECT_SIGNER] > 0, "peer %u", peer);
        cr_assert(alone.rejects[peer][GIRO_REJECT_DUPLICATE] > 0, "peer %u", peer);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct outcome now = run(threads[i]);
        cr_assert(memcmp(now.rejects, alone.rejects, sizeof(now.rejects)) == 0, "%u threads",
                  threads[i]);
        cr_assert(now.acks == alone.acks && now.batches == alone.batches, "%u threads", threads[i]);
        cr_assert(memcmp(&now, &alone, sizeof(now)) == 0, "%u threads", threads[i]);
    }
}

/* What was found out about one batch says nothing about another. */
Test(verify_stage, a_verdict_counts_only_for_the_batch_it_is_of)
{
    struct end *end = end_open(0);
    uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
    const struct giro_batch_checked other = {.batch_id = {.bytes = {1}}, .valid = true};
    message_make(end, 1, 1, 0, 4);
    end->message[end->message_bytes - 9] ^= 1;
    giro_replica_batch(end->replica, end->now_ns, WALL_NS + end->now_ns, 1, end->message,
                       end->message_bytes, &other);
    giro_replica_peer_rejects(end->replica, 1, rejects);
    cr_assert(rejects[GIRO_REJECT_SIGNATURE] == 1);
    end_close(end);
}
