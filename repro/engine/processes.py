"""Processes that end with the one that started them."""

import multiprocessing
import os
import threading
import time


def exit_with_parent(interval=0.5):
    """End this process soon after its parent is gone, so that a killed job leaves no second writer behind.

    Safe at any moment because every result is renamed into place.
    """
    parent, starter = os.getppid(), multiprocessing.parent_process()

    def watch():  # a pool's worker may see its starter die before it comes here: ppid alone would not tell
        while os.getppid() == parent and (starter is None or starter.is_alive()):
            time.sleep(interval)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
