# shellcheck shell=bash
# Functions that the scripts share. Sourced, not run: sets $root and makes the shell strict.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

cores() { nproc 2>/dev/null || echo 2; }

# debian_packages [SECTION]: the names in deps/debian-packages.txt that this machine needs,
# of one section or of all.
debian_packages() {
    local want=${1:-} section='' line name command
    while IFS= read -r line; do
        line=${line%%#*}
        read -r name command _ <<<"$line" || true
        case $name in
        '') ;;
        \[*\]) section=${name//[\[\]]/} ;;
        *)
            [[ -z $want || $want == "$section" ]] || continue
            command=${command//[\[\]]/}
            [[ -n $command ]] && command -v "$command" >/dev/null && continue
            printf '%s\n' "$name"
            ;;
        esac
    done <"$root/deps/debian-packages.txt"
}

# missing_packages [SECTION]: those of them that are not installed.
missing_packages() {
    debian_packages "$@" | sort -u >"$tmp/want"
    # shellcheck disable=SC2046  # one word a package
    dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $(cat "$tmp/want") 2>/dev/null |
        sed -n 's/^ii  *//p' | sort -u >"$tmp/have" || true
    comm -23 "$tmp/want" "$tmp/have"
}

# The lock file's hash: deps/node_modules is right if its stamp says the same.
npm_hash() { sha256sum <"$root/deps/package-lock.json" | cut -d' ' -f1; }
npm_stamp="$root/deps/node_modules/.perigee-lock"
npm_ready() { [[ -f $npm_stamp && $(<"$npm_stamp") == "$(npm_hash)" ]]; }

# build PRESET [TARGET...]: configure if need be, compile. Quiet unless something is wrong.
build() {
    local dir=$root/build/$1
    [[ -f $dir/build.ninja ]] || (cd "$root" && cmake --preset "$1") >"$tmp/cmake" 2>&1 ||
        { tail -n 30 "$tmp/cmake" >&2; rm -f "$dir/build.ninja"; die "cmake failed: scripts/doctor says what is missing"; }
    shift
    ninja -C "$dir" "$@" >"$tmp/ninja" 2>&1 || { grep -v '^\[' "$tmp/ninja" >&2; die "the build failed"; }
}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/perigee-script.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
