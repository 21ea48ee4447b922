"""What came with acofer: the embedded faces and their embeddings, which the first search needs."""

from __future__ import annotations

from acofer.doctor.disk import is_sound_zip
from acofer.doctor.finding import BROKEN, OK, Finding, pip_line


def embedded_findings(*, deep: bool = False) -> list[Finding]:
    """Look whether the package's data were copied whole; with `deep`, byte by byte."""
    from acofer.data.demo import EMBEDDED
    from acofer.features.entry import DamagedEntryError, read_about
    from acofer.features.shipped import PLANES, SHIPPED_FOLDER, shipped_places

    places = shipped_places()
    damaged = [
        str(path) for path in (EMBEDDED, *(p / PLANES for p in places)) if not is_sound_zip(path, everything=deep)
    ]
    damaged += [] if places else [str(SHIPPED_FOLDER)]
    for place in places:
        try:
            read_about(place, place.name)
        except DamagedEntryError:
            damaged.append(str(place))
    facts = {"damaged": damaged}
    if not damaged:
        return [
            Finding("embedded", OK, "the faces that came with acofer and their embeddings", is_vital=True, facts=facts)
        ]
    said = f"absent or damaged, though they came with acofer: {', '.join(damaged)}"
    command = pip_line("--force-reinstall", "--no-deps", "acofer")
    return [Finding("embedded", BROKEN, said, "install acofer again, e.g.", command, is_vital=True, facts=facts)]
