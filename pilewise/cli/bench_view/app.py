"""The register view itself: a list of piles, their registers, and keys that act on them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Label, OptionList
from textual.widgets.option_list import Option

from pilewise.cli.bench_view.choosing import FaultChoice
from pilewise.cli.bench_view.rows import COLUMNS, Row, matching
from pilewise.cli.bench_view.source import Refused, Shown, Source

_SHORT_S, _LONG_S = 1.0, 60.0
# So many columns have room for whole fields and addresses.
_WIDE = 120


class BenchView(App[None]):
    """Shows the piles of `source`, looking every `every_s` seconds, beginning with `pile_id`."""

    TITLE = "pilewise"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #piles { width: 17; height: 1fr; border: none; padding: 0; }
    #registers { height: 1fr; }
    #state, #said { height: 1; width: 1fr; }
    #filter { display: none; height: 1; border: none; }
    #filter.open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "plug", "plug"),
        Binding("u", "unplug", "unplug"),
        Binding("i", "inject", "break"),
        Binding("c", "clear", "mend"),
        Binding("n", "next_plug", "next plug"),
        Binding("t", f"advance({_SHORT_S})", "+1s"),
        Binding("T", f"advance({_LONG_S})", "+60s"),
        Binding("r", "reset", "reset"),
        Binding("slash", "filter", "find"),
        Binding("escape", "all", "all", show=False),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, source: Source, pile_id: str = "", every_s: float = 0.5) -> None:
        super().__init__()
        self._source = source
        self._pile_id = pile_id
        self._plug = 0
        self._every_s = every_s
        self._piles: list[Shown] = []
        self._rows: list[Row] = []
        self._needle = ""
        self._looks = 0
        self._wide = False

    @property
    def looks(self) -> int:
        """How often the bench was looked at."""
        return self._looks

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        with Horizontal():
            yield OptionList(id="piles")
            with Vertical():
                table: DataTable[Text] = DataTable(
                    id="registers", cell_padding=0, cursor_type="row"
                )
                yield table
                yield Input(placeholder="name, address, unit or writer", id="filter")
        yield Label("", id="state", markup=False)
        yield Label("", id="said", markup=False)
        footer = Footer(show_command_palette=False)
        footer.compact = True
        yield footer

    async def on_mount(self) -> None:
        """Builds the columns and begins to look."""
        table = self.query_one("#registers", DataTable)
        self._wide = self.size.width >= _WIDE
        for name, widths in COLUMNS.items():
            table.add_column(name, key=name, width=widths[self._wide])
        table.focus()
        await self.look()
        self.set_interval(self._every_s, self.look)

    @property
    def _base(self) -> Screen[object]:
        """The screen with the registers, also while something is asked on top of it."""
        return self.screen_stack[0]

    async def look(self) -> None:
        """Shows the bench as it is now."""
        try:
            self._piles = await self._source.piles()
            if self._pile is None and self._piles:
                self._pile_id, self._plug = self._piles[0].pile_id, 0
            pile = self._pile
            readable = pile is not None and pile.face == "modbus"
            self._rows = await self._source.rows(self._pile_id) if readable else []
            clock = await self._source.clock()
        except (ConnectionError, Refused) as error:
            self._say(str(error))
            return
        # The answers may come after the screen has gone.
        if not self.screen_stack or not self._base.query("#state"):
            return
        self._looks += 1
        self._list_piles()
        self._fill()
        head = f"{pile.plugs[self._plug].line}  clock {clock}" if pile else "no piles"
        self._base.query_one("#state", Label).update(head)

    @property
    def _pile(self) -> Shown | None:
        found = [pile for pile in self._piles if pile.pile_id == self._pile_id]
        return found[0] if found else None

    @property
    def _evse_id(self) -> str:
        pile = self._pile
        return pile.plugs[self._plug].evse_id if pile else ""

    def _list_piles(self) -> None:
        piles = self._base.query_one("#piles", OptionList)
        # What a pile is called never changes while it runs; what it does is replaced in place.
        if [option.id for option in piles.options] != [pile.pile_id for pile in self._piles]:
            piles.clear_options()
            piles.add_options([Option(_entry(pile), id=pile.pile_id) for pile in self._piles])
            piles.highlighted = next(
                (n for n, pile in enumerate(self._piles) if pile.pile_id == self._pile_id), None
            )
            return
        for pile in self._piles:
            if piles.get_option(pile.pile_id).prompt != _entry(pile):
                piles.replace_option_prompt(pile.pile_id, _entry(pile))

    def _fill(self) -> None:
        table = self._base.query_one("#registers", DataTable)
        rows = matching(self._rows, self._needle)
        if [key.value for key in table.rows] != [row.key for row in rows]:
            table.clear()
            for row in rows:
                table.add_row(*self._cells(row), key=row.key)
            return
        for row in rows:
            shown = table.get_row(row.key)
            for name, text, old in zip(COLUMNS, self._cells(row), shown, strict=True):
                if old != text:
                    table.update_cell(row.key, name, text)

    def _cells(self, row: Row) -> list[Text]:
        texts = row.cells(wide=self._wide)
        style = "reverse" if row.fresh else ""
        # One column of each stays free, so that neighbours are told apart.
        return [
            Text(text[: widths[self._wide] - 1], style)
            for text, widths in zip(texts, COLUMNS.values(), strict=True)
        ]

    async def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Another pile is looked at."""
        if event.option.id and event.option.id != self._pile_id and self.screen is not None:
            self._pile_id, self._plug = event.option.id, 0
            await self.look()

    async def on_input_changed(self, event: Input.Changed) -> None:
        """The filter as it is typed."""
        self._needle = event.value
        self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The filter stays; the registers have the keys again."""
        self._base.query_one("#registers", DataTable).focus()

    def action_filter(self) -> None:
        """Opens the filter."""
        entry = self._base.query_one("#filter", Input)
        entry.add_class("open")
        entry.focus()

    def action_all(self) -> None:
        """Closes the filter: all registers."""
        entry = self._base.query_one("#filter", Input)
        entry.value = ""
        entry.remove_class("open")
        self._base.query_one("#registers", DataTable).focus()

    async def action_plug(self) -> None:
        """A car comes."""
        await self._do(self._source.plug_in(self._evse_id), f"plugged in at {self._evse_id}")

    async def action_unplug(self) -> None:
        """The car leaves."""
        await self._do(self._source.unplug(self._evse_id), f"unplugged at {self._evse_id}")

    async def action_clear(self) -> None:
        """Everything is mended."""
        await self._do(self._source.clear(self._evse_id), f"mended at {self._evse_id}")

    async def action_reset(self) -> None:
        """The pile is as new."""
        await self._do(self._source.reset(self._pile_id), f"{self._pile_id} is as new")

    async def action_advance(self, duration_s: float) -> None:
        """Simulated time passes."""
        await self._do(self._source.advance(duration_s), f"{duration_s:g} s later")

    async def action_next_plug(self) -> None:
        """The pile's next plug takes the keys."""
        pile = self._pile
        self._plug = (self._plug + 1) % len(pile.plugs) if pile else 0
        await self.look()

    @work
    async def action_inject(self) -> None:
        """Asks what to break, and breaks it."""
        try:
            names = await self._source.faults()
        except (ConnectionError, Refused) as error:
            self._say(str(error))
            return
        fault = await self.push_screen_wait(FaultChoice(names))
        if fault:
            await self._do(self._source.inject(self._evse_id, fault), f"{fault} injected")

    async def _do(self, asked: Awaitable[object], done: str) -> None:
        try:
            await asked
        except (ConnectionError, Refused) as error:
            self._say(str(error))
            return
        self._say(done)
        await self.look()

    def _say(self, text: str) -> None:
        if not self._base.query("#said"):
            return
        self._base.query_one("#said", Label).update(text)


def _entry(pile: Shown) -> Text:
    worst = next((p.status for p in pile.plugs if p.status == "FAULTED"), pile.plugs[0].status)
    return Text(f"{pile.pile_id} {worst.lower()}"[:16])
