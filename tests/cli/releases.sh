#!/usr/bin/env bash
# releases.sh [RELEASE...]: builds and tests poslab in each supported release: Debian 12 and 13, Ubuntu 22.04 and
# 24.04. Each is installed into a folder by debootstrap. The tree is built there with the release's own packages
# (SQLite is the most critical one), and tests/cli/smoke.sh runs every command, hence every SQL statement. A release
# whose mirror cannot be reached is skipped, with the reason. Needs root; run by `make test-releases`.
#
# FOLDER (default /var/tmp/poslab-releases) keeps the installed releases; UBUNTU and DEBIAN are mirrors.
. "$(dirname "$0")/../tools/shell.sh"
folder=${FOLDER:-/var/tmp/poslab-releases}
debian=${DEBIAN:-http://deb.debian.org/debian}
ubuntu=${UBUNTU:-http://archive.ubuntu.com/ubuntu}
packages=gcc,make,libc6-dev,libopenblas-dev,libcjson-dev,libsqlite3-dev,libssl-dev,gnuplot-nox
log=$home/log

# install RELEASE MIRROR SCRIPT: installs the release in $folder/RELEASE, completely or not at all; on failure $reason
# is set. SCRIPT is debootstrap's script for the distribution, also for releases that it does not know by name.
install() {
    local target=$folder/$1 part=$folder/$1.part
    [ ! -d "$target" ] || return 0
    curl -sfI -m 20 "$2/dists/$1/Release" >"$log" 2>&1 || { reason="$2 has no release $1, or cannot be reached"; return 1; }
    rm -rf "$part"
    mkdir -p "$folder"
    debootstrap --variant=minbase --components=main,universe --include=$packages "$1" "$part" "$2" "$3" >"$log" 2>&1 ||
        { reason="debootstrap: $(tail -1 "$log")"; return 1; }
    mv "$part" "$target"
}

# build_and_run RELEASE: in a copy of the tree without build products.
build_and_run() {
    local target=$folder/$1
    rm -rf "$target/poslab"
    mkdir -p "$target/poslab/results"
    cp -r "$root"/{src,methods,configs,plots,tests,Makefile} "$target/poslab/" &&
        cp -r "$root/results/paper" "$target/poslab/results/" &&
        unshare --mount --pid --fork chroot "$target" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 bash -c '
            mount -t proc proc /proc && cd /poslab && make -j"$(nproc)" MPI=0 ONEDNN=0 >build.log 2>&1 || { tail -20 build.log; exit 1; }
            bash tests/cli/smoke.sh'
}

[ "$(id -u)" = 0 ] || { result 0 "releases # SKIP only root can install and enter them"; done_testing; }
command -v debootstrap >/dev/null || { result 0 "releases # SKIP there is no debootstrap"; done_testing; }
[ $# != 0 ] || set -- jammy bookworm noble trixie
for release; do
    case $release in
    jammy | noble) mirror=$ubuntu script=gutsy ;;
    *) mirror=$debian script=sid ;;
    esac
    if ! install "$release" "$mirror" $script; then
        result 0 "$release # SKIP skipped: $reason"
    elif build_and_run "$release" >"$log" 2>&1; then
        version=$(sed -n 's/^#define SQLITE_VERSION  *"\(.*\)"/\1/p' "$folder/$release/usr/include/sqlite3.h")
        result 0 "$release, SQLite $version: $(grep -c '^ok' "$log") commands"
    else
        grep -v '^ok' "$log" >"$home/wrong"
        result 1 "$release" "$home/wrong"
    fi
done
done_testing
