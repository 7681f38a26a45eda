/* Doubly linked lists of indices: order of arrival without pointers, removal anywhere in O(1). */
#include "consensus/batches_internal.h"

void giro_index_list_init(struct giro_index_list *list, struct giro_index_link *links)
{
    list->head = GIRO_NONE;
    list->tail = GIRO_NONE;
    list->links = links;
}

void giro_index_list_push_back(struct giro_index_list *list, uint32_t index)
{
    list->links[index] = (struct giro_index_link){.previous = list->tail, .next = GIRO_NONE};
    if (list->tail == GIRO_NONE)
        list->head = index;
    else
        list->links[list->tail].next = index;
    list->tail = index;
}

void giro_index_list_push_front(struct giro_index_list *list, uint32_t index)
{
    list->links[index] = (struct giro_index_link){.previous = GIRO_NONE, .next = list->head};
    if (list->head == GIRO_NONE)
        list->tail = index;
    else
        list->links[list->head].previous = index;
    list->head = index;
}

void giro_index_list_remove(struct giro_index_list *list, uint32_t index)
{
    struct giro_index_link link = list->links[index];
    if (link.previous == GIRO_NONE) {
        GIRO_ASSERT(list->head == index);
        list->head = link.next;
    } else {
        GIRO_ASSERT(list->links[link.previous].next == index);
        list->links[link.previous].next = link.next;
    }
    if (link.next == GIRO_NONE) {
        GIRO_ASSERT(list->tail == index);
        list->tail = link.previous;
    } else {
        GIRO_ASSERT(list->links[link.next].previous == index);
        list->links[link.next].previous = link.previous;
    }
}

void giro_index_list_check(const struct giro_index_list *list, uint32_t count)
{
    uint32_t previous = GIRO_NONE;
    uint32_t seen = 0;
    for (uint32_t i = list->head; i != GIRO_NONE; i = list->links[i].next) {
        GIRO_ASSERT(list->links[i].previous == previous);
        GIRO_ASSERT(seen < count);
        previous = i;
        seen++;
    }
    GIRO_ASSERT(list->tail == previous);
    GIRO_ASSERT(seen == count);
}
