/* tests/unit/store_support.h - a log over the faulty disk, with the records it must hold. */
#ifndef GIRO_TESTS_STORE_SUPPORT_H
#define GIRO_TESTS_STORE_SUPPORT_H

#include "giro/store.h"
#include "giro/sys.h"

#define STORE_MODEL_MAX 4096u

/* A record's body is drawn from its own seed, so the model needs no copy of it. */
struct store_record {
    uint16_t kind;
    uint32_t body_bytes;
    uint64_t seed;
    struct giro_log_position position;
};
struct store_fixture {
    struct giro_disk_faulty *faulty;
    struct giro_disk disk;
    struct giro_log_options options;
    struct giro_log *log;
    void *mem;
    struct giro_prng prng;
    uint64_t now_ns;
    uint64_t starts;            /* openings so far: a fresh seed each */
    struct store_record *model; /* [sequence] */
    uint64_t model_count;       /* sequences 1..model_count were appended */
    uint64_t visited;           /* by the last opening */
    const char *wrong;          /* what the visitor found wrong, NULL if nothing */
};

void store_fixture_init(struct store_fixture *fixture, uint64_t seed);
void store_fixture_free(struct store_fixture *fixture);
/* store_open makes a fresh log object over what is on the disk and opens it. */
enum giro_err store_open(struct store_fixture *fixture, uint64_t promised);
/* store_append appends one record of the given size, drawn from the fixture's generator. */
enum giro_err store_append(struct store_fixture *fixture, uint32_t body_bytes);
/* store_complete advances the disk to its next completions and hands them to the log; false: nothing under way. */
bool store_complete(struct store_fixture *fixture, enum giro_err *err);
/* store_settle flushes and completes until everything appended is durable. */
enum giro_err store_settle(struct store_fixture *fixture);
void store_body(const struct store_record *record, uint8_t *body);
enum giro_err store_visit(void *context, const struct giro_log_found *found);

#endif
