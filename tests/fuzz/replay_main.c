/* Runs a fuzz target without libFuzzer: over every vector of the given folders (*.hex), then over seeded mutations of
 * them. GIRO_SEED chooses the mutations, GIRO_EFFORT multiplies their number.
 * With --write-corpus DIR the vectors are written there as plain bytes, for libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "effort.h"
#include "fuzz.h"
#include "giro/base.h"
#include "giro/crypto.h"
#include "unit/wire_hex.h"

#define INPUT_BYTES_MAX (64u * 1024u)
#define INPUTS_MAX      512u
#define MUTATIONS       2000u /* of each input, times GIRO_EFFORT */
#ifndef MUTATIONS_SANITIZED
#define MUTATIONS_SANITIZED MUTATIONS /* decoders are what the sanitizers are for */
#endif

struct input {
    char name[64];
    size_t size_bytes;
    uint8_t *bytes;
};
static struct input inputs[INPUTS_MAX];
static uint32_t input_count;

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

static bool folder_load(const char *path)
{
    static uint8_t bytes[INPUT_BYTES_MAX];
    DIR *const folder = opendir(path);
    if (folder == NULL)
        return false;
    for (const struct dirent *file = readdir(folder); file != NULL; file = readdir(folder)) {
        const size_t length = strlen(file->d_name);
        if (length < 5 || length >= sizeof(inputs[0].name) ||
            strcmp(file->d_name + length - 4, ".hex") != 0 || input_count == INPUTS_MAX)
            continue;
        char full[1024];
        struct input *const input = &inputs[input_count];
        snprintf(full, sizeof(full), "%s/%s", path, file->d_name);
        if (!wire_hex_read(full, bytes, sizeof(bytes), &input->size_bytes)) {
            fprintf(stderr, "\"%s\" is not a vector\n", full);
            continue;
        }
        memcpy(input->name, file->d_name, length - 4);
        input->bytes = malloc(input->size_bytes + 1);
        memcpy(input->bytes, bytes, input->size_bytes);
        input_count++;
    }
    closedir(folder);
    return true;
}

/* run gives the target a copy of exactly the input's size, so that a sanitizer sees every read behind it. */
static void run(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *const exact = malloc(size_bytes + (size_bytes == 0));
    memcpy(exact, bytes, size_bytes);
    LLVMFuzzerTestOneInput(exact, size_bytes);
    free(exact);
}

static void mutate_and_run(const struct input *input, struct giro_prng *prng)
{
    static uint8_t bytes[INPUT_BYTES_MAX + 64];
    static const uint64_t edges[] = {0, 1, 0x7F, 0xFF, 0xFFFF, UINT32_MAX, INT64_MAX, UINT64_MAX};
    size_t size_bytes = input->size_bytes;
    memcpy(bytes, input->bytes, size_bytes);
    const uint64_t times = 1 + giro_prng_below(prng, 5);
    for (uint64_t i = 0; i < times && size_bytes > 0; i++) {
        const size_t at = giro_prng_below(prng, size_bytes);
        switch (giro_prng_below(prng, 6)) {
        case 0:
        case 1:
            bytes[at] ^= (uint8_t)(1u << giro_prng_below(prng, 8));
            break;
        case 2:
        case 3: {
            const uint64_t edge = edges[giro_prng_below(prng, sizeof(edges) / sizeof(edges[0]))];
            const size_t width = (size_t)1 << giro_prng_below(prng, 4);
            memcpy(bytes + at, &edge, width < size_bytes - at ? width : size_bytes - at);
            break;
        }
        case 4: { /* a piece of another input */
            const struct input *const other = &inputs[giro_prng_below(prng, input_count)];
            const size_t room = size_bytes - at;
            memcpy(bytes + at, other->bytes, other->size_bytes < room ? other->size_bytes : room);
            break;
        }
        default: {
            const size_t longer = giro_prng_below(prng, 2) != 0 ? giro_prng_below(prng, 16) : 0;
            size_bytes =
                longer != 0 && size_bytes + longer <= INPUT_BYTES_MAX ? size_bytes + longer : at;
            break;
        }
        }
    }
    run(bytes, size_bytes);
}

static int corpus_write(const char *path)
{
    for (uint32_t i = 0; i < input_count; i++) {
        char full[1024];
        const int length = snprintf(full, sizeof(full), "%s/%.63s", path, inputs[i].name);
        FILE *const file = length < (int)sizeof(full) ? fopen(full, "wb") : NULL;
        if (file == NULL ||
            fwrite(inputs[i].bytes, 1, inputs[i].size_bytes, file) != inputs[i].size_bytes ||
            fclose(file) != 0) {
            fprintf(stderr, "cannot write \"%s\"\n", full);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *corpus = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--write-corpus") == 0 && i + 1 < argc) {
            corpus = argv[++i];
        } else if (!folder_load(argv[i])) {
            fprintf(stderr, "cannot open \"%s\"\n", argv[i]);
            return 2;
        }
    }
    if (input_count == 0) {
        fprintf(stderr, "usage: %s VECTOR_FOLDER... [--write-corpus DIR]\n", argv[0]);
        return 2;
    }
    qsort(inputs, input_count, sizeof(inputs[0]), name_order); /* the same order everywhere */
    if (corpus != NULL)
        return corpus_write(corpus);
    if (giro_crypto_init() != GIRO_ERR_OK)
        return 1;

    const uint64_t seed = effort_number("GIRO_SEED", 20261124);
    const uint64_t mutation_count = effort_size(MUTATIONS, MUTATIONS_SANITIZED);
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    for (uint32_t i = 0; i < input_count; i++)
        run(inputs[i].bytes, inputs[i].size_bytes);
    for (uint64_t i = 0; i < mutation_count; i++) {
        for (uint32_t j = 0; j < input_count; j++)
            mutate_and_run(&inputs[j], &prng);
    }
    printf("%u vectors and %llu mutations of each (GIRO_SEED=%llu)\n", input_count,
           (unsigned long long)mutation_count, (unsigned long long)seed);
    for (uint32_t i = 0; i < input_count; i++)
        free(inputs[i].bytes);
    return 0;
}
