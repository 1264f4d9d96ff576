/*
 * fuzz: what the harnesses share: the entry that libFuzzer or replay.c calls with an input, and a reader that takes values
 * from it.
 *
 * A harness is a function of its input alone: it keeps nothing between two of them and draws nothing of its own, so any
 * input can be run again by itself. What must hold is required with FUZZ_REQUIRE(), which ends the process; errors of
 * memory, and leaks, are for the sanitizers to find.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REQUIRE(fact)                                                           \
    do {                                                                             \
        if (!(fact)) {                                                               \
            fprintf(stderr, "fuzz: %s:%d: not so: %s\n", __FILE__, __LINE__, #fact); \
            abort();                                                                 \
        }                                                                            \
    } while (0)

/* What is left of an input. At its end all further values are 0. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

static inline uint64_t fuzz_number(struct fuzz_input *input, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes && input->left > 0; i++, input->at++, input->left--) {
        number |= (uint64_t)*input->at << 8 * i;
    }
    return number;
}

static inline uint8_t fuzz_u8(struct fuzz_input *input)
{
    return (uint8_t)fuzz_number(input, 1);
}

static inline uint16_t fuzz_u16(struct fuzz_input *input)
{
    return (uint16_t)fuzz_number(input, 2);
}

static inline uint32_t fuzz_u32(struct fuzz_input *input)
{
    return (uint32_t)fuzz_number(input, 4);
}

static inline uint64_t fuzz_u64(struct fuzz_input *input)
{
    return fuzz_number(input, 8);
}

/* A number below `end`, of one byte of the input. */
static inline uint32_t fuzz_below(struct fuzz_input *input, uint32_t end)
{
    return fuzz_u8(input) % end;
}

/* The next `*size` bytes, or as many as there are. */
static inline const uint8_t *fuzz_bytes(struct fuzz_input *input, size_t *size)
{
    const uint8_t *bytes = input->at;
    *size = *size < input->left ? *size : input->left;
    input->at += *size;
    input->left -= *size;
    return bytes;
}

/* Memory of exactly `size` bytes, so that a sanitizer sees who reads behind its end. For free(). */
static inline void *fuzz_copy(const void *data, size_t size)
{
    void *copy = malloc(size != 0 ? size : 1);
    FUZZ_REQUIRE(copy != NULL);
    if (size != 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

#endif
