/* list: doubly linked, circular, intrusive; a node that is in no list points at itself. */
#ifndef JZX__LIST_H
#define JZX__LIST_H

#include "io/base.h"

typedef struct jzx__list {
    struct jzx__list *next;
    struct jzx__list *prev;
} jzx__list;

static inline void jzx__list_init(jzx__list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool jzx__list_empty(const jzx__list *head)
{
    return head->next == head;
}

static inline void jzx__list_append(jzx__list *head, jzx__list *node)
{
    JZX_ASSERT(jzx__list_empty(node));
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void jzx__list_remove(jzx__list *node)
{
    node->next->prev = node->prev;
    node->prev->next = node->next;
    jzx__list_init(node);
}

#endif
