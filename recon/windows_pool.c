/* Chunks of rows: taken when a list needs one, given back when its window is certified. */
#include "windows.h"

void windows_pool_init(struct windows_pool *pool, struct windows_memory *memory,
                       uint32_t chunk_count, uint32_t row_bytes)
{
    pool->row_bytes = row_bytes;
    pool->chunk_count = chunk_count;
    pool->used = 0;
    pool->free_head = GIRO_NONE;
    pool->free_count = chunk_count;
    pool->rows = windows_take(memory, (size_t)chunk_count * WINDOWS_CHUNK_ROWS * row_bytes);
    pool->next = windows_take(memory, (size_t)chunk_count * sizeof(uint32_t));
}

static uint32_t chunk_take(struct windows_pool *pool)
{
    GIRO_ASSERT(pool->free_count > 0); /* the caller keeps room: giro_windows_room */
    pool->free_count--;
    if (pool->free_head == GIRO_NONE) {
        GIRO_ASSERT(pool->used < pool->chunk_count);
        return pool->used++;
    }
    uint32_t chunk = pool->free_head;
    pool->free_head = pool->next[chunk];
    return chunk;
}

static uint8_t *chunk_rows(const struct windows_pool *pool, uint32_t chunk)
{
    return pool->rows + (size_t)chunk * WINDOWS_CHUNK_ROWS * pool->row_bytes;
}

void windows_pool_append(struct windows_pool *pool, struct windows_list *list, const void *row)
{
    uint32_t at = list->row_count % WINDOWS_CHUNK_ROWS;
    if (at == 0) {
        uint32_t chunk = chunk_take(pool);
        pool->next[chunk] = GIRO_NONE;
        if (list->row_count == 0)
            list->head = chunk;
        else
            pool->next[list->tail] = chunk;
        list->tail = chunk;
    }
    memcpy(chunk_rows(pool, list->tail) + (size_t)at * pool->row_bytes, row, pool->row_bytes);
    list->row_count++;
}

const uint8_t *windows_pool_rows(const struct windows_pool *pool, uint32_t chunk)
{
    GIRO_ASSERT(chunk < pool->used);
    return chunk_rows(pool, chunk);
}

size_t windows_pool_copy(const struct windows_pool *pool, const struct windows_list *list,
                         uint8_t *out)
{
    uint32_t left = list->row_count;
    uint32_t chunk = list->head;
    uint8_t *at = out;
    while (left > 0) {
        uint32_t count = left < WINDOWS_CHUNK_ROWS ? left : WINDOWS_CHUNK_ROWS;
        GIRO_ASSERT(chunk < pool->used);
        memcpy(at, chunk_rows(pool, chunk), (size_t)count * pool->row_bytes);
        at += (size_t)count * pool->row_bytes;
        left -= count;
        chunk = pool->next[chunk];
    }
    return (size_t)(at - out);
}

void windows_pool_release(struct windows_pool *pool, struct windows_list *list)
{
    if (list->row_count > 0) {
        pool->next[list->tail] = pool->free_head;
        pool->free_head = list->head;
        pool->free_count += (list->row_count + WINDOWS_CHUNK_ROWS - 1) / WINDOWS_CHUNK_ROWS;
    }
    *list = (struct windows_list){.row_count = 0};
}
