"""Asks which fault to inject: type a part of its name, take it with Enter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList


class FaultChoice(ModalScreen[str]):
    """Gives the word to inject, or an empty one; one that is typed may have a value."""

    CSS = """
    FaultChoice { align: center middle; }
    #box { width: 50; height: 16; border: solid; }
    #names { height: 1fr; border: none; }
    #word { height: 1; border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave"),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
    ]

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = list(names)

    def compose(self) -> ComposeResult:
        """A line to type on, over the names that fit."""
        with Vertical(id="box"):
            yield Input(placeholder="fault, e.g. GroundFailure or wire:delay:2", id="word")
            yield OptionList(*self._names, id="names")

    def on_mount(self) -> None:
        """The keys go to the line."""
        self.query_one("#word", Input).focus()
        self.query_one("#names", OptionList).highlighted = 0

    def on_input_changed(self, event: Input.Changed) -> None:
        """Only names that fit are listed."""
        names = self.query_one("#names", OptionList)
        names.clear_options()
        names.add_options([n for n in self._names if event.value.lower() in n.lower()])
        names.highlighted = 0 if names.option_count else None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The name that is highlighted, else what was typed."""
        names = self.query_one("#names", OptionList)
        if names.highlighted is None:
            self.dismiss(event.value.strip())
        else:
            self.dismiss(str(names.get_option_at_index(names.highlighted).prompt))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A name that was clicked."""
        self.dismiss(str(event.option.prompt))

    def action_move(self, by: int) -> None:
        """Another name is highlighted while the line keeps the keys."""
        names = self.query_one("#names", OptionList)
        if names.option_count:
            names.highlighted = ((names.highlighted or 0) + by) % names.option_count

    def action_leave(self) -> None:
        """Nothing is broken."""
        self.dismiss("")
