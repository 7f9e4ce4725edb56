"""The order desk itself: a fixed set of orders, and what may be done with them.

Knows nothing of HTTP but the status that a refusal goes out with. Money is kept in cents, because refunds are
added up and compared; it leaves as a number with two decimals. One lock guards all state, so that two refunds at
once can't both take what is left.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

STATUSES = ("paid", "shipped", "delivered", "cancelled", "refunded")
MAX_LISTED = 100
MAX_REASON_CHARS = 500


class Refusal(Exception):
    """The request can't be met: `status` is the HTTP status, the message is for the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Item:
    sku: str
    name: str
    quantity: int
    price_cents: int

    def as_json(self) -> dict[str, Any]:
        return {"sku": self.sku, "name": self.name, "quantity": self.quantity, "price": self.price_cents / 100}


@dataclass
class Order:
    """`shipping_cents` is part of the total. Dates are ISO; a parcel that isn't sent has no carrier."""

    id: str
    customer: str
    email: str
    status: str
    placed_on: str
    items: tuple[Item, ...]
    currency: str = "EUR"
    shipping_cents: int = 0
    carrier: str | None = None
    tracking: str | None = None
    shipped_on: str | None = None
    delivered_on: str | None = None
    refunded_cents: int = 0

    @property
    def total_cents(self) -> int:
        return self.shipping_cents + sum(item.quantity * item.price_cents for item in self.items)

    @property
    def left_cents(self) -> int:
        return self.total_cents - self.refunded_cents

    def summary(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "customer": self.customer,
            "status": self.status,
            "placed_on": self.placed_on,
            "items": [item.name for item in self.items],
            "total": self.total_cents / 100,
            "currency": self.currency,
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "customer": self.customer,
            "email": self.email,
            "status": self.status,
            "placed_on": self.placed_on,
            "shipped_on": self.shipped_on,
            "delivered_on": self.delivered_on,
            "carrier": self.carrier,
            "tracking": self.tracking,
            "items": [item.as_json() for item in self.items],
            "shipping": self.shipping_cents / 100,
            "total": self.total_cents / 100,
            "refunded": self.refunded_cents / 100,
            "currency": self.currency,
        }


class OrderDesk:
    """Orders and their refunds, fresh for each instance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders = {order.id: order for order in _opening_orders()}
        self._refunds: list[dict[str, Any]] = []
        self._by_key: dict[str, tuple[Any, dict[str, Any]]] = {}
        self.refund("1029", {"reason": "Wrong size"})

    def order(self, order_id: str) -> dict[str, Any]:
        with self._lock:
            return self._find(order_id).as_json()

    def orders(self, customer: str = "", status: str = "", limit: int = 20) -> list[dict[str, Any]]:
        """Summaries, newest first. `customer` is part of a name or e-mail address; empty means any."""
        wanted = customer.casefold()
        with self._lock:
            found = [
                order.summary()
                for order in self._orders.values()
                if status in ("", order.status) and wanted in f"{order.customer}\n{order.email}".casefold()
            ]
        return sorted(found, key=lambda summary: (summary["placed_on"], summary["id"]), reverse=True)[:limit]

    def refunds(self, order_id: str) -> list[dict[str, Any]]:
        with self._lock:
            self._find(order_id)
            return [dict(refund) for refund in self._refunds if refund["order_id"] == order_id]

    def refund(self, order_id: str, wish: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        """Refund `wish["amount"]`, or all that is left. The same key gives the same refund, made once."""
        asked = (order_id, dict(wish))
        with self._lock:
            if key in self._by_key:
                before, refund = self._by_key[key]
                if before != asked:
                    raise Refusal(422, "this Idempotency-Key was used for another refund: send a new one")
                return dict(refund)
            refund = self._make_refund(order_id, wish)
            if key:
                self._by_key[key] = (asked, refund)
            return dict(refund)

    def _find(self, order_id: str) -> Order:
        if order_id not in self._orders:
            raise Refusal(404, f"there is no order {order_id[:40]}")
        return self._orders[order_id]

    def _make_refund(self, order_id: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        order = self._find(order_id)
        if unknown := sorted(set(wish) - {"amount", "reason"}):
            raise Refusal(422, f"a refund has amount and reason, not {unknown[0][:40]}")
        amount, reason = _check_amount(wish.get("amount")), _check_reason(wish.get("reason"))
        cents = _check_against(order, amount)
        order.refunded_cents += cents
        if order.left_cents == 0:
            order.status = "refunded"
        refund = {
            "id": f"rf_{len(self._refunds) + 1}",
            "order_id": order.id,
            "amount": cents / 100,
            "currency": order.currency,
            "reason": reason,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "left_to_refund": order.left_cents / 100,
            "order_status": order.status,
        }
        self._refunds.append(refund)
        return refund


def _check_amount(amount: Any) -> Decimal | None:
    if amount is None:
        return None
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal) or amount <= 0:
        raise Refusal(422, "amount must be a number greater than 0; leave it out to refund all that is left")
    return Decimal(amount)


def _check_reason(reason: Any) -> str | None:
    if reason is not None and (not isinstance(reason, str) or len(reason) > MAX_REASON_CHARS):
        raise Refusal(422, f"reason must be text of at most {MAX_REASON_CHARS} characters")
    return reason


def _check_against(order: Order, amount: Decimal | None) -> int:
    """The refund in cents. The size is checked before the decimals: rounding an endless number takes for ever."""
    if order.status == "cancelled":
        raise Refusal(409, f"order {order.id} was cancelled and never charged: there is nothing to refund")
    if order.left_cents == 0:
        raise Refusal(409, f"order {order.id} is already fully refunded")
    left = Decimal(order.left_cents) / 100
    if amount is None:
        return order.left_cents
    if amount > left:
        raise Refusal(409, f"only {left:.2f} {order.currency} of order {order.id} is left to refund")
    if amount != round(amount, 2):
        raise Refusal(422, "amount has more than two decimals")
    return int(amount * 100)


def _opening_orders() -> list[Order]:
    return [
        Order(
            id="1029",
            customer="Priya Raman",
            email="priya.raman@example.com",
            status="delivered",
            placed_on="2026-01-19",
            items=(Item("BT-RAIN-40", "Rain boots, size 40", 1, 5900),),
            shipping_cents=490,
            carrier="DPD",
            tracking="05212345678901",
            shipped_on="2026-01-20",
            delivered_on="2026-01-23",
        ),
        Order(
            id="1033",
            customer="Tom Becker",
            email="tom.becker@example.com",
            status="delivered",
            placed_on="2026-02-02",
            items=(
                Item("LP-DESK-01", "Desk lamp, brass", 1, 7950),
                Item("BU-LED-E27", "LED bulb E27, warm white", 2, 650),
            ),
            carrier="DHL",
            tracking="JD014600005517320986",
            shipped_on="2026-02-03",
            delivered_on="2026-02-05",
        ),
        Order(
            id="1036",
            customer="Ines Carvalho",
            email="ines.carvalho@example.com",
            status="cancelled",
            placed_on="2026-02-11",
            items=(Item("CH-OAK-02", "Oak chair", 2, 12900),),
            shipping_cents=1990,
        ),
        Order(
            id="1042",
            customer="Mara Lindqvist",
            email="mara.lindqvist@example.com",
            status="delivered",
            placed_on="2026-02-24",
            items=(
                Item("TP-CER-12", "Teapot, ceramic, 1.2 l", 1, 4900),
                Item("MU-CER-03", "Mug, ceramic", 4, 1250),
            ),
            shipping_cents=590,
            carrier="DHL",
            tracking="JD014600006281440275",
            shipped_on="2026-02-25",
            delivered_on="2026-02-27",
        ),
        Order(
            id="1045",
            customer="Tom Becker",
            email="tom.becker@example.com",
            status="shipped",
            placed_on="2026-03-02",
            items=(Item("KB-MECH-DE", "Mechanical keyboard, German layout", 1, 11900),),
            carrier="GLS",
            tracking="ZX81K4QN",
            shipped_on="2026-03-03",
        ),
        Order(
            id="1047",
            customer="Oliver Grant",
            email="oliver.grant@example.org",
            status="shipped",
            placed_on="2026-03-04",
            items=(Item("KT-WOOL-GR", "Wool blanket, grey", 1, 6800), Item("CU-LIN-45", "Cushion, linen", 2, 2400)),
            currency="GBP",
            shipping_cents=750,
            carrier="Royal Mail",
            tracking="RM582914773GB",
            shipped_on="2026-03-05",
        ),
        Order(
            id="1048",
            customer="Mara Lindqvist",
            email="mara.lindqvist@example.com",
            status="paid",
            placed_on="2026-03-06",
            items=(Item("TE-ASSAM-250", "Assam tea, 250 g", 2, 1190),),
            shipping_cents=590,
        ),
        Order(
            id="1051",
            customer="Yusuf Demir",
            email="yusuf.demir@example.net",
            status="paid",
            placed_on="2026-03-09",
            items=(Item("SH-BOOK-5", "Bookshelf, five boards", 1, 18900),),
            shipping_cents=2990,
        ),
    ]
