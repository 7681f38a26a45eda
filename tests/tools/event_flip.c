/* event_flip LOG KIND [raw]: flips one bit in the middle event of that kind (EXECUTED, SIGNED, ...) of an event log and makes
 * its record's checksum right again, unless `raw`. Prints the event's number and the record's offset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "giro/event_log.h"
#include "giro/sys.h"

/* Of an EXECUTED a byte of the state root, of others the last of the body. */
#define EXECUTED_ROOT 32u /* behind two times, height and next_due_ns */
static void flip(uint8_t *record, bool raw)
{
    struct giro_event_record_header header;
    memcpy(&header, record, sizeof(header));
    const bool executed = strcmp(giro_event_record_name(header.kind), "EXECUTED") == 0;
    record[sizeof(header) + (executed ? EXECUTED_ROOT : header.body_bytes - 1)] ^= 1;
    if (raw)
        return;
    uint64_t checksum = giro_event_record_checksum(&header, record + sizeof(header));
    memcpy(record + offsetof(struct giro_event_record_header, checksum), &checksum, 8);
}

/* The record of the event of that kind with `wanted` before it; *count: how many were seen. */
static bool find(const uint8_t *bytes, size_t size_bytes, const char *kind, uint64_t wanted,
                 uint64_t *count, size_t *at)
{
    struct giro_event_record record;
    size_t offset = sizeof(struct giro_event_log_header);
    *count = 0;
    for (*at = offset;
         giro_event_record_next(bytes, size_bytes, &offset, &record) == GIRO_REJECT_NONE;
         *at = offset) {
        if (strcmp(giro_event_record_name(record.kind), kind) != 0)
            continue;
        if (*count == wanted) {
            printf("%lu %zu\n", (unsigned long)record.sequence, *at);
            return true;
        }
        ++*count;
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: event_flip LOG KIND [raw]\n");
        return 2;
    }
    char *text = NULL;
    size_t size_bytes = 0;
    if (giro_file_read(argv[1], 1u << 30, &text, &size_bytes) != GIRO_ERR_OK) {
        fprintf(stderr, "event_flip: \"%s\" cannot be read\n", argv[1]);
        return 1;
    }
    uint8_t *bytes = (uint8_t *)text;
    uint64_t count = 0;
    size_t last = 0;
    (void)find(bytes, size_bytes, argv[2], UINT64_MAX, &count, &last);
    if (count > 0 && find(bytes, size_bytes, argv[2], count / 2, &count, &last)) {
        flip(bytes + last, argc > 3);
        enum giro_err err = giro_file_write(argv[1], 0600, bytes, size_bytes);
        free(text);
        return err == GIRO_ERR_OK ? 0 : 1;
    }
    free(text);
    fprintf(stderr, "event_flip: no %s in \"%s\"\n", argv[2], argv[1]);
    return 1;
}
