/* A scratch directory for each test, and what the tests of the two disks share. */
#ifndef GIRO_TESTS_SYS_SUPPORT_H
#define GIRO_TESTS_SYS_SUPPORT_H

#include "giro/sys.h"

/* scratch_make makes an empty directory under the build directory; path holds 256 bytes. */
void scratch_make(char path[256]);
/* scratch_remove removes the directory and the files in it, two levels deep. */
void scratch_remove(const char *path);
/* scratch_write writes a text file into the directory. */
void scratch_write(const char *directory, const char *name, const char *text);

/* blocks_new returns count * 4096 aligned bytes, each block filled with its own byte from first on.
 */
uint8_t *blocks_new(uint32_t count, uint8_t first);

#endif
