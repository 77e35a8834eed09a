"""Which processor this is: what every time that a benchmark measures depends on."""

import platform
from pathlib import Path


def processor():
    """Name of this machine's processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor() or platform.machine()
