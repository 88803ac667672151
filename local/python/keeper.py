"""What every emulator's process does for the network that it is part of.

* It records who runs here (process id and start time), written by the process itself, so that no
  other program can ever be mistaken for it.
* It stops in order when the program that started the network is gone (`owner.json`), so that even a
  SIGKILL of the launcher leaves no process behind.
"""

import json
import os
import signal
import threading
import time

OWNER_POLL_SECONDS = 0.5
STOP_SECONDS_MAX = 60


def started_at(pid):
    """Start time of a process as the kernel tells it, or None when it is not alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return "unknown"
    return None if fields[0] == "Z" else fields[19]


def write_json(path, value):
    """Replaces a file in one step, so that a reader never sees half of it."""
    staging = f"{path}.{os.getpid()}"
    with open(staging, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staging, path)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def record_process(folder):
    """Writes `process.json`."""
    write_json(
        os.path.join(folder, "process.json"),
        {"pid": os.getpid(), "started": started_at(os.getpid())},
    )


def watch(owner_file):
    """Watches over the launcher, beside whatever this process does."""
    threading.Thread(target=watch_owner, args=(owner_file,), daemon=True).start()


def owner_is_gone(owner_file):
    """True when the network's launcher has ended without handing the network over."""
    owner = read_json(owner_file)
    if owner is None:
        return not os.path.exists(owner_file)
    if owner.get("mode") != "attached":
        return False
    now = started_at(owner["pid"])
    return now is None or (now != "unknown" and now != owner["started"])


def watch_owner(owner_file):
    """Stops this process in order once its launcher is gone."""
    while not owner_is_gone(owner_file):
        time.sleep(OWNER_POLL_SECONDS)
    print("The program that started this network is gone: stopping in order.", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS_MAX)
    os.killpg(os.getpgrp(), signal.SIGKILL)
