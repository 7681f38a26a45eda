#include "apps/giro/watch_gaps.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "member/sender.h"

#define SKIP_SEQUENCES_MAX 511u /* what one skip closes */

/* Does the spool hold a frame of the member's channel with a sequence of the claim? */
static enum giro_err spool_look(const struct giro_gaps_options *options, const char *path,
                                uint16_t member, const struct giro_sequence_claim *claim,
                                bool *found, struct giro_diagnosis *diagnosis)
{
    struct giro_spool spool;
    GIRO_TRY(giro_spool_open(path, options->genesis, &spool, diagnosis));
    for (uint64_t i = 0; i < spool.frame_count && !*found; i++) {
        struct giro_frame_header header;
        memcpy(&header, spool.frames[i], sizeof(header));
        *found = header.member == member && header.channel == options->channel &&
                 header.sequence >= claim->first && header.sequence < claim->next;
    }
    giro_spool_close(&spool);
    return GIRO_ERR_OK;
}

static enum giro_err is_spooled(const struct giro_gaps_options *options, uint16_t member,
                                const struct giro_sequence_claim *claim, bool *found,
                                struct giro_diagnosis *diagnosis)
{
    struct dirent **names = NULL;
    int count = scandir(options->spool_dir, &names, NULL, alphasort);
    enum giro_err err = count < 0 ? GIRO_ERR_IO : GIRO_ERR_OK;
    *found = false;
    for (int i = 0; i < count; i++) {
        char path[900];
        size_t length = strlen(names[i]->d_name);
        snprintf(path, sizeof(path), "%s/%s", options->spool_dir, names[i]->d_name);
        if (err == GIRO_ERR_OK && length > 6 &&
            strcmp(names[i]->d_name + length - 6, ".spool") == 0)
            err = spool_look(options, path, member, claim, found, diagnosis);
        free(names[i]);
    }
    free(names);
    return err;
}

/* A spool of skips for [first, next). */
static enum giro_err skip_spool(const struct giro_gaps_options *options, uint16_t member,
                                const struct giro_sequence_claim *claim,
                                struct giro_diagnosis *diagnosis)
{
    const char *bic = options->genesis->members[member].bic;
    struct giro_secret_key *key = NULL;
    struct giro_spool_writer *writer = NULL;
    char path[900];
    snprintf(path, sizeof(path), "%s/skip-%s-%lu.spool", options->spool_dir, bic,
             (unsigned long)claim->first);
    GIRO_TRY(giro_key_file_load(options->keys_dir, bic, "frame", &key, diagnosis));
    enum giro_err err = giro_spool_create(path, options->genesis, &writer, diagnosis);
    for (uint64_t first = claim->first; err == GIRO_ERR_OK && first < claim->next;) {
        uint8_t frame[GIRO_FRAME_BYTES_MAX];
        uint64_t left = claim->next - first;
        uint64_t count = left < SKIP_SEQUENCES_MAX ? left : SKIP_SEQUENCES_MAX;
        size_t size = giro_skip_make(options->genesis, key, member, 1, options->channel, first,
                                     first + count - 1, frame);
        err = giro_spool_add(writer, frame, (uint32_t)size);
        first += count;
    }
    giro_key_free(key);
    if (writer != NULL && err != GIRO_ERR_OK)
        giro_spool_abandon(writer);
    return err == GIRO_ERR_OK ? giro_spool_finish(writer) : err;
}

static enum giro_err member_close(const struct giro_gaps_options *options, uint16_t member,
                                  struct giro_diagnosis *diagnosis)
{
    const char *bic = options->genesis->members[member].bic;
    struct giro_sequence_claim claim;
    bool spooled, released = false;
    char path[900];
    snprintf(path, sizeof(path), "%s/%s/channel-%u.next", options->keys_dir, bic, options->channel);
    if (access(path, F_OK) != 0)
        return GIRO_ERR_OK;
    GIRO_TRY(giro_sequence_claimed(options->keys_dir, bic, options->channel, &claim, diagnosis));
    if (claim.outbox != options->claim || claim.first == claim.next)
        return GIRO_ERR_OK;
    GIRO_TRY(is_spooled(options, member, &claim, &spooled, diagnosis));
    if (!spooled) {
        GIRO_TRY(giro_sequence_release(options->keys_dir, bic, options->channel, &claim, &released,
                                       diagnosis));
        if (released)
            return GIRO_ERR_OK;
        GIRO_TRY(skip_spool(options, member, &claim, diagnosis));
    }
    claim.first = claim.next;
    return giro_sequence_release(options->keys_dir, bic, options->channel, &claim, &released,
                                 diagnosis);
}

enum giro_err giro_gaps_close(const struct giro_gaps_options *options,
                              struct giro_diagnosis *diagnosis)
{
    for (uint32_t m = 0; m < options->genesis->member_count; m++)
        GIRO_TRY(member_close(options, (uint16_t)m, diagnosis));
    return GIRO_ERR_OK;
}
