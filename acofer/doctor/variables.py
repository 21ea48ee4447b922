"""Environment variables: acofer's own, which must be known and of the right kind, and others' that it runs under."""

from __future__ import annotations

import os
from collections.abc import Mapping

from acofer.config.sources import ENVIRONMENT_PREFIX, NOT_OPTIONS, fault_of, ours_in
from acofer.doctor.finding import BROKEN, OK, WARN, Finding

OTHERS = (
    *("KERAS_", "NUMBA_", "JAX_", "XLA_", "TF_CPP_", "TF_XLA_", "TF_ENABLE_", "TF_FORCE_", "TF_USE_", "CUDA_VISIBLE_"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"),
    *("PYTHONPATH", "PYTHONHOME", "XDG_CACHE_HOME"),
)
"""How the names begin of what acofer, its libraries or their speed depend on."""
_OFF = ("", "0")


def variable_findings(environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Say which are set, and which of them no command would accept."""
    names = sorted(environment)
    own = [_own(name, environment[name]) for name in names if name in ours_in(environment) or name in NOT_OPTIONS]
    if not own:
        own = [Finding(f"{ENVIRONMENT_PREFIX}*", OK, "none is set")]
    others = [name for name in names if name.startswith(OTHERS)]
    findings = [*own, *([_others({name: environment[name] for name in others})] if others else [])]
    if environment.get("NUMBA_DISABLE_JIT", "") not in _OFF:
        said = "kernels run as plain Python, far slower"
        findings.append(Finding("NUMBA_DISABLE_JIT", WARN, said, command="unset NUMBA_DISABLE_JIT"))
    return findings


def _own(name: str, value: str) -> Finding:
    facts = {"value": value}
    if name in NOT_OPTIONS or (fault := fault_of(name, value)) is None:
        return Finding(name, OK, value or "(empty)", facts=facts)
    said = f"{value!r}: {fault}" if value else fault
    # Every command that takes options from the environment stops at it.
    return Finding(name, BROKEN, said, command=f"unset {name}", is_vital=True, facts=facts)


def _others(values: Mapping[str, str]) -> Finding:
    said = ", ".join(f"{name}={value}" for name, value in values.items())
    return Finding("others", OK, said, facts={"values": dict(values)})
