/*
 * jzx/typed.h: messages of a struct each, checked by the compiler. Macros and inline functions only; nothing of it is seen
 * at run time but the tag.
 *
 *     typedef struct deposit { uint64_t account, cents; } deposit;
 *     JZX_TYPED(deposit, 7, deposit)
 *
 *     deposit_send(context, bank, (deposit){.account = 1, .cents = 500});
 *     ...
 *     const deposit *in = deposit_of(message);   // NULL: another message
 *     if (in != NULL) { ... }
 *
 * JZX_TYPED(name, tag, type) is for a struct of at most JZX_INLINE_MAX bytes, which goes by value. It defines
 *     enum { name_TAG = tag };
 *     jzx_message name_message(type value);                                for any function that takes a message
 *     jzx_err name_send(jzx_context *context, jzx_actor_id to, type value);
 *     jzx_err name_answer(jzx_context *context, uint64_t ref, type value);
 *     const type *name_of(const jzx_message *message);                     NULL unless it is one
 * Another struct given to these does not compile.
 * JZX_TYPED_POINTER(name, tag, type, drop) is for a larger one, which goes by pointer and is freed by drop(type *) if no
 * handler gets it. The functions take and give a type *; what name_of() gives is the handler's, unless the message is LENT. A
 * wrong pointer is what compilers call incompatible: an error in C++ and by gcc 14, a warning in C before (-Werror).
 * JZX_TYPED_EMPTY(name, tag) is for a message without payload: name_message(), name_send(), name_answer(), name_is().
 *
 * A tag of these is an enumeration constant, so at most INT_MAX. Two types of one tag in a switch over `message->tag` are a
 * duplicate case, which the compiler reports.
 */
#ifndef JZX_TYPED_H
#define JZX_TYPED_H

#include <stdbool.h>

#include <jzx/message.h>

#ifdef __cplusplus
#define JZX_TYPED_ASSERT static_assert
#define JZX_TYPED_ALIGN alignof
#else
#define JZX_TYPED_ASSERT _Static_assert
#define JZX_TYPED_ALIGN _Alignof
#endif

/* Not each program uses all of them. */
#if defined(__GNUC__)
#define JZX_TYPED_FUNCTION static inline __attribute__((unused))
#else
#define JZX_TYPED_FUNCTION static inline
#endif

#define JZX_TYPED_TAG(name, number)                                                                           \
    JZX_TYPED_ASSERT((number) < JZX_TAG_RESERVED, #name ": tags from JZX_TAG_RESERVED on are the runtime's"); \
    enum { name##_TAG = (number) };

/* To send, and to answer with, what name_message() makes. */
#define JZX_TYPED_SENDS(name, value_type)                                                           \
    JZX_TYPED_FUNCTION jzx_err name##_send(jzx_context *context, jzx_actor_id to, value_type value) \
    {                                                                                               \
        const jzx_message message = name##_message(value);                                          \
        return jzx_send(context, to, &message);                                                     \
    }                                                                                               \
    JZX_TYPED_FUNCTION jzx_err name##_answer(jzx_context *context, uint64_t ref, value_type value)  \
    {                                                                                               \
        const jzx_message message = name##_message(value);                                          \
        return jzx_answer(context, ref, &message);                                                  \
    }

#define JZX_TYPED(name, number, type)                                                                      \
    JZX_TYPED_TAG(name, number)                                                                            \
    JZX_TYPED_ASSERT(sizeof(type) <= JZX_INLINE_MAX, #name ": too large by value: see JZX_TYPED_POINTER"); \
    JZX_TYPED_ASSERT(JZX_TYPED_ALIGN(type) <= 8, #name ": aligned more strictly than a payload");          \
    JZX_TYPED_FUNCTION jzx_message name##_message(type value)                                              \
    {                                                                                                      \
        return jzx_message_value(name##_TAG, &value, sizeof value);                                        \
    }                                                                                                      \
    JZX_TYPED_FUNCTION const type *name##_of(const jzx_message *message)                                   \
    {                                                                                                      \
        bool is = message->tag == name##_TAG && message->size == sizeof(type) &&                           \
                  (message->flags & JZX_MESSAGE_POINTER) == 0;                                             \
        return is ? (const type *)(const void *)message->bytes : NULL;                                     \
    }                                                                                                      \
    JZX_TYPED_SENDS(name, type)

#define JZX_TYPED_POINTER(name, number, type, drop)                                     \
    JZX_TYPED_TAG(name, number)                                                         \
    JZX_TYPED_FUNCTION void name##_drop(void *context, void *data, size_t size)         \
    {                                                                                   \
        (void)context;                                                                  \
        (void)size;                                                                     \
        drop((type *)data);                                                             \
    }                                                                                   \
    JZX_TYPED_FUNCTION jzx_message name##_message(type *value)                          \
    {                                                                                   \
        return jzx_message_pointer(name##_TAG, value, sizeof(type), name##_drop, NULL); \
    }                                                                                   \
    JZX_TYPED_FUNCTION type *name##_of(const jzx_message *message)                      \
    {                                                                                   \
        bool is = message->tag == name##_TAG && message->size == sizeof(type) &&        \
                  (message->flags & JZX_MESSAGE_POINTER) != 0;                          \
        return is ? (type *)message->pointer.data : NULL;                               \
    }                                                                                   \
    JZX_TYPED_SENDS(name, type *)

#define JZX_TYPED_EMPTY(name, number)                                             \
    JZX_TYPED_TAG(name, number)                                                   \
    JZX_TYPED_FUNCTION jzx_message name##_message(void)                           \
    {                                                                             \
        return jzx_message_empty(name##_TAG);                                     \
    }                                                                             \
    JZX_TYPED_FUNCTION bool name##_is(const jzx_message *message)                 \
    {                                                                             \
        return message->tag == name##_TAG && message->size == 0;                  \
    }                                                                             \
    JZX_TYPED_FUNCTION jzx_err name##_send(jzx_context *context, jzx_actor_id to) \
    {                                                                             \
        const jzx_message message = name##_message();                             \
        return jzx_send(context, to, &message);                                   \
    }                                                                             \
    JZX_TYPED_FUNCTION jzx_err name##_answer(jzx_context *context, uint64_t ref)  \
    {                                                                             \
        const jzx_message message = name##_message();                             \
        return jzx_answer(context, ref, &message);                                \
    }

#endif
