#include "wire_hex.h"

#include <stdio.h>

static int digit_value(int character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    return -1;
}

bool wire_hex_read(const char *path, uint8_t *bytes, size_t bytes_max, size_t *size_bytes)
{
    FILE *const file = fopen(path, "r");
    if (file == NULL)
        return false;
    bool comment = false;
    bool good = true;
    size_t digit_count = 0;
    for (int character = fgetc(file); character != EOF && good; character = fgetc(file)) {
        if (character == '\n') {
            comment = false;
        } else if (character == '#') {
            comment = true;
        } else if (!comment) {
            const int value = digit_value(character);
            good = value >= 0 && digit_count / 2 < bytes_max;
            if (good && digit_count % 2 == 0)
                bytes[digit_count / 2] = (uint8_t)(value << 4);
            else if (good)
                bytes[digit_count / 2] |= (uint8_t)value;
            digit_count++;
        }
    }
    fclose(file);
    *size_bytes = digit_count / 2;
    return good && digit_count % 2 == 0;
}

bool wire_hex_write(const char *path, const char *comment, const uint8_t *bytes, size_t size_bytes)
{
    FILE *const file = fopen(path, "w");
    if (file == NULL)
        return false;
    fprintf(file, "# %s\n", comment);
    for (size_t i = 0; i < size_bytes; i++)
        fprintf(file, "%02x%s", bytes[i], i % 32 == 31 || i + 1 == size_bytes ? "\n" : "");
    return fclose(file) == 0;
}
