#!/bin/sh
# Make a tree of pictures small with GNU parallel, by shards: every job sees the whole tree and does its part.
#
#   examples/parallel.sh PHOTOS SMALL [options of `irn downscale`]
#
# On several machines with the same file system: add --sshlogin to parallel. The status is the number of
# shards that failed.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 PHOTOS SMALL [options of irn downscale]" >&2
    exit 2
fi
photos=$1
small=$2
shift 2
shards=${SHARDS:-4}

seq "$shards" | parallel --will-cite --quote -j "${JOBS:-2}" \
    irn downscale -r "$photos" -o "$small/" --shard "{}/$shards" --on-existing resume --threads 1 "$@"
