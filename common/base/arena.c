#include "giro/base.h"

size_t giro_align_up(size_t value, size_t align)
{
    GIRO_ASSERT(align != 0);
    GIRO_ASSERT((align & (align - 1)) == 0);
    GIRO_ASSERT(value <= SIZE_MAX - (align - 1));
    return (value + align - 1) & ~(align - 1);
}

void giro_arena_init(struct giro_arena *arena, void *mem, size_t size_bytes)
{
    GIRO_ASSERT(mem != NULL || size_bytes == 0);
    GIRO_ASSERT((uintptr_t)mem % GIRO_CACHE_LINE_BYTES == 0);
    *arena = (struct giro_arena){.mem = mem, .size_bytes = size_bytes};
}

void *giro_arena_take_raw(struct giro_arena *arena, size_t size_bytes, size_t align_bytes)
{
    GIRO_ASSERT(!arena->sealed);
    GIRO_ASSERT(align_bytes != 0);
    GIRO_ASSERT((align_bytes & (align_bytes - 1)) == 0);
    GIRO_ASSERT(arena->used_bytes <= arena->size_bytes);
    /* The address is aligned, not the offset: callers may ask for more than a cache line. */
    const uintptr_t next = (uintptr_t)arena->mem + arena->used_bytes;
    const size_t gap = (size_t)(-next & (align_bytes - 1));
    const size_t left = arena->size_bytes - arena->used_bytes;
    if (gap > left || size_bytes > left - gap || arena->mem == NULL)
        return NULL;
    uint8_t *piece = arena->mem + arena->used_bytes + gap;
    arena->used_bytes += gap + size_bytes;
    return piece;
}

void *giro_arena_take(struct giro_arena *arena, size_t size_bytes, size_t align_bytes)
{
    void *piece = giro_arena_take_raw(arena, size_bytes, align_bytes);
    if (piece != NULL)
        memset(piece, 0, size_bytes);
    return piece;
}

void giro_arena_seal(struct giro_arena *arena)
{
    arena->sealed = true;
}
