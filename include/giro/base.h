/* giro/base.h - the small parts everything else is made of: memory taken once, a seeded hash map,
 * checked money, a bounds-checked byte cursor, a seeded generator, text forms of hashes and dates.
 *
 * Model: pure. No function here does IO, reads a clock, starts a thread or allocates.
 * Threads: objects are owned by one thread at a time; functions without an object may be called
 * from any thread.
 */
#ifndef GIRO_BASE_H
#define GIRO_BASE_H

#include <string.h>

#include "giro/err.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GIRO_NONE             UINT32_MAX /* "no index" */
#define GIRO_NS_PER_S         1000000000ull
#define GIRO_CACHE_LINE_BYTES 64u

/* ---- Arena: all memory is taken at start, then the arena is sealed -------------------------- */

/* An arena hands out pieces of one block of memory it does not own, never gives any back, and
 * refuses (asserts) after giro_arena_seal. */
struct giro_arena {
    uint8_t *mem;
    size_t size_bytes;
    size_t used_bytes;
    bool sealed;
};

/* giro_arena_init makes an arena over mem[0..size_bytes). mem is borrowed and 64-byte aligned. */
void giro_arena_init(struct giro_arena *arena, void *mem, size_t size_bytes);
/* giro_arena_take returns size_bytes zeroed bytes aligned to align_bytes (a power of two), or NULL if
 * the arena is too small. Asserts if sealed. Cost: memset. */
void *giro_arena_take(struct giro_arena *arena, size_t size_bytes, size_t align_bytes);
/* giro_arena_take_raw is giro_arena_take without the zeros: for large buffers that are written before they are read. Their
 * pages are touched when they are used. */
void *giro_arena_take_raw(struct giro_arena *arena, size_t size_bytes, size_t align_bytes);
/* giro_arena_seal forbids any later take. */
void giro_arena_seal(struct giro_arena *arena);
/* giro_align_up rounds value up to a multiple of align (a power of two). */
size_t giro_align_up(size_t value, size_t align);

/* ---- Map: fixed-size byte keys to uint32_t, bounded, seeded ----------------------------------- */

/* Open addressing with linear probing at load <= 1/2 and backward-shift deletion, so no tombstones.
 * XXH3 with the caller's seed. Iteration order is deliberately not offered: nothing that reaches a
 * root or a file may depend on it. */
struct giro_map_options {
    uint32_t capacity;  /* elements that must fit, 1..2^30 */
    uint32_t key_bytes; /* 1..64 */
    uint64_t seed;      /* local, secret; never observable in a root or a file */
};
struct giro_map;

/* giro_map_footprint returns the bytes needed, a multiple of 64; 0 means bad options. */
size_t giro_map_footprint(const struct giro_map_options *options);
/* giro_map_init makes an empty map in mem (64-byte aligned, footprint bytes, borrowed). NULL on bad
 * options. */
struct giro_map *giro_map_init(void *mem, size_t size_bytes,
                               const struct giro_map_options *options);
/* giro_map_get returns the value stored for key, or GIRO_NONE. Cost: about one cache miss. */
uint32_t giro_map_get(const struct giro_map *map, const void *key);
/* giro_map_put stores value (not GIRO_NONE) for key, replacing an older one. False iff the key is new
 * and the map already holds capacity keys; nothing is changed then. */
bool giro_map_put(struct giro_map *map, const void *key, uint32_t value) GIRO_MUST_USE;
/* giro_map_remove forgets key; false if it was not there. */
bool giro_map_remove(struct giro_map *map, const void *key);
/* giro_map_clear forgets every key. Cost: memset of the footprint. */
void giro_map_clear(struct giro_map *map);
uint32_t giro_map_count(const struct giro_map *map);
/* giro_map_check verifies the probe invariant and the count; asserts on a violation. O(capacity). */
void giro_map_check(const struct giro_map *map);

/* ---- Money: minor units, checked -------------------------------------------------------------- */

typedef __int128 giro_i128; /* the one typedef: a sum of amounts, in minor units */

/* A payment amount has at most 18 digits (ISO 20022 totalDigits 18), so 1..10^18-1 minor units. */
#define GIRO_AMOUNT_MAX_MINOR INT64_C(999999999999999999)

/* giro_money_add: *sum = a + b; false on overflow (then *sum is unchanged). */
bool giro_money_add(giro_i128 a, giro_i128 b, giro_i128 *sum) GIRO_MUST_USE;
bool giro_money_subtract(giro_i128 a, giro_i128 b, giro_i128 *difference) GIRO_MUST_USE;

/* giro_money_format writes value as a decimal with `digits` (0..6) decimals, a leading '-' if negative,
 * no thousands separator, NUL-terminated, and returns its length. text holds >= 48 bytes. */
#define GIRO_MONEY_TEXT_BYTES 48
size_t giro_money_format(giro_i128 value_minor, uint32_t digits, char *text);

enum giro_money_parse_result {
    GIRO_MONEY_PARSED,
    GIRO_MONEY_NOT_A_NUMBER,      /* a character that is not a digit, sign or point; or empty */
    GIRO_MONEY_TOO_MANY_DECIMALS, /* more decimals than the currency has */
    GIRO_MONEY_TOO_LARGE,         /* does not fit int64_t */
};
/* giro_money_parse reads [-]digits[.digits] from text[0..length). Fewer decimals than `digits` are
 * filled with zeros. No spaces, no exponent, no thousands separator, no leading '+'. */
enum giro_money_parse_result giro_money_parse(const char *text, size_t length, uint32_t digits,
                                              int64_t *amount_minor) GIRO_MUST_USE;

/* ---- Cursor: all input passes one bounds-checked reader, all output one writer ----------------- */

/* A failed read or write sets `failed`, moves nothing, and makes every later call fail too: check once
 * at the end. Integers are little-endian. */
struct giro_reader {
    const uint8_t *bytes;
    size_t size_bytes;
    size_t offset;
    bool failed;
};
struct giro_writer {
    uint8_t *bytes;
    size_t size_bytes;
    size_t offset;
    bool failed;
};
void giro_reader_init(struct giro_reader *reader, const void *bytes, size_t size_bytes);
/* giro_reader_take returns a pointer to the next size_bytes (unaligned!) or NULL. */
const uint8_t *giro_reader_take(struct giro_reader *reader, size_t size_bytes);
/* giro_reader_copy copies the next size_bytes to out; zero-fills out on failure. */
bool giro_reader_copy(struct giro_reader *reader, void *out, size_t size_bytes);
uint8_t giro_reader_u8(struct giro_reader *reader);
uint16_t giro_reader_u16(struct giro_reader *reader);
uint32_t giro_reader_u32(struct giro_reader *reader);
uint64_t giro_reader_u64(struct giro_reader *reader);
size_t giro_reader_left(const struct giro_reader *reader);

void giro_writer_init(struct giro_writer *writer, void *bytes, size_t size_bytes);
/* giro_writer_reserve returns size_bytes of output to fill in, or NULL. */
uint8_t *giro_writer_reserve(struct giro_writer *writer, size_t size_bytes);
bool giro_writer_put(struct giro_writer *writer, const void *bytes, size_t size_bytes);
bool giro_writer_u8(struct giro_writer *writer, uint8_t value);
bool giro_writer_u16(struct giro_writer *writer, uint16_t value);
bool giro_writer_u32(struct giro_writer *writer, uint32_t value);
bool giro_writer_u64(struct giro_writer *writer, uint64_t value);

/* ---- Generator: for tests, the simulator and load; never for keys ------------------------------ */

struct giro_prng {
    uint64_t s[4]; /* xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64 */
};
void giro_prng_init(struct giro_prng *prng, uint64_t seed);
uint64_t giro_prng_next(struct giro_prng *prng);
/* giro_prng_below returns a uniform value in [0, bound), bound >= 1 (Lemire 2019, no modulo bias). */
uint64_t giro_prng_below(struct giro_prng *prng, uint64_t bound);
/* giro_prng_chance is true with probability part/whole, whole >= 1. */
bool giro_prng_chance(struct giro_prng *prng, uint64_t part, uint64_t whole);
void giro_prng_fill(struct giro_prng *prng, void *bytes, size_t size_bytes);

/* ---- Text forms --------------------------------------------------------------------------------- */

/* giro_hex_format writes 2*size_bytes lower-case digits and a NUL. */
void giro_hex_format(const void *bytes, size_t size_bytes, char *text);
/* giro_hex_parse reads exactly 2*size_bytes digits (either case) from text[0..length). */
bool giro_hex_parse(const char *text, size_t length, void *bytes, size_t size_bytes) GIRO_MUST_USE;
/* giro_utf8_next reads the code point at text[0..length), length >= 1, and returns its bytes; 0: not UTF-8 (RFC 3629). */
size_t giro_utf8_next(const char *text, size_t length, uint32_t *code);
/* giro_utf8_count returns the characters (code points) of text[0..length), or GIRO_NOT_UTF8: not UTF-8 (RFC 3629), or a control
 * character (below U+0020, U+007F..U+009F). */
#define GIRO_NOT_UTF8 SIZE_MAX
size_t giro_utf8_count(const char *text, size_t length);
/* giro_uetr_format writes the 36 lower-case characters of a UUID and a NUL (text holds 37 bytes). */
void giro_uetr_format(const uint8_t uetr[16], char text[37]);
/* giro_uetr_parse reads the 36-character form, hyphens in place, either case. */
bool giro_uetr_parse(const char *text, size_t length, uint8_t uetr[16]) GIRO_MUST_USE;

/* Dates are days since 1970-01-01 (proleptic Gregorian), 0..65535, so up to 2149-06-06. */
/* giro_date_parse reads YYYY-MM-DD. */
bool giro_date_parse(const char *text, size_t length, uint16_t *day) GIRO_MUST_USE;
void giro_date_format(uint16_t day, char text[11]);
/* giro_time_format writes a UTC time of the given precision as 2026-11-24T01:47:00.123456789Z (30
 * characters and a NUL). time_ns is nanoseconds since 1970-01-01T00:00:00Z. */
#define GIRO_TIME_TEXT_BYTES 31
void giro_time_format(uint64_t time_ns, char text[GIRO_TIME_TEXT_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
