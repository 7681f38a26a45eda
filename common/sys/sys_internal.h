/* What the files of this module share; not for other modules. */
#ifndef GIRO_SYS_INTERNAL_H
#define GIRO_SYS_INTERNAL_H

#include "giro/sys.h"

/* giro_err_from_errno turns an errno value into the error of the operating kind. Never OK. */
enum giro_err giro_err_from_errno(int number);

/* giro_disk_name_good: 1..63 characters of [A-Za-z0-9._-], not starting with a point and not
 * `lock`. */
bool giro_disk_name_good(const char *name);

/* giro_disk_write_check asserts a submitter's duties: aligned, and within the file. */
void giro_disk_write_check(const struct giro_disk_write *write, uint64_t file_bytes);

/* giro_disk_uring_open with the choice of leaving out io_uring, so that the other path can be
 * tested. */
enum giro_err giro_disk_uring_open_choose(const char *path, bool use_ring, struct giro_disk *disk,
                                          int *event_fd) GIRO_MUST_USE;

#endif
