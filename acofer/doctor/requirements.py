"""What acofer says that it needs: its metadata, read. There is no second list, and no library that may be missing."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

_PARTS = re.compile(r"\s*([\w.-]+)\s*(?:\[([^\]]*)\])?\s*\(?([^;()]*)\)?\s*(?:;(.*))?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_BOUND = re.compile(r"(===|==|~=|!=|<=|>=|<|>)\s*([^\s,]+)")
_VERSION = re.compile(r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)[-_.]?(a|b|c|rc|alpha|beta|pre|preview|dev)?")
_HOLDS = {
    ">=": operator.ge,
    "~=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "===": operator.eq,
    "!=": operator.ne,
}
_Ordered = tuple[int, tuple[int, ...], bool]
_LOWER = (">=", "~=", ">", "==")
SELF = "acofer"


@dataclass(frozen=True)
class Requirement:
    """A package that is needed, by the core or by an extra.

    Attributes
    ----------
    name : str
        Normalised: lower case, hyphens.
    bounds : tuple of (str, str)
        Operators and versions.
    extra : str or None
        Which one needs it; None for the core.
    wanted_extras : tuple of str
        Of the package itself.
    """

    name: str
    bounds: tuple[tuple[str, str], ...] = ()
    extra: str | None = None
    wanted_extras: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As pip takes it."""
        extras = f"[{','.join(self.wanted_extras)}]" if self.wanted_extras else ""
        return f"{self.name}{extras}{self.bounds_text}"

    @property
    def bounds_text(self) -> str:
        return ",".join(sign + version for sign, version in self.bounds)

    def is_too_old(self, version: str) -> bool:
        """Whether a version is below what is needed."""
        return not _within(version, [bound for bound in self.bounds if bound[0] in _LOWER])

    def allows(self, version: str) -> bool:
        """Whether a version is one of those that are expected."""
        return _within(version, self.bounds)


def _within(version: str, bounds: Iterable[tuple[str, str]]) -> bool:
    return all(_holds(sign, _ordered(version), _ordered(bound)) for sign, bound in bounds)


def _holds(sign: str, version: _Ordered, bound: _Ordered) -> bool:
    if sign == "<" and bound[2]:  # what comes before a release is not below it, says PEP 440
        version = (*version[:2], True)
    return bool(_HOLDS[sign](version, bound))


def _ordered(version: str) -> _Ordered:
    """Return what versions are ordered by: epoch, release, and whether it is one rather than what comes before it."""
    found = _VERSION.match(version.strip().lower())
    if found is None:
        return 0, (), False
    release = [int(part) for part in found[2].split(".")]
    while release and release[-1] == 0:
        release.pop()
    return int(found[1] or 0), tuple(release), found[3] is None


def parse_requirement(line: str) -> Requirement:
    """Read a line of ``Requires-Dist``; of its conditions only the extra counts, acofer having no others."""
    found = _PARTS.fullmatch(line)
    if found is None:
        raise ValueError(f"expected a requirement; got {line!r}")
    name, wanted, bounds, condition = found.groups(default="")
    extra = _EXTRA.search(condition)
    return Requirement(
        normalised(name),
        tuple((sign, version) for sign, version in _BOUND.findall(bounds)),
        extra[1] if extra else None,
        tuple(sorted(part.strip() for part in wanted.split(",") if part.strip())),
    )


def normalised(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> list[Requirement]:
    """Return what the installed acofer says that it needs.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If acofer is not installed.
    """
    return [parse_requirement(line) for line in metadata.requires(SELF) or ()]


def core_of(requirements: Iterable[Requirement]) -> list[Requirement]:
    """Return what the core needs."""
    return [each for each in requirements if each.extra is None]


def extras_of(requirements: Iterable[Requirement]) -> dict[str, list[Requirement]]:
    """Return the packages of each extra, each package with the smallest one that has it.

    So those that only gather others (``all``) have none of their own, and are left out.
    """
    by_extra: dict[str, list[Requirement]] = {}
    for each in requirements:
        if each.extra is not None and each.name != SELF:
            by_extra.setdefault(each.extra, []).append(each)
    seen: set[str] = set()
    own: dict[str, list[Requirement]] = {}
    for extra in sorted(by_extra, key=lambda name: len(by_extra[name])):
        own[extra] = [each for each in by_extra[extra] if each.name not in seen]
        seen.update(each.name for each in own[extra])
    return {extra: own[extra] for extra in by_extra if own[extra]}
