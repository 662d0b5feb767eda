"""The sections "Steps", "Order of coding", "A block" and "Samples"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.helpers.dct_reader.bits import Bits, clip

COUNTS = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024]
LIMITS = {
    "LOCAL": [1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 32],
    "COARSE": [1, 3, 7],
    "EXPECTED": [1, 3, 6, 10, 15, 21, 29, 40, 56, 80, 120],
    "REFERENCE": [1, 8, 24],
    "EDGE": [1, 2, 3, 5, 8, 14, 24],
    "FREQUENCY": [1, 2, 3, 4, 6, 8, 12, 16, 24],
    "DIAGONAL": [1, 2, 3, 4, 5, 6, 8, 10, 13, 18, 26],
    "SCAN": [1, 2, 3, 5, 8, 12, 18, 28, 44, 64, 100, 160, 256, 400, 640],
}
REGIONS = {
    "position": 19200,
    "expected": 6912,
    "pattern": 20736,
    "reference": 36864,
    "ending": 16128,
    "top": 23040,
    "left": 23040,
    "around": 27648,
    "mean": 23040,
    "sign": 11520,
    "end": 16896,
    "split": 512,
    "escape": 80,
}
STARTS = dict(zip(REGIONS, np.cumsum([0, *REGIONS.values()]).tolist(), strict=False))
SIGN, END, SPLIT, LIGHT = 288, 300, 330, 334


def class_of(name: str, value: int) -> int:
    """Returns how many of a class's limits a number has reached."""
    return sum(value >= limit for limit in LIMITS[name])


def basis(size: int) -> NDArray[np.float64]:
    """The orthonormal DCT-II, [frequency, sample]."""
    f, n = np.mgrid[0:size, 0:size]
    matrix = np.sqrt(2 / size) * np.cos((2 * n + 1) * f * np.pi / (2 * size))
    matrix[0] = np.sqrt(1 / size)
    return matrix


INVERSE = {size: np.rint(4096 * basis(size)).astype(np.int64) for size in (8, 16, 32)}
EDGES = {size: np.rint(4096 * np.sqrt(size) * basis(size)).astype(np.int64) for size in (8, 16, 32)}
SCANS = {
    size: sorted(
        ((u, v) for u in range(size) for v in range(size)),
        key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]),
    )
    for size in (8, 16, 32)
}


def wrapped(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Modulo 2^32 in two's complement."""
    return values.astype(np.int32).astype(np.int64)


class Plane:
    """A plane while it is read."""

    def __init__(self, rows: int, columns: int, number: int, base: int, slope: int) -> None:
        self.units_y, self.units_x = -(-rows // 8), -(-columns // 8)
        self.number, self.c = number, min(number, 1)
        self.base, self.slope = base, slope
        self.sizes = np.zeros((self.units_y, self.units_x), int)
        self.ends = np.zeros((self.units_y, self.units_x), int)
        self.profile = np.zeros((self.units_y, self.units_x, 64), np.int64)
        self.quantised = np.zeros((8 * self.units_y, 8 * self.units_x), np.int64)
        self.samples = np.zeros((8 * self.units_y, 8 * self.units_x), np.int64)
        self.other: Plane | None = None
        self.h = 0

    def step(self, u: int, v: int, level: int) -> int:
        """Returns a coefficient's step."""
        return self.base + (self.base * self.slope * ((u + v) * 8 >> level) >> 10)

    def inverse(self, u: int, v: int, level: int) -> int:
        """Returns what turns a coefficient into quarters of a step."""
        return 4 * 256 * 4096 // self.step(u, v, level)


def read_plane(bits: Bits, plane: Plane, *, codes_sizes: bool, is_light: bool) -> None:
    """Reads a plane's blocks in their order."""
    for square in range(-(-plane.units_y // 4) * -(-plane.units_x // 4)):
        top, left = divmod(square, -(-plane.units_x // 4))
        for place in range(16):
            y8 = 4 * top + (place >> 3 & 1) * 2 + (place >> 1 & 1)
            x8 = 4 * left + (place >> 2 & 1) * 2 + (place & 1)
            if y8 >= plane.units_y or x8 >= plane.units_x:
                continue
            if codes_sizes and place % 4 == 0:
                _read_sizes(bits, plane, y8, x8, place)
            level = int(plane.sizes[y8, x8])
            if place % (1, 4, 16)[level] == 0:
                _Block(bits, plane, y8, x8, level, is_light).read()


def _read_sizes(bits: Bits, plane: Plane, y8: int, x8: int, place: int) -> None:
    for level in (2, 1):
        units = 1 << level
        fits = y8 + units <= plane.units_y and x8 + units <= plane.units_x
        if (level == 2 and place) or plane.sizes[y8, x8] == 2 or not fits:
            continue
        left = int(plane.sizes[y8, x8 - 1]) if x8 else 3
        top = int(plane.sizes[y8 - 1, x8]) if y8 else 3
        k = 2 * plane.c + level - 1
        first = STARTS["split"]
        models = [first + 16 * k + 4 * left + top, first + 64 + 4 * k + left, first + 80 + 4 * k + top]
        if not bits.voted(models, 8 * (SPLIT + k)):
            plane.sizes[y8 : y8 + units, x8 : x8 + units] = level


class _Block:
    """A block while it is read."""

    def __init__(self, bits: Bits, plane: Plane, y8: int, x8: int, level: int, is_light: bool) -> None:
        self.bits, self.plane, self.y8, self.x8, self.level, self.is_light = (
            bits,
            plane,
            y8,
            x8,
            level,
            is_light,
        )
        self.size, self.units = 8 << level, 1 << level
        self.a, self.b = self.units >> 2, 3 * self.units >> 2
        self.c, self.kind = plane.c, 3 * plane.c + level
        self.y, self.x = 8 * y8, 8 * x8
        self.m = np.zeros((self.size + 2, self.size + 2), int)
        self.f = np.zeros((self.size, self.size), np.int64)
        self.g = 0

    def read(self) -> None:
        """Reads the block and sets its samples."""
        plane, size = self.plane, self.size
        end = self._end()
        units = np.s_[self.y8 : self.y8 + self.units, self.x8 : self.x8 + self.units]
        plane.ends[units] = 0 if end == 0 else max(end - 4 * self.level, 1)
        samples = plane.samples
        above = samples[self.y - 1, self.x : self.x + size] if self.y8 else np.zeros(size, np.int64)
        beside = samples[self.y : self.y + size, self.x - 1] if self.x8 else np.zeros(size, np.int64)
        self.top, self.left = EDGES[size] @ above >> 12, EDGES[size] @ beside >> 12
        if end > 1:
            self._expect()
            for i in range(min(COUNTS[end], size * size) - 1, 0, -1):
                self._coefficient(i, end)
        self._mean(end)
        matrix = INVERSE[size]
        rows = wrapped(matrix.T @ self.f + 128) >> 8
        samples[self.y : self.y + size, self.x : self.x + size] = np.clip(
            wrapped(rows @ matrix + 32768) >> 16, -2048, 2047
        )
        sums = np.minimum(self.m[:size, :size], 15) << (4 - 2 * self.level)
        sums[0, 0] = 0
        cells = sums.reshape(8, self.units, 8, self.units).sum((1, 3)).reshape(64)
        plane.profile[units] = np.minimum(cells, 255)

    def _end(self) -> int:
        y, x, plane = self.y8 + self.a, self.x8 + self.a, self.plane
        left = int(plane.ends[y, self.x8 - 1]) if self.x8 else 13
        top = int(plane.ends[self.y8 - 1, x]) if self.y8 else 13
        other = int(plane.other.ends[y << plane.h, x << plane.h]) if plane.other else 0
        node = 1
        for i in range(4, -1, -1):
            ends = (left, top, other, (left + top) >> 1)
            models = [STARTS["end"] + ((22 * self.kind + e) * 4 + j) * 32 + node for j, e in enumerate(ends)]
            node = 2 * node + self.bits.voted(models, 8 * (END + 5 * self.kind + i))
        return min(node - 32, 12 + 4 * self.level)

    def _expect(self) -> None:
        profile, y, x = self.plane.profile, self.y8, self.x8
        total = np.zeros(64, np.int64)
        if x:
            total = total + profile[y + self.a, x - 1] + profile[y + self.b, x - 1]
        if y:
            total = total + profile[y - 1, x + self.a] + profile[y - 1, x + self.b]
        grid = np.pad(total.reshape(8, 8), ((0, 1), (0, 1)), mode="edge")
        near = (2 * grid[:8, :8] + grid[1:, :8] + grid[:8, 1:]) * (3 - bool(x) - bool(y)) >> 4
        self.ahead = [class_of("EXPECTED", int(value)) for value in near.reshape(64)]
        if self.plane.other:
            h = self.plane.h
            cells = self.plane.other.profile[(y + self.a) << h, (x + self.a) << h]
            self.others = [
                class_of("REFERENCE", int(cells[8 * (i // 8 >> h) + (i % 8 >> h)])) for i in range(64)
            ]

    def _other(self, u: int, v: int) -> int:
        """The quantised coefficient at this place of an equal other plane."""
        other = self.plane.other
        return int(other.quantised[self.y + u, self.x + v]) if other and not self.plane.h else 0

    def _known(self, o: int) -> int:
        return 1 + min(abs(o), 2) if self.plane.other and not self.plane.h else 0

    def _near(self, u: int, v: int) -> int:
        m = self.m
        return min(2 * (m[u, v + 1] + m[u + 1, v]) + m[u + 1, v + 1] + m[u, v + 2] + m[u + 2, v], 127)

    def _magnitude(self, models: list[int], weights: int) -> int:
        for d in range(14):
            e = min(d, 7)
            if not self.bits.voted([model + e for model in models], 8 * (weights + 3 * e)):
                return d
        first = STARTS["escape"] + 32 * self.c
        return 13 + self.bits.gamma(self.bits.models[first : first + 20], 20)

    def _coefficient(self, i: int, end: int) -> None:
        u, v = SCANS[self.size][i]
        level, kind, c, m = self.level, self.kind, self.c, self.m
        local = self._near(u, v)
        near, coarse = class_of("LOCAL", local), class_of("COARSE", local)
        cell = 8 * (u >> level) + (v >> level)
        ahead, diagonal = self.ahead[cell], class_of("DIAGONAL", u + v)
        pattern = (min(m[u, v + 1], 3) * 4 + min(m[u + 1, v], 3)) * 3 + min(m[u + 1, v + 1], 2)
        pattern = pattern * 9 + 3 * min(m[u, v + 2], 2) + min(m[u + 2, v], 2)
        o = self._other(u, v)
        known = self._known(o) + (4 * self.others[cell] if self.plane.other else 0)
        tp = 3 * min(u, 4) + (0 if v == 0 else 1 if v < 4 else 2)
        lp = 3 * min(v, 4) + (0 if u == 0 else 1 if u < 4 else 2)
        tr = int(self.top[v]) if self.y8 and u < 4 else 0
        lr = int(self.left[u]) if self.x8 and v < 4 else 0
        inverse = self.plane.inverse(u, v, level)
        tl = class_of("EDGE", min(abs(tr) * inverse >> 16, 63))
        ll = class_of("EDGE", min(abs(lr) * inverse >> 16, 63))
        frequency = 10 * class_of("FREQUENCY", u) + class_of("FREQUENCY", v)
        contexts = {
            "position": (100 * kind + frequency) * 4 + coarse,
            "expected": (12 * kind + near) * 12 + ahead,
            "pattern": 432 * kind + pattern,
            "reference": ((12 * c + diagonal) * 12 + ahead) * 16 + known,
            "ending": (21 * kind + end) * 16 + class_of("SCAN", i),
            "top": ((15 * kind + tp) * 8 + tl) * 4 + coarse,
            "left": ((15 * kind + lp) * 8 + ll) * 4 + coarse,
            "around": (12 * kind + diagonal) * 48 + 12 * (known & 3) + near,
        }
        models = [STARTS[name] + 8 * int(index) for name, index in contexts.items()]
        group = 0 if near == 0 else 1 if near < 5 else 2
        if self.is_light:
            magnitude = self._magnitude(models[:4], LIGHT + 24 * kind + group)
        else:
            magnitude = self._magnitude(models, 48 * kind + group)
        if magnitude == 0:
            return
        if self.is_light:
            negative = self.bits.bit()
        else:
            t = 8 + tl if tr >= 0 else 7 - tl
            left_class = 8 + ll if lr >= 0 else 7 - ll
            indices = [
                (16 * (15 * c + tp) + t) * 3,
                (16 * (15 * c + lp) + left_class) * 3 + 1,
                self._trend(o),
            ]
            negative = self.bits.voted(
                [STARTS["sign"] + k for k in indices], 8 * (SIGN + 2 * kind + (o != 0))
            )
        magnitude = min(magnitude, 32767)
        self.plane.quantised[self.y + u, self.x + v] = -magnitude if negative else magnitude
        if o:
            self.g += 1 if (o < 0) == bool(negative) else -1
        value = min(magnitude * self.plane.step(u, v, level) >> 4, 65536)
        self.f[u, v] = -value if negative else value
        share = int(self.f[u, v]) * 5793 >> 12
        self.top[v] -= share
        self.left[u] -= share
        m[u, v] = min(magnitude, 63)

    def _trend(self, o: int, more: int = 0) -> int:
        d = 0 if o == 0 else 1 if o > 0 else 2
        return (16 * (15 * self.c + 5 * d + clip(self.g, -2, 2) + 2) + min(abs(o), 3) + more) * 3 + 2

    def _mean(self, end: int) -> None:
        top, left, kind = int(self.top[0]), int(self.left[0]), self.kind
        both = self.y8 and self.x8
        prediction = (top + left) >> 1 if both else top if self.y8 else left if self.x8 else 0
        prediction = (prediction + 8) >> 4 << 4
        residual = 0
        if end:
            spread = 8 if self.y8 or self.x8 else 9
            if both:
                inverse = self.plane.inverse(0, 0, self.level)
                spread = class_of("EDGE", min(abs(top - left) * inverse >> 17, 63))
            near = class_of("LOCAL", self._near(0, 0)) if end > 1 else 0
            o = self._other(0, 0)
            models = [
                STARTS["mean"] + 8 * (((10 * kind + spread) * 12 + near) * 4 + self._known(o)),
                STARTS["ending"] + 8 * ((21 * kind + end) * 16),
                STARTS["pattern"] + 8 * (432 * kind + 431 - spread),
            ]
            residual = self._magnitude(models, 48 * kind + 24)
            if residual and self.bits.voted([STARTS["sign"] + self._trend(o, 4)], 8 * (SIGN + 2 * kind)):
                residual = -residual
        self.plane.quantised[self.y, self.x] = clip(residual, -32767, 32767)
        change = abs(residual) * self.plane.step(0, 0, self.level) >> 4
        self.f[0, 0] = clip(prediction + (change if residual >= 0 else -change), -65536, 65536)
