#!/usr/bin/env bash
# Builds `picket` for 64-bit ARM on a bare Debian 12 and runs it, and the tests of the pure crates, under qemu.
#
# The compiler is Debian's rustc 1.85: the one whose ARM standard library Debian 12 ships, and so the oldest compiler the
# gateway crates promise (`rust-version`). A dependency or a line of code that needs a newer one fails here.
# Debian also carries a newer rustc-web; the version is pinned because both parts must come from one build.
#
#   cross/aarch64.sh           all parts, in the order of the list
#   cross/aarch64.sh PART...   only these: install build version check test
#
# Repeatable: what is installed and built already is skipped. Needs root or sudo, and the package registries, for `install`.
# Cargo is the one in PATH, or Debian's cargo-web when there is none; rustc is always Debian's.
# Everything made lies in target/cross; the ARM standard library lies beside Debian's own in its rustlib folder.
# shellcheck disable=SC2317
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly RUST_PACKAGES=1.85.0+dfsg3-1~deb12u3
readonly TARGET=aarch64-unknown-linux-gnu
readonly RUSTLIB=/usr/lib/rustlib
readonly STAMP=$RUSTLIB/$TARGET/debian-package-version
readonly ROOT=/usr/aarch64-linux-gnu
readonly PARTS=(install build version check test)
# What the gateway images in use carry; printed beside the measured value until the release build enforces it.
readonly GLIBC_FLOOR=2.28

export RUSTC=/usr/bin/rustc
unset RUSTC_WRAPPER RUSTUP_TOOLCHAIN RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
export CARGO_TARGET_DIR=$PWD/target/cross
export CARGO_INCREMENTAL=0
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L $ROOT"
# SQLite is C.
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar
# Emulation is some ten times slower; the full number of cases runs natively.
export PROPTEST_CASES=${PROPTEST_CASES:-16}

readonly BINARY=$CARGO_TARGET_DIR/$TARGET/release/picket

# refuse WHAT REMEDY: both end on the screen, and the script ends.
refuse() {
  printf 'cross/aarch64.sh: %s\n  remedy: %s\n' "$1" "$2" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo > /dev/null; then sudo "$@"
  else refuse "root is needed for: $*" "run as root, or install sudo"
  fi
}

# package NAME: its installed version, or nothing.
package() {
  dpkg-query --show --showformat='${db:Status-Abbrev} ${Version}\n' "$1" 2> /dev/null | sed -n 's/^ii *//p' || true
}

install_amd64() {
  local wanted=() name version
  for name in gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross binutils-aarch64-linux-gnu qemu-user-static; do
    [ -n "$(package "$name")" ] || wanted+=("$name")
  done
  for name in rustc-web libstd-rust-web-dev; do
    version=$(package "$name")
    case $version in
      "$RUST_PACKAGES") ;;
      '') wanted+=("$name=$RUST_PACKAGES") ;;
      *) refuse "$name $version is installed, $RUST_PACKAGES is needed" \
          "apt-get install --allow-downgrades rustc-web=$RUST_PACKAGES libstd-rust-web-dev=$RUST_PACKAGES" ;;
    esac
  done
  command -v cargo > /dev/null || wanted+=("cargo-web=$RUST_PACKAGES")
  if [ ${#wanted[@]} = 0 ]; then
    echo "installed already: rustc-web $RUST_PACKAGES, gcc-aarch64-linux-gnu, qemu-user-static"
    return
  fi
  echo "installing: ${wanted[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${wanted[@]}" > /dev/null ||
    refuse "apt-get could not install: ${wanted[*]}" \
      "check that this is Debian 12 with its security repository: apt-cache policy rustc-web"
}

# The ARM package conflicts with the amd64 one, so it is unpacked and not installed. arm64 is made known to these two
# calls of apt-get only: the machine's own list of architectures stays as it is.
install_arm64_std() {
  if [ "$(cat "$STAMP" 2> /dev/null)" = "$RUST_PACKAGES" ]; then
    echo "unpacked already: $STAMP"
    return
  fi
  local work apt
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial" "$work/deb"
  apt=(-o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State::lists="$work/lists"
    -o Dir::Cache="$work" -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update -qq
  (cd "$work/deb" && apt-get "${apt[@]}" download -qq "libstd-rust-web-dev:arm64=$RUST_PACKAGES") ||
    refuse "libstd-rust-web-dev:arm64=$RUST_PACKAGES cannot be downloaded" \
      "check that this is Debian 12 with its security repository: apt-cache policy libstd-rust-web-dev"
  dpkg -x "$work"/deb/*.deb "$work/root"
  as_root rm -rf "${RUSTLIB:?}/$TARGET"
  as_root cp -r "$work/root$RUSTLIB/$TARGET" "$RUSTLIB/"
  echo "$RUST_PACKAGES" | as_root tee "$STAMP" > /dev/null
  rm -rf "$work"
}

part_install() {
  [ "$(dpkg --print-architecture 2> /dev/null)" = amd64 ] ||
    refuse "this is not an amd64 Debian" "run on Debian 12 amd64; on an ARM gateway itself: cargo build --release --locked -p picket"
  install_amd64
  install_arm64_std
  "$RUSTC" --version
  cargo --version
  aarch64-linux-gnu-gcc --version | head -1
  qemu-aarch64-static --version | head -1
}

part_build() {
  [ -x "$RUSTC" ] || refuse "$RUSTC is not installed" "cross/aarch64.sh install"
  case $("$RUSTC" --version) in
    "rustc 1.85."*) ;;
    *) refuse "$RUSTC is $("$RUSTC" --version), 1.85 is promised" "cross/aarch64.sh install" ;;
  esac
  cargo build --release --locked --target "$TARGET" -p picket
  local glibc
  glibc=$(aarch64-linux-gnu-objdump -T "$BINARY" | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -1)
  echo "size: $(stat -c %s "$BINARY") bytes, $(stat -c %s "$BINARY" | awk '{ printf "%.1f MiB", $1 / 1048576 }')"
  echo "needs: ${glibc:-no versioned glibc symbol} (oldest gateway images: GLIBC_$GLIBC_FLOOR)"
  aarch64-linux-gnu-readelf -d "$BINARY" | sed -n 's/.*Shared library: /links: /p'
}

part_version() {
  local printed
  printed=$(qemu-aarch64-static -L "$ROOT" "$BINARY" --version)
  echo "$printed"
  case $printed in
    "picket "*) ;;
    *) refuse "picket --version printed no version under qemu" "see the output above; $BINARY" ;;
  esac
}

part_check() {
  qemu-aarch64-static -L "$ROOT" "$BINARY" check --config config
}

part_test() {
  # Without the link-time optimisation of the release build: it would be done again for each test program.
  CARGO_PROFILE_RELEASE_LTO=off cargo test --release --locked --target "$TARGET" --lib --bins --tests -p picket-record -p picket-device -p picket-core
}

main() {
  local wanted=("$@") part known started seconds=()
  [ ${#wanted[@]} -gt 0 ] || wanted=("${PARTS[@]}")
  for part in "${wanted[@]}"; do
    known=" ${PARTS[*]} "
    [[ $known == *" $part "* ]] || refuse "there is no part $part" "one of: ${PARTS[*]}"
  done
  for part in "${wanted[@]}"; do
    printf '\n-- cross: %s\n' "$part"
    started=$SECONDS
    "part_$part"
    seconds+=("$(printf '%-8s %5d s' "$part" $((SECONDS - started)))")
  done
  printf '\naarch64, rustc 1.85:\n'
  printf '  %s\n' "${seconds[@]}"
}

# One line: bash reads a script as it runs it, and an edit meanwhile must not be run.
main "$@"; exit
