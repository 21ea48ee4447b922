"""``python -m acofer``: the command line where no script of its name is on the path."""

from acofer.cli import main

raise SystemExit(main())
