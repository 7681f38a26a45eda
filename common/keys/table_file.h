/* common/keys/table_file.h - one comb table in a file that processes of one machine map read-only. Format: README.md. */
#ifndef GIRO_KEYS_TABLE_FILE_H
#define GIRO_KEYS_TABLE_FILE_H

#include "giro/crypto.h"
#include "giro/sys.h"

#define TABLE_HEADER_BYTES 4096u /* a page, so that the table behind it is aligned */
#define TABLE_NAME_BYTES   96u

/* A directory that only this user can write to. */
struct table_dir {
    int fd;
    const char *path; /* borrowed, for messages */
};
/* table_dir_open makes the directory (mode 0700) where it is not there. GIRO_ERR_CONFIG: another user owns it or may write to
 * it. */
enum giro_err table_dir_open(const char *path, struct table_dir *dir,
                             struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void table_dir_close(struct table_dir *dir);
/* table_dir_lock keeps other processes from building the same tables at the same time, and removes what a dead one left half
 * written. Waits at most wait_ms; false: somebody holds it still, and the tables are built all the same. Ends with unlock or the
 * process. */
bool table_dir_lock(struct table_dir *dir, uint32_t wait_ms) GIRO_MUST_USE;
void table_dir_unlock(struct table_dir *dir);

/* What identifies a table. */
struct table_name {
    const struct giro_public_key *key;
    uint32_t width;
};
void table_name_text(const struct table_name *name, char text[TABLE_NAME_BYTES]);

/* A file mapped read-only. */
struct table_map {
    const void *mapping; /* NULL: none */
    const void *table;
    uint64_t digest; /* XXH3 of the table */
};
enum table_found { TABLE_GOOD, TABLE_ABSENT, TABLE_REFUSED };
/* table_load maps a file and checks owner, mode, size, header, XXH3 and sums against libsodium's for scalars drawn from seed,
 * which nobody can foretell. REFUSED: *reason says what is wrong, as in "is short". Any thread. */
enum table_found table_load(const struct table_dir *dir, const struct table_name *name,
                            const uint8_t seed[32], struct table_map *map,
                            const char **reason) GIRO_MUST_USE;
void table_unmap(struct table_map *map, uint32_t width);
/* table_store writes a table under a name of its own and renames it, or links it where no file was: whoever is first stays.
 * Not synced: what a power loss leaves is found out by load. Returns an errno, 0 when there is a file. Any thread. */
int table_store(const struct table_dir *dir, const struct table_name *name, const void *table,
                bool replace);

uint64_t table_digest(const void *table, uint32_t width);

#endif
