"""Run ``python -m benchmarks gpu`` from a folder that its option ``--prepare`` has made.

    python3 FOLDER/run.py --minutes 8 --out DIR

It needs Python's standard library alone. Wheels of packages that are not installed here are unpacked into a
temporary folder; nothing is installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def main() -> int:
    """Unpack what is missing, and run the command; its exit code."""
    folder = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as site:
        for name, wheel in json.loads((folder / "wheels" / "wheels.json").read_text()).items():
            if importlib.util.find_spec(name) is None:
                print(f"{name} is not installed: using {wheel}", flush=True)
                with zipfile.ZipFile(folder / "wheels" / wheel) as archive:
                    archive.extractall(site)
        paths = [str(folder / "source"), site, os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        # -P: a folder of the same name in the working directory does not come first.
        words = [sys.executable, "-P", "-m", "benchmarks", "gpu", "--prepared", str(folder)]
        return subprocess.run([*words, *sys.argv[1:]], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
