import pytest


@pytest.fixture
def drawn(monkeypatch):
    """Every figure that is saved, once a file."""
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: figures.append(self) or save(self, *a, **k))
    return figures
