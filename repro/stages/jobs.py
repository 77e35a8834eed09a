"""``repro jobs``: how many chains of stages `make` runs side by side on this machine."""

from repro.engine.machine import Machine, gpus


def run(run):
    """Print one number: a training per GPU; without any, as many as the cores bear with ``engine.training.threads`` each."""
    print(Machine.here().jobs(run.engine.threads, len(gpus())))
