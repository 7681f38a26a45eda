/* giro disclose: one payment for a third party, and nothing else of its frame. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/giro/access.h"
#include "apps/giro/details.h"
#include "apps/giro/disclosures.h"
#include "apps/giro/https.h"

#define PROOF_BYTES_MAX 32768u

struct arguments {
    struct giro_access access;
    const char *from, *as, *proof, *out, *uetr;
    bool details;
};

static const struct argp_option options[] = {
    {"from", 'f', "PATH", 0, "where the payment is: a folder that giro recon pull made, or a spool",
     0},
    {"as", 'a', "BIC", 0, "the member that shows it: debtor or creditor", 0},
    {"out", 'o', "FILE", 0, "file to write (default: UETR.disclosure)", 0},
    {"details", 'd', NULL, 0, "show the payment's details, too: its key K goes into the file", 0},
    {"proof", 'p', "FILE", 0, "the proof, as giro status --proof wrote it", 1},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->access;
        return 0;
    case 'f':
        arguments->from = arg;
        return 0;
    case 'a':
        arguments->as = arg;
        return 0;
    case 'o':
        arguments->out = arg;
        return 0;
    case 'd':
        arguments->details = true;
        return 0;
    case 'p':
        arguments->proof = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->uetr != NULL)
            argp_error(state, "one UETR at a time");
        arguments->uetr = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->uetr == NULL || arguments->from == NULL || arguments->as == NULL)
            argp_error(state, "a UETR, --from and --as are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is being put together. */
struct showing {
    const struct arguments *arguments;
    const struct giro_hub_view *view;
    struct giro_opener opener;
    uint8_t uetr[GIRO_UETR_BYTES], key[32];
    struct giro_disclosure one;
    uint8_t block[GIRO_DETAILS_BLOCK_MAX], signature[GIRO_SIGNATURE_BYTES];
    bool found;
    uint8_t *proof, *cycle_proof;
    struct giro_disclosure_view verified;
    uint8_t bytes[GIRO_DISCLOSURE_BYTES_MAX];
};

/* Copies the payment out of its frame: everything else stays behind. */
static const char *frame_look(void *context, const struct giro_disclosure *disclosure)
{
    struct showing *showing = context;
    for (uint32_t i = 0; !showing->found && i < disclosure->header.item_count; i++) {
        if (memcmp(disclosure->items[i].record.uetr, showing->uetr, sizeof(showing->uetr)) != 0)
            continue;
        struct giro_disclosure *one = &showing->one;
        *one = *disclosure;
        one->items[0] = disclosure->items[i];
        one->header.item_count = 1;
        one->header.proof_bytes = one->header.cycle_proof_bytes = 0;
        memcpy(showing->signature, disclosure->signature, sizeof(showing->signature));
        one->signature = showing->signature;
        struct giro_disclosure_item *item = &one->items[0];
        item->key = NULL;
        showing->found = true;
        if (item->block.bytes == NULL)
            return showing->arguments->details ? "the payment has no details" : NULL;
        memcpy(showing->block, item->block.bytes, item->block.size_bytes);
        item->block.bytes = showing->block;
        item->block.ciphertext = showing->block + sizeof(item->block.header);
        if (!showing->arguments->details) { /* not even encrypted */
            item->block_index = GIRO_DISCLOSURE_NO_BLOCK;
            item->block.bytes = NULL;
        } else if (giro_opener_key(&showing->opener, disclosure, i, showing->key)) {
            item->key = showing->key;
        } else {
            return "there is no key that opens the payment's details";
        }
    }
    return NULL;
}

/* Encodes what there is and checks it as its reader will. */
static enum giro_err encode(struct showing *showing, size_t *size_bytes,
                            struct giro_diagnosis *diagnosis)
{
    struct giro_writer writer;
    giro_writer_init(&writer, showing->bytes, sizeof(showing->bytes));
    const bool fits = giro_disclosure_encode(&showing->one, &writer);
    *size_bytes = writer.offset;
    const char *wrong =
        fits ? giro_disclosure_verify(&showing->view->genesis, showing->view->ring, showing->bytes,
                                      *size_bytes, &showing->verified)
             : "it is larger than a disclosure may be";
    if (wrong == NULL)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, wrong, "ask other replicas for the proof",
                       "payment %s cannot be shown", showing->arguments->uetr);
    return GIRO_ERR_SIGNATURE;
}

/* ---- Proofs ---- */

static void proof_set(struct showing *showing, uint8_t *proof, size_t size_bytes)
{
    free(showing->proof);
    showing->proof = proof;
    showing->one.proof = proof;
    showing->one.header.proof_bytes = (uint32_t)size_bytes;
}

/* From the first replica whose proof is one, of this frame. */
static enum giro_err proof_ask(struct showing *showing, struct giro_diagnosis *diagnosis)
{
    const struct arguments *arguments = showing->arguments;
    struct giro_secret_key *key = NULL;
    char path[100];
    enum giro_err err = GIRO_ERR_NETWORK;
    snprintf(path, sizeof(path), "/v1/proof/%.40s", arguments->uetr);
    GIRO_TRY(giro_key_file_load(arguments->access.keys, arguments->as, "session", &key, diagnosis));
    for (uint32_t i = 0; err != GIRO_ERR_OK && i < arguments->access.https_count; i++) {
        struct giro_https *https = NULL;
        uint8_t *proof = NULL;
        size_t size_bytes = 0;
        err = giro_https_open(&showing->view->genesis, &arguments->access.https[i], key, &https,
                              diagnosis);
        if (err != GIRO_ERR_OK)
            break;
        err = giro_https_get(https, path, &proof, &size_bytes, diagnosis);
        giro_https_close(https);
        if (err != GIRO_ERR_OK)
            continue;
        proof_set(showing, proof, size_bytes < PROOF_BYTES_MAX ? size_bytes : 1);
        err = encode(showing, &size_bytes, diagnosis);
    }
    giro_key_free(key);
    return err;
}

static enum giro_err proof_get(struct showing *showing, struct giro_diagnosis *diagnosis)
{
    const struct arguments *arguments = showing->arguments;
    size_t size_bytes = 0;
    char *text = NULL;
    if (arguments->proof == NULL)
        return arguments->access.https_count > 0 ? proof_ask(showing, diagnosis) : GIRO_ERR_OK;
    const enum giro_err err = giro_file_read(arguments->proof, PROOF_BYTES_MAX, &text, &size_bytes);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be read", arguments->proof);
    else
        proof_set(showing, (uint8_t *)text, size_bytes);
    return err;
}

/* The block of the member's journal in which the cycle settled proves that, without anything else of the window. */
static void cycle_look(struct showing *showing, const uint8_t *journal, size_t size_bytes,
                       uint32_t cycle, uint16_t currency)
{
    static struct giro_journal_view block;
    size_t offset = sizeof(struct giro_journal_header);
    while (offset < size_bytes && showing->cycle_proof == NULL) {
        struct giro_journal_block header;
        if (size_bytes - offset < sizeof(header))
            return;
        memcpy(&header, journal + offset, sizeof(header));
        if (header.size_bytes > size_bytes - offset ||
            giro_journal_decode(journal + offset, header.size_bytes,
                                showing->view->genesis.replica_count, &block) != GIRO_REJECT_NONE)
            return;
        offset += header.size_bytes;
        if (!block.header.has_cycle || block.cycle_leaf.cycle != cycle ||
            block.cycle_leaf.currency != currency)
            continue;
        uint8_t leaf[GIRO_TAG_BYTES + sizeof(block.cycle_leaf)];
        struct giro_hash path[GIRO_PROOF_PATH_MAX];
        memcpy(leaf, GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES);
        memcpy(leaf + GIRO_TAG_BYTES, &block.cycle_leaf, sizeof(block.cycle_leaf));
        memcpy(path, block.cycle_path, block.header.cycle_path_count * sizeof(path[0]));
        showing->cycle_proof = malloc(PROOF_BYTES_MAX);
        if (showing->cycle_proof == NULL)
            return;
        showing->one.header.cycle_proof_bytes = (uint32_t)giro_proof_encode(
            block.header.cycle_height, block.header.cycle_leaf_index, block.cycle_leaf_count, leaf,
            sizeof(leaf), path, block.header.cycle_path_count, &block.cycle_certificate,
            showing->cycle_proof, PROOF_BYTES_MAX);
        showing->one.cycle_proof = showing->cycle_proof;
    }
}

static void cycle_get(struct showing *showing)
{
    const struct giro_result result = giro_disclosure_result(&showing->verified, 0);
    char path[1024];
    char *journal = NULL;
    size_t size_bytes = 0;
    snprintf(path, sizeof(path), "%s/windows.journal", showing->arguments->from);
    if (result.cycle == 0 ||
        giro_file_read(path, SIZE_MAX / 2, &journal, &size_bytes) != GIRO_ERR_OK)
        return;
    cycle_look(showing, (const uint8_t *)journal, size_bytes, result.cycle,
               showing->one.items[0].record.currency);
    free(journal);
}

/* ---- The file ---- */

static enum giro_err disclose(struct showing *showing, const char *out,
                              struct giro_diagnosis *diagnosis)
{
    const struct arguments *arguments = showing->arguments;
    size_t size_bytes = 0;
    GIRO_TRY(giro_disclosures_each(showing->view, arguments->from, frame_look, showing, diagnosis));
    if (!showing->found) {
        giro_diagnosis_set(diagnosis,
                           "payments with details are in the folders giro recon pull makes",
                           "name the folder of its business date", "no payment %s in \"%s\"",
                           arguments->uetr, arguments->from);
        return GIRO_ERR_NOENT;
    }
    GIRO_TRY(proof_get(showing, diagnosis));
    GIRO_TRY(encode(showing, &size_bytes, diagnosis));
    if (showing->verified.has_proof) {
        cycle_get(showing);
        GIRO_TRY(encode(showing, &size_bytes, diagnosis));
    }
    const enum giro_err err = giro_file_write(out, 0600, showing->bytes, size_bytes);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be written", out);
    return err;
}

int giro_cmd_disclose(int argc, char **argv)
{
    static const char doc[] =
        "Writes a file that proves one payment to a third party: its record, signed by the debtor; "
        "with --https or --proof its certified status, and, for a netted payment, that its cycle "
        "was settled; with --details its names, accounts, references and text. Of the frame's "
        "other "
        "payments nothing can be read from it. giro verify checks it under the genesis file alone, "
        "giro open shows the details.\v"
        "Example:\n"
        "  giro disclose 5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001 --as XYXXCZPP --from "
        "files/XYXXCZPP/2026-11-24 --https 127.0.0.1:7600 --details";
    static struct arguments arguments;
    const struct argp argp = {options, parse, "UETR", doc, giro_access_children, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_hub_view view;
    static struct showing showing;
    struct giro_diagnosis diagnosis = {.fact = ""};
    char out[100];
    showing = (struct showing){.arguments = &arguments, .view = &view};
    snprintf(out, sizeof(out), "%.36s.disclosure", arguments.uetr);
    enum giro_err err = giro_hub_view_open(arguments.access.genesis, 0, &view, &diagnosis);
    if (err == GIRO_ERR_OK &&
        !giro_uetr_parse(arguments.uetr, strlen(arguments.uetr), showing.uetr)) {
        giro_diagnosis_set(&diagnosis, "36 characters: 8-4-4-4-12 hexadecimal digits", "",
                           "\"%.40s\" is no UETR", arguments.uetr);
        err = GIRO_ERR_ARGUMENT;
    }
    if (err == GIRO_ERR_OK)
        err = giro_opener_open(&view.genesis, arguments.access.keys, arguments.as, &showing.opener,
                               &diagnosis);
    if (err == GIRO_ERR_OK)
        err = disclose(&showing, arguments.out == NULL ? out : arguments.out, &diagnosis);
    giro_opener_close(&showing.opener);
    sodium_memzero(showing.key, sizeof(showing.key));
    free(showing.proof);
    free(showing.cycle_proof);
    giro_hub_view_close(&view);
    if (err != GIRO_ERR_OK)
        return giro_fail("disclose", err, &diagnosis);
    printf("\"%s\": payment %s, signed by the debtor%s%s%s\n",
           arguments.out == NULL ? out : arguments.out, arguments.uetr,
           showing.verified.has_proof ? ", with its certified status" : "",
           showing.verified.has_cycle ? " and that of its cycle" : "",
           arguments.details ? ", with its details" : "");
    return GIRO_EXIT_OK;
}
