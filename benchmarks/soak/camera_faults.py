"""A GigE camera that is pulled out, hangs, or loses packets, in turn: every trigger has its result, and nobody helps.

python -m benchmarks.soak.camera_faults [--rounds N]

The real agent in command mode, a real mosquitto, and Aravis' own GigE camera in a process of its own on the loopback.
Parts come all the time, one after the other, through the faults and between them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from benchmarks.record import record, run
from edge_agent.engines import load_engine
from edge_agent.errors import UsageError
from tests.support.agent import AgentFolder, AgentProcess, trigger
from tests.support.broker import Broker
from tests.support.gige_camera import ADDRESS, PROGRAM, GigeCameraProcess
from tests.support.listener import Listener

NAME = "soak.camera_faults"
CLAIM = "camera gone, hung, or garbage: one result a trigger, ERROR while it is away, back without help"
ROUNDS = 12
FAULTS = ("gone", "hung", "garbage")
FAULT_S = 12.0
AWAY = {"camera-lost", "no-frame"}
RECOVERY_S = 120.0


class Parts:
    """Triggers one part after the other and keeps what became of each: part -> codes of its result."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.codes: dict[str, list[set[str]]] = {}
        self.refused = 0

    def inspect(self) -> set[str]:
        """The next part; the codes of its result."""
        name = f"part {len(self.codes) + self.refused}"
        trigger(self._listener, name)
        self._listener.wait(lambda: self._take(name), 60)
        return self.codes[name][0] if name in self.codes else {"refused"}

    def _take(self, name: str) -> bool:
        messages, self._listener.messages[:] = list(self._listener.messages), []
        for message in messages:
            if not message.topic.endswith(("/result", "/reply/inspect")):
                continue
            said = json.loads(message.payload)
            if message.topic.endswith("/result"):
                self.codes.setdefault(said["part_id"], []).append({reason["code"] for reason in said["reasons"]})
            elif not said["accepted"]:
                self.refused += 1
                return True
        return name in self.codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="each is one fault, in turn")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("broker", "agent"):
            (folder / part).mkdir()
        broker = Broker(folder / "broker").start()
        agent_folder = AgentFolder(folder / "agent", broker.port)
        config = agent_folder.write_config(
            camera={"kind": "gige", "source": ADDRESS, "loop": None}, trigger={"deadline_s": 5.0}
        )
        with AgentProcess(config) as agent, Listener(broker.port, topic_filter="plant1/#") as listener:
            result = _soak(agent, Parts(listener), rounds)
            agent.stop()
        broker.stop()
        with closing(load_engine(folder / "agent" / "difference.onnx")) as engine:
            model = engine.info
    data = "none: the camera's test pattern, which is no part: ERROR for another reason where a picture came"
    record(NAME, claim=CLAIM, data=data, model=model, result=result, keep=rounds >= len(FAULTS))


def _soak(agent: AgentProcess, parts: Parts, rounds: int) -> str:
    recoveries: dict[str, list[float]] = {fault: [] for fault in FAULTS}
    seen: dict[str, Counter[str]] = {fault: Counter() for fault in FAULTS}
    device = GigeCameraProcess()
    try:
        device.plug_in()
        agent.wait_for_log("mqtt connected", 60)
        agent.wait_for_log("camera-open", 60)
        _wait_for_picture(parts)
        for number in range(rounds):
            fault = FAULTS[number % len(FAULTS)]
            device = _begin(fault, device)
            end = time.monotonic() + FAULT_S
            while time.monotonic() < end:
                seen[fault].update(parts.inspect())
            device = _end(fault, device)
            recoveries[fault].append(_wait_for_picture(parts))
    except AssertionError as error:
        raise RuntimeError(f"a part has no answer:\n{agent.log[-4000:]}") from error
    except FileNotFoundError as error:
        raise UsageError(f"{PROGRAM} is not there", mend="sudo apt-get install aravis-tools") from error
    finally:
        device.pull_out()
    return _report(agent, parts, rounds, recoveries, seen)


def _begin(fault: str, device: GigeCameraProcess) -> GigeCameraProcess:
    if fault == "hung":
        device.hang()
        return device
    device.pull_out()
    if fault == "garbage":
        device = GigeCameraProcess(lost_per_thousand=50)
        device.plug_in()
    return device


def _end(fault: str, device: GigeCameraProcess) -> GigeCameraProcess:
    if fault == "hung":
        device.go_on()
        return device
    device.pull_out()
    device = GigeCameraProcess()
    device.plug_in()
    return device


def _wait_for_picture(parts: Parts) -> float:
    """Seconds until a part has a whole picture again."""
    began = time.monotonic()
    while parts.inspect() & {*AWAY, "bad-picture", "refused"}:
        if time.monotonic() - began > RECOVERY_S:
            raise RuntimeError("the camera did not come back")
    return time.monotonic() - began


def _report(
    agent: AgentProcess, parts: Parts, rounds: int, recoveries: dict[str, list[float]], seen: dict[str, Counter[str]]
) -> str:
    more_than_one = sum(len(codes) > 1 for codes in parts.codes.values())
    lines = [
        f"faults            {rounds}, each {FAULT_S:g} s long",
        f"triggers          {len(parts.codes) + parts.refused}: {len(parts.codes)} accepted, {parts.refused} refused",
        f"results           one for each accepted trigger; {more_than_one} parts with more than one",
        f"agent restarts    {agent.log.count('agent-started') - 1}",
    ]
    for fault in FAULTS:
        times = recoveries[fault]
        if times:
            codes = ", ".join(f"{code} {count}" for code, count in seen[fault].most_common())
            line = f"picture again after {statistics.median(times):.1f} s (median), {max(times):.1f} s at most"
            lines.append(f"{fault:<17} {line}; meanwhile: {codes}")
    return "\n".join(["NOT HELD" if more_than_one else "held", *lines])


if __name__ == "__main__":
    run(main)
