/* What a replica leaves behind when it stops itself, or dies twice at the same frame. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "apps/girod/postmortem.h"

static void dir_make(char dir[64])
{
    snprintf(dir, 64, "/tmp/giro-postmortem-XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
}

static void file_remove(const char *dir, const char *name)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unlink(path);
}

/* One run that executes up to a frame and dies there (or not). */
static enum giro_err run(const char *dir, uint64_t height, uint32_t frame, bool dies)
{
    struct giro_crash_marker *marker = NULL;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = giro_marker_open(dir, 2, &marker, &diagnosis);
    if (err != GIRO_ERR_OK) {
        cr_assert(diagnosis.fact[0] != '\0' && diagnosis.hint[0] != '\0');
        return err;
    }
    marker->height = height;
    marker->frame = frame;
    marker->executing = dies;
    giro_marker_close(marker);
    return GIRO_ERR_OK;
}

Test(postmortem, a_second_death_at_the_same_frame_is_the_last)
{
    char dir[64], path[200];
    struct stat found;
    dir_make(dir);
    for (uint32_t i = 0; i < 5; i++)
        cr_assert(run(dir, 5, 3, false) == GIRO_ERR_OK, "orderly ends count for nothing");
    cr_assert(run(dir, 5, 3, true) == GIRO_ERR_OK);
    cr_assert(run(dir, 5, 4, true) == GIRO_ERR_OK, "after the first death it tries again");
    cr_assert(run(dir, 5, 3, true) == GIRO_ERR_OK, "another frame is another matter");
    cr_assert(run(dir, 5, 3, true) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(run(dir, 5, 3, false) == GIRO_ERR_STATE, "and stays so");
    snprintf(path, sizeof(path), "%s/crash-5-3.txt", dir);
    cr_assert(stat(path, &found) == 0 && found.st_size > 50);
    file_remove(dir, "executing");
    cr_assert(run(dir, 5, 3, false) == GIRO_ERR_OK, "the operator lets it try again");
    file_remove(dir, "executing");
    file_remove(dir, "crash-5-3.txt");
    rmdir(dir);
}

Test(postmortem, a_halt_leaves_both_roots_and_the_certificate)
{
    static struct giro_halt halt = {.reason = "a quorum certified other roots",
                                    .height = 42,
                                    .has_own = true,
                                    .has_certificate = true,
                                    .own = {.state_root = {.bytes = {0xAA, 0xBB}}}};
    char dir[64], path[600], *text = NULL;
    size_t size_bytes = 0;
    halt.certificate.header.signer_count = 3;
    halt.certificate.header.body.state_root.bytes[0] = 0xCC;
    halt.certificate.signatures[2].bytes[63] = 0xDD;
    dir_make(dir);
    cr_assert(giro_halt_write(dir, 1, &halt, path, sizeof(path)) == GIRO_ERR_OK);
    cr_assert(giro_file_read(path, 1 << 20, &text, &size_bytes) == GIRO_ERR_OK);
    cr_assert(strstr(text, "replica 1 stopped at height 42: a quorum certified other roots") !=
              NULL);
    cr_assert(strstr(text, "state_root aabb00") != NULL);
    cr_assert(strstr(text, "state_root cc0000") != NULL);
    cr_assert(strstr(text, "dd\n") != NULL, "all three signatures");
    free(text);
    file_remove(dir, "halt-42.txt");
    rmdir(dir);
}
