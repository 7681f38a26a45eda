/* Arena, cursors, generator, errors. */
#include <criterion/criterion.h>
#include <signal.h>
#include <unistd.h>

#include "giro/base.h"

Test(base, arena_gives_aligned_zeroed_pieces_that_do_not_overlap)
{
    _Alignas(64) static uint8_t mem[65536];
    memset(mem, 0xaa, sizeof mem);
    struct giro_arena arena;
    giro_arena_init(&arena, mem, sizeof mem);
    struct giro_prng prng;
    giro_prng_init(&prng, 3);
    const uint8_t *end = mem;
    for (uint32_t i = 0;; i++) {
        const size_t align = (size_t)1 << giro_prng_below(&prng, 13);
        const size_t size = giro_prng_below(&prng, 3000);
        const size_t used = arena.used_bytes;
        uint8_t *piece = giro_arena_take(&arena, size, align);
        if (piece == NULL) {
            cr_assert(arena.used_bytes == used, "a refusal takes nothing");
            cr_assert(i > 5);
            break;
        }
        cr_assert((uintptr_t)piece % align == 0, "piece %u", i);
        cr_assert(piece >= end && piece + size <= mem + sizeof mem, "piece %u", i);
        for (size_t j = 0; j < size; j++)
            cr_assert(piece[j] == 0, "piece %u byte %zu", i, j);
        memset(piece, 0xbb, size);
        end = piece + size;
    }
    cr_assert(giro_arena_take(&arena, SIZE_MAX, 1) == NULL);
    giro_arena_init(&arena, NULL, 0);
    cr_assert(giro_arena_take(&arena, 1, 1) == NULL);
}

Test(base, arena_takes_its_last_byte)
{
    _Alignas(64) uint8_t mem[128];
    struct giro_arena arena;
    giro_arena_init(&arena, mem, sizeof mem);
    cr_assert(giro_arena_take(&arena, 128, 64) == mem);
    cr_assert(giro_arena_take(&arena, 1, 1) == NULL);
}

Test(base, arena_asserts_when_sealed, .signal = SIGABRT)
{
    _Alignas(64) uint8_t mem[128];
    struct giro_arena arena;
    giro_arena_init(&arena, mem, sizeof mem);
    giro_arena_seal(&arena);
    (void)giro_arena_take(&arena, 1, 1);
}

static void leave(const char *condition, const char *file, int line)
{
    const bool told = strcmp(condition, "1 == 2") == 0 && file != NULL && line > 0;
    _exit(told ? 42 : 1);
}

Test(base, assert_calls_its_hook_first, .exit_code = 42)
{
    giro_assert_hook = leave;
    GIRO_ASSERT(1 == 2);
}

Test(base, errors_have_names_sentences_and_advice)
{
    for (int i = -1; i < 40; i++) {
        const enum giro_err err = (enum giro_err)i;
        cr_assert(giro_err_name(err) != NULL && giro_err_name(err)[0] != '\0', "%d", i);
        const char *sentence = giro_err_sentence(err);
        cr_assert(sentence != NULL && sentence[strlen(sentence) - 1] != '.', "%d", i);
        cr_assert(giro_err_advice(err) != NULL && giro_err_advice(err)[0] != '\0', "%d", i);
    }
    cr_assert(strcmp(giro_err_name(GIRO_ERR_OK), "OK") == 0);
    cr_assert(strcmp(giro_err_name(GIRO_ERR_NOSPACE), "NOSPACE") == 0);
    cr_assert(strcmp(giro_err_name(GIRO_ERR_INTERRUPTED), "INTERRUPTED") == 0);
    cr_assert(strcmp(giro_err_name((enum giro_err)9999), "UNKNOWN") == 0);
}

Test(base, cursor_writes_little_endian_and_reads_it_back)
{
    uint8_t bytes[18];
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof bytes);
    cr_assert(giro_writer_u8(&writer, 0x01));
    cr_assert(giro_writer_u16(&writer, 0x0203));
    cr_assert(giro_writer_u32(&writer, 0x04050607));
    cr_assert(giro_writer_u64(&writer, 0x08090a0b0c0d0e0f));
    cr_assert(giro_writer_put(&writer, "xyz", 3));
    cr_assert(!writer.failed && writer.offset == sizeof bytes);
    const uint8_t expected[18] = {1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8, 'x', 'y', 'z'};
    cr_assert(memcmp(bytes, expected, sizeof bytes) == 0);
    struct giro_reader reader;
    giro_reader_init(&reader, bytes, sizeof bytes);
    cr_assert(giro_reader_u8(&reader) == 0x01);
    cr_assert(giro_reader_u16(&reader) == 0x0203);
    cr_assert(giro_reader_u32(&reader) == 0x04050607);
    cr_assert(giro_reader_u64(&reader) == 0x08090a0b0c0d0e0f);
    char text[3];
    cr_assert(giro_reader_copy(&reader, text, 3) && memcmp(text, "xyz", 3) == 0);
    cr_assert(giro_reader_left(&reader) == 0 && !reader.failed);
    cr_assert(giro_reader_take(&reader, 0) != NULL && !reader.failed);
}

Test(base, cursor_fails_once_and_for_good_without_moving)
{
    uint8_t bytes[7] = {9, 9, 9, 9, 9, 9, 9};
    struct giro_reader reader;
    giro_reader_init(&reader, bytes, sizeof bytes);
    cr_assert(giro_reader_u32(&reader) == 0x09090909);
    cr_assert(giro_reader_u32(&reader) == 0 && reader.failed && reader.offset == 4);
    cr_assert(giro_reader_u8(&reader) == 0 && reader.offset == 4);
    uint8_t out[2] = {5, 5};
    cr_assert(!giro_reader_copy(&reader, out, 2) && out[0] == 0 && out[1] == 0);
    cr_assert(giro_reader_take(&reader, 0) == NULL && giro_reader_left(&reader) == 0);
    giro_reader_init(&reader, bytes, sizeof bytes);
    cr_assert(giro_reader_take(&reader, SIZE_MAX) == NULL && reader.failed);
    giro_reader_init(&reader, NULL, 0);
    cr_assert(giro_reader_take(&reader, 0) != NULL && !reader.failed);
    cr_assert(giro_reader_u8(&reader) == 0 && reader.failed);

    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof bytes);
    cr_assert(giro_writer_u32(&writer, 1));
    cr_assert(!giro_writer_u64(&writer, 1) && writer.failed && writer.offset == 4);
    cr_assert(!giro_writer_u8(&writer, 1) && writer.offset == 4 && bytes[4] == 9);
    cr_assert(giro_writer_reserve(&writer, 1) == NULL && !giro_writer_put(&writer, "", 0));
}

Test(base, generator_repeats_its_published_sequence)
{
    struct giro_prng prng = {.s = {1, 2, 3, 4}};
    /* The first outputs of the reference implementation from this state. */
    const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < 4; i++)
        cr_assert(giro_prng_next(&prng) == expected[i], "output %zu", i);
    giro_prng_init(&prng, 0); /* splitmix64 from 0 */
    cr_assert(prng.s[0] == 0xe220a8397b1dcdaf && prng.s[1] == 0x6e789e6aa1b965f4);
}

Test(base, generator_stays_below_its_bound_and_is_even)
{
    struct giro_prng prng;
    giro_prng_init(&prng, 11);
    uint32_t counts[10] = {0};
    for (uint32_t i = 0; i < 100000; i++) {
        const uint64_t value = giro_prng_below(&prng, 10);
        cr_assert(value < 10);
        counts[value]++;
    }
    for (size_t i = 0; i < 10; i++)
        cr_assert(counts[i] > 9500 && counts[i] < 10500, "%zu came %u times", i, counts[i]);
    cr_assert(giro_prng_below(&prng, 1) == 0);
    cr_assert(giro_prng_below(&prng, UINT64_MAX) < UINT64_MAX);
    cr_assert(giro_prng_chance(&prng, 1, 1) && !giro_prng_chance(&prng, 0, 1));
    uint8_t a[13], b[13];
    giro_prng_init(&prng, 5);
    giro_prng_fill(&prng, a, sizeof a);
    giro_prng_init(&prng, 5);
    giro_prng_fill(&prng, b, sizeof b);
    cr_assert(memcmp(a, b, sizeof a) == 0);
}
