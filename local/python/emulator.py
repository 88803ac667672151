"""Runs one account's MiniStack, records itself, and marks a clean stop.

Three duties that MiniStack itself does not have:

* `process.json`: who runs here (process id and start time), written by the process itself, so that
  no other program can ever be mistaken for it.
* `life.json`: `running` while state in memory is newer than state on disk, `clean` once all of it
  was saved by an orderly stop. State is loaded only beside `clean`: older state would be silent
  amnesia of a validator.
* It stops in order when the program that started the network is gone (`owner.json`), so that even a
  SIGKILL of the launcher leaves no process behind.

Usage: python emulator.py ACCOUNT_FOLDER OWNER_FILE   (settings of MiniStack: environment variables)
Exit codes: 0 stopped and saved, 3 state is older than what ran, 4 could not save, 5 could not load.
"""

import json
import logging
import os
import signal
import sys
import threading
import time

import corrections
import function_logs
import pacing

EXIT_STALE = 3
EXIT_NOT_SAVED = 4
EXIT_NOT_LOADED = 5
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


class ErrorCount(logging.Handler):
    """Counts the errors of saving and loading, which MiniStack logs but does not raise."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record):
        self.count += 1


def end_workers():
    """Ends the Lambda workers: this process leads their process group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGTERM)


def guard_state(app, life_file):
    """Puts the mark of a clean stop around MiniStack's own loading and saving."""
    from ministack.core import persistence

    errors = ErrorCount()
    # One line per service and save tells nothing: errors alone are shown.
    persistence.logger.setLevel(logging.ERROR)
    persistence.logger.addHandler(errors)
    app.logger.addHandler(errors)
    load, save = app._load_persisted_state, app.save_all

    def load_once():
        # From here on effects can leave this process: what is on disk is no longer the newest.
        write_json(life_file, {"life": "running", "pid": os.getpid()})
        before = errors.count
        load()
        if errors.count > before:
            write_json(life_file, {"life": "clean", "pid": os.getpid()})
            os._exit(EXIT_NOT_LOADED)

    def save_and_end(services):
        # The listener is closed by now: nothing can change after it was saved.
        before = errors.count
        save(services)
        if errors.count == before:
            write_json(life_file, {"life": "clean", "pid": os.getpid()})
        end_workers()
        os._exit(0 if errors.count == before else EXIT_NOT_SAVED)

    app._load_persisted_state = load_once
    app.save_all = save_and_end


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


def main():
    folder, owner_file = sys.argv[1], sys.argv[2]
    life_file = os.path.join(folder, "life.json")
    life = read_json(life_file)
    if os.path.exists(life_file) and (life or {}).get("life") != "clean":
        print("It did not stop in order: its saved state is older than what ran.", flush=True)
        sys.exit(EXIT_STALE)
    write_json(
        os.path.join(folder, "process.json"),
        {"pid": os.getpid(), "started": started_at(os.getpid())},
    )
    threading.Thread(target=watch_owner, args=(owner_file,), daemon=True).start()
    sys.argv = ["ministack"]
    from ministack import app

    guard_state(app, life_file)
    function_logs.apply()
    pacing.apply()
    if app.AUTH:
        corrections.apply()
    app.main()


if __name__ == "__main__":
    main()
