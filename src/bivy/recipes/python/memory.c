/* The C library's functions that copy, fill, compare and search memory, sixteen bytes at a time.

   musl compares and searches byte by byte or word by word; glibc's are in assembler for each processor. Python spends
   time in them: names are compared, texts searched, containers copied. These are part of Python's library and, beside
   the allocator, of libpython-malloc.so, so that extension modules have them too. For machines that read from any
   address at full speed (x86_64, aarch64).

   Compiled without the profile and not as part of the whole (LTO): the compiler knows these functions by name, and must
   neither call one from its own body nor take it apart. */

#include <stddef.h>
#include <stdint.h>

#ifndef MEMORY
#define MEMORY __attribute__((visibility("hidden")))
#endif
#define INLINE static inline __attribute__((always_inline))

typedef uint8_t chunk __attribute__((vector_size(16), aligned(1), may_alias));
typedef int8_t equal __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));
typedef uint64_t word __attribute__((aligned(1), may_alias));
typedef uint32_t half __attribute__((aligned(1), may_alias));
typedef uint16_t quarter __attribute__((aligned(1), may_alias));

INLINE chunk load(const uint8_t *from) { return *(const chunk *)from; }
INLINE void store(uint8_t *to, chunk bytes) { *(chunk *)to = bytes; }

INLINE int any(halves bits) { return (bits[0] | bits[1]) != 0; }

/* How many bytes come before the first, or after the last, of those that are set; one at least is. */
INLINE size_t before(halves bits)
{
    return bits[0] ? (size_t)__builtin_ctzll(bits[0]) / 8 : 8 + (size_t)__builtin_ctzll(bits[1]) / 8;
}
INLINE size_t last(halves bits)
{
    return bits[1] ? 15 - (size_t)__builtin_clzll(bits[1]) / 8 : 7 - (size_t)__builtin_clzll(bits[0]) / 8;
}

INLINE void copy_small(uint8_t *to, const uint8_t *from, size_t size)
{
    /* All is read before anything is written, so that the two may overlap. */
    if (size >= 8) {
        uint64_t head = *(const word *)from, tail = *(const word *)(from + size - 8);
        *(word *)to = head;
        *(word *)(to + size - 8) = tail;
    } else if (size >= 4) {
        uint32_t head = *(const half *)from, tail = *(const half *)(from + size - 4);
        *(half *)to = head;
        *(half *)(to + size - 4) = tail;
    } else if (size) {
        uint8_t head = from[0], middle = from[size / 2], tail = from[size - 1];
        to[0] = head;
        to[size / 2] = middle;
        to[size - 1] = tail;
    }
}

INLINE void *move(void *target, const void *source, size_t size)
{
    uint8_t *to = target;
    const uint8_t *from = source;
    if (size <= 16) {
        copy_small(to, from, size);
        return target;
    }
    if (size <= 32) {
        chunk head = load(from), tail = load(from + size - 16);
        store(to, head);
        store(to + size - 16, tail);
        return target;
    }
    if (size <= 64) {
        chunk a = load(from), b = load(from + 16), c = load(from + size - 32), d = load(from + size - 16);
        store(to, a);
        store(to + 16, b);
        store(to + size - 32, c);
        store(to + size - 16, d);
        return target;
    }
    if ((uintptr_t)to - (uintptr_t)from >= size) {      /* forwards, also where the target is below the source */
        chunk w = load(from + size - 64), x = load(from + size - 48), y = load(from + size - 32), z = load(from + size - 16);
        uint8_t *end = to + size - 64;
        for (uint8_t *at = to; at < end; at += 64, from += 64) {
            chunk a = load(from), b = load(from + 16), c = load(from + 32), d = load(from + 48);
            store(at, a);
            store(at + 16, b);
            store(at + 32, c);
            store(at + 48, d);
        }
        store(end, w);
        store(end + 16, x);
        store(end + 32, y);
        store(end + 48, z);
    } else {
        chunk w = load(from), x = load(from + 16), y = load(from + 32), z = load(from + 48);
        for (size_t left = size; left > 64; left -= 64) {
            chunk a = load(from + left - 16), b = load(from + left - 32), c = load(from + left - 48), d = load(from + left - 64);
            store(to + left - 16, a);
            store(to + left - 32, b);
            store(to + left - 48, c);
            store(to + left - 64, d);
        }
        store(to, w);
        store(to + 16, x);
        store(to + 32, y);
        store(to + 48, z);
    }
    return target;
}

MEMORY void *memcpy(void *restrict target, const void *restrict source, size_t size) { return move(target, source, size); }
MEMORY void *memmove(void *target, const void *source, size_t size) { return move(target, source, size); }

MEMORY void *memset(void *target, int byte, size_t size)
{
    uint8_t *to = target;
    uint64_t pattern = 0x0101010101010101u * (uint8_t)byte;
    if (size < 16) {
        if (size >= 8) {
            *(word *)to = pattern;
            *(word *)(to + size - 8) = pattern;
        } else if (size >= 4) {
            *(half *)to = (uint32_t)pattern;
            *(half *)(to + size - 4) = (uint32_t)pattern;
        } else if (size) {
            to[0] = to[size / 2] = to[size - 1] = (uint8_t)byte;
        }
        return target;
    }
    chunk bytes = (chunk)(halves){ pattern, pattern };
#ifdef __x86_64__
    if (size >= 1024) {
        /* The processor's own loop fills whole lines at once. */
        void *at = (void *)(((uintptr_t)to + 16) & ~(uintptr_t)15);
        size_t words = (size_t)(to + size - (uint8_t *)at) / 8;
        store(to, bytes);
        store(to + size - 16, bytes);
        __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
        return target;
    }
#endif
    uint8_t *end = to + size - 16;
    for (uint8_t *at = to; at < end; at += 16) {
        store(at, bytes);
    }
    store(end, bytes);
    return target;
}

INLINE int order(uint64_t a, uint64_t b)
{
    a = __builtin_bswap64(a);
    b = __builtin_bswap64(b);
    return (a > b) - (a < b);
}

INLINE int compare_chunks(const uint8_t *a, const uint8_t *b)
{
    halves x = (halves)load(a), y = (halves)load(b);
    return x[0] != y[0] ? order(x[0], y[0]) : x[1] != y[1] ? order(x[1], y[1]) : 0;
}

INLINE int differ(const uint8_t *a, const uint8_t *b) { return any((halves)(load(a) ^ load(b))); }

MEMORY int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *a = left, *b = right;
    if (size < 16) {
        if (size >= 8) {
            uint64_t x = *(const word *)a, y = *(const word *)b;
            return x != y ? order(x, y) : order(*(const word *)(a + size - 8), *(const word *)(b + size - 8));
        }
        if (size >= 4) {
            uint64_t x = *(const half *)a, y = *(const half *)b;
            return order(x | (uint64_t)*(const half *)(a + size - 4) << 32, y | (uint64_t)*(const half *)(b + size - 4) << 32);
        }
        for (size_t i = 0; i < size; i++) {
            if (a[i] != b[i]) {
                return a[i] - b[i];
            }
        }
        return 0;
    }
    const uint8_t *end = a + size - 16, *last_of_b = b + size - 16;
    for (; end - a >= 64; a += 64, b += 64) {
        if (any((halves)((load(a) ^ load(b)) | (load(a + 16) ^ load(b + 16)) | (load(a + 32) ^ load(b + 32))
                         | (load(a + 48) ^ load(b + 48))))) {
            break;
        }
    }
    for (; a < end; a += 16, b += 16) {
        if (differ(a, b)) {
            return compare_chunks(a, b);
        }
    }
    return compare_chunks(end, last_of_b);
}

/* What the compiler calls where only equality matters. */
MEMORY int bcmp(const void *left, const void *right, size_t size) { return memcmp(left, right, size); }

INLINE equal same(const uint8_t *at, chunk wanted) { return (equal)(load(at) == wanted); }

MEMORY void *memchr(const void *memory, int byte, size_t size)
{
    const uint8_t *at = memory;
    if (size < 16) {
        for (; size; size--, at++) {
            if (*at == (uint8_t)byte) {
                return (void *)at;
            }
        }
        return NULL;
    }
    chunk wanted = (chunk){ 0 } + (uint8_t)byte;
    const uint8_t *end = at + size - 16;
    for (; end - at >= 64; at += 64) {
        if (any((halves)(same(at, wanted) | same(at + 16, wanted) | same(at + 32, wanted) | same(at + 48, wanted)))) {
            break;
        }
    }
    for (; at < end; at += 16) {
        halves found = (halves)same(at, wanted);
        if (any(found)) {
            return (void *)(at + before(found));
        }
    }
    halves found = (halves)same(end, wanted);
    return any(found) ? (void *)(end + before(found)) : NULL;
}

MEMORY void *memrchr(const void *memory, int byte, size_t size)
{
    const uint8_t *start = memory;
    if (size < 16) {
        while (size--) {
            if (start[size] == (uint8_t)byte) {
                return (void *)(start + size);
            }
        }
        return NULL;
    }
    chunk wanted = (chunk){ 0 } + (uint8_t)byte;
    const uint8_t *at = start + size - 16;
    for (; at - start >= 64; at -= 64) {
        if (any((halves)(same(at, wanted) | same(at - 16, wanted) | same(at - 32, wanted) | same(at - 48, wanted)))) {
            break;
        }
    }
    for (; at > start; at -= 16) {
        halves found = (halves)same(at, wanted);
        if (any(found)) {
            return (void *)(at + last(found));
        }
    }
    halves found = (halves)same(start, wanted);
    return any(found) ? (void *)(start + last(found)) : NULL;
}
