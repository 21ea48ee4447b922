"""Everything that is looked at, in order, each part by itself: what cannot be looked at is a finding, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata

from acofer.doctor.caches import cache_findings
from acofer.doctor.embedded import embedded_findings
from acofer.doctor.finding import BROKEN, MISSING, WARN, Finding, Section, one_line
from acofer.doctor.kernels import kernel_findings
from acofer.doctor.networks import device_findings, network_findings, spared_packages
from acofer.doctor.packages import core_findings, extras_findings
from acofer.doctor.requirements import Requirement, core_of, declared, extras_of
from acofer.doctor.surroundings import acofer_findings, graphics, is_worked_on, machine_findings
from acofer.doctor.unfinished import run_findings
from acofer.doctor.variables import variable_findings
from acofer.errors import AcoferError

Look = Callable[[], list[Finding]]
CORE = "core"
_NUMPY = "numpy"
_FOR_DEVELOPERS = "dev"


def examine(cache_dir: str | None = None, *, deep: bool = False) -> Iterator[Section]:
    """Look at everything, and yield each section as it is known.

    Nothing is changed, and nothing asked for over a network. Files are written to see whether they can be, and are
    gone at once; packages are imported in another process.

    Parameters
    ----------
    cache_dir : str, optional
        As ``--cache-dir``.
    deep : bool
        Whether extras are used, a small search is made, and everything that is kept is read and checked.

    Yields
    ------
    Section
        Titled "acofer", "machine", "core", "extras", "networks", "data and caches", "runs" and "variables".
    """
    yield section("acofer", acofer_findings)
    yield section("machine", machine_findings)
    core = section(CORE, lambda: _core(deep=deep), kernel_findings)
    yield core
    yield section("extras", lambda: _extras(deep=deep))
    yield section("networks", network_findings)
    kept = (lambda: cache_findings(cache_dir, deep=deep), lambda: embedded_findings(deep=deep))
    # These read arrays in this process, which a broken numpy may take down.
    does_numpy_work = not any(each.name == _NUMPY and each.mark in (MISSING, BROKEN) for each in core.findings)
    for title, looks in (("data and caches", kept), ("runs", (run_findings,))):
        yield section(title, *looks) if does_numpy_work else _not_looked_at(title)
    yield section("variables", variable_findings)


def section(title: str, *looks: Look) -> Section:
    """Look at one part of it after the other; what goes wrong with one stops no other."""
    findings: list[Finding] = []
    is_own_fault = False
    for look in looks:
        try:
            findings += look()
        except Exception as error:
            is_own_fault = is_own_fault or not isinstance(error, AcoferError | ImportError | OSError)
            findings.append(_not_seen(title, error))
    return Section(title, tuple(findings), is_own_fault)


def _not_seen(title: str, error: Exception) -> Finding:
    return Finding(title, BROKEN, f"could not be looked at: {one_line(error)}", is_vital=title == CORE)


def _declared() -> list[Requirement]:
    try:
        return declared()
    except metadata.PackageNotFoundError:
        return []


def _core(*, deep: bool) -> list[Finding]:
    requirements = core_of(_declared())
    if not requirements:
        return [Finding("packages", WARN, "acofer is not installed, so that what it needs is not known")]
    return core_findings(requirements, deep=deep)


def _extras(*, deep: bool) -> list[Finding]:
    extras = extras_of(_declared())
    if not is_worked_on():
        extras.pop(_FOR_DEVELOPERS, None)
    findings = extras_findings(extras, deep=deep, spared=spared_packages())
    return [*findings, *device_findings(findings, graphics())]


def _not_looked_at(title: str) -> Section:
    return Section(title, (Finding(title, WARN, f"not looked at, since {_NUMPY} does not work"),))
