#!/usr/bin/env bash
# Trains on several hosts: the same command on each of them, which starts the run, or continues it where it was left.
#
#   HOSTS="host0 host1" INDEX=0 RUN=/shared/run clusters/train.sh --preset ade20k --dataset folder ...
#
# HOSTS    all hosts in the same order everywhere, each as NAME or NAME:PORT
# INDEX    which of them this one is, from 0; the first writes
# RUN      the run folder, on a disk that all of them see
# OPTIONS  more flags (optional), for scripts that take them from the environment: --checkpoint-every 500 --cache /cache
# PORT     of hosts without one (default: 2222)
set -euo pipefail
: "${HOSTS:?the names of all hosts}" "${INDEX:?which of HOSTS this one is, from 0}" "${RUN:?the run folder}"

addresses=""
for host in $HOSTS; do
    [[ $host == *:* ]] || host="$host:${PORT:-2222}"
    addresses+="\"$host\", "
done
export TF_CONFIG="{\"cluster\": {\"worker\": [${addresses%, }]}, \"task\": {\"type\": \"worker\", \"index\": $INDEX}}"

# exec: the scheduler's SIGTERM is to reach the training, which then saves and ends.
# shellcheck disable=SC2086
if [[ -f $RUN/config.json ]]; then
    exec python -m dagan_tf.train --resume "$RUN" "$@" ${OPTIONS:-}
fi
exec python -m dagan_tf.train --run-dir "$RUN" "$@" ${OPTIONS:-}
