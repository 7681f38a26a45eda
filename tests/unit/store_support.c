#include "store_support.h"

#include <stdlib.h>

static uint8_t body_scratch[GIRO_LOG_BODY_BYTES_MAX + 8];

void store_fixture_init(struct store_fixture *fixture, uint64_t seed)
{
    memset(fixture, 0, sizeof *fixture);
    struct giro_disk_faults faults = {.latency_min_ns = 1000,
                                      .latency_max_ns = 100000,
                                      .torn_per_mille = 400,
                                      .kept_per_mille = 300};
    fixture->faulty = giro_disk_faulty_new(seed, &faults);
    fixture->disk = giro_disk_faulty_disk(fixture->faulty);
    fixture->options = (struct giro_log_options){.disk = &fixture->disk,
                                                 .replica = 3,
                                                 .segment_bytes = 4u << 20,
                                                 .buffer_bytes = 2u << 20,
                                                 .inflight_max = 4};
    memset(fixture->options.chain_id.bytes, 0xc7, GIRO_HASH_BYTES);
    giro_prng_init(&fixture->prng, seed);
    fixture->mem = aligned_alloc(64, giro_align_up(giro_log_footprint(&fixture->options), 64));
    fixture->model = calloc(STORE_MODEL_MAX, sizeof *fixture->model);
}

void store_fixture_free(struct store_fixture *fixture)
{
    giro_disk_faulty_free(fixture->faulty);
    free(fixture->mem);
    free(fixture->model);
}

void store_body(const struct store_record *record, uint8_t *body)
{
    struct giro_prng prng;
    giro_prng_init(&prng, record->seed);
    giro_prng_fill(&prng, body, record->body_bytes);
}

enum giro_err store_visit(void *context, const struct giro_log_found *found)
{
    struct store_fixture *fixture = context;
    fixture->visited++;
    if (found->sequence != fixture->visited)
        fixture->wrong = "sequence";
    if (found->sequence > fixture->model_count) {
        fixture->wrong = "a record nobody appended";
        return GIRO_ERR_OK;
    }
    const struct store_record *record = &fixture->model[found->sequence];
    store_body(record, body_scratch);
    if (found->kind != record->kind || found->body_bytes != record->body_bytes ||
        found->position.generation != record->position.generation ||
        found->position.offset != record->position.offset ||
        memcmp(found->body, body_scratch, record->body_bytes) != 0)
        fixture->wrong = "a record's content or place";
    return GIRO_ERR_OK;
}

enum giro_err store_open(struct store_fixture *fixture, uint64_t promised)
{
    fixture->options.seed = 0x5eed0000u + ++fixture->starts;
    fixture->log =
        giro_log_init(fixture->mem, giro_log_footprint(&fixture->options), &fixture->options);
    GIRO_ASSERT(fixture->log != NULL);
    fixture->visited = 0;
    fixture->wrong = NULL;
    enum giro_err err = giro_log_open(fixture->log, promised, 1, store_visit, fixture);
    if (err == GIRO_ERR_OK)
        fixture->model_count = fixture->visited; /* what was cut is gone */
    return err;
}

enum giro_err store_append(struct store_fixture *fixture, uint32_t body_bytes)
{
    GIRO_ASSERT(fixture->model_count + 1 < STORE_MODEL_MAX);
    struct store_record record = {.kind = (uint16_t)(2 + giro_prng_below(&fixture->prng, 9)),
                                  .body_bytes = body_bytes,
                                  .seed = giro_prng_next(&fixture->prng)};
    store_body(&record, body_scratch);
    uint32_t cut = body_bytes == 0 ? 0 : (uint32_t)giro_prng_below(&fixture->prng, body_bytes);
    struct giro_part parts[2] = {{body_scratch, cut}, {body_scratch + cut, body_bytes - cut}};
    uint64_t sequence = 0;
    GIRO_TRY(giro_log_append(fixture->log, record.kind, parts, 2, &sequence, &record.position));
    GIRO_ASSERT(sequence == fixture->model_count + 1);
    fixture->model[++fixture->model_count] = record;
    return GIRO_ERR_OK;
}

bool store_complete(struct store_fixture *fixture, enum giro_err *err)
{
    uint64_t next_ns = giro_disk_faulty_next_ns(fixture->faulty);
    *err = GIRO_ERR_OK;
    if (next_ns == UINT64_MAX)
        return false;
    if (next_ns > fixture->now_ns)
        fixture->now_ns = next_ns;
    giro_disk_faulty_advance(fixture->faulty, fixture->now_ns);
    struct giro_disk_completion done[8];
    uint32_t count = fixture->disk.ops->poll(fixture->disk.self, done, 8);
    for (uint32_t i = 0; i < count && *err == GIRO_ERR_OK; i++)
        *err = giro_log_completed(fixture->log, done[i].tag, done[i].err);
    return true;
}

enum giro_err store_settle(struct store_fixture *fixture)
{
    enum giro_err err = GIRO_ERR_OK;
    do {
        GIRO_TRY(giro_log_flush(fixture->log));
    } while (store_complete(fixture, &err) && err == GIRO_ERR_OK);
    return err;
}
