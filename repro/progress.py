"""Progress of long work with an estimate of what is left."""

import sys


def progress(iterable=None, total=None, desc="", unit="it", initial=0):
    """A tqdm bar with an ETA; where stderr is no terminal, a plain line about every ten seconds."""
    from tqdm import tqdm

    if sys.stderr.isatty():
        return tqdm(iterable, total=total, desc=desc, unit=unit, initial=initial, dynamic_ncols=True)
    return tqdm(
        iterable,
        total=total,
        desc=desc,
        unit=unit,
        initial=initial,
        mininterval=10.0,
        maxinterval=60.0,
        file=_Lines(),
        bar_format="{desc}: {n_fmt}/{total_fmt} {unit}s, {elapsed} gone, {remaining} to go, {rate_fmt}{postfix}",
    )


class _Lines:
    """Turns a bar that redraws itself into lines of a log."""

    def write(self, text):
        text = text.strip("\r\n ")
        if text:
            sys.stderr.write(text + "\n")

    def flush(self):
        sys.stderr.flush()
