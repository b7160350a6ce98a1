#!/bin/sh
# Link the interpreter's library by zig's linker itself, which knows words that `zig cc` refuses:
# link_library.sh SONAME -o FILE OBJECT…
#
# Functions of the library call each other directly (-Bsymbolic-functions); its variables can still be replaced, for a
# program that embeds Python may have been linked with copies of them. Which linker options a target needs, and where its
# C library is, zig says when it links something else.
set -eu
soname=$1
shift
echo 'int nothing;' > nothing.c
cc -fPIC -c nothing.c -o nothing.o
words=$(cc -shared -v -o nothing.so nothing.o 2>&1 | sed -n 's/^ld\.lld //p')
before=
libc=
runtime=
for word in $words; do
    case $word in
    nothing.so | nothing.o | -o) ;;
    */libc.so) libc=$word ;;
    */libcompiler_rt.a) runtime=$word ;;
    *) before="$before $word" ;;
    esac
done
for word do
    shift
    case $word in
    -lm | -ldl | -lpthread | -lrt | -lutil | -lc | -shared | -f* | -Wl,*) continue ;;      # musl's libc is all of these
    esac
    set -- "$@" "$word"
done
# shellcheck disable=SC2086 - words of options
link() {
    "$ZIG" ld.lld $before $library_options --gc-sections -z relro -z pack-relative-relocs -Bsymbolic-functions \
        -soname "$soname" "$@"
}
# Of the compiler's runtime only what is asked for comes in. It is one object, and has a log2, a sin and a memcpy of its
# own, which would take the place of the C library's: its log2 is not exact.
# shellcheck disable=SC2086 - words of options
needed=$(link -z defs "$@" -L"$SYSROOT/usr/lib" $libc 2>&1 | sed -n 's/.*undefined .*symbol: /-u /p' | sort -u)
# shellcheck disable=SC2086 - words of options
"$ZIG" ld.lld -r --gc-sections $needed -o runtime.o $runtime
link -z defs "$@" -L"$SYSROOT/usr/lib" runtime.o "$libc"
rm -f nothing.c nothing.o nothing.so runtime.o
