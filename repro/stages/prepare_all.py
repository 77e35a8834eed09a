"""``repro prepare --from`` without a dataset: every dataset of the profile that is not drawn, from its archives."""

import dataclasses

from repro.stages import prepare


def run(run, archives):
    """Unpack and index them one after the other; what is finished is not done again."""
    for name in run.fanned_out.to_bring:
        prepare.run(dataclasses.replace(run, dataset=name), archives=archives)
