/* glob: patterns as Redis reads them: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before a letter that is meant. Pure. */
#ifndef KV_GLOB_H
#define KV_GLOB_H

#include "buffer.h"

bool kv_glob(struct kv_bytes pattern, struct kv_bytes text);

#endif
