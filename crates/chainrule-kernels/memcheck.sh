#!/usr/bin/env bash
# Checks of the kernels that ordinary tests cannot make: valgrind watches every access of the portable and AVX2 paths (it knows
# no AVX-512: tests/guard.rs stands in), and the NEON path runs on an emulated aarch64. For Debian 12 on x86-64, with cargo;
# installs what it needs. About three minutes with the compiling.
set -euo pipefail
cd "$(dirname "$0")"
. ./toolchain.sh
TARGET=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
SUDO=; [ "$(id -u)" = 0 ] || SUDO=sudo

missing=
command -v valgrind >/dev/null || missing+=" valgrind libc6-dbg"
command -v qemu-aarch64 >/dev/null || missing+=" qemu-user"
command -v aarch64-linux-gnu-gcc >/dev/null || missing+=" gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
if [ -n "$missing" ]; then
    $SUDO apt-get update -qq
    # shellcheck disable=SC2086 # several words
    $SUDO apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# Few cases, as everything takes some fifty times as long, and always the same: valgrind's fused multiply-add may give -0 for
# 0, which a comparison of bits over threads would report.
export PROPTEST_CASES=${PROPTEST_CASES:-16} PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}
SELECTION="over_random several_blocks_of_columns activation::"

printf '\n== valgrind: portable and AVX2\n'
twins=$(cargo test --release --test twins --no-run --message-format json --quiet |
    sed -n 's/.*"executable":"\([^"]*twins-[^"]*\)".*/\1/p')
for level in portable avx2; do
    printf -- '-- %s\n' "$level"
    # shellcheck disable=SC2086 # several words
    CHAINRULE_SIMD=$level valgrind --quiet --error-exitcode=99 --fair-sched=yes "$twins" --test-threads 1 $SELECTION
done

printf '\n== NEON under qemu\n'
toolchain "$TARGET/aarch64-toolchain" libstd-rust-web-dev:arm64
# Only the kernels are worth optimising: what the tests lean on compiles faster than it would repay.
RUSTC=$TARGET/aarch64-toolchain/rustc RUSTFLAGS="-D warnings" \
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    cargo test --release --config 'profile.release.package."*".opt-level=0' --no-run --quiet \
    --target aarch64-unknown-linux-gnu --target-dir "$TARGET/aarch64" --test twins --test guard
newest() { find "$TARGET/aarch64/aarch64-unknown-linux-gnu/release/deps" -name "$1-*" -type f -executable -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2; }
for run in "$(newest twins) $SELECTION non_finite" "$(newest guard)"; do
    # shellcheck disable=SC2086 # several words
    CHAINRULE_SIMD=neon qemu-aarch64 -L /usr/aarch64-linux-gnu $run
done
