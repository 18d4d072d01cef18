"""CPU114: code or weights from the network at run time (AUDIT P14)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow, keyword

_FUNCTIONS = {
    "torch.hub.load": "runs code from a repository that it downloads",
    "torch.hub.load_state_dict_from_url": "downloads weights",
    "torch.utils.model_zoo.load_url": "downloads weights",
}


class HubLoad(CodeRule):
    """torch.hub is used at run time."""

    code = "CPU114"
    name = "hub-load"
    summary = "torch.hub needs the network at run time"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of torch.hub.load (but for ``source="local"``) and of the functions that fetch weights."""
        for call in flow.calls:
            what = _FUNCTIONS.get(flow.dotted(call.func) or "")
            source = keyword(call, "source")
            if what is None or (isinstance(source, ast.Constant) and source.value == "local"):
                continue
            message = f"{what} at run time: fails without network, and on a CI host at the API's rate limit"
            yield self.finding(flow, call, message, "warning", "high")


RULE = HubLoad()
