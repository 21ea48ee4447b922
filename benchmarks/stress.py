"""What acofer promises of bad days, tried often: the tests that kill, with many kills, and what was lost by it.

The tests that CI leaves out because they take long run, too.

    python benchmarks/stress.py                     # fifty kills of each kind; about an hour
    python benchmarks/stress.py --kills 500 --keep  # a night's worth

A row is written by the test itself, when all that it checks has held; a test that fails has none, and makes this
command fail. ``--keep`` adds the rows to results/stress.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from results import Row, append, print_table

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"


def main() -> int:
    """Run the tests, print the rows, and keep them where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, metavar="N", help="kills of each kind (default 50)")
    parser.add_argument(
        "--only", metavar="WORDS", default="killed or dies or nightly", help="tests by name, as pytest's -k"
    )
    parser.add_argument("--keep", action="store_true", help="add the rows to results/stress.csv")
    args = parser.parse_args()
    code, rows = tried(args.kills, args.only)
    if rows:
        columns = ("promise", "scorer", "times", "lost", "with a checkpoint", "finished")
        print_table([{column: row.get(column) for column in columns} for row in rows])
    if args.keep and rows and not code:
        print(f"added to {append('stress', rows)}")
    return code


def tried(kills: int, only: str) -> tuple[int, list[Row]]:
    """Run the tests and return pytest's exit code and the rows that they wrote."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--nightly", "-k", only, str(TESTS)],
            env={**os.environ, "STRESS_KILLS": str(kills), "STRESS_FILE": str(file)},
            check=False,
        )
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return done.returncode, [json.loads(line) for line in lines]


if __name__ == "__main__":
    raise SystemExit(main())
