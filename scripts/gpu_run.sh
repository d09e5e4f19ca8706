#!/usr/bin/env bash
# A whole short run on a lent machine: unpack, go on from the last state, train or run the lab, save in pieces.
#
#   gpu_run.sh train RECIPE MINUTES [words for irn train]          --finish in the last of several calls
#   gpu_run.sh lab VARIANTS.toml MINUTES [words for scripts/lab.py]
#   gpu_run.sh join PIECES FOLDER                                  what came back -> its files, checked
#
# By environment:
#   OUT      where what is to come back is written (needed; at most 8 files of 16 MiB, 60 MiB in all)
#   PACKS    carried pictures, colon-separated: folders or tar files; those of earlier calls stay on the disk
#   VALID    carried pictures that are judged
#   STATE    folder of the pieces of the last call, if this machine has not got its files any more
#   WORK     folder on the machine's own disk            [a folder irn-gpu in TMPDIR]
#   DEVICE   cuda or cpu                                 [cuda]
#   PROCESSES  GPUs to train on together                 [1]
#   GRAPHED  1: each step is one CUDA graph, one process (benchmarks/graphed.py measures it)  [0]
#   PYTHON   [python3]     LIMIT  seconds after which the run is told to save and end   [570]
#
# docs/lab.md tells how the calls go.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cuda}
WORK=${WORK:-${TMPDIR:-/tmp}/irn-gpu}
LIMIT=${LIMIT:-570}
PIECE=$((16 * 1024 * 1024))
MOST=$((60 * 1024 * 1024))
export PYTHONUNBUFFERED=1 PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"

fail() {
    echo "gpu_run: $*" >&2
    exit 2
}

join() { # PIECES FOLDER
    [ -f "$1/run.sha256" ] || fail "$1: no run.sha256 there: not the pieces of a run"
    (cd "$1" && sha256sum --quiet --check run.sha256) || fail "$1: a piece is missing or damaged"
    mkdir -p "$2"
    cat "$1"/run.tar.* | tar -x -C "$2" -f -
}

unpack() {
    mkdir -p "$WORK/data" "$WORK/run"
    local pack name
    while IFS= read -r -d : pack; do
        [ -n "$pack" ] || continue
        name=$(basename "${pack%.tar}")
        rm -rf "${WORK:?}/data/$name"
        mkdir -p "$WORK/data/$name"
        if [ -d "$pack" ]; then
            cp -R "$pack/." "$WORK/data/$name/"
        else
            tar -x -C "$WORK/data/$name" -f "$pack"
        fi
    done <<<"${PACKS:-}:"
    [ -n "$(ls -A "$WORK/data")" ] || fail "no pictures: name folders or tar files in PACKS"
    if [ -n "$(find "$WORK/data" "${VALID:-$WORK/data}" -name '*.avif' -print -quit)" ]; then
        "$PYTHON" -c "from PIL import features; raise SystemExit(not features.check('avif'))" ||
            fail "this machine's Pillow reads no AVIF: carry Pillow 11.3 or newer"
    fi
    if [ -n "${STATE:-}" ] && [ -z "$(ls -A "$WORK/run")" ]; then
        join "$STATE" "$WORK/run"
    fi
}

save() { # the run's files in pieces; without the checkpoint where that would be too much
    cd "$WORK/run"
    local files
    files=$(find . -type f ! -name '.*' ! -name 'pictures.cache' ! -path './lab/*')
    if [ "$(tr '\n' '\0' <<<"$files" | xargs -0 cat 2>/dev/null | wc -c)" -gt "$MOST" ]; then
        echo "gpu_run: more than $MOST bytes: the checkpoint stays here, weights alone come back" >&2
        files=$(grep -v 'checkpoint' <<<"$files")
    fi
    rm -f "$OUT"/run.tar.* "$OUT/run.sha256"
    tar -c -f - -T <(printf '%s\n' "$files") | split -b "$PIECE" -d -a 2 - "$OUT/run.tar."
    (cd "$OUT" && sha256sum run.tar.* >run.sha256)
    echo "gpu_run: saved $(wc -l <<<"$files") files in $(find "$OUT" -name 'run.tar.*' | wc -l) pieces" >&2
}

mode=${1:-}
case $mode in
    join)
        [ $# -eq 3 ] || fail "usage: gpu_run.sh join PIECES FOLDER"
        join "$2" "$3"
        exit
        ;;
    train | lab) [ $# -ge 3 ] || fail "usage: gpu_run.sh $mode WHAT MINUTES [words]" ;;
    *) fail "usage: gpu_run.sh train|lab|join ... (see the head of this file)" ;;
esac
[ -n "${OUT:-}" ] || fail "set OUT to the folder that comes back"
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
what=$2 minutes=$3
shift 3

unpack
if [ "$mode" = train ]; then
    words=("$what" --data "$WORK/data" --minutes "$minutes" -o "$WORK/run" --cache "$WORK/pictures.cache")
    words+=(--device "$DEVICE")
    [ -z "${VALID:-}" ] || words+=(--valid "$VALID")
    state=$(find "$WORK/run" -maxdepth 1 -name '*.checkpoint.safetensors' -print -quit)
    [ -z "$state" ] || words+=(--resume "$state")
    launch=("$PYTHON" -m)
    [ "${PROCESSES:-1}" = 1 ] || launch=("$PYTHON" -m torch.distributed.run --nproc-per-node "$PROCESSES" -m)
    if [ "${GRAPHED:-0}" = 1 ]; then
        command=("$PYTHON" "$here/benchmarks/graphed.py" train "${words[@]}" "$@")
    else
        command=("${launch[@]}" irncli train "${words[@]}" "$@")
    fi
else
    [ -n "${VALID:-}" ] || fail "the lab needs VALID"
    command=("$PYTHON" "$here/scripts/lab.py" "$what" --data "$WORK/data" --valid "$VALID" --minutes "$minutes"
        -o "$WORK/run/lab" --results "$WORK/run/lab.json" --cache "$WORK/pictures.cache" --device "$DEVICE" "$@")
fi
status=0
# Told to end in time it saves; what it saved comes back whatever happened.
timeout --signal TERM --kill-after 20 "$LIMIT" "${command[@]}" 2>&1 | tee -a "$WORK/run/run.log" || status=$?
save
exit "$status"
