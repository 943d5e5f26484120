"""One namespace for the Python blocks of a page.

Reads blocks as lines of JSON (their text, the folder, the name for tracebacks) and answers each with a line
of JSON: what it printed, and its traceback where it failed.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import sys
import traceback
from typing import Any


def serve() -> None:
    """Run blocks until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    namespace: dict[str, Any] = {"__name__": "__page__"}
    for line in sys.stdin:
        task = json.loads(line)
        name, text = task["name"], task["text"]
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        os.chdir(task["cwd"])
        printed, failure = io.StringIO(), ""
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            try:
                exec(compile(text, name, "exec"), namespace)
            except BaseException:
                failure = traceback.format_exc()
        answers.write(json.dumps({"printed": printed.getvalue(), "failure": failure}) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
