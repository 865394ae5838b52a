from __future__ import annotations

import pytest

from mobiledeploy.bench.evaluation.__main__ import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_takes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: python -m mobiledeploy.bench.evaluation {command}" in shown and "--" in shown


def test_what_is_no_command_is_refused_with_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["nonesuch"])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert all(f"'{command}'" in message for command in COMMANDS)
