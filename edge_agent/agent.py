"""Wiring: builds the parts, starts the workers, watches them, stops them in order.

    trigger ─> capture ─> registration ─> inspection ─> conclusion ─> recorder ─> outbox ─> publisher ─> broker

The first five are workers under one supervisor; the publisher has a thread of its own. The thread
that calls `run` is the supervisor's: it also tells status and metrics, and feeds systemd's watchdog.
"""

from __future__ import annotations

import logging
import platform
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import cv2

from edge_agent import __version__, health, systemd
from edge_agent.cameras import open_camera
from edge_agent.cameras.camera import Camera
from edge_agent.commands.acknowledge import await_acknowledgement
from edge_agent.commands.audit import AuditLog
from edge_agent.commands.dispatcher import Dispatcher
from edge_agent.commands.pause import PAUSED
from edge_agent.commands.table import table
from edge_agent.conditions import Condition, Conditions
from edge_agent.config import Settings
from edge_agent.disk_watch import DiskWatch
from edge_agent.engines.source import EngineSource
from edge_agent.health_watch import HealthWatch
from edge_agent.inspection.inspection import Reason
from edge_agent.log import event
from edge_agent.mqtt.events import Incoming
from edge_agent.mqtt.publisher import HANGS_S, MqttPublisher
from edge_agent.pipeline.active_recipe import MEMORY, ActiveRecipe
from edge_agent.pipeline.capture import make_capture
from edge_agent.pipeline.concluding import Concluding, Inspected
from edge_agent.pipeline.handshake import handshake
from edge_agent.pipeline.inspecting import NO_ENGINE, Inspecting, SeenPart
from edge_agent.pipeline.recorder import Recorder
from edge_agent.pipeline.registering import RegisteredQueue, Registering
from edge_agent.pipeline.supervisor import Supervisor
from edge_agent.pipeline.triggers import TriggerQueue
from edge_agent.pipeline.unfinished import interrupted, overdue
from edge_agent.pipeline.worker import Worker
from edge_agent.results import identifiers
from edge_agent.results.archive import Archive
from edge_agent.results.relief import ReliefOutbox
from edge_agent.results.samples import FOLDER as SAMPLES
from edge_agent.results.samples import Samples

log = logging.getLogger(__name__)

LOST = 3  # exit code
LOOK_S = 0.1  # how often the supervisor looks at everything
METRICS_S = 10.0
STOP_S = 10.0  # what each worker may take to finish the parts at hand when the agent stops
SELF_TRIGGERED_QUEUE = 4  # free-run and folder: pictures between capture and disk, at most


class Agent:
    """The agent of one camera.

    Args:
        settings: all of agent.toml.
        camera: takes the place of the one that the settings describe.

    Raises:
        RecipeError, ImageError: the recipe cannot be read.
        StorageError: outbox or archive cannot be opened.
    """

    def __init__(self, settings: Settings, camera: Camera | None = None) -> None:
        self.settings = settings
        folder = settings.results.folder
        self.recipe = ActiveRecipe(settings.recipe, folder / MEMORY)
        self._mode = settings.trigger.mode
        limit = settings.trigger.queue if self._mode in {"command", "camera"} else SELF_TRIGGERED_QUEUE
        camera = camera or open_camera(settings)
        archive_mb, min_free_mb = settings.results.archive_mb, settings.results.min_free_mb
        # first: where a full disk keeps the outbox from being opened, it makes room
        archive = Archive(folder / "archive", archive_mb, min_free_mb) if archive_mb else None
        self._disk = DiskWatch(folder, min_free_mb, archive.give_up if archive else lambda _mb: None)
        self._disk.look()
        self._outbox = ReliefOutbox(
            folder / "outbox.sqlite", settings.results.outbox_limits, lambda: self._disk.pictures_welcome
        )
        if last_id := self._outbox.last_id():  # the clock may be behind that of the last run
            identifiers.not_before(last_id)
        alone = self._mode == "command" and settings.camera.live and not camera.on_demand
        self._triggers = TriggerQueue(limit, settings.trigger.deadline_s, self._outbox.accept, alone)
        registered = RegisteredQueue()
        seen: queue.SimpleQueue[SeenPart | None] = queue.SimpleQueue()
        self._inspected: queue.SimpleQueue[Inspected | None] = queue.SimpleQueue()
        self._capture = make_capture(settings, camera, self._triggers)
        engine = settings.engine
        source = EngineSource(engine.model, engine.backend, engine.inference_threads, engine.store)
        self._inspecting = inspecting = Inspecting(source, registered, seen)
        self._registering = Registering(
            self.recipe, self._triggers, registered, lambda: inspecting.model, settings.camera.live
        )
        self._concluding = Concluding(seen, self._inspected)
        self._publisher = MqttPublisher(settings.mqtt, self._outbox, self._on_command, self._info)
        self._recorder = Recorder(
            self._inspected,
            self._triggers,
            self._outbox,
            archive,
            device=settings.device.name,
            recipe=self.recipe,
            thumbnail_width_px=settings.results.thumbnail_width_px,
            thumbnail_heat=settings.results.thumbnail_heat,
            samples=Samples(folder / SAMPLES, settings.results.min_free_mb),
            recorded=self._publisher.wake,
            acknowledge=settings.trigger.acknowledge,
        )
        self._audit = AuditLog(
            folder / "audit.jsonl",
            settings.commands.audit_mb * health.MB,
            self._publisher.publish_audit,
            health.clock_synced,
        )
        parts = (self._triggers, self._outbox, self.recipe, self._capture, self._publisher)
        self._commands = Dispatcher(table(settings, *parts), self._audit, self._publisher.reply)
        self._workers = (self._capture, self._registering, self._inspecting, self._concluding, self._recorder)
        supervised = [*self._workers, self._commands]
        self._supervisor = Supervisor(supervised, settings.health.hang_s, settings.health.restarts)
        self._supervisor.watch("mqtt", lambda: self._publisher.silent_s, HANGS_S)
        self._health, self._conditions = HealthWatch(settings.health), Conditions()
        self._clock_steps = 0
        self._watchdog = systemd.Watchdog()
        self._began = time.monotonic()
        self._told_engine = NO_ENGINE
        self._next_metrics = 0.0

    def run(self, stop: threading.Event) -> int:
        """Inspect until `stop` is set or a finite source has come to its end.

        Returns:
            0; 1 when results still wait for the broker at the end of a finite source; 2 when a folder cannot be read;
            LOST when only a new process can help: what is left of this one may hang in a driver, end it hard.

        Raises:
            ModelError, EngineError: the engine cannot be loaded at the start.
        """
        self._began = time.monotonic()
        cv2.setNumThreads(1)  # its threads would take the cores from the network, which needs them more
        self._start_engine(stop)
        self._told_engine = self._inspecting.engine  # by the first connection
        self._take_up()
        try:
            for worker in self._supervisor.workers:
                if worker is not self._inspecting:
                    self._supervisor.start(worker)
            self._publisher.set_status(self._conditions.to_dict())
            self._publisher.start()
            systemd.notify("READY=1", "STATUS=online")
            name = self.recipe.current.name
            log.info(event("agent-started", device=self.settings.device.name, mode=self._mode, recipe=name))
            while not stop.wait(LOOK_S):
                self._look()
                if self._supervisor.lost:
                    return LOST
                if self._mode == "folder" and self._capture.trouble:
                    return 2
                if self._capture.done and not self._triggers.outstanding:
                    return 0 if self._drained(stop) else 1
            return 0
        finally:
            self._stop()

    def _start_engine(self, stop: threading.Event) -> None:
        """Without a first engine there is no agent: a wrong model is to be mended, not retried."""
        self._supervisor.start(self._inspecting)
        while not self._inspecting.ready.wait(0.01) and not stop.is_set():
            if self._inspecting.failure:
                self._outbox.close()
                raise self._inspecting.failure

    def _take_up(self) -> None:
        """What the last process accepted and did not finish gets its ERROR; what was not acknowledged still is not."""
        for part in interrupted(self._outbox):
            self._inspected.put(part)
        unconfirmed = self._outbox.unconfirmed() if self.settings.trigger.acknowledge else []
        if unconfirmed:
            await_acknowledgement(self._triggers, unconfirmed[-1])
        self._triggers.on_change = lambda: self._publisher.set_handshake(handshake(self._triggers))
        self._triggers.on_change()

    def _on_command(self, name: str, message: Incoming) -> None:
        self._commands.handle(name, message)

    def _look(self) -> None:
        self._supervisor.look()
        if not self._supervisor.lost:
            self._watchdog.feed()
        for part in overdue(self._triggers):
            self._inspected.put(part)
        refusals = self._triggers.refusals
        troubles = [
            ("camera", self._capture.trouble),
            ("engine", self._inspecting.trouble),
            ("storage", self._recorder.trouble or self._outbox.trouble),
            ("broker", self._publisher.trouble),
            *(("worker", text) for text in self._supervisor.troubles()),
            (PAUSED, refusals[PAUSED].text if PAUSED in refusals else ""),
        ]
        found = [Condition(code, text) for code, text in troubles if text]
        disk = self._disk.look()
        if self._health.clock_steps != self._clock_steps:
            self._clock_steps = self._health.clock_steps
            self._publisher.retry_now()  # it may have been the clock that certificates were refused for
        self._tell([*found, *([disk] if disk else []), *self._health.look()])
        if self._inspecting.engine is not self._told_engine:
            self._told_engine = self._inspecting.engine
            self._publisher.publish_info()
        if time.monotonic() >= self._next_metrics:
            self._next_metrics = time.monotonic() + METRICS_S
            self._publisher.publish_metrics(self._metrics())
            self._publisher.set_evicted(asdict(self._outbox.evictions()))
            self._publisher.publish_info()

    def _tell(self, found: Sequence[Condition]) -> None:
        if not self._conditions.update(found):
            return
        state, why = self._conditions.state, self._conditions.why
        self._publisher.set_status(self._conditions.to_dict())
        systemd.notify(f"STATUS={state} {why}".strip())
        log.log(logging.WARNING if why else logging.INFO, event("status", state=state, why=why))

    def _info(self) -> dict[str, Any]:
        engine, recipe = self._inspecting.engine, self.recipe.current
        return {
            "device": self.settings.device.name,
            "version": __version__,
            "python": platform.python_version(),
            "camera": self._capture.camera.name,
            "trigger": self._mode,
            "recipe": {"name": recipe.name, "version": recipe.version},
            "recipes": self.recipe.names,
            "engine": {
                "name": engine.name,
                "digest": engine.digest,
                "backend": engine.backend,
                "precision": engine.precision,
            },
        }

    def _metrics(self) -> dict[str, Any]:
        tally = self._recorder.tally
        return {
            "uptime_s": round(time.monotonic() - self._began, 1),
            "results": {"ok": tally.ok, "ng": tally.ng, "error": tally.error},
            "triggers_outstanding": self._triggers.outstanding,
            "results_waiting": self._outbox.count(),
            "memory_mb": health.memory_mb(),
            "disk_free_mb": health.disk_free_mb(self.settings.results.folder),
            "camera": dict(self._capture.camera.counts),
            "temperatures_c": health.temperatures(),
            "clock_synced": health.clock_synced(),
            "clock_steps": self._health.clock_steps,
        }

    def _drained(self, stop: threading.Event) -> bool:
        """Whether the broker has acknowledged everything, waiting for it as long as the settings allow."""
        seconds = self.settings.trigger.drain_s
        end = time.monotonic() + seconds
        log.info(event("waiting-for-broker", results=self._outbox.count(), at_most_s=seconds))
        while not self._publisher.drain(LOOK_S):
            self._look()
            if stop.is_set() or time.monotonic() > end:
                why = f"not acknowledged by {self.settings.mqtt.address}; they are sent at the next start"
                log.error(event("results-wait", count=self._outbox.count(), why=why))
                return False
        return True

    def _stop(self) -> None:
        """In the direction of the data: no new triggers, then what is at hand is finished, then the broker is told."""
        systemd.notify("STOPPING=1")
        self._triggers.close(Reason("stopped", "the agent was stopped"))
        self._supervisor.stop([self._capture], STOP_S)
        at_hand = self._workers[1:]
        end = time.monotonic() + STOP_S
        for worker in at_hand:
            if not self._supervisor.lost:  # else one may never finish, and those behind it wait in vain
                end = time.monotonic() + STOP_S
            self._finish(worker, end)
        if self._triggers.outstanding:
            count = self._triggers.outstanding
            log.error(event("parts-unfinished", count=count, why="they are ERROR at the next start"))
        self._supervisor.stop([*at_hand, self._commands], 0.0 if self._supervisor.lost else STOP_S)
        self._publisher.drain(1.0 if self._publisher.connected else 0.0)
        self._publisher.stop(self._supervisor.lost)
        self._audit.close()
        waiting = self._outbox.count()
        self._outbox.close()
        log.info(event("agent-stopped", results=self._recorder.tally.total, waiting=waiting))

    def _finish(self, worker: Worker, end: float) -> None:
        while (worker.alive or not worker.done) and time.monotonic() < end:
            self._supervisor.look()
            worker.join(LOOK_S)
