/* The answers that libffi's configure would find for musl and clang, on every architecture of Alpine's. */

#define EH_FRAME_FLAGS "a"
#define HAVE_ALLOCA_H 1
#define HAVE_HIDDEN_VISIBILITY_ATTRIBUTE 1
#define HAVE_INTTYPES_H 1
#define HAVE_MEMCPY 1
#define HAVE_MEMFD_CREATE 1
#define HAVE_RO_EH_FRAME 1
#define HAVE_STDINT_H 1
#define HAVE_STDIO_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STRINGS_H 1
#define HAVE_STRING_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define HAVE_AS_CFI_PSEUDO_OP 1
#define STDC_HEADERS 1
#define SIZEOF_DOUBLE 8
#define SIZEOF_LONG_DOUBLE __SIZEOF_LONG_DOUBLE__
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__

#if defined(__powerpc__)
#define HAVE_LONG_DOUBLE_VARIANT 1
#define HAVE_LONG_DOUBLE 1
#elif __SIZEOF_LONG_DOUBLE__ > 8
#define HAVE_LONG_DOUBLE 1
#endif

#if defined(__x86_64__) || defined(__i386__)
#define HAVE_AS_X86_PCREL 1
#endif
#if defined(__x86_64__)
#define HAVE_AS_X86_64_UNWIND_SECTION_TYPE 1
#endif
#if defined(__s390x__)
#define HAVE_AS_S390_ZARCH 1
#define WORDS_BIGENDIAN 1
#endif

/* As configure has it: for every architecture here but RISC-V. */
#if !defined(__riscv)
#define FFI_EXEC_STATIC_TRAMP 1
#endif

#ifdef LIBFFI_ASM
#define FFI_HIDDEN(name) .hidden name
#else
#define FFI_HIDDEN __attribute__((visibility("hidden")))
#endif
