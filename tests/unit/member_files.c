/* Frames, spools, sequence numbers, histograms. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "member/histogram.h"
#include "member/sender.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(member_frame, .init = hub_suite_open, .fini = hub_suite_close);
TestSuite(spool, .init = hub_suite_open, .fini = hub_suite_close);
TestSuite(sequence, .init = hub_suite_open, .fini = hub_suite_close);
TestSuite(histogram, .init = hub_suite_open, .fini = hub_suite_close);

/* ---- Frames ---- */

static bool verifies(const struct hub *hub, const struct giro_genesis_key *key,
                     const uint8_t *message, size_t message_bytes, const uint8_t *signature)
{
    struct giro_verify_item item = {key->handle, message, (uint32_t)message_bytes, signature};
    uint8_t verdict;
    return giro_verify_batch(hub->ring, &item, 1, &verdict) == 1 && verdict == GIRO_VALID;
}

Test(member_frame, frames_of_every_size_decode_and_verify_and_no_other_bytes_do)
{
    struct hub hub;
    uint8_t bytes[GIRO_FRAME_BYTES_MAX], message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    struct giro_frame frame;
    hub_make(&hub, 1, 3);
    static const uint32_t counts[] = {1, 2, 21, GIRO_FRAME_RECORDS_MAX};
    for (size_t i = 0; i < 4; i++) {
        size_t size = hub_frame(&hub, 1, 2, 7 + i, counts[i], bytes);
        cr_assert(giro_frame_decode(bytes, size, hub.genesis.chain_prefix, &frame) ==
                  GIRO_REJECT_NONE);
        cr_assert(frame.header.member == 1 && frame.header.sequence == 7 + i &&
                  frame.header.record_count == counts[i]);
        size_t message_bytes = giro_frame_message(&frame, &hub.genesis.chain_id, message);
        const struct giro_genesis_key *key = &hub.genesis.members[1].frame_keys[0];
        cr_assert(verifies(&hub, key, message, message_bytes, frame.signature), "%u records",
                  counts[i]);
        bytes[sizeof(struct giro_frame_header) + 16] ^= 1; /* an amount */
        cr_assert(giro_frame_decode(bytes, size, hub.genesis.chain_prefix, &frame) ==
                  GIRO_REJECT_NONE);
        message_bytes = giro_frame_message(&frame, &hub.genesis.chain_id, message);
        cr_assert(!verifies(&hub, key, message, message_bytes, frame.signature));
    }
    hub_free(&hub);
}

Test(member_frame, a_control_frame_carries_two_persons_signatures_over_the_same_bytes)
{
    struct hub hub;
    uint8_t bytes[GIRO_FRAME_BYTES_MAX], message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    struct giro_control control = {.op = GIRO_CONTROL_CLOSE_CYCLE, .currency = 203};
    hub_make(&hub, 1, 3);
    struct giro_secret_key *maker = hub_key("maker", "approver", 1);
    struct giro_secret_key *checker = hub_key("checker", "approver", 2);
    size_t size = giro_control_make(&hub.genesis, maker, 1, checker, 2, 0, 3, &control, 1, bytes);
    struct giro_frame frame;
    cr_assert(giro_frame_decode(bytes, size, hub.genesis.chain_prefix, &frame) == GIRO_REJECT_NONE);
    cr_assert(frame.header.head.kind == GIRO_KIND_CONTROL && frame.header.checker_key_id == 2 &&
              frame.header.member == GIRO_MEMBER_OPERATOR && frame.checker_signature != NULL);
    size_t message_bytes = giro_frame_message(&frame, &hub.genesis.chain_id, message);
    const uint8_t *signatures[] = {frame.signature, frame.checker_signature};
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert(
            verifies(&hub, &hub.genesis.operators[i].key, message, message_bytes, signatures[i]));
        cr_assert(!verifies(&hub, &hub.genesis.operators[1 - i].key, message, message_bytes,
                            signatures[i]));
    }
    giro_key_free(maker);
    giro_key_free(checker);
    hub_free(&hub);
}

/* ---- Spools ---- */

#define FRAMES 9u

static void spool_write(const struct hub *hub, const char *path)
{
    struct giro_diagnosis diagnosis;
    struct giro_spool_writer *writer;
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    cr_assert(giro_spool_create(path, &hub->genesis, &writer, &diagnosis) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < FRAMES; i++) {
        size_t size = hub_frame(hub, 0, 1, i, 1 + i, bytes);
        cr_assert(giro_spool_add(writer, bytes, (uint32_t)size) == GIRO_ERR_OK);
    }
    cr_assert(access(path, F_OK) != 0, "no spool before it is whole");
    cr_assert(giro_spool_finish(writer) == GIRO_ERR_OK);
}

Test(spool, what_is_added_comes_back_byte_for_byte)
{
    struct hub hub;
    char dir[256], path[300], other[320];
    struct giro_spool spool;
    struct giro_diagnosis diagnosis;
    hub_make(&hub, 1, 3);
    scratch_make(dir);
    snprintf(path, sizeof(path), "%s/a.spool", dir);
    spool_write(&hub, path);
    cr_assert(giro_spool_open(path, &hub.genesis, &spool, &diagnosis) == GIRO_ERR_OK);
    cr_assert(spool.frame_count == FRAMES &&
              spool.header.record_count == FRAMES * (FRAMES + 1) / 2);
    for (uint32_t i = 0; i < FRAMES; i++) {
        uint8_t bytes[GIRO_FRAME_BYTES_MAX];
        size_t size = hub_frame(&hub, 0, 1, i, 1 + i, bytes);
        cr_assert(spool.frame_bytes[i] == size && memcmp(spool.frames[i], bytes, size) == 0);
    }
    giro_spool_close(&spool);
    struct giro_spool_writer *writer;
    snprintf(path, sizeof(path), "%s/b.spool", dir);
    snprintf(other, sizeof(other), "%s.tmp", path);
    cr_assert(giro_spool_create(path, &hub.genesis, &writer, &diagnosis) == GIRO_ERR_OK);
    giro_spool_abandon(writer);
    cr_assert(access(path, F_OK) != 0 && access(other, F_OK) != 0, "abandoned without a trace");
    scratch_remove(dir);
    hub_free(&hub);
}

Test(spool, truncated_lengthened_changed_and_foreign_spools_are_refused)
{
    struct hub hub, other;
    char dir[256], path[300], bad[300];
    struct giro_spool spool;
    struct giro_diagnosis diagnosis;
    char *bytes = NULL;
    size_t size = 0;
    hub_make(&hub, 1, 3);
    hub_make(&other, 1, 2);
    scratch_make(dir);
    snprintf(path, sizeof(path), "%s/a.spool", dir);
    snprintf(bad, sizeof(bad), "%s/bad.spool", dir);
    spool_write(&hub, path);
    cr_assert(giro_spool_open(path, &other.genesis, &spool, &diagnosis) == GIRO_ERR_CHAIN);
    cr_assert(giro_spool_open(bad, &hub.genesis, &spool, &diagnosis) == GIRO_ERR_IO);
    cr_assert(giro_file_read(path, 1 << 20, &bytes, &size) == GIRO_ERR_OK);
    for (size_t cut = 0; cut < size; cut += cut < 80 ? 1 : 97) {
        cr_assert(giro_file_write(bad, 0600, bytes, cut) == GIRO_ERR_OK);
        cr_assert(giro_spool_open(bad, &hub.genesis, &spool, &diagnosis) == GIRO_ERR_FORMAT,
                  "cut at %zu", cut);
    }
    /* head, frame count, record count, a frame's size, its magic; then bytes behind the end */
    static const size_t places[] = {0, 4, 40, 47, 48, 64, 67, 68};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        bytes[places[i]] ^= 0x40;
        cr_assert(giro_file_write(bad, 0600, bytes, size) == GIRO_ERR_OK);
        cr_assert(giro_spool_open(bad, &hub.genesis, &spool, &diagnosis) == GIRO_ERR_FORMAT,
                  "byte %zu", places[i]);
        bytes[places[i]] ^= 0x40;
    }
    char *longer = calloc(1, size + 4);
    memcpy(longer, bytes, size);
    cr_assert(giro_file_write(bad, 0600, longer, size + 4) == GIRO_ERR_OK);
    cr_assert(giro_spool_open(bad, &hub.genesis, &spool, &diagnosis) == GIRO_ERR_FORMAT);
    free(longer);
    free(bytes);
    scratch_remove(dir);
    hub_free(&hub);
    hub_free(&other);
}

/* ---- Sequence numbers ---- */

Test(sequence, processes_at_once_never_get_the_same_numbers)
{
    enum { PROCESSES = 6, TURNS = 20 };
    char dir[256];
    int pipes[2];
    scratch_make(dir);
    cr_assert(pipe(pipes) == 0);
    pid_t children[PROCESSES];
    for (uint64_t p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        cr_assert(children[p] >= 0);
        if (children[p] > 0)
            continue;
        for (uint64_t i = 0; i < TURNS; i++) {
            struct giro_diagnosis diagnosis;
            uint64_t range[2] = {0, 1 + (p + i) % 3};
            if (giro_sequence_reserve(dir, "B000CZPP", 0, range[1], &range[0], &diagnosis) !=
                    GIRO_ERR_OK ||
                write(pipes[1], range, sizeof(range)) != (ssize_t)sizeof(range))
                _exit(1);
        }
        _exit(0);
    }
    close(pipes[1]);
    static bool taken[PROCESSES * TURNS * 3];
    uint64_t range[2], sum = 0;
    while (read(pipes[0], range, sizeof(range)) == (ssize_t)sizeof(range))
        for (uint64_t i = range[0]; i < range[0] + range[1]; i++, sum++) {
            cr_assert(i < sizeof(taken) && !taken[i], "%lu twice", i);
            taken[i] = true;
        }
    close(pipes[0]);
    for (uint64_t p = 0; p < PROCESSES; p++) {
        int status;
        cr_assert(waitpid(children[p], &status, 0) == children[p] && status == 0);
    }
    for (uint64_t i = 0; i < sum; i++)
        cr_assert(taken[i], "a gap at %lu", i);
    scratch_remove(dir);
}

Test(sequence, numbers_are_given_back_only_while_nobody_took_more)
{
    char dir[256];
    struct giro_diagnosis diagnosis;
    uint64_t first;
    scratch_make(dir);
    cr_assert(giro_sequence_reserve(dir, "A", 3, 10, &first, &diagnosis) == GIRO_ERR_OK);
    cr_assert(first == 0);
    cr_assert(giro_sequence_return(dir, "A", 3, 4, 10, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_sequence_reserve(dir, "A", 3, 2, &first, &diagnosis) == GIRO_ERR_OK);
    cr_assert(first == 4);
    cr_assert(giro_sequence_return(dir, "A", 3, 0, 4, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_sequence_reserve(dir, "A", 3, 0, &first, &diagnosis) == GIRO_ERR_OK);
    cr_assert(first == 6, "4 and 5 are somebody else's");
    cr_assert(giro_sequence_reserve(dir, "A", 4, 1, &first, &diagnosis) == GIRO_ERR_OK);
    cr_assert(first == 0, "another channel counts by itself");
    scratch_remove(dir);
}

Test(sequence, anything_but_a_number_in_the_file_is_refused)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "x\n",
                                        "-1\n",
                                        " 1\n",
                                        "1",
                                        "1 \n",
                                        "1\n2\n",
                                        "+1\n",
                                        "0x10\n",
                                        "1.0\n",
                                        "9223372036854775808\n",
                                        "99999999999999999999\n"};
    char dir[256], sub[300];
    struct giro_diagnosis diagnosis;
    uint64_t first;
    scratch_make(dir);
    snprintf(sub, sizeof(sub), "%s/A", dir);
    cr_assert(giro_dir_make(sub) == GIRO_ERR_OK);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        scratch_write(sub, "channel-0.next", texts[i]);
        cr_expect(giro_sequence_reserve(dir, "A", 0, 1, &first, &diagnosis) == GIRO_ERR_FORMAT,
                  "\"%s\"", texts[i]);
        cr_expect(strstr(diagnosis.hint, "next free sequence") != NULL);
    }
    scratch_remove(dir);
}

/* ---- Histograms ---- */

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

Test(histogram, quantiles_lie_within_half_a_bucket_of_the_exact_ones)
{
    enum { COUNT = 4000 };
    static uint64_t values[COUNT];
    uint64_t seed = hub_environment("GIRO_SEED", 1);
    for (uint64_t round = 0; round < 20 * hub_environment("GIRO_EFFORT", 1); round++) {
        uint64_t histogram[128] = {0};
        struct giro_prng prng;
        giro_prng_init(&prng, seed + round);
        for (int i = 0; i < COUNT; i++) {
            values[i] =
                100 + giro_prng_below(&prng, UINT64_C(1) << (5 + giro_prng_below(&prng, 26)));
            giro_histogram_add(histogram, values[i] * 1000 + giro_prng_below(&prng, 1000));
        }
        qsort(values, COUNT, sizeof(values[0]), compare);
        static const uint32_t parts[] = {1, 10, 250, 500, 900, 990, 999, 1000};
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            uint64_t exact = values[(COUNT * parts[i] + 999) / 1000 - 1];
            uint64_t found = giro_sender_quantile(histogram, parts[i]);
            /* a bucket is 2^(1/4) wide: its middle is within 2^(1/8) = 1.0905; 1.11 leaves room for rounding */
            cr_assert(found * 111 >= exact * 100 && found * 100 <= exact * 111,
                      "seed %lu, %u per mille: %lu instead of %lu", seed + round, parts[i], found,
                      exact);
        }
    }
}

Test(histogram, ends_and_emptiness)
{
    uint64_t histogram[128] = {0};
    cr_assert(giro_sender_quantile(histogram, 500) == 0);
    giro_histogram_add(histogram, 0);
    giro_histogram_add(histogram, UINT64_MAX);
    cr_assert(histogram[0] == 1 && histogram[127] == 1);
    cr_assert(giro_sender_quantile(histogram, 0) == 1 && giro_sender_quantile(histogram, 500) == 1);
    cr_assert(giro_sender_quantile(histogram, 1000) > UINT64_C(3600) * 1000000, "over an hour");
}
