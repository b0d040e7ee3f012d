"""Which ship lies where."""

from dataclasses import dataclass, field

MARGIN_M = 5


class NoBerthError(Exception):
    """No berth is free that is long and deep enough."""


@dataclass
class Berth:
    """A place at a pier."""

    name: str
    length_m: float
    depth_m: float
    ship: str | None = None

    def fits(self, length_m: float, draught_m: float, water_m: float) -> bool:
        """Report whether a ship may lie here at this height of the water."""
        return (
            self.ship is None
            and length_m + MARGIN_M <= self.length_m
            and draught_m < self.depth_m + water_m
        )


@dataclass
class Harbour:
    """All berths, the shortest first, so that long ones stay free for long ships."""

    berths: list[Berth] = field(default_factory=list)

    def assign_berth(self, ship: str, length_m: float, draught_m: float, water_m: float) -> Berth:
        """Give a ship the shortest berth that it fits into at the lowest water of its stay."""
        for berth in sorted(self.berths, key=lambda berth: berth.length_m):
            if berth.fits(length_m, draught_m, water_m):
                berth.ship = ship
                return berth
        raise NoBerthError(ship)

    def leave(self, ship: str) -> None:
        """Free the berth of a ship that has gone."""
        for berth in self.berths:
            if berth.ship == ship:
                berth.ship = None
