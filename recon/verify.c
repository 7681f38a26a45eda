/* giro_verify_path: what a path is, by content first and name second, and folders of anything. Names matter only so that a
 * damaged first byte does not turn a file of ours into an unknown one. */
#include <stdlib.h>
#include <sys/stat.h>

#include "verify.h"

bool verify_list_add(struct verify_list *list, const void *item)
{
    if (list->count == list->max) {
        uint64_t more = list->max == 0 ? 64 : list->max * 2;
        uint8_t *larger = realloc(list->items, more * list->item_bytes);
        if (larger == NULL)
            return false;
        list->items = larger;
        list->max = more;
    }
    memcpy(list->items + list->count * list->item_bytes, item, list->item_bytes);
    list->count++;
    return true;
}

void *verify_list_at(const struct verify_list *list, uint64_t index)
{
    GIRO_ASSERT(index < list->count);
    return list->items + index * list->item_bytes;
}

void verify_list_free(struct verify_list *list)
{
    free(list->items);
    list->items = NULL;
    list->count = list->max = 0;
}

bool verify_is_zero(const uint8_t *bytes, uint64_t size_bytes)
{
    uint8_t any = 0;
    for (uint64_t i = 0; i < size_bytes; i++)
        any |= bytes[i];
    return any == 0;
}

void verify_say(struct verify *verify, const char *path, const char *format, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    if (verify->options->say != NULL)
        verify->options->say(verify->options->say_context, path, what);
}

enum giro_err verify_replica(struct verify *verify, const char *path, uint64_t offset,
                             uint32_t replica)
{
    if (replica >= verify->options->genesis->replica_count)
        return recon_fail(verify->diagnosis, GIRO_ERR_FORMAT, path,
                          "offset %lu: the hub has no replica %u", (unsigned long)offset, replica);
    if (verify->replica == GIRO_NONE)
        verify->replica = replica;
    if (verify->replica != replica)
        return recon_fail(verify->diagnosis, GIRO_ERR_CHAIN, path,
                          "offset %lu: it says replica %u, its neighbours say %u",
                          (unsigned long)offset, replica, verify->replica);
    return GIRO_ERR_OK;
}

/* ---- Files --------------------------------------------------------------------------------------------- */

enum file_kind {
    FILE_UNKNOWN,
    FILE_SKIPPED,
    FILE_GENESIS,
    FILE_JOURNAL,
    FILE_PROOF,
    FILE_SPOOL,
    FILE_DISCLOSURE,
    FILE_DETAILS_DAY,
    FILE_LEDGER,
    FILE_CERTIFICATES,
    FILE_REPORT,
    FILE_LOG_SEGMENT,
    FILE_SAFETY,
    FILE_DAMAGED_HEAD,
};

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcmp(name + length - tail, end) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Kind by name alone; FILE_UNKNOWN where names say nothing. */
static enum file_kind kind_by_name(const char *name)
{
    static const struct {
        const char *name;
        enum file_kind kind;
    } whole[] = {
        {"genesis.json", FILE_GENESIS},
        {"ledger", FILE_LEDGER},
        {"certificates", FILE_CERTIFICATES},
        {"safety", FILE_SAFETY},
        {"lock", FILE_SKIPPED},
        {"executing", FILE_SKIPPED}, /* where an execution stands: gone with the next one */
        {"summary.json", FILE_SKIPPED},
        {"hub.secret", FILE_SKIPPED}};
    static const struct {
        const char *end;
        enum file_kind kind;
    } ends[] = {{".disclosure", FILE_DISCLOSURE}, {".details", FILE_DETAILS_DAY},
                {".opened", FILE_DETAILS_DAY},    {".journal", FILE_JOURNAL},
                {".proof", FILE_PROOF},           {".spool", FILE_SPOOL},
                {".key", FILE_SKIPPED},           {".keys", FILE_SKIPPED},
                {".yaml", FILE_SKIPPED},          {".log", FILE_SKIPPED},
                {".tmp", FILE_SKIPPED},           {"~", FILE_SKIPPED}};
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        if (strcmp(name, whole[i].name) == 0)
            return whole[i].kind;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends_with(name, ends[i].end))
            return ends[i].kind;
    if (strlen(name) == 20 && strncmp(name, "log-", 4) == 0)
        return FILE_LOG_SEGMENT;
    /* <cycle>.csv; <member>-<channel>: where frames stand in the ledger, only a hint */
    size_t digits = strspn(name, "0123456789");
    if (digits > 0 && name[digits] == '-' && name[digits + 1] != '\0' &&
        strspn(name + digits + 1, "0123456789") == strlen(name + digits + 1))
        return FILE_SKIPPED;
    return digits > 0 && strcmp(name + digits, ".csv") == 0 ? FILE_REPORT : FILE_UNKNOWN;
}

static enum file_kind kind_by_head(const char *name, const struct recon_map *map)
{
    struct giro_head head;
    if (map->size_bytes < sizeof(head))
        return FILE_UNKNOWN;
    memcpy(&head, map->bytes, sizeof(head));
    if (head.magic == GIRO_MAGIC) {
        switch (head.kind) {
        case GIRO_KIND_JOURNAL:
            return FILE_JOURNAL;
        case GIRO_KIND_PROOF:
            return FILE_PROOF;
        case GIRO_KIND_SPOOL:
            return FILE_SPOOL;
        case GIRO_KIND_DISCLOSURE:
            return FILE_DISCLOSURE;
        case GIRO_KIND_DETAILS_DAY:
            return FILE_DETAILS_DAY;
        case GIRO_KIND_LEDGER:
            return strcmp(name, "certificates") == 0 ? FILE_CERTIFICATES : FILE_LEDGER;
        case GIRO_KIND_LOG_SEGMENT:
            return FILE_LOG_SEGMENT;
        case GIRO_KIND_SAFETY_SLOT:
            return FILE_SAFETY;
        default:
            return FILE_DAMAGED_HEAD;
        }
    }
    static const char magic[] = "GIRO";
    uint32_t same = 0;
    for (uint32_t i = 0; i < 4; i++)
        same += map->bytes[i] == (uint8_t)magic[i];
    if (same == 3)
        return FILE_DAMAGED_HEAD;
    if (map->bytes[0] == '{' &&
        memmem(map->bytes, map->size_bytes < 256 ? map->size_bytes : 256, "giro-genesis", 12))
        return FILE_GENESIS;
    size_t header = strlen(recon_netting_header);
    if (map->size_bytes >= header && memcmp(map->bytes, recon_netting_header, header) == 0)
        return FILE_REPORT;
    return FILE_UNKNOWN;
}

/* A name decides where it says anything, except for plain names that others use, too. */
static enum file_kind kind_of(const char *path, const struct recon_map *map)
{
    const char *name = base_name(path);
    enum file_kind by_name = kind_by_name(name), by_head = kind_by_head(name, map);
    return by_name != FILE_UNKNOWN ? by_name : by_head;
}

static enum giro_err report_later(struct verify *verify, const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL || !verify_list_add(&verify->reports, &copy)) {
        free(copy);
        return recon_fail(verify->diagnosis, GIRO_ERR_NOMEM, path, "while reading it");
    }
    return GIRO_ERR_OK;
}

static enum giro_err dispatch(struct verify *verify, const char *path, const struct recon_map *map,
                              enum file_kind kind)
{
    switch (kind) {
    case FILE_GENESIS:
        return verify_genesis(verify, path, map);
    case FILE_JOURNAL:
        return verify_journal(verify, path, map);
    case FILE_PROOF:
        return verify_proof(verify, path, map);
    case FILE_SPOOL:
        return verify_spool(verify, path, map);
    case FILE_DISCLOSURE:
        return verify_disclosure(verify, path, map);
    case FILE_DETAILS_DAY:
        return verify_details_day(verify, path, map);
    case FILE_LEDGER:
        return verify_ledger(verify, path, map);
    case FILE_CERTIFICATES:
        return verify_certificates(verify, path, map);
    case FILE_SAFETY:
        return verify_safety(verify, path, map);
    case FILE_REPORT:
        return report_later(verify, path);
    case FILE_LOG_SEGMENT:
        return recon_fail(verify->diagnosis, GIRO_ERR_ARGUMENT, path,
                          "a segment alone proves little: name the folder it is in");
    default:
        return recon_fail(verify->diagnosis, GIRO_ERR_FORMAT, path,
                          "offset 0: the first eight bytes are no kind of Giro file");
    }
}

static enum giro_err verify_file(struct verify *verify, const char *path, bool named)
{
    if (kind_by_name(base_name(path)) == FILE_SKIPPED && !named) {
        verify_say(verify, path, "skipped: nothing in it that could be verified");
        return GIRO_ERR_OK;
    }
    struct recon_map map;
    GIRO_TRY(recon_map_open(path, &map, verify->diagnosis));
    enum file_kind kind = kind_of(path, &map);
    enum giro_err err = GIRO_ERR_OK;
    if (!named && kind == FILE_UNKNOWN)
        verify_say(verify, path, "not a Giro file, skipped");
    else
        err = dispatch(verify, path, &map, kind);
    if (err == GIRO_ERR_OK && kind != FILE_UNKNOWN) {
        verify->options->files++;
        verify->options->bytes += map.size_bytes;
    }
    recon_map_close(&map);
    return err;
}

/* ---- Folders --------------------------------------------------------------------------------------------- */

static enum giro_err verify_any(struct verify *verify, const char *path, bool named);

static bool has_name(char *const *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool has_segment(char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (kind_by_name(names[i]) == FILE_LOG_SEGMENT)
            return true;
    return has_name(names, count, GIRO_SAFETY_FILE);
}

static enum giro_err verify_children(struct verify *verify, const char *path, char *const *names,
                                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char child[RECON_PATH_BYTES];
        if (!recon_path_join(child, path, names[i]))
            return recon_fail(verify->diagnosis, GIRO_ERR_ARGUMENT, path, "a path is too long");
        /* The log is its replica's; any other folder starts anew. */
        uint32_t replica = verify->replica;
        bool own = strcmp(names[i], "log") == 0;
        struct stat info;
        bool folder = lstat(child, &info) == 0 && S_ISDIR(info.st_mode);
        if (folder && !own)
            verify->replica = GIRO_NONE;
        GIRO_TRY(verify_any(verify, child, false));
        if (folder && !own)
            verify->replica = replica;
    }
    return GIRO_ERR_OK;
}

static enum giro_err verify_folder(struct verify *verify, const char *path)
{
    char **names;
    uint32_t count;
    enum giro_err err = recon_names(path, &names, &count);
    if (err != GIRO_ERR_OK)
        return recon_fail(verify->diagnosis, err, path, "it cannot be listed");
    if (has_name(names, count, "SHA256SUMS") || has_name(names, count, "manifest.json") ||
        has_name(names, count, "windows.journal"))
        err = verify_cut_folder(verify, path);
    else if (has_segment(names, count))
        err = verify_log_folder(verify, path);
    else if (++verify->depth > VERIFY_DEPTH_MAX)
        err = recon_fail(verify->diagnosis, GIRO_ERR_ARGUMENT, path, "folders nest too deep");
    else
        err = verify_children(verify, path, names, count), verify->depth--;
    recon_names_free(names, count);
    return err;
}

static enum giro_err verify_any(struct verify *verify, const char *path, bool named)
{
    struct stat info;
    if ((named ? stat(path, &info) : lstat(path, &info)) != 0)
        return recon_fail(verify->diagnosis, GIRO_ERR_NOENT, path, "it cannot be looked at");
    if (S_ISDIR(info.st_mode)) {
        /* A half-made cut is nobody's. */
        if (!named && ends_with(path, ".tmp")) {
            verify_say(verify, path, "skipped: a folder that was never finished");
            return GIRO_ERR_OK;
        }
        return verify_folder(verify, path);
    }
    if (S_ISREG(info.st_mode))
        return verify_file(verify, path, named);
    verify_say(verify, path, "neither file nor folder, skipped");
    return GIRO_ERR_OK;
}

enum giro_err giro_verify_path(struct giro_verify_options *options, const char *path,
                               struct giro_diagnosis *diagnosis)
{
    char trimmed[RECON_PATH_BYTES];
    struct verify *verify = calloc(1, sizeof(*verify));
    if (verify == NULL)
        return recon_fail(diagnosis, GIRO_ERR_NOMEM, path, "before it was read");
    *verify = (struct verify){.options = options,
                              .diagnosis = diagnosis,
                              .reports = {.item_bytes = sizeof(char *)},
                              .certificates = {.item_bytes = sizeof(struct giro_commit_body)},
                              .replica = GIRO_NONE};
    snprintf(trimmed, sizeof(trimmed), "%s", path);
    for (size_t end = strlen(trimmed); end > 1 && trimmed[end - 1] == '/'; end--)
        trimmed[end - 1] = '\0';
    enum giro_err err = verify_any(verify, trimmed, true);
    for (uint64_t i = 0; i < verify->reports.count; i++) {
        char *report = *(char **)verify_list_at(&verify->reports, i);
        if (err == GIRO_ERR_OK)
            err = verify_report(verify, report);
        free(report);
    }
    recon_netting_free(&verify->netting);
    verify_list_free(&verify->reports);
    verify_list_free(&verify->certificates);
    free(verify);
    return err;
}
