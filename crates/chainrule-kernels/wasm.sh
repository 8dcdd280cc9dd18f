#!/usr/bin/env bash
# The kernels on WebAssembly: the tests against the twins and of the stated errors, built for WASI and run by wasmtime.
#     wasm.sh [+simd128|-simd128]…        both, if none is named; ./check takes the first, which runs the portable level, too
# For Debian 12 on x86-64, with cargo and python3; nothing is installed outside the target folder. Each takes some two minutes of
# processor time to build, once. Without simd128 only our kernels do without: `gemm`, which f64 takes, has such code in any case.
set -euo pipefail
cd "$(dirname "$0")"
. ./toolchain.sh
TARGET=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')

# The standard library is built from source along with the tests; what it needs of C lies in wasi-libc.
toolchain "$TARGET/wasm-toolchain" rust-web-src wasi-libc
if [ ! -x "$TARGET/venv/bin/python" ]; then
    python3 -m venv "$TARGET/venv"
fi
export PYTHONPATH=$TARGET/wasm-toolchain/python
if [ ! -d "$PYTHONPATH/wasmtime" ]; then
    # Not by the script `pip`, which keeps the environment's first path where the folder has been moved or copied.
    "$TARGET/venv/bin/python" -m pip install --quiet --disable-pip-version-check --target "$PYTHONPATH" wasmtime==50.0.1
fi

# The linker, with that library. It knows no threads, which the standard library names but never starts here: a call to one
# of those functions would trap.
libc=$TARGET/wasm-toolchain/root/usr/lib/wasm32-wasi
cat >"$TARGET/wasm-toolchain/rust-lld" <<WRAPPER
#!/bin/sh
exec "$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld" "\$@" "$libc/crt1-command.o" --unresolved-symbols=ignore-all
WRAPPER
chmod +x "$TARGET/wasm-toolchain/rust-lld"
export CARGO_TARGET_WASM32_WASIP1_LINKER=$TARGET/wasm-toolchain/rust-lld

export PROPTEST_CASES=${PROPTEST_CASES:-64} PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}
[ $# -gt 0 ] || set -- +simd128 -simd128
for feature; do
    printf '\n== wasm32, %s\n' "$feature"
    # Only the kernels are worth optimising: what the tests lean on compiles faster than it would repay. RUSTC_BOOTSTRAP lets a
    # released compiler build its standard library.
    tests=$(RUSTC=$TARGET/wasm-toolchain/rustc RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-D warnings -C target-feature=$feature -C link-self-contained=no -L native=$libc" \
        cargo test --release --config 'profile.release.package."*".opt-level=0' --no-run --quiet --message-format json-render-diagnostics \
        -Z build-std=std,panic_abort --target wasm32-wasip1 --target-dir "$TARGET/wasm" --test twins --test accuracy |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
    [ -n "$tests" ] || { echo "cargo built no tests" >&2; exit 1; }
    for test in $tests; do
        "$TARGET/venv/bin/python" wasm.py "$test"
    done
done
