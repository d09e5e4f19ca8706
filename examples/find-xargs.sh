#!/bin/sh
# Make small the pictures that `find` chooses, several folders at a time.
#
#   examples/find-xargs.sh PHOTOS SMALL [options of `irn downscale`]
#
# Here: JPEGs of more than 100 kB. The folders are kept below SMALL; otherwise pictures of the same name from two
# folders would write the same file, which separate processes cannot notice. xargs ends with 123 if one of them
# failed; each failure is on stderr. Run it again, and only what is missing or changed is done. In one process, without folders: find ... -print0 | irn downscale -0 @- -o SMALL/
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 PHOTOS SMALL [options of irn downscale]" >&2
    exit 2
fi
export photos="$1" small="$2"
shift 2

# One process for each folder loads the model once for it. One thread each, because -P already shares out the
# cores.
find "$photos" -type d -print0 |
    xargs -0 -P "${JOBS:-2}" -I {} sh -c '
        folder=$1
        shift
        find "$folder" -maxdepth 1 -type f -iname "*.jp*g" -size +100k -print0 |
            xargs -0 -r irn downscale --on-existing resume --threads 1 \
                -o "$small/${folder#"$photos"}/" "$@"
    ' sh {} "$@"
