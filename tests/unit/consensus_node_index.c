#include <criterion/criterion.h>
#include <stdlib.h>

#include "consensus/node_serve.h"

#define MAX 8u

static struct giro_hash id_of(uint64_t number)
{
    struct giro_hash id = giro_hash_zero;
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static struct giro_log_position place_of(uint64_t number)
{
    return (struct giro_log_position){1 + number / 4, 4096 * number};
}

static void *index_make(struct giro_index *index)
{
    size_t size_bytes = giro_index_footprint(MAX);
    void *mem = aligned_alloc(64, size_bytes);
    giro_index_init(index, mem, MAX, 99);
    return mem;
}

/* A chain: block n is at height n, its parent is block n - 1. */
static void add_block(struct giro_index *index, uint64_t number)
{
    struct giro_proposal_header header;
    memset(&header, 0, sizeof header);
    header.block.height = number;
    header.block.parent_id = id_of(number - 1);
    struct giro_hash id = id_of(number);
    struct giro_part body = {&header, sizeof header};
    giro_index_record(index, GIRO_LOG_BLOCK_RECORD, &id, &body, place_of(number));
}

Test(node_index, keeps_the_newest_blocks_and_batches)
{
    struct giro_index index;
    void *mem = index_make(&index);
    struct giro_part body = {"", 0};
    for (uint64_t number = 1; number <= 50; number++) {
        struct giro_hash id = id_of(number);
        giro_index_record(&index, GIRO_LOG_BATCH_RECORD, &id, &body, place_of(number));
        giro_index_record(&index, GIRO_LOG_BATCH_RECORD, &id, &body,
                          place_of(777)); /* again: ignored */
        giro_index_check(&index);
        for (uint64_t old = 1; old <= number; old++) {
            id = id_of(old);
            const struct giro_index_entry *entry =
                giro_index_entry(&index, giro_index_find(&index, &id));
            cr_assert_eq(entry != NULL, number - old < MAX, "%lu after %lu", old, number);
            if (entry != NULL)
                cr_assert_eq(entry->position.offset, place_of(old).offset);
        }
    }
    free(mem);
}

Test(node_index, serves_ancestors_heights_and_certificates_oldest_first)
{
    static const struct {
        const char *what;
        uint16_t kind;
        uint64_t id, height; /* id 0: by height */
        uint32_t count;
        uint64_t first; /* expected */
        uint32_t found;
    } rows[] = {
        {"a block alone", GIRO_KIND_BLOCK, 18, 1, 1, 18, 1},
        {"its ancestors, as many as asked", GIRO_KIND_BLOCK, 18, 1, 3, 16, 3},
        {"its ancestors, down to a height", GIRO_KIND_BLOCK, 18, 15, 64, 15, 4},
        {"its ancestors, as far as they are known", GIRO_KIND_BLOCK, 20, 1, 64, 13, 8},
        {"a block that was pushed out", GIRO_KIND_BLOCK, 12, 1, 4, 0, 0},
        {"heights upwards", GIRO_KIND_BLOCK, 0, 14, 3, 14, 3},
        {"heights up to the last committed", GIRO_KIND_BLOCK, 0, 17, 64, 17, 3},
        {"a height not committed", GIRO_KIND_BLOCK, 0, 20, 1, 0, 0},
        {"a certificate", GIRO_KIND_CERTIFICATE, 0, 16, 1, 1016, 1},
        {"a certificate not there", GIRO_KIND_CERTIFICATE, 0, 19, 1, 0, 0},
        {"a block asked for as a batch", GIRO_KIND_BATCH, 18, 0, 1, 0, 0},
    };
    struct giro_index index;
    void *mem = index_make(&index);
    for (uint64_t number = 1; number <= 20; number++)
        add_block(&index, number);
    for (uint64_t height = 1; height <= 19; height++) {
        struct giro_hash id = id_of(height);
        giro_index_committed(&index, height, &id);
        if (height == 19)
            continue;
        struct giro_commit_body commit = {.height = height};
        struct giro_part body = {&commit, sizeof commit};
        giro_index_record(&index, GIRO_LOG_CERTIFICATE_RECORD, &id, &body, place_of(1000 + height));
    }
    static struct giro_serve serve;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct giro_action action = {.kind = GIRO_ACTION_SERVE};
        action.serve.peer = 2;
        action.serve.wanted_kind = rows[i].kind;
        action.serve.id = id_of(rows[i].id);
        action.serve.height = rows[i].height;
        action.serve.count = rows[i].count;
        cr_assert(giro_serve_add(&serve, &index, &action));
        struct giro_serve_job *job = giro_serve_head(&serve);
        cr_assert_eq(job->count, rows[i].found, "%s: %u", rows[i].what, job->count);
        for (uint32_t j = 0; j < job->count; j++)
            cr_assert_eq(job->positions[j].offset, place_of(rows[i].first + j).offset, "%s",
                         rows[i].what);
        giro_serve_pop(&serve);
    }
    struct giro_action action = {.kind = GIRO_ACTION_SERVE};
    action.serve.wanted_kind = GIRO_KIND_BATCH;
    for (uint32_t i = 0; i < GIRO_SERVE_JOBS; i++)
        cr_assert(giro_serve_add(&serve, &index, &action));
    cr_assert_not(giro_serve_add(&serve, &index, &action), "the queue is bounded");
    free(mem);
}
