#!/bin/sh
# Keep a folder of small pictures in step with a folder of photographs; for cron or a systemd timer:
#
#   17 3 * * * /path/to/nightly.sh /srv/photos /srv/small
#
# Only what is new or changed is done, however the last run ended. Two runs never overlap. The script prints
# nothing if all is well, so that cron sends no mail; everything is in SMALL/irn.log.
set -u

if [ $# -lt 2 ]; then
    echo "usage: $0 PHOTOS SMALL [options of irn downscale]" >&2
    exit 2
fi
photos=$1
small=$2
shift 2

mkdir -p "$small" || exit 4
exec 9>"$small/.lock"
if ! flock -n 9; then
    echo "$0: the last run is still at work on $small" >&2
    exit 0
fi

irn downscale -r "$photos" -o "$small/" --on-existing resume -q --log-file "$small/irn.log" "$@" >/dev/null
