/* common/genesis/strict.h - reads a JSON tree that must have exactly the expected shape, and says
 * where it has not: file name, line, JSON path, what was expected.
 *
 * jansson gives no position for a value, so a failing reader walks the text again along the path.
 * That costs nothing until something is wrong.
 */
#ifndef GIRO_GENESIS_STRICT_H
#define GIRO_GENESIS_STRICT_H

#include <jansson.h>

#include "giro/sys.h"

#define STRICT_DEPTH_MAX  8u
#define STRICT_PATH_BYTES 128u

/* One step from a value into a part of it: a member of an object, or (key NULL) an element of an
 * array. */
struct strict_step {
    const char *key;
    size_t index;
};

struct strict {
    const char *name; /* of the file, for messages; borrowed */
    const char *text;
    size_t size_bytes;
    struct giro_diagnosis *diagnosis; /* NULL: no messages wanted */
    struct strict_step steps[STRICT_DEPTH_MAX];
    uint32_t depth;
};

/* enter and leave keep the path of the value being read; keys are borrowed until left. */
void strict_enter(struct strict *strict, const char *key);
void strict_enter_at(struct strict *strict, size_t index);
void strict_leave(struct strict *strict);

/* strict_path writes the path ("members[3].accounts[0].cap"). */
void strict_path(const struct strict *strict, char path[STRICT_PATH_BYTES]);
/* strict_line returns the line of the value at the path, or of the nearest value around it. From 1.
 */
uint32_t strict_line(const struct strict *strict);

/* strict_load parses the text; NULL after a diagnosis. The caller calls json_decref. */
json_t *strict_load(struct strict *strict);

/* strict_fail diagnoses the value at the path and returns GIRO_ERR_CONFIG. fact says what is wrong
 * with it
 * ("is above hold"), detail and hint as in giro_diagnosis. */
enum giro_err strict_fail(const struct strict *strict, const char *detail, const char *hint,
                          const char *fact);
/* strict_fail_in does the same for member `key` of the object at the path. */
enum giro_err strict_fail_in(struct strict *strict, const char *key, const char *detail,
                             const char *hint, const char *fact);

/* strict_object checks that value is an object whose members are exactly names[0..] (NULL ends
 * them). */
enum giro_err strict_object(struct strict *strict, const json_t *value,
                            const char *const *names) GIRO_MUST_USE;
/* strict_object_optional: the same, but members in optional[0..] may be there or not. */
enum giro_err strict_object_optional(struct strict *strict, const json_t *value,
                                     const char *const *names,
                                     const char *const *optional) GIRO_MUST_USE;

/* Members of the object at the path. Each is there: strict_object has been asked first. */

/* strict_string gets a string of bytes_min..bytes_max bytes, borrowed from the tree. */
enum giro_err strict_string(struct strict *strict, const json_t *object, const char *key,
                            size_t bytes_min, size_t bytes_max, const char **text) GIRO_MUST_USE;
/* strict_hex reads exactly 2 * size_bytes hex digits. */
enum giro_err strict_hex(struct strict *strict, const json_t *object, const char *key, void *bytes,
                         size_t size_bytes) GIRO_MUST_USE;
/* strict_integer reads an integer in [least, most]. */
enum giro_err strict_integer(struct strict *strict, const json_t *object, const char *key,
                             uint64_t least, uint64_t most, uint64_t *value) GIRO_MUST_USE;
/* strict_array gets an array of count_min..count_max elements. */
enum giro_err strict_array(struct strict *strict, const json_t *object, const char *key,
                           size_t count_min, size_t count_max, const json_t **array) GIRO_MUST_USE;

#endif
