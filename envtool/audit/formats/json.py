"""The report as one JSON object."""

from __future__ import annotations

import json

from envtool.audit.report import AuditReport


def render_json(report: AuditReport) -> str:
    """The ``result`` of ``--json``, without the envelope: what ``-o FILE.json`` writes and ``--baseline`` reads."""
    return json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n"
