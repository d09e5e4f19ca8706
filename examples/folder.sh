#!/bin/sh
# Make every picture below a folder small, and restore them all.
#
#   examples/folder.sh PHOTOS WORK [options of `irn downscale`, such as --scale 2]
#
# WORK/small/ gets the small pictures, WORK/restored/ the restored ones, in the same folders. A file that
# cannot be read does not stop the rest; it is named on stderr and the script ends with irn's own status
# (3: an input failed). Run it again and only what is new is done.
set -u

if [ $# -lt 2 ]; then
    echo "usage: $0 PHOTOS WORK [options of irn downscale]" >&2
    exit 2
fi
photos=$1
work=$2
shift 2

irn downscale "$photos" -r -o "$work/small/" --on-existing skip "$@"
down=$?
case $down in
    0 | 3) ;; # 3: some pictures failed, the others are there
    *) exit "$down" ;;
esac

irn upscale "$work/small/" -r -o "$work/restored/" --on-existing skip
up=$?
if [ "$up" -ne 0 ]; then exit "$up"; fi
exit "$down"
