/* bench_wire: decoding and hashing a frame, against copying and hashing its bytes. */
#include "perf/bench.h"
#include "perf/bench_books.h"

struct work {
    struct books *books;
    struct books_frames frames;
};

static uint64_t decode_and_hash(void *context)
{
    const struct work *work = context;
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    uint64_t digest = 0;
    for (uint32_t f = 0; f < work->frames.count; f++) {
        struct giro_frame frame;
        enum giro_reject reject = giro_frame_decode(work->frames.bytes[f], work->frames.size_bytes,
                                                    work->books->genesis.chain_prefix, &frame);
        giro_bench_must(reject == GIRO_REJECT_NONE, "a frame does not decode");
        size_t size = giro_frame_message(&frame, &work->books->genesis.chain_id, message);
        struct giro_hash hash = giro_sha256(message, size);
        uint64_t part;
        memcpy(&part, hash.bytes, sizeof(part));
        digest ^= part;
    }
    return digest;
}

static uint64_t hash_only(void *context)
{
    const struct work *work = context;
    return books_hash_only(&work->frames);
}

int main(int argc, char **argv)
{
    struct giro_bench bench;
    giro_bench_open(&bench, "wire", "Decodes and hashes frames of 1, 8 and 20 payments.", argc,
                    argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    static const uint32_t records[] = {1, 8, 20};
    for (uint32_t i = 0; i < 3; i++) {
        char parameters[64];
        snprintf(parameters, sizeof(parameters), "\"records\": %u", records[i]);
        if (!giro_bench_wanted(&bench, parameters))
            continue;
        struct work work = {.books = books_new(65536, 0),
                            .frames = books_frames_new(bench.smoke ? 256 : 4096, records[i])};
        books_frames_make(work.books, &work.frames, GIRO_SERVICE_NET);
        struct giro_bench_case one = {.metric = "decode and hash a frame",
                                      .parameters = parameters,
                                      .operations = work.frames.count,
                                      .run = decode_and_hash,
                                      .baseline = hash_only,
                                      .against = "memcpy and SHA-256 of its bytes",
                                      .context = &work,
                                      .repeats = 101};
        giro_bench_run(&bench, &one);
    }
    return giro_bench_close(&bench);
}
