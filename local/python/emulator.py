"""Runs one account's MiniStack, records itself, and marks a clean stop.

Beside what keeper.py does: `life.json` says `running` while state in memory is newer than state on
disk, `clean` once all of it was saved by an orderly stop. State is loaded only beside `clean`: older
state would be silent amnesia of a validator.

Usage: python emulator.py ACCOUNT_FOLDER OWNER_FILE   (settings of MiniStack: environment variables)
Exit codes: 0 stopped and saved, 3 state is older than what ran, 4 could not save, 5 could not load.
"""

import logging
import os
import signal
import sys

import admission
import corrections
import function_logs
import pacing
from keeper import read_json, record_process, watch, write_json

EXIT_STALE = 3
EXIT_NOT_SAVED = 4
EXIT_NOT_LOADED = 5


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


def main():
    folder, owner_file = sys.argv[1], sys.argv[2]
    life_file = os.path.join(folder, "life.json")
    life = read_json(life_file)
    if os.path.exists(life_file) and (life or {}).get("life") != "clean":
        print("It did not stop in order: its saved state is older than what ran.", flush=True)
        sys.exit(EXIT_STALE)
    record_process(folder)
    watch(owner_file)
    sys.argv = ["ministack"]
    from ministack import app

    guard_state(app, life_file)
    function_logs.apply()
    pacing.apply()
    admission.apply()
    if app.AUTH:
        corrections.apply()
    app.main()


if __name__ == "__main__":
    main()
