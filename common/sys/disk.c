#include <errno.h>

#include "sys_internal.h"

enum giro_err giro_err_from_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return GIRO_ERR_NOSPACE;
    case ENOENT:
    case ENOTDIR:
        return GIRO_ERR_NOENT;
    case EEXIST:
        return GIRO_ERR_EXISTS;
    case ENOMEM:
        return GIRO_ERR_NOMEM;
    default:
        return GIRO_ERR_IO;
    }
}

static bool name_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool giro_disk_name_good(const char *name)
{
    const size_t length = strnlen(name, GIRO_DISK_NAME_BYTES);
    if (length == 0 || length == GIRO_DISK_NAME_BYTES || name[0] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!name_character(name[i]))
            return false;
    }
    return strcmp(name, "lock") != 0;
}

void giro_disk_write_check(const struct giro_disk_write *write, uint64_t file_bytes)
{
    GIRO_ASSERT(write->bytes != NULL);
    GIRO_ASSERT(write->size_bytes > 0);
    GIRO_ASSERT(write->size_bytes % GIRO_DISK_BLOCK_BYTES == 0);
    GIRO_ASSERT(write->offset % GIRO_DISK_BLOCK_BYTES == 0);
    GIRO_ASSERT((uintptr_t)write->bytes % GIRO_DISK_BLOCK_BYTES == 0);
    GIRO_ASSERT(write->offset <= file_bytes);
    GIRO_ASSERT(write->size_bytes <= file_bytes - write->offset);
}
