from __future__ import annotations

import io
import re
import time

from rich.console import Console

from mobiledeploy.base.progress import Silent, Timed, shown_on


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=100), text


def test_timed_adds_up_steps_of_one_title_in_order() -> None:
    timed = Timed(Silent())
    for title in ("open", "work", "open"):
        with timed.step(title, total=2) as advance:
            advance()
    assert list(timed.seconds) == ["open", "work"]
    assert all(seconds >= 0 for seconds in timed.seconds.values())


def test_a_line_for_each_step_without_a_terminal() -> None:
    target, text = console(terminal=False)
    with shown_on(target) as progress:
        with progress.step("open"):
            pass
        with progress.step("calibrate", 3) as advance:
            advance()
    assert text.getvalue() == "open ...\ncalibrate ...\n"


def test_bars_count_units_on_a_terminal() -> None:
    target, text = console(terminal=True)
    with shown_on(target) as progress, progress.step("calibrate", 3) as advance:
        for _ in range(3):
            advance()
    assert "calibrate" in text.getvalue() and "3/3" in text.getvalue()


def test_a_bar_says_what_time_is_left() -> None:
    target, text = console(terminal=True)
    left = re.compile(r"/1000.*\d:\d\d.* left")
    with shown_on(target) as progress, progress.step("calibrate", 1000) as advance:
        for _ in range(200):
            advance()
            time.sleep(0.02)  # rich draws ten times a second
            if left.search(text.getvalue()):
                break
    assert left.search(text.getvalue())
