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
runtime=
for word in $words; do
    case $word in
    nothing.so | nothing.o | -o) ;;
    */libc.so | */libcompiler_rt.a) runtime="$runtime $word" ;;
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
"$ZIG" ld.lld $before $library_options --gc-sections -z relro -z pack-relative-relocs -Bsymbolic-functions \
    -soname "$soname" "$@" -L"$SYSROOT/usr/lib" $runtime
rm -f nothing.c nothing.o nothing.so
