from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.cli.command import run_command
from edge_agent.errors import ConfigError

ENVIRONMENT = os.environ | {"PYTHONUNBUFFERED": ""}


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def test_each_line_of_an_error_is_a_line_with_the_name_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise ConfigError("one\ntwo")

    assert run_command("calibrate", fail) == 2
    assert capsys.readouterr().err == "calibrate: one\ncalibrate: two\n"


def test_an_error_of_the_operating_system_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("build-engine", lambda: (tmp_path / "none").stat().st_size) == 2
    assert capsys.readouterr().err.endswith("/none: No such file or directory; mend that and try again\n")


@pytest.mark.parametrize("arguments", [("--help",), ("inspect", "--help"), ("doctor",)])
def test_a_pipe_closed_by_its_reader_ends_every_command_quietly(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = python("edge_agent.cli.main", *arguments)
    with os.fdopen(writer, "w") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False, env=ENVIRONMENT
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full of Linux")
def test_a_full_disk_below_stdout_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as out:
        done = subprocess.run(
            python("edge_agent.cli.main", "doctor"),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "edge-agent: output: No space left on device; mend that and try again\n"


def test_names_that_are_no_unicode_and_terminals_that_know_none_are_written_all_the_same(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xc3\x97.png")
    done = subprocess.run(
        python("edge_agent.cli.main", "teach", name, "--out", "x2"),
        capture_output=True,
        cwd=tmp_path,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("edge-agent: caf\\udce9 ×.png: cannot be read".encode())


def test_an_interrupt_ends_quietly_at_any_moment(tmp_path: Path) -> None:
    code = "import os, signal, sys; from edge_agent.cli import command; "
    code += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a background job inherits to ignore it
    code += f"sys.exit(command.run_command('p', lambda: os.kill(os.getpid(), {int(signal.SIGINT)})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("program", "module", "missing", "arguments", "extra"),
    [
        ("calibrate", "calibration.cli.main", "scipy", ["threshold", "x2", "--clean", "a.png"], "calibrate"),
        ("calibrate", "calibration.cli.main", "onnx", ["run", "agent.toml"], "calibrate"),
        ("build-engine", "build_engine.cli.main", "torch", ["train", "--photographs", "p", "--output", "r"], "build"),
    ],
)
def test_a_package_that_the_plain_install_lacks_is_one_line_with_the_extra_that_brings_it(
    tmp_path: Path, program: str, module: str, missing: str, arguments: list[str], extra: str
) -> None:
    code = f"import sys; sys.modules['{missing}'] = None; from {module} import main; sys.exit(main({arguments}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'{program}: this needs {missing}; pip install "matecheck[{extra}]"\n'


def test_a_module_of_our_own_that_is_missing_is_no_matter_of_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError):
        run_command("calibrate", lambda: bool(__import__("calibration.none")))
