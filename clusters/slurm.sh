#!/usr/bin/env bash
# Four hosts of eight GPUs: sbatch clusters/slurm.sh. Ends two minutes before its time with a checkpoint and queues itself
# again, until the run is done.
#SBATCH --job-name=dagan
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
# srun does not take the number of processors over by itself.
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-}"
set -uo pipefail

export RUN="${RUN:-$SLURM_SUBMIT_DIR/runs/ade20k}"
export OPTIONS="${OPTIONS:---checkpoint-every 500}"
HOSTS="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr '\n' ' ')"
export HOSTS

newest() { ls "$RUN/checkpoints" 2>/dev/null | sort | tail -n 1; }
before="$(newest)"

# INDEX is known on the host alone.
srun --kill-on-bad-exit=0 bash -c 'INDEX=$SLURM_NODEID exec clusters/train.sh "$@"' train.sh \
    --preset ade20k --dataset folder --label-dir data/ade20k/annotations/training \
    --image-dir data/ade20k/images/training --batch-size 32 --precision mixed_bfloat16
status=$?

# srun has the highest status of the hosts. 3: one was lost; above 128: one was ended by a signal, 143 by that before the end
# of the time. All go on from the newest checkpoint; a run that has come no further than the last time would not this time
# either.
if [[ ($status == 3 || $status -gt 128) && "$(newest)" != "$before" ]]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
