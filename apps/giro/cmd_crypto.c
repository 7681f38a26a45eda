/* giro crypto check: every variant of the verifier, and libsodium itself, over a file of signatures. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/giro/giro.h"
/* Published edge vectors use keys that enrolment refuses; only this tool and the tests place such a key in a ring. */
#include "common/crypto/internal.h"

/* Each line fills all lanes and leaves a rest. */
#define COPIES 11u

struct arguments {
    const char *path;
    bool no_enrolment_check;
};

struct line {
    struct giro_public_key key;
    uint8_t *message, *signature;
    size_t message_bytes, signature_bytes;
};

static const struct argp_option options[] = {
    {"no-enrolment-check", 'n', NULL, 0,
     "take keys that enrolment refuses (small order, torsion), as published edge vectors have", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'n':
        arguments->no_enrolment_check = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->path != NULL)
            argp_error(state, "one file, please");
        arguments->path = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which file?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* One word of hex, "-" for nothing, in memory of its own; NULL if it is none. */
static uint8_t *word_decode(const char *word, size_t *size_bytes)
{
    if (word == NULL)
        return NULL;
    const size_t length = strcmp(word, "-") == 0 ? 0 : strlen(word);
    uint8_t *bytes = malloc(length / 2 + 1);
    if (bytes == NULL || length % 2 != 0 || !giro_hex_parse(word, length, bytes, length / 2)) {
        free(bytes);
        return NULL;
    }
    *size_bytes = length / 2;
    return bytes;
}

static void line_free(struct line *line)
{
    free(line->message);
    free(line->signature);
}

/* False: not three words of hex, or the first is not a key. */
static bool line_parse(struct line *line, char *text)
{
    static const char blanks[] = " \t\r\n";
    memset(line, 0, sizeof(*line));
    char *rest = NULL;
    size_t key_bytes = 0;
    uint8_t *key = word_decode(strtok_r(text, blanks, &rest), &key_bytes);
    line->message = word_decode(strtok_r(NULL, blanks, &rest), &line->message_bytes);
    line->signature = word_decode(strtok_r(NULL, blanks, &rest), &line->signature_bytes);
    const bool whole = key != NULL && key_bytes == GIRO_KEY_BYTES && line->message != NULL &&
                       line->message_bytes <= UINT32_MAX && line->signature != NULL &&
                       strtok_r(NULL, blanks, &rest) == NULL;
    if (whole)
        memcpy(line->key.bytes, key, GIRO_KEY_BYTES);
    free(key);
    return whole;
}

/* True if every variant says in every lane what libsodium says; names the first that does not. */
static bool variants_agree(const struct line *line, const struct giro_key_ring *ring,
                           struct giro_key_handle handle, bool expected, uint64_t number)
{
    struct giro_verify_item items[COPIES];
    uint8_t verdicts[COPIES];
    for (uint32_t i = 0; i < COPIES; i++)
        items[i] = (struct giro_verify_item){handle, line->message, (uint32_t)line->message_bytes,
                                             line->signature};
    for (int v = 0; v < GIRO_VARIANT_COUNT; v++) {
        if (!giro_crypto_variant_set((enum giro_crypto_variant)v))
            continue;
        for (uint32_t count = 1; count <= COPIES; count += COPIES - 1) {
            giro_verify_batch(ring, items, count, verdicts);
            for (uint32_t i = 0; i < count; i++) {
                if ((verdicts[i] == GIRO_VALID) == expected)
                    continue;
                fprintf(stderr,
                        "giro crypto check: line %llu: variant \"%s\" says %s, libsodium says %s\n"
                        "  hint: this is a fault of giro or of this machine; stop the hub and "
                        "report the line\n",
                        (unsigned long long)number,
                        giro_crypto_variant_name((enum giro_crypto_variant)v),
                        verdicts[i] == GIRO_VALID ? "valid" : "invalid",
                        expected ? "valid" : "invalid");
                return false;
            }
        }
    }
    return true;
}

/* Prints the verdict of one line; false if two variants disagree. */
static bool line_check(const struct line *line, const struct arguments *arguments, void *mem,
                       size_t mem_bytes, uint64_t number)
{
    if (line->signature_bytes != GIRO_SIGNATURE_BYTES) {
        printf("invalid: the signature is not 64 bytes long\n");
        return true;
    }
    struct giro_key_ring *ring = giro_key_ring_init(mem, mem_bytes, 1);
    struct giro_key_handle handle;
    const enum giro_key_fault fault =
        arguments->no_enrolment_check
            ? giro_key_ring_place(ring, &line->key, &handle)
            : giro_key_ring_enrol(ring, &line->key, NULL, 0, NULL, &handle);
    if (fault != GIRO_KEY_OK) {
        printf("invalid: %s\n", giro_key_fault_text(fault));
        return true;
    }
    const bool valid = crypto_sign_verify_detached(line->signature, line->message,
                                                   line->message_bytes, line->key.bytes) == 0;
    if (valid)
        printf("valid\n");
    else
        printf("invalid: %s\n",
               giro_signature_fault_text(giro_signature_fault(&line->key, line->signature)));
    return variants_agree(line, ring, handle, valid, number);
}

static int file_check(FILE *file, const struct arguments *arguments)
{
    const size_t mem_bytes = giro_key_ring_footprint_for(1, 4);
    void *mem =
        aligned_alloc(GIRO_CACHE_LINE_BYTES, giro_align_up(mem_bytes, GIRO_CACHE_LINE_BYTES));
    char *text = NULL;
    size_t capacity = 0;
    int code = mem == NULL ? GIRO_EXIT_FAILURE : GIRO_EXIT_OK;
    uint64_t number = 0;
    while (code == GIRO_EXIT_OK && getline(&text, &capacity, file) >= 0) {
        number++;
        if (text[0] == '#' || text[strspn(text, " \t\r\n")] == '\0')
            continue;
        struct line line;
        if (!line_parse(&line, text)) {
            fprintf(stderr,
                    "giro crypto check: line %llu of \"%s\" is not a signature\n"
                    "  hint: a line is public_key_hex message_hex signature_hex; an empty message "
                    "is -\n",
                    (unsigned long long)number, arguments->path);
            code = GIRO_EXIT_FAILURE;
        } else if (!line_check(&line, arguments, mem, mem_bytes, number)) {
            code = GIRO_EXIT_FAILURE;
        }
        line_free(&line);
    }
    free(text);
    free(mem);
    return code;
}

int giro_cmd_crypto_check(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        "FILE",
        "Verifies each signature of FILE with libsodium and with every variant of the verifier "
        "that this machine runs, in "
        "every lane.\nA line is public_key_hex message_hex signature_hex; an empty message is -; # "
        "starts a comment. Prints "
        "valid or invalid: REASON for each. Exits with 1, naming the line, if two disagree.\v"
        "Example:\n  giro crypto check signatures.txt\n",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    FILE *file = fopen(arguments.path, "r");
    if (file == NULL) {
        fprintf(stderr, "giro crypto check: cannot open \"%s\"\n", arguments.path);
        return GIRO_EXIT_FAILURE;
    }
    const int code = file_check(file, &arguments);
    fclose(file);
    return code;
}
