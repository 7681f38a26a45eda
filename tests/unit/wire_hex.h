/* Vector files: lines starting with # are comments, all other characters are hex digits and line ends. */
#ifndef TESTS_WIRE_HEX_H
#define TESTS_WIRE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* wire_hex_read reads a vector file; false if it is missing, malformed or longer than bytes_max. */
bool wire_hex_read(const char *path, uint8_t *bytes, size_t bytes_max, size_t *size_bytes);
/* wire_hex_write writes one, 32 bytes a line under one comment line. */
bool wire_hex_write(const char *path, const char *comment, const uint8_t *bytes, size_t size_bytes);

#endif
