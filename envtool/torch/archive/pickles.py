"""What a pickle says, without unpickling it: a symbolic stack machine over ``pickletools.genops``.

Nothing is imported or called. Values are kept only as far as the questions need them: which storages with which
location, which ``torch.device`` objects, which globals. Device strings are memoised by both of torch's picklers
(BINGET for every storage but the first), so the memo is followed; a byte search would be wrong both ways.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from envtool.torch.archive.limits import MAX_LISTED, Budget, damaged
from envtool.torch.archive.symbols import (
    DEVICE,
    Bag,
    DeviceText,
    Global,
    Meaning,
    Opaque,
    PickleFacts,
    Push,
    Storage,
    Table,
    Tensor,
)


class Machine(Meaning):
    """Runs the opcodes of one pickle over symbols. Raises ModelError when it is damaged or beyond the budget."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self.budget = budget
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.start = 0
        self.tell: Callable[[], int] = int
        self.handlers: dict[str, Callable[[Any], None]] = _handlers(self)

    def run(self, stream: io.BytesIO) -> PickleFacts:
        """Read one pickle from the stream, up to and with its STOP."""
        handlers, steps = self.handlers, 0
        self.start, self.tell = stream.tell(), stream.tell
        try:
            for opcode, argument, at in _opcodes(stream):
                self.start = at or 0
                steps += 1
                if not steps & 0xFFF:
                    self.budget.take_opcodes(0x1000)
                handlers[opcode.name](argument)
        except (IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise damaged(f"a pickle is damaged or truncated at byte {self.start}") from error
        self.budget.take_opcodes(steps & 0xFFF)
        self.facts.end = stream.tell()
        return self.facts

    # --- opcodes ------------------------------------------------------------------------------------------------------

    def push(self, value: Any) -> None:
        """Any constant."""
        self.stack.append(value)

    def text(self, value: str) -> None:
        """A string; one that names a device keeps its origin."""
        if len(value) < 24 and DEVICE.fullmatch(value):
            push = Push(start=self.start, end=self.tell(), value=value)
            self.facts.pushes.append(push)
            self.stack.append(DeviceText(value, push))
        else:
            self.stack.append(value)

    def get(self, index: Any) -> None:
        """A read of the memo."""
        value = self.memo[int(index)]
        if isinstance(value, DeviceText):
            source = value.push.source or value.push
            push = Push(start=self.start, end=self.tell(), value=str(value), source=source)
            self.facts.pushes.append(push)
            value = DeviceText(str(value), push)
        self.stack.append(value)

    def put(self, index: Any) -> None:
        """A write to the memo."""
        self.memo[int(index)] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        """A write to the next place of the memo."""
        self.memo[len(self.memo)] = self.stack[-1]

    def mark(self, _: Any) -> None:
        """MARK."""
        self.marks.append(self.stack)
        self.stack = []

    def to_mark(self) -> list[Any]:
        """What was pushed since the last MARK."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def pop(self, _: Any) -> None:
        """POP, which also removes a MARK when nothing is above it."""
        if self.stack:
            self.stack.pop()
        else:
            self.to_mark()

    def tuple_of(self, count: int) -> None:
        """TUPLE1, TUPLE2, TUPLE3."""
        if len(self.stack) < count:
            raise IndexError
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def set_items(self, items: list[Any]) -> None:
        """SETITEM, SETITEMS, DICT: keys and values in turn on the table that is on top."""
        table = self.stack[-1]
        if isinstance(table, Table):
            for value in items[1::2]:
                if isinstance(value, Tensor | Storage):
                    table.tensors += 1
                else:
                    table.others += 1

    def set_item(self, _: Any) -> None:
        """SETITEM."""
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def make_dict(self, _: Any) -> None:
        """DICT."""
        items = self.to_mark()
        self.stack.append(Table())
        self.set_items(items)

    def extend(self, items: list[Any]) -> None:
        """APPEND, APPENDS, ADDITEMS: to the list or set that is on top."""
        bag = self.stack[-1]
        if isinstance(bag, Bag):
            for item in items:
                bag.add(item)

    def drop(self, count: int) -> None:
        """Remove values that go into a container which is not followed; the container must be there."""
        if len(self.stack) <= count:
            raise IndexError
        del self.stack[-count:]

    def find_global(self, name: str) -> None:
        """GLOBAL: module and name in one argument."""
        module, _, attribute = name.partition(" ")
        self.note_global(Global(module, attribute))

    def stack_global(self, _: Any) -> None:
        """STACK_GLOBAL: module and name from the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        known = isinstance(name, str) and isinstance(module, str)
        self.note_global(Global(str(module), str(name)) if known else Global("?", "?"))

    def note_global(self, found: Global) -> None:
        """Remember and push a global."""
        if len(self.facts.globals) < MAX_LISTED:
            self.facts.globals.add(str(found)[:200])
        self.stack.append(found)

    def instance(self, name: str) -> None:
        """INST: like GLOBAL and REDUCE with what is above the mark."""
        arguments = tuple(self.to_mark())
        self.find_global(name)
        self.stack.append(self.call(self.stack.pop(), arguments))

    def object_of(self, _: Any) -> None:
        """OBJ: a class and its arguments above the mark."""
        items = self.to_mark()
        self.stack.append(self.call(items[0], tuple(items[1:])))

    def reduce(self, _: Any) -> None:
        """REDUCE and NEWOBJ."""
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self.call(function, arguments))

    def new_with_keywords(self, _: Any) -> None:
        """NEWOBJ_EX."""
        self.stack.pop()
        self.reduce(None)

    def persistent(self, _: Any) -> None:
        """BINPERSID: where torch keeps its storages."""
        self.stack.append(self.load_persistent(self.stack.pop()))


def _opcodes(stream: io.BytesIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    with warnings.catch_warnings():
        # A forged string with an odd escape makes the codec warn, which may be an exception under -W error.
        warnings.simplefilter("ignore")
        yield from pickletools.genops(stream)


def scan_pickle(data: bytes, budget: Budget) -> PickleFacts:
    """What one pickle holds. Raises ModelError when it is damaged or beyond the budget."""
    return Machine(budget).run(io.BytesIO(data))


_CONSTANTS = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")


def _handlers(machine: Machine) -> dict[str, Callable[[Any], None]]:
    push, stack_push = machine.push, machine.push
    table: dict[str, Callable[[Any], None]] = dict.fromkeys(_CONSTANTS, push)
    table.update(dict.fromkeys(_TEXTS, machine.text))
    table.update(dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), machine.get))
    table.update(dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), machine.put))
    table.update(
        dict.fromkeys(("EXT1", "EXT2", "EXT4"), lambda code: machine.note_global(Global("copyreg", f"{code}")))
    )
    table.update(dict.fromkeys(("PROTO", "STOP", "READONLY_BUFFER"), lambda _: None))

    def extend(_: Any) -> None:
        machine.extend(machine.to_mark())

    def drop_marked(_: Any) -> None:
        machine.to_mark()

    def replace_marked(_: Any) -> None:
        machine.to_mark()
        stack_push(Opaque())

    def make_list(_: Any) -> None:
        items = machine.to_mark()
        stack_push(Bag())
        machine.extend(items)

    def stop(_: Any) -> None:
        machine.facts.root = machine.stack.pop()

    table.update(
        {
            "STOP": stop,
            "FRAME": lambda _: machine.facts.frames.append(machine.start),
            "NONE": lambda _: stack_push(None),
            "NEWTRUE": lambda _: stack_push(True),
            "NEWFALSE": lambda _: stack_push(False),
            "EMPTY_TUPLE": lambda _: stack_push(()),
            "EMPTY_LIST": lambda _: stack_push(Bag()),
            "EMPTY_SET": lambda _: stack_push(Opaque()),
            "EMPTY_DICT": lambda _: stack_push(Table()),
            "NEXT_BUFFER": lambda _: stack_push(Opaque()),
            "PERSID": lambda _: stack_push(Opaque()),
            "LIST": make_list,
            "FROZENSET": replace_marked,
            "APPENDS": extend,
            "ADDITEMS": extend,
            "APPEND": lambda _: machine.extend([machine.stack.pop()]),
            "BUILD": lambda _: machine.drop(1),
            "MARK": machine.mark,
            "POP": machine.pop,
            "POP_MARK": drop_marked,
            "DUP": lambda _: stack_push(machine.stack[-1]),
            "MEMOIZE": machine.memoize,
            "TUPLE": lambda _: stack_push(tuple(machine.to_mark())),
            "TUPLE1": lambda _: machine.tuple_of(1),
            "TUPLE2": lambda _: machine.tuple_of(2),
            "TUPLE3": lambda _: machine.tuple_of(3),
            "SETITEM": machine.set_item,
            "SETITEMS": lambda _: machine.set_items(machine.to_mark()),
            "DICT": machine.make_dict,
            "GLOBAL": machine.find_global,
            "STACK_GLOBAL": machine.stack_global,
            "INST": machine.instance,
            "OBJ": machine.object_of,
            "REDUCE": machine.reduce,
            "NEWOBJ": machine.reduce,
            "NEWOBJ_EX": machine.new_with_keywords,
            "BINPERSID": machine.persistent,
        }
    )
    return table
