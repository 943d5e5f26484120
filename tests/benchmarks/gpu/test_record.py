"""The time that is left, figures that are whole after each measurement, and processes that end on time."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from pathlib import Path

from benchmarks.gpu import processes
from benchmarks.gpu.record import Deadline, Record


def figures(path: Path) -> dict[str, object]:
    parts: dict[str, object] = json.loads(path.read_text())["parts"]
    return parts


def test_parts_of_the_time_that_is_left() -> None:
    whole = Deadline.after(100)
    assert 99 < whole.left <= 100
    assert 24 < whole.part(0.25).left <= 25
    assert not whole.over
    assert Deadline.after(-1).over
    assert Deadline.after(-1).left == 0


def test_the_file_is_whole_after_each_measurement(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    record = Record(path, {"device": "none"})
    assert figures(path) == {}
    seen = []

    def second() -> dict[str, object]:
        seen.append(figures(path)["a"])
        return {"rate": math.nan, "by": {2: math.inf}}

    made = record.measure("a", "first", Deadline.after(10), 0, lambda: {"rate": 1.5})
    assert made["rate"] == 1.5
    record.measure("a", "second", Deadline.after(10), 0, second)
    assert seen == [{"first": made}]
    assert figures(path)["a"]["second"] | {"seconds": 0} == {"rate": None, "by": {"2": None}, "seconds": 0}
    assert record.seconds("a", "first") == made["seconds"]
    assert record.seconds("a", "third") == 0


def test_what_fails_or_has_no_time_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    record = Record(path, {})

    def fails() -> dict[str, object]:
        raise RuntimeError("no such kernel")

    record.measure("a", "fails", Deadline.after(10), 0, fails)
    record.measure("a", "late", Deadline.after(10), 11, fails)
    made = figures(path)["a"]
    assert made["fails"]["error"] == "RuntimeError: no such kernel"
    assert "fails()" in made["fails"]["trace"] or "in fails" in made["fails"]["trace"]
    assert made["late"]["not_run"].endswith("it needs 11 s")


def test_processes() -> None:
    """Results in their order, errors of single ones, one after the other with one job."""
    got: list[int] = []
    results = processes.run(
        divmod_of, [(7, 2), (1, 0), (9, 4)], 2, Deadline.after(60), lambda number, _: got.append(number)
    )
    assert results[0] == {"quotient": 3, "rest": 1}
    assert results[1]["error"].startswith("ZeroDivisionError")
    assert results[2] == {"quotient": 2, "rest": 1}
    assert sorted(got) == [0, 1, 2]


def test_processes_are_ended_when_the_time_is_up() -> None:
    began = time.monotonic()
    results = processes.run(wait, [(60.0,), (60.0,), (0.0,)], 2, Deadline.after(0.2), grace=0.2)
    ended = {"error": "ended when the time was up"}
    assert results == [ended, ended, {"not_run": "the time was up"}]
    assert time.monotonic() - began < 10


def test_all_processes_end_together() -> None:
    """Results that come meanwhile do not give the others more time, nor do SIGTERMs that are ignored."""
    began = time.monotonic()
    ends = [began + seconds for seconds in (0.0, 1.0, 2.0, 60.0)]
    results = processes.run(answer_at, [(end,) for end in ends], 4, Deadline(began + 1), grace=3.0)
    assert results[-1] == {"error": "ended when the time was up"}
    # The rest is for ending them. Each result used to begin the grace anew.
    assert 4 <= time.monotonic() - began < 4 + 3


def test_a_process_that_does_not_exit_keeps_its_result() -> None:
    began = time.monotonic()
    results = processes.run(stay, [()], 2, Deadline.after(60))
    assert results == [{"said": 1}]
    assert time.monotonic() - began < 30


def test_a_process_that_dies() -> None:
    results = processes.run(die, [(3,)], 2, Deadline.after(60))
    assert results == [{"error": "the process ended with 3"}]


def test_one_job_is_this_process() -> None:
    results = processes.run(pid, [(), ()], 1, Deadline.after(60))
    assert results == [{"pid": os.getpid()}] * 2
    assert processes.run(pid, [()], 1, Deadline.after(-1)) == [{"not_run": "the time was up"}]
    assert processes.run(divmod_of, [(1, 0)], 1, Deadline.after(60))[0]["error"].startswith("ZeroDivision")


def divmod_of(a: int, b: int) -> dict[str, int]:
    quotient, rest = divmod(a, b)
    return {"quotient": quotient, "rest": rest}


def wait(seconds: float) -> dict[str, float]:
    time.sleep(seconds)
    return {}


def answer_at(end: float) -> dict[str, float]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(max(end - time.monotonic(), 0))
    return {}


def stay() -> dict[str, int]:
    """Holds up the end of its process, not its result."""
    threading.Thread(target=time.sleep, args=(60,)).start()
    return {"said": 1}


def die(code: int) -> dict[str, int]:
    os._exit(code)


def pid() -> dict[str, int]:
    return {"pid": os.getpid()}


def test_nothing_to_do() -> None:
    assert processes.run(wait, [], 2, Deadline.after(1)) == []
