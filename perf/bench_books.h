/* perf/bench_books.h - a genesis made in memory, frames of random payments, and books to execute them: what the benchmarks of
 * wire, settlement and windows share. No signatures: who executes a frame has verified it. */
#ifndef GIRO_PERF_BENCH_BOOKS_H
#define GIRO_PERF_BENCH_BOOKS_H

#include "giro/recon.h"

#define BOOKS_TIME_NS  (UINT64_C(1790000000) * GIRO_NS_PER_S)
#define BOOKS_DATE     20780u
#define BOOKS_MEMBERS  40u
#define BOOKS_REPLICAS 4u

struct books_frames {
    uint8_t (*bytes)[GIRO_FRAME_BYTES_MAX];
    uint32_t size_bytes; /* of each */
    uint32_t count, records;
};

struct books {
    struct giro_genesis genesis;
    struct giro_ledger *ledger;
    struct giro_settlement *settlement;
    struct giro_windows *windows; /* NULL without them */
    uint64_t height, time_ns, next_sequence[BOOKS_MEMBERS];
    struct giro_prng prng;
    struct giro_hash root;
    uint64_t journal_bytes; /* handed out by the windows */
};
/* books_new: uetr_entries of the duplicate set; windows too if entries_max > 0. */
struct books *books_new(uint32_t uetr_entries, uint32_t entries_max);
/* books_frames_make fills frames with fresh payments; they are to be executed in this order. */
void books_frames_make(struct books *books, struct books_frames *frames, uint8_t service);
/* One block with frames [from, to); the last block's time + advance_ns. Certifies it if there are windows. */
void books_block(struct books *books, const struct books_frames *frames, uint32_t from, uint32_t to,
                 uint64_t advance_ns);
struct books_frames books_frames_new(uint32_t count, uint32_t records);
/* The same frames copied and hashed, nothing else: the baseline. Returns a digest. */
uint64_t books_hash_only(const struct books_frames *frames);

#endif
