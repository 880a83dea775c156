"""What the command line shows and hears: a progress bar, lines where there is no terminal, Ctrl+C."""

from __future__ import annotations

import signal
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from siamese import events

QUIET_LINE = 5.0  # seconds between lines where there is no terminal to draw a bar in

console = Console(stderr=True, highlight=False, soft_wrap=True)


class StopSignal:
    """Turns the first SIGINT or SIGTERM into a wish that is looked at between steps; a second SIGINT interrupts."""

    def __enter__(self) -> StopSignal:
        self.asked = False
        self._before = {name: signal.signal(name, self._ask) for name in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, number: int, frame: object) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *error: object) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)


class Bar:
    """A progress bar with rate, time left and losses; a line every few seconds where there is no terminal.

    Args:
        silent: show nothing (one of several processes speaks for all).
    """

    def __init__(self, silent: bool = False):
        self._silent = silent

    def __enter__(self) -> Bar:
        self._figures, self._last, self._task = "", 0.0, None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[more]}"),
            console=console,
            disable=self._silent or not console.is_terminal,
        )
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def show(self, event: object) -> None:
        if self._silent:
            return
        if isinstance(event, events.Notice):
            console.print(event.text)
        elif isinstance(event, events.Saved):
            console.print(f"saved {event.path}")
        elif isinstance(event, events.Done):
            console.print(
                f"{event.stage}: {'finished' if event.complete else 'stopped'} at step {event.step}"
            )
        elif isinstance(event, events.Scalars):
            self._figures = " ".join(f"{name} {value:.4g}" for name, value in event.values.items())
        elif isinstance(event, events.Progress):
            self._progress(event)

    def _progress(self, event: events.Progress) -> None:
        rate = f"{event.rate:.2f}/s " if event.rate else ""
        left = f"{_clock(event.seconds_left)} left " if event.seconds_left is not None else ""
        more = f"{rate}{left}{self._figures}"
        if console.is_terminal:
            if self._task is None:
                self._task = self._bar.add_task(event.stage, more="")
            self._bar.update(
                self._task, description=event.stage, completed=event.step, total=event.total, more=more
            )
        elif time.monotonic() - self._last > QUIET_LINE or event.step == event.total:
            self._last = time.monotonic()
            console.print(f"{event.stage} {event.step}/{event.total} {more}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
