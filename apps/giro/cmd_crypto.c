/* giro crypto check: every variant of the verifier, and libsodium itself, over a file of signatures. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/giro/giro.h"
/* Published edge vectors use keys that enrolment refuses; only this tool and the tests place such a key in a ring. */
#include "common/crypto/internal.h"

/* Copies of a signature in one batch: alone, a few that share lanes, all lanes, all lanes and a rest. */
static const uint32_t copies[] = {1, 2, 3, 4, 5, 7, 8, 11};
#define COPIES_MAX        11u
#define MESSAGE_BYTES_MAX 65536u
/* A line: three words of hex, and blanks. */
#define LINE_BYTES_MAX (2u * (GIRO_KEY_BYTES + MESSAGE_BYTES_MAX + GIRO_SIGNATURE_BYTES) + 4096u)
static const uint32_t widths[] = {8, 6, 4};
#define WIDTHS (sizeof(widths) / sizeof(widths[0]))

struct arguments {
    const char *path;
    bool no_enrolment_check;
};

/* What is read and worked in, taken once. */
struct work {
    const struct arguments *arguments;
    char text[LINE_BYTES_MAX + 1];
    void *ring_mem[WIDTHS];
    size_t ring_bytes[WIDTHS];
    uint64_t number; /* of the line */
};

struct line {
    struct giro_public_key key;
    uint8_t message[MESSAGE_BYTES_MAX], signature[MESSAGE_BYTES_MAX];
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

/* Decodes a word of hex, "-" for nothing, of at most bytes_max bytes. Returns what is wrong with it, NULL if nothing is. */
static const char *word_decode(const char *word, uint8_t *bytes, size_t bytes_max,
                               size_t *size_bytes)
{
    if (word == NULL)
        return "is missing";
    const size_t length = strcmp(word, "-") == 0 ? 0 : strlen(word);
    if (length % 2 != 0)
        return "has an odd number of hex digits";
    if (length / 2 > bytes_max)
        return "is too long";
    if (!giro_hex_parse(word, length, bytes, length / 2))
        return "is not hex";
    *size_bytes = length / 2;
    return NULL;
}

/* False: not three words of hex of their lengths; then *what and *fault say which and why. A signature of another length is
 * one that is not valid. */
static bool line_parse(struct line *line, char *text, const char **what, const char **fault)
{
    static const char blanks[] = " \t\r\n";
    char *rest = NULL;
    size_t key_bytes = 0;
    *what = "the public key";
    *fault =
        word_decode(strtok_r(text, blanks, &rest), line->key.bytes, GIRO_KEY_BYTES, &key_bytes);
    if (*fault == NULL && key_bytes != GIRO_KEY_BYTES)
        *fault = "is not 32 bytes long";
    if (*fault != NULL)
        return false;
    *what = "the message";
    *fault = word_decode(strtok_r(NULL, blanks, &rest), line->message, MESSAGE_BYTES_MAX,
                         &line->message_bytes);
    if (*fault != NULL)
        return false;
    *what = "the signature";
    *fault = word_decode(strtok_r(NULL, blanks, &rest), line->signature, MESSAGE_BYTES_MAX,
                         &line->signature_bytes);
    if (*fault != NULL)
        return false;
    *what = "the line";
    *fault = strtok_r(NULL, blanks, &rest) == NULL ? NULL : "has more than three words";
    return *fault == NULL;
}

/* True if the active variant gives the expected verdict in every place of every batch. */
static bool variant_agrees(const struct line *line, const struct giro_key_ring *ring,
                           struct giro_key_handle handle, bool expected)
{
    struct giro_verify_item items[COPIES_MAX];
    uint8_t verdicts[COPIES_MAX];
    for (uint32_t i = 0; i < COPIES_MAX; i++)
        items[i] = (struct giro_verify_item){handle, line->message, (uint32_t)line->message_bytes,
                                             line->signature};
    for (size_t c = 0; c < sizeof(copies) / sizeof(copies[0]); c++) {
        giro_verify_batch(ring, items, copies[c], verdicts);
        for (uint32_t i = 0; i < copies[c]; i++)
            if ((verdicts[i] == GIRO_VALID) != expected)
                return false;
    }
    return true;
}

/* True if every variant says what libsodium says; names the first that does not. */
static bool variants_agree(const struct work *work, const struct line *line,
                           const struct giro_key_ring *ring, struct giro_key_handle handle,
                           bool expected)
{
    for (int v = 0; v < GIRO_VARIANT_COUNT; v++) {
        const enum giro_crypto_variant variant = (enum giro_crypto_variant)v;
        if (!giro_crypto_variant_set(variant) || variant_agrees(line, ring, handle, expected))
            continue;
        fflush(stdout);
        fprintf(stderr,
                "giro crypto check: \"%s\" line %lu: variant \"%s\" says %s, libsodium says %s\n"
                "  hint: this is a fault of giro or of this machine; stop the hub and report the "
                "line\n",
                work->arguments->path, (unsigned long)work->number,
                giro_crypto_variant_name(variant), expected ? "invalid" : "valid",
                expected ? "valid" : "invalid");
        return false;
    }
    return true;
}

/* Prints the verdict of one line; false if two variants disagree. */
static bool line_check(const struct work *work, const struct line *line)
{
    if (line->signature_bytes != GIRO_SIGNATURE_BYTES) {
        printf("invalid: the signature is not 64 bytes long\n");
        return true;
    }
    const bool valid = crypto_sign_verify_detached(line->signature, line->message,
                                                   line->message_bytes, line->key.bytes) == 0;
    for (size_t w = 0; w < WIDTHS; w++) {
        struct giro_key_ring *ring = giro_key_ring_init(work->ring_mem[w], work->ring_bytes[w], 1);
        struct giro_key_handle handle;
        const enum giro_key_fault fault =
            work->arguments->no_enrolment_check
                ? giro_key_ring_place(ring, &line->key, &handle)
                : giro_key_ring_enrol(ring, &line->key, NULL, 0, NULL, &handle);
        if (fault != GIRO_KEY_OK) {
            printf("invalid: %s\n", giro_key_fault_text(fault));
            return true;
        }
        if (!variants_agree(work, line, ring, handle, valid))
            return false;
    }
    if (valid)
        printf("valid\n");
    else
        printf("invalid: %s\n",
               giro_signature_fault_text(giro_signature_fault(&line->key, line->signature)));
    return true;
}

static bool line_refuse(const struct work *work, const char *what, const char *fault)
{
    fflush(stdout);
    fprintf(stderr,
            "giro crypto check: \"%s\" line %lu: %s %s\n"
            "  hint: a line is public_key_hex message_hex signature_hex, the message of 64 KiB at "
            "most; an empty message is -\n",
            work->arguments->path, (unsigned long)work->number, what, fault);
    return false;
}

/* Takes the next line into work->text. False: the end, or *fault says why the line is none. */
static bool line_read(struct work *work, FILE *file, const char **fault)
{
    size_t length = 0;
    int character = EOF;
    *fault = NULL;
    while (length < LINE_BYTES_MAX && (character = getc(file)) != EOF && character != '\n')
        work->text[length++] = (char)character;
    work->text[length] = '\0';
    work->number++;
    if (ferror(file))
        *fault = "cannot be read";
    else if (length == LINE_BYTES_MAX)
        *fault = "is too long";
    else if (strlen(work->text) != length)
        *fault = "holds a zero byte";
    return *fault == NULL && (length > 0 || character != EOF);
}

static bool file_check(struct work *work, struct line *line, FILE *file)
{
    const char *what, *fault;
    while (line_read(work, file, &fault)) {
        if (work->text[0] == '#' || work->text[strspn(work->text, " \t\r")] == '\0')
            continue;
        if (!line_parse(line, work->text, &what, &fault))
            return line_refuse(work, what, fault);
        if (!line_check(work, line))
            return false;
    }
    return fault == NULL || line_refuse(work, "it", fault);
}

static bool work_open(struct work *work)
{
    bool whole = true;
    for (size_t w = 0; w < WIDTHS; w++) {
        work->ring_bytes[w] = giro_key_ring_footprint_for(1, widths[w]);
        work->ring_mem[w] = aligned_alloc(GIRO_CACHE_LINE_BYTES, work->ring_bytes[w]);
        whole = whole && work->ring_mem[w] != NULL;
    }
    return whole;
}

int giro_cmd_crypto_check(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        "FILE",
        "Verifies each signature of FILE with libsodium and with every variant of the verifier "
        "that this machine runs, in "
        "every lane and with tables of every width.\nA line is public_key_hex message_hex "
        "signature_hex; an empty message is -; # "
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
    static struct work work;
    static struct line line;
    work.arguments = &arguments;
    bool good = work_open(&work) && file_check(&work, &line, file);
    if (good && fflush(stdout) != 0) {
        fprintf(stderr, "giro crypto check: the verdicts cannot be written\n");
        good = false;
    }
    for (size_t w = 0; w < WIDTHS; w++)
        free(work.ring_mem[w]);
    work.arguments = NULL;
    fclose(file);
    return good ? GIRO_EXIT_OK : GIRO_EXIT_FAILURE;
}
