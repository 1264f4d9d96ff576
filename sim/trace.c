/* trace: see trace.h. */
#include "sim/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 512, ROOM_FIRST = 4096 };

void jzx__sim_trace_init(jzx__sim_trace *trace, const jzx_sim_config *config)
{
    *trace = (struct jzx__sim_trace){.text_max = (size_t)config->trace_max};
}

void jzx__sim_trace_deinit(jzx__sim_trace *trace)
{
    free(trace->text);
    *trace = (struct jzx__sim_trace){.hash = trace->hash};
}

/* ---- the hash ---- */

static void fold(jzx__sim_trace *trace, uint64_t value)
{
    trace->hash = jzx__mix(trace->hash * 0x9E3779B97F4A7C15ull + value);
}

static void fold_text(jzx__sim_trace *trace, const char *text)
{
    fold(trace, jzx__text_hash(text));
}

/* ---- the text. It grows to twice what is kept; then the newer half moves to the front. ---- */

/* Forgets the oldest lines, so that at most `most` bytes are left. */
static void forget(jzx__sim_trace *trace, size_t most)
{
    if (trace->end - trace->begin <= most) {
        return;
    }
    const char *from = trace->text + trace->end - most;
    if (from[-1] != '\n') {
        const char *line_end = memchr(from, '\n', most);
        from = line_end == NULL ? trace->text + trace->end : line_end + 1;
    }
    trace->begin = (size_t)(from - trace->text);
}

/* Room for `size` bytes behind the end. */
static void make_room(jzx__sim_trace *trace, size_t size)
{
    if (trace->room - trace->end >= size) {
        return;
    }
    forget(trace, trace->text_max);
    size_t kept = trace->end - trace->begin;
    if (kept + size > trace->room / 2) {
        trace->room = (kept + size) * 2 > ROOM_FIRST ? (kept + size) * 2 : ROOM_FIRST;
        trace->text = realloc(trace->text, trace->room);
        if (trace->text == NULL) {
            abort();
        }
    }
    memmove(trace->text, trace->text + trace->begin, kept);
    trace->begin = 0;
    trace->end = kept;
}

/* `line` is of length + 1 bytes and ends with '\n', but for what did not fit. */
static void add_line(jzx__sim_trace *trace, char *line, int length)
{
    size_t size = length < 0 ? 0 : (size_t)length;
    size = size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES - 1;
    if (size == 0) {
        return;
    }
    line[size - 1] = '\n';
    make_room(trace, size + 1);
    memcpy(trace->text + trace->end, line, size);
    trace->end += size;
    trace->text[trace->end] = '\0'; /* make_room() left one byte for it */
}

/* ---- events ---- */

/* How the numbers of an event are said: %i an actor, %t a tag, %k an exit kind, %d a signed number, %x a hexadecimal one,
 * %u any other. */
typedef struct wording {
    const char *what;
    const char *text;
} wording;

static const wording WORDINGS[] = {
    {"run", " %i"},
    {"handle", " %i from %i tag %t"},
    {"spawn", " %i by %i"},
    {"end", " %i %k code %d"},
    {"arm", " timer %u for %u"},
    {"fire", " timer %u of %u"},
    {"disarm", " timer %u"},
    {"submit", " ring %u opcode %u operation %x"},
    {"completion", " ring %u operation %x result %d"},
};

static const char *const TAGS[] = {"0",       "io",     "supervisor",  "3",   "down",     "exit",
                                   "spawned", "resume", "dead-letter", "tcp", "no-answer"};

static void say_number(char *to, size_t room, char kind, uint64_t number)
{
    uint64_t reserved = number - JZX_TAG_RESERVED;
    if (kind == 'i' && number != 0) {
        (void)jzx_id_format(number, to, room);
    } else if (kind == 'i') {
        (void)snprintf(to, room, "outside");
    } else if (kind == 't' && number >= JZX_TAG_RESERVED) {
        (void)snprintf(to, room, "%s", reserved < JZX__COUNT(TAGS) ? TAGS[reserved] : "of the runtime");
    } else if (kind == 'k') {
        (void)snprintf(to, room, "%s", jzx_exit_kind_text((uint32_t)number));
    } else if (kind == 'd') {
        (void)snprintf(to, room, "%d", (int)(int32_t)(uint32_t)number);
    } else {
        (void)snprintf(to, room, kind == 'x' ? "%llx" : "%llu", (unsigned long long)number);
    }
}

/* What is not in the table has its numbers one after the other, without zeroes at the end. */
static const char *wording_of(const char *what, const uint64_t numbers[3])
{
    for (size_t i = 0; i < JZX__COUNT(WORDINGS); i++) {
        if (strcmp(WORDINGS[i].what, what) == 0) {
            return WORDINGS[i].text;
        }
    }
    return numbers[2] != 0 ? " %u %u %u" : numbers[1] != 0 ? " %u %u" : numbers[0] != 0 ? " %u" : "";
}

static void say_event(jzx__sim_trace *trace, uint64_t now_ns, const char *what, const uint64_t numbers[3])
{
    char line[LINE_MAX_BYTES];
    /* The name of a thread is its user's, and as long as that likes. */
    int used = snprintf(line, sizeof line, "%14llu %.200s", (unsigned long long)now_ns, what);
    uint32_t next = 0;
    for (const char *at = wording_of(what, numbers); *at != '\0' && used < LINE_MAX_BYTES - 64; at++) {
        if (*at == '%') {
            JZX_ASSERT(next < 3);
            say_number(line + used, sizeof line - (size_t)used, *++at, numbers[next++]);
            used += (int)strlen(line + used);
        } else {
            line[used++] = *at;
        }
    }
    line[used++] = '\n';
    line[used] = '\0';
    add_line(trace, line, used);
}

void jzx__sim_event(jzx_sim *sim, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    jzx__sim_trace *trace = jzx__sim_trace_of(sim);
    uint64_t now_ns = jzx__sim_clock(sim);
    fold(trace, now_ns);
    fold_text(trace, what);
    fold(trace, a);
    fold(trace, b);
    fold(trace, c);
    if (trace->text_max == 0) {
        return;
    }
    say_event(trace, now_ns, what, (const uint64_t[3]){a, b, c});
}

void jzx_sim_note(jzx_sim *sim, const char *format, ...)
{
    if (sim == NULL || format == NULL) {
        return;
    }
    jzx__sim_trace *trace = jzx__sim_trace_of(sim);
    uint64_t now_ns = jzx__sim_clock(sim);
    char line[LINE_MAX_BYTES];
    int head = snprintf(line, sizeof line, "%14llu # ", (unsigned long long)now_ns);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return;
    }
    /* What is a line of its own is one line of the trace, whatever it holds. */
    for (char *at = strchr(line + head, '\n'); at != NULL; at = strchr(at, '\n')) {
        *at = ' ';
    }
    fold(trace, now_ns);
    fold_text(trace, line + head);
    if (trace->text_max > 0) {
        size_t used = strlen(line);
        line[used] = '\n';
        add_line(trace, line, (int)used + 1);
    }
}

uint64_t jzx_sim_trace_hash(const jzx_sim *sim)
{
    return sim == NULL ? 0 : jzx__sim_trace_of((jzx_sim *)(uintptr_t)sim)->hash;
}

const char *jzx_sim_trace_text(jzx_sim *sim)
{
    if (sim == NULL) {
        return "";
    }
    jzx__sim_trace *trace = jzx__sim_trace_of(sim);
    if (trace->text == NULL) {
        return "";
    }
    forget(trace, trace->text_max);
    return trace->text + trace->begin;
}
