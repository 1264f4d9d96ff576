/*
 * jzx/buffer.h: payloads that many may read at once.
 *
 * A buffer is bytes with a count of references. Who makes it writes it; once it is handed over it never changes, so any
 * number of actors, on any loops, may read it without copying. The last reference that is given up frees it.
 *
 * A message that carries a buffer is lent to its handler (JZX_MESSAGE_LENT): the runtime gives the message's reference
 * up when the handler has returned. A handler that keeps the bytes takes a reference of its own. So a handler that does
 * not know of buffers neither leaks nor frees one.
 *
 * Making a message takes nothing: it hands over a reference that the caller has, like jzx_message_pointer() its data.
 * To send one buffer to three actors, three references are needed.
 */
#ifndef JZX_BUFFER_H
#define JZX_BUFFER_H

#include <jzx/message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jzx_buffer jzx_buffer;

/**
 * Makes a buffer of `size` bytes, to be written at *bytes by the caller alone until it is first handed over.
 *
 * Units:   `size` in bytes, 1 to UINT32_MAX. *bytes is aligned for every type, and not zeroed.
 * Owns:    the caller has the one reference. The memory is of the runtime's JZX_MEMORY_STATE allocator, which must then
 *          be fit for every thread that gives up a reference; a buffer may outlive the runtime, but not what the
 *          allocator needs.
 * Thread:  any.
 * Returns: JZX_OK with *buffer and *bytes; JZX_ERR_NO_MEMORY; JZX_ERR_TOO_BIG; JZX_ERR_INVALID_ARG (NULL, or 0 bytes)
 */
JZX_API jzx_err jzx_buffer_make(const jzx_runtime *runtime, size_t size, jzx_buffer **buffer, void **bytes);

/** jzx_buffer_make() with a copy of `size` bytes at `data`. Owns, Thread, Returns: as that. */
JZX_API jzx_err jzx_buffer_copy(const jzx_runtime *runtime, const void *data, size_t size, jzx_buffer **buffer);

/** Takes one reference more. Only for one who has a reference, or is lent the buffer. Thread: any.
 *  Returns: `buffer`; a count over UINT32_MAX / 2 is a bug that ends the process */
JZX_API jzx_buffer *jzx_buffer_ref(jzx_buffer *buffer);

/** Gives one reference up; with the last one the buffer is freed. NULL is ignored. Thread: any; calls no runtime. */
JZX_API void jzx_buffer_unref(jzx_buffer *buffer);

/** The bytes and how many. For who has a reference, or is lent the buffer. Thread: any. Returns: never NULL */
JZX_API const void *jzx_buffer_data(const jzx_buffer *buffer);
JZX_API size_t jzx_buffer_size(const jzx_buffer *buffer);

/** jzx_buffer_unref(context) as a jzx_drop_fn: for jzx_tcp_send_owned(), which then copies nothing. Thread: any. */
JZX_API void jzx_buffer_drop(void *context, void *data, size_t size);

/**
 * A message that carries `buffer`. It counts in the mailbox_bytes of each mailbox with its whole size.
 *
 * Owns:    as jzx_message_pointer(): the caller's reference is the runtime's when a send accepts the message, and still
 *          the caller's when it does not. Making the message changes no count, so a refused one may be made again.
 * Thread:  any.
 */
static inline jzx_message jzx_message_buffer(uint32_t tag, jzx_buffer *buffer)
{
    jzx_message message = jzx_message_pointer(tag, (void *)(uintptr_t)jzx_buffer_data(buffer), jzx_buffer_size(buffer),
                                              jzx_buffer_drop, buffer);
    message.flags |= JZX_MESSAGE_LENT;
    return message;
}

/** The buffer that a message carries, lent to the handler; NULL when it carries none. Thread: any. */
static inline jzx_buffer *jzx_message_buffer_of(const jzx_message *message)
{
    bool carries = (message->flags & JZX_MESSAGE_POINTER) != 0 && message->pointer.drop == jzx_buffer_drop;
    return carries ? (jzx_buffer *)message->pointer.drop_context : NULL;
}

#ifdef __cplusplus
}
#endif
#endif
