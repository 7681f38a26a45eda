/* giro_recon_netting: <cycle>.csv of every settled cycle. */
#include <stdlib.h>
#include <unistd.h>

#include "files.h"

/* Writes the rows of one cycle, or finds the same bytes there already. */
static enum giro_err cycle_write(const struct giro_genesis *genesis,
                                 const struct recon_netting_row *rows, uint32_t count,
                                 const char *out_dir, struct giro_diagnosis *diagnosis)
{
    char name[32], temporary[64], path[RECON_PATH_BYTES], temporary_path[RECON_PATH_BYTES];
    snprintf(name, sizeof(name), "%u.csv", rows[0].leaf.cycle);
    snprintf(temporary, sizeof(temporary), "%s.%d.tmp", name, (int)getpid());
    if (!recon_path_join(path, out_dir, name) ||
        !recon_path_join(temporary_path, out_dir, temporary))
        return recon_fail(diagnosis, GIRO_ERR_ARGUMENT, out_dir, "the path is too long");
    bool there = access(path, F_OK) == 0;
    struct recon_out out;
    if (!there)
        unlink(temporary_path);
    enum giro_err err = there ? recon_out_compare(&out, out_dir, name, diagnosis)
                              : recon_out_create(&out, out_dir, temporary);
    if (err != GIRO_ERR_OK && !there)
        (void)recon_fail(diagnosis, err, temporary_path, "it cannot be made");
    if (err == GIRO_ERR_OK) {
        const char *wrong = recon_netting_cycle_render(genesis, rows, count, &out);
        if (wrong != NULL)
            err = recon_fail(diagnosis, GIRO_ERR_STATE, path, "%s", wrong);
    }
    if (err == GIRO_ERR_OK && recon_out_finish(&out) != GIRO_ERR_OK)
        err = there ? recon_fail(diagnosis, GIRO_ERR_EXISTS, path,
                                 "line %lu: not what the journals say",
                                 (unsigned long)out.differs_line)
                    : recon_fail(diagnosis, GIRO_ERR_IO, temporary_path, "it cannot be written");
    if (err == GIRO_ERR_OK && !there && rename(temporary_path, path) != 0)
        err = recon_fail(diagnosis, GIRO_ERR_IO, path, "it cannot be renamed");
    recon_out_free(&out);
    if (err != GIRO_ERR_OK && !there)
        unlink(temporary_path);
    return err;
}

enum giro_err giro_recon_netting(const struct giro_genesis *genesis,
                                 const struct giro_key_ring *ring, const char *const *journal_paths,
                                 uint32_t count, const char *out_dir, uint32_t *cycles,
                                 struct giro_diagnosis *diagnosis)
{
    struct recon_netting netting = {.rows = NULL};
    enum giro_err err = giro_dir_make(out_dir);
    *cycles = 0;
    if (err != GIRO_ERR_OK)
        return recon_fail(diagnosis, err, out_dir, "it cannot be made");
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < count; i++)
        err = recon_netting_collect(&netting, genesis, ring, journal_paths[i], diagnosis);
    recon_netting_sort(&netting);
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < netting.count;) {
        uint32_t group = recon_netting_group(&netting, i);
        err = cycle_write(genesis, &netting.rows[i], group, out_dir, diagnosis);
        *cycles += err == GIRO_ERR_OK;
        i += group;
    }
    if (err == GIRO_ERR_OK) {
        err = recon_sync_dir(out_dir);
        if (err != GIRO_ERR_OK)
            (void)recon_fail(diagnosis, err, out_dir, "it cannot be synced");
    }
    recon_netting_free(&netting);
    return err;
}
