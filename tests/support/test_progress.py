"""The line that shows progress."""

import sys

import pytest

from mifm_kipoi.support.progress import Progress


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "_INTERVAL", 0)


def test_counts_rate_share_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("variants", show=True) as progress:
        assert progress.shown
        progress.update(500)
        progress.update(1000, 0.25)
        progress.update(4000, 1)
    shown = [part.strip() for part in capsys.readouterr().err.split("\r") if part.strip()]
    assert shown[0].startswith("0 variants, ")
    assert shown[1].startswith("500 variants, ")
    assert "%" not in shown[1]
    assert shown[2].startswith("1,000 variants, ")
    assert "/s, 25%, " in shown[2]
    assert shown[2].endswith(" left")
    assert "/s, 100%, 00:00 left" in shown[3]


def test_leaves_an_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("variants", show=True) as progress:
        progress.update(1)
    err = capsys.readouterr().err
    assert "\n" not in err
    assert err.rsplit("\r", 2)[1].strip() == ""
    assert err.endswith("\r")


@pytest.mark.parametrize(("show", "terminal"), [(False, True), (None, False)])
def test_shows_nothing_unasked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, show: bool | None, terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with Progress("variants", show) as progress:
        progress.update(1, 0.5)
    assert not progress.shown
    assert capsys.readouterr().err == ""


def test_shows_itself_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("variants") as progress:
        progress.update(7)
    assert "7 variants" in capsys.readouterr().err


def test_renews_the_line_seldom(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "_INTERVAL", 60)
    with Progress("variants", show=True) as progress:
        for count in range(1000):
            progress.update(count, count / 1000)
    assert "variants" not in capsys.readouterr().err
