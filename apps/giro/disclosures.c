#include "apps/giro/disclosures.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "member/sender.h"

static enum giro_err fail(struct giro_diagnosis *diagnosis, enum giro_err err, const char *path,
                          const char *sentence)
{
    giro_diagnosis_set(diagnosis, sentence, giro_err_advice(err), "\"%s\"", path);
    return err;
}

/* Each frame of a spool, its signature checked as anybody would who is shown it. */
static enum giro_err spool_each(const struct giro_hub_view *view, const char *path,
                                giro_disclosure_fn *each, void *context,
                                struct giro_diagnosis *diagnosis)
{
    struct giro_spool spool;
    GIRO_TRY(giro_spool_open(path, &view->genesis, &spool, diagnosis));
    struct giro_disclosure *made = malloc(sizeof(*made));
    struct giro_disclosure_view *verified = malloc(sizeof(*verified));
    uint8_t *bytes = malloc(GIRO_DISCLOSURE_BYTES_MAX);
    const char *wrong = made == NULL || verified == NULL || bytes == NULL ? "out of memory" : NULL;
    for (uint64_t i = 0; wrong == NULL && i < spool.frame_count; i++) {
        struct giro_frame frame;
        struct giro_writer writer;
        if (giro_frame_decode(spool.frames[i], spool.frame_bytes[i], view->genesis.chain_prefix,
                              &frame) != GIRO_REJECT_NONE ||
            frame.header.head.kind != GIRO_KIND_FRAME)
            continue;
        giro_disclosure_of(&frame, made);
        giro_writer_init(&writer, bytes, GIRO_DISCLOSURE_BYTES_MAX);
        if (!giro_disclosure_encode(made, &writer))
            wrong = "a frame is too large to be shown";
        if (wrong == NULL)
            wrong =
                giro_disclosure_verify(&view->genesis, view->ring, bytes, writer.offset, verified);
        if (wrong == NULL)
            wrong = each(context, &verified->disclosure);
    }
    free(bytes);
    free(verified);
    free(made);
    giro_spool_close(&spool);
    return wrong == NULL ? GIRO_ERR_OK : fail(diagnosis, GIRO_ERR_SIGNATURE, path, wrong);
}

static enum giro_err disclosure_each(const struct giro_hub_view *view, const char *path,
                                     const char *bytes, size_t size_bytes, giro_disclosure_fn *each,
                                     void *context, struct giro_diagnosis *diagnosis)
{
    struct giro_disclosure_view *verified = malloc(sizeof(*verified));
    if (verified == NULL)
        return GIRO_ERR_NOMEM;
    const char *wrong =
        giro_disclosure_verify(&view->genesis, view->ring, bytes, size_bytes, verified);
    if (wrong == NULL)
        wrong = each(context, &verified->disclosure);
    free(verified);
    return wrong == NULL ? GIRO_ERR_OK : fail(diagnosis, GIRO_ERR_SIGNATURE, path, wrong);
}

struct day {
    giro_disclosure_fn *each;
    void *context;
};

static const char *day_frame(void *context, const struct giro_disclosure *disclosure,
                             uint16_t member)
{
    const struct day *day = context;
    (void)member;
    return day->each(day->context, disclosure);
}

enum giro_err giro_disclosures_each(const struct giro_hub_view *view, const char *path,
                                    giro_disclosure_fn *each, void *context,
                                    struct giro_diagnosis *diagnosis)
{
    struct stat info;
    char opened[1024];
    char *bytes = NULL;
    size_t size_bytes = 0;
    struct giro_head head = {.magic = 0};
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        snprintf(opened, sizeof(opened), "%s/details.opened", path);
        path = opened;
    }
    FILE *file = fopen(path, "rb");
    const bool read = file != NULL && fread(&head, sizeof(head), 1, file) == 1;
    if (file != NULL)
        fclose(file);
    if (!read)
        return fail(diagnosis, GIRO_ERR_NOENT, path, "it cannot be read");
    if (giro_head_is(&head, GIRO_KIND_SPOOL))
        return spool_each(view, path, each, context, diagnosis);
    if (giro_head_is(&head, GIRO_KIND_DETAILS_DAY))
        return giro_details_day_each(path, &view->genesis, view->ring, day_frame,
                                     &(struct day){each, context}, diagnosis);
    if (!giro_head_is(&head, GIRO_KIND_DISCLOSURE))
        return fail(diagnosis, GIRO_ERR_FORMAT, path,
                    "it is no disclosure, day of details, spool or cut folder");
    enum giro_err err = giro_file_read(path, GIRO_DISCLOSURE_BYTES_MAX, &bytes, &size_bytes);
    if (err != GIRO_ERR_OK)
        return fail(diagnosis, err, path, giro_err_sentence(err));
    err = disclosure_each(view, path, bytes, size_bytes, each, context, diagnosis);
    free(bytes);
    return err;
}
