#!/bin/bash

# Parameters
#SBATCH --array=0-1%2
#SBATCH --cpus-per-task=4
#SBATCH --error=/tmp/pytest-of-root/pytest-36/test_the_array_that_is_submitt0/out/slurm/%A_%a_0_log.err
#SBATCH --gpus-per-node=1
#SBATCH --job-name=xrobust-tiny
#SBATCH --mem=16GB
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/tmp/pytest-of-root/pytest-36/test_the_array_that_is_submitt0/out/slurm/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --signal=USR2@120
#SBATCH --time=30
#SBATCH --wckey=submitit

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /tmp/pytest-of-root/pytest-36/test_the_array_that_is_submitt0/out/slurm/%A_%a_%t_log.out --error /tmp/pytest-of-root/pytest-36/test_the_array_that_is_submitt0/out/slurm/%A_%a_%t_log.err PYTHON -u -m submitit.core._submit /tmp/pytest-of-root/pytest-36/test_the_array_that_is_submitt0/out/slurm
