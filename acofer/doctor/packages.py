"""The packages that acofer's own metadata name: which versions are there, and whether they can be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from acofer.doctor.finding import BROKEN, MISSING, OK, TOO_OLD, WARN, Finding, pip_line
from acofer.doctor.requirements import Requirement, parse_requirement
from acofer.doctor.trials import JOB_SECONDS, Trial, try_out

PURPOSES = {
    "nets": "embedding pictures and training networks",
    "tune": "acofer tune",
    "bench": "the genetic algorithm, particle swarm and Boruta of acofer bench",
    "cluster": "ants, cells and trials on the workers of a Dask cluster",
    "faces": "finding faces and cropping to them",
    "dev": "working on acofer itself",
}
"""Of the extras, for who wonders whether to install one."""
WITH_JOBS = ("nets", "tune", "bench", "faces")
"""Extras for which `acofer.doctor.jobs` has something to do."""
ALL_OF_ACOFER = "acofer.runs.search"
"""A module that brings every room of the main job with it."""


@dataclass(frozen=True)
class Package:
    """A package as it is.

    Attributes
    ----------
    requirement : Requirement
    version : str or None
    mark : str
    fault : str or None
        What is wrong.
    waits_for : tuple of str
        The packages that are to be mended for it.
    """

    requirement: Requirement
    version: str | None
    mark: str = OK
    fault: str | None = None
    waits_for: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.requirement.name

    @property
    def text(self) -> str:
        """Name, version, and what is wrong."""
        named = self.name if self.version is None else f"{self.name} {self.version}"
        return named if self.fault is None else f"{named} ({self.fault})"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        needed = self.requirement.bounds_text
        return {"package": self.name, "version": self.version, "needed": needed, "mark": self.mark, "fault": self.fault}


def looked_up(requirement: Requirement) -> Package:
    """Look a package up, without importing it."""
    try:
        version: str | None = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Package(requirement, None, MISSING, "not installed")
    except (OSError, KeyError):  # what importlib_metadata, which Dask brings, raises in place of returning nothing
        version = None
    if not version:
        return Package(requirement, None, BROKEN, "its metadata are damaged")
    if not requirement.allows(version):
        mark = TOO_OLD if requirement.is_too_old(version) else WARN
        return Package(requirement, version, mark, f"expected {requirement.bounds_text}")
    if module_of(requirement.name) is None:
        return Package(requirement, version, BROKEN, "its files are gone")
    return Package(requirement, version)


def module_of(package: str) -> str | None:
    """Return the module that a package brings, None where it is not there: scikit-learn brings sklearn."""
    for module in _names_of_modules(package):
        try:
            if find_spec(module) is not None:
                return module
        except (ImportError, ValueError):  # a module of that name that is half imported, or is none
            continue
    return None


def _names_of_modules(package: str) -> Iterable[str]:
    """Yield names, the likeliest first; the file of names is a courtesy of some packages, the list of files is long."""
    yield package.replace("-", "_")
    distribution = metadata.distribution(package)
    names = (distribution.read_text("top_level.txt") or "").split()
    yield from (name for name in names if not name.startswith("_"))
    first = dict.fromkeys(file.parts[0] for file in distribution.files or () if file.suffix in (".py", ".so", ".pyd"))
    yield from (name for part in first if not (name := part.partition(".")[0]).startswith("_") and name.isidentifier())


def core_findings(requirements: Sequence[Requirement], *, deep: bool = False) -> list[Finding]:
    """Import what the core needs, and acofer's own rooms; with `deep`, search a little."""
    packages = [looked_up(requirement) for requirement in requirements]
    needs = needs_among(packages)
    there = {each.name: module for each in packages if each.version and (module := module_of(each.name))}
    # The needed before those who need it, so that each fails for its own reason.
    targets = {name: there[name] for name in TopologicalSorter(needs).static_order() if name in there}
    trials = try_out(targets | {"acofer": ALL_OF_ACOFER})
    packages = _blamed([_after(each, trials.get(each.name)) for each in packages], needs)
    findings = [_packages_that_work([each for each in packages if each.mark == OK])]
    findings += [_unfit(each) for each in packages if each.mark != OK]
    if any(finding.stops_the_core for finding in findings):
        return findings  # what else fails then fails for that
    findings.append(_acofers_rooms(trials["acofer"]))
    if deep and trials["acofer"].fault is None:
        findings.append(_small_search(_on_the_job("core")))
    return findings


def needs_among(packages: Iterable[Package]) -> dict[str, set[str]]:
    """Return which of the packages each of them needs, by its own metadata."""
    names = {each.name for each in packages}
    needs: dict[str, set[str]] = {}
    for each in packages:
        lines = (metadata.requires(each.name) or ()) if each.version else ()
        needed = {requirement.name for requirement in map(parse_requirement, lines) if requirement.extra is None}
        needs[each.name] = needed & names
    return needs


def _blamed(packages: Sequence[Package], needs: Mapping[str, set[str]]) -> list[Package]:
    """Say of what fails where something it needs fails, too, only that: mending the one mends the other."""
    unfit = {each.name for each in packages if each.mark in (MISSING, BROKEN)}
    return [_waiting(each, tuple(sorted(needs[each.name] & unfit))) for each in packages]


def _waiting(package: Package, causes: tuple[str, ...]) -> Package:
    if package.mark != BROKEN or not causes:
        return package
    return replace(package, fault=f"cannot be imported without {', '.join(causes)}", waits_for=causes)


def _after(package: Package, trial: Trial | None) -> Package:
    if trial is None or trial.fault is None:
        return package
    return replace(package, mark=BROKEN, fault=f"cannot be imported: {trial.fault}")


def _packages_that_work(packages: Sequence[Package]) -> Finding:
    said = ", ".join(each.text for each in packages) or "none"
    return Finding("packages", OK, said, facts={"packages": [each.to_dict() for each in packages]})


def _unfit(package: Package) -> Finding:
    named = package.fault if package.version is None else f"{package.version}, {package.fault}"
    return Finding(
        package.name,
        package.mark,
        str(named),
        command=_mending([package]),
        is_vital=True,
        facts={"packages": [package.to_dict()]},
    )


def _mending(packages: Iterable[Package]) -> str | None:
    """Return the line that mends packages; those that are installed but broken are to be installed anew."""
    unfit = [each for each in packages if each.mark != OK and not each.waits_for]
    if not unfit:
        return None
    anew = ["--force-reinstall"] if any(each.mark == BROKEN for each in unfit) else []
    return pip_line(*anew, *(each.requirement.text for each in unfit))


def _acofers_rooms(trial: Trial) -> Finding:
    facts = {"seconds": trial.seconds}
    if trial.fault is None:
        return Finding("imports", OK, "all of these and acofer can be imported", is_vital=True, facts=facts)
    said, advice = f"acofer cannot be imported: {trial.fault}", "install acofer again, or report it"
    return Finding("imports", BROKEN, said, advice, is_vital=True, facts=facts)


def _small_search(trial: Trial) -> Finding:
    facts = {"seconds": trial.seconds, **trial.facts}
    if trial.fault is None:
        return Finding("search", OK, f"{trial.facts['said']}, in {trial.seconds:.1f} s", is_vital=True, facts=facts)
    said = f"a small search failed: {trial.fault}"
    return Finding("search", BROKEN, said, "install numba again, or report it", is_vital=True, facts=facts)


def extras_findings(
    extras: Mapping[str, Sequence[Requirement]], *, deep: bool = False, spared: Iterable[str] = ()
) -> list[Finding]:
    """Look up the packages of each extra; with `deep`, use them.

    Parameters
    ----------
    extras : mapping of str to sequence of Requirement
    deep : bool
    spared : iterable of str
        Packages that are not needed here although an extra names them.
    """
    findings = []
    for extra, requirements in extras.items():
        packages = [_unless_spared(looked_up(requirement), spared) for requirement in requirements]
        findings.append(_tried_out(extra, packages) if deep else _extra(extra, packages))
    return findings


def _unless_spared(package: Package, spared: Iterable[str]) -> Package:
    if package.mark != MISSING or package.name not in spared:
        return package
    return replace(package, mark=OK, fault="not installed, nor needed")


def _tried_out(extra: str, packages: Sequence[Package]) -> Finding:
    if any(each.version is None and each.mark != OK for each in packages):
        return _extra(extra, packages)
    if extra in WITH_JOBS:
        return _extra(extra, packages, _on_the_job(extra))
    modules = {each.name: module for each in packages if (module := module_of(each.name))}
    trials = try_out(modules, JOB_SECONDS)
    packages = [_after(each, trials.get(each.name)) for each in packages]
    return _extra(extra, packages, Trial(None, {"said": "all can be imported"}))


def _on_the_job(name: str) -> Trial:
    return try_out({name: f"acofer.doctor.jobs:{name}"}, JOB_SECONDS)[name]


def _extra(extra: str, packages: Sequence[Package], trial: Trial | None = None) -> Finding:
    said, mark = _listed(packages), max((each.mark for each in packages), key=_GRAVITY.index)
    facts: dict[str, Any] = {"packages": [each.to_dict() for each in packages], "tried": trial is not None}
    if trial is not None and trial.fault is not None:
        anew = pip_line("--force-reinstall", *(each.requirement.text for each in packages if each.version))
        return Finding(extra, BROKEN, f"{said}; it does not work: {trial.fault}", command=anew, facts=facts)
    if mark == OK:
        told = f"; {trial.facts['said']}" if trial is not None else ""
        return Finding(extra, OK, said + told, facts=facts | (trial.facts if trial else {}))
    purpose = f"; it is for {PURPOSES[extra]}" if extra in PURPOSES else ""
    return Finding(extra, mark, said + purpose, command=_mending(packages), facts=facts)


_GRAVITY = (OK, WARN, TOO_OLD, MISSING, BROKEN)


def _listed(packages: Sequence[Package]) -> str:
    if all(each.version is None for each in packages):
        return f"not installed: {', '.join(each.name for each in packages)}"
    return ", ".join(each.text for each in packages)
