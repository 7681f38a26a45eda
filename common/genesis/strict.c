#include "strict.h"

#include <stdio.h>

/* ---- The path ---- */

void strict_enter(struct strict *strict, const char *key)
{
    GIRO_ASSERT(strict->depth < STRICT_DEPTH_MAX);
    GIRO_ASSERT(key != NULL);
    strict->steps[strict->depth++] = (struct strict_step){.key = key};
}

void strict_enter_at(struct strict *strict, size_t index)
{
    GIRO_ASSERT(strict->depth < STRICT_DEPTH_MAX);
    strict->steps[strict->depth++] = (struct strict_step){.index = index};
}

void strict_leave(struct strict *strict)
{
    GIRO_ASSERT(strict->depth > 0);
    strict->depth--;
}

void strict_path(const struct strict *strict, char path[STRICT_PATH_BYTES])
{
    size_t used = 0;
    path[0] = '\0';
    for (uint32_t i = 0; i < strict->depth && used < STRICT_PATH_BYTES; i++) {
        const struct strict_step *step = &strict->steps[i];
        int written = step->key != NULL
                          ? snprintf(path + used, STRICT_PATH_BYTES - used, "%s%s",
                                     i > 0 ? "." : "", step->key)
                          : snprintf(path + used, STRICT_PATH_BYTES - used, "[%zu]", step->index);
        GIRO_ASSERT(written >= 0);
        used += (size_t)written;
    }
}

/* ---- Where the path leads in the text: only ever run on text that jansson has accepted ---- */

struct scan {
    const char *at;
    const char *end;
};

static char scan_peek(const struct scan *scan)
{
    return scan->at < scan->end ? *scan->at : '\0';
}

static void scan_space(struct scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) != NULL && *scan->at != '\0')
        scan->at++;
}

static void scan_string(struct scan *scan)
{
    scan->at++; /* the opening quote */
    while (scan->at < scan->end && *scan->at != '"')
        scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
    if (scan->at < scan->end)
        scan->at++;
}

static void scan_value(struct scan *scan)
{
    uint32_t depth = 0;
    do {
        scan_space(scan);
        char c = scan_peek(scan);
        if (c == '"') {
            scan_string(scan);
        } else if (c == '{' || c == '[') {
            depth++;
            scan->at++;
        } else if (depth > 0 && (c == '}' || c == ']')) {
            depth--;
            scan->at++;
        } else if (depth > 0 && (c == ',' || c == ':')) {
            scan->at++;
        } else {
            size_t rest_bytes = (size_t)(scan->end - scan->at);
            size_t length = 0;
            while (length < rest_bytes && strchr(",:]} \t\r\n\"[{", scan->at[length]) == NULL)
                length++;
            if (length == 0)
                return;
            scan->at += length;
        }
    } while (depth > 0 && scan->at < scan->end);
}

/* Moves from an object to the value of its member `key`; *mark gets where the member begins. */
static bool scan_member(struct scan *scan, const char *key, const char **mark)
{
    if (scan_peek(scan) != '{')
        return false;
    scan->at++;
    for (;;) {
        scan_space(scan);
        if (scan_peek(scan) != '"')
            return false;
        const char *name = scan->at;
        scan_string(scan);
        size_t length = strlen(key);
        bool found = (size_t)(scan->at - name) == length + 2 && memcmp(name + 1, key, length) == 0;
        scan_space(scan);
        if (scan_peek(scan) != ':')
            return false;
        scan->at++;
        scan_space(scan);
        if (found) {
            *mark = name;
            return true;
        }
        scan_value(scan);
        scan_space(scan);
        if (scan_peek(scan) != ',')
            return false;
        scan->at++;
    }
}

static bool scan_element(struct scan *scan, size_t index, const char **mark)
{
    if (scan_peek(scan) != '[')
        return false;
    scan->at++;
    for (size_t i = 0; i < index; i++) {
        scan_value(scan);
        scan_space(scan);
        if (scan_peek(scan) != ',')
            return false;
        scan->at++;
    }
    scan_space(scan);
    *mark = scan->at;
    return scan->at < scan->end;
}

uint32_t strict_line(const struct strict *strict)
{
    struct scan scan = {strict->text, strict->text + strict->size_bytes};
    scan_space(&scan);
    const char *mark = scan.at;
    for (uint32_t i = 0; i < strict->depth; i++) {
        const struct strict_step *step = &strict->steps[i];
        bool found = step->key != NULL ? scan_member(&scan, step->key, &mark)
                                       : scan_element(&scan, step->index, &mark);
        if (!found) /* a missing member, or a key written with escapes: the line around it */
            break;
    }
    GIRO_ASSERT(mark <= scan.end);
    uint32_t line = 1;
    for (const char *c = strict->text; c < mark; c++)
        line += *c == '\n';
    return line;
}

/* ---- Failing ---- */

/* A long file name must not push the fact out of the message. */
static const char *name_tail(const char *name)
{
    size_t length = strlen(name);
    return length > 90 ? name + (length - 90) : name;
}

enum giro_err strict_fail(const struct strict *strict, const char *detail, const char *hint,
                          const char *fact)
{
    char path[STRICT_PATH_BYTES];
    strict_path(strict, path);
    if (strict->diagnosis != NULL)
        giro_diagnosis_set(strict->diagnosis, detail, hint, "\"%s\" line %u: %s%s%s",
                           name_tail(strict->name), strict_line(strict), path,
                           path[0] == '\0' ? "" : " ", fact);
    return GIRO_ERR_CONFIG;
}

enum giro_err strict_fail_in(struct strict *strict, const char *key, const char *detail,
                             const char *hint, const char *fact)
{
    strict_enter(strict, key);
    enum giro_err err = strict_fail(strict, detail, hint, fact);
    strict_leave(strict);
    return err;
}

/* ---- Reading ---- */

json_t *strict_load(struct strict *strict)
{
    json_error_t error;
    json_t *root = json_loadb(strict->text, strict->size_bytes, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL && strict->diagnosis != NULL)
        giro_diagnosis_set(strict->diagnosis, error.text, "correct the text near that place",
                           "\"%s\" line %d: not valid JSON", name_tail(strict->name),
                           error.line > 0 ? error.line : 1);
    return root;
}

static bool listed(const char *const *names, const char *name)
{
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

enum giro_err strict_object(struct strict *strict, const json_t *value, const char *const *names)
{
    static const char *const none[] = {NULL};
    return strict_object_optional(strict, value, names, none);
}

enum giro_err strict_object_optional(struct strict *strict, const json_t *value,
                                     const char *const *names, const char *const *optional)
{
    static const char shape[] = "the shape of a genesis file is described in giro/genesis.h";
    if (!json_is_object(value))
        return strict_fail(strict, shape, "write an object here: { ... }", "is not an object");
    /* jansson's iterators take a non-const object but change nothing. */
    json_t *object = (json_t *)(uintptr_t)value;
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        if (!listed(names, json_object_iter_key(at)) && !listed(optional, json_object_iter_key(at)))
            return strict_fail_in(strict, json_object_iter_key(at), shape,
                                  "remove it, or correct its name", "is not known here");
    }
    for (; *names != NULL; names++) {
        if (json_object_get(value, *names) == NULL)
            return strict_fail_in(strict, *names, shape, "add it", "is missing");
    }
    return GIRO_ERR_OK;
}

enum giro_err strict_string(struct strict *strict, const json_t *object, const char *key,
                            size_t bytes_min, size_t bytes_max, const char **text)
{
    const json_t *value = json_object_get(object, key);
    char hint[64];
    snprintf(hint, sizeof(hint), "write a string of %zu to %zu bytes", bytes_min, bytes_max);
    if (!json_is_string(value))
        return strict_fail_in(strict, key, "another type stands there", hint, "is not a string");
    size_t length = json_string_length(value);
    if (length < bytes_min || length > bytes_max)
        return strict_fail_in(strict, key,
                              length < bytes_min ? "it is too short" : "it is too long", hint,
                              "has the wrong length");
    *text = json_string_value(value);
    return GIRO_ERR_OK;
}

enum giro_err strict_hex(struct strict *strict, const json_t *object, const char *key, void *bytes,
                         size_t size_bytes)
{
    const char *text;
    GIRO_TRY(strict_string(strict, object, key, 2 * size_bytes, 2 * size_bytes, &text));
    if (!giro_hex_parse(text, 2 * size_bytes, bytes, size_bytes))
        return strict_fail_in(strict, key, "a character is not one of 0-9 and a-f",
                              "write hex digits only", "is not hex");
    return GIRO_ERR_OK;
}

enum giro_err strict_integer(struct strict *strict, const json_t *object, const char *key,
                             uint64_t least, uint64_t most, uint64_t *value)
{
    GIRO_ASSERT(least <= most);
    const json_t *found = json_object_get(object, key);
    char hint[96];
    snprintf(hint, sizeof(hint), "write an integer from %lu to %lu", least, most);
    if (!json_is_integer(found))
        return strict_fail_in(strict, key, "another type stands there", hint, "is not an integer");
    json_int_t number = json_integer_value(found);
    if (number < 0 || (uint64_t)number < least || (uint64_t)number > most)
        return strict_fail_in(strict, key, "the number is out of range", hint, "is out of range");
    *value = (uint64_t)number;
    return GIRO_ERR_OK;
}

enum giro_err strict_array(struct strict *strict, const json_t *object, const char *key,
                           size_t count_min, size_t count_max, const json_t **array)
{
    const json_t *value = json_object_get(object, key);
    char hint[64];
    snprintf(hint, sizeof(hint), "write an array of %zu to %zu elements", count_min, count_max);
    if (!json_is_array(value))
        return strict_fail_in(strict, key, "another type stands there", hint, "is not an array");
    size_t count = json_array_size(value);
    if (count < count_min || count > count_max)
        return strict_fail_in(strict, key, "the limits are those of giro/genesis.h", hint,
                              "has too few or too many elements");
    *array = value;
    return GIRO_ERR_OK;
}
