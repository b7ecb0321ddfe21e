"""The Python half of the protocol, against the vectors that the Go half wrote."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any

import msgpack
import pytest

from inferscope import _wire

VECTORS = Path(__file__).resolve().parents[2] / "sidecar" / "wire" / "testdata"
MESSAGES: dict[str, type[Any]] = {cls.__name__: cls for cls in typing.get_args(_wire.Message)}


class Filler:
    """The rule of fill in sidecar/wire/wire_test.go: a value depends only on the order of the fields."""

    def __init__(self) -> None:
        self.n = 0

    def fill(self, hint: Any) -> Any:
        self.n += 1
        n = self.n
        if hint is bool:
            return True
        if hint is int:
            value = 1 << (n * 7) % 62
            return -value if n % 2 == 0 else value
        if hint is float:
            return n / 8
        if hint is str:
            return f"text {n} <é☃𝄞>"
        if hint is bytes:
            return bytes([n]) * (n * 40)
        if typing.get_origin(hint) is list:
            (element,) = typing.get_args(hint)
            return [self.fill(element), self.fill(element)]
        if typing.get_origin(hint) is dict:
            _, value = typing.get_args(hint)
            return {key: self.fill(value) for key in ("b", "a")}
        hints = typing.get_type_hints(hint)
        return hint(**{field.name: self.fill(hints[field.name]) for field in dataclasses.fields(hint)})


def test_every_vector_belongs_to_a_message_and_every_message_has_two() -> None:
    expected = {f"{name}.{kind}.msgpack" for name in MESSAGES for kind in ("full", "empty")}
    assert {path.name for path in VECTORS.glob("*.msgpack")} == expected


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_full_vector(name: str) -> None:
    frame = (VECTORS / f"{name}.full.msgpack").read_bytes()
    want = Filler().fill(MESSAGES[name])
    assert _wire.decode(frame) == (want, 300)
    assert _wire.encode(want, 300) == frame


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_empty_vector_is_the_default(name: str) -> None:
    frame = (VECTORS / f"{name}.empty.msgpack").read_bytes()
    assert _wire.decode(frame) == (MESSAGES[name](), 0)
    assert _wire.encode(MESSAGES[name](), 0) == frame


def test_collections_are_never_none() -> None:
    events, _ = _wire.decode((VECTORS / "Events.empty.msgpack").read_bytes())
    assert isinstance(events, _wire.Events)
    assert events.lines == [] and events.strings == [] and events.scopes.tid == b""


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"", "not msgpack"),
        (b"\xdd\x7f\xff\xff\xff", "not msgpack"),
        (b"\x91" * 5000, "not msgpack"),
        (b"\x80", "does not start|not a list"),
        (msgpack.packb([]), "not a list that starts with the version"),
        (msgpack.packb([True, "Bye", 1, {}]), "not a list that starts with the version"),
        (msgpack.packb([_wire.VERSION, "Bye", 1]), "3 elements"),
        (msgpack.packb([_wire.VERSION, "Loss", 1, {}]), "no message 'Loss'"),
        (msgpack.packb([_wire.VERSION, 5, 1, {}]), "no message 5"),
        (msgpack.packb([_wire.VERSION, "Bye", -1, {}]), "sequence number"),
        (msgpack.packb([_wire.VERSION, "Bye", 1, []]), "Bye: want Bye, got list"),
        (msgpack.packb([_wire.VERSION, "Cancel", 1, {}]), r"missing fields \['cell_id'\]"),
        (msgpack.packb([_wire.VERSION, "Cancel", 1, {"cell_id": "", "x": 1}]), r"unknown fields \['x'\]"),
        (msgpack.packb([_wire.VERSION, "Cancel", 1, {"cell_id": None}]), "Cancel.cell_id: want str, got NoneType"),
        (msgpack.packb([_wire.VERSION, "Cancel", 1, {"cell_id": b"a"}]), "Cancel.cell_id: want str, got bytes"),
    ],
)
def test_what_is_no_message_is_refused(frame: bytes, message: str) -> None:
    with pytest.raises(_wire.WireError, match=message):
        _wire.decode(frame)


def test_another_version_is_told_apart() -> None:
    with pytest.raises(_wire.VersionMismatchError) as caught:
        _wire.decode(msgpack.packb([_wire.VERSION + 1, {"anything": "else"}]))
    assert caught.value.got == _wire.VERSION + 1


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (_wire.Cancel(cell_id=5), "Cancel.cell_id: want str, got int"),  # type: ignore[arg-type]
        (_wire.Stop(begin=True), "Stop.begin: want int, got bool"),
        (_wire.Stop(begin=1.5), "Stop.begin: want int, got float"),  # type: ignore[arg-type]
        (_wire.Stop(begin=1 << 63), "Stop.begin: .* does not fit"),
        (_wire.Stop(losses=[_wire.Cancel()]), "Stop.losses: want Loss, got Cancel"),  # type: ignore[list-item]
        (_wire.Stop(losses="ab"), "Stop.losses: want list, got str"),  # type: ignore[arg-type]
        (_wire.Calibration(), "Calibration is no message"),  # type: ignore[arg-type]
        (_wire.Events(lines=[_wire.LineColumns(time=bytearray(8))]), "Events.lines.time: want bytes, got bytearray"),
        (_wire.Start(calibration=_wire.Calibration(fields={"a": "b"})), "fields: want int, got str"),  # type: ignore[dict-item]
        (_wire.Start(calibration=_wire.Calibration(fields={1: 2})), "fields: want str, got int"),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_sent_is_named(message: _wire.Message, path: str) -> None:
    with pytest.raises(_wire.WireError, match=path):
        _wire.encode(message, 1)


def test_too_large_is_refused_before_it_is_sent() -> None:
    with pytest.raises(_wire.WireError, match="at most"):
        _wire.encode(_wire.Start(source="x" * _wire.MAX_FRAME), 1)


def test_text_that_is_not_unicode_is_replaced() -> None:
    message, _ = _wire.decode(_wire.encode(_wire.Start(source="a\ud800b"), 1))
    assert isinstance(message, _wire.Start)
    assert message.source == "a?b"
    frame = _wire.encode(_wire.Cancel(cell_id="aXb"), 1).replace(b"aXb", b"a\xffb")
    assert _wire.decode(frame)[0] == _wire.Cancel(cell_id="a\ufffdb")


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        _wire.Cancel().cell_id = "a"  # type: ignore[misc]
