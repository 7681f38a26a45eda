/* What the files of this module share; not for other modules. */
#ifndef GIRO_SYS_INTERNAL_H
#define GIRO_SYS_INTERNAL_H

#include <pthread.h>

#include "giro/sys.h"

/* giro_err_from_errno turns an errno value into the error of the operating kind. Never OK. */
enum giro_err giro_err_from_errno(int number);

/* giro_disk_name_good: 1..63 characters of [A-Za-z0-9._-], not starting with a point and not
 * `lock`. */
bool giro_disk_name_good(const char *name);

/* giro_disk_write_check asserts a submitter's duties: aligned, and within the file. */
void giro_disk_write_check(const struct giro_disk_write *write, uint64_t file_bytes);

/* What a file that is being made has behind its name. */
#define GIRO_DISK_UNFINISHED "~"

/* Makes files of zeros in one directory, for its one owner; disk_make.c. */
struct giro_disk_maker {
    int dir_fd; /* borrowed; set by the owner before the first file */
    bool has_worker;
    pthread_t worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. Name and size belong to the worker while it is busy. */
    bool busy, awaited, stopping;
    char name[GIRO_DISK_NAME_BYTES];
    uint64_t size_bytes;
};
void giro_disk_maker_init(struct giro_disk_maker *maker);
/* stop gives up the file that is under way and joins the worker. */
void giro_disk_maker_stop(struct giro_disk_maker *maker);
/* make returns 0 or an errno value: the file is there, whole and durable, or not at all. The caller
 * has waited for the name. */
int giro_disk_maker_make(struct giro_disk_maker *maker, const char *name, uint64_t size_bytes);
/* prepare begins to make a file in the background. FULL: another one is under way. */
enum giro_err giro_disk_maker_prepare(struct giro_disk_maker *maker, const char *name,
                                      uint64_t size_bytes);
/* wait returns when no file of that name is under way. */
void giro_disk_maker_wait(struct giro_disk_maker *maker, const char *name);

/* giro_disk_uring_open with the choice of leaving out io_uring, so that the other path can be
 * tested. */
enum giro_err giro_disk_uring_open_choose(const char *path, bool use_ring, struct giro_disk *disk,
                                          int *event_fd) GIRO_MUST_USE;

#endif
