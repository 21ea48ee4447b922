"""Rubbish in: what acofer makes of files that were damaged, or made to hurt; a row for each kind of file.

    pip install -r benchmarks/requirements.txt        # atheris; without it, changes are drawn and not led by coverage
    python benchmarks/rubbish.py --inputs 1_000_000 --keep   # the recorded run: hours on one core
    python benchmarks/rubbish.py --seconds 5          # five seconds of each kind
    python benchmarks/rubbish.py --only plan,memo --inputs 20000 --engine plain

The kinds are those of `tests/rubbish/readers.py`, the changes those of `tests/rubbish/mutations.py`, and what counts
as a finding is said in `tests/rubbish/trial.py`. Each kind has a process of its own, which is ended and begun anew
where it stands still or crashes. A finding is written to the folder that ``--found`` names, with what was wrong; one
that is mended belongs into `tests/rubbish/corpus`, with a sentence on what hurt. Under the plain engine an input
depends on seed, kind and number alone, so that a run can be repeated.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "rubbish")]

STANDSTILL = 90.0
"""Seconds without a sign of life after which a process is ended; `trial.SECONDS` ends what Python can end."""
MOST_RESTARTS = 20
MOST_CHANGES = 3
ANEW = 0.3
"""How often an input begins with a sound file again; what coverage leads to goes astray more and more."""
LONGEST = 1 << 20
INSTRUMENTED = ["acofer", "json", "tomllib", "zipfile", "gzip", "csv", "skops", "PIL"]
KERNELS = [
    *("acofer.streams", "acofer.scoring.moments", "acofer.scoring.ridge"),
    *(f"acofer.forest.{name}" for name in ("binning", "forest", "grow", "lanes", "trees", "vote")),
    *(f"acofer.colony.{name}" for name in ("conditional", "construct", "exchange")),
]
"""Whose code numba could not compile any more."""
STATE, CURRENT = "state.json", "current"


@dataclass
class State:
    """How far a process is."""

    inputs: int = 0
    read: int = 0
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    peak: float = 0.0

    def write(self, place: Path) -> None:
        beside = place / f".{STATE}"
        beside.write_text(json.dumps(asdict(self)))
        beside.replace(place / STATE)

    @classmethod
    def of(cls, place: Path) -> State:
        path = place / STATE
        return cls(**json.loads(path.read_text())) if path.exists() else cls()


class Run:
    """The process that tries the inputs of one kind.

    Parameters
    ----------
    args : argparse.Namespace
    """

    def __init__(self, args: argparse.Namespace) -> None:
        from readers import readers
        from trial import the_watch

        from acofer.errors import AcoferError

        self.args, self.place, self.found = args, Path(args.place), Path(args.found)
        self.reader = readers()[args.one]
        self.folder = self.place / "read"
        self.samples = [data for data in self.reader.samples() if len(data) <= LONGEST]
        self.state = State()
        self.watch = the_watch()
        self.folder.mkdir(parents=True, exist_ok=True)
        for data in self.samples:  # what is loaded, compiled or kept when it is first needed is so now
            with suppress(AcoferError):
                self.reader(data, self.folder)

        self.started = self.told = time.monotonic()

    def tell(self) -> None:
        """Say how far this process is."""
        self.state.seconds = time.monotonic() - self.started
        self.state.write(self.place)
        self.told = time.monotonic()

    def one(self, data: bytes) -> None:
        """Try an input."""
        (self.place / CURRENT).write_bytes(data)
        self._try(data)
        if time.monotonic() - self.told > 0.3 or self.is_over:
            self.tell()

    @property
    def is_over(self) -> bool:
        """Whether all inputs are tried, or the time is up."""
        return self.state.inputs >= self.args.inputs or time.monotonic() - self.started >= self.args.seconds

    def _try(self, data: bytes) -> None:
        from trial import peak, tried

        outcome = tried(self.reader, data, self.folder, self.watch)
        self.state.inputs += 1
        self.state.read += outcome.is_read
        self.state.peak = max(self.state.peak, peak())
        if outcome.finding:
            self.state.findings.append(outcome.finding)
            keep(self.found, self.reader.name, data, outcome.finding)

    def changed(self, data: bytes, chance: Random) -> bytes:
        for _ in range(chance.randint(1, MOST_CHANGES)):
            data = self.reader.change(data, chance)
        return data[:LONGEST]

    def plainly(self) -> None:
        """Change the samples at random."""
        self.tell()
        number = self.args.first
        while not self.is_over:
            chance = Random(f"{self.args.seed} {self.reader.name} {number}")
            self.one(self.changed(chance.choice(self.samples), chance))
            number += 1

    def led_by_coverage(self, atheris: Any) -> None:
        """Let libFuzzer choose what to change."""
        self.tell()
        corpus = self.place / "corpus"
        corpus.mkdir(exist_ok=True)
        for number, data in enumerate(self.samples):
            (corpus / str(number)).write_bytes(data)

        def mutate(data: bytes, longest: int, seed: int) -> bytes:
            chance = Random(seed)
            data = chance.choice(self.samples) if chance.random() < ANEW else data
            changed = self.changed(data, chance) if chance.random() < 0.9 else atheris.Mutate(data, longest)
            return bytes(changed[:longest])

        def one(data: bytes) -> None:
            self.one(data)
            if self.is_over:
                os._exit(0)  # libFuzzer's own end does not always come

        seed = 1 + (self.args.seed * 1_000_003 + self.args.first) % 2**31
        flags = {"seed": seed, "max_len": LONGEST, "timeout": 0, "rss_limit_mb": 0, "verbosity": 0, "len_control": 0}
        arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in flags.items()), str(corpus)]
        atheris.Setup(arguments, one, custom_mutator=mutate)
        atheris.Fuzz()


def keep(folder: Path, name: str, data: bytes, finding: str) -> None:
    """Keep an input that found something, and what it found; of many alike, a few."""
    import hashlib

    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    alike = hashlib.sha256("".join(letter for letter in finding[:80] if not letter.isdigit()).encode()).hexdigest()[:8]
    if len(list(place.glob(f"{alike}-*.bin"))) < 3:
        number = hashlib.sha256(data).hexdigest()[:8]
        (place / f"{alike}-{number}.bin").write_bytes(data)
        (place / f"{alike}-{number}.txt").write_text(finding + "\n", encoding="utf-8", errors="replace")


def main() -> None:
    """Try every kind of file, one after the other."""
    args = _arguments()
    if args.one:
        _serve(args)
        return
    from readers import readers
    from results import append, print_table

    known = readers()
    names = args.only.split(",") if args.only else [n for n in known if not known[n].needs or find_spec(known[n].needs)]
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no such kind: {', '.join(unknown)}; there are {', '.join(known)}")
    parts = sum(known[name].share for name in names) or 1
    rows = []
    for name in names:
        inputs = max(args.least, round(args.inputs * known[name].share / parts)) if args.inputs else sys.maxsize
        state = _tried(name, inputs, args)
        rows.append(_row(name, state, args))
        if args.keep:  # at once: the whole takes hours
            append("rubbish", rows[-1:])
        print_table(rows[-1:])
        for finding in sorted(set(state.findings))[:20]:
            print(f"    {finding}", flush=True)
    print()
    print_table(rows)
    print(f"{sum(row['inputs'] for row in rows):,} inputs, {sum(row['findings'] for row in rows):,} findings")


def _row(name: str, state: State, args: argparse.Namespace) -> dict[str, Any]:
    return {
        **{"reader": name, "engine": _engine(args), "seed": args.seed, "inputs": state.inputs, "read": state.read},
        "findings": len(state.findings),
        "seconds": round(state.seconds, 1),
        "inputs a second": round(state.inputs / max(state.seconds, 1e-9)),
        "peak memory, MB": round(state.peak),
    }


def _engine(args: argparse.Namespace) -> str:
    if args.engine != "auto":
        return str(args.engine)
    return "atheris" if find_spec("atheris") else "plain"


def _tried(name: str, inputs: int, args: argparse.Namespace) -> State:
    """Return what came of one kind, over all the processes that it took."""
    total = State()
    with tempfile.TemporaryDirectory(prefix="rubbish-", dir=args.scratch) as scratch:
        for restart in range(MOST_RESTARTS):
            place = Path(scratch) / str(restart)
            place.mkdir()
            said = _watched(_command(name, inputs - total.inputs, total, place, args), place)
            own = State.of(place)
            total.inputs, total.read = total.inputs + own.inputs, total.read + own.read
            total.seconds, total.peak = total.seconds + own.seconds, max(total.peak, own.peak)
            total.findings += own.findings
            if said:
                total.findings.append(said)
                data = (place / CURRENT).read_bytes() if (place / CURRENT).exists() else b""
                keep(Path(args.found), name, data, said)
            if not said or total.inputs >= inputs or total.seconds >= args.seconds:
                break
            total.inputs += 1  # the one that it stood still or crashed at
            shutil.rmtree(place, ignore_errors=True)
    return total


def _command(name: str, inputs: int, total: State, place: Path, args: argparse.Namespace) -> list[str]:
    options = {
        **{"one": name, "inputs": inputs, "first": total.inputs, "seconds": args.seconds - total.seconds},
        **{"place": place, "found": args.found, "seed": args.seed, "engine": _engine(args)},
    }
    return [sys.executable, __file__, *(f"--{key}={value}" for key, value in options.items())]


def _watched(command: list[str], place: Path) -> str:
    """Run a process, end it where it stands still, and say what was wrong with its end."""
    for name in ("tmp", "home", "mpl"):
        (place / name).mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ACOFER_")},
        **{"TMPDIR": str(place / "tmp"), "HOME": str(place / "home"), "MPLCONFIGDIR": str(place / "mpl")},
        **{"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    }
    environment.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "rubbish-numba"))
    with (place / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=output, stderr=output)
        last, since = "", time.monotonic()
        while process.poll() is None:
            time.sleep(0.2)
            now = (place / STATE).read_text() if (place / STATE).exists() else ""
            if now != last:
                last, since = now, time.monotonic()
            elif last and time.monotonic() - since > STANDSTILL:
                process.send_signal(signal.SIGUSR1)  # upon which it says where it stands
                time.sleep(1)
                process.kill()
                process.wait()
                return f"stood still for {STANDSTILL:g} s: {_last_words(place)}"
    if process.returncode == 0:
        return ""
    return f"ended with {process.returncode}: {_last_words(place)}"


def _last_words(place: Path) -> str:
    lines = (place / "output.txt").read_text(errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in lines if "File" in line or "Error" in line)[:600]


def _serve(args: argparse.Namespace) -> None:
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    if args.engine != "atheris":
        Run(args).plainly()
        return
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED, exclude=KERNELS):
        import readers  # noqa: F401 - and all of acofer with them
    Run(args).led_by_coverage(atheris)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    whole: Callable[[str], int] = lambda text: int(text.replace(",", "").replace("_", ""))  # noqa: E731
    parser.add_argument("--inputs", type=whole, default=0, help="in all, dealt to the kinds by their shares")
    parser.add_argument("--least", type=whole, default=200, help="of each kind, with --inputs")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of each kind, at most")
    parser.add_argument("--only", help="kinds, with commas between them")
    parser.add_argument("--engine", choices=("auto", "atheris", "plain"), default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--found", default="rubbish-found", help="folder for what found something")
    parser.add_argument("--scratch", help="folder for all that is read; one in memory wears no disk")
    parser.add_argument("--keep", action="store_true", help="add the rows to results/rubbish.csv")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
