/* The allocator of python3's process: mimalloc, as CPython has it in its own sources, under malloc's names.

   musl's malloc takes one lock for all threads and gives memory back at once. It stays what it is for everything that is
   not python3: a program that embeds libpython has its own. LD_PRELOAD comes before this library, so whatever allocator
   is preloaded replaces it. */

#include "Python.h"
#include "pycore_mimalloc.h"

/* What CPython's copy asks its interpreter about pages that other threads may still read, which only the build without
   the GIL has (Objects/obmalloc.c). Here nobody but their owner reads them. */
static void _PyMem_mi_page_clear_qsbr(mi_page_t *page) { (void)page; }
static bool _PyMem_mi_page_is_safe_to_free(mi_page_t *page) { (void)page; return true; }
static void _PyMem_mi_page_reclaimed(mi_page_t *page) { (void)page; }
static void _PyMem_mi_heap_collect_qsbr(mi_heap_t *heap) { (void)heap; }
static bool _PyMem_mi_page_maybe_free(mi_page_t *page, mi_page_queue_t *queue, bool force)
{
    _mi_page_free(page, queue, force);
    return true;
}

#include "mimalloc/static.c"
#include "mimalloc/internal.h"

/* What is free goes back to the system after 2 ms, whatever else becomes free meanwhile. mimalloc's own measure, 10 ms and
   1 more for each piece that becomes free, keeps all of it while a program starts. After 1 ms, what grows step by step
   is taken back and asked for again each time (docs/speed.md). MIMALLOC_PURGE_DELAY and the like say otherwise. */
static void __attribute__((constructor)) give_back_soon(void)
{
    mi_option_set_default(mi_option_purge_delay, 2);
    mi_option_set_default(mi_option_purge_extend_delay, 0);
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED void *malloc(size_t size) { return mi_malloc(size); }
EXPORTED void *calloc(size_t count, size_t size) { return mi_calloc(count, size); }
EXPORTED void *realloc(void *block, size_t size) { return mi_realloc(block, size); }
EXPORTED void free(void *block) { mi_free(block); }
EXPORTED void *aligned_alloc(size_t alignment, size_t size) { return mi_aligned_alloc(alignment, size); }
EXPORTED void *memalign(size_t alignment, size_t size) { return mi_memalign(alignment, size); }
EXPORTED int posix_memalign(void **block, size_t alignment, size_t size) { return mi_posix_memalign(block, alignment, size); }
EXPORTED size_t malloc_usable_size(void *block) { return mi_usable_size(block); }
