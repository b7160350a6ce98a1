"""What builds say to GCC is what zig is told, in its own words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.wheels.inside.compiler import translate


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("-c -O3 -DX=1 -Iinclude a.c -o a.o", "-c -O3 -DX=1 -Iinclude a.c -o a.o"),
        ("-Wl,-z,relro,-z,now", "-Wl,-z,relro -Wl,-z,now"),
        ("-Wl,--as-needed,-lm", "-Wl,--as-needed -lm"),
        ("-Wl,--exclude-libs,ALL -lz", "-lz"),
        ("-Wl,--push-state,--as-needed,-latomic,--pop-state", "-Wl,--as-needed"),
        ("-Wl,-R/usr/lib/here", "-Wl,-rpath,/usr/lib/here"),
        ("-Wl,-rpath,$ORIGIN -Wl,-soname,libx.so.1", "-Wl,-rpath,$ORIGIN -Wl,-soname,libx.so.1"),
        ("-Xlinker -rpath -Xlinker /here", "-Wl,-rpath,/here"),
        ("-Xlinker --no-undefined", "-Wl,--no-undefined"),
        ("-Wl,-Map,out.map -Wl,-z,muldefs", ""),
        ("-march=native -mtune=generic -flto=auto -static-libgcc -Werror", ""),
        ("-Werror=implicit-function-declaration", "-Werror=implicit-function-declaration"),
        ("-march=x86-64-v3", "-march=x86_64_v3"),
        ("-march=armv8.2-a+crc+crypto", "-march=generic+v8_2a+crc+aes+sha2"),
        ("-march=haswell", "-march=haswell"),
    ],
)
def test_words_that_zig_refuses_are_left_out_or_said_otherwise(said: str, told: str) -> None:
    assert " ".join(translate(said.split())) == told


@given(st.lists(st.text(st.characters(exclude_characters="\0"))))
def test_whatever_is_said_something_is_told(words: list[str]) -> None:
    assert all(isinstance(word, str) for word in translate(words))


def test_what_is_translated_links(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a(void) { return 1; }")
    said = (
        "-shared -fPIC a.c -o a.so -Wl,-Bsymbolic-functions -Wl,--exclude-libs,ALL -Wl,-z,relro,-z,separate-code "
        "-Wl,--warn-common,-O1,--sort-common -flto=auto -march=x86-64-v2 -Wl,--push-state,-latomic,--pop-state"
    )
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-O2", *translate(said.split())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
