"""Persistence: what has begun, since when, and whether it was told.

A thing is *on* from a frame where it begins to the next frame where it ends; it is told once, when it has been on for as
long as it must. The same function follows many replicas over one frame and one replica over many frames, so a simulation and
an audit of its file agree, and where a file is cut into chunks changes nothing.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch

from pesx.typing import Bool, Float, Int, Tensor

_ROUND_OFF = 1e-9
"""Ps; sums of time steps may fall short of the persistence by this."""


@dataclass(frozen=True)
class Lasting:
    """What is on, for K things of each of B replicas.

    Attributes:
        since: Time of the frame at which it began, ps; infinite where it is off.
        frame: Number of that frame; -1 where it is off.
        is_told: Whether it has been told.
    """

    since: Float[Tensor, "B K"]
    frame: Int[Tensor, "B K"]
    is_told: Bool[Tensor, "B K"]


class Told(NamedTuple):
    """One thing that has lasted: where it stands in the frames that were followed, and when it began."""

    step: int
    replica: int
    thing: int
    frame: int
    time: float


def nothing_on(n_replicas: int, n_things: int, device: torch.device) -> Lasting:
    """Return the state in which nothing has begun."""
    shape = (n_replicas, n_things)
    return Lasting(
        torch.full(shape, torch.inf, dtype=torch.float64, device=device),
        torch.full(shape, -1, dtype=torch.int64, device=device),
        torch.zeros(shape, dtype=torch.bool, device=device),
    )


def follow(
    lasting: Lasting,
    begins: Bool[Tensor, "T B K"],
    ends: Bool[Tensor, "T B K"],
    *,
    time: Float[Tensor, "T B"],
    frame: Int[Tensor, "T B"],
    persistence: float,
) -> tuple[Lasting, list[Told]]:
    """Follow things over T frames, and return the state after them and what is to be told.

    Args:
        lasting: The state before the first of the frames.
        begins: Where it begins; wins over ``ends``.
        ends: Where it ends.
        time: Of each frame, ps, ascending.
        frame: Number of each frame.
        persistence: How long it must be on, ps. With more than 0 it takes two frames at least.
    """
    was_on = torch.isfinite(lasting.since)
    is_active = was_on | begins.any(dim=0)
    if not bool(is_active.any()):
        return lasting, []
    replica, thing = is_active.nonzero(as_tuple=True)
    begin = begins[:, replica, thing]
    end = ends[:, replica, thing] & ~begin
    step = torch.arange(1, len(begin) + 1, device=begin.device)[:, None]
    started = was_on[replica, thing]

    last_begin = _last(step, begin, torch.where(started, 0, -1))
    last_end = _last(step, end, torch.where(started, -1, 0))
    is_on = last_begin > last_end
    before = torch.cat([started[None], is_on[:-1]])
    rise = is_on & ~before
    onset = _last(step, rise, torch.zeros_like(replica))  # 0: it was on before the first of these frames

    times = torch.cat([lasting.since[replica, thing][None], time[:, replica].to(torch.float64)])
    frames = torch.cat([lasting.frame[replica, thing][None], frame[:, replica]])
    since, number = times.gather(0, onset), frames.gather(0, onset)
    has_lasted = is_on & (times[1:] - since >= persistence - _ROUND_OFF)
    was_told = torch.cat([lasting.is_told[replica, thing][None], has_lasted[:-1]]) & ~rise
    due = has_lasted & ~was_told

    now_on = is_on[-1]
    after = Lasting(lasting.since.clone(), lasting.frame.clone(), lasting.is_told.clone())
    after.since[replica, thing] = torch.where(now_on, since[-1], torch.inf)
    after.frame[replica, thing] = torch.where(now_on, number[-1], -1)
    after.is_told[replica, thing] = now_on & (has_lasted[-1] | was_told[-1])
    told = [
        Told(int(t), int(replica[c]), int(thing[c]), int(number[t, c]), float(since[t, c])) for t, c in due.nonzero()
    ]
    return after, told


def _last(step: Tensor, where: Tensor, first: Tensor) -> Tensor:
    """Return, for each step, the last one so far at which something was so; ``first`` if there was none."""
    latest: Tensor = torch.where(where, step, first).cummax(dim=0).values
    return latest


__all__ = ["Lasting", "Told", "follow", "nothing_on"]
