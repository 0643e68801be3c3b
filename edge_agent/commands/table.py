"""All commands of an agent."""

from __future__ import annotations

from edge_agent import health
from edge_agent.cameras.camera import Frame
from edge_agent.commands.acknowledge import Acknowledge
from edge_agent.commands.command import Command
from edge_agent.commands.inspect import Inspect
from edge_agent.commands.pause import Pause, Resume
from edge_agent.commands.reload import Reload
from edge_agent.commands.replay import Replay
from edge_agent.commands.select_recipe import SelectRecipe
from edge_agent.commands.snapshot import Snapshot
from edge_agent.commands.teach import Teach
from edge_agent.config import Settings
from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.pipeline.active_recipe import ActiveRecipe
from edge_agent.pipeline.capture import Capture
from edge_agent.pipeline.triggers import TriggerQueue
from edge_agent.results.outbox import Outbox

LONGEST_S = 10.0  # what a command waits for a picture, or for the parts at work, at most


def table(
    settings: Settings,
    triggers: TriggerQueue,
    outbox: Outbox,
    recipe: ActiveRecipe,
    capture: Capture,
    publisher: MqttPublisher,
) -> list[Command]:
    """Each with what it needs."""
    trigger = settings.trigger
    changed = publisher.publish_info
    patience_s = min(LONGEST_S, settings.health.hang_s / 2)  # who waits longer counts as hanging

    def picture() -> Frame:
        return capture.requests.ask(min(trigger.deadline_s, patience_s))

    return [
        Inspect(triggers, trigger.mode != "command", health.clock_synced),
        Acknowledge(outbox, triggers),
        Replay(outbox, publisher.replay),
        Pause(triggers),
        Resume(triggers),
        SelectRecipe(recipe, triggers, changed, patience_s),
        Reload(recipe, triggers, changed, patience_s),
        Snapshot(picture, publisher.publish_snapshot),
        Teach(recipe, picture, settings.commands.allow_teach),
    ]
