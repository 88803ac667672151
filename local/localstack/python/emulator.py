"""Runs one LocalStack for all accounts of a network. It keeps no state over a stop.

Usage: python emulator.py FOLDER OWNER_FILE   (settings of LocalStack: environment variables)
"""

import os
import sys

from keeper import record_process, watch, write_json


def main():
    folder, owner_file = sys.argv[1], sys.argv[2]
    life_file = os.path.join(folder, "life.json")
    write_json(life_file, {"life": "running", "pid": os.getpid()})
    record_process(folder)
    watch(owner_file)
    sys.argv = ["localstack"]
    from localstack.runtime.main import main as run

    try:
        run()
    finally:
        write_json(life_file, {"life": "clean", "pid": os.getpid()})


if __name__ == "__main__":
    main()
