"""The machine: device, precision, threads, processes. Does not know what is trained."""
