#!/bin/sh
# Make small the pictures that `find` chooses, several processes at a time.
#
#   examples/find-xargs.sh PHOTOS SMALL [options of `irn downscale`]
#
# Here: JPEGs of more than 100 kB, whatever their names. The processes may share the output folder. xargs ends
# with 123 when one of them failed; each failure is on stderr. Run it again and only what is missing or changed
# is done. In one process it would be: find ... -print0 | irn downscale -0 @- -o SMALL/
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 PHOTOS SMALL [options of irn downscale]" >&2
    exit 2
fi
photos=$1
small=$2
shift 2

# 50 pictures for each process, so that the model is loaded once for them; one thread each, since -P shares
# the cores out already.
find "$photos" -type f -iname '*.jp*g' -size +100k -print0 |
    xargs -0 -r -n 50 -P "${JOBS:-2}" \
        irn downscale --on-existing resume --threads 1 -o "$small/" "$@"
