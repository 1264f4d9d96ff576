/* glob: patterns as Redis reads them. No text makes it slow: a star goes back to the last one only. */
#include "glob.h"

/* Whether a class, which begins behind its '[', has `letter`. Its size is in *size; without a ']' it goes to the end. */
static bool class_has(struct kv_bytes pattern, size_t at, uint8_t letter, size_t *size)
{
    size_t start = at;
    bool found = false;
    bool other = at < pattern.size && pattern.data[at] == '^';
    at += other;
    while (at < pattern.size && pattern.data[at] != ']') {
        uint8_t low = pattern.data[at];
        uint8_t high = low;
        if (low == '\\' && at + 1 < pattern.size) {
            low = high = pattern.data[++at];
        } else if (at + 2 < pattern.size && pattern.data[at + 1] == '-') {
            high = pattern.data[at += 2];
        }
        found |= low <= high ? letter >= low && letter <= high : letter >= high && letter <= low;
        at++;
    }
    *size = at - start + (at < pattern.size);
    return found != other;
}

/* Whether the part of a pattern at `at`, which is no star, stands for `letter`; *size is that of the part. */
static bool stands_for(struct kv_bytes pattern, size_t at, uint8_t letter, size_t *size)
{
    bool stands;
    switch (pattern.data[at]) {
    case '?':
        *size = 1;
        return true;
    case '[':
        stands = class_has(pattern, at + 1, letter, size);
        *size += 1;
        return stands;
    case '\\':
        *size = at + 1 < pattern.size ? 2 : 1;
        return pattern.data[at + *size - 1] == letter;
    default:
        *size = 1;
        return pattern.data[at] == letter;
    }
}

bool kv_glob(struct kv_bytes pattern, struct kv_bytes text)
{
    if (text.size == 0) {
        return pattern.size == 0; /* so it is there, stars or not */
    }
    size_t at = 0;
    size_t text_at = 0;
    size_t behind_star = 0; /* 0: there was none */
    size_t text_again = 0;  /* where that star ends for now */
    while (text_at < text.size) {
        size_t size;
        if (at < pattern.size && pattern.data[at] == '*') {
            behind_star = ++at;
            text_again = text_at;
        } else if (at < pattern.size && stands_for(pattern, at, text.data[text_at], &size)) {
            at += size;
            text_at++;
        } else if (behind_star != 0) {
            at = behind_star;
            text_at = ++text_again;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.data[at] == '*') {
        at++;
    }
    return at == pattern.size;
}
