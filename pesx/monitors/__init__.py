"""When a trajectory leaves chemistry: one file per definition, the same while a simulation runs and when a file is audited."""

from pesx.monitors.cause import FAILURES, Cause
from pesx.monitors.frame import Event, Frame
from pesx.monitors.monitors import Monitors, Watch

__all__ = ["FAILURES", "Cause", "Event", "Frame", "Monitors", "Watch"]
