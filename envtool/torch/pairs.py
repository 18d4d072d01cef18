"""Which torch a family member belongs to, where its metadata does not say. Pure.

Since torch 2.6.0 the index serves core metadata (PEP 658) and the pair is read from ``Requires-Dist: torch==X``. Before
that the release scheme is the source: torchvision 0.N was built for torch 2.(N-15), torchaudio 2.N for torch
2.N. torchaudio 2.11.0 declares nothing on purpose: it runs on torch 2.11 and later.
"""

from __future__ import annotations

from packaging.errors import ExceptionGroup
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version


def torch_from_metadata(metadata: bytes) -> SpecifierSet | None:
    """The torch that core metadata asks for; an empty specifier if it asks for none; None if it cannot be read."""
    try:
        requirements: list[Requirement] = Metadata.from_email(metadata, validate=False).requires_dist or []
    except (ValueError, ExceptionGroup):
        return None
    specifier = SpecifierSet()
    for requirement in requirements:
        if requirement.name == "torch" and "extra" not in str(requirement.marker or ""):
            specifier &= requirement.specifier
    return specifier


def torch_from_scheme(name: str, version: Version) -> SpecifierSet | None:
    """The torch that a member of this version was built for by the release scheme; None where there is no scheme."""
    if name == "torchvision" and version.major == 0 and version.minor >= 15:
        return SpecifierSet(f"==2.{version.minor - 15}.*")
    if name == "torchaudio" and version.major == 2 and version.minor <= 10:
        return SpecifierSet(f"==2.{version.minor}.*")
    if name == "torchaudio" and version.major == 2:
        return SpecifierSet(">=2.11")
    return None
