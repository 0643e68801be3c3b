"""The installer on a machine of its own: real systemd, real units, real broker with certificates."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.machine import Machine
from tests.support.releases import write_broken, write_later
from tests.systemd.conftest import BASE, PASSWORD, SCADA

INSTALL, UNINSTALL = "/srv/bundle/install", "/srv/bundle/uninstall"
pytestmark = pytest.mark.install
PROBE = Path(__file__).with_name("sandbox_probe.py")


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    machine.run(f"{INSTALL} --provision /srv/unit/agent.toml --report /root/report.txt")
    return machine


def heard(machine: Machine, topic: str, count: int) -> list[dict[str, object]]:
    """The next messages that SCADA hears on this topic."""
    said = machine.run(f"mosquitto_sub {SCADA} -t '{BASE}/{topic}' -C {count} -W 180").stdout
    return [json.loads(line) for line in said.splitlines()]


def last_seq(machine: Machine) -> int:
    (result,) = heard(machine, "result", 1)
    return int(str(result["seq"]))


def main_pid(machine: Machine) -> str:
    return machine.run("systemctl show -p MainPID --value matecheck-agent").stdout.strip()


def release(machine: Machine) -> str:
    return machine.run("readlink /opt/matecheck/current").stdout.strip()


def said_version(machine: Machine) -> str:
    return str(heard(machine, "info", 1)[0]["version"])


def what_stays(machine: Machine) -> str:
    """Checksums of what an upgrade has no business with."""
    places = "/etc/matecheck /var/lib/matecheck/recipes /etc/systemd/system/matecheck-agent.service.d"
    return machine.run(f"find {places} -type f -exec sha256sum '{{}}' + | sort").stdout


def listen(machine: Machine) -> subprocess.Popen[bytes]:
    """Let SCADA note all results from now on."""
    listening = machine.start(f"exec mosquitto_sub {SCADA} -q 1 -t '{BASE}/result' > /root/heard.jsonl")
    machine.wait("test -s /root/heard.jsonl")
    return listening


def assert_nothing_lost(machine: Machine, listening: subprocess.Popen[bytes]) -> None:
    """Each number came, and with one id only; the agent goes on."""
    last_seq(machine)
    machine.run("pkill -KILL -x mosquitto_sub")
    listening.wait(60)
    results = [json.loads(line) for line in machine.run("cat /root/heard.jsonl").stdout.splitlines()]
    ids = {result["seq"]: result["id"] for result in results}
    assert list(ids) == list(range(min(ids), max(ids) + 1))
    assert {(result["seq"], result["id"]) for result in results} == set(ids.items())


def test_a_dry_run_says_what_would_be_done_and_does_nothing(machine: Machine) -> None:
    said = machine.run(f"{INSTALL} --provision /srv/unit/agent.toml --dry-run").stdout
    assert "would   config     write /etc/matecheck/secrets/key.pem, for root alone" in said
    assert machine.run("ls -d /opt/matecheck /etc/matecheck /etc/systemd/system/matecheck*", check=False).stdout == ""
    assert machine.run("id matecheck", check=False).returncode != 0


def test_a_damaged_folder_is_refused_before_anything_is_changed(machine: Machine) -> None:
    machine.run("cp -r /srv/bundle /root/damaged && truncate -s -1 /root/damaged/wheels/paho_mqtt-*")
    done = machine.run("/root/damaged/install --provision /srv/unit/agent.toml", check=False)
    assert done.returncode == 2
    assert re.search(r"install: /root/damaged/wheels/paho_mqtt-\S+: is damaged; copy the folder again\n", done.stderr)
    machine.run("rm -r /root/damaged; test ! -e /opt/matecheck")


def test_a_provisioning_file_with_a_wrong_key_is_refused_and_leaves_nothing(machine: Machine) -> None:
    machine.run("cp -r /srv/unit /root/unit && sed -i 's/^interval_s/intervall_s/' /root/unit/agent.toml")
    done = machine.run(f"{INSTALL} --provision /root/unit/agent.toml", check=False)
    assert done.returncode == 2
    assert 'did you mean "interval_s"?' in done.stderr
    machine.run("test ! -e /etc/matecheck/agent.toml && test ! -s /etc/matecheck/secrets/key.pem")


def test_one_command_brings_up_an_agent_that_delivers_over_tls(installed: Machine) -> None:
    report = installed.run("cat /root/report.txt").stdout
    assert "agent      up with 0.1.0-" in report
    assert "exit code 0" in report
    assert "nothing is built" in installed.run("journalctl --no-pager -u matecheck-engine").stdout
    numbers = [result["seq"] for result in heard(installed, "result", 3)]
    assert numbers == list(range(int(str(numbers[0])), int(str(numbers[0])) + 3))


def test_a_person_checks_the_configuration_that_the_service_uses(installed: Machine) -> None:
    installed.run("edge-agent check-config /etc/matecheck/agent.toml")
    doctor = installed.run("edge-agent doctor /etc/matecheck/agent.toml").stdout
    assert "ok      broker       mqtts://localhost:8883 accepts us" in doctor


def test_secrets_are_for_root_alone_and_are_told_to_nobody(installed: Machine) -> None:
    said = installed.run("stat -c '%a %U %s' /etc/matecheck/secrets /etc/matecheck/secrets/*").stdout
    assert [line.rpartition(" ")[0] for line in said.splitlines()] == ["700 root", *["600 root"] * 4]
    assert installed.run("cat /etc/matecheck/secrets/password").stdout == f"{PASSWORD}\n"
    (info,) = heard(installed, "info", 1)
    log = installed.run(
        "journalctl --no-pager -o cat; cat /root/report.txt; cat /proc/*/cmdline; cat /etc/matecheck/agent.toml"
    )
    for text in (json.dumps(info), log.stdout):
        assert text
        assert PASSWORD not in text
        assert "PRIVATE KEY" not in text


def test_the_service_can_do_what_it_must_and_nothing_else(installed: Machine) -> None:
    """A probe in the very sandbox of the agent: its unit, with another program."""
    unit = installed.run("cat /etc/systemd/system/matecheck-agent.service").stdout
    unit = re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/opt/matecheck/current/bin/python /root-probe.py", unit)
    unit = re.sub(r"(?m)^(Type=notify|Restart=.*|WatchdogSec=.*)$", "", unit)
    shutil.copy(PROBE, installed.path("/root-probe.py"))
    installed.path("/run/systemd/system/probe.service").write_text(unit, encoding="utf-8")
    installed.run("mknod -m 666 /dev/disk b 254 0; mknod -m 666 /dev/message c 1 11; touch /tmp/of-others")
    installed.run("systemctl daemon-reload && systemctl start probe")
    installed.wait("test -e /var/lib/matecheck/results/probe.json")
    said = json.loads(installed.run("cat /var/lib/matecheck/results/probe.json").stdout)
    assert {name for name, done in said["must"].items() if not done} == set()
    assert {name for name, done in said["must_not"].items() if done} == set()
    assert len(said["must"]) >= 8
    assert len(said["must_not"]) >= 20


def test_who_hangs_is_killed_and_started_afresh(installed: Machine) -> None:
    installed.run("mkdir -p /run/systemd/system/matecheck-agent.service.d")
    drop_in = installed.path("/run/systemd/system/matecheck-agent.service.d/quick.conf")
    drop_in.write_text("[Service]\nWatchdogSec=5\nRestartSec=1\n", encoding="utf-8")
    installed.run("systemctl daemon-reload && systemctl restart matecheck-agent")
    before, frozen = last_seq(installed), main_pid(installed)
    installed.run(f"kill -STOP {frozen}")
    installed.wait(f"p=$(systemctl show -p MainPID --value matecheck-agent); test $p != 0 && test $p != {frozen}")
    assert last_seq(installed) > before
    assert "Watchdog timeout" in installed.run("journalctl --no-pager -u matecheck-agent").stdout
    drop_in.unlink()
    installed.run("systemctl daemon-reload && systemctl restart matecheck-agent")


def test_installing_twice_changes_nothing_and_leaves_the_agent_alone(installed: Machine) -> None:
    before = main_pid(installed)
    said = installed.run(f"{INSTALL} --provision /srv/unit/agent.toml").stdout
    assert not [line for line in said.splitlines() if line.startswith("do ")]
    assert main_pid(installed) == before


def test_an_upgrade_and_the_way_back_keep_all_that_is_not_software(installed: Machine, bundle: Path) -> None:
    later = write_later(bundle, installed.path("/root/later"), "0.2.0")
    old, kept = release(installed), what_stays(installed)
    listening = listen(installed)

    said = installed.run("/root/later/install").stdout
    assert re.search(r"is +agent +up with 0\.2\.0-\w+", said)
    assert release(installed).startswith("releases/0.2.0-")
    assert (what_stays(installed), said_version(installed)) == (kept, "0.2.0")

    said = installed.run(f"{INSTALL}").stdout
    assert re.search(r"is +agent +up with 0\.1\.0-\w+", said)
    assert (what_stays(installed), release(installed), said_version(installed)) == (kept, old, "0.1.0")
    assert_nothing_lost(installed, listening)
    shutil.rmtree(later)


def test_an_upgrade_that_does_not_come_up_goes_back(installed: Machine, bundle: Path) -> None:
    """It has changed the tables of the outbox, and recorded three results, before it fails."""
    broken = write_broken(bundle, installed.path("/root/broken"), "0.3.0")
    old, kept = release(installed), what_stays(installed)
    listening = listen(installed)
    done = installed.run("/root/broken/install", check=False)
    assert done.returncode == 1
    assert "a bug that no check has found" in done.stdout
    assert re.search(r"note +outbox +as before the upgrade, with what the new release recorded", done.stdout)
    assert re.search(r"note +agent +went back to 0\.1\.0-\w+, which is up again", done.stdout)
    assert (what_stays(installed), release(installed)) == (kept, old)
    assert_nothing_lost(installed, listening)
    shutil.rmtree(broken)


def test_results_are_not_purged_before_the_broker_has_them(installed: Machine) -> None:
    installed.run("pkill mosquitto; sleep 1")
    done = installed.run(f"{UNINSTALL} --purge", check=False)
    assert done.returncode == 2
    assert re.search(r"outbox.sqlite: holds \d+ results that the broker has not taken", done.stderr)
    installed.start("exec mosquitto -c /etc/mosquitto-test/mosquitto.conf")
    installed.run("systemctl is-active matecheck-agent || systemctl enable --now matecheck-agent")


def test_uninstalling_keeps_what_was_made_on_the_device_and_purging_does_not(installed: Machine) -> None:
    said = installed.run(UNINSTALL).stdout
    assert "kept       /etc/matecheck and /var/lib/matecheck" in said
    installed.run("test ! -e /opt/matecheck && ! ls /etc/systemd/system/matecheck* && ! which edge-agent")
    installed.run("test -s /etc/matecheck/secrets/key.pem && test -s /var/lib/matecheck/results/outbox.sqlite")
    installed.run(UNINSTALL)
    installed.run(f"{UNINSTALL} --purge --discard-results")
    installed.run("! ls -d /etc/matecheck /var/lib/matecheck /var/cache/matecheck* && ! id matecheck")
