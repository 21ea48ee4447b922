"""The face itself: each part is placed by the person's proportions and moved by the action units.

`left` and `right` are those of the picture. Displacements are in face units
and follow the appearance changes that the FACS manual (Ekman, Friesen &
Hager, 2002) lists for each unit; their sizes are ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acofer.data.drawn.canvas import Canvas, curve, ellipse
from acofer.data.drawn.expression import Action
from acofer.data.drawn.person import Person

SIDES = ((0, -1.0), (1, 1.0))
"""(index into an action's activations, sign of x) of the left and the right half."""


def head_outline(person: Person, action: Action) -> NDArray[np.float64]:
    """Return the outline of the head, chin included, ``(n, 2)``; dropping the jaw (AU 26) lengthens it."""
    chin = 1.0 + 0.15 * action.mean(26) - 0.02 * action.mean(17)
    t = np.linspace(0, np.pi / 2, 14)
    top = np.stack([person.width * np.cos(t), -1.12 * np.sin(t)], axis=1)
    y = chin * np.sin(t)
    jaw = np.stack([person.width * np.sqrt(1 - np.minimum((y / chin) ** person.jaw, 1)), y], axis=1)
    half = np.concatenate([top[::-1], jaw[1:]])
    return np.concatenate([half, half[::-1] * [-1, 1]])


def draw_face(canvas: Canvas, person: Person, action: Action) -> None:
    """Draw head, features and folds of `person` showing `action`; light is laid on by the caller."""
    canvas.polygon([(-0.45, 0.6), (0.45, 0.6), (0.5, 1.6), (-0.5, 1.6)], person.skin * 0.72)
    for _, sign in SIDES:
        canvas.disc((sign * person.width, 0.02), (0.09, 0.2), person.skin * 0.85)
    canvas.polygon(head_outline(person, action), person.skin)
    _beard(canvas, person, action)
    _soft_relief(canvas, person, action)
    _folds(canvas, person, action)
    _nose(canvas, person, action)
    for side, sign in SIDES:
        _eye(canvas, person, action, side, sign)
        _brow(canvas, person, action, side, sign)
    _mouth(canvas, person, action)


def _soft_relief(canvas: Canvas, person: Person, action: Action) -> None:
    """Large soft forms: eye sockets, cheeks lifted by AU 6 and 12, the ridge and the shadow of the nose, the chin."""
    for side, sign in SIDES:
        lifted = 0.6 * action.both(6)[side] + 0.5 * action.both(12)[side]
        canvas.bulge((sign * person.eye_x, person.eye_y - 0.05), (0.24, 0.13), 0.22)
        canvas.bulge((sign * 0.42, 0.22 - 0.08 * lifted), (0.17, 0.13), -0.08 - 0.14 * lifted)
        canvas.bulge((sign * 0.09, 0.02), (0.035, 0.2), 0.16)
    canvas.bulge((0, 0.02), (0.045, 0.26), -0.14)
    canvas.bulge((0, 0.78 + 0.15 * action.mean(26)), (0.15, 0.09), -0.1)
    canvas.bulge((0, person.mouth_y + 0.17 + 0.13 * action.mean(26)), (0.15, 0.035), 0.25)
    canvas.soften(0.05)


def _folds(canvas: Canvas, person: Person, action: Action) -> None:
    """Furrows that the units press into the skin, deeper with age."""
    age = 0.6 + 0.6 * person.age
    brow_y = person.brow_y
    for side, sign in SIDES:
        frown, raised = action.both(4)[side], action.both(2)[side]
        canvas.crease([(sign * 0.055, brow_y - 0.1), (sign * 0.07, brow_y + 0.07)], 0.5 * frown * age)
        for row in (0.17, 0.28):
            start, end = (sign * 0.03, brow_y - row), (sign * 0.5, brow_y - row + 0.05)
            depth = 0.14 * action.both(1)[side] + 0.22 * raised
            canvas.crease(curve(start, (sign * 0.3, brow_y - row - 0.08 * raised), end), depth * age, 0.025)
        _cheek_folds(canvas, person, action, side, sign, age)
    for row in (-0.16, -0.09, -0.02):
        canvas.crease(curve((-0.1, row + 0.03), (0, row - 0.02), (0.1, row + 0.03)), 0.45 * action.mean(9), 0.03)
    canvas.crease(curve((-0.13, 0.84), (0, 0.74), (0.13, 0.84)), 0.4 * action.mean(17), 0.035)
    canvas.soften(0.012)


def _cheek_folds(canvas: Canvas, person: Person, action: Action, side: int, sign: float, age: float) -> None:
    """Nasolabial fold (AU 9, 10, 12), crow's feet and lower lid (AU 6, 7), the fold below the lip corner (AU 15)."""
    up, pull, wrinkle = action.both(10)[side], action.both(12)[side], action.both(9)[side]
    corner = _corner(person, action, side, sign)
    start = (sign * (person.nose_width + 0.03), person.nose_y - 0.06 - 0.05 * (wrinkle + up))
    bend = (sign * (person.nose_width + 0.14 + 0.06 * pull), person.nose_y + 0.03 - 0.05 * wrinkle)
    end = (corner[0] + sign * (0.06 + 0.03 * pull), corner[1] - 0.02 + 0.04 * up)
    depth = 0.1 * person.age + age * max(0.4 * pull, 0.45 * up, 0.5 * wrinkle, 0.15 * action.both(20)[side])
    canvas.crease(curve(start, bend, end), depth, 0.035)
    squeeze = 0.4 * action.both(6)[side] * age
    outer = sign * (person.eye_x + person.eye_width + 0.03)
    for rise in (-0.06, 0.0, 0.06):
        canvas.crease([(outer, person.eye_y + 0.4 * rise), (outer + sign * 0.11, person.eye_y + rise)], squeeze, 0.02)
    below = person.eye_y + person.eye_height + 0.07
    bag = 0.14 * person.age + 0.25 * max(action.both(6)[side], action.both(7)[side])
    ends = [(sign * (person.eye_x + d), below - 0.03) for d in (-0.14, 0.14)]
    canvas.crease(curve(ends[0], (sign * person.eye_x, below + 0.05), ends[1]), bag, 0.025)
    down = action.both(15)[side]
    canvas.crease([corner, (corner[0] + sign * 0.05, corner[1] + 0.1)], 0.4 * down * age, 0.03)


def _brow(canvas: Canvas, person: Person, action: Action, side: int, sign: float) -> None:
    """AU 1 raises the inner end, AU 2 the outer, AU 4 lowers and draws together, AU 9 pulls the inner end down."""
    inner, outer, lower = action.both(1)[side], action.both(2)[side], action.both(4)[side]
    wrinkle = action.both(9)[side]
    y, slope = person.brow_y, person.brow_slope
    xs = np.array([0.14 - 0.045 * lower, 0.25 - 0.02 * lower, 0.38, 0.54])
    ys = np.array(
        [
            y + slope - 0.16 * inner + 0.12 * lower + 0.07 * wrinkle,
            y - 0.6 * person.brow_arch + 0.4 * slope - 0.09 * inner - 0.05 * outer + 0.10 * lower + 0.05 * wrinkle,
            y - person.brow_arch - 0.02 * inner - 0.13 * outer + 0.06 * lower + 0.02 * wrinkle,
            y + 0.05 - slope - 0.11 * outer + 0.01 * lower + 0.02 * inner,
        ]
    )
    half = person.brow_thickness * np.array([0.9, 1.0, 0.8, 0.25])
    upper = np.stack([sign * xs, ys - half], axis=1)
    under = np.stack([sign * xs, ys + half], axis=1)
    tone = min(person.hair_tone * 0.8, person.skin * 0.62)
    canvas.polygon(np.concatenate([upper, under[::-1]]), tone)


def _lids(person: Person, action: Action, side: int, sign: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges of the upper and the lower lid, each ``(16, 2)`` from the inner to the outer corner."""
    wide, tight, cheek, shut = (action.both(unit)[side] for unit in (5, 7, 6, 43))
    upper = person.eye_height * max(1 + 0.75 * wide - 0.4 * tight - 0.3 * cheek - 1.0 * shut, -0.1)
    lower = 0.75 * person.eye_height * max(1 + 0.15 * wide - 0.6 * tight - 0.75 * cheek + 0.1 * shut, 0.08)
    inner = (sign * (person.eye_x - person.eye_width), person.eye_y + 0.02)
    outer = (sign * (person.eye_x + person.eye_width), person.eye_y + 0.01 - person.eye_tilt)
    # A sad brow (AU 1 + 4) lifts the inner part of the upper lid; a frown presses on it.
    lift = 0.05 * min(action.both(1)[side], 1) - 0.035 * action.both(4)[side]
    near, far = sign * (person.eye_x - 0.1), sign * (person.eye_x + 0.1)
    y = person.eye_y
    top = curve(inner, (near, y - 1.7 * upper - lift), (far, y - 1.5 * upper + 0.3 * lift), outer)
    low = curve(inner, (near, y + 1.5 * lower), (far, y + 1.6 * lower), outer)
    top[:, 1] = np.minimum(top[:, 1], low[:, 1])
    return top, low


def _eye(canvas: Canvas, person: Person, action: Action, side: int, sign: float) -> None:
    """Eyeball between the lids, iris and pupil, the dark edge of the upper lid and its crease."""
    top, low = _lids(person, action, side, sign)
    x = sign * person.eye_x + action.gaze[0] * person.eye_width
    y = person.eye_y - 0.02 + 0.5 * action.gaze[1] * person.eye_width
    radius = person.iris
    marks = [
        (np.concatenate([top, low[::-1]]), 0.35 * person.skin + 145),
        (ellipse((x, y), (radius, radius)), person.iris_tone),
        (ellipse((x, y), (radius * 0.5, radius * 0.5)), 12.0),
        (ellipse((x - 0.025, y - 0.025), (0.018, 0.018)), 245.0),
    ]
    canvas.within(np.concatenate([top, low[::-1]]), marks)
    canvas.stroke(top, person.skin * 0.25, 0.032)
    canvas.stroke(low, person.skin * 0.62, 0.016)
    lid = max(action.both(5)[side] * -0.4 + 0.75, 0.25)
    canvas.stroke(top + np.array([0, -0.06 * lid]), person.skin * 0.74, 0.018)


def _nose(canvas: Canvas, person: Person, action: Action) -> None:
    """Nostrils and wings; AU 9 and 10 raise and spread the wings."""
    y, lift = person.nose_y, 0.12
    for side, sign in SIDES:
        raised = 0.05 * action.both(9)[side] + 0.03 * action.both(10)[side]
        wide = person.nose_width * (1 + 0.15 * action.both(9)[side] + 0.12 * action.both(12)[side])
        wing = curve(
            (sign * wide * 0.85, y - 0.13 - raised), (sign * wide * 1.35, y - raised), (sign * wide * 0.7, y + 0.03)
        )
        canvas.stroke(wing, person.skin * 0.66, 0.025, lift)
        canvas.disc((sign * wide * 0.45, y + 0.015 - 0.5 * raised), (wide * 0.3, 0.024), person.skin * 0.3, lift)
    canvas.crease([(-0.1, y + 0.06), (0.1, y + 0.06)], 0.25, 0.04, lift)
    canvas.crease([(0, y - 0.1), (0, y - 0.04)], -0.16, 0.08, lift)
    canvas.soften(0.012)


def _corner(person: Person, action: Action, side: int, sign: float) -> tuple[float, float]:
    """Where a corner of the mouth lies: AU 12 pulls it up and out, 15 down, 20 out, 23 and 24 in, 26 in and down."""
    pull, down, stretch, jaw = (action.both(unit)[side] for unit in (12, 15, 20, 26))
    tight = action.both(23)[side] + 0.6 * action.both(24)[side]
    x = person.mouth_width + 0.08 * pull + 0.11 * stretch - 0.045 * tight - 0.06 * jaw + 0.03 * action.both(14)[side]
    y = person.mouth_y - 0.13 * pull + 0.11 * down + 0.03 * stretch + 0.05 * jaw + person.mouth_bend
    return sign * float(x), float(y)


def _mouth(canvas: Canvas, person: Person, action: Action) -> None:
    """Lips, the opening between them, teeth; see `_lip_lines` for what moves them."""
    upper_out, upper_in, lower_in, lower_out = _lip_lines(person, action)
    tone = person.skin * person.lip_tone
    canvas.polygon(np.concatenate([upper_out, upper_in[::-1]]), tone * 0.93)
    canvas.polygon(np.concatenate([lower_in, lower_out[::-1]]), tone * 1.05)
    gap = float((lower_in - upper_in)[:, 1].max())
    if gap > 0.02:
        _opening(canvas, action, upper_in, lower_in)
    else:
        canvas.stroke(upper_in, person.skin * 0.3, 0.03)
    for side, sign in SIDES:
        x, y = _corner(person, action, side, sign)
        canvas.disc((x, y), (0.025, 0.022), person.skin * 0.42)
        if action.both(14)[side] > 0.1:
            canvas.stroke([(x + sign * 0.04, y - 0.05), (x + sign * 0.05, y + 0.03)], person.skin * 0.6, 0.03)


def _lip_lines(person: Person, action: Action) -> tuple[NDArray[np.float64], ...]:
    """Return four lines from the left to the right corner, each ``(17, 2)``.

    Outside and inside of the upper lip, then inside and outside of the lower.

    AU 10 raises the upper lip, 16 lowers the lower, 17 pushes both up, 25 parts
    them, 26 drops the jaw, 20 flattens, 23 and 24 make them thin.
    """
    part, jaw, chin = action.mean(25), action.mean(26), action.mean(17)
    thin = max(
        1 - 0.55 * action.mean(23) - 0.5 * action.mean(24) - 0.25 * action.mean(12) - 0.25 * action.mean(20), 0.25
    )
    base = person.mouth_y + 0.02 * action.mean(12) - 0.06 * chin
    upper = base - 0.03 * part - 0.10 * action.mean(10) - 0.04 * action.mean(9)
    lower = base + 0.05 * part + 0.26 * jaw * min(part + 0.3, 1) + 0.09 * action.mean(16)
    lower = max(lower, upper)
    left, right = (np.array(_corner(person, action, side, sign)) for side, sign in SIDES)
    t = np.linspace(0, 1, 17)
    chord = left + t[:, None] * (right - left)
    middle = float(chord[:, 1].mean())
    flat = 0.5 if action.mean(10) + action.mean(16) + action.mean(20) > 0.7 else 0.75
    bump = (4 * t * (1 - t)) ** flat
    bow = 0.25 * np.exp(-(((t - 0.5) / 0.07) ** 2))  # the dip of Cupid's bow

    def line(centre: float) -> NDArray[np.float64]:
        return chord + np.stack([np.zeros_like(t), (centre - middle) * bump], axis=1)

    upper_in, lower_in = line(upper), line(lower)
    upper_out = upper_in - np.stack([np.zeros_like(t), person.lip * thin * (bump - bow)], axis=1)
    lower_out = lower_in + np.stack([np.zeros_like(t), 1.25 * person.lip * thin * bump], axis=1)
    return upper_out, upper_in, lower_in, lower_out


def _opening(canvas: Canvas, action: Action, upper: NDArray[np.float64], lower: NDArray[np.float64]) -> None:
    """The dark of the mouth and the teeth in it: above where the upper lip is drawn away, below with AU 16 and 20."""
    outline = np.concatenate([upper, lower[::-1]])
    down = np.array([0.0, 1.0])
    smile = action.mean(12) + action.mean(10) + 0.4 * action.mean(20)
    above = 0.02 + 0.1 * min(smile, 1)
    below = 0.07 * min(action.mean(16) + 0.6 * action.mean(20) + 0.2 * action.mean(26), 1)
    teeth_above = np.concatenate([upper, (upper + above * down)[::-1]])
    teeth_below = np.concatenate([lower - below * down, lower[::-1]])
    marks = [(outline, 28.0)]
    if action.mean(26) > 0.4:
        x, y = lower[8]
        marks.append((ellipse((float(x), float(y)), (0.13, 0.07)), 80.0))
    canvas.within(outline, [*marks, (teeth_below, 195.0), (teeth_above, 225.0)])


def _beard(canvas: Canvas, person: Person, action: Action) -> None:
    """Stubble, moustache, goatee or full beard, soft-edged, under the mouth that is drawn later."""
    if person.beard == "none":
        return
    chin = 1.0 + 0.15 * action.mean(26)
    mouth = person.mouth_y
    moustache = [
        (-0.3, mouth - 0.01),
        (-0.2, mouth - 0.13),
        (0, mouth - 0.17),
        (0.2, mouth - 0.13),
        (0.3, mouth - 0.01),
    ]
    tone = min(person.hair_tone, person.skin * 0.6)
    if person.beard in ("stubble", "full"):
        outline = head_outline(person, action)
        low = outline[outline[:, 1] > 0.12]
        hollow = [(0.5, 0.3), (0.36, mouth - 0.12), (0.0, mouth - 0.18), (-0.36, mouth - 0.12), (-0.5, 0.3)]
        half = len(low) // 2
        ring = np.concatenate([low[:half], low[half:], np.array(hollow)[::-1]])
        canvas.veil(ring, tone, 0.3 if person.beard == "stubble" else 0.85, 0.04)
    if person.beard == "moustache":
        canvas.veil(moustache, tone, 0.85, 0.02)
    if person.beard == "goatee":
        canvas.veil(ellipse((0, (mouth + chin) / 2 + 0.05), (0.22, (chin - mouth) / 2)), tone, 0.8, 0.03)
        canvas.veil(moustache, tone, 0.7, 0.02)
